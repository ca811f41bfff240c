//! ZADD, ZINCRBY, ZREM and the questions about single members.

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::{Found, RemovalReason};
use smallvec::SmallVec;

const NOT_A_NUMBER: CmdError = CmdError::Fixed("ERR resulting score is not a number (NaN)");

/// The conditions of ZADD, and the form of its reply.
#[derive(Clone, Copy, Default)]
pub(in crate::commands) struct When {
    pub absent: bool,
    pub present: bool,
    pub greater: bool,
    pub less: bool,
    pub changed: bool,
    pub increment: bool,
}

impl When {
    fn parse(args: &mut Args) -> When {
        let mut when = When::default();
        loop {
            let option = [
                ("NX", &mut when.absent),
                ("XX", &mut when.present),
                ("CH", &mut when.changed),
                ("INCR", &mut when.increment),
                ("GT", &mut when.greater),
                ("LT", &mut when.less),
            ]
            .into_iter()
            .find(|(word, _)| args.word(word));
            match option {
                Some((_, said)) => *said = true,
                None => return when,
            }
        }
    }

    /// The error of these options with `pairs` pairs, if any.
    pub fn check(&self, pairs: usize) -> Result<(), CmdError> {
        let clash = |text| Err(CmdError::Fixed(text));
        if self.absent && self.present {
            return clash("ERR XX and NX options at the same time are not compatible");
        }
        let compares = self.greater as u8 + self.less as u8;
        if compares > 1 || compares > 0 && self.absent {
            return clash("ERR GT, LT, and/or NX options at the same time are not compatible");
        }
        if self.increment && pairs > 1 {
            return clash("ERR INCR option supports a single increment-element pair");
        }
        Ok(())
    }

    /// The score a member gets, or that it is left alone.
    fn decide(&self, old: Option<f64>, given: f64) -> Result<Option<f64>, CmdError> {
        let Some(old) = old else {
            return Ok((!self.present).then_some(given));
        };
        if self.absent {
            return Ok(None);
        }
        let new = if self.increment { old + given } else { given };
        if new.is_nan() {
            return Err(NOT_A_NUMBER);
        }
        let refused = self.greater && new <= old || self.less && new >= old;
        Ok((!refused).then_some(new))
    }
}

/// The numbers of members added and updated.
#[derive(Default)]
struct Outcome {
    added: u64,
    updated: u64,
    /// The score of the last one, if it was not refused.
    score: Option<f64>,
}

/// Adds members to the sorted set at `key`, creating it where that is allowed.
fn add_all<'a>(
    cx: &mut Cx,
    key: &[u8],
    when: When,
    pairs: impl ExactSizeIterator<Item = (f64, &'a [u8])> + Clone,
) -> Result<Outcome, CmdError> {
    let mut outcome = Outcome::default();
    let tuning = cx.tuning;
    let found = match cx.db().zset_to_change(key)? {
        Some(found) => {
            cx.db().zset_expect(found, pairs.len(), tuning);
            found
        }
        None if when.present => return Ok(outcome),
        None => {
            // As in Redis the first member stands for all: a longer one may come when some are
            // in the listpack already, which knows no negative zero.
            let first = pairs.clone().next().map_or(0, |(_, member)| member.len());
            cx.also(Event::NEW, key);
            cx.db().add_zset(key, pairs.len(), first, tuning)
        }
    };
    let mut db = cx.db();
    for (given, member) in pairs {
        let mut error = None;
        let (mut refused, mut shown) = (false, None);
        let (old, new) = db.zset_update(found, member, tuning, |old| {
            match when.decide(old, given) {
                Ok(new) => {
                    (refused, shown) = (new.is_none(), new);
                    // A score that stays is no change.
                    new.filter(|_| new != old)
                }
                Err(wrong) => {
                    error = Some(wrong);
                    None
                }
            }
        });
        if let Some(error) = error {
            return Err(error);
        }
        outcome.score = shown;
        outcome.added += (old.is_none() && new.is_some()) as u64;
        outcome.updated += (old.is_some() && new.is_some()) as u64;
    }
    Ok(outcome)
}

/// Adds members as ZADD does and replies.
pub(in crate::commands) fn add<'a>(
    cx: &mut Cx,
    key: &[u8],
    when: When,
    pairs: impl ExactSizeIterator<Item = (f64, &'a [u8])> + Clone,
    reply: &mut Reply,
) -> CmdResult {
    let outcome = add_all(cx, key, when, pairs)?;
    let changes = outcome.added + outcome.updated;
    if changes > 0 {
        let event = if when.increment {
            Event::ZINCR
        } else {
            Event::ZADD
        };
        cx.changed(event, key);
        cx.effects.count_changes(changes - 1);
    }
    if when.increment {
        return match outcome.score {
            Some(score) => reply.double(score),
            None => reply.null(),
        };
    }
    reply.int(if when.changed { changes } else { outcome.added } as i64)
}

pub(super) const ZADD: DataCommand = Spec {
    name: "zadd",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    element: 3,
    usage: "key:key [condition(nx=NX|xx=XX)!3.0.2] [comparison(gt=GT|lt=LT)!6.2.0] [change=CH!3.0.2] [increment=INCR!3.0.2] data{score:double member:string}...",
    since: "1.2.0",
    summary: "Adds members or changes their scores.",
    complexity: "O(log(N)) per member, N being the size of the set.",
    history: &[
        ("2.4.0", "Takes several members."),
        ("3.0.2", "Takes XX, NX, CH and INCR."),
        ("6.2.0", "Takes GT and LT."),
    ],
    ..Spec::of(Group::SortedSet)
}
.runs(zadd);

fn zadd(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let when = When::parse(args);
    let rest = args.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(2) {
        return Err(CmdError::Syntax);
    }
    let pairs = rest.len() / 2;
    when.check(pairs)?;
    let mut scores: SmallVec<[f64; 16]> = SmallVec::with_capacity(pairs);
    for pair in 0..pairs {
        let score = crate::algo::number::parse_f64(rest.at(2 * pair));
        scores.push(score.ok_or(CmdError::NotFloat)?);
    }
    let pairs = (0..pairs).map(|pair| (scores[pair], rest.at(2 * pair + 1)));
    add(cx, key, when, pairs, reply)
}

pub(super) const ZINCRBY: DataCommand = Spec {
    name: "zincrby",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    element: 3,
    usage: "key:key increment:integer member:string",
    since: "1.2.0",
    summary: "Adds to the score of a member.",
    complexity: "O(log(N)), N being the size of the set.",
    ..Spec::of(Group::SortedSet)
}
.runs(zincrby);

fn zincrby(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let increment = args.float()?;
    let when = When {
        increment: true,
        ..When::default()
    };
    add(
        cx,
        key,
        when,
        std::iter::once((increment, args.bytes())),
        reply,
    )
}

/// Removes the key of a found sorted set if nothing is left in it. The command's event went before.
pub(super) fn leave_if_empty(cx: &mut Cx, found: Found, key: &[u8]) {
    let mut db = cx.db();
    if db.zset_at(found).is_ok_and(|set| set.is_empty()) {
        db.remove(found, RemovalReason::Deleted);
        cx.also(Event::DEL, key);
    }
}

/// Tells that so many members of a found sorted set changed, and removes it if it is empty.
pub(super) fn tell_removed(cx: &mut Cx, found: Found, key: &[u8], event: Event, removed: usize) {
    if removed == 0 {
        return;
    }
    cx.changed(event, key);
    cx.effects.count_changes(removed as u64 - 1);
    leave_if_empty(cx, found, key);
}

pub(super) const ZREM: DataCommand = Spec {
    name: "zrem",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    element: 2,
    usage: "key:key member:string...",
    since: "1.2.0",
    summary: "Removes members.",
    complexity: "O(M*log(N)), M being the number of members named.",
    history: &[("2.4.0", "Takes several members.")],
    ..Spec::of(Group::SortedSet)
}
.runs(zrem);

fn zrem(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let Some(found) = db.zset_to_change(key)? else {
        return reply.int(0);
    };
    let mut removed = 0;
    while let Some(member) = args.option() {
        removed += db.zset_remove(found, member) as usize;
    }
    tell_removed(cx, found, key, Event::ZREM, removed);
    reply.int(removed as i64)
}

pub(super) const ZCARD: DataCommand = Spec {
    name: "zcard",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    usage: "key:key",
    since: "1.2.0",
    summary: "The number of members.",
    complexity: "O(1)",
    ..Spec::of(Group::SortedSet)
}
.runs(zcard);

fn zcard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let len = cx.db().zset(args.key())?.map_or(0, |set| set.len());
    reply.int(len as i64)
}

fn optional_score(reply: &mut Reply, score: Option<f64>) -> CmdResult {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

pub(super) const ZSCORE: DataCommand = Spec {
    name: "zscore",
    element: 2,
    usage: "key:key member:string",
    since: "1.2.0",
    summary: "The score of a member.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::SortedSet)
}
.runs(zscore);

fn zscore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, member) = (args.key(), args.bytes());
    let score = cx.db().zset(key)?.and_then(|set| set.score(member));
    optional_score(reply, score)
}

pub(super) const ZMSCORE: DataCommand = Spec {
    name: "zmscore",
    usage: "key:key member:string...",
    since: "6.2.0",
    summary: "The scores of several members.",
    complexity: "O(M), M being the number of members named.",
    ..Spec::reading_fast(Group::SortedSet)
}
.runs(zmscore);

fn zmscore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let set = db.zset(args.key())?;
    reply.array(args.left())?;
    while let Some(member) = args.option() {
        optional_score(reply, set.and_then(|set| set.score(member)))?;
    }
    Ok(())
}

/// ZRANK key member [WITHSCORE], or against the order.
fn rank(cx: &mut Cx, args: &mut Args, reply: &mut Reply, reverse: bool) -> CmdResult {
    let (key, member) = (args.key(), args.bytes());
    let with_score = args.left() > 0;
    if args.left() > 1 {
        return Err(CmdError::arity(if reverse {
            ZREVRANK.name()
        } else {
            ZRANK.name()
        }));
    }
    if with_score && !args.word("WITHSCORE") {
        return Err(CmdError::Syntax);
    }
    let mut db = cx.db();
    let set = db.zset(key)?;
    let place = set.and_then(|set| set.rank(member).map(|place| (place, set.len())));
    let Some(((rank, score), len)) = place else {
        return if with_score {
            reply.null_array()
        } else {
            reply.null()
        };
    };
    let rank = if reverse { len - 1 - rank } else { rank };
    if !with_score {
        return reply.int(rank as i64);
    }
    reply.array(2)?;
    reply.int(rank as i64)?;
    reply.double(score)
}

pub(super) const ZRANK: DataCommand = Spec {
    name: "zrank",
    element: 2,
    usage: "key:key member:string [withscore=WITHSCORE]",
    since: "2.0.0",
    summary: "The place of a member, from the lowest score.",
    complexity: "O(log(N)), N being the size of the set.",
    history: &[("7.2.0", "Takes WITHSCORE.")],
    ..Spec::reading_fast(Group::SortedSet)
}
.runs(zrank);

fn zrank(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    rank(cx, args, reply, false)
}

pub(super) const ZREVRANK: DataCommand = Spec {
    name: "zrevrank",
    element: 2,
    usage: "key:key member:string [withscore=WITHSCORE]",
    since: "2.0.0",
    summary: "The place of a member, from the highest score.",
    complexity: "O(log(N)), N being the size of the set.",
    history: &[("7.2.0", "Takes WITHSCORE.")],
    ..Spec::reading_fast(Group::SortedSet)
}
.runs(zrevrank);

fn zrevrank(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    rank(cx, args, reply, true)
}
