//! Those who follow us: what is done about them each second, and for clients that wait until they
//! have what was written (WAIT, WAITAOF).

use crate::persist::child::Purpose;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending};
use crate::server::core::admit::Gates;
use crate::server::replication::feed;
use crate::server::replication::sync;
use crate::server::timers::Timer;
use crate::sys::socket;

/// Between two looks at the replicas.
const LOOK_MS: u64 = 1_000;
/// Between two looks at what the helper thread has brought to disk, while somebody waits for it.
const SYNC_LOOK_MS: u64 = 5;

pub(in crate::server) fn arm_timer(server: &mut Server) {
    server
        .timers
        .arm(server.clock.mono_ms() + LOOK_MS, Timer::Replicas);
}

/// Each second.
pub(in crate::server) fn tick(server: &mut Server) {
    arm_timer(server);
    if server.life.cron_paused {
        return;
    }
    server.replication.looks += 1;
    if !server.replication.replicas.is_empty() {
        ping(server);
        keep_alive(server);
        close_silent(server);
    }
    free_idle_backlog(server);
    sync::start_due(server);
    remove_sync_file(server);
    refresh_good(server);
}

fn ping(server: &mut Server) {
    let period = server.config.repl_ping_replica_period.max(1) as u64;
    if server.replication.looks.is_multiple_of(period) && !feed::is_held(server) {
        feed::send_command(server, &["PING"]);
    }
}

/// Who waits for a snapshot hears a newline, which means nothing but that we are there. Into a
/// socket that a child writes to nobody else may write.
fn keep_alive(server: &mut Server) {
    for replica in &server.replication.replicas.list {
        if !replica.waits_for_start() && !replica.waits_for_child(false) {
            continue;
        }
        if let Some(client) = server.clients.get_mut(replica.slot) {
            client.output.append(b"\n");
            server.clients.note_output(replica.slot);
        }
    }
}

fn close_silent(server: &mut Server) {
    let now_s = server.clock.now_s();
    let patience_s = server.config.repl_timeout as i64;
    for replica in &mut server.replication.replicas.list {
        if replica.waits_for_child(true) {
            let Some(client) = server.clients.get(replica.slot) else {
                continue;
            };
            let sending = socket::sending(client.link.fd()).unwrap_or_default();
            // Who has taken everything waits for the others.
            if sending.waiting == 0 || sending.taken != replica.sending.taken {
                (replica.sending, replica.took_s) = (sending, now_s);
            } else if now_s - replica.took_s > patience_s {
                log::warn!(
                    "Disconnecting timedout replica (full sync): {}",
                    replica.name
                );
                // The child holds the connection, too.
                client.link.shut_down();
                server.clients.close(replica.slot, Ending::Now);
            }
            continue;
        }
        let silent_s = now_s - replica.heard_s;
        let tells = replica.is_online() && !replica.is_plain;
        if tells && silent_s > patience_s {
            log::warn!(
                "Disconnecting timedout replica (streaming sync): {}",
                replica.name
            );
            server.clients.close(replica.slot, Ending::Now);
        }
    }
}

/// Nobody has followed for a while: what they would need is not kept for ever.
fn free_idle_backlog(server: &mut Server) {
    let ttl_s = server.config.repl_backlog_ttl as i64;
    let replicas = &server.replication.replicas;
    if ttl_s == 0
        || !replicas.is_empty()
        || server.replication.backlog.is_none()
        || server.replication.is_replica()
        || server.clock.now_s() - replicas.none_since_s <= ttl_s
    {
        return;
    }
    // Whatever is written from here on nobody could get: it is another history.
    feed::restart_history(server);
    feed::free_backlog(server);
    log::info!("Replication backlog freed after {ttl_s} seconds without connected replicas.");
}

/// A snapshot that was made for replicas only does not stay on a disk where nothing else does.
fn remove_sync_file(server: &mut Server) {
    if !server.config.rdb_del_sync_files {
        server.persist.for_replicas = false;
        return;
    }
    let persists = server.config.appendonly || !server.config.save.is_empty();
    let job = server.persist.child.as_ref();
    let is_made = job.is_some_and(|job| job.purpose == Purpose::Snapshot);
    let list = &server.replication.replicas.list;
    let is_needed = list
        .iter()
        .any(|one| !one.is_online() && !one.waits_for_start());
    if !server.persist.for_replicas || persists || is_made || is_needed {
        return;
    }
    server.persist.for_replicas = false;
    let name = String::from_utf8_lossy(&server.config.dbfilename).into_owned();
    if std::path::Path::new(&name).exists() {
        log::info!(
            "Removing the RDB file {name} used to feed replicas in a persistence-less instance"
        );
        // If it cannot be removed it is no worse than not having tried.
        let _ = std::fs::remove_file(&name);
    }
}

/// Counts the replicas that are near enough, and closes writing off if they are too few.
pub(in crate::server) fn refresh_good(server: &mut Server) {
    let now_s = server.clock.now_s();
    let (wanted, lag_s) = (
        server.config.min_replicas_to_write as usize,
        server.config.min_replicas_max_lag as i64,
    );
    let replicas = &mut server.replication.replicas;
    replicas.has_news = true;
    let counts = wanted > 0 && lag_s > 0;
    replicas.good = if counts {
        replicas.count_good(now_s, lag_s)
    } else {
        0
    };
    let few = counts && replicas.good < wanted && !server.replication.is_replica();
    server.gates.set(Gates::FEW_REPLICAS, few);
}

/// REPLCONF ACK: how far a replica is.
pub(in crate::server) fn note_ack(
    server: &mut Server,
    id: ClientId,
    offset: i64,
    logged: Option<i64>,
) {
    let now_s = server.clock.now_s();
    let Some(replica) = server.replication.replicas.get_mut(id.0) else {
        return;
    };
    let at_least = |n: i64| u64::try_from(n).unwrap_or(0);
    replica.acked = replica.acked.max(at_least(offset));
    replica.logged = replica.logged.max(logged.map_or(0, at_least));
    replica.heard_s = now_s;
    // It may be through before cron has seen that the child is.
    let is_early = replica.waits_for_child(true);
    replica.acked_early |= is_early;
    if replica.is_online() {
        // It is through with its snapshot, and so its socket is free for the stream.
        replica.awaits_ack = false;
    }
    server.replication.replicas.has_news = true;
    server.replication.replicas.looks_at_child |= is_early;
}

/// How far the stream is safe in the log, as far as we know.
pub fn synced_offset(server: &Server) -> Option<u64> {
    server.persist.aof.synced_offset()
}

/// The caller waits for replicas, or for the log.
pub(in crate::server) fn wait_for_acks(server: &mut Server, id: ClientId) {
    server.replication.replicas.wants_acks = true;
    if server.blocking.until_acked.is_empty() && server.persist.aof.is_on() {
        server
            .timers
            .arm(server.clock.mono_ms() + SYNC_LOOK_MS, Timer::Synced);
    }
    server.blocking.until_acked.push(id.0);
}

/// The helper thread may have brought more of the log to disk.
pub(in crate::server) fn check_aof_synced(server: &mut Server) {
    if server.blocking.until_acked.is_empty() {
        return;
    }
    server.replication.replicas.has_news = true;
    server
        .timers
        .arm(server.clock.mono_ms() + SYNC_LOOK_MS, Timer::Synced);
}

/// Before the loop sleeps: those who wait look again whether replicas have what they wrote.
pub fn recheck_wait_clients(server: &mut Server) {
    if !std::mem::take(&mut server.replication.replicas.has_news) {
        return;
    }
    let mut waiting = std::mem::take(&mut server.blocking.until_acked);
    waiting.dedup();
    for id in waiting.into_iter().map(ClientId) {
        if server.waits_for_acks(id) {
            server.serve_held(id);
        }
    }
}
