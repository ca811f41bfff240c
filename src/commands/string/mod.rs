//! Strings: SET and its relatives, counters, ranges, LCS.

mod condition;
mod counter;
mod increx;
mod lcs;
mod msetex;
mod range;
mod set;

use crate::command::DataCommand;

pub static TABLE: &[DataCommand] = &[
    set::GET,
    set::SET,
    set::GETDEL,
    set::GETEX,
    set::GETSET,
    set::SETNX,
    set::SETEX,
    set::PSETEX,
    set::MGET,
    set::MSET,
    set::MSETNX,
    msetex::MSETEX,
    range::APPEND,
    range::STRLEN,
    range::GETRANGE,
    range::SUBSTR,
    range::SETRANGE,
    counter::INCR,
    counter::DECR,
    counter::INCRBY,
    counter::DECRBY,
    counter::INCRBYFLOAT,
    increx::INCREX,
    condition::DIGEST,
    condition::DELEX,
    condition::DELIFEQ,
    lcs::LCS,
];
