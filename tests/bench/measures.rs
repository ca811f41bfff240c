//! The measures themselves; each gives rows of figures, one figure for each server.

use super::Options;
use super::load::{Load, Pool, Sample, command, fill};
use super::subject::{Running, Subject};
use std::fmt;
use std::thread::sleep;
use std::time::Duration;

/// As redis-benchmark has it, and as many clients of a web application would.
pub const CONNECTIONS: usize = 50;
const WARM_UP: Duration = Duration::from_millis(200);
/// Starts of each server for the time to the first PONG.
const STARTS: usize = 20;

/// The target: a ratio to the best real server, or a figure.
pub enum Target {
    Ratio(f64),
    Figure(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Ratio(r) => write!(f, "≤ {r:.2}"),
            Target::Figure(n) => write!(f, "≤ {n} abs"),
        }
    }
}

pub struct Row {
    pub name: String,
    pub unit: &'static str,
    /// In the order of the servers.
    pub figures: Vec<f64>,
    pub target: Option<Target>,
    more_is_better: bool,
}

impl Row {
    pub fn new(
        name: impl Into<String>,
        unit: &'static str,
        figures: Vec<f64>,
        target: Option<Target>,
    ) -> Row {
        Row {
            name: name.into(),
            unit,
            figures,
            target,
            more_is_better: unit == "req/s",
        }
    }

    pub fn shown(&self, figure: f64) -> String {
        if figure >= 1000.0 {
            format!("{figure:.0}")
        } else {
            format!("{figure:.3}")
        }
    }

    fn ours(&self, subjects: &[Subject]) -> Option<f64> {
        subjects
            .iter()
            .position(|s| s.name == "ours")
            .map(|n| self.figures[n])
    }

    /// Ours to the best of the real servers.
    pub fn ratio(&self, subjects: &[Subject]) -> Option<f64> {
        let real = self
            .figures
            .iter()
            .zip(subjects)
            .filter(|(_, s)| s.name != "ours")
            .map(|(f, _)| *f);
        let best = real.reduce(if self.more_is_better {
            f64::max
        } else {
            f64::min
        })?;
        Some(self.ours(subjects)? / best)
    }

    pub fn reached(&self, subjects: &[Subject]) -> Option<bool> {
        match self.target.as_ref()? {
            Target::Ratio(target) => Some(self.ratio(subjects)? <= *target),
            Target::Figure(target) => Some(self.ours(subjects)? <= *target),
        }
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Xorshift: which key comes next needs no better.
pub struct Random(u64);

impl Random {
    /// Draws the same numbers for each server.
    pub fn new() -> Random {
        Random(0x9e37_79b9_7f4a_7c15)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).expect("below a usize")
    }
}

pub fn key16(n: usize) -> Vec<u8> {
    format!("key:{n:012}").into_bytes()
}

fn key32(n: usize) -> Vec<u8> {
    format!("session:user:profile:{n:011}").into_bytes()
}

fn value(n: usize, len: usize) -> Vec<u8> {
    let mut value = format!("{n:08}:").into_bytes();
    value.resize(len, b'v');
    value
}

pub fn int8(n: usize) -> Vec<u8> {
    (10_000_000 + n).to_string().into_bytes()
}

/// A kind of request: its name, what is loaded beforehand, and how one is written.
struct Kind {
    name: &'static str,
    loaded: fn(usize) -> Vec<u8>,
    write: fn(&mut Random, usize, &mut Vec<u8>),
    target: fn(usize) -> Option<f64>,
}

/// The ratios every single-key command is to reach, by pipeline depth.
fn single_key_target(depth: usize) -> Option<f64> {
    match depth {
        1 => Some(0.93),
        16 => Some(0.70),
        64 => Some(0.50),
        _ => None,
    }
}

pub fn text32(n: usize) -> Vec<u8> {
    value(n, 32)
}

fn text512(n: usize) -> Vec<u8> {
    value(n, 512)
}

pub fn write_get(random: &mut Random, keys: usize, out: &mut Vec<u8>) {
    command(out, &[b"GET", &key16(random.below(keys))]);
}

fn write_mset(random: &mut Random, keys: usize, out: &mut Vec<u8>) {
    let pairs: Vec<Vec<u8>> = (0..10)
        .flat_map(|_| {
            let n = random.below(keys);
            [key16(n), text32(n)]
        })
        .collect();
    let mut words: Vec<&[u8]> = vec![b"MSET"];
    words.extend(pairs.iter().map(Vec::as_slice));
    command(out, &words);
}

/// Kinds that load the same stand together, so that they share a server.
const KINDS: &[Kind] = &[
    Kind {
        name: "ping",
        loaded: text32,
        write: |_, _, out| command(out, &[b"PING"]),
        target: |_| None,
    },
    Kind {
        name: "get",
        loaded: text32,
        write: write_get,
        target: single_key_target,
    },
    Kind {
        name: "set",
        loaded: text32,
        write: |random, keys, out| {
            let n = random.below(keys);
            command(out, &[b"SET", &key16(n), &text32(n)]);
        },
        target: single_key_target,
    },
    Kind {
        name: "mset",
        loaded: text32,
        write: write_mset,
        target: |depth| (depth == 16).then_some(0.60),
    },
    Kind {
        name: "incr",
        loaded: int8,
        write: |random, keys, out| command(out, &[b"INCR", &key16(random.below(keys))]),
        target: single_key_target,
    },
    Kind {
        name: "get512",
        loaded: text512,
        write: write_get,
        target: |_| None,
    },
    Kind {
        name: "set512",
        loaded: text512,
        write: |random, keys, out| {
            let n = random.below(keys);
            command(out, &[b"SET", &key16(n), &text512(n)]);
        },
        target: |_| None,
    },
];

pub fn load_keys(
    server: &Running,
    keys: usize,
    key: fn(usize) -> Vec<u8>,
    value: fn(usize) -> Vec<u8>,
    ttl: bool,
) {
    let write = |n: usize, out: &mut Vec<u8>| {
        if ttl {
            // Hours away and spread, as sessions are.
            let seconds = (100_000 + n % 100_000).to_string();
            command(
                out,
                &[b"SET", &key(n), &value(n), b"EX", seconds.as_bytes()],
            );
        } else {
            command(out, &[b"SET", &key(n), &value(n)]);
        }
    };
    fill(server.port, keys, 500, write, |_, _| ()).expect("the server takes its keys");
}

/// CPU per request and throughput, for each kind and pipeline depth.
pub fn requests(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    let wanted: Vec<&Kind> = KINDS
        .iter()
        .filter(|kind| options.wants(kind.name))
        .collect();
    for group in wanted.chunk_by(|a, b| std::ptr::fn_addr_eq(a.loaded, b.loaded)) {
        let servers: Vec<Running> = subjects.iter().map(|s| s.start(true)).collect();
        for server in &servers {
            load_keys(server, options.keys, key16, group[0].loaded, false);
        }
        for kind in group {
            for &depth in &options.pipelines {
                eprintln!("{} at pipeline {depth} …", kind.name);
                let case = Case {
                    name: kind.name,
                    depth,
                    write: &|random, out| (kind.write)(random, options.keys, out),
                    target: (kind.target)(depth),
                    before: None,
                    most: u64::MAX,
                    connections: CONNECTIONS,
                };
                rows.extend(request_rows(options, &servers, &case));
            }
        }
    }
    rows
}

/// One kind of request at one depth: its name, its bytes, the target, and
/// what each server is given before each sample.
pub struct Case<'c> {
    pub name: &'c str,
    pub depth: usize,
    pub write: &'c dyn Fn(&mut Random, &mut Vec<u8>),
    pub target: Option<f64>,
    pub before: Option<fn(&Running)>,
    /// A sample ends early after so many requests.
    pub most: u64,
    pub connections: usize,
}

pub fn request_rows(options: &Options, servers: &[Running], case: &Case) -> [Row; 2] {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let pool = Pool::build(options.keys.max(case.depth), case.depth, |out| {
        (case.write)(&mut random, out)
    });
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (server, samples) in servers.iter().zip(&mut samples) {
            if let Some(before) = case.before {
                before(server);
            }
            let mut load =
                Load::connect(server.port, case.connections, &pool).expect("the server accepts");
            load.most = case.most;
            let time = Duration::from_secs_f64(options.seconds);
            samples.push(
                load.run(WARM_UP, time, || server.cpu_ns())
                    .expect("the server replies"),
            );
        }
    }
    let figures = |figure: fn(&Sample) -> f64| -> Vec<f64> {
        samples
            .iter()
            .map(|rounds| median(rounds.iter().map(figure).collect()))
            .collect()
    };
    let name = format!("{} P{}", case.name, case.depth);
    [
        Row::new(
            &name,
            "µs CPU/req",
            figures(|s| s.server_ns as f64 / 1000.0 / s.requests as f64),
            case.target.map(Target::Ratio),
        ),
        Row::new(
            &name,
            "req/s",
            figures(|s| s.requests as f64 / s.seconds),
            None,
        ),
    ]
}

/// Bytes per key: resident memory over that of the empty server, once each.
pub fn memory(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    type Bytes = fn(usize) -> Vec<u8>;
    let cases: [(&str, Bytes, Bytes, bool, f64); 5] = [
        ("16 B key, 8 B int", key16, int8, false, 0.85),
        ("16 B key, 32 B", key16, text32, false, 0.85),
        ("32 B key, 100 B", key32, |n| value(n, 100), false, 0.92),
        ("16 B key, 8 B int, TTL", key16, int8, true, 0.80),
        ("16 B key, 32 B, TTL", key16, text32, true, 0.80),
    ];
    if !options.wants("memory") {
        return Vec::new();
    }
    let mut rows = Vec::new();
    for (name, key, value, ttl, target) in cases {
        eprintln!("memory: {name} …");
        let figures = subjects.iter().map(|subject| {
            let server = subject.start(true);
            let empty = server.rss();
            load_keys(&server, options.keys, key, value, ttl);
            // A table that grows in the background may still hold its old half.
            sleep(Duration::from_millis(500));
            (server.rss() - empty) as f64 / options.keys as f64
        });
        rows.push(Row::new(
            format!("memory {name}"),
            "B/key",
            figures.collect(),
            Some(Target::Ratio(target)),
        ));
    }
    rows
}

/// From exec to the first PONG, the servers taking turns.
pub fn first_pong(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    if !options.wants("pong") {
        return Vec::new();
    }
    let mut times: Vec<Vec<f64>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..STARTS {
        for (subject, times) in subjects.iter().zip(&mut times) {
            times.push(subject.first_pong().as_secs_f64() * 1000.0);
        }
    }
    let figures = times.into_iter().map(median).collect();
    vec![Row::new(
        "exec to first PONG",
        "ms",
        figures,
        Some(Target::Ratio(1.0)),
    )]
}
