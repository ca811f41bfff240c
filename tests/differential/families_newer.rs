//! The templates of commands and options that came after Redis 8.2; replies are those of 8.10.2.

use super::families::Family;
use super::grammar::Compare::{Any, Exact, Unordered, Within};
use super::grammar::Template;

pub static NEWER: &[Family] = &[
    Family("conditions", CONDITIONS),
    Family("counters", COUNTERS),
    Family("moves", MOVES),
    Family("cards", CARDS),
    Family("counts", COUNTS),
    Family("imports", IMPORTS),
    Family("templates", TEMPLATES),
];

/// Milliseconds that may pass between the two servers on a busy machine.
const SLACK_MS: i64 = 5_000;

static CONDITIONS: &[Template] = &[
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "SET {k} < abc | 100 | abcd >"),
    Template(
        Exact,
        "SET {k} {v} < IFEQ | IFNE > < abc | 100 | abcd | {v} > [ GET ] [ EX {ttl} | PXAT {pat} | KEEPTTL ]",
    ),
    Template(
        Exact,
        // Without GET: where the digest is none, 8.10.2 sends the value and then the error.
        "SET {k} {v} < IFDEQ | IFDNE > < 78af5f94892f3950 | E3CD843A18868415 | 2d06800538d394c2 | {v} >",
    ),
    Template(
        Exact,
        "SET {k} {v} ( NX | XX | IFEQ abc | IFNE abc | IFDEQ 78af5f94892f3950 | IFDNE )",
    ),
    Template(Exact, "DIGEST {k}"),
    Template(Exact, "DELEX {k} [ < IFEQ | IFNE > < abc | 100 | {v} > ]"),
    Template(
        Exact,
        "DELEX {k} < IFDEQ | IFDNE | BAD > < 78af5f94892f3950 | e3cd843a18868415 | {v} >",
    ),
    Template(Exact, "DELEX {k} ( IFEQ abc )"),
    Template(
        Exact,
        "MSETEX < 1 | 2 | {int} > ( {k} {v} ) [ NX | XX ] [ EX {ttl} | PX {pttl} | EXAT {at} | PXAT {pat} | KEEPTTL ]",
    ),
    Template(
        Exact,
        "MSETEX 2 {k} {v} {k} {v} ( NX | XX | EX {ttl} | PX {pttl} | KEEPTTL | BAD )",
    ),
    Template(Exact, "RPUSH {k} {e}"),
    Template(Exact, "APPEND {k} {v}"),
    Template(Exact, "GET {k}"),
    Template(Within(SLACK_MS), "PTTL {k}"),
    Template(Exact, "DEL {k}"),
];

static COUNTERS: &[Template] = &[
    Template(Exact, "SET {k} {int}"),
    Template(Exact, "SET {k} {float} [ PX {pttl} ]"),
    Template(Exact, "INCREX {k}"),
    Template(
        Exact,
        "INCREX {k} [ BYINT {int} ] [ SATURATE ] [ LBOUND {int} ] [ UBOUND {int} ] [ PERSIST | EX {ttl} | PX {pttl} ]",
    ),
    Template(
        Exact,
        "INCREX {k} BYINT {int} [ SATURATE ] [ UBOUND {int} ] [ EXAT {at} | PXAT {pat} ] [ ENX ]",
    ),
    Template(
        Exact,
        "INCREX {k} BYFLOAT {float} [ SATURATE ] [ LBOUND {float} ] [ UBOUND {float} ] [ EX {ttl} ] [ ENX ]",
    ),
    Template(
        Exact,
        "INCREX {k} ( BYINT {int} | BYFLOAT {float} | SATURATE | LBOUND {int} | UBOUND {int} | ENX | PERSIST | EX {ttl} | BAD )",
    ),
    Template(Exact, "RPUSH {k} {e}"),
    Template(Exact, "GET {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Within(SLACK_MS), "PTTL {k}"),
    Template(Exact, "DEL {k}"),
];

static MOVES: &[Template] = &[
    Template(Exact, "RPUSH {k} ( {e} )"),
    Template(Exact, "LPUSH {k} {e} {e} {e} {e}"),
    Template(
        Exact,
        "LMOVEM {k} {k} {where} {where} [ < COUNT | EXACTLY > < 1 | 2 | 3 | {int} > < OBO | BULK > ]",
    ),
    Template(
        Exact,
        "LMOVEM {k} {k} {where} {where} ( COUNT | EXACTLY | 2 | OBO | BULK )",
    ),
    Template(
        Exact,
        "BLMOVEM {k} {k} {where} {where} {wait} [ < COUNT | EXACTLY > < 1 | 2 | 3 | {int} > < OBO | BULK > ]",
    ),
    Template(Exact, "LRANGE {k} 0 -1"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "DEL {k}"),
    Template(
        Exact,
        "CONFIG SET list-max-listpack-size < -2 | 1 | 3 | 128 >",
    ),
    Template(Any, "DEBUG OBJECT {k}"),
];

static CARDS: &[Template] = &[
    Template(Exact, "SADD {k} ( {m} )"),
    Template(Exact, "SADD {k} ( {int} )"),
    Template(Exact, "SREM {k} ( {m} )"),
    Template(
        Exact,
        "SUNIONCARD < 1 | 2 | 3 | {int} > ( {k} ) [ APPROX ] [ LIMIT < 0 | 1 | 2 | {int} > ] [ APPROX | LIMIT ]",
    ),
    Template(
        Exact,
        "SUNIONCARD 2 {k} {k} [ LIMIT < 0 | 1 | 2 | {int} > ]",
    ),
    Template(
        Exact,
        "SDIFFCARD < 1 | 2 | 3 | {int} > ( {k} ) [ LIMIT < 0 | 1 | 2 | {int} > ] [ APPROX | LIMIT ]",
    ),
    Template(Exact, "SDIFFCARD 2 {k} {k} [ LIMIT < 0 | 1 | 2 | {int} > ]"),
    Template(Unordered, "SMEMBERS {k}"),
    Template(Exact, "RPUSH {k} {e}"),
    Template(Exact, "DEL {k}"),
];

static COUNTS: &[Template] = &[
    Template(Exact, "ZADD {k} {score} {m} {score} {m}"),
    Template(Exact, "SADD {k} ( {m} )"),
    Template(
        Unordered,
        "< ZUNION | ZINTER > 2 {k} {k} [ WEIGHTS {score} {score} ] AGGREGATE < COUNT | COUNT | SUM > WITHSCORES",
    ),
    Template(
        Exact,
        "< ZUNIONSTORE | ZINTERSTORE > {k} 2 {k} {k} [ WEIGHTS {score} {score} ] AGGREGATE COUNT",
    ),
    Template(Exact, "ZRANGE {k} 0 -1 WITHSCORES"),
    Template(Exact, "DEL {k}"),
];

static IMPORTS: &[Template] = &[
    Template(Exact, "HIMPORT PREPARE < s | t | {k} > ( {m} )"),
    Template(Exact, "HIMPORT PREPARE s a bb c"),
    Template(Exact, "HIMPORT PREPARE t bb a"),
    Template(Exact, "HIMPORT SET {k} s {v} {int} {v}"),
    Template(Exact, "HIMPORT SET {k} t {int} {v}"),
    Template(Exact, "HIMPORT SET {k} < s | t | nosuch > ( {v} )"),
    Template(Exact, "HIMPORT DISCARD < s | t | {k} >"),
    Template(Exact, "< HIMPORT DISCARDALL | HIMPORT | HIMPORT BAD >"),
    Template(Exact, "HSET {k} < a | bb | c | {m} > {v}"),
    Template(Exact, "HSET {k} a {int} bb {v} {m} {v}"),
    Template(Exact, "HMSET {k} a {int} c {v}"),
    Template(Exact, "HSETNX {k} < a | bb | {m} > {v}"),
    Template(Exact, "HINCRBY {k} < a | bb | {m} > {int}"),
    Template(Exact, "HDEL {k} < a | bb | c | {m} > [ c ]"),
    Template(Exact, "HGETDEL {k} FIELDS 2 < a | bb > {m}"),
    Template(Exact, "HSETEX {k} [ FNX | FXX ] FIELDS 2 a {v} {m} {v}"),
    Template(Exact, "HGETEX {k} [ EX {ttl} ] FIELDS 1 < a | {m} >"),
    Template(Exact, "HEXPIRE {k} {ttl} FIELDS 1 < a | {m} >"),
    Template(Exact, "HPERSIST {k} FIELDS 1 < a | {m} >"),
    Template(Exact, "HMGET {k} a bb c {m}"),
    Template(Exact, "< HLEN | HSTRLEN > {k} [ a ]"),
    Template(Unordered, "< HGETALL | HKEYS | HVALS > {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "TYPE {k}"),
    Template(Exact, "DEL {k}"),
    Template(
        Exact,
        "CONFIG SET hash-max-listpack-entries < 2 | 3 | 512 > hash-max-listpack-value < 3 | 64 >",
    ),
];

/// Without deadlines: 8.10.2 gives no template to a hashtable whose fields ever had any.
static TEMPLATES: &[Template] = &[
    Template(Exact, "HSET {k} < a | bb | c | {m} > {v}"),
    Template(Exact, "HSET {k} a {int} bb {v} {m} {v}"),
    Template(Exact, "HMSET {k} a {int} c {v}"),
    Template(Exact, "HSETNX {k} < a | bb | {m} > {v}"),
    Template(Exact, "HINCRBY {k} < a | bb | {m} > {int}"),
    Template(Exact, "HDEL {k} < a | bb | c | {m} > [ c ]"),
    Template(Exact, "HGETDEL {k} FIELDS 2 < a | bb > {m}"),
    Template(Exact, "HSETEX {k} [ FNX | FXX ] FIELDS 2 a {v} {m} {v}"),
    Template(Exact, "HMGET {k} a bb c {m}"),
    Template(Unordered, "< HGETALL | HKEYS | HVALS > {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "DEL {k}"),
    Template(
        Exact,
        "CONFIG SET hash-max-template-entries < 0 | 2 | 3 > hash-min-template-entries < 0 | 1 | 3 >",
    ),
    Template(
        Exact,
        "CONFIG SET hash-max-listpack-entries < 2 | 3 | 512 > hash-max-listpack-value < 3 | 64 >",
    ),
];
