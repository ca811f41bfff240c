//! Values as bytes: each in the form it has in memory, as far as the version knows that form.
//!
//! ```text
//!   version            9 (6.2)      10 (7.0)        11 (7.2)       12 (7.4 …)
//!   small hash, zset   plain        listpack        listpack       listpack
//!   small set          plain        plain           listpack       listpack
//!   list               plain        nodes           nodes          nodes
//!   stream             v1           v2              v3             v3, v4 or v5
//!   field deadlines    refused      refused         refused        written
//! ```
//!
//! Called for every key of a snapshot, and by DUMP.

use super::array::array;
use super::encode_stream::stream;
use super::version::{self, FIELD_DEADLINES, Unfit};
use super::{Writer, kind, opcode, template};
use crate::keyspace::RdbVersions;
use crate::keyspace::hash::HashRef;
use crate::keyspace::list::{ListRef, list_of};
use crate::keyspace::set::SetRef;
use crate::keyspace::zset::ZsetRef;
use crate::types::entry::EntryRef;
use crate::types::listpack::{self, Item};
use crate::types::quicklist::{Toward, View};
use crate::types::value::{Encoding, Heap, Kind, Value};

/// Containers of a list's nodes.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

/// The way in which the age of keys is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Untold,
    /// Seconds since the last use.
    Idle(u64),
    /// The counter of uses.
    Frequency(u8),
}

/// Writes a key with all that belongs to it.
///
/// # Errors
/// If the version cannot hold it. Part of it is written then.
#[inline]
pub fn record(out: &mut Writer, entry: EntryRef, age: Age) -> Result<(), Unfit> {
    if template::needs_mark(out, entry) {
        template::mark(out, entry.encoding().is_template());
    }
    if let Some(deadline_ms) = entry.deadline_ms() {
        out.byte(opcode::EXPIRE_MS);
        out.millis(deadline_ms);
    }
    match age {
        Age::Untold => {}
        Age::Idle(seconds) => {
            out.byte(opcode::IDLE);
            out.length(seconds);
        }
        Age::Frequency(counter) => out.bytes(&[opcode::FREQ, counter]),
    }
    out.byte(kind_of(out, entry));
    out.string(entry.key());
    value(out, entry)
}

/// The type under which a value is written.
#[inline]
pub fn kind_of(out: &Writer, entry: EntryRef) -> u8 {
    let style = out.style;
    let version = style.version;
    let packed = version >= 10;
    match (entry.kind(), entry.encoding()) {
        (Kind::String, _) => kind::STRING,
        (Kind::List, _) if packed => kind::LIST_QUICKLIST_2,
        (Kind::List, _) => kind::LIST,
        (Kind::Set, Encoding::Intset) => kind::SET_INTSET,
        (Kind::Set, Encoding::Listpack) if version >= 11 => kind::SET_LISTPACK,
        (Kind::Set, _) => kind::SET,
        (Kind::Zset, Encoding::Listpack) if packed => kind::ZSET_LISTPACK,
        (Kind::Zset, _) => kind::ZSET_2,
        (Kind::Hash, Encoding::Listpack) if packed => kind::HASH_LISTPACK,
        (Kind::Hash, encoding) if encoding.is_template() => match entry.value() {
            Value::Template(hash) if version >= RdbVersions::TEMPLATES => {
                template::kind_of(out, hash)
            }
            _ => plain_hash(entry, version),
        },
        (Kind::Hash, _) if style.valkey && is_volatile(entry) => kind::HASH_METADATA_OLD,
        (Kind::Hash, Encoding::ListpackEx) if version >= 12 => kind::HASH_LISTPACK_EX,
        (Kind::Hash, _) if version >= 12 && is_volatile(entry) => kind::HASH_METADATA,
        (Kind::Hash, _) => kind::HASH,
        (Kind::Stream, _) => match entry.heap() {
            Some(Heap::Stream(it)) => super::encode_stream::kind_of(it, version),
            _ => kind::STREAM_3,
        },
        (Kind::Array, _) => kind::ARRAY,
    }
}

/// The type of a hash with a template in a version that does not know any.
fn plain_hash(entry: EntryRef, version: u32) -> u8 {
    match entry.encoding() {
        Encoding::TemplateListpack if version >= 10 => kind::HASH_LISTPACK,
        _ => kind::HASH,
    }
}

/// Whether a hash has fields with a deadline.
pub(super) fn is_volatile(entry: EntryRef) -> bool {
    match HashRef::of(entry.value(), entry.encoding()) {
        Some(HashRef::Table(table)) => table.volatile() > 0,
        Some(hash) => hash.next_due_ms().is_some(),
        None => false,
    }
}

/// Writes a value without its type.
///
/// # Errors
/// If the version cannot hold it.
#[inline]
pub fn value(out: &mut Writer, entry: EntryRef) -> Result<(), Unfit> {
    match entry.value() {
        Value::Int(n) => out.int(n),
        Value::Text(text) => out.string(text),
        Value::Compact(_) | Value::Rich(_) | Value::Template(_) => return collection(out, entry),
    }
    Ok(())
}

fn collection(out: &mut Writer, entry: EntryRef) -> Result<(), Unfit> {
    match entry.kind() {
        Kind::Array if out.version() < RdbVersions::ARRAYS => return Err(Unfit),
        Kind::List => list(out, entry),
        Kind::Set => set(out, entry),
        Kind::Zset => zset(out, entry),
        Kind::Hash => return hash(out, entry),
        Kind::Stream => {
            if let Some(Heap::Stream(it)) = entry.heap() {
                if version::stream(it).version > out.version() {
                    return Err(Unfit);
                }
                stream(out, it);
            }
        }
        Kind::Array => {
            if let Some(Heap::Array(it)) = entry.heap() {
                array(out, it);
            }
        }
        Kind::String => {}
    }
    Ok(())
}

/// Writes an element as a string.
fn item(out: &mut Writer, item: Item) {
    match item {
        Item::Int(n) => out.int(n),
        Item::Text(text) => out.string(text),
    }
}

fn list(out: &mut Writer, entry: EntryRef) {
    let Ok(list) = list_of(entry.value()) else {
        return;
    };
    if out.version() < 10 {
        out.length(list.len() as u64);
        list.walk(0, Toward::Tail, |element| {
            item(out, element);
            true
        });
        return;
    }
    match list {
        ListRef::Packed(lp) => {
            out.length(1);
            out.length(PACKED);
            out.string(lp);
        }
        ListRef::Quick(list) => {
            out.length(list.nodes() as u64);
            let mut scratch = Vec::new();
            for node in list.iter_nodes() {
                let (container, bytes) = match node.view(&mut scratch) {
                    View::Packed(lp) => (PACKED, lp),
                    View::Plain(element) => (PLAIN, element),
                };
                out.length(container);
                out.string(bytes);
            }
        }
    }
}

fn set(out: &mut Writer, entry: EntryRef) {
    let Some(set) = SetRef::of(entry.value(), entry.encoding()) else {
        return;
    };
    match set {
        SetRef::Ints(ints) => {
            let mut bytes = std::mem::take(&mut out.scratch);
            crate::types::intset::write_redis(ints, &mut bytes);
            out.string(&bytes);
            out.scratch = bytes;
        }
        SetRef::Listpack(lp) if out.version() >= 11 => out.string(lp),
        _ => {
            out.length(set.len() as u64);
            set.each(|member| item(out, member));
        }
    }
}

fn zset(out: &mut Writer, entry: EntryRef) {
    match ZsetRef::of(entry) {
        Some(ZsetRef::Small(lp)) if out.version() >= 10 => out.string(lp),
        Some(set) => {
            // The highest first, as Redis does: a reader that builds a sorted list inserts at the
            // front.
            out.length(set.len() as u64);
            set.walk(0..set.len(), true, |member, score| {
                out.string(member);
                out.double(score);
            });
        }
        None => {}
    }
}

/// Writes the fields as Valkey does: each with its deadline behind it, or -1.
fn hash_of_valkey(out: &mut Writer, hash: HashRef) {
    out.length(hash.len() as u64);
    hash.each(|field| {
        item(out, field.name);
        item(out, field.value);
        out.millis(field.deadline_ms.unwrap_or(-1));
    });
}

fn hash(out: &mut Writer, entry: EntryRef) -> Result<(), Unfit> {
    let Some(hash) = HashRef::of(entry.value(), entry.encoding()) else {
        return Ok(());
    };
    let next_due_ms = hash.next_due_ms();
    if next_due_ms.is_some() && out.version() < FIELD_DEADLINES {
        return match out.style.valkey {
            true => {
                hash_of_valkey(out, hash);
                Ok(())
            }
            false => Err(Unfit),
        };
    }
    match hash {
        HashRef::Listpack(lp) if out.version() >= 10 => out.string(lp),
        HashRef::Template(it) if out.version() >= RdbVersions::TEMPLATES => {
            template::write(out, it);
        }
        HashRef::Template(_) if plain_hash(entry, out.version()) == kind::HASH_LISTPACK => {
            let mut lp = std::mem::take(&mut out.scratch);
            lp.clear();
            lp.extend_from_slice(&listpack::EMPTY);
            hash.each(|field| {
                listpack::push_back(&mut lp, field.name);
                listpack::push_back(&mut lp, field.value);
            });
            out.string(&lp);
            out.scratch = lp;
        }
        HashRef::List(list) if out.version() >= 12 => {
            out.millis(next_due_ms.unwrap_or(0));
            out.string(list.listpack());
        }
        HashRef::Table(table) if next_due_ms.is_some() => {
            let least_ms = next_due_ms.unwrap_or(0);
            out.millis(least_ms);
            out.length(hash.len() as u64);
            table.each(|field| {
                // One more than the distance, so that 0 is free to mean "never".
                let distance = field.deadline_ms.map_or(0, |ms| ms - least_ms + 1);
                out.length(distance as u64);
                item(out, field.name);
                item(out, field.value);
            });
        }
        _ => {
            out.length(hash.len() as u64);
            hash.each(|field| {
                item(out, field.name);
                item(out, field.value);
            });
        }
    }
    Ok(())
}
