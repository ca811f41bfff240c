//! CLIENT PAUSE: the paused clients, and the order in which they resume.

use super::{field, pass_ms, server_and_client, server_with_clock, text, wait_until};
use crate::support::client::Client;
use crate::support::server::Server;
use std::time::Duration;

/// The number of paused clients.
fn held(client: &mut Client) -> usize {
    let list = text(client, "CLIENT LIST");
    list.lines()
        .filter(|line| field(line, "flags") == "b")
        .count()
}

fn start(mode: &str) -> (Server, Client) {
    let (server, mut client) = server_and_client();
    let said = text(&mut client, &format!("CLIENT PAUSE 100000 {mode}"));
    assert_eq!(said, "OK");
    (server, client)
}

#[test]
fn writes_wait_and_reads_do_not() {
    let (server, mut client) = start("WRITE");
    let mut writer = server.client();
    writer.send(&["SET", "k", "v"]);
    wait_until("the writer waits", || held(&mut client) == 1);
    assert_eq!(text(&mut client, "EXISTS k"), "0");
    assert_eq!(text(&mut client, "CLIENT UNPAUSE"), "OK");
    assert_eq!(writer.reply().text(), "OK");
    assert_eq!(text(&mut client, "GET k"), "v");
    assert_eq!(held(&mut client), 0);
}

#[test]
fn paused_commands_run_in_order_of_arrival() {
    let (server, mut client) = start("WRITE");
    let mut writers: Vec<Client> = (0..5).map(|_| server.client()).collect();
    for (n, writer) in writers.iter_mut().enumerate() {
        let letter = n.to_string();
        let request = format!("APPEND log {letter}\r\nAPPEND log {letter}\r\nGET log\r\n");
        writer
            .send_raw(request.as_bytes())
            .expect("the server reads");
        wait_until("the writer waits", || held(&mut client) == n + 1);
    }
    client.run("CLIENT UNPAUSE");
    for writer in &mut writers {
        let _ = [(); 3].map(|()| writer.reply());
    }
    assert_eq!(text(&mut client, "GET log"), "0011223344");
}

#[test]
fn a_pause_ends_by_itself() {
    let (_server, mut client) = server_and_client();
    assert_eq!(text(&mut client, "CLIENT PAUSE 200"), "OK");
    assert_eq!(text(&mut client, "PING"), "PONG");
}

#[test]
fn a_pause_never_gets_milder() {
    let (server, mut client) = server_and_client();
    assert_eq!(text(&mut client, "CLIENT PAUSE 300 ALL"), "OK");
    let mut other = server.client();
    other.set_patience(Duration::from_millis(50));
    other.send(&["PING"]);
    assert!(other.reply_raw().is_err(), "it waits");
    other.set_patience(Duration::from_secs(20));
    assert_eq!(other.reply().text(), "PONG");
}

#[test]
fn the_pipeline_behind_a_pause_waits_too() {
    let (server, mut client) = server_and_client();
    client
        .send_raw(b"CLIENT PAUSE 100000 WRITE\r\nGET k\r\nSET k 1\r\nGET k\r\n")
        .expect("the server reads");
    assert_eq!(client.reply().text(), "OK");
    let _ = client.reply();
    let mut other = server.client();
    wait_until("it waits", || held(&mut other) == 1);
    // More may come meanwhile, and wrong commands wait for their turn as well.
    client
        .send_raw(b"NOSUCH\r\nINCR k\r\n")
        .expect("the server reads");
    other.run("CLIENT UNPAUSE");
    assert_eq!(
        (client.reply().text(), client.reply().text()),
        ("OK".into(), "1".into())
    );
    assert!(client.reply().is_error());
    assert_eq!(client.reply().text(), "2");
}

#[test]
fn paused_clients_can_be_killed_or_disconnect() {
    let (server, mut client) = start("WRITE");
    let mut killed = server.client();
    let id = super::id(&mut killed);
    killed.send(&["SET", "k", "v"]);
    let mut leaving = server.client();
    leaving.send(&["SET", "k", "v"]);
    wait_until("both wait", || held(&mut client) == 2);
    assert_eq!(text(&mut client, &format!("CLIENT KILL ID {id}")), "1");
    drop(leaving);
    wait_until("both are gone", || held(&mut client) == 0);
    client.run("CLIENT UNPAUSE");
    assert_eq!(text(&mut client, "EXISTS k"), "0");
}

#[test]
fn nothing_expires_during_a_pause() {
    let (_server, mut client) = server_with_clock();
    client.run("SET k v PX 50");
    assert_eq!(text(&mut client, "CLIENT PAUSE 100000 WRITE"), "OK");
    pass_ms(&mut client, 100);
    assert_eq!(text(&mut client, "EXISTS k"), "0");
    assert_eq!(text(&mut client, "DBSIZE"), "1");
    client.run("CLIENT UNPAUSE");
    wait_until("the key is removed", || text(&mut client, "DBSIZE") == "0");
}

#[test]
fn pause_reports_errors() {
    let (_server, mut client) = server_and_client();
    for (line, error) in [
        (
            "CLIENT PAUSE x",
            "ERR timeout is not an integer or out of range",
        ),
        ("CLIENT PAUSE -1", "ERR timeout is negative"),
        (
            "CLIENT PAUSE 1 SOME",
            "ERR CLIENT PAUSE mode must be WRITE or ALL",
        ),
    ] {
        assert_eq!(text(&mut client, line), error);
    }
}
