//! Replicas that get their snapshot on a second connection, the *RDB channel*, while the stream
//! reaches them on the first, the *main channel*.
//!
//! ```text
//!   replica                                              primary
//!   main   PSYNC id next ----------------------------->  full synchronization is needed
//!   main   <------------------ +RDBCHANNELSYNC client    WaitChannel
//!   RDB    REPLCONF … rdb-channel 1 main-ch-client-id -> checked by `awaits_channel`
//!   RDB    PSYNC ? -1 -------------------------------->  WaitStart
//!   RDB    <------------------- +FULLRESYNC id offset    the child starts
//!   RDB    <---------------------------- the snapshot    WaitEnd(Socket)
//!   main   <---------------------- stream from offset    Beside
//!   main   <---------------------------------- stream    Online, when the child is done
//! ```
//!
//! The two are one replica: it is counted by its main channel. The end of the main channel ends the
//! RDB channel. The end of the RDB channel may mean that the replica has its snapshot, so the end of
//! the child decides: if it failed the main channel ends, too, and the replica asks again.

use super::replica::{Announced, Replica, Stage, Target};
use super::replicas::{ReplicaAction, Replicas, child_failed};

impl Replicas {
    /// The number of replicas; one that has two connections counts once.
    pub fn count(&self) -> usize {
        self.known().count()
    }

    /// All replicas, each by the connection it is known by.
    pub fn known(&self) -> impl Iterator<Item = &Replica> + Clone {
        self.list.iter().filter(|one| !one.is_second())
    }

    /// Whether a child sends a snapshot to RDB channels.
    pub fn sends_to_channels(&self) -> bool {
        let is_sent = |one: &Replica| one.is_rdb_channel() && one.waits_for_child(Target::Socket);
        let is_beside = |one: &Replica| matches!(one.stage, Stage::Beside);
        self.list.iter().any(|one| is_sent(one) || is_beside(one))
    }

    /// Whether a client is a main channel whose RDB channel has yet to come.
    pub fn awaits_channel(&self, client: u64) -> bool {
        let main = self.get(client);
        main.is_some_and(|main| matches!(main.stage, Stage::WaitChannel))
    }

    /// A replica will open an RDB channel.
    pub fn await_channel(&mut self, client: u64) {
        if let Some(main) = self.get_mut(client) {
            main.stage = Stage::WaitChannel;
        }
    }

    /// A connection that announced this asks for a snapshot: the main channel may be gone meanwhile.
    pub(super) fn connect_channels(&self, announced: &mut Announced) {
        let main = announced
            .main_channel
            .filter(|&main| self.awaits_channel(main));
        announced.main_channel = main.filter(|_| announced.is_rdb_channel);
        if let Some(main) = announced.main_channel.and_then(|main| self.get(main)) {
            announced.reads_as(&main.announced);
        }
    }

    /// A child sends a snapshot to the RDB channels among these clients: their main channels get the
    /// stream from byte `next` on.
    pub fn begin_streams(&mut self, clients: &[u64], next: u64) -> Vec<ReplicaAction> {
        let mut actions = Vec::new();
        for &client in clients {
            let Some(channel) = self.get(client).filter(|one| one.is_rdb_channel()) else {
                continue;
            };
            let (name, main) = (channel.name.clone(), channel.announced.main_channel);
            let main = main.filter(|&main| self.awaits_channel(main));
            actions.push(match main.and_then(|main| self.get_mut(main)) {
                Some(main) => {
                    main.stage = Stage::Beside;
                    main.next = next;
                    ReplicaAction::info(format!(
                        "Starting to deliver RDB and replication stream to replica: {}",
                        main.name
                    ))
                }
                None => ReplicaAction::warn(format!(
                    "Starting to deliver RDB to replica {name} but it has no associated main channel"
                )),
            });
        }
        actions
    }

    /// The child that wrote to RDB channels is done: the main channels are online, or closed.
    pub(super) fn channels_done(&mut self, succeeded: bool, now_s: i64) -> Vec<ReplicaAction> {
        // There is one child: all of them wait for this one. An RDB channel may be closed by now.
        let beside = |one: &&Replica| matches!(one.stage, Stage::Beside);
        let mains = self.list.iter().filter(beside);
        let mains: Vec<u64> = mains.map(|one| one.client).collect();
        let mut actions = Vec::new();
        for main in mains {
            match succeeded {
                true => actions.extend(self.put_main_online(main, now_s)),
                false => actions.extend(self.beside(main).into_iter().flat_map(child_failed)),
            }
        }
        actions
    }

    /// The RDB channel of a main channel has the whole snapshot.
    pub(super) fn put_main_online(&mut self, main: u64, now_s: i64) -> Vec<ReplicaAction> {
        if self.beside(main).is_none() {
            return Vec::new();
        }
        let main = self.get_mut(main);
        main.map_or(Vec::new(), |main| main.put_online(now_s))
    }

    /// The slot of a main channel that gets the stream beside a snapshot.
    fn beside(&self, main: u64) -> Option<usize> {
        let main = self.get(main)?;
        matches!(main.stage, Stage::Beside).then_some(main.slot)
    }

    /// A connection is gone. Without the main channel the RDB channel is of no use; the converse is
    /// decided by the child that writes to it, if one does.
    pub(super) fn channel_gone(&self, gone: &Replica) -> Vec<ReplicaAction> {
        if let Some(main) = gone.announced.main_channel {
            let needs_file = matches!(
                gone.stage,
                Stage::WaitEnd(Target::File) | Stage::SendFile { .. }
            );
            let slot = self.beside(main).filter(|_| needs_file);
            return slot.map_or(Vec::new(), |slot| vec![ReplicaAction::Close { slot }]);
        }
        let is_its = |one: &&Replica| one.announced.main_channel == Some(gone.client);
        // The child writes to the socket, too.
        let shut_down = |one: &Replica| ReplicaAction::ShutDown { slot: one.slot };
        let list = self.list.iter();
        list.filter(is_its).map(shut_down).collect()
    }

    /// Main channels whose RDB channel has not come for `repl-timeout`: the replica does not wait
    /// longer, either.
    pub(super) fn check_channels(&self, now_s: i64, timeout_s: i64) -> Vec<ReplicaAction> {
        let mut actions = Vec::new();
        for main in &self.list {
            let is_late = now_s - main.asked_s > timeout_s;
            if !matches!(main.stage, Stage::WaitChannel) || !is_late {
                continue;
            }
            let id = Some(main.client);
            if self.list.iter().all(|one| one.announced.main_channel != id) {
                let name = &main.name;
                let text = format!("Disconnecting timedout replica (full sync): {name}");
                actions.push(ReplicaAction::warn(text));
                actions.push(ReplicaAction::Close { slot: main.slot });
            }
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::super::Replication;
    use super::super::replica::NewReplica;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";
    const MAIN: u64 = 1;
    const CHANNEL: u64 = 2;

    fn new(client: u64, announced: Announced) -> NewReplica {
        NewReplica {
            client,
            slot: client as usize + 10,
            announced,
            peer_ip: "127.0.0.1".into(),
            is_plain: false,
        }
    }

    fn main_channel() -> NewReplica {
        let announced = Announced {
            port: 7777,
            reads_marked: true,
            takes_id: true,
            takes_rdb_channel: true,
            reads_rdb: Some(15),
            ..Announced::default()
        };
        new(MAIN, announced)
    }

    fn rdb_channel() -> NewReplica {
        let announced = Announced {
            port: 7777,
            reads_marked: true,
            only_snapshot: true,
            is_rdb_channel: true,
            main_channel: Some(MAIN),
            ..Announced::default()
        };
        new(CHANNEL, announced)
    }

    /// A replica with both channels, whose snapshot is on its way.
    fn sending() -> Replication {
        let mut replication = Replication::new(ID.into());
        replication.create_backlog(1 << 20, 0);
        replication.append(&[b'x'; 100]);
        let replicas = replication.replicas_mut();
        replicas.add_waiting(main_channel(), 100);
        replicas.await_channel(MAIN);
        assert!(replicas.awaits_channel(MAIN) && !replicas.awaits_channel(CHANNEL));
        replicas.add_waiting(rdb_channel(), 100);
        let form = replicas.get(CHANNEL).expect("it is there").announced.form();
        assert_eq!((form.on_rdb_channel, form.versions.most), (true, 15));
        let plan = replicas.plan(form, false);
        assert_eq!(
            (plan.clients.clone(), plan.target),
            (vec![CHANNEL], Target::Socket)
        );
        replication.begin_full(CHANNEL, 101, Target::Socket);
        let lines = replication.replicas_mut().begin_streams(&plan.clients, 101);
        let text = "Starting to deliver RDB and replication stream to replica: 127.0.0.1:7777";
        assert_eq!(lines, [ReplicaAction::info(text)]);
        replication
    }

    fn closed(actions: &[ReplicaAction]) -> Vec<usize> {
        let slots = actions.iter().filter_map(|action| match action {
            ReplicaAction::Close { slot } | ReplicaAction::ShutDown { slot } => Some(*slot),
            _ => None,
        });
        slots.collect()
    }

    #[test]
    fn the_stream_reaches_the_main_channel_while_the_snapshot_is_on_its_way() {
        let mut replication = sending();
        assert_eq!(replication.owed(0), None);
        replication.append(b"stream");
        assert_eq!((replication.owed(0), replication.owed(1)), (Some(11), None));
        let mut got = Vec::new();
        let mut send = |pieces: &[std::io::IoSlice]| {
            got.extend_from_slice(&pieces[0]);
            Ok(pieces[0].len())
        };
        assert!(replication.write(0, &mut send, 101).1.is_ok());
        assert_eq!(got, b"stream");
        let replicas = replication.replicas_mut();
        let known: Vec<&str> = replicas.known().map(Replica::state_word).collect();
        assert_eq!((known, replicas.count()), (vec!["send_bulk_and_stream"], 1));
        assert_eq!(
            (replicas.count_acked(0), replicas.refresh_good(101, Some(9))),
            (0, 0)
        );
        // Nothing of the stream is held for the RDB channel.
        assert_eq!(replicas.needed(), Some(107));
        let actions = replicas.transfer_done(true, 102);
        assert_eq!(closed(&actions), [12]);
        assert_eq!(
            (replicas.count_acked(0), replicas.refresh_good(102, Some(9))),
            (1, 1)
        );
        // The RDB channel goes, the main channel stays.
        let gone = replicas.remove(CHANNEL, 103).expect("it is known");
        assert!(gone.is_rdb_channel && gone.then.is_empty());
        assert_eq!(replicas.count_acked(0), 1);
    }

    #[test]
    fn an_acknowledgement_puts_a_main_channel_online() {
        let mut replication = sending();
        let replicas = replication.replicas_mut();
        let actions = replicas.acknowledge(MAIN, 100, None, 102);
        assert_eq!(actions[1..], [ReplicaAction::RefreshGood]);
        assert_eq!(replicas.count_acked(100), 1);
        // The end of the RDB channel is no failure any more.
        let gone = replicas.remove(CHANNEL, 103).expect("it is known");
        assert!(gone.then.is_empty());
        assert_eq!(replicas.acknowledge(MAIN, 101, None, 104), []);
    }

    #[test]
    fn the_channels_of_a_replica_end_together() {
        let mut replication = sending();
        let gone = replication
            .replicas_mut()
            .remove(MAIN, 103)
            .expect("it is known");
        assert_eq!(gone.then, [ReplicaAction::ShutDown { slot: 12 }]);
        assert_eq!(gone.abandons, None);
        let mut replication = sending();
        let gone = replication
            .replicas_mut()
            .remove(CHANNEL, 103)
            .expect("it is known");
        assert_eq!((gone.then, gone.abandons), (vec![], Some(Target::Socket)));
        let actions = replication.replicas_mut().transfer_done(false, 103);
        assert_eq!(closed(&actions), [11]);
        let mut replication = sending();
        let actions = replication.replicas_mut().transfer_done(false, 103);
        assert_eq!(closed(&actions), [11, 12]);
    }

    #[test]
    fn a_replica_may_have_its_snapshot_before_the_end_of_the_child_is_noticed() {
        let mut replication = sending();
        let replicas = replication.replicas_mut();
        let gone = replicas.remove(CHANNEL, 103).expect("it is known");
        assert_eq!(gone.then, []);
        let actions = replicas.transfer_done(true, 103);
        assert_eq!(actions[1..], [ReplicaAction::RefreshGood]);
        assert_eq!(replicas.count_acked(0), 1);
    }

    #[test]
    fn a_main_channel_waits_for_its_rdb_channel_for_a_time() {
        let mut replicas = Replicas::default();
        let mut no_socket = |_: usize| None;
        replicas.add_waiting(main_channel(), 100);
        replicas.await_channel(MAIN);
        assert_eq!(replicas.needed(), None);
        assert_eq!(replicas.tick(160, 60, &mut no_socket), []);
        let late = replicas.tick(161, 60, &mut no_socket);
        assert_eq!(closed(&late), [11]);
        // One whose RDB channel waits for a child is not late.
        replicas.add_waiting(rdb_channel(), 161);
        assert_eq!(closed(&replicas.tick(300, 60, &mut no_socket)), []);
    }

    #[test]
    fn an_rdb_channel_without_a_main_channel_gets_a_snapshot() {
        let mut replicas = Replicas::default();
        replicas.add_waiting(rdb_channel(), 100);
        assert_eq!(replicas.count(), 1);
        replicas.begin_full(CHANNEL, (ID, 1), Target::Socket);
        let lines = replicas.begin_streams(&[CHANNEL], 1);
        assert!(matches!(
            &lines[..],
            [ReplicaAction::Log(log::Level::Warn, _)]
        ));
        assert_eq!(closed(&replicas.transfer_done(true, 101)), [12]);
    }

    #[test]
    fn a_child_that_cannot_start_leaves_both_channels_waiting() {
        let mut replication = sending();
        let replicas = replication.replicas_mut();
        replicas.transfer_not_started();
        assert!(replicas.awaits_channel(MAIN));
        let form = replicas.get(CHANNEL).expect("it is there").announced.form();
        assert_eq!(replicas.plan(form, true).clients, [CHANNEL]);
        replicas.request_start();
        assert!(replicas.take_start().is_some());
    }
}
