//! The embedded store: keyspace and data commands inside a process, without sockets.
//!
//! The unit tests of the commands run through [`Engine`] too; the methods that only they need are
//! in `testing`.

mod reply;
#[cfg(any(test, feature = "testing"))]
mod testing;

pub use reply::{Error, Reply};

use crate::algo::rng::Rng;
use crate::command::context::Caller;
use crate::command::effects::{self, Effects, Interest};
use crate::command::settle::Noted;
use crate::command::{self, Args, CmdError, CmdResult, Cx, DataCommand};
use crate::commands::TABLES;
use crate::keyspace::{DbIndex, Keyspace, Tuning};
use crate::resp::encode::Resp;
use crate::resp::request::{Argv, OwnedArgv};
use crate::sys::clock::Clock;
use std::collections::HashMap;

const DATABASES: u32 = 16;
/// The seed of `Engine::new`.
const SEED: u64 = 1;

/// The effects of a command beside its reply.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The number of changes, as a server adds them to `rdb_changes_since_last_save` of INFO.
    pub dirty: u64,
    /// The keyspace events of all classes, in the order in which a server publishes them under
    /// `notify-keyspace-events`.
    pub events: Vec<KeyEvent>,
    /// The commands that a server writes to its AOF and sends to its replicas, each a list of
    /// arguments. A server puts more than one between MULTI and EXEC.
    pub propagated: Vec<Vec<Vec<u8>>>,
}

/// A keyspace event: something happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyEvent {
    /// The number of the database.
    pub db: u32,
    /// The name of the event: `set`, `expired`, `rename_from`, …
    pub name: &'static str,
    /// The key.
    pub key: Vec<u8>,
}

/// An embedded store: 16 databases in memory, and the data commands of Redis on them.
///
/// Commands behave as on a server with its default configuration, with RESP3 for replies.
///
/// - **Scope.** Data commands only: no transactions, scripts, Pub/Sub, persistence or memory limit.
///   SELECT is [`Engine::select`]. A blocking command (BLPOP, XREAD BLOCK, …) that would wait
///   returns [`Reply::Null`] at once.
/// - **Threads.** An `Engine` is [`Send`]: create it on one thread and use it on another. Every
///   command needs `&mut self`, so to share one put it into a [`Mutex`](std::sync::Mutex). It
///   starts no thread.
/// - **Time.** The clock is the system's, read before each command; time stands still within one.
///   [`Engine::freeze_at_ms`] and [`Engine::advance_ms`] stop it for good. A key is gone for every
///   command once its deadline has passed; [`Engine::expire_due`] also frees its memory.
/// - **Determinism.** All random choices (SPOP, RANDOMKEY, the order of keys in a scan, …) follow
///   from the seed. Two engines with the same seed and a frozen clock give the same replies to the
///   same commands.
/// - **Memory.** The layout is that of the server, see `docs/memory.md` of the repository. Memory
///   comes from the global allocator of the process and, for entries and tables, from the system.
///
/// ```
/// use redwheel::{Engine, Reply};
///
/// # fn main() -> Result<(), redwheel::Error> {
/// let mut store = Engine::new();
/// store.call(&["HSET", "user:1", "name", "Ada", "visits", "1"])?;
/// store.call(&["HINCRBY", "user:1", "visits", "41"])?;
/// let visits = store.call(&["HGET", "user:1", "visits"])?;
/// assert_eq!(visits.as_str(), Some("42"));
/// assert_eq!(store.outcome().dirty, 0);
/// # Ok(())
/// # }
/// ```
pub struct Engine {
    keyspace: Keyspace,
    effects: Effects,
    tuning: Tuning,
    rng: Rng,
    clock: Clock,
    db: DbIndex,
    /// The protocol of raw replies; `call` uses RESP3 always.
    #[cfg(any(test, feature = "testing"))]
    resp: Resp,
    caller: Caller,
    commands: HashMap<&'static str, &'static DataCommand>,
    outcome: Outcome,
}

const fn assert_send<T: Send>() {}
const _: () = assert_send::<Engine>();

impl Default for Engine {
    fn default() -> Self {
        Engine::new()
    }
}

impl Engine {
    /// Returns an empty store that makes the same random choices each time.
    pub fn new() -> Engine {
        Engine::with_seed(SEED)
    }

    /// Returns an empty store whose random choices follow from `seed`. Where keys come from
    /// untrusted sources the seed should be random: it also keys the hash of the tables.
    pub fn with_seed(seed: u64) -> Engine {
        let mut rng = Rng::new(seed);
        let clock = Clock::new();
        let mut effects = Effects::default();
        effects.set_interest(Interest::EVENTS, true);
        effects.set_interest(Interest::PROPAGATE, true);
        let commands = TABLES.iter().copied().flatten();
        Engine {
            keyspace: Keyspace::new(DATABASES, rng.split(), clock.now_ms()),
            effects,
            tuning: Tuning::default(),
            rng,
            clock,
            db: DbIndex(0),
            #[cfg(any(test, feature = "testing"))]
            resp: Resp::V2,
            caller: Caller::default(),
            commands: commands.map(|entry| (entry.spec.name, entry)).collect(),
            outcome: Outcome::default(),
        }
    }

    /// Runs a command: its name and its arguments, as a client would send them.
    ///
    /// # Errors
    ///
    /// The error reply of the command, for example `WRONGTYPE` for a key of another type. An
    /// unknown command is an error as well.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Reply, Error> {
        reply::decode(&self.execute(argv, Resp::V3))
    }

    /// Selects the database for the following commands, 0 at first. Returns false, and changes
    /// nothing, if there is no database of this number.
    pub fn select(&mut self, db: u32) -> bool {
        let exists = db < self.keyspace.databases();
        if exists {
            self.db = DbIndex(db);
        }
        exists
    }

    /// Returns the effects of the last command, or of the last call of [`Engine::expire_due`].
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Removes the keys and fields whose deadlines have passed, and frees their memory. The events
    /// are in [`Engine::outcome`].
    pub fn expire_due(&mut self) {
        self.begin();
        for index in 0..self.keyspace.databases() {
            let mut db = self.keyspace.db(DbIndex(index));
            db.expire_due(|| true);
            db.expire_fields_due(|| true);
        }
        self.settle(&OwnedArgv::default().as_argv());
    }

    /// Returns the time that the next command sees, in Unix milliseconds.
    pub fn now_ms(&mut self) -> i64 {
        self.clock.refresh();
        self.clock.now_ms()
    }

    /// Stops the clock at `now_ms`, in Unix milliseconds.
    pub fn freeze_at_ms(&mut self, now_ms: i64) {
        self.clock.freeze();
        self.clock.set_unix_ms(now_ms);
    }

    /// Stops the clock, and moves it forward by `ms` milliseconds.
    pub fn advance_ms(&mut self, ms: u64) {
        self.clock.freeze();
        self.clock.advance_ms(ms);
    }

    /// Runs a command and returns its reply in the protocol.
    fn execute<A: AsRef<[u8]>>(&mut self, argv: &[A], resp: Resp) -> Vec<u8> {
        let owned: OwnedArgv = argv.iter().collect();
        let argv = owned.as_argv();
        self.begin();
        let mut out = Vec::new();
        if let Err(error) = self.dispatch(argv, &mut command::Reply::new(&mut out, resp)) {
            out.clear();
            command::Reply::new(&mut out, resp)
                .error(&error.bytes())
                .expect("replies go to memory");
        }
        self.settle(&argv);
        out
    }

    fn begin(&mut self) {
        self.clock.refresh();
        self.keyspace.set_now_ms(self.clock.now_ms());
        self.keyspace.forget_hint();
        self.outcome = Outcome::default();
    }

    fn dispatch(&mut self, argv: Argv, reply: &mut command::Reply) -> CmdResult {
        let (entry, skip) = self.look_up(&argv)?;
        let mut cx = Cx {
            keyspace: &mut self.keyspace,
            effects: &mut self.effects,
            tuning: &self.tuning,
            rng: &mut self.rng,
            db: self.db,
            caller: self.caller,
        };
        (entry.run)(&mut cx, &mut Args::new(argv, skip), reply)
    }

    /// Returns the command, and the number of words in its name.
    fn look_up(&self, argv: &Argv) -> Result<(&'static DataCommand, usize), CmdError> {
        let word = |index: usize| String::from_utf8_lossy(argv.at(index)).to_lowercase();
        let name = word(0);
        let entry = self.commands.get(name.as_str());
        let entry = *entry.ok_or_else(|| CmdError::unknown_command(argv))?;
        if entry.subcommands.is_empty() || argv.len() < 2 {
            return match entry.spec.accepts(argv.len()) {
                true => Ok((entry, 1)),
                false => Err(CmdError::Arity(name)),
            };
        }
        let sub = word(1);
        let entry = entry.find_subcommand(&sub);
        let Some(entry) = entry else {
            return Err(CmdError::unknown_subcommand(argv));
        };
        match entry.spec.accepts(argv.len()) {
            true => Ok((entry, 2)),
            false => Err(CmdError::Arity(format!("{name}|{sub}"))),
        }
    }

    /// Collects the effects of the last command into the outcome.
    fn settle(&mut self, argv: &Argv) {
        let outcome = &mut self.outcome;
        let owned = |argv: &Argv| argv.iter().map(<[u8]>::to_vec).collect();
        let mut facts = self.effects.take_key_events();
        Noted::take(&mut self.keyspace.shared, &self.tuning).settle(&mut facts, |_, words| {
            let words = words.iter().map(|word| word.to_vec());
            outcome.propagated.push(words.collect());
        });
        let event = |fact: effects::KeyEvent| {
            Some(KeyEvent {
                db: fact.db.0,
                name: fact.event?.name,
                key: fact.key,
            })
        };
        outcome.events.extend(facts.drain(..).filter_map(event));
        self.effects.restore_key_events(facts);
        outcome.dirty = self.effects.dirty();
        self.effects.restore_dirty(0);
        let stated = self.effects.take_propagate();
        stated.settle(argv, outcome.dirty > 0, |argv, _| {
            outcome.propagated.push(owned(&argv.as_argv()));
        });
        self.effects.take_database_changes();
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
        engine.freeze_at_ms(1_000_000);
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
        engine.freeze_at_ms(1_000_000);
        engine.ask("SET a 1 PX 10");
        engine.advance_ms(11);
        engine.expire_due();
        assert_eq!(engine.outcome().events_text(), "expired a");
        assert_eq!(engine.outcome().propagated_text(), "DEL a");
        assert_eq!(engine.keyspace().len(), 0);
    }

    #[test]
    fn events_and_propagation_are_those_of_a_server() {
        let mut engine = Engine::new();
        engine.freeze_at_ms(1_000_000);
        engine.ask("SET live 1");
        engine.ask("SET due 1 PX 10");
        engine.advance_ms(11);
        assert_eq!(engine.ask("DEL live due"), ":1");
        assert_eq!(engine.outcome().events_text(), "del live, expired due");
        assert_eq!(engine.outcome().propagated_text(), "DEL due; DEL live due");
        engine.tuning().lazy_expire = true;
        engine.ask("HSET h f 1");
        engine.ask("HPEXPIRE h 10 FIELDS 1 f");
        engine.ask("SET due 1 PX 10");
        engine.advance_ms(11);
        engine.expire_due();
        let outcome = engine.outcome();
        assert_eq!(outcome.events_text(), "expired due, hexpired h, del h");
        assert_eq!(outcome.propagated_text(), "UNLINK due; HDEL h f");
    }

    #[test]
    fn replies_are_typed() {
        let mut engine = Engine::new();
        let status = Reply::Status("OK".to_owned());
        assert_eq!(engine.call(&["SET", "a", "1"]), Ok(status));
        assert_eq!(engine.call(&["INCR", "a"]), Ok(Reply::Integer(2)));
        engine.call(&["HSET", "h", "f", "v"]).expect("h is new");
        let pairs = vec![(Reply::from("f"), Reply::from("v"))];
        assert_eq!(engine.call(&["HGETALL", "h"]), Ok(Reply::Map(pairs)));
        assert_eq!(engine.call(&["BLPOP", "none", "0"]), Ok(Reply::Null));
        let error = engine.call(&["EVAL", "return 1", "0"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ERR unknown command 'EVAL', with args beginning with: 'return 1' '0' "
        );
        assert!(engine.call::<&str>(&[]).is_err());
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
