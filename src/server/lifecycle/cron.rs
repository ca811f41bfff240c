//! What happens by itself: timers, and the jobs that run every 1000/hz milliseconds.

use crate::keyspace::DbIndex;
use crate::keyspace::expiry::Slice;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Peer};
use crate::server::replication::failover;
use crate::server::replication::link;
use crate::server::replication::replicas;
use crate::server::timers::{REPORT_MS, Timer};
use crate::sys::{clock, memory, watchdog};
use crate::types::wheel::Step;

/// Removing due keys may take this long per turn of the loop, in microseconds: what a client can be
/// held up by it.
const EXPIRY_SLICE_US: u64 = 1_000;

/// After so many looks at the clock what was removed is told of: a few hundred keys, whose names
/// then lie where those of the last few hundred did. Memory never touched before can cost
/// milliseconds.
const EXPIRY_STRIDES: u32 = 4;

impl Server {
    pub fn start_timers(&mut self) {
        self.timers.arm(self.clock.mono_ms(), Timer::Cron);
        replicas::arm_timer(self);
    }

    /// How long the loop may sleep, in milliseconds.
    pub fn sleep_ms(&self) -> u64 {
        let mono_ms = self.clock.mono_ms();
        let timers = self
            .timers
            .wheel
            .wake_ms()
            .map(|ms| ms.saturating_sub(mono_ms));
        let keys = self
            .keyspace
            .next_expiry_ms()
            .filter(|_| !self.pause.is_on())
            .map(|ms| (ms - self.clock.now_ms()).max(0) as u64);
        timers.into_iter().chain(keys).min().unwrap_or(u64::MAX)
    }

    /// Runs the timers that are due.
    pub fn run_timers(&mut self) {
        loop {
            match self.timers.wheel.step(self.clock.mono_ms()) {
                Step::Idle => return,
                Step::Moved => {}
                Step::Due(armed) => self.run_timer(armed.timer),
            }
        }
    }

    fn run_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Cron => {
                let start = clock::mono_us();
                self.cron();
                self.stats.cron_us += clock::mono_us() - start;
                let period_ms = 1000 / self.config.hz.clamp(1, 500) as u64;
                self.timers
                    .arm(self.clock.mono_ms() + period_ms, Timer::Cron);
            }
            Timer::ClientIdle(id, round) if round == self.timers.idle_round => self.check_idle(id),
            Timer::ClientIdle(..) => {}
            Timer::WaitOver(id) => self.check_wait(id),
            Timer::PauseEnd => self.end_pause_if_due(),
            Timer::Freed => self.answer_flushes(),
            Timer::Follow(round) => link::tick(self, round),
            Timer::Replicas => replicas::tick(self),
            Timer::Synced => replicas::check_aof_synced(self),
            Timer::Failover => failover::tick(self),
            Timer::SlowReader(id) => self.check_slow_reader(id),
        }
    }

    /// Removes keys whose time has come, in a slice that holds up no client for long.
    pub fn expire_slice(&mut self) {
        if self.pause.is_on() || self.persist.loading.is_some() {
            return;
        }
        if self
            .keyspace
            .next_expiry_ms()
            .is_none_or(|ms| ms > self.clock.now_ms())
        {
            return;
        }
        let start = clock::mono_us();
        self.keyspace.set_now_ms(self.clock.now_ms());
        let databases = self.keyspace.databases();
        (0..databases).all(|index| self.expire_in(DbIndex(index), start));
        let took_us = clock::mono_us() - start;
        self.stats.expire_cycle_us += took_us;
        self.note_latency("expire-cycle", took_us);
    }

    /// Removes the due keys of a database. Returns false if the slice that began at `start_us` ends
    /// before that.
    fn expire_in(&mut self, index: DbIndex, start_us: u64) -> bool {
        loop {
            let mut asked = 0;
            let in_time = || clock::mono_us() - start_us < EXPIRY_SLICE_US;
            let mut go_on = || {
                asked += 1;
                asked < EXPIRY_STRIDES && in_time()
            };
            let mut db = self.keyspace.db(index);
            let more = db.expire_due(&mut go_on) == Slice::More
                || db.expire_fields_due(&mut go_on) == Slice::More;
            self.settle_alone();
            if !more {
                return true;
            }
            if !in_time() {
                self.keyspace.shared.stats.expiry_cut_short += 1;
                return false;
            }
        }
    }

    fn cron(&mut self) {
        if self.life.cron_paused {
            return;
        }
        if self.config.watchdog_period > 0 {
            // It was wound before, so it can be.
            let _ = watchdog::wind(self.config.watchdog_period);
        }
        let now_ms = self.clock.mono_ms();
        let stats = &mut self.stats;
        stats.ops_rate.sample(stats.commands, now_ms);
        stats.in_rate.sample(stats.bytes_in, now_ms);
        stats.out_rate.sample(stats.bytes_out, now_ms);
        stats.repl_in_rate.sample(stats.repl_bytes_in, now_ms);
        stats.repl_out_rate.sample(stats.repl_bytes_out, now_ms);
        stats.turn_rate.sample(stats.turns, now_ms);
        stats.turn_us_rate.sample(stats.turns_us, now_ms);
        if now_ms >= self.timers.report_ms {
            self.timers.report_ms = now_ms + REPORT_MS;
            self.report_databases();
        }
        self.sample_buffers();
        self.limit_tracking();
        self.tend_persistence();
        self.tend_sessions();
        if !self.keyspace.shared.own_deadlines.is_empty() {
            self.keyspace.set_now_ms(self.clock.now_ms());
            self.keyspace.expire_own();
            self.settle_alone();
        }
        if let Some(signal) = self.life.asked_to_stop.take() {
            self.stop_by_signal(signal);
        }
        self.stop_if_due();
        if !self.life.peers.is_empty() {
            self.life.peers.expire(now_ms);
        }
        let used = self.used_memory();
        self.life.peak.note(used, self.clock.now_ms());
        self.give_back_slack(now_ms);
    }

    /// Tells the log, where it is verbose, how large the databases are.
    fn report_databases(&self) {
        if !log::log_enabled!(log::Level::Debug) || self.persist.loading.is_some() {
            return;
        }
        for (DbIndex(index), db) in self.keyspace.iter().filter(|(_, db)| !db.is_empty()) {
            log::debug!(
                "DB {index}: {} keys ({} volatile) in {} slots HT.",
                db.len(),
                db.volatile(),
                db.entries().capacity()
            );
        }
    }

    /// Sees to it that a client is closed when it has been idle for `timeout` seconds from now.
    pub fn watch_idle(&mut self, id: ClientId) {
        if self.config.timeout > 0 {
            let limit_ms = self.config.timeout as u64 * 1000;
            self.arm_idle_timer(id, self.clock.mono_ms() + limit_ms);
        }
    }

    /// The same for everybody, after `timeout` changed.
    pub fn watch_idle_anew(&mut self) {
        self.timers.idle_round = self.timers.idle_round.wrapping_add(1);
        let ids: Vec<ClientId> = self.clients.ids().collect();
        ids.into_iter().for_each(|id| self.watch_idle(id));
    }

    fn arm_idle_timer(&mut self, id: ClientId, at_ms: u64) {
        let round = self.timers.idle_round;
        self.timers.arm(at_ms, Timer::ClientIdle(id, round));
    }

    /// Closes a client that has been idle for `timeout` seconds, or looks again later.
    fn check_idle(&mut self, id: ClientId) {
        let limit_ms = self.config.timeout as u64 * 1000;
        let Some(slot) = self.clients.slot_of(id) else {
            return;
        };
        let Some(client) = self.clients.get_mut(slot) else {
            return;
        };
        if limit_ms == 0 {
            return;
        }
        // Who waits for a key is not idle, nor is a replica that has nothing to say.
        if client.session.parked.is_some() || client.session.peer != Peer::Client {
            client.session.last_active_ms = self.clock.mono_ms();
        }
        let due_ms = client.session.last_active_ms + limit_ms;
        if due_ms <= self.clock.mono_ms() {
            log::debug!("Closing idle client");
            self.clients.close(slot, Ending::Now);
        } else {
            self.arm_idle_timer(id, due_ms);
        }
    }

    /// Bytes of buffers and state of the clients that are not being served just now.
    pub fn client_bytes(&self) -> usize {
        let clients = self.clients.iter();
        clients.map(|(_, client)| self.bytes_of(client)).sum()
    }

    /// Bytes in use: the general allocator's and the keyspace's own chunks.
    pub fn used_memory(&self) -> usize {
        let own: usize = self
            .keyspace
            .iter()
            .map(|(_, db)| db.entries().entry_bytes() + db.entries().table_bytes())
            .sum();
        memory::used_bytes() + own
    }
}
