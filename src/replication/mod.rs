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
//!   primary's side   replicas   the replicas: snapshots, acknowledgements, timeouts, limits
//!                    output     the stream and snapshot files on the way to one replica
//!                    backlog    the last bytes of the stream
//!                    failover   FAILOVER: handing over to a replica
//!   replica's side   primary    the link, from connecting to the stream
//!                    handshake  PING … PSYNC
//!                    transfer   a full synchronization (payload: its wire format)
//!                    incoming   the bytes received, and the commands in them
//! ```

pub mod action;
pub mod backlog;
pub mod handshake;
pub mod incoming;
pub mod payload;
pub mod primary;
pub mod replicas;
pub mod transfer;

use crate::resp::encode;
use crate::resp::request::Argv;
use action::Action;
use backlog::Backlog;
use handshake::{Context, Identity};
use primary::Primary;
use replicas::Replicas;
use transfer::Transfer;

/// A word of this many bytes is not copied twice.
const LONG_WORD: usize = 16 << 10;

/// Room kept to encode commands in, in bytes.
const KEEP_SCRATCH: usize = 64 << 10;

/// An id that names no history.
pub const NO_ID: &str = "0000000000000000000000000000000000000000";

/// No history is as long as this: whoever claims it is not believed.
pub const OFFSET_MAX: u64 = 1 << 62;

/// Which history of changes we are at, and where.
#[derive(Clone, Debug)]
pub struct History {
    /// Forty hexadecimal digits.
    pub id: String,
    /// The history that ours was a continuation of, `NO_ID` if there is none.
    pub previous: String,
    /// The first byte that is not in the previous history, -1 if there is none.
    pub second_offset: i64,
    /// How many bytes the stream has had: the number of its last byte.
    pub offset: u64,
}

impl History {
    pub fn new(id: String) -> History {
        History {
            id,
            previous: NO_ID.into(),
            second_offset: -1,
            offset: 0,
        }
    }

    /// A history of its own begins, of which nobody has a part.
    pub fn restart(&mut self, id: String) {
        self.id = id;
        self.forget_previous();
    }

    pub fn forget_previous(&mut self) {
        self.previous = NO_ID.into();
        self.second_offset = -1;
    }

    /// We go on by ourselves, under another name: who followed the same history can follow us.
    pub fn shift(&mut self, id: String) {
        self.previous = std::mem::replace(&mut self.id, id);
        // The byte after the last that both histories have is the first that may differ.
        self.second_offset = self.offset as i64 + 1;
    }

    /// Whether somebody who has the history `id` up to byte `next - 1` has a part of ours.
    pub fn continues(&self, id: &[u8], next: i64) -> bool {
        id.eq_ignore_ascii_case(self.id.as_bytes())
            || id.eq_ignore_ascii_case(self.previous.as_bytes()) && next <= self.second_offset
    }
}

/// A primary is about to hand over to a replica.
#[derive(Clone, Debug)]
pub struct Failover {
    /// Address and port; `None` while any would do.
    pub target: Option<(String, i32)>,
    /// In monotonic milliseconds.
    pub until_ms: Option<u64>,
    /// To be done when the time is over, whether the target has everything or not.
    pub force: bool,
    /// We follow the target already, and wait for its answer.
    pub in_progress: bool,
}

impl Failover {
    /// The word of INFO.
    pub fn word(&self) -> &'static str {
        match self.in_progress {
            true => "failover-in-progress",
            false => "waiting-for-sync",
        }
    }
}

/// See the head of this file.
#[derive(Debug)]
pub struct Replication {
    pub history: History,
    /// The last bytes of the stream. There while somebody follows, and for a while after.
    pub backlog: Option<Backlog>,
    /// Who follows us.
    pub replicas: Replicas,
    /// The primary of a replica, `None` on a primary.
    primary: Option<Box<Primary>>,
    pub failover: Option<Failover>,
    /// The database that the stream has selected.
    pub selected: Option<u32>,
    /// Looks at the replicas so far, one a second.
    pub looks: u64,
    /// A command as it goes into the stream.
    scratch: Vec<u8>,
}

impl Replication {
    pub fn new(id: String) -> Replication {
        Replication {
            history: History::new(id),
            backlog: None,
            replicas: Replicas::default(),
            primary: None,
            failover: None,
            selected: None,
            looks: 0,
            scratch: Vec::new(),
        }
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
            is_failover: failover.is_some_and(|failover| failover.in_progress),
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

    /// Tells replicas of a command in a database (`None` where that does not matter). What comes from
    /// our own primary they get as it came, elsewhere.
    #[inline]
    pub fn feed(&mut self, db: Option<u32>, argv: &Argv) {
        if self.primary.is_some() {
            return;
        }
        if self.backlog.is_none() {
            // Nobody follows, but the log goes by the offset.
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
            // It goes where it belongs without a stop.
            encode::prefixed(&mut bytes, b'$', word.len() as i64);
            self.append(&bytes);
            self.append(word);
            bytes.clear();
            bytes.extend_from_slice(b"\r\n");
        }
        self.append(&bytes);
        // The room a command of many words took is not kept.
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

    /// Appends to the stream: the backlog and everybody who follows get the bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        self.history.offset += bytes.len() as u64;
        if let Some(backlog) = &mut self.backlog {
            backlog.append(bytes);
        }
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
        let backlog = replication.backlog.as_ref().expect("just made");
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
    fn a_promoted_replica_is_followed_up_to_where_histories_part() {
        let mut history = History::new("a".repeat(40));
        history.offset = 100;
        history.shift("b".repeat(40));
        assert_eq!(history.second_offset, 101);
        assert!(history.continues("a".repeat(40).as_bytes(), 101));
        assert!(!history.continues("a".repeat(40).as_bytes(), 102));
        assert!(history.continues("B".repeat(40).as_bytes(), 5_000));
        history.restart("c".repeat(40));
        assert!(!history.continues("a".repeat(40).as_bytes(), 1));
    }
}
