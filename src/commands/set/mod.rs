//! Sets: single members and whole sets. Operations on several sets are in `algebra`,
//! random members in `pop`.

mod algebra;
mod card;
mod pop;

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdResult, Cx, DataCommand, Reply};
use crate::commands::scan_options::{self, ScanOptions};
use crate::keyspace::set::{SetRef, SetValue};
use crate::keyspace::{Found, RemovalReason};
use crate::types::listpack::Item;

pub static TABLE: &[DataCommand] = &[
    SADD,
    SREM,
    SMOVE,
    SISMEMBER,
    SMISMEMBER,
    SCARD,
    pop::SPOP,
    pop::SRANDMEMBER,
    algebra::SINTER,
    card::SINTERCARD,
    algebra::SINTERSTORE,
    algebra::SUNION,
    algebra::SUNIONSTORE,
    algebra::SDIFF,
    algebra::SDIFFSTORE,
    card::SUNIONCARD,
    card::SDIFFCARD,
    SMEMBERS,
    SSCAN,
];

/// Removes a set that has become empty, and notes the event.
fn leave_if_empty(cx: &mut Cx, found: Found, key: &[u8]) {
    if cx.db().set_at(found).is_ok_and(SetRef::is_empty) {
        cx.db().remove(found, RemovalReason::Deleted);
        cx.also(Event::DEL, key);
    }
}

/// Notes this many changes of a set at once.
fn changed_times(cx: &mut Cx, times: usize, event: Event, key: &[u8]) {
    cx.changed(event, key);
    cx.effects.count_changes(times as u64 - 1);
}

/// Adds a set that is not there, with these members; returns how many they are.
fn add_set<'a>(
    cx: &mut Cx,
    key: &[u8],
    members: impl Iterator<Item = &'a [u8]>,
    count: usize,
) -> usize {
    let mut items = members.map(Item::of).peekable();
    let Some(&first) = items.peek() else {
        return 0;
    };
    let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
    let hasher = db.entries().hasher().clone();
    let mut set = SetValue::for_members(first, count, tuning, &hasher);
    let added = items.filter(|&item| set.add(item, tuning, &hasher)).count();
    db.add(key, set.take(), None);
    added
}

const SADD: DataCommand = Spec {
    name: "sadd",
    flags: all(&[WRITE, DENYOOM, FAST]),
    keys: &[KeySpec::at(1, &[RW, INSERT])],
    element: 2,
    usage: "key:key member:string...",
    since: "1.0.0",
    summary: "Adds members to a set.",
    complexity: "O(1) for each member added",
    history: &[("2.4.0", "Takes several members.")],
    ..Spec::of(Group::Set)
}
.runs(sadd);

fn sadd(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let members = args.rest();
    let added = match cx.db().write(key) {
        None => {
            cx.also(Event::NEW, key);
            add_set(cx, key, members.iter(), members.len())
        }
        Some(found) => {
            let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
            db.set_at(found)?;
            db.expect_members(found, members.len(), tuning);
            let items = members.iter().map(Item::of);
            db.add_members(found, items, args.element_hash(), tuning)
        }
    };
    if added > 0 {
        changed_times(cx, added, Event::SADD, key);
    }
    reply.int(added as i64)
}

const SREM: DataCommand = Spec {
    name: "srem",
    flags: all(&[WRITE, FAST]),
    keys: &[KeySpec::at(1, &[RW, DELETE])],
    element: 2,
    usage: "key:key member:string...",
    since: "1.0.0",
    summary: "Removes members from a set.",
    complexity: "O(1) for each member removed",
    history: &[("2.4.0", "Takes several members.")],
    ..Spec::of(Group::Set)
}
.runs(srem);

fn srem(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let Some(found) = db.write(key) else {
        return reply.int(0);
    };
    db.set_at(found)?;
    let removed = db.remove_members(found, args.rest().iter().map(Item::of));
    if removed > 0 {
        changed_times(cx, removed, Event::SREM, key);
        leave_if_empty(cx, found, key);
    }
    reply.int(removed as i64)
}

const SMOVE: DataCommand = Spec {
    name: "smove",
    flags: all(&[WRITE, FAST]),
    keys: &[
        KeySpec::at(1, &[RW, ACCESS, DELETE]),
        KeySpec::at(2, &[RW, INSERT]),
    ],
    usage: "source:key destination:key member:string",
    since: "1.0.0",
    summary: "Moves a member from one set to another.",
    complexity: "O(1)",
    ..Spec::of(Group::Set)
}
.runs(smove);

fn smove(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to, member) = (args.key(), args.key(), args.bytes());
    let item = Item::of(member);
    let mut db = cx.db();
    // The second lookup may make an overdue key leave, and with it the first place go stale.
    db.write(to);
    let Some(source) = db.write(from) else {
        return reply.int(0);
    };
    let target = db.peek(to);
    let is_member = db.set_at(source)?.contains(item);
    if let Some(target) = target {
        db.set_at(target)?;
    }
    if from == to || !is_member {
        return reply.bool(is_member);
    }
    db.remove_members(source, std::iter::once(item));
    cx.changed(Event::SMOVED, from);
    leave_if_empty(cx, source, from);
    let added = match cx.db().peek(to) {
        None => {
            cx.also(Event::NEW, to);
            add_set(cx, to, std::iter::once(member), 1)
        }
        Some(target) => {
            let (tuning, mut db) = (cx.tuning, cx.keyspace.db(cx.db));
            db.add_members(target, std::iter::once(item), None, tuning)
        }
    };
    if added > 0 {
        cx.changed(Event::SADD, to);
    }
    reply.int(1)
}

const SISMEMBER: DataCommand = Spec {
    name: "sismember",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    element: 2,
    usage: "key:key member:string",
    since: "1.0.0",
    summary: "Whether something is a member of a set.",
    complexity: "O(1)",
    ..Spec::of(Group::Set)
}
.runs(sismember);

fn sismember(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, member) = (args.key(), args.bytes());
    let mut db = cx.db();
    let set = db.read_set(key)?;
    reply.bool(set.is_some_and(|set| set.contains(Item::of(member))))
}

const SMISMEMBER: DataCommand = Spec {
    name: "smismember",
    usage: "key:key member:string...",
    since: "6.2.0",
    summary: "Which of several things are members of a set.",
    complexity: "O(1) for each member asked for",
    ..Spec::reading_fast(Group::Set)
}
.runs(smismember);

fn smismember(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.db();
    let set = db.read_set(key)?;
    reply.array(args.left())?;
    args.rest()
        .iter()
        .try_for_each(|member| reply.bool(set.is_some_and(|set| set.contains(Item::of(member)))))
}

const SCARD: DataCommand = Spec {
    name: "scard",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    usage: "key:key",
    since: "1.0.0",
    summary: "How many members a set has.",
    complexity: "O(1)",
    ..Spec::of(Group::Set)
}
.runs(scard);

fn scard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let len = db.read_set(args.key())?.map_or(0, SetRef::len);
    reply.int(len as i64)
}

const SMEMBERS: DataCommand = Spec {
    name: "smembers",
    usage: "key:key",
    since: "1.0.0",
    summary: "All members of a set.",
    complexity: "O(N), N the size of the set",
    tips: &["nondeterministic_output_order"],
    ..Spec::reading(Group::Set)
}
.runs(smembers);

fn smembers(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let Some(set) = db.read_set(args.key())? else {
        return reply.set(0);
    };
    reply.set(set.len())?;
    let mut done = Ok(());
    set.each(|item| {
        if done.is_ok() {
            done = reply.item(item);
        }
    });
    done
}

const SSCAN: DataCommand = Spec {
    name: "sscan",
    usage: "key:key cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT]",
    since: "2.8.0",
    summary: "Walks over the members of a set.",
    complexity: "O(1) for each call, O(N) for a whole walk",
    tips: &["nondeterministic_output"],
    ..Spec::reading(Group::Set)
}
.runs(sscan);

fn sscan(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let cursor = scan_options::parse_cursor(args.bytes())?;
    let mut db = cx.db();
    let Some(set) = db.read_set(key)? else {
        return scan_options::empty_scan(reply);
    };
    let walk = ScanOptions::parse(args, false)?;
    let mut out = scan_options::ScanReply::new(reply.resp);
    let next = match set {
        SetRef::Table(pack) => walk.table(cursor, |cursor| {
            let mut visited = 0;
            let next = pack.scan(cursor, |record| {
                visited += 1;
                if walk.wants(record.key) {
                    out.push(record.key);
                }
            });
            (next, visited)
        }),
        _ => {
            let wanted = set.iter().filter(|&item| walk.wants(item));
            wanted.for_each(|item| out.push(item));
            0
        }
    };
    out.write(next, reply)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    fn encoding(e: &mut Engine, key: &str) -> String {
        e.ask(&format!("OBJECT ENCODING {key}"))
            .split(' ')
            .next_back()
            .expect("a word")
            .to_owned()
    }

    #[test]
    fn encodings_change_where_redis_changes_them() {
        let mut e = Engine::new();
        e.tuning().set_max_listpack_entries = 4;
        e.tuning().set_max_intset_entries = 6;
        for (line, name) in [
            ("SADD s 1 2 3 4 5 6", "intset"),
            ("SADD s 7", "hashtable"),
            ("SADD t 1 2 3", "intset"),
            ("SADD t a", "listpack"),
            ("SADD t b", "hashtable"),
            ("SADD u 1 2 3 4 5", "intset"),
            ("SADD u a", "hashtable"),
            ("SADD v 1 1 1 1 1 1 1", "listpack"),
            ("SADD w a a a a a", "hashtable"),
            ("SADD x 1 1 1", "intset"),
            ("SADD x 1 1 1 1 1 1 1", "hashtable"),
        ] {
            e.ask(line);
            let key = line.split(' ').nth(1).expect("a key");
            let name = if line.starts_with("SADD v") {
                "hashtable"
            } else {
                name
            };
            assert_eq!(encoding(&mut e, key), name, "{line}");
        }
    }

    #[test]
    fn members_come_and_go() {
        let mut e = Engine::new();
        assert_eq!(e.ask("SADD s 1 2 2 a"), ":3");
        assert_eq!(e.outcome().events_text(), "new s, sadd s");
        assert_eq!(e.outcome().dirty, 3);
        assert_eq!(e.ask("SMISMEMBER s 1 01 a x"), "*4 :1 :0 :1 :0");
        assert_eq!(e.ask("SMEMBERS s"), "*3 $1 1 $1 2 $1 a");
        assert_eq!(e.ask("SREM s 1 x a 2 2"), ":3");
        assert_eq!(e.outcome().events_text(), "srem s, del s");
        assert_eq!(e.ask("EXISTS s"), ":0");
        e.ask("SET str 1");
        assert!(e.ask("SADD str 1").starts_with("-WRONGTYPE"));
    }

    #[test]
    fn a_member_moves() {
        let mut e = Engine::new();
        e.ask("SADD a 1");
        assert_eq!(e.ask("SMOVE a a 1"), ":1");
        assert_eq!(e.ask("SMOVE a b 1"), ":1");
        assert_eq!(e.outcome().events_text(), "srem a, del a, new b, sadd b");
        assert_eq!(e.ask("SMOVE a b 1"), ":0");
        e.ask("SADD a 1 2");
        assert_eq!(e.ask("SMOVE a b 1"), ":1");
        assert_eq!(e.outcome().events_text(), "srem a");
        assert_eq!(e.ask("SMEMBERS b"), "*1 $1 1");
    }

    #[test]
    fn a_walk_over_a_table_sees_all() {
        let mut e = Engine::new();
        let mut add: Vec<String> = vec!["SADD".into(), "s".into()];
        add.extend((0..3000).map(|n| format!("member:{n}")));
        assert_eq!(e.run(&add), b":3000\r\n");
        let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeSet::new());
        loop {
            let reply = e.ask(&format!("SSCAN s {cursor} COUNT 20 MATCH *7*"));
            let mut words = reply.split(' ').filter(|w| !w.starts_with(['*', '$']));
            cursor = words.next().expect("a cursor").to_owned();
            seen.extend(words.map(str::to_owned));
            if cursor == "0" {
                break;
            }
        }
        let wanted = (0..3000).filter(|n| n.to_string().contains('7')).count();
        assert_eq!(seen.len(), wanted);
    }
}
