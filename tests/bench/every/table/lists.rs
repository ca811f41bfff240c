//! Lists.

use super::{EveryRow, growing, row};

const LONG: (usize, &str) = (10_000, "RPUSH long item:{s}");
const SHORT: (usize, &str) = (1_000, "RPUSH list:{s} [10 item:{i} ]");
const HUNDREDS: (usize, &str) = (100, "RPUSH list:{s} [100 item:{i} ]");
const LARGE: (usize, &str) = (200, "RPUSH large {v:1024}");

pub const ROWS: &[EveryRow] = &[
    row(
        "lpush-ltrim",
        &[LONG],
        &["LPUSH long item:{r:10000}", "LTRIM long 0 999"],
    ),
    row(
        "lpush-ltrim-short",
        &[SHORT],
        &[
            "LPUSH list:{r:1000} item:{r:1000}",
            "LTRIM list:{r:1000} 0 9",
        ],
    ),
    growing(
        "rpush-growing-1m",
        1_000_000,
        &["RPUSH long item:{r:1000000}"],
    ),
    growing(
        "lpush-growing-100k",
        100_000,
        &["LPUSH long item:{r:1000000}"],
    ),
    growing("rpush-growing-512b", 100_000, &["RPUSH long {v:512}"]),
    growing(
        "rpush-many",
        100_000,
        &["RPUSH list:{r:50000} item:{r:1000}"],
    ),
    row(
        "rpush-lpop",
        &[LONG],
        &["RPUSH long item:{r:10000}", "LPOP long"],
    ),
    row(
        "rpush-lpop-short",
        &[],
        &["RPUSH queue item:{r:10000}", "LPOP queue"],
    ),
    row(
        "rpush-lpop-1k",
        &[LARGE],
        &["RPUSH large {v:1024}", "LPOP large"],
    ),
    row(
        "lpush-rpop",
        &[LONG],
        &["LPUSH long item:{r:10000}", "RPOP long"],
    ),
    row(
        "rpush-lpop-count",
        &[LONG],
        &["RPUSH long [10 item:{r:10000} ]", "LPOP long 10"],
    ),
    row(
        "lpushx-rpop",
        &[LONG],
        &["LPUSHX long item:{r:10000}", "RPOP long"],
    ),
    row(
        "rpushx-lpop",
        &[LONG],
        &["RPUSHX long item:{r:10000}", "LPOP long"],
    ),
    row(
        "rpush-blpop",
        &[LONG],
        &["RPUSH long item:{r:10000}", "BLPOP long 0"],
    ),
    row(
        "lpush-brpop",
        &[LONG],
        &["LPUSH long item:{r:10000}", "BRPOP none long 0"],
    ),
    row("lmove", &[LONG], &["LMOVE long long LEFT RIGHT"]),
    row(
        "lmove-two",
        &[LONG, (10_000, "RPUSH other item:{s}")],
        &["LMOVE long other RIGHT LEFT", "LMOVE other long LEFT RIGHT"],
    ),
    row(
        "lmove-short",
        &[SHORT],
        &["LMOVE list:{r:1000} list:{r:1000} LEFT RIGHT"],
    ),
    row(
        "lmovem-10",
        &[LONG],
        &["LMOVEM long long LEFT RIGHT COUNT 10 BULK"],
    ),
    row(
        "blmovem",
        &[LONG],
        &["BLMOVEM long long LEFT RIGHT 0 COUNT 10 OBO"],
    ),
    row("rpoplpush", &[LONG], &["RPOPLPUSH long long"]),
    row("brpoplpush", &[LONG], &["BRPOPLPUSH long long 0"]),
    row("blmove", &[LONG], &["BLMOVE long long LEFT RIGHT 0"]),
    row(
        "rpush-lmpop",
        &[LONG],
        &["RPUSH long item:{r:10000}", "LMPOP 2 none long LEFT"],
    ),
    row(
        "rpush-blmpop",
        &[LONG],
        &["RPUSH long item:{r:10000}", "BLMPOP 0 2 none long LEFT"],
    ),
    row("llen", &[SHORT], &["LLEN list:{r:1000}"]),
    row("lindex", &[SHORT], &["LINDEX list:{r:1000} {r:10}"]),
    row("lindex-middle", &[LONG], &["LINDEX long 5{r:1000}"]),
    row(
        "lindex-middle-100",
        &[HUNDREDS],
        &["LINDEX list:{r:100} 5{r:10}"],
    ),
    row(
        "lset-middle",
        &[LONG],
        &["LSET long 5{r:1000} item:{r:10000}"],
    ),
    row(
        "lset-short",
        &[SHORT],
        &["LSET list:{r:1000} {r:10} item:{r:100}"],
    ),
    row("lrange-10", &[SHORT], &["LRANGE list:{r:1000} 0 -1"]),
    row("lrange-100", &[LONG], &["LRANGE long 0 99"]),
    row("lrange-middle", &[LONG], &["LRANGE long 5000 5009"]),
    row("lrange-1k-items", &[LARGE], &["LRANGE large 0 9"]),
    row(
        "linsert-lrem",
        &[HUNDREDS],
        &["LINSERT list:1 BEFORE item:50 new", "LREM list:1 1 new"],
    ),
    row("lrem-missing", &[HUNDREDS], &["LREM list:{r:100} 0 none"]),
    row("lpos", &[HUNDREDS], &["LPOS list:{r:100} item:{r:100}"]),
    row(
        "lpos-count",
        &[HUNDREDS],
        &["LPOS list:{r:100} item:{r:100} COUNT 0"],
    ),
    row("ltrim-nothing", &[SHORT], &["LTRIM list:{r:1000} 0 -1"]),
];
