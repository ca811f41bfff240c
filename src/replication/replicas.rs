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
    /// It was the last that waited for a child to end.
    pub abandons: Option<Target>,
}

/// All replicas, in the order in which they came.
#[derive(Debug, Default)]
pub struct Replicas {
    list: Vec<Replica>,
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

    fn get_mut(&mut self, client: u64) -> Option<&mut Replica> {
        let mut list = self.list.iter_mut();
        list.find(|replica| replica.client == client)
    }

    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Replica> {
        self.list.get_mut(index)
    }

    /// Finds a replica by the address it is known by.
    pub fn find(&self, ip: &str, port: i64) -> Option<&Replica> {
        let mut list = self.list.iter();
        list.find(|one| one.ip() == ip && i64::from(one.port()) == port)
    }

    /// A replica got a partial resynchronization: it gets the stream from byte `next` on.
    pub fn add_online(&mut self, new: NewReplica, next: u64, now_s: i64) {
        let replica = Replica::new(new, Stage::Online, next, now_s);
        self.list.push(replica);
    }

    /// A replica needs a snapshot first.
    pub fn add_waiting(&mut self, new: NewReplica, now_s: i64) {
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
        let abandons = abandons.filter(|&target| !self.any_waits_for_child(target));
        let name = replica.name;
        Some(Departed { name, abandons })
    }

    fn any_waits_for_child(&self, target: Target) -> bool {
        self.list.iter().any(|one| one.waits_for_child(target))
    }

    /// Whether a replica is to get the snapshot file, or is getting it.
    pub fn needs_file(&self) -> bool {
        let mut list = self.list.iter();
        list.any(|one| !one.is_online() && !one.waits_for_start())
    }

    /// REPLCONF ACK from a client: the offset it has applied and the one that is safe in its log.
    pub fn acknowledge(&mut self, client: u64, offset: i64, logged: Option<i64>, now_s: i64) {
        let Some(replica) = self.get_mut(client) else {
            return;
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
    }

    /// The number of replicas that have applied the stream up to `offset`.
    pub fn count_acked(&self, offset: u64) -> usize {
        let has = |replica: &&Replica| replica.is_online() && replica.acked >= offset;
        self.list.iter().filter(has).count()
    }

    /// The number of replicas in whose log the stream is safe up to `offset`.
    pub fn count_logged(&self, offset: u64) -> usize {
        let has = |replica: &&Replica| replica.is_online() && replica.logged >= offset;
        self.list.iter().filter(has).count()
    }

    /// Counts the replicas that acknowledged within `max_lag_s`, if that is asked for.
    pub fn refresh_good(&mut self, now_s: i64, max_lag_s: Option<i64>) -> usize {
        self.has_news = true;
        let is_good = |one: &&Replica, max_s| one.is_online() && now_s - one.last_ack_s <= max_s;
        let count = |max_s| self.list.iter().filter(|one| is_good(one, max_s)).count();
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
            target: match (diskless || form.filter.is_partial()) && all_read_marked {
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
            if replica.waits_for_child(Target::Socket) {
                replica.stage = Stage::WaitStart;
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
        let mut actions = Vec::new();
        let waits = |one: &&mut Replica| one.waits_for_child(Target::Socket);
        for replica in self.list.iter_mut().filter(waits) {
            if !succeeded {
                actions.extend(child_failed(replica.slot));
                continue;
            }
            actions.push(ReplicaAction::info(format!(
                "Streamed replica transfer with replica {} succeeded (socket). Waiting for \
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
        let replica = self.list.get_mut(index);
        replica.map_or(Vec::new(), |replica| replica.put_online(now_s))
    }
}

fn child_failed(slot: usize) -> [ReplicaAction; 2] {
    let text = "SYNC failed. BGSAVE child returned an error";
    [ReplicaAction::warn(text), ReplicaAction::Close { slot }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::Replication;
    use crate::replication::replica::{Announced, Filter};

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn new(client: u64, announced: Announced) -> NewReplica {
        NewReplica {
            client,
            slot: client as usize + 10,
            announced,
            peer_ip: "127.0.0.1".into(),
            is_plain: false,
        }
    }

    fn capable() -> Announced {
        Announced {
            port: 7777,
            reads_marked: true,
            takes_id: true,
            ..Announced::default()
        }
    }

    fn closes(actions: &[ReplicaAction]) -> Vec<usize> {
        let slots = actions.iter().filter_map(|action| match action {
            ReplicaAction::Close { slot } | ReplicaAction::ShutDown { slot } => Some(*slot),
            _ => None,
        });
        slots.collect()
    }

    const RULES: SyncRules = SyncRules {
        diskless: true,
        delay_s: 5,
        max_replicas: 3,
    };

    #[test]
    fn acknowledgements_count_for_replicas_that_are_online() {
        let mut replicas = Replicas::default();
        replicas.add_online(new(1, capable()), 1, 100);
        replicas.add_online(new(2, capable()), 1, 100);
        replicas.add_waiting(new(3, capable()), 100);
        for client in [1, 2, 3, 4] {
            replicas.acknowledge(client, 50, None, 101);
        }
        assert!(replicas.take_news() && !replicas.take_news());
        replicas.acknowledge(1, 70, Some(60), 102);
        // An offset never goes back.
        replicas.acknowledge(1, -5, Some(-5), 103);
        assert_eq!(replicas.count_acked(50), 2);
        assert_eq!(replicas.count_acked(70), 1);
        assert_eq!(replicas.count_acked(71), 0);
        assert_eq!(replicas.count_logged(60), 1);
        assert_eq!(replicas.count_logged(0), 2);
        // Replica 1 was last heard at 103, replica 2 at 101.
        assert_eq!(replicas.refresh_good(110, Some(9)), 2);
        assert_eq!(replicas.refresh_good(112, Some(9)), 1);
        assert_eq!(replicas.refresh_good(112, None), 0);
    }

    #[test]
    fn silent_replicas_are_disconnected() {
        let mut replicas = Replicas::default();
        replicas.add_online(new(1, capable()), 1, 100);
        let plain = NewReplica {
            is_plain: true,
            ..new(2, capable())
        };
        replicas.add_online(plain, 1, 100);
        replicas.add_waiting(new(3, capable()), 100);
        let keepalive = ReplicaAction::Send {
            slot: 13,
            bytes: b"\n".to_vec(),
        };
        let mut no_socket = |_: usize| None;
        let actions = replicas.tick(160, 60, &mut no_socket);
        assert_eq!(actions, [keepalive]);
        let actions = replicas.tick(161, 60, &mut no_socket);
        assert_eq!(closes(&actions), [11]);
    }

    #[test]
    fn a_replica_that_takes_nothing_of_a_child_is_disconnected() {
        let mut replicas = Replicas::default();
        replicas.add_waiting(new(1, capable()), 100);
        replicas.begin_full(1, (ID, 1), Target::Socket);
        let sending = |taken, waiting| Some(Sending { taken, waiting });
        assert_eq!(replicas.tick(100, 60, &mut |_| sending(5, 9)), []);
        assert_eq!(replicas.tick(150, 60, &mut |_| sending(6, 9)), []);
        assert_eq!(replicas.tick(210, 60, &mut |_| sending(6, 9)), []);
        // It has taken everything and waits for other replicas.
        assert_eq!(replicas.tick(300, 60, &mut |_| sending(6, 0)), []);
        assert_eq!(replicas.tick(360, 60, &mut |_| sending(6, 9)), []);
        let actions = replicas.tick(361, 60, &mut |_| sending(6, 9));
        assert_eq!(actions[1..], [ReplicaAction::ShutDown { slot: 11 }]);
    }

    #[test]
    fn one_snapshot_serves_all_replicas_that_want_the_same() {
        let mut replicas = Replicas::default();
        assert_eq!(replicas.due(&RULES, 100), None);
        let filter = Filter {
            no_keys: true,
            no_functions: false,
        };
        replicas.add_waiting(new(1, capable()), 100);
        let filtered = Announced {
            filter,
            ..capable()
        };
        replicas.add_waiting(new(2, filtered), 100);
        replicas.add_waiting(new(3, capable()), 103);
        assert_eq!(replicas.due(&RULES, 104), None);
        assert_eq!(replicas.due(&RULES, 105), Some(capable().form()));
        let without_delay = SyncRules {
            diskless: false,
            ..RULES
        };
        assert!(replicas.due(&without_delay, 104).is_some());
        let plan = replicas.plan(capable().form(), true);
        let expected = SyncPlan {
            clients: vec![1, 3],
            target: Target::Socket,
        };
        assert_eq!(plan, expected);
        // Enough replicas end the delay.
        replicas.add_waiting(new(4, capable()), 104);
        assert!(replicas.due(&RULES, 104).is_some());
        // A replica that needs a length cannot get a snapshot through its socket.
        let needs_length = Announced {
            reads_marked: false,
            ..capable()
        };
        replicas.add_waiting(new(5, needs_length), 104);
        let plan = replicas.plan(capable().form(), true);
        assert_eq!((plan.clients.len(), plan.target), (4, Target::File));
        // A filtered snapshot is never the file of the server.
        let form = Form {
            filter,
            ..capable().form()
        };
        assert_eq!(replicas.plan(form, false).target, Target::Socket);
    }

    #[test]
    fn replicas_that_read_other_versions_wait_for_another_snapshot() {
        let mut replicas = Replicas::default();
        let redis = Announced {
            takes_rdb_channel: true,
            ..capable()
        };
        let valkey = Announced {
            valkey: Some(9),
            ..capable()
        };
        let redwheel = Announced {
            reads_rdb: Some(15),
            ..capable()
        };
        replicas.add_waiting(new(1, redis.clone()), 100);
        replicas.add_waiting(new(2, valkey.clone()), 100);
        replicas.add_waiting(new(3, redwheel), 100);
        let plan = |announced: &Announced| replicas.plan(announced.form(), true).clients;
        assert_eq!(plan(&redis), [1, 3]);
        assert_eq!(plan(&valkey), [2]);
        let versions = |announced: &Announced| {
            let versions = announced.form().versions;
            (versions.least, versions.most)
        };
        assert_eq!(versions(&redis), (11, 15));
        assert_eq!(versions(&valkey), (11, 11));
        // Redis before 8.0.
        assert_eq!(versions(&capable()), (10, 12));
        // A program that only reads the snapshot.
        assert_eq!(versions(&Announced::default()), (11, 15));
    }

    #[test]
    fn a_start_is_requested_once() {
        let mut replicas = Replicas::default();
        replicas.add_waiting(new(1, capable()), 100);
        assert_eq!(replicas.take_start(), None);
        replicas.request_start();
        assert_eq!(replicas.take_start(), Some(capable().form()));
        assert_eq!(replicas.take_start(), None);
    }

    #[test]
    fn a_running_snapshot_can_be_joined_by_a_replica_it_suits() {
        let mut replicas = Replicas::default();
        replicas.add_waiting(new(1, capable()), 100);
        assert_eq!(replicas.joinable(&capable()), None);
        let (slot, line) = replicas
            .begin_full(1, (ID, 501), Target::File)
            .expect("it is known");
        assert_eq!((slot, line), (11, format!("+FULLRESYNC {ID} 500\r\n")));
        assert_eq!(replicas.joinable(&capable()), Some(501));
        assert_eq!(replicas.joinable(&Announced::default()), None);
        assert_eq!(replicas.begin_full(9, (ID, 501), Target::File), None);
    }

    #[test]
    fn the_stream_follows_a_transfer_after_the_acknowledgement() {
        let mut replicas = Replicas::default();
        for client in [1, 2, 3] {
            replicas.add_waiting(new(client, capable()), 100);
            replicas.begin_full(client, (ID, 1), Target::Socket);
        }
        assert_eq!(replicas.count_transfers(), 3);
        replicas.acknowledge(2, 0, None, 101);
        assert!(replicas.take_child_check());
        assert_eq!(closes(&replicas.transfer_done(true, 102)), []);
        let mut is_owed = |index| replicas.at_mut(index).is_some_and(|one| one.is_owed(9));
        assert!(!is_owed(0) && is_owed(1));
        replicas.acknowledge(1, 0, None, 103);
        assert!(replicas.at_mut(0).is_some_and(|one| one.is_owed(9)));
        replicas.set_blocked(1, true);
        assert!(!replicas.at_mut(0).is_some_and(|one| one.is_owed(9)));
    }

    #[test]
    fn a_failed_child_disconnects_its_replicas() {
        for target in [Target::File, Target::Socket] {
            let mut replicas = Replicas::default();
            replicas.add_waiting(new(1, capable()), 100);
            replicas.begin_full(1, (ID, 1), target);
            let open = || -> io::Result<(File, u64)> { panic!("no file is opened") };
            let actions = match target {
                Target::File => replicas.file_done(false, &open),
                Target::Socket => replicas.transfer_done(false, 101),
            };
            assert_eq!(closes(&actions), [11]);
        }
        // One that could not start has them wait, or refuses them.
        let mut replicas = Replicas::default();
        replicas.add_waiting(new(1, capable()), 100);
        replicas.begin_full(1, (ID, 1), Target::Socket);
        replicas.transfer_not_started();
        let refused = replicas.refuse_waiting();
        assert!(matches!(
            refused[..],
            [ReplicaAction::Refuse { slot: 11, .. }]
        ));
        assert!(replicas.is_empty());
    }

    #[test]
    fn a_file_is_announced_and_sent_before_the_stream() {
        let mut replicas = Replicas::default();
        replicas.add_waiting(new(1, capable()), 100);
        replicas.begin_full(1, (ID, 1), Target::File);
        let missing = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(closes(&replicas.file_done(true, &missing)), [11]);
        let null = || Ok((File::open("/dev/null")?, 0));
        let announced = ReplicaAction::Send {
            slot: 11,
            bytes: b"$0\r\n".to_vec(),
        };
        assert_eq!(replicas.file_done(true, &null), [announced]);
        assert!(replicas.needs_file());
        let actions = replicas.file_sent(0, 105);
        assert_eq!(actions[1..], [ReplicaAction::RefreshGood]);
        assert!(!replicas.needs_file());
        // `redis-cli --rdb` is done now.
        let only_snapshot = Announced {
            only_snapshot: true,
            ..capable()
        };
        replicas.add_waiting(new(2, only_snapshot), 100);
        assert_eq!(closes(&replicas.file_sent(1, 105)), [12]);
    }

    #[test]
    fn the_last_replica_that_waited_abandons_the_child() {
        let mut replicas = Replicas::default();
        for client in [1, 2] {
            replicas.add_waiting(new(client, capable()), 100);
            replicas.begin_full(client, (ID, 1), Target::Socket);
        }
        assert_eq!(replicas.none_for_s(200), None);
        let first = replicas.remove(1, 200).expect("it is known");
        assert_eq!(first.name, "127.0.0.1:7777");
        assert_eq!(first.abandons, None);
        let second = replicas.remove(2, 200).expect("it is known");
        assert_eq!(second.abandons, Some(Target::Socket));
        assert_eq!(replicas.remove(2, 200), None);
        assert_eq!(replicas.none_for_s(207), Some(7));
    }

    #[test]
    fn pending_output_is_limited_at_once_or_after_a_while() {
        let mut replication = Replication::new(ID.into());
        replication.create_backlog(1 << 20, 0);
        let replicas = replication.replicas_mut();
        replicas.add_online(new(1, capable()), 1, 100);
        let limits = Limits {
            hard: 1000,
            soft: 100,
            soft_ms: 60,
        };
        assert_eq!(replication.over_limits(&limits, 0), []);
        replication.append(&[b'x'; 100]);
        assert_eq!(replication.over_limits(&limits, 5), []);
        assert_eq!(replication.over_limits(&limits, 65), []);
        assert_eq!(replication.over_limits(&limits, 66), [11]);
        replication.append(&[b'x'; 900]);
        assert_eq!(replication.over_limits(&limits, 0), [11]);
        let (bytes, _) = replication.pending(&replication.replicas().list[0]);
        assert_eq!(bytes, 1000);
    }
}
