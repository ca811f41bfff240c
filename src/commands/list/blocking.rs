//! LMOVE, LMPOP and the commands that wait: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.
//!
//! Each waiting command first does what its plain one does; if there is nothing to take it waits
//! (`command::blocking`), and runs again when a list comes into being at one of its keys.

use super::push_pop::take;
use super::{end_argument, popped, pushed, settle};
use crate::command::blocking::{TimeoutMs, Unit, parse_timeout};
use crate::command::effects::Event;
use crate::command::{Args, CmdError, CmdResult, Cx, Reply, Wait};
use crate::types::quicklist::End;
use crate::types::value::Kind;
use smallvec::SmallVec;

/// LMOVE source destination LEFT|RIGHT LEFT|RIGHT.
pub(super) fn lmove(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    let (out, into) = (end_argument(args)?, end_argument(args)?);
    match move_element(cx, (from, out), (to, into), reply)? {
        true => Ok(()),
        false => reply.null(),
    }
}

/// RPOPLPUSH source destination.
pub(super) fn rpoplpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    match move_element(cx, (from, End::Right), (to, End::Left), reply)? {
        true => Ok(()),
        false => reply.null(),
    }
}

/// BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout.
pub(super) fn blmove(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    // They go on as they were written.
    let words = args.rest();
    let (out, into) = (end_argument(args)?, end_argument(args)?);
    let timeout_ms = parse_timeout(args.bytes(), Unit::Seconds)?;
    if !move_element(cx, (from, out), (to, into), reply)? {
        return cx.wait(
            Wait::new(Kind::List, [from], timeout_ms).for_element(),
            reply,
        );
    }
    cx.propagate_as([b"LMOVE", from, to, words.at(0), words.at(1)]);
    Ok(())
}

/// BRPOPLPUSH source destination timeout.
pub(super) fn brpoplpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    let timeout_ms = parse_timeout(args.bytes(), Unit::Seconds)?;
    if !move_element(cx, (from, End::Right), (to, End::Left), reply)? {
        return cx.wait(
            Wait::new(Kind::List, [from], timeout_ms).for_element(),
            reply,
        );
    }
    cx.propagate_as([b"RPOPLPUSH".as_slice(), from, to]);
    Ok(())
}

/// Moves an element from one end of a list to an end of the same or another list, and replies with
/// it. False if there is none to take.
fn move_element(
    cx: &mut Cx,
    (from, out): (&[u8], End),
    (to, into): (&[u8], End),
    reply: &mut Reply,
) -> Result<bool, CmdError> {
    let tuning = cx.tuning;
    let mut db = cx.db();
    let Some(mut source) = db.write_list(from)? else {
        return Ok(false);
    };
    let target = match from == to {
        true => Some(source),
        false => db.write_list(to)?,
    };
    if target.is_some_and(|target| target != source) {
        // Looking for the other may have moved it: an overdue key leaves on the way.
        source = db.peek(from).ok_or(CmdError::NoSuchKey)?;
    }
    let mut element: SmallVec<[u8; 128]> = SmallVec::new();
    db.list_pop(source, out, 1, |item| {
        element.extend_from_slice(item.as_bytes(&mut itoa::Buffer::new()));
    });
    let target = match target {
        Some(target) => target,
        None => {
            let target = db.add_list(to);
            cx.also(Event::NEW, to);
            target
        }
    };
    let one = std::iter::once(element.as_slice());
    cx.db().list_push(target, into, one, tuning);
    reply.bulk(&element)?;
    cx.also(pushed(into), to);
    cx.changed(popped(out), from);
    let source = cx.db().peek(from).ok_or(CmdError::NoSuchKey)?;
    settle(cx, from, source);
    Ok(true)
}

/// The arguments of LMPOP and BLMPOP behind the number of keys.
struct MultiPop<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

/// numkeys key [key …] LEFT|RIGHT [COUNT count].
fn parse_multi_pop<'a>(args: &mut Args<'a>) -> Result<MultiPop<'a>, CmdError> {
    let positive = |args: &mut Args, error| match args.int() {
        Ok(n @ 1..) => Ok(n as usize),
        _ => Err(CmdError::Fixed(error)),
    };
    let keys = positive(args, "ERR numkeys should be greater than 0")?;
    // An end must be named behind the keys.
    if keys >= args.left() {
        return Err(CmdError::Syntax);
    }
    let keys = (0..keys).map(|_| args.key()).collect();
    let end = end_argument(args)?;
    let mut count = None;
    while args.left() > 0 {
        if count.is_some() || !args.word("count") || args.left() == 0 {
            return Err(CmdError::Syntax);
        }
        count = Some(positive(args, "ERR count should be greater than 0")?);
    }
    let count = count.unwrap_or(1);
    Ok(MultiPop { keys, end, count })
}

/// LMPOP numkeys key [key …] LEFT|RIGHT [COUNT count].
pub(super) fn lmpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let wanted = parse_multi_pop(args)?;
    match multi_pop(cx, &wanted, reply)? {
        true => Ok(()),
        false => reply.null_array(),
    }
}

/// BLMPOP timeout numkeys key [key …] LEFT|RIGHT [COUNT count].
pub(super) fn blmpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let timeout = args.bytes();
    let wanted = parse_multi_pop(args)?;
    // As Redis does, the timeout is looked at last.
    let timeout_ms = parse_timeout(timeout, Unit::Seconds)?;
    match multi_pop(cx, &wanted, reply)? {
        true => Ok(()),
        false => cx.wait(Wait::new(Kind::List, wanted.keys, timeout_ms), reply),
    }
}

/// Takes elements from the first list there is. False if there is none.
fn multi_pop(cx: &mut Cx, wanted: &MultiPop, reply: &mut Reply) -> Result<bool, CmdError> {
    for &key in &wanted.keys {
        let Some(found) = cx.db().write_list(key)? else {
            continue;
        };
        let count = wanted.count.min(cx.db().list_at(found)?.len());
        reply.array(2)?;
        reply.bulk(key)?;
        reply.array(count)?;
        take(cx, key, found, wanted.end, count, reply);
        let count = itoa::Buffer::new().format(count).as_bytes().to_vec();
        cx.propagate_as([pop_name(wanted.end), key, &count]);
        return Ok(true);
    }
    Ok(false)
}

fn pop_name(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPOP",
        End::Right => b"RPOP",
    }
}

/// BLPOP key [key …] timeout.
pub(super) fn blpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    blocking_pop(cx, args, reply, End::Left)
}

/// BRPOP key [key …] timeout.
pub(super) fn brpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    blocking_pop(cx, args, reply, End::Right)
}

fn blocking_pop(cx: &mut Cx, args: &mut Args, reply: &mut Reply, end: End) -> CmdResult {
    let rest = args.rest();
    let keys = || rest.iter().take(rest.len() - 1);
    let timeout_ms: TimeoutMs = parse_timeout(rest.at(rest.len() - 1), Unit::Seconds)?;
    for key in keys() {
        let Some(found) = cx.db().write_list(key)? else {
            continue;
        };
        reply.array(2)?;
        reply.bulk(key)?;
        take(cx, key, found, end, 1, reply);
        cx.propagate_as([pop_name(end), key]);
        return Ok(());
    }
    cx.wait(Wait::new(Kind::List, keys(), timeout_ms), reply)
}
