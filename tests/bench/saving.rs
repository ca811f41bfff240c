//! Clients' view of saving: the pace of a log that is synced before each reply, and the latency of
//! replies during a snapshot.

use super::Options;
use super::files::{ask, median, set};
use super::load::{Counter, Load, Pool, command};
use super::measures::{Random, Row, Target};
use super::subject::{Running, Subject};
use mio::net::TcpStream;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 50;
/// Requests of the paced load in a second.
const PACE: u32 = 20_000;
/// The paced load goes over so many connections in turn.
const LANES: usize = 20;
/// The longest that a snapshot may take.
const SNAPSHOT: Duration = Duration::from_secs(60);

/// Microseconds per request with `appendfsync always`, by the clock: the disk dominates, not the
/// CPU.
fn synced(options: &Options, subjects: &[Subject], depth: usize) -> Row {
    let mut random = Random::new();
    let pool = Pool::build(100_000, depth, |out| {
        set(random.below(options.keys.max(1)), out);
    });
    let mut samples = vec![Vec::new(); subjects.len()];
    for _ in 0..options.rounds {
        for (index, subject) in subjects.iter().enumerate() {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let words = ["--appendonly", "yes", "--appendfsync", "always"];
            let server = subject.start_in(folder.path(), &words);
            let mut load =
                Load::connect(server.port, CONNECTIONS, &pool).expect("the server accepts");
            let time = Duration::from_secs_f64(options.seconds);
            let sample = load.run(Duration::from_millis(200), time, || server.cpu_ns());
            let sample = sample.expect("the server replies");
            samples[index].push(sample.seconds * 1e6 / sample.requests as f64);
        }
    }
    let figures = samples.into_iter().map(median).collect();
    let name = format!("SET synced before the reply, P{depth}");
    Row::new(name, "µs/req", figures, Some(Target::Ratio(1.0)))
}

/// A connection of the paced load, with the due times of its pending requests.
struct Lane {
    stream: TcpStream,
    counter: Counter,
    due: std::collections::VecDeque<Instant>,
}

impl Lane {
    fn connect(port: u16) -> Lane {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = std::net::TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("TCP knows it");
        stream.set_nonblocking(true).expect("so do sockets");
        Lane {
            stream: TcpStream::from_std(stream),
            counter: Counter::default(),
            due: std::collections::VecDeque::new(),
        }
    }

    /// Reads replies and records the time since each request was due, in microseconds.
    fn read(&mut self, seen: &mut Vec<f64>) {
        let mut buffer = [0; 4096];
        let got = match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            got => got.expect("the server replies"),
        };
        for _ in 0..self.counter.feed(&buffer[..got]) {
            let due = self.due.pop_front().expect("a reply has a request");
            seen.push(due.elapsed().as_secs_f64() * 1e6);
        }
    }
}

/// Sends requests at an even pace, whether replies come or not, for as long as `goes_on`.
fn paced(server: &Running, keys: usize, goes_on: impl Fn(Duration) -> bool) -> Vec<f64> {
    let mut lanes: Vec<Lane> = (0..LANES).map(|_| Lane::connect(server.port)).collect();
    let (mut seen, mut random, mut out) = (Vec::new(), Random::new(), Vec::new());
    let (began, step) = (Instant::now(), Duration::from_secs(1) / PACE);
    let (mut due, mut sent) = (began, 0);
    let mut asked = began;
    loop {
        let now = Instant::now();
        if now - asked > Duration::from_millis(20) {
            asked = now;
            if !goes_on(now - began) {
                return seen;
            }
        }
        if now >= due {
            let lane = &mut lanes[sent % LANES];
            out.clear();
            match sent % 2 {
                0 => set(random.below(keys), &mut out),
                _ => command(&mut out, &[b"GET", &super::files::key(random.below(keys))]),
            }
            lane.stream.write_all(&out).expect("the server reads");
            lane.due.push_back(due);
            (due, sent) = (due + step, sent + 1);
        }
        lanes.iter_mut().for_each(|lane| lane.read(&mut seen));
    }
}

/// The p99.9 latency while a snapshot is made.
fn during_snapshots(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let keys = options.keys * super::files::SAVED;
    let mut late = vec![Vec::new(); subjects.len()];
    let mut rest = vec![Vec::new(); subjects.len()];
    for (index, subject) in subjects.iter().enumerate() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let server = subject.start_in(folder.path(), &[]);
        super::load::fill(server.port, keys, 50, set, |_, _| ()).expect("the server takes keys");
        for _ in 0..options.rounds {
            let calm = paced(&server, keys, |time| time < Duration::from_secs(1));
            rest[index].push(nearly_longest(calm));
            ask(&server, &[b"BGSAVE"]);
            let saving = |time| time < SNAPSHOT && server.has_child();
            late[index].push(nearly_longest(paced(&server, keys, saving)));
        }
    }
    let row = |name: &str, samples: Vec<Vec<f64>>, target| {
        let figures = samples.into_iter().map(median).collect();
        Row::new(name, "µs", figures, target)
    };
    vec![
        row("p99.9 during BGSAVE", late, Some(Target::Ratio(1.0))),
        row("p99.9 otherwise", rest, None),
    ]
}

fn nearly_longest(mut seen: Vec<f64>) -> f64 {
    seen.sort_by(f64::total_cmp);
    let at = seen.len() * 999 / 1000;
    seen.get(at).copied().unwrap_or(f64::NAN)
}

/// always, bgsave.
pub fn rows(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    if options.wants("always") {
        rows.extend([1, 16].map(|depth| synced(options, subjects, depth)));
    }
    if options.wants("bgsave") {
        rows.extend(during_snapshots(options, subjects));
    }
    rows
}
