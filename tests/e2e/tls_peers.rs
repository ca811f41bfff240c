//! TLS between servers: replicas and their primaries, and MIGRATE. `server.crt` is for servers alone,
//! so that a connection that is opened needs `client.crt`.

use super::tls::{ask as ask_over, config, file, over, socket, start};
use super::*;
use std::io::{Read, Write};
use std::time::Duration;

/// The options of a server with all certificates, and `ca` for the trusted one.
pub(super) fn files(ca: &str) -> Vec<String> {
    [
        ("--tls-cert-file", "server.crt"),
        ("--tls-key-file", "server.key"),
        ("--tls-client-cert-file", "client.crt"),
        ("--tls-client-key-file", "client.key"),
        ("--tls-ca-cert-file", ca),
    ]
    .map(|(name, path)| [name.to_owned(), file(path)])
    .concat()
}

pub(super) fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

/// Fills a server with keys.
fn fill(client: &mut Client, keys: usize) {
    for n in 0..keys {
        client.run(&format!("SET key:{n} value:{n}"));
    }
}

/// A replica over TLS of the server at this port.
pub(super) fn replica(port: u16, options: &[&str]) -> Server {
    let port = port.to_string();
    Server::ours()
        .with(&words(&files("ca.crt")))
        .with(&["--tls-replication", "yes"])
        .with(&["--replicaof", "localhost", &port])
        .with(options)
        .start()
}

pub(super) fn digests_are_equal(primary: &mut Client, replica: &mut Client) {
    wait_until("the replica has caught up", || {
        info(replica, "master_repl_offset") == info(primary, "master_repl_offset")
    });
    let digest = text(primary, "DEBUG DIGEST");
    assert_eq!(digest, text(replica, "DEBUG DIGEST"));
    assert_ne!(digest, "0".repeat(40));
}

pub(super) const DEBUG: &[&str] = &["--enable-debug-command", "yes"];

#[test]
fn a_replica_follows_over_tls_and_continues_after_a_cut() {
    for rdb_channel in ["yes", "no"] {
        let (server, port) = start(&[
            "--repl-diskless-sync-delay",
            "0",
            "--requirepass",
            "secret",
            "--enable-debug-command",
            "yes",
        ]);
        let mut primary = server.client();
        primary.run("AUTH secret");
        fill(&mut primary, 1_000);
        let own_port = support::server::free_port().to_string();
        let options = [
            "--tls-port",
            &own_port,
            "--masterauth",
            "secret",
            "--repl-rdb-channel",
            rdb_channel,
        ];
        let replica = replica(port, &[&options[..], DEBUG].concat());
        let mut client = replica.client();
        await_info(&mut client, "master_link_status", "up");
        primary.run("SET after sync");
        digests_are_equal(&mut primary, &mut client);
        let shown = info_field(&mut primary, "slave0").expect("there is a replica");
        assert!(shown.contains(&format!("port={own_port},")), "{shown}");
        assert_eq!(number(&mut primary, "CLIENT KILL TYPE replica"), 1);
        await_info(&mut primary, "sync_partial_ok", 1);
        primary.run("SET after cut");
        await_info(&mut client, "master_link_status", "up");
        digests_are_equal(&mut primary, &mut client);
        assert_eq!(info(&mut primary, "sync_full"), 1);
    }
}

#[test]
fn a_snapshot_loads_as_it_comes() {
    let (server, port) = start(&[
        "--rdbcompression",
        "no",
        "--repl-diskless-sync-delay",
        "0",
        "--enable-debug-command",
        "yes",
    ]);
    let mut primary = server.client();
    primary.run("DEBUG POPULATE 2000 key 5000");
    let load = ["--repl-diskless-load", "swapdb"];
    let replica = replica(port, &[&load[..], DEBUG].concat());
    let mut client = replica.client();
    await_info(&mut client, "master_link_status", "up");
    digests_are_equal(&mut primary, &mut client);
    server.wait_for_log("target: replicas sockets (rdb-channel)");
}

/// Asks for a snapshot as a replica that reads it from its socket.
fn ask_for_snapshot(stream: &mut (impl Read + Write)) {
    let capability = ask_over(stream, b"REPLCONF capa eof\r\n", 5);
    assert_eq!(capability.expect("a reply"), b"+OK\r\n");
    stream.write_all(b"PSYNC ? -1\r\n").expect("it is read");
    stream.flush().expect("it is read");
}

/// Reads a snapshot up to the mark at its end, so many bytes at a time. Returns its length.
fn read_snapshot(stream: &mut impl Read, at_once: usize, pause: Duration) -> usize {
    let mut all = Vec::new();
    let mut buffer = vec![0; at_once];
    let mut mark = None;
    loop {
        std::thread::sleep(pause);
        let n = stream.read(&mut buffer).expect("it goes on");
        assert!(n > 0, "the end comes behind the mark");
        all.extend_from_slice(&buffer[..n]);
        if mark.is_none() {
            let begin = b"$EOF:";
            let at = all.windows(begin.len()).position(|bytes| bytes == begin);
            mark = at
                .and_then(|at| all.get(at + 5..at + 45))
                .map(<[u8]>::to_vec);
        }
        if mark
            .as_ref()
            .is_some_and(|mark| all.len() > 200 && all.ends_with(mark))
        {
            return all.len();
        }
    }
}

#[test]
fn one_child_serves_plain_replicas_and_those_over_tls() {
    let (server, port) = start(&[
        "--rdbcompression",
        "no",
        "--repl-diskless-sync-delay",
        "1",
        "--max-new-tls-connections-per-cycle",
        "10",
        "--enable-debug-command",
        "yes",
    ]);
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000 key 20000");
    let mut plain = socket(server.port);
    let mut replicas: Vec<_> = (0..3)
        .map(|_| over(socket(port), config(Some("client"), rustls::ALL_VERSIONS)))
        .collect();
    ask_for_snapshot(&mut plain);
    replicas.iter_mut().for_each(ask_for_snapshot);
    let mut lost = replicas.pop().expect("there are three");
    let lengths = std::thread::scope(|scope| {
        let mut readers = vec![scope.spawn(|| read_snapshot(&mut plain, 100_000, Duration::ZERO))];
        for (replica, pause_ms) in replicas.iter_mut().zip([0, 2]) {
            let pause = Duration::from_millis(pause_ms);
            readers.push(scope.spawn(move || read_snapshot(replica, 100_000, pause)));
        }
        // One of them goes away in the middle.
        let mut some = vec![0; 1_000_000];
        lost.read_exact(&mut some).expect("it goes on");
        drop(lost);
        let lengths = readers.into_iter().map(|one| one.join().expect("it ends"));
        lengths.collect::<Vec<usize>>()
    });
    assert!(lengths[0] > 20_000_000, "{lengths:?}");
    server.wait_for_log("Starting BGSAVE for SYNC with target: replicas sockets");
    server.wait_for_log("Background RDB transfer terminated with success");
    wait_until("the lost one is noticed", || {
        info(&mut client, "connected_slaves") == 3
    });
    assert_eq!(info(&mut client, "total_forks"), 1);
}

#[test]
fn a_primary_that_is_not_trusted_is_not_followed() {
    let (_server, port) = start(&[]);
    let replica = Server::ours()
        .with(&words(&files("stranger.crt")))
        .with(&["--tls-replication", "yes"])
        .with(&["--replicaof", "127.0.0.1", &port.to_string()])
        .start();
    replica.wait_for_log(
        "Error condition on socket for SYNC: error:0A000086:SSL routines::certificate verify \
         failed",
    );
    let mut client = replica.client();
    assert_eq!(
        info_field(&mut client, "master_link_status").as_deref(),
        Some("down")
    );
    // Another authority, and the next attempt succeeds.
    client.run(&format!("CONFIG SET tls-ca-cert-file {}", file("ca.crt")));
    await_info(&mut client, "master_link_status", "up");
}

#[test]
fn a_plain_primary_is_not_followed_over_tls() {
    let primary = Server::start();
    let port = primary.port.to_string();
    let replica = Server::ours()
        .with(&words(&files("ca.crt")))
        .with(&["--tls-replication", "yes", "--repl-timeout", "2"])
        .with(&["--replicaof", "127.0.0.1", &port])
        .start();
    replica.wait_for_log("Timeout connecting to the MASTER...");
}

#[test]
fn the_certificate_of_a_primary_has_an_expected_name() {
    let (_server, port) = start(&[]);
    let names = "a.example .b.example LOCALHOST";
    let replica = replica(port, &["--tls-expected-peer-name", names]);
    let mut client = replica.client();
    await_info(&mut client, "master_link_status", "up");
    replica.wait_for_log("tls-expected-peer-name: 1 names begin with a dot");
    client.run("CONFIG SET tls-expected-peer-name no.example");
    client.run("REPLICAOF NO ONE");
    client.run(&format!("REPLICAOF 127.0.0.1 {port}"));
    replica.wait_for_log("certificate verify failed");
    for wrong in ["a\tb", "  "] {
        let set = ["CONFIG", "SET", "tls-expected-peer-name", wrong];
        assert!(client.call(&set).is_error(), "{wrong}");
    }
}

#[test]
fn keys_migrate_over_tls() {
    let (target, port) = start(&[]);
    let source = Server::ours()
        .with(&words(&files("ca.crt")))
        .with(&["--tls-cluster", "yes"])
        .start();
    let (mut here, mut there) = (source.client(), target.client());
    here.run("MSET a 1 b 2 c 3");
    let large = "x".repeat(3_000_000);
    here.call(&["SET", "large", &large]);
    let keys = ["a", "b", "large"];
    for key in keys {
        let line = format!("MIGRATE 127.0.0.1 {port} {key} 0 5000");
        assert_eq!(text(&mut here, &line), "OK");
    }
    assert_eq!(number(&mut here, "DBSIZE"), 1);
    assert_eq!(there.call(&["GET", "large"]).text(), large);
    let plain = target.port;
    let refused = text(&mut here, &format!("MIGRATE 127.0.0.1 {plain} c 0 300"));
    assert_eq!(refused, "IOERR error or timeout connecting to the client");
    let mut plain_source = target.client();
    plain_source.run("SET d 4");
    let line = format!("MIGRATE 127.0.0.1 {port} d 0 1000");
    assert_eq!(
        text(&mut plain_source, &line),
        "IOERR error or timeout reading to target instance"
    );
}

#[test]
fn a_replica_of_redis_follows_over_tls() {
    let Some(redis) = support::oracle::redis_8_6() else {
        eprintln!("skipped: no Redis 8.6.3 here");
        return;
    };
    let (server, port) = start(&["--repl-diskless-sync-delay", "0"]);
    let mut primary = server.client();
    fill(&mut primary, 2_000);
    let replica = Server::of(&redis)
        .with(&words(&files("ca.crt")))
        .with(&["--tls-replication", "yes"])
        .start();
    let mut client = replica.client();
    client.run(&format!("REPLICAOF 127.0.0.1 {port}"));
    await_info(&mut client, "master_link_status", "up");
    for n in 0..2_000 {
        primary.run(&format!("APPEND key:{n} +"));
    }
    assert_eq!(number(&mut primary, "WAIT 1 60000"), 1);
    assert_eq!(number(&mut client, "DBSIZE"), 2_000);
    assert_eq!(text(&mut client, "GET key:1999"), "value:1999+");
}

#[test]
fn redis_is_followed_over_tls() {
    let Some(redis) = support::oracle::redis_8_6() else {
        eprintln!("skipped: no Redis 8.6.3 here");
        return;
    };
    let port = support::server::free_port();
    let server = Server::of(&redis)
        .with(&words(&files("ca.crt")))
        .with(&["--tls-port", &port.to_string()])
        .with(&["--repl-diskless-sync-delay", "0"])
        .with(DEBUG)
        .start();
    let mut primary = server.client();
    fill(&mut primary, 1_000);
    for rdb_channel in ["yes", "no"] {
        let options = ["--repl-rdb-channel", rdb_channel];
        let replica = replica(port, &[&options[..], DEBUG].concat());
        let mut client = replica.client();
        await_info(&mut client, "master_link_status", "up");
        primary.run("APPEND after sync");
        digests_are_equal(&mut primary, &mut client);
        primary.run("CLIENT KILL TYPE replica");
        primary.run("APPEND after cut");
        await_info(&mut client, "master_link_status", "up");
        digests_are_equal(&mut primary, &mut client);
    }
}
