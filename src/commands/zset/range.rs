//! Ranges by rank, by score and by member: ZRANGE in all its forms, counts, and removals.

use super::add::tell_removed;
use super::store;
use crate::algo::number::parse_bound;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::zset::{Build, Edge, Members, Ordered, Scores, ZsetRef};
use crate::resp::encode::Resp;
use std::ops::Range;

const BAD_SCORES: CmdError = CmdError::Fixed("ERR min or max is not a float");
const BAD_MEMBERS: CmdError = CmdError::Fixed("ERR min or max not valid string range item");

/// The kind of a range's bounds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// A requested range.
#[derive(Clone, Copy)]
enum Span<'a> {
    Ranks(i64, i64),
    Scores(Scores),
    Members(Members<'a>),
}

fn scores(min: &[u8], max: &[u8]) -> Result<Scores, CmdError> {
    let bound = |text: &[u8]| match text.split_first() {
        Some((b'(', rest)) => (parse_bound(rest), true),
        _ => (parse_bound(text), false),
    };
    let ((min, min_open), (max, max_open)) = (bound(min), bound(max));
    Ok(Scores {
        min: min.ok_or(BAD_SCORES)?,
        max: max.ok_or(BAD_SCORES)?,
        min_open,
        max_open,
    })
}

fn edge(text: &[u8]) -> Result<Edge<'_>, CmdError> {
    match text.split_first() {
        Some((b'-', [])) => Ok(Edge::Lowest),
        Some((b'+', [])) => Ok(Edge::Highest),
        Some((b'(', member)) => Ok(Edge::At(member, true)),
        Some((b'[', member)) => Ok(Edge::At(member, false)),
        _ => Err(BAD_MEMBERS),
    }
}

fn members<'a>(min: &'a [u8], max: &'a [u8]) -> Result<Members<'a>, CmdError> {
    Ok(Members {
        min: edge(min)?,
        max: edge(max)?,
    })
}

impl<'a> Span<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Span<'a>, CmdError> {
        let int = |text| crate::algo::number::parse_i64(text).ok_or(CmdError::NotInteger);
        Ok(match by {
            By::Rank => Span::Ranks(int(min)?, int(max)?),
            By::Score => Span::Scores(scores(min, max)?),
            By::Member => Span::Members(members(min, max)?),
        })
    }

    /// The numbers of the members it holds, counted from the lowest.
    fn numbers(&self, set: &ZsetRef, downwards: bool) -> Range<usize> {
        let (start, end) = match self {
            Span::Scores(scores) => return set.in_scores(scores),
            Span::Members(members) => return set.in_members(members, downwards),
            Span::Ranks(start, end) => (*start, *end),
        };
        let len = set.len() as i64;
        let from_start = |n: i64| if n < 0 { n.saturating_add(len) } else { n };
        let start = from_start(start).max(0);
        let end = from_start(end).min(len - 1);
        if start > end || start >= len {
            return 0..0;
        }
        let (start, end) = (start as usize, end as usize + 1);
        if downwards {
            let len = len as usize;
            return len - end..len - start;
        }
        start..end
    }
}

/// LIMIT: what is left of a range. A negative count is none, a negative offset is beyond the end.
fn limited(numbers: Range<usize>, downwards: bool, offset: i64, count: i64) -> Range<usize> {
    let len = numbers.len();
    let skipped = usize::try_from(offset).unwrap_or(len).min(len);
    let kept = usize::try_from(count).unwrap_or(len).min(len - skipped);
    if downwards {
        let end = numbers.end - skipped;
        end - kept..end
    } else {
        let start = numbers.start + skipped;
        start..start + kept
    }
}

/// Which options a command takes besides its range.
struct Form {
    /// Fixed by the command's name; none where options give it.
    by: Option<By>,
    reverse: Option<bool>,
    store: bool,
}

/// A whole request for a range.
struct Request<'a> {
    span: Span<'a>,
    downwards: bool,
    with_scores: bool,
    offset: i64,
    count: i64,
}

impl<'a> Request<'a> {
    fn parse(args: &mut Args<'a>, form: &Form) -> Result<Request<'a>, CmdError> {
        let (mut min, mut max) = (args.bytes(), args.bytes());
        let (mut by, mut reverse) = (form.by, form.reverse);
        let (mut with_scores, mut offset, mut count) = (false, 0, -1);
        while args.left() > 0 {
            if !form.store && args.word("WITHSCORES") {
                with_scores = true;
            } else if args.left() >= 3 && args.word("LIMIT") {
                (offset, count) = (args.int()?, args.int()?);
            } else if reverse.is_none() && args.word("REV") {
                reverse = Some(true);
            } else if by.is_none() && args.word("BYLEX") {
                by = Some(By::Member);
            } else if by.is_none() && args.word("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        let (by, downwards) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err(CmdError::Fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Member {
            return Err(CmdError::Fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        if downwards && by != By::Rank {
            std::mem::swap(&mut min, &mut max);
        }
        Ok(Request {
            span: Span::parse(by, min, max)?,
            downwards,
            with_scores,
            offset,
            count,
        })
    }

    fn numbers(&self, set: &ZsetRef) -> Range<usize> {
        let numbers = self.span.numbers(set, self.downwards);
        match self.span {
            Span::Ranks(..) => numbers,
            _ => limited(numbers, self.downwards, self.offset, self.count),
        }
    }
}

/// Replies with members, each with its score if requested: flat, or as pairs in RESP3.
pub(super) fn write_members(
    set: &ZsetRef,
    numbers: Range<usize>,
    downwards: bool,
    with_scores: bool,
    reply: &mut Reply,
) -> CmdResult {
    let mut form = head(numbers.len(), with_scores, reply)?;
    let mut result = Ok(());
    set.walk(numbers, downwards, |member, score| {
        if result.is_ok() {
            result = form.one(score, |reply| reply.bulk(member));
        }
    });
    result
}

/// Replies with a result.
pub(super) fn write_all(result: &Ordered, with_scores: bool, reply: &mut Reply) -> CmdResult {
    let mut members = result.members().iter();
    let mut form = head(members.len(), with_scores, reply)?;
    members.try_for_each(|(member, score)| form.one(*score, |reply| reply.item(*member)))
}

/// The layout of the members in a reply.
struct MembersReply<'r, 'b> {
    reply: &'r mut Reply<'b>,
    pairs: bool,
    with_scores: bool,
}

/// Writes the head of a reply of `len` members.
fn head<'r, 'b>(
    len: usize,
    with_scores: bool,
    reply: &'r mut Reply<'b>,
) -> Result<MembersReply<'r, 'b>, CmdError> {
    let pairs = with_scores && reply.resp == Resp::V3;
    let flat = with_scores && !pairs;
    reply.array(len * (1 + flat as usize))?;
    Ok(MembersReply {
        reply,
        pairs,
        with_scores,
    })
}

impl MembersReply<'_, '_> {
    #[inline]
    fn one(&mut self, score: f64, member: impl FnOnce(&mut Reply) -> CmdResult) -> CmdResult {
        if self.pairs {
            self.reply.array(2)?;
        }
        member(self.reply)?;
        if self.with_scores {
            self.reply.double(score)?;
        }
        Ok(())
    }
}

fn range(cx: &mut Cx, args: &mut Args, reply: &mut Reply, form: Form) -> CmdResult {
    let key = args.key();
    let request = Request::parse(args, &form)?;
    let mut db = cx.db();
    let Some(set) = db.zset(key)? else {
        return reply.array(0);
    };
    let numbers = request.numbers(&set);
    write_members(&set, numbers, request.downwards, request.with_scores, reply)
}

const fn form(by: Option<By>, reverse: Option<bool>) -> Form {
    Form {
        by,
        reverse,
        store: false,
    }
}

pub(super) const ZRANGE: DataCommand = Spec {
    name: "zrange",
    usage: "key:key start:string stop:string [sortby(byscore=BYSCORE|bylex=BYLEX)!6.2.0] [rev=REV!6.2.0] [limit{offset:integer count:integer}@LIMIT!6.2.0] [withscores=WITHSCORES]",
    since: "1.2.0",
    summary: "Members by place, by score, or between two others.",
    complexity: "O(log(N)+M), M being the number returned.",
    history: &[("6.2.0", "Takes REV, BYSCORE, BYLEX and LIMIT.")],
    ..Spec::reading(Group::SortedSet)
}
.runs(zrange);

fn zrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, form(None, None))
}

pub(super) const ZREVRANGE: DataCommand = Spec {
    name: "zrevrange",
    usage: "key:key start:integer stop:integer [withscores=WITHSCORES]",
    since: "1.2.0",
    summary: "Members by place, highest score first.",
    complexity: "O(log(N)+M), M being the number returned.",
    deprecated: deprecated("6.2.0", "`ZRANGE` with the `REV` argument"),
    ..Spec::reading(Group::SortedSet)
}
.runs(zrevrange);

fn zrevrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, form(Some(By::Rank), Some(true)))
}

pub(super) const ZRANGEBYSCORE: DataCommand = Spec {
    name: "zrangebyscore",
    usage: "key:key min:double max:double [withscores=WITHSCORES!2.0.0] [limit{offset:integer count:integer}@LIMIT]",
    since: "1.0.5",
    summary: "Members by their scores.",
    complexity: "O(log(N)+M), M being the number returned.",
    deprecated: deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    history: &[("2.0.0", "Takes WITHSCORES.")],
    ..Spec::reading(Group::SortedSet)
}
.runs(zrangebyscore);

fn zrangebyscore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, form(Some(By::Score), Some(false)))
}

pub(super) const ZREVRANGEBYSCORE: DataCommand = Spec {
    name: "zrevrangebyscore",
    usage: "key:key max:double min:double [withscores=WITHSCORES] [limit{offset:integer count:integer}@LIMIT]",
    since: "2.2.0",
    summary: "Members by their scores, highest first.",
    complexity: "O(log(N)+M), M being the number returned.",
    deprecated: deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
    history: &[("2.1.6", "Takes ranges without their ends.")],
    ..Spec::reading(Group::SortedSet)
}
.runs(zrevrangebyscore);

fn zrevrangebyscore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, form(Some(By::Score), Some(true)))
}

pub(super) const ZRANGEBYLEX: DataCommand = Spec {
    name: "zrangebylex",
    usage: "key:key min:string max:string [limit{offset:integer count:integer}@LIMIT]",
    since: "2.8.9",
    summary: "Members that lie between two others.",
    complexity: "O(log(N)+M), M being the number returned.",
    deprecated: deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    ..Spec::reading(Group::SortedSet)
}
.runs(zrangebylex);

fn zrangebylex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, form(Some(By::Member), Some(false)))
}

pub(super) const ZREVRANGEBYLEX: DataCommand = Spec {
    name: "zrevrangebylex",
    usage: "key:key max:string min:string [limit{offset:integer count:integer}@LIMIT]",
    since: "2.8.9",
    summary: "Members that lie between two others, last first.",
    complexity: "O(log(N)+M), M being the number returned.",
    deprecated: deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    ..Spec::reading(Group::SortedSet)
}
.runs(zrevrangebylex);

fn zrevrangebylex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    range(cx, args, reply, form(Some(By::Member), Some(true)))
}

pub(super) const ZRANGESTORE: DataCommand = Spec {
    name: "zrangestore",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[OW, UPDATE]), KeySpec::at(2, &[RO, ACCESS])],
    usage: "dst:key src:key min:string max:string [sortby(byscore=BYSCORE|bylex=BYLEX)] [rev=REV] [limit{offset:integer count:integer}@LIMIT]",
    since: "6.2.0",
    summary: "Stores a range of members in another key.",
    complexity: "O(log(N)+M), M being the number stored.",
    ..Spec::of(Group::SortedSet)
}
.runs(zrangestore);

fn zrangestore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (to, from) = (args.key(), args.key());
    let form = Form {
        store: true,
        ..form(None, None)
    };
    let request = Request::parse(args, &form)?;
    let tuning = cx.tuning;
    let mut build = Build::new(cx.db().zset_hasher());
    if let Some(set) = cx.db().zset(from)? {
        let numbers = request.numbers(&set);
        // As Redis does: a result whose size is not known beforehand begins as a listpack and so
        // loses the sign of its zeros, whatever encoding it ends in.
        let known = matches!(request.span, Span::Ranks(..)).then_some(numbers.len());
        let mut small = known.is_none_or(|len| len <= tuning.zset_max_listpack_entries);
        set.walk(numbers, request.downwards, |member, score| {
            small &= build.len() < tuning.zset_max_listpack_entries
                && member.len() <= tuning.zset_max_listpack_value;
            build.add(member, if small { score + 0.0 } else { score });
        });
    }
    let result = (build.len(), build.finish(tuning));
    store(cx, to, result, Event::ZRANGESTORE, reply)
}

fn count(cx: &mut Cx, args: &mut Args, reply: &mut Reply, by: By) -> CmdResult {
    let key = args.key();
    let span = Span::parse(by, args.bytes(), args.bytes())?;
    let count = cx
        .db()
        .zset(key)?
        .map_or(0, |set| span.numbers(&set, false).len());
    reply.int(count as i64)
}

pub(super) const ZCOUNT: DataCommand = Spec {
    name: "zcount",
    usage: "key:key min:double max:double",
    since: "2.0.0",
    summary: "How many members have scores of a range.",
    complexity: "O(log(N)), N being the size of the set.",
    ..Spec::reading_fast(Group::SortedSet)
}
.runs(zcount);

fn zcount(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    count(cx, args, reply, By::Score)
}

pub(super) const ZLEXCOUNT: DataCommand = Spec {
    name: "zlexcount",
    usage: "key:key min:string max:string",
    since: "2.8.9",
    summary: "How many members lie between two others.",
    complexity: "O(log(N)), N being the size of the set.",
    ..Spec::reading_fast(Group::SortedSet)
}
.runs(zlexcount);

fn zlexcount(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    count(cx, args, reply, By::Member)
}

fn remove(cx: &mut Cx, args: &mut Args, reply: &mut Reply, by: By, event: Event) -> CmdResult {
    let key = args.key();
    let span = Span::parse(by, args.bytes(), args.bytes())?;
    let mut db = cx.db();
    let Some(found) = db.zset_to_change(key)? else {
        return reply.int(0);
    };
    let numbers = span.numbers(&db.zset_at(found)?, false);
    let removed = numbers.len();
    db.zset_remove_range(found, numbers);
    tell_removed(cx, found, key, event, removed);
    reply.int(removed as i64)
}

pub(super) const ZREMRANGEBYRANK: DataCommand = Spec {
    name: "zremrangebyrank",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key start:integer stop:integer",
    since: "2.0.0",
    summary: "Removes members by their place in the order.",
    complexity: "O(log(N)+M), M being the number removed.",
    ..Spec::of(Group::SortedSet)
}
.runs(zremrangebyrank);

fn zremrangebyrank(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    remove(cx, args, reply, By::Rank, Event::ZREMRANGEBYRANK)
}

pub(super) const ZREMRANGEBYSCORE: DataCommand = Spec {
    name: "zremrangebyscore",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key min:double max:double",
    since: "1.2.0",
    summary: "Removes members by their scores.",
    complexity: "O(log(N)+M), M being the number removed.",
    ..Spec::of(Group::SortedSet)
}
.runs(zremrangebyscore);

fn zremrangebyscore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    remove(cx, args, reply, By::Score, Event::ZREMRANGEBYSCORE)
}

pub(super) const ZREMRANGEBYLEX: DataCommand = Spec {
    name: "zremrangebylex",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    usage: "key:key min:string max:string",
    since: "2.8.9",
    summary: "Removes members that lie between two others.",
    complexity: "O(log(N)+M), M being the number removed.",
    ..Spec::of(Group::SortedSet)
}
.runs(zremrangebylex);

fn zremrangebylex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    remove(cx, args, reply, By::Member, Event::ZREMRANGEBYLEX)
}
