//! Operations that delay other clients: growth of the table, dropping a huge value, keys that
//! expire together.
//!
//! Two figures each: the longest wait for a reply, and the most CPU time that the server's main
//! thread used during one. The first is the client's view, this machine's own hiccups included;
//! the second is an upper bound for a pause caused by the server.
//!
//! Of the rounds the best counts: other processes only ever make a wait longer, and a pause that the
//! server makes is there in every round.

use super::Options;
use super::collections::{fill_one, one, scored};
use super::load::{command, fill};
use super::measures::{Row, Target, int8, key16, median};
use super::subject::{CpuMeter, Running, Subject};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

/// The longest seen, in milliseconds: on the wall, and of the main thread's CPU time.
struct Longest {
    wall: f64,
    cpu: f64,
    meter: CpuMeter,
    before_ns: u64,
}

impl Longest {
    fn new(server: &Running) -> Longest {
        let meter = server.cpu_meter();
        let before_ns = meter.ns();
        Longest {
            wall: 0.0,
            cpu: 0.0,
            meter,
            before_ns,
        }
    }

    /// Records the latency of a reply.
    fn note(&mut self, wall: Duration) {
        let used_ns = self.meter.ns();
        self.wall = self.wall.max(wall.as_secs_f64() * 1e3);
        self.cpu = self.cpu.max((used_ns - self.before_ns) as f64 / 1e6);
        self.before_ns = used_ns;
    }

    /// Forgets what was seen so far.
    fn begin(&mut self) {
        (self.wall, self.cpu, self.before_ns) = (0.0, 0.0, self.meter.ns());
    }
}

/// The best of the rounds, for each server.
struct Best {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Best {
    fn of(subjects: &[Subject]) -> Best {
        let none = vec![f64::INFINITY; subjects.len()];
        Best {
            wall: none.clone(),
            cpu: none,
        }
    }

    fn note(&mut self, index: usize, longest: &Longest) {
        self.wall[index] = self.wall[index].min(longest.wall);
        self.cpu[index] = self.cpu[index].min(longest.cpu);
    }

    /// `most_ms` is what the CPU time is to stay below.
    fn rows(self, name: &str, most_ms: Option<f64>) -> [Row; 2] {
        [
            Row::new(name, "ms", self.wall, None),
            Row::new(name, "ms CPU", self.cpu, most_ms.map(Target::Figure)),
        ]
    }
}

/// Batches of SETs while the table grows from nothing, and the same writes once more, without
/// growth: the effect of the machine itself on a reply.
pub fn gap(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    if !options.wants("gap") {
        return Vec::new();
    }
    let (mut growing, mut steady) = (Best::of(subjects), Best::of(subjects));
    for _ in 0..options.rounds.min(3) {
        for (index, subject) in subjects.iter().enumerate() {
            let server = subject.start(true);
            for best in [&mut growing, &mut steady] {
                let mut longest = Longest::new(&server);
                let write =
                    |n: usize, out: &mut Vec<u8>| command(out, &[b"SET", &key16(n), &int8(n)]);
                let seen = |_, time: Duration| longest.note(time);
                fill(server.port, options.gap_keys, 16, write, seen)
                    .expect("the server takes its keys");
                best.note(index, &longest);
            }
        }
    }
    let growth = format!("longest gap, 0 to {} keys", options.gap_keys);
    let mut rows = Vec::from(growing.rows(&growth, Some(1.0)));
    rows.extend(steady.rows("longest gap, no growth", None));
    rows
}

/// A way to make something huge.
type Fill = fn(&Running);

/// The longest that another client waited while a collection of five million was deleted.
pub fn deletion(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    const HUGE: usize = 5_000_000;
    if !options.wants("del") {
        return Vec::new();
    }
    let mut rows = Vec::new();
    let kinds: [(&str, Fill); 2] = [
        ("set", |server| fill_one(server, b"SADD", b"big", HUGE, one)),
        ("sorted set", |server| {
            fill_one(server, b"ZADD", b"big", HUGE, scored)
        }),
    ];
    for (name, fill) in kinds {
        let mut best = Best::of(subjects);
        for _ in 0..options.rounds.min(3) {
            for (index, subject) in subjects.iter().enumerate() {
                let server = subject.start(true);
                fill(&server);
                best.note(index, &longest_during_deletion(&server));
            }
        }
        let name = format!("longest wait while a {name} of 5 M goes");
        rows.extend(best.rows(&name, Some(1.0)));
    }
    rows
}

fn connect(server: &Running) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server accepts");
    stream.set_nodelay(true).expect("TCP knows it");
    stream
}

fn ping(stream: &mut TcpStream) -> Duration {
    let asked = Instant::now();
    stream.write_all(b"PING\r\n").expect("the server reads");
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).expect("the server replies");
    asked.elapsed()
}

/// Pings without a break while another connection deletes.
fn longest_during_deletion(server: &Running) -> Longest {
    let (mut pings, mut deletes) = (connect(server), connect(server));
    let mut longest = Longest::new(server);
    let began = Instant::now();
    let mut sent = false;
    while began.elapsed() < Duration::from_millis(1_500) {
        if !sent && began.elapsed() > Duration::from_millis(100) {
            longest.begin();
            deletes.write_all(b"DEL big\r\n").expect("the server reads");
            sent = true;
        }
        longest.note(ping(&mut pings));
    }
    longest
}

/// The latency of UNLINK of a set of five million and of FLUSHALL ASYNC, and that of other clients
/// meanwhile and for a second after.
pub fn latency(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    const HUGE: usize = 5_000_000;
    const KEYS: usize = 1_000_000;
    if !options.wants("latency") {
        return Vec::new();
    }
    let kinds: [(&str, &[u8], Fill); 2] = [
        ("UNLINK of a set of 5 M", b"UNLINK big\r\n", |server| {
            fill_one(server, b"SADD", b"big", HUGE, one)
        }),
        (
            "FLUSHALL ASYNC of 1 M keys",
            b"FLUSHALL ASYNC\r\n",
            |server| {
                let write =
                    |n: usize, out: &mut Vec<u8>| command(out, &[b"SET", &key16(n), &int8(n)]);
                fill(server.port, KEYS, 100, write, |_, _| ()).expect("the server takes its keys");
            },
        ),
    ];
    let mut rows = Vec::new();
    for (name, words, fill) in kinds {
        eprintln!("latency: {name} …");
        let mut replies: Vec<Vec<f64>> = subjects.iter().map(|_| Vec::new()).collect();
        let mut others = replies.clone();
        for _ in 0..options.rounds.min(3) {
            for (index, subject) in subjects.iter().enumerate() {
                let server = subject.start(true);
                fill(&server);
                let (reply, other) = waits(&server, words);
                replies[index].push(reply.as_secs_f64() * 1e6);
                others[index].push(other.as_secs_f64() * 1e6);
            }
        }
        let medians = |figures: Vec<Vec<f64>>| figures.into_iter().map(median).collect();
        rows.push(Row::new(
            format!("{name}: reply"),
            "µs",
            medians(replies),
            None,
        ));
        rows.push(Row::new(
            format!("{name}: p99.9 of others"),
            "µs",
            medians(others),
            None,
        ));
    }
    rows
}

/// The latency of this command, and the p99.9 of PINGs sent without a break from then on.
fn waits(server: &Running, words: &[u8]) -> (Duration, Duration) {
    let (mut pings, mut client) = (connect(server), connect(server));
    ping(&mut client);
    let began = Instant::now();
    client.write_all(words).expect("the server reads");
    // The reply is waited for by a thread of its own, so that the PINGs do not wait for it.
    let reply = std::thread::spawn(move || {
        client.read_exact(&mut [0; 4]).expect("the server replies");
        began.elapsed()
    });
    let mut seen = Vec::new();
    while began.elapsed() < Duration::from_secs(1) {
        seen.push(ping(&mut pings));
    }
    seen.sort();
    let other = seen[seen.len() * 999 / 1000];
    (reply.join().expect("the reader ends"), other)
}

/// The longest that a client waited while a million keys expired within one second.
pub fn expiry(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    /// Time enough to load them, in milliseconds.
    const LOADING_MS: u64 = 12_000;
    if !options.wants("expiry") {
        return Vec::new();
    }
    let mut best = Best::of(subjects);
    for _ in 0..options.rounds.min(3) {
        for (index, subject) in subjects.iter().enumerate() {
            let server = subject.start(true);
            let due = SystemTime::now() + Duration::from_millis(LOADING_MS);
            let due_ms = due.duration_since(SystemTime::UNIX_EPOCH);
            let due_ms = due_ms.expect("it is later than 1970").as_millis() as usize;
            let write = |n: usize, out: &mut Vec<u8>| {
                let at = (due_ms + n % 1000).to_string();
                command(out, &[b"SET", &key16(n), &int8(n), b"PXAT", at.as_bytes()]);
            };
            fill(server.port, 1_000_000, 500, write, |_, _| ()).expect("the server takes its keys");
            let wait = due.duration_since(SystemTime::now());
            std::thread::sleep(wait.expect("they were loaded in time"));
            let mut pings = connect(&server);
            let mut longest = Longest::new(&server);
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(2_000) {
                longest.note(ping(&mut pings));
            }
            best.note(index, &longest);
        }
    }
    best.rows("longest wait while 1 M keys expire", Some(2.0))
        .into()
}
