//! The same data here and there: as files in both directions, and by DUMP and RESTORE.

use crate::support::client::{Client, Value};
use crate::support::oracle;
use crate::support::server::Server;
use crate::{data_set, fill};
use std::path::{Path, PathBuf};

const DEBUG: &[&str] = &["--enable-debug-command", "yes"];

/// A real server, the version of files it reads, and whether it knows deadlines of fields.
struct Other {
    binary: PathBuf,
    version: &'static str,
    field_deadlines: bool,
}

fn others() -> Vec<Other> {
    let debian = PathBuf::from("/usr/bin/redis-server");
    let found = [
        (oracle::redis(), "12", true),
        (oracle::valkey(), "11", false),
        (debian.exists().then_some(debian), "10", false),
    ];
    let other = |(binary, version, field_deadlines): (Option<PathBuf>, _, _)| {
        Some(Other {
            binary: binary?,
            version,
            field_deadlines,
        })
    };
    found.into_iter().filter_map(other).collect()
}

fn digest(client: &mut Client) -> String {
    client.run("DEBUG DIGEST").text()
}

fn carry(from: &Server, to: &mut Server) {
    assert_eq!(from.client().run("SAVE").text(), "OK");
    let file = |server: &Server| server.path().join("dump.rdb");
    let bytes = std::fs::read(file(from)).expect("it was saved");
    to.kill();
    std::fs::write(file(to), bytes).expect("the folder is ours");
    to.restart();
}

#[test]
fn files_are_the_same_here_and_there() {
    for other in others() {
        let name = other.binary.display().to_string();
        let lines = data_set(other.field_deadlines);
        let mut ours = Server::ours()
            .with(DEBUG)
            .with(&["--rdb-save-version", other.version])
            .start();
        fill(&mut ours.client(), &lines);
        let expected = digest(&mut ours.client());
        let mut theirs = Server::of(&other.binary).with(DEBUG).start();
        carry(&ours, &mut theirs);
        assert_eq!(digest(&mut theirs.client()), expected, "ours to {name}");
        let mut fresh = Server::of(&other.binary).with(DEBUG).start();
        fill(&mut fresh.client(), &lines);
        carry(&fresh, &mut ours);
        assert_eq!(digest(&mut ours.client()), expected, "{name} to ours");
        fresh.kill();
    }
}

fn payload(client: &mut Client, key: &str) -> Vec<u8> {
    match client.call(&["DUMP", key]) {
        Value::Bulk(bytes) => bytes,
        other => panic!("DUMP {key}: {other:?}"),
    }
}

/// Carries every key of database 0 over.
fn restore_all(from: &mut Client, to: &mut Client, name: &str) {
    for key in from.run("KEYS *").items() {
        let key = key.text();
        let bytes = payload(from, &key);
        let ttl = from
            .run(&format!("PEXPIRETIME {key}"))
            .as_int()
            .unwrap_or(-1)
            .max(0);
        let words: [&[u8]; 5] = [
            b"RESTORE",
            key.as_bytes(),
            &ttl.to_string().into_bytes(),
            &bytes,
            b"ABSTTL",
        ];
        let answer = to.call(&words);
        assert_eq!(answer.text(), "OK", "{key} {name}");
    }
}

#[test]
fn values_are_the_same_here_and_there() {
    for other in others() {
        let name = other.binary.display().to_string();
        let lines = data_set(other.field_deadlines);
        let options = ["--rdb-save-version", other.version];
        let ours = Server::ours().with(DEBUG).with(&options).start();
        let theirs = Server::of(&other.binary).with(DEBUG).start();
        let (mut ours, mut theirs) = (ours.client(), theirs.client());
        fill(&mut ours, &lines);
        ours.run("SELECT 3");
        ours.run("FLUSHDB");
        ours.run("SELECT 0");
        let expected = digest(&mut ours);
        restore_all(&mut ours, &mut theirs, "to them");
        assert_eq!(digest(&mut theirs), expected, "ours to {name}");
        ours.run("FLUSHALL");
        restore_all(&mut theirs, &mut ours, "to us");
        assert_eq!(digest(&mut ours), expected, "{name} to ours");
    }
}

#[test]
fn logs_are_the_same_here_and_there() {
    let Some(redis) = oracle::redis() else { return };
    for preamble in ["yes", "no"] {
        let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let start = |binary: &Path| Server::of(binary).with(DEBUG).with(&options).start();
        let ours_binary = crate::support::server::our_binary();
        let mut ours = start(&ours_binary);
        let mut theirs = start(&redis);
        let lines = data_set(true);
        fill(&mut ours.client(), &lines);
        fill(&mut theirs.client(), &lines);
        let expected = digest(&mut ours.client());
        assert_eq!(digest(&mut theirs.client()), expected);
        for server in [&ours, &theirs] {
            server.client().run("BGREWRITEAOF");
            server.wait_for_log("Background AOF rewrite finished successfully");
            server.client().run("SET after rewrite");
            server.client().run("DEL after");
        }
        ours.kill();
        theirs.kill();
        let folder = |server: &Server| server.path().join("appendonlydir");
        let aside = theirs.path().join("aside");
        std::fs::rename(folder(&theirs), &aside).expect("the folder is ours");
        std::fs::rename(folder(&ours), folder(&theirs)).expect("the folder is ours");
        std::fs::rename(&aside, folder(&ours)).expect("the folder is ours");
        ours.restart();
        theirs.restart();
        assert_eq!(
            digest(&mut theirs.client()),
            expected,
            "ours to Redis, {preamble}"
        );
        assert_eq!(
            digest(&mut ours.client()),
            expected,
            "Redis to ours, {preamble}"
        );
    }
}
