//! The replicas of a primary, as it sees them.
//!
//! A replica that cannot go on from the backlog gets a snapshot: it waits until a child can begin
//! one, then until the child has written it, gets it, and goes on with the stream from the byte that
//! came next when the child was forked.

use crate::sys::socket::Sending;
use std::fs::File;

/// How far a replica has come.
#[derive(Debug)]
pub enum Stage {
    /// No child works on its snapshot yet.
    WaitStart,
    /// A child writes its snapshot to a file, or straight to its socket.
    WaitEnd { through_socket: bool },
    /// It gets the file: how much it has, and of how much.
    SendFile { file: File, sent: u64, len: u64 },
    /// It gets the stream.
    Online,
}

/// What a replica said of itself with REPLCONF, before it asked for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Where it listens (0 and empty for unknown).
    pub port: i32,
    pub ip: String,
    /// It knows the end of a snapshot by a mark, and needs no length.
    pub reads_marked: bool,
    /// It understands `+CONTINUE` with an id.
    pub takes_id: bool,
    /// It wants only the snapshot (`redis-cli --rdb`), not the stream.
    pub only_snapshot: bool,
    pub wants: Wants,
}

/// What of the data is to be in the snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    pub no_keys: bool,
    pub no_functions: bool,
}

impl Wants {
    /// Whether it is not a snapshot of everything.
    pub fn is_part(self) -> bool {
        self != Wants::default()
    }
}

/// See the head of this file.
#[derive(Debug)]
pub struct Replica {
    /// The client's number, and its slot.
    pub client: u64,
    pub slot: usize,
    pub said: Said,
    /// As the log calls it.
    pub name: String,
    /// The address its connection comes from.
    pub peer_ip: String,
    pub stage: Stage,
    /// The byte of the stream it gets next.
    pub next: u64,
    /// It got its snapshot through its socket, and the stream only when it says that it is through
    /// with it: so it need not look for the end of the one in the other.
    pub awaits_ack: bool,
    /// It said so before we knew that the child is done.
    pub acked_early: bool,
    /// It came with SYNC: it gets no `+FULLRESYNC`, and never tells how far it is.
    pub is_plain: bool,
    /// The socket takes nothing for now.
    pub is_blocked: bool,
    /// What it has applied, and what is safe in its log.
    pub acked: u64,
    pub logged: u64,
    /// When it last told that, or came online; unix seconds, as is what follows.
    pub heard_s: i64,
    /// When it began to wait for a snapshot.
    pub asked_s: i64,
    /// Since when more than the soft limit is waiting for it, in monotonic milliseconds.
    pub over_soft_limit_ms: Option<u64>,
    /// What it has taken of what a child sends it, and when it last took some.
    pub sending: Sending,
    pub took_s: i64,
}

impl Replica {
    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online)
    }

    pub fn waits_for_start(&self) -> bool {
        matches!(self.stage, Stage::WaitStart)
    }

    pub fn waits_for_child(&self, socket: bool) -> bool {
        matches!(self.stage, Stage::WaitEnd { through_socket } if through_socket == socket)
    }

    /// The word of INFO.
    pub fn state_word(&self) -> &'static str {
        match self.stage {
            Stage::WaitStart | Stage::WaitEnd { .. } => "wait_bgsave",
            Stage::SendFile { .. } => "send_bulk",
            Stage::Online => "online",
        }
    }

    /// Whether it needs what is appended to the stream from now on.
    pub fn follows_stream(&self) -> bool {
        !self.waits_for_start() && !self.said.only_snapshot
    }

    /// The address it is known by.
    pub fn ip(&self) -> &str {
        match self.said.ip.is_empty() {
            true => &self.peer_ip,
            false => &self.said.ip,
        }
    }
}

/// All of them, in the order in which they came.
#[derive(Debug, Default)]
pub struct Replicas {
    pub list: Vec<Replica>,
    /// Somebody waits to hear from them how far they are.
    pub wants_acks: bool,
    /// There is news for those who wait: an acknowledgement, or somebody came or went.
    pub has_news: bool,
    /// Somebody asked for a snapshot that can be begun at the end of the turn.
    pub starts_now: bool,
    /// Somebody has its snapshot: the child that sent it must be near its end.
    pub looks_at_child: bool,
    /// Somebody can be sent more without waiting for a socket.
    pub goes_on: bool,
    /// How many are online and were heard from lately, as `min-replicas-max-lag` says.
    pub good: usize,
    /// Since when there is none, in unix seconds.
    pub none_since_s: i64,
}

impl Replicas {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn get(&self, client: u64) -> Option<&Replica> {
        self.list.iter().find(|replica| replica.client == client)
    }

    pub fn get_mut(&mut self, client: u64) -> Option<&mut Replica> {
        self.list
            .iter_mut()
            .find(|replica| replica.client == client)
    }

    pub fn remove(&mut self, client: u64) -> Option<Replica> {
        let at = self
            .list
            .iter()
            .position(|replica| replica.client == client)?;
        Some(self.list.remove(at))
    }

    /// How many have applied the stream up to a byte, and in how many it is safe in the log.
    pub fn acked(&self, offset: u64) -> usize {
        let has = |replica: &&Replica| replica.is_online() && replica.acked >= offset;
        self.list.iter().filter(has).count()
    }

    pub fn logged(&self, offset: u64) -> usize {
        let has = |replica: &&Replica| replica.is_online() && replica.logged >= offset;
        self.list.iter().filter(has).count()
    }

    /// How many are online and were heard from within so many seconds.
    pub fn count_good(&self, now_s: i64, max_lag_s: i64) -> usize {
        let good = |replica: &&Replica| replica.is_online() && now_s - replica.heard_s <= max_lag_s;
        self.list.iter().filter(good).count()
    }

    /// The first byte of the stream that somebody has yet to get.
    pub fn needed(&self) -> Option<u64> {
        let following = self.list.iter().filter(|replica| replica.follows_stream());
        following.map(|replica| replica.next).min()
    }
}
