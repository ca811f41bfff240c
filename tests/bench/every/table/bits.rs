//! Bitmaps, bit fields and HyperLogLog.

use super::{EveryRow, growing, row};

const BITS: (usize, &str) = (1_000, "SET bits:{s} {v:100}");
const WIDE: (usize, &str) = (10, "SET bits:{s} {v:102400}");
/// Found at the end only.
const ONES: (usize, &str) = (1, "SETBIT ones 819199 1");
const DENSE: (usize, &str) = (4_000, "PFADD dense:{r:4} [10 e:{r:100000000} ]");

pub const ROWS: &[EveryRow] = &[
    row("setbit", &[BITS], &["SETBIT bits:{r:1000} {r:800} 1"]),
    row("setbit-100k", &[WIDE], &["SETBIT bits:{r:10} {r:819200} 1"]),
    row("getbit", &[BITS], &["GETBIT bits:{r:1000} {r:800}"]),
    row("getbit-100k", &[WIDE], &["GETBIT bits:{r:10} {r:819200}"]),
    row("bitcount", &[BITS], &["BITCOUNT bits:{r:1000}"]),
    row("bitcount-100k", &[WIDE], &["BITCOUNT bits:{r:10}"]),
    row(
        "bitcount-range",
        &[WIDE],
        &["BITCOUNT bits:{r:10} 100 2000"],
    ),
    row(
        "bitcount-bits",
        &[WIDE],
        &["BITCOUNT bits:{r:10} 1001 20003 BIT"],
    ),
    row("bitpos", &[BITS], &["BITPOS bits:{r:1000} 1"]),
    row("bitpos-100k", &[ONES], &["BITPOS ones 1"]),
    row(
        "bitop-and",
        &[BITS],
        &["BITOP AND to:{r:100} bits:{r:1000} bits:{r:1000}"],
    ),
    row(
        "bitop-and-100k",
        &[WIDE],
        &["BITOP AND to bits:{r:10} bits:{r:10}"],
    ),
    row(
        "bitop-or-100k",
        &[WIDE],
        &["BITOP OR to bits:{r:10} bits:{r:10} bits:{r:10}"],
    ),
    row(
        "bitop-xor-100k",
        &[WIDE],
        &["BITOP XOR to bits:{r:10} bits:{r:10}"],
    ),
    row("bitop-not-100k", &[WIDE], &["BITOP NOT to bits:{r:10}"]),
    row(
        "bitop-one-100k",
        &[WIDE],
        &["BITOP ONE to bits:{r:10} bits:{r:10}"],
    ),
    row(
        "bitfield",
        &[BITS],
        &["BITFIELD bits:{r:1000} INCRBY u8 {r:700} 1 GET u4 {r:700}"],
    ),
    row(
        "bitfield-set",
        &[BITS],
        &["BITFIELD bits:{r:1000} SET i16 {r:700} {r:30000}"],
    ),
    row(
        "bitfield_ro",
        &[BITS],
        &["BITFIELD_RO bits:{r:1000} GET u8 {r:700}"],
    ),
    // Values that grow cost more and more, so all servers get the same number of commands.
    growing("pfadd", 100_000, &["PFADD hll:{r:100} e:{r:1000000}"]),
    row(
        "pfadd-sparse",
        &[(1_000, "PFADD hll:{s} a b c")],
        &["PFADD hll:{r:1000} e:{r:20}"],
    ),
    row(
        "pfadd-dense",
        &[DENSE],
        &["PFADD dense:{r:4} e:{r:100000000}"],
    ),
    row("pfcount", &[DENSE], &["PFCOUNT dense:{r:4}"]),
    row(
        "pfcount-sparse",
        &[(1_000, "PFADD hll:{s} a b c")],
        &["PFCOUNT hll:{r:1000}"],
    ),
    row(
        "pfcount-changed",
        &[DENSE],
        &["PFADD dense:0 e:{r:100000000}", "PFCOUNT dense:0"],
    ),
    row("pfcount-two", &[DENSE], &["PFCOUNT dense:{r:2} dense:2"]),
    row("pfmerge", &[DENSE], &["PFMERGE to dense:{r:2} dense:2"]),
    row(
        "pfmerge-sparse",
        &[(1_000, "PFADD hll:{s} a b c")],
        &["PFMERGE to:{r:100} hll:{r:1000} hll:{r:1000}"],
    ),
];
