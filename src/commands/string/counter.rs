//! INCR and its relatives: numbers kept as strings.

use crate::algo::number::{NumberError, add_decimal};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::string;
use crate::types::entry::NewValue;

/// Decrements are published as `incrby`, too.
fn add(cx: &mut Cx, args: &mut Args, reply: &mut Reply, by: i64) -> CmdResult {
    let key = args.argv().at(1);
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        db.add(key, NewValue::Int(by), None);
        cx.also(Event::NEW, key);
        cx.changed(Event::INCRBY, key);
        return reply.int(by);
    };
    let old = db.string_at(found)?.as_int().ok_or(CmdError::NotInteger)?;
    let new = old.checked_add(by).ok_or(CmdError::Overflow)?;
    if !db.set_int(found, new) {
        db.replace(found, NewValue::Int(new));
    }
    cx.changed(Event::INCRBY, key);
    reply.int(new)
}

pub(super) const INCR: DataCommand = Spec {
    name: "incr",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key",
    since: "1.0.0",
    summary: "Adds one to the integer at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(incr);

fn incr(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    add(cx, args, reply, 1)
}

pub(super) const DECR: DataCommand = Spec {
    name: "decr",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key",
    since: "1.0.0",
    summary: "Subtracts one from the integer at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(decr);

fn decr(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    add(cx, args, reply, -1)
}

pub(super) const INCRBY: DataCommand = Spec {
    name: "incrby",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key increment:integer",
    since: "1.0.0",
    summary: "Adds to the integer at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(incrby);

fn incrby(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    args.key();
    let by = args.int()?;
    add(cx, args, reply, by)
}

pub(super) const DECRBY: DataCommand = Spec {
    name: "decrby",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key decrement:integer",
    since: "1.0.0",
    summary: "Subtracts from the integer at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(decrby);

fn decrby(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    args.key();
    let by = args.int()?;
    let by = by
        .checked_neg()
        .ok_or(CmdError::Fixed("ERR decrement would overflow"))?;
    add(cx, args, reply, by)
}

pub(super) const INCRBYFLOAT: DataCommand = Spec {
    name: "incrbyfloat",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key increment:double",
    since: "2.6.0",
    summary: "Adds to the decimal number at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(incrbyfloat);

/// INCRBYFLOAT key increment, with the digits of 80-bit arithmetic.
fn incrbyfloat(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, by) = (args.key(), args.bytes());
    let mut db = cx.db();
    let found = db.write(key);
    let mut buffer = itoa::Buffer::new();
    let old = match found {
        Some(found) => db.string_at(found)?.as_bytes(&mut buffer),
        None => b"0",
    };
    let sum = add_decimal(old, by).map_err(|error| match error {
        NumberError::NotAFloat => CmdError::NotFloat,
        NumberError::NanOrInfinity => CmdError::NotFinite,
    })?;
    let value = string::text(&sum);
    match found {
        Some(found) => db.replace(found, value),
        None => {
            db.add(key, value, None);
        }
    }
    if found.is_none() {
        cx.also(Event::NEW, key);
    }
    cx.changed(Event::INCRBYFLOAT, key);
    cx.propagate_as([b"SET".as_slice(), key, &sum, b"KEEPTTL"]);
    reply.bulk(&sum)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn counters_are_strict_about_numbers() {
        let mut e = Engine::new();
        assert_eq!(e.ask("DECR n"), ":-1");
        assert_eq!(e.outcome().events_text(), "new n, incrby n");
        assert_eq!(e.ask("INCRBY n 11"), ":10");
        assert_eq!(
            e.ask("DECRBY n -9223372036854775808"),
            "-ERR decrement would overflow"
        );
        e.ask("SET n 9223372036854775807");
        assert_eq!(
            e.ask("INCR n"),
            "-ERR increment or decrement would overflow"
        );
        e.ask("SET n 012");
        assert_eq!(
            e.ask("INCR n"),
            "-ERR value is not an integer or out of range"
        );
    }

    #[test]
    fn floats_are_propagated_as_results() {
        let mut e = Engine::new();
        e.ask("SET f 10.50");
        assert_eq!(e.ask("INCRBYFLOAT f 0.1"), "$4 10.6");
        assert_eq!(e.outcome().propagated_text(), "SET f 10.6 KEEPTTL");
        assert_eq!(e.ask("INCRBYFLOAT f 5.0e3"), "$22 5010.60000000000000009");
        assert_eq!(e.ask("INCRBYFLOAT f x"), "-ERR value is not a valid float");
        assert_eq!(e.ask("OBJECT ENCODING f"), "$6 embstr");
    }
}
