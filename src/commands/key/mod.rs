//! Keys, whatever they hold: deleting, renaming, databases. The table is here; deadlines, copies,
//! walks and looks behind a value are in the files beside.

mod copy;
pub mod dump;
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
use copy::{copy, move_};
use expire::{expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl};
use flush::{flushall, flushdb, swapdb};
use object::{object_encoding, object_freq, object_help, object_idletime, object_refcount};
use scan::{keys, randomkey, scan};
use sort::{sort, sort_ro};

pub static TABLE: &[DataCommand] = &[
    Entry {
        spec: Spec {
            name: "del",
            arity: -2,
            flags: WRITE,
            group: Group::Generic,
            keys: &[KeySpec::range(1, -1, 1, &[RM, DELETE])],
            usage: "key:key...",
            since: "1.0.0",
            summary: "Deletes keys.",
            complexity: "O(N) where N is the number of keys that will be removed",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            ..Spec::BASE
        },
        run: del,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "unlink",
            arity: -2,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::range(1, -1, 1, &[RM, DELETE])],
            usage: "key:key...",
            since: "4.0.0",
            summary: "Deletes keys and frees their memory in the background.",
            complexity: "O(1) for each key removed regardless of its size",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            ..Spec::BASE
        },
        run: unlink,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "exists",
            arity: -2,
            flags: all(&[READONLY, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::range(1, -1, 1, &[RO])],
            usage: "key:key...",
            since: "1.0.0",
            summary: "How many of these keys exist.",
            complexity: "O(N) where N is the number of keys to check.",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            ..Spec::BASE
        },
        run: exists,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "type",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RO])],
            usage: "key:key",
            since: "1.0.0",
            summary: "The type of the value at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: type_,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "touch",
            arity: -2,
            flags: all(&[READONLY, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::range(1, -1, 1, &[RO])],
            usage: "key:key...",
            since: "3.2.1",
            summary: "Marks keys as used now.",
            complexity: "O(N) where N is the number of keys that will be touched.",
            tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
            ..Spec::BASE
        },
        run: touch,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "rename",
            arity: 3,
            flags: WRITE,
            group: Group::Generic,
            keys: &[
                KeySpec::at(1, &[RW, ACCESS, DELETE]),
                KeySpec::at(2, &[OW, UPDATE]),
            ],
            usage: "key:key newkey:key",
            since: "1.0.0",
            summary: "Gives a key another name, replacing what was there.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: rename,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "renamenx",
            arity: 3,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[
                KeySpec::at(1, &[RW, ACCESS, DELETE]),
                KeySpec::at(2, &[OW, INSERT]),
            ],
            usage: "key:key newkey:key",
            since: "1.0.0",
            summary: "Gives a key another name if that is free.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: renamenx,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "randomkey",
            arity: 1,
            flags: all(&[READONLY, ARBITRARY_KEYS]),
            group: Group::Generic,
            since: "1.0.0",
            summary: "The name of some key.",
            complexity: "O(1)",
            tips: &[
                "request_policy:all_shards",
                "response_policy:special",
                "nondeterministic_output",
            ],
            ..Spec::BASE
        },
        run: randomkey,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "keys",
            arity: 2,
            flags: READONLY,
            group: Group::Generic,
            acl: &["dangerous"],
            usage: "pattern:pattern",
            since: "1.0.0",
            summary: "The names that match a pattern.",
            complexity: "O(N) with N being the number of keys in the database, under the assumption that the key na",
            tips: &["request_policy:all_shards", "nondeterministic_output_order"],
            ..Spec::BASE
        },
        run: keys,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "scan",
            arity: -2,
            flags: all(&[READONLY, ARBITRARY_KEYS]),
            group: Group::Generic,
            usage: "cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT] [type:string@TYPE!6.0.0]",
            since: "2.8.0",
            summary: "Walks over all keys, a few at a time.",
            complexity: "O(1) for every call",
            tips: &[
                "nondeterministic_output",
                "request_policy:special",
                "response_policy:special",
            ],
            ..Spec::BASE
        },
        run: scan,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "copy",
            arity: -3,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RO, ACCESS]), KeySpec::at(2, &[OW, UPDATE])],
            usage: "source:key destination:key [destination-db:integer@DB] [replace=REPLACE]",
            since: "6.2.0",
            summary: "Copies the value of a key to another.",
            complexity: "O(N) worst case for collections, where N is the number of nested items",
            ..Spec::BASE
        },
        run: copy,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "move",
            arity: 3,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            usage: "key:key db:integer",
            since: "1.0.0",
            summary: "Moves a key to another database.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: move_,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "expire",
            arity: -3,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key seconds:integer [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
            since: "1.0.0",
            summary: "Sets the time to live of a key in seconds.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: expire,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "pexpire",
            arity: -3,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key milliseconds:integer [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
            since: "2.6.0",
            summary: "Sets the time to live of a key in milliseconds.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: pexpire,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "expireat",
            arity: -3,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key unix-time-seconds:unix-time [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
            since: "1.2.0",
            summary: "Sets the moment a key expires, in Unix seconds.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: expireat,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "pexpireat",
            arity: -3,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key unix-time-milliseconds:unix-time [condition(nx=NX|xx=XX|gt=GT|lt=LT)!7.0.0]",
            since: "2.6.0",
            summary: "Sets the moment a key expires, in Unix milliseconds.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: pexpireat,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "ttl",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key",
            since: "1.0.0",
            summary: "The seconds a key has left to live.",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: ttl,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "pttl",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key",
            since: "2.6.0",
            summary: "The milliseconds a key has left to live.",
            complexity: "O(1)",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: pttl,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "expiretime",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key",
            since: "7.0.0",
            summary: "The moment a key expires, in Unix seconds.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: expiretime,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "pexpiretime",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key",
            since: "7.0.0",
            summary: "The moment a key expires, in Unix milliseconds.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: pexpiretime,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "persist",
            arity: 2,
            flags: all(&[WRITE, FAST]),
            group: Group::Generic,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key",
            since: "2.2.0",
            summary: "Makes a key permanent.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: persist,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "object",
            arity: -2,
            group: Group::Generic,
            since: "2.2.3",
            summary: "Looks behind the value of a key.",
            complexity: "Depends on subcommand.",
            ..Spec::BASE
        },
        run: container,
        subcommands: &[
            Entry {
                spec: Spec {
                    name: "encoding",
                    arity: 3,
                    flags: READONLY,
                    group: Group::Generic,
                    keys: &[KeySpec::at(2, &[RO])],
                    usage: "key:key",
                    since: "2.2.3",
                    summary: "How the value of a key is stored.",
                    complexity: "O(1)",
                    tips: &["nondeterministic_output"],
                    ..Spec::BASE
                },
                run: object_encoding,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "freq",
                    arity: 3,
                    flags: READONLY,
                    group: Group::Generic,
                    keys: &[KeySpec::at(2, &[RO])],
                    usage: "key:key",
                    since: "4.0.0",
                    summary: "How often a key is used, as the LFU policies count.",
                    complexity: "O(1)",
                    tips: &["nondeterministic_output"],
                    ..Spec::BASE
                },
                run: object_freq,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "help",
                    arity: 2,
                    flags: all(&[LOADING, STALE]),
                    group: Group::Generic,
                    since: "6.2.0",
                    summary: "What OBJECT can do.",
                    complexity: "O(1)",
                    ..Spec::BASE
                },
                run: object_help,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "idletime",
                    arity: 3,
                    flags: READONLY,
                    group: Group::Generic,
                    keys: &[KeySpec::at(2, &[RO])],
                    usage: "key:key",
                    since: "2.2.3",
                    summary: "The seconds since a key was last used.",
                    complexity: "O(1)",
                    tips: &["nondeterministic_output"],
                    ..Spec::BASE
                },
                run: object_idletime,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "refcount",
                    arity: 3,
                    flags: READONLY,
                    group: Group::Generic,
                    keys: &[KeySpec::at(2, &[RO])],
                    usage: "key:key",
                    since: "2.2.3",
                    summary: "How many references to a value there are.",
                    complexity: "O(1)",
                    tips: &["nondeterministic_output"],
                    ..Spec::BASE
                },
                run: object_refcount,
                subcommands: &[],
            },
        ],
    },
    Entry {
        spec: Spec {
            name: "dbsize",
            arity: 1,
            flags: all(&[READONLY, FAST]),
            group: Group::Server,
            acl: &["keyspace"],
            since: "1.0.0",
            summary: "How many keys the database has.",
            complexity: "O(1)",
            tips: &["request_policy:all_shards", "response_policy:agg_sum"],
            ..Spec::BASE
        },
        run: dbsize,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "flushdb",
            arity: -1,
            flags: WRITE,
            group: Group::Server,
            acl: &["dangerous", "keyspace"],
            usage: "[flush-type(async=ASYNC!4.0.0|sync=SYNC!6.2.0)]",
            since: "1.0.0",
            summary: "Deletes all keys of the database.",
            complexity: "O(N) where N is the number of keys in the selected database",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Spec::BASE
        },
        run: flushdb,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "flushall",
            arity: -1,
            flags: WRITE,
            group: Group::Server,
            acl: &["dangerous", "keyspace"],
            usage: "[flush-type(async=ASYNC!4.0.0|sync=SYNC!6.2.0)]",
            since: "1.0.0",
            summary: "Deletes all keys of all databases.",
            complexity: "O(N) where N is the total number of keys in all databases",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Spec::BASE
        },
        run: flushall,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "swapdb",
            arity: 3,
            flags: all(&[WRITE, FAST]),
            group: Group::Server,
            acl: &["dangerous", "keyspace"],
            usage: "index1:integer index2:integer",
            since: "4.0.0",
            summary: "Exchanges two databases.",
            complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases",
            ..Spec::BASE
        },
        run: swapdb,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "sort",
            arity: -2,
            flags: all(&[WRITE, DENYOOM, MOVABLEKEYS, BY_PATTERN]),
            group: Group::Generic,
            acl: &["-keyspace", "set", "sortedset", "list", "dangerous"],
            keys: &[KeySpec::at(1, &[RO, ACCESS]), KeySpec::unknown(&[RO, ACCESS]).noting("For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort"), KeySpec::unknown(&[OW, UPDATE]).noting("For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array")],
            find: Some(sort::keys_of_sort),
            usage: "key:key [by-pattern~pattern:pattern#1@BY] [limit{offset:integer count:integer}@LIMIT] [get-pattern~pattern:pattern#1@GET+...] [order(asc=ASC|desc=DESC)] [sorting=ALPHA] [destination:key#2@STORE]",
            since: "1.0.0",
            summary: "Sorts what a list, a set or a sorted set holds, and may store the result.",
            complexity: "O(N+M*log(M)) where N is the number of elements and M the number of those returned",
            ..Spec::BASE
        },
        run: sort,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "sort_ro",
            arity: -2,
            flags: all(&[READONLY, MOVABLEKEYS, BY_PATTERN]),
            group: Group::Generic,
            acl: &["-keyspace", "set", "sortedset", "list", "dangerous"],
            keys: &[KeySpec::at(1, &[RO, ACCESS]), KeySpec::unknown(&[RO, ACCESS]).noting("For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort")],
            usage: "key:key [by-pattern~pattern:pattern#1@BY] [limit{offset:integer count:integer}@LIMIT] [get-pattern~pattern:pattern#1@GET+...] [order(asc=ASC|desc=DESC)] [sorting=ALPHA]",
            since: "7.0.0",
            summary: "Sorts what a list, a set or a sorted set holds.",
            complexity: "O(N+M*log(M)) where N is the number of elements and M the number of those returned",
            ..Spec::BASE
        },
        run: sort_ro,
        subcommands: &[],
    },
];

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

/// DEL key [key ...].
fn del(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let freeing = match cx.tuning.lazy_user_del {
        true => Freeing::Background,
        false => Freeing::Here,
    };
    delete_all(cx, args, reply, freeing)
}

/// UNLINK key [key ...].
fn unlink(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    delete_all(cx, args, reply, Freeing::Background)
}

/// EXISTS key [key ...]. A key named twice counts twice.
fn exists(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut count = 0;
    let mut ahead = cx.keyspace.ahead(cx.db, args.rest(), 1);
    while let Some(key) = ahead.next(cx.keyspace) {
        count += cx.db().inspect(key).is_some() as i64;
    }
    reply.int(count)
}

/// TOUCH key [key ...]. Also updates the access time for a client in CLIENT NO-TOUCH mode.
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

/// TYPE key.
fn type_(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let found = db.inspect(args.key());
    reply.simple(found.map_or("none", |found| db.get(found).kind().name()))
}

/// DBSIZE.
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

/// RENAME key newkey.
fn rename(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    rename_to(cx, args, false)?;
    reply.ok()
}

/// RENAMENX key newkey.
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
