//! Templates for sorted sets, geo and HyperLogLog.

use super::grammar::Compare::{Any, Exact, Unordered, Walk};
use super::grammar::Template;

pub static ZSETS: &[Template] = &[
    Template(Exact, "ZADD {k} ( {score} {member} )"),
    Template(Exact, "ZADD {k} ( {score} {member} )"),
    Template(
        Exact,
        "ZADD {k} ( {score} {member} {score} {member} {score} {member} )",
    ),
    Template(Exact, "ZADD {k} ( 0 {member} 0 {member} 0 {member} )"),
    Template(
        Exact,
        "ZADD {k} [ NX | XX ] [ GT | LT ] [ CH ] [ INCR ] {score} {member}",
    ),
    Template(
        Exact,
        "ZADD {k} ( NX | XX | GT | LT | CH | INCR ) ( {score} {member} )",
    ),
    Template(Exact, "ZINCRBY {k} {score} {member}"),
    Template(Exact, "ZREM {k} ( {member} )"),
    Template(Exact, "ZCARD {k}"),
    Template(Exact, "ZSCORE {k} {member}"),
    Template(Exact, "ZMSCORE {k} ( {member} )"),
    Template(Exact, "ZRANK {k} {member} [ WITHSCORE | BAD ]"),
    Template(Exact, "ZREVRANK {k} {member} [ WITHSCORE ]"),
    Template(Exact, "ZRANGE {k} {index} {index} [ REV ] [ WITHSCORES ]"),
    Template(
        Exact,
        "ZRANGE {k} {bound} {bound} BYSCORE [ REV ] [ LIMIT {int} {int} ] [ WITHSCORES ]",
    ),
    Template(
        Exact,
        "ZRANGE {k} < {bound} {bound} | - + | {index} {index} > ( BYSCORE | BYLEX | REV | LIMIT {int} {int} | WITHSCORES | BAD )",
    ),
    Template(
        Exact,
        "ZRANGESTORE {k} {k} < {bound} {bound} BYSCORE | {index} {index} > [ REV ] [ LIMIT {int} {int} ]",
    ),
    Template(
        Exact,
        "ZRANGEBYSCORE {k} {bound} {bound} [ WITHSCORES ] [ LIMIT {int} {int} ]",
    ),
    Template(
        Exact,
        "ZREVRANGEBYSCORE {k} {bound} {bound} [ WITHSCORES ] [ LIMIT {int} {int} ]",
    ),
    Template(Exact, "ZREVRANGE {k} {index} {index} [ WITHSCORES | BAD ]"),
    Template(Exact, "ZCOUNT {k} {bound} {bound}"),
    Template(Exact, "ZREMRANGEBYRANK {k} {index} {index}"),
    Template(Exact, "ZREMRANGEBYSCORE {k} {bound} {bound}"),
    Template(Exact, "ZPOPMIN {k} [ {int} ]"),
    Template(Exact, "ZPOPMAX {k} [ {int} ]"),
    Template(
        Exact,
        "ZMPOP < 1 {k} | 2 {k} {k} | {int} {k} > < MIN | MAX | BAD > [ COUNT {int} ]",
    ),
    Template(Exact, "BZPOPMIN {k} 0.01"),
    Template(Exact, "BZPOPMAX {k} {k} < 0.01 | -1 | x >"),
    Template(
        Exact,
        "BZMPOP 0.01 < 1 {k} | 2 {k} {k} > < MIN | MAX > [ COUNT {int} ]",
    ),
    Template(Any, "ZRANDMEMBER {k}"),
    Template(Any, "ZRANDMEMBER {k} -3"),
    Template(
        Unordered,
        "ZRANDMEMBER {k} < 1000 | 0 > [ WITHSCORES | BAD ]",
    ),
    Template(Exact, "ZRANDMEMBER {k} < x | -9223372036854775808 >"),
    Template(
        Walk,
        "ZSCAN {k} 0 [ COUNT < 1 | 3 | 100 > ] [ MATCH {glob} ]",
    ),
    Template(Exact, "ZSCAN {k} < x | -1 > [ COUNT {int} ]"),
    Template(
        Exact,
        "< ZUNION | ZINTER > < 1 {k} | 2 {k} {k} | 3 {k} {k} {k} | {int} {k} > [ AGGREGATE < SUM | MIN | MAX | BAD > ] [ WITHSCORES ]",
    ),
    Template(
        Exact,
        "< ZUNION | ZINTER > 2 {k} {k} WEIGHTS {score} {score} [ AGGREGATE < SUM | MIN | MAX > ] [ WITHSCORES ]",
    ),
    Template(
        Exact,
        "< ZUNIONSTORE | ZINTERSTORE > {k} < 1 {k} | 2 {k} {k} > [ WEIGHTS {score} {score} ] [ AGGREGATE < SUM | MIN | MAX > ] [ WITHSCORES ]",
    ),
    Template(
        Exact,
        "ZDIFF < 1 {k} | 2 {k} {k} | {int} {k} > [ WITHSCORES ]",
    ),
    Template(Exact, "ZDIFFSTORE {k} < 1 {k} | 2 {k} {k} > [ WITHSCORES ]"),
    Template(
        Exact,
        "ZINTERCARD < 1 {k} | 2 {k} {k} | {int} {k} > [ LIMIT {int} ]",
    ),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "DEBUG DIGEST-VALUE {k}"),
    Template(
        Exact,
        "CONFIG SET zset-max-listpack-entries < 4 | 8 | 128 >",
    ),
    Template(Exact, "CONFIG SET zset-max-listpack-value < 4 | 64 >"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "SADD {k} ( {member} )"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "TYPE {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "RENAME {k} {k}"),
];

/// Ranges of members mean something only where all scores are equal.
pub static LEXES: &[Template] = &[
    Template(Exact, "ZADD {k} ( 0 {member} 0 {member} 0 {member} )"),
    Template(Exact, "ZADD {k} ( 0 {member} )"),
    Template(Exact, "ZREM {k} ( {member} )"),
    Template(
        Exact,
        "ZRANGE {k} {lex} {lex} BYLEX [ REV ] [ LIMIT {int} {int} ]",
    ),
    Template(Exact, "ZRANGEBYLEX {k} {lex} {lex} [ LIMIT {int} {int} ]"),
    Template(
        Exact,
        "ZREVRANGEBYLEX {k} {lex} {lex} [ LIMIT {int} {int} ]",
    ),
    Template(Exact, "ZRANGESTORE {k} {k} {lex} {lex} BYLEX [ REV ]"),
    Template(Exact, "ZLEXCOUNT {k} {lex} {lex}"),
    Template(Exact, "ZREMRANGEBYLEX {k} {lex} {lex}"),
    Template(Exact, "ZRANGE {k} 0 -1"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(
        Exact,
        "CONFIG SET zset-max-listpack-entries < 4 | 8 | 128 >",
    ),
];

pub static GEO: &[Template] = &[
    Template(Exact, "GEOADD {k} ( {lon} {lat} {member} )"),
    Template(
        Exact,
        "GEOADD {k} ( {lon} {lat} {member} {lon} {lat} {member} {lon} {lat} {member} )",
    ),
    Template(
        Exact,
        "GEOADD {k} [ NX | XX ] [ CH ] ( {lon} {lat} {member} )",
    ),
    Template(
        Exact,
        "GEOADD {k} ( NX | XX | CH | BAD ) {lon} {lat} {member}",
    ),
    Template(Exact, "ZADD {k} {score} {member}"),
    Template(Exact, "GEOPOS {k} ( {member} )"),
    Template(Exact, "GEODIST {k} {member} {member} [ {unit} ]"),
    Template(Exact, "GEOHASH {k} ( {member} )"),
    Template(
        Exact,
        "GEOSEARCH {k} < FROMMEMBER {member} | FROMLONLAT {lon} {lat} > < BYRADIUS {far} {unit} | BYBOX {far} {far} {unit} > [ ASC | DESC ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
    ),
    Template(
        Exact,
        "GEOSEARCH {k} FROMLONLAT {lon} {lat} < BYRADIUS {far} km | BYBOX {far} {far} km > [ COUNT {int} [ ANY ] ] [ WITHDIST ]",
    ),
    Template(
        Exact,
        "GEOSEARCH {k} ( FROMMEMBER {member} | FROMLONLAT {lon} {lat} | BYRADIUS {far} {unit} | BYBOX {far} {far} {unit} | COUNT {int} | ANY | ASC | WITHDIST | STOREDIST | BAD )",
    ),
    Template(
        Exact,
        "GEOSEARCHSTORE {k} {k} < FROMMEMBER {member} | FROMLONLAT {lon} {lat} > < BYRADIUS {far} {unit} | BYBOX {far} {far} {unit} > [ ASC ] [ COUNT {int} ] [ STOREDIST ] [ WITHDIST ]",
    ),
    Template(
        Exact,
        "< GEORADIUS | GEORADIUS_RO > {k} {lon} {lat} {far} {unit} [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ COUNT {int} [ ANY ] ] [ ASC | DESC ] [ STORE {k} | STOREDIST {k} ]",
    ),
    Template(
        Exact,
        "< GEORADIUSBYMEMBER | GEORADIUSBYMEMBER_RO > {k} {member} {far} {unit} [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ COUNT {int} [ ANY ] ] [ ASC | DESC ] [ STORE {k} | STOREDIST {k} ]",
    ),
    Template(Exact, "ZRANGE {k} 0 -1 WITHSCORES"),
    Template(Exact, "ZREM {k} {member}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "DEL {k}"),
];

/// Codes that are cut off in the middle are left out: Redis reads what stands behind the string.
pub static HLL: &[Template] = &[
    Template(Exact, "PFADD {k} ( {v} )"),
    Template(Exact, "PFADD {k} ( {v} {member} {v} {member} )"),
    Template(
        Exact,
        "PFADD {k} ( {many} {many} {many} {many} {many} {many} {many} )",
    ),
    Template(Exact, "PFADD {k}"),
    Template(Exact, "PFCOUNT ( {k} )"),
    Template(Exact, "PFCOUNT {k}"),
    Template(Exact, "PFMERGE {k} ( {k} )"),
    Template(Exact, "PFMERGE {k}"),
    Template(
        Exact,
        "PFDEBUG < DECODE | ENCODING | TODENSE | GETREG | BAD > {k}",
    ),
    Template(Exact, "PFDEBUG DECODE {k}"),
    Template(Exact, "GET {k}"),
    Template(Exact, "GET {k}"),
    Template(Exact, "STRLEN {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "SET {k} {hll}"),
    Template(Exact, "CONFIG SET hll-sparse-max-bytes < 30 | 60 | 3000 >"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "ZADD {k} 1 a"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "COPY {k} {k} REPLACE"),
];
