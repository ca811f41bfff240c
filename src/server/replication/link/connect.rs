//! The link to a primary, and the talk over it until the stream or a snapshot begins.

use crate::algo::quoting::in_line;
use crate::keyspace::DbIndex;
use crate::net::Link;
use crate::persist::reason;
use crate::replication::primary::{Primary, Stage, Talk};
use crate::replication::{OFFSET_MAX, encode_command};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{Peer, Session};
use crate::server::replication::failover;
use crate::server::replication::feed;
use crate::server::replication::link;
use crate::server::replication::link::transfer;
use crate::sys::supervisor;
use std::io;

/// The longest line of the talk.
const LINE_MAX: usize = 1024;
/// Bytes read at once.
const READ: usize = 16 << 10;

/// Begins a link, and says so in the log with these words around the name of the primary.
pub(in crate::server) fn open(server: &mut Server, before: &str, after: &str) {
    let now_ms = server.clock.mono_ms();
    let from = String::from_utf8_lossy(&server.config.bind_source_addr).into_owned();
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    log::info!("{before} {}:{}{after}", primary.host, primary.port);
    primary.hang_up();
    primary.tries += 1;
    primary.all_tries += 1;
    match Link::connect(&primary.host, primary.port, &from) {
        Ok(link) => {
            primary.link = Some(link);
            primary.stage = Stage::Connecting;
            primary.heard_ms = now_ms;
            log::info!("MASTER <-> REPLICA sync started");
        }
        Err(error) => log::warn!("Unable to connect to MASTER: {}", reason(&error)),
    }
}

/// The link came to nothing. The next second there is another.
pub(in crate::server) fn abandon(server: &mut Server) {
    if let Some(mut primary) = server.replication.primary.take() {
        transfer::abort(server, &mut primary);
        primary.hang_up();
        server.replication.primary = Some(primary);
    }
}

/// The link came to nothing, and the next is tried at once.
pub(in crate::server) fn reconnect(server: &mut Server) {
    abandon(server);
    open(server, "Reconnecting to MASTER", " after failure");
}

/// The loop heard of the link that is being made.
pub fn on_ready(server: &mut Server) {
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    match primary.stage {
        Stage::Connecting => {
            primary.is_ready = false;
            finish_connect(server);
        }
        Stage::Handshake(_) => read_replies(server),
        Stage::Transfer => transfer::read(server),
        // What was heard before the link became a client is for that.
        Stage::Connected => {
            primary.is_ready = false;
            let slot = primary.client.map(|(_, slot)| slot);
            if let Some(client) = slot.and_then(|slot| server.clients.get_mut(slot)) {
                client.readable = true;
                server.clients.waking.extend(slot);
            }
        }
        Stage::Connect => primary.is_ready = false,
    }
}

fn finish_connect(server: &mut Server) {
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    let Some(link) = &primary.link else { return };
    match link.is_connected() {
        Ok(false) => {}
        Ok(true) => {
            log::info!("Non blocking connect for SYNC fired the event.");
            link.tune(0);
            primary.stage = Stage::Handshake(Talk::Pong);
            send_commands(server, &[&["PING"]]);
        }
        Err(error) => {
            log::warn!("Error condition on socket for SYNC: {}", reason(&error));
            abandon(server);
        }
    }
}

/// Sends commands of the talk. They are short: what the socket does not take at once it will
/// never take.
fn send_commands(server: &mut Server, commands: &[&[&str]]) -> bool {
    let mut bytes = Vec::new();
    for words in commands {
        encode_command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    }
    send(server, &bytes)
}

fn send(server: &mut Server, bytes: &[u8]) -> bool {
    let link = server.replication.primary.as_ref();
    let Some(link) = link.and_then(|primary| primary.link.as_ref()) else {
        return false;
    };
    let why = match link.write(bytes) {
        Ok(n) if n == bytes.len() => return true,
        Ok(_) => "Resource temporarily unavailable".to_owned(),
        Err(error) => reason(&error),
    };
    log::warn!("Sending command to master in replication handshake: -Writing to master: {why}");
    abandon(server);
    false
}

/// Reads once. `None` if there is nothing now.
///
/// # Errors
/// If there will never be more: what Redis says of it.
pub(in crate::server) fn read_link(
    primary: &mut Primary,
    max: usize,
) -> Result<Option<usize>, String> {
    let Some(link) = &primary.link else {
        return Ok(None);
    };
    primary.incoming.bytes.reserve(max);
    match link.read(&mut primary.incoming.bytes, max) {
        // There is no error, which is how Redis puts it.
        Ok(0) => Err("Success".into()),
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            primary.is_ready = false;
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(reason(&error)),
    }
}

fn read_replies(server: &mut Server) {
    let now_ms = server.clock.mono_ms();
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    match read_link(primary, READ) {
        Ok(None) => {}
        Ok(Some(n)) => {
            server.stats.repl_bytes_in += n as u64;
            primary.heard_ms = now_ms;
        }
        Err(why) => {
            primary.is_ready = false;
            let at = primary.stage;
            log::warn!("Failed to read response from the server: {why}");
            match at {
                Stage::Handshake(Talk::Psync) => {
                    log::warn!("Master did not reply to PSYNC, will try later");
                }
                _ => log::warn!("Master did not respond to command during SYNC handshake"),
            }
            return abandon(server);
        }
    }
    loop {
        let Some(primary) = &mut server.replication.primary else {
            return;
        };
        let Stage::Handshake(talk) = primary.stage else {
            break;
        };
        match primary.incoming.line() {
            Some(line) => on_reply(server, talk, &line),
            None if primary.incoming.pending() > LINE_MAX => {
                log::warn!("Master did not respond to command during SYNC handshake");
                return abandon(server);
            }
            None => return,
        }
    }
    // A snapshot may follow on the heels of the answer.
    if let Some(primary) = &server.replication.primary
        && primary.stage == Stage::Transfer
    {
        transfer::read(server);
    }
}

/// An answer of the primary.
fn on_reply(server: &mut Server, talk: Talk, line: &[u8]) {
    let shown = in_line(line);
    let is_error = line.starts_with(b"-");
    match talk {
        Talk::Pong => return on_pong(server, line, &shown),
        Talk::Auth if is_error => {
            log::warn!("Unable to AUTH to MASTER: {shown}");
            return abandon(server);
        }
        Talk::Psync => return on_psync_reply(server, line, &shown),
        Talk::Auth => {}
        _ if is_error => {
            let what = match talk {
                Talk::Port => "listening-port",
                Talk::Address => "ip-address",
                _ => "capa",
            };
            log::info!("(Non critical) Master does not understand REPLCONF {what}: {shown}");
        }
        _ => {}
    }
    let next = match talk {
        Talk::Auth => Talk::Port,
        Talk::Port if !server.config.replica_announce_ip.is_empty() => Talk::Address,
        Talk::Port | Talk::Address => Talk::Abilities,
        _ => return send_psync(server),
    };
    if let Some(primary) = &mut server.replication.primary {
        primary.stage = Stage::Handshake(next);
    }
}

/// The primary may want a password first.
fn on_pong(server: &mut Server, line: &[u8], shown: &str) {
    let fine = [
        b"+".as_slice(),
        b"-NOAUTH",
        b"-NOPERM",
        b"-ERR operation not permitted",
    ];
    if !fine.iter().any(|fine| line.starts_with(fine)) {
        log::warn!("Error reply to PING from master: '{shown}'");
        return abandon(server);
    }
    log::info!("Master replied to PING, replication can continue...");
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let config = &server.config;
    let (user, password) = (words(&config.masteruser), words(&config.masterauth));
    let address = words(&config.replica_announce_ip);
    let port = match config.replica_announce_port {
        0 if config.tls_replication => config.tls_port,
        0 => config.port,
        port => port,
    };
    let port = port.to_string();
    let (with_user, without) = (["AUTH", &user, &password], ["AUTH", &password]);
    let listening = ["REPLCONF", "listening-port", &port];
    let at = ["REPLCONF", "ip-address", &address];
    let mut commands: Vec<&[&str]> = Vec::new();
    if !password.is_empty() {
        commands.push(if user.is_empty() {
            &without
        } else {
            &with_user
        });
    }
    commands.push(&listening);
    if !address.is_empty() {
        commands.push(&at);
    }
    commands.push(&["REPLCONF", "capa", "eof", "capa", "psync2"]);
    let next = match password.is_empty() {
        true => Talk::Port,
        false => Talk::Auth,
    };
    if let Some(primary) = &mut server.replication.primary {
        primary.stage = Stage::Handshake(next);
    }
    send_commands(server, &commands);
}

/// Asks for the rest of the stream, or for everything.
fn send_psync(server: &mut Server) {
    let history = &server.replication.history;
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    primary.stage = Stage::Handshake(Talk::Psync);
    primary.offered = None;
    primary.is_plain = false;
    let (id, next) = match primary.is_cached {
        true => (history.id.clone(), (history.offset + 1).to_string()),
        false => ("?".into(), "-1".into()),
    };
    if primary.is_cached {
        log::info!("Trying a partial resynchronization (request {id}:{next}).");
    } else {
        log::info!("Partial resynchronization not possible (no cached master)");
    }
    let failover = server.replication.failover.as_ref();
    match failover.is_some_and(|failover| failover.in_progress) {
        true => send_commands(server, &[&["PSYNC", &id, &next, "FAILOVER"]]),
        false => send_commands(server, &[&["PSYNC", &id, &next]]),
    };
}

fn on_psync_reply(server: &mut Server, line: &[u8], shown: &str) {
    // Only to show that the primary is there.
    if line.is_empty() {
        return;
    }
    let mut words = shown.split(' ');
    let first = words.next().unwrap_or_default();
    let accepted = first.starts_with("+FULLRESYNC") || first.starts_with("+CONTINUE");
    failover::on_psync_reply(server, accepted);
    if !server.replication.is_replica() {
        return;
    }
    if first.starts_with("+FULLRESYNC") {
        let (id, offset) = (words.next(), words.next());
        return accept_full(server, id, offset);
    }
    if first.starts_with("+CONTINUE") {
        log::info!("Successful partial resynchronization with master.");
        let id = words.next().map(|id| id.trim_end().to_owned());
        return accept_partial(server, id);
    }
    if first.starts_with("-NOMASTERLINK") || first.starts_with("-LOADING") {
        log::info!("Master is currently unable to PSYNC but should be in the future: {shown}");
        return abandon(server);
    }
    if first.starts_with("-ERR") {
        log::info!("Master does not support PSYNC or is in error state (reply: {shown})");
    } else {
        log::warn!("Unexpected reply to PSYNC from master: {shown}");
    }
    log::info!("Retrying with SYNC...");
    if let Some(primary) = &mut server.replication.primary {
        primary.is_plain = true;
    }
    if send(server, b"SYNC\r\n") {
        transfer::begin(server);
    }
}

/// Everything will come: a snapshot, and the stream from there on.
fn accept_full(server: &mut Server, id: Option<&str>, offset: Option<&str>) {
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    let id = id.filter(|id| id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_graphic()));
    match (id, offset) {
        (Some(id), Some(offset)) => {
            let offset = offset.parse().unwrap_or(0).min(OFFSET_MAX);
            log::info!("Full resync from master: {id}:{offset}");
            primary.offered = Some((id.to_owned(), offset));
        }
        _ => {
            log::warn!("Master replied with wrong +FULLRESYNC syntax.");
            // It can be followed, but nothing of it can ever be asked for.
            let id = "0".repeat(40);
            primary.offered = Some((id, 0));
        }
    }
    transfer::begin(server);
}

/// The stream goes on where it ended, perhaps under another name.
fn accept_partial(server: &mut Server, id: Option<String>) {
    if !server
        .replication
        .primary
        .as_ref()
        .is_some_and(|p| p.is_cached)
    {
        // We asked for everything: there is nothing that could go on.
        log::warn!("Unexpected reply to PSYNC from master: +CONTINUE");
        return abandon(server);
    }
    let is_fine = |id: &String| id.len() == 40 && id.bytes().all(|b| b.is_ascii_graphic());
    let id = id.filter(|id| is_fine(id) && *id != server.replication.history.id);
    if let Some(id) = id {
        log::info!("Master replication ID changed to {id}");
        server.replication.history.shift(id);
        feed::disconnect_replicas(server);
    }
    let db = server.replication.primary.as_ref().map_or(0, |p| p.db);
    adopt_link(server, db);
    link::ensure_backlog(server);
    log::info!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
    supervisor::sd_notify(
        "STATUS=MASTER <-> REPLICA sync: Partial Resynchronization accepted. Ready to accept \
             connections in read-write mode.\n",
    );
}

/// The link becomes a client, whose commands are those of the stream.
pub(in crate::server) fn adopt_link(server: &mut Server, db: u32) {
    let (now_ms, now_s) = (server.clock.mono_ms(), server.clock.now_s());
    let id = server.clients.next_id();
    let db = server.keyspace.index_of(db.into()).unwrap_or(DbIndex(0));
    let Some(primary) = &mut server.replication.primary else {
        return;
    };
    let Some(link) = primary.link.take() else {
        return;
    };
    let mut session = Session::new(id, now_ms);
    session.peer = Peer::Primary;
    session.must_obey = true;
    session.deny_blocking = true;
    session.user = "(superuser)".into();
    session.db = db;
    session.fd = link.fd();
    session.addresses = Box::new(link.addresses());
    link.tune(server.config.tcp_keepalive);
    let mut client = Box::new(Client::new(link, session));
    // The stream may have come with the answer.
    client.readable = true;
    let slot = server.clients.add(client);
    server.clients.waking.push(slot);
    primary.client = Some((id.0, slot));
    primary.is_handed_over = true;
    primary.is_ready = false;
    primary.is_cached = false;
    primary.stage = Stage::Connected;
    primary.up_since_s = now_s;
    if let Some(since_s) = primary.down_since_s.take() {
        primary.was_down_s += now_s - since_s;
    }
    link::refresh_role_gates(server);
}
