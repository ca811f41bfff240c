//! Making the link to a primary: connecting, the handshake, and the client that the link becomes.
//!
//! The decisions are made in `crate::replication::handshake`; here is the I/O.

use crate::config::Config;
use crate::keyspace::DbIndex;
use crate::net::Link;
use crate::replication::PausePoint;
use crate::replication::handshake::Identity;
use crate::replication::primary::{Primary, Stage};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{Peer, Session};
use crate::server::replication::feed;
use crate::server::replication::link::{self, transfer};
use crate::sys::supervisor;
use std::io;

/// Bytes read at once.
const READ: usize = 16 << 10;

/// Opens a link. The log says so with these words around the address of the primary.
pub(in crate::server) fn open(server: &mut Server, before: &str, after: &str) {
    let now_ms = server.clock.mono_ms();
    let Some(primary) = server.replication.primary_mut() else {
        return;
    };
    log::info!("{before} {}:{}{after}", primary.host(), primary.port());
    primary.attempt();
    let opened = dial(server);
    if let Some(primary) = server.replication.primary_mut() {
        let actions = primary.opened(opened, now_ms);
        link::execute(server, actions);
    }
}

/// Begins to connect to the primary, over TLS if that is configured.
fn dial(server: &Server) -> io::Result<Link> {
    let primary = server.replication.primary();
    let primary = primary.ok_or_else(|| io::Error::other("no primary"))?;
    let from = String::from_utf8_lossy(&server.config.bind_source_addr);
    let link = Link::connect(primary.host(), primary.port(), &from)?;
    match server.config.tls_replication {
        true => link.secure_to(primary.host(), server.doors.contexts()),
        false => Ok(link),
    }
}

/// Opens an RDB channel beside the link that is being made.
pub(super) fn open_channel(server: &mut Server, main: u64) {
    server.replication.pause_at(PausePoint::BeforeRdbChannel);
    let now_ms = server.clock.mono_ms();
    let identity = identity(&server.config);
    let opened = dial(server);
    let Some(primary) = server.replication.primary_mut() else {
        return;
    };
    let actions = primary.open_channel(opened, &identity, main, now_ms);
    link::execute(server, actions);
}

/// Closes the link that is being made; the next tick opens another.
pub(super) fn abandon(server: &mut Server) {
    if let Some(primary) = server.replication.primary() {
        log_channel_end(primary);
    }
    transfer::abort(server);
    if let Some(primary) = server.replication.primary_mut() {
        primary.hang_up();
    }
}

pub(super) fn log_channel_end(primary: &Primary) {
    if primary.has_channel() {
        log::info!("Aborting rdb channel sync");
    }
}

/// Closes the link that is being made and opens another at once.
pub(super) fn reconnect(server: &mut Server) {
    abandon(server);
    open(server, "Reconnecting to MASTER", " after failure");
}

/// Handles an event of the link that is being made.
pub fn on_ready(server: &mut Server) {
    let Some(primary) = server.replication.primary_mut() else {
        return;
    };
    match primary.stage() {
        Stage::Connecting | Stage::OpenChannel(_) => {
            let actions = primary.writable();
            link::execute(server, actions);
        }
        Stage::Handshake(_) | Stage::Channel(_) => read_replies(server),
        Stage::Transfer => transfer::read(server),
        // An event from before the link became a client belongs to that client.
        Stage::Connected => {
            primary.clear_ready();
            let slot = primary.slot();
            if let Some(slot) = slot
                && let Some(client) = server.clients.get_mut(slot)
            {
                client.readable = true;
                server.clients.wake_slot(slot);
            }
        }
        Stage::Connect => primary.clear_ready(),
    }
}

/// Sends a message of the handshake. False if the link broke.
pub(super) fn send(server: &mut Server, bytes: &[u8]) -> bool {
    let Some(primary) = server.replication.primary_mut() else {
        return false;
    };
    let sent = primary.send(bytes);
    if let Err(why) = &sent {
        log::warn!("{why}");
        abandon(server);
    }
    sent.is_ok()
}

/// Reads from the link, at most `max` bytes. False if nothing came: the link may have ended.
pub(super) fn read(server: &mut Server, max: usize) -> bool {
    let now_ms = server.clock.mono_ms();
    let Some(primary) = server.replication.primary_mut() else {
        return false;
    };
    match primary.read(max, now_ms) {
        Ok(None) => false,
        Ok(Some(n)) => {
            server.stats.repl_bytes_in += n as u64;
            true
        }
        Err(why) => {
            let actions = primary.link_failed(&why);
            link::execute(server, actions);
            false
        }
    }
}

fn read_replies(server: &mut Server) {
    read(server, READ);
    let identity = identity(&server.config);
    while let Some(actions) = server.replication.next_reply(&identity) {
        link::execute(server, actions);
    }
    // A snapshot may follow on the heels of the reply.
    let primary = server.replication.primary();
    if primary.is_some_and(|primary| primary.stage() == Stage::Transfer) {
        transfer::read(server);
    }
}

/// Returns how the server presents itself to its primary.
fn identity(config: &Config) -> Identity {
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Identity {
        user: words(&config.masteruser),
        password: words(&config.masterauth),
        address: words(&config.replica_announce_ip),
        port: match config.replica_announce_port {
            0 if config.tls_replication && config.tls_port != 0 => config.tls_port.into(),
            0 => config.port.into(),
            port => port.into(),
        },
        opens_rdb_channel: config.repl_rdb_channel,
    }
}

/// Continues with the stream where it ended, perhaps under another replication ID.
pub(super) fn continue_stream(server: &mut Server, id: Option<String>) {
    if server.replication.rename_history(id) {
        let id = &server.replication.history().id;
        log::info!("Master replication ID changed to {id}");
        feed::disconnect_replicas(server);
    }
    adopt(server, server.replication.database());
    link::ensure_backlog(server);
    log::info!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
    supervisor::sd_notify(
        "STATUS=MASTER <-> REPLICA sync: Partial Resynchronization accepted. Ready to accept \
         connections in read-write mode.\n",
    );
}

/// Makes the link a client whose commands are those of the stream, with the database `db` selected.
pub(super) fn adopt(server: &mut Server, db: u32) {
    let (now_ms, now_s) = (server.clock.mono_ms(), server.clock.now_s());
    let id = server.clients.next_id();
    let db = server.keyspace.index_of(db.into()).unwrap_or(DbIndex(0));
    let Some(primary) = server.replication.primary_mut() else {
        return;
    };
    let Some(link) = primary.take_link() else {
        return;
    };
    let mut session = Session::new(id, now_ms);
    session.peer = Peer::Primary;
    session.must_obey = true;
    session.user = "(superuser)".into();
    session.db = db;
    session.fd = link.fd();
    session.addresses = Box::new(link.addresses());
    link.tune(server.config.tcp_keepalive);
    let mut client = Box::new(Client::new(link, session));
    // The stream may have come with the last reply.
    client.readable = true;
    let slot = server.clients.add(client);
    server.clients.wake_slot(slot);
    primary.adopted(id.0, slot, now_s);
    link::refresh_role_gates(server);
}
