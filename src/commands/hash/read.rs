//! Whole hashes, random fields, and walks. Overdue fields are passed over.

use super::OverdueFields;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::scan_options::{self, ScanOptions};
use crate::commands::signed_count;
use crate::keyspace::hash::{HashRef, is_overdue};
use crate::types::fields::Field;

/// The parts of a field that are returned.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Name,
    Value,
    Both,
}

impl Part {
    fn write(self, field: &Field, reply: &mut Reply) -> CmdResult {
        if self != Part::Value {
            reply.item(field.name)?;
        }
        if self != Part::Name {
            reply.item(field.value)?;
        }
        Ok(())
    }

    fn open(self, len: usize, reply: &mut Reply) -> CmdResult {
        match self {
            Part::Both => reply.map(len),
            _ => reply.array(len),
        }
    }
}

fn all(cx: &mut Cx, args: &mut Args, reply: &mut Reply, part: Part) -> CmdResult {
    let now_ms = cx.overdue_ms();
    let mut db = cx.db();
    let Some(hash) = db.read_hash(args.key())? else {
        return part.open(0, reply);
    };
    let overdue = hash.next_due_ms().is_some_and(|ms| ms <= now_ms);
    if !overdue {
        part.open(hash.len(), reply)?;
        hash.each(|field| {
            part.write(&field, reply).expect("replies go to memory");
        });
        return Ok(());
    }
    let (at, mut count) = (reply.deferred(), 0);
    hash.each(|field| {
        if !is_overdue(&field, now_ms) {
            count += 1;
            part.write(&field, reply).expect("replies go to memory");
        }
    });
    match part {
        Part::Both => reply.close_map(at, count),
        _ => reply.close_array(at, count),
    }
}

pub(super) const HGETALL: DataCommand = Spec {
    name: "hgetall",
    usage: "key:key",
    since: "2.0.0",
    summary: "All fields of a hash with their values.",
    complexity: "O(N), N the size of the hash",
    tips: &["nondeterministic_output_order"],
    ..Spec::reading(Group::Hash)
}
.runs(hgetall);

fn hgetall(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    all(cx, args, reply, Part::Both)
}

pub(super) const HKEYS: DataCommand = Spec {
    name: "hkeys",
    usage: "key:key",
    since: "2.0.0",
    summary: "All fields of a hash.",
    complexity: "O(N), N the size of the hash",
    tips: &["nondeterministic_output_order"],
    ..Spec::reading(Group::Hash)
}
.runs(hkeys);

fn hkeys(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    all(cx, args, reply, Part::Name)
}

pub(super) const HVALS: DataCommand = Spec {
    name: "hvals",
    usage: "key:key",
    since: "2.0.0",
    summary: "All values of a hash.",
    complexity: "O(N), N the size of the hash",
    tips: &["nondeterministic_output_order"],
    ..Spec::reading(Group::Hash)
}
.runs(hvals);

fn hvals(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    all(cx, args, reply, Part::Value)
}

pub(super) const HRANDFIELD: DataCommand = Spec {
    name: "hrandfield",
    usage: "key:key [options{count:integer [withvalues=WITHVALUES]}]",
    since: "6.2.0",
    summary: "Random fields of a hash.",
    complexity: "O(1) for each field returned",
    tips: &["nondeterministic_output"],
    ..Spec::reading(Group::Hash)
}
.runs(hrandfield);

/// A negative count allows the same field several times.
fn hrandfield(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let one = args.left() == 0;
    let mut part = Part::Name;
    let mut count = 1;
    if !one {
        count = signed_count(args)?;
        if args.left() > 0 {
            if args.left() > 1 || !args.word("WITHVALUES") {
                return Err(CmdError::Syntax);
            }
            part = Part::Both;
            if count.unsigned_abs() > i64::MAX as u64 / 2 {
                return Err(CmdError::OutOfRange);
            }
        }
    }
    let none = |reply: &mut Reply| if one { reply.null() } else { reply.array(0) };
    let Some(found) = cx.db().read(key) else {
        return none(reply);
    };
    let fields = OverdueFields::at(cx, found)?;
    let (now_ms, mut db, rng) = (cx.overdue_ms(), cx.keyspace.db(cx.db), &mut *cx.rng);
    let overdue = db.hash_at(fields.found)?.next_due_ms();
    if overdue.is_some_and(|ms| ms <= now_ms)
        && !db.holds_expired()
        && !db.expire_due_fields(found, usize::MAX)
    {
        return none(reply);
    }
    let hash = db.hash_at(found)?;
    let random = || rng.next_u64();
    if one {
        return match hash.pick(random) {
            Some(field) => reply.item(field.name),
            None => reply.null(),
        };
    }
    many(hash, (count, part), random, reply)
}

fn many(
    hash: HashRef,
    (count, part): (i64, Part),
    mut random: impl FnMut() -> u64,
    reply: &mut Reply,
) -> CmdResult {
    // Pairs stand each in an array of its own, or all in one where there are no nested ones.
    let nested = part == Part::Both && reply.resp != crate::resp::encode::Resp::V2;
    let width = if part == Part::Both && !nested { 2 } else { 1 };
    let write_part = |field: &Field, reply: &mut Reply| {
        if nested {
            reply.array(2)?;
        }
        part.write(field, reply)
    };
    if count < 0 {
        let count = count.unsigned_abs();
        reply.array(count as usize * width)?;
        for _ in 0..count {
            let field = hash.pick(&mut random);
            field.map_or(Ok(()), |field| write_part(&field, reply))?;
        }
        return Ok(());
    }
    let count = (count as usize).min(hash.len());
    reply.array(count * width)?;
    if let HashRef::Table(table) = hash
        && count < hash.len() / 3
    {
        let mut places = hashbrown::HashSet::new();
        while places.len() < count
            && let Some(at) = table.pack().pick(&mut random)
        {
            if places.insert(at)
                && let Some(field) = table.get(at)
            {
                write_part(&field, reply)?;
            }
        }
        return Ok(());
    }
    // Each field is taken with the chance that is left for it, so they keep their order.
    let (mut left, mut wanted) = (hash.len() as u128, count as u128);
    let mut result = Ok(());
    hash.each(|field| {
        if ((random() as u128 * left) >> 64) < wanted && result.is_ok() {
            wanted -= 1;
            result = write_part(&field, reply);
        }
        left -= 1;
    });
    result
}

pub(super) const HSCAN: DataCommand = Spec {
    name: "hscan",
    usage: "key:key cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT] [novalues=NOVALUES]",
    since: "2.8.0",
    summary: "Walks over the fields of a hash.",
    complexity: "O(1) for each call, O(N) for a whole walk",
    tips: &["nondeterministic_output"],
    ..Spec::reading(Group::Hash)
}
.runs(hscan);

fn hscan(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let cursor = scan_options::parse_cursor(args.bytes())?;
    let now_ms = cx.overdue_ms();
    let mut db = cx.db();
    let Some(hash) = db.read_hash(key)? else {
        return scan_options::empty_scan(reply);
    };
    let walk = ScanOptions::parse(args, true)?;
    let mut out = scan_options::ScanReply::new(reply.resp);
    let mut see = |field: Field| {
        if is_overdue(&field, now_ms) || !walk.wants(field.name) {
            return;
        }
        out.push(field.name);
        if !walk.no_values {
            out.push(field.value);
        }
    };
    let next = match hash {
        HashRef::Table(table) => walk.table(cursor, |cursor| {
            let mut visited = 0;
            let next = table.scan(cursor, |field| {
                visited += 1;
                see(field);
            });
            (next, visited)
        }),
        _ => {
            hash.each(see);
            0
        }
    };
    out.write(next, reply)
}
