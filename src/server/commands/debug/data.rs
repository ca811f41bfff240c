//! DEBUG subcommands for data: digests, encodings, tables, and bulk creation of keys.

use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::digest::Digest;
use crate::keyspace::{Db, Deadline, Found, string};
use crate::rdb::write::Style;
use crate::rdb::{LATEST, Writer, encode};
use crate::server::Server;
use crate::server::clients::session::Session;
use crate::sys::memory;
use crate::types::entry::EntryRef;
use crate::types::value::{Heap, Value};
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
        // This includes an expired key that has not been removed yet.
        let db = server.keyspace.db(session.db);
        let mut digest = Digest::default();
        if let Some(found) = db.locate(key) {
            digest.add_value(db.get(found));
        }
        reply.simple(&digest.to_hex())?;
    }
    Ok(())
}

/// Looks up the key of the next argument, which must exist. The lookup does not count as an access.
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
    // Expired keys are shown as well.
    let found = server.keyspace.db(session.db).locate(args.key());
    let found = found.ok_or(CmdError::NoSuchKey)?;
    let now_ms = server.keyspace.now_ms();
    let aging = server.keyspace.shared.aging.clone();
    let compress = server.tuning.rdb_compression;
    let entry = server.keyspace.db(session.db);
    let entry = entry.get(found);
    reply.simple(&format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}{}",
        entry.key().as_ptr(),
        entry.encoding().name(),
        serialized_len(entry, compress),
        entry.aging(),
        aging.idle_seconds(entry.aging(), now_ms),
        super::list::describe(entry),
    ))
}

/// Returns the bytes of the value in a snapshot.
fn serialized_len(entry: EntryRef, compress: bool) -> usize {
    let style = Style {
        version: LATEST,
        compress,
        checksum: false,
        valkey: false,
    };
    let mut out = Writer::in_memory(style);
    // The latest version can encode every value.
    let _ = encode::value(&mut out, entry);
    out.into_bytes().len()
}

/// DEBUG SDSLEN key: in the format of Redis, whose strings have a header of their own.
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

/// DEBUG POPULATE count [prefix] [size]. Existing keys are kept unchanged.
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

/// Describes the tables of a database in the format of Redis. Deadlines have no table but a wheel.
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

/// Returns the slots and elements of the table inside a value, if it has one.
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
            (
                "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
                12,
            ),
        ] {
            let mut db = ks.db(DbIndex(0));
            db.set(b"k", string::encode(value.as_bytes()), Deadline::Clear);
            let found = db.peek(b"k").expect("just set");
            assert_eq!(serialized_len(db.get(found), true), len, "{value}");
        }
        // Built by APPEND, it is a raw string that reads as a number.
        let mut db = ks.db(DbIndex(0));
        db.set(b"k", string::raw(b"700001"), Deadline::Clear);
        let found = db.peek(b"k").expect("just set");
        assert_eq!(serialized_len(db.get(found), true), 5);
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
