//! At the limit of memory: what a SET costs that has to make room, by policy.

use super::Options;
use super::load::{command, fill};
use super::measures::{CONNECTIONS, Case, Random, Row, key16, request_rows, text32};
use super::subject::{Running, Subject};

/// Room for a fraction of the keys that are written.
const LIMIT: &[u8] = b"24mb";
const DEPTH: usize = 16;

/// The row's name, the policy, and whether keys have deadlines.
const KINDS: [(&str, &str, bool); 4] = [
    ("evictlru", "allkeys-lru", false),
    ("evictlfu", "allkeys-lfu", false),
    ("evictvolatile", "volatile-lru", true),
    ("evictttl", "volatile-ttl", true),
];

fn set(n: usize, ttl: bool, out: &mut Vec<u8>) {
    let (key, value) = (key16(n), text32(n));
    let seconds = (100 + n % 100_000).to_string();
    match ttl {
        true => command(out, &[b"SET", &key, &value, b"EX", seconds.as_bytes()]),
        false => command(out, &[b"SET", &key, &value]),
    }
}

fn limit(server: &Running, policy: &str) {
    let write = |_: usize, out: &mut Vec<u8>| {
        let pairs: [&[u8]; 4] = [b"maxmemory", LIMIT, b"maxmemory-policy", policy.as_bytes()];
        command(out, &[&[b"CONFIG".as_slice(), b"SET"], &pairs[..]].concat());
    };
    fill(server.port, 1, 1, write, |_, _| ()).expect("the server takes a limit");
}

/// CPU per request and throughput.
pub fn requests(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, policy, ttl) in KINDS.into_iter().filter(|kind| options.wants(kind.0)) {
        let servers: Vec<Running> = subjects.iter().map(|s| s.start(true)).collect();
        for server in &servers {
            limit(server, policy);
            let write = |n: usize, out: &mut Vec<u8>| set(n, ttl, out);
            fill(server.port, options.keys, 500, write, |_, _| ()).expect("keys make room");
        }
        eprintln!("{name} at pipeline {DEPTH} …");
        let case = Case {
            name,
            depth: DEPTH,
            write: &|random: &mut Random, out: &mut Vec<u8>| {
                set(random.below(100 * options.keys), ttl, out);
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
