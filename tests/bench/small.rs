//! `small`: what small values take in memory, resident bytes per value beside the real servers.
//!
//! `--only small:NAME` fills one kind.

use crate::Options;
use crate::every::template::fill;
use crate::measures::Row;
use crate::subject::Subject;
use std::thread::sleep;
use std::time::Duration;

/// A kind of value: how many are made, and the commands that make one. `{s}` is its number.
struct Kind {
    name: &'static str,
    count: usize,
    lines: &'static [&'static str],
}

const fn kind(name: &'static str, count: usize, lines: &'static [&'static str]) -> Kind {
    Kind { name, count, lines }
}

const TEN_TIMES_100: &[&str] = &["RPUSH list:{s} [100 item:{i} ]"; 10];

static KINDS: &[Kind] = &[
    kind("integer", 500_000, &["SET key:{s} 12345"]),
    kind("string-20", 500_000, &["SET key:{s} {v:20}"]),
    kind("string-100", 200_000, &["SET key:{s} {v:100}"]),
    kind("string-1k", 50_000, &["SET key:{s} {v:1024}"]),
    kind("string-5k", 10_000, &["SET key:{s} {v:5120}"]),
    kind(
        "string-deadline",
        300_000,
        &["SET key:{s} {v:20} EX 10{r:10000}"],
    ),
    kind("list-3", 200_000, &["RPUSH list:{s} a b c"]),
    kind("list-1000", 3_000, TEN_TIMES_100),
    kind(
        "list-of-1k-items",
        2_000,
        &["RPUSH list:{s} [20 {v:1024} ]"],
    ),
    kind(
        "hash-3",
        200_000,
        &["HSET hash:{s} name n{r:1000} age {r:100} city c{r:100}"],
    ),
    kind(
        "hash-3-one-deadline",
        100_000,
        &[
            "HSET hash:{s} name n{r:1000} age {r:100} city c{r:100}",
            "HEXPIRE hash:{s} 10{r:10000} FIELDS 1 age",
        ],
    ),
    kind(
        "hash-20",
        50_000,
        &["HSET hash:{s} [20 field:{i} value:{i} ]"],
    ),
    kind(
        "hash-200",
        10_000,
        &["HSET hash:{s} [200 field:{i} value:{i} ]"],
    ),
    kind(
        "hash-1000",
        2_000,
        &["HSET hash:{s} [1000 field:{i} value:{i} ]"],
    ),
    kind("set-3-integers", 200_000, &["SADD set:{s} 1 2 3"]),
    kind("set-5-words", 200_000, &["SADD set:{s} [5 member:{i} ]"]),
    kind(
        "set-500-integers",
        10_000,
        &["SADD set:{s} [500 {i}000{r:100} ]"],
    ),
    kind("set-300-words", 5_000, &["SADD set:{s} [300 member:{i} ]"]),
    kind(
        "zset-5",
        200_000,
        &["ZADD zset:{s} [5 {r:1000} member:{i} ]"],
    ),
    kind(
        "zset-200",
        5_000,
        &["ZADD zset:{s} [200 {r:1000} member:{i} ]"],
    ),
    kind(
        "stream-3",
        50_000,
        &[
            "XADD stream:{s} * name n{r:1000}",
            "XADD stream:{s} * name n{r:1000}",
            "XADD stream:{s} * name n{r:1000}",
        ],
    ),
    kind(
        "stream-group",
        20_000,
        &[
            "XADD stream:{s} * name n{r:1000}",
            "XGROUP CREATE stream:{s} group 0",
        ],
    ),
    kind(
        "stream-group-pending",
        20_000,
        &[
            "XADD stream:{s} * name n{r:1000}",
            "XGROUP CREATE stream:{s} group 0",
            "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream:{s} >",
        ],
    ),
    kind("hyperloglog", 50_000, &["PFADD hll:{s} a b c"]),
    kind("bitmap-100", 200_000, &["SETBIT bits:{s} 799 1"]),
];

/// Bytes per value: resident memory over that of the empty server, one fill each.
pub fn rows(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let wanted = |kind: &&Kind| options.wants("small") || options.wants_part("small", kind.name);
    KINDS
        .iter()
        .filter(wanted)
        .map(|kind| {
            eprintln!("small: {} …", kind.name);
            let figures = subjects.iter().map(|subject| {
                let server = subject.start(true);
                let empty = server.rss();
                fill(&server, kind.lines, kind.count);
                // What is given back in the background shows a little later.
                sleep(Duration::from_millis(300));
                (server.rss() as f64 - empty as f64) / kind.count as f64
            });
            Row::new(
                format!("small {}", kind.name),
                "bytes",
                figures.collect(),
                None,
            )
        })
        .collect()
}
