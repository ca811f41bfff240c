//! ARLEN, ARCOUNT, ARINFO: what there is of an array.

use super::reply_index;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};

pub(super) const ARLEN: DataCommand = Spec {
    name: "arlen",
    usage: "key:key",
    since: "8.8.0",
    summary: "The length of an array: its greatest index and one.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Array)
}
.runs(arlen);

fn arlen(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let len = db.array(args.key())?.map_or(0, |array| array.len());
    reply_index(reply, len)
}

pub(super) const ARCOUNT: DataCommand = Spec {
    name: "arcount",
    usage: "key:key",
    since: "8.8.0",
    summary: "The number of values in an array.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Array)
}
.runs(arcount);

fn arcount(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let count = db.array(args.key())?.map_or(0, |array| array.count());
    reply_index(reply, count)
}

pub(super) const ARINFO: DataCommand = Spec {
    name: "arinfo",
    usage: "key:key [full=FULL]",
    since: "8.8.0",
    summary: "The structure of an array.",
    complexity: "O(1), with FULL O(N) for N slices",
    ..Spec::reading(Group::Array)
}
.runs(arinfo);

fn arinfo(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let is_full = args.word("full");
    args.end()?;
    let mut db = cx.db();
    let array = db.array(key)?.ok_or(CmdError::NoSuchKey)?;
    let shape = array.shape();
    let numbers = [
        ("count", array.count()),
        ("len", array.len()),
        ("next-insert-index", array.next_index().unwrap_or(0)),
        ("slices", shape.slices),
        ("directory-size", shape.directory_size),
        ("super-dir-entries", shape.super_directory),
        ("slice-size", shape.slice_size),
    ];
    reply.map(if is_full { 12 } else { numbers.len() })?;
    for (name, number) in numbers {
        reply.bulk(name.as_bytes())?;
        reply_index(reply, number)?;
    }
    if !is_full {
        return Ok(());
    }
    let fill = array.fill();
    let share = |sum: u64, of: u64| if of == 0 { 0.0 } else { sum as f64 / of as f64 };
    for (name, number) in [("dense-slices", fill.dense), ("sparse-slices", fill.sparse)] {
        reply.bulk(name.as_bytes())?;
        reply_index(reply, number)?;
    }
    for (name, number) in [
        ("avg-dense-size", share(fill.dense_room, fill.dense)),
        ("avg-dense-fill", share(fill.dense_used, fill.dense_room)),
        ("avg-sparse-size", share(fill.sparse_room, fill.sparse)),
    ] {
        reply.bulk(name.as_bytes())?;
        reply.double(number)?;
    }
    Ok(())
}
