//! Arrays: values under indexes, most of which may hold nothing.

mod aggregate;
mod args;
mod delete;
mod expression;
mod grep;
mod info;
mod insert;
mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::command::effects::Event;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::Found;
use crate::types::array::{Cell, CellText};

pub static TABLE: &[DataCommand] = &[
    read::ARGET,
    read::ARMGET,
    read::ARGETRANGE,
    read::ARSCAN,
    info::ARLEN,
    info::ARCOUNT,
    info::ARINFO,
    write::ARSET,
    write::ARMSET,
    delete::ARDEL,
    delete::ARDELRANGE,
    insert::ARINSERT,
    insert::ARRING,
    insert::ARNEXT,
    insert::ARSEEK,
    insert::ARLASTITEMS,
    aggregate::AROP,
    grep::ARGREP,
];

/// The array at a key, made if it is missing.
fn found_or_new(cx: &mut Cx, key: &[u8]) -> Result<Found, CmdError> {
    if let Some(found) = cx.db().find_array(key)? {
        return Ok(found);
    }
    let limits = cx.tuning.array;
    let found = cx.db().add_array(key, limits);
    cx.also(Event::NEW, key);
    Ok(found)
}

/// Reports the removal of so many values, and removes the key with the last one.
fn settle(cx: &mut Cx, key: &[u8], found: Found, event: Event, removed: u64) {
    if removed == 0 {
        return;
    }
    let is_gone = cx.db().remove_array_if_empty(found);
    cx.effects.count_changes(removed);
    cx.also(event, key);
    if is_gone {
        cx.also(Event::DEL, key);
    }
}

/// An index or a length, which may be larger than an integer of the protocol.
fn reply_index(reply: &mut Reply, index: u64) -> CmdResult {
    match i64::try_from(index) {
        Ok(index) => reply.int(index),
        Err(_) => reply.big_number(itoa::Buffer::new().format(index).as_bytes()),
    }
}

/// The value of a cell.
#[inline]
fn reply_cell(reply: &mut Reply, cell: &Cell) -> CmdResult {
    match cell {
        Cell::Int(n) => reply.bulk_int(*n),
        Cell::Short(bytes, len) => reply.bulk(&bytes[..usize::from(*len)]),
        Cell::Text(text) => reply.bulk(text),
        Cell::Double(_) => reply.bulk(cell.as_bytes(&mut CellText::default())),
    }
}

/// The error for a wrong number of arguments that the declaration cannot rule out.
#[cold]
fn wrong_arity(args: &Args) -> CmdError {
    CmdError::arity(&String::from_utf8_lossy(args.argv().at(0)).to_lowercase())
}
