//! The stream of changes on its way to replicas: the backlog that holds it, and what is written to
//! each replica before the loop sleeps.
//!
//! A replica is owed what lies in the backlog from its next byte on; nothing is copied for it. One
//! that is too slow for its limits is let go, so that the backlog cannot grow without end.

use crate::config::OutputLimit;
use crate::keyspace::DbIndex;
use crate::replication::backlog::Backlog;
use crate::replication::replicas::{Replica, Stage};
use crate::resp::request::OwnedArgv;
use crate::server::Server;
use crate::server::clients::describe;
use crate::server::clients::session::{ClientId, Ending};
use crate::server::storage::jobs;
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

impl Server {
    /// Somebody follows: the stream is kept from here on. A history that nobody has a part of gets a
    /// name of its own.
    pub(in crate::server) fn begin_backlog(&mut self) {
        if self.replication.backlog.is_some() {
            return;
        }
        self.restart_history();
        self.create_backlog();
        let history = &self.replication.history;
        log::info!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            history.id,
            history.previous
        );
    }

    /// The stream is kept from its next byte on.
    pub fn create_backlog(&mut self) {
        let size = self.config.repl_backlog_size as usize;
        let next = self.replication.history.offset + 1;
        self.replication.backlog = Some(Backlog::new(size, next));
        self.replication.replicas.none_since_s = self.clock.now_s();
        jobs::refresh_log_interest(self);
    }

    pub fn free_backlog(&mut self) {
        self.replication.backlog = None;
        jobs::refresh_log_interest(self);
    }

    /// Our history gets a new name, under which nobody has a part of it.
    pub fn restart_history(&mut self) {
        let id = self.fresh_history_id();
        self.replication.history.restart(id);
    }

    pub(in crate::server) fn fresh_history_id(&mut self) -> String {
        String::from_utf8_lossy(&self.rng.hex40()).into_owned()
    }

    /// `repl-backlog-size` was changed.
    pub(in crate::server) fn resize_backlog(&mut self) {
        let size = self.config.repl_backlog_size as usize;
        if let Some(backlog) = &mut self.replication.backlog {
            backlog.resize(size);
        }
        self.trim_backlog();
    }

    pub(in crate::server) fn trim_backlog(&mut self) {
        let needed = self.replication.replicas.needed();
        if let Some(backlog) = &mut self.replication.backlog {
            backlog.trim(needed);
        }
    }

    /// Tells replicas of something that concerns no data: that we are there, that we want to know
    /// how far they are.
    pub(in crate::server) fn tell_replicas(&mut self, words: &[&str]) {
        let argv: OwnedArgv = words.iter().collect();
        self.replication.feed(None, &argv.as_argv());
    }

    /// Before the loop sleeps: replicas get what they are owed, as far as their sockets take it.
    pub fn send_stream(&mut self) {
        if self.replication.backlog.is_none() && self.replication.replicas.is_empty() {
            return;
        }
        if self.replication.replicas.wants_acks && !self.holds_stream() {
            self.replication.replicas.wants_acks = false;
            self.tell_replicas(&["REPLCONF", "GETACK", "*"]);
        }
        self.replication.replicas.goes_on = false;
        for index in (0..self.replication.replicas.len()).rev() {
            self.send_to(index);
        }
        self.trim_backlog();
        self.judge_replicas();
    }

    /// Whether nothing may be added to the stream: a pause lets replicas come to where we are.
    pub(in crate::server) fn holds_stream(&self) -> bool {
        self.pause.is_on()
    }

    fn send_to(&mut self, index: usize) {
        let replica = &self.replication.replicas.list[index];
        let owed = match &replica.stage {
            Stage::SendFile { .. } => true,
            Stage::Online => {
                let next = self.replication.backlog.as_ref().map_or(0, Backlog::next);
                !replica.awaits_ack && replica.next < next
            }
            _ => false,
        };
        if !owed || replica.is_blocked {
            return;
        }
        let (slot, before) = (replica.slot, self.stats.repl_bytes_out);
        let wrote = match self.clients.get_mut(slot) {
            Some(client) if client.session.ending == Ending::No => self.write_to(index),
            _ => return,
        };
        let sent = self.stats.repl_bytes_out - before;
        if let Some(client) = self.clients.get_mut(slot) {
            client.session.bytes_out += sent;
        }
        match wrote {
            Wrote::All => {}
            Wrote::Part => self.replication.replicas.goes_on = true,
            Wrote::Blocked => self.replication.replicas.list[index].is_blocked = true,
            Wrote::Failed(error) => {
                log::debug!("Error writing to replica: {error}");
                self.clients.close(slot, Ending::Now);
            }
        }
    }

    fn write_to(&mut self, index: usize) -> Wrote {
        let replica = &mut self.replication.replicas.list[index];
        let Some(client) = self.clients.get_mut(replica.slot) else {
            return Wrote::All;
        };
        // Answers go first: they tell what follows.
        if client.output.pending() > 0 {
            return Wrote::Blocked;
        }
        let link = &client.link;
        let mut send = |pieces: &[IoSlice]| link.write_pieces(pieces);
        let total = &mut self.stats.repl_bytes_out;
        match &mut replica.stage {
            Stage::SendFile { file, sent, len } => {
                let wrote = send_file(file, sent, *len, &mut send, total);
                if matches!(wrote, Wrote::All) {
                    self.snapshot_was_sent(index);
                    // The stream follows in the next round.
                    return Wrote::Part;
                }
                wrote
            }
            Stage::Online => match &self.replication.backlog {
                Some(backlog) => send_backlog(backlog, &mut replica.next, &mut send, total),
                None => Wrote::All,
            },
            _ => Wrote::All,
        }
    }

    /// A replica's socket takes bytes again.
    pub fn unblock_replica(&mut self, id: ClientId) {
        if let Some(replica) = self.replication.replicas.get_mut(id.0) {
            replica.is_blocked = false;
        }
    }

    /// Bytes that a replica has yet to get, the unit in which the backlog is held included, as CLIENT
    /// LIST and the limits count them; and in how many blocks they are.
    pub fn owed_to_replica(&self, replica: &Replica) -> (usize, usize) {
        let Some(backlog) = &self.replication.backlog else {
            return (0, 0);
        };
        if !replica.follows_stream() || replica.next >= backlog.next() {
            return (0, 0);
        }
        let bytes = (backlog.next() - replica.next) as usize;
        (bytes, backlog.blocks_from(replica.next))
    }

    /// What the stream takes, in bytes: what is more than the backlog is to hold is on the replicas.
    pub fn stream_memory(&self) -> StreamMemory {
        let all = self.replication.backlog.as_ref().map_or(0, Backlog::bytes);
        let most = self.config.repl_backlog_size as usize;
        let backlog = match self.replication.replicas.is_empty() {
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
    fn judge_replicas(&mut self) {
        let [_, limit, _] = self.config.client_output_buffer_limit;
        let least = self.config.repl_backlog_size;
        // What the backlog holds anyway costs nothing.
        let bytes = |n: u64| if n == 0 { u64::MAX } else { n.max(least) };
        let OutputLimit {
            hard_bytes,
            soft_bytes,
            soft_seconds,
        } = limit;
        let (hard, soft) = (bytes(hard_bytes), bytes(soft_bytes));
        let now_ms = self.clock.mono_ms();
        for index in 0..self.replication.replicas.len() {
            let owed = self
                .owed_to_replica(&self.replication.replicas.list[index])
                .0 as u64;
            let replica = &mut self.replication.replicas.list[index];
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
            if let Some(client) = self.clients.get(slot)
                && client.session.ending == Ending::No
            {
                let line = describe::client_line(self, client);
                log::warn!(
                    "Client {line} scheduled to be closed ASAP for overcoming of output buffer \
                     limits."
                );
                self.stats.output_limit_disconnections += 1;
                self.clients.close(slot, Ending::Now);
            }
        }
    }

    /// Ends the connections of all who follow us: what they have of us is no part of what we send
    /// from now on.
    pub fn disconnect_replicas(&mut self) {
        for replica in &self.replication.replicas.list {
            self.clients.close(replica.slot, Ending::Now);
        }
    }

    /// The database that the stream has selected; that of a replica is its primary's.
    pub(in crate::server) fn database_of_stream(&self) -> DbIndex {
        if let Some(primary) = &self.replication.primary {
            return DbIndex(primary.db);
        }
        DbIndex(self.replication.selected.unwrap_or(0))
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
