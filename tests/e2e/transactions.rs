//! MULTI and WATCH: the commands that run, those that do not, and the order of notifications.

use super::{bulk, field, id, pass_ms, server_and_client, server_with_clock, text, wait_until};
use crate::support::client::{Client, Value};

/// The replies of EXEC after these lines.
fn exec(client: &mut Client, lines: &[&str]) -> Value {
    assert_eq!(text(client, "MULTI"), "OK");
    for line in lines {
        assert_eq!(text(client, line), "QUEUED");
    }
    client.run("EXEC")
}

#[test]
fn nothing_runs_before_exec_and_all_of_it_then() {
    let (server, mut client) = server_and_client();
    let mut other = server.client();
    assert_eq!(text(&mut client, "MULTI"), "OK");
    assert_eq!(text(&mut client, "SET a 1"), "QUEUED");
    assert_eq!(text(&mut client, "INCR a"), "QUEUED");
    assert_eq!(text(&mut other, "EXISTS a"), "0");
    let ok = Value::Simple(b"OK".to_vec());
    assert_eq!(client.run("EXEC"), Value::Array(vec![ok, Value::Int(2)]));
    assert_eq!(text(&mut other, "GET a"), "2");
}

#[test]
fn a_silenced_client_gets_only_replies_after_reply_on() {
    let (_server, mut client) = server_and_client();
    for line in [
        "CLIENT REPLY OFF",
        "MULTI",
        "PING",
        "CLIENT REPLY ON",
        "EXEC",
    ] {
        client.send(&line.split(' ').collect::<Vec<_>>());
    }
    // Not even the count of replies.
    assert_eq!(text(&mut client, "ECHO x"), "OK");
    assert_eq!(client.reply(), bulk("x"));
}

#[test]
fn the_queue_counts_its_bytes_and_a_pointer_to_each_argument() {
    let (server, mut client) = server_and_client();
    let mut other = server.client();
    let me = id(&mut client);
    client.run("MULTI");
    client.run("SET key value");
    client.run("GET key");
    let line = text(&mut other, &format!("CLIENT LIST ID {me}"));
    assert_eq!(field(&line, "multi-mem"), "57");
}

#[test]
fn a_watched_key_that_changed_stops_it() {
    let (server, mut client) = server_and_client();
    let mut other = server.client();
    // A change by the client itself counts as well as any other.
    for change in [
        "SET a 2",
        "DEL a",
        "FLUSHALL",
        "SWAPDB 0 1",
        "RENAME b a",
        "PEXPIREAT a 1",
    ] {
        other.run("MSET a 1 b 1");
        assert_eq!(text(&mut client, "WATCH a c"), "OK");
        other.run(change);
        assert_eq!(exec(&mut client, &["PING"]), Value::NilArray, "{change}");
        other.run("FLUSHALL");
    }
    client.run("WATCH a");
    other.run("SET b 1");
    let pong = Value::Simple(b"PONG".to_vec());
    assert_eq!(exec(&mut client, &["PING"]), Value::Array(vec![pong]));
}

#[test]
fn a_watched_key_that_expires_stops_it() {
    let (_server, mut client) = server_with_clock();
    assert_eq!(text(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0"), "OK");
    client.run("SET a 1 PX 20");
    client.run("WATCH a");
    pass_ms(&mut client, 40);
    assert_eq!(exec(&mut client, &["PING"]), Value::NilArray);
}

#[test]
fn a_served_client_changes_keys_watched_by_others() {
    let (server, mut client) = server_and_client();
    let mut waiting = server.client();
    waiting.send(&["BRPOPLPUSH", "from", "to", "0"]);
    wait_until("it waits", || {
        text(&mut client, "INFO clients").contains("blocked_clients:1")
    });
    client.run("WATCH to");
    server.client().run("RPUSH from x");
    assert_eq!(waiting.reply(), bulk("x"));
    assert_eq!(exec(&mut client, &["PING"]), Value::NilArray);
}

#[test]
fn a_command_that_could_not_be_queued_stops_it() {
    let (_server, mut client) = server_and_client();
    client.run("MULTI");
    assert!(client.run("SET a").is_error());
    let said = text(&mut client, "EXEC");
    assert!(said.starts_with("EXECABORT "), "{said}");
    assert_eq!(text(&mut client, "EXEC"), "ERR EXEC without MULTI");
    assert_eq!(text(&mut client, "EXISTS a"), "0");
}

#[test]
fn no_command_blocks_within_and_the_client_list_shows_it() {
    let (server, mut client) = server_and_client();
    assert_eq!(
        exec(&mut client, &["BLPOP q 0", "XREAD BLOCK 0 STREAMS s $"]),
        Value::Array(vec![Value::NilArray, Value::NilArray])
    );
    client.run("WATCH a b");
    client.run("MULTI");
    client.run("SET a 12345678");
    let client_id = id(&mut server.client()) - 1;
    let line = text(&mut server.client(), &format!("CLIENT LIST ID {client_id}"));
    assert_eq!(
        (field(&line, "multi"), field(&line, "watch")),
        ("1".into(), "2".into())
    );
    assert_ne!(field(&line, "multi-mem"), "0");
    assert_eq!(field(&line, "flags"), "x");
    drop(client);
    wait_until("no client watches", || {
        text(&mut server.client(), "INFO clients").contains("watching_clients:0")
    });
}

#[test]
fn replies_can_be_silenced_within() {
    let (_server, mut client) = server_and_client();
    let pong = Value::Simple(b"PONG".to_vec());
    client.run("MULTI");
    for line in ["CLIENT REPLY SKIP", "PING"] {
        assert_eq!(text(&mut client, line), "QUEUED");
    }
    // The first says nothing, so the reply is shorter than it announces; then comes the next.
    client.send(&["EXEC"]);
    client.send(&["PING"]);
    client.send(&["ECHO", "x"]);
    assert_eq!(client.reply(), Value::Array(vec![pong, bulk("x")]));
}
