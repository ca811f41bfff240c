//! Keys, whatever they hold: deleting, renaming, databases. Deadlines, copies, scans and the
//! inspection of values are in the files beside.

mod copy;
mod dump;
mod expire;
mod flush;
mod object;
mod pieces;
mod scan;
mod sort;

pub(in crate::commands) use scan::parse_cursor;

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply, container};
use crate::commands::tell_overwritten;
use crate::keyspace::{DbIndex, RemovalReason};

pub static TABLE: &[DataCommand] = &[
    DEL,
    UNLINK,
    EXISTS,
    TYPE,
    TOUCH,
    RENAME,
    RENAMENX,
    scan::RANDOMKEY,
    scan::KEYS,
    scan::SCAN,
    copy::COPY,
    copy::MOVE,
    expire::EXPIRE,
    expire::PEXPIRE,
    expire::EXPIREAT,
    expire::PEXPIREAT,
    expire::TTL,
    expire::PTTL,
    expire::EXPIRETIME,
    expire::PEXPIRETIME,
    expire::PERSIST,
    OBJECT,
    DBSIZE,
    flush::FLUSHDB,
    flush::FLUSHALL,
    flush::SWAPDB,
    sort::SORT,
    sort::SORT_RO,
    dump::DUMP,
    dump::RESTORE,
    dump::RESTORE_ASKING,
];

const OBJECT: DataCommand = Spec {
    name: "object",
    since: "2.2.3",
    summary: "Looks behind the value of a key.",
    ..Spec::of(Group::Generic)
}
.contains(
    &[
        object::OBJECT_ENCODING,
        object::OBJECT_FREQ,
        object::OBJECT_HELP,
        object::OBJECT_IDLETIME,
        object::OBJECT_REFCOUNT,
    ],
    container,
);

/// The way in which a key is deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freeing {
    Here,
    Background,
}

fn delete_all(cx: &mut Cx, args: &mut Args, reply: &mut Reply, freeing: Freeing) -> CmdResult {
    let mut deleted = 0;
    let mut ahead = cx.keyspace.ahead(cx.db, args.rest(), 1);
    while let Some(key) = ahead.next(cx.keyspace) {
        let mut db = cx.db();
        let Some(found) = db.peek(key) else { continue };
        match freeing {
            Freeing::Here => db.remove(found, RemovalReason::Deleted),
            Freeing::Background => db.unlink(found),
        }
        cx.changed(Event::DEL, key);
        deleted += 1;
    }
    reply.int(deleted)
}

const DEL: DataCommand = Spec {
    name: "del",
    flags: WRITE,
    keys: &[KeySpec::range(1, -1, 1, &[RM, DELETE])],
    usage: "key:key...",
    since: "1.0.0",
    summary: "Deletes keys.",
    complexity: "O(N) where N is the number of keys that will be removed",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Spec::of(Group::Generic)
}
.runs(del);

fn del(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let freeing = match cx.tuning.lazy_user_del {
        true => Freeing::Background,
        false => Freeing::Here,
    };
    delete_all(cx, args, reply, freeing)
}

const UNLINK: DataCommand = Spec {
    name: "unlink",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::range(1, -1, 1, &[RM, DELETE])],
    usage: "key:key...",
    since: "4.0.0",
    summary: "Deletes keys and frees their memory in the background.",
    complexity: "O(1) for each key removed regardless of its size",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Spec::of(Group::Generic)
}
.runs(unlink);

fn unlink(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    delete_all(cx, args, reply, Freeing::Background)
}

const EXISTS: DataCommand = Spec {
    name: "exists",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::range(1, -1, 1, &[RO])],
    usage: "key:key...",
    since: "1.0.0",
    summary: "How many of these keys exist.",
    complexity: "O(N) where N is the number of keys to check.",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    history: &[("3.0.3", "Takes several keys.")],
    ..Spec::of(Group::Generic)
}
.runs(exists);

/// A key named twice counts twice.
fn exists(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut count = 0;
    let mut ahead = cx.keyspace.ahead(cx.db, args.rest(), 1);
    while let Some(key) = ahead.next(cx.keyspace) {
        count += cx.db().inspect(key).is_some() as i64;
    }
    reply.int(count)
}

const TOUCH: DataCommand = Spec {
    name: "touch",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::range(1, -1, 1, &[RO])],
    usage: "key:key...",
    since: "3.2.1",
    summary: "Marks keys as used now.",
    complexity: "O(N) where N is the number of keys that will be touched.",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Spec::of(Group::Generic)
}
.runs(touch);

/// Also updates the access time for a client in CLIENT NO-TOUCH mode.
fn touch(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let no_touch = std::mem::take(&mut cx.keyspace.shared.no_touch);
    let mut count = 0;
    let mut ahead = cx.keyspace.ahead(cx.db, args.rest(), 1);
    while let Some(key) = ahead.next(cx.keyspace) {
        count += cx.db().read(key).is_some() as i64;
    }
    cx.keyspace.shared.no_touch = no_touch;
    reply.int(count)
}

const TYPE: DataCommand = Spec {
    name: "type",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    usage: "key:key",
    since: "1.0.0",
    summary: "The type of the value at a key.",
    complexity: "O(1)",
    ..Spec::of(Group::Generic)
}
.runs(type_);

fn type_(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let found = db.inspect(args.key());
    reply.simple(found.map_or("none", |found| db.get(found).kind().name()))
}

const DBSIZE: DataCommand = Spec {
    name: "dbsize",
    flags: all(&[READONLY, FAST]),
    acl: &["keyspace"],
    since: "1.0.0",
    summary: "How many keys the database has.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    ..Spec::of(Group::Server)
}
.runs(dbsize);

fn dbsize(cx: &mut Cx, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let len = cx.db().len();
    reply.int(len as i64)
}

/// Renames, unless the new name is taken and must not be. Returns whether it did.
fn rename_to(cx: &mut Cx, args: &mut Args, only_if_free: bool) -> Result<bool, CmdError> {
    let (from, to) = (args.key(), args.key());
    let mut db = cx.db();
    let found = db.write(from).ok_or(CmdError::NoSuchKey)?;
    if from == to {
        return Ok(!only_if_free);
    }
    let kind = db.get(found).kind();
    let mut old = None;
    if let Some(taken) = db.write(to) {
        if only_if_free {
            return Ok(false);
        }
        old = Some(db.get(taken).kind());
        db.remove(taken, RemovalReason::Overwritten);
    }
    // The other key's leaving may have moved this one.
    let found = db.peek(from).ok_or(CmdError::NoSuchKey)?;
    db.rename(found, to);
    cx.also(Event::NEW, to);
    // As Redis does: both keys changed before either event is published.
    cx.note(cx.db, from, None);
    cx.note(cx.db, to, None);
    cx.changed(Event::RENAME_FROM, from);
    cx.also(Event::RENAME_TO, to);
    if let Some(old) = old {
        tell_overwritten(cx, cx.db, to, old, kind);
    }
    Ok(true)
}

const RENAME: DataCommand = Spec {
    name: "rename",
    flags: WRITE,
    keys: &[
        KeySpec::at(1, &[RW, ACCESS, DELETE]),
        KeySpec::at(2, &[OW, UPDATE]),
    ],
    usage: "key:key newkey:key",
    since: "1.0.0",
    summary: "Gives a key another name, replacing what was there.",
    complexity: "O(1)",
    ..Spec::of(Group::Generic)
}
.runs(rename);

fn rename(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    rename_to(cx, args, false)?;
    reply.ok()
}

const RENAMENX: DataCommand = Spec {
    name: "renamenx",
    flags: all(&[WRITE, FAST]),
    keys: &[
        KeySpec::at(1, &[RW, ACCESS, DELETE]),
        KeySpec::at(2, &[OW, INSERT]),
    ],
    usage: "key:key newkey:key",
    since: "1.0.0",
    summary: "Gives a key another name if that is free.",
    complexity: "O(1)",
    history: &[("3.2.0", "Two equal names are no error any more.")],
    ..Spec::of(Group::Generic)
}
.runs(renamenx);

fn renamenx(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let renamed = rename_to(cx, args, true)?;
    reply.bool(renamed)
}

/// The database that an argument names.
fn db_argument(cx: &Cx, args: &mut Args) -> Result<DbIndex, CmdError> {
    let number = small_int(args.int()?)?;
    cx.keyspace.index_of(number).ok_or(CmdError::DbRange)
}

/// An integer that Redis keeps in 32 bits.
fn small_int(n: i64) -> Result<i64, CmdError> {
    const OUT_OF_RANGE: CmdError =
        CmdError::Fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
    match i32::try_from(n) {
        Ok(_) => Ok(n),
        Err(_) => Err(OUT_OF_RANGE),
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn del_unlink_and_touch_count_existing_keys() {
        let mut e = Engine::new();
        e.ask("MSET a 1 b 2 c 3");
        assert_eq!(e.ask("EXISTS a a x b"), ":3");
        assert_eq!(e.ask("DEL a x a b"), ":2");
        assert_eq!(e.outcome().events_text(), "del a, del b");
        assert_eq!(e.outcome().dirty, 2);
        assert_eq!(e.ask("UNLINK a c"), ":1");
        assert_eq!(e.ask("DEL c"), ":0");
        assert!(e.outcome().propagated.is_empty());
        assert_eq!(
            (e.ask("TYPE c"), e.ask("DBSIZE")),
            ("+none".into(), ":0".into())
        );
    }

    #[test]
    fn many_keys_are_deleted_ahead() {
        let mut e = Engine::new();
        let names: Vec<String> = (0..500).map(|n| format!("key:{n}")).collect();
        let mut mset = vec!["MSET".to_owned()];
        mset.extend(names.iter().flat_map(|n| [n.clone(), "v".into()]));
        assert_eq!(e.run(&mset), b"+OK\r\n");
        let mut del = vec!["DEL".to_owned()];
        del.extend(names);
        assert_eq!(e.run(&del), b":500\r\n");
        assert_eq!(e.ask("DBSIZE"), ":0");
    }

    #[test]
    fn rename_takes_value_and_deadline_along() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("SET a 1 EX 10");
        e.ask("SET b 2");
        assert_eq!(e.ask("RENAMENX a b"), ":0");
        assert_eq!(e.ask("RENAME a b"), "+OK");
        assert_eq!(
            e.outcome().events_text(),
            "new b, rename_from a, rename_to b, overwritten b"
        );
        assert_eq!(
            (e.ask("GET b"), e.ask("TTL b")),
            ("$1 1".into(), ":10".into())
        );
        assert_eq!(e.ask("RENAME b b"), "+OK");
        assert_eq!(e.ask("RENAMENX b b"), ":0");
        assert_eq!(e.ask("RENAME a a"), "-ERR no such key");
        e.advance_ms(10_001);
        assert_eq!(e.ask("EXISTS b"), ":0");
    }

    #[test]
    fn a_key_held_though_overdue_is_written_anew() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("MSET b 2 c 3");
        for key in ["a1", "a2", "a3", "a4"] {
            e.ask(&format!("SET {key} old PX 5"));
        }
        e.keyspace().shared.hold_expired = true;
        e.advance_ms(6);
        assert_eq!(e.ask("EXISTS a1"), ":0");
        assert_eq!(e.ask("DBSIZE"), ":6");
        assert_eq!(e.ask("APPEND a1 x"), ":1");
        assert_eq!(e.ask("INCR a2"), ":1");
        assert_eq!(e.ask("RENAME b a3"), "+OK");
        assert_eq!(e.ask("COPY c a4"), ":1");
        assert_eq!(e.ask("MGET a1 a2 a3 a4"), "*4 $1 x $1 1 $1 2 $1 3");
        assert_eq!(e.ask("DBSIZE"), ":5");
    }
}
