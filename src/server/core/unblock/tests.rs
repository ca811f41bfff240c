//! Blocked clients: the order in which they are served, what is propagated, and how a wait ends.

use crate::reactor::testing::{Bench, Far};

/// Connects a client that blocks in a command.
fn waiting(bench: &mut Bench, line: &str) -> Far {
    let far = bench.connect();
    assert_eq!(bench.ask(far, line), "", "{line} blocks");
    far
}

/// Returns a number of INFO clients.
fn count(bench: &mut Bench, name: &str) -> usize {
    let info = bench.run("INFO clients");
    let value = info.split(' ').find_map(|word| word.strip_prefix(name));
    let value = value.and_then(|value| value.strip_prefix(':'));
    value.expect("INFO has it").parse().expect("a number")
}

#[test]
fn clients_are_served_in_the_order_in_which_they_blocked() {
    let mut bench = Bench::new();
    let waiters: Vec<Far> = (0..3).map(|_| waiting(&mut bench, "BLPOP k 0")).collect();
    bench.told();
    assert_eq!(bench.run("RPUSH k a b"), ":2");
    let replies: Vec<String> = waiters.iter().map(|&far| bench.received(far)).collect();
    assert_eq!(replies, ["*2 $1 k $1 a", "*2 $1 k $1 b", ""]);
    assert_eq!(
        bench.told(),
        ["0: RPUSH k a b", "0: LPOP k", "0: LPOP k"],
        "each in a unit of its own, after the write"
    );
    assert_eq!(count(&mut bench, "blocked_clients"), 1);
}

#[test]
fn a_transaction_serves_after_its_end() {
    let mut bench = Bench::new();
    let waiter = waiting(&mut bench, "BLPOP k 0");
    bench.told();
    bench.run("MULTI\nRPUSH k a\nSET k2 b\nEXEC");
    assert_eq!(bench.received(waiter), "*2 $1 k $1 a");
    assert_eq!(
        bench.told(),
        ["MULTI; 0: RPUSH k a; 0: SET k2 b; EXEC", "0: LPOP k"]
    );
    // What is gone at the end of the transaction serves no client.
    let waiter = waiting(&mut bench, "BLPOP k 0");
    bench.run("MULTI\nRPUSH k a\nDEL k\nEXEC");
    assert_eq!(bench.received(waiter), "");
}

#[test]
fn a_chain_is_served_in_one_go() {
    let mut bench = Bench::new();
    let last = waiting(&mut bench, "BLPOP c 0");
    let second = waiting(&mut bench, "BLMOVE b c LEFT RIGHT 0");
    let first = waiting(&mut bench, "BLMOVE a b LEFT RIGHT 0");
    bench.told();
    assert_eq!(bench.run("RPUSH a e"), ":1");
    assert_eq!(bench.received(first), "$1 e");
    assert_eq!(bench.received(second), "$1 e");
    assert_eq!(bench.received(last), "*2 $1 c $1 e");
    assert_eq!(
        bench.told(),
        [
            "0: RPUSH a e",
            "0: LMOVE a b LEFT RIGHT",
            "0: LMOVE b c LEFT RIGHT",
            "0: LPOP c"
        ]
    );
    assert_eq!(bench.run("DBSIZE"), ":0");
}

#[test]
fn a_wait_ends_at_its_deadline_and_not_before() {
    let mut bench = Bench::new();
    let waiter = waiting(&mut bench, "BLPOP k 0.5");
    bench.advance_ms(499);
    assert_eq!(bench.received(waiter), "");
    bench.advance_ms(2);
    assert_eq!(bench.received(waiter), "*-1");
    assert_eq!(count(&mut bench, "blocked_clients"), 0);
    // The alarm of a long wait does not end a short one late, nor that of a short one a long one
    // early.
    assert_eq!(bench.ask(waiter, "BLPOP k 10"), "");
    bench.run("RPUSH k e");
    assert_eq!(bench.received(waiter), "*2 $1 k $1 e");
    for (seconds, ms) in [("1", 1000), ("20", 20_000)] {
        assert_eq!(bench.ask(waiter, &format!("BLPOP k {seconds}")), "");
        bench.advance_ms(ms - 1);
        assert_eq!(bench.received(waiter), "", "{seconds} s");
        bench.advance_ms(2);
        assert_eq!(bench.received(waiter), "*-1", "{seconds} s");
    }
}

#[test]
fn a_client_served_in_vain_keeps_its_deadline() {
    let mut bench = Bench::new();
    let waiter = waiting(&mut bench, "XREAD BLOCK 300 STREAMS s 99");
    for ms in 1..=5 {
        bench.advance_ms(50);
        bench.run(&format!("XADD s {ms}-1 a b"));
        assert_eq!(bench.received(waiter), "");
    }
    bench.advance_ms(51);
    assert_eq!(bench.received(waiter), "*-1");
}

#[test]
fn later_commands_of_a_client_wait_too() {
    let mut bench = Bench::new();
    let waiter = waiting(&mut bench, "BLPOP k 0\nSET a 1\nGET a");
    assert_eq!(bench.run("EXISTS a"), ":0");
    bench.run("RPUSH k e");
    assert_eq!(bench.received(waiter), "*2 $1 k $1 e +OK $1 1");
}

#[test]
fn a_wait_is_ended_by_command_by_role_and_by_hanging_up() {
    let mut bench = Bench::new();
    let waiter = waiting(&mut bench, "BLPOP k 0");
    let id = bench.id(waiter).0;
    assert_eq!(bench.run(&format!("CLIENT UNBLOCK {id}")), ":1");
    assert_eq!(bench.received(waiter), "*-1");
    assert_eq!(bench.run(&format!("CLIENT UNBLOCK {id}")), ":0");
    assert_eq!(bench.ask(waiter, "BLPOP k 0"), "");
    assert_eq!(bench.run(&format!("CLIENT UNBLOCK {id} ERROR")), ":1");
    assert_eq!(
        bench.received(waiter),
        "-UNBLOCKED client unblocked via CLIENT UNBLOCK"
    );
    assert_eq!(bench.ask(waiter, "BLPOP k 0"), "");
    bench.run("REPLICAOF 127.0.0.1 1");
    assert_eq!(
        bench.received(waiter),
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> \
         replica?)"
    );
    assert!(bench.is_closed(waiter));
    bench.run("REPLICAOF NO ONE");
    let waiter = waiting(&mut bench, "BLPOP k 0");
    bench.hang_up(waiter);
    assert_eq!(count(&mut bench, "blocked_clients"), 0);
    assert_eq!(count(&mut bench, "total_blocking_keys"), 0);
    assert_eq!(bench.run("RPUSH k e\nLLEN k"), ":1 :1");
}

#[test]
fn a_served_client_passes_the_gates_again() {
    let mut bench = Bench::new();
    bench.run("ACL SETUSER ada on >secret +@all ~*");
    let waiter = bench.connect();
    bench.ask(waiter, "AUTH ada secret\nBLPOP k 0");
    bench.run("ACL SETUSER ada -blpop");
    bench.run("RPUSH k e");
    assert_eq!(
        bench.received(waiter),
        "-NOPERM User ada has no permissions to run the 'blpop' command"
    );
    assert_eq!(bench.run("LLEN k"), ":1");
    // A pause holds the served command back, as any other.
    bench.run("DEL k");
    let waiter = waiting(&mut bench, "BLPOP k 0");
    let pusher = bench.connect();
    bench.run("CLIENT PAUSE 500 WRITE");
    assert_eq!(bench.ask(pusher, "RPUSH k e"), "");
    bench.advance_ms(501);
    assert_eq!(bench.received(pusher), ":1");
    assert_eq!(bench.received(waiter), "*2 $1 k $1 e");
}

#[test]
fn wait_replies_with_the_count_at_its_deadline() {
    let mut bench = Bench::new();
    let waiter = bench.connect();
    assert_eq!(bench.ask(waiter, "SET a 1\nWAIT 1 500"), "+OK");
    bench.advance_ms(501);
    assert_eq!(bench.received(waiter), ":0");
}

#[test]
fn a_move_of_exactly_so_many_waits_until_the_list_has_grown() {
    let mut bench = Bench::new();
    bench.run("RPUSH s 1");
    let waiter = waiting(&mut bench, "BLMOVEM s d LEFT RIGHT 0 EXACTLY 3 BULK");
    bench.told();
    bench.run("RPUSH s 2\nLINSERT other BEFORE 1 0");
    assert_eq!(bench.received(waiter), "", "two are not enough");
    bench.told();
    assert_eq!(bench.run("LINSERT s BEFORE 2 0"), ":3");
    assert_eq!(bench.received(waiter), "*3 $1 1 $1 0 $1 2");
    assert_eq!(
        bench.told(),
        [
            "0: LINSERT s BEFORE 2 0",
            "0: LMOVEM s d LEFT RIGHT EXACTLY 3 BULK"
        ]
    );
    assert_eq!(count(&mut bench, "blocked_clients"), 0);
    // A move of as many as there are needs only one.
    let waiter = waiting(&mut bench, "BLMOVEM s d RIGHT LEFT 0 COUNT 5 OBO");
    bench.run("RPUSH s 7 8");
    assert_eq!(bench.received(waiter), "*2 $1 7 $1 8");
}
