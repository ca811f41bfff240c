//! Sets.

use super::{EveryRow, growing, row};

const SMALL: (usize, &str) = (1_000, "SADD set:{s} [10 member:{i} ]");
const INTEGERS: (usize, &str) = (1_000, "SADD ints:{s} [50 {r:10000} ]");
const HUNDREDS: (usize, &str) = (100, "SADD set:{s} [200 member:{r:1000} ]");
const LARGE: (usize, &str) = (100_000, "SADD large member:{s}");
const TWO: &[(usize, &str)] = &[
    (10_000, "SADD one member:{r:20000}"),
    (10_000, "SADD two member:{r:20000}"),
];

pub const ROWS: &[EveryRow] = &[
    growing(
        "sadd-growing-100k",
        100_000,
        &["SADD large member:{r:1000000000}"],
    ),
    growing(
        "sadd-growing-1m",
        1_000_000,
        &["SADD large member:{r:1000000000}"],
    ),
    growing(
        "sadd-growing-ints-1m",
        1_000_000,
        &["SADD large {r:1000000000}"],
    ),
    growing(
        "sadd-many",
        100_000,
        &["SADD set:{r:20000} member:{r:1000}"],
    ),
    row("sadd-there", &[SMALL], &["SADD set:{r:1000} member:{r:10}"]),
    row(
        "sadd-srem-small",
        &[SMALL],
        &[
            "SADD set:{r:1000} new:{r:10}",
            "SREM set:{r:1000} new:{r:10}",
        ],
    ),
    row(
        "sadd-srem-ints",
        &[INTEGERS],
        &[
            "SADD ints:{r:1000} {r:10000}",
            "SREM ints:{r:1000} {r:10000}",
        ],
    ),
    row(
        "sadd-srem-large",
        &[LARGE],
        &[
            "SADD large member:{r:200000}",
            "SREM large member:{r:200000}",
        ],
    ),
    row(
        "sadd-spop",
        &[LARGE],
        &["SADD large member:{r:200000}", "SPOP large"],
    ),
    row(
        "sadd-spop-small",
        &[SMALL],
        &["SADD set:{r:1000} new:{r:10}", "SPOP set:{r:1000}"],
    ),
    row(
        "sismember",
        &[SMALL],
        &["SISMEMBER set:{r:1000} member:{r:20}"],
    ),
    row(
        "sismember-ints",
        &[INTEGERS],
        &["SISMEMBER ints:{r:1000} {r:10000}"],
    ),
    row(
        "sismember-large",
        &[LARGE],
        &["SISMEMBER large member:{r:200000}"],
    ),
    row(
        "smismember-10",
        &[SMALL],
        &["SMISMEMBER set:{r:1000} [10 member:{r:20} ]"],
    ),
    row(
        "smismember-large",
        &[LARGE],
        &["SMISMEMBER large [10 member:{r:200000} ]"],
    ),
    row("scard", &[SMALL], &["SCARD set:{r:1000}"]),
    row("smembers-10", &[SMALL], &["SMEMBERS set:{r:1000}"]),
    row("smembers-ints", &[INTEGERS], &["SMEMBERS ints:{r:1000}"]),
    row("smembers-200", &[HUNDREDS], &["SMEMBERS set:{r:100}"]),
    row("srandmember", &[SMALL], &["SRANDMEMBER set:{r:1000}"]),
    row("srandmember-large", &[LARGE], &["SRANDMEMBER large"]),
    row("srandmember-count", &[LARGE], &["SRANDMEMBER large 10"]),
    row(
        "smove",
        &[SMALL],
        &["SMOVE set:{r:1000} set:{r:1000} member:{r:10}"],
    ),
    row("sscan", &[LARGE], &["SSCAN large 0 COUNT 10"]),
    row("sscan-small", &[SMALL], &["SSCAN set:{r:1000} 0"]),
    row(
        "sinter-small",
        &[SMALL],
        &["SINTER set:{r:1000} set:{r:1000}"],
    ),
    row("sinter-10k", TWO, &["SINTER one two"]),
    row(
        "sinter-ints",
        &[INTEGERS],
        &["SINTER ints:{r:1000} ints:{r:1000}"],
    ),
    row(
        "sintercard-small",
        &[SMALL],
        &["SINTERCARD 2 set:{r:1000} set:{r:1000}"],
    ),
    row("sintercard-10k", TWO, &["SINTERCARD 2 one two"]),
    row("sunioncard-10k", TWO, &["SUNIONCARD 2 one two"]),
    row("sdiffcard-10k", TWO, &["SDIFFCARD 2 one two"]),
    row("sintercard-limit", TWO, &["SINTERCARD 2 one two LIMIT 10"]),
    row(
        "sinterstore",
        &[SMALL],
        &["SINTERSTORE to set:{r:1000} set:{r:1000}"],
    ),
    row(
        "sinterstore-200",
        &[HUNDREDS],
        &["SINTERSTORE to set:{r:100} set:{r:100}"],
    ),
    row(
        "sunion-small",
        &[SMALL],
        &["SUNION set:{r:1000} set:{r:1000}"],
    ),
    row(
        "sunion-200",
        &[HUNDREDS],
        &["SUNION set:{r:100} set:{r:100}"],
    ),
    row(
        "sunion-ints",
        &[INTEGERS],
        &["SUNION ints:{r:1000} ints:{r:1000}"],
    ),
    row("sunion-10k", TWO, &["SUNION one two"]),
    row(
        "sunionstore",
        &[SMALL],
        &["SUNIONSTORE to set:{r:1000} set:{r:1000}"],
    ),
    row(
        "sunionstore-200",
        &[HUNDREDS],
        &["SUNIONSTORE to set:{r:100} set:{r:100}"],
    ),
    row(
        "sdiff-small",
        &[SMALL],
        &["SDIFF set:{r:1000} ints:{r:1000}"],
    ),
    row("sdiff-200", &[HUNDREDS], &["SDIFF set:{r:100} set:{r:100}"]),
    row("sdiff-10k", TWO, &["SDIFF one two"]),
    row(
        "sdiffstore",
        &[SMALL, INTEGERS],
        &["SDIFFSTORE to set:{r:1000} ints:{r:1000}"],
    ),
    row(
        "sdiffstore-200",
        &[HUNDREDS],
        &["SDIFFSTORE to set:{r:100} set:{r:100}"],
    ),
];
