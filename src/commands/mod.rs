//! The data commands, by family. Each command is declared directly above its function; the `TABLE`
//! of a family lists its commands with the file of each.

pub mod array;
pub mod bitfield;
pub mod bitmap;
mod gathered;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod key;
pub mod list;
mod scan_options;
pub mod set;
pub mod stream;
pub mod string;
#[cfg(test)]
mod tests;
pub mod zset;

use crate::command::effects::Event;
use crate::command::{Args, CmdError, Cx, DataCommand};
use crate::keyspace::{DbIndex, Deadline};
use crate::types::entry::NewValue;
use crate::types::value::Kind;

/// All data commands.
pub const TABLES: &[&[DataCommand]] = &[
    string::TABLE,
    bitmap::TABLE,
    bitfield::TABLE,
    key::TABLE,
    list::TABLE,
    set::TABLE,
    hash::TABLE,
    stream::TABLE,
    zset::TABLE,
    geo::TABLE,
    hyperloglog::TABLE,
    array::TABLE,
];

/// Writes a whole value of type `kind` to a key of the caller's database, and tells that the key
/// is new, or that it was overwritten. The command's own event follows.
#[inline]
fn put(cx: &mut Cx, key: &[u8], value: NewValue, kind: Kind, deadline: Deadline) {
    match cx.db().overwrite(key, value, deadline) {
        None => cx.also(Event::NEW, key),
        Some(old) => tell_overwritten(cx, cx.db, key, old, kind),
    }
}

/// A count whose sign has a meaning: negative allows the same element several times.
fn signed_count(args: &mut Args) -> Result<i64, CmdError> {
    const RANGE: CmdError = CmdError::Fixed(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    args.int()
        .and_then(|n| if n == i64::MIN { Err(RANGE) } else { Ok(n) })
}

/// Tells that a value of type `old` was replaced by one of type `new`.
fn tell_overwritten(cx: &mut Cx, db: DbIndex, key: &[u8], old: Kind, new: Kind) {
    cx.note(db, key, Some(Event::OVERWRITTEN));
    if old != new {
        cx.note(db, key, Some(Event::TYPE_CHANGED));
    }
}
