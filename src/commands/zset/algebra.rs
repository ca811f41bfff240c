//! ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD: several sorted sets as one.
//!
//! Sources are read through `Source`, so that other collections of members can be one.

use super::range::write_all;
use super::store;
use crate::algo::number;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::gathered::Gathered;
use crate::keyspace::set::SetRef;
use crate::keyspace::zset::{Ordered, ZsetRef};
use crate::keyspace::{DbMut, Found};
use crate::types::entries::KeyHasher;
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

    fn score(&self, member: Item) -> Option<f64> {
        match self {
            Source::Empty => None,
            Source::Zset(set) => set.score(member.as_bytes(&mut itoa::Buffer::new())),
            Source::Set(set) => set.contains(member).then_some(1.0),
        }
    }

    /// Shows all members until one of them is not wanted.
    fn all(self, mut show: impl FnMut(Item<'a>, f64) -> bool) {
        match self {
            Source::Empty => {}
            Source::Zset(set) => set.items(show),
            Source::Set(set) => {
                let _ = set.iter().all(|item| show(item, 1.0));
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

/// The way in which the scores of one member are combined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The sum of the weights of the sets that hold the member.
    Count,
}

impl Aggregate {
    /// What a score counts before it is weighted.
    fn score(self, score: f64) -> f64 {
        match self {
            Aggregate::Count => 1.0,
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => score,
        }
    }

    fn join(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities of both signs cancel out.
            Aggregate::Sum | Aggregate::Count if (a + b).is_nan() => 0.0,
            Aggregate::Sum | Aggregate::Count => a + b,
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
    if args.word("COUNT") {
        return Ok(Aggregate::Count);
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
    fn combine<'d>(&self, db: &'d DbMut, op: Op) -> Result<Ordered<'d>, CmdError> {
        let mut sources = Vec::with_capacity(self.keys.len());
        for &(found, weight) in &self.keys {
            sources.push((Source::of(db, found)?, weight));
        }
        // As Redis does, from the smallest to the largest: it is quicker, and sums depend on it.
        if op != Op::Diff {
            sources.sort_by_key(|(source, _)| source.len());
        }
        Ok(Ordered::new(match op {
            Op::Union => union(&sources, self.aggregate, db.zset_hasher()),
            Op::Inter => {
                let mut members = Vec::new();
                common(&sources, self.aggregate, |member, score| {
                    members.push((member, score));
                    true
                });
                members
            }
            Op::Diff => difference(&sources),
        }))
    }
}

fn union<'d>(
    sources: &[(Source<'d>, f64)],
    aggregate: Aggregate,
    hasher: KeyHasher,
) -> Vec<(Item<'d>, f64)> {
    let count = sources.iter().map(|(source, _)| source.len()).sum();
    let mut met = Gathered::with_room(count, hasher);
    let mut scores: Vec<f64> = Vec::with_capacity(count);
    for &(source, weight) in sources {
        source.all(|member, score| {
            let score = weighted(weight, aggregate.score(score));
            match met.add(member) {
                (_, true) => scores.push(score),
                (at, false) => scores[at] = aggregate.join(scores[at], score),
            }
            true
        });
    }
    met.items().iter().copied().zip(scores).collect()
}

/// Shows the members that are in all sources until one of them is not wanted.
fn common<'d>(
    sources: &[(Source<'d>, f64)],
    aggregate: Aggregate,
    mut show: impl FnMut(Item<'d>, f64) -> bool,
) {
    let Some(((first, weight), others)) = sources.split_first() else {
        return;
    };
    first.all(|member, score| {
        let mut sum = weighted(*weight, aggregate.score(score));
        for (other, weight) in others {
            let Some(score) = other.score(member) else {
                return true;
            };
            // Only the first product is freed of NaN; Redis lets others spoil a sum.
            sum = aggregate.join(sum, weight * aggregate.score(score));
        }
        show(member, sum)
    });
}

fn difference<'d>(sources: &[(Source<'d>, f64)]) -> Vec<(Item<'d>, f64)> {
    let mut left = Vec::new();
    if let Some(((first, _), others)) = sources.split_first() {
        first.all(|member, score| {
            if others.iter().all(|(set, _)| set.score(member).is_none()) {
                left.push((member, score));
            }
            true
        });
    }
    left
}

fn show(cx: &mut Cx, args: &mut Args, reply: &mut Reply, name: &str, op: Op) -> CmdResult {
    let operands = Operands::parse(cx, args, name, op, false)?;
    let db = cx.db();
    let result = operands.combine(&db, op)?;
    write_all(&result, operands.with_scores, reply)
}

pub(super) const ZUNION: DataCommand = Spec {
    name: "zunion",
    flags: all(&[READONLY, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RO, ACCESS])],
    usage: "numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX|count=COUNT!8.8.0)@AGGREGATE] [withscores=WITHSCORES]",
    since: "6.2.0",
    summary: "The union of sorted sets.",
    complexity: "O(N)+O(M*log(M)), N members in all, M in the result.",
    history: &[("8.8.0", "Takes AGGREGATE COUNT.")],
    ..Spec::of(Group::SortedSet)
}
.runs(zunion);

fn zunion(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    show(cx, args, reply, ZUNION.name(), Op::Union)
}

pub(super) const ZINTER: DataCommand = Spec {
    name: "zinter",
    flags: all(&[READONLY, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RO, ACCESS])],
    usage: "numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX|count=COUNT!8.8.0)@AGGREGATE] [withscores=WITHSCORES]",
    since: "6.2.0",
    summary: "What sorted sets have in common.",
    complexity: "O(N*K)+O(M*log(M)), N in the smallest of K sets, M in the result.",
    history: &[("8.8.0", "Takes AGGREGATE COUNT.")],
    ..Spec::of(Group::SortedSet)
}
.runs(zinter);

fn zinter(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    show(cx, args, reply, ZINTER.name(), Op::Inter)
}

pub(super) const ZDIFF: DataCommand = Spec {
    name: "zdiff",
    flags: all(&[READONLY, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RO, ACCESS])],
    usage: "numkeys:integer key:key... [withscores=WITHSCORES]",
    since: "6.2.0",
    summary: "What the first of several sorted sets has alone.",
    complexity: "O(N*K), N members in the first of K sets.",
    ..Spec::of(Group::SortedSet)
}
.runs(zdiff);

fn zdiff(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    show(cx, args, reply, ZDIFF.name(), Op::Diff)
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
    let tuning = cx.tuning;
    let db = cx.db();
    let result = operands.combine(&db, op)?;
    let result = (
        result.members().len(),
        result.build(tuning, db.zset_hasher()),
    );
    store(cx, to, result, event, reply)
}

pub(super) const ZUNIONSTORE: DataCommand = Spec {
    name: "zunionstore",
    flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
    keys: &[KeySpec::at(1, &[OW, UPDATE]), KeySpec::counted(2, &[RO, ACCESS])],
    usage: "destination:key numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX|count=COUNT!8.8.0)@AGGREGATE]",
    since: "2.0.0",
    summary: "Stores the union of sorted sets.",
    complexity: "O(N)+O(M*log(M)), N members in all, M in the result.",
    history: &[("8.8.0", "Takes AGGREGATE COUNT.")],
    ..Spec::of(Group::SortedSet)
}
.runs(zunionstore);

fn zunionstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    keep(
        cx,
        args,
        reply,
        Op::Union,
        (ZUNIONSTORE.name(), Event::ZUNIONSTORE),
    )
}

pub(super) const ZINTERSTORE: DataCommand = Spec {
    name: "zinterstore",
    flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
    keys: &[KeySpec::at(1, &[OW, UPDATE]), KeySpec::counted(2, &[RO, ACCESS])],
    usage: "destination:key numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX|count=COUNT!8.8.0)@AGGREGATE]",
    since: "2.0.0",
    summary: "Stores what sorted sets have in common.",
    complexity: "O(N*K)+O(M*log(M)), N in the smallest of K sets, M in the result.",
    history: &[("8.8.0", "Takes AGGREGATE COUNT.")],
    ..Spec::of(Group::SortedSet)
}
.runs(zinterstore);

fn zinterstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    keep(
        cx,
        args,
        reply,
        Op::Inter,
        (ZINTERSTORE.name(), Event::ZINTERSTORE),
    )
}

pub(super) const ZDIFFSTORE: DataCommand = Spec {
    name: "zdiffstore",
    flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
    keys: &[
        KeySpec::at(1, &[OW, UPDATE]),
        KeySpec::counted(2, &[RO, ACCESS]),
    ],
    usage: "destination:key numkeys:integer key:key...",
    since: "6.2.0",
    summary: "Stores what the first of several sorted sets has alone.",
    complexity: "O(N*K), N members in the first of K sets.",
    ..Spec::of(Group::SortedSet)
}
.runs(zdiffstore);

fn zdiffstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    keep(
        cx,
        args,
        reply,
        Op::Diff,
        (ZDIFFSTORE.name(), Event::ZDIFFSTORE),
    )
}

pub(super) const ZINTERCARD: DataCommand = Spec {
    name: "zintercard",
    flags: all(&[READONLY, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RO, ACCESS])],
    usage: "numkeys:integer key:key... [limit:integer@LIMIT]",
    since: "7.0.0",
    summary: "How many members sorted sets have in common.",
    complexity: "O(N*K), N in the smallest of K sets.",
    ..Spec::of(Group::SortedSet)
}
.runs(zintercard);

fn zintercard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let keys = parse_keys(args, ZINTERCARD.name())?;
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
