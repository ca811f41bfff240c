//! The replicas of a primary: acknowledgements, timeouts, limits, and the snapshots they wait for.
//!
//! The methods take events and return actions, which `server::replication` executes.

use super::backlog::Backlog;
use super::replica::{Announced, Form, Limits, NewReplica, Replica, Stage, Target};
use crate::sys::reason;
use crate::sys::socket::Sending;
use log::Level;
use std::fs::File;
use std::io;

/// One step for the server to take.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplicaAction {
    /// Writes a line to the log.
    Log(Level, String),
    /// Appends bytes to the output of the client in a slot.
    Send { slot: usize, bytes: Vec<u8> },
    /// Closes the connection.
    Close { slot: usize },
    /// Closes the connection, also for a child that has it.
    ShutDown { slot: usize },
    /// Makes the replica an ordinary client and closes it after these bytes.
    Refuse { slot: usize, bytes: Vec<u8> },
    /// Updates the number of good replicas.
    RefreshGood,
}

impl ReplicaAction {
    pub(super) fn info(text: impl Into<String>) -> ReplicaAction {
        ReplicaAction::Log(Level::Info, text.into())
    }

    pub(super) fn warn(text: impl Into<String>) -> ReplicaAction {
        ReplicaAction::Log(Level::Warn, text.into())
    }
}

/// When a snapshot is started for the replicas that wait.
#[derive(Clone, Copy, Debug)]
pub struct SyncRules {
    /// `repl-diskless-sync`.
    pub diskless: bool,
    /// `repl-diskless-sync-delay`, in seconds.
    pub delay_s: i64,
    /// `repl-diskless-sync-max-replicas`, 0 for no such rule.
    pub max_replicas: usize,
}

/// The replicas that one snapshot is made for, by the numbers of their clients.
#[derive(Debug, PartialEq, Eq)]
pub struct SyncPlan {
    pub clients: Vec<u64>,
    pub target: Target,
}

/// A replica that was removed.
#[derive(Debug, PartialEq, Eq)]
pub struct Departed {
    pub name: String,
    pub is_rdb_channel: bool,
    /// It was the last that waited for a child to end.
    pub abandons: Option<Target>,
    /// What becomes of the other connection of the replica.
    pub then: Vec<ReplicaAction>,
}

/// All replicas, in the order in which they came.
#[derive(Debug, Default)]
pub struct Replicas {
    pub(super) list: Vec<Replica>,
    /// REPLCONF GETACK is to be sent.
    wants_acks: bool,
    /// WAIT/WAITAOF clients must be re-evaluated: an acknowledgement, or the set has changed.
    has_news: bool,
    /// A replica asked for a snapshot that can start at the end of this iteration of the event loop.
    starts_now: bool,
    /// A replica has its snapshot: the child that sent it must be near its end.
    checks_child: bool,
    /// A replica can be sent more without waiting for its socket.
    goes_on: bool,
    /// Replicas that are online and not later than `min-replicas-max-lag`.
    good: usize,
    /// Since when there is no replica, in unix seconds.
    none_since_s: i64,
}

impl Replicas {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Replica> {
        self.list.iter()
    }

    /// The highest RDB version that all of them read, as far as it is known.
    pub fn read_rdb_up_to(&self) -> u32 {
        let each = self.iter().map(|one| one.announced.form().versions.most);
        each.min().unwrap_or(u32::MAX)
    }

    pub fn get(&self, client: u64) -> Option<&Replica> {
        self.list.iter().find(|replica| replica.client == client)
    }

    pub(super) fn get_mut(&mut self, client: u64) -> Option<&mut Replica> {
        let mut list = self.list.iter_mut();
        list.find(|replica| replica.client == client)
    }

    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Replica> {
        self.list.get_mut(index)
    }

    /// Finds a replica by the address it is known by.
    pub fn find(&self, ip: &str, port: i64) -> Option<&Replica> {
        let mut list = self.known();
        list.find(|one| one.ip() == ip && i64::from(one.port()) == port)
    }

    /// A replica got a partial resynchronization: it gets the stream from byte `next` on.
    pub fn add_online(&mut self, new: NewReplica, next: u64, now_s: i64) {
        let replica = Replica::new(new, Stage::Online, next, now_s);
        self.list.push(replica);
    }

    /// A replica needs a snapshot first.
    pub fn add_waiting(&mut self, mut new: NewReplica, now_s: i64) {
        self.connect_channels(&mut new.announced);
        let replica = Replica::new(new, Stage::WaitStart, 0, now_s);
        self.list.push(replica);
    }

    /// A replica is gone.
    pub fn remove(&mut self, client: u64, now_s: i64) -> Option<Departed> {
        let at = self.list.iter().position(|one| one.client == client)?;
        let replica = self.list.remove(at);
        if self.list.is_empty() {
            self.none_since_s = now_s;
        }
        let abandons = match replica.stage {
            Stage::WaitEnd(target) => Some(target),
            _ => None,
        };
        Some(Departed {
            abandons: abandons.filter(|&target| !self.any_waits_for_child(target)),
            then: self.channel_gone(&replica),
            is_rdb_channel: replica.is_rdb_channel(),
            name: replica.name,
        })
    }

    fn any_waits_for_child(&self, target: Target) -> bool {
        self.list.iter().any(|one| one.waits_for_child(target))
    }

    /// Whether a replica is to get the snapshot file, or is getting it.
    pub fn needs_file(&self) -> bool {
        let mut list = self.list.iter();
        list.any(|one| matches!(one.stage, Stage::WaitEnd(_) | Stage::SendFile { .. }))
    }

    /// REPLCONF ACK from a client: the offset it has applied and the one that is safe in its log.
    pub fn acknowledge(
        &mut self,
        client: u64,
        offset: i64,
        logged: Option<i64>,
        now_s: i64,
    ) -> Vec<ReplicaAction> {
        let Some(replica) = self.get_mut(client) else {
            return Vec::new();
        };
        let at_least = |n: i64| u64::try_from(n).unwrap_or(0);
        replica.acked = replica.acked.max(at_least(offset));
        replica.logged = replica.logged.max(logged.map_or(0, at_least));
        replica.last_ack_s = now_s;
        let is_early = replica.waits_for_child(Target::Socket);
        replica.acked_early |= is_early;
        if replica.is_online() {
            // It has its snapshot, so its socket is free for the stream.
            replica.awaits_ack = false;
        }
        self.has_news = true;
        self.checks_child |= is_early;
        // It has loaded what its RDB channel got, whether the child is done with others or not.
        self.put_main_online(client, now_s)
    }

    /// The number of replicas that have applied the stream up to `offset`.
    pub fn count_acked(&self, offset: u64) -> usize {
        let has = |replica: &&Replica| replica.is_online() && replica.acked >= offset;
        self.known().filter(has).count()
    }

    /// The number of replicas in whose log the stream is safe up to `offset`.
    pub fn count_logged(&self, offset: u64) -> usize {
        let has = |replica: &&Replica| replica.is_online() && replica.logged >= offset;
        self.known().filter(has).count()
    }

    /// Counts the replicas that acknowledged within `max_lag_s`, if that is asked for.
    pub fn refresh_good(&mut self, now_s: i64, max_lag_s: Option<i64>) -> usize {
        self.has_news = true;
        let is_good = |one: &&Replica, max_s| one.is_online() && now_s - one.last_ack_s <= max_s;
        let count = |max_s| self.known().filter(|one| is_good(one, max_s)).count();
        self.good = max_lag_s.map_or(0, count);
        self.good
    }

    pub fn good(&self) -> usize {
        self.good
    }

    /// Seconds since the last replica went, `None` while there is one.
    pub fn none_for_s(&self, now_s: i64) -> Option<i64> {
        self.list.is_empty().then_some(now_s - self.none_since_s)
    }

    /// Starts the time without replicas anew.
    pub fn restart_idle_time(&mut self, now_s: i64) {
        self.none_since_s = now_s;
    }

    /// The first byte of the stream that a replica has yet to get.
    pub(super) fn needed(&self) -> Option<u64> {
        let following = self.list.iter().filter(|replica| replica.follows_stream());
        following.map(|replica| replica.next).min()
    }
}

/// Flags that one iteration of the event loop sets and the end of it takes.
impl Replicas {
    /// Asks the replicas for acknowledgements, with the next flush.
    pub fn request_acks(&mut self) {
        self.wants_acks = true;
    }

    pub fn wants_acks(&self) -> bool {
        self.wants_acks
    }

    pub(super) fn acks_requested(&mut self) {
        self.wants_acks = false;
    }

    pub fn note_news(&mut self) {
        self.has_news = true;
    }

    /// Whether WAIT/WAITAOF clients must be re-evaluated.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    pub fn take_child_check(&mut self) -> bool {
        std::mem::take(&mut self.checks_child)
    }

    /// A flush begins: it notes whether a replica can be sent more at once.
    pub fn begin_flush(&mut self) {
        self.goes_on = false;
    }

    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    pub(super) fn set_goes_on(&mut self) {
        self.goes_on = true;
    }

    /// The socket of a replica takes nothing for now, or bytes again.
    pub fn set_blocked(&mut self, client: u64, is_blocked: bool) {
        if let Some(replica) = self.get_mut(client) {
            replica.is_blocked = is_blocked;
        }
    }

    pub(super) fn block(&mut self, index: usize) {
        if let Some(replica) = self.list.get_mut(index) {
            replica.is_blocked = true;
        }
    }

    /// Returns the slots of the replicas whose pending output exceeds the limits.
    pub(super) fn over_limits(
        &mut self,
        limits: &Limits,
        backlog: Option<&Backlog>,
        now_ms: u64,
    ) -> Vec<usize> {
        let mut slots = Vec::new();
        for replica in &mut self.list {
            let pending = replica.pending(backlog).0 as u64;
            if replica.exceeds(pending, limits, now_ms) {
                slots.push(replica.slot);
            }
        }
        slots
    }

    /// A second has passed. `sending` returns the progress of a socket, by slot.
    pub fn tick(
        &mut self,
        now_s: i64,
        timeout_s: i64,
        sending: &mut dyn FnMut(usize) -> Option<Sending>,
    ) -> Vec<ReplicaAction> {
        // A newline shows a replica that waits that the primary is alive. Only the child may write
        // to a socket it has.
        let waits = |one: &&Replica| one.waits_for_start() || one.waits_for_child(Target::File);
        let waiting = self.list.iter().filter(waits);
        let mut actions: Vec<ReplicaAction> = waiting
            .map(|one| ReplicaAction::Send {
                slot: one.slot,
                bytes: b"\n".to_vec(),
            })
            .collect();
        for replica in &mut self.list {
            actions.extend(replica.check_silence(now_s, timeout_s, sending));
        }
        actions.extend(self.check_channels(now_s, timeout_s));
        actions
    }
}

/// Snapshots for replicas.
impl Replicas {
    /// Asks for a snapshot at the end of this iteration of the event loop.
    pub fn request_start(&mut self) {
        self.starts_now = true;
    }

    /// The form that the first replica that waits asks for, if a snapshot was requested.
    pub fn take_start(&mut self) -> Option<Form> {
        let requested = std::mem::take(&mut self.starts_now);
        self.first_waiting().filter(|_| requested)
    }

    fn first_waiting(&self) -> Option<Form> {
        let first = self.list.iter().find(|one| one.waits_for_start());
        first.map(|first| first.announced.form())
    }

    fn waiting(&self, form: Form) -> impl Iterator<Item = &Replica> + Clone {
        let list = self.list.iter();
        list.filter(move |one| one.waits_for_start() && one.announced.form() == form)
    }

    /// The form of the snapshot to start now, if replicas have waited long enough for others to
    /// join them.
    pub fn due(&self, rules: &SyncRules, now_s: i64) -> Option<Form> {
        let form = self.first_waiting()?;
        let waiting = self.waiting(form);
        let longest_s = waiting.clone().map(|one| now_s - one.asked_s).max();
        let is_due = !rules.diskless
            || rules.max_replicas > 0 && waiting.count() >= rules.max_replicas
            || longest_s >= Some(rules.delay_s);
        is_due.then_some(form)
    }

    /// Plans one snapshot for all replicas that wait for it.
    pub fn plan(&self, form: Form, diskless: bool) -> SyncPlan {
        let waiting = self.waiting(form);
        let all_read_marked = waiting.clone().all(|one| one.announced.reads_marked);
        SyncPlan {
            clients: waiting.map(|one| one.client).collect(),
            target: match (diskless || form.needs_socket()) && all_read_marked {
                true => Target::Socket,
                false => Target::File,
            },
        }
    }

    /// The byte of the stream where a snapshot leads that a child writes to the file right now, if it
    /// suits a replica and another replica already follows the stream from there.
    pub fn joinable(&self, announced: &Announced) -> Option<u64> {
        let other = self.list.iter().find(|other| {
            other.waits_for_child(Target::File)
                && (!other.announced.only_snapshot || announced.only_snapshot)
        })?;
        announced.suits(&other.announced).then_some(other.next)
    }

    /// A child makes a snapshot for a replica, which continues with the stream at byte `next`.
    /// Returns the reply, empty for SYNC, and the slot.
    pub(super) fn begin_full(
        &mut self,
        client: u64,
        (id, next): (&str, u64),
        target: Target,
    ) -> Option<(usize, String)> {
        let replica = self.get_mut(client)?;
        replica.stage = Stage::WaitEnd(target);
        replica.next = next;
        let line = match replica.is_plain {
            true => String::new(),
            false => format!("+FULLRESYNC {id} {}\r\n", next - 1),
        };
        Some((replica.slot, line))
    }

    /// No child could be started to write to sockets: the replicas wait again.
    pub fn transfer_not_started(&mut self) {
        for replica in &mut self.list {
            match replica.stage {
                Stage::WaitEnd(Target::Socket) => replica.stage = Stage::WaitStart,
                Stage::Beside => replica.stage = Stage::WaitChannel,
                _ => {}
            }
        }
    }

    /// No snapshot can be made: removes and refuses all replicas that wait for one.
    pub fn refuse_waiting(&mut self) -> Vec<ReplicaAction> {
        let waiting = self.list.extract_if(.., |one| one.waits_for_start());
        let refuse = |one: Replica| ReplicaAction::Refuse {
            slot: one.slot,
            bytes: b"-ERR BGSAVE failed, replication can't continue\r\n".to_vec(),
        };
        waiting.map(refuse).collect()
    }

    /// The child that wrote the snapshot file is done. `open` opens the file and returns its length.
    pub fn file_done(
        &mut self,
        succeeded: bool,
        open: &dyn Fn() -> io::Result<(File, u64)>,
    ) -> Vec<ReplicaAction> {
        let mut actions = Vec::new();
        let waits = |one: &&mut Replica| one.waits_for_child(Target::File);
        for replica in self.list.iter_mut().filter(waits) {
            let slot = replica.slot;
            if !succeeded {
                actions.extend(child_failed(slot));
                continue;
            }
            match open() {
                Ok((file, len)) => {
                    replica.stage = Stage::SendFile { file, sent: 0, len };
                    let bytes = format!("${len}\r\n").into_bytes();
                    actions.push(ReplicaAction::Send { slot, bytes });
                }
                Err(error) => {
                    let reason = reason(&error);
                    let text = format!("SYNC failed. Can't open/stat DB after BGSAVE: {reason}");
                    actions.push(ReplicaAction::warn(text));
                    actions.push(ReplicaAction::Close { slot });
                }
            }
        }
        actions
    }

    /// The child that wrote to sockets is done.
    pub fn transfer_done(&mut self, succeeded: bool, now_s: i64) -> Vec<ReplicaAction> {
        let mut actions = self.channels_done(succeeded, now_s);
        let waits = |one: &&mut Replica| one.waits_for_child(Target::Socket);
        for replica in self.list.iter_mut().filter(waits) {
            if !succeeded {
                actions.extend(child_failed(replica.slot));
                continue;
            }
            actions.push(ReplicaAction::info(format!(
                "Streamed RDB transfer with replica {} succeeded (socket). Waiting for \
                 REPLCONF ACK from replica to enable streaming",
                replica.name
            )));
            replica.awaits_ack = !replica.acked_early;
            actions.extend(replica.put_online(now_s));
        }
        actions
    }

    /// The number of replicas that a child writes to.
    pub fn count_transfers(&self) -> usize {
        let waits = |one: &&Replica| one.waits_for_child(Target::Socket);
        self.list.iter().filter(waits).count()
    }

    /// The snapshot file was sent to a replica completely.
    pub(super) fn file_sent(&mut self, index: usize, now_s: i64) -> Vec<ReplicaAction> {
        let Some(replica) = self.list.get_mut(index) else {
            return Vec::new();
        };
        let mut actions = replica.put_online(now_s);
        let main = replica.announced.main_channel;
        actions.extend(main.map_or(Vec::new(), |main| self.put_main_online(main, now_s)));
        actions
    }
}

pub(super) fn child_failed(slot: usize) -> [ReplicaAction; 2] {
    let text = "SYNC failed. BGSAVE child returned an error";
    [ReplicaAction::warn(text), ReplicaAction::Close { slot }]
}

#[cfg(test)]
mod tests;
