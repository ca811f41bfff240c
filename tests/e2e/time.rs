//! Deadlines and memory over time: keys that leave by themselves, and what they leave behind.

use super::support::client::encode;
use super::{Client, Server, info, wait_until};
use std::time::{Duration, Instant};

/// Sends many commands, a thousand at a time, and drops the replies.
fn many(client: &mut Client, commands: impl Iterator<Item = Vec<u8>>) {
    let commands: Vec<Vec<u8>> = commands.collect();
    for chunk in commands.chunks(1000) {
        client.send_raw(&chunk.concat()).expect("sent");
        chunk.iter().for_each(|_| drop(client.reply()));
    }
}

#[test]
fn an_untouched_key_leaves_at_its_deadline_with_its_memory() {
    let server = Server::start();
    let mut client = server.client();
    let before = info(&mut client, "used_memory");
    let value = "v".repeat(200_000);
    client.call(&["SET", "key", &value, "PX", "100"]);
    assert!(info(&mut client, "used_memory") > before + 190_000);
    assert_eq!(client.run("DBSIZE").as_int(), Some(1));
    wait_until("the key leaves", || {
        client.run("DBSIZE").as_int() == Some(0)
    });
    assert_eq!(info(&mut client, "expired_keys"), 1);
    wait_until("its memory comes back", || {
        info(&mut client, "used_memory") < before + 100_000
    });
}

#[test]
fn keys_that_expire_together_delay_no_client_for_long() {
    const KEYS: usize = 200_000;
    let server = Server::start();
    let mut client = server.client();
    let key = |n: usize| encode(&["SET".to_owned(), format!("key:{n}"), "value".to_owned()]);
    many(&mut client, (0..KEYS).map(key));
    let expire = |n: usize| encode(&["PEXPIRE".to_owned(), format!("key:{n}"), "3000".to_owned()]);
    many(&mut client, (0..KEYS).map(expire));
    // All deadlines lie within the time the loop above took. While they pass, a second client
    // keeps sending commands: no reply may wait for all of them.
    let mut longest = Duration::ZERO;
    wait_until("all leave", || {
        let start = Instant::now();
        let left = client.run("DBSIZE").as_int();
        longest = longest.max(start.elapsed());
        left == Some(0)
    });
    // They were removed in many slices, with replies in between.
    assert!(info(&mut client, "expired_time_cap_reached_count") > 0);
    assert!(longest < Duration::from_secs(1), "a reply took {longest:?}");
    assert_eq!(info(&mut client, "expired_keys"), KEYS as u64);
}

#[test]
fn refreshing_a_deadline_leaves_no_garbage() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET key value");
    let refresh = |n: usize| {
        encode(&[
            "PEXPIRE".to_owned(),
            "key".to_owned(),
            (60_000 + n * 7919 % 10_000).to_string(),
        ])
    };
    many(&mut client, (0..2_000).map(refresh));
    let before = info(&mut client, "used_memory");
    many(&mut client, (0..100_000).map(refresh));
    let after = info(&mut client, "used_memory");
    assert!(
        after < before + 100_000,
        "{before} bytes before, {after} after"
    );
}

#[test]
fn an_idle_server_sleeps() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET key value EX 100");
    let turns = info(&mut client, "eventloop_cycles");
    std::thread::sleep(Duration::from_millis(1000));
    let turns = info(&mut client, "eventloop_cycles") - turns;
    // Ten times cron, and the asking; busy polling would make thousands.
    assert!(turns < 100, "{turns} turns in an idle second");
}

/// The number of tries: a wait used to end early in one of ten.
const TRIES: usize = 12;

#[test]
fn a_wait_never_ends_early() {
    const WAITED: Duration = Duration::from_millis(20);
    let server = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    let mut client = server.client();
    for command in [
        "BLPOP nothing 0.02",
        "BLMOVE nothing other LEFT LEFT 0.02",
        "BZPOPMIN nothing 0.02",
        "XREAD BLOCK 20 STREAMS nothing $",
        "WAIT 1 20",
        "WAITAOF 0 1 20",
        "DEBUG SLEEP 0.02",
    ] {
        for _ in 0..TRIES {
            let start = Instant::now();
            let reply = client.run(command);
            assert!(!reply.is_error(), "{command}: {reply:?}");
            let took = start.elapsed();
            assert!(took >= WAITED, "{command} took {took:?}");
        }
    }
    for _ in 0..TRIES {
        let start = Instant::now();
        client.run("CLIENT PAUSE 20 WRITE");
        client.run("SET key value");
        let took = start.elapsed();
        assert!(took >= WAITED, "the pause took {took:?}");
    }
}

#[test]
fn a_key_or_field_never_leaves_early() {
    const LIFE: Duration = Duration::from_millis(20);
    let server = Server::start();
    let mut client = server.client();
    for (set, get) in [
        ("SET key value PX 20", "GET key"),
        ("HSETEX hash PX 20 FIELDS 1 field value", "HGET hash field"),
    ] {
        for _ in 0..TRIES {
            let start = Instant::now();
            client.run(set);
            while client.run(get) != super::Value::NilBulk {}
            let lived = start.elapsed();
            assert!(lived >= LIFE, "{set}: gone after {lived:?}");
        }
    }
}

#[test]
fn a_deadline_is_not_counted_from_before_a_slow_command() {
    let server = Server::start();
    let mut client = server.client();
    let commands = [
        encode(&["EVAL", "for i = 1, 3000000 do end", "0"]),
        encode(&["SET", "key", "value", "PX", "20"]),
        encode(&["PEXPIRETIME", "key"]),
        encode(&["TIME"]),
    ];
    // The machine may be busy elsewhere between two of these commands; not each time.
    let counted_late = (0..TRIES).any(|_| {
        client.send_raw(&commands.concat()).expect("sent");
        client.reply();
        client.reply();
        let deadline_ms = client.reply().as_int().expect("a moment");
        let now = client.reply().items();
        let part = |at: usize| now[at].text().parse::<i64>().expect("a number");
        let now_ms = part(0) * 1000 + part(1) / 1000;
        deadline_ms + 1 >= now_ms + 20
    });
    assert!(counted_late);
}

#[test]
fn time_has_microseconds_and_stands_still_in_a_script() {
    let server = Server::start();
    let mut client = server.client();
    let us = |reply: super::Value| {
        let parts = reply.items();
        let part = |at: usize| parts[at].text().parse::<u64>().expect("a number");
        part(0) * 1_000_000 + part(1)
    };
    let library = "#!lua name=clock\nredis.register_function{function_name='now', \
        callback=function() return redis.call('TIME') end, flags={'no-writes'}}";
    client.call(&["FUNCTION", "LOAD", library]);
    let script = "return redis.call('TIME')";
    let ways: [&[&str]; 3] = [
        &["EVAL", script, "0"],
        &["EVAL_RO", script, "0"],
        &["FCALL", "now", "0"],
    ];
    for way in ways {
        let mut fine = false;
        for _ in 0..20 {
            let before = us(client.run("TIME"));
            let within = us(client.call(way));
            let after = us(client.run("TIME"));
            // A counter's rate is known to a thousandth.
            assert!((before - 50..=after + 50).contains(&within), "{way:?}");
            fine |= within % 1000 != 0;
        }
        assert!(fine, "{way:?} tells milliseconds");
    }
    let twice = "local function us() local t = redis.call('TIME') return t[1] .. ' ' .. t[2] end \
        local before = us() for i = 1, 1000000 do end redis.call('DBSIZE') return {before, us()}";
    let same = client.call(&["EVAL", twice, "0"]).items();
    assert_eq!(same[0], same[1]);
    client.run("MULTI");
    client.run("TIME");
    client.call(&[
        "EVAL",
        "for i = 1, 1000000 do end return redis.call('TIME')",
        "0",
    ]);
    client.run("TIME");
    let told: Vec<u64> = client.run("EXEC").items().into_iter().map(us).collect();
    assert!(told[0] == told[1] && told[1] == told[2], "{told:?}");
}

#[test]
fn time_goes_on_in_a_script_that_lets_others_be_served() {
    let server = Server::ours()
        .with(&["--busy-reply-threshold", "20"])
        .start();
    let mut client = server.client();
    let script = "local function us() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end \
        local start = us() while us() - start < 100000 do end return 1";
    let start = Instant::now();
    assert_eq!(client.call(&["EVAL", script, "0"]).as_int(), Some(1));
    assert!(start.elapsed() >= Duration::from_millis(99));
}
