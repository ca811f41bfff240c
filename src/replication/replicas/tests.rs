//! Acknowledgements, timeouts, limits, and the snapshots that replicas wait for.

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
