//! Data as it lies: digests, encodings, tables, and many keys at once.

use crate::algo::number::parse_i64;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::digest::Digest;
use crate::keyspace::{Db, Deadline, Found, string};
use crate::server::Server;
use crate::server::session::Session;
use crate::sys::memory;
use crate::types::entry::EntryRef;
use crate::types::value::{Heap, Kind, Value};
use std::fmt::Write;

/// DEBUG DIGEST.
pub(super) fn digest(
    server: &mut Server,
    _: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.simple(&server.keyspace.digest().to_hex())
}

/// DEBUG DIGEST-VALUE [key ...].
pub(super) fn digest_value(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    reply.array(args.left())?;
    while let Some(key) = args.option() {
        let mut db = server.keyspace.db(session.db);
        let mut digest = Digest::default();
        if let Some(found) = db.peek(key) {
            digest.add_value(db.get(found));
        }
        reply.simple(&digest.to_hex())?;
    }
    Ok(())
}

/// The key that is next, which must be there. Looking at it is no use of it.
pub(super) fn find(
    server: &mut Server,
    session: &Session,
    args: &mut Args,
) -> Result<Found, CmdError> {
    let key = args.key();
    let mut db = server.keyspace.db(session.db);
    db.peek(key).ok_or(CmdError::NoSuchKey)
}

/// DEBUG OBJECT key.
pub(super) fn object(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    // What is overdue is shown as well.
    let found = server.keyspace.db(session.db).glance(args.key());
    let found = found.ok_or(CmdError::NoSuchKey)?;
    let now_ms = server.keyspace.now_ms();
    let aging = server.keyspace.shared.aging.clone();
    let entry = server.keyspace.db(session.db);
    let entry = entry.get(found);
    reply.simple(&format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}{}",
        entry.key().as_ptr(),
        entry.encoding().name(),
        serialized_len(entry),
        entry.aging(),
        aging.idle_seconds(entry.aging(), now_ms),
        super::list::describe(entry),
    ))
}

/// Bytes of the value in an RDB file, before compression.
fn serialized_len(entry: EntryRef) -> usize {
    /// Longer strings are not looked at for a number.
    const NUMBER_MAX: usize = 11;
    let as_int = |n: i64| match n {
        -0x80..=0x7f => Some(2),
        -0x8000..=0x7fff => Some(3),
        -0x8000_0000..=0x7fff_ffff => Some(5),
        _ => None,
    };
    let as_text = |len: usize| match len {
        0..=0x3f => 1 + len,
        0x40..=0x3fff => 2 + len,
        _ => 5 + len,
    };
    let as_string = |text: &[u8]| {
        Some(text)
            .filter(|text| text.len() <= NUMBER_MAX)
            .and_then(parse_i64)
            .and_then(as_int)
            .unwrap_or_else(|| as_text(text.len()))
    };
    match entry.value() {
        Value::Int(n) => as_int(n).unwrap_or_else(|| as_text(itoa::Buffer::new().format(n).len())),
        Value::Text(text) => as_string(text),
        // The number of nodes, and a container with its length for each.
        Value::Compact(bytes) if entry.kind() == Kind::List => 2 + as_text(bytes.len()),
        Value::Rich(Heap::List(list)) => {
            let nodes = list.iter_nodes().map(|node| 1 + as_text(node.size()));
            as_text(0) + nodes.sum::<usize>()
        }
        Value::Compact(bytes) => as_text(bytes.len()),
        Value::Rich(Heap::Zset(set)) => {
            // The number of members, and each with its score in eight bytes.
            let members = set.iter().map(|(member, _)| as_string(member) + 8);
            as_text(set.len()) - set.len() + members.sum::<usize>()
        }
        Value::Rich(heap) => heap.bytes(),
    }
}

/// DEBUG SDSLEN key: in the words of Redis, whose strings have a header of their own.
pub(super) fn sdslen(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let found = find(server, session, args)?;
    let db = server.keyspace.db(session.db);
    let entry = db.get(found);
    let Value::Text(text) = entry.value() else {
        return Err(CmdError::Fixed("ERR Not an sds encoded string."));
    };
    let capacity = match entry.heap() {
        Some(Heap::Text(text)) => text.capacity(),
        _ => 0,
    };
    let block = if capacity == 0 {
        0
    } else {
        memory::block_size(capacity)
    };
    reply.simple(&format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:{}, \
         val_zmalloc: {block}",
        entry.key().len(),
        entry.size(),
        text.len(),
        capacity.saturating_sub(text.len()),
    ))
}

/// DEBUG POPULATE count [prefix] [size]. Keys that are there stay as they are.
pub(super) fn populate(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let number = |args: &mut Args| {
        let n = args.int().ok().and_then(|n| usize::try_from(n).ok());
        n.ok_or(CmdError::NotPositive)
    };
    let count = number(args)?;
    let prefix = args.option().unwrap_or(b"key");
    let size = if args.left() > 0 { number(args)? } else { 0 };
    let mut db = server.keyspace.db(session.db);
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut buffer = itoa::Buffer::new();
        let n = buffer.format(n).as_bytes();
        key.clear();
        key.extend_from_slice(prefix);
        key.push(b':');
        key.extend_from_slice(n);
        if db.peek(&key).is_some() {
            continue;
        }
        value.clear();
        value.extend_from_slice(b"value:");
        value.extend_from_slice(n);
        if size > 0 {
            value.resize(size, 0);
        }
        db.set(&key, string::text(&value), Deadline::Clear);
    }
    reply.ok()
}

/// DEBUG HTSTATS db [full].
pub(super) fn htstats(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let number = args.int()?;
    let index = server
        .keyspace
        .index_of(number)
        .ok_or(CmdError::Fixed("ERR Out of range database"))?;
    let full = args.word("full");
    let text = shape(server.keyspace.view(index), full);
    reply.verbatim(b"txt", text.as_bytes())
}

/// The tables of a database in the words of Redis. Deadlines have no table but a wheel.
fn shape(db: &Db, full: bool) -> String {
    let mut text = String::from("[Dictionary HT]\n");
    let mut table = |title: &str, size: usize, elements: usize, more: &[(&str, usize)]| {
        text.push_str(title);
        if elements == 0 {
            return;
        }
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "Hash table 0 stats (main hash table):\n table size: {size}\n \
             number of elements: {elements}\n"
        );
        for (name, value) in more.iter().filter(|_| full) {
            let _ = writeln!(text, " {name}: {value}");
        }
    };
    let entries = db.entries();
    let more = [
        ("bytes of the table", entries.table_bytes()),
        ("bytes of entries", entries.entry_bytes()),
    ];
    table("", entries.capacity(), db.len(), &more);
    let timers = [("timers", db.timers())];
    table("[Expires HT]\n", db.timers(), db.volatile(), &timers);
    text
}

/// DEBUG HTSTATS-KEY key [full].
pub(super) fn htstats_key(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let found = find(server, session, args)?;
    let full = args.word("full");
    let db = server.keyspace.db(session.db);
    let (capacity, len) = table_inside(db.get(found)).ok_or(CmdError::Fixed(
        "ERR The value stored at the specified key is not represented using an hash table",
    ))?;
    let mut text = format!(
        "Hash table 0 stats (main hash table):\n table size: {capacity}\n \
         number of elements: {len}\n"
    );
    if full {
        let _ = writeln!(text, " bytes: {}", db.heap(found).map_or(0, Heap::bytes));
    }
    reply.verbatim(b"txt", text.as_bytes())
}

/// Slots and elements of the table that a value has inside.
fn table_inside(entry: EntryRef) -> Option<(usize, usize)> {
    match entry.heap()? {
        Heap::Zset(set) => Some((set.capacity(), set.len())),
        Heap::Set(pack) => Some((pack.shape().0, pack.len())),
        Heap::Hash(table) => Some((table.pack().shape().0, table.len())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;
    use crate::keyspace::{DbIndex, Keyspace};

    #[test]
    fn lengths_in_a_file_are_those_of_redis() {
        let mut ks = Keyspace::new(1, Rng::new(1), 0);
        for (value, len) in [
            ("1", 2),
            ("-129", 3),
            ("300", 3),
            ("70000", 5),
            ("3000000000", 11),
            ("", 1),
            ("hello", 6),
            ("qwertyuiopasdfghjklzxcvbnm", 27),
        ] {
            let mut db = ks.db(DbIndex(0));
            db.set(b"k", string::encode(value.as_bytes()), Deadline::Clear);
            let found = db.peek(b"k").expect("just set");
            assert_eq!(serialized_len(db.get(found)), len, "{value}");
        }
        // Built by APPEND, it is a text that reads as a number.
        let mut db = ks.db(DbIndex(0));
        db.set(b"k", string::raw(b"700001"), Deadline::Clear);
        let found = db.peek(b"k").expect("just set");
        assert_eq!(serialized_len(db.get(found)), 5);
    }

    #[test]
    fn the_shape_names_both_tables() {
        let mut ks = Keyspace::new(1, Rng::new(1), 0);
        assert_eq!(
            shape(ks.view(DbIndex(0)), true),
            "[Dictionary HT]\n[Expires HT]\n"
        );
        ks.db(DbIndex(0))
            .set(b"k", string::raw(b"v"), Deadline::At(9));
        let text = shape(ks.view(DbIndex(0)), false);
        assert!(text.contains(" number of elements: 1\n[Expires HT]\nHash table 0"));
    }
}
