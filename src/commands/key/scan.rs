//! SCAN, KEYS, RANDOMKEY: finding keys without naming them.

use crate::algo::glob::{self, Case};
use crate::algo::number::parse_u64;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};

/// The most buckets that SCAN visits per requested key, in a table with many holes.
const VISITS_PER_KEY: u64 = 10;

/// The pattern, unless everything matches it.
fn selective(pattern: &[u8]) -> Option<&[u8]> {
    (pattern != b"*").then_some(pattern)
}

fn fits(pattern: Option<&[u8]>, key: &[u8]) -> bool {
    pattern.is_none_or(|pattern| glob::matches(pattern, key, Case::Sensitive))
}

pub(super) const KEYS: DataCommand = Spec {
    name: "keys",
    flags: READONLY,
    acl: &["dangerous"],
    usage: "pattern:pattern",
    since: "1.0.0",
    summary: "The names that match a pattern.",
    complexity: "O(N) with N being the number of keys in the database, under the assumption that the key na",
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    ..Spec::of(Group::Generic)
}
.runs(keys);

fn keys(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let pattern = selective(args.bytes());
    let overdue_ms = cx.overdue_ms();
    let at = reply.deferred();
    let mut count = 0;
    for entry in cx.keyspace.view(cx.db).entries().iter_ahead() {
        let alive = entry.deadline_ms().is_none_or(|ms| ms >= overdue_ms);
        if alive && fits(pattern, entry.key()) {
            reply.bulk(entry.key())?;
            count += 1;
        }
    }
    reply.close_array(at, count)
}

pub(super) const RANDOMKEY: DataCommand = Spec {
    name: "randomkey",
    flags: all(&[READONLY, ARBITRARY_KEYS]),
    since: "1.0.0",
    summary: "The name of some key.",
    complexity: "O(1)",
    tips: &[
        "request_policy:all_shards",
        "response_policy:special",
        "nondeterministic_output",
    ],
    ..Spec::of(Group::Generic)
}
.runs(randomkey);

fn randomkey(cx: &mut Cx, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let holds = !cx.removes_found_overdue();
    let Cx {
        keyspace, rng, db, ..
    } = cx;
    let held = keyspace.shared.hold_expired;
    keyspace.shared.hold_expired |= holds;
    let key = keyspace.db(*db).random_key(|| rng.next_u64());
    keyspace.shared.hold_expired = held;
    match key {
        Some(key) => reply.bulk(&key),
        None => reply.null(),
    }
}

/// A cursor as the SCAN commands accept it.
///
/// As Redis does, what is no plain number is read the way C reads an unsigned one: blanks and a
/// sign before it are fine, and a minus wraps around.
pub(in crate::commands) fn parse_cursor(text: &[u8]) -> Result<u64, CmdError> {
    const INVALID: CmdError = CmdError::Fixed("ERR invalid cursor");
    if let Some(cursor) = parse_u64(text) {
        return Ok(cursor);
    }
    if crate::algo::number::parse_i64(text).is_some() {
        return Err(INVALID);
    }
    // A C string ends at its first zero.
    let text = text.split(|&b| b == 0).next().unwrap_or(b"");
    let blank = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().take_while(|b| blank(b)).count()..];
    let (minus, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() {
        return Err(INVALID);
    }
    let digit = |sum: Option<u64>, b: &u8| match b {
        b'0'..=b'9' => sum?.checked_mul(10)?.checked_add((b - b'0') as u64),
        _ => None,
    };
    let value = digits.iter().fold(Some(0), digit).ok_or(INVALID)?;
    Ok(if minus { value.wrapping_neg() } else { value })
}

/// The options of SCAN besides the cursor.
struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: u64,
    kind: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Options<'a>, CmdError> {
        let mut o = Options {
            pattern: None,
            count: 10,
            kind: None,
        };
        while args.left() > 1 {
            if args.word("COUNT") {
                let count = args.int()?;
                if count < 1 {
                    return Err(CmdError::Syntax);
                }
                o.count = count as u64;
            } else if args.word("MATCH") {
                o.pattern = selective(args.bytes());
            } else if args.word("TYPE") {
                o.kind = Some(args.bytes());
            } else {
                return Err(CmdError::Syntax);
            }
        }
        args.end()?;
        Ok(o)
    }
}

pub(super) const SCAN: DataCommand = Spec {
    name: "scan",
    flags: all(&[READONLY, ARBITRARY_KEYS]),
    usage: "cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT] [type:string@TYPE!6.0.0]",
    since: "2.8.0",
    summary: "Walks over all keys, a few at a time.",
    complexity: "O(1) for every call",
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    history: &[("6.0.0", "Takes TYPE.")],
    ..Spec::of(Group::Generic)
}
.runs(scan);

/// A type that does not exist has no keys.
fn scan(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut cursor = parse_cursor(args.bytes())?;
    let o = Options::parse(args)?;
    let overdue_ms = cx.overdue_ms();
    let mut text = Vec::new();
    let mut items = Reply::new(&mut text, reply.resp);
    let (mut visited, mut found, mut overdue) = (0, 0, Vec::new());
    let mut visits = o.count.saturating_mul(VISITS_PER_KEY);
    loop {
        let entries = cx.keyspace.view(cx.db).entries();
        cursor = entries.scan(cursor, |entry| {
            visited += 1;
            let key = entry.key();
            if !fits(o.pattern, key) {
                return;
            }
            // Overdue keys are removed even if their type does not match.
            if entry.deadline_ms().is_some_and(|ms| ms < overdue_ms) {
                overdue.push(key.to_vec());
                return;
            }
            let name = entry.kind().name().as_bytes();
            if o.kind.is_none_or(|kind| name.eq_ignore_ascii_case(kind)) {
                items.bulk(key).expect("replies go to memory");
                found += 1;
            }
        });
        visits -= 1;
        if cursor == 0 || visits == 0 || visited >= o.count {
            break;
        }
    }
    if cx.removes_found_overdue() {
        for key in overdue {
            // A lookup removes it.
            cx.db().peek(&key);
        }
    }
    reply.array(2)?;
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes())?;
    reply.array(found)?;
    reply.raw(&text)
}

#[cfg(test)]
mod tests {
    use super::parse_cursor;
    use crate::algo::number::parse_u64;
    use crate::engine::Engine;
    use std::collections::BTreeSet;

    /// All keys that a full walk with these options returns, and how many calls it took.
    fn walk(e: &mut Engine, options: &str) -> (BTreeSet<String>, usize) {
        let (mut cursor, mut all, mut calls) = (0, BTreeSet::new(), 0);
        loop {
            let answer = e.ask(&format!("SCAN {cursor} {options}"));
            let mut words = answer.split(' ').filter(|w| !w.starts_with(['*', '$']));
            let next = words.next().expect("a cursor");
            all.extend(words.map(str::to_owned));
            cursor = parse_u64(next.as_bytes()).expect("a number");
            calls += 1;
            if cursor == 0 {
                return (all, calls);
            }
        }
    }

    #[test]
    fn a_walk_sees_all_keys_and_no_expired_ones() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        let names: BTreeSet<String> = (0..1000).map(|n| format!("key:{n}")).collect();
        for name in &names {
            e.ask(&format!("SET {name} v"));
        }
        e.ask("SET gone v PX 5");
        e.advance_ms(6);
        let (seen, calls) = walk(&mut e, "COUNT 10");
        assert_eq!(seen, names);
        assert!((20..200).contains(&calls), "{calls} calls");
        assert_eq!(e.ask("DBSIZE"), ":1000", "the walk removed the expired one");
        e.ask("SET gone v PX 5");
        e.advance_ms(6);
        walk(&mut e, "MATCH key:1 COUNT 100");
        assert_eq!(e.ask("DBSIZE"), ":1001", "its name does not match");
        walk(&mut e, "MATCH g* TYPE list COUNT 100");
        assert_eq!(
            e.ask("DBSIZE"),
            ":1000",
            "its type does not match, but it is overdue"
        );
        assert_eq!(walk(&mut e, "MATCH key:99* COUNT 100").0.len(), 11);
        assert_eq!(walk(&mut e, "TYPE STRING").0, names);
        assert_eq!(walk(&mut e, "TYPE nosuch").0.len(), 0);
        let (_, calls) = walk(&mut e, "COUNT 100000");
        assert_eq!(calls, 1);
    }

    #[test]
    fn mistakes_are_judged_from_left_to_right() {
        let mut e = Engine::new();
        for (line, error) in [
            ("SCAN x COUNT 0", "-ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            (
                "SCAN 0 COUNT x FOO 1",
                "-ERR value is not an integer or out of range",
            ),
            ("SCAN 0 FOO 1 COUNT x", "-ERR syntax error"),
            ("SCAN 0 MATCH", "-ERR syntax error"),
        ] {
            assert_eq!(e.ask(line), error, "{line}");
        }
        for (text, cursor) in [("+1", 1), (" 01", 1), ("-01", u64::MAX)] {
            assert_eq!(parse_cursor(text.as_bytes()).ok(), Some(cursor));
        }
        for text in ["", "-1", "1 ", "x", "99999999999999999999"] {
            assert!(parse_cursor(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_and_randomkey_hide_expired_keys() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("MSET one 1 two 2");
        e.ask("SET gone v PX 5");
        e.advance_ms(6);
        assert!(e.ask("KEYS *").starts_with("*2 "));
        assert_eq!(e.ask("KEYS t[v-x]?"), "*1 $3 two");
        assert_eq!(e.ask("KEYS gone"), "*0");
        e.ask("DEL one");
        assert_eq!(e.ask("RANDOMKEY"), "$3 two");
        e.ask("DEL two");
        assert_eq!(e.ask("RANDOMKEY"), "$-1");
    }
}
