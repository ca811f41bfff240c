//! The context of a data command: the keyspace, and the effects it states.

use super::effects::{Effects, Event, Propagate};
use crate::algo::rng::Rng;
use crate::keyspace::{DbIndex, DbMut, Keyspace, Tuning};

/// The caller, as far as a data command may know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// The caller's commands were decided elsewhere: a primary, or the AOF.
    pub must_obey: bool,
    /// The caller is a script: unordered results are to be sorted.
    pub in_script: bool,
    /// The caller may not read all keys: patterns that stand for some are refused.
    pub confined: bool,
    /// The caller's serialized values are restored without a thorough check, if the configuration
    /// limits checks to clients.
    pub trusted: bool,
    /// The caller may be made to wait (`command::blocking`).
    pub may_wait: bool,
    /// The command is one of a transaction, a script or a function.
    pub nested: bool,
}

/// The context of one command. Time is frozen: `now_ms` does not move while a command runs.
pub struct Cx<'s> {
    pub keyspace: &'s mut Keyspace,
    pub effects: &'s mut Effects,
    pub tuning: &'s Tuning,
    pub rng: &'s mut Rng,
    pub db: DbIndex,
    pub caller: Caller,
}

impl Cx<'_> {
    /// The database the caller has selected.
    #[inline(always)]
    pub fn db(&mut self) -> DbMut<'_> {
        self.keyspace.db(self.db)
    }

    /// The time of the current unit, in Unix milliseconds.
    #[inline(always)]
    pub fn now_ms(&self) -> i64 {
        self.keyspace.now_ms()
    }

    /// The time up to which keys and fields are overdue. None while a log is loaded or for a primary's
    /// stream: both contain the removals.
    #[inline(always)]
    pub fn overdue_ms(&self) -> i64 {
        match self.keyspace.shared.none_overdue {
            true => i64::MIN,
            false => self.now_ms(),
        }
    }

    /// Whether the command removes overdue keys that it finds without being given their names.
    pub fn removes_found_overdue(&self) -> bool {
        !self.caller.nested || self.tuning.nested_expiry
    }

    /// Notes a change of a key in the caller's database: counts it as dirty and notifies
    /// listeners.
    #[inline(always)]
    pub fn changed(&mut self, event: Event, key: &[u8]) {
        self.changed_in(self.db, event, key);
    }

    /// As `changed`, for a key of another database.
    #[inline(always)]
    pub fn changed_in(&mut self, db: DbIndex, event: Event, key: &[u8]) {
        self.effects.count_changes(1);
        self.note(db, key, Some(event));
    }

    /// Names the fields of a hash that the event noted last is about.
    #[inline(always)]
    pub fn of_fields<'a>(&mut self, fields: impl IntoIterator<Item = &'a [u8]>) {
        if self.effects.tells_fields() {
            self.effects.name_fields(fields);
        }
    }

    /// An event that follows from a change already counted.
    #[inline(always)]
    pub fn also(&mut self, event: Event, key: &[u8]) {
        self.note(self.db, key, Some(event));
    }

    /// Notes an event of a key without counting a change.
    #[inline(always)]
    pub fn note(&mut self, db: DbIndex, key: &[u8], event: Option<Event>) {
        let shared = &mut self.keyspace.shared;
        self.effects.note(shared, db, key, event);
    }

    /// Replaces the command in the AOF and in the stream to replicas.
    pub fn propagate_as<A: AsRef<[u8]>>(&mut self, argv: impl IntoIterator<Item = A>) {
        if self.effects.propagates() {
            self.effects.propagate_instead(argv.into_iter().collect());
        }
    }

    /// Keeps the command out of the AOF and the stream to replicas.
    pub fn propagate_nothing(&mut self) {
        self.effects.set_propagate(Propagate::Nothing);
    }
}
