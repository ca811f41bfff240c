//! Snapshots without a file for replicas over TLS: a child writes, the server encrypts.

use super::tls::{BOTH, ask, config, over, socket, start};
use super::tls_peers::{DEBUG, digests_are_equal, files, replica, words};
use super::*;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A primary with about 15 MB of data that does not compress away.
fn primary(options: &[&str]) -> (Server, u16, Client) {
    let common = [
        "--repl-diskless-sync-delay",
        "0",
        "--rdbcompression",
        "no",
        "--enable-debug-command",
        "yes",
    ];
    let (server, port) = start(&[&common[..], options].concat());
    let mut client = server.client();
    client.run("DEBUG POPULATE 1500 key 10000");
    (server, port, client)
}

/// A connection that asks for a snapshot with a mark at its end. Returns the mark.
fn ask_for_snapshot(port: u16) -> (Secure, String) {
    let mut stream = over(socket(port), config(Some("client"), BOTH));
    let reply = ask(&mut stream, b"REPLCONF capa eof capa psync2\r\n", 5);
    assert_eq!(reply.expect("it is served"), b"+OK\r\n");
    stream.write_all(b"PSYNC ? -1\r\n").expect("it is read");
    let line = line(&mut stream);
    assert!(line.starts_with("+FULLRESYNC "), "{line}");
    let mark = self::line(&mut stream);
    let mark = mark.strip_prefix("$EOF:").expect("there is no file");
    (stream, mark.to_owned())
}

/// The next line that is not empty: a line feed shows that the primary is alive.
fn line(stream: &mut Secure) -> String {
    loop {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a line comes");
            line.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !line.is_empty() {
            return line;
        }
    }
}

/// Reads up to the mark. Returns the snapshot.
fn snapshot(stream: &mut Secure, mark: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while !all.ends_with(mark.as_bytes()) {
        let n = stream.read(&mut piece).expect("more comes");
        assert!(n > 0, "it ended after {} bytes", all.len());
        all.extend_from_slice(&piece[..n]);
    }
    all.truncate(all.len() - mark.len());
    assert!(all.starts_with(b"REDIS") && all.len() > 15_000_000);
    all
}

#[test]
fn replicas_over_tls_and_plain_ones_share_a_child() {
    for rdb_channel in ["yes", "no"] {
        let delay = ["--repl-diskless-sync-delay", "2"];
        let (server, port, mut client) = primary(&delay);
        let options = [&["--repl-rdb-channel", rdb_channel][..], DEBUG].concat();
        let secure = replica(port, &options);
        let plain = Server::ours()
            .with(&["--replicaof", "127.0.0.1", &server.port.to_string()])
            .with(&options)
            .start();
        for one in [&secure, &plain] {
            let mut one = one.client();
            await_info(&mut one, "master_link_status", "up");
            client.run("APPEND key:1 more");
            digests_are_equal(&mut client, &mut one);
        }
        let log = server.log();
        let target = match rdb_channel {
            "yes" => "target: replicas sockets (rdb-channel)",
            _ => "target: replicas sockets",
        };
        assert!(
            log.contains(target) && !log.contains("target: disk"),
            "{log}"
        );
        assert_eq!(info(&mut client, "total_forks"), 1);
    }
}

#[test]
fn a_slow_replica_makes_the_child_wait_and_costs_no_memory() {
    let (server, port, mut client) = primary(&[]);
    let before = info(&mut client, "used_memory");
    let (mut stream, mark) = ask_for_snapshot(port);
    std::thread::sleep(Duration::from_secs(1));
    let now = info(&mut client, "used_memory");
    assert!(now < before + (4 << 20), "{before} became {now}");
    assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), 1);
    client.run("SET late 1");
    let first = snapshot(&mut stream, &mark);
    server.wait_for_log("Background RDB transfer terminated with success");
    // The stream follows the acknowledgement.
    let acknowledged = stream.write_all(b"REPLCONF ACK 0\r\n");
    acknowledged.expect("it is read");
    let mut stream_begins = [0; 4];
    stream.read_exact(&mut stream_begins).expect("it comes");
    assert_eq!(&stream_begins, b"*2\r\n");
    assert!(!first.windows(4).any(|bytes| bytes == b"late"));
    let sent = info(&mut client, "total_net_repl_output_bytes");
    assert!(sent as usize > first.len());
}

#[test]
fn a_replica_that_dies_leaves_the_others_their_snapshot() {
    let delay = ["--repl-diskless-sync-delay", "1"];
    let (server, port, mut client) = primary(&delay);
    let threads = [true, false].map(|reads| {
        std::thread::spawn(move || {
            let (mut stream, mark) = ask_for_snapshot(port);
            reads.then(|| {
                // The other one is gone by then, in the middle of the snapshot.
                std::thread::sleep(Duration::from_secs(1));
                snapshot(&mut stream, &mark);
                stream
            })
        })
    });
    let held = threads.map(|thread| thread.join().expect("it gets what it wants"));
    assert!(held[0].is_some());
    assert_eq!(info(&mut client, "total_forks"), 1);
    server.wait_for_log("Background RDB transfer terminated with success");
}

#[test]
fn the_child_ends_with_its_last_replica() {
    let (server, port, mut client) = primary(&[]);
    drop(ask_for_snapshot(port));
    server.wait_for_log("Diskless rdb transfer, last replica dropped, killing fork child.");
    await_info(&mut client, "rdb_bgsave_in_progress", 0);
    // And a child that is killed ends the transfer.
    let (mut stream, _) = ask_for_snapshot(port);
    let log = server.log();
    let pid = log.rsplit("Background RDB transfer started by pid ").next();
    let pid = pid.and_then(|rest| rest.split_whitespace().next());
    let pid = pid.expect("the log names it");
    let killed = std::process::Command::new("kill")
        .args(["-9", pid])
        .status();
    assert!(killed.expect("there is a kill").success());
    server.wait_for_log("SYNC failed. BGSAVE child returned an error");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(client.run("PING").text(), "PONG");
}

#[test]
fn redis_gets_a_snapshot_over_tls() {
    let Some(redis) = support::oracle::redis_8_6() else {
        eprintln!("skipped: no Redis 8.6.3 here");
        return;
    };
    for rdb_channel in ["yes", "no"] {
        let (server, port, mut client) = primary(&[]);
        let replica = Server::of(&redis)
            .with(&words(&files("ca.crt")))
            .with(&["--tls-replication", "yes"])
            .with(&["--repl-rdb-channel", rdb_channel])
            .with(DEBUG)
            .start();
        let mut one = replica.client();
        one.run(&format!("REPLICAOF 127.0.0.1 {port}"));
        await_info(&mut one, "master_link_status", "up");
        client.run("APPEND key:1 more");
        digests_are_equal(&mut client, &mut one);
        assert!(!server.log().contains("target: disk"));
        assert_eq!(info(&mut client, "sync_full"), 1);
    }
}

/// A subscriber that asks for a snapshot. Returns the mark at its end.
fn subscribed(port: u16) -> (Secure, String) {
    let mut stream = over(socket(port), config(Some("client"), BOTH));
    let greeting = b"HELLO 3\r\nSUBSCRIBE news\r\nREPLCONF capa eof\r\n";
    stream.write_all(greeting).expect("it is read");
    while line(&mut stream) != "+OK" {}
    stream.write_all(b"PSYNC ? -1\r\n").expect("it is read");
    assert!(line(&mut stream).starts_with("+FULLRESYNC "));
    let mark = line(&mut stream);
    let mark = mark.strip_prefix("$EOF:").expect("there is no file");
    (stream, mark.to_owned())
}

/// Publishes to a replica that has read only a part of what was sent, and reads the rest.
fn publish_to(server: &Server, client: &mut Client, stream: &mut Secure) {
    // By then the socket is full, in the middle of a record.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(number(client, "PUBLISH news hello"), 1);
    server.wait_for_log("Replica generated a reply to command '");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.windows(5).any(|bytes| bytes == b"hello"));
    assert_eq!(client.run("PING").text(), "PONG");
    await_info(client, "connected_slaves", 0);
}

#[test]
fn a_message_to_a_replica_does_not_mix_with_its_snapshot() {
    let (server, port, mut client) = primary(&[]);
    let (mut stream, _) = subscribed(port);
    publish_to(&server, &mut client, &mut stream);
}

#[test]
fn a_message_to_a_replica_does_not_mix_with_its_stream() {
    let (server, port, mut client) = primary(&[]);
    let (mut stream, mark) = subscribed(port);
    snapshot(&mut stream, &mark);
    stream.write_all(b"REPLCONF ACK 0\r\n").expect("it is read");
    let value = "z".repeat(50_000);
    for _ in 0..400 {
        assert!(!client.call(&["SET", "k", &value]).is_error());
    }
    publish_to(&server, &mut client, &mut stream);
}
