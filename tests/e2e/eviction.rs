//! A limit of memory, and what leaves when it is reached.

use super::{info, text};
use crate::support::client::{Client, Value};
use crate::support::server::Server;

/// Fills a server with keys of a kilobyte, every other one with a deadline, and sets the limit to
/// what is in use.
fn filled(policy: &str) -> (Server, Client) {
    let server = Server::ours().with(&["--maxmemory-policy", policy]).start();
    let mut client = server.client();
    let value = "x".repeat(1000);
    for n in 0..400 {
        client.run(&format!("SET key:{n} {value}"));
        if n % 2 == 1 {
            client.run(&format!("EXPIRE key:{n} {}", 1000 + n));
        }
    }
    let used = info(&mut client, "used_memory");
    client.run(&format!("CONFIG SET maxmemory {used}"));
    (server, client)
}

fn kept(client: &mut Client, keys: impl Iterator<Item = u32>) -> usize {
    keys.filter(|n| client.run(&format!("EXISTS key:{n}")) == Value::Int(1))
        .count()
}

#[test]
fn keys_make_room_for_others_as_the_policy_says() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let (_server, mut client) = filled(policy);
        let limit = info(&mut client, "maxmemory");
        let value = "y".repeat(1000);
        for n in 0..100 {
            assert_eq!(
                text(&mut client, &format!("SET new:{n} {value} EX 100000")),
                "OK",
                "{policy}"
            );
        }
        let evicted = info(&mut client, "evicted_keys");
        assert!((60..200).contains(&evicted), "{policy}: {evicted} left");
        let over = info(&mut client, "used_memory").saturating_sub(limit);
        assert!(over < 20_000, "{policy}: {over} bytes too many");
        if policy.starts_with("volatile") {
            assert_eq!(kept(&mut client, (0..400).step_by(2)), 200, "{policy}");
        }
        if policy == "volatile-ttl" {
            assert!(
                kept(&mut client, (301..400).step_by(2)) > 45,
                "the latest stay"
            );
        }
    }
}

#[test]
fn without_keys_that_may_leave_nothing_is_taken_in() {
    for policy in ["noeviction", "volatile-lru"] {
        let server = Server::ours().with(&["--maxmemory-policy", policy]).start();
        let mut client = server.client();
        client.run("SET key value");
        client.run("CONFIG SET maxmemory 1");
        let refused = "OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(text(&mut client, "SET other value"), refused, "{policy}");
        assert_eq!(text(&mut client, "GET key"), "value");
        let script = "return(redis.call('set','k','v'))";
        let sha = text(&mut client, &format!("SCRIPT LOAD {script}"));
        let from_script = format!("{refused} script: {sha}, on @user_script:1.");
        assert_eq!(text(&mut client, &format!("EVAL {script} 0")), from_script);
        assert!(info(&mut client, "current_eviction_exceeded_time") < 60_000);
        client.run("CONFIG SET maxmemory 0");
        assert_eq!(text(&mut client, "SET other value"), "OK");
        assert_eq!(info(&mut client, "current_eviction_exceeded_time"), 0);
    }
}

#[test]
fn listeners_and_caches_hear_of_what_left() {
    let server = Server::ours()
        .with(&[
            "--maxmemory-policy",
            "allkeys-random",
            "--notify-keyspace-events",
            "Ee",
        ])
        .start();
    let mut client = server.client();
    client.run("HELLO 3");
    client.run("SET key value");
    client.run("CLIENT TRACKING ON");
    client.run("GET key");
    let mut listener = server.client();
    listener.run("SUBSCRIBE __keyevent@0__:evicted");
    client
        .send_raw(b"CONFIG SET maxmemory 1\r\nPING\r\nPING\r\n")
        .expect("it is read");
    let mut said = Vec::new();
    while said.len() < 4 {
        said.push(client.reply_raw().expect("a reply"));
    }
    let invalid = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n".to_vec();
    // Before the reply to the command that the key made room for.
    let expected = [
        b"+OK\r\n".to_vec(),
        invalid,
        b"+PONG\r\n".to_vec(),
        b"+PONG\r\n".to_vec(),
    ];
    assert_eq!(said, expected);
    let heard = listener.reply_raw().expect("a message");
    assert!(
        heard.ends_with(b"$22\r\n__keyevent@0__:evicted\r\n$3\r\nkey\r\n"),
        "{heard:?}"
    );
}

#[test]
fn eviction_goes_on_without_commands_and_is_logged() {
    let mut server = Server::ours()
        .with(&[
            "--maxmemory-policy",
            "allkeys-lru",
            "--maxmemory-eviction-tenacity",
            "0",
            "--appendonly",
            "yes",
        ])
        .start();
    let mut client = server.client();
    for n in 0..5_000 {
        client.run(&format!("SET key:{n} {n}"));
    }
    client.run("CONFIG SET maxmemory 1");
    super::wait_until("all keys are gone", || {
        info(&mut client, "evicted_keys") == 5_000
    });
    client.run("CONFIG SET maxmemory 0");
    client.run("SET last 1");
    server.restart();
    let mut client = server.client();
    assert_eq!(text(&mut client, "RANDOMKEY"), "last");
    assert_eq!(client.run("DBSIZE"), Value::Int(1));
}

#[test]
fn a_transaction_takes_in_what_needs_no_memory() {
    let (_server, mut client) = super::server_and_client();
    client.run("SET key value");
    client.run("CONFIG SET maxmemory 1");
    client.run("MULTI");
    for line in ["GET key", "PING", "DEL key", "EVAL return(1) 0"] {
        assert_eq!(text(&mut client, line), "QUEUED");
    }
    let exec = client.run("EXEC").items();
    assert_eq!(exec.len(), 4);
    client.run("MULTI");
    assert!(text(&mut client, "SET key value").starts_with("OOM "));
    assert!(text(&mut client, "EXEC").starts_with("EXECABORT "));
}

#[test]
fn a_replica_with_a_limit_of_its_own_makes_room_for_the_stream() {
    let primary = Server::ours()
        .with(&["--repl-diskless-sync-delay", "0"])
        .start();
    let mut client = primary.client();
    let replica = Server::ours()
        .with(&["--replicaof", "127.0.0.1", &primary.port.to_string()])
        .with(&["--maxmemory", "6mb", "--maxmemory-policy", "allkeys-lru"])
        .with(&["--replica-ignore-maxmemory", "no"])
        .start();
    let mut other = replica.client();
    super::wait_until("it follows", || {
        text(&mut other, "INFO replication").contains("master_link_status:up")
    });
    let value = "v".repeat(1_000);
    for n in 0..12_000 {
        client.call(&["SET", &format!("key:{n}"), &value]);
    }
    super::wait_until("it has caught up", || {
        let at = |info: String| {
            let line = info
                .lines()
                .find(|line| line.starts_with("master_repl_offset:"));
            line.map(str::to_owned)
        };
        at(text(&mut other, "INFO replication")) == at(text(&mut client, "INFO replication"))
    });
    super::wait_until("there is room", || {
        info(&mut other, "used_memory") < 7 << 20
    });
    assert_eq!(client.run("DBSIZE").as_int(), Some(12_000));
    let left = other.run("DBSIZE").as_int().expect("a number");
    assert!((1_000..8_000).contains(&left), "{left} keys are left");
}
