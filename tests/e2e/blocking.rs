//! Blocking commands: the order of serving, and the other ways in which a client is unblocked.

use super::{
    bulk, bulks, field, id, info, is_closed, pass_ms, server_and_client, server_with_clock, text,
    wait_until,
};
use crate::support::client::{Client, Value};
use crate::support::server::Server;

/// Waits until so many clients are blocked.
fn await_blocked(client: &mut Client, clients: u64) {
    super::await_info(client, "blocked_clients", clients);
}

/// A client blocked in a command; `client` checks that it is.
fn waiting(server: &Server, client: &mut Client, line: &str) -> Client {
    let before = info(client, "blocked_clients");
    let mut waiter = server.client();
    waiter
        .send_raw(format!("{line}\r\n").as_bytes())
        .expect("the server reads");
    await_blocked(client, before + 1);
    waiter
}

#[test]
fn blpop_takes_from_the_first_key_that_has_something() {
    let (server, mut client) = server_and_client();
    let mut waiter = waiting(&server, &mut client, "BLPOP a b 0");
    assert_eq!(text(&mut client, "RPUSH b one two"), "2");
    assert_eq!(waiter.reply(), bulks(&["b", "one"]));
    assert_eq!(waiter.run("BRPOP a b 0"), bulks(&["b", "two"]));
    assert_eq!(text(&mut client, "EXISTS a b"), "0");
}

#[test]
fn blocked_clients_are_served_in_order() {
    let (server, mut client) = server_and_client();
    let mut waiters: Vec<Client> = (0..4)
        .map(|_| waiting(&server, &mut client, "BLPOP k 0"))
        .collect();
    assert_eq!(text(&mut client, "RPUSH k 0 1 2"), "3");
    for (n, waiter) in waiters[..3].iter_mut().enumerate() {
        assert_eq!(waiter.reply(), bulks(&["k", &n.to_string()]));
    }
    client.run("LPUSH k 3");
    assert_eq!(waiters[3].reply(), bulks(&["k", "3"]));
}

#[test]
fn a_chain_settles_at_once() {
    let (server, mut client) = server_and_client();
    let mut first = waiting(&server, &mut client, "BLMOVE a b LEFT RIGHT 0");
    let mut second = waiting(&server, &mut client, "BRPOPLPUSH b c 0");
    let mut last = waiting(&server, &mut client, "BLMPOP 0 2 x c LEFT COUNT 5");
    assert_eq!(text(&mut client, "RPUSH a e"), "1");
    assert_eq!(text(&mut client, "EXISTS a b c"), "0");
    assert_eq!((first.reply(), second.reply()), (bulk("e"), bulk("e")));
    assert_eq!(last.reply(), Value::Array(vec![bulk("c"), bulks(&["e"])]));
    // A ring turns once: a served client is no longer blocked.
    let mut there = waiting(&server, &mut client, "BLMOVE a b LEFT RIGHT 0");
    let mut back = waiting(&server, &mut client, "BLMOVE b a LEFT RIGHT 0");
    client.run("RPUSH a e");
    assert_eq!((there.reply(), back.reply()), (bulk("e"), bulk("e")));
    assert_eq!(client.run("LRANGE a 0 -1"), bulks(&["e"]));
}

#[test]
fn a_wait_has_an_end() {
    let (server, mut client) = server_with_clock();
    for (line, nothing) in [
        ("BLPOP k 0.05", Value::NilArray),
        ("BRPOP k l 0.001", Value::NilArray),
        ("BLMOVE k l LEFT LEFT 0.05", Value::NilArray),
        ("BRPOPLPUSH k l 0.05", Value::NilArray),
        ("BLMPOP 0.05 1 k LEFT", Value::NilArray),
    ] {
        assert_eq!(client.run(line), nothing, "{line}");
    }
    // The alarm of an earlier, longer wait neither ends a later one early nor holds it up.
    let mut waiter = waiting(&server, &mut client, "BLPOP k 400");
    client.run("RPUSH k e");
    assert_eq!(waiter.reply(), bulks(&["k", "e"]));
    for (seconds, ms) in [("800", 800_000), ("100", 100_000)] {
        waiter.send(&["BLPOP", "k", seconds]);
        await_blocked(&mut client, 1);
        pass_ms(&mut client, ms - 10_000);
        assert_eq!(info(&mut client, "blocked_clients"), 1, "{seconds}");
        pass_ms(&mut client, 10_001);
        assert_eq!(waiter.reply(), Value::NilArray);
    }
    client.run("HELLO 3");
    assert_eq!(client.run("BLPOP k 0.01"), Value::Null);
}

#[test]
fn commands_behind_a_blocked_command_wait() {
    let (server, mut client) = server_and_client();
    let mut waiter = waiting(
        &server,
        &mut client,
        "SET a 1\r\nBLPOP k 0\r\nSET a 2\r\nGET a",
    );
    assert_eq!(text(&mut client, "GET a"), "1");
    waiter
        .send_raw(b"SET a 3\r\n")
        .expect("the server reads on");
    client.run("RPUSH k e");
    let replies: Vec<String> = (0..5).map(|_| waiter.reply().text()).collect();
    assert_eq!([&replies[0], &replies[2], &replies[3]], ["OK", "OK", "2"]);
    assert_eq!(text(&mut client, "GET a"), "3");
}

#[test]
fn other_types_unblock_no_client() {
    let (server, mut client) = server_and_client();
    let mut waiter = waiting(&server, &mut client, "BLPOP k 0");
    client.run("SET k text");
    client.run("SADD k member");
    client.run("DEL k");
    assert_eq!(info(&mut client, "blocked_clients"), 1);
    client.run("RPUSH k e");
    assert_eq!(waiter.reply(), bulks(&["k", "e"]));
    // Served, but there is no place for the element: it stays where it is.
    let mut mover = waiting(&server, &mut client, "BLMOVE k text LEFT LEFT 0");
    client.run("SET text x");
    client.run("RPUSH k e");
    assert!(mover.reply().text().starts_with("WRONGTYPE"));
    assert_eq!(text(&mut client, "LLEN k"), "1");
}

#[test]
fn a_list_made_by_another_command_unblocks_too() {
    let (server, mut client) = server_and_client();
    client.run("RPUSH source 2 1");
    for way in ["COPY source k", "SORT source STORE k", "RENAME source k"] {
        let mut waiter = waiting(&server, &mut client, "BRPOP k 0");
        client.run(way);
        assert_eq!(waiter.reply().items()[0], bulk("k"), "{way}");
        client.run("DEL k");
    }
    client.run("SELECT 3");
    let mut waiter = waiting(&server, &mut client, "BLPOP k 0");
    client.run("RPUSH k e");
    client.run("MOVE k 0");
    assert_eq!(waiter.reply(), bulks(&["k", "e"]));
    let mut waiter = waiting(&server, &mut client, "BLPOP k 0");
    client.run("RPUSH k f");
    client.run("SWAPDB 0 3");
    assert_eq!(waiter.reply(), bulks(&["k", "f"]));
}

#[test]
fn client_unblock_ends_a_wait() {
    let (server, mut client) = server_and_client();
    let mut waiter = server.client();
    let number = id(&mut waiter);
    let unblock =
        |client: &mut Client, how: &str| text(client, &format!("CLIENT UNBLOCK {number} {how}"));
    assert_eq!(unblock(&mut client, ""), "0");
    for (how, said) in [("", Value::NilArray), ("TIMEOUT", Value::NilArray)] {
        waiter.send(&["BLPOP", "k", "0"]);
        await_blocked(&mut client, 1);
        assert_eq!(unblock(&mut client, how), "1");
        assert_eq!(waiter.reply(), said);
    }
    waiter.send(&["BLPOP", "k", "0"]);
    await_blocked(&mut client, 1);
    assert_eq!(unblock(&mut client, "ERROR"), "1");
    assert_eq!(
        waiter.reply().text(),
        "UNBLOCKED client unblocked via CLIENT UNBLOCK"
    );
    assert_eq!(text(&mut client, "RPUSH k e"), "1");
    assert_eq!(waiter.run("LPOP k"), bulk("e"));
}

#[test]
fn who_leaves_does_not_wait() {
    let (server, mut client) = server_and_client();
    let waiter = waiting(&server, &mut client, "BLPOP k l k 0");
    assert_eq!(info(&mut client, "total_blocking_keys"), 2);
    drop(waiter);
    await_blocked(&mut client, 0);
    // It says all it has to say at once, and hangs up.
    let mut hasty = server.client();
    hasty
        .send_raw(b"BLPOP k 0\r\nSET never 1\r\n")
        .expect("the server reads");
    hasty.finish();
    assert!(is_closed(&mut hasty));
    wait_until("it is gone", || info(&mut client, "connected_clients") == 1);
    assert_eq!(info(&mut client, "total_blocking_keys"), 0);
    let mut killed = waiting(&server, &mut client, "BLPOP k 0");
    let list = text(&mut client, "CLIENT LIST");
    let line = list
        .lines()
        .find(|line| field(line, "flags") == "b")
        .expect("it waits");
    assert_eq!(field(line, "cmd"), "blpop");
    client.run(&format!("CLIENT KILL ID {}", field(line, "id")));
    assert!(is_closed(&mut killed));
    assert_eq!(text(&mut client, "RPUSH k e"), "1");
    assert_eq!(text(&mut client, "LLEN k"), "1");
    assert_eq!(text(&mut client, "EXISTS never"), "0");
}

#[test]
fn waiting_and_pauses() {
    let (server, mut client) = server_with_clock();
    let mut waiter = waiting(&server, &mut client, "BLPOP k 30");
    client.run("CLIENT PAUSE 100000 WRITE");
    pass_ms(&mut client, 30_001);
    // The time runs on during a pause.
    assert_eq!(waiter.reply(), Value::NilArray);
    waiter.send(&["BLPOP", "k", "0"]);
    await_blocked(&mut client, 1);
    assert_eq!(info(&mut client, "total_blocking_keys"), 0);
    client.run("CLIENT UNPAUSE");
    wait_until("it waits for the key", || {
        info(&mut client, "total_blocking_keys") == 1
    });
    client.run("RPUSH k e");
    assert_eq!(waiter.reply(), bulks(&["k", "e"]));
}

#[test]
fn a_wait_without_a_reply() {
    let (server, mut client) = server_and_client();
    let mut waiter = waiting(
        &server,
        &mut client,
        "CLIENT REPLY SKIP\r\nBLPOP k 0\r\nPING",
    );
    client.run("RPUSH k a");
    assert_eq!(waiter.reply().text(), "PONG");
    assert_eq!(text(&mut client, "EXISTS k"), "0");
}

#[test]
fn a_command_counts_when_it_replies() {
    let (server, mut client) = server_and_client();
    let calls = |client: &mut Client| {
        let info = text(client, "INFO commandstats");
        let line = info.lines().find(|line| line.starts_with("cmdstat_blpop:"));
        line.map(|line| line.split(',').next().expect("a word").to_owned())
    };
    let mut waiter = waiting(&server, &mut client, "BLPOP k 0");
    assert_eq!(calls(&mut client), None);
    client.run("RPUSH k e");
    waiter.reply();
    assert_eq!(calls(&mut client).as_deref(), Some("cmdstat_blpop:calls=1"));
    waiter.run("BLPOP k 0.01");
    assert_eq!(calls(&mut client).as_deref(), Some("cmdstat_blpop:calls=2"));
}

#[test]
fn many_wait_for_the_same_key() {
    let (server, mut client) = server_and_client();
    let mut waiters: Vec<Client> = (0..50).map(|_| server.client()).collect();
    for (n, waiter) in (1..).zip(&mut waiters) {
        waiter.send(&["BLPOP", "k", "0"]);
        await_blocked(&mut client, n);
    }
    for n in 0..25 {
        client.run(&format!("RPUSH k {n}"));
    }
    for (n, waiter) in waiters.iter_mut().take(25).enumerate() {
        assert_eq!(waiter.reply(), bulks(&["k", &n.to_string()]));
    }
    drop(waiters);
    await_blocked(&mut client, 0);
    assert_eq!(info(&mut client, "clients_in_timeout_table"), 0);
}

#[test]
fn a_client_served_in_vain_stays_blocked() {
    let (server, mut client) = server_with_clock();
    let line = "XREAD BLOCK 0 STREAMS s 12-0";
    let mut waiters = [(); 2].map(|()| waiting(&server, &mut client, line));
    for early in ["1-1", "2-1", "12-0"] {
        client.run(&format!("XADD s {early} a b"));
    }
    assert_eq!(info(&mut client, "blocked_clients"), 2);
    client.run("XADD s 13-1 a b");
    for waiter in &mut waiters {
        assert_eq!(waiter.reply().items().len(), 1);
    }
    // The first timeout holds, however often the command ran meanwhile.
    let mut waiter = waiting(&server, &mut client, "XREAD BLOCK 300000 STREAMS s 99");
    for ms in 14..20 {
        client.run(&format!("XADD s {ms}-1 a b"));
        pass_ms(&mut client, 40_000);
    }
    assert_eq!(info(&mut client, "blocked_clients"), 1);
    pass_ms(&mut client, 60_001);
    assert_eq!(waiter.reply(), Value::NilArray);
}

#[test]
fn a_key_is_ready_whatever_was_there_before() {
    let (server, mut client) = server_and_client();
    for line in [
        "RPUSH f 1",
        "ZADD z 1 m",
        "XADD s 1-1 a b",
        "GEOADD g 1 1 m",
    ] {
        client.run(line);
    }
    for (wait, command) in [
        ("BLPOP k 0", "SORT f STORE k"),
        ("BLPOP k 0", "COPY f k REPLACE"),
        ("BLPOP k 0", "RENAME f k"),
        ("BZPOPMIN k 0", "ZUNIONSTORE k 1 z"),
        ("BZPOPMIN k 0", "ZRANGESTORE k z 0 -1"),
        (
            "BZPOPMIN k 0",
            "GEOSEARCHSTORE k g FROMMEMBER m BYRADIUS 1 m",
        ),
        ("XREAD BLOCK 0 STREAMS k 0", "COPY s k REPLACE"),
    ] {
        for (prepare, how) in [
            ("DEL k", "alone"),
            ("SET k foo", "alone"),
            ("HSET k a b", "in a transaction"),
            ("SADD k a", "in a script"),
        ] {
            client.run("DEL k");
            client.run("RPUSH f 1");
            let mut waiter = waiting(&server, &mut client, wait);
            client.run(prepare);
            match how {
                "in a transaction" => {
                    client.run("MULTI");
                    client.run(command);
                    client.run("EXEC");
                }
                "in a script" => {
                    let words: Vec<&str> = command.split(' ').collect();
                    let script = "return redis.call(unpack(ARGV))";
                    client.call(&[&["EVAL", script, "0"], &words[..]].concat());
                }
                _ => drop(client.run(command)),
            }
            let reply = waiter.reply();
            assert!(!reply.items().is_empty(), "{wait}, {prepare}, {command}");
        }
    }
}

#[test]
fn entries_to_claim_come_when_they_have_been_idle_for_long() {
    let (server, mut client) = server_with_clock();
    for line in [
        "XADD s 1-1 a 1",
        "XADD s 2-1 a 1",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
    ] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    let claim = |ms: &str| format!("XREADGROUP GROUP g d CLAIM {ms} BLOCK 0 STREAMS s >");
    // The id of the first entry of the first stream.
    let entry = |reply: Value| reply.items()[0].items()[1].items()[0].items()[0].text();
    let mut waiter = waiting(&server, &mut client, &claim("300000"));
    pass_ms(&mut client, 200_000);
    // One of them is delivered again meanwhile.
    assert!(!client.run("XCLAIM s g c 0 1-1 JUSTID").is_error());
    pass_ms(&mut client, 90_000);
    assert_eq!(info(&mut client, "blocked_clients"), 1);
    pass_ms(&mut client, 11_000);
    assert_eq!(entry(waiter.reply()), "2-1");
    // A released entry comes at once, to those alone that claim.
    let mut other = waiting(
        &server,
        &mut client,
        "XREADGROUP GROUP g e BLOCK 400000 STREAMS s >",
    );
    waiter.send(&claim("300000").split(' ').collect::<Vec<_>>());
    await_blocked(&mut client, 2);
    assert_eq!(text(&mut client, "XNACK s g FAIL IDS 1 2-1"), "1");
    assert_eq!(entry(waiter.reply()), "2-1");
    assert_eq!(info(&mut client, "blocked_clients"), 1);
    // The timeout of a wait holds, however often the command runs in between.
    waiter.send(
        &claim("1000000")
            .replace("BLOCK 0", "BLOCK 100000")
            .split(' ')
            .collect::<Vec<_>>(),
    );
    await_blocked(&mut client, 2);
    pass_ms(&mut client, 90_000);
    assert_eq!(info(&mut client, "blocked_clients"), 2);
    pass_ms(&mut client, 10_001);
    assert_eq!(waiter.reply(), Value::NilArray);
    // Entries of which none was pending when the wait began.
    assert_eq!(text(&mut client, "XACK s g 1-1 2-1"), "2");
    waiter.send(&claim("50000").split(' ').collect::<Vec<_>>());
    await_blocked(&mut client, 2);
    assert!(!client.run("XCLAIM s g c 0 1-1 FORCE JUSTID").is_error());
    pass_ms(&mut client, 50_001);
    pass_ms(&mut client, 50_001);
    assert_eq!(entry(waiter.reply()), "1-1");
    pass_ms(&mut client, 400_000);
    assert_eq!(other.reply(), Value::NilArray);
}
