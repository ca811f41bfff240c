//! ARSET and ARMSET: values at indexes that the caller chooses.

use super::args::index;
use super::{found_or_new, wrong_arity};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::array::INDEX_MAX;

pub(super) const ARSET: DataCommand = Spec {
    name: "arset",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key index:integer value:string...",
    since: "8.8.0",
    summary: "Stores values from an index of an array on, and returns how many cells were empty.",
    complexity: "O(N) for N values",
    ..Spec::of(Group::Array)
}
.runs(arset);

fn arset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let first = index(args.bytes())?;
    let values = args.rest();
    if INDEX_MAX - first < values.len() as u64 - 1 {
        return Err(CmdError::Fixed("ERR array index overflow"));
    }
    let found = found_or_new(cx, key)?;
    let limits = cx.tuning.array;
    let mut db = cx.db();
    let array = db.array_mut(found)?;
    let mut fresh = 0;
    for (index, value) in (first..=INDEX_MAX).zip(values.iter()) {
        fresh += i64::from(array.set(index, value, limits));
    }
    cx.effects.count_changes(values.len() as u64);
    cx.also(Event::ARSET, key);
    reply.int(fresh)
}

pub(super) const ARMSET: DataCommand = Spec {
    name: "armset",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key data{index:integer value:string}...",
    since: "8.8.0",
    summary: "Stores values at indexes of an array, and returns how many cells were empty.",
    complexity: "O(N) for N pairs",
    ..Spec::of(Group::Array)
}
.runs(armset);

fn armset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    if !args.left().is_multiple_of(2) {
        return Err(wrong_arity(args));
    }
    let pairs = args.rest();
    let indexes = || pairs.iter().step_by(2);
    indexes().try_for_each(|text| index(text).map(drop))?;
    let found = found_or_new(cx, key)?;
    let limits = cx.tuning.array;
    let mut db = cx.db();
    let array = db.array_mut(found)?;
    let mut fresh = 0;
    while let Some(text) = args.option() {
        let value = args.bytes();
        fresh += i64::from(array.set(index(text)?, value, limits));
    }
    cx.effects.count_changes(pairs.len() as u64 / 2);
    cx.also(Event::ARMSET, key);
    reply.int(fresh)
}
