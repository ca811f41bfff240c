//! After a slow command: the clock, the slow log and the latency monitor. After each, if it is asked
//! for: the hottest keys.

use crate::command::spec::{FAST, SKIP_SLOWLOG};
use crate::observe::slowlog::{Entry, Limits, cut};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::redact::is_secret;
use crate::server::clients::session::Session;
use crate::server::gates::Gates;

impl Server {
    /// Records a command that exceeded one of the thresholds.
    #[cold]
    pub fn notice(&mut self, session: &Session, number: u16, argv: Argv, ns: u64) {
        self.clock.catch_up(self.frame.began());
        if !self.unit.is_nested() {
            self.keyspace.set_now_ms(self.clock.now_ms());
        }
        let slot = &mut self.table[number];
        let event = match slot.spec.flags.has(FAST) {
            true => "fast-command",
            false => "command",
        };
        self.observe
            .latency
            .note(event, self.clock.now_s(), ns / 1_000_000);
        let slowlog = &mut self.observe.slowlog;
        if ns < slowlog.threshold_ns || slot.spec.flags.has(SKIP_SLOWLOG) {
            return;
        }
        let spec = slot.spec;
        let args = (0..argv.len()).map(|index| argv.at(index));
        // A script has no connection of its own.
        let (peer, client) = match self.frame.in_script() {
            true => Default::default(),
            false => (session.addresses.0.clone(), session.name.clone()),
        };
        let limits = Limits {
            args: self.config.slowlog_entry_max_argc as usize,
            arg_bytes: self.config.slowlog_entry_max_string_len as usize,
        };
        let entry = Entry {
            id: 0,
            unix_s: self.clock.now_s(),
            duration_us: ns / 1000,
            args: cut(args, |index| is_secret(spec, &argv, index), limits),
            argc: argv.len(),
            peer,
            name: client,
        };
        if slowlog.push(entry, self.config.slowlog_max_len as usize) {
            slot.stats.slow.note(ns / 1000);
        }
    }
}

/// Counts a command for the hottest keys.
#[cold]
pub fn count_hot_keys(server: &mut Server, number: u16, argv: &Argv, ns: u64, replied: usize) {
    if !server.observe.is_collecting(server.clock.mono_ms()) {
        return server.gates.set(Gates::HOTKEYS, false);
    }
    let Ok(places) = server.table[number].spec.find_keys(argv) else {
        return;
    };
    if places.is_empty() {
        return;
    }
    let mut keys: Vec<(&[u8], u64)> = Vec::with_capacity(places.len());
    for (place, _) in places {
        let key = argv.at(place);
        keys.push((key, server.keyspace.hash(key)));
    }
    let request: usize = argv.iter().map(bulk_len).sum();
    let bytes = prefixed_len(argv.len()) + request + replied;
    if let Some(hotkeys) = &mut server.observe.hotkeys {
        hotkeys.note(&keys, ns, bytes as u64);
    }
}

/// The bytes of a number behind its type, with the end of the line.
fn prefixed_len(n: usize) -> usize {
    const PREFIX_AND_END: usize = 3;
    PREFIX_AND_END + n.checked_ilog10().unwrap_or(0) as usize + 1
}

/// The bytes of a word in a request.
fn bulk_len(word: &[u8]) -> usize {
    prefixed_len(word.len()) + word.len() + 2
}
