//! Members by chance and by cursor: ZRANDMEMBER and ZSCAN.

use super::range::write_members;
use crate::algo::glob::{self, Case};
use crate::algo::number;
use crate::algo::rng::Rng;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::key::parse_cursor;
use crate::keyspace::zset::ZsetRef;
use crate::resp::encode::Resp;
use hashbrown::HashSet;

/// The most buckets that ZSCAN visits per requested member.
const VISITS_PER_MEMBER: u64 = 10;

/// The share of all members above which ZRANDMEMBER picks the members to leave out.
const MOST: usize = 3;

fn show(set: &ZsetRef, number: usize, with_scores: bool, reply: &mut Reply) -> CmdResult {
    let mut result = Ok(());
    let pair = with_scores && reply.resp == Resp::V3;
    set.walk(number..number + 1, false, |member, score| {
        result = (|| {
            if pair {
                reply.array(2)?;
            }
            reply.bulk(member)?;
            if with_scores {
                reply.double(score)?;
            }
            Ok(())
        })();
    });
    result
}

/// Different numbers below `len`, each as likely as any other.
fn draw(rng: &mut Rng, len: usize, count: usize) -> Vec<usize> {
    if count * MOST > len {
        let mut all: Vec<usize> = (0..len).collect();
        rng.shuffle(&mut all);
        all.truncate(count);
        return all;
    }
    let mut drawn = HashSet::with_capacity(count);
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        let number = rng.index(len);
        if drawn.insert(number) {
            order.push(number);
        }
    }
    order
}

pub(super) const ZRANDMEMBER: DataCommand = Spec {
    name: "zrandmember",
    usage: "key:key [options{count:integer [withscores=WITHSCORES]}]",
    since: "6.2.0",
    summary: "Random members.",
    complexity: "O(N), N being the number returned.",
    tips: &["nondeterministic_output"],
    ..Spec::reading(Group::SortedSet)
}
.runs(zrandmember);

fn zrandmember(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const RANGE: CmdError = CmdError::Fixed(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    let key = args.key();
    let Some(count) = args.option() else {
        let mut db = cx.keyspace.db(cx.db);
        return match db.zset(key)? {
            None => reply.null(),
            Some(set) => show(&set, cx.rng.index(set.len()), false, reply),
        };
    };
    let count = number::parse_i64(count).ok_or(CmdError::NotInteger)?;
    if count == i64::MIN {
        return Err(RANGE);
    }
    let with_scores = args.left() > 0;
    if args.left() > 1 || with_scores && !args.word("WITHSCORES") {
        return Err(CmdError::Syntax);
    }
    if with_scores && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return Err(CmdError::OutOfRange);
    }
    let mut db = cx.keyspace.db(cx.db);
    let Some(set) = db.zset(key)?.filter(|_| count != 0) else {
        return reply.array(0);
    };
    let len = set.len();
    let wanted = count.unsigned_abs() as usize;
    if count > 0 && wanted >= len {
        return write_members(&set, 0..len, true, with_scores, reply);
    }
    let flat = with_scores && reply.resp == Resp::V2;
    reply.array(wanted * (1 + flat as usize))?;
    if count < 0 {
        for _ in 0..wanted {
            show(&set, cx.rng.index(len), with_scores, reply)?;
        }
        return Ok(());
    }
    let drawn = draw(cx.rng, len, wanted);
    drawn
        .into_iter()
        .try_for_each(|number| show(&set, number, with_scores, reply))
}

pub(super) const ZSCAN: DataCommand = Spec {
    name: "zscan",
    usage: "key:key cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT] [noscores=NOSCORES]",
    since: "2.8.0",
    summary: "Walks over members and scores in steps.",
    complexity: "O(1) per step.",
    tips: &["nondeterministic_output"],
    ..Spec::reading(Group::SortedSet)
}
.runs(zscan);

fn zscan(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut cursor = parse_cursor(args.bytes())?;
    let mut db = cx.db();
    let Some(set) = db.zset(key)? else {
        reply.array(2)?;
        reply.bulk(b"0")?;
        return reply.array(0);
    };
    let (mut pattern, mut wanted, mut with_scores) = (None, 10, true);
    while args.left() > 0 {
        if args.word("NOSCORES") {
            with_scores = false;
        } else if args.left() < 2 {
            return Err(CmdError::Syntax);
        } else if args.word("COUNT") {
            wanted = args.int()?;
            if wanted < 1 {
                return Err(CmdError::Syntax);
            }
        } else if args.word("MATCH") {
            pattern = Some(args.bytes()).filter(|pattern| *pattern != b"*");
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let mut text = Vec::new();
    let mut items = Reply::new(&mut text, reply.resp);
    let (mut visited, mut found) = (0, 0);
    let mut visit = |member: &[u8], score: f64| {
        visited += 1;
        if pattern.is_none_or(|pattern| glob::matches(pattern, member, Case::Sensitive)) {
            items.bulk(member).expect("replies go to memory");
            found += 1;
            if !with_scores {
                return visited;
            }
            // As Redis does, a tree prints its scores with more digits than a listpack.
            match set {
                ZsetRef::Small(_) => items.bulk(&number::format_f64(score)),
                ZsetRef::Large(_) => items.bulk(&number::format_g17(score)),
            }
            .expect("replies go to memory");
        }
        visited
    };
    match set {
        ZsetRef::Small(_) => {
            set.walk(0..set.len(), false, |member, score| {
                visit(member, score);
            });
            cursor = 0;
        }
        ZsetRef::Large(set) => {
            let mut visits = (wanted as u64).saturating_mul(VISITS_PER_MEMBER);
            loop {
                let mut seen = 0;
                cursor = set.scan(cursor, |member, score| seen = visit(member, score));
                visits -= 1;
                if cursor == 0 || visits == 0 || seen >= wanted {
                    break;
                }
            }
        }
    }
    reply.array(2)?;
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes())?;
    reply.array(if with_scores { 2 * found } else { found })?;
    reply.raw(&text)
}
