//! The consequences of a command that is over: its events and what is propagated, in order.
//!
//! Both the server and the embedded store settle commands through this file, so that they publish
//! the same events and propagate the same commands.
//!
//! ```text
//!   Effects::key_events       stated by the command     ┐
//!   Shared::missed            keymiss                   │ events, sorted by `seq`
//!   Shared::removed_keys      expired, evicted          │           DEL or UNLINK    ┐ propagated,
//!   Shared::expired_fields    hexpired, and perhaps del ┘           HDEL per field   │ in this order
//!   Effects::propagate                                              the command      ┘
//! ```

use super::effects::{Event, KeyEvent, Propagate};
use crate::keyspace::fields::ExpiredFields;
use crate::keyspace::{DbIndex, Missed, RemovalReason, RemovedKey, Shared, Tuning};
use crate::resp::request::{Argv, OwnedArgv};

/// The receivers of a propagated command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The AOF and all replicas.
    Everybody,
    /// Only the replicas that are connected now, as for PUBLISH.
    Replicas,
    /// Only the AOF: a script has excluded replicas.
    Aof,
}

/// The keys and fields that the keyspace removed or missed while a command ran.
pub struct Noted {
    removed: Vec<RemovedKey>,
    expired: Vec<ExpiredFields>,
    missed: Vec<Missed>,
    /// The commands that propagate a removal: DEL or UNLINK.
    expired_word: &'static [u8],
    evicted_word: &'static [u8],
}

impl Noted {
    /// Takes the lists out of the keyspace and leaves empty ones.
    pub fn take(shared: &mut Shared, tuning: &Tuning) -> Noted {
        Noted {
            removed: std::mem::take(&mut shared.removed_keys),
            expired: std::mem::take(&mut shared.expired_fields),
            missed: std::mem::take(&mut shared.missed),
            expired_word: tuning.word_for_expired(),
            evicted_word: tuning.word_for_evicted(),
        }
    }

    /// Merges the removals and misses into `facts`, those that the command stated, in the order in
    /// which all of them happened. Calls `propagate` with each command that removes the same key or
    /// field elsewhere.
    pub fn settle(self, facts: &mut Vec<KeyEvent>, mut propagate: impl FnMut(DbIndex, &[&[u8]])) {
        let stated = facts.len();
        let mut push = |seq, db, key, event, fields| {
            facts.push(KeyEvent {
                seq,
                db,
                key,
                event: Some(event),
                is_background: true,
                fields,
            });
        };
        for missed in self.missed {
            push(
                missed.seq,
                missed.db,
                missed.key,
                Event::KEYMISS,
                Vec::new(),
            );
        }
        for key in self.removed {
            let (event, word) = match key.why {
                RemovalReason::Evicted => (Event::EVICTED, self.evicted_word),
                _ => (Event::EXPIRED, self.expired_word),
            };
            propagate(key.db, &[word, &key.key]);
            push(key.seq, key.db, key.key, event, Vec::new());
        }
        for expired in self.expired {
            for field in &expired.fields {
                propagate(expired.db, &[b"HDEL", &expired.key, field]);
            }
            if expired.emptied {
                let (seq, db, fields) = (expired.seq, expired.db, expired.fields);
                push(seq, db, expired.key.clone(), Event::HEXPIRED, fields);
                push(seq, db, expired.key, Event::DEL, Vec::new());
            } else {
                let (seq, db, fields) = (expired.seq, expired.db, expired.fields);
                push(seq, db, expired.key, Event::HEXPIRED, fields);
            }
        }
        if facts.len() > stated {
            facts.sort_by_key(|fact| fact.seq);
        }
    }
}

impl Propagate {
    /// Calls `propagate` with each command that goes to the AOF and to replicas for `argv`, which
    /// has `changed` something or not.
    pub fn settle(self, argv: &Argv, changed: bool, mut propagate: impl FnMut(OwnedArgv, Target)) {
        match self {
            Propagate::Nothing => {}
            Propagate::Verbatim if !changed => {}
            Propagate::Verbatim => propagate(argv.to_owned(), Target::Everybody),
            Propagate::Replicas => propagate(argv.to_owned(), Target::Replicas),
            Propagate::Instead(list) => {
                for argv in list {
                    propagate(argv, Target::Everybody);
                }
            }
        }
    }
}
