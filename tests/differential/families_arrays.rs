//! The templates of array commands; replies are those of Redis 8.10.2.
//!
//! Values lie at small indexes: for the digest of an array with a great one Redis needs years
//! (`grammar::comparable`). The sizes of its directory are left out, since they depend on what was
//! deleted before.

use super::families::Family;
use super::grammar::Compare::{Any, Exact};
use super::grammar::Template;

pub static ARRAYS: &[Family] = &[
    Family("arrays", CELLS),
    Family("rings", RINGS),
    Family("searches", SEARCHES),
];

static CELLS: &[Template] = &[
    Template(Exact, "ARSET {k} {cell} ( {v} )"),
    Template(Exact, "ARSET {k} {cell} {float}"),
    Template(Exact, "ARSET {k} {cell} {e} {score} {e} {int} {e} {v}"),
    Template(Exact, "ARMSET {k} ( {cell} {e} )"),
    Template(Exact, "ARMSET {k} ( {cell} {score} )"),
    Template(Exact, "ARGET {k} {cell}"),
    Template(Exact, "ARMGET {k} ( {cell} )"),
    Template(Exact, "ARGETRANGE {k} {cell} {cell}"),
    Template(Exact, "ARSCAN {k} {cell} {cell} [ LIMIT {int} ]"),
    Template(Exact, "ARSCAN {k} 0 18446744073709551614"),
    Template(Exact, "ARLEN {k}"),
    Template(Exact, "ARCOUNT {k}"),
    Template(Any, "ARINFO {k} [ FULL ]"),
    Template(Exact, "ARDEL {k} ( {cell} )"),
    Template(Exact, "ARDELRANGE {k} ( {cell} {cell} )"),
    Template(
        Exact,
        "AROP {k} {cell} {cell} < SUM | MIN | MAX | AND | OR | XOR | USED | MATCH {e} | {v} >",
    ),
    Template(
        Exact,
        "AROP {k} 0 100000 < SUM | MIN | MAX | AND | OR | XOR | USED | MATCH {e} >",
    ),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "RPUSH {k} {e}"),
    Template(Exact, "COPY {k} {k} [ REPLACE ]"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "TYPE {k}"),
    Template(Exact, "OBJECT ENCODING {k}"),
    Template(Exact, "SORT {k} BY nosort"),
    Template(Exact, "DEL {k}"),
    Template(
        Exact,
        "CONFIG SET array-sparse-kmax 20 array-sparse-kmin < 0 | 3 | 19 >",
    ),
    Template(Exact, "CONFIG SET array-slice-size < 256 | 4096 >"),
];

static RINGS: &[Template] = &[
    Template(Exact, "ARRING {k} < 1 | 2 | 3 | 5 | 8 | {int} > ( {v} )"),
    Template(Exact, "ARRING {k} < 3 | 4 | 6 > {e} {e} {e} {e}"),
    Template(Exact, "ARINSERT {k} ( {v} )"),
    Template(Exact, "ARSET {k} < 0 | 1 | 2 | 5 | 9 > ( {v} )"),
    Template(Exact, "ARSEEK {k} < 0 | 1 | 2 | 5 | 9 | {cell} >"),
    Template(Exact, "ARNEXT {k}"),
    Template(Exact, "ARLASTITEMS {k} < 1 | 2 | 5 | 20 | {int} > [ REV ]"),
    Template(Exact, "ARDEL {k} < 0 | 1 | 2 | 5 | 9 >"),
    Template(Exact, "ARSCAN {k} 0 100000"),
    Template(Exact, "ARLEN {k}"),
    Template(Exact, "DEL {k}"),
];

static SEARCHES: &[Template] = &[
    Template(Exact, "ARSET {k} {cell} ( {m} )"),
    Template(Exact, "ARSET {k} {cell} hello Hello world ( {e} )"),
    Template(Exact, "ARDEL {k} ( {cell} )"),
    Template(
        Exact,
        "ARGREP {k} < - | {cell} > < + | {cell} > ( < EXACT | MATCH | GLOB > < {e} | h | H* | *l* | {glob} > | NOCASE | WITHVALUES | AND | OR | LIMIT {int} )",
    ),
    Template(
        Exact,
        "ARGREP {k} < + | {cell} > < - | {cell} > < MATCH | EXACT > {m} [ < AND | OR > MATCH {m} ] [ LIMIT {int} ] [ NOCASE ] [ WITHVALUES ]",
    ),
    Template(
        Exact,
        "ARGREP {k} - + RE < ^h.*o | l{2} | [a-c]+ | (a|b)* | ^[^a-z]+ | \\d+ | \\bh | a** | x{3,1} > [ NOCASE ] [ WITHVALUES ]",
    ),
    Template(Exact, "DEL {k}"),
];
