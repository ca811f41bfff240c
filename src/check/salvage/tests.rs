//! Damaged snapshots, and what is left of them.

use super::*;
use crate::algo::crc64::crc64;
use crate::engine::Engine;
use crate::persist::save;
use std::fs;
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("redwheel-salvage-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// A snapshot of two hundred keys of several types.
fn snapshot() -> Vec<u8> {
    let mut engine = Engine::new();
    for n in 0..100 {
        engine.ask(&format!("SET s{n} value-of-{n}"));
        engine.ask(&format!("RPUSH l{n} a b {n}"));
    }
    let mut bytes = Vec::new();
    let job = Snapshot::default();
    save::write(engine.keyspace(), &mut bytes, &job, &mut |_| {}).expect("a vector takes all");
    bytes
}

/// Salvages bytes; the exit status and the number of keys that were written.
fn salvaged(name: &str, bytes: &[u8]) -> (i32, usize) {
    let folder = folder(name);
    let (from, to) = (folder.join("in.rdb"), folder.join("out.rdb"));
    fs::write(&from, bytes).expect("the folder is ours");
    let status = run(&from, &to);
    let written = fs::read(&to).unwrap_or_default();
    let _ = fs::remove_dir_all(&folder);
    let keys = match Records::open(Reader::of_bytes(&written)) {
        Ok(mut records) => count(&mut records),
        Err(_) => 0,
    };
    (status, keys)
}

fn count(records: &mut Records) -> usize {
    let keyspace = Keyspace::new(1, Rng::new(1), 0);
    let hasher = keyspace.view(DbIndex(0)).entries().hasher().clone();
    let tuning = Tuning::default();
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        valkey: false,
    };
    let mut keys = 0;
    loop {
        match records.advance().expect("what we wrote is whole") {
            Record::Key(head) => {
                records.value(head.kind, &with).expect("and sound");
                keys += 1;
            }
            Record::End { .. } => return keys,
            _ => {}
        }
    }
}

fn position(bytes: &[u8], what: &[u8]) -> usize {
    let mut places = bytes.windows(what.len());
    places
        .position(|window| window == what)
        .expect("it is there")
}

#[test]
fn a_whole_file_loses_nothing() {
    assert_eq!(salvaged("whole", &snapshot()), (0, 200));
}

#[test]
fn a_broken_value_is_passed_over() {
    let mut bytes = snapshot();
    // The listpack of a list no longer ends where it says.
    let at = position(&bytes, b"\x03l50");
    let end = at
        + bytes[at..]
            .iter()
            .position(|&byte| byte == 0xff)
            .expect("its end");
    bytes[end] = 0;
    assert_eq!(salvaged("value", &bytes), (1, 199));
}

#[test]
fn reading_goes_on_behind_a_broken_length() {
    let mut bytes = snapshot();
    let at = position(&bytes, b"\x0bvalue-of-50");
    bytes[at] = 0x81;
    let (status, keys) = salvaged("length", &bytes);
    assert_eq!(status, 1);
    assert!((195..200).contains(&keys), "{keys}");
}

#[test]
fn a_cut_file_gives_what_is_before_the_cut() {
    let bytes = snapshot();
    let (status, keys) = salvaged("cut", &bytes[..bytes.len() / 2]);
    assert_eq!(status, 1);
    assert!((80..120).contains(&keys), "{keys}");
}

#[test]
fn what_is_no_snapshot_is_refused() {
    assert_eq!(salvaged("none", b"hello, world").0, 2);
    let sum = crc64(0, b"REDIS0011\xff").to_le_bytes();
    let empty = [&b"REDIS0011\xff"[..], &sum].concat();
    assert_eq!(salvaged("empty", &empty), (0, 0));
}
