//! Templates of lists, and of the commands that may wait where they need not wait for long.

use super::grammar::Compare::{Exact, Nodes};
use super::grammar::Template;

pub static LISTS: &[Template] = &[
    Template(Exact, "RPUSH {k} ( {e} )"),
    Template(Exact, "LPUSH {k} ( {e} )"),
    Template(Exact, "RPUSH {k} ( {e} ) ( {e} ) ( {e} )"),
    Template(Exact, "LPUSH {k} ( {e} ) ( {e} ) ( {e} )"),
    Template(Exact, "RPUSHX {k} ( {e} )"),
    Template(Exact, "LPUSHX {k} ( {e} )"),
    Template(Exact, "LPOP {k} [ {int} ]"),
    Template(Exact, "RPOP {k} [ {int} ]"),
    Template(Exact, "LLEN {k}"),
    Template(Exact, "LINDEX {k} {index}"),
    Template(Exact, "LINSERT {k} < BEFORE | AFTER | AROUND > {e} {e}"),
    Template(Exact, "LINSERT {k} < BEFORE | AFTER > {e} {e}"),
    Template(Exact, "LSET {k} {int} {e}"),
    Template(Exact, "LSET {k} {int} {e}"),
    Template(Exact, "LREM {k} {int} {e}"),
    Template(Exact, "LREM {k} < 0 | 1 | -1 | 2 | -2 > {e}"),
    Template(Exact, "LTRIM {k} {index} {index}"),
    Template(Exact, "LTRIM {k} < 0 | 1 | 2 > < -1 | -2 | -3 >"),
    Template(Exact, "LRANGE {k} {index} {index}"),
    Template(Exact, "LRANGE {k} 0 -1"),
    Template(
        Exact,
        "LPOS {k} {e} [ RANK {int} ] [ COUNT {int} ] [ MAXLEN {int} ]",
    ),
    Template(Exact, "LPOS {k} {e} COUNT 0 [ RANK {int} ]"),
    Template(Exact, "LMOVE {k} {k} {where} {where}"),
    Template(Exact, "RPOPLPUSH {k} {k}"),
    Template(Exact, "LMPOP < 1 | {int} > {k} {where} [ COUNT {int} ]"),
    Template(Exact, "LMPOP 2 {k} {k} {where} [ COUNT {int} ]"),
    Template(Exact, "BLPOP {k} {k} 0.001"),
    Template(Exact, "SORT {k} ALPHA"),
    Template(Exact, "SORT {k} STORE {k}"),
    Template(Exact, "SORT {k} ALPHA STORE {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "TYPE {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Nodes, "DEBUG OBJECT {k}"),
    Template(
        Exact,
        "CONFIG SET list-max-listpack-size < -2 | -1 | 1 | 2 | 3 | 4 | 5 | 8 | 0 | -5 | 128 >",
    ),
    Template(Exact, "CONFIG SET list-compress-depth < 0 | 0 | 1 | 2 >"),
    Template(
        Exact,
        "DEBUG QUICKLIST-PACKED-THRESHOLD < 0 | 0 | 0 | 5 | 60b | 1b | 5gb >",
    ),
];

/// Whatever waits here is over in a moment.
pub static BLOCKING: &[Template] = &[
    Template(Exact, "RPUSH {k} ( {e} )"),
    Template(Exact, "LPUSH {k} ( {e} )"),
    Template(Exact, "RPUSH {k} ( {e} )"),
    Template(Exact, "BLPOP ( {k} ) {wait}"),
    Template(Exact, "BRPOP ( {k} ) {wait}"),
    Template(Exact, "BLMOVE {k} {k} {where} {where} {wait}"),
    Template(Exact, "BRPOPLPUSH {k} {k} {wait}"),
    Template(
        Exact,
        "BLMPOP {wait} < 1 | {int} > {k} {where} [ COUNT {int} ]",
    ),
    Template(Exact, "BLMPOP {wait} 2 {k} {k} {where} [ COUNT {int} ]"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "LRANGE {k} 0 -1"),
];

/// Patterns meet the small keys: `*` names whatever key an element is the name of.
pub static SORT: &[Template] = &[
    Template(Exact, "RPUSH {k} ( {int} )"),
    Template(Exact, "RPUSH {k} ( {e} )"),
    Template(Exact, "RPUSH {k} ( < a | b | c | 1 | 2 > )"),
    Template(Exact, "RPUSH {k} ( < a | b | c | 1 | 2 > )"),
    Template(Exact, "SADD {k} ( < a | b | c | 1 | 2 > )"),
    Template(Exact, "SADD {k} ( {int} )"),
    Template(Exact, "ZADD {k} 1 a 3 b 2 c"),
    Template(Exact, "ZADD {k} 5 1 3 7 4 2"),
    Template(Exact, "HSET {k} f {int} g {e}"),
    Template(Exact, "HDEL {k} f"),
    Template(Exact, "MSET ( < a | b | c | key:1 | key:2 > {int} )"),
    Template(Exact, "SET {k} {float}"),
    Template(
        Exact,
        "SORT {k} [ BY < * | key:* | nosort | # | *-> | *->f > ] [ LIMIT {index} {int} ] [ GET < # | * | key:* | x* | *->f | plain > ] [ GET # ] [ ASC | DESC ]",
    ),
    Template(
        Exact,
        "SORT {k} [ BY < key:* | nosort > ] [ LIMIT {int} {int} ] [ GET < # | * | key:* > ] [ DESC ] STORE {k}",
    ),
    Template(
        Exact,
        "SORT_RO {k} [ BY < * | key:* | nosort > ] [ LIMIT {int} {int} ] [ GET < # | * > ] [ DESC ] [ STORE a ]",
    ),
    Template(
        Exact,
        "SORT {k} ALPHA [ LIMIT {int} {int} ] [ DESC ] [ GET # ]",
    ),
    Template(Exact, "SORT {k} < LIMIT 1 | BY | GET | STORE | BOGUS >"),
    Template(Exact, "LRANGE {k} 0 -1"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "DEL {k}"),
];
