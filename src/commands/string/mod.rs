//! Strings: SET and its relatives, counters, ranges, LCS. The table is here, the functions are in
//! the files beside.

mod counter;
mod lcs;
mod range;
mod set;

use crate::command::DataCommand;
use counter::{DECR, DECRBY, INCR, INCRBY, INCRBYFLOAT};
use lcs::LCS;
use range::{APPEND, GETRANGE, SETRANGE, STRLEN, SUBSTR};
use set::{GET, GETDEL, GETEX, GETSET, MGET, MSET, MSETNX, PSETEX, SET, SETEX, SETNX};

pub static TABLE: &[DataCommand] = &[
    GET,
    SET,
    GETDEL,
    GETEX,
    GETSET,
    SETNX,
    SETEX,
    PSETEX,
    MGET,
    MSET,
    MSETNX,
    APPEND,
    STRLEN,
    GETRANGE,
    SUBSTR,
    SETRANGE,
    INCR,
    DECR,
    INCRBY,
    DECRBY,
    INCRBYFLOAT,
    LCS,
];
