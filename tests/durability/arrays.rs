//! Arrays here and in Redis 8.10.2: as files, as payloads, as logs and as a stream, both ways.

use crate::support::client::{Client, Value};
use crate::support::oracle;
use crate::support::server::Server;
use crate::support::wait::wait_until;

const DEBUG: &[&str] = &["--enable-debug-command", "yes"];

/// Arrays of every form, with and without a cursor; no index is great, since Redis walks over all
/// of them for a digest.
fn fill(client: &mut Client) {
    let texts = [
        "x".repeat(8),
        "x".repeat(128),
        "x".repeat(129),
        "x".repeat(20_000),
    ];
    for (n, text) in texts.iter().enumerate() {
        client.run(&format!("ARSET texts {} {text}", n * 3));
        client.run(&format!("ARSET texts {} {text}", 5_000 + n));
    }
    for line in [
        "ARSET few 3 1 2.5 0.1 abc 9223372036854775807 -0",
        "ARINSERT few first",
        "ARRING ring 5 a b c d e f g",
        "ARSET end 0 a",
        "ARSEEK end 18446744073709551615",
        "ARSET timed 7 x",
        "EXPIRE timed 100000",
    ] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    for n in 0..300 {
        client.run(&format!("ARINSERT long {n} value:{n} {n}.5"));
        client.run(&format!("ARSET spread {} {n}", n * 200));
    }
}

/// What there is: a digest, and the cursors, which are no part of it.
fn state(client: &mut Client) -> (String, Vec<String>) {
    let mut keys: Vec<String> = client
        .run("KEYS *")
        .items()
        .iter()
        .map(Value::text)
        .collect();
    keys.sort();
    let cursors = keys.iter().map(|key| {
        let next = client.run(&format!("ARNEXT {key}"));
        format!("{key} {next:?}")
    });
    let cursors = cursors.collect();
    (client.run("DEBUG DIGEST").text(), cursors)
}

fn carry(from: &Server, to: &mut Server) {
    assert_eq!(from.client().run("SAVE").text(), "OK");
    let bytes = std::fs::read(from.path().join("dump.rdb")).expect("it was saved");
    to.kill();
    std::fs::write(to.path().join("dump.rdb"), bytes).expect("the folder is ours");
    to.restart();
}

#[test]
fn arrays_are_the_same_here_and_there() {
    let Some(redis) = oracle::redis() else {
        eprintln!("skipped: no Redis 8.10.2 here; run tests/oracles.sh");
        return;
    };
    let mut ours = Server::ours().with(DEBUG).start();
    let mut theirs = Server::of(&redis).with(DEBUG).start();
    fill(&mut ours.client());
    fill(&mut theirs.client());
    let expected = state(&mut theirs.client());
    assert_eq!(state(&mut ours.client()), expected, "the same commands");
    carry(&ours, &mut theirs);
    assert_eq!(state(&mut theirs.client()), expected, "our file");
    ours.client().run("FLUSHALL");
    carry(&theirs, &mut ours);
    assert_eq!(state(&mut ours.client()), expected, "their file");
    let (mut here, mut there) = (ours.client(), theirs.client());
    for key in there.run("KEYS *").items() {
        let key = key.text();
        let payload = |client: &mut Client| match client.call(&["DUMP", &key]) {
            Value::Bulk(bytes) => bytes,
            other => panic!("DUMP {key}: {other:?}"),
        };
        let (mine, theirs) = (payload(&mut here), payload(&mut there));
        let value = |bytes: &[u8]| bytes[..bytes.len() - 10].to_vec();
        assert_eq!(value(&mine), value(&theirs), "{key}");
        let again = format!("again:{key}");
        for (client, bytes) in [(&mut here, theirs), (&mut there, mine)] {
            let words: [&[u8]; 4] = [b"RESTORE", again.as_bytes(), b"0", &bytes];
            assert_eq!(client.call(&words).text(), "OK", "{key}");
        }
    }
    assert_eq!(state(&mut here), state(&mut there), "restored");
}

/// A log of commands that one of them rewrote is read by the other.
#[test]
fn logs_of_arrays_are_read_here_and_there() {
    const LOG: &[&str] = &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let Some(redis) = oracle::redis() else {
        eprintln!("skipped: no Redis 8.10.2 here; run tests/oracles.sh");
        return;
    };
    let makers = || {
        let ours = Server::ours().with(DEBUG).with(LOG);
        [ours, Server::of(&redis).with(DEBUG).with(LOG)]
    };
    for (writer, reader) in makers().into_iter().zip(makers().into_iter().rev()) {
        let (writer, mut reader) = (writer.start(), reader.start());
        let mut client = writer.client();
        fill(&mut client);
        let expected = state(&mut client);
        client.run("BGREWRITEAOF");
        wait_until("the log is rewritten", || {
            let info = client.run("INFO persistence").text();
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrites:1")
        });
        client.run("ARINSERT few behind");
        client.run("ARDEL few behind");
        reader.kill();
        let logs = |server: &Server| server.path().join("appendonlydir");
        for file in std::fs::read_dir(logs(&writer))
            .expect("a folder")
            .flatten()
        {
            std::fs::copy(file.path(), logs(&reader).join(file.file_name())).expect("a copy");
        }
        reader.restart();
        let mut other = reader.client();
        assert_ne!(state(&mut other), expected, "what came later is there, too");
        assert_eq!(state(&mut other), state(&mut client));
    }
}

#[test]
fn replicas_have_the_same_arrays() {
    let Some(redis) = oracle::redis() else {
        eprintln!("skipped: no Redis 8.10.2 here; run tests/oracles.sh");
        return;
    };
    let makers = || [Server::ours().with(DEBUG), Server::of(&redis).with(DEBUG)];
    for (primary, replica) in makers().into_iter().zip(makers().into_iter().rev()) {
        let (primary, replica) = (primary.start(), replica.start());
        let (mut client, mut other) = (primary.client(), replica.client());
        fill(&mut client);
        other.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
        wait_until("the replica follows", || {
            other
                .run("INFO replication")
                .text()
                .contains("master_link_status:up")
        });
        for n in 0..50 {
            client.run(&format!("ARRING ring {} {n} {n}", n % 7 + 1));
            client.run(&format!("ARDELRANGE spread {} {}", n * 600, n * 600 + 300));
            client.run(&format!("ARSEEK long {n}"));
            client.run("ARINSERT long more");
        }
        let expected = state(&mut client);
        wait_until("the replica has everything", || {
            state(&mut other) == expected
        });
    }
}
