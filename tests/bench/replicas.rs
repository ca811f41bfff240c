//! The cost of a SET for a primary with replicas that read the stream and discard it.

use super::Options;
use super::measures::{CONNECTIONS, Case, Random, Row, key16, request_rows, text32};
use super::subject::{Running, Subject};
use crate::load::command;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const DEPTH: usize = 16;
/// The row's name, and the number of replicas.
const KINDS: [(&str, usize); 2] = [("setrepl1", 1), ("setrepl4", 4)];
/// The time limit for a replica to come online.
const PATIENCE: Duration = Duration::from_secs(20);

/// A replica of the oldest kind: it says SYNC, and then only listens. It ends with its primary.
fn follow(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.write_all(b"SYNC\r\n").expect("the server reads");
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while stream.read(&mut bytes).is_ok_and(|n| n > 0) {}
    });
}

/// Waits until so many replicas get the stream.
fn await_online(port: u16, replicas: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let until = Instant::now() + PATIENCE;
    let mut bytes = vec![0; 64 << 10];
    loop {
        let asked = stream.write_all(b"INFO replication\r\n");
        asked.expect("the server reads");
        let n = stream.read(&mut bytes).expect("the server replies");
        let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
        if text.matches("state=online").count() == replicas {
            return;
        }
        assert!(Instant::now() < until, "no replicas: {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// CPU of the primary per request, and throughput.
pub fn requests(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, replicas) in KINDS.into_iter().filter(|kind| options.wants(kind.0)) {
        let servers: Vec<Running> = subjects.iter().map(|s| s.start(true)).collect();
        for server in &servers {
            (0..replicas).for_each(|_| follow(server.port));
            await_online(server.port, replicas);
        }
        eprintln!("{name} at pipeline {DEPTH} …");
        let case = Case {
            name,
            depth: DEPTH,
            write: &|random: &mut Random, out: &mut Vec<u8>| {
                let (key, value) = (key16(random.below(100_000)), text32(random.below(1000)));
                command(out, &[b"SET", &key, &value]);
            },
            target: None,
            before: None,
            most: u64::MAX,
            connections: CONNECTIONS,
        };
        rows.extend(request_rows(options, &servers, &case));
    }
    rows
}
