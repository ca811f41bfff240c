//! Lists, sets, hashes, sorted sets and streams: CPU per request, memory, and what it costs others
//! when a huge one is deleted.

use super::Options;
use super::load::{command, fill};
use super::measures::{Case, Random, Row, Target, request_rows};
use super::subject::{Running, Subject};
use std::thread::sleep;
use std::time::Duration;

/// Members of the large collections.
const LARGE: usize = 1_000_000;
/// Elements that pops find: more than they can take in a sample.
const STOCK: usize = 4_000_000;
/// Elements given to one command when a collection is filled.
const AT_ONCE: usize = 50;
/// Small collections that are read whole.
const SMALL: usize = 1_000;

fn member(n: usize) -> Vec<u8> {
    format!("member:{n:09}").into_bytes()
}

/// Runs commands that add `AT_ONCE` elements each, `words` for one element.
pub fn fill_one(
    server: &Running,
    name: &[u8],
    key: &[u8],
    count: usize,
    words: fn(usize) -> Vec<Vec<u8>>,
) {
    let write = |i: usize, out: &mut Vec<u8>| {
        let parts: Vec<Vec<u8>> = (i * AT_ONCE..(i + 1) * AT_ONCE).flat_map(words).collect();
        let mut argv = vec![name, key];
        argv.extend(parts.iter().map(Vec::as_slice));
        command(out, &argv);
    };
    fill(server.port, count / AT_ONCE, 20, write, |_, _| ()).expect("the server takes elements");
}

fn run(server: &Running, words: &[&[u8]]) {
    fill(server.port, 1, 1, |_, out| command(out, words), |_, _| ()).expect("the server replies");
}

/// Makes `SMALL` collections of `elements` each.
fn fill_small(server: &Running, name: &[u8], elements: usize, words: fn(usize) -> Vec<Vec<u8>>) {
    for n in 0..SMALL {
        let key = small_key(n);
        let parts: Vec<Vec<u8>> = (0..elements).flat_map(words).collect();
        let mut argv = vec![name, &key];
        argv.extend(parts.iter().map(Vec::as_slice));
        run(server, &argv);
    }
}

fn small_key(n: usize) -> Vec<u8> {
    format!("small:{n:06}").into_bytes()
}

/// A kind of request, the ratios at pipeline 16 and 64, and what must be there.
struct Kind {
    name: &'static str,
    at_16: f64,
    at_64: Option<f64>,
    write: fn(&mut Random, &mut Vec<u8>),
    once: fn(&Running),
    before: Option<fn(&Running)>,
}

fn nothing(_: &Running) {}

fn pair(n: usize) -> Vec<Vec<u8>> {
    vec![format!("field:{n:04}").into_bytes(), member(n)]
}

/// Scores in no order, each its own.
pub fn scored(n: usize) -> Vec<Vec<u8>> {
    vec![(n * 7919 % 15_485_863).to_string().into_bytes(), member(n)]
}

pub fn one(n: usize) -> Vec<Vec<u8>> {
    vec![member(n)]
}

const fn writing(
    name: &'static str,
    write: fn(&mut Random, &mut Vec<u8>),
    before: Option<fn(&Running)>,
) -> Kind {
    Kind {
        name,
        at_16: 0.80,
        at_64: Some(0.65),
        write,
        once: nothing,
        before,
    }
}

const fn reading(
    name: &'static str,
    write: fn(&mut Random, &mut Vec<u8>),
    once: fn(&Running),
) -> Kind {
    Kind {
        name,
        at_16: 0.75,
        at_64: None,
        write,
        once,
        before: None,
    }
}

fn write_lrange(out: &mut Vec<u8>, last: &[u8]) {
    command(out, &[b"LRANGE", b"mylist", b"0", last]);
}

fn fill_list(server: &Running) {
    fill_one(server, b"RPUSH", b"mylist", 1_000, one);
}

fn fill_zset(server: &Running) {
    fill_one(server, b"ZADD", b"myzset", LARGE, scored);
}

static KINDS: &[Kind] = &[
    writing(
        "lpush",
        |_, out| command(out, &[b"LPUSH", b"mylist", b"xxxxxxxxxxxxxxxx"]),
        Some(|server| run(server, &[b"FLUSHALL"])),
    ),
    writing(
        "rpop",
        |_, out| command(out, &[b"RPOP", b"mylist"]),
        Some(|server| {
            run(server, &[b"FLUSHALL"]);
            fill_one(server, b"RPUSH", b"mylist", STOCK, one);
        }),
    ),
    writing(
        "sadd",
        |random, out| command(out, &[b"SADD", b"myset", &member(random.below(LARGE))]),
        None,
    ),
    writing(
        "spop",
        |_, out| command(out, &[b"SPOP", b"myset"]),
        Some(|server| {
            run(server, &[b"FLUSHALL"]);
            fill_one(server, b"SADD", b"myset", STOCK, one);
        }),
    ),
    writing(
        "hset",
        |random, out| {
            let field = member(random.below(LARGE));
            command(out, &[b"HSET", b"myhash", &field, b"xxxxxxxxxxxxxxxx"]);
        },
        None,
    ),
    writing(
        "zadd",
        |random, out| {
            let score = random.below(LARGE).to_string();
            let name = member(random.below(LARGE));
            command(out, &[b"ZADD", b"myzset", score.as_bytes(), &name]);
        },
        None,
    ),
    writing(
        "zpopmin",
        |_, out| command(out, &[b"ZPOPMIN", b"myzset"]),
        Some(|server| {
            run(server, &[b"FLUSHALL"]);
            fill_one(server, b"ZADD", b"myzset", STOCK, scored);
        }),
    ),
    writing(
        "xadd",
        |_, out| {
            command(
                out,
                &[b"XADD", b"mystream", b"*", b"field", b"xxxxxxxxxxxxxxxx"],
            )
        },
        Some(|server| run(server, &[b"FLUSHALL"])),
    ),
    reading("lrange100", |_, out| write_lrange(out, b"99"), fill_list),
    reading("lrange300", |_, out| write_lrange(out, b"299"), fill_list),
    reading("lrange600", |_, out| write_lrange(out, b"599"), fill_list),
    reading(
        "hgetall",
        |random, out| command(out, &[b"HGETALL", &small_key(random.below(SMALL))]),
        |server| fill_small(server, b"HSET", 50, pair),
    ),
    reading(
        "zrange",
        |random, out| {
            let from = random.below(15_000_000).to_string();
            let words: [&[u8]; 8] = [
                b"ZRANGE",
                b"myzset",
                from.as_bytes(),
                b"+inf",
                b"BYSCORE",
                b"LIMIT",
                b"0",
                b"10",
            ];
            command(out, &words);
        },
        fill_zset,
    ),
    reading(
        "zrank",
        |random, out| command(out, &[b"ZRANK", b"myzset", &member(random.below(LARGE))]),
        fill_zset,
    ),
    reading(
        "smembers",
        |random, out| command(out, &[b"SMEMBERS", &small_key(random.below(SMALL))]),
        |server| fill_small(server, b"SADD", 200, one),
    ),
];

/// CPU per request and throughput, for each kind and pipeline depth that has a target.
pub fn requests(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in KINDS.iter().filter(|kind| options.wants(kind.name)) {
        let servers: Vec<Running> = subjects.iter().map(|s| s.start(true)).collect();
        servers.iter().for_each(kind.once);
        for (depth, target) in [(16, Some(kind.at_16)), (64, kind.at_64)] {
            if target.is_none() || !options.pipelines.contains(&depth) {
                continue;
            }
            eprintln!("{} at pipeline {depth} …", kind.name);
            let case = Case {
                name: kind.name,
                depth,
                write: &|random, out| (kind.write)(random, out),
                target,
                before: kind.before,
                // Some requests may still be on their way when a sample ends.
                most: (STOCK - STOCK / 10) as u64,
                connections: super::measures::CONNECTIONS,
            };
            rows.extend(request_rows(options, &servers, &case));
        }
    }
    rows
}

/// The commands that build one collection of many, or one large one.
struct Store {
    name: &'static str,
    target: f64,
    /// The number of keys or elements by which the memory is divided.
    count: usize,
    fill: fn(&Running),
}

/// Makes `count` keys, each by one command.
fn fill_keys(server: &Running, count: usize, write: fn(usize, &mut Vec<u8>)) {
    fill(server.port, count, 100, write, |_, _| ()).expect("the server takes keys");
}

fn write_small(out: &mut Vec<u8>, name: &[u8], key: usize, parts: &[Vec<u8>]) {
    let key = format!("key:{key}").into_bytes();
    let mut argv = vec![name, &key];
    argv.extend(parts.iter().map(Vec::as_slice));
    command(out, &argv);
}

const MANY: usize = 100_000;

static STORES: &[Store] = &[
    Store {
        name: "many-hashes of 10 fields",
        target: 0.95,
        count: MANY,
        fill: |server| {
            fill_keys(server, MANY, |i, out| {
                let part = |j: usize| {
                    [
                        format!("field{j}").into_bytes(),
                        format!("value{}", i + j).into_bytes(),
                    ]
                };
                let parts: Vec<Vec<u8>> = (0..10).flat_map(part).collect();
                write_small(out, b"HSET", i, &parts);
            })
        },
    },
    Store {
        name: "many-lists of 20 items",
        target: 0.95,
        count: MANY,
        fill: |server| {
            fill_keys(server, MANY, |i, out| {
                let part = |j: usize| format!("item:{}", i + j).into_bytes();
                let parts: Vec<Vec<u8>> = (0..20).map(part).collect();
                write_small(out, b"RPUSH", i, &parts);
            })
        },
    },
    Store {
        name: "many-sets of 10 strings",
        target: 0.92,
        count: MANY,
        fill: |server| {
            fill_keys(server, MANY, |i, out| {
                let part = |j: usize| format!("member:{}", i + j).into_bytes();
                let parts: Vec<Vec<u8>> = (0..10).map(part).collect();
                write_small(out, b"SADD", i, &parts);
            })
        },
    },
    Store {
        name: "many-sets of 10 integers",
        target: 0.80,
        count: MANY,
        fill: |server| {
            fill_keys(server, MANY, |i, out| {
                let part = |j: usize| (i + j).to_string().into_bytes();
                let parts: Vec<Vec<u8>> = (0..10).map(part).collect();
                write_small(out, b"SADD", i, &parts);
            })
        },
    },
    Store {
        name: "one-zset of 1 M members",
        target: 0.80,
        count: LARGE,
        fill: fill_zset,
    },
    Store {
        name: "one-hash of 1 M fields",
        target: 0.80,
        count: LARGE,
        fill: |server| {
            fill_one(server, b"HSET", b"big", LARGE, |n| {
                vec![
                    format!("field:{n:010}").into_bytes(),
                    format!("value:{n:010}").into_bytes(),
                ]
            })
        },
    },
    Store {
        name: "one-set of 1 M strings",
        target: 0.80,
        count: LARGE,
        fill: |server| fill_one(server, b"SADD", b"big", LARGE, one),
    },
    Store {
        name: "one-set of 1 M integers",
        target: 0.60,
        count: LARGE,
        fill: |server| {
            fill_one(server, b"SADD", b"big", LARGE, |n| {
                vec![n.to_string().into_bytes()]
            })
        },
    },
    Store {
        name: "one-stream of 1 M entries",
        target: 0.90,
        count: LARGE,
        fill: |server| {
            fill_keys(server, LARGE, |i, out| {
                let id = format!("{}-1", 1_700_000_000_000 + i);
                let text = format!("value:{i}");
                let words: [&[u8]; 5] = [b"XADD", b"big", id.as_bytes(), b"name", text.as_bytes()];
                command(out, &words);
            })
        },
    },
];

/// Bytes per key or element: resident memory over that of the empty server.
pub fn memory(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for store in STORES {
        let short = store.name.split(' ').next().unwrap_or_default();
        if !options.wants(short) {
            continue;
        }
        eprintln!("memory: {} …", store.name);
        let figures = subjects.iter().map(|subject| {
            let server = subject.start(true);
            let empty = server.rss();
            (store.fill)(&server);
            sleep(Duration::from_millis(500));
            (server.rss() - empty) as f64 / store.count as f64
        });
        rows.push(Row::new(
            store.name,
            "bytes",
            figures.collect(),
            Some(Target::Ratio(store.target)),
        ));
    }
    rows
}
