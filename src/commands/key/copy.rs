//! COPY and MOVE: a key at another place, in this database or another.

use super::db_argument;
use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::tell_overwritten;
use crate::keyspace::{DbIndex, RemovalReason};

const SAME: CmdError = CmdError::Fixed("ERR source and destination objects are the same");

/// An event of a key that may lie in another database than the caller's.
fn tell(cx: &mut Cx, db: DbIndex, event: Event, key: &[u8]) {
    cx.note(db, key, Some(event));
}

pub(super) const COPY: DataCommand = Spec {
    name: "copy",
    databases: Some(Databases::Behind("DB", 3)),
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RO, ACCESS]), KeySpec::at(2, &[OW, UPDATE])],
    usage: "source:key destination:key [destination-db:integer@DB] [replace=REPLACE]",
    since: "6.2.0",
    summary: "Copies the value of a key to another.",
    complexity: "O(N) worst case for collections, where N is the number of nested items",
    ..Spec::of(Group::Generic)
}
.runs(copy);

fn copy(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    let (mut to_db, mut replace) = (cx.db, false);
    while args.left() > 0 {
        if args.word("REPLACE") {
            replace = true;
        } else if args.left() > 1 && args.word("DB") {
            to_db = db_argument(cx, args)?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if to_db == cx.db && from == to {
        return Err(SAME);
    }
    let mut db = cx.db();
    let Some(found) = db.read(from) else {
        return reply.int(0);
    };
    let kind = db.get(found).kind();
    let mut target = cx.keyspace.db(to_db);
    let mut old = None;
    if let Some(taken) = target.write(to) {
        if !replace {
            return reply.int(0);
        }
        old = Some(target.get(taken).kind());
        target.remove(taken, RemovalReason::Overwritten);
    }
    // What left may have moved the source.
    let mut db = cx.db();
    let found = db.peek(from).ok_or(CmdError::NoSuchKey)?;
    let (value, deadline_ms) = db.copy(found);
    cx.keyspace.db(to_db).add_taken(to, value, deadline_ms);
    tell(cx, to_db, Event::NEW, to);
    cx.changed_in(to_db, Event::COPY_TO, to);
    if let Some(old) = old {
        tell_overwritten(cx, to_db, to, old, kind);
    }
    reply.int(1)
}

pub(super) const MOVE: DataCommand = Spec {
    name: "move",
    databases: Some(Databases::And(2)),
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
    usage: "key:key db:integer",
    since: "1.0.0",
    summary: "Moves a key to another database.",
    complexity: "O(1)",
    ..Spec::of(Group::Generic)
}
.runs(move_);

fn move_(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let to_db = db_argument(cx, args)?;
    if to_db == cx.db {
        return Err(SAME);
    }
    let Some(found) = cx.db().write(key) else {
        return reply.int(0);
    };
    if cx.keyspace.db(to_db).write(key).is_some() {
        return reply.int(0);
    }
    let (value, deadline_ms) = cx.db().take(found);
    cx.keyspace.db(to_db).add_taken(key, value, deadline_ms);
    tell(cx, to_db, Event::NEW, key);
    cx.changed(Event::MOVE_FROM, key);
    tell(cx, to_db, Event::MOVE_TO, key);
    reply.int(1)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn a_copy_lives_on_its_own() {
        let mut e = Engine::new();
        e.freeze_at_ms(1_000_000);
        e.ask("SET a 1 EX 10");
        assert_eq!(e.ask("COPY a b"), ":1");
        assert_eq!(e.outcome().events_text(), "new b, copy_to b");
        e.ask("SET a 2");
        assert_eq!(
            (e.ask("GET b"), e.ask("TTL b")),
            ("$1 1".into(), ":10".into())
        );
        assert_eq!(e.ask("COPY a b"), ":0");
        assert_eq!(e.ask("COPY a b REPLACE"), ":1");
        assert_eq!(
            e.ask("COPY a a"),
            "-ERR source and destination objects are the same"
        );
        assert_eq!(e.ask("COPY a a DB 2"), ":1");
        assert_eq!(e.ask("COPY a b DB 16"), "-ERR DB index is out of range");
    }

    #[test]
    fn a_key_moves_where_there_is_room() {
        let mut e = Engine::new();
        e.ask("SET a 1 EX 10");
        assert_eq!(e.ask("MOVE a 1"), ":1");
        assert_eq!(e.ask("EXISTS a"), ":0");
        e.ask("SET a 2");
        assert_eq!(e.ask("MOVE a 1"), ":0");
        assert_eq!(
            e.ask("MOVE a 0"),
            "-ERR source and destination objects are the same"
        );
        e.select(1);
        assert_eq!(
            (e.ask("GET a"), e.ask("TTL a")),
            ("$1 1".into(), ":10".into())
        );
    }
}
