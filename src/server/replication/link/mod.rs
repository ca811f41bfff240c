//! Following a primary: how a server becomes a replica and ceases to be one, and what a replica does
//! every second.
//!
//! ```text
//!   connect    the link and the talk over it, up to the answer to PSYNC
//!   transfer   a full synchronization: the snapshot comes, and takes the place of the data
//!   apply      the stream: commands of the primary, run as they come and passed on
//! ```
//!
//! What is known of the primary is in `replication::primary`. While a link is being made the loop
//! tells of it through `hear_primary`; then it is a client of its own kind (`Peer::Primary`).

pub mod apply;
pub mod connect;
pub mod transfer;

use crate::logging;
use crate::replication::primary::{Primary, Stage};
use crate::replication::{NO_ID, OFFSET_MAX};
use crate::resp::request::OwnedArgv;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Session};
use crate::server::core::admit::Gates;
use crate::server::core::unblock::Over;
use crate::server::replication::feed;
use crate::server::replication::replicas;
use crate::server::timers::Timer;
use crate::sys::clock;

/// We ask a primary for the rest of what we have, though we never followed it.
const SYNTHESIZED: &str = "Before turning into a replica, using my own master parameters to \
    synthesize a cached master: I may be able to synchronize with the new master with just a partial \
    transfer.";

/// How often a replica looks after its link, in milliseconds.
const TICK_MS: u64 = 1_000;

/// Becomes a replica of another server, or of another than before.
pub fn set_primary(server: &mut Server, host: String, port: u16) {
    let before = server.replication.primary.take();
    let was_primary = before.is_none();
    let mut primary = Primary::new(host, port, clock::mono_us());
    if let Some(mut before) = before {
        // In between it follows nobody.
        logging::set_role(b'M');
        detach(server, &mut before);
        primary.is_cached = before.is_cached;
        primary.db = before.db;
        primary.down_since_s = before.down_since_s;
    }
    unblock_clients(server);
    logging::set_role(b'S');
    if was_primary {
        log::info!("{SYNTHESIZED}");
        primary.is_cached = true;
    }
    install(server, primary);
    connect::open(server, "Connecting to MASTER", "");
}

/// `replicaof` of the configuration: the link is made once the data is loaded.
pub fn set_configured_primary(server: &mut Server) {
    if let Some((host, port)) = server.config.replicaof.clone() {
        let host = String::from_utf8_lossy(&host).into_owned();
        install(server, Primary::new(host, port, clock::mono_us()));
    }
}

/// The data is loaded: a replica looks for its primary.
pub(in crate::server) fn start(server: &mut Server) {
    if server.replication.is_replica() {
        connect::open(server, "Connecting to MASTER", "");
    }
}

/// The snapshot of the start says where in which history it was taken: a replica can ask for the
/// rest, and a primary can be asked for it.
pub(in crate::server) fn restore_history(server: &mut Server) {
    let position = std::mem::take(&mut server.persist.loaded_position);
    let dropped = std::mem::take(&mut server.persist.dropped);
    let (Some(id), Some(offset), Some(db)) = (position.id, position.offset, position.db) else {
        return;
    };
    let (Ok(offset), Ok(db)) = (u64::try_from(offset), u32::try_from(db)) else {
        return;
    };
    let id = String::from_utf8_lossy(&id).into_owned();
    if id.len() != NO_ID.len()
        || !id.bytes().all(|byte| byte.is_ascii_graphic())
        || offset > OFFSET_MAX
    {
        return;
    }
    let history = &mut server.replication.history;
    if let Some(primary) = &mut server.replication.primary {
        history.id = id;
        history.offset = offset;
        primary.is_cached = true;
        primary.db = db;
        log::info!("{SYNTHESIZED}");
        return;
    }
    history.previous = id;
    history.second_offset = offset as i64 + 1;
    history.offset += offset;
    ensure_backlog(server);
    for (db, key) in dropped {
        let argv: OwnedArgv = [b"DEL".as_slice(), &key].into_iter().collect();
        server.replication.feed(Some(db.0), &argv.as_argv());
    }
}

/// What waited for the end of a pause goes on.
pub(in crate::server) fn wake(server: &mut Server) {
    let primary = server.replication.primary.as_ref();
    let slot = primary.and_then(|primary| primary.client);
    server.clients.waking.extend(slot.map(|(_, slot)| slot));
}

fn install(server: &mut Server, primary: Primary) {
    server.config.replicaof = Some((primary.host.clone().into_bytes(), primary.port));
    let round = primary.round;
    server.replication.primary = Some(Box::new(primary));
    role_changed(server);
    server
        .timers
        .arm(server.clock.mono_ms() + TICK_MS, Timer::Follow(round));
}

/// Becomes a primary: goes on with the history under a name of its own.
pub fn unset_primary(server: &mut Server) {
    let Some(mut primary) = server.replication.primary.take() else {
        return;
    };
    server.config.replicaof = None;
    role_changed(server);
    detach(server, &mut primary);
    if primary.is_cached {
        log::info!("Discarding previously cached master state.");
    }
    let id = feed::fresh_history_id(server);
    server.replication.history.shift(id);
    let history = &server.replication.history;
    log::info!(
        "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
        history.previous,
        history.second_offset,
        history.id
    );
    // They have to hear of the new name, and can go on from where they are.
    feed::disconnect_replicas(server);
    server.replication.selected = None;
    server.replication.replicas.none_since_s = server.clock.now_s();
    if server.config.appendonly && !server.persist.aof.is_on() && server.persist.loading.is_none() {
        log::info!("Restarting AOF after becoming master");
        restart_aof(server);
    }
}

/// Ends the link to a primary that is no longer ours, whatever state it is in.
fn detach(server: &mut Server, primary: &mut Primary) {
    if let Some((id, slot)) = primary.client.take() {
        log::info!("Connection with master lost.");
        log::info!("Caching the disconnected master state.");
        let client = server.clients.get(slot);
        let client = client.filter(|client| client.session.id.0 == id);
        if let Some(client) = client {
            primary.db = client.session.db.0;
            server.clients.close(slot, Ending::Now);
        }
        primary.is_cached = true;
        primary.down_since_s = Some(server.clock.now_s());
    }
    transfer::abort(server, primary);
    primary.hang_up();
}

/// The server ends: half a snapshot is of use to nobody.
pub(in crate::server) fn discard_transfer(server: &mut Server) {
    if let Some(mut primary) = server.replication.primary.take() {
        transfer::abort(server, &mut primary);
        server.replication.primary = Some(primary);
    }
}

/// The client that was the link to our primary is gone.
pub fn link_lost(server: &mut Server, session: &Session) {
    let now_s = server.clock.now_s();
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    if primary.client.is_none_or(|(id, _)| id != session.id.0) {
        return;
    }
    log::info!("Connection with master lost.");
    primary.client = None;
    // What broke the protocol is not asked for again.
    primary.is_cached = !std::mem::take(&mut primary.is_spoiled);
    if primary.is_cached {
        log::info!("Caching the disconnected master state.");
    }
    primary.db = session.db.0;
    primary.down_since_s = Some(now_s);
    primary.tries = 0;
    primary.hang_up();
    refresh_role_gates(server);
    connect::open(server, "Reconnecting to MASTER", "");
}

/// We are a replica now, or a primary: everybody who has to know.
fn role_changed(server: &mut Server) {
    let is_replica = server.replication.is_replica();
    logging::set_role(if is_replica { b'S' } else { b'M' });
    refresh_role_gates(server);
    refresh_expiry_hold(server);
    server.refresh_log_interest();
    replicas::refresh_good(server);
    // The log has said what went wrong; it is no reason not to change.
    let _ = server.set_oom_score();
}

/// Some commands are refused by a replica.
pub fn refresh_role_gates(server: &mut Server) {
    server
        .gates
        .set(Gates::REPLICA, server.replication.is_replica());
    let writable = server.replication.is_replica() && !server.config.replica_read_only;
    server.keyspace.shared.own_deadlines.set_kept(writable);
}

/// While the data stands still, or follows that of another, nothing expires by itself.
pub fn refresh_expiry_hold(server: &mut Server) {
    server.keyspace.shared.hold_expired = server.pause.is_on() || server.replication.is_replica();
}

/// Who waits for a key waited for a change that only a primary makes.
fn unblock_clients(server: &mut Server) {
    let ids: Vec<ClientId> = server.clients.ids().collect();
    for id in ids {
        server.end_wait(id, Over::RoleChanged);
    }
}

/// A replica keeps what it gets for others, whether there are any or not.
fn ensure_backlog(server: &mut Server) {
    if server.replication.backlog.is_none() {
        feed::create_backlog(server);
    }
}

/// The data is to become another: what we have can neither be asked for more nor passed on.
fn discard_history(server: &mut Server) {
    if let Some(primary) = &mut server.replication.primary
        && std::mem::take(&mut primary.is_cached)
    {
        log::info!("Discarding previously cached master state.");
    }
    feed::disconnect_replicas(server);
    feed::free_backlog(server);
}

/// What a replica does every second.
pub fn tick(server: &mut Server, round: u64) {
    let now_ms = server.clock.mono_ms();
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    if primary.round != round {
        return;
    }
    server.timers.arm(now_ms + TICK_MS, Timer::Follow(round));
    let limit_ms = u64::from(server.config.repl_timeout) * 1000;
    let is_late = now_ms.saturating_sub(primary.heard_ms) > limit_ms;
    match primary.stage {
        Stage::Connect if server.persist.loading.is_none() => {
            connect::open(server, "Connecting to MASTER", "");
        }
        Stage::Connect => {}
        Stage::Connecting | Stage::Handshake(_) if is_late => {
            log::warn!("Timeout connecting to the MASTER...");
            connect::reconnect(server);
        }
        Stage::Connecting | Stage::Handshake(_) => {}
        Stage::Transfer => transfer::tick(server, is_late),
        Stage::Connected => tick_stream(server, limit_ms),
    }
}

/// A link that stands: is the primary still there, and does it know that we are?
fn tick_stream(server: &mut Server, limit_ms: u64) {
    let client = server.replication.primary.as_ref().and_then(|p| p.client);
    let Some((_, slot)) = client else { return };
    let now_ms = server.clock.mono_ms();
    let Some(client) = server.clients.get(slot) else {
        return;
    };
    if now_ms.saturating_sub(client.session.last_active_ms) > limit_ms {
        log::warn!("MASTER timeout: no data nor PING received...");
        return server.clients.close(slot, Ending::Now);
    }
    apply::send_ack(server);
}

/// The log of writes begins anew with what is there.
pub(in crate::server) fn restart_aof(server: &mut Server) {
    if server.apply_append_only().is_err() {
        log::warn!(
            "FATAL: this replica instance finished the synchronization with its master, but \
                 the AOF can't be turned on. Exiting now."
        );
        server.life.exit = Some(1);
    }
}
