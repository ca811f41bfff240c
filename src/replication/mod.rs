//! Replication: one server, the primary, sends everything that changes its data as a stream of
//! commands; its replicas apply them.
//!
//! A primary names its *history* by a replication ID and counts the bytes of the stream. A replica
//! that lost its link names the history it followed and the byte it wants next; if that byte is still
//! in the *backlog* it gets the rest (a partial resynchronization), else a snapshot first (a full
//! one). A replica that is promoted continues under a replication ID of its own and remembers up to
//! which byte its history is that of its former primary, so that the other replicas can follow it.
//!
//! The parts here are state machines without sockets: they take events and return actions, which
//! `server::replication` executes.
//!
//! ```text
//!   both             history    the replication IDs and the offset
//!   primary's side   replica    one replica, its stages
//!                    replicas   all: acknowledgements, timeouts, limits, snapshots
//!                    channels   replicas that get their snapshot on a second connection
//!                    output     the stream and snapshot files on the way to one replica
//!                    relay      the snapshot of a child on its way to replicas over TLS
//!                    backlog    the last bytes of the stream
//!                    failover   FAILOVER: handing over to a replica
//!   replica's side   primary    the link, from connecting to the stream
//!                    handshake  PING … PSYNC
//!                    rdb_channel  a second connection, for the snapshot
//!                    transfer   a full synchronization (payload: its wire format)
//!                    incoming   the bytes received, and the commands in them
//! ```

pub mod action;
pub mod backlog;
pub mod channels;
pub mod failover;
pub mod handshake;
pub mod history;
pub mod incoming;
pub mod output;
pub mod payload;
pub mod primary;
pub mod rdb_channel;
pub mod relay;
pub mod replica;
pub mod replicas;
pub mod transfer;

use crate::algo::quoting::in_line;
use crate::keyspace::Keyspace;
use crate::resp::encode;
use crate::resp::request::{Argv, OwnedArgv};
use crate::sys::signal;
use action::Action;
use backlog::Backlog;
use failover::{Failover, Step};
use handshake::{Context, Identity};
use history::History;
use log::Level;
use output::{Send, Wrote};
use primary::Primary;
use relay::Relays;
use replica::{Limits, Replica, Target};
use replicas::{ReplicaAction, Replicas};
use transfer::Transfer;

/// A word of this many bytes goes into the backlog without being copied to the scratch buffer.
const LONG_WORD: usize = 16 << 10;

/// Capacity kept to encode commands in, in bytes.
const KEEP_SCRATCH: usize = 64 << 10;

/// An id that names no history.
pub const NO_ID: &str = "0000000000000000000000000000000000000000";

/// A limit on offsets: a claim of a longer history is not believed.
pub const OFFSET_MAX: u64 = 1 << 62;

/// The state of replication, of either role.
#[derive(Debug)]
pub struct Replication {
    history: History,
    /// The last bytes of the stream. It exists while there are replicas, and for a while after.
    backlog: Option<Backlog>,
    replicas: Replicas,
    relays: Relays,
    /// The primary of a replica, `None` on a primary.
    primary: Option<Box<Primary>>,
    failover: Option<Failover>,
    /// The database that the stream has selected.
    selected: Option<u32>,
    /// Seconds of `tick` so far.
    ticks: u64,
    /// Buffer for encoding commands.
    scratch: Vec<u8>,
    /// Where the process stops, for tests (DEBUG REPL-PAUSE).
    pause: Option<PausePoint>,
}

/// A point of a full synchronization at which DEBUG REPL-PAUSE stops the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausePoint {
    /// A child that sends a snapshot to sockets was forked.
    AfterFork,
    BeforeRdbChannel,
    /// The stream that came beside the snapshot is about to be applied.
    OnStreaming,
}

/// Memory of the stream, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct StreamMemory {
    pub all: usize,
    /// The part that is held for partial resynchronizations.
    pub backlog: usize,
    /// The rest, which slow replicas have yet to get.
    pub replicas: usize,
}

impl Replication {
    pub fn new(id: String) -> Replication {
        Replication {
            history: History::new(id),
            backlog: None,
            replicas: Replicas::default(),
            relays: Relays::default(),
            primary: None,
            failover: None,
            selected: None,
            ticks: 0,
            scratch: Vec::new(),
            pause: None,
        }
    }

    pub fn set_pause(&mut self, pause: Option<PausePoint>) {
        self.pause = pause;
    }

    /// Stops the process at this point, if DEBUG REPL-PAUSE asked for it. True if it was stopped and
    /// goes on now.
    pub fn pause_at(&self, point: PausePoint) -> bool {
        let pauses = self.pause == Some(point);
        if pauses {
            log::info!("Process is about to stop.");
            signal::stop_process();
            log::info!("Process has been continued.");
        }
        pauses
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    /// The replication offset; see `History`.
    pub fn offset(&self) -> u64 {
        self.history.offset
    }

    /// Sets the offset, to that of a log that was loaded.
    pub fn set_offset(&mut self, offset: u64) {
        self.history.offset = offset;
    }

    /// Starts a history that no replica has a part of.
    pub fn restart_history(&mut self, id: String) {
        self.history.restart(id);
    }

    /// A full synchronization led to this place in the history of the primary.
    pub fn synchronized(&mut self, id: String, offset: u64) {
        self.history.restart(id);
        self.history.offset = offset;
    }

    /// Continues the history under a new ID: the server was promoted.
    pub fn promoted(&mut self, id: String, now_s: i64) {
        self.history.shift(id);
        self.selected = None;
        self.replicas.restart_idle_time(now_s);
    }

    /// Takes the place in the history from a loaded snapshot. A replica can ask for the rest; the
    /// replicas of a primary can ask it, under the former ID.
    pub fn restore(&mut self, id: String, offset: u64, db: u32) {
        if let Some(primary) = &mut self.primary {
            self.history.id = id;
            self.history.offset = offset;
            primary.cache(db);
            return;
        }
        self.history.previous = id;
        self.history.second_offset = offset as i64 + 1;
        self.history.offset += offset;
    }

    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    pub fn replicas_mut(&mut self) -> &mut Replicas {
        &mut self.replicas
    }

    pub fn relays(&self) -> &Relays {
        &self.relays
    }

    pub fn relays_mut(&mut self) -> &mut Relays {
        &mut self.relays
    }

    pub fn failover(&self) -> Option<&Failover> {
        self.failover.as_ref()
    }

    pub fn begin_failover(&mut self, failover: Failover) {
        self.failover = Some(failover);
        self.replicas.request_acks();
    }

    pub fn end_failover(&mut self) -> Option<Failover> {
        self.failover.take()
    }

    /// Decides on the next step of the failover, if there is one. The server hands over at once.
    pub fn step_failover(&mut self, now_ms: u64) -> Step {
        let Some(failover) = &mut self.failover else {
            return Step::Wait;
        };
        let step = failover.step(now_ms, self.history.offset, &self.replicas);
        if let Step::HandOver { host, port, .. } = &step {
            failover.hand_over(host.clone(), *port);
        }
        step
    }

    pub fn is_replica(&self) -> bool {
        self.primary.is_some()
    }

    pub fn primary(&self) -> Option<&Primary> {
        self.primary.as_deref()
    }

    pub fn primary_mut(&mut self) -> Option<&mut Primary> {
        self.primary.as_deref_mut()
    }

    /// Makes the server a replica; returns the primary it had.
    pub fn set_primary(&mut self, primary: Primary) -> Option<Box<Primary>> {
        self.primary.replace(Box::new(primary))
    }

    /// Makes the server a primary; returns the primary it had.
    pub fn take_primary(&mut self) -> Option<Box<Primary>> {
        self.primary.take()
    }

    /// Whether a replica has lost its primary: its data may be stale.
    pub fn is_link_down(&self) -> bool {
        let primary = self.primary.as_ref();
        primary.is_some_and(|primary| !primary.is_connected())
    }

    /// The snapshot that is being received or loaded.
    pub fn transfer(&self) -> Option<&Transfer> {
        self.primary.as_ref()?.transfer()
    }

    pub fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        self.primary.as_mut()?.transfer_mut()
    }

    /// Takes the databases that the snapshot is loaded into, if they are not the current ones, and
    /// sets their clock to unix milliseconds.
    pub fn take_staging(&mut self, now_ms: i64) -> Option<Box<Keyspace>> {
        let mut staging = self.transfer_mut()?.take_staging()?;
        staging.set_now_ms(now_ms);
        Some(staging)
    }

    /// Whether a snapshot of the primary is being loaded.
    pub fn is_loading(&self) -> bool {
        self.transfer().is_some_and(Transfer::is_loading)
    }

    /// Whether a snapshot is loaded beside data of the same history, which stays readable.
    pub fn serves_reads_while_loading(&self) -> bool {
        self.transfer().is_some_and(Transfer::serves_reads)
    }

    /// The database that the stream has selected; that of a replica is its primary's.
    pub fn database(&self) -> u32 {
        match &self.primary {
            Some(primary) => primary.db(),
            None => self.selected.unwrap_or(0),
        }
    }

    /// Handles the next reply of the handshake with the primary; `None` if none is complete.
    pub fn next_reply(&mut self, identity: &Identity) -> Option<Vec<Action>> {
        let primary = self.primary.as_mut()?;
        let (history, failover) = (&self.history, self.failover.as_ref());
        let resume = (history.id.as_str(), history.offset + 1);
        let context = Context {
            identity,
            resume: primary.is_cached().then_some(resume),
            is_failover: failover.is_some_and(Failover::in_progress),
        };
        primary.next_reply(&context)
    }

    /// `+CONTINUE id`: the history of the primary has another name. True if that is news, so that
    /// our own replicas have to learn it.
    pub fn rename_history(&mut self, id: Option<String>) -> bool {
        let id = id.filter(|id| *id != self.history.id);
        let is_new = id.is_some();
        if let Some(id) = id {
            self.history.shift(id);
        }
        is_new
    }

    /// Appends a command to the stream, in a database (`None` where that does not matter). A replica
    /// passes on the bytes of its primary instead; see `append`.
    #[inline]
    pub fn feed(&mut self, db: Option<u32>, argv: &Argv) {
        if self.primary.is_some() {
            return;
        }
        if self.backlog.is_none() {
            // There are no replicas, but the log notes the offset.
            self.history.offset += 1;
            return;
        }
        self.scratch.clear();
        if let Some(db) = db.filter(|&db| self.selected != Some(db)) {
            self.selected = Some(db);
            let mut digits = itoa::Buffer::new();
            let words: [&[u8]; 2] = [b"SELECT", digits.format(db).as_bytes()];
            encode_command(&mut self.scratch, words.into_iter());
        }
        let mut bytes = std::mem::take(&mut self.scratch);
        encode::prefixed(&mut bytes, b'*', argv.len() as i64);
        for word in argv.iter() {
            if word.len() < LONG_WORD {
                encode::bulk(&mut bytes, word);
                continue;
            }
            encode::prefixed(&mut bytes, b'$', word.len() as i64);
            self.append(&bytes);
            self.append(word);
            bytes.clear();
            bytes.extend_from_slice(b"\r\n");
        }
        self.append(&bytes);
        // The capacity that a long command took is not kept.
        if bytes.capacity() <= KEEP_SCRATCH {
            self.scratch = bytes;
        }
    }

    /// The last bytes of the stream, at most `max`, for the log; `None` if none are held.
    pub fn latest(&self, max: usize) -> Option<Vec<u8>> {
        let backlog = self
            .backlog
            .as_ref()
            .filter(|backlog| !backlog.is_empty())?;
        let first = backlog.next().saturating_sub(max as u64);
        let mut next = first.max(backlog.first());
        let mut latest = Vec::new();
        loop {
            let mut pieces = [std::io::IoSlice::new(&[])];
            if backlog.pieces(next, max, &mut pieces) == 0 {
                return Some(latest);
            }
            latest.extend_from_slice(&pieces[0]);
            next += pieces[0].len() as u64;
        }
    }

    /// Appends bytes to the stream.
    pub fn append(&mut self, bytes: &[u8]) {
        self.history.offset += bytes.len() as u64;
        if let Some(backlog) = &mut self.backlog {
            backlog.append(bytes);
        }
    }
}

/// The primary's side: the stream and its replicas.
impl Replication {
    pub fn backlog(&self) -> Option<&Backlog> {
        self.backlog.as_ref()
    }

    /// Keeps the stream from its next byte on.
    pub fn create_backlog(&mut self, size: usize, now_s: i64) {
        self.backlog = Some(Backlog::new(size, self.history.offset + 1));
        self.replicas.restart_idle_time(now_s);
    }

    pub fn free_backlog(&mut self) {
        self.backlog = None;
    }

    /// `repl-backlog-size` changed.
    pub fn resize_backlog(&mut self, size: usize) {
        if let Some(backlog) = &mut self.backlog {
            backlog.resize(size);
        }
        self.trim();
    }

    /// Frees blocks of the backlog that exceed its size and that no replica needs.
    pub fn trim(&mut self) {
        let needed = self.replicas.needed();
        if let Some(backlog) = &mut self.backlog {
            backlog.trim(needed);
        }
    }

    /// Memory of the stream. The part above the size of the backlog, `size`, is held for replicas.
    pub fn memory(&self, size: usize) -> StreamMemory {
        let all = self.backlog.as_ref().map_or(0, Backlog::bytes);
        let backlog = match self.replicas.is_empty() {
            true => all,
            false => all.min(size),
        };
        StreamMemory {
            all,
            backlog,
            replicas: all - backlog,
        }
    }

    /// A second has passed. True if a PING is due, which every `ping_period_s` seconds one is.
    pub fn tick(&mut self, ping_period_s: u64) -> bool {
        self.ticks += 1;
        self.ticks.is_multiple_of(ping_period_s)
    }

    /// Appends a command to the stream that concerns no data.
    pub fn feed_words(&mut self, words: &[&str]) {
        let argv: OwnedArgv = words.iter().collect();
        self.feed(None, &argv.as_argv());
    }

    /// Sends REPLCONF GETACK if acknowledgements were asked for.
    pub fn send_ack_request(&mut self) {
        if self.replicas.wants_acks() {
            self.replicas.acks_requested();
            self.feed_words(&["REPLCONF", "GETACK", "*"]);
        }
    }

    /// The slot of the replica with this index, if it can be sent something.
    pub fn owed(&mut self, index: usize) -> Option<usize> {
        let end = self.backlog.as_ref().map_or(0, Backlog::next);
        let replica = self.replicas.at_mut(index)?;
        replica.is_owed(end).then_some(replica.slot())
    }

    /// The socket of a replica takes nothing for now.
    pub fn block(&mut self, index: usize) {
        self.replicas.block(index);
    }

    /// Writes to the replica with this index and notes how that ended. Returns the number of bytes
    /// written and actions for the server.
    ///
    /// # Errors
    /// If the socket, or reading the file of a snapshot, failed.
    pub fn write(
        &mut self,
        index: usize,
        send: &mut Send,
        now_s: i64,
    ) -> (u64, std::io::Result<Vec<ReplicaAction>>) {
        let Some(replica) = self.replicas.at_mut(index) else {
            return (0, Ok(Vec::new()));
        };
        let (wrote, bytes) = replica.write(self.backlog.as_ref(), send);
        let mut actions = Vec::new();
        match wrote {
            Wrote::All => {}
            Wrote::Part => self.replicas.set_goes_on(),
            Wrote::Blocked => self.replicas.block(index),
            Wrote::File => {
                actions = self.replicas.file_sent(index, now_s);
                // The stream follows in the next iteration.
                self.replicas.set_goes_on();
            }
            Wrote::Failed(error) => return (bytes, Err(error)),
        }
        (bytes, Ok(actions))
    }

    /// Returns the slots of the replicas whose pending output exceeds the limits.
    pub fn over_limits(&mut self, limits: &Limits, now_ms: u64) -> Vec<usize> {
        self.replicas
            .over_limits(limits, self.backlog.as_ref(), now_ms)
    }

    /// Bytes of the stream that a replica has yet to get, and the number of blocks that hold them.
    pub fn pending(&self, replica: &Replica) -> (usize, usize) {
        replica.pending(self.backlog.as_ref())
    }

    /// Whether the stream can continue at byte `next` of the history `id`. `name` is that of the
    /// replica in the log, followed by the kind of its connection.
    ///
    /// # Errors
    /// If a full synchronization is needed: the log lines that say why.
    pub fn can_resume(
        &self,
        id: &[u8],
        next: i64,
        (name, kind): (&str, &str),
    ) -> Result<(), Vec<ReplicaAction>> {
        let info = |text| Err(vec![ReplicaAction::Log(Level::Info, text)]);
        let history = &self.history;
        if !history.continues(id, next) {
            if id.first() == Some(&b'?') {
                return info(format!("Full resync requested by replica {name} {kind}"));
            }
            let because = match id.eq_ignore_ascii_case(history.previous.as_bytes()) {
                true => format!(
                    "Requested offset for second ID was {next}, but I can reply up to {}",
                    history.second_offset
                ),
                false => format!(
                    "Replication ID mismatch (Replica asked for '{}', my replication IDs are '{}' \
                     and '{}')",
                    in_line(id),
                    history.id,
                    history.previous
                ),
            };
            return info(format!("Partial resynchronization not accepted: {because}"));
        }
        let is_held = self.backlog.as_ref().is_some_and(|backlog| {
            u64::try_from(next).is_ok_and(|next| backlog.reaches_back_to(next))
        });
        if is_held {
            return Ok(());
        }
        let mut lines = vec![ReplicaAction::Log(
            Level::Info,
            format!(
                "Unable to partial resync with replica {name} for lack of backlog (Replica request \
                 was: {next})."
            ),
        )];
        if next > history.offset as i64 {
            let text = format!(
                "Warning: replica {name} tried to PSYNC with an offset that is greater than the \
                 master replication offset."
            );
            lines.push(ReplicaAction::Log(Level::Warn, text));
        }
        Err(lines)
    }

    /// A child makes a snapshot for the replica of a client, which continues with the stream at byte
    /// `next`. Returns its slot and the reply, which is empty for SYNC.
    pub fn begin_full(
        &mut self,
        client: u64,
        next: u64,
        target: Target,
    ) -> Option<(usize, String)> {
        // The first command behind the snapshot has to name its database.
        self.selected = None;
        let id = self.history.id.as_str();
        self.replicas.begin_full(client, (id, next), target)
    }
}

/// Whether a word of the wire can be a replication ID.
pub fn is_id(id: &[u8]) -> bool {
    id.len() == NO_ID.len() && id.iter().all(u8::is_ascii_graphic)
}

/// Appends a command in the form of a request.
pub fn encode_command<'a>(out: &mut Vec<u8>, words: impl ExactSizeIterator<Item = &'a [u8]>) {
    encode::prefixed(out, b'*', words.len() as i64);
    words.for_each(|word| encode::bulk(out, word));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_any_size_are_in_the_stream_as_they_are() {
        use crate::resp::request::OwnedArgv;
        let mut replication = Replication::new("a".repeat(40));
        replication.backlog = Some(Backlog::new(1 << 20, 1));
        let long = vec![b'x'; 100_000];
        let words: [&[u8]; 4] = [b"MSET", &long, b"", &long[..20_000]];
        let argv: OwnedArgv = words.into_iter().collect();
        replication.feed(Some(3), &argv.as_argv());
        let mut expected = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n".to_vec();
        encode_command(&mut expected, words.into_iter());
        let backlog = replication.backlog().expect("just made");
        let mut pieces = [std::io::IoSlice::new(&[]); 64];
        let count = backlog.pieces(1, usize::MAX, &mut pieces);
        let held: Vec<u8> = pieces[..count]
            .iter()
            .flat_map(|piece| piece.to_vec())
            .collect();
        assert!(held == expected);
        assert_eq!(replication.history.offset, expected.len() as u64);
    }

    #[test]
    fn a_partial_resynchronization_needs_the_history_and_the_bytes() {
        let (ours, former) = ("a".repeat(40), "b".repeat(40));
        let mut replication = Replication::new(former.clone());
        replication.create_backlog(1 << 20, 0);
        replication.append(&[b'x'; 100]);
        replication.promoted(ours.clone(), 0);
        replication.append(&[b'x'; 100]);
        let accepts = |id: &str, next| {
            replication
                .can_resume(id.as_bytes(), next, ("r", ""))
                .is_ok()
        };
        assert!(accepts(&ours, 1) && accepts(&ours, 201) && accepts(&former, 101));
        assert!(!accepts(&former, 102) && !accepts("?", -1) && !accepts(&ours, 0));
        // A replica that is ahead of us gets a second line in the log.
        let lines = replication.can_resume(ours.as_bytes(), 202, ("r", ""));
        assert_eq!(lines.map_err(|lines| lines.len()), Err(2));
        // Without a backlog there is nothing to continue with.
        replication.free_backlog();
        let lines = replication.can_resume(ours.as_bytes(), 150, ("r", ""));
        assert_eq!(lines.map_err(|lines| lines.len()), Err(1));
    }

    #[test]
    fn a_replica_is_written_what_its_socket_takes() {
        use replica::{Announced, NewReplica};
        let mut replication = Replication::new("a".repeat(40));
        replication.create_backlog(1 << 20, 0);
        let new = NewReplica {
            client: 1,
            slot: 7,
            announced: Announced::default(),
            peer_ip: String::new(),
            is_plain: false,
        };
        replication.replicas_mut().add_online(new, 1, 0);
        assert_eq!(replication.owed(0), None);
        replication.append(b"0123456789");
        assert_eq!(replication.owed(0), Some(7));
        let mut got = Vec::new();
        let mut four = |pieces: &[std::io::IoSlice]| {
            got.extend_from_slice(&pieces[0][..4]);
            Ok(4)
        };
        assert_eq!(replication.write(0, &mut four, 0).0, 4);
        assert_eq!(got, b"0123");
        // The socket was full: it is written to again when it is writable.
        assert_eq!(replication.owed(0), None);
        replication.replicas_mut().set_blocked(1, false);
        let mut all = |pieces: &[std::io::IoSlice]| Ok(pieces[0].len());
        assert_eq!(replication.write(0, &mut all, 0).0, 6);
        assert_eq!(replication.owed(0), None);
        replication.append(b"x");
        let mut broken = |_: &[std::io::IoSlice]| Err(std::io::ErrorKind::BrokenPipe.into());
        assert!(replication.write(0, &mut broken, 0).1.is_err());
    }
}
