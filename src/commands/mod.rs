//! The data commands, by family. Each file declares its commands above the functions.

pub mod bitfield;
pub mod bitmap;
pub mod key;
pub mod string;

use crate::command::effects::Event;
use crate::command::{Cx, DataCommand};
use crate::keyspace::{DbIndex, Deadline};
use crate::types::entry::NewValue;
use crate::types::value::Kind;

/// All data commands.
pub const TABLES: &[&[DataCommand]] = &[string::TABLE, bitmap::TABLE, bitfield::TABLE, key::TABLE];

/// Writes a whole value of type `kind` to a key of the caller's database, and tells that the key
/// is new, or that it was overwritten. The command's own event follows.
#[inline]
fn put(cx: &mut Cx, key: &[u8], value: NewValue, kind: Kind, deadline: Deadline) {
    match cx.db().overwrite(key, value, deadline) {
        None => cx.also(Event::NEW, key),
        Some(old) => tell_overwritten(cx, cx.db, key, old, kind),
    }
}

/// Tells that a value of type `old` was replaced by one of type `new`.
fn tell_overwritten(cx: &mut Cx, db: DbIndex, key: &[u8], old: Kind, new: Kind) {
    cx.effects.note(db, key, Some(Event::OVERWRITTEN));
    if old != new {
        cx.effects.note(db, key, Some(Event::TYPE_CHANGED));
    }
}
