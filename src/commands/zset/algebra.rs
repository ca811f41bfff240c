//! ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD: several sorted sets as one.
//!
//! Sources are read through `Source`, so that other collections of members can be one.

use super::range::answer;
use super::store;
use crate::algo::number;
use crate::command::effects::Event;
use crate::command::{Args, CmdError, CmdResult, Cx, Reply};
use crate::keyspace::set::SetRef;
use crate::keyspace::zset::{Build, ZsetRef};
use crate::keyspace::{DbMut, Found};
use crate::types::listpack::Item;
use std::cmp::Ordering;

/// A collection of members with scores.
#[derive(Clone, Copy)]
enum Source<'a> {
    Empty,
    Zset(ZsetRef<'a>),
    /// Every score is one.
    Set(SetRef<'a>),
}

impl<'a> Source<'a> {
    fn of(db: &'a DbMut, found: Option<Found>) -> Result<Source<'a>, CmdError> {
        match found {
            None => Ok(Source::Empty),
            Some(found) => match db.set_at(found) {
                Ok(set) => Ok(Source::Set(set)),
                Err(_) => Ok(Source::Zset(db.zset_at(found)?)),
            },
        }
    }

    fn len(&self) -> usize {
        match self {
            Source::Empty => 0,
            Source::Zset(set) => set.len(),
            Source::Set(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Empty => None,
            Source::Zset(set) => set.score(member),
            Source::Set(set) => set.contains(Item::of(member)).then_some(1.0),
        }
    }

    /// Shows all members until one of them is not wanted.
    fn all(&self, mut show: impl FnMut(&[u8], f64) -> bool) {
        match self {
            Source::Empty => {}
            Source::Zset(set) => set.all(show),
            Source::Set(set) => {
                let mut buffer = itoa::Buffer::new();
                let _ = set.iter().all(|item| show(item.as_bytes(&mut buffer), 1.0));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Union,
    Inter,
    Diff,
}

/// How the scores of one member become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn join(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities of both signs cancel out.
            Aggregate::Sum if (a + b).is_nan() => 0.0,
            Aggregate::Sum => a + b,
            Aggregate::Min if a.partial_cmp(&b) == Some(Ordering::Greater) => b,
            Aggregate::Max if a.partial_cmp(&b) == Some(Ordering::Less) => b,
            Aggregate::Min | Aggregate::Max => a,
        }
    }
}

fn aggregate(args: &mut Args) -> Result<Aggregate, CmdError> {
    if args.word("SUM") {
        return Ok(Aggregate::Sum);
    }
    if args.word("MIN") {
        return Ok(Aggregate::Min);
    }
    args.word("MAX")
        .then_some(Aggregate::Max)
        .ok_or(CmdError::Syntax)
}

fn weighted(weight: f64, score: f64) -> f64 {
    let product = weight * score;
    if product.is_nan() { 0.0 } else { product }
}

/// The keys a command names, found in the database, each with its weight.
struct Operands {
    keys: Vec<(Option<Found>, f64)>,
    aggregate: Aggregate,
    with_scores: bool,
}

/// The keys behind their count.
fn parse_keys<'a>(args: &mut Args<'a>, name: &str) -> Result<Vec<&'a [u8]>, CmdError> {
    let count = args.int()?;
    if count < 1 {
        let text = format!("ERR at least 1 input key is needed for '{name}' command");
        return Err(CmdError::Text(text));
    }
    if count > args.left() as i64 {
        return Err(CmdError::Syntax);
    }
    Ok((0..count).map(|_| args.key()).collect())
}

/// Looks the keys up. A key of another type is an error before any option is read.
fn find_all(cx: &mut Cx, keys: &[&[u8]]) -> Result<Vec<Option<Found>>, CmdError> {
    let mut db = cx.db();
    // An overdue key that leaves would move the others.
    for key in keys {
        let found = db.read(key);
        Source::of(&db, found)?;
    }
    Ok(keys.iter().map(|key| db.peek(key)).collect())
}

impl Operands {
    fn parse(
        cx: &mut Cx,
        args: &mut Args,
        name: &str,
        op: Op,
        stores: bool,
    ) -> Result<Operands, CmdError> {
        let keys = parse_keys(args, name)?;
        let found = find_all(cx, &keys)?;
        let mut operands = Operands {
            keys: found.into_iter().map(|found| (found, 1.0)).collect(),
            aggregate: Aggregate::Sum,
            with_scores: false,
        };
        while args.left() > 0 {
            if op != Op::Diff && args.left() > keys.len() && args.word("WEIGHTS") {
                for (_, weight) in &mut operands.keys {
                    *weight = number::parse_f64(args.bytes())
                        .ok_or(CmdError::Fixed("ERR weight value is not a float"))?;
                }
            } else if op != Op::Diff && args.left() > 1 && args.word("AGGREGATE") {
                operands.aggregate = aggregate(args)?;
            } else if !stores && args.word("WITHSCORES") {
                operands.with_scores = true;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(operands)
    }

    /// The result of the operation.
    fn combine(&self, cx: &mut Cx, op: Op) -> Result<Build, CmdError> {
        let db = cx.db();
        let mut build = Build::new(db.zset_hasher());
        let mut sources = Vec::with_capacity(self.keys.len());
        for &(found, weight) in &self.keys {
            sources.push((Source::of(&db, found)?, weight));
        }
        // As Redis does, from the smallest to the largest: it is quicker, and sums depend on it.
        if op != Op::Diff {
            sources.sort_by_key(|(source, _)| source.len());
        }
        match op {
            Op::Union => union(&sources, self.aggregate, &mut build),
            Op::Inter => common(&sources, self.aggregate, |member, score| {
                build.add(member, score);
                true
            }),
            Op::Diff => difference(&sources, &mut build),
        }
        Ok(build)
    }
}

fn union(sources: &[(Source, f64)], aggregate: Aggregate, build: &mut Build) {
    for (source, weight) in sources {
        source.all(|member, score| {
            let score = weighted(*weight, score);
            build.update(member, |old| match old {
                Some(old) => aggregate.join(old, score),
                None => score,
            });
            true
        });
    }
}

/// Shows the members that are in all sources until one of them is not wanted.
fn common(
    sources: &[(Source, f64)],
    aggregate: Aggregate,
    mut show: impl FnMut(&[u8], f64) -> bool,
) {
    let Some(((first, weight), others)) = sources.split_first() else {
        return;
    };
    first.all(|member, score| {
        let mut sum = weighted(*weight, score);
        for (other, weight) in others {
            let Some(score) = other.score(member) else {
                return true;
            };
            // Only the first product is freed of NaN; Redis lets others spoil a sum.
            sum = aggregate.join(sum, weight * score);
        }
        show(member, sum)
    });
}

fn difference(sources: &[(Source, f64)], build: &mut Build) {
    let Some(((first, _), others)) = sources.split_first() else {
        return;
    };
    first.all(|member, score| {
        if others
            .iter()
            .all(|(other, _)| other.score(member).is_none())
        {
            build.add(member, score);
        }
        true
    });
}

fn show(cx: &mut Cx, args: &mut Args, reply: &mut Reply, name: &str, op: Op) -> CmdResult {
    let operands = Operands::parse(cx, args, name, op, false)?;
    let build = operands.combine(cx, op)?;
    answer(
        &build.view(),
        0..build.len(),
        false,
        operands.with_scores,
        reply,
    )
}

/// ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES].
pub(super) fn zunion(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    show(cx, args, reply, "zunion", Op::Union)
}

/// ZINTER numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES].
pub(super) fn zinter(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    show(cx, args, reply, "zinter", Op::Inter)
}

/// ZDIFF numkeys key [key ...] [WITHSCORES].
pub(super) fn zdiff(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    show(cx, args, reply, "zdiff", Op::Diff)
}

fn keep(
    cx: &mut Cx,
    args: &mut Args,
    reply: &mut Reply,
    op: Op,
    (name, event): (&str, Event),
) -> CmdResult {
    let to = args.key();
    let operands = Operands::parse(cx, args, name, op, true)?;
    let build = operands.combine(cx, op)?;
    store(cx, to, build, event, reply)
}

/// ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX].
pub(super) fn zunionstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    keep(
        cx,
        args,
        reply,
        Op::Union,
        ("zunionstore", Event::ZUNIONSTORE),
    )
}

/// ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX].
pub(super) fn zinterstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    keep(
        cx,
        args,
        reply,
        Op::Inter,
        ("zinterstore", Event::ZINTERSTORE),
    )
}

/// ZDIFFSTORE destination numkeys key [key ...].
pub(super) fn zdiffstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    keep(cx, args, reply, Op::Diff, ("zdiffstore", Event::ZDIFFSTORE))
}

/// ZINTERCARD numkeys key [key ...] [LIMIT limit].
pub(super) fn zintercard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let keys = parse_keys(args, "zintercard")?;
    let found = find_all(cx, &keys)?;
    let mut limit = 0;
    while args.left() > 0 {
        if args.left() < 2 || !args.word("LIMIT") {
            return Err(CmdError::Syntax);
        }
        let negative = CmdError::Fixed("ERR LIMIT can't be negative");
        limit = number::parse_i64(args.bytes())
            .filter(|n| *n >= 0)
            .ok_or(negative)? as u64;
    }
    let db = cx.db();
    let mut sources = Vec::with_capacity(found.len());
    for found in found {
        sources.push((Source::of(&db, found)?, 1.0));
    }
    sources.sort_by_key(|(source, _)| source.len());
    let mut count = 0;
    common(&sources, Aggregate::Sum, |_, _| {
        count += 1;
        count != limit
    });
    reply.int(count as i64)
}
