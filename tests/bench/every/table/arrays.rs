//! Arrays.

use super::{EveryRow, growing, row};

/// Dense: integers at each index.
const NUMBERS: (usize, &str) = (1_000, "ARINSERT numbers [10 {r:1000000} ]");
/// Texts at each index.
const TEXTS: (usize, &str) = (1_000, "ARINSERT texts [10 value:{r:1000000} ]");
/// Far apart: a value or two in each slice.
const SPARSE: (usize, &str) = (2_000, "ARSET sparse {r:100000000} {v:20}");

pub const ROWS: &[EveryRow] = &[
    growing("arset-growing", 500_000, &["ARSET array {s} {r:1000000}"]),
    growing(
        "arset-many",
        100_000,
        &["ARSET array:{r:20000} {r:100} value:{r:1000}"],
    ),
    growing(
        "arset-spread",
        100_000,
        &["ARSET array {r:10000000000} value:{r:1000}"],
    ),
    row(
        "arset",
        &[NUMBERS],
        &["ARSET numbers {r:10000} {r:1000000}"],
    ),
    row("arset-texts", &[TEXTS], &["ARSET texts {r:10000} {v:20}"]),
    row(
        "armset",
        &[NUMBERS],
        &["ARMSET numbers [10 {r:10000} {r:1000} ]"],
    ),
    row("arget", &[NUMBERS], &["ARGET numbers {r:10000}"]),
    row("arget-texts", &[TEXTS], &["ARGET texts {r:10000}"]),
    row("armget", &[TEXTS], &["ARMGET texts [10 {r:10000} ]"]),
    row("argetrange", &[TEXTS], &["ARGETRANGE texts {r:9000} 9099"]),
    row(
        "arscan",
        &[NUMBERS],
        &["ARSCAN numbers {r:9000} 10000 LIMIT 100"],
    ),
    row(
        "arscan-sparse",
        &[SPARSE],
        &["ARSCAN sparse {r:90000000} 100000000 LIMIT 10"],
    ),
    row("arlen", &[NUMBERS], &["ARLEN numbers"]),
    row("arcount", &[NUMBERS], &["ARCOUNT numbers"]),
    row("arinfo", &[NUMBERS], &["ARINFO numbers"]),
    row(
        "arset-ardel",
        &[NUMBERS],
        &[
            "ARSET numbers {r:10000} {r:1000}",
            "ARDEL numbers {r:10000}",
        ],
    ),
    row(
        "arset-ardelrange",
        &[SPARSE],
        &[
            "ARSET sparse {r:100000000} [10 value ]",
            "ARDELRANGE sparse {r:100000000} 100000000",
        ],
    ),
    row("arop-sum", &[NUMBERS], &["AROP numbers {r:9000} 9999 SUM"]),
    row("arop-match", &[TEXTS], &["AROP texts 0 999 MATCH value:1"]),
    row("argrep-match", &[TEXTS], &["ARGREP texts 0 999 MATCH 777"]),
    row("argrep-glob", &[TEXTS], &["ARGREP texts 0 999 GLOB *777*"]),
    row("argrep-re", &[TEXTS], &["ARGREP texts 0 999 RE 7[0-9]7$"]),
    growing("arinsert", 500_000, &["ARINSERT array value:{r:1000}"]),
    growing("arring", 500_000, &["ARRING ring 1000 value:{r:1000000}"]),
    row(
        "arnext-arseek",
        &[NUMBERS],
        &["ARNEXT numbers", "ARSEEK numbers {r:10000}"],
    ),
    row("arlastitems", &[TEXTS], &["ARLASTITEMS texts 10 REV"]),
];
