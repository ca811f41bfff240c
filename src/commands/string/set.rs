//! SET, GET and their relatives: whole strings in and out.

use super::condition::{self, Condition};
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::put;
use crate::keyspace::db::{DbMut, Found};
use crate::keyspace::string::{self, StringRef};
use crate::keyspace::{Deadline, RemovalReason};
use crate::resp::request::Argv;
use crate::types::entry::NewValue;
use crate::types::value::Kind;

/// The unit and the meaning of an expiry option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Unit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl Unit {
    /// The option that announces a number in this unit.
    pub fn of_option(word: &[u8]) -> Option<Unit> {
        Some(match word {
            w if w.eq_ignore_ascii_case(b"EX") => Unit::Seconds,
            w if w.eq_ignore_ascii_case(b"PX") => Unit::Milliseconds,
            w if w.eq_ignore_ascii_case(b"EXAT") => Unit::UnixSeconds,
            w if w.eq_ignore_ascii_case(b"PXAT") => Unit::UnixMilliseconds,
            _ => return None,
        })
    }

    /// The deadline given by `argument`, in Unix milliseconds. It must be positive and fit.
    pub fn deadline_ms(
        self,
        argument: &[u8],
        now_ms: i64,
        command: &'static str,
    ) -> Result<i64, CmdError> {
        let n = crate::algo::number::parse_i64(argument).ok_or(CmdError::NotInteger)?;
        let invalid = CmdError::InvalidExpire(command);
        if n <= 0 {
            return Err(invalid);
        }
        let ms = match self {
            Unit::Seconds | Unit::UnixSeconds => n.checked_mul(1000),
            Unit::Milliseconds | Unit::UnixMilliseconds => Some(n),
        };
        let ms = match self {
            Unit::Seconds | Unit::Milliseconds => ms.and_then(|ms| ms.checked_add(now_ms)),
            Unit::UnixSeconds | Unit::UnixMilliseconds => ms,
        };
        ms.ok_or(invalid)
    }
}

/// The condition of SET.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When<'a> {
    Always,
    Absent,
    Present,
    If(Condition<'a>),
}

/// The options of SET and GETEX, as given.
struct Options<'a> {
    when: When<'a>,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    expiry: Option<(Unit, &'a [u8])>,
}

impl<'a> Options<'a> {
    /// Whether a deadline in this unit may follow. As Redis does, the last one of a unit holds.
    fn allows(&self, unit: Unit) -> bool {
        !self.keep_ttl && !self.persist && self.expiry.is_none_or(|(said, _)| said == unit)
    }

    /// Parses the options; `set` is whether the command is SET.
    fn parse(args: &mut Args<'a>, set: bool) -> Result<Options<'a>, CmdError> {
        let mut o = Options {
            when: When::Always,
            get: false,
            keep_ttl: false,
            persist: false,
            expiry: None,
        };
        while let Some(word) = args.option() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let free = o.when == When::Always;
            if set && is(b"NX") && (free || o.when == When::Absent) {
                o.when = When::Absent;
            } else if set && is(b"XX") && (free || o.when == When::Present) {
                o.when = When::Present;
            } else if set
                && let Some(argument) = args.peek()
                && let Some(condition) = Condition::of_option(word, argument)
                && (free || matches!(o.when, When::If(said) if said.is_like(condition)))
            {
                args.bytes();
                o.when = When::If(condition);
            } else if set && is(b"GET") {
                o.get = true;
            } else if set && is(b"KEEPTTL") && o.expiry.is_none() {
                o.keep_ttl = true;
            } else if !set && is(b"PERSIST") && o.expiry.is_none() {
                o.persist = true;
            } else if let Some(unit) = Unit::of_option(word)
                && args.left() > 0
                && o.allows(unit)
            {
                o.expiry = Some((unit, args.bytes()));
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(o)
    }
}

/// The value for the argument at `index`: a large one is kept as it came.
pub(super) fn value_of<'a>(args: &Args<'a>, index: usize) -> NewValue<'a> {
    match args.shared(index) {
        Some(bytes) => string::shared(bytes),
        None => string::encode(args.argv().at(index)),
    }
}

fn reply_string(value: Option<StringRef>, reply: &mut Reply) -> CmdResult {
    match value {
        Some(StringRef::Text(text)) => reply.bulk(text),
        Some(StringRef::Int(n)) => reply.bulk_int(n),
        None => reply.null(),
    }
}

pub(super) const GET: DataCommand = Spec {
    name: "get",
    usage: "key:key",
    since: "1.0.0",
    summary: "The string at a key.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::String)
}
.runs(get);

fn get(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let value = cx.db().string(args.key())?.map(|value| match value {
        StringRef::Text(text) => reply.bulk(text),
        StringRef::Int(n) => reply.bulk_int(n),
    });
    value.unwrap_or_else(|| reply.null())
}

/// Writes a string and states what follows from it.
pub(super) fn store(cx: &mut Cx, key: &[u8], value: NewValue, deadline: Deadline) {
    put(cx, key, value, Kind::String, deadline);
    cx.changed(Event::SET, key);
    if let Deadline::At(_) = deadline {
        cx.also(Event::EXPIRE, key);
    }
}

/// The key of SET, which is read as well if GET or a condition on its value is among the options.
pub(super) fn key_of_set(
    argv: &Argv,
    found: &mut Vec<(usize, KeyFlags)>,
) -> Result<(), InvalidKeys> {
    let options = argv.from(3);
    let flags = if options.iter().any(|word| word.eq_ignore_ascii_case(b"GET")) {
        key_flags(&[RW, ACCESS, UPDATE])
    } else if options.iter().any(condition::is_word) {
        key_flags(&[RW, UPDATE])
    } else {
        key_flags(&[OW, UPDATE])
    };
    found.push((1, flags));
    Ok(())
}

pub(super) const SET: DataCommand = Spec {
    name: "set",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE, VARIABLE_FLAGS])
        .noting("RW and ACCESS due to the optional `GET` argument")],
    find: Some(key_of_set),
    usage: "key:key value:string [condition(nx=NX|xx=XX|ifeq-value:string@IFEQ!8.4.0|ifne-value:string@IFNE!8.4.0|ifdeq-digest:string@IFDEQ!8.4.0|ifdne-digest:string@IFDNE!8.4.0)!2.6.12] [get=GET!6.2.0] [expiration(seconds:integer@EX!2.6.12|milliseconds:integer@PX!2.6.12|unix-time-seconds:unix-time@EXAT!6.2.0|unix-time-milliseconds:unix-time@PXAT!6.2.0|keepttl=KEEPTTL!6.0.0)]",
    since: "1.0.0",
    summary: "Stores a string at a key, whatever was there, or only under a condition.",
    complexity: "O(1)",
    history: &[
        ("2.6.12", "Takes EX, PX, NX and XX."),
        ("6.0.0", "Takes KEEPTTL."),
        ("6.2.0", "Takes GET, EXAT and PXAT."),
        ("7.0.0", "NX and GET go together."),
        ("8.4.0", "Takes IFEQ, IFNE, IFDEQ and IFDNE."),
    ],
    ..Spec::of(Group::String)
}
.runs(set);

fn set(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let value_at = args.position();
    args.bytes();
    if args.left() == 0 {
        store(cx, key, value_of(args, value_at), Deadline::Clear);
        return reply.ok();
    }
    let o = Options::parse(args, true)?;
    let deadline = match o.expiry {
        Some((unit, n)) => Deadline::At(unit.deadline_ms(n, cx.now_ms(), SET.name())?),
        None if o.keep_ttl => Deadline::Keep,
        None => Deadline::Clear,
    };
    if o.get {
        let mut db = cx.db();
        let found = db.read(key);
        // No error may come behind the value.
        found.map(|found| db.string_at(found)).transpose()?;
        let holds = holds(&mut db, found, o.when)?;
        let value = found.map(|found| db.string_at(found)).transpose()?;
        reply_string(value, reply)?;
        if !holds {
            return Ok(());
        }
    } else if o.when != When::Always {
        let mut db = cx.db();
        let found = db.write(key);
        if !holds(&mut db, found, o.when)? {
            return reply.null();
        }
    }
    if let Deadline::At(deadline_ms) = deadline
        && deadline_ms <= cx.now_ms()
        && !cx.caller.must_obey
    {
        remove_instead(cx, key);
        return if o.get { Ok(()) } else { reply.ok() };
    }
    store(cx, key, value_of(args, value_at), deadline);
    match o.expiry {
        // The moment stands there already.
        Some((Unit::UnixMilliseconds, _)) => {}
        Some(_) => {
            if let Deadline::At(deadline_ms) = deadline {
                propagate_pxat(cx, args, value_at, deadline_ms);
            }
        }
        None if o.get => propagate_without_get(cx, args),
        None => {}
    }
    if o.get { Ok(()) } else { reply.ok() }
}

/// Whether SET's condition holds for what was found at the key. A condition on the value counts as
/// a lookup that hits.
fn holds(db: &mut DbMut, found: Option<Found>, when: When) -> Result<bool, CmdError> {
    match (when, found) {
        (When::Always, _) => Ok(true),
        (When::Absent, found) => Ok(found.is_none()),
        (When::Present, found) => Ok(found.is_some()),
        (When::If(condition), None) => Ok(condition.holds_for_nothing()),
        (When::If(condition), Some(found)) => {
            db.count_hit();
            condition.holds_for(db.string_at(found)?)
        }
    }
}

/// A relative deadline is propagated as the moment it meant.
fn propagate_pxat(cx: &mut Cx, args: &Args, value_at: usize, deadline_ms: i64) {
    let argv = args.argv();
    let mut buffer = itoa::Buffer::new();
    let deadline = buffer.format(deadline_ms).as_bytes();
    // As in Redis the name goes on as it was written where there is no other option.
    let is_plain = value_at == 2 && argv.len() == 5;
    let name = if is_plain { argv.at(0) } else { b"SET" };
    cx.propagate_as([name, argv.at(1), argv.at(value_at), b"PXAT", deadline]);
}

/// Removes a key that was to be set with a deadline in the past.
fn remove_instead(cx: &mut Cx, key: &[u8]) {
    let mut db = cx.db();
    if let Some(found) = db.write(key) {
        db.remove(found, RemovalReason::Deleted);
        cx.keyspace.shared.stats.expired += 1;
        cx.propagate_as([cx.tuning.word_for_deleted(), key]);
        cx.changed(Event::DEL, key);
    }
}

/// Propagates without GET: replicas need no reply.
fn propagate_without_get(cx: &mut Cx, args: &Args) {
    let argv = args.argv();
    let options = argv.from(3);
    let options = options
        .iter()
        .filter(|word| !word.eq_ignore_ascii_case(b"GET"));
    cx.propagate_as(argv.iter().take(3).chain(options));
}

pub(super) const SETNX: DataCommand = Spec {
    name: "setnx",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[OW, INSERT])],
    usage: "key:key value:string",
    since: "1.0.0",
    summary: "Stores a string if the key is free.",
    complexity: "O(1)",
    deprecated: deprecated("2.6.12", "`SET` with the `NX` argument"),
    ..Spec::of(Group::String)
}
.runs(setnx);

fn setnx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    if cx.db().write(key).is_some() {
        return reply.int(0);
    }
    store(cx, key, value_of(args, 2), Deadline::Clear);
    reply.int(1)
}

fn set_for(
    cx: &mut Cx,
    args: &mut Args,
    reply: &mut Reply,
    unit: Unit,
    name: &'static str,
) -> CmdResult {
    let (key, ttl) = (args.key(), args.bytes());
    let deadline_ms = unit.deadline_ms(ttl, cx.now_ms(), name)?;
    store(cx, key, value_of(args, 3), Deadline::At(deadline_ms));
    propagate_pxat(cx, args, 3, deadline_ms);
    reply.ok()
}

pub(super) const SETEX: DataCommand = Spec {
    name: "setex",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[OW, UPDATE])],
    usage: "key:key seconds:integer value:string",
    since: "2.0.0",
    summary: "Stores a string with a time to live in seconds.",
    complexity: "O(1)",
    deprecated: deprecated("2.6.12", "`SET` with the `EX` argument"),
    ..Spec::of(Group::String)
}
.runs(setex);

fn setex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    set_for(cx, args, reply, Unit::Seconds, SETEX.name())
}

pub(super) const PSETEX: DataCommand = Spec {
    name: "psetex",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[OW, UPDATE])],
    usage: "key:key milliseconds:integer value:string",
    since: "2.6.0",
    summary: "Stores a string with a time to live in milliseconds.",
    complexity: "O(1)",
    deprecated: deprecated("2.6.12", "`SET` with the `PX` argument"),
    ..Spec::of(Group::String)
}
.runs(psetex);

fn psetex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    set_for(cx, args, reply, Unit::Milliseconds, PSETEX.name())
}

pub(super) const GETSET: DataCommand = Spec {
    name: "getset",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key value:string",
    since: "1.0.0",
    summary: "Stores a string and returns the previous one.",
    complexity: "O(1)",
    deprecated: deprecated("6.2.0", "`SET` with the `!GET` argument"),
    ..Spec::of(Group::String)
}
.runs(getset);

fn getset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    reply_string(cx.db().string(key)?, reply)?;
    store(cx, key, value_of(args, 2), Deadline::Clear);
    cx.propagate_as([b"SET".as_slice(), key, args.argv().at(2)]);
    Ok(())
}

pub(super) const GETDEL: DataCommand = Spec {
    name: "getdel",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
    usage: "key:key",
    since: "6.2.0",
    summary: "The string at a key, which is deleted.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(getdel);

fn getdel(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let Some(found) = db.read(key) else {
        return reply.null();
    };
    reply_string(Some(db.string_at(found)?), reply)?;
    db.remove(found, RemovalReason::Deleted);
    cx.propagate_as([b"DEL".as_slice(), key]);
    cx.changed(Event::DEL, key);
    Ok(())
}

pub(super) const GETEX: DataCommand = Spec {
    name: "getex",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])
        .noting("RW and UPDATE because it changes the TTL")],
    usage: "key:key [expiration(seconds:integer@EX|milliseconds:integer@PX|unix-time-seconds:unix-time@EXAT|unix-time-milliseconds:unix-time@PXAT|persist=PERSIST)]",
    since: "6.2.0",
    summary: "Returns the string at a key and sets or clears its deadline.",
    complexity: "O(1)",
    ..Spec::of(Group::String)
}
.runs(getex);

fn getex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let o = Options::parse(args, false)?;
    let now_ms = cx.now_ms();
    let mut db = cx.db();
    let Some(found) = db.read(key) else {
        return reply.null();
    };
    db.string_at(found)?;
    let deadline_ms = match o.expiry {
        Some((unit, n)) => Some(unit.deadline_ms(n, now_ms, GETEX.name())?),
        None => None,
    };
    reply_string(Some(db.string_at(found)?), reply)?;
    match deadline_ms {
        Some(deadline_ms) if deadline_ms <= now_ms && !cx.caller.must_obey => {
            cx.db().remove(found, RemovalReason::Deleted);
            cx.propagate_as([cx.tuning.word_for_expired(), key]);
            cx.changed(Event::DEL, key);
        }
        Some(deadline_ms) => {
            cx.db().set_deadline(found, deadline_ms);
            let mut buffer = itoa::Buffer::new();
            let deadline = buffer.format(deadline_ms).as_bytes();
            cx.propagate_as([b"PEXPIREAT".as_slice(), key, deadline]);
            cx.changed(Event::EXPIRE, key);
        }
        None if o.persist && cx.db().clear_deadline(found) => {
            cx.propagate_as([b"PERSIST".as_slice(), key]);
            cx.changed(Event::PERSIST, key);
        }
        None => {}
    }
    Ok(())
}

pub(super) const MGET: DataCommand = Spec {
    name: "mget",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::range(1, -1, 1, &[RO, ACCESS])],
    usage: "key:key...",
    since: "1.0.0",
    summary: "The strings at several keys.",
    complexity: "O(N) where N is the number of keys to retrieve.",
    tips: &["request_policy:multi_shard"],
    ..Spec::of(Group::String)
}
.runs(mget);

/// What is no string reads as nil.
fn mget(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let keys = args.rest();
    reply.array(keys.len())?;
    let mut ahead = cx.keyspace.ahead(cx.db, keys, 1);
    while let Some(key) = ahead.next(cx.keyspace) {
        match cx.db().string(key) {
            Ok(value) => reply_string(value, reply)?,
            Err(_) => reply.null()?,
        }
    }
    Ok(())
}

pub(super) const MSET: DataCommand = Spec {
    name: "mset",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::range(1, -1, 2, &[OW, UPDATE])],
    usage: "data{key:key value:string}...",
    since: "1.0.1",
    summary: "Stores strings at several keys, all at once.",
    complexity: "O(N) where N is the number of keys to set.",
    tips: &[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ],
    ..Spec::of(Group::String)
}
.runs(mset);

fn mset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    if !args.left().is_multiple_of(2) {
        return Err(CmdError::arity(MSET.name()));
    }
    store_all(cx, args);
    reply.ok()
}

fn store_all(cx: &mut Cx, args: &mut Args) {
    let mut value_at = args.position() + 1;
    let mut ahead = cx.keyspace.ahead(cx.db, args.rest(), 2);
    while let Some(key) = ahead.next(cx.keyspace) {
        store(cx, key, value_of(args, value_at), Deadline::Clear);
        value_at += 2;
    }
}

pub(super) const MSETNX: DataCommand = Spec {
    name: "msetnx",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::range(1, -1, 2, &[OW, INSERT])],
    usage: "data{key:key value:string}...",
    since: "1.0.1",
    summary: "Stores strings at several keys if all of them are free.",
    complexity: "O(N) where N is the number of keys to set.",
    ..Spec::of(Group::String)
}
.runs(msetnx);

/// MSETNX key value [key value ...]: all or nothing.
fn msetnx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    if !args.left().is_multiple_of(2) {
        return Err(CmdError::arity(MSETNX.name()));
    }
    let taken = args
        .rest()
        .iter()
        .step_by(2)
        .any(|key| cx.db().write(key).is_some());
    if taken {
        return reply.int(0);
    }
    store_all(cx, args);
    reply.int(1)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    fn engine() -> Engine {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e
    }

    #[test]
    fn set_writes_under_conditions() {
        let mut e = engine();
        assert_eq!(e.ask("SET a 1 XX"), "$-1");
        assert_eq!(e.ask("SET a 1 NX"), "+OK");
        assert_eq!(e.outcome().events_text(), "new a, set a");
        assert_eq!(e.ask("SET a 2 NX GET"), "$1 1");
        assert_eq!(e.outcome().dirty, 0);
        assert_eq!(e.ask("SET a get XX GET"), "$1 1");
        assert_eq!(e.outcome().events_text(), "overwritten a, set a");
        assert_eq!(e.outcome().propagated_text(), "SET a get XX");
    }

    #[test]
    fn set_takes_one_kind_of_deadline() {
        let mut e = engine();
        assert_eq!(e.ask("SET a 1 EX 10 EX 20"), "+OK");
        assert_eq!(e.outcome().propagated_text(), "SET a 1 PXAT 1020000");
        assert_eq!(e.ask("SET a 2 KEEPTTL"), "+OK");
        assert_eq!(e.ask("TTL a"), ":20");
        for line in [
            "SET a 1 EX 10 PX 5",
            "SET a 1 EX 1 KEEPTTL",
            "SET a 1 EX",
            "SET a 1 IFEQ",
        ] {
            assert_eq!(e.ask(line), "-ERR syntax error", "{line}");
        }
        let error = "-ERR invalid expire time in 'set' command";
        assert_eq!(e.ask("SET a 1 PX 0"), error);
        assert_eq!(e.ask("SET a 1 EX 9223372036854775807"), error);
        assert_eq!(
            e.ask("SETEX a x 1"),
            "-ERR value is not an integer or out of range"
        );
        assert_eq!(e.ask("SET a 1 PXAT 1000001"), "+OK");
        assert_eq!(e.outcome().propagated_text(), "SET a 1 PXAT 1000001");
        assert_eq!(e.ask("GETSET a 2"), "$1 1");
        assert_eq!(e.outcome().propagated_text(), "SET a 2");
        assert_eq!(e.ask("TTL a"), ":-1");
    }

    #[test]
    fn getex_and_getdel_propagate_their_effect() {
        let mut e = engine();
        e.ask("SET a 1");
        assert_eq!(e.ask("GETEX a EX 10"), "$1 1");
        assert_eq!(e.outcome().propagated_text(), "PEXPIREAT a 1010000");
        assert_eq!(e.ask("GETEX a PERSIST"), "$1 1");
        assert_eq!(e.outcome().propagated_text(), "PERSIST a");
        assert_eq!(e.ask("GETEX a PERSIST"), "$1 1");
        assert_eq!(e.outcome().dirty, 0);
        assert_eq!(e.ask("GETEX a EXAT 1"), "$1 1");
        assert_eq!(e.outcome().events_text(), "del a");
        e.ask("SET a 1");
        assert_eq!(e.ask("GETDEL a"), "$1 1");
        assert_eq!(e.outcome().propagated_text(), "DEL a");
    }

    #[test]
    fn many_at_once() {
        let mut e = engine();
        assert_eq!(e.ask("MSET a 1 b 2 a 3"), "+OK");
        assert_eq!(e.outcome().dirty, 3);
        assert_eq!(e.ask("MGET a b c"), "*3 $1 3 $1 2 $-1");
        assert_eq!(e.ask("MSETNX c 1 a 2"), ":0");
        assert_eq!(e.ask("MSETNX c 1 d 2"), ":1");
        assert_eq!(
            e.ask("MSET a 1 b"),
            "-ERR wrong number of arguments for 'mset' command"
        );
    }
}
