//! Deadlines and memory over time: keys that leave by themselves, and what they leave behind.

use super::support::client::encode;
use super::{Client, Server, info};
use std::time::{Duration, Instant};

/// Sends many commands, a thousand at a time, and drops the replies.
fn many(client: &mut Client, commands: impl Iterator<Item = Vec<u8>>) {
    let commands: Vec<Vec<u8>> = commands.collect();
    for chunk in commands.chunks(1000) {
        client.send_raw(&chunk.concat()).expect("sent");
        chunk.iter().for_each(|_| drop(client.reply()));
    }
}

/// Waits until something holds; a noisy machine gets ten seconds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within ten seconds");
        std::thread::sleep(Duration::from_millis(2));
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
    eventually("the key leaves", || {
        client.run("DBSIZE").as_int() == Some(0)
    });
    assert_eq!(info(&mut client, "expired_keys"), 1);
    eventually("its memory comes back", || {
        info(&mut client, "used_memory") < before + 100_000
    });
}

#[test]
fn keys_that_expire_together_hold_up_nobody_for_long() {
    const KEYS: usize = 200_000;
    let server = Server::start();
    let mut client = server.client();
    let key = |n: usize| encode(&["SET".to_owned(), format!("key:{n}"), "value".to_owned()]);
    many(&mut client, (0..KEYS).map(key));
    let expire = |n: usize| encode(&["PEXPIRE".to_owned(), format!("key:{n}"), "3000".to_owned()]);
    many(&mut client, (0..KEYS).map(expire));
    // All deadlines lie within the time the loop above took. While they pass, a second client
    // keeps asking: no answer may wait for all of them.
    let mut longest = Duration::ZERO;
    eventually("all leave", || {
        let start = Instant::now();
        let left = client.run("DBSIZE").as_int();
        longest = longest.max(start.elapsed());
        left == Some(0)
    });
    // Removing them all takes some 50 ms; a slice takes one. Noise gets the rest.
    assert!(
        longest < Duration::from_millis(30),
        "an answer took {longest:?}"
    );
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
