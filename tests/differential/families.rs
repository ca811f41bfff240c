//! The templates, by command family. A family joins when its commands exist.
//!
//! Commands with a process-bound reply (CLIENT ID, COMMAND COUNT) are left out: there is nothing
//! to compare. The same goes for help texts and LOLWUT, which are our own work.

use super::families_zsets;
use super::grammar::Compare::{Any, Exact, Unordered, Walk, Within};
use super::grammar::Template;

/// A name to choose it by, and its templates.
pub struct Family(pub &'static str, pub &'static [Template]);

pub static FAMILIES: &[Family] = &[
    Family("strings", STRINGS),
    Family("bitmaps", BITMAPS),
    Family("keys", KEYS),
    Family("lists", super::families_lists::LISTS),
    Family("sort", super::families_lists::SORT),
    Family("blocking", super::families_lists::BLOCKING),
    Family("sets", super::families_hashes::SETS),
    Family("hashes", super::families_hashes::HASHES),
    Family("fields", super::families_hashes::FIELDS),
    Family("streams", super::families_streams::STREAMS),
    Family("connection", CONNECTION),
    Family("server", SERVER),
    Family("zsets", families_zsets::ZSETS),
    Family("lexes", families_zsets::LEXES),
    Family("geo", families_zsets::GEO),
    Family("hll", families_zsets::HLL),
];

/// Milliseconds that may pass between the two servers on a busy machine.
const SLACK_MS: i64 = 5_000;
const SLACK_S: i64 = 5;

static STRINGS: &[Template] = &[
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "SET {k} {v}"),
    Template(
        Exact,
        "SET {k} {v} [ NX | XX ] [ GET ] [ EX {ttl} | PX {pttl} | EXAT {at} | PXAT {pat} | KEEPTTL ]",
    ),
    Template(
        Exact,
        "SET {k} {v} ( NX | XX | GET | KEEPTTL | EX {ttl} | PX {pttl} | BOGUS )",
    ),
    Template(Exact, "GET {k}"),
    Template(Exact, "GET {k}"),
    Template(Exact, "GETDEL {k}"),
    Template(
        Exact,
        "GETEX {k} [ EX {ttl} | PX {pttl} | EXAT {at} | PXAT {pat} | PERSIST | KEEPTTL | NX ]",
    ),
    Template(Exact, "GETSET {k} {v}"),
    Template(Exact, "SETNX {k} {v}"),
    Template(Exact, "SETEX {k} {ttl} {v}"),
    Template(Exact, "PSETEX {k} {pttl} {v}"),
    Template(Exact, "MGET ( {k} )"),
    Template(Exact, "MSET ( {k} {v} )"),
    Template(Exact, "MSETNX ( {k} {v} )"),
    Template(Exact, "APPEND {k} {v}"),
    Template(Exact, "STRLEN {k}"),
    Template(Exact, "GETRANGE {k} {index} {index}"),
    Template(Exact, "SUBSTR {k} {index} {index}"),
    Template(Exact, "SETRANGE {k} {offset} {v}"),
    Template(Exact, "INCR {k}"),
    Template(Exact, "DECR {k}"),
    Template(Exact, "INCRBY {k} {int}"),
    Template(Exact, "DECRBY {k} {int}"),
    Template(Exact, "INCRBYFLOAT {k} {float}"),
    Template(
        Exact,
        "LCS {k} {k} [ LEN ] [ IDX ] [ MINMATCHLEN {int} ] [ WITHMATCHLEN ]",
    ),
    Template(
        Exact,
        "LCS {k} {k} IDX [ MINMATCHLEN {int} ] [ WITHMATCHLEN ]",
    ),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "SETBIT {k} {offset} {bit}"),
    Template(Exact, "DEL {k}"),
];

static BITMAPS: &[Template] = &[
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "SETBIT {k} {offset} {bit}"),
    Template(Exact, "SETBIT {k} {offset} {bit}"),
    Template(Exact, "GETBIT {k} {offset}"),
    Template(
        Exact,
        "BITCOUNT {k} [ {index} {index} [ BYTE | BIT | BITS ] ]",
    ),
    Template(
        Exact,
        "BITPOS {k} {bit} [ {index} [ {index} [ BYTE | BIT | WORD ] ] ]",
    ),
    Template(
        Exact,
        "BITOP < AND | OR | XOR | DIFF | DIFF1 | ANDOR | ONE | NAND > {k} ( {k} )",
    ),
    Template(Exact, "BITOP NOT {k} {k}"),
    Template(
        Exact,
        "BITFIELD {k} ( GET {field} {fieldat} | SET {field} {fieldat} {int} | INCRBY {field} {fieldat} {int} | OVERFLOW < WRAP | SAT | FAIL | BAD > )",
    ),
    Template(
        Exact,
        "BITFIELD {k} OVERFLOW < SAT | FAIL | WRAP > ( INCRBY {field} {fieldat} {int} )",
    ),
    Template(Exact, "BITFIELD_RO {k} ( GET {field} {fieldat} )"),
    Template(
        Exact,
        "BITFIELD_RO {k} < GET {field} {fieldat} | SET {field} {fieldat} {int} >",
    ),
    Template(Exact, "BITFIELD {k}"),
    Template(Exact, "GET {k}"),
    Template(Exact, "STRLEN {k}"),
    Template(Exact, "APPEND {k} {v}"),
    Template(Exact, "DEL {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
];

static KEYS: &[Template] = &[
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "SET {k} {v} EX {ttl}"),
    Template(Exact, "MSET ( {k} {v} )"),
    Template(Exact, "GET {k}"),
    Template(Exact, "DEL ( {k} )"),
    Template(Exact, "UNLINK ( {k} )"),
    Template(Exact, "EXISTS ( {k} )"),
    Template(Exact, "TOUCH ( {k} )"),
    Template(Exact, "TYPE {k}"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "RENAMENX {k} {k}"),
    Template(Exact, "COPY {k} {k} [ DB {db} ] [ REPLACE ]"),
    Template(Exact, "MOVE {k} {db}"),
    Template(Exact, "SWAPDB {db} {db}"),
    Template(Exact, "SELECT {db}"),
    Template(Exact, "PERSIST {k}"),
    Template(Exact, "EXPIRE {k} {ttl} [ NX | XX | GT | LT ]"),
    Template(
        Exact,
        "PEXPIRE {k} {pttl} [ NX | XX | GT | LT | GT LT | NX XX | XX GT | BAD ]",
    ),
    Template(
        Exact,
        "EXPIREAT {k} {at} [ NX | XX | GT | LT | XX LT | NX GT ]",
    ),
    Template(Exact, "PEXPIREAT {k} {pat} [ NX | XX | GT | LT ]"),
    Template(Within(SLACK_S), "TTL {k}"),
    Template(Within(SLACK_MS), "PTTL {k}"),
    Template(Within(SLACK_S), "EXPIRETIME {k}"),
    Template(Within(SLACK_MS), "PEXPIRETIME {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "OBJECT REFCOUNT {k}"),
    Template(Exact, "OBJECT FREQ {k}"),
    Template(Within(SLACK_S), "OBJECT IDLETIME {k}"),
    Template(Exact, "OBJECT < BOGUS {k} | ENCODING >"),
    Template(Any, "DBSIZE"),
    Template(Unordered, "KEYS {glob}"),
    Template(Exact, "FLUSHDB [ SYNC | ASYNC | BAD ]"),
    Template(Exact, "SCAN < abc | -1 | 1.5 > [ COUNT {int} ]"),
    Template(
        Walk,
        "SCAN 0 [ MATCH {glob} ] [ COUNT < 1 | 2 | 10 | {int} > ] [ TYPE < string | list | nosuchtype > ]",
    ),
    Template(Walk, "SCAN 0 < BAD | MATCH | TYPE | COUNT | COUNT x >"),
    Template(Any, "RANDOMKEY"),
];

static CONNECTION: &[Template] = &[
    Template(Exact, "PING [ {v} ]"),
    Template(Exact, "ECHO {v}"),
    Template(Exact, "SELECT {db}"),
    Template(
        Any,
        "HELLO < 1 | 4 | abc | -1 | 2 BAD | 3 SETNAME | 3 AUTH default | 3 AUTH nobody pw | 2 AUTH default pw SETNAME x >",
    ),
    Template(Exact, "AUTH < pw | default pw | nobody pw | a b c >"),
    Template(Exact, "CLIENT SETNAME {name}"),
    Template(Exact, "CLIENT GETNAME"),
    Template(
        Exact,
        "CLIENT SETINFO < LIB-NAME | LIB-VER | OTHER > {name}",
    ),
    Template(Exact, "CLIENT NO-EVICT < ON | OFF | X >"),
    Template(Exact, "CLIENT NO-TOUCH < ON | OFF | X >"),
    Template(Exact, "CLIENT REPLY < ON | X >"),
    Template(Exact, "CLIENT GETREDIR"),
    Template(Exact, "CLIENT TRACKINGINFO"),
    Template(
        Exact,
        "CLIENT UNBLOCK < 0 | 99999999 | x > [ TIMEOUT | ERROR | BAD ]",
    ),
    Template(
        Exact,
        "CLIENT KILL < ID 99999999 | ID x | ID -1 | ADDR 1.2.3.4:5 | LADDR 1.2.3.4:5 | TYPE bogus | USER nobody | 1.2.3.4:5 | SKIPME maybe | MAXAGE x | BAD x >",
    ),
    Template(
        Exact,
        "CLIENT LIST < TYPE bogus | TYPE | ID x | ID 99999999 | BAD x >",
    ),
    Template(Exact, "CLIENT PAUSE < x | -1 | 1 BAD >"),
    Template(Exact, "CLIENT UNPAUSE"),
    Template(Exact, "CLIENT BOGUS"),
    Template(
        Exact,
        "ACL < WHOAMI | WHOAMI x | BOGUS | CAT nosuch | CAT read x | GENPASS x | GENPASS 0 | GENPASS 4097 | GENPASS 1 2 | LOAD | SAVE | LOG x | LOG 1 x | LOG 0 | LOG -1 | USERS | LIST | GETUSER default | GETUSER nobody | DELUSER default | DELUSER nobody | DRYRUN default | DRYRUN nobody GET {k} | DRYRUN default GET {k} | DRYRUN default GET | DRYRUN default NOSUCH | DRYRUN default CONFIG NOSUCH | SETUSER | SETUSER default BAD | SETUSER x +nosuch | SETUSER x (+get | SETUSER x ~* ~a >",
    ),
    Template(Any, "ACL < CAT | GENPASS | GENPASS 12 | HELP | LOG RESET >"),
    Template(Exact, "RESET"),
    Template(Exact, "COMMAND INFO nosuch [ get ]"),
    Template(
        Exact,
        "COMMAND LIST FILTERBY < BAD x | ACLCAT | MODULE nosuch | ACLCAT nosuch | PATTERN nosuch* >",
    ),
    Template(
        Exact,
        "COMMAND < GETKEYS | GETKEYSANDFLAGS > < GET {k} | SET {k} {v} | SET {k} {v} GET | MSET ( {k} {v} ) | MGET ( {k} ) | PING | NOSUCH a | BITOP AND {k} ( {k} ) | BITFIELD {k} GET u8 0 | BITFIELD {k} SET u8 0 1 | COPY {k} {k} | OBJECT ENCODING {k} | RENAME {k} {k} | LCS {k} {k} | GET | DEL ( {k} ) | CONFIG GET x | MSET {k} >",
    ),
    Template(
        Exact,
        "< NOSUCHCOMMAND | nosuch.mod | GETX > [ {v} ] [ {v} ]",
    ),
    Template(
        Exact,
        "CONFIG < GET nosuchdirective | SET nosuchdirective 1 | BAD | GET | SET databases 5 | SET hz x | SET hz 10 hz 11 | SET maxmemory >",
    ),
];

/// Reports on the process are covered by tests of their own; here are the errors, and the known
/// state of an empty server. Sizes and times are ours.
static SERVER: &[Template] = &[
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "DEBUG DIGEST-VALUE ( {k} )"),
    Template(Exact, "DEBUG < BOGUS | OBJECT | OBJECT nosuch | DIGEST x >"),
    Template(Exact, "DEBUG OBJECT {k}"),
    Template(
        Any,
        "MEMORY < BOGUS | USAGE | USAGE nosuch | USAGE {k} BAD | USAGE {k} SAMPLES -1 | USAGE {k} SAMPLES x | STATS x >",
    ),
    Template(
        Any,
        "LATENCY < BOGUS | HISTORY | HISTORY nosuch | GRAPH nosuch | RESET nosuch | HISTOGRAM nosuch | LATEST x >",
    ),
    Template(
        Exact,
        "SLOWLOG < BOGUS | GET x | GET -2 | LEN x | RESET | RESET x >",
    ),
    Template(Exact, "ROLE [ {v} ]"),
    Template(Exact, "MODULE < LIST x | LOAD | UNLOAD nosuch | BOGUS >"),
    Template(Any, "INFO nosuch"),
    Template(Exact, "FLUSHALL [ SYNC | ASYNC | BAD ]"),
    Template(Exact, "OBJECT ENCODING {k}"),
];
