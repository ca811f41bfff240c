//! ARDEL and ARDELRANGE. The key leaves with its last value.

use super::args::{Range, index};
use super::{settle, wrong_arity};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdResult, Cx, DataCommand, Reply};
use crate::types::array::Removed;

pub(super) const ARDEL: DataCommand = Spec {
    name: "ardel",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key index:integer...",
    since: "8.8.0",
    summary: "Deletes the values at indexes of an array, and returns how many there were.",
    complexity: "O(N) for N indexes",
    ..Spec::of(Group::Array)
}
.runs(ardel);

fn ardel(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    args.rest()
        .iter()
        .try_for_each(|text| index(text).map(drop))?;
    let Some(found) = cx.db().find_array(key)? else {
        return reply.int(0);
    };
    let limits = cx.tuning.array;
    let mut db = cx.db();
    let array = db.array_mut(found)?;
    let mut removed = 0;
    while let Some(text) = args.option() {
        removed += u64::from(array.remove(index(text)?, limits));
    }
    settle(cx, key, found, Event::ARDEL, removed);
    reply.int(removed as i64)
}

pub(super) const ARDELRANGE: DataCommand = Spec {
    name: "ardelrange",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key range{start:integer end:integer}...",
    since: "8.8.0",
    summary: "Deletes the values of ranges of indexes, and returns how many there were.",
    complexity: "O(N) for the N values and slices in the ranges, however wide these are",
    ..Spec::of(Group::Array)
}
.runs(ardelrange);

fn ardelrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    if !args.left().is_multiple_of(2) {
        return Err(wrong_arity(args));
    }
    args.rest()
        .iter()
        .try_for_each(|text| index(text).map(drop))?;
    let Some(found) = cx.db().find_array(key)? else {
        return reply.int(0);
    };
    let limits = cx.tuning.array;
    let mut slices = Removed::default();
    let mut db = cx.db();
    let array = db.array_mut(found)?;
    let mut removed = 0;
    while args.left() > 0 {
        let range = Range::next(args)?;
        removed += array.remove_range(range.low, range.high, limits, &mut slices);
    }
    db.drop_slices(slices);
    settle(cx, key, found, Event::ARDELRANGE, removed);
    reply.int(removed as i64)
}
