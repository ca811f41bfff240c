//! End to end: the real binary, a real socket, what a client can see.
//!
//! One file per family. `REDWHEEL_BIN` names another binary, so that the tests themselves can be
//! tried on a real Redis.

#[path = "../support/mod.rs"]
mod support;

mod acl;
mod blocking;
mod client;
mod command;
mod connection;
mod debugger;
mod eviction;
mod following;
mod footprint;
mod limits;
mod lines;
mod monitor;
mod output;
mod pause;
mod protocol;
mod pubsub;
mod replicas;
mod scripts;
mod sockets;
mod time;
mod tracking;
mod transactions;

use support::client::{Client, Value};
use support::server::Server;

/// The text of a command's reply.
fn text(client: &mut Client, line: &str) -> String {
    client.run(line).text()
}

/// The number a client has.
fn id(client: &mut Client) -> i64 {
    client.run("CLIENT ID").as_int().expect("an id is a number")
}

/// The value of `name=` in a line of CLIENT LIST.
fn field(line: &str, name: &str) -> String {
    let start = format!("{name}=");
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(&start))
        .unwrap_or_else(|| panic!("no {name} in {line}"))
        .to_owned()
}

/// A number of INFO.
fn info(client: &mut Client, name: &str) -> u64 {
    let all = text(client, "INFO all");
    let value = all
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("INFO has the number {name}"))
}

/// Whether the server has closed the connection.
fn is_closed(client: &mut Client) -> bool {
    client.send_raw(b"PING\r\n").is_err() || client.reply_raw().is_err()
}

/// Polls until the condition holds.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it never came true: {what}");
}

/// The same command any number of times, as one pipeline.
fn pipeline(args: &[&str], times: usize) -> Vec<u8> {
    support::client::encode(args).repeat(times)
}

/// A server and a client of it.
fn server_and_client() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    (server, client)
}

/// A bulk reply.
fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}
