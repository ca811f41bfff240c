//! Files that were cut or changed: refused with a message, or read as what they were.

use crate::support::server::Server;
use crate::{data_set, fill};
use redwheel::testing::algo::rng::Rng;
use redwheel::testing::keyspace::{Keyspace, Tuning};
use redwheel::testing::persist::load::{Loading, Part, Role, Rules, Step};
use std::path::Path;

/// Loads a snapshot; the digest of what is there, or nothing if it was refused.
fn load(path: &Path) -> Option<String> {
    let mut keyspace = Keyspace::new(16, Rng::new(1), 1_700_000_000_000);
    let rules = Rules {
        checksum: true,
        ..Rules::default()
    };
    let part = Part {
        path: path.to_owned(),
        name: "dump.rdb".into(),
        role: Role::Snapshot,
    };
    let mut loading = Loading::new(vec![part], rules, 1_700_000_000);
    loop {
        match loading.step(&mut keyspace, &Tuning::default(), &mut || true) {
            Step::Done => return Some(keyspace.digest().to_hex()),
            Step::Failed | Step::Starved => return None,
            Step::More | Step::Function(_) | Step::Run(_) => {}
        }
    }
}

fn snapshot() -> (Server, Vec<u8>) {
    let server = Server::ours().start();
    let mut client = server.client();
    fill(&mut client, &data_set(true));
    assert_eq!(client.run("SAVE").text(), "OK");
    let bytes = std::fs::read(server.path().join("dump.rdb")).expect("it was saved");
    (server, bytes)
}

#[test]
fn a_cut_or_changed_snapshot_is_refused() {
    let (server, bytes) = snapshot();
    let path = server.path().join("damaged.rdb");
    let try_with = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("the folder is ours");
        load(&path)
    };
    let whole = try_with(&bytes);
    assert!(whole.is_some());
    for n in 0..200 {
        let cut = bytes.len() * n / 200;
        assert_eq!(try_with(&bytes[..cut]), None, "cut at {cut}");
    }
    let mut rng = Rng::new(5);
    for _ in 0..2_000 {
        let mut changed = bytes.clone();
        let at = rng.below(bytes.len() as u64) as usize;
        changed[at] ^= 1 << rng.below(8);
        assert_eq!(try_with(&changed), None, "a bit of byte {at}");
    }
}

/// The commands of a log, and where each ends.
fn ends_of_commands(log: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    for at in 1..log.len() {
        if log[at..].starts_with(b"*") && log[at - 1] == b'\n' {
            ends.push(at);
        }
    }
    ends.push(log.len());
    ends
}

#[test]
fn a_log_cut_anywhere_in_its_last_records_keeps_its_whole_commands() {
    let mut server = Server::ours()
        .with(&["--appendonly", "yes", "--appendfsync", "always"])
        .start();
    let mut client = server.client();
    for n in 1..=6 {
        client.run(&format!("RPUSH l {n}"));
    }
    let log_path = server
        .path()
        .join("appendonlydir/appendonly.aof.1.incr.aof");
    server.kill();
    let log = std::fs::read(&log_path).expect("it was written");
    let ends = ends_of_commands(&log);
    let first = ends[ends.len() - 3];
    for cut in (first..=log.len()).rev() {
        std::fs::write(&log_path, &log[..cut]).expect("the folder is ours");
        server.restart();
        let len = server.client().run("LLEN l").as_int();
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        // SELECT is one of them.
        assert_eq!(len, Some(whole as i64 - 1), "cut at {cut}");
        if !ends.contains(&cut) {
            let kept = ends.iter().filter(|&&end| end <= cut).max().expect("one");
            let beside = log_path.with_extension(format!("aof.cut-at-{kept}"));
            assert_eq!(
                std::fs::read(beside).ok().as_deref(),
                Some(&log[*kept..cut])
            );
        }
        server.kill();
    }
}

#[test]
fn damage_in_the_middle_of_a_log_ends_the_start() {
    let mut server = Server::ours()
        .with(&["--appendonly", "yes", "--appendfsync", "always"])
        .start();
    let mut client = server.client();
    for n in 1..=6 {
        client.run(&format!("RPUSH l {n}"));
    }
    let path = server
        .path()
        .join("appendonlydir/appendonly.aof.1.incr.aof");
    server.kill();
    let mut log = std::fs::read(&path).expect("it was written");
    let middle = ends_of_commands(&log)[3];
    log[middle] = b'!';
    std::fs::write(&path, &log).expect("the folder is ours");
    server.relaunch();
    assert!(!server.wait().success());
    let text = server.log();
    assert!(
        text.contains("Bad file format reading the append only file"),
        "{text}"
    );
    assert!(text.contains(&format!("at offset {middle}.")), "{text}");
    assert_eq!(std::fs::read(&path).expect("it stays"), log);
}
