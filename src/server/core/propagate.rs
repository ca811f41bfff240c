//! Propagation of an execution unit to the AOF and the replicas.
//!
//! While a unit runs, every change is recorded in the order in which it happened: the deletion of
//! an expired key before the command that found it, then the command as received or its
//! replacement. Nothing is recorded while there is no target (`Interest::PROPAGATE`). When the unit
//! ends, all its records are propagated together by `Server::propagate_unit`; more than one record
//! become a transaction, so that a replica or a loaded AOF never exposes half of a unit.

use crate::command::effects::Effects;
pub use crate::command::settle::Target;
use crate::keyspace::DbIndex;
use crate::resp::request::{Argv, OwnedArgv};
use crate::server::Server;
use crate::sys::clock::Clock;

/// A command as propagated to the AOF and the replicas.
#[derive(Debug)]
pub struct Record {
    /// The database it runs in; `None` where it does not matter, as for MULTI and EXEC.
    pub db: Option<DbIndex>,
    pub argv: OwnedArgv,
    pub target: Target,
}

impl Record {
    fn bracket(word: &str) -> Record {
        Record {
            db: None,
            argv: [word].into_iter().collect(),
            target: Target::Everybody,
        }
    }
}

/// The open execution unit, and the records to propagate when it ends.
pub struct Unit {
    /// Nesting depth of calls.
    depth: u32,
    /// The cycle stamp at which TIME stands still within the unit, and its unix time in
    /// microseconds, once it was read.
    began: u64,
    time_us: Option<i64>,
    records: Vec<Record>,
    /// The targets of its records, as chosen by a script.
    to: u8,
    /// Its records form no transaction: expirations triggered by SCAN and RANDOMKEY.
    is_loose: bool,
    /// Its reply waits until the flushed data is freed.
    awaits_freeing: bool,
    /// It has effects to handle when it ends.
    is_eventful: bool,
    /// The keys that the served client has cached and changed itself; `None` for all keys.
    own_invalid: Vec<Option<Vec<u8>>>,
    #[cfg(test)]
    seen: Vec<Vec<Record>>,
}

/// Both targets: the AOF (1) and replicas (2).
const EVERYBODY: u8 = 3;

impl Default for Unit {
    fn default() -> Unit {
        Unit {
            depth: 0,
            began: 0,
            time_us: None,
            records: Vec::new(),
            to: EVERYBODY,
            is_loose: false,
            is_eventful: false,
            own_invalid: Vec::new(),
            awaits_freeing: false,
            #[cfg(test)]
            seen: Vec::new(),
        }
    }
}

impl Unit {
    /// Adds a command to the records of the open unit, if changes are propagated to its target.
    pub fn record(&mut self, effects: &Effects, db: DbIndex, argv: OwnedArgv, target: Target) {
        let target = match (self.to, target) {
            (EVERYBODY, target) => target,
            (1, Target::Everybody | Target::Aof) => Target::Aof,
            (2, Target::Everybody | Target::Replicas) => Target::Replicas,
            _ => return,
        };
        if effects.propagates() {
            self.push(db, argv, target);
        }
    }

    /// Begins a call.
    #[inline(always)]
    pub fn enter(&mut self) {
        self.depth += 1;
    }

    /// Ends a call. Returns whether it was the outermost one and the unit has effects to handle.
    #[inline(always)]
    pub fn leave(&mut self) -> bool {
        self.depth -= 1;
        self.is_eventful && self.depth == 0
    }

    /// Ends the unit: its effects are about to be handled.
    pub fn end(&mut self) {
        self.is_eventful = false;
    }

    /// Notes that the unit has effects to handle when it ends.
    #[inline]
    pub fn mark_eventful(&mut self) {
        self.is_eventful = true;
    }

    /// Sets whether its records are propagated one by one, without MULTI and EXEC.
    pub fn set_loose(&mut self, is_loose: bool) {
        self.is_loose = is_loose;
    }

    /// Restricts the targets of the commands to come, as `redis.set_repl` states them.
    pub fn restrict(&mut self, to: u8) {
        self.to = to;
    }

    /// Propagates the commands to come to all targets again.
    pub fn unrestrict(&mut self) {
        self.to = EVERYBODY;
    }

    /// Holds back the reply until the flushed data is freed.
    pub fn await_freeing(&mut self) {
        self.awaits_freeing = true;
        self.mark_eventful();
    }

    /// Returns whether its reply waits for freed data, once.
    pub fn take_awaits_freeing(&mut self) -> bool {
        std::mem::take(&mut self.awaits_freeing)
    }

    /// Notes a key that the served client has cached and changed itself; `None` for all keys.
    pub fn invalidate_own(&mut self, key: Option<Vec<u8>>) {
        self.own_invalid.push(key);
        self.mark_eventful();
    }

    /// Takes the keys that the served client has cached and changed itself.
    pub fn take_own_invalid(&mut self) -> Vec<Option<Vec<u8>>> {
        std::mem::take(&mut self.own_invalid)
    }

    /// Takes the units propagated since the last call.
    #[cfg(test)]
    pub fn take_seen(&mut self) -> Vec<Vec<Record>> {
        std::mem::take(&mut self.seen)
    }

    /// Returns whether the open call is not within another.
    #[inline(always)]
    pub fn is_outermost(&self) -> bool {
        self.depth == 1
    }

    /// Returns whether a call is open within another.
    #[inline(always)]
    pub fn is_nested(&self) -> bool {
        self.depth > 1
    }

    /// Freezes the time at `stamp` for a command that calls others.
    pub fn stop_time(&mut self, stamp: u64) {
        if !self.is_nested() {
            self.move_time(stamp);
        }
    }

    /// Advances the frozen time when other clients are served in the middle of the unit.
    pub fn move_time(&mut self, stamp: u64) {
        self.began = stamp;
        self.time_us = None;
    }

    /// Returns the unix time in microseconds as TIME reports it within the unit.
    pub fn time_us(&mut self, clock: &Clock) -> i64 {
        *self
            .time_us
            .get_or_insert_with(|| clock.unix_us_at(self.began))
    }

    /// Returns whether a call is open.
    pub fn is_open(&self) -> bool {
        self.depth > 0
    }

    /// Returns whether there is nothing to propagate yet.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn push(&mut self, db: DbIndex, argv: OwnedArgv, target: Target) {
        self.mark_eventful();
        self.records.push(Record {
            db: Some(db),
            argv,
            target,
        });
    }
}

impl Server {
    /// Propagates a command itself, if it changed something or requested propagation.
    pub(in crate::server) fn propagate_command(&mut self, db: DbIndex, argv: &Argv, changed: bool) {
        let stated = self.effects.take_propagate();
        stated.settle(argv, changed, |argv, target| {
            self.unit.record(&self.effects, db, argv, target)
        });
    }

    /// Propagates the records of the unit that just ended.
    pub(in crate::server) fn propagate_pending(&mut self) {
        let is_loose = std::mem::take(&mut self.unit.is_loose);
        let mut records = std::mem::take(&mut self.unit.records);
        match records.len() {
            0 => {}
            1 => self.propagate_unit(records),
            _ if is_loose => {
                for record in records {
                    self.propagate_unit(vec![record]);
                }
            }
            _ => {
                records.insert(0, Record::bracket("MULTI"));
                records.push(Record::bracket("EXEC"));
                self.propagate_unit(records);
            }
        }
    }

    /// Appends a command to the AOF.
    #[inline]
    fn feed_log(&mut self, db: Option<DbIndex>, argv: &Argv) {
        let (stamp, now_s) = (self.config.aof_timestamp_enabled, self.clock.now_s());
        self.persist.aof.feed(db, argv, now_s, stamp);
    }

    /// Propagates a unit of a single command to all targets.
    #[inline]
    pub(in crate::server) fn feed_everybody(&mut self, db: DbIndex, argv: &Argv) {
        if self.persist.aof.is_on() {
            self.feed_log(Some(db), argv);
        }
        self.replication.feed(Some(db.0), argv);
    }

    /// Propagates the records of one unit to the AOF and the replicas, in order, MULTI and EXEC
    /// included.
    fn propagate_unit(&mut self, records: Vec<Record>) {
        if self.persist.aof.is_on() {
            for record in for_target(&records, Target::Aof) {
                self.feed_log(record.db, &record.argv.as_argv());
            }
        }
        for record in for_target(&records, Target::Replicas) {
            let db = record.db.map(|db| db.0);
            self.replication.feed(db, &record.argv.as_argv());
        }
        #[cfg(test)]
        self.unit.seen.push(records);
    }
}

/// Returns the records of a unit for one target. If only one of several records is for it, MULTI
/// and EXEC are omitted.
fn for_target(records: &[Record], to: Target) -> impl Iterator<Item = &Record> {
    let is_for_it =
        move |record: &&Record| record.target == to || record.target == Target::Everybody;
    let inner = match records {
        [_, inner @ .., _] if inner.iter().filter(is_for_it).count() < 2 => inner,
        _ => records,
    };
    inner.iter().filter(is_for_it)
}

#[cfg(test)]
mod tests {
    use crate::reactor::testing::Bench;

    #[test]
    fn a_command_is_told_if_it_changed_something() {
        let mut bench = Bench::new();
        bench.run("SET a 1");
        bench.run("GET a");
        bench.run("DEL nothing");
        bench.run("SELECT 3");
        bench.run("SADD s x");
        bench.run("SPOP s 1");
        assert_eq!(bench.told(), ["0: SET a 1", "3: SADD s x", "3: DEL s"]);
    }

    #[test]
    fn what_expired_goes_first_and_both_are_one_transaction() {
        let mut bench = Bench::new();
        bench.keyspace.shared.active_expiry = false;
        bench.run("SET a 1 PX 10");
        bench.run("SET b 1 PX 10");
        bench.told();
        bench.clock.advance_ms(20);
        bench.run("INCR a");
        assert_eq!(bench.told(), ["MULTI; 0: DEL a; 0: INCR a; EXEC"]);
        bench.tuning.lazy_expire = true;
        bench.run("GET b");
        assert_eq!(bench.told(), ["0: UNLINK b"]);
    }

    #[test]
    fn keys_that_expire_by_themselves_or_are_come_across_are_no_transaction() {
        let mut bench = Bench::new();
        for key in ["a", "b", "c"] {
            bench.run(&format!("SET {key} 1 PX 10"));
        }
        bench.told();
        bench.advance_ms(20);
        let mut told = bench.told();
        told.sort();
        assert_eq!(told, ["0: DEL a", "0: DEL b", "0: DEL c"]);
        bench.keyspace.shared.active_expiry = false;
        for key in ["a", "b"] {
            bench.run(&format!("SET {key} 1 PX 10"));
        }
        bench.told();
        bench.clock.advance_ms(20);
        bench.run("SCAN 0 COUNT 100");
        assert_eq!(bench.told().len(), 2);
    }

    #[test]
    fn a_transaction_is_told_as_what_it_changed() {
        let mut bench = Bench::new();
        bench.run("MULTI");
        for line in ["SET a 1", "GET a", "SELECT 2", "SET b 2", "INCR b c"] {
            bench.run(line);
        }
        assert_eq!(bench.run("DISCARD"), "+OK");
        bench.run("MULTI");
        for line in ["SET a 1", "GET a", "SELECT 2", "SET b 2"] {
            assert_eq!(bench.run(line), "+QUEUED");
        }
        assert_eq!(bench.run("EXEC"), "*4 +OK $1 1 +OK +OK");
        assert_eq!(bench.told(), ["MULTI; 0: SET a 1; 2: SET b 2; EXEC"]);
        bench.run("MULTI");
        bench.run("SET c 1");
        bench.run("GET c");
        bench.run("EXEC");
        assert_eq!(bench.told(), ["2: SET c 1"]);
    }
}
