//! LMOVE, LMPOP and the commands that wait: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.
//!
//! Each waiting command first does what its plain one does; if there is nothing to take it waits
//! (`command::blocking`), and runs again when a list comes into being at one of its keys.

use super::push_pop::take;
use super::{end_argument, new_list, popped, pushed, settle, with_target};
use crate::command::blocking::{TimeoutMs, Unit, parse_timeout};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply, Wait};
use crate::types::quicklist::End;
use crate::types::value::Kind;
use smallvec::SmallVec;

pub(super) const LMOVE: DataCommand = Spec {
    name: "lmove",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE]), KeySpec::at(2, &[RW, INSERT])],
    usage: "source:key destination:key wherefrom(left=LEFT|right=RIGHT) whereto(left=LEFT|right=RIGHT)",
    since: "6.2.0",
    summary: "Takes an element from one end of a list and adds it to an end of another.",
    complexity: "O(1)",
    ..Spec::of(Group::List)
}
.runs(lmove);

fn lmove(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    let (out, into) = (end_argument(args)?, end_argument(args)?);
    match move_element(cx, (from, out), (to, into), reply)? {
        true => Ok(()),
        false => reply.null(),
    }
}

pub(super) const RPOPLPUSH: DataCommand = Spec {
    name: "rpoplpush",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[
        KeySpec::at(1, &[RW, ACCESS, DELETE]),
        KeySpec::at(2, &[RW, INSERT]),
    ],
    usage: "source:key destination:key",
    since: "1.2.0",
    summary: "Takes the last element of a list and adds it at the head of another.",
    complexity: "O(1)",
    deprecated: deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
    ..Spec::of(Group::List)
}
.runs(rpoplpush);

fn rpoplpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    match move_element(cx, (from, End::Right), (to, End::Left), reply)? {
        true => Ok(()),
        false => reply.null(),
    }
}

pub(super) const BLMOVE: DataCommand = Spec {
    name: "blmove",
    flags: all(&[WRITE, DENYOOM, BLOCKING]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE]), KeySpec::at(2, &[RW, INSERT])],
    usage: "source:key destination:key wherefrom(left=LEFT|right=RIGHT) whereto(left=LEFT|right=RIGHT) timeout:double",
    since: "6.2.0",
    summary: "As LMOVE, waiting for an element if need be.",
    complexity: "O(1)",
    ..Spec::of(Group::List)
}
.runs(blmove);

fn blmove(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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

pub(super) const BRPOPLPUSH: DataCommand = Spec {
    name: "brpoplpush",
    flags: all(&[WRITE, DENYOOM, BLOCKING]),
    keys: &[
        KeySpec::at(1, &[RW, ACCESS, DELETE]),
        KeySpec::at(2, &[RW, INSERT]),
    ],
    usage: "source:key destination:key timeout:double",
    since: "2.2.0",
    summary: "As RPOPLPUSH, waiting for an element if need be.",
    complexity: "O(1)",
    deprecated: deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    history: &[("6.0.0", "The timeout may have a fraction.")],
    ..Spec::of(Group::List)
}
.runs(brpoplpush);

fn brpoplpush(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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
    let Some(source) = db.write_list(from)? else {
        return Ok(false);
    };
    let (source, target) = with_target(&mut db, (from, source), to)?;
    let mut element: SmallVec<[u8; 128]> = SmallVec::new();
    db.list_pop(source, out, 1, |item| {
        element.extend_from_slice(item.as_bytes(&mut itoa::Buffer::new()));
    });
    let target = target.unwrap_or_else(|| new_list(cx, to));
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

pub(super) const LMPOP: DataCommand = Spec {
    name: "lmpop",
    flags: all(&[WRITE, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RW, ACCESS, DELETE])],
    usage: "numkeys:integer key:key... where(left=LEFT|right=RIGHT) [count:integer@COUNT]",
    since: "7.0.0",
    summary: "Takes elements from the first of several lists that has any.",
    complexity: "O(N+M) where N is the number of keys and M the number of elements taken",
    ..Spec::of(Group::List)
}
.runs(lmpop);

fn lmpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let wanted = parse_multi_pop(args)?;
    match multi_pop(cx, &wanted, reply)? {
        true => Ok(()),
        false => reply.null_array(),
    }
}

pub(super) const BLMPOP: DataCommand = Spec {
    name: "blmpop",
    flags: all(&[WRITE, BLOCKING, MOVABLEKEYS]),
    keys: &[KeySpec::counted(2, &[RW, ACCESS, DELETE])],
    usage: "timeout:double numkeys:integer key:key... where(left=LEFT|right=RIGHT) [count:integer@COUNT]",
    since: "7.0.0",
    summary: "As LMPOP, waiting for an element if need be.",
    complexity: "O(N+M) where N is the number of keys and M the number of elements taken",
    ..Spec::of(Group::List)
}
.runs(blmpop);

fn blmpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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

pub(super) const BLPOP: DataCommand = Spec {
    name: "blpop",
    flags: all(&[WRITE, BLOCKING]),
    keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
    usage: "key:key... timeout:double",
    since: "2.0.0",
    summary: "As LPOP from the first of several lists that has something, waiting for one if need be.",
    complexity: "O(N) where N is the number of keys",
    history: &[("6.0.0", "The timeout may have a fraction.")],
    ..Spec::of(Group::List)
}
.runs(blpop);

fn blpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    blocking_pop(cx, args, reply, End::Left)
}

pub(super) const BRPOP: DataCommand = Spec {
    name: "brpop",
    flags: all(&[WRITE, BLOCKING]),
    keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
    usage: "key:key... timeout:double",
    since: "2.0.0",
    summary: "As RPOP from the first of several lists that has something, waiting for one if need be.",
    complexity: "O(N) where N is the number of keys",
    history: &[("6.0.0", "The timeout may have a fraction.")],
    ..Spec::of(Group::List)
}
.runs(brpop);

fn brpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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
