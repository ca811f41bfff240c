//! Snapshots and the log: how long saving and loading take, and what logging costs.

use super::Options;
use super::load::{command, fill};
use super::measures::{Row, Target};
use super::subject::{Running, Subject};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Keys that are saved and loaded, for each of `--keys`, and small collections for each fifty keys.
pub const SAVED: usize = 5;
const KEYS_PER_COLLECTION: usize = 50;
/// Commands of a log that is loaded, for each of `--keys`.
const LOGGED: usize = 2;
/// Commands of a sample of what logging costs.
const SAMPLE: usize = 2_000_000;

pub fn key(n: usize) -> Vec<u8> {
    format!("key:{n:012}").into_bytes()
}

/// A value of 32 bytes that compresses no better than what people store.
fn value(n: usize) -> Vec<u8> {
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{mixed:016x}{:016x}", mixed.rotate_left(29) ^ 0x55).into_bytes()
}

pub fn set(n: usize, out: &mut Vec<u8>) {
    command(out, &[b"SET", &key(n), &value(n)]);
}

fn small(n: usize, out: &mut Vec<u8>) {
    let name = format!("small:{n:09}");
    let word = |i: usize| format!("element:{i}:{n}").into_bytes();
    let words: Vec<Vec<u8>> = (0..8).map(word).collect();
    let verb: &[u8] = [b"HSET".as_slice(), b"RPUSH", b"ZADD"][n % 3];
    let scores = ["1", "2", "3", "4"];
    let mut argv: Vec<&[u8]> = vec![verb, name.as_bytes()];
    for (at, pair) in words.chunks(2).enumerate() {
        match n % 3 {
            2 => argv.extend([scores[at].as_bytes(), &pair[0]]),
            _ => argv.extend([pair[0].as_slice(), &pair[1]]),
        }
    }
    command(out, &argv);
}

pub fn ask(server: &Running, words: &[&[u8]]) {
    let mut out = Vec::new();
    command(&mut out, words);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server accepts");
    stream.write_all(&out).expect("the server reads");
    let mut reply = [0; 64];
    let n = stream.read(&mut reply).expect("the server replies");
    assert!(
        n > 0 && reply[0] != b'-',
        "{:?}",
        String::from_utf8_lossy(&reply)
    );
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// SAVE, and a start with that file: seconds.
fn save_and_load(options: &Options, subject: &Subject) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let keys = options.keys * SAVED;
    let mut saves = Vec::new();
    {
        let server = subject.start_in(folder.path(), &[]);
        fill(server.port, keys, 50, set, |_, _| ()).expect("the server takes keys");
        let collections = keys / KEYS_PER_COLLECTION;
        fill(server.port, collections, 50, small, |_, _| ()).expect("and collections");
        for _ in 0..options.rounds {
            let began = Instant::now();
            ask(&server, &[b"SAVE"]);
            saves.push(began.elapsed().as_secs_f64());
        }
    }
    let loads = (0..options.rounds).map(|_| start_seconds(subject, folder.path(), &[]));
    (median(saves), median(loads.collect()))
}

fn start_seconds(subject: &Subject, folder: &Path, words: &[&str]) -> f64 {
    let began = Instant::now();
    let _server = subject.start_in(folder, words);
    began.elapsed().as_secs_f64()
}

/// A start with a log of commands: seconds.
fn load_log(options: &Options, subject: &Subject) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let words = ["--appendonly", "yes", "--appendfsync", "no"];
    let words = [&words[..], &["--auto-aof-rewrite-percentage", "0"]].concat();
    {
        let server = subject.start_in(folder.path(), &words);
        let count = options.keys * LOGGED;
        fill(server.port, count, 50, set, |_, _| ()).expect("the server takes keys");
        std::thread::sleep(Duration::from_millis(300));
    }
    let loads = (0..options.rounds).map(|_| start_seconds(subject, folder.path(), &words));
    median(loads.collect())
}

/// CPU of a SET with `appendfsync everysec`, in terms of one without a log.
fn cost_of_logging(options: &Options, subject: &Subject) -> f64 {
    let cpu = |words: &[&str]| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let server = subject.start_in(folder.path(), words);
        let again = |n: usize, out: &mut Vec<u8>| set(n % 100_000, out);
        fill(server.port, 100_000, 16, again, |_, _| ()).expect("the server takes keys");
        let before = server.cpu_ns();
        fill(server.port, SAMPLE, 16, again, |_, _| ()).expect("the server takes keys");
        (server.cpu_ns() - before) as f64
    };
    let logged = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];
    let ratios = (0..options.rounds).map(|_| cpu(&logged) / cpu(&[]));
    median(ratios.collect())
}

/// save, load, aofload, setaof.
pub fn rows(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    if options.wants("save") || options.wants("load") {
        let both = subjects
            .iter()
            .map(|subject| save_and_load(options, subject));
        let (saves, loads): (Vec<f64>, Vec<f64>) = both.unzip();
        rows.push(Row::new("SAVE", "s", saves, Some(Target::Ratio(0.75))));
        rows.push(Row::new("load", "s", loads, Some(Target::Ratio(0.65))));
    }
    if options.wants("aofload") {
        let loads = subjects.iter().map(|subject| load_log(options, subject));
        let target = Some(Target::Ratio(0.65));
        rows.push(Row::new("load of a log", "s", loads.collect(), target));
    }
    if options.wants("setaof") {
        let costs = subjects
            .iter()
            .map(|subject| cost_of_logging(options, subject));
        let target = Some(Target::Figure(1.25));
        rows.push(Row::new("SET with a log", "x", costs.collect(), target));
    }
    rows
}
