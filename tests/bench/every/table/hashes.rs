//! Hashes.

use super::{EveryRow, growing, row};

const SMALL: (usize, &str) = (1_000, "HSET hash:{s} [10 field:{i} value:{i} ]");
const NUMBERS: (usize, &str) = (1_000, "HSET hash:{s} [10 field:{i} {r:1000} ]");
const HUNDREDS: (usize, &str) = (100, "HSET hash:{s} [200 field:{i} value:{i} ]");
const LARGE: (usize, &str) = (100_000, "HSET large field:{s} value:{s}");
const WIDE: (usize, &str) = (1_000, "HSET wide field:{s} {v:512}");

pub const ROWS: &[EveryRow] = &[
    growing(
        "hset-growing-100k",
        100_000,
        &["HSET large field:{r:1000000000} value:{r:1000}"],
    ),
    growing(
        "hset-growing-1m",
        1_000_000,
        &["HSET large field:{r:1000000000} value:{r:1000}"],
    ),
    growing(
        "hset-growing-512b",
        100_000,
        &["HSET large field:{r:1000000000} {v:512}"],
    ),
    growing(
        "hset-many",
        100_000,
        &["HSET hash:{r:20000} field:{r:10} value:{r:1000}"],
    ),
    row(
        "hset",
        &[SMALL],
        &["HSET hash:{r:1000} field:{r:10} value:{r:10}"],
    ),
    row("hset-512b", &[WIDE], &["HSET wide field:{r:1000} {v:512}"]),
    row(
        "hset-large",
        &[LARGE],
        &["HSET large field:{r:100000} value:{r:100000}"],
    ),
    row(
        "hset-10",
        &[SMALL],
        &["HSET hash:{r:1000} [10 field:{i} value:{r:10} ]"],
    ),
    row(
        "himport-set-10",
        &[],
        &[
            "HIMPORT PREPARE ten [10 field:{i} ]",
            "HIMPORT SET hash:{r:1000} ten [10 value:{r:10} ]",
        ],
    ),
    row("himport-discard", &[], &["HIMPORT DISCARD nosuch"]),
    row("himport-discardall", &[], &["HIMPORT DISCARDALL"]),
    row(
        "hmset",
        &[SMALL],
        &["HMSET hash:{r:1000} [3 field:{i} value:{r:10} ]"],
    ),
    row(
        "hsetnx",
        &[SMALL],
        &["HSETNX hash:{r:1000} field:{r:10} value"],
    ),
    row("hget", &[SMALL], &["HGET hash:{r:1000} field:{r:12}"]),
    row(
        "hget-200",
        &[HUNDREDS],
        &["HGET hash:{r:100} field:{r:200}"],
    ),
    row("hget-large", &[LARGE], &["HGET large field:{r:200000}"]),
    row(
        "hmget-5",
        &[SMALL],
        &["HMGET hash:{r:1000} [5 field:{r:12} ]"],
    ),
    row(
        "hmget-large",
        &[LARGE],
        &["HMGET large [10 field:{r:200000} ]"],
    ),
    row("hgetall", &[SMALL], &["HGETALL hash:{r:1000}"]),
    row("hgetall-200", &[HUNDREDS], &["HGETALL hash:{r:100}"]),
    row("hkeys", &[SMALL], &["HKEYS hash:{r:1000}"]),
    row("hvals", &[SMALL], &["HVALS hash:{r:1000}"]),
    row("hvals-1000", &[WIDE], &["HVALS wide"]),
    row("hlen", &[SMALL], &["HLEN hash:{r:1000}"]),
    row("hstrlen", &[SMALL], &["HSTRLEN hash:{r:1000} field:{r:10}"]),
    row("hexists", &[SMALL], &["HEXISTS hash:{r:1000} field:{r:20}"]),
    row(
        "hincrby",
        &[NUMBERS],
        &["HINCRBY hash:{r:1000} field:{r:10} {r:100}"],
    ),
    row(
        "hincrby-large",
        &[(100_000, "HSET large field:{s} {s}")],
        &["HINCRBY large field:{r:100000} 1"],
    ),
    row(
        "hincrbyfloat",
        &[NUMBERS],
        &["HINCRBYFLOAT hash:{r:1000} field:{r:10} 0.5"],
    ),
    row(
        "hdel-hset",
        &[SMALL],
        &[
            "HDEL hash:{r:1000} field:{r:10}",
            "HSET hash:{r:1000} field:{r:10} value",
        ],
    ),
    row(
        "hdel-hset-large",
        &[LARGE],
        &[
            "HDEL large field:{r:100000}",
            "HSET large field:{r:100000} value",
        ],
    ),
    row("hrandfield", &[SMALL], &["HRANDFIELD hash:{r:1000}"]),
    row(
        "hrandfield-large",
        &[LARGE],
        &["HRANDFIELD large 10 WITHVALUES"],
    ),
    row("hscan", &[LARGE], &["HSCAN large 0 COUNT 10"]),
    row("hscan-small", &[SMALL], &["HSCAN hash:{r:1000} 0"]),
    row(
        "hexpire",
        &[SMALL],
        &["HEXPIRE hash:{r:1000} 10{r:1000} FIELDS 1 field:{r:10}"],
    ),
    row(
        "hpexpire",
        &[SMALL],
        &["HPEXPIRE hash:{r:1000} 10{r:1000}000 FIELDS 1 field:{r:10}"],
    ),
    row(
        "hexpireat",
        &[SMALL],
        &["HEXPIREAT hash:{r:1000} 4000000{r:1000} FIELDS 1 field:{r:10}"],
    ),
    row(
        "hpexpireat",
        &[SMALL],
        &["HPEXPIREAT hash:{r:1000} 4000000{r:1000}000 FIELDS 1 field:{r:10}"],
    ),
    row(
        "hexpire-large",
        &[LARGE],
        &["HEXPIRE large 10{r:1000} FIELDS 1 field:{r:100000}"],
    ),
    row(
        "hexpire-hpersist",
        &[SMALL],
        &[
            "HEXPIRE hash:{r:1000} 1000 FIELDS 1 field:{r:10}",
            "HPERSIST hash:{r:1000} FIELDS 1 field:{r:10}",
        ],
    ),
    row(
        "httl",
        &[
            SMALL,
            (1_000, "HEXPIRE hash:{s} 10000 FIELDS 2 field:1 field:2"),
        ],
        &["HTTL hash:{r:1000} FIELDS 1 field:{r:10}"],
    ),
    row(
        "hpttl",
        &[
            SMALL,
            (1_000, "HEXPIRE hash:{s} 10000 FIELDS 2 field:1 field:2"),
        ],
        &["HPTTL hash:{r:1000} FIELDS 1 field:{r:10}"],
    ),
    row(
        "hexpiretime",
        &[
            SMALL,
            (1_000, "HEXPIRE hash:{s} 10000 FIELDS 2 field:1 field:2"),
        ],
        &["HEXPIRETIME hash:{r:1000} FIELDS 1 field:{r:10}"],
    ),
    row(
        "hpexpiretime",
        &[
            SMALL,
            (1_000, "HEXPIRE hash:{s} 10000 FIELDS 2 field:1 field:2"),
        ],
        &["HPEXPIRETIME hash:{r:1000} FIELDS 1 field:{r:10}"],
    ),
    row(
        "hget-deadline",
        &[
            SMALL,
            (1_000, "HEXPIRE hash:{s} 10000 FIELDS 2 field:1 field:2"),
        ],
        &["HGET hash:{r:1000} field:{r:10}"],
    ),
    row(
        "hgetex",
        &[SMALL],
        &["HGETEX hash:{r:1000} EX 10{r:1000} FIELDS 1 field:{r:10}"],
    ),
    row(
        "hsetex",
        &[SMALL],
        &["HSETEX hash:{r:1000} EX 10{r:1000} FIELDS 1 field:{r:10} value"],
    ),
    row(
        "hset-hgetdel",
        &[SMALL],
        &[
            "HSET hash:{r:1000} field:{r:10} value",
            "HGETDEL hash:{r:1000} FIELDS 1 field:{r:10}",
        ],
    ),
];
