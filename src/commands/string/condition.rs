//! Conditions on the value of a string, as in SET and DELEX, and the digest they compare.
//!
//! The digest is XXH3 of 64 bits with seed 0 (<https://github.com/Cyan4973/xxHash>), written as 16
//! lower-case hexadecimal digits; an integer is digested as its decimal text.

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::RemovalReason;
use crate::keyspace::string::StringRef;
use crate::resp::request::Argv;
use crate::types::value::Kind;
use xxhash_rust::xxh3::xxh3_64;

/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;

/// Whether a word is the option of a condition, in any case.
pub(super) fn is_word(word: &[u8]) -> bool {
    Condition::of_option(word, b"").is_some()
}

/// A condition on the value at a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition<'a> {
    Equal(&'a [u8]),
    NotEqual(&'a [u8]),
    DigestEqual(&'a [u8]),
    DigestNotEqual(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// The condition that an option announces and its argument completes.
    pub fn of_option(word: &[u8], argument: &'a [u8]) -> Option<Condition<'a>> {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        Some(match () {
            _ if is(b"IFEQ") => Condition::Equal(argument),
            _ if is(b"IFNE") => Condition::NotEqual(argument),
            _ if is(b"IFDEQ") => Condition::DigestEqual(argument),
            _ if is(b"IFDNE") => Condition::DigestNotEqual(argument),
            _ => return None,
        })
    }

    /// Whether two conditions are given by the same option, of which the last one holds.
    pub fn is_like(self, other: Condition) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// Whether it holds without a value: nothing differs from everything.
    pub fn holds_for_nothing(self) -> bool {
        matches!(self, Condition::NotEqual(_) | Condition::DigestNotEqual(_))
    }

    /// Whether it holds for a value.
    ///
    /// # Errors
    /// The digest has not 16 digits.
    pub fn holds_for(self, value: StringRef) -> Result<bool, CmdError> {
        let mut buffer = itoa::Buffer::new();
        let text = value.as_bytes(&mut buffer);
        Ok(match self {
            Condition::Equal(wanted) => text == wanted,
            Condition::NotEqual(unwanted) => text != unwanted,
            Condition::DigestEqual(wanted) => has_digest(text, wanted)?,
            Condition::DigestNotEqual(unwanted) => !has_digest(text, unwanted)?,
        })
    }
}

fn digest_of(text: &[u8]) -> [u8; DIGITS] {
    let mut digits = [0; DIGITS];
    let mut rest = xxh3_64(text);
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
    digits
}

/// Whether a text has this digest. As in Redis, what is no hexadecimal digit equals none.
fn has_digest(text: &[u8], digest: &[u8]) -> Result<bool, CmdError> {
    if digest.len() != DIGITS {
        return Err(CmdError::Fixed(
            "ERR must be exactly 16 hexadecimal characters",
        ));
    }
    Ok(digest_of(text).eq_ignore_ascii_case(digest))
}

pub(super) const DIGEST: DataCommand = Spec {
    name: "digest",
    usage: "key:key",
    since: "8.4.0",
    summary: "The XXH3 digest of the string at a key.",
    complexity: "O(N) where N is the length of the string value.",
    ..Spec::reading_fast(Group::String)
}
.runs(digest);

fn digest(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let Some(value) = db.string(args.key())? else {
        return reply.null();
    };
    let mut buffer = itoa::Buffer::new();
    reply.bulk(&digest_of(value.as_bytes(&mut buffer)))
}

/// The key of DELEX, whose value matters only under a condition.
fn key_of_delex(argv: &Argv, found: &mut Vec<(usize, KeyFlags)>) -> Result<(), InvalidKeys> {
    let flags = match argv.from(2).iter().any(is_word) {
        true => key_flags(&[RW, DELETE]),
        false => key_flags(&[RM, DELETE]),
    };
    found.push((1, flags));
    Ok(())
}

pub(super) const DELEX: DataCommand = Spec {
    name: "delex",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE, VARIABLE_FLAGS])],
    find: Some(key_of_delex),
    usage: "key:key [condition(ifeq-value:string@IFEQ|ifne-value:string@IFNE|ifdeq-digest:string@IFDEQ|ifdne-digest:string@IFDNE)]",
    since: "8.4.0",
    summary: "Deletes a key, or only if its string has a value or digest.",
    complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
    ..Spec::of(Group::String)
}
.runs(delex);

fn delex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const NO_STRING: CmdError =
        CmdError::Fixed("ERR Key should be of string type if conditions are specified");
    const UNKNOWN: CmdError =
        CmdError::Fixed("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    let key = args.key();
    let is_plain = args.left() == 0;
    if !is_plain && args.left() != 2 {
        return Err(CmdError::arity(DELEX.name()));
    }
    let mut db = cx.db();
    let found = match is_plain {
        true => db.write(key),
        false => db.read(key),
    };
    let Some(found) = found else {
        return reply.int(0);
    };
    if !is_plain {
        if db.get(found).kind() != Kind::String {
            return Err(NO_STRING);
        }
        let (word, argument) = (args.bytes(), args.bytes());
        let condition = Condition::of_option(word, argument).ok_or(UNKNOWN)?;
        if !condition.holds_for(db.string_at(found)?)? {
            return reply.int(0);
        }
    }
    db.remove(found, RemovalReason::Deleted);
    if !is_plain {
        cx.propagate_as([b"DEL".as_slice(), key]);
    }
    cx.changed(Event::DEL, key);
    reply.int(1)
}

pub(super) const DELIFEQ: DataCommand = Spec {
    name: "delifeq",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RM, DELETE])],
    usage: "key:key value:string",
    since: "9.0.0",
    of_valkey: true,
    summary: "Deletes a key if its string has a value.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(delifeq);

fn delifeq(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, value) = (args.key(), args.bytes());
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        return reply.int(0);
    };
    if !Condition::Equal(value).holds_for(db.string_at(found)?)? {
        return reply.int(0);
    }
    db.remove(found, RemovalReason::Deleted);
    cx.propagate_as([b"DEL".as_slice(), key]);
    cx.changed(Event::DEL, key);
    reply.int(1)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn delifeq_deletes_one_value() {
        let mut e = Engine::new();
        e.ask("SET k 10");
        assert_eq!(e.ask("DELIFEQ k 1"), ":0");
        assert_eq!(e.ask("DELIFEQ k 10"), ":1");
        assert_eq!(e.outcome().events_text(), "del k");
        assert_eq!(e.ask("DELIFEQ k 10"), ":0");
        e.ask("RPUSH l a");
        assert!(e.ask("DELIFEQ l a").starts_with("-WRONGTYPE"));
    }

    #[test]
    fn set_compares_with_the_value_or_its_digest() {
        let mut e = Engine::new();
        assert_eq!(e.ask("SET k v IFEQ x"), "$-1");
        assert_eq!(e.ask("SET k v IFDEQ 00"), "$-1");
        assert_eq!(e.ask("SET k abc IFNE x"), "+OK");
        assert_eq!(e.ask("DIGEST k"), "$16 78af5f94892f3950");
        assert_eq!(e.ask("SET k b IFEQ x"), "$-1");
        assert_eq!(e.ask("SET k b IFEQ x IFEQ abc GET"), "$3 abc");
        assert_eq!(e.outcome().propagated_text(), "SET k b IFEQ x IFEQ abc");
        assert_eq!(
            e.ask("SET k c IFDEQ 00"),
            "-ERR must be exactly 16 hexadecimal characters"
        );
        assert_eq!(
            e.ask("SET k c IFDEQ 00 GET"),
            "-ERR must be exactly 16 hexadecimal characters"
        );
        assert_eq!(e.ask("SET k c IFDEQ zzzzzzzzzzzzzzzz"), "$-1");
        for clash in [
            "NX IFEQ b",
            "IFEQ b NX",
            "IFEQ b IFNE b",
            "IFEQ",
            "XX IFDNE b",
        ] {
            assert_eq!(e.ask(&format!("SET k c {clash}")), "-ERR syntax error");
        }
        e.ask("SET n 100");
        assert_eq!(e.ask("SET n 1 IFDEQ E3CD843A18868415"), "+OK");
        e.ask("RPUSH l a");
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(e.ask("SET l v IFEQ a"), wrong);
        assert_eq!(e.ask("SET l v IFNE a"), wrong);
        assert_eq!(e.ask("DIGEST l"), wrong);
        assert_eq!(e.ask("DIGEST none"), "$-1");
    }

    #[test]
    fn delex_is_propagated_as_what_it_did() {
        let mut e = Engine::new();
        e.ask("SET k v");
        assert_eq!(e.ask("DELEX k IFEQ w"), ":0");
        assert_eq!(e.outcome().propagated_text(), "");
        assert_eq!(e.ask("DELEX k IFNE w"), ":1");
        assert_eq!(e.outcome().propagated_text(), "DEL k");
        assert_eq!(e.outcome().events_text(), "del k");
        assert_eq!(e.ask("DELEX k WHAT v"), ":0");
        e.ask("SET k v");
        assert_eq!(
            e.ask("DELEX k WHAT v"),
            "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"
        );
        assert_eq!(
            e.ask("DELEX k IFEQ"),
            "-ERR wrong number of arguments for 'delex' command"
        );
        e.ask("RPUSH l a");
        assert_eq!(
            e.ask("DELEX l WHAT a"),
            "-ERR Key should be of string type if conditions are specified"
        );
        assert_eq!(e.ask("DELEX l"), ":1");
        assert_eq!(e.outcome().propagated_text(), "DELEX l");
    }
}
