//! HyperLogLog: PFADD, PFCOUNT, PFMERGE, and the debugging commands. The values are strings whose
//! bytes `types::hll` reads and writes.

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::string::{self, StringRef};
use crate::keyspace::{DbMut, Found};
use crate::types::entry::INLINE_MAX;
use crate::types::hll::{self, Corrupt, REGISTERS, Registers};

const NO_HLL: CmdError = CmdError::Fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: CmdError = CmdError::Fixed("INVALIDOBJ Corrupted HLL object detected");

impl From<Corrupt> for CmdError {
    fn from(_: Corrupt) -> Self {
        CORRUPT
    }
}

/// The bytes of a found HyperLogLog.
fn bytes<'a>(db: &'a DbMut, found: Found) -> Result<&'a [u8], CmdError> {
    match db.string_at(found)? {
        StringRef::Text(bytes) if hll::is_hll(bytes) => Ok(bytes),
        _ => Err(NO_HLL),
    }
}

/// Writes the bytes of a found HyperLogLog, or of a new one.
fn write(cx: &mut Cx, key: &[u8], found: Option<Found>, bytes: Vec<u8>) {
    let value = if bytes.len() <= INLINE_MAX {
        string::raw(&bytes)
    } else {
        return write_value(cx, key, found, string::raw_owned(bytes));
    };
    write_value(cx, key, found, value);
}

fn write_value(
    cx: &mut Cx,
    key: &[u8],
    found: Option<Found>,
    value: crate::types::entry::NewValue,
) {
    match found {
        Some(found) => cx.db().replace(found, value),
        None => {
            cx.db().add(key, value, None);
            cx.also(Event::NEW, key);
        }
    }
}

/// Counts elements in a dense one, where it lies.
fn add_dense(cx: &mut Cx, found: Found, len: usize, args: &mut Args) -> u64 {
    cx.db().change_bytes(found, len, |bytes| {
        let mut updated = 0;
        while let Some(element) = args.option() {
            let (index, value) = hll::place(element);
            updated += hll::dense::raise(&mut bytes[hll::HEADER..], index, value) as u64;
        }
        if updated > 0 {
            hll::invalidate(bytes);
        }
        updated
    })
}

/// Counts elements in a sparse one, or in one that is to be made. What was counted before a mistake
/// shows stays, as in Redis.
fn add_sparse(
    cx: &mut Cx,
    key: &[u8],
    found: Option<Found>,
    args: &mut Args,
) -> Result<u64, CmdError> {
    let sparse_max = cx.tuning.hll_sparse_max_bytes;
    if let Some(found) = found {
        let add = |bytes: &mut Vec<u8>| add_all(bytes, args, sparse_max);
        if let Some(updated) = cx.db().edit_long(found, add) {
            return Ok(updated?);
        }
    }
    let mut bytes = match found {
        Some(found) => bytes(&cx.db(), found)?.to_vec(),
        None => hll::new(),
    };
    let updated = add_all(&mut bytes, args, sparse_max);
    if found.is_none() {
        hll::invalidate(&mut bytes);
    }
    write(cx, key, found, bytes);
    Ok(updated? + found.is_none() as u64)
}

/// Counts elements; how many of them changed a register.
fn add_all(bytes: &mut Vec<u8>, args: &mut Args, sparse_max: usize) -> Result<u64, Corrupt> {
    let mut updated = 0;
    while let Some(element) = args.option() {
        updated += hll::add(bytes, element, sparse_max)? as u64;
    }
    Ok(updated)
}

const PFADD: DataCommand = Spec {
    name: "pfadd",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    usage: "key:key [element:string...]",
    since: "2.8.9",
    summary: "Counts elements in a HyperLogLog.",
    complexity: "O(1) per element.",
    ..Spec::of(Group::HyperLogLog)
}
.runs(pfadd);

fn pfadd(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let updated = match db.write(key) {
        None => add_sparse(cx, key, None, args)?,
        Some(found) => {
            let bytes = bytes(&db, found)?;
            if hll::is_dense(bytes) {
                let len = bytes.len();
                add_dense(cx, found, len, args)
            } else {
                add_sparse(cx, key, Some(found), args)?
            }
        }
    };
    if updated > 0 {
        cx.changed(Event::PFADD, key);
        cx.effects.count_changes(updated - 1);
    }
    reply.bool(updated > 0)
}

/// Merges the HyperLogLogs at these keys; whether one of them is dense.
fn merged<'a>(
    cx: &mut Cx,
    keys: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Box<Registers>, bool), CmdError> {
    let mut registers = Box::new([0; REGISTERS]);
    let mut dense = false;
    for key in keys {
        let mut db = cx.db();
        let Some(found) = db.read(key) else {
            continue;
        };
        let bytes = bytes(&db, found)?;
        dense |= hll::is_dense(bytes);
        hll::merge(&mut registers, bytes)?;
    }
    Ok((registers, dense))
}

const PFCOUNT: DataCommand = Spec {
    name: "pfcount",
    flags: all(&[READONLY, MAY_REPLICATE]),
    keys: &[KeySpec::range(1, -1, 1, &[RW, ACCESS]).noting("RW because it may change the internal representation of the key, and propagate to replicas")],
    usage: "key:key...",
    since: "2.8.9",
    summary: "How many different elements were counted, about.",
    complexity: "O(1) for one key, O(N) for N keys.",
    ..Spec::of(Group::HyperLogLog)
}
.runs(pfcount);

fn pfcount(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    if args.left() > 1 {
        let (registers, _) = merged(cx, args.rest().iter())?;
        return reply.int(hll::estimate_merged(&registers) as i64);
    }
    let key = args.key();
    let mut db = cx.db();
    let Some(found) = db.read(key) else {
        return reply.int(0);
    };
    let len = bytes(&db, found)?.len();
    // Whatever comes of it, the string counts as changed in place.
    let (kept, estimate) = db.change_bytes(found, len, |bytes| {
        let kept = hll::cached(bytes);
        let estimate = kept.map_or_else(|| hll::estimate(bytes), Ok);
        if let (None, Ok(estimate)) = (kept, estimate) {
            hll::keep(bytes, estimate);
        }
        (kept, estimate)
    });
    let estimate = estimate?;
    if kept.is_none() {
        // The bytes changed, though nothing happened to what they stand for.
        cx.effects.count_changes(1);
        cx.note(cx.db, key, None);
    }
    reply.int(estimate as i64)
}

/// Raises the registers of a sparse one, which may become dense by that.
fn raise_all(bytes: &mut Vec<u8>, registers: &Registers, sparse_max: usize) -> Result<(), Corrupt> {
    // Most registers of a sparse one are zero.
    let groups = registers.as_chunks::<16>().0.iter().enumerate();
    for (group, registers) in groups.filter(|(_, registers)| **registers != [0; 16]) {
        for (at, &value) in registers
            .iter()
            .enumerate()
            .filter(|(_, value)| **value > 0)
        {
            hll::raise(bytes, group * 16 + at, value, sparse_max)?;
        }
    }
    hll::invalidate(bytes);
    Ok(())
}

const PFMERGE: DataCommand = Spec {
    name: "pfmerge",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[
        KeySpec::at(1, &[RW, ACCESS, INSERT]),
        KeySpec::range(2, -1, 1, &[RO, ACCESS]),
    ],
    usage: "destkey:key [sourcekey:key...]",
    since: "2.8.9",
    summary: "Merges HyperLogLogs into one.",
    complexity: "O(N), N being the number of keys.",
    ..Spec::of(Group::HyperLogLog)
}
.runs(pfmerge);

fn pfmerge(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (registers, dense) = merged(cx, args.rest().iter())?;
    let key = args.key();
    let sparse_max = cx.tuning.hll_sparse_max_bytes;
    let mut db = cx.db();
    let found = db.write(key);
    // The destination is one of the merged, so its registers are among these.
    match found.filter(|&found| bytes(&db, found).is_ok_and(hll::is_dense)) {
        Some(found) => db.change_bytes(found, hll::dense::SIZE, |bytes| {
            hll::overwrite_dense(bytes, &registers);
        }),
        None => {
            let mut bytes = match found {
                Some(found) => bytes(&db, found)?.to_vec(),
                None => hll::new(),
            };
            if dense {
                hll::write_dense(&mut bytes, &registers);
            } else {
                raise_all(&mut bytes, &registers, sparse_max)?;
            }
            write(cx, key, found, bytes);
        }
    }
    cx.changed(Event::PFADD, key);
    reply.ok()
}

const PFDEBUG: DataCommand = Spec {
    name: "pfdebug",
    flags: all(&[WRITE, DENYOOM, ADMIN]),
    keys: &[KeySpec::at(2, &[RW, ACCESS])],
    usage: "subcommand:string key:key",
    since: "2.8.9",
    summary: "Looks into a HyperLogLog.",
    complexity: "O(N)",
    internal: true,
    ..Spec::of(Group::HyperLogLog)
}
.runs(pfdebug);

/// PFDEBUG GETREG|DECODE|ENCODING|TODENSE key, or SIMD ON|OFF.
fn pfdebug(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let sub = args.bytes();
    let is = |word: &[u8]| sub.eq_ignore_ascii_case(word);
    if is(b"SIMD") {
        // There is one way to merge here.
        if args.word("ON") {
            return reply.simple("enabled");
        }
        let off = args.word("OFF").then_some(());
        off.ok_or(CmdError::Fixed("ERR Argument must be ON or OFF"))?;
        return reply.simple("disabled");
    }
    let key = args.key();
    let mut db = cx.db();
    let found = db.write(key);
    let found = found.ok_or(CmdError::Fixed("ERR The specified key does not exist"))?;
    let mut bytes = bytes(&db, found)?.to_vec();
    // As after any look that may change it, the string counts as changed in place.
    db.change_bytes(found, bytes.len(), |_| ());
    if is(b"GETREG") {
        if hll::to_dense(&mut bytes)? {
            write(cx, key, Some(found), bytes.clone());
            cx.effects.count_changes(1);
        }
        reply.array(REGISTERS)?;
        let body = &bytes[hll::HEADER..];
        (0..REGISTERS).try_for_each(|index| reply.int(hll::dense::get(body, index) as i64))
    } else if is(b"DECODE") {
        if hll::is_dense(&bytes) {
            return Err(CmdError::Fixed("ERR HLL encoding is not sparse"));
        }
        reply.bulk(&hll::sparse::describe(&bytes[hll::HEADER..]))
    } else if is(b"ENCODING") {
        reply.simple(if hll::is_dense(&bytes) {
            "dense"
        } else {
            "sparse"
        })
    } else if is(b"TODENSE") {
        let made = hll::to_dense(&mut bytes)?;
        if made {
            write(cx, key, Some(found), bytes);
            cx.effects.count_changes(1);
        }
        reply.bool(made)
    } else {
        Err(CmdError::quoting(
            "ERR Unknown PFDEBUG subcommand '",
            sub,
            crate::command::error::SHOWN,
            "'",
        ))
    }
}

const PFSELFTEST: DataCommand = Spec {
    name: "pfselftest",
    flags: ADMIN,
    since: "2.8.9",
    summary: "Checks the registers and the estimate.",
    complexity: "O(N)",
    internal: true,
    ..Spec::of(Group::HyperLogLog)
}
.runs(pfselftest);

/// Registers keep what they are given, and estimates are near.
fn pfselftest(_: &mut Cx, _: &mut Args, reply: &mut Reply) -> CmdResult {
    const FAILED: CmdError = CmdError::Fixed("ERR TESTFAILED Estimates are off");
    /// Standard errors of an estimate that are still no alarm.
    const SLACK: f64 = 7.0 * 1.04 / 128.0;
    let (mut sparse, mut dense) = (hll::new(), hll::new());
    hll::to_dense(&mut dense)?;
    for n in 1..=100_000u64 {
        let element = n.to_le_bytes();
        let raised = hll::add(&mut dense, &element, 0)?;
        if hll::add(&mut sparse, &element, 3000)? != raised {
            return Err(FAILED);
        }
        if matches!(n, 10 | 100 | 1_000 | 10_000 | 100_000) {
            let estimate = hll::estimate(&dense)?;
            let error = (estimate as f64 - n as f64).abs();
            if error > (n as f64 * SLACK).ceil() || hll::estimate(&sparse)? != estimate {
                return Err(FAILED);
            }
        }
    }
    reply.ok()
}

pub static TABLE: &[DataCommand] = &[PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST];

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn counts_distinct_elements() {
        let mut e = Engine::new();
        assert_eq!(e.ask("PFADD h a b c a"), ":1");
        assert_eq!(e.outcome().events_text(), "new h, pfadd h");
        assert_eq!(e.ask("PFADD h a"), ":0");
        assert_eq!(e.ask("PFCOUNT h"), ":3");
        assert_eq!(e.ask("PFADD g c d"), ":1");
        assert_eq!(e.ask("PFCOUNT h g nokey"), ":4");
        assert_eq!(e.ask("PFMERGE m h g"), "+OK");
        assert_eq!(e.ask("PFCOUNT m"), ":4");
        assert_eq!(e.ask("PFDEBUG ENCODING m"), "+sparse");
        assert_eq!(e.ask("PFDEBUG TODENSE m"), ":1");
        assert_eq!(e.ask("PFCOUNT m"), ":4");
        assert_eq!(e.ask("OBJECT ENCODING m"), "$3 raw");
        assert_eq!(e.ask("PFSELFTEST"), "+OK");
    }

    #[test]
    fn other_strings_are_refused() {
        let mut e = Engine::new();
        e.ask("SET s x");
        let wrong = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
        for line in ["PFADD s a", "PFCOUNT s", "PFMERGE d s", "PFDEBUG DECODE s"] {
            assert_eq!(e.ask(line), wrong, "{line}");
        }
        e.ask("PFADD h a");
        e.ask("APPEND h x");
        assert_eq!(
            e.ask("PFCOUNT h"),
            "-INVALIDOBJ Corrupted HLL object detected"
        );
    }
}
