//! XRANGE and XREVRANGE, and the shape of an entry in a reply.

use super::STREAM;
use super::args::{interval_end, interval_start};
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::stream::{Entry, IdText, Order, Stream, StreamId};
use std::ops::ControlFlow;

/// An id as a bulk string.
pub fn reply_id(reply: &mut Reply, id: StreamId) -> CmdResult {
    reply.bulk(id.text(&mut IdText::default()))
}

/// An entry as its id and the flat list of its fields.
pub fn reply_entry(reply: &mut Reply, entry: &Entry) -> CmdResult {
    reply.array(2)?;
    reply_parts(reply, entry)
}

/// The two parts of an entry, to which others are added.
#[inline(always)]
pub fn reply_parts(reply: &mut Reply, entry: &Entry) -> CmdResult {
    let mut buffer = itoa::Buffer::new();
    reply_id(reply, entry.id)?;
    reply.array(entry.fields * 2)?;
    for (name, value) in entry.pairs() {
        reply.bulk(name.as_bytes(&mut buffer))?;
        reply.bulk(value.as_bytes(&mut buffer))?;
    }
    Ok(())
}

/// Up to `count` entries from `start` to `end` as an array. Returns their number.
pub fn reply_range(
    reply: &mut Reply,
    stream: &Stream,
    (start, end): (StreamId, StreamId),
    order: Order,
    count: Option<u64>,
) -> Result<u64, CmdError> {
    let head = reply.deferred();
    let mut shown = 0;
    if count != Some(0) {
        let failed = stream.walk(start, end, order, |entry| {
            if let Err(error) = reply_entry(reply, entry) {
                return ControlFlow::Break(Err(error));
            }
            shown += 1;
            if count.is_some_and(|count| shown >= count) {
                return ControlFlow::Break(Ok(()));
            }
            ControlFlow::Continue(())
        });
        failed.break_value().unwrap_or(Ok(()))?;
    }
    reply.close_array(head, shown as usize)?;
    Ok(shown)
}

fn range(cx: &mut Cx, args: &mut Args, reply: &mut Reply, order: Order) -> CmdResult {
    let key = args.key();
    let (first, second) = (args.bytes(), args.bytes());
    let (start, end) = match order {
        Order::Rising => (first, second),
        Order::Falling => (second, first),
    };
    let bounds = (interval_start(start)?, interval_end(end)?);
    let mut count = None;
    while let Some(word) = args.option() {
        if !word.eq_ignore_ascii_case(b"count") || args.left() == 0 {
            return Err(CmdError::Syntax);
        }
        count = Some(args.int()?.max(0) as u64);
    }
    let mut db = cx.db();
    let Some(stream) = db.stream(key)? else {
        return reply.array(0);
    };
    if count == Some(0) {
        return reply.null_array();
    }
    reply_range(reply, stream, bounds, order, count)?;
    Ok(())
}

pub(super) const XRANGE: DataCommand = Spec {
    name: "xrange",
    usage: "key:key start:string end:string [count:integer@COUNT]",
    since: "5.0.0",
    summary: "The entries between two ids, oldest first.",
    complexity: "O(N) for N entries returned",
    history: &[("6.2.0", "Takes ranges without their ends.")],
    ..Spec::reading(STREAM)
}
.runs(xrange);

fn xrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, Order::Rising)
}

pub(super) const XREVRANGE: DataCommand = Spec {
    name: "xrevrange",
    usage: "key:key end:string start:string [count:integer@COUNT]",
    since: "5.0.0",
    summary: "The entries between two ids, newest first.",
    complexity: "O(N) for N entries returned",
    history: &[("6.2.0", "Takes ranges without their ends.")],
    ..Spec::reading(STREAM)
}
.runs(xrevrange);

fn xrevrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, Order::Falling)
}
