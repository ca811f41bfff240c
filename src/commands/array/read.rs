//! ARGET, ARMGET, ARGETRANGE, ARSCAN: values by their indexes.

use super::args::{Range, index, limit};
use super::{reply_cell, reply_index, wrong_arity};
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::array::{Array, Order};
use std::ops::ControlFlow;

/// The most cells that ARGETRANGE returns.
const RANGE_MAX: u64 = 1_000_000;

pub(super) const ARGET: DataCommand = Spec {
    name: "arget",
    usage: "key:key index:integer",
    since: "8.8.0",
    summary: "The value at an index of an array.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Array)
}
.runs(arget);

fn arget(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let array = db.array(key)?;
    let index = index(args.bytes())?;
    match array.and_then(|array| array.get(index)) {
        Some(cell) => reply_cell(reply, &cell),
        None => reply.null(),
    }
}

pub(super) const ARMGET: DataCommand = Spec {
    name: "armget",
    usage: "key:key index:integer...",
    since: "8.8.0",
    summary: "The values at several indexes of an array.",
    complexity: "O(N) for N indexes",
    ..Spec::reading_fast(Group::Array)
}
.runs(armget);

fn armget(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let array = db.array(key)?;
    // All indexes are checked before the reply begins.
    args.rest()
        .iter()
        .try_for_each(|text| index(text).map(drop))?;
    reply.array(args.left())?;
    while let Some(text) = args.option() {
        let index = index(text)?;
        match array.and_then(|array| array.get(index)) {
            Some(cell) => reply_cell(reply, &cell)?,
            None => reply.null()?,
        }
    }
    Ok(())
}

pub(super) const ARGETRANGE: DataCommand = Spec {
    name: "argetrange",
    usage: "key:key start:integer end:integer",
    since: "8.8.0",
    summary: "The values of a range of indexes, with nulls for empty cells.",
    complexity: "O(N) for N indexes",
    ..Spec::reading(Group::Array)
}
.runs(argetrange);

fn argetrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let range = Range::next(args)?;
    let mut db = cx.db();
    let array = db.array(key)?;
    let count = range.high - range.low + 1;
    if count > RANGE_MAX {
        return Err(CmdError::Fixed(
            "ERR range exceeds maximum of 1000000 items",
        ));
    }
    reply.array(count as usize)?;
    let mut written = 0;
    if let Some(array) = array {
        let failed = array.walk(range.low, range.high, range.order, |index, cell| {
            let place = match range.order {
                Order::Rising => index - range.low,
                Order::Falling => range.high - index,
            };
            let nulls = (written..place).try_for_each(|_| reply.null());
            written = place + 1;
            match nulls.and_then(|()| reply_cell(reply, &cell)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        });
        failed.break_value().map_or(Ok(()), Err)?;
    }
    (written..count).try_for_each(|_| reply.null())
}

pub(super) const ARSCAN: DataCommand = Spec {
    name: "arscan",
    usage: "key:key start:integer end:integer [limit:integer@LIMIT]",
    since: "8.8.0",
    summary: "The values of a range of indexes that there are, with their indexes.",
    complexity: "O(N) for the N cells of the slices that are touched, empty ones included",
    ..Spec::reading(Group::Array)
}
.runs(arscan);

fn arscan(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let range = Range::next(args)?;
    let most = match args.left() {
        0 => u64::MAX,
        2 if args.word("limit") => limit(args)?,
        2 => return Err(CmdError::Syntax),
        _ => return Err(wrong_arity(args)),
    };
    let mut db = cx.db();
    match db.array(key)? {
        Some(array) => reply_pairs(reply, array, range, most),
        None => reply.array(0),
    }
}

/// The values of a range, each with its index.
fn reply_pairs(reply: &mut Reply, array: &Array, range: Range, most: u64) -> CmdResult {
    let head = reply.deferred();
    let mut shown = 0;
    let failed = array.walk(range.low, range.high, range.order, |index, cell| {
        let pair = reply
            .array(2)
            .and_then(|()| reply_index(reply, index))
            .and_then(|()| reply_cell(reply, &cell));
        shown += 1;
        match pair {
            Ok(()) if shown < most => ControlFlow::Continue(()),
            done => ControlFlow::Break(done),
        }
    });
    failed.break_value().unwrap_or(Ok(()))?;
    reply.close_array(head, shown as usize)
}
