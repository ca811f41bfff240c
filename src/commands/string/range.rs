//! APPEND, GETRANGE, SETRANGE, STRLEN: parts of strings.

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::string;

pub(super) const APPEND: DataCommand = Spec {
    name: "append",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    usage: "key:key value:string",
    since: "2.0.0",
    summary: "Appends to the string at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(append);

fn append(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, tail) = (args.key(), args.bytes());
    let max = cx.tuning.max_string;
    let mut db = cx.db();
    let len = match db.write(key) {
        Some(found) => {
            let old = db.string_at(found)?.len();
            if old + tail.len() > max {
                return Err(CmdError::TooLong);
            }
            db.append(found, tail)
        }
        None => {
            db.add(key, string::encode(tail), None);
            cx.also(Event::NEW, key);
            tail.len()
        }
    };
    cx.changed(Event::APPEND, key);
    reply.int(len as i64)
}

pub(super) const STRLEN: DataCommand = Spec {
    name: "strlen",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    usage: "key:key",
    since: "2.2.0",
    summary: "The length of the string at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(strlen);

fn strlen(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let len = cx.db().string(args.key())?.map_or(0, |value| value.len());
    reply.int(len as i64)
}

pub(super) const SETRANGE: DataCommand = Spec {
    name: "setrange",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key offset:integer value:string",
    since: "2.2.0",
    summary: "Overwrites part of the string at a key.",
    complexity: "O(1), not counting the time taken to copy the new string in place",
    ..Spec::of(Group::String)
}
.runs(setrange);

/// The string grows with zeros up to the offset.
fn setrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, offset, value) = (args.key(), args.int()?, args.bytes());
    let Ok(offset) = usize::try_from(offset) else {
        return Err(CmdError::Fixed("ERR offset is out of range"));
    };
    let max = cx.tuning.max_string;
    let mut db = cx.db();
    let found = db.write(key);
    let old = match found {
        Some(found) => db.string_at(found)?.len(),
        None => 0,
    };
    if value.is_empty() {
        return reply.int(old as i64);
    }
    let end = offset
        .checked_add(value.len())
        .filter(|&end| end <= max)
        .ok_or(CmdError::TooLong)?;
    let at = match found {
        Some(found) => found,
        None => db.add(key, string::raw(b""), None),
    };
    let len = db.change_bytes(at, end, |bytes| {
        bytes[offset..end].copy_from_slice(value);
        bytes.len()
    });
    if found.is_none() {
        cx.also(Event::NEW, key);
    }
    cx.changed(Event::SETRANGE, key);
    reply.int(len as i64)
}

/// The part of `text` from `start` to `end`, both included; negative indexes count from the end.
fn slice_clamped(text: &[u8], start: i64, end: i64) -> &[u8] {
    let len = text.len() as i64;
    // As Redis does: a reversed pair of negative indexes is empty before they are clamped.
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let clamp = |n: i64| if n < 0 { (n + len).max(0) } else { n };
    let (start, end) = (clamp(start), clamp(end).min(len - 1));
    if len == 0 || start > end {
        b""
    } else {
        &text[start as usize..=end as usize]
    }
}

pub(super) const GETRANGE: DataCommand = Spec {
    name: "getrange",
    usage: "key:key start:integer end:integer",
    since: "2.4.0",
    summary: "A slice of the string at a key.",
    complexity: "O(N) where N is the length of the returned string",
    ..Spec::reading(Group::String)
}
.runs(getrange);

pub(super) const SUBSTR: DataCommand = Spec {
    name: "substr",
    usage: "key:key start:integer end:integer",
    since: "1.0.0",
    summary: "A slice of the string at a key.",
    complexity: "O(N) where N is the length of the returned string",
    deprecated: deprecated("2.0.0", "`GETRANGE`"),
    ..Spec::reading(Group::String)
}
.runs(getrange);

/// Out-of-range indexes are clamped; an empty slice is an empty string, never nil.
fn getrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, start, end) = (args.key(), args.int()?, args.int()?);
    let mut db = cx.db();
    let Some(text) = db.string(key)? else {
        return reply.bulk(b"");
    };
    reply.bulk(slice_clamped(
        text.as_bytes(&mut itoa::Buffer::new()),
        start,
        end,
    ))
}

#[cfg(test)]
mod tests {
    use super::slice_clamped;

    #[test]
    fn slices_clamp_like_redis() {
        let cases: [(i64, i64, &[u8]); 7] = [
            (0, -1, b"hello"),
            (-3, -1, b"llo"),
            (1, 1, b"e"),
            (3, 1, b""),
            (-1, -5, b""),
            (-100, 2, b"hel"),
            (5, i64::MAX, b""),
        ];
        for (start, end, expected) in cases {
            assert_eq!(
                slice_clamped(b"hello", start, end),
                expected,
                "{start} {end}"
            );
        }
        assert_eq!(slice_clamped(b"", 0, -1), b"");
        assert_eq!(slice_clamped(b"a", i64::MIN, i64::MAX), b"a");
    }

    #[test]
    fn changing_in_place_makes_raw() {
        let mut e = crate::engine::Engine::new();
        e.ask("SET a 12");
        assert_eq!(e.ask("APPEND a 3"), ":3");
        assert_eq!(e.ask("OBJECT ENCODING a"), "$3 raw");
        assert_eq!(e.ask("SETRANGE a 5 x"), ":6");
        assert_eq!(e.run(&["GET", "a"]), b"$6\r\n123\0\0x\r\n");
        assert_eq!(e.ask("SETRANGE b 5 \"\""), ":0");
        assert_eq!(
            (e.ask("EXISTS b"), e.ask("STRLEN a")),
            (":0".into(), ":6".into())
        );
        assert_eq!(e.ask("SETRANGE a -1 x"), "-ERR offset is out of range");
        let error = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        assert_eq!(e.ask("SETRANGE a 536870912 x"), error);
        e.tuning().max_string = 7;
        assert_eq!(e.ask("APPEND a 78"), error);
    }
}
