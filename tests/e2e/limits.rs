//! Started from a configuration: how many clients, which sockets, which names.

use super::text;
use crate::support::client::{Client, Value, encode};
use crate::support::server::Server;
use redis::Commands;

#[test]
fn one_client_too_many_is_told_so() {
    let server = Server::ours().with(&["--maxclients", "3"]).start();
    let mut clients = Vec::new();
    // The connection that tried the port may still count for a moment.
    super::wait_until("three are in", || {
        let mut client = server.client();
        if client.send_raw(b"PING\r\n").is_ok()
            && client.reply_raw().is_ok_and(|reply| reply == b"+PONG\r\n")
        {
            clients.push(client);
        }
        clients.len() == 3
    });
    let mut more = server.client();
    let said = more.read_to_end().expect("the server closes");
    assert_eq!(said, b"-ERR max number of clients reached\r\n");
    drop(clients.pop());
    super::wait_until("there is room again", || {
        let mut client = server.client();
        client.send_raw(b"PING\r\n").is_ok()
            && client.reply_raw().is_ok_and(|reply| reply == b"+PONG\r\n")
    });
}

#[test]
fn a_unix_socket_serves_as_well() {
    let server = Server::ours().with(&["--unixsocket", "redis.sock"]).start();
    let path = server.path().join("redis.sock");
    let mut con = redis::Client::open(format!("redis+unix://{}", path.display()))
        .and_then(|client| client.get_connection())
        .expect("the socket is there");
    let () = con.set("k", "v").expect("a string is stored");
    assert_eq!(text(&mut server.client(), "GET k"), "v");
    let line: String = redis::cmd("CLIENT")
        .arg("INFO")
        .query(&mut con)
        .expect("a reply");
    assert!(super::field(&line, "flags").contains('U'), "{line}");
    assert!(
        super::field(&line, "addr").ends_with("redis.sock:0"),
        "{line}"
    );
}

#[test]
fn a_config_file_is_obeyed() {
    let config =
        "databases 4\nproto-max-bulk-len 1mb\nrename-command GET fetch\nrequirepass \"a b\"\n";
    let server = Server::ours().config(config).start();
    let mut client = server.client();
    assert_eq!(client.call(&["AUTH", "a b"]).text(), "OK");
    assert_eq!(
        text(&mut client, "SELECT 4"),
        "ERR DB index is out of range"
    );
    client.run("SET k v");
    assert!(text(&mut client, "GET k").starts_with("ERR unknown command 'GET'"));
    assert_eq!(text(&mut client, "fetch k"), "v");
    let mut large = server.client();
    assert_eq!(large.call(&["AUTH", "a b"]).text(), "OK");
    large
        .send_raw(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
        .expect("the server reads");
    let said = large.read_to_end().expect("the server closes");
    assert_eq!(said, b"-ERR Protocol error: invalid bulk length\r\n");
}

#[test]
fn sigterm_ends_it_well() {
    let mut server = Server::start();
    let mut client = server.client();
    client.run("SET k v");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(super::is_closed(&mut client));
    assert!(server.log().contains("bye bye"), "{}", server.log());
}

/// Publishes `times` messages of `bytes` at once, so that no subscriber has time to read in
/// between.
fn publish(client: &mut Client, bytes: usize, times: usize) {
    let message = encode(&["PUBLISH".to_owned(), "ch".to_owned(), "x".repeat(bytes)]);
    client
        .send_raw(&message.repeat(times))
        .expect("the server reads");
    (0..times).for_each(|_| assert!(client.reply().as_int().is_some()));
}

fn limit(client: &mut Client, limit: &str) {
    let words = ["CONFIG", "SET", "client-output-buffer-limit", limit];
    assert_eq!(client.call(&words).text(), "OK");
}

fn subscriber(server: &Server) -> Client {
    let mut client = server.client();
    client.run("CLIENT SETNAME listener");
    client.run("SUBSCRIBE ch");
    client
}

/// The CLIENT LIST fields of the client named `listener`.
fn listener(client: &mut Client, field: &str) -> String {
    let list = text(client, "CLIENT LIST");
    let line = list.lines().find(|line| line.contains("name=listener "));
    line.map_or(String::new(), |line| super::field(line, field).to_owned())
}

#[test]
fn a_small_limit_counts_what_exceeds_the_reply_buffer() {
    let server = Server::ours().start();
    let mut client = server.client();
    limit(&mut client, "pubsub 2000 0 0");
    let mut patient = subscriber(&server);
    publish(&mut client, 1_000, 10);
    for _ in 0..10 {
        assert_eq!(patient.reply().items()[2].text().len(), 1_000);
    }
    publish(&mut client, 17_000, 1);
    assert!(super::is_closed(&mut patient));
    let stats = text(&mut client, "INFO stats");
    assert!(
        stats.contains("client_output_buffer_limit_disconnections:1\r"),
        "{stats}"
    );
}

#[test]
fn a_limit_that_shrinks_holds_for_what_is_owed_already() {
    let server = Server::ours().start();
    let mut client = server.client();
    let _deaf = subscriber(&server);
    limit(&mut client, "pubsub 0 0 0");
    publish(&mut client, 100_000, 100);
    assert_ne!(listener(&mut client, "omem"), "0");
    limit(&mut client, "pubsub 100000 0 0");
    super::wait_until("it is cut off", || listener(&mut client, "omem").is_empty());
}

#[test]
fn a_soft_limit_holds_even_if_nothing_more_is_said() {
    let server = Server::ours().start();
    let mut client = server.client();
    let _deaf = subscriber(&server);
    limit(&mut client, "pubsub 0 100000 1");
    publish(&mut client, 100_000, 100);
    assert_ne!(listener(&mut client, "omem"), "");
    super::wait_until("it is cut off", || listener(&mut client, "omem").is_empty());
}

#[test]
fn the_reply_buffer_follows_its_use() {
    let server = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    let mut client = server.client();
    let mut other = server.client();
    other.run("CLIENT SETNAME listener");
    assert_eq!(listener(&mut client, "rbs"), "16384");
    super::wait_until("it shrinks", || listener(&mut client, "rbs") == "1024");
    client.run("DEBUG REPLYBUFFER PEAK-RESET-TIME NEVER");
    client.run("SETRANGE big 40000 x");
    super::wait_until("it grows", || {
        other.run("GET big");
        listener(&mut client, "rbs") == "16384"
    });
}

#[test]
fn a_synchronous_flush_replies_when_the_memory_is_free() {
    let server = Server::ours().start();
    let mut client = server.client();
    let long = "x".repeat(2000);
    for key in 0..200 {
        client.run(&format!("SETRANGE big:{key} 400000 {long}"));
    }
    let used = |client: &mut Client| -> u64 {
        let info = client.run("INFO memory").text();
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        line.expect("a line of INFO")
            .trim()
            .parse()
            .expect("a number")
    };
    let before = used(&mut client);
    // What comes behind it in the same write waits as well.
    client
        .send_raw(b"FLUSHALL SYNC\r\nDBSIZE\r\n")
        .expect("the server reads");
    assert_eq!(client.reply(), Value::Simple(b"OK".to_vec()));
    assert_eq!(client.reply(), Value::Int(0));
    let after = used(&mut client);
    assert!(before > after + 70_000_000, "{before} to {after}");
    client.run("SET a b");
    assert_eq!(client.run("FLUSHALL"), Value::Simple(b"OK".to_vec()));
}
