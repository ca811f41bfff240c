//! Timers and periodic jobs (Redis's `serverCron`), run every 1000/hz milliseconds.

use crate::keyspace::DbIndex;
use crate::keyspace::expiry::Slice;
use crate::server::Server;
use crate::server::clients::buffers;
use crate::server::clients::invalidate;
use crate::server::clients::limits;
use crate::server::clients::session::{ClientId, Ending, Peer};
use crate::server::core::pause;
use crate::server::lifecycle::reload;
use crate::server::lifecycle::secure;
use crate::server::lifecycle::shutdown;
use crate::server::replication::failover;
use crate::server::replication::link;
use crate::server::replication::replicas;
use crate::server::replication::sync;
use crate::server::script::debug;
use crate::server::storage::jobs;
use crate::server::timers::Timer;
use crate::sys::{clock, code_pages, watchdog};
use crate::types::wheel::Step;

/// The delay after which the code pages of the start are released, in milliseconds. It is long
/// enough for the first clients, which often wait for the server, to get their replies.
const START_MS: u64 = 100;

/// The budget of active expiry per event-loop iteration, in microseconds; it bounds the delay that
/// expiry adds to a client's command.
const EXPIRY_SLICE_US: u64 = 1_000;

/// The number of clock checks between two settlements of the effects of expiry. That is a few
/// hundred expired keys, so that the copies of their names reuse warm memory; memory never touched
/// before can cost milliseconds.
const EXPIRY_STRIDES: u32 = 4;

/// Arms the timers of the server: cron, replication, and the release of the code of the start.
pub fn start_timers(server: &mut Server) {
    let now_ms = server.clock.mono_ms();
    server.timers.arm(now_ms + START_MS, Timer::StartOver);
    server.timers.arm(server.clock.mono_ms(), Timer::Cron);
    replicas::arm_timer(server);
}

/// Returns how long the loop may sleep, in milliseconds.
pub fn sleep_ms(server: &Server) -> u64 {
    let mono_ms = server.clock.mono_ms();
    let timers = server.timers.wake_ms().map(|ms| ms.saturating_sub(mono_ms));
    let keys = server
        .keyspace
        .next_expiry_ms()
        .filter(|_| !server.pause.is_on())
        .map(|ms| (ms - server.clock.now_ms()).max(0) as u64);
    timers.into_iter().chain(keys).min().unwrap_or(u64::MAX)
}

/// Runs the timers that are due.
pub fn run_timers(server: &mut Server) {
    loop {
        match server.timers.step(server.clock.mono_ms()) {
            Step::Idle => return,
            Step::Moved => {}
            Step::Due(armed) => run_timer(server, armed.timer),
        }
    }
}

fn run_timer(server: &mut Server, timer: Timer) {
    match timer {
        Timer::Cron => {
            let start = clock::mono_us();
            cron(server);
            server.stats.cron_us += clock::mono_us() - start;
            let period_ms = 1000 / server.config.hz.clamp(1, 500) as u64;
            server
                .timers
                .arm(server.clock.mono_ms() + period_ms, Timer::Cron);
        }
        Timer::ClientIdle(id, round) if server.timers.is_idle_round(round) => {
            check_idle(server, id)
        }
        Timer::ClientIdle(..) => {}
        Timer::WaitOver(id) => server.check_wait(id),
        Timer::PauseEnd => pause::end_pause_if_due(server),
        Timer::StartOver => code_pages::forget(),
        Timer::Freed => server.answer_flushes(),
        Timer::Follow(round) => link::tick(server, round),
        Timer::Replicas => replicas::tick(server),
        Timer::Synced => replicas::check_aof_synced(server),
        Timer::Failover => failover::tick(server),
        Timer::Handshake(id) => secure::check_handshake(server, id),
        Timer::SlowReader(id) => limits::check_slow_reader(server, id),
    }
}

/// Removes expired keys within the budget of one slice.
pub fn expire_slice(server: &mut Server) {
    if server.pause.is_on() || server.persist.loading.is_some() {
        return;
    }
    if server
        .keyspace
        .next_expiry_ms()
        .is_none_or(|ms| ms > server.clock.now_ms())
    {
        return;
    }
    let start = clock::mono_us();
    server.keyspace.set_now_ms(server.clock.now_ms());
    let databases = server.keyspace.databases();
    (0..databases).all(|index| expire_in(server, DbIndex(index), start));
    let took_us = clock::mono_us() - start;
    server.stats.expire_cycle_us += took_us;
    server
        .observe
        .note("expire-cycle", server.clock.now_s(), took_us);
}

/// Removes the expired keys of a database. Returns false if the slice that began at `start_us` ends
/// before that.
fn expire_in(server: &mut Server, index: DbIndex, start_us: u64) -> bool {
    loop {
        let mut asked = 0;
        let in_time = || clock::mono_us() - start_us < EXPIRY_SLICE_US;
        let mut go_on = || {
            asked += 1;
            asked < EXPIRY_STRIDES && in_time()
        };
        let mut db = server.keyspace.db(index);
        let more = db.expire_due(&mut go_on) == Slice::More
            || db.expire_fields_due(&mut go_on) == Slice::More;
        server.settle_alone();
        if !more {
            return true;
        }
        if !in_time() {
            server.keyspace.shared.stats.expiry_cut_short += 1;
            return false;
        }
    }
}

fn cron(server: &mut Server) {
    if server.timers.is_cron_paused() {
        return;
    }
    if server.config.watchdog_period > 0 {
        // It was started before, so starting it again cannot fail.
        let _ = watchdog::wind(server.config.watchdog_period);
    }
    let now_ms = server.clock.mono_ms();
    let stats = &mut server.stats;
    stats.ops_rate.sample(stats.commands, now_ms);
    stats.in_rate.sample(stats.bytes_in, now_ms);
    stats.out_rate.sample(stats.bytes_out, now_ms);
    stats.repl_in_rate.sample(stats.repl_bytes_in, now_ms);
    stats.repl_out_rate.sample(stats.repl_bytes_out, now_ms);
    stats.turn_rate.sample(stats.turns, now_ms);
    stats.turn_us_rate.sample(stats.turns_us, now_ms);
    if server.timers.is_report_due(now_ms) {
        report_databases(server);
    }
    buffers::sample_buffers(server);
    invalidate::limit_tracking(server);
    reload::tick(server);
    sync::check_child(server);
    jobs::tend_persistence(server);
    debug::tend_sessions(server);
    if !server.keyspace.shared.replica_expires.is_empty() {
        server.keyspace.set_now_ms(server.clock.now_ms());
        server.keyspace.expire_replica_keys();
        server.settle_alone();
    }
    if let Some(signal) = server.shutdown.take_signal() {
        shutdown::stop_by_signal(server, signal);
    }
    shutdown::stop_if_due(server);
    if !server.peers.is_empty() {
        server.peers.expire(now_ms);
    }
    let used = server.keyspace.used_memory();
    server.memory.peak.note(used, server.clock.now_ms());
    server.memory.give_back_slack(used as u64, now_ms);
    #[cfg(debug_assertions)]
    server.keyspace.check_small();
}

/// Logs the sizes of the databases at the level verbose.
fn report_databases(server: &Server) {
    if !log::log_enabled!(log::Level::Debug) || server.persist.loading.is_some() {
        return;
    }
    for (DbIndex(index), db) in server.keyspace.iter().filter(|(_, db)| !db.is_empty()) {
        log::debug!(
            "DB {index}: {} keys ({} volatile) in {} slots HT.",
            db.len(),
            db.volatile(),
            db.entries().capacity()
        );
    }
}

/// Arms the timer that closes a client once it has been idle for `timeout` seconds.
pub fn watch_idle(server: &mut Server, id: ClientId) {
    if server.config.timeout > 0 {
        let limit_ms = server.config.timeout as u64 * 1000;
        arm_idle_timer(server, id, server.clock.mono_ms() + limit_ms);
    }
}

/// Arms the idle timers of all clients anew, after `timeout` changed.
pub fn watch_idle_anew(server: &mut Server) {
    server.timers.next_idle_round();
    let ids: Vec<ClientId> = server.clients.ids().collect();
    ids.into_iter().for_each(|id| watch_idle(server, id));
}

fn arm_idle_timer(server: &mut Server, id: ClientId, at_ms: u64) {
    let round = server.timers.idle_round();
    server.timers.arm(at_ms, Timer::ClientIdle(id, round));
}

/// Closes a client that has been idle for `timeout` seconds, or checks it again later.
fn check_idle(server: &mut Server, id: ClientId) {
    let limit_ms = server.config.timeout as u64 * 1000;
    let Some(slot) = server.clients.slot_of(id) else {
        return;
    };
    let Some(client) = server.clients.get_mut(slot) else {
        return;
    };
    if limit_ms == 0 {
        return;
    }
    // A blocked client is not idle, nor is a replica without output.
    if client.session.parked.is_some() || client.session.peer != Peer::Client {
        client.session.last_active_ms = server.clock.mono_ms();
    }
    let due_ms = client.session.last_active_ms + limit_ms;
    if due_ms <= server.clock.mono_ms() {
        log::debug!("Closing idle client");
        server.clients.close(slot, Ending::Now);
    } else {
        arm_idle_timer(server, id, due_ms);
    }
}

/// Returns the bytes of buffers and state of all clients, except those that are checked out.
pub fn client_bytes(server: &Server) -> usize {
    let clients = server.clients.iter();
    clients
        .map(|(_, client)| limits::bytes_of(server, client))
        .sum()
}
