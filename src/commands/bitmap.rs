//! Bitmaps: SETBIT, GETBIT, BITCOUNT, BITPOS and BITOP, on strings seen as bits.
//!
//! Bit 0 is the highest of the first byte. Counting and searching go by 64-bit words, BITOP by
//! blocks that stay in the first cache while one source after the other is folded in.

use crate::algo::wide;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::put;
use crate::keyspace::string::{self, StringRef};
use crate::keyspace::{Deadline, Found, RemovalReason};
use crate::types::entry::INLINE_MAX;
use crate::types::value::Kind;
use smallvec::SmallVec;

pub static TABLE: &[DataCommand] = &[SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP];

/// A bit offset: not negative, and within the longest string.
pub(super) fn bit_offset(cx: &Cx, offset: Option<i64>) -> Result<u64, CmdError> {
    let max = cx.tuning.max_string as u64;
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| cx.caller.must_obey || offset >> 3 < max)
        .ok_or(CmdError::Fixed(
            "ERR bit offset is not an integer or out of range",
        ))
}

/// The string at a key, made where there is none, grown to `len` bytes: what SETBIT and BITFIELD
/// write into. Tells whether it is longer now.
pub(super) fn writable(cx: &mut Cx, key: &[u8], len: usize) -> Result<(Found, bool), CmdError> {
    let mut db = cx.db();
    if let Some(found) = db.write(key) {
        let grows = db.string_at(found)?.len() < len;
        return Ok((found, grows));
    }
    let found = db.add(key, string::raw(b""), None);
    cx.also(Event::NEW, key);
    Ok((found, true))
}

const SETBIT: DataCommand = Spec {
    name: "setbit",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key offset:integer value:integer",
    since: "2.2.0",
    summary: "Sets or clears one bit of a string, which grows as needed.",
    complexity: "O(1)",
    ..Spec::of(Group::Bitmap)
}
.runs(setbit);

fn setbit(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const BAD_BIT: CmdError = CmdError::Fixed("ERR bit is not an integer or out of range");
    let key = args.key();
    let offset = bit_offset(cx, args.int().ok())?;
    let bit = match args.int() {
        Ok(0) => 0u8,
        Ok(1) => 1,
        _ => return Err(BAD_BIT),
    };
    let (byte, shift) = ((offset >> 3) as usize, 7 - (offset & 7));
    let (found, grows) = writable(cx, key, byte + 1)?;
    let old = cx.db().change_bytes(found, byte + 1, |bytes| {
        let old = bytes[byte] >> shift & 1;
        bytes[byte] = bytes[byte] & !(1 << shift) | bit << shift;
        old
    });
    if grows || old != bit {
        cx.changed(Event::SETBIT, key);
    }
    reply.int(old as i64)
}

const GETBIT: DataCommand = Spec {
    name: "getbit",
    usage: "key:key offset:integer",
    since: "2.2.0",
    summary: "One bit of a string.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Bitmap)
}
.runs(getbit);

fn getbit(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let offset = bit_offset(cx, args.int().ok())?;
    let mut db = cx.db();
    let Some(text) = db.string(key)? else {
        return reply.int(0);
    };
    let mut buffer = itoa::Buffer::new();
    let byte = text.as_bytes(&mut buffer).get((offset >> 3) as usize);
    let bit = byte.map_or(0, |byte| byte >> (7 - (offset & 7)) & 1);
    reply.int(bit as i64)
}

/// The unit in which the indexes of a range count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(args: &mut Args) -> Result<Unit, CmdError> {
        if args.word("BIT") {
            Ok(Unit::Bit)
        } else if args.word("BYTE") {
            Ok(Unit::Byte)
        } else {
            Err(CmdError::Syntax)
        }
    }
}

/// The bits from `first` up to but not including `end` that a range means in a string of `len`
/// bytes; `None` if there are none.
fn bits_of_range(start: i64, end: i64, unit: Unit, len: usize) -> Option<(usize, usize)> {
    let total = match unit {
        Unit::Byte => len as i64,
        Unit::Bit => len as i64 * 8,
    };
    let clamp = |n: i64| if n < 0 { (n + total).max(0) } else { n };
    let (start, end) = (clamp(start), clamp(end).min(total - 1));
    if start > end {
        return None;
    }
    let (start, end) = (start as usize, end as usize + 1);
    Some(match unit {
        Unit::Byte => (start * 8, end * 8),
        Unit::Bit => (start, end),
    })
}

/// Calls `visit` with the big-endian words that cover the bits `first..end`, bits outside replaced
/// by zeros, and with the number of each word's first bit, until it returns a value.
fn visit_words<R>(
    bytes: &[u8],
    (first, end): (usize, usize),
    mut visit: impl FnMut(u64, u64, usize) -> Option<R>,
) -> Option<R> {
    let mut at = first / 64 * 64;
    while at < end {
        let tail = &bytes[at / 8..];
        let word = match tail.first_chunk::<8>() {
            Some(word) => u64::from_be_bytes(*word),
            None => {
                let mut word = [0; 8];
                word[..tail.len()].copy_from_slice(tail);
                u64::from_be_bytes(word)
            }
        };
        let mut mask = u64::MAX;
        if at < first {
            mask >>= first - at;
        }
        if end - at < 64 {
            mask &= !(u64::MAX >> (end - at));
        }
        if let Some(result) = visit(word, mask, at) {
            return Some(result);
        }
        at += 64;
    }
    None
}

fn count_ones(bytes: &[u8], (first, end): (usize, usize)) -> u64 {
    // The whole bytes between the ragged ends.
    let (from, to) = (first.div_ceil(8), end / 8);
    if from >= to {
        return count_ragged(bytes, (first, end));
    }
    let middle = wide::count_ones(&bytes[from..to]);
    count_ragged(bytes, (first, from * 8)) + middle + count_ragged(bytes, (to * 8, end))
}

fn count_ragged(bytes: &[u8], bits: (usize, usize)) -> u64 {
    let mut count = 0;
    visit_words(bytes, bits, |word, mask, _| {
        count += (word & mask).count_ones() as u64;
        None::<()>
    });
    count
}

/// The first bit with this value among `bits`.
fn find_bit(bytes: &[u8], (first, end): (usize, usize), set: bool) -> Option<usize> {
    let visit = |word: u64, mask: u64, at: usize| {
        let hits = if set { word & mask } else { !word & mask };
        (hits != 0).then(|| at + hits.leading_zeros() as usize)
    };
    // The first word is most often enough, or the end of a ragged one; what lies behind is skipped by
    // whole bytes.
    let near = end.min((first / 64 + 1) * 64);
    let found = visit_words(bytes, (first, near), visit);
    if found.is_some() || near == end {
        return found;
    }
    let skipped = wide::leading_run(
        &bytes[near / 8..end.div_ceil(8)],
        if set { 0 } else { 0xff },
    );
    visit_words(bytes, (near + skipped * 8, end), visit)
}

const BITCOUNT: DataCommand = Spec {
    name: "bitcount",
    usage: "key:key [range{start:integer [end-unit-block{end:integer [unit(byte=BYTE|bit=BIT)!7.0.0]}]}]",
    since: "2.6.0",
    summary: "Counts the bits that are set in a string.",
    complexity: "O(N)",
    history: &[("7.0.0", "Takes BYTE and BIT.")],
    ..Spec::reading(Group::Bitmap)
}
.runs(bitcount);

fn bitcount(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let (mut start, mut end, mut unit) = (0, -1, Unit::Byte);
    match args.left() {
        0 => {}
        // As in Valkey, a start alone reaches to the end; what is no number is refused as in Redis.
        1 => start = args.int().map_err(|_| CmdError::Syntax)?,
        2 => (start, end) = (args.int()?, args.int()?),
        3 => {
            (start, end) = (args.int()?, args.int()?);
            unit = Unit::parse(args)?;
        }
        _ => return Err(CmdError::Syntax),
    }
    let mut db = cx.db();
    let Some(text) = db.string(key)? else {
        return reply.int(0);
    };
    let mut buffer = itoa::Buffer::new();
    let bytes = text.as_bytes(&mut buffer);
    // As Redis does, and unlike BITPOS: a reversed pair of negative indexes is empty before they are
    // clamped.
    if start < 0 && end < 0 && start > end {
        return reply.int(0);
    }
    let bits = bits_of_range(start, end, unit, bytes.len());
    reply.int(bits.map_or(0, |bits| count_ones(bytes, bits)) as i64)
}

const BITPOS: DataCommand = Spec {
    name: "bitpos",
    usage: "key:key bit:integer [range{start:integer [end-unit-block{end:integer [unit(byte=BYTE|bit=BIT)!7.0.0]}]}]",
    since: "2.8.7",
    summary: "The first bit that is set, or clear, in a string.",
    complexity: "O(N)",
    history: &[("7.0.0", "Takes BYTE and BIT.")],
    ..Spec::reading(Group::Bitmap)
}
.runs(bitpos);

fn bitpos(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, bit) = (args.key(), args.int()?);
    if bit != 0 && bit != 1 {
        return Err(CmdError::Fixed("ERR The bit argument must be 1 or 0."));
    }
    let set = bit == 1;
    let (mut start, mut end, mut unit) = (0, -1, Unit::Byte);
    let end_given = args.left() > 1;
    match args.left() {
        0 => {}
        1 => start = args.int()?,
        2 => (start, end) = (args.int()?, args.int()?),
        3 => {
            // As Redis does, the unit is judged before the end.
            let (first, last) = (args.int()?, args.int());
            unit = Unit::parse(args)?;
            (start, end) = (first, last?);
        }
        _ => return Err(CmdError::Syntax),
    }
    let mut db = cx.db();
    let Some(text) = db.string(key)? else {
        return reply.int(if set { -1 } else { 0 });
    };
    let mut buffer = itoa::Buffer::new();
    let bytes = text.as_bytes(&mut buffer);
    let Some(bits) = bits_of_range(start, end, unit, bytes.len()) else {
        return reply.int(-1);
    };
    match find_bit(bytes, bits, set) {
        Some(at) => reply.int(at as i64),
        // Without an end the string goes on with zeros forever.
        None if !set && !end_given => reply.int(bytes.len() as i64 * 8),
        None => reply.int(-1),
    }
}

/// The operation of BITOP; the last four treat the first source differently from the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    And,
    Or,
    Xor,
    Not,
    /// In the first and in none of the others.
    Diff,
    /// In some of the others and not in the first.
    Diff1,
    /// In the first and in some of the others.
    AndOr,
    /// In exactly one.
    One,
}

impl Op {
    fn parse(word: &[u8]) -> Option<Op> {
        const NAMES: [(&str, Op); 8] = [
            ("AND", Op::And),
            ("OR", Op::Or),
            ("XOR", Op::Xor),
            ("NOT", Op::Not),
            ("DIFF", Op::Diff),
            ("DIFF1", Op::Diff1),
            ("ANDOR", Op::AndOr),
            ("ONE", Op::One),
        ];
        let is = |(name, _): &&(&str, Op)| word.eq_ignore_ascii_case(name.as_bytes());
        NAMES.iter().find(is).map(|(_, op)| *op)
    }

    /// Whether something is kept beside the result while sources are folded in.
    fn keeps_beside(self) -> bool {
        matches!(self, Op::Diff | Op::Diff1 | Op::AndOr | Op::One)
    }

    fn check_sources(self, count: usize) -> Result<(), CmdError> {
        let too_few = match self {
            Op::Diff => "ERR BITOP DIFF must be called with at least two source keys.",
            Op::Diff1 => "ERR BITOP DIFF1 must be called with at least two source keys.",
            Op::AndOr => "ERR BITOP ANDOR must be called with at least two source keys.",
            Op::Not if count != 1 => "ERR BITOP NOT must be called with a single source key.",
            _ => return Ok(()),
        };
        if self != Op::Not && count > 1 {
            return Ok(());
        }
        Err(CmdError::Fixed(too_few))
    }
}

const BITOP: DataCommand = Spec {
    name: "bitop",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(2, &[OW, UPDATE]), KeySpec::range(3, -1, 1, &[RO, ACCESS])],
    usage: "operation(and=AND|or=OR|xor=XOR|not=NOT|diff=DIFF|diff1=DIFF1|andor=ANDOR|one=ONE) destkey:key key:key...",
    since: "2.6.0",
    summary: "Combines strings bit by bit and stores the result.",
    complexity: "O(N)",
    ..Spec::of(Group::Bitmap)
}
.runs(bitop);

fn bitop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let op = Op::parse(args.bytes()).ok_or(CmdError::Syntax)?;
    let target = args.key();
    op.check_sources(args.left())?;
    let result = combine_keys(cx, args, op)?;
    let len = result.len();
    if len > 0 {
        let value = match len <= INLINE_MAX {
            true => string::raw(&result),
            false => string::raw_owned(result),
        };
        put(cx, target, value, Kind::String, Deadline::Clear);
        cx.changed(Event::SET, target);
    } else {
        let mut db = cx.db();
        if let Some(found) = db.peek(target) {
            db.remove(found, RemovalReason::Deleted);
            cx.changed(Event::DEL, target);
        }
    }
    reply.int(len as i64)
}

/// Looks up the sources and combines them where they stand.
fn combine_keys(cx: &mut Cx, args: &Args, op: Op) -> Result<Vec<u8>, CmdError> {
    let keys = args.rest();
    let mut db = cx.db();
    let before = db.len();
    let mut found: SmallVec<[Option<Found>; 16]> = SmallVec::new();
    for key in keys.iter() {
        let source = db.read(key);
        if let Some(source) = source {
            db.string_at(source)?;
        }
        found.push(source);
    }
    // An expired key left on the way, so the others may have moved.
    if db.len() != before {
        found = keys.iter().map(|key| db.peek(key)).collect();
    }
    let mut buffers = vec![itoa::Buffer::new(); found.len()];
    let mut sources: SmallVec<[&[u8]; 16]> = SmallVec::new();
    for (found, buffer) in found.iter().zip(&mut buffers) {
        let text = match found {
            Some(found) => db.string_at(*found)?,
            None => StringRef::Text(b""),
        };
        sources.push(text.as_bytes(buffer));
    }
    Ok(combine(op, &sources))
}

/// Bytes worked on at a time: two such blocks and a source stay in the first cache.
const BLOCK: usize = 4096;

/// The sources bit by bit, shorter ones continued with zeros.
fn combine(op: Op, sources: &[&[u8]]) -> Vec<u8> {
    // In exactly one of two is what XOR finds, with nothing to keep beside it.
    let op = match op {
        Op::One if sources.len() == 2 => Op::Xor,
        op => op,
    };
    let len = sources.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut result = Vec::with_capacity(len);
    let (first, others) = sources.split_first().expect("arity asks for a source");
    let mut folded = [0u8; BLOCK];
    for from in (0..len).step_by(BLOCK) {
        let to = len.min(from + BLOCK);
        let part = |source: &'_ [u8]| from.min(source.len())..to.min(source.len());
        result.extend_from_slice(&first[part(first)]);
        result.resize(to, 0);
        let (out, folded) = (&mut result[from..], &mut folded[..to - from]);
        if op.keeps_beside() {
            folded.fill(0);
        }
        for source in others {
            fold(op, out, folded, &source[part(source)]);
        }
        finish(op, out, folded);
    }
    result
}

/// Folds one more source into a block; `folded` is what the operation keeps beside the result.
fn fold(op: Op, out: &mut [u8], folded: &mut [u8], source: &[u8]) {
    match op {
        Op::And => {
            let (covered, rest) = out.split_at_mut(source.len());
            wide::and(covered, source);
            rest.fill(0);
        }
        Op::Or => wide::or(out, source),
        Op::Xor => wide::xor(out, source),
        Op::Diff | Op::Diff1 | Op::AndOr => wide::or(folded, source),
        // `out` is what was seen, `folded` what was seen twice.
        Op::One => wide::note_seen(out, folded, source),
        Op::Not => {}
    }
}

fn finish(op: Op, out: &mut [u8], folded: &[u8]) {
    match op {
        Op::And | Op::Or | Op::Xor => {}
        Op::Not => wide::not(out),
        Op::Diff | Op::One => wide::and_not(out, folded),
        Op::Diff1 => wide::not_and(out, folded),
        Op::AndOr => wide::and(out, folded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    #[test]
    fn bits_are_set_and_read() {
        let mut e = Engine::new();
        assert_eq!(e.ask("SETBIT k 7 1"), ":0");
        assert_eq!(e.outcome().events_text(), "new k, setbit k");
        assert_eq!(e.ask("SETBIT k 7 1"), ":1");
        assert_eq!(e.outcome().dirty, 0, "nothing changed");
        assert_eq!(e.ask("SETBIT k 20 0"), ":0");
        assert_eq!(e.outcome().dirty, 1, "it grew");
        assert_eq!(e.run(&["GET", "k"]), b"$3\r\n\x01\0\0\r\n");
        assert_eq!(e.ask("GETBIT k 7"), ":1");
        assert_eq!(e.ask("GETBIT k 4000000000"), ":0");
        let error = "-ERR bit offset is not an integer or out of range";
        assert_eq!(e.ask("SETBIT k 4294967296 1"), error);
        assert_eq!(e.ask("GETBIT k -1"), error);
        assert_eq!(
            e.ask("SETBIT k 0 2"),
            "-ERR bit is not an integer or out of range"
        );
    }

    #[test]
    fn counting_and_searching_agree_with_a_walk_over_the_bits() {
        let mut rng = crate::algo::rng::Rng::new(3);
        for len in [0, 1, 7, 8, 9, 64, 100] {
            let mut bytes = vec![0; len];
            rng.fill(&mut bytes);
            let bit = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1 == 1;
            for _ in 0..200 {
                let end = rng.index(len * 8 + 1);
                let first = rng.index(end + 1);
                let ones = (first..end).filter(|&at| bit(at)).count() as u64;
                assert_eq!(
                    count_ones(&bytes, (first, end)),
                    ones,
                    "{len} {first} {end}"
                );
                for set in [false, true] {
                    let found = (first..end).find(|&at| bit(at) == set);
                    assert_eq!(find_bit(&bytes, (first, end), set), found);
                }
            }
        }
    }

    #[test]
    fn a_clear_bit_is_found_behind_the_string_only_without_an_end() {
        let mut e = Engine::new();
        e.run(&[b"SET".as_slice(), b"k", b"\xff\xff"]);
        assert_eq!(e.ask("BITPOS k 0"), ":16");
        assert_eq!(e.ask("BITPOS k 0 1"), ":16");
        assert_eq!(e.ask("BITPOS k 0 0 -1"), ":-1");
        assert_eq!(e.ask("BITPOS k 1 3 10 BIT"), ":3");
        assert_eq!(e.ask("BITPOS nokey 0"), ":0");
        assert_eq!(e.ask("BITPOS nokey 1"), ":-1");
    }

    #[test]
    fn bitop_agrees_with_the_definitions_byte_by_byte() {
        let mut rng = crate::algo::rng::Rng::new(4);
        let sources: Vec<Vec<u8>> = [5000, 4096, 9001]
            .map(|len| {
                let mut bytes = vec![0; len];
                rng.fill(&mut bytes);
                bytes
            })
            .into();
        let parts: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
        let at = |source: usize, i: usize| sources[source].get(i).copied().unwrap_or(0);
        type Definition = fn(u8, u8, u8) -> u8;
        let definitions: [(Op, Definition); 7] = [
            (Op::And, |a, b, c| a & b & c),
            (Op::Or, |a, b, c| a | b | c),
            (Op::Xor, |a, b, c| a ^ b ^ c),
            (Op::Diff, |a, b, c| a & !(b | c)),
            (Op::Diff1, |a, b, c| !a & (b | c)),
            (Op::AndOr, |a, b, c| a & (b | c)),
            (Op::One, |a, b, c| {
                (a & !b & !c) | (!a & b & !c) | (!a & !b & c)
            }),
        ];
        for (op, definition) in definitions {
            let out = combine(op, &parts);
            assert_eq!(out.len(), 9001);
            let wrong =
                (0..out.len()).find(|&i| out[i] != definition(at(0, i), at(1, i), at(2, i)));
            assert_eq!(wrong, None);
        }
        let one_of_two = combine(Op::One, &parts[..2]);
        assert!((0..5000).all(|i| one_of_two[i] == at(0, i) ^ at(1, i)));
    }

    #[test]
    fn bitop_replaces_or_deletes_its_destination() {
        let mut e = Engine::new();
        e.ask("SET a 5 EX 100");
        assert_eq!(e.ask("BITOP NOT a a"), ":1");
        assert_eq!(e.outcome().events_text(), "overwritten a, set a");
        assert_eq!(e.ask("TTL a"), ":-1");
        assert_eq!(e.ask("BITOP AND a nokey"), ":0");
        assert_eq!(e.outcome().events_text(), "del a");
        assert_eq!(
            e.ask("BITOP DIFF d a"),
            "-ERR BITOP DIFF must be called with at least two source keys."
        );
    }
}
