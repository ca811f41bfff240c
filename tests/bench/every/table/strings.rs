//! Strings.

use super::{EveryRow, growing, row};

const SMALL: (usize, &str) = (10_000, "SET key:{s} value:{s}");
const KB: (usize, &str) = (1_000, "SET key:{s} {v:1024}");
const LARGE: (usize, &str) = (100, "SET key:{s} {v:10240}");
const NUMBERS: (usize, &str) = (10_000, "SET key:{s} {s}");

pub const ROWS: &[EveryRow] = &[
    row("get", &[SMALL], &["GET key:{r:10000}"]),
    row("get-missing", &[SMALL], &["GET none:{r:10000}"]),
    row("get-number", &[NUMBERS], &["GET key:{r:10000}"]),
    row("get-1k", &[KB], &["GET key:{r:1000}"]),
    row("get-10k", &[LARGE], &["GET key:{r:100}"]),
    row("set", &[SMALL], &["SET key:{r:10000} value:{r:10000}"]),
    row("set-1k", &[KB], &["SET key:{r:1000} {v:1024}"]),
    row("set-10k", &[LARGE], &["SET key:{r:100} {v:10240}"]),
    row(
        "set-100k",
        &[(20, "SET key:{s} {v:102400}")],
        &["SET key:{r:20} {v:102400}"],
    ),
    row(
        "set-ex",
        &[SMALL],
        &["SET key:{r:10000} value:{r:10000} EX 10{r:1000}"],
    ),
    row("set-nx", &[SMALL], &["SET key:{r:10000} value NX"]),
    row(
        "set-xx-get",
        &[SMALL],
        &["SET key:{r:10000} value:{r:10000} XX GET"],
    ),
    row(
        "set-keepttl",
        &[SMALL],
        &["SET key:{r:10000} value:{r:10000} KEEPTTL"],
    ),
    growing(
        "set-growing-100k",
        100_000,
        &["SET key:{r:1000000000} value:{r:1000}"],
    ),
    growing(
        "set-growing-1m",
        1_000_000,
        &["SET key:{r:1000000000} value:{r:1000}"],
    ),
    growing(
        "set-growing-500b",
        100_000,
        &["SET key:{r:1000000000} {v:500}"],
    ),
    row("setnx", &[SMALL], &["SETNX key:{r:10000} value"]),
    row("setex", &[SMALL], &["SETEX key:{r:10000} 10{r:1000} value"]),
    row(
        "psetex",
        &[SMALL],
        &["PSETEX key:{r:10000} 10{r:1000}000 value"],
    ),
    row(
        "getset",
        &[SMALL],
        &["GETSET key:{r:10000} value:{r:10000}"],
    ),
    row("getex", &[SMALL], &["GETEX key:{r:10000}"]),
    row("getex-ex", &[SMALL], &["GETEX key:{r:10000} EX 10{r:1000}"]),
    row(
        "set-getdel",
        &[],
        &["SET key:{r:10000} value", "GETDEL key:{r:10000}"],
    ),
    row("append", &[SMALL], &["APPEND key:{r:10000} ab"]),
    row("strlen", &[SMALL], &["STRLEN key:{r:10000}"]),
    row("getrange", &[SMALL], &["GETRANGE key:{r:10000} 1 3"]),
    row("getrange-10k", &[LARGE], &["GETRANGE key:{r:100} 100 4099"]),
    row("substr", &[SMALL], &["SUBSTR key:{r:10000} 1 3"]),
    row("setrange", &[SMALL], &["SETRANGE key:{r:10000} 2 abc"]),
    row(
        "setrange-10k",
        &[LARGE],
        &["SETRANGE key:{r:100} 5000 {v:100}"],
    ),
    row("incr", &[NUMBERS], &["INCR key:{r:10000}"]),
    row("incr-growing", &[], &["INCR key:{r:1000000}"]),
    row("decr", &[NUMBERS], &["DECR key:{r:10000}"]),
    row("incrby", &[NUMBERS], &["INCRBY key:{r:10000} {r:1000}"]),
    row("decrby", &[NUMBERS], &["DECRBY key:{r:10000} {r:1000}"]),
    row(
        "incrbyfloat",
        &[NUMBERS],
        &["INCRBYFLOAT key:{r:10000} 0.5"],
    ),
    row(
        "increx",
        &[NUMBERS],
        &["INCREX key:{r:10000} UBOUND 1000000000 EX 1000"],
    ),
    row("digest-1k", &[KB], &["DIGEST key:{r:1000}"]),
    row(
        "delex",
        &[],
        &["SET key:{r:10000} value", "DELEX key:{r:10000} IFEQ value"],
    ),
    row(
        "delifeq",
        &[],
        &["SET key:{r:10000} value", "DELIFEQ key:{r:10000} value"],
    ),
    row(
        "set-ifeq",
        &[SMALL],
        &["SET key:{r:10000} value IFNE other"],
    ),
    row(
        "msetex-10",
        &[SMALL],
        &["MSETEX 10 [10 key:{r:10000} value:{r:10000} ] EX 1000"],
    ),
    row("mget-10", &[SMALL], &["MGET [10 key:{r:10000} ]"]),
    row("mget-100", &[SMALL], &["MGET [100 key:{r:10000} ]"]),
    row(
        "mset-10",
        &[SMALL],
        &["MSET [10 key:{r:10000} value:{r:10000} ]"],
    ),
    row(
        "mset-100",
        &[SMALL],
        &["MSET [100 key:{r:10000} value:{r:10000} ]"],
    ),
    row("msetnx-10", &[SMALL], &["MSETNX [10 key:{r:10000} value ]"]),
    row(
        "lcs-100",
        &[(
            100,
            "SET key:{s} abcdefghij{r:1000000}klmnopqrst{r:100000}uvwxyz{x:30}{r:100000}",
        )],
        &["LCS key:{r:100} key:{r:100}"],
    ),
    row(
        "lcs-idx",
        &[(
            100,
            "SET key:{s} abcdefghij{r:1000000}klmnopqrst{r:100000}uvwxyz{x:30}{r:100000}",
        )],
        &["LCS key:{r:100} key:{r:100} IDX"],
    ),
];
