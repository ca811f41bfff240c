//! Streams.

use super::{EveryRow, growing, row};

const ENTRIES: (usize, &str) = (10_000, "XADD stream 1-{s} name value:{s} other {s}");
const GROUP: (usize, &str) = (1, "XGROUP CREATE stream group 0");
const PENDING: (usize, &str) = (
    10,
    "XREADGROUP GROUP group consumer:{s} COUNT 1000 STREAMS stream >",
);
/// The first identifier cannot be 0-0, and 1-0 is the first of these.
const READ: &[(usize, &str)] = &[ENTRIES, GROUP, PENDING];

pub const ROWS: &[EveryRow] = &[
    growing(
        "xadd-growing-1m",
        1_000_000,
        &["XADD stream * name value:{r:1000000}"],
    ),
    growing(
        "xadd-growing-512b",
        100_000,
        &["XADD stream * name {v:512}"],
    ),
    growing(
        "xadd-many",
        100_000,
        &["XADD stream:{r:20000} * name value:{r:1000}"],
    ),
    row(
        "xadd-maxlen",
        &[ENTRIES],
        &["XADD stream MAXLEN ~ 1000 * name value:{r:1000}"],
    ),
    row(
        "xadd-maxlen-exact",
        &[ENTRIES],
        &["XADD stream MAXLEN = 1000 * name value:{r:1000}"],
    ),
    row(
        "xadd-xdel",
        &[ENTRIES],
        &[
            "XADD stream * name value:{r:1000}",
            "XDEL stream 1-{r:10000}",
        ],
    ),
    row(
        "xdelex",
        &[ENTRIES],
        &["XDELEX stream KEEPREF IDS 1 1-{r:10000}"],
    ),
    row(
        "xadd-xtrim",
        &[ENTRIES],
        &[
            "XADD stream * name value:{r:1000}",
            "XTRIM stream MAXLEN = 10000",
        ],
    ),
    row("xlen", &[ENTRIES], &["XLEN stream"]),
    row(
        "xrange-10",
        &[ENTRIES],
        &["XRANGE stream 1-{r:10000} + COUNT 10"],
    ),
    row(
        "xrange-1",
        &[ENTRIES],
        &["XRANGE stream 1-{r:10000} 1-{r:10000} COUNT 1"],
    ),
    row(
        "xrange-100",
        &[ENTRIES],
        &["XRANGE stream 1-{r:9000} + COUNT 100"],
    ),
    row(
        "xrevrange-10",
        &[ENTRIES],
        &["XREVRANGE stream + 1-{r:100} COUNT 10"],
    ),
    row(
        "xread-10",
        &[ENTRIES],
        &["XREAD COUNT 10 STREAMS stream 1-{r:9000}"],
    ),
    row("xread-nothing", &[ENTRIES], &["XREAD STREAMS stream $"]),
    row(
        "xadd-xreadgroup-noack",
        &[ENTRIES, GROUP],
        &[
            "XADD stream * name value:{r:1000}",
            "XREADGROUP GROUP group consumer COUNT 1 NOACK STREAMS stream >",
        ],
    ),
    row(
        "xadd-xreadgroup",
        &[ENTRIES, GROUP],
        &[
            "XADD stream MAXLEN ~ 1000 * name value:{r:1000}",
            "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >",
        ],
    ),
    row(
        "xreadgroup-history",
        READ,
        &["XREADGROUP GROUP group consumer:{r:10} COUNT 10 STREAMS stream 1-{r:9000}"],
    ),
    row(
        "xclaim-xack",
        READ,
        &[
            "XCLAIM stream group consumer:1 0 1-77 FORCE JUSTID",
            "XACK stream group 1-77",
        ],
    ),
    row(
        "xackdel",
        &[ENTRIES, GROUP],
        &["XACKDEL stream group KEEPREF IDS 1 1-{r:10000}"],
    ),
    row(
        "xadd-idmp",
        &[ENTRIES],
        &["XADD stream IDMP producer:{r:10} entry:{r:1000000} MAXLEN ~ 1000 * name value:{r:1000}"],
    ),
    row(
        "xadd-idmpauto",
        &[ENTRIES],
        &["XADD stream IDMPAUTO producer:{r:10} MAXLEN ~ 1000 * name value:{r:1000000}"],
    ),
    row(
        "xcfgset",
        &[ENTRIES],
        &["XCFGSET stream IDMP-DURATION 100 IDMP-MAXSIZE {r:1000}1"],
    ),
    row(
        "xidmprecord",
        &[ENTRIES],
        &["XIDMPRECORD stream producer:{r:10} entry:{r:10000} 1-77"],
    ),
    row(
        "xnack-xclaim",
        READ,
        &[
            "XNACK stream group FAIL IDS 1 1-77",
            "XCLAIM stream group consumer:1 0 1-77 JUSTID",
        ],
    ),
    row(
        "xreadgroup-claim",
        READ,
        &["XREADGROUP GROUP group consumer:{r:10} CLAIM 0 COUNT 1 STREAMS stream >"],
    ),
    row(
        "xread-maxsize",
        &[ENTRIES],
        &["XREAD MAXCOUNT 100 MAXSIZE 1000 STREAMS stream 1-{r:9000}"],
    ),
    row("xpending", READ, &["XPENDING stream group"]),
    row(
        "xpending-range",
        READ,
        &["XPENDING stream group 1-{r:9000} + 10"],
    ),
    row(
        "xpending-consumer",
        READ,
        &["XPENDING stream group - + 10 consumer:3"],
    ),
    row(
        "xclaim",
        READ,
        &["XCLAIM stream group consumer:{r:10} 0 1-{r:10000}"],
    ),
    row(
        "xautoclaim",
        READ,
        &["XAUTOCLAIM stream group consumer:{r:10} 0 1-{r:9000} COUNT 10"],
    ),
    row(
        "xautoclaim-justid",
        READ,
        &["XAUTOCLAIM stream group consumer:{r:10} 0 1-{r:9000} COUNT 10 JUSTID"],
    ),
    row(
        "xgroup-create-destroy",
        &[ENTRIES],
        &["XGROUP CREATE stream new $", "XGROUP DESTROY stream new"],
    ),
    row(
        "xgroup-createconsumer",
        &[ENTRIES, GROUP],
        &[
            "XGROUP CREATECONSUMER stream group new",
            "XGROUP DELCONSUMER stream group new",
        ],
    ),
    row(
        "xgroup-setid",
        &[ENTRIES, GROUP],
        &["XGROUP SETID stream group 1-{r:10000}"],
    ),
    row("xgroup-help", &[], &["XGROUP HELP"]),
    row("xsetid", &[ENTRIES], &["XSETID stream 9-{r:10000}"]),
    row("xinfo-stream", READ, &["XINFO STREAM stream"]),
    row("xinfo-full", READ, &["XINFO STREAM stream FULL COUNT 10"]),
    row("xinfo-groups", READ, &["XINFO GROUPS stream"]),
    row("xinfo-consumers", READ, &["XINFO CONSUMERS stream group"]),
    row("xinfo-help", &[], &["XINFO HELP"]),
];
