//! BITFIELD: integers of any width up to 64 bits, at any bit of a string.
//!
//! All operations are parsed before the first runs. A field is read and written through a window
//! of nine bytes, which hold 64 bits at whatever bit they begin.

use super::bitmap::{bit_offset, writable};
use crate::algo::number::parse_i64;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::resp::request::Argv;
use smallvec::SmallVec;

pub static TABLE: &[DataCommand] = &[BITFIELD, BITFIELD_RO];

/// The key of BITFIELD, which is only read if all operations are GETs (OVERFLOW alone does
/// nothing).
fn key_of_bitfield(argv: &Argv, found: &mut Vec<(usize, KeyFlags)>) -> Result<(), InvalidKeys> {
    let (mut at, mut reads) = (2, true);
    while at < argv.len() && reads {
        let is = |word: &str| argv.at(at).eq_ignore_ascii_case(word.as_bytes());
        at += match argv.len() - at {
            3.. if is("GET") => 3,
            2.. if is("OVERFLOW") => 2,
            _ => {
                reads = false;
                1
            }
        };
    }
    let flags = match reads {
        true => key_flags(&[RO, ACCESS]),
        false => key_flags(&[RW, ACCESS, UPDATE]),
    };
    found.push((1, flags));
    Ok(())
}

/// Bytes that hold any field.
const WINDOW: usize = 9;

/// The type of a field: `i16`, `u5`.
#[derive(Clone, Copy)]
struct Type {
    signed: bool,
    bits: u32,
}

impl Type {
    fn parse(text: &[u8]) -> Result<Type, CmdError> {
        const BAD: CmdError = CmdError::Fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (sign, digits) = text.split_first().ok_or(BAD)?;
        let (signed, max) = match sign {
            b'i' => (true, 64),
            b'u' => (false, 63),
            _ => return Err(BAD),
        };
        match parse_i64(digits) {
            Some(bits) if (1..=max).contains(&bits) => Ok(Type {
                signed,
                bits: bits as u32,
            }),
            _ => Err(BAD),
        }
    }

    fn min(self) -> i128 {
        if self.signed {
            -(1 << (self.bits - 1))
        } else {
            0
        }
    }

    fn max(self) -> i128 {
        (1 << (self.bits - self.signed as u32)) - 1
    }

    /// The value whose lowest bits are the lowest of `value`.
    fn wrap(self, value: i128) -> i64 {
        let unused = 64 - self.bits;
        let high = (value as u64) << unused;
        if self.signed {
            high as i64 >> unused
        } else {
            (high >> unused) as i64
        }
    }
}

#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

impl Overflow {
    fn parse(word: &[u8]) -> Result<Overflow, CmdError> {
        Ok(match word {
            w if w.eq_ignore_ascii_case(b"WRAP") => Overflow::Wrap,
            w if w.eq_ignore_ascii_case(b"SAT") => Overflow::Saturate,
            w if w.eq_ignore_ascii_case(b"FAIL") => Overflow::Fail,
            _ => return Err(CmdError::Fixed("ERR Invalid OVERFLOW type specified")),
        })
    }

    /// The value that a field of this type stores for `value`; `None` if it is left unchanged.
    fn fit(self, value: i128, kind: Type) -> Option<i64> {
        if (kind.min()..=kind.max()).contains(&value) {
            return Some(value as i64);
        }
        match self {
            Overflow::Wrap => Some(kind.wrap(value)),
            Overflow::Saturate => Some(value.clamp(kind.min(), kind.max()) as i64),
            Overflow::Fail => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Act {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

#[derive(Clone, Copy)]
struct Operation {
    kind: Type,
    offset: u64,
    act: Act,
}

/// The operations, and the length in bytes that the writing ones require; 0 if none writes.
fn parse(cx: &Cx, args: &mut Args) -> Result<(SmallVec<[Operation; 4]>, usize), CmdError> {
    let mut operations = SmallVec::new();
    let mut overflow = Overflow::Wrap;
    let mut len = 0;
    while let Some(word) = args.option() {
        let is =
            |name: &[u8], needs: usize| word.eq_ignore_ascii_case(name) && args.left() >= needs;
        let (get, set, add) = (is(b"GET", 2), is(b"SET", 3), is(b"INCRBY", 3));
        if is(b"OVERFLOW", 1) {
            overflow = Overflow::parse(args.bytes())?;
            continue;
        }
        if !(get || set || add) {
            return Err(CmdError::Syntax);
        }
        let kind = Type::parse(args.bytes())?;
        let offset = parse_offset(cx, args.bytes(), kind)?;
        let act = match get {
            true => Act::Get,
            false => {
                let last = offset + kind.bits as u64 - 1;
                len = len.max((last >> 3) as usize + 1);
                match set {
                    true => Act::Set(args.int()?, overflow),
                    false => Act::Add(args.int()?, overflow),
                }
            }
        };
        operations.push(Operation { kind, offset, act });
    }
    Ok((operations, len))
}

/// An offset in bits, or with `#` in fields of this width.
fn parse_offset(cx: &Cx, text: &[u8], kind: Type) -> Result<u64, CmdError> {
    let offset = match text.strip_prefix(b"#") {
        // As Redis does: what overflows wraps around.
        Some(text) => parse_i64(text).map(|n| n.wrapping_mul(kind.bits as i64)),
        None => parse_i64(text),
    };
    bit_offset(cx, offset)
}

/// The window of a field, zeros behind the end of the string.
fn window(bytes: &[u8], offset: u64) -> u128 {
    let mut window = [0; 16];
    let from = ((offset >> 3) as usize).min(bytes.len());
    let tail = &bytes[from..];
    let len = tail.len().min(WINDOW);
    window[..len].copy_from_slice(&tail[..len]);
    u128::from_be_bytes(window)
}

fn get_field(bytes: &[u8], offset: u64, kind: Type) -> i64 {
    let shift = 128 - kind.bits - (offset & 7) as u32;
    kind.wrap((window(bytes, offset) >> shift) as i128)
}

/// Writes a field that lies within the string.
fn set_field(bytes: &mut [u8], offset: u64, kind: Type, value: i64) {
    let shift = 128 - kind.bits - (offset & 7) as u32;
    let mask = (u128::MAX >> (128 - kind.bits)) << shift;
    let new = window(bytes, offset) & !mask | (value as u128) << shift & mask;
    let tail = &mut bytes[(offset >> 3) as usize..];
    let len = tail.len().min(WINDOW);
    tail[..len].copy_from_slice(&new.to_be_bytes()[..len]);
}

/// Reads with a string that is not changed.
fn read_fields(cx: &mut Cx, key: &[u8], operations: &[Operation], reply: &mut Reply) -> CmdResult {
    let mut buffer = itoa::Buffer::new();
    let mut db = cx.db();
    let bytes: &[u8] = match db.string(key)? {
        Some(text) => text.as_bytes(&mut buffer),
        None => b"",
    };
    reply.array(operations.len())?;
    operations
        .iter()
        .try_for_each(|one| reply.int(get_field(bytes, one.offset, one.kind)))
}

/// Runs one operation on the bytes. Returns its reply and whether it changed the bytes.
fn apply(bytes: &mut [u8], one: &Operation) -> (Option<i64>, bool) {
    let old = get_field(bytes, one.offset, one.kind);
    let new = match one.act {
        Act::Get => return (Some(old), false),
        // An unsigned field takes a negative number as the large one with the same bits.
        Act::Set(value, overflow) if !one.kind.signed => {
            overflow.fit(value as u64 as i128, one.kind)
        }
        // As Redis does: the distance to the largest value is taken in 64 bits, where that of a
        // very small value turns negative, and so it counts as too large.
        Act::Set(value, Overflow::Saturate)
            if one.kind.bits < 64 && (one.kind.max() as i64).wrapping_sub(value) < 0 =>
        {
            Some(one.kind.max() as i64)
        }
        Act::Set(value, overflow) => overflow.fit(value as i128, one.kind),
        Act::Add(by, overflow) => overflow.fit(old as i128 + by as i128, one.kind),
    };
    let Some(new) = new else {
        return (None, false);
    };
    set_field(bytes, one.offset, one.kind, new);
    let value = match one.act {
        Act::Add(..) => new,
        Act::Get | Act::Set(..) => old,
    };
    (Some(value), new != old)
}

const BITFIELD: DataCommand = Spec {
    name: "bitfield",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE, VARIABLE_FLAGS])
        .noting("This command allows both access and modification of the key")],
    find: Some(key_of_bitfield),
    usage: "key:key [operation(get-block{encoding:string offset:integer}@GET|write{[overflow-block(wrap=WRAP|sat=SAT|fail=FAIL)@OVERFLOW] write-operation(set-block{encoding:string offset:integer value:integer}@SET|incrby-block{encoding:string offset:integer increment:integer}@INCRBY)})...]",
    since: "3.2.0",
    summary: "Reads and changes integers of any width inside a string.",
    complexity: "O(1) for each subcommand specified",
    ..Spec::of(Group::Bitmap)
}
.runs(bitfield);

fn bitfield(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let (operations, len) = parse(cx, args)?;
    if len == 0 {
        return read_fields(cx, key, &operations, reply);
    }
    let (found, grows) = writable(cx, key, len)?;
    reply.array(operations.len())?;
    let changes = cx.db().change_bytes(found, len, |bytes| {
        let mut changes = 0;
        for one in &operations {
            let (value, changed) = apply(bytes, one);
            let written = value.is_some() && !matches!(one.act, Act::Get);
            changes += (changed || grows && written) as u64;
            match value {
                Some(n) => reply.int(n)?,
                None => reply.null()?,
            }
        }
        Ok::<u64, CmdError>(changes)
    })?;
    if changes > 0 {
        cx.changed(Event::SETBIT, key);
        cx.effects.count_changes(changes - 1);
    }
    Ok(())
}

const BITFIELD_RO: DataCommand = Spec {
    name: "bitfield_ro",
    usage: "key:key [get-block{encoding:string offset:integer}@GET+...]",
    since: "6.0.0",
    summary: "Reads integers of any width inside a string.",
    complexity: "O(1) for each subcommand specified",
    ..Spec::reading_fast(Group::Bitmap)
}
.runs(bitfield_ro);

fn bitfield_ro(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let (operations, len) = parse(cx, args)?;
    if len > 0 {
        return Err(CmdError::Fixed(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    read_fields(cx, key, &operations, reply)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn fields_overflow_as_requested() {
        let mut e = Engine::new();
        assert_eq!(e.ask("BITFIELD k SET u8 0 250"), "*1 :0");
        assert_eq!(e.ask("BITFIELD k INCRBY u8 0 10"), "*1 :4");
        assert_eq!(e.ask("BITFIELD k OVERFLOW SAT INCRBY u8 0 1000"), "*1 :255");
        assert_eq!(e.ask("BITFIELD k OVERFLOW FAIL INCRBY u8 0 1"), "*1 $-1");
        assert_eq!(e.outcome().dirty, 0);
        assert_eq!(
            e.ask("BITFIELD k OVERFLOW SAT SET i8 0 -300 GET i8 0"),
            "*2 :-1 :-128"
        );
        assert_eq!(
            e.ask("BITFIELD k SET i64 3 -9223372036854775808 INCRBY i64 3 -1"),
            "*2 :0 :9223372036854775807"
        );
    }

    #[test]
    fn neighbours_stay_as_they_are() {
        let mut e = Engine::new();
        e.ask("SET k abcdefghijkl");
        assert_eq!(
            e.ask("BITFIELD k SET u63 5 0 GET u5 0 GET u8 #9"),
            "*3 :1596022793674585734 :12 :106"
        );
        assert_eq!(e.ask("GETRANGE k 9 11"), "$3 jkl");
    }

    #[test]
    fn reading_is_no_write() {
        let mut e = Engine::new();
        assert_eq!(e.ask("BITFIELD k GET u8 0 GET i5 #100"), "*2 :0 :0");
        assert_eq!(e.ask("EXISTS k"), ":0");
        assert_eq!(
            e.ask("BITFIELD_RO k SET u8 0 1"),
            "-ERR BITFIELD_RO only supports the GET subcommand"
        );
        assert_eq!(
            e.ask("BITFIELD k GET u64 0"),
            "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
        );
        assert_eq!(
            e.ask("BITFIELD k GET u8 -1"),
            "-ERR bit offset is not an integer or out of range"
        );
    }
}
