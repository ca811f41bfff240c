//! The templates of what streams have learnt since Redis 8.2; replies are those of 8.10.2.
//!
//! All ids lie in a far future, where the clock does not decide the next one: `*` and
//! `99999999999999-*` give the same on both servers. `comparable` leaves out broken commands
//! that would make a stream of the present.

use super::families::Family;
use super::grammar::Compare::{Exact, Within};
use super::grammar::Template;

pub static NEWER_STREAMS: &[Family] = &[Family("release", RELEASE), Family("producers", PRODUCERS)];

/// Milliseconds that may pass between the two servers on a busy machine.
const SLACK_MS: i64 = 5_000;

const ADD: Template = Template(Exact, "XADD {k} 99999999999999-* ff {v}");
const ADD_MORE: Template = Template(
    Exact,
    "XADD {k} [ NOMKSTREAM ] [ MAXLEN < 3 | 8 > ] 99999999999999-* ff {v} [ gg {int} ]",
);
const DELETE: Template = Template(Exact, "XDEL {k} ( {farid} )");
const INFO: Template = Template(
    Within(SLACK_MS),
    "XINFO STREAM {k} [ FULL [ COUNT < 0 | 1 | 3 | -1 | x > ] ] [ BAD ]",
);
const TRIM: Template = Template(
    Exact,
    "XTRIM {k} MAXLEN < 0 | 2 | 5 > [ KEEPREF | DELREF | ACKED ]",
);
const CREATE: Template = Template(Exact, "XGROUP CREATE {k} {group} < 0 | 0 | $ | {farid} >");
const READ: Template = Template(
    Exact,
    "XREADGROUP GROUP {group} {consumer} [ COUNT < 1 | 2 > ] [ NOACK ] STREAMS {k} < {new} | {new} | 0 >",
);

static RELEASE: &[Template] = &[
    ADD,
    ADD,
    ADD,
    ADD_MORE,
    CREATE,
    CREATE,
    READ,
    READ,
    DELETE,
    INFO,
    Template(
        Exact,
        "XNACK {k} {group} < SILENT | FAIL | FATAL > IDS 1 {farid} [ RETRYCOUNT < 0 | 5 | {int} > ] [ FORCE ]",
    ),
    Template(
        Exact,
        "XNACK {k} {group} < SILENT | FAIL | FATAL > IDS 2 {farid} {farid} [ FORCE ] [ RETRYCOUNT 9223372036854775807 ]",
    ),
    Template(
        Exact,
        "XNACK {k} {group} < SILENT | FAIL | FATAL | BAD > [ FORCE | RETRYCOUNT {int} ] [ IDS < 1 | 2 | {int} > ( {farid} ) ] [ FORCE | BAD ]",
    ),
    Template(
        Within(SLACK_MS),
        "XREADGROUP GROUP {group} {consumer} CLAIM < 0 | 0 | 100000 > [ COUNT < 0 | 1 | 2 > ] [ NOACK ] STREAMS {k} < {new} | {new} | {farid} >",
    ),
    Template(
        Within(SLACK_MS),
        "XREADGROUP GROUP {group} {consumer} [ CLAIM < 0 | 100000 | {int} > ] [ COUNT < 1 | 2 > ] [ MAXCOUNT < 1 | 2 | 3 | {int} > ] [ MAXSIZE < 1 | 50 | 100 | 150 | 200 | 400 | {int} > ] STREAMS {k} {k} < {new} | 0 > < {new} | 0 >",
    ),
    Template(
        Exact,
        "XREAD [ COUNT < 1 | 2 | {int} > ] [ MAXCOUNT < 1 | 2 | 3 | 5 | {int} > ] [ MAXSIZE < 1 | 50 | 100 | 200 | 300 | 500 | {int} > ] STREAMS {k} {k} < 0 | {farid} | + > < 0 | {farid} | + >",
    ),
    Template(
        Exact,
        "XREAD [ CLAIM {int} ] [ MAXCOUNT | MAXSIZE | CLAIM ] STREAMS {k} 0",
    ),
    Template(
        Exact,
        "COMMAND GETKEYS < XREAD | XREADGROUP > [ GROUP < g | STREAMS > COUNT ] [ CLAIM {v} ] [ MAXCOUNT STREAMS ] [ MAXSIZE {int} ] [ NOACK ] STREAMS {k} {k} {new} [ {new} ]",
    ),
    Template(
        Exact,
        "XCLAIM {k} {group} {consumer} < 0 | 100000 | 9223372036854775807 > {farid} [ {farid} ] [ < TIME 5 | TIME 0 | TIME 1000 | IDLE 1000000 > ] [ RETRYCOUNT < 0 | 5 | 9223372036854775807 > ] [ FORCE ] [ JUSTID ]",
    ),
    Template(
        Exact,
        "XAUTOCLAIM {k} {group} {consumer} < 0 | 100000 > < - | {farid} > [ COUNT < 1 | 2 > ] [ JUSTID ]",
    ),
    Template(Exact, "XPENDING {k} {group}"),
    Template(
        Within(SLACK_MS),
        "XPENDING {k} {group} [ IDLE < 0 | 100000 | 9223372036854775807 > ] - + < 1 | 10 > [ {consumer} ]",
    ),
    Template(Exact, "XACK {k} {group} ( {farid} )"),
    Template(
        Exact,
        "XACKDEL {k} {group} [ KEEPREF | DELREF | ACKED ] IDS 1 {farid}",
    ),
    Template(
        Exact,
        "XDELEX {k} [ KEEPREF | DELREF | ACKED ] IDS 1 {farid}",
    ),
    TRIM,
    Template(Exact, "XGROUP SETID {k} {group} < 0 | $ | {farid} >"),
    Template(Exact, "XGROUP DELCONSUMER {k} {group} {consumer}"),
    Template(Exact, "XGROUP DESTROY {k} {group}"),
    Template(Within(SLACK_MS), "XINFO GROUPS {k}"),
    Template(Exact, "XRANGE {k} - +"),
    Template(Exact, "COPY {k} {k} REPLACE"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "DEL {k}"),
];

static PRODUCERS: &[Template] = &[
    ADD,
    ADD,
    ADD_MORE,
    DELETE,
    INFO,
    INFO,
    TRIM,
    Template(
        Exact,
        "XADD {k} NOMKSTREAM IDMP < p | q > < i | j | k | l > * ff {v}",
    ),
    Template(
        Exact,
        "XADD {k} NOMKSTREAM IDMP < p | q > < i | j | k | l | m | n > * ff {v} [ gg {v} ]",
    ),
    Template(
        Exact,
        "XADD {k} NOMKSTREAM IDMPAUTO < p | q > * < ff 1 | ff 1 gg 2 | gg 2 ff 1 | ff 2 | gg ff >",
    ),
    Template(
        Exact,
        "XADD {k} [ KEEPREF ] [ IDMP < p | {v} > < i | {v} > | IDMPAUTO < p | {v} > ] [ MAXLEN [ = | ~ ] < 0 | 2 | 5 | x > ] NOMKSTREAM [ IDMP p i | IDMPAUTO p | LIMIT 5 ] * ff {v}",
    ),
    Template(
        Exact,
        "XADD {k} NOMKSTREAM < IDMP p i | IDMPAUTO p > [ LIMIT 0 ] < 99999999999999-* | {farid} | x | 0-0 > ff {v}",
    ),
    Template(
        Exact,
        "XCFGSET {k} [ IDMP-DURATION < 100 | 1000 | {int} > ] [ IDMP-MAXSIZE < 1 | 2 | 3 | {int} > ]",
    ),
    Template(
        Exact,
        "XCFGSET {k} < IDMP-MAXSIZE 2 | IDMP-MAXSIZE 100 | IDMP-DURATION 1000 | IDMP-DURATION | BAD | BAD 1 > [ IDMP-MAXSIZE 2 | IDMP-DURATION 500 ]",
    ),
    Template(
        Exact,
        "XIDMPRECORD {k} < p | q | {v} > < i | j | k | {v} > < {farid} | {farid} | {farid} | {v} >",
    ),
    Template(Exact, "XRANGE {k} - +"),
    Template(Exact, "XLEN {k}"),
    Template(Exact, "COPY {k} {k} REPLACE"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "DEL {k}"),
];
