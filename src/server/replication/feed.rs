//! The stream of changes on its way to replicas: the backlog that holds it, and what is written to
//! each replica before the loop sleeps.
//!
//! A replica is owed what lies in the backlog from its next byte on; nothing is copied for it. One
//! that is too slow for its limits is let go, so that the backlog cannot grow without end.

use crate::config::OutputLimit;
use crate::replication::backlog::Backlog;
use crate::replication::replicas::{Replica, Stage};
use crate::resp::request::OwnedArgv;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending};
use crate::server::replication::sync;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

/// Bytes written to one replica per turn.
const WRITE_MAX: usize = 1 << 20;
/// Pieces handed to the system at once.
const PIECES: usize = 64;
/// Bytes of a snapshot's file read at once.
const FILE_PIECE: usize = 64 << 10;

/// See `Server::stream_memory`.
#[derive(Clone, Copy, Debug)]
pub struct StreamMemory {
    pub all: usize,
    pub backlog: usize,
    pub replicas: usize,
}

/// How a write to a replica ended.
enum Wrote {
    /// There is nothing more to send.
    All,
    /// There is more, but others are to have their turn, too.
    Part,
    /// The socket takes nothing more.
    Blocked,
    Failed(io::Error),
}

/// Somebody follows: the stream is kept from here on. A history that nobody has a part of gets a
/// name of its own.
pub(in crate::server) fn start_backlog(server: &mut Server) {
    if server.replication.backlog.is_some() {
        return;
    }
    restart_history(server);
    create_backlog(server);
    let history = &server.replication.history;
    log::info!(
        "Replication backlog created, my new replication IDs are '{}' and '{}'",
        history.id,
        history.previous
    );
}

/// The stream is kept from its next byte on.
pub fn create_backlog(server: &mut Server) {
    let size = server.config.repl_backlog_size as usize;
    let next = server.replication.history.offset + 1;
    server.replication.backlog = Some(Backlog::new(size, next));
    server.replication.replicas.none_since_s = server.clock.now_s();
    server.refresh_log_interest();
}

pub fn free_backlog(server: &mut Server) {
    server.replication.backlog = None;
    server.refresh_log_interest();
}

/// Our history gets a new name, under which nobody has a part of it.
pub fn restart_history(server: &mut Server) {
    let id = fresh_history_id(server);
    server.replication.history.restart(id);
}

pub(in crate::server) fn fresh_history_id(server: &mut Server) -> String {
    String::from_utf8_lossy(&server.rng.hex40()).into_owned()
}

/// `repl-backlog-size` was changed.
pub(in crate::server) fn resize_backlog(server: &mut Server) {
    let size = server.config.repl_backlog_size as usize;
    if let Some(backlog) = &mut server.replication.backlog {
        backlog.resize(size);
    }
    trim_backlog(server);
}

pub(in crate::server) fn trim_backlog(server: &mut Server) {
    let needed = server.replication.replicas.needed();
    if let Some(backlog) = &mut server.replication.backlog {
        backlog.trim(needed);
    }
}

/// Tells replicas of something that concerns no data: that we are there, that we want to know
/// how far they are.
pub(in crate::server) fn send_command(server: &mut Server, words: &[&str]) {
    let argv: OwnedArgv = words.iter().collect();
    server.replication.feed(None, &argv.as_argv());
}

/// Before the loop sleeps: replicas get what they are owed, as far as their sockets take it.
pub fn flush(server: &mut Server) {
    if server.replication.backlog.is_none() && server.replication.replicas.is_empty() {
        return;
    }
    if server.replication.replicas.wants_acks && !is_held(server) {
        server.replication.replicas.wants_acks = false;
        send_command(server, &["REPLCONF", "GETACK", "*"]);
    }
    server.replication.replicas.goes_on = false;
    for index in (0..server.replication.replicas.len()).rev() {
        flush_replica(server, index);
    }
    trim_backlog(server);
    enforce_limits(server);
}

/// Whether nothing may be added to the stream: a pause lets replicas come to where we are.
pub(in crate::server) fn is_held(server: &Server) -> bool {
    server.pause.is_on()
}

fn flush_replica(server: &mut Server, index: usize) {
    let replica = &server.replication.replicas.list[index];
    let owed = match &replica.stage {
        Stage::SendFile { .. } => true,
        Stage::Online => {
            let next = server.replication.backlog.as_ref().map_or(0, Backlog::next);
            !replica.awaits_ack && replica.next < next
        }
        _ => false,
    };
    if !owed || replica.is_blocked {
        return;
    }
    let (slot, before) = (replica.slot, server.stats.repl_bytes_out);
    let wrote = match server.clients.get_mut(slot) {
        Some(client) if client.session.ending == Ending::No => write(server, index),
        _ => return,
    };
    let sent = server.stats.repl_bytes_out - before;
    if let Some(client) = server.clients.get_mut(slot) {
        client.session.bytes_out += sent;
    }
    match wrote {
        Wrote::All => {}
        Wrote::Part => server.replication.replicas.goes_on = true,
        Wrote::Blocked => server.replication.replicas.list[index].is_blocked = true,
        Wrote::Failed(error) => {
            log::debug!("Error writing to replica: {error}");
            server.clients.close(slot, Ending::Now);
        }
    }
}

fn write(server: &mut Server, index: usize) -> Wrote {
    let replica = &mut server.replication.replicas.list[index];
    let Some(client) = server.clients.get_mut(replica.slot) else {
        return Wrote::All;
    };
    // Answers go first: they tell what follows.
    if client.output.pending() > 0 {
        return Wrote::Blocked;
    }
    let link = &client.link;
    let mut send = |pieces: &[IoSlice]| link.write_pieces(pieces);
    let total = &mut server.stats.repl_bytes_out;
    match &mut replica.stage {
        Stage::SendFile { file, sent, len } => {
            let wrote = send_file(file, sent, *len, &mut send, total);
            if matches!(wrote, Wrote::All) {
                sync::snapshot_was_sent(server, index);
                // The stream follows in the next round.
                return Wrote::Part;
            }
            wrote
        }
        Stage::Online => match &server.replication.backlog {
            Some(backlog) => send_backlog(backlog, &mut replica.next, &mut send, total),
            None => Wrote::All,
        },
        _ => Wrote::All,
    }
}

/// A replica's socket takes bytes again.
pub fn unblock(server: &mut Server, id: ClientId) {
    if let Some(replica) = server.replication.replicas.get_mut(id.0) {
        replica.is_blocked = false;
    }
}

/// Bytes that a replica has yet to get, the unit in which the backlog is held included, as CLIENT
/// LIST and the limits count them; and in how many blocks they are.
pub fn pending(server: &Server, replica: &Replica) -> (usize, usize) {
    let Some(backlog) = &server.replication.backlog else {
        return (0, 0);
    };
    if !replica.follows_stream() || replica.next >= backlog.next() {
        return (0, 0);
    }
    let bytes = (backlog.next() - replica.next) as usize;
    (bytes, backlog.blocks_from(replica.next))
}

/// What the stream takes, in bytes: what is more than the backlog is to hold is on the replicas.
pub fn memory(server: &Server) -> StreamMemory {
    let all = server
        .replication
        .backlog
        .as_ref()
        .map_or(0, Backlog::bytes);
    let most = server.config.repl_backlog_size as usize;
    let backlog = match server.replication.replicas.is_empty() {
        true => all,
        false => all.min(most),
    };
    StreamMemory {
        all,
        backlog,
        replicas: all - backlog,
    }
}

/// Lets go of replicas for which more is waiting than may.
fn enforce_limits(server: &mut Server) {
    let [_, limit, _] = server.config.client_output_buffer_limit;
    let least = server.config.repl_backlog_size;
    // What the backlog holds anyway costs nothing.
    let bytes = |n: u64| if n == 0 { u64::MAX } else { n.max(least) };
    let OutputLimit {
        hard_bytes,
        soft_bytes,
        soft_seconds,
    } = limit;
    let (hard, soft) = (bytes(hard_bytes), bytes(soft_bytes));
    let now_ms = server.clock.mono_ms();
    for index in 0..server.replication.replicas.len() {
        let owed = pending(server, &server.replication.replicas.list[index]).0 as u64;
        let replica = &mut server.replication.replicas.list[index];
        let since_ms = &mut replica.over_soft_limit_ms;
        let is_slow = match owed >= soft {
            true => {
                let over_ms = now_ms - *since_ms.get_or_insert(now_ms);
                over_ms > u64::from(soft_seconds) * 1000
            }
            false => {
                *since_ms = None;
                false
            }
        };
        if owed < hard && !is_slow {
            continue;
        }
        let slot = replica.slot;
        if let Some(client) = server.clients.get(slot)
            && client.session.ending == Ending::No
        {
            let line = server.client_line(client);
            log::warn!(
                "Client {line} scheduled to be closed ASAP for overcoming of output buffer \
                     limits."
            );
            server.stats.output_limit_disconnections += 1;
            server.clients.close(slot, Ending::Now);
        }
    }
}

/// Ends the connections of all who follow us: what they have of us is no part of what we send
/// from now on.
pub fn disconnect_replicas(server: &mut Server) {
    for replica in &server.replication.replicas.list {
        server.clients.close(replica.slot, Ending::Now);
    }
}

fn send_file(
    file: &std::fs::File,
    sent: &mut u64,
    len: u64,
    send: &mut dyn FnMut(&[IoSlice]) -> io::Result<usize>,
    total: &mut u64,
) -> Wrote {
    let mut buffer = vec![0; FILE_PIECE];
    let mut written = 0;
    while *sent < len {
        if written >= WRITE_MAX {
            return Wrote::Part;
        }
        let want = buffer.len().min((len - *sent) as usize);
        let read = match file.read_at(&mut buffer[..want], *sent) {
            Ok(0) => {
                let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                log::warn!("Read error sending DB to replica: premature EOF");
                return Wrote::Failed(error);
            }
            Ok(n) => n,
            Err(error) => {
                log::warn!(
                    "Read error sending DB to replica: {}",
                    crate::config::os_reason(&error)
                );
                return Wrote::Failed(error);
            }
        };
        match send(&[IoSlice::new(&buffer[..read])]) {
            Ok(n) => {
                *sent += n as u64;
                *total += n as u64;
                written += n;
                if n < read {
                    return Wrote::Blocked;
                }
            }
            Err(error) => return trouble(error),
        }
    }
    Wrote::All
}

fn send_backlog(
    backlog: &Backlog,
    next: &mut u64,
    send: &mut dyn FnMut(&[IoSlice]) -> io::Result<usize>,
    total: &mut u64,
) -> Wrote {
    let mut pieces = [IoSlice::new(&[]); PIECES];
    let count = backlog.pieces(*next, WRITE_MAX, &mut pieces);
    let bytes: usize = pieces[..count].iter().map(|piece| piece.len()).sum();
    match send(&pieces[..count]) {
        Ok(n) => {
            *next += n as u64;
            *total += n as u64;
            match () {
                () if n < bytes => Wrote::Blocked,
                () if *next < backlog.next() => Wrote::Part,
                () => Wrote::All,
            }
        }
        Err(error) => trouble(error),
    }
}

fn trouble(error: io::Error) -> Wrote {
    match error.kind() {
        io::ErrorKind::WouldBlock => Wrote::Blocked,
        io::ErrorKind::Interrupted => Wrote::Part,
        _ => Wrote::Failed(error),
    }
}
