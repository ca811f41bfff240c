//! LINSERT, LSET, LREM and LTRIM: changing what is inside a list.

use super::read::{negatable, range};
use super::settle;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::list::Needle;
use crate::types::listpack::Place;
use crate::types::quicklist::Toward;

pub(super) const LINSERT: DataCommand = Spec {
    name: "linsert",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    usage: "key:key where(before=BEFORE|after=AFTER) pivot:string element:string",
    since: "2.2.0",
    summary: "Puts an element before or after another one.",
    complexity: "O(N) where N is the number of elements up to that one",
    ..Spec::of(Group::List)
}
.runs(linsert);

fn linsert(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let place = if args.word("after") {
        Place::After
    } else if args.word("before") {
        Place::Before
    } else {
        return Err(CmdError::Syntax);
    };
    let (pivot, element) = (Needle::new(args.bytes()), args.bytes());
    let tuning = cx.tuning;
    let mut db = cx.db();
    let Some(found) = db.write_list(key)? else {
        return reply.int(0);
    };
    if !db.list_insert(found, pivot, place, element, tuning) {
        return reply.int(-1);
    }
    let len = db.list_at(found)?.len();
    cx.changed(Event::LINSERT, key);
    reply.int(len as i64)
}

pub(super) const LSET: DataCommand = Spec {
    name: "lset",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key index:integer element:string",
    since: "1.0.0",
    summary: "Puts another element at an index.",
    complexity: "O(N) where N is the number of elements on the way to the index",
    ..Spec::of(Group::List)
}
.runs(lset);

fn lset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let tuning = cx.tuning;
    let mut db = cx.db();
    let Some(found) = db.write_list(key)? else {
        return Err(CmdError::NoSuchKey);
    };
    let (index, element) = (args.int()?, args.bytes());
    if !db.list_set(found, index, element, tuning) {
        return Err(CmdError::Fixed("ERR index out of range"));
    }
    db.list_shrunk(found, tuning);
    cx.changed(Event::LSET, key);
    reply.ok()
}

pub(super) const LREM: DataCommand = Spec {
    name: "lrem",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key count:integer element:string",
    since: "1.0.0",
    summary: "Removes elements that equal a given one.",
    complexity: "O(N+M) where N is the length of the list and M the number of elements removed",
    ..Spec::of(Group::List)
}
.runs(lrem);

/// A negative count begins at the tail; 0 removes all.
fn lrem(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, count, element) = (args.key(), negatable(args.bytes())?, args.bytes());
    let (toward, most) = match count {
        0 => (Toward::Tail, usize::MAX),
        1.. => (Toward::Tail, count as usize),
        _ => (Toward::Head, count.unsigned_abs() as usize),
    };
    let mut db = cx.db();
    let Some(found) = db.write_list(key)? else {
        return reply.int(0);
    };
    let removed = db.list_remove(found, toward, most, Needle::new(element));
    if removed > 0 {
        cx.effects.count_changes(removed as u64);
        cx.also(Event::LREM, key);
        settle(cx, key, found);
    }
    reply.int(removed as i64)
}

pub(super) const LTRIM: DataCommand = Spec {
    name: "ltrim",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key start:integer stop:integer",
    since: "1.0.0",
    summary: "Keeps a range of a list and removes the rest.",
    complexity: "O(N) where N is the number of elements removed",
    ..Spec::of(Group::List)
}
.runs(ltrim);

fn ltrim(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, start, stop) = (args.key(), args.int()?, args.int()?);
    let mut db = cx.db();
    let Some(found) = db.write_list(key)? else {
        return reply.ok();
    };
    let len = db.list_at(found)?.len();
    let (start, count) = range(len, start, stop);
    let behind = match count {
        0 => len,
        _ => len - start - count,
    };
    db.list_remove_range(found, len - behind, behind);
    db.list_remove_range(found, 0, start);
    cx.effects.count_changes((len - count) as u64);
    // As Redis does, the event is published even if nothing was removed.
    cx.also(Event::LTRIM, key);
    settle(cx, key, found);
    reply.ok()
}
