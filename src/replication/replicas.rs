//! The replicas of a primary, as it sees them.
//!
//! A replica that cannot go on from the backlog gets a snapshot: it waits until a child can begin
//! one, then until the child has written it, gets it, and goes on with the stream from the byte that
//! came next when the child was forked.

use std::fs::File;

/// How far a replica has come.
#[derive(Debug)]
pub enum Stage {
    /// No child works on its snapshot yet.
    WaitStart,
    /// A child writes its snapshot to a file, or to its socket.
    WaitEnd,
    /// It gets the file: how much it has, and of how much.
    SendFile { file: File, sent: u64, len: u64 },
    /// It got its snapshot through its socket; it tells when it is through with it.
    Loads,
    /// It gets the stream.
    Online,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Replica {
    /// The client's number, and its slot.
    pub client: u64,
    pub slot: usize,
    pub stage: Stage,
    /// The byte of the stream it gets next.
    pub next: u64,
    /// The byte it asked for with PSYNC, for messages.
    pub asked: i64,
    /// What it said of itself: where it listens (0 and empty for unknown).
    pub port: u16,
    pub ip: String,
    /// It knows the end of a snapshot by a mark, and needs no length.
    pub reads_marked: bool,
    /// It understands `+CONTINUE` with an id.
    pub takes_id: bool,
    /// It has been sent no `+FULLRESYNC`: it came with SYNC.
    pub is_plain: bool,
    /// It wants only the snapshot (`redis-cli --rdb`), not the stream.
    pub only_snapshot: bool,
    /// It wants of the snapshot no data, or no functions.
    pub skips_data: bool,
    pub skips_functions: bool,
    /// What it has applied, and what is safe in its log.
    pub acked: u64,
    pub logged: u64,
    /// When it last told that, or came online; monotonic milliseconds.
    pub heard_ms: u64,
    /// When it began to wait for a snapshot.
    pub waits_since_ms: u64,
}

impl Replica {
    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online)
    }

    /// The word of INFO.
    pub fn state_word(&self) -> &'static str {
        match self.stage {
            Stage::WaitStart | Stage::WaitEnd => "wait_bgsave",
            Stage::SendFile { .. } | Stage::Loads => "send_bulk",
            Stage::Online => "online",
        }
    }

    /// Whether it needs what is appended to the stream from now on.
    pub fn follows_stream(&self) -> bool {
        !matches!(self.stage, Stage::WaitStart) && !self.only_snapshot
    }
}

/// All of them, in the order in which they came.
#[derive(Debug, Default)]
pub struct Replicas {
    pub list: Vec<Replica>,
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

    /// The first byte of the stream that somebody has yet to get.
    pub fn needed(&self) -> Option<u64> {
        let following = self.list.iter().filter(|replica| replica.follows_stream());
        following.map(|replica| replica.next).min()
    }
}
