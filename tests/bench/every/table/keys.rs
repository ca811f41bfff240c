//! Commands on keys of any type.

use super::{EveryRow, row};

const KEYS: (usize, &str) = (10_000, "SET key:{s} value:{s}");
const TIMED: (usize, &str) = (10_000, "SET key:{s} value:{s} EX 10000");
const HASHES: (usize, &str) = (1_000, "HSET hash:{s} [10 field:{i} value:{i} ]");
const NUMBERS: (usize, &str) = (100, "RPUSH list:{s} [100 {r:100000} ]");

pub const ROWS: &[EveryRow] = &[
    row(
        "set-del",
        &[],
        &["SET key:{r:10000} value", "DEL key:{r:10000}"],
    ),
    row("del-missing", &[KEYS], &["DEL none:{r:10000}"]),
    row(
        "del-10k",
        &[],
        &["SET key:{r:100} {v:10240}", "DEL key:{r:100}"],
    ),
    row(
        "set-unlink",
        &[],
        &["SET key:{r:10000} value", "UNLINK key:{r:10000}"],
    ),
    row(
        "hset-del",
        &[],
        &[
            "HSET hash:{r:100} [10 field:{i} value:{i} ]",
            "DEL hash:{r:100}",
        ],
    ),
    row(
        "rpush-del-1000",
        &[],
        &["RPUSH list:{r:10} [1000 item:{i} ]", "DEL list:{r:10}"],
    ),
    row(
        "sadd-unlink-1000",
        &[],
        &["SADD set:{r:10} [1000 member:{i} ]", "UNLINK set:{r:10}"],
    ),
    row("exists", &[KEYS], &["EXISTS key:{r:20000}"]),
    row("touch", &[KEYS], &["TOUCH key:{r:20000}"]),
    row("type", &[KEYS], &["TYPE key:{r:10000}"]),
    row(
        "rename",
        &[KEYS],
        &["RENAME key:1 key:2", "RENAME key:2 key:1"],
    ),
    row(
        "rename-hash",
        &[HASHES],
        &["RENAME hash:1 hash:2", "RENAME hash:2 hash:1"],
    ),
    row(
        "renamenx",
        &[KEYS],
        &["RENAMENX key:{r:10000} key:{r:10000}"],
    ),
    row("copy", &[KEYS], &["COPY key:{r:10000} to:{r:100} REPLACE"]),
    row(
        "copy-hash",
        &[HASHES],
        &["COPY hash:{r:1000} to:{r:100} REPLACE"],
    ),
    row("move", &[(1, "SET key v")], &["MOVE key 1"]),
    row("expire", &[KEYS], &["EXPIRE key:{r:10000} 10{r:1000}"]),
    row("pexpire", &[KEYS], &["PEXPIRE key:{r:10000} 10{r:1000}000"]),
    row(
        "expireat",
        &[KEYS],
        &["EXPIREAT key:{r:10000} 4000000{r:1000}"],
    ),
    row(
        "pexpireat",
        &[KEYS],
        &["PEXPIREAT key:{r:10000} 4000000{r:1000}000"],
    ),
    row(
        "expire-persist",
        &[KEYS],
        &["EXPIRE key:{r:10000} 1000", "PERSIST key:{r:10000}"],
    ),
    row("ttl", &[TIMED], &["TTL key:{r:10000}"]),
    row("pttl", &[TIMED], &["PTTL key:{r:10000}"]),
    row("expiretime", &[TIMED], &["EXPIRETIME key:{r:10000}"]),
    row("pexpiretime", &[TIMED], &["PEXPIRETIME key:{r:10000}"]),
    row("keys", &[KEYS], &["KEYS key:*99"]),
    row("keys-all", &[(1_000, "SET key:{s} value")], &["KEYS *"]),
    row("scan", &[KEYS], &["SCAN 0"]),
    row(
        "scan-match",
        &[KEYS],
        &["SCAN {r:16384} MATCH key:*9 COUNT 100"],
    ),
    row(
        "scan-type",
        &[KEYS],
        &["SCAN {r:16384} TYPE string COUNT 100"],
    ),
    row("randomkey", &[KEYS], &["RANDOMKEY"]),
    row("dbsize", &[KEYS], &["DBSIZE"]),
    row("dump", &[KEYS], &["DUMP key:{r:10000}"]),
    row("dump-hash", &[HASHES], &["DUMP hash:{r:1000}"]),
    row(
        "dump-10k",
        &[(10, "SET key:{s} {v:10240}")],
        &["DUMP key:{r:10}"],
    ),
    row(
        "dump-zset",
        &[(10, "ZADD zset:{s} [500 {i}.5 member:{i} ]")],
        &["DUMP zset:{r:10}"],
    ),
    row(
        "restore-hash",
        &[],
        &[
            "RESTORE hash:{r:1000} 0 {h:102020000000060081610201018162028568656c6c6f0681630285776f726c6406ff0a00485d7d5f0edfdb2a} REPLACE",
        ],
    ),
    row(
        "restore-zset",
        &[],
        &[
            "RESTORE zset:{r:1000} 0 {h:1116160000000600816102010181620202018163020301ff0a002e1b7cc500aa3596} REPLACE",
        ],
    ),
    row(
        "restore-asking",
        &[],
        &[
            "RESTORE-ASKING set:{r:1000} 0 {h:0b120200000005000000010002000300040005000a00129fcdd2a6f8af7b} REPLACE",
        ],
    ),
    row(
        "object-encoding",
        &[KEYS],
        &["OBJECT ENCODING key:{r:10000}"],
    ),
    row(
        "object-refcount",
        &[KEYS],
        &["OBJECT REFCOUNT key:{r:10000}"],
    ),
    row(
        "object-idletime",
        &[KEYS],
        &["OBJECT IDLETIME key:{r:10000}"],
    ),
    row(
        "object-freq",
        &[(1, "CONFIG SET maxmemory-policy allkeys-lfu"), KEYS],
        &["OBJECT FREQ key:{r:10000}"],
    ),
    row("object-help", &[], &["OBJECT HELP"]),
    row("sort-100", &[NUMBERS], &["SORT list:{r:100}"]),
    row(
        "sort-alpha",
        &[NUMBERS],
        &["SORT list:{r:100} ALPHA LIMIT 0 10"],
    ),
    row(
        "sort-by-get",
        &[NUMBERS, (100_000, "SET weight:{s} {r:1000}")],
        &["SORT list:{r:100} BY weight:* GET weight:* LIMIT 0 10"],
    ),
    row("sort-store", &[NUMBERS], &["SORT list:{r:100} STORE to"]),
    row("sort_ro", &[NUMBERS], &["SORT_RO list:{r:100} LIMIT 0 10"]),
    row("set-flushdb", &[], &["SET key:{r:100} value", "FLUSHDB"]),
    row("set-flushall", &[], &["SET key:{r:100} value", "FLUSHALL"]),
    row("swapdb", &[KEYS], &["SWAPDB 1 2"]),
];
