//! Taking members from an end, waiting for them, and picking some by chance.

use super::add::tell_removed;
use crate::command::blocking::{Unit, parse_timeout};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply, Wait};
use crate::keyspace::Found;
use crate::resp::encode::Resp;
use crate::types::value::Kind;
use crate::types::zset::End;

fn event_of(end: End) -> Event {
    match end {
        End::Min => Event::ZPOPMIN,
        End::Max => Event::ZPOPMAX,
    }
}

/// Takes `count` members, as many as there are, and replies with member and score of each; as
/// pairs where `nested`. The head of the reply is already written.
fn take(
    cx: &mut Cx,
    (found, key): (Found, &[u8]),
    end: End,
    count: usize,
    nested: bool,
    reply: &mut Reply,
) -> CmdResult {
    let mut result = Ok(());
    cx.db().zset_pop(found, end, count, |member, score| {
        let mut one = || {
            if nested {
                reply.array(2)?;
            }
            reply.bulk(member)?;
            reply.double(score)
        };
        if result.is_ok() {
            result = one();
        }
    });
    tell_removed(cx, found, key, event_of(end), count);
    result
}

/// ZPOPMIN key [count], or from the other end.
fn pop(cx: &mut Cx, args: &mut Args, reply: &mut Reply, end: End) -> CmdResult {
    let key = args.key();
    if args.left() > 1 {
        return Err(CmdError::Syntax);
    }
    let count = match args.option() {
        None => None,
        Some(text) => {
            let count = crate::algo::number::parse_i64(text).filter(|n| *n >= 0);
            Some(count.ok_or(CmdError::NotPositive)? as usize)
        }
    };
    let mut db = cx.db();
    let Some(found) = db.zset_to_change(key)? else {
        return reply.array(0);
    };
    let len = db.zset_at(found)?.len();
    let taken = count.unwrap_or(1).min(len);
    if taken == 0 {
        return reply.array(0);
    }
    let nested = count.is_some() && reply.resp == Resp::V3;
    reply.array(if nested { taken } else { 2 * taken })?;
    take(cx, (found, key), end, taken, nested, reply)
}

pub(super) const ZPOPMIN: DataCommand = Spec {
    name: "zpopmin",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
    usage: "key:key [count:integer]",
    since: "5.0.0",
    summary: "Removes and returns the members with the lowest scores.",
    complexity: "O(M*log(N)), M being the number removed.",
    ..Spec::of(Group::SortedSet)
}
.runs(zpopmin);

fn zpopmin(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop(cx, args, reply, End::Min)
}

pub(super) const ZPOPMAX: DataCommand = Spec {
    name: "zpopmax",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
    usage: "key:key [count:integer]",
    since: "5.0.0",
    summary: "Removes and returns the members with the highest scores.",
    complexity: "O(M*log(N)), M being the number removed.",
    ..Spec::of(Group::SortedSet)
}
.runs(zpopmax);

fn zpopmax(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop(cx, args, reply, End::Max)
}

/// The first of these keys that holds a sorted set. One of another type is an error.
fn first_of<'a>(cx: &mut Cx, keys: &[&'a [u8]]) -> Result<Option<(Found, &'a [u8])>, CmdError> {
    let mut db = cx.db();
    for key in keys {
        if let Some(found) = db.zset_to_change(key)? {
            return Ok(Some((found, key)));
        }
    }
    Ok(None)
}

/// The arguments of ZMPOP and BZMPOP behind a timeout.
struct Many<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

fn which_end(args: &mut Args) -> Result<End, CmdError> {
    if args.word("MIN") {
        return Ok(End::Min);
    }
    args.word("MAX").then_some(End::Max).ok_or(CmdError::Syntax)
}

impl<'a> Many<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Many<'a>, CmdError> {
        let positive = |text: &[u8], error: &'static str| {
            let n = crate::algo::number::parse_i64(text).filter(|n| *n > 0);
            n.ok_or(CmdError::Fixed(error))
        };
        let numkeys = positive(args.bytes(), "ERR numkeys should be greater than 0")?;
        if numkeys >= args.left() as i64 {
            return Err(CmdError::Syntax);
        }
        let keys = (0..numkeys).map(|_| args.key()).collect();
        let end = which_end(args)?;
        let mut count = None;
        while args.left() > 0 {
            if count.is_some() || args.left() < 2 || !args.word("COUNT") {
                return Err(CmdError::Syntax);
            }
            let n = positive(args.bytes(), "ERR count should be greater than 0")?;
            count = Some(n as usize);
        }
        Ok(Many {
            keys,
            end,
            count: count.unwrap_or(1),
        })
    }

    /// Takes from the first non-empty key and replies; false if all are empty.
    fn take(&self, cx: &mut Cx, reply: &mut Reply) -> Result<bool, CmdError> {
        let Some((found, key)) = first_of(cx, &self.keys)? else {
            return Ok(false);
        };
        let count = self.count.min(cx.db().zset_at(found)?.len());
        reply.array(2)?;
        reply.bulk(key)?;
        reply.array(count)?;
        take(cx, (found, key), self.end, count, true, reply)?;
        propagate(cx, key, self.end, Some(count));
        Ok(true)
    }
}

/// Replicas and the AOF get what was taken, not what was waited for.
fn propagate(cx: &mut Cx, key: &[u8], end: End, count: Option<usize>) {
    let name: &[u8] = match end {
        End::Min => b"ZPOPMIN",
        End::Max => b"ZPOPMAX",
    };
    match count {
        None => cx.propagate_as([name, key]),
        Some(count) => cx.propagate_as([name, key, itoa::Buffer::new().format(count).as_bytes()]),
    }
}

pub(super) const ZMPOP: DataCommand = Spec {
    name: "zmpop",
    flags: all(&[WRITE, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RW, ACCESS, DELETE])],
    usage: "numkeys:integer key:key... where(min=MIN|max=MAX) [count:integer@COUNT]",
    since: "7.0.0",
    summary: "Removes members from an end of the first set that has any.",
    complexity: "O(K)+O(M*log(N)), K keys, M members removed.",
    ..Spec::of(Group::SortedSet)
}
.runs(zmpop);

fn zmpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let many = Many::parse(args)?;
    if many.take(cx, reply)? {
        return Ok(());
    }
    reply.null_array()
}

pub(super) const BZMPOP: DataCommand = Spec {
    name: "bzmpop",
    flags: all(&[WRITE, BLOCKING, MOVABLEKEYS]),
    keys: &[KeySpec::counted(2, &[RW, ACCESS, DELETE])],
    usage: "timeout:double numkeys:integer key:key... where(min=MIN|max=MAX) [count:integer@COUNT]",
    since: "7.0.0",
    summary: "Removes members from an end of the first set that has any, or waits.",
    complexity: "O(K)+O(M*log(N)), K keys, M members removed.",
    ..Spec::of(Group::SortedSet)
}
.runs(bzmpop);

fn bzmpop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let timeout = args.bytes();
    let many = Many::parse(args)?;
    let timeout = parse_timeout(timeout, Unit::Seconds)?;
    if many.take(cx, reply)? {
        return Ok(());
    }
    cx.wait(Wait::new(Kind::Zset, many.keys, timeout), reply)
}

/// BZPOPMIN key [key ...] timeout, or from the other end.
fn pop_or_wait(cx: &mut Cx, args: &mut Args, reply: &mut Reply, end: End) -> CmdResult {
    let keys: Vec<&[u8]> = (1..args.left()).map(|_| args.key()).collect();
    let timeout = parse_timeout(args.bytes(), Unit::Seconds)?;
    let Some((found, key)) = first_of(cx, &keys)? else {
        return cx.wait(Wait::new(Kind::Zset, keys, timeout), reply);
    };
    reply.array(3)?;
    reply.bulk(key)?;
    take(cx, (found, key), end, 1, false, reply)?;
    propagate(cx, key, end, None);
    Ok(())
}

pub(super) const BZPOPMIN: DataCommand = Spec {
    name: "bzpopmin",
    flags: all(&[WRITE, BLOCKING, FAST]),
    keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
    usage: "key:key... timeout:double",
    since: "5.0.0",
    summary: "Removes the member with the lowest score, or waits for one.",
    complexity: "O(log(N)), N being the size of the set.",
    history: &[("6.0.0", "The timeout may have a fraction.")],
    ..Spec::of(Group::SortedSet)
}
.runs(bzpopmin);

fn bzpopmin(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop_or_wait(cx, args, reply, End::Min)
}

pub(super) const BZPOPMAX: DataCommand = Spec {
    name: "bzpopmax",
    flags: all(&[WRITE, BLOCKING, FAST]),
    keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
    usage: "key:key... timeout:double",
    since: "5.0.0",
    summary: "Removes the member with the highest score, or waits for one.",
    complexity: "O(log(N)), N being the size of the set.",
    history: &[("6.0.0", "The timeout may have a fraction.")],
    ..Spec::of(Group::SortedSet)
}
.runs(bzpopmax);

fn bzpopmax(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    pop_or_wait(cx, args, reply, End::Max)
}
