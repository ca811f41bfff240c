//! ACL LOG: what was refused lately, the newest first.
//!
//! An event that repeats within a minute is counted instead of logged again, as long as it is
//! among the newest entries.

use std::collections::VecDeque;

/// Entries that are looked at for one of the same kind.
const LOOKED_AT: usize = 10;
/// The longest distance of events that are counted as one, in milliseconds.
const GROUPED_MS: u64 = 60_000;

/// The kind of a denial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Command,
    Key,
    Channel,
    Database,
    Auth,
    /// The certificate of a client names no user that may come in.
    Certificate,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Database => "database",
            Reason::Auth => "auth",
            Reason::Certificate => "tls-cert",
        }
    }
}

/// The context of a denial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    Toplevel,
    Multi,
    Lua,
}

impl Context {
    pub fn name(self) -> &'static str {
        match self {
            Context::Toplevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// A denial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub reason: Reason,
    pub context: Context,
    /// The command, key or channel.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    /// The CLIENT LIST line of the denied client.
    pub client: String,
}

/// An event, perhaps several times.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: u64,
    pub count: u64,
    pub event: Event,
    pub created_ms: i64,
    pub updated_ms: i64,
}

impl Entry {
    fn is_like(&self, event: &Event, now_ms: i64) -> bool {
        let own = &self.event;
        own.reason == event.reason
            && own.context == event.context
            && self.updated_ms.abs_diff(now_ms) <= GROUPED_MS
            && own.object == event.object
            && own.user == event.user
    }
}

/// The recent denials, the newest first.
#[derive(Debug, Default)]
pub struct AclLog {
    entries: VecDeque<Entry>,
    next_id: u64,
    /// Entries to be kept (`acllog-max-len`). The log is cut when something is added to it.
    pub max: usize,
}

impl AclLog {
    /// Logs a denial, or counts it with a recent similar one.
    pub fn add(&mut self, event: Event, now_ms: i64) {
        if self.max == 0 {
            return self.entries.clear();
        }
        let newest = self.entries.iter().take(LOOKED_AT);
        let known = newest.into_iter().position(|e| e.is_like(&event, now_ms));
        if let Some(mut entry) = known.and_then(|at| self.entries.remove(at)) {
            entry.event.client = event.client;
            entry.updated_ms = now_ms;
            entry.count += 1;
            return self.entries.push_front(entry);
        }
        self.entries.push_front(Entry {
            id: self.next_id,
            count: 1,
            event,
            created_ms: now_ms,
            updated_ms: now_ms,
        });
        self.next_id += 1;
        self.entries.truncate(self.max);
    }

    /// The newest entries.
    pub fn newest(&self, count: usize) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().take(count)
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }
}
