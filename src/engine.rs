//! The embeddable face: keyspace and data commands inside a process, without sockets.
//!
//! A host hands over a command and gets the reply as a client would see it; what the command did
//! besides (keys changed, what a replica would have to be told) is in `Engine::outcome`. Tests of
//! commands run through here too.
//!
//! ```
//! use redwheel::engine::Engine;
//!
//! let mut engine = Engine::new();
//! assert_eq!(engine.run(&["SET", "greeting", "hello", "EX", "60"]), b"+OK\r\n");
//! assert_eq!(engine.run(&["STRLEN", "greeting"]), b":5\r\n");
//! assert_eq!(engine.ask("GETRANGE greeting 1 3"), "$3 ell");
//! engine.advance_ms(60_000);
//! assert_eq!(engine.ask("GET greeting"), "$-1");
//! ```

use crate::algo::quoting::split_args;
use crate::algo::rng::Rng;
use crate::command::context::Caller;
use crate::command::effects::{Effects, Event, Interest, Propagate};
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::TABLES;
use crate::keyspace::{DbIndex, Keyspace, Missed, RemovalReason, Tuning};
use crate::resp::encode::Resp;
use crate::resp::request::{Argv, OwnedArgv};
use crate::sys::clock::Clock;
use std::collections::HashMap;

const DATABASES: u32 = 16;
/// The seed of `Engine::new`: an engine repeats its random picks unless it is given another.
const SEED: u64 = 1;

/// What the last command did besides answering.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Changes, as INFO's rdb_changes_since_last_save counts them.
    pub dirty: u64,
    /// (database, event, key) in the order they happened.
    pub events: Vec<(u32, &'static str, Vec<u8>)>,
    /// What replicas and the AOF would get.
    pub propagated: Vec<Vec<Vec<u8>>>,
}

impl Outcome {
    /// The events of database 0 as text: `set a, expire a`.
    pub fn events_text(&self) -> String {
        let one = |(_, event, key): &(u32, &str, Vec<u8>)| {
            format!("{event} {}", String::from_utf8_lossy(key))
        };
        self.events.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// What would be propagated, as text: `SET a 1; DEL b`.
    pub fn propagated_text(&self) -> String {
        let one = |argv: &Vec<Vec<u8>>| String::from_utf8_lossy(&argv.join(&b' ')).into_owned();
        self.propagated
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// See the head of this file.
pub struct Engine {
    keyspace: Keyspace,
    effects: Effects,
    tuning: Tuning,
    rng: Rng,
    clock: Clock,
    db: DbIndex,
    resp: Resp,
    commands: HashMap<&'static str, &'static DataCommand>,
    outcome: Outcome,
}

impl Default for Engine {
    fn default() -> Self {
        Engine::new()
    }
}

impl Engine {
    pub fn new() -> Engine {
        Engine::with_seed(SEED)
    }

    /// An engine whose random picks follow from `seed`.
    pub fn with_seed(seed: u64) -> Engine {
        let mut rng = Rng::new(seed);
        let clock = Clock::new();
        let effects = Effects {
            interest: Interest(Interest::EVENTS.0 | Interest::PROPAGATE.0),
            ..Effects::default()
        };
        let commands = TABLES.iter().copied().flatten();
        Engine {
            keyspace: Keyspace::new(DATABASES, rng.split(), clock.now_ms()),
            effects,
            tuning: Tuning::default(),
            rng,
            clock,
            db: DbIndex(0),
            resp: Resp::V2,
            commands: commands.map(|entry| (entry.spec.name, entry)).collect(),
            outcome: Outcome::default(),
        }
    }

    /// Chooses the database for the commands that follow; false if there is none of this number.
    pub fn select(&mut self, db: u32) -> bool {
        let exists = db < self.keyspace.databases();
        if exists {
            self.db = DbIndex(db);
        }
        exists
    }

    /// Chooses the protocol of the replies that follow.
    pub fn speak(&mut self, resp: Resp) {
        self.resp = resp;
    }

    /// Stops the clock and sets it, in Unix milliseconds.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.clock.freeze();
        self.clock.set_unix_ms(now_ms);
    }

    /// Stops the clock and moves it on.
    pub fn advance_ms(&mut self, ms: u64) {
        self.clock.freeze();
        self.clock.advance_ms(ms);
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub fn keyspace(&mut self) -> &mut Keyspace {
        &mut self.keyspace
    }

    pub fn tuning(&mut self) -> &mut Tuning {
        &mut self.tuning
    }

    /// What the last command, or the last call of `expire_due`, did.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Removes the keys whose time has come. Commands never see them in any case.
    pub fn expire_due(&mut self) {
        self.begin();
        for index in 0..self.keyspace.databases() {
            self.keyspace.db(DbIndex(index)).expire_due(|| true);
            self.keyspace.db(DbIndex(index)).expire_fields_due(|| true);
        }
        self.settle(&OwnedArgv::default().as_argv());
    }

    /// Runs a command and returns its reply in the protocol.
    pub fn run<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Vec<u8> {
        let owned: OwnedArgv = argv.iter().collect();
        let argv = owned.as_argv();
        self.begin();
        let mut out = Vec::new();
        if let Err(error) = self.call(argv, &mut out) {
            out.clear();
            Reply::new(&mut out, self.resp)
                .error(error.to_string().as_bytes())
                .expect("replies go to memory");
        }
        self.settle(&argv);
        out
    }

    /// Runs a command typed as for a terminal, and returns the reply as text, a blank for each
    /// line break.
    pub fn ask(&mut self, line: &str) -> String {
        let argv = split_args(line.as_bytes()).unwrap_or_default();
        let reply = String::from_utf8_lossy(&self.run(&argv)).replace("\r\n", " ");
        reply.trim_end().to_owned()
    }

    fn begin(&mut self) {
        self.clock.refresh();
        self.keyspace.set_now_ms(self.clock.now_ms());
        self.keyspace.forget_hint();
        self.outcome = Outcome::default();
    }

    fn call(&mut self, argv: Argv, out: &mut Vec<u8>) -> CmdResult {
        let (entry, skip) = self.look_up(&argv)?;
        let mut cx = Cx {
            keyspace: &mut self.keyspace,
            effects: &mut self.effects,
            tuning: &self.tuning,
            rng: &mut self.rng,
            db: self.db,
            caller: Caller::default(),
        };
        let mut reply = Reply::new(out, self.resp);
        (entry.run)(&mut cx, &mut Args::new(argv, skip), &mut reply)
    }

    /// The command that is meant, and how many words its name has.
    fn look_up(&self, argv: &Argv) -> Result<(&'static DataCommand, usize), CmdError> {
        let word = |index: usize| String::from_utf8_lossy(argv.at(index)).to_lowercase();
        let name = word(0);
        let unknown = || CmdError::Text(format!("ERR unknown command '{name}'"));
        let entry = *self.commands.get(name.as_str()).ok_or_else(unknown)?;
        if entry.subcommands.is_empty() || argv.len() < 2 {
            return match entry.spec.accepts(argv.len()) {
                true => Ok((entry, 1)),
                false => Err(CmdError::Arity(name)),
            };
        }
        let sub = word(1);
        let entry = entry.subcommands.iter().find(|e| e.spec.name == sub);
        let Some(entry) = entry else {
            return Err(CmdError::unknown_subcommand(&name, argv.at(1)));
        };
        match entry.spec.accepts(argv.len()) {
            true => Ok((entry, 2)),
            false => Err(CmdError::Arity(format!("{name}|{sub}"))),
        }
    }

    /// Draws up what happened.
    fn settle(&mut self, argv: &Argv) {
        let outcome = &mut self.outcome;
        for gone in self.keyspace.shared.removed_keys.drain(..) {
            let event = match gone.why {
                RemovalReason::Evicted => Event::EVICTED,
                _ => Event::EXPIRED,
            };
            let del = vec![b"DEL".to_vec(), gone.key.clone()];
            outcome.propagated.push(del);
            outcome.events.push((gone.db.0, event.name, gone.key));
        }
        for fields in self.keyspace.shared.expired_fields.drain(..) {
            let del = |field| vec![b"HDEL".to_vec(), fields.key.clone(), field];
            outcome
                .propagated
                .extend(fields.fields.into_iter().map(del));
            let expired = (fields.db.0, Event::HEXPIRED.name, fields.key.clone());
            outcome.events.push(expired);
            if fields.emptied {
                outcome
                    .events
                    .push((fields.db.0, Event::DEL.name, fields.key));
            }
        }
        for missed in self.keyspace.shared.missed.drain(..) {
            let Missed { db, key, .. } = missed;
            outcome.events.push((db.0, Event::KEYMISS.name, key));
        }
        let words = |argv: &Argv| argv.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        outcome.dirty = std::mem::take(&mut self.effects.dirty);
        match std::mem::take(&mut self.effects.propagate) {
            Propagate::Verbatim if outcome.dirty > 0 => outcome.propagated.push(words(argv)),
            Propagate::Verbatim | Propagate::Nothing | Propagate::Replicas => {}
            Propagate::Instead(list) => outcome
                .propagated
                .extend(list.iter().map(|argv| words(&argv.as_argv()))),
        }
        let happened = self.effects.key_events.drain(..);
        outcome
            .events
            .extend(happened.filter_map(|one| Some((one.db.0, one.event?.name, one.key))));
        self.effects.database_changes.clear();
        for job in std::mem::take(&mut self.keyspace.shared.to_free) {
            self.keyspace.drop_quickly(job.garbage);
        }
        self.keyspace.shared.await_lazy_free = false;
        self.keyspace.shared.settled();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_sees_what_a_command_did() {
        let mut engine = Engine::new();
        engine.set_now_ms(1_000_000);
        assert_eq!(engine.ask("SET a 1 EX 10"), "+OK");
        assert_eq!(engine.outcome().dirty, 1);
        assert_eq!(engine.outcome().events_text(), "new a, set a, expire a");
        assert_eq!(engine.outcome().propagated_text(), "SET a 1 PXAT 1010000");
        assert_eq!(engine.ask("GET a"), "$1 1");
        assert_eq!(engine.outcome(), &Outcome::default());
    }

    #[test]
    fn due_keys_go_with_the_clock() {
        let mut engine = Engine::new();
        engine.set_now_ms(1_000_000);
        engine.ask("SET a 1 PX 10");
        engine.advance_ms(11);
        engine.expire_due();
        assert_eq!(engine.outcome().events_text(), "expired a");
        assert_eq!(engine.outcome().propagated_text(), "DEL a");
        assert_eq!(engine.keyspace().len(), 0);
    }

    #[test]
    fn databases_are_apart_and_mistakes_are_answered() {
        let mut engine = Engine::new();
        engine.ask("SET a 1");
        assert!(engine.select(1) && !engine.select(16));
        assert_eq!(engine.ask("GET a"), "$-1");
        assert_eq!(
            engine.ask("GET"),
            "-ERR wrong number of arguments for 'get' command"
        );
        assert!(engine.ask("NOSUCH").starts_with("-ERR unknown command"));
        assert_eq!(
            engine.ask("OBJECT nosuch a"),
            "-ERR unknown subcommand 'nosuch'. Try OBJECT HELP."
        );
    }
}
