//! The replica's side: how a server becomes a replica and ceases to be one, and the link to its
//! primary.
//!
//! ```text
//!   connect    making the link: connecting and the handshake
//!   transfer   a full synchronization: the snapshot comes, and replaces the data
//!   apply      the stream: commands of the primary, executed as they come and passed on
//! ```
//!
//! `crate::replication::primary` has the state of the link and decides; `execute` carries its
//! decisions out. While the link is being made the event loop reports it through
//! `connect::on_ready`; then it is a client of its own kind (`Peer::Primary`).

pub mod apply;
pub mod connect;
pub mod transfer;

use crate::logging;
use crate::replication::action::Action;
use crate::replication::primary::{Primary, Tick};
use crate::replication::{OFFSET_MAX, is_id};
use crate::resp::request::OwnedArgv;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Session};
use crate::server::core::pause;
use crate::server::core::unblock::Over;
use crate::server::gates::Gates;
use crate::server::replication::{failover, feed, replicas};
use crate::server::storage::jobs;
use crate::server::timers::Timer;
use crate::sys::clock;

/// The log line when the history of a server that was no replica becomes that of one.
const SYNTHESIZED: &str = "Before turning into a replica, using my own master parameters to \
    synthesize a cached master: I may be able to synchronize with the new master with just a partial \
    transfer.";

/// The period of `tick`, in milliseconds.
const TICK_MS: u64 = 1_000;

/// Executes actions in order, until the server follows no primary any more.
pub(super) fn execute(server: &mut Server, actions: Vec<Action>) {
    for action in actions {
        if !server.replication.is_replica() {
            return;
        }
        match action {
            Action::Log(level, text) => log::log!(level, "{text}"),
            Action::Connect => connect::open(server, "Connecting to MASTER", ""),
            Action::Abandon => connect::abandon(server),
            Action::Reconnect => connect::reconnect(server),
            Action::Send(bytes) => {
                if !connect::send(server, &bytes) {
                    return;
                }
            }
            Action::Ping => {
                if let Some(primary) = server.replication.primary_mut() {
                    primary.ping();
                }
            }
            Action::PsyncReplied { accepted } => failover::psync_replied(server, accepted),
            Action::BeginTransfer { offered } => transfer::begin(server, offered),
            Action::OpenChannel { main } => connect::open_channel(server, main),
            Action::Continue { id } => connect::continue_stream(server, id),
            Action::LoadFile => transfer::load_file(server),
            Action::LoadStream { total } => transfer::load_stream(server, total),
            Action::Feed { bytes, is_last } => transfer::feed(server, &bytes, is_last),
            Action::FinishSync => transfer::finish(server),
            Action::FailSync => transfer::on_failed(server),
            Action::CloseClient { slot } => server.clients.close(slot, Ending::Now),
            Action::SendAck => apply::send_ack(server),
        }
    }
}

/// Makes the server a replica of a primary, or of another than before.
pub fn set_primary(server: &mut Server, host: String, port: u16) {
    let before = server.replication.take_primary();
    let was_primary = before.is_none();
    let mut primary = Primary::new(host, port, clock::mono_us());
    if let Some(mut before) = before {
        // In between the server has no primary.
        logging::set_role(b'M');
        detach(server, &mut before);
        primary.inherit(&before);
    }
    unblock_clients(server);
    logging::set_role(b'S');
    if was_primary {
        log::info!("{SYNTHESIZED}");
        primary.cache(0);
    }
    install(server, primary);
    connect::open(server, "Connecting to MASTER", "");
}

/// Makes the server a replica if the configuration says so. The link is made once the data is loaded.
pub fn set_configured_primary(server: &mut Server) {
    if let Some((host, port)) = server.config.replicaof.clone() {
        let host = String::from_utf8_lossy(&host).into_owned();
        install(server, Primary::new(host, port, clock::mono_us()));
    }
}

/// Opens the link of a replica, now that the data is loaded.
pub(in crate::server) fn start(server: &mut Server) {
    if server.replication.is_replica() {
        connect::open(server, "Connecting to MASTER", "");
    }
}

/// Takes the place in the history from the snapshot that was loaded at the start: a replica can ask
/// for the rest, and a primary can be asked for it.
pub(in crate::server) fn restore_history(server: &mut Server) {
    let position = server.persist.take_position();
    let dropped = server.persist.take_dropped();
    let (Some(id), Some(offset), Some(db)) = (position.id, position.offset, position.db) else {
        return;
    };
    let (Ok(offset), Ok(db)) = (u64::try_from(offset), u32::try_from(db)) else {
        return;
    };
    if !is_id(&id) || offset > OFFSET_MAX {
        return;
    }
    let id = String::from_utf8_lossy(&id).into_owned();
    server.replication.restore(id, offset, db);
    if server.replication.is_replica() {
        log::info!("{SYNTHESIZED}");
        return;
    }
    ensure_backlog(server);
    for (db, key) in dropped {
        let argv: OwnedArgv = [b"DEL".as_slice(), &key].into_iter().collect();
        server.replication.feed(Some(db.0), &argv.as_argv());
    }
}

fn install(server: &mut Server, primary: Primary) {
    server.config.replicaof = Some((primary.host().as_bytes().to_vec(), primary.port()));
    let round = primary.round();
    server.replication.set_primary(primary);
    role_changed(server);
    let now_ms = server.clock.mono_ms();
    server.timers.arm(now_ms + TICK_MS, Timer::Follow(round));
}

/// Makes the server a primary: it continues the history under a replication ID of its own.
pub fn unset_primary(server: &mut Server) {
    let Some(mut primary) = server.replication.take_primary() else {
        return;
    };
    server.config.replicaof = None;
    role_changed(server);
    detach(server, &mut primary);
    if primary.is_cached() {
        log::info!("Discarding previously cached master state.");
    }
    let id = feed::fresh_history_id(server);
    let now_s = server.clock.now_s();
    server.replication.promoted(id, now_s);
    let history = server.replication.history();
    log::info!(
        "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
        history.previous,
        history.second_offset,
        history.id
    );
    // Our replicas have to learn the new ID, and can continue from where they are.
    feed::disconnect_replicas(server);
    if server.config.appendonly && !server.persist.aof.is_on() && server.persist.loading.is_none() {
        log::info!("Restarting AOF after becoming master");
        restart_aof(server);
    }
}

/// Ends the link to a primary that is no longer ours, in whatever stage it is.
fn detach(server: &mut Server, primary: &mut Primary) {
    let now_s = server.clock.now_s();
    if primary.kept_in_all().is_some() {
        log::warn!("{}", apply::FREED_WHILE_STREAMING);
    }
    if let Some((id, slot)) = primary.detach(now_s) {
        log::info!("Connection with master lost.");
        log::info!("Caching the disconnected master state.");
        let client = server.clients.get(slot);
        let client = client.filter(|client| client.session.id.0 == id);
        if let Some(client) = client {
            primary.cache(client.session.db.0);
            server.clients.close(slot, Ending::Now);
        }
    }
    connect::log_channel_end(primary);
    if let Some(transfer) = primary.take_transfer() {
        transfer::discard(server, *transfer);
    }
    primary.hang_up();
}

/// Handles the end of the client that was the link to our primary.
pub fn link_lost(server: &mut Server, session: &Session) {
    let now_s = server.clock.now_s();
    let Some(primary) = server.replication.primary_mut() else {
        return;
    };
    if !primary.is_client(session.id.0) {
        return;
    }
    log::info!("Connection with master lost.");
    let was_kept = primary.kept_in_all().is_some();
    if primary.lost(session.db.0, now_s) {
        log::info!("Caching the disconnected master state.");
    }
    refresh_role_gates(server);
    connect::open(server, "Reconnecting to MASTER", "");
    if was_kept {
        log::warn!("{}", apply::FREED_WHILE_STREAMING);
    }
}

/// Updates what depends on the role.
fn role_changed(server: &mut Server) {
    let is_replica = server.replication.is_replica();
    logging::set_role(if is_replica { b'S' } else { b'M' });
    refresh_role_gates(server);
    pause::refresh_expiry_hold(server);
    jobs::refresh_log_interest(server);
    replicas::refresh_good(server);
    // A failure is logged there; the role changes nevertheless.
    let _ = server
        .process
        .set_oom_score(&server.config, server.replication.is_replica());
}

/// Updates the gates that only a replica has, and whether keys written to it expire.
pub fn refresh_role_gates(server: &mut Server) {
    let is_replica = server.replication.is_replica();
    server.gates.set(Gates::REPLICA, is_replica);
    let writable = is_replica && !server.config.replica_read_only;
    server.keyspace.shared.replica_expires.set_kept(writable);
}

/// Ends the waits of blocked clients: they wait for writes, which only a primary accepts.
fn unblock_clients(server: &mut Server) {
    let ids: Vec<ClientId> = server.clients.ids().collect();
    for id in ids {
        server.end_wait(id, Over::RoleChanged);
    }
}

/// Creates the backlog of a replica, which keeps the stream whether it has replicas or not.
pub(super) fn ensure_backlog(server: &mut Server) {
    if server.replication.backlog().is_none() {
        feed::create_backlog(server);
    }
}

/// Gives up the place in the history, because the data is about to be replaced: neither can we
/// continue nor can our replicas.
fn discard_history(server: &mut Server) {
    let primary = server.replication.primary_mut();
    if primary.is_some_and(Primary::discard_cached) {
        log::info!("Discarding previously cached master state.");
    }
    feed::disconnect_replicas(server);
    feed::free_backlog(server);
}

/// Looks after the link, once a second. Only the timer of the latest `round` counts.
pub fn tick(server: &mut Server, round: u64) {
    let now_ms = server.clock.mono_ms();
    let Some(primary) = server.replication.primary() else {
        return;
    };
    if primary.round() != round {
        return;
    }
    server.timers.arm(now_ms + TICK_MS, Timer::Follow(round));
    let client = primary.slot().and_then(|slot| server.clients.get(slot));
    let loading = server.persist.loading.as_ref();
    let actions = primary.tick(&Tick {
        now_ms,
        limit_ms: u64::from(server.config.repl_timeout) * 1000,
        is_loading: loading.is_some(),
        is_starved: loading.is_none_or(|loading| loading.is_starved),
        client_active_ms: client.map(|client| client.session.last_active_ms),
    });
    execute(server, actions);
}

/// Starts the log of writes anew with the data there is. A failure ends the server.
pub(super) fn restart_aof(server: &mut Server) {
    if jobs::apply_append_only(server).is_err() {
        log::warn!(
            "FATAL: this replica instance finished the synchronization with its master, but the \
             AOF can't be turned on. Exiting now."
        );
        server.shutdown.end(1);
    }
}

#[cfg(test)]
mod tests;
