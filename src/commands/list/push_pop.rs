//! LPUSH, RPUSH, LPOP, RPOP and their variants: a list at its ends.

use super::{popped, pushed, settle, write_item};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::Found;
use crate::types::quicklist::End;

pub(super) const LPUSH: DataCommand = Spec {
    name: "lpush",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    usage: "key:key element:string...",
    since: "1.0.0",
    summary: "Adds elements at the head of a list, making it if need be.",
    complexity: "O(1) for each element",
    history: &[("2.4.0", "Takes several elements.")],
    ..Spec::of(Group::List)
}
.runs(lpush);

fn lpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    push(cx, args, reply, End::Left, Missing::Make)
}

pub(super) const RPUSH: DataCommand = Spec {
    name: "rpush",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    usage: "key:key element:string...",
    since: "1.0.0",
    summary: "Adds elements at the tail of a list, making it if need be.",
    complexity: "O(1) for each element",
    history: &[("2.4.0", "Takes several elements.")],
    ..Spec::of(Group::List)
}
.runs(rpush);

fn rpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    push(cx, args, reply, End::Right, Missing::Make)
}

pub(super) const LPUSHX: DataCommand = Spec {
    name: "lpushx",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    usage: "key:key element:string...",
    since: "2.2.0",
    summary: "Adds elements at the head of a list that is there.",
    complexity: "O(1) for each element",
    history: &[("4.0.0", "Takes several elements.")],
    ..Spec::of(Group::List)
}
.runs(lpushx);

fn lpushx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    push(cx, args, reply, End::Left, Missing::Leave)
}

pub(super) const RPUSHX: DataCommand = Spec {
    name: "rpushx",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    usage: "key:key element:string...",
    since: "2.2.0",
    summary: "Adds elements at the tail of a list that is there.",
    complexity: "O(1) for each element",
    history: &[("4.0.0", "Takes several elements.")],
    ..Spec::of(Group::List)
}
.runs(rpushx);

fn rpushx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    push(cx, args, reply, End::Right, Missing::Leave)
}

/// The treatment of a missing list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Leave,
}

#[inline]
fn push(cx: &mut Cx, args: &mut Args, reply: &mut Reply, end: End, missing: Missing) -> CmdResult {
    let key = args.key();
    let found = match cx.db().write_list(key)? {
        Some(found) => found,
        None if missing == Missing::Leave => return reply.int(0),
        None => {
            let found = cx.db().add_list(key);
            cx.also(Event::NEW, key);
            found
        }
    };
    let elements = args.rest();
    let tuning = cx.tuning;
    let mut db = cx.db();
    db.list_push(found, end, elements.iter(), tuning);
    let len = db.list_at(found)?.len();
    cx.effects.count_changes(elements.len() as u64);
    cx.also(pushed(end), key);
    reply.int(len as i64)
}

pub(super) const LPOP: DataCommand = Spec {
    name: "lpop",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
    usage: "key:key [count:integer!6.2.0]",
    since: "1.0.0",
    summary: "Takes the first elements of a list.",
    complexity: "O(N) where N is the number of elements taken",
    history: &[("6.2.0", "Takes a count.")],
    ..Spec::of(Group::List)
}
.runs(lpop);

fn lpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop(cx, args, reply, End::Left)
}

pub(super) const RPOP: DataCommand = Spec {
    name: "rpop",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
    usage: "key:key [count:integer!6.2.0]",
    since: "1.0.0",
    summary: "Takes the last elements of a list.",
    complexity: "O(N) where N is the number of elements taken",
    history: &[("6.2.0", "Takes a count.")],
    ..Spec::of(Group::List)
}
.runs(rpop);

fn rpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop(cx, args, reply, End::Right)
}

#[inline]
fn pop(cx: &mut Cx, args: &mut Args, reply: &mut Reply, end: End) -> CmdResult {
    let key = args.key();
    if args.left() > 1 {
        let name = if end == End::Left {
            LPOP.name()
        } else {
            RPOP.name()
        };
        return Err(CmdError::arity(name));
    }
    let count = match args.left() {
        0 => None,
        _ => {
            let count = args.int().ok().and_then(|n| usize::try_from(n).ok());
            Some(count.ok_or(CmdError::NotPositive)?)
        }
    };
    let Some(found) = cx.db().write_list(key)? else {
        return match count {
            None => reply.null(),
            Some(_) => reply.null_array(),
        };
    };
    match count {
        None => take(cx, key, found, end, 1, reply),
        Some(0) => reply.array(0)?,
        Some(count) => {
            let count = count.min(cx.db().list_at(found)?.len());
            reply.array(count)?;
            take(cx, key, found, end, count, reply);
        }
    }
    Ok(())
}

/// Takes `count` existing elements and replies with each.
#[inline]
pub(super) fn take(
    cx: &mut Cx,
    key: &[u8],
    found: Found,
    end: End,
    count: usize,
    reply: &mut Reply,
) {
    cx.db().list_pop(found, end, count, |item| {
        let _ = write_item(reply, item);
    });
    cx.effects.count_changes(count as u64);
    cx.also(popped(end), key);
    settle(cx, key, found);
}
