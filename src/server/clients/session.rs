//! Who is calling: what the server remembers of a connection apart from its bytes.

use crate::acl::DEFAULT_USER;
use crate::keyspace::DbIndex;
use crate::multi::Transaction;
use crate::replication::replica::Announced;
use crate::resp::encode::Resp;
use crate::resp::request::Query;
use crate::server::clients::Output;
use crate::server::clients::parked::Parked;
use crate::server::clients::reply_buffer::ReplyBuffer;

/// A connection's number, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

impl ClientId {
    /// For what happens by itself.
    pub const NOBODY: ClientId = ClientId(0);
}

/// What CLIENT REPLY chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's answer is dropped.
    SkipNext,
    /// This command's answer is dropped.
    Skip,
}

impl ReplyMode {
    /// Whether what a command answers is forgotten.
    #[inline(always)]
    pub fn is_silent(self) -> bool {
        matches!(self, ReplyMode::Off | ReplyMode::Skip)
    }

    /// The mode after a command.
    pub fn next(self) -> ReplyMode {
        match self {
            ReplyMode::SkipNext => ReplyMode::Skip,
            ReplyMode::Skip => ReplyMode::On,
            other => other,
        }
    }
}

/// What the other end of a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Peer {
    #[default]
    Client,
    /// It follows us (`replication::replicas`).
    Replica,
    /// We follow it (`replication::primary`).
    Primary,
}

/// How a connection is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    #[default]
    No,
    /// What is in the output still goes out.
    AfterReply,
    Now,
}

/// States of a client in which the gates look at every command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Special(pub u8);

impl Special {
    /// Between MULTI and EXEC.
    pub const MULTI: u8 = 1;
    /// Subscribed to something, in RESP2.
    pub const SUBSCRIBER: u8 = 2;
    /// It follows us, or watches every command.
    pub const REPLICA: u8 = 4;
    /// Its user may not do everything (`server::core::permissions`).
    pub const RESTRICTED: u8 = 8;

    pub fn set(&mut self, state: u8, on: bool) {
        self.0 = self.0 & !state | if on { state } else { 0 };
    }

    pub fn has(self, state: u8) -> bool {
        self.0 & state != 0
    }
}

/// The sizes of a client's buffers, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// Received and not run.
    pub query: usize,
    /// Room left in the query buffer.
    pub query_free: usize,
    /// Arguments of an unfinished command.
    pub arguments: usize,
    /// Answers not sent yet.
    pub output: usize,
    pub output_capacity: usize,
    pub buffer: ReplyBuffer,
}

impl Wire {
    #[inline(always)]
    pub fn of(query: &Query, output: &Output) -> Wire {
        Wire {
            query: query.pending_bytes(),
            query_free: query.spare(),
            arguments: query.argument_bytes(),
            output: output.pending(),
            output_capacity: output.held(),
            buffer: output.buffer,
        }
    }
}

/// See the head of this file.
#[derive(Debug)]
pub struct Session {
    pub id: ClientId,
    pub db: DbIndex,
    pub resp: Resp,
    /// Its commands were decided elsewhere: they come from a log or from a primary.
    pub must_obey: bool,
    /// May run any command: authenticated, or nobody has to be.
    pub authenticated: bool,
    /// It has said who it is, or did not have to when it came.
    pub vouched: bool,
    pub user: Vec<u8>,
    /// Its user's `skip-sanitize-payload`.
    pub trusted: bool,
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    pub reply_mode: ReplyMode,
    pub ending: Ending,
    pub no_evict: bool,
    pub no_touch: bool,
    pub monitor: bool,
    pub peer: Peer,
    /// Properties announced with REPLCONF, in case it becomes a replica.
    pub announced: Option<Box<Announced>>,
    /// How far the stream was when its last command was over: what WAIT waits for.
    pub written_to: u64,
    /// Held back until a pause ends.
    pub paused: bool,
    /// Its answer waits until the helper thread has freed what it flushed (`server::core::flush_wait`).
    pub flushing: bool,
    /// States in which the gates look at every command.
    pub special: Special,
    /// What it has queued since MULTI.
    pub multi: Option<Box<Transaction>>,
    /// It may not be made to wait: EXEC runs its commands.
    pub deny_blocking: bool,
    /// A script runs for it.
    pub in_script: bool,
    /// SCRIPT DEBUG: its scripts are debugged.
    pub debugging: Debugging,
    /// It caches what it reads (`tracking`).
    pub tracks: bool,
    /// The command that waits for a key, if one does (`server::core::unblock`).
    pub parked: Option<Box<Parked>>,
    /// The command that runs now has waited before: until when it may, if that is limited, in
    /// monotonic milliseconds.
    pub resumed: Option<Option<u64>>,
    /// The earliest alarm that is set for the end of a wait, in monotonic milliseconds.
    pub alarm_ms: Option<u64>,
    pub is_unix: bool,
    pub addresses: Box<(String, String)>,
    /// The socket's number, as CLIENT LIST shows it.
    pub fd: i32,
    /// The buffers as they were when the commands that run now arrived.
    pub wire: Wire,
    pub created_ms: u64,
    pub last_active_ms: u64,
    /// The slot of the last command in the table.
    pub last_command: Option<u16>,
    pub commands_run: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// How a client wants its scripts to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Debugging {
    #[default]
    No,
    InChild,
    Here,
}

impl Session {
    pub fn new(id: ClientId, now_ms: u64) -> Self {
        Session {
            id,
            db: DbIndex(0),
            resp: Resp::V2,
            must_obey: false,
            authenticated: true,
            vouched: true,
            user: DEFAULT_USER.to_vec(),
            trusted: false,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            reply_mode: ReplyMode::On,
            ending: Ending::No,
            no_evict: false,
            no_touch: false,
            monitor: false,
            peer: Peer::Client,
            announced: None,
            written_to: 0,
            paused: false,
            flushing: false,
            special: Special::default(),
            multi: None,
            deny_blocking: false,
            in_script: false,
            debugging: Debugging::No,
            tracks: false,
            parked: None,
            resumed: None,
            alarm_ms: None,
            is_unix: false,
            addresses: Box::default(),
            fd: -1,
            wire: Wire::default(),
            created_ms: now_ms,
            last_active_ms: now_ms,
            last_command: None,
            commands_run: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Nothing of what it has sent may run now.
    #[inline(always)]
    pub fn is_held(&self) -> bool {
        self.paused || self.flushing || self.parked.is_some()
    }

    /// Subscribed in RESP2: it may say little, for its answers could be taken for messages.
    pub fn is_confined(&self) -> bool {
        self.special.has(Special::SUBSCRIBER) && self.resp == Resp::V2
    }

    /// Whether what it runs has to be asked about: its user may not do everything.
    #[inline(always)]
    pub fn is_restricted(&self) -> bool {
        self.special.has(Special::RESTRICTED) && !self.must_obey
    }

    /// Whether the caller is on this very machine.
    pub fn is_local(&self) -> bool {
        let peer = &self.addresses.0;
        self.is_unix || peer.starts_with("127.") || peer.starts_with("[::1]:")
    }

    /// RESET: everything a client can set, back to the start, save who it is.
    pub fn reset(&mut self) {
        self.db = DbIndex(0);
        self.resp = Resp::V2;
        self.name.clear();
        self.reply_mode = ReplyMode::On;
        self.monitor = false;
        self.no_evict = false;
        self.no_touch = false;
    }
}
