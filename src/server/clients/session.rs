//! Sessions: the state of a connection apart from its buffers.

use crate::acl::DEFAULT_USER;
use crate::keyspace::DbIndex;
use crate::multi::Transaction;
use crate::replication::replica::Announced;
use crate::resp::encode::Resp;
use crate::resp::request::Query;
use crate::server::clients::Output;
use crate::server::clients::fieldsets::Fieldsets;
use crate::server::clients::parked::Parked;
use crate::server::clients::reply_buffer::ReplyBuffer;

/// The id of a connection, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

impl ClientId {
    /// The id for work without a client.
    pub const NOBODY: ClientId = ClientId(0);
}

/// The mode set by CLIENT REPLY.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's reply is dropped.
    SkipNext,
    /// This command's reply is dropped.
    Skip,
}

impl ReplyMode {
    /// Returns whether replies are dropped.
    #[inline(always)]
    pub fn is_silent(self) -> bool {
        matches!(self, ReplyMode::Off | ReplyMode::Skip)
    }

    /// Returns the mode after a command.
    pub fn next(self) -> ReplyMode {
        match self {
            ReplyMode::SkipNext => ReplyMode::Skip,
            ReplyMode::Skip => ReplyMode::On,
            other => other,
        }
    }
}

/// The kind of peer of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Peer {
    #[default]
    Client,
    /// A replica of ours (`replication::replicas`).
    Replica,
    /// Our primary (`replication::primary`).
    Primary,
}

/// How a connection is to be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    #[default]
    No,
    /// Pending output is still sent.
    AfterReply,
    Now,
}

/// Client states that require admission checks for every command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Special(pub u8);

impl Special {
    /// Between MULTI and EXEC.
    pub const MULTI: u8 = 1;
    /// Subscribed to at least one channel or pattern, in RESP2.
    pub const SUBSCRIBER: u8 = 2;
    /// A replica or a monitor.
    pub const REPLICA: u8 = 4;
    /// Restricted by the ACL rules of its user (`server::core::permissions`).
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
    /// Received bytes that have not run.
    pub query: usize,
    /// Room left in the query buffer.
    pub query_free: usize,
    /// Arguments of an unfinished command.
    pub arguments: usize,
    /// Unsent output.
    pub output: usize,
    pub output_capacity: usize,
    pub buffer: ReplyBuffer,
}

impl Wire {
    /// Returns the current sizes of these buffers.
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

/// The state of a connection apart from its buffers.
#[derive(Debug)]
pub struct Session {
    pub id: ClientId,
    pub db: DbIndex,
    pub resp: Resp,
    /// Its commands come from an AOF or from our primary and must be applied.
    pub must_obey: bool,
    /// Authenticated, or no authentication is required.
    pub authenticated: bool,
    /// It authenticated, or needed no password when it connected.
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
    /// The replication offset after its last command, which WAIT waits for.
    pub written_to: u64,
    /// Its next command waits until a pause ends.
    pub paused: bool,
    /// Its reply waits until the helper thread has freed the data it flushed
    /// (`server::core::flush_wait`).
    pub flushing: bool,
    /// Client states that require admission checks for every command.
    pub special: Special,
    /// Its commands queued since MULTI.
    pub multi: Option<Box<Transaction>>,
    /// The fields it has named for HIMPORT SET.
    pub fieldsets: Option<Box<Fieldsets>>,
    /// The SCRIPT DEBUG mode of its scripts.
    pub debugging: Debugging,
    /// It uses client-side caching (`tracking`).
    pub tracks: bool,
    /// Its blocked command, if any (`server::core::unblock`).
    pub parked: Option<Box<Parked>>,
    /// The earliest alarm set for the end of its wait, in monotonic milliseconds.
    pub alarm_ms: Option<u64>,
    pub is_unix: bool,
    /// The connection is one of TLS: no other process may write to its socket.
    pub is_secure: bool,
    pub addresses: Box<(String, String)>,
    /// The file descriptor, as CLIENT LIST shows it.
    pub fd: i32,
    /// The buffer sizes when the commands being run arrived.
    pub wire: Wire,
    pub created_ms: u64,
    pub last_active_ms: u64,
    /// The index of the last command in the table.
    pub last_command: Option<u16>,
    pub commands_run: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Reads that brought something.
    pub reads: u64,
    /// Commands parsed, and the batches they came in.
    pub parsed: u64,
    pub parsed_batches: u64,
}

/// How scripts of a client are debugged.
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
            fieldsets: None,
            debugging: Debugging::No,
            tracks: false,
            parked: None,
            alarm_ms: None,
            is_unix: false,
            is_secure: false,
            addresses: Box::default(),
            fd: -1,
            wire: Wire::default(),
            created_ms: now_ms,
            last_active_ms: now_ms,
            last_command: None,
            commands_run: 0,
            bytes_in: 0,
            reads: 0,
            parsed: 0,
            parsed_batches: 0,
            bytes_out: 0,
        }
    }

    /// Returns whether none of its input may run now.
    #[inline(always)]
    pub fn is_held(&self) -> bool {
        self.paused || self.flushing || self.parked.is_some()
    }

    /// Returns whether it is subscribed in RESP2: most commands are rejected, since their replies
    /// could be taken for messages.
    pub fn is_confined(&self) -> bool {
        self.special.has(Special::SUBSCRIBER) && self.resp == Resp::V2
    }

    /// Returns whether its commands need ACL checks.
    #[inline(always)]
    pub fn is_restricted(&self) -> bool {
        self.special.has(Special::RESTRICTED) && !self.must_obey
    }

    /// Returns whether the client is on the same machine.
    pub fn is_local(&self) -> bool {
        let peer = &self.addresses.0;
        self.is_unix || peer.starts_with("127.") || peer.starts_with("[::1]:")
    }

    /// Resets everything a client can set, except its identity (RESET).
    pub fn reset(&mut self) {
        self.db = DbIndex(0);
        self.resp = Resp::V2;
        self.name.clear();
        self.reply_mode = ReplyMode::On;
        self.monitor = false;
        self.no_evict = false;
        self.no_touch = false;
        self.fieldsets = None;
    }
}
