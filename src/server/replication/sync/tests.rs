//! Synchronization of replicas: what is sent to them, when a child starts, and which of them share it.

use crate::persist::child::Purpose;
use crate::reactor::testing::{Bench, Far};

/// A client that has announced what replicas of Redis 8 can do.
fn replica(bench: &mut Bench) -> Far {
    let far = bench.connect();
    let lines = "REPLCONF listening-port 7777\nREPLCONF capa eof capa psync2";
    assert_eq!(bench.ask(far, lines), "+OK +OK");
    far
}

/// The id of the history and its length in bytes.
fn position(bench: &mut Bench) -> (String, u64) {
    let offset = bench.info("master_repl_offset").parse().expect("a number");
    (bench.info("master_replid"), offset)
}

/// The snapshot that a replica receives, from `$` on, once the child has ended.
fn snapshot(bench: &mut Bench, far: Far) -> String {
    bench.await_child();
    bench.settle_all();
    let all = String::from_utf8_lossy(&bench.received_raw(far)).into_owned();
    // Line feeds keep the link of a waiting replica alive.
    all.trim_start_matches('\n').to_owned()
}

/// Reports what a replica has applied.
fn acknowledge(bench: &mut Bench, far: Far, offset: u64) {
    assert_eq!(bench.ask(far, &format!("REPLCONF ACK {offset}")), "");
}

#[test]
fn a_diskless_snapshot_waits_for_other_replicas_and_goes_to_all() {
    let mut bench = Bench::new();
    bench.run("SET before 1");
    let (one, two) = (replica(&mut bench), replica(&mut bench));
    assert_eq!(bench.ask(one, "PSYNC ? -1"), "");
    bench.advance_ms(4_000);
    assert_eq!(bench.ask(two, "PSYNC ? -1"), "");
    assert!(bench.persist.child.is_none(), "the delay is not over");
    bench.advance_ms(3_000);
    let job = bench.persist.child.as_ref().expect("the delay is over");
    assert_eq!(job.purpose, Purpose::Transfer);
    let (id, offset) = position(&mut bench);
    bench.run("SET after 1");
    for far in [one, two] {
        let all = snapshot(&mut bench, far);
        let head = format!("+FULLRESYNC {id} {offset}\r\n$EOF:");
        assert!(all.starts_with(&head), "{all}");
        assert!(all.contains("REDIS0010") && all.contains("before") && !all.contains("after"));
        // The stream since the fork comes after the first acknowledgement.
        bench.send(far, "REPLCONF ACK 0");
        bench.settle_all();
    }
    assert_eq!(bench.info("sync_full"), "2");
    assert_eq!(bench.info("total_forks"), "1");
    assert_eq!(bench.info("connected_slaves"), "2");
    bench.run("SET last 1");
    for far in [one, two] {
        let stream = bench.received(far);
        assert!(
            stream.contains("$5 after") && stream.contains("$4 last"),
            "{stream}"
        );
    }
}

#[test]
fn a_snapshot_on_disk_begins_at_once_and_can_be_joined() {
    let mut bench = Bench::in_folder(|config| config.repl_diskless_sync = false);
    bench.run("SET before 1\nCONFIG SET rdb-key-save-delay 300000");
    let (one, two) = (replica(&mut bench), replica(&mut bench));
    let (first, second) = (bench.ask(one, "PSYNC ? -1"), bench.ask(two, "PSYNC ? -1"));
    assert!(first.starts_with("+FULLRESYNC "), "{first}");
    assert_eq!(first, second, "it joins, at the same byte");
    assert_eq!(bench.info("total_forks"), "1");
    for far in [one, two] {
        let all = snapshot(&mut bench, far);
        assert!(all.starts_with('$') && all.contains("REDIS0010") && all.contains("before"));
    }
}

#[test]
fn the_rest_of_the_stream_comes_from_the_backlog() {
    let mut bench = Bench::new();
    bench.run("CONFIG SET repl-diskless-sync-delay 0");
    let first = replica(&mut bench);
    bench.ask(first, "PSYNC ? -1");
    snapshot(&mut bench, first);
    acknowledge(&mut bench, first, 0);
    let (id, _) = position(&mut bench);
    bench.run("SET a 1\nSET b 2");
    let mut stream = bench.received_raw(first);
    let (_, offset) = position(&mut bench);
    assert_eq!(stream.len() as u64, offset);
    for from in [1, 24, offset as usize + 1] {
        let late = replica(&mut bench);
        bench.send(late, &format!("PSYNC {id} {from}"));
        bench.settle_all();
        let reply = bench.received_raw(late);
        let head = format!("+CONTINUE {id}\r\n");
        let rest = reply.strip_prefix(head.as_bytes()).expect("it continues");
        assert_eq!(rest, &stream[from - 1..], "from byte {from}");
        bench.run("SET c 3");
        assert!(bench.received(late).ends_with("$1 c $1 3"));
        stream.extend(bench.received_raw(first));
        bench.hang_up(late);
    }
    assert_eq!(bench.info("sync_full"), "1");
}

#[test]
fn another_history_or_a_byte_that_is_gone_needs_a_snapshot() {
    let mut bench = Bench::new();
    bench.run("CONFIG SET repl-diskless-sync-delay 0\nCONFIG SET repl-backlog-size 16kb");
    let first = replica(&mut bench);
    bench.ask(first, "PSYNC ? -1");
    snapshot(&mut bench, first);
    acknowledge(&mut bench, first, 0);
    let (id, _) = position(&mut bench);
    let value = "x".repeat(10_000);
    for _ in 0..40 {
        bench.run(&format!("SET a {value}"));
        bench.received_raw(first);
    }
    let (_, offset) = position(&mut bench);
    let other = "0".repeat(40);
    for psync in [
        format!("PSYNC {other} {offset}"),
        format!("PSYNC {id} 1"),
        format!("PSYNC {id} {}", offset + 100_000),
    ] {
        let late = replica(&mut bench);
        bench.send(late, &psync);
        bench.settle_all();
        let all = snapshot(&mut bench, late);
        assert!(all.starts_with("+FULLRESYNC "), "{psync}: {all}");
        bench.hang_up(late);
    }
    assert_eq!(bench.info("sync_partial_err"), "3");
}

#[test]
fn a_child_is_killed_when_its_last_replica_leaves() {
    let mut bench = Bench::new();
    bench.run("CONFIG SET repl-diskless-sync-delay 0\nCONFIG SET rdb-key-save-delay 10000000");
    bench.run("SET a 1\nSET b 2");
    let (one, two) = (replica(&mut bench), replica(&mut bench));
    bench.send(one, "PSYNC ? -1");
    bench.send(two, "PSYNC ? -1");
    bench.settle_all();
    assert!(bench.persist.child.is_some());
    bench.hang_up(one);
    bench.advance_ms(200);
    assert!(bench.persist.child.is_some(), "the other still gets it");
    bench.hang_up(two);
    // It would take ten seconds for each key.
    bench.await_child();
    assert_eq!(bench.info("connected_slaves"), "0");
}

#[test]
fn silent_replicas_are_disconnected_and_waiting_clients_get_their_count() {
    let mut bench = Bench::new();
    bench.run("CONFIG SET repl-diskless-sync-delay 0");
    let far = replica(&mut bench);
    bench.ask(far, "PSYNC ? -1");
    snapshot(&mut bench, far);
    acknowledge(&mut bench, far, 0);
    let waiter = bench.connect();
    assert_eq!(bench.ask(waiter, "SET a 1\nWAIT 1 0"), "+OK");
    assert!(
        bench
            .received(far)
            .ends_with("*3 $8 REPLCONF $6 GETACK $1 *")
    );
    let (_, offset) = position(&mut bench);
    acknowledge(&mut bench, far, offset);
    assert_eq!(bench.received(waiter), ":1");
    for _ in 0..6 {
        bench.advance_ms(10_000);
        bench.received_raw(far);
    }
    bench.advance_ms(2_000);
    bench.received_raw(far);
    assert!(bench.is_closed(far));
    assert_eq!(bench.ask(waiter, "SET b 1\nWAIT 1 100"), "+OK");
    bench.advance_ms(101);
    assert_eq!(bench.received(waiter), ":0");
}
