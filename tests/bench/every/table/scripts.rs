//! Scripts, functions and transactions.

use super::{EveryRow, row};

const LIBRARY: (usize, &str) = (
    1,
    "FUNCTION LOAD REPLACE '#!lua name=lib\nredis.register_function{function_name=\"f\", callback=function(keys, args) return redis.call(\"GET\", keys[1]) end, flags={\"no-writes\"}}'",
);
const KEYS: (usize, &str) = (1_000, "SET key:{s} {s}");

pub const ROWS: &[EveryRow] = &[
    row("eval", &[], &["EVAL 'return 1' 0"]),
    row(
        "eval-get",
        &[KEYS],
        &["EVAL 'return redis.call(\"GET\", KEYS[1])' 1 key:{r:1000}"],
    ),
    row(
        "eval-incr-100",
        &[KEYS],
        &["EVAL 'for i = 1, 100 do redis.call(\"INCR\", KEYS[1]) end' 1 key:{r:1000}"],
    ),
    row(
        "eval-tables",
        &[],
        &[
            "EVAL 'local t = {} for i = 1, 1000 do t[i] = i * 2 end local n = 0 for i, v in ipairs(t) do n = n + v end return n' 0",
        ],
    ),
    row(
        "eval-return-table",
        &[],
        &["EVAL 'local t = {} for i = 1, 100 do t[i] = i end return t' 0"],
    ),
    row(
        "eval-cjson",
        &[],
        &[
            "EVAL 'return cjson.encode(cjson.decode(ARGV[1]))' 0 '{\"a\":[1,2,3],\"b\":{\"c\":\"text\",\"d\":null}}'",
        ],
    ),
    row(
        "eval-lrange",
        &[(1, "RPUSH list [100 item:{i} ]")],
        &["EVAL 'return #redis.call(\"LRANGE\", KEYS[1], 0, -1)' 1 list"],
    ),
    row(
        "eval_ro",
        &[KEYS],
        &["EVAL_RO 'return redis.call(\"GET\", KEYS[1])' 1 key:{r:1000}"],
    ),
    row(
        "evalsha",
        &[(1, "SCRIPT LOAD 'return 1'")],
        &["EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0"],
    ),
    row(
        "evalsha_ro",
        &[(1, "SCRIPT LOAD 'return 1'")],
        &["EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0"],
    ),
    row("script-load", &[], &["SCRIPT LOAD 'return 1'"]),
    row(
        "script-exists",
        &[],
        &["SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db"],
    ),
    row(
        "script-show",
        &[(1, "SCRIPT LOAD 'return 1'")],
        &["SCRIPT SHOW e0e1f9fabfc9d4800c877a703b823ac0578ff8db"],
    ),
    row(
        "script-flush",
        &[],
        &["SCRIPT LOAD 'return 1'", "SCRIPT FLUSH"],
    ),
    row("script-help", &[], &["SCRIPT HELP"]),
    row("fcall", &[LIBRARY, KEYS], &["FCALL f 1 key:{r:1000}"]),
    row("fcall_ro", &[LIBRARY, KEYS], &["FCALL_RO f 1 key:{r:1000}"]),
    row(
        "function-load",
        &[],
        &[
            "FUNCTION LOAD REPLACE '#!lua name=lib\nredis.register_function(\"f\", function() return 1 end)'",
        ],
    ),
    row(
        "function-flush",
        &[],
        &[
            "FUNCTION LOAD REPLACE '#!lua name=lib\nredis.register_function(\"f\", function() return 1 end)'",
            "FUNCTION FLUSH",
        ],
    ),
    row(
        "function-delete",
        &[],
        &[
            "FUNCTION LOAD REPLACE '#!lua name=lib\nredis.register_function(\"f\", function() return 1 end)'",
            "FUNCTION DELETE lib",
        ],
    ),
    row("function-list", &[LIBRARY], &["FUNCTION LIST WITHCODE"]),
    row("function-dump", &[LIBRARY], &["FUNCTION DUMP"]),
    row("function-stats", &[LIBRARY], &["FUNCTION STATS"]),
    row("function-help", &[], &["FUNCTION HELP"]),
    row(
        "multi-exec",
        &[KEYS],
        &[
            "MULTI",
            "SET key:{r:1000} value",
            "GET key:{r:1000}",
            "EXEC",
        ],
    ),
    row(
        "multi-discard",
        &[KEYS],
        &["MULTI", "SET key:{r:1000} value", "DISCARD"],
    ),
    row("watch-unwatch", &[KEYS], &["WATCH key:{r:1000}", "UNWATCH"]),
    row(
        "watch-multi-exec",
        &[KEYS],
        &["WATCH key:{r:1000}", "MULTI", "INCR key:{r:1000}", "EXEC"],
    ),
];
