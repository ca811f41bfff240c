//! Deadlines of fields: HEXPIRE and its relatives, HTTL and its relatives, HPERSIST.

use super::leave_if_empty;
use super::options::{self, FieldList, ListRules};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::Found;
use crate::keyspace::hash::is_overdue;
use smallvec::SmallVec;

/// The latest deadline a field can have, in Unix milliseconds: 46 bits.
const LATEST_MS: i64 = (1 << 46) - 1;

pub(super) type Names<'a> = SmallVec<[&'a [u8]; 8]>;

const NO_FIELDS: CmdError =
    CmdError::Fixed("ERR Mandatory argument FIELDS is missing or not at the right position");
const BAD_COUNT: CmdError = CmdError::Fixed("ERR Number of fields must be a positive integer");
const OTHER_COUNT: CmdError =
    CmdError::Fixed("ERR The `numfields` parameter must match the number of arguments");

/// FIELDS numfields field [field ...], to the end.
pub(super) fn fields<'a>(args: &mut Args<'a>) -> Result<Names<'a>, CmdError> {
    if !args.word("FIELDS") {
        return Err(NO_FIELDS);
    }
    let count = args.int().ok().filter(|n| *n > 0).ok_or(BAD_COUNT)?;
    if count as u64 != args.left() as u64 {
        return Err(OTHER_COUNT);
    }
    Ok(args.rest().iter().collect())
}

/// The unit and base of a command's time argument.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    /// Milliseconds in one.
    pub ms: i64,
    /// Whether it counts from now.
    pub relative: bool,
}

impl Unit {
    pub const EX: Unit = Unit {
        ms: 1000,
        relative: true,
    };
    pub const PX: Unit = Unit {
        ms: 1,
        relative: true,
    };
    pub const EXAT: Unit = Unit {
        ms: 1000,
        relative: false,
    };
    pub const PXAT: Unit = Unit {
        ms: 1,
        relative: false,
    };

    /// The next argument in Unix milliseconds.
    pub fn deadline_ms(
        self,
        args: &mut Args,
        now_ms: i64,
        command: &'static str,
    ) -> Result<i64, CmdError> {
        let n = args.int()?;
        if n < 0 {
            return Err(CmdError::Fixed("ERR invalid expire time, must be >= 0"));
        }
        let base_ms = if self.relative { now_ms } else { 0 };
        n.checked_mul(self.ms)
            .and_then(|ms| ms.checked_add(base_ms))
            .filter(|&ms| ms <= LATEST_MS)
            .ok_or(CmdError::InvalidExpire(command))
    }
}

/// The condition for setting a deadline.
#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Always,
    Absent,
    Present,
    Later,
    Earlier,
}

impl Condition {
    const WORDS: [(&'static str, Condition); 4] = [
        ("NX", Condition::Absent),
        ("XX", Condition::Present),
        ("GT", Condition::Later),
        ("LT", Condition::Earlier),
    ];

    /// Parses a condition and the list of fields.
    fn parse<'a>(args: &mut Args<'a>) -> Result<(Condition, FieldList<'a>), CmdError> {
        const RULES: ListRules = ListRules {
            per_field: 1,
            least: (
                2,
                "ERR FIELDS requires at least numfields and one field argument",
            ),
            bad_count: "ERR Parameter `numFields` should be greater than 0",
            no_list: "ERR missing FIELDS argument",
        };
        const TWO: CmdError = CmdError::Fixed("ERR Multiple condition flags specified");
        let mut condition = Condition::Always;
        let list = options::parse(args, &RULES, |args| {
            let Some((_, one)) = Condition::WORDS.iter().find(|(word, _)| args.word(word)) else {
                return Ok(false);
            };
            if condition != Condition::Always && condition != *one {
                return Err(TWO);
            }
            condition = *one;
            Ok(true)
        })?;
        Ok((condition, list))
    }

    fn allows(self, old_ms: Option<i64>, deadline_ms: i64) -> bool {
        match self {
            Condition::Always => true,
            Condition::Absent => old_ms.is_none(),
            Condition::Present => old_ms.is_some(),
            Condition::Later => old_ms.is_some_and(|old_ms| deadline_ms > old_ms),
            Condition::Earlier => old_ms.is_none_or(|old_ms| deadline_ms < old_ms),
        }
    }
}

// Replies of HEXPIRE and HTTL for one field.
const MISSING: i64 = -2;
const PERMANENT: i64 = -1;
const REFUSED: i64 = 0;
const DONE: i64 = 1;
const GONE: i64 = 2;

/// The hash at a key for changing it, if there is one.
pub(super) fn find(cx: &mut Cx, key: &[u8]) -> Result<Option<Found>, CmdError> {
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        return Ok(None);
    };
    db.hash_at(found)?;
    Ok(Some(found))
}

/// Propagates HDEL instead of a deadline that was in the past, and counts the fields as expired.
pub(super) fn propagate_gone(cx: &mut Cx, key: &[u8], names: &[&[u8]]) {
    cx.keyspace.shared.stats.expired_fields += names.len() as u64;
    for name in names {
        cx.propagate_as([b"HDEL", key, name]);
    }
}

fn set_deadlines(
    cx: &mut Cx,
    args: &mut Args,
    reply: &mut Reply,
    (command, unit): (&'static str, Unit),
) -> CmdResult {
    let key = args.key();
    let found = find(cx, key)?;
    let now_ms = cx.now_ms();
    let deadline_ms = unit.deadline_ms(args, now_ms, command)?;
    let (condition, list) = Condition::parse(args)?;
    let names: Names = list.fields.iter().collect();
    reply.array(names.len())?;
    let Some(found) = found else {
        return names.iter().try_for_each(|_| reply.int(MISSING));
    };
    let past = deadline_ms <= now_ms && !cx.caller.must_obey;
    let mut touched = Names::new();
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    db.hash_to_list(found, tuning);
    for name in names {
        // An overdue field is still there to be given another deadline.
        let Some(field) = db.hash_at(found)?.get(name) else {
            reply.int(MISSING)?;
            continue;
        };
        if !condition.allows(field.deadline_ms, deadline_ms) {
            reply.int(REFUSED)?;
            continue;
        }
        touched.push(name);
        if past {
            db.remove_field(found, name);
            reply.int(GONE)?;
        } else {
            db.set_field_deadline(found, name, Some(deadline_ms), tuning);
            reply.int(DONE)?;
        }
    }
    if touched.is_empty() {
        return Ok(());
    }
    if past {
        propagate_gone(cx, key, &touched);
        cx.changed(Event::HDEL, key);
        cx.of_fields(touched.iter().copied());
        leave_if_empty(cx, found, key);
    } else {
        let (mut at, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let argv = args.argv();
        let name = match (unit.relative, unit.ms) {
            (false, 1) => argv.at(0),
            _ => b"HPEXPIREAT",
        };
        // As in Redis the options go on as they were written.
        let before: [&[u8]; 3] = [name, key, at.format(deadline_ms).as_bytes()];
        let options = argv.until(list.count_at).from(before.len());
        let count = count.format(touched.len()).as_bytes();
        let after = argv.from(list.count_at + 1 + list.fields.len());
        cx.propagate_as(
            (before.into_iter().chain(options.iter()))
                .chain([count])
                .chain(touched.iter().copied())
                .chain(after.iter()),
        );
        cx.changed(Event::HEXPIRE, key);
        cx.of_fields(touched.iter().copied());
    }
    cx.effects.count_changes(touched.len() as u64 - 1);
    Ok(())
}

pub(super) const HEXPIRE: DataCommand = Spec {
    name: "hexpire",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key seconds:integer [condition(nx=NX|xx=XX|gt=GT|lt=LT)] fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "Gives fields a deadline so many seconds ahead.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hexpire);

fn hexpire(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    set_deadlines(cx, args, reply, (HEXPIRE.name(), Unit::EX))
}

pub(super) const HPEXPIRE: DataCommand = Spec {
    name: "hpexpire",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key milliseconds:integer [condition(nx=NX|xx=XX|gt=GT|lt=LT)] fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "Gives fields a deadline so many milliseconds ahead.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hpexpire);

fn hpexpire(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    set_deadlines(cx, args, reply, (HPEXPIRE.name(), Unit::PX))
}

pub(super) const HEXPIREAT: DataCommand = Spec {
    name: "hexpireat",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key unix-time-seconds:unix-time [condition(nx=NX|xx=XX|gt=GT|lt=LT)] fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "Gives fields a deadline in Unix seconds.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hexpireat);

fn hexpireat(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    set_deadlines(cx, args, reply, (HEXPIREAT.name(), Unit::EXAT))
}

pub(super) const HPEXPIREAT: DataCommand = Spec {
    name: "hpexpireat",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key unix-time-milliseconds:unix-time [condition(nx=NX|xx=XX|gt=GT|lt=LT)] fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "Gives fields a deadline in Unix milliseconds.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hpexpireat);

fn hpexpireat(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    set_deadlines(cx, args, reply, (HPEXPIREAT.name(), Unit::PXAT))
}

/// Replies with `show` of each field's deadline.
fn deadlines(
    cx: &mut Cx,
    args: &mut Args,
    reply: &mut Reply,
    show: impl Fn(i64, i64) -> i64,
) -> CmdResult {
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let hash = db.read_hash(args.key())?;
    let names = fields(args)?;
    reply.array(names.len())?;
    names.into_iter().try_for_each(|name| {
        let field = hash.and_then(|hash| hash.get(name));
        let field = field.filter(|field| !is_overdue(field, now_ms));
        reply.int(match field.map(|field| field.deadline_ms) {
            None => MISSING,
            Some(None) => PERMANENT,
            Some(Some(deadline_ms)) => show(deadline_ms, now_ms),
        })
    })
}

pub(super) const HTTL: DataCommand = Spec {
    name: "httl",
    usage: "key:key fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "Seconds until the deadlines of fields.",
    complexity: "O(1) for each field",
    tips: &["nondeterministic_output"],
    ..Spec::reading_fast(Group::Hash)
}
.runs(httl);

fn httl(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    deadlines(cx, args, reply, |deadline_ms, now_ms| {
        (deadline_ms - now_ms + 999) / 1000
    })
}

pub(super) const HPTTL: DataCommand = Spec {
    name: "hpttl",
    usage: "key:key fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "Milliseconds until the deadlines of fields.",
    complexity: "O(1) for each field",
    tips: &["nondeterministic_output"],
    ..Spec::reading_fast(Group::Hash)
}
.runs(hpttl);

fn hpttl(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    deadlines(cx, args, reply, |deadline_ms, now_ms| deadline_ms - now_ms)
}

pub(super) const HEXPIRETIME: DataCommand = Spec {
    name: "hexpiretime",
    usage: "key:key fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "The deadlines of fields in Unix seconds.",
    complexity: "O(1) for each field",
    ..Spec::reading_fast(Group::Hash)
}
.runs(hexpiretime);

fn hexpiretime(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    deadlines(cx, args, reply, |deadline_ms, _| (deadline_ms + 999) / 1000)
}

pub(super) const HPEXPIRETIME: DataCommand = Spec {
    name: "hpexpiretime",
    usage: "key:key fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "The deadlines of fields in Unix milliseconds.",
    complexity: "O(1) for each field",
    ..Spec::reading_fast(Group::Hash)
}
.runs(hpexpiretime);

fn hpexpiretime(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    deadlines(cx, args, reply, |deadline_ms, _| deadline_ms)
}

pub(super) const HPERSIST: DataCommand = Spec {
    name: "hpersist",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    usage: "key:key fields{numfields:integer field:string...}@FIELDS",
    since: "7.4.0",
    summary: "Takes the deadlines of fields away.",
    complexity: "O(1) for each field",
    ..Spec::of(Group::Hash)
}
.runs(hpersist);

fn hpersist(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let found = find(cx, key)?;
    let now_ms = cx.overdue_ms();
    let names = fields(args)?;
    reply.array(names.len())?;
    let Some(found) = found else {
        return names.iter().try_for_each(|_| reply.int(MISSING));
    };
    let (mut freed, mut named) = (0, Names::new());
    let tells = cx.effects.tells_fields();
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    for name in names {
        let field = db.hash_at(found)?.get(name);
        let field = field.filter(|field| !is_overdue(field, now_ms));
        reply.int(match field.map(|field| field.deadline_ms) {
            None => MISSING,
            Some(None) => PERMANENT,
            Some(Some(_)) => {
                db.set_field_deadline(found, name, None, tuning);
                freed += 1;
                if tells {
                    named.push(name);
                }
                DONE
            }
        })?;
    }
    if freed > 0 {
        cx.changed(Event::HPERSIST, key);
        cx.of_fields(named);
        cx.effects.count_changes(freed - 1);
    }
    Ok(())
}
