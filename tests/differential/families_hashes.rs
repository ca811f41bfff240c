//! Sets, hashes, and the deadlines of fields. What is taken out at random would part the two
//! servers, so only whole sets are popped. An intset may always become as long as a listpack: where
//! it may not, the encoding of a stored result follows from the order of a table.

use super::grammar::Compare::{Any, Exact, Unordered, Walk, Within};
use super::grammar::Template;

pub static SETS: &[Template] = &[
    Template(Exact, "SADD {k} ( {m} )"),
    Template(Exact, "SADD {k} ( {m} )"),
    Template(Exact, "SADD {k} {int} {int} {int}"),
    Template(Exact, "SADD {k} ( {m} ) ( {m} ) ( {m} ) ( {m} )"),
    Template(Exact, "SREM {k} ( {m} )"),
    Template(Exact, "SREM {k} ( {m} ) ( {m} )"),
    Template(Exact, "SMOVE {k} {k} {m}"),
    Template(Exact, "SISMEMBER {k} {m}"),
    Template(Exact, "SMISMEMBER {k} ( {m} )"),
    Template(Exact, "SCARD {k}"),
    Template(Unordered, "SMEMBERS {k}"),
    Template(Unordered, "SPOP {k} < 0 | 100000 | -1 | x | 100000 1 >"),
    Template(Any, "SRANDMEMBER {k}"),
    Template(
        Any,
        "SRANDMEMBER {k} < 0 | 1 | 5 | 100 | -7 | {int} | x | 1 1 >",
    ),
    Template(Any, "SRANDMEMBER {k} 100000"),
    Template(Unordered, "SINTER ( {k} )"),
    Template(Exact, "SINTERSTORE {k} ( {k} )"),
    Template(
        Exact,
        "SINTERCARD < 1 | 2 | 3 | {int} > ( {k} ) [ LIMIT < 0 | 1 | 2 | {int} > ] [ LIMIT ]",
    ),
    Template(
        Exact,
        "SINTERCARD 2 {k} {k} [ LIMIT < 0 | 1 | 2 | {int} > ]",
    ),
    Template(Unordered, "SUNION ( {k} )"),
    Template(Exact, "SUNIONSTORE {k} ( {k} )"),
    Template(Unordered, "SDIFF ( {k} )"),
    Template(Unordered, "SDIFF {k} ( {k} )"),
    Template(Exact, "SDIFFSTORE {k} ( {k} )"),
    Template(
        Walk,
        "SSCAN {k} 0 [ MATCH {glob} ] [ COUNT < 1 | 3 | 100 | {int} > ] [ NOVALUES ] [ TYPE set ]",
    ),
    Template(Exact, "SSCAN {k} < x | -1 > [ COUNT {int} ]"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "DEBUG DIGEST-VALUE {k} {k}"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "EXPIRE {k} {ttl}"),
    Template(Exact, "TYPE {k}"),
    Template(Exact, "HSET {k} {m} {v}"),
    Template(Exact, "CONFIG SET set-max-listpack-entries < 0 | 3 | 8 >"),
    Template(Exact, "CONFIG SET set-max-intset-entries < 8 | 20 | 512 >"),
    Template(Exact, "CONFIG SET set-max-listpack-value < 2 | 64 >"),
];

pub static HASHES: &[Template] = &[
    Template(Exact, "HSET {k} ( {m} {v} )"),
    Template(Exact, "HSET {k} ( {m} {v} )"),
    Template(Exact, "HSET {k} ( {m} {int} ) ( {m} {v} )"),
    Template(Exact, "HMSET {k} ( {m} {v} )"),
    Template(Exact, "HSETNX {k} {m} {v}"),
    Template(Exact, "HGET {k} {m}"),
    Template(Exact, "HMGET {k} ( {m} )"),
    Template(Exact, "HDEL {k} ( {m} )"),
    Template(Exact, "HEXISTS {k} {m}"),
    Template(Exact, "HLEN {k}"),
    Template(Exact, "HSTRLEN {k} {m}"),
    Template(Exact, "HINCRBY {k} {m} {int}"),
    Template(Exact, "HINCRBYFLOAT {k} {m} {float}"),
    Template(Unordered, "HKEYS {k}"),
    Template(Unordered, "HVALS {k}"),
    Template(Unordered, "HGETALL {k}"),
    Template(Any, "HRANDFIELD {k}"),
    Template(
        Any,
        "HRANDFIELD {k} < 0 | 1 | 5 | -7 | {int} | x > [ WITHVALUES ] [ BAD ]",
    ),
    Template(Any, "HRANDFIELD {k} 100000"),
    Template(
        Walk,
        "HSCAN {k} 0 [ MATCH {glob} ] [ COUNT < 1 | 3 | 100 | {int} > ] [ NOVALUES ] [ TYPE hash ]",
    ),
    Template(Exact, "HSCAN {k} < x | -1 > [ COUNT {int} ]"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "DEBUG DIGEST-VALUE {k} {k}"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "SADD {k} {m}"),
    Template(Exact, "HEXPIRE {k} {ttl} FIELDS 1 {m}"),
    Template(
        Exact,
        "CONFIG SET hash-max-listpack-entries < 0 | 3 | 8 | 512 >",
    ),
    Template(Exact, "CONFIG SET hash-max-listpack-value < 2 | 64 >"),
];

/// Milliseconds that may pass between the two servers on a busy machine.
const SLACK_MS: i64 = 5_000;
const SLACK_S: i64 = 5;

pub static FIELDS: &[Template] = &[
    Template(Exact, "HSET {k} ( {m} {v} )"),
    Template(Exact, "HSET {k} ( {m} {int} ) ( {m} {v} )"),
    Template(Exact, "HSETNX {k} {m} {v}"),
    Template(Exact, "HGET {k} {m}"),
    Template(Exact, "HDEL {k} {m}"),
    Template(Exact, "HLEN {k}"),
    Template(Exact, "HINCRBY {k} {m} {int}"),
    Template(Unordered, "HGETALL {k}"),
    Template(Exact, "HGETDEL {k} FIELDS 1 {m}"),
    Template(
        Exact,
        "HGETDEL {k} < FIELDS | BAD > < 1 | 2 | 0 | {int} > ( {m} )",
    ),
    Template(
        Exact,
        "HGETEX {k} [ EX {ttl} | PX {pttl} | EXAT {at} | PXAT {pat} | PERSIST | BAD ] FIELDS 1 {m}",
    ),
    Template(
        Exact,
        "HGETEX {k} [ EX {ttl} | PX {pttl} | EXAT {at} | PXAT {pat} | PERSIST ] FIELDS 2 {m} {m}",
    ),
    Template(
        Exact,
        "HGETEX {k} [ EX {ttl} | PERSIST ] FIELDS < 1 | 2 | {int} > ( {m} ) [ PERSIST ]",
    ),
    Template(
        Exact,
        "HSETEX {k} [ FNX | FXX ] [ EX {ttl} | PX {pttl} | EXAT {at} | PXAT {pat} | KEEPTTL | BAD ] FIELDS 1 {m} {v}",
    ),
    Template(
        Exact,
        "HSETEX {k} [ EX {ttl} | PX {pttl} | KEEPTTL ] [ FNX | FXX ] FIELDS 2 {m} {v} {m} {v}",
    ),
    Template(
        Exact,
        "HSETEX {k} ( FNX | FXX | EX {ttl} | PXAT {pat} | KEEPTTL ) FIELDS < 1 | 2 | {int} > ( {m} {v} ) [ FXX ]",
    ),
    Template(
        Exact,
        "HEXPIRE {k} {ttl} [ NX | XX | GT | LT | BAD ] FIELDS < 1 {m} | 2 {m} {m} | {int} ( {m} ) >",
    ),
    Template(Exact, "HEXPIRE {k} {ttl} FIELDS 2 {m} {m}"),
    Template(
        Exact,
        "HPEXPIRE {k} {pttl} [ NX | XX | GT | LT ] FIELDS < 1 {m} | 2 {m} {m} >",
    ),
    Template(
        Exact,
        "HEXPIREAT {k} {at} [ NX | XX | GT | LT ] FIELDS < 1 {m} | 2 {m} {m} >",
    ),
    Template(
        Exact,
        "HPEXPIREAT {k} {pat} [ NX | XX | GT | LT | NX XX ] FIELDS < 1 {m} | 2 {m} {m} >",
    ),
    Template(Within(SLACK_S), "HTTL {k} FIELDS 2 {m} {m}"),
    Template(Within(SLACK_MS), "HPTTL {k} FIELDS 2 {m} {m}"),
    Template(Within(SLACK_S), "HEXPIRETIME {k} FIELDS 2 {m} {m}"),
    Template(
        Within(SLACK_MS),
        "HPEXPIRETIME {k} < FIELDS | BAD > < 1 | 2 | {int} > ( {m} )",
    ),
    Template(
        Exact,
        "HPERSIST {k} < FIELDS | BAD > < 1 | 2 | {int} > ( {m} )",
    ),
    Template(Exact, "HPERSIST {k} FIELDS 1 {m}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "DEBUG DIGEST-VALUE {k} {k}"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(
        Exact,
        "CONFIG SET hash-max-listpack-entries < 3 | 8 | 512 >",
    ),
];
