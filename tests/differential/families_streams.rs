//! Streams and their groups. What XINFO STREAM shows is in `families_newer_streams`.

use super::grammar::Compare::{Exact, Within};
use super::grammar::Template;

pub static STREAMS: &[Template] = &[
    Template(Exact, "XADD {k} {id} {v} {v}"),
    Template(Exact, "XADD {k} {id} f {v} g {int}"),
    Template(Exact, "XADD {k} {id} f {int}"),
    Template(Exact, "XADD {k} {newid} f {v}"),
    Template(Exact, "XADD {k} {newid} f {v} [ g {int} ]"),
    Template(Exact, "XADD {k} {newid} f {int}"),
    Template(Exact, "XADD {k} {newid} f {int}"),
    Template(
        Exact,
        "XADD {k} [ NOMKSTREAM ] [ KEEPREF ] [ MAXLEN [ = | ~ ] < 0 | 1 | 3 | 10 | -1 | x > | MINID [ = | ~ ] {id} ] [ LIMIT < 0 | 1 | 5 | -1 | x > ] {newid} f {v}",
    ),
    // With `~` Redis trims nothing where references are asked for.
    Template(
        Exact,
        "XADD {k} [ NOMKSTREAM ] < DELREF | ACKED > [ MAXLEN [ = ] < 0 | 1 | 3 | 10 > | MINID [ = ] {id} ] {newid} f {v}",
    ),
    Template(Exact, "XADD {k} {newid} f"),
    Template(
        Exact,
        "XADD {k} < x | 1-x | - | + | 0-0 | 0-* | 1-* | x-* > f {v}",
    ),
    Template(Exact, "XLEN {k}"),
    Template(
        Exact,
        "XRANGE {k} {idbound} {idbound} [ COUNT < 0 | 1 | 3 | -1 | x > ] [ BAD ]",
    ),
    Template(Exact, "XRANGE {k} - +"),
    Template(
        Exact,
        "XREVRANGE {k} {idbound} {idbound} [ COUNT < 0 | 1 | 3 | -1 | x > ]",
    ),
    Template(Exact, "XREVRANGE {k} + - [ COUNT 2 ]"),
    Template(Exact, "XDEL {k} ( {id} )"),
    Template(
        Exact,
        "XDELEX {k} [ KEEPREF | DELREF | ACKED ] IDS < 1 | 2 | 0 | x > {id} [ {id} ] [ KEEPREF | BAD ]",
    ),
    Template(
        Exact,
        "XACKDEL {k} {group} [ KEEPREF | DELREF | ACKED ] IDS < 1 | 2 | 0 | x > {id} [ {id} ]",
    ),
    Template(
        Exact,
        "XTRIM {k} < MAXLEN | MINID > [ = | ~ ] < 0 | 2 | 5 | -1 | x | {id} > [ LIMIT < 0 | 1 | 5 | -1 > ] [ KEEPREF ]",
    ),
    Template(
        Exact,
        "XTRIM {k} < MAXLEN | MINID > [ = ] < 0 | 2 | 5 | {id} > < DELREF | ACKED >",
    ),
    Template(Exact, "XTRIM {k} < LIMIT 1 | BAD 1 | MAXLEN 1 MINID 1 >"),
    Template(
        Exact,
        "XSETID {k} {id} [ ENTRIESADDED < 0 | 5 | 100 | -1 > ] [ MAXDELETEDID {id} ] [ BAD ]",
    ),
    Template(
        Exact,
        "XREAD [ COUNT < 0 | 1 | 2 | -1 | x > ] STREAMS {k} < {id} | $ | + | {new} | x | - >",
    ),
    Template(Exact, "XREAD STREAMS {k} {k} {id} {id}"),
    Template(Exact, "XREAD STREAMS {k} {k} {id}"),
    Template(
        Exact,
        "XREAD < BAD | NOACK | GROUP g c | COUNT | BLOCK x | BLOCK -1 > STREAMS {k} {id}",
    ),
    Template(
        Exact,
        "XREADGROUP GROUP {group} {consumer} [ COUNT < 0 | 1 | 2 | x > ] [ NOACK ] STREAMS {k} < {new} | {new} | {new} | {id} | 0 | $ | + | x >",
    ),
    Template(
        Exact,
        "XREADGROUP GROUP {group} {consumer} STREAMS {k} {new}",
    ),
    Template(
        Exact,
        "XREADGROUP GROUP {group} {consumer} COUNT 1 STREAMS {k} {k} < {new} | 0 > < {new} | 0 >",
    ),
    Template(
        Exact,
        "XREADGROUP < COUNT 1 | NOACK > STREAMS {k} {k} {id} {new}",
    ),
    Template(
        Exact,
        "XGROUP CREATE {k} {group} < {id} | $ | 0 | x | - | + > [ MKSTREAM ] [ ENTRIESREAD < 0 | 3 | -1 | -2 | 100 | x > ] [ BAD ]",
    ),
    Template(Exact, "XGROUP CREATE {k} {group} < 0 | $ > MKSTREAM"),
    Template(
        Exact,
        "XGROUP SETID {k} {group} < {id} | $ | 0 | x | - | + > [ MKSTREAM ] [ ENTRIESREAD < 0 | 3 | -1 | -2 | 100 | x > ]",
    ),
    Template(Exact, "XGROUP DESTROY {k} {group}"),
    Template(Exact, "XGROUP CREATECONSUMER {k} {group} {consumer}"),
    Template(Exact, "XGROUP DELCONSUMER {k} {group} {consumer}"),
    Template(
        Exact,
        "XGROUP < CREATE {k} g | BAD | SETID {k} | DESTROY {k} >",
    ),
    Template(Exact, "XACK {k} {group} ( < {id} | {id} | {id} | x > )"),
    Template(Exact, "XPENDING {k} {group}"),
    Template(
        Within(5_000),
        "XPENDING {k} {group} [ IDLE < 0 | x > ] {idbound} {idbound} < 1 | 10 | 0 | -1 | x > [ {consumer} ] [ {consumer} ]",
    ),
    Template(Exact, "XPENDING {k} {group} - [ + ]"),
    Template(
        Exact,
        "XCLAIM {k} {group} {consumer} < 0 | 100000 | -1 | x > {id} [ {id} ] [ IDLE < 0 | 100 | x > ] [ TIME < 0 | -1 | x > ] [ RETRYCOUNT < 0 | 5 | -1 | x > ] [ FORCE ] [ JUSTID ] [ LASTID {id} ] [ BAD ]",
    ),
    Template(Exact, "XCLAIM {k} {group} {consumer} 0 {id} FORCE"),
    Template(
        Exact,
        "XAUTOCLAIM {k} {group} {consumer} < 0 | 100000 | -1 | x > {idbound} [ COUNT < 1 | 2 | 0 | x > ] [ JUSTID ] [ BAD ]",
    ),
    Template(Exact, "XINFO GROUPS {k}"),
    Template(Exact, "XINFO GROUPS {k}"),
    Template(Within(5_000), "XINFO CONSUMERS {k} {group}"),
    Template(Exact, "XINFO < BAD {k} | CONSUMERS {k} | STREAM >"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "TYPE {k}"),
    Template(Exact, "DEBUG DIGEST-VALUE {k}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "GET {k}"),
    Template(
        Exact,
        "CONFIG SET stream-node-max-entries < 3 | 5 | 100 | 0 >",
    ),
    Template(
        Exact,
        "CONFIG SET stream-node-max-bytes < 0 | 60 | 200 | 4096 >",
    ),
];
