//! ARINSERT, ARRING, ARNEXT, ARSEEK, ARLASTITEMS: values one behind the other.

use super::args::index_or_end;
use super::{found_or_new, reply_cell, reply_index, wrong_arity};
use crate::algo::number::parse_i64;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::array::{Array, INDEX_MAX, Removed};

pub(super) const ARINSERT: DataCommand = Spec {
    name: "arinsert",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key value:string...",
    since: "8.8.0",
    summary: "Stores values behind the last one inserted, and returns the index of the last.",
    complexity: "O(N) for N values",
    ..Spec::of(Group::Array)
}
.runs(arinsert);

fn arinsert(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const OVERFLOW: CmdError = CmdError::Fixed("ERR insert index overflow");
    let key = args.key();
    let values = args.rest();
    let next = match cx.db().find_array(key)? {
        Some(found) => cx.db().array_mut(found)?.next_index().ok_or(OVERFLOW)?,
        None => 0,
    };
    if INDEX_MAX - next < values.len() as u64 - 1 {
        return Err(OVERFLOW);
    }
    let found = found_or_new(cx, key)?;
    let limits = cx.tuning.array;
    let mut db = cx.db();
    let array = db.array_mut(found)?;
    for (index, value) in (next..=INDEX_MAX).zip(values.iter()) {
        array.set(index, value, limits);
    }
    let last = next + (values.len() as u64 - 1);
    array.set_cursor(Some(last));
    cx.effects.count_changes(values.len() as u64);
    cx.also(Event::ARINSERT, key);
    reply_index(reply, last)
}

pub(super) const ARRING: DataCommand = Spec {
    name: "arring",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key size:integer value:string...",
    since: "8.8.0",
    summary: "Inserts values into an array that is a ring of cells, and returns the index of the last.",
    complexity: "O(M) for M values; O(N+M) where the size of the ring changes, N being the larger size",
    ..Spec::of(Group::Array)
}
.runs(arring);

fn arring(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let size = match parse_i64(args.bytes()) {
        Some(size @ 1..) => size as u64,
        Some(_) => return Err(CmdError::Fixed("ERR size must be positive")),
        None => return Err(CmdError::Fixed("ERR invalid size")),
    };
    let values = args.rest();
    let found = found_or_new(cx, key)?;
    let limits = cx.tuning.array;
    let mut slices = Removed::default();
    let mut db = cx.db();
    let array = db.array_mut(found)?;
    array.fit_ring(size, limits, &mut slices);
    for value in values.iter() {
        array.set_in_ring(size, value, limits);
    }
    let last = array.cursor().unwrap_or(0);
    db.drop_slices(slices);
    cx.effects.count_changes(values.len() as u64);
    cx.also(Event::ARRING, key);
    reply_index(reply, last)
}

pub(super) const ARNEXT: DataCommand = Spec {
    name: "arnext",
    usage: "key:key",
    since: "8.8.0",
    summary: "The index at which ARINSERT stores the next value.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Array)
}
.runs(arnext);

fn arnext(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let next = db.array(args.key())?.map_or(Some(0), Array::next_index);
    match next {
        Some(next) => reply_index(reply, next),
        None => reply.null(),
    }
}

pub(super) const ARSEEK: DataCommand = Spec {
    name: "arseek",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key index:integer",
    since: "8.8.0",
    summary: "Sets the index at which ARINSERT and ARRING store the next value.",
    complexity: "O(1)",
    ..Spec::of(Group::Array)
}
.runs(arseek);

fn arseek(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let next = index_or_end(args.bytes())?;
    let Some(found) = cx.db().find_array(key)? else {
        return reply.int(0);
    };
    cx.db().array_mut(found)?.set_cursor(next.checked_sub(1));
    cx.changed(Event::ARSEEK, key);
    reply.int(1)
}

pub(super) const ARLASTITEMS: DataCommand = Spec {
    name: "arlastitems",
    usage: "key:key count:integer [rev=REV]",
    since: "8.8.0",
    summary: "The values inserted last, oldest first unless REV is given.",
    complexity: "O(N) for N values",
    ..Spec::reading(Group::Array)
}
.runs(arlastitems);

fn arlastitems(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let count = parse_i64(args.bytes()).ok_or(CmdError::Fixed("ERR invalid COUNT"))?;
    let Ok(count @ 1..) = u64::try_from(count) else {
        return reply.array(0);
    };
    if args.left() > 1 {
        return Err(wrong_arity(args));
    }
    let newest_first = args.word("rev");
    args.end()?;
    let mut db = cx.db();
    let Some(array) = db.array(key)? else {
        return reply.array(0);
    };
    let (len, count) = (array.len(), count.min(array.count()));
    let newest = array.cursor().unwrap_or(len - 1);
    // Before index 0 comes the greatest one, as in a ring.
    let back = |steps: u64| match newest.checked_sub(steps) {
        Some(index) => index,
        None => len - (steps - newest),
    };
    reply.array(count as usize)?;
    for place in 0..count {
        let steps = if newest_first {
            place
        } else {
            count - 1 - place
        };
        match array.get(back(steps)) {
            Some(cell) => reply_cell(reply, &cell)?,
            None => reply.null()?,
        }
    }
    Ok(())
}
