//! LPUSH, RPUSH, LPOP, RPOP and their variants: a list at its ends.

use super::{popped, pushed, settle, write_item};
use crate::command::effects::Event;
use crate::command::{Args, CmdError, CmdResult, Cx, Reply};
use crate::keyspace::Found;
use crate::types::quicklist::End;

/// LPUSH key element [element …].
pub(super) fn lpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    push(cx, args, reply, End::Left, Missing::Make)
}

/// RPUSH key element [element …].
pub(super) fn rpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    push(cx, args, reply, End::Right, Missing::Make)
}

/// LPUSHX key element [element …].
pub(super) fn lpushx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    push(cx, args, reply, End::Left, Missing::Leave)
}

/// RPUSHX key element [element …].
pub(super) fn rpushx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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
    cx.effects.dirty += elements.len() as u64;
    cx.also(pushed(end), key);
    reply.int(len as i64)
}

/// LPOP key [count].
pub(super) fn lpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop(cx, args, reply, End::Left)
}

/// RPOP key [count].
pub(super) fn rpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop(cx, args, reply, End::Right)
}

#[inline]
fn pop(cx: &mut Cx, args: &mut Args, reply: &mut Reply, end: End) -> CmdResult {
    let key = args.key();
    if args.left() > 1 {
        let name = if end == End::Left { "lpop" } else { "rpop" };
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
    cx.effects.dirty += count as u64;
    cx.also(popped(end), key);
    settle(cx, key, found);
}
