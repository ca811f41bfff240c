//! The data as commands: a base of the log without RDB (`aof-use-rdb-preamble no`).
//!
//! ```text
//!   SELECT 0 · SET k v · RPUSH k e… (up to 64) · SADD · ZADD · HMSET · XADD … · PEXPIREAT k ms
//! ```

use crate::algo::number;
use crate::keyspace::hash::HashRef;
use crate::keyspace::list::list_of;
use crate::keyspace::set::SetRef;
use crate::keyspace::zset::ZsetRef;
use crate::keyspace::{Keyspace, RdbVersions};
use crate::rdb::dump;
use crate::types::array::{Array, CellText};
use crate::types::entry::EntryRef;
use crate::types::quicklist::Toward;
use crate::types::stream::{Group, Order, Producers, Retention, Stream, StreamId};
use crate::types::value::{Heap, Kind, Value};
use std::io::{self, Write};
use std::ops::ControlFlow;

/// Elements of one command, as in Redis.
const AT_ONCE: usize = 64;
const BUFFER: usize = 256 << 10;

/// Commands on their way into a sink.
struct Out<'s> {
    sink: &'s mut dyn Write,
    buffer: Vec<u8>,
    /// Of the values that are written as RESTORE takes them.
    versions: RdbVersions,
    failed: Option<io::Error>,
}

impl Out<'_> {
    fn number(&mut self, mark: u8, n: usize) {
        self.buffer.push(mark);
        self.buffer
            .extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn word(&mut self, word: &[u8]) {
        self.number(b'$', word.len());
        self.buffer.extend_from_slice(word);
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn command(&mut self, words: &[&[u8]]) {
        self.number(b'*', words.len());
        words.iter().for_each(|word| self.word(word));
    }

    fn checkpoint(&mut self) {
        if self.buffer.len() < BUFFER {
            return;
        }
        self.flush();
    }

    fn flush(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.sink.write_all(&self.buffer)
        {
            self.failed = Some(error);
        }
        self.buffer.clear();
    }
}

/// Elements gathered into commands of a limited length.
struct Batch<'k> {
    name: &'static [u8],
    key: &'k [u8],
    /// Words of an element.
    step: usize,
    words: Vec<Vec<u8>>,
}

impl<'k> Batch<'k> {
    fn new(name: &'static [u8], key: &'k [u8], step: usize) -> Self {
        Batch {
            name,
            key,
            step,
            words: Vec::new(),
        }
    }

    fn add(&mut self, out: &mut Out, word: Vec<u8>) {
        self.words.push(word);
        if self.words.len() == AT_ONCE * self.step {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut Out) {
        if self.words.is_empty() {
            return;
        }
        out.number(b'*', 2 + self.words.len());
        out.word(self.name);
        out.word(self.key);
        for word in self.words.drain(..) {
            out.word(&word);
        }
        out.checkpoint();
    }
}

/// Writes all data as commands; `progress` is called now and then with the number of keys written.
pub fn write(
    keyspace: &Keyspace,
    sink: &mut dyn Write,
    functions: &[Vec<u8>],
    stamp_s: Option<i64>,
    versions: RdbVersions,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut out = Out {
        sink,
        versions,
        buffer: Vec::with_capacity(BUFFER * 2),
        failed: None,
    };
    if let Some(second) = stamp_s {
        out.buffer
            .extend_from_slice(format!("#TS:{second}\r\n").as_bytes());
    }
    for code in functions {
        out.command(&[b"FUNCTION", b"LOAD", code]);
    }
    let mut keys = 0;
    for (index, db) in keyspace.iter().filter(|(_, db)| !db.is_empty()) {
        let number = index.0.to_string();
        out.command(&[b"SELECT", number.as_bytes()]);
        for entry in db.entries().iter_ahead() {
            value(&mut out, entry);
            if let Some(deadline_ms) = entry.deadline_ms() {
                let deadline = deadline_ms.to_string();
                out.command(&[b"PEXPIREAT", entry.key(), deadline.as_bytes()]);
            }
            keys += 1;
            if keys % 1024 == 0 {
                progress(keys);
            }
            out.checkpoint();
            if out.failed.is_some() {
                break;
            }
        }
    }
    progress(keys);
    out.flush();
    match out.failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn value(out: &mut Out, entry: EntryRef) {
    let key = entry.key();
    match (entry.kind(), entry.value()) {
        (_, Value::Int(n)) => out.command(&[b"SET", key, n.to_string().as_bytes()]),
        (_, Value::Text(text)) => out.command(&[b"SET", key, text]),
        (Kind::List, value) => {
            let mut batch = Batch::new(b"RPUSH", key, 1);
            if let Ok(list) = list_of(value) {
                list.walk(0, Toward::Tail, |item| {
                    batch.add(out, item.to_vec());
                    true
                });
            }
            batch.flush(out);
        }
        (Kind::Set, value) => {
            let mut batch = Batch::new(b"SADD", key, 1);
            if let Some(set) = SetRef::of(value, entry.encoding()) {
                set.each(|item| batch.add(out, item.to_vec()));
            }
            batch.flush(out);
        }
        (Kind::Zset, _) => {
            let mut batch = Batch::new(b"ZADD", key, 2);
            if let Some(set) = ZsetRef::of(entry) {
                set.walk(0..set.len(), false, |member, score| {
                    batch.add(out, number::format_f64(score).to_vec());
                    batch.add(out, member.to_vec());
                });
            }
            batch.flush(out);
        }
        (Kind::Hash, value) => {
            if let Value::Template(_) = value
                && let Some(payload) = dump::dump_template(entry, out.versions)
            {
                out.command(&[b"RESTORE", key, b"0", &payload, b"REPLACE"]);
            } else if let Some(hash) = HashRef::of(value, entry.encoding()) {
                fields(out, key, hash);
            }
        }
        (Kind::Stream, _) => {
            if let Some(Heap::Stream(it)) = entry.heap() {
                stream(out, key, it);
            }
        }
        (Kind::Array, _) => {
            if let Some(Heap::Array(it)) = entry.heap() {
                array(out, key, it);
            }
        }
        (Kind::String, _) => {}
    }
}

fn fields(out: &mut Out, key: &[u8], hash: HashRef) {
    let mut batch = Batch::new(b"HMSET", key, 2);
    hash.each(|field| {
        batch.add(out, field.name.to_vec());
        batch.add(out, field.value.to_vec());
    });
    batch.flush(out);
    hash.each(|field| {
        if let Some(deadline_ms) = field.deadline_ms {
            let deadline = deadline_ms.to_string();
            let name = field.name.to_vec();
            let words = [
                b"HPEXPIREAT",
                key,
                deadline.as_bytes(),
                b"FIELDS",
                b"1",
                &name,
            ];
            out.command(&words);
        }
    });
}

/// The cells of an array, and its cursor.
fn array(out: &mut Out, key: &[u8], array: &Array) {
    let mut batch = Batch::new(b"ARMSET", key, 2);
    let mut room = CellText::default();
    array.each(|index, cell| {
        batch.add(out, index.to_string().into_bytes());
        batch.add(out, cell.as_bytes(&mut room).to_vec());
    });
    batch.flush(out);
    if let Some(cursor) = array.cursor() {
        out.command(&[b"ARSEEK", key, (cursor + 1).to_string().as_bytes()]);
    }
}

fn stream(out: &mut Out, key: &[u8], stream: &Stream) {
    let text = |id: StreamId| id.to_string().into_bytes();
    if stream.is_empty() {
        // It exists all the same: an entry that is trimmed at once makes it.
        out.command(&[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
    }
    let _: ControlFlow<()> = stream.walk(StreamId::MIN, StreamId::MAX, Order::Rising, |entry| {
        out.number(b'*', 3 + entry.fields * 2);
        out.word(b"XADD");
        out.word(key);
        out.word(&text(entry.id));
        for (name, value) in entry.pairs() {
            out.word(&name.to_vec());
            out.word(&value.to_vec());
        }
        out.checkpoint();
        ControlFlow::Continue(())
    });
    out.command(&[
        b"XSETID",
        key,
        &text(stream.last_id()),
        b"ENTRIESADDED",
        stream.entries_added().to_string().as_bytes(),
        b"MAXDELETEDID",
        &text(stream.max_deleted_id()),
    ]);
    for (name, it) in &stream.groups {
        group(out, key, name, it);
    }
    if let Some(producers) = &stream.producers {
        idempotent_producers(out, key, producers);
    }
}

/// A group with its consumers and pending entries.
fn group(out: &mut Out, key: &[u8], name: &[u8], group: &Group) {
    let text = |id: StreamId| id.to_string().into_bytes();
    let read = group
        .entries_read()
        .map_or("-1".into(), |read| read.to_string());
    out.command(&[
        b"XGROUP",
        b"CREATE",
        key,
        name,
        &text(group.last_id),
        b"ENTRIESREAD",
        read.as_bytes(),
    ]);
    for (_, consumer) in group.consumers() {
        out.command(&[b"XGROUP", b"CREATECONSUMER", key, name, &consumer.name]);
    }
    for (id, pending) in group.pending() {
        let Some(consumer) = pending.consumer else {
            continue;
        };
        let consumer = group.consumer(consumer);
        out.command(&[
            b"XCLAIM",
            key,
            name,
            &consumer.name,
            b"0",
            &text(*id),
            b"TIME",
            pending.delivered_ms().to_string().as_bytes(),
            b"RETRYCOUNT",
            pending.count.to_string().as_bytes(),
            b"JUSTID",
            b"FORCE",
        ]);
        out.checkpoint();
    }
    for id in group.released_ids() {
        out.command(&[
            b"XNACK",
            key,
            name,
            b"FAIL",
            b"IDS",
            b"1",
            &text(id),
            b"RETRYCOUNT",
            group.pending()[&id].count.to_string().as_bytes(),
            b"FORCE",
        ]);
        out.checkpoint();
    }
}

/// How long and how many ids are kept, and the ids.
fn idempotent_producers(out: &mut Out, key: &[u8], producers: &Producers) {
    let Retention { seconds, ids } = producers.retention();
    out.command(&[
        b"XCFGSET",
        key,
        b"IDMP-DURATION",
        seconds.to_string().as_bytes(),
        b"IDMP-MAXSIZE",
        ids.to_string().as_bytes(),
    ]);
    for (name, producer) in producers.iter() {
        for record in producer.records() {
            let id = record.id.to_string();
            out.command(&[b"XIDMPRECORD", key, name, &record.iid, id.as_bytes()]);
            out.checkpoint();
        }
    }
}
