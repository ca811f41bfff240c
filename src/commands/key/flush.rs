//! FLUSHDB, FLUSHALL, SWAPDB: whole databases.
//!
//! A flushed database is replaced by an empty one at once, with SYNC and ASYNC alike; the old
//! content is dropped by the helper thread. The reply to a synchronous flush is sent when that is
//! done.

use super::small_int;
use crate::command::effects::DatabaseChange;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::DbIndex;

/// The one option of the two: SYNC or ASYNC.
fn parse_mode(cx: &mut Cx, args: &mut Args) -> CmdResult {
    let is_async = match args.left() {
        0 => cx.tuning.lazy_user_flush,
        1 if args.word("SYNC") => false,
        1 if args.word("ASYNC") => true,
        _ => return Err(CmdError::Syntax),
    };
    cx.keyspace.shared.await_lazy_free = !is_async;
    Ok(())
}

fn flush(cx: &mut Cx, index: DbIndex) {
    let keys = cx.keyspace.flush(index) as u64;
    cx.effects.count_changes(keys);
}

/// A flush is propagated even if there was nothing to flush: it may be a replica's way back to
/// the same data.
fn finish(cx: &mut Cx, args: &Args, change: DatabaseChange, reply: &mut Reply) -> CmdResult {
    cx.effects.note_database_change(change);
    cx.propagate_as(args.argv().iter());
    reply.ok()
}

pub(super) const FLUSHDB: DataCommand = Spec {
    name: "flushdb",
    flags: WRITE,
    acl: &["dangerous", "keyspace"],
    usage: "[flush-type(async=ASYNC!4.0.0|sync=SYNC!6.2.0)]",
    since: "1.0.0",
    summary: "Deletes all keys of the database.",
    complexity: "O(N) where N is the number of keys in the selected database",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    history: &[("4.0.0", "Takes ASYNC."), ("6.2.0", "Takes SYNC.")],
    ..Spec::of(Group::Server)
}
.runs(flushdb);

fn flushdb(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    parse_mode(cx, args)?;
    flush(cx, cx.db);
    finish(cx, args, DatabaseChange::Flushed(cx.db), reply)
}

pub(super) const FLUSHALL: DataCommand = Spec {
    name: "flushall",
    databases: Some(Databases::All),
    flags: WRITE,
    acl: &["dangerous", "keyspace"],
    usage: "[flush-type(async=ASYNC!4.0.0|sync=SYNC!6.2.0)]",
    since: "1.0.0",
    summary: "Deletes all keys of all databases.",
    complexity: "O(N) where N is the total number of keys in all databases",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    history: &[("4.0.0", "Takes ASYNC."), ("6.2.0", "Takes SYNC.")],
    ..Spec::of(Group::Server)
}
.runs(flushall);

fn flushall(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    parse_mode(cx, args)?;
    for index in 0..cx.keyspace.databases() {
        flush(cx, DbIndex(index));
    }
    finish(cx, args, DatabaseChange::FlushedAll, reply)
}

pub(super) const SWAPDB: DataCommand = Spec {
    name: "swapdb",
    databases: Some(Databases::Named(&[1, 2])),
    flags: all(&[WRITE, FAST]),
    acl: &["dangerous", "keyspace"],
    usage: "index1:integer index2:integer",
    since: "4.0.0",
    summary: "Exchanges two databases.",
    complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases",
    ..Spec::of(Group::Server)
}
.runs(swapdb);

fn swapdb(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut number = |error: &'static str| {
        let number = args.int().and_then(small_int);
        number.map_err(|_| CmdError::Fixed(error))
    };
    let a = number("ERR invalid first DB index")?;
    let b = number("ERR invalid second DB index")?;
    let index = |number| cx.keyspace.index_of(number).ok_or(CmdError::DbRange);
    let (a, b) = (index(a)?, index(b)?);
    cx.effects.count_changes(1);
    if a != b {
        cx.keyspace.swap(a, b);
        cx.effects
            .note_database_change(DatabaseChange::Swapped(a, b));
    }
    reply.ok()
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn flushes_reach_the_right_databases() {
        let mut e = Engine::new();
        e.ask("MSET a 1 b 2");
        e.select(1);
        e.ask("SET c 3");
        assert_eq!(e.ask("FLUSHDB"), "+OK");
        assert_eq!(e.outcome().dirty, 1);
        assert_eq!(e.ask("FLUSHDB ASYNC"), "+OK");
        assert_eq!(e.outcome().propagated_text(), "FLUSHDB ASYNC");
        assert_eq!(e.keyspace().len(), 2);
        assert_eq!(e.ask("FLUSHALL foo"), "-ERR syntax error");
        assert_eq!(e.ask("FLUSHALL SYNC"), "+OK");
        assert_eq!(e.keyspace().len(), 0);
    }

    #[test]
    fn databases_change_places() {
        let mut e = Engine::new();
        e.ask("SET a 1");
        assert_eq!(e.ask("SWAPDB 0 3"), "+OK");
        assert_eq!(e.ask("EXISTS a"), ":0");
        e.select(3);
        assert_eq!(e.ask("EXISTS a"), ":1");
        assert_eq!(e.ask("SWAPDB 0 16"), "-ERR DB index is out of range");
        assert_eq!(e.ask("SWAPDB x 1"), "-ERR invalid first DB index");
    }
}
