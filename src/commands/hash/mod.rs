//! Hashes: reading and writing fields. Random fields and scans are in `read`, deadlines in
//! `expire`, commands that read or write together with a deadline in `getex_setex`.
//!
//! A field whose deadline has passed does not exist for a reader. Most commands that come across
//! one remove it (`OverdueFields`); those that read whole hashes skip it. As Redis does, HSET,
//! HDEL and HEXPIRE treat an overdue field as an existing one.

mod expire;
mod getex_setex;
mod options;
mod read;

use crate::algo::long_double::LongDouble;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::hash::{FieldDeadline, HashRef, is_overdue, stays_small};
use crate::keyspace::{Found, RemovalReason};
use crate::resp::request::Argv;

pub static TABLE: &[DataCommand] = &[
    HSET,
    HMSET,
    HSETNX,
    HGET,
    HMGET,
    HDEL,
    HEXISTS,
    HLEN,
    HSTRLEN,
    HINCRBY,
    HINCRBYFLOAT,
    read::HKEYS,
    read::HVALS,
    read::HGETALL,
    read::HRANDFIELD,
    read::HSCAN,
    getex_setex::HGETDEL,
    getex_setex::HGETEX,
    getex_setex::HSETEX,
    expire::HEXPIRE,
    expire::HPEXPIRE,
    expire::HEXPIREAT,
    expire::HPEXPIREAT,
    expire::HTTL,
    expire::HPTTL,
    expire::HEXPIRETIME,
    expire::HPEXPIRETIME,
    expire::HPERSIST,
];

/// The pairs of field and value that are left.
fn pairs<'a>(words: Argv<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    (0..words.len() / 2).map(move |i| (words.at(2 * i), words.at(2 * i + 1)))
}

/// A command's dealings with fields that may be overdue.
pub(super) struct OverdueFields {
    found: Found,
    /// Some field it came across had to go.
    removed_overdue: bool,
}

impl OverdueFields {
    /// At a hash that was found; an error if it is something else.
    pub fn at(cx: &mut Cx, found: Found) -> Result<OverdueFields, CmdError> {
        cx.db().hash_at(found)?;
        Ok(OverdueFields {
            found,
            removed_overdue: false,
        })
    }

    /// Replies with the value of a field; an overdue one is missing.
    fn reply_value(&mut self, cx: &mut Cx, name: &[u8], reply: &mut Reply) -> CmdResult {
        let now_ms = cx.overdue_ms();
        let db = cx.db();
        match db.hash_at(self.found)?.get(name) {
            Some(field) if !is_overdue(&field, now_ms) => reply.item(field.value),
            Some(_) => {
                self.expire_field(cx, name);
                reply.null()
            }
            None => reply.null(),
        }
    }

    /// The value of a field; an overdue one is gone.
    pub fn value(&mut self, cx: &mut Cx, name: &[u8]) -> Option<Vec<u8>> {
        if !self.has(cx, name) {
            return None;
        }
        let now_ms = cx.overdue_ms();
        let value = cx
            .db()
            .hash_at(self.found)
            .ok()?
            .value(name, now_ms)?
            .to_vec();
        Some(value)
    }

    /// Whether a field is there; an overdue one is gone.
    fn has(&mut self, cx: &mut Cx, name: &[u8]) -> bool {
        let now_ms = cx.overdue_ms();
        let overdue = match cx
            .db()
            .hash_at(self.found)
            .ok()
            .and_then(|hash| hash.get(name))
        {
            Some(field) => is_overdue(&field, now_ms),
            None => return false,
        };
        if overdue {
            self.expire_field(cx, name);
        }
        !overdue
    }

    fn expire_field(&mut self, cx: &mut Cx, name: &[u8]) {
        let mut db = cx.db();
        if !db.holds_expired() {
            db.expire_field(self.found, name);
            self.removed_overdue = true;
        }
    }

    /// Lets a hash go that lost its last field. Returns whether it is still there.
    pub fn end(self, cx: &mut Cx) -> bool {
        !self.removed_overdue || cx.db().keep_unless_empty(self.found)
    }
}

/// Removes a hash that has become empty, and notes the event.
fn leave_if_empty(cx: &mut Cx, found: Found, key: &[u8]) {
    if cx.db().hash_at(found).is_ok_and(HashRef::is_empty) {
        cx.db().remove(found, RemovalReason::Deleted);
        cx.also(Event::DEL, key);
    }
}

/// Finds the hash at a key for changing it, or adds an empty one.
fn find_or_add(cx: &mut Cx, key: &[u8]) -> Result<Found, CmdError> {
    if let Some(found) = cx.db().write(key) {
        cx.db().hash_at(found)?;
        return Ok(found);
    }
    cx.also(Event::NEW, key);
    Ok(cx.db().add_hash(key))
}

/// Writes pairs; returns how many fields were not there.
fn set_pairs(cx: &mut Cx, args: &mut Args, command: &str) -> Result<usize, CmdError> {
    let (key, first_hash) = (args.key(), args.element_hash());
    let words = args.rest();
    if words.len() % 2 == 1 {
        return Err(CmdError::arity(command));
    }
    let count = words.len() / 2;
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    let small = stays_small(count, words.iter(), tuning);
    let created = match db.write(key) {
        Some(found) => {
            let hash = db.hash_at(found)?;
            if !small && !matches!(hash, HashRef::Table(_) | HashRef::Template(_)) {
                db.hash_to_table(found);
            }
            db.put_fields(found, pairs(words), first_hash, tuning)
        }
        None if small => {
            cx.effects.note(db.shared(), cx.db, key, Some(Event::NEW));
            db.add_small_hash(key, pairs(words), tuning).1
        }
        None => {
            cx.effects.note(db.shared(), cx.db, key, Some(Event::NEW));
            let found = db.add_hash(key);
            db.hash_to_table(found);
            db.put_fields(found, pairs(words), first_hash, tuning)
        }
    };
    cx.changed(Event::HSET, key);
    cx.of_fields(pairs(words).map(|(name, _)| name));
    cx.effects.count_changes(count as u64 - 1);
    Ok(created)
}

const HSET: DataCommand = Spec {
    name: "hset",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    element: 2,
    usage: "key:key data{field:string value:string}...",
    since: "2.0.0",
    summary: "Sets fields of a hash.",
    complexity: "O(1) for each field",
    history: &[("4.0.0", "Takes several fields with their values.")],
    ..Spec::of(Group::Hash)
}
.runs(hset);

fn hset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let created = set_pairs(cx, args, HSET.name())?;
    reply.int(created as i64)
}

const HMSET: DataCommand = Spec {
    name: "hmset",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, UPDATE])],
    element: 2,
    usage: "key:key data{field:string value:string}...",
    since: "2.0.0",
    summary: "Sets fields of a hash.",
    complexity: "O(1) for each field",
    deprecated: deprecated("4.0.0", "`HSET` with multiple field-value pairs"),
    ..Spec::of(Group::Hash)
}
.runs(hmset);

fn hmset(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    set_pairs(cx, args, HMSET.name())?;
    reply.ok()
}

/// The hash in which a field is, before a command writes the field. An overdue one goes, and with the
/// last one the hash.
fn is_there(cx: &mut Cx, key: &[u8], name: &[u8]) -> Result<Option<Found>, CmdError> {
    let Some(found) = cx.db().write(key) else {
        return Ok(None);
    };
    let mut fields = OverdueFields::at(cx, found)?;
    let has = fields.has(cx, name);
    fields.end(cx);
    Ok(has.then_some(found))
}

const HSETNX: DataCommand = Spec {
    name: "hsetnx",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    element: 2,
    usage: "key:key field:string value:string",
    since: "2.0.0",
    summary: "Sets a field of a hash unless it is there.",
    complexity: "O(1)",
    ..Spec::of(Group::Hash)
}
.runs(hsetnx);

fn hsetnx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name, value) = (args.key(), args.bytes(), args.bytes());
    if is_there(cx, key, name)?.is_some() {
        return reply.int(0);
    }
    let found = find_or_add(cx, key)?;
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    db.put_field(found, name, value, FieldDeadline::Clear, tuning);
    db.fit_template(found, tuning);
    cx.changed(Event::HSET, key);
    cx.of_fields([name]);
    reply.int(1)
}

const HGET: DataCommand = Spec {
    name: "hget",
    element: 2,
    usage: "key:key field:string",
    since: "2.0.0",
    summary: "The value of a field.",
    complexity: "O(1)",
    ..Spec::reading_fast(Group::Hash)
}
.runs(hget);

fn hget(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let Some(found) = cx.db().read(key) else {
        return reply.null();
    };
    let mut fields = OverdueFields::at(cx, found)?;
    fields.reply_value(cx, name, reply)?;
    fields.end(cx);
    Ok(())
}

const HMGET: DataCommand = Spec {
    name: "hmget",
    element: 2,
    usage: "key:key field:string...",
    since: "2.0.0",
    summary: "The values of several fields.",
    complexity: "O(1) for each field",
    ..Spec::reading_fast(Group::Hash)
}
.runs(hmget);

fn hmget(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let names = args.rest();
    let found = cx.db().read(key);
    let mut fields = match found {
        Some(found) => Some(OverdueFields::at(cx, found)?),
        None => None,
    };
    reply.array(names.len())?;
    for name in names.iter() {
        match &mut fields {
            Some(fields) => fields.reply_value(cx, name, reply)?,
            None => reply.null()?,
        }
    }
    if let Some(fields) = fields {
        fields.end(cx);
    }
    Ok(())
}

const HDEL: DataCommand = Spec {
    name: "hdel",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    element: 2,
    usage: "key:key field:string...",
    since: "2.0.0",
    summary: "Removes fields from a hash.",
    complexity: "O(1) for each field",
    history: &[("2.4.0", "Takes several fields.")],
    ..Spec::of(Group::Hash)
}
.runs(hdel);

fn hdel(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let tells = cx.effects.tells_fields();
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        return reply.int(0);
    };
    db.hash_at(found)?;
    let names = args.rest();
    let (mut removed, mut gone) = (0, expire::Names::new());
    for name in names.iter() {
        if db.remove_field(found, name) {
            removed += 1;
            if tells {
                gone.push(name);
            }
        }
    }
    if removed > 0 {
        cx.changed(Event::HDEL, key);
        cx.of_fields(gone);
        cx.effects.count_changes(removed - 1);
        leave_if_empty(cx, found, key);
    }
    reply.int(removed as i64)
}

const HEXISTS: DataCommand = Spec {
    name: "hexists",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    element: 2,
    usage: "key:key field:string",
    since: "2.0.0",
    summary: "Whether a hash has a field.",
    complexity: "O(1)",
    ..Spec::of(Group::Hash)
}
.runs(hexists);

fn hexists(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let Some(found) = cx.db().read(key) else {
        return reply.int(0);
    };
    let mut fields = OverdueFields::at(cx, found)?;
    let has = fields.has(cx, name);
    fields.end(cx);
    reply.bool(has)
}

const HLEN: DataCommand = Spec {
    name: "hlen",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    usage: "key:key",
    since: "2.0.0",
    summary: "How many fields a hash has.",
    complexity: "O(1)",
    ..Spec::of(Group::Hash)
}
.runs(hlen);

/// Counts overdue fields as long as they are there.
fn hlen(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let len = db.read_hash(args.key())?.map_or(0, HashRef::len);
    reply.int(len as i64)
}

const HSTRLEN: DataCommand = Spec {
    name: "hstrlen",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    element: 2,
    usage: "key:key field:string",
    since: "3.2.0",
    summary: "The length of a field's value.",
    complexity: "O(1)",
    ..Spec::of(Group::Hash)
}
.runs(hstrlen);

fn hstrlen(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let Some(found) = cx.db().read(key) else {
        return reply.int(0);
    };
    let mut fields = OverdueFields::at(cx, found)?;
    let mut len = 0;
    if fields.has(cx, name) {
        let db = cx.db();
        len = db
            .hash_at(found)?
            .get(name)
            .map_or(0, |field| field.value.len());
    }
    fields.end(cx);
    reply.int(len as i64)
}

const HINCRBY: DataCommand = Spec {
    name: "hincrby",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    element: 2,
    usage: "key:key field:string increment:integer",
    since: "2.0.0",
    summary: "Adds an integer to the value of a field.",
    complexity: "O(1)",
    ..Spec::of(Group::Hash)
}
.runs(hincrby);

fn hincrby(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const NO_INTEGER: CmdError = CmdError::Fixed("ERR hash value is not an integer");
    let (key, name) = (args.key(), args.bytes());
    let by = args.int()?;
    let (mut old, there) = (0, is_there(cx, key, name)?);
    if let Some(found) = there {
        let value = cx.db().hash_at(found)?.get(name).map(|f| f.value.as_int());
        old = value.unwrap_or(Some(0)).ok_or(NO_INTEGER)?;
    }
    let new = old.checked_add(by).ok_or(CmdError::Overflow)?;
    let mut digits = itoa::Buffer::new();
    write_number(cx, there, key, name, digits.format(new).as_bytes())?;
    cx.changed(Event::HINCRBY, key);
    cx.of_fields([name]);
    reply.int(new)
}

/// Writes a field of a hash that was found, or is to be found or made.
fn write_number(
    cx: &mut Cx,
    there: Option<Found>,
    key: &[u8],
    name: &[u8],
    digits: &[u8],
) -> CmdResult {
    let found = match there {
        Some(found) => found,
        None => find_or_add(cx, key)?,
    };
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    db.put_field(found, name, digits, FieldDeadline::Keep, tuning);
    db.fit_template(found, tuning);
    Ok(())
}

/// Whether the readers of the log support HSETEX. Servers that `rdb-save-version` names may not,
/// and where the field has no deadline HSET has the same effect.
fn knows_hsetex(cx: &mut Cx, key: &[u8], name: &[u8]) -> bool {
    if cx.tuning.rdb_versions.most >= crate::rdb::version::FIELD_DEADLINES {
        return true;
    }
    let mut db = cx.db();
    let field = db
        .peek(key)
        .and_then(|found| db.hash_at(found).ok()?.get(name));
    field.is_some_and(|field| field.deadline_ms.is_some())
}

const HINCRBYFLOAT: DataCommand = Spec {
    name: "hincrbyfloat",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    element: 2,
    usage: "key:key field:string increment:double",
    since: "2.6.0",
    summary: "Adds a number to the value of a field.",
    complexity: "O(1)",
    ..Spec::of(Group::Hash)
}
.runs(hincrbyfloat);

/// HINCRBYFLOAT key field increment, with the digits of 80-bit arithmetic.
fn hincrbyfloat(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const INFINITE: CmdError = CmdError::Fixed("ERR value is NaN or Infinity");
    const NO_FLOAT: CmdError = CmdError::Fixed("ERR hash value is not a float");
    let (key, name) = (args.key(), args.bytes());
    let by = LongDouble::parse(args.bytes()).ok_or(CmdError::NotFloat)?;
    if !by.is_finite() {
        return Err(INFINITE);
    }
    let (mut old, there) = (LongDouble::from(0), is_there(cx, key, name)?);
    if let Some(found) = there {
        let db = cx.db();
        let value = db.hash_at(found)?.get(name);
        let mut buffer = itoa::Buffer::new();
        let text = value
            .as_ref()
            .map_or(&b"0"[..], |field| field.value.as_bytes(&mut buffer));
        old = LongDouble::parse(text).ok_or(NO_FLOAT)?;
    }
    let sum = old + by;
    if !sum.is_finite() {
        return Err(CmdError::NotFinite);
    }
    let sum = sum.to_text();
    write_number(cx, there, key, name, &sum)?;
    cx.changed(Event::HINCRBYFLOAT, key);
    cx.of_fields([name]);
    match knows_hsetex(cx, key, name) {
        true => cx.propagate_as([
            b"HSETEX".as_slice(),
            key,
            b"KEEPTTL",
            b"FIELDS",
            b"1",
            name,
            &sum,
        ]),
        false => cx.propagate_as([b"HSET".as_slice(), key, name, &sum]),
    }
    reply.bulk(&sum)
}

#[cfg(test)]
mod tests;
