//! MONITOR: its lines, and the clients that receive them.

use super::{server_and_client, text};
use crate::support::client::Client;

/// The next line of a monitor, without the time.
fn seen(monitor: &mut Client) -> String {
    let line = monitor.reply().text();
    let (time, rest) = line.split_once(' ').expect("a line begins with its time");
    assert!(time.len() == 17 && time.as_bytes()[10] == b'.', "{line}");
    let (place, words) = rest
        .split_once("] ")
        .expect("then come database and address");
    let db = place
        .trim_start_matches('[')
        .split(' ')
        .next()
        .unwrap_or_default();
    format!("{db} {words}")
}

#[test]
fn every_command_is_shown_with_its_database() {
    let (server, mut client) = server_and_client();
    let mut monitor = server.client();
    assert_eq!(text(&mut monitor, "MONITOR"), "OK");
    client.run("SET k v");
    client.run("SELECT 9");
    client.call(&[&b"ECHO"[..], b"\x00\xff\n\r\t\x07\x08\"\\' x"]);
    assert_eq!(seen(&mut monitor), r#"0 "SET" "k" "v""#);
    assert_eq!(seen(&mut monitor), r#"9 "SELECT" "9""#);
    assert_eq!(
        seen(&mut monitor),
        r#"9 "ECHO" "\x00\xff\n\r\t\a\b\"\\' x""#
    );
}

#[test]
fn secrets_and_administration_are_not_shown() {
    let (server, mut client) = server_and_client();
    let mut monitor = server.client();
    monitor.run("MONITOR");
    client.run("CLIENT LIST");
    client.run("NOSUCH");
    client.run("GET");
    client.run("AUTH default secret");
    client.run("HELLO 3 AUTH default secret SETNAME me");
    assert_eq!(seen(&mut monitor), r#"0 "AUTH" "(redacted)" "(redacted)""#);
    let hello = r#"0 "HELLO" "3" "AUTH" "(redacted)" "(redacted)" "SETNAME" "me""#;
    assert_eq!(seen(&mut monitor), hello);
}

#[test]
fn a_monitor_only_watches_until_it_resets() {
    let (_server, mut client) = server_and_client();
    client.run("MONITOR");
    let error = "ERR Replica can't interact with the keyspace";
    assert_eq!(text(&mut client, "GET k"), error);
    assert_eq!(text(&mut client, "PING"), "PONG");
    assert_eq!(seen(&mut client), r#"0 "PING""#);
    assert_eq!(text(&mut client, "RESET"), "RESET");
    assert_eq!(text(&mut client, "SET k v"), "OK");
    assert_eq!(text(&mut client, "GET k"), "v");
}

#[test]
fn a_monitor_that_does_not_read_is_cut_off_as_a_normal_client() {
    let (server, mut client) = server_and_client();
    let mut monitor = server.client();
    monitor.run("MONITOR");
    client.call(&[
        "CONFIG",
        "SET",
        "client-output-buffer-limit",
        "normal 200000 0 0",
    ]);
    let word = "x".repeat(100_000);
    // The socket takes some before anything has to wait.
    super::wait_until("it is cut off", || {
        client.call(&["PING", &word]);
        text(&mut client, "CLIENT LIST").lines().count() == 1
    });
    let stats = text(&mut client, "INFO stats");
    assert!(stats.contains("client_output_buffer_limit_disconnections:1\r"));
    assert!(server.log().contains("cmd=monitor"), "{}", server.log());
    assert_eq!(text(&mut client, "PING"), "PONG");
}

#[test]
fn a_monitor_that_leaves_is_forgotten() {
    let (server, mut client) = server_and_client();
    let mut monitor = server.client();
    monitor.run("MONITOR");
    drop(monitor);
    for n in 1..=100 {
        assert_eq!(client.run("INCR n").as_int(), Some(n));
    }
}
