//! What a data command may touch: the keyspace, the effects it states, and nothing else.

use super::effects::{Effects, Event, Propagate};
use crate::algo::rng::Rng;
use crate::keyspace::{DbIndex, DbMut, Keyspace, Tuning};
use crate::resp::request::OwnedArgv;

/// Who is calling, as far as a data command may know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// The caller's commands were decided elsewhere: a primary, or the AOF.
    pub must_obey: bool,
    /// A script asks: what has no order of its own is to come in one all the same.
    pub in_script: bool,
    /// The caller may not read all keys: patterns that stand for some are refused.
    pub confined: bool,
    /// What the caller restores is taken without a close look, if the configuration leaves that to
    /// users.
    pub trusted: bool,
    /// The caller may be made to wait (`command::blocking`).
    pub may_wait: bool,
}

/// See the head of this file. One instant: `now_ms` does not move while a command runs.
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

    #[inline(always)]
    pub fn now_ms(&self) -> i64 {
        self.keyspace.now_ms()
    }

    /// Up to this moment fields are overdue. None is for a log that is being read or a primary: both
    /// tell of the end of fields themselves.
    #[inline(always)]
    pub fn overdue_ms(&self) -> i64 {
        match self.keyspace.shared.none_overdue {
            true => i64::MIN,
            false => self.now_ms(),
        }
    }

    /// A key of the caller's database changed: counts as dirty, and whoever listens is told.
    #[inline(always)]
    pub fn changed(&mut self, event: Event, key: &[u8]) {
        self.changed_in(self.db, event, key);
    }

    #[inline(always)]
    pub fn changed_in(&mut self, db: DbIndex, event: Event, key: &[u8]) {
        self.effects.dirty += 1;
        self.note(db, key, Some(event));
    }

    /// An event that follows from a change already counted.
    #[inline(always)]
    pub fn also(&mut self, event: Event, key: &[u8]) {
        self.note(self.db, key, Some(event));
    }

    /// Something happened to a key that is not counted here.
    #[inline(always)]
    pub fn note(&mut self, db: DbIndex, key: &[u8], event: Option<Event>) {
        let shared = &mut self.keyspace.shared;
        self.effects.note(shared, db, key, event);
    }

    /// What the AOF and replicas get instead of the command itself.
    pub fn propagate_as<A: AsRef<[u8]>>(&mut self, argv: impl IntoIterator<Item = A>) {
        if !self
            .effects
            .interest
            .has(super::effects::Interest::PROPAGATE)
        {
            return;
        }
        let argv: OwnedArgv = argv.into_iter().collect();
        match &mut self.effects.propagate {
            Propagate::Instead(list) => list.push(argv),
            other => *other = Propagate::Instead(vec![argv]),
        }
    }

    pub fn propagate_nothing(&mut self) {
        self.effects.propagate = Propagate::Nothing;
    }
}
