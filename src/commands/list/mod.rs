//! Lists: elements in order, taken and added at both ends: `push_pop` for the ends, `read` and
//! `edit` for the middle, `blocking` for the commands that move elements and those that block.

mod blocking;
mod edit;
mod move_many;
mod push_pop;
mod read;

use crate::command::effects::Event;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::{DbMut, Found, RemovalReason};
use crate::types::listpack::Item;
use crate::types::quicklist::End;

/// Replies with an element.
#[inline(always)]
pub(super) fn write_item(reply: &mut Reply, item: Item) -> CmdResult {
    match item {
        Item::Text(text) => reply.bulk(text),
        Item::Int(n) => reply.bulk_int(n),
    }
}

/// The next argument as an end of a list.
fn end_argument(args: &mut Args) -> Result<End, CmdError> {
    if args.word("left") {
        Ok(End::Left)
    } else if args.word("right") {
        Ok(End::Right)
    } else {
        Err(CmdError::Syntax)
    }
}

/// Finds the list that elements of a found one go to; `None` if it is still to be made. Both may be the
/// same. The first is found anew: an overdue key that leaves on the way may have moved it.
fn with_target(
    db: &mut DbMut,
    (from, source): (&[u8], Found),
    to: &[u8],
) -> Result<(Found, Option<Found>), CmdError> {
    if from == to {
        return Ok((source, Some(source)));
    }
    let target = db.write_list(to)?;
    let source = db.peek(from).ok_or(CmdError::NoSuchKey)?;
    Ok((source, target))
}

/// Adds an empty list.
fn new_list(cx: &mut Cx, key: &[u8]) -> Found {
    let list = cx.db().add_list(key);
    cx.also(Event::NEW, key);
    list
}

/// The event of elements that were taken.
fn popped(end: End) -> Event {
    match end {
        End::Left => Event::LPOP,
        End::Right => Event::RPOP,
    }
}

/// The event of elements that were added.
fn pushed(end: End) -> Event {
    match end {
        End::Left => Event::LPUSH,
        End::Right => Event::RPUSH,
    }
}

/// Called after elements were removed from a list and the event was noted: converts the encoding,
/// or removes the key if the list is empty.
#[inline]
fn settle(cx: &mut Cx, key: &[u8], found: Found) {
    let tuning = cx.tuning;
    let mut db = cx.db();
    if !db.list_at(found).is_ok_and(|list| list.is_empty()) {
        return db.list_shrunk(found, tuning);
    }
    db.remove(found, RemovalReason::Deleted);
    cx.also(Event::DEL, key);
}

pub static TABLE: &[DataCommand] = &[
    push_pop::LPUSH,
    push_pop::RPUSH,
    push_pop::LPUSHX,
    push_pop::RPUSHX,
    push_pop::LPOP,
    push_pop::RPOP,
    read::LLEN,
    read::LINDEX,
    edit::LINSERT,
    edit::LSET,
    edit::LREM,
    edit::LTRIM,
    read::LRANGE,
    read::LPOS,
    blocking::LMOVE,
    blocking::RPOPLPUSH,
    blocking::LMPOP,
    blocking::BLPOP,
    blocking::BRPOP,
    blocking::BLMOVE,
    blocking::BRPOPLPUSH,
    blocking::BLMPOP,
    move_many::LMOVEM,
    move_many::BLMOVEM,
];

#[cfg(test)]
mod tests;
