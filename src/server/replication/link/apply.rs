//! The stream of a primary: its commands are executed as they come, and its bytes are passed on
//! unchanged.
//!
//! The replication offset grows by whole commands, and by whole transactions: after a link broke in
//! the middle of one, the stream continues from its MULTI. Only REPLCONF GETACK gets a reply.

use crate::command::Reply;
use crate::net::Received;
use crate::replication::PausePoint;
use crate::replication::encode_command;
use crate::replication::incoming::{Broken, Incoming};
use crate::replication::primary::Primary;
use crate::resp::encode::Resp;
use crate::resp::request::Tag;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::describe;
use crate::server::clients::session::{Ending, Session};
use crate::server::core::undelivered;
use crate::server::gates::Gates;
use crate::sys::clock;
use std::io;

/// Bytes read at once.
const READ: usize = 64 << 10;
/// Bytes that may wait before more are read, unless they are the start of one command.
const AHEAD: usize = 1 << 20;
/// The longest transaction, in bytes: more than this without EXEC is no valid stream.
const TRANSACTION_MAX: usize = 3 << 30;
/// The time that the stream is applied before other clients have their turn, in microseconds.
const TURN_US: u64 = 4_000;
/// Commands between two readings of the clock.
const STRIDE: u32 = 16;
pub(super) const FREED_WHILE_STREAMING: &str =
    "Master client was freed while streaming accumulated replication data to db.";
/// Bytes of an invalid stream that the log shows.
const SHOWN: usize = 128;

/// Reads once from the client that is the link to the primary.
pub fn read(server: &mut Server, client: &mut Client) {
    let primary = server.replication.primary_mut();
    let Some(primary) = primary.filter(|primary| primary.is_client(client.session.id.0)) else {
        client.session.ending = Ending::Now;
        return;
    };
    // The part of the stream that came beside the snapshot is the first.
    if primary.has_kept() {
        let incoming = primary.incoming_mut();
        if !incoming.has_whole() || incoming.pending() <= AHEAD {
            primary.receive_kept();
        }
        // As long as the socket is not read for this, the primary is not silent.
        client.session.last_active_ms = server.clock.mono_ms();
        return;
    }
    let incoming = primary.incoming_mut();
    if !client.readable || incoming.has_whole() && incoming.pending() > AHEAD {
        return;
    }
    match incoming.read(&mut client.link, READ) {
        Ok(Received { bytes: 0, .. }) => client.session.ending = Ending::Now,
        Ok(Received { bytes: n, more }) => {
            client.readable = more || client.hung_up;
            client.session.bytes_in += n as u64;
            client.session.last_active_ms = server.clock.mono_ms();
            server.stats.repl_bytes_in += n as u64;
            server.stats.reads += 1;
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.readable = false,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => client.session.ending = Ending::Now,
    }
}

/// Executes the commands received. True if there is more to do without waiting for input.
pub fn apply(server: &mut Server, slot: usize) -> bool {
    let Some(mut client) = server.clients.check_out(slot) else {
        return false;
    };
    let mut again = false;
    // During a pause, and while a script is busy, the stream waits.
    let waits = server.gates.has(Gates::BUSY) || server.pause.is_on();
    let kept = server.replication.primary().and_then(Primary::kept_in_all);
    if kept.is_some_and(|bytes| bytes > 0) && server.replication.pause_at(PausePoint::OnStreaming) {
        // What clients have asked meanwhile comes first.
        again = true;
    } else if client.session.ending == Ending::No && !waits {
        again = apply_received(server, &mut client);
        if !is_link(server, &client.session) {
            // A command of the stream changed the role, or the primary.
            client.session.ending = Ending::Now;
        }
    }
    again |= waits && (client.readable || server.gates.has(Gates::BUSY));
    client.is_ready = again && client.session.ending == Ending::No;
    let (again, ending) = (client.is_ready, client.session.ending);
    server.clients.will_write(slot, &mut client);
    server.clients.check_in(slot, client);
    if ending != Ending::No {
        server.clients.reap_later(slot);
    }
    again
}

/// Whether a session is that of the link to our primary.
fn is_link(server: &Server, session: &Session) -> bool {
    let primary = server.replication.primary();
    primary.is_some_and(|primary| primary.is_client(session.id.0))
}

fn apply_received(server: &mut Server, client: &mut Client) -> bool {
    let Some(primary) = server.replication.primary_mut() else {
        return false;
    };
    let mut incoming = primary.take_incoming();
    server.frame.start(server.clock.cycles());
    server.keyspace.shared.no_touch = false;
    let had_none = std::mem::replace(&mut server.keyspace.shared.none_overdue, true);
    let was_kept = server.keyspace.shared.replica_expires.pause();
    let (applied, more) = execute_commands(server, client, &mut incoming);
    server.keyspace.shared.replica_expires.go_on(was_kept);
    server.keyspace.shared.none_overdue = had_none;
    incoming.release(applied);
    if is_link(server, &client.session)
        && let Some(primary) = server.replication.primary_mut()
    {
        primary.put_incoming(incoming, client.session.db.0);
        if let Some(bytes) = primary.take_kept_in_all() {
            log::info!(
                "MASTER <-> REPLICA sync: Successfully streamed replication buffer into the db \
                 ({bytes} bytes in total)"
            );
        }
        if primary.has_kept() {
            return true;
        }
    }
    more || client.readable
}

/// The snapshot is in place: the part of the stream that came beside it is applied next.
pub(super) fn begin_kept(server: &Server) {
    let primary = server.replication.primary();
    let bytes = primary.and_then(Primary::kept_in_all).unwrap_or(0);
    log::info!(
        "MASTER <-> REPLICA sync: Starting to stream replication buffer into the db ({bytes} bytes)."
    );
}

/// Executes commands for at most `TURN_US`. Returns the position in `incoming` up to which the
/// stream was applied, and whether there may be more.
fn execute_commands(
    server: &mut Server,
    client: &mut Client,
    incoming: &mut Incoming,
) -> (usize, bool) {
    let until_us = clock::mono_us() + TURN_US;
    let mut replies = server.clients.loader().take_reply();
    let (mut applied, mut count, mut more) = (0, 0, false);
    loop {
        match incoming.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(broken) => {
                reject(server, client, &broken, incoming.rest());
                break;
            }
        }
        execute_command(server, client, incoming, &mut replies);
        // The command may have changed the role, or the primary.
        if !is_link(server, &client.session) {
            break;
        }
        let primary = server.replication.primary_mut();
        if primary.is_some_and(|primary| primary.take_getack()) {
            client.output.append(&ack(server));
        }
        if client.session.multi.is_none() {
            let now = incoming.position();
            server.replication.append(incoming.between(applied, now));
            applied = now;
        } else if incoming.position() - applied > TRANSACTION_MAX {
            let broken = Broken::Protocol("too big transaction");
            reject(server, client, &broken, b"");
        }
        if client.session.ending != Ending::No {
            break;
        }
        count += 1;
        if count % STRIDE == 0 && clock::mono_us() >= until_us {
            more = true;
            break;
        }
        if server.pause.is_on() {
            break;
        }
    }
    server.clients.loader().keep_reply(replies);
    (applied, more)
}

/// Executes the command that `incoming` has found.
fn execute_command(
    server: &mut Server,
    client: &mut Client,
    incoming: &Incoming,
    replies: &mut Vec<u8>,
) {
    replies.clear();
    let most = server.clients.largest_reply();
    let mut reply = Reply::new(replies, Resp::V2).bounded(most);
    let noted = server.stats.unexpected_errors;
    server.execute(
        &mut client.session,
        incoming.argv(),
        Tag::default(),
        &mut reply,
    );
    // The error of a command in a script was reported by the script.
    if replies.first() == Some(&b'-') && server.stats.unexpected_errors == noted {
        let text = replies[1..].strip_suffix(b"\r\n").unwrap_or_default();
        undelivered::report_error(server, &client.session, text);
    }
}

/// Ends a link on which no valid stream came. It will not be continued.
#[cold]
fn reject(server: &mut Server, client: &mut Client, broken: &Broken, rest: &[u8]) {
    let text = match broken {
        Broken::Inline => {
            log::warn!(
                "WARNING: Receiving inline protocol from master, master stream corruption? Closing \
                 the master connection and discarding the cached master."
            );
            "Master using the inline protocol. Desync?"
        }
        Broken::Protocol(text) => text,
    };
    let shown = rest[..rest.len().min(SHOWN)].iter();
    let shown: String = shown
        .map(|&byte| match byte {
            b' '..=b'~' => byte as char,
            _ => '.',
        })
        .collect();
    log::warn!(
        "Protocol error ({text}) from client: {}. Query buffer during protocol error: '{shown}'",
        describe::client_line(server, client)
    );
    if let Some(primary) = server.replication.primary_mut() {
        primary.set_corrupt();
    }
    client.session.ending = Ending::Now;
}

/// Returns the command that tells the primary what was applied, and what is safe in the log.
fn ack(server: &Server) -> Vec<u8> {
    let applied = server.replication.offset().to_string();
    let synced = server.persist.aof.synced_offset();
    let synced = synced.map(|offset| offset.to_string());
    let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", applied.as_bytes()];
    if let Some(synced) = &synced {
        words.extend([b"FACK".as_slice(), synced.as_bytes()]);
    }
    let mut bytes = Vec::new();
    encode_command(&mut bytes, words.into_iter());
    bytes
}

/// Sends an acknowledgement without being asked.
pub(super) fn send_ack(server: &mut Server) {
    let primary = server.replication.primary();
    let Some(slot) = primary.and_then(|primary| primary.ack_slot()) else {
        return;
    };
    let ack = ack(server);
    if let Some(mut client) = server.clients.check_out(slot) {
        client.output.append(&ack);
        server.clients.will_write(slot, &mut client);
        server.clients.check_in(slot, client);
    }
}
