//! What a replica knows of its primary, and how far it has come with it.
//!
//! ```text
//!   Connect -> Connecting -> Handshake(…) -> Transfer -> Connected
//!      ^           |              |  |          |  ^         |
//!      '-----------+--------------'--+----------'  '---------+--- the link is lost
//!                                    '-- +CONTINUE --------->'
//! ```
//!
//! While a link is being made it belongs here; a link that is made is a client like any other. What
//! a lost link leaves behind is little: `history` says what was applied, and `db` which database the
//! stream had selected. With that the primary is asked for the rest.

use super::incoming::Incoming;
use super::payload::Payload;
use crate::keyspace::Keyspace;
use crate::net::Link;
use std::fs::File;
use std::path::PathBuf;

/// What is waited for in the talk before the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Talk {
    Pong,
    Auth,
    Port,
    Address,
    Abilities,
    Psync,
}

/// See the head of this file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Connect,
    Connecting,
    Handshake(Talk),
    Transfer,
    Connected,
}

impl Stage {
    /// As ROLE calls it.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Connecting => "connecting",
            Stage::Handshake(_) => "handshake",
            Stage::Transfer => "sync",
            Stage::Connected => "connected",
        }
    }
}

/// Where the bytes of a snapshot go.
pub enum Sink {
    /// Into a file, which is loaded when it is all there.
    File(File, PathBuf),
    /// Into memory as they come.
    Memory,
}

/// A snapshot on its way.
pub struct Transfer {
    pub sink: Sink,
    /// How it ends; not known before its first line.
    pub payload: Option<Payload>,
    /// It is being loaded.
    pub loads: bool,
    /// All of it was read, and loading it came to its end.
    pub loaded: bool,
    /// Bytes brought to disk so far.
    pub synced: u64,
    /// What is loaded goes here, and takes the place of what is there when it is all there.
    pub staging: Option<Box<Keyspace>>,
    /// The functions that came with it, while they are not to take effect yet.
    pub functions: Vec<Vec<u8>>,
    /// The old data is of the same history: it can be read meanwhile.
    pub keeps_serving: bool,
}

impl Transfer {
    pub fn new(sink: Sink) -> Transfer {
        Transfer {
            sink,
            payload: None,
            loads: false,
            loaded: false,
            synced: 0,
            staging: None,
            functions: Vec::new(),
            keeps_serving: false,
        }
    }
}

/// See the head of this file.
pub struct Primary {
    pub host: String,
    pub port: u16,
    pub stage: Stage,
    /// Which timer counts.
    pub round: u64,
    /// The link that is being made; the loop watches it.
    pub link: Option<Link>,
    pub is_watched: bool,
    /// What the loop heard of it.
    pub is_ready: bool,
    pub incoming: Incoming,
    /// When it was last heard of, in monotonic milliseconds.
    pub heard_ms: u64,
    /// The client that is the link, and its slot.
    pub client: Option<(u64, usize)>,
    /// The loop has yet to watch the link as that of a client.
    pub is_handed_over: bool,
    /// It can be asked for the rest of what we have.
    pub is_cached: bool,
    /// The database that the stream has selected, kept while there is no link.
    pub db: u32,
    /// The history and the place in it that a full synchronization will bring; none from a primary
    /// that knows only SYNC.
    pub offered: Option<(String, u64)>,
    pub transfer: Option<Box<Transfer>>,
    /// Somebody asked how far we are, and hears it when the command is over.
    pub owes_ack: bool,
    /// What it sent was no stream.
    pub is_spoiled: bool,
    /// It does not understand offsets.
    pub is_plain: bool,
    /// Unix seconds.
    pub down_since_s: Option<i64>,
    pub up_since_s: i64,
    pub was_down_s: i64,
    /// Tries since the last success, and in all.
    pub tries: u64,
    pub all_tries: u64,
}

impl std::fmt::Debug for Primary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} {:?}", self.host, self.port, self.stage)
    }
}

impl Primary {
    pub fn new(host: String, port: u16, round: u64) -> Primary {
        Primary {
            host,
            port,
            stage: Stage::Connect,
            round,
            link: None,
            is_watched: false,
            is_ready: false,
            incoming: Incoming::default(),
            heard_ms: 0,
            client: None,
            is_handed_over: false,
            is_cached: false,
            db: 0,
            offered: None,
            transfer: None,
            owes_ack: false,
            is_spoiled: false,
            is_plain: false,
            down_since_s: None,
            up_since_s: 0,
            was_down_s: 0,
            tries: 0,
            all_tries: 0,
        }
    }

    pub fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }

    /// The link, and everything that was under way on it, is given up.
    pub fn hang_up(&mut self) {
        self.link = None;
        self.is_watched = false;
        self.is_ready = false;
        self.is_handed_over = false;
        self.incoming.clear();
        self.offered = None;
        self.stage = Stage::Connect;
    }
}
