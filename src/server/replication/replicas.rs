//! The care for replicas: timeouts, the number of good ones, and clients that wait for their
//! acknowledgements (WAIT, WAITAOF).
//!
//! `crate::replication::replicas` decides; `execute` carries its decisions out.

use crate::persist::child::Purpose;
use crate::replication::replicas::ReplicaAction;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Peer};
use crate::server::gates::Gates;
use crate::server::replication::{feed, sync};
use crate::server::timers::Timer;
use crate::sys::socket;

/// The period of `tick`, in milliseconds.
const TICK_MS: u64 = 1_000;
/// The period of `check_aof_synced`, in milliseconds.
const SYNC_CHECK_MS: u64 = 5;

/// Executes actions in order.
pub(in crate::server) fn execute(server: &mut Server, actions: Vec<ReplicaAction>) {
    for action in actions {
        match action {
            ReplicaAction::Log(level, text) => log::log!(level, "{text}"),
            ReplicaAction::Send { slot, bytes } => send(server, slot, &bytes),
            ReplicaAction::Close { slot } => server.clients.close(slot, Ending::Now),
            ReplicaAction::ShutDown { slot } => {
                if let Some(client) = server.clients.get(slot) {
                    client.link.shut_down();
                }
                server.clients.close(slot, Ending::Now);
            }
            ReplicaAction::Refuse { slot, bytes } => {
                if let Some(client) = server.clients.get_mut(slot) {
                    client.session.peer = Peer::Client;
                    send(server, slot, &bytes);
                    server.clients.close(slot, Ending::AfterReply);
                }
            }
            ReplicaAction::RefreshGood => refresh_good(server),
        }
    }
}

/// Appends bytes to the output of a client in its slot.
pub(super) fn send(server: &mut Server, slot: usize, bytes: &[u8]) {
    if let Some(client) = server.clients.get_mut(slot) {
        client.output.append(bytes);
        server.clients.note_output(slot);
    }
}

pub(in crate::server) fn arm_timer(server: &mut Server) {
    let now_ms = server.clock.mono_ms();
    server.timers.arm(now_ms + TICK_MS, Timer::Replicas);
}

/// Looks after the replicas, once a second (`replicationCron` of Redis).
pub(in crate::server) fn tick(server: &mut Server) {
    arm_timer(server);
    if server.timers.is_cron_paused() {
        return;
    }
    let period = server.config.repl_ping_replica_period.max(1) as u64;
    let is_ping_due = server.replication.tick(period);
    if !server.replication.replicas().is_empty() {
        if is_ping_due && !feed::is_held(server) {
            server.replication.feed_words(&["PING"]);
        }
        check_replicas(server);
    }
    free_idle_backlog(server);
    sync::start_due(server);
    remove_sync_file(server);
    refresh_good(server);
}

/// Shows waiting replicas that we are alive, and disconnects silent ones.
fn check_replicas(server: &mut Server) {
    let now_s = server.clock.now_s();
    let timeout_s = server.config.repl_timeout as i64;
    let clients = &server.clients;
    let mut sending = |slot: usize| {
        let client = clients.get(slot)?;
        Some(socket::sending(client.link.fd()).unwrap_or_default())
    };
    let replicas = server.replication.replicas_mut();
    let actions = replicas.tick(now_s, timeout_s, &mut sending);
    execute(server, actions);
}

/// Frees the backlog after `repl-backlog-ttl` without replicas.
fn free_idle_backlog(server: &mut Server) {
    let ttl_s = server.config.repl_backlog_ttl as i64;
    let idle_s = server
        .replication
        .replicas()
        .none_for_s(server.clock.now_s());
    if ttl_s == 0
        || idle_s.is_none_or(|idle_s| idle_s <= ttl_s)
        || server.replication.backlog().is_none()
        || server.replication.is_replica()
    {
        return;
    }
    // The bytes from here on will be missing: what follows is another history.
    let id = feed::fresh_history_id(server);
    server.replication.restart_history(id);
    feed::free_backlog(server);
    log::info!("Replication backlog freed after {ttl_s} seconds without connected replicas.");
}

/// Removes a snapshot file that was made for replicas only, if the server keeps no files
/// (`rdb-del-sync-files`).
fn remove_sync_file(server: &mut Server) {
    if !server.config.rdb_del_sync_files {
        server.persist.set_for_replicas(false);
        return;
    }
    let persists = server.config.appendonly || !server.config.save.is_empty();
    let is_made = sync::is_child(server, Purpose::Snapshot);
    let is_needed = server.replication.replicas().needs_file();
    if !server.persist.is_for_replicas() || persists || is_made || is_needed {
        return;
    }
    server.persist.set_for_replicas(false);
    let name = String::from_utf8_lossy(&server.config.dbfilename).into_owned();
    if std::path::Path::new(&name).exists() {
        log::info!(
            "Removing the RDB file {name} used to feed replicas in a persistence-less instance"
        );
        // A file that cannot be removed stays.
        let _ = std::fs::remove_file(&name);
    }
}

/// Counts the replicas that acknowledged lately, and refuses writes if they are too few.
pub(in crate::server) fn refresh_good(server: &mut Server) {
    let now_s = server.clock.now_s();
    let wanted = server.config.min_replicas_to_write as usize;
    let lag_s = server.config.min_replicas_max_lag as i64;
    let counts = wanted > 0 && lag_s > 0;
    let replicas = server.replication.replicas_mut();
    let good = replicas.refresh_good(now_s, counts.then_some(lag_s));
    let few = counts && good < wanted && !server.replication.is_replica();
    server.gates.set(Gates::FEW_REPLICAS, few);
}

/// Makes a client wait for acknowledgements, or for the log.
pub(in crate::server) fn wait_for_acks(server: &mut Server, id: ClientId) {
    server.replication.replicas_mut().request_acks();
    let is_first = server.blocking.await_acks(id.0);
    if is_first && server.persist.aof.is_on() {
        arm_sync_check(server);
    }
}

fn arm_sync_check(server: &mut Server) {
    let now_ms = server.clock.mono_ms();
    server.timers.arm(now_ms + SYNC_CHECK_MS, Timer::Synced);
}

/// Has waiting clients re-evaluated: the helper thread may have synced more of the log.
pub(in crate::server) fn check_aof_synced(server: &mut Server) {
    if !server.blocking.awaits_acks() {
        return;
    }
    server.replication.replicas_mut().note_news();
    arm_sync_check(server);
}

/// Re-evaluates WAIT and WAITAOF clients if there is news. Called before the event loop sleeps.
pub fn recheck_wait_clients(server: &mut Server) {
    if !server.replication.replicas_mut().take_news() {
        return;
    }
    let mut waiting = server.blocking.take_until_acked();
    waiting.dedup();
    for id in waiting.into_iter().map(ClientId) {
        if server.clients.waits_for_acks(id) {
            server.serve_held(id);
        }
    }
}
