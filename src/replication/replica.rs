//! One replica of a primary, as the primary sees it.
//!
//! ```text
//!                          a child starts         the child is done
//!   full sync -> WaitStart ------> WaitEnd(File) -----------> SendFile --sent--> Online
//!                    ^      \                                                     ^  ^
//!                    |       '---> WaitEnd(Socket) ---the child is done-----------'  |
//!                    '- no fork ---'                  (stream follows the ACK)       |
//!   partial sync --------------------------------------------------------------------'
//! ```
//!
//! Over an RDB channel a replica has two connections, so that the stream need not be held here
//! meanwhile. `channels` connects the two:
//!
//! ```text
//!   main channel   full sync -> WaitChannel --a child starts--> Beside (stream) --the child is done--> Online
//!   RDB channel    full sync -> WaitStart ----a child starts--> WaitEnd --------the child is done--> closed
//! ```
//!
//! A replica that gets a snapshot continues with the stream at the byte that came next when the
//! child was forked. `replicas` has the events, `output` what is written to a replica.

use super::backlog::Backlog;
use super::replicas::ReplicaAction;
use crate::keyspace::RdbVersions;
use crate::sys::socket::Sending;
use std::fs::File;

/// Our own capability: it ends with the latest RDB version that the replica reads.
pub const RDB_VERSION_CAPA: &str = "rdb-version-";
/// The latest version of Redis's format that Valkey reads.
const VALKEY_READS: u32 = 11;
/// The first Valkey with a format of its own.
const VALKEY_OWN_FORMAT: u32 = 9;
/// The versions that Redis 7.0 and 7.4 write.
const OLD_REDIS_READS: u32 = 10;
const OLD_REDIS_LATEST: u32 = 12;

/// The way of a snapshot to a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A child writes the snapshot file of the server, which is sent when it is complete.
    File,
    /// A child writes straight to the socket.
    Socket,
}

/// The progress of a replica.
#[derive(Debug)]
pub enum Stage {
    /// It waits for a child to start on its snapshot.
    WaitStart,
    /// It waits for the child to end.
    WaitEnd(Target),
    /// It waits for its RDB channel, and for a child that sends the snapshot there.
    WaitChannel,
    /// It gets the stream, while its RDB channel gets the snapshot.
    Beside,
    /// It gets the file, of which `sent` bytes of `len` were sent.
    SendFile { file: File, sent: u64, len: u64 },
    /// It gets the stream.
    Online,
}

/// Properties that a replica announced with REPLCONF, before it asked for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The address it listens on; 0 and empty if unknown.
    pub port: i32,
    pub ip: String,
    /// It finds the end of a snapshot by a mark, and needs no length (`capa eof`).
    pub reads_marked: bool,
    /// It understands `+CONTINUE` with an ID (`capa psync2`).
    pub takes_id: bool,
    /// It can get its snapshot on a connection of its own (`capa rdb-channel-repl`).
    pub takes_rdb_channel: bool,
    /// This is that connection (`rdb-channel`).
    pub is_rdb_channel: bool,
    /// The number of the client that is the other one, the main channel (`main-ch-client-id`).
    pub main_channel: Option<u64>,
    /// The latest RDB version that it reads (`capa rdb-version-N`): Redwheel.
    pub reads_rdb: Option<u32>,
    /// The major version that it announced (`version`): Valkey.
    pub valkey: Option<u32>,
    /// It wants only the snapshot (`redis-cli --rdb`), not the stream.
    pub only_snapshot: bool,
    pub filter: Filter,
}

impl Announced {
    /// The name of the replica in the log. `peer_ip` is the address of its connection, `client` the
    /// number of its client.
    pub fn name(&self, peer_ip: &str, client: u64) -> String {
        let ip = match self.ip.as_str() {
            "" => peer_ip,
            ip => ip,
        };
        if ip.is_empty() {
            return format!("client id #{client}");
        }
        let shown = match ip.contains(':') {
            true => format!("[{ip}]"),
            false => ip.to_owned(),
        };
        match self.port {
            0 => format!("{shown}:<unknown-replica-port>"),
            port => format!("{shown}:{port}"),
        }
    }

    /// Whether a snapshot made for another replica suits this one.
    pub(super) fn suits(&self, other: &Announced) -> bool {
        (self.reads_marked || !other.reads_marked)
            && (self.takes_id || !other.takes_id)
            && self.form() == other.form()
    }

    pub fn form(&self) -> Form {
        Form {
            filter: self.filter,
            versions: self.versions(),
            for_valkey: self.valkey >= Some(VALKEY_OWN_FORMAT),
            on_rdb_channel: self.is_rdb_channel,
        }
    }

    /// Takes what the main channel of the same replica announced about the data it reads.
    pub(super) fn reads_as(&mut self, main: &Announced) {
        self.takes_id = main.takes_id;
        self.takes_rdb_channel = main.takes_rdb_channel;
        self.reads_rdb = main.reads_rdb;
        self.valkey = main.valkey;
    }

    /// The RDB versions to choose from. Redis before 8.0 says nothing of its version; from 7.0 on it
    /// reads version 10, before 7.4 none above 11.
    fn versions(&self) -> RdbVersions {
        let auto = RdbVersions::AUTO;
        let is_replica = self.takes_id && self.port != 0;
        match self.reads_rdb {
            Some(latest) => RdbVersions {
                most: latest.max(auto.least),
                ..auto
            },
            None if self.valkey.is_some() => RdbVersions::exactly(VALKEY_READS),
            None if is_replica && !self.takes_rdb_channel => RdbVersions {
                least: OLD_REDIS_READS,
                most: OLD_REDIS_LATEST,
            },
            None => auto,
        }
    }
}

/// The parts of the data that are left out of a snapshot (`rdb-filter-only`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub no_keys: bool,
    pub no_functions: bool,
}

impl Filter {
    /// Whether anything is left out.
    pub fn is_partial(self) -> bool {
        self != Filter::default()
    }
}

/// The form of a snapshot that a replica asks for. One snapshot serves all replicas that ask for the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub filter: Filter,
    /// The RDB versions that the replica reads, as far as it is known.
    pub versions: RdbVersions,
    /// It is Valkey 9 or later, which has an encoding of its own for hash fields with a deadline.
    pub for_valkey: bool,
    /// It goes to an RDB channel. The replicas that get it follow the stream meanwhile, so that it
    /// is not shared with others.
    pub on_rdb_channel: bool,
}

impl Form {
    /// Whether the snapshot is never the file of the server.
    pub(super) fn needs_socket(self) -> bool {
        self.filter.is_partial() || self.on_rdb_channel
    }
}

/// The identity of a new replica.
pub struct NewReplica {
    /// The number of its client, and its slot.
    pub client: u64,
    pub slot: usize,
    pub announced: Announced,
    /// The address of its connection.
    pub peer_ip: String,
    /// It came with SYNC: it gets no `+FULLRESYNC`, and never acknowledges.
    pub is_plain: bool,
}

/// One replica.
#[derive(Debug)]
pub struct Replica {
    pub(super) client: u64,
    pub(super) slot: usize,
    pub(super) announced: Announced,
    /// Its name in the log.
    pub(super) name: String,
    pub(super) peer_ip: String,
    pub(super) stage: Stage,
    /// The byte of the stream it gets next.
    pub(super) next: u64,
    /// It got its snapshot through its socket, and gets the stream only after it has acknowledged
    /// that: so it need not find the end of the one in the other.
    pub(super) awaits_ack: bool,
    /// It acknowledged before the server noticed the end of the child.
    pub(super) acked_early: bool,
    pub(super) is_plain: bool,
    /// The socket takes nothing for now.
    pub(super) is_blocked: bool,
    /// The offset it has applied, and the one that is safe in its log.
    pub(super) acked: u64,
    pub(super) logged: u64,
    /// The last acknowledgement, or when it came online; unix seconds, as are the next two.
    pub(super) last_ack_s: i64,
    /// The start of its wait for a snapshot.
    pub(super) asked_s: i64,
    /// Its last progress with what a child sends it.
    pub(super) progress_s: i64,
    pub(super) sending: Sending,
    /// Since when its pending output exceeds the soft limit, in monotonic milliseconds.
    pub(super) over_soft_limit_ms: Option<u64>,
}

impl Replica {
    pub(super) fn new(new: NewReplica, stage: Stage, next: u64, now_s: i64) -> Replica {
        Replica {
            name: new.announced.name(&new.peer_ip, new.client),
            client: new.client,
            slot: new.slot,
            announced: new.announced,
            peer_ip: new.peer_ip,
            stage,
            next,
            awaits_ack: false,
            acked_early: false,
            is_plain: new.is_plain,
            is_blocked: false,
            acked: 0,
            logged: 0,
            last_ack_s: now_s,
            asked_s: now_s,
            progress_s: now_s,
            sending: Sending::default(),
            over_soft_limit_ms: None,
        }
    }

    pub fn slot(&self) -> usize {
        self.slot
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online)
    }

    pub(super) fn waits_for_start(&self) -> bool {
        matches!(self.stage, Stage::WaitStart)
    }

    pub(super) fn waits_for_child(&self, target: Target) -> bool {
        matches!(self.stage, Stage::WaitEnd(one) if one == target)
    }

    /// Whether this is the second connection of a replica that is known by its main channel.
    pub fn is_second(&self) -> bool {
        self.announced.main_channel.is_some()
    }

    pub fn is_rdb_channel(&self) -> bool {
        self.announced.is_rdb_channel
    }

    /// The word of INFO.
    pub fn state_word(&self) -> &'static str {
        match self.stage {
            Stage::WaitStart | Stage::WaitEnd(_) | Stage::WaitChannel => "wait_bgsave",
            Stage::Beside => "send_bulk_and_stream",
            Stage::SendFile { .. } => "send_bulk",
            Stage::Online => "online",
        }
    }

    /// Whether it needs the bytes that are appended to the stream.
    pub(super) fn follows_stream(&self) -> bool {
        let waits = matches!(self.stage, Stage::WaitStart | Stage::WaitChannel);
        !waits && !self.announced.only_snapshot
    }

    /// The address it is known by.
    pub fn ip(&self) -> &str {
        match self.announced.ip.is_empty() {
            true => &self.peer_ip,
            false => &self.announced.ip,
        }
    }

    /// The port it announced, 0 if none.
    pub fn port(&self) -> i32 {
        self.announced.port
    }

    /// The offset it has acknowledged.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Seconds since its last acknowledgement, 0 before it is online.
    pub fn lag_s(&self, now_s: i64) -> i64 {
        match self.is_online() {
            true => now_s - self.last_ack_s,
            false => 0,
        }
    }

    /// Whether bytes of a file or of the stream, which ends before byte `end`, can be written to it.
    pub(super) fn is_owed(&self, end: u64) -> bool {
        let has_more = match self.stage {
            Stage::SendFile { .. } => true,
            Stage::Online | Stage::Beside => !self.awaits_ack && self.next < end,
            Stage::WaitStart | Stage::WaitEnd(_) | Stage::WaitChannel => false,
        };
        has_more && !self.is_blocked
    }

    /// Bytes of the stream that it has yet to get, and the number of blocks that hold them, as CLIENT
    /// LIST and the output limits count them.
    pub fn pending(&self, backlog: Option<&Backlog>) -> (usize, usize) {
        match backlog {
            Some(backlog) if self.follows_stream() && self.next < backlog.next() => {
                let bytes = (backlog.next() - self.next) as usize;
                (bytes, backlog.blocks_from(self.next))
            }
            _ => (0, 0),
        }
    }

    /// Whether its pending output exceeds the limits now.
    pub(super) fn exceeds(&mut self, pending: u64, limits: &Limits, now_ms: u64) -> bool {
        if pending < limits.soft {
            self.over_soft_limit_ms = None;
            return pending >= limits.hard;
        }
        let since_ms = *self.over_soft_limit_ms.get_or_insert(now_ms);
        pending >= limits.hard || now_ms - since_ms > limits.soft_ms
    }

    pub(super) fn put_online(&mut self, now_s: i64) -> Vec<ReplicaAction> {
        self.stage = Stage::Online;
        if self.announced.only_snapshot {
            let text = format!(
                "RDB transfer completed, rdb only replica ({}) should be disconnected asap",
                self.name
            );
            let slot = self.slot;
            return vec![ReplicaAction::info(text), ReplicaAction::Close { slot }];
        }
        self.last_ack_s = now_s;
        let text = format!("Synchronization with replica {} succeeded", self.name);
        vec![ReplicaAction::info(text), ReplicaAction::RefreshGood]
    }

    /// Checks that it acknowledges, or takes what a child sends it.
    pub(super) fn check_silence(
        &mut self,
        now_s: i64,
        timeout_s: i64,
        sending: &mut dyn FnMut(usize) -> Option<Sending>,
    ) -> Vec<ReplicaAction> {
        let slot = self.slot;
        if self.waits_for_child(Target::Socket) {
            let Some(sending) = sending(slot) else {
                return Vec::new();
            };
            // A replica that has taken everything waits for the others.
            if sending.waiting == 0 || sending.taken != self.sending.taken {
                (self.sending, self.progress_s) = (sending, now_s);
            } else if now_s - self.progress_s > timeout_s {
                let text = format!("Disconnecting timedout replica (full sync): {}", self.name);
                return vec![ReplicaAction::warn(text), ReplicaAction::ShutDown { slot }];
            }
            return Vec::new();
        }
        let acknowledges = self.is_online() && !self.is_plain;
        if acknowledges && now_s - self.last_ack_s > timeout_s {
            let text = format!(
                "Disconnecting timedout replica (streaming sync): {}",
                self.name
            );
            return vec![ReplicaAction::warn(text), ReplicaAction::Close { slot }];
        }
        Vec::new()
    }
}

/// Limits on the pending output of a replica; `u64::MAX` for none.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In bytes.
    pub hard: u64,
    pub soft: u64,
    /// Milliseconds that the soft limit may be exceeded.
    pub soft_ms: u64,
}
