//! Arrays as bytes, both ways.
//!
//! ```text
//!   count | 0, or 1 and the index of the last insertion | for each value: index, form, value
//!
//!   form   0 a text of more than seven bytes   1 an integer, eight bytes, little-endian
//!          3 a shorter one                     2 a double, eight bytes, little-endian
//! ```

use super::{Error, Reader, Result, Writer};
use crate::keyspace::array::{Limits, new_value};
use crate::types::array::{Array, Cell, INDEX_MAX, double_text};
use crate::types::entry::NewValue;

const LONG: u8 = 0;
const INT: u8 = 1;
const DOUBLE: u8 = 2;
const SHORT: u8 = 3;
/// The most bytes of a short text.
const SHORT_MAX: usize = 7;

const UNSOUND: Error = Error::Corrupt("Array integrity check failed.");

pub(super) fn array(out: &mut Writer, array: &Array) {
    out.length(array.count());
    match array.cursor() {
        Some(cursor) => {
            out.length(1);
            out.length(cursor);
        }
        None => out.length(0),
    }
    array.each(|index, cell| {
        out.length(index);
        match cell {
            Cell::Int(n) => {
                out.byte(INT);
                out.bytes(&n.to_le_bytes());
            }
            Cell::Double(value) => {
                out.byte(DOUBLE);
                out.bytes(&value.to_bits().to_le_bytes());
            }
            Cell::Short(bytes, len) => {
                out.byte(SHORT);
                out.string(&bytes[..usize::from(len)]);
            }
            Cell::Text(text) => {
                out.byte(LONG);
                out.string(text);
            }
        }
    });
}

/// Reads an array. Indexes must rise: values that overwrite each other would be fewer than their
/// count.
///
/// # Errors
/// If the bytes are none that a server writes; `Empty` for an array of nothing.
pub(super) fn read<'r>(r: &'r mut Reader, limits: Limits) -> Result<NewValue<'r>> {
    let count = r.length()?;
    if count == 0 {
        return Err(Error::Empty);
    }
    let mut array = Array::new(limits);
    let cursor = match r.length()? {
        0 => None,
        1 => Some(r.length()?),
        _ => return Err(UNSOUND),
    };
    if cursor.is_some_and(|cursor| cursor > INDEX_MAX) {
        return Err(UNSOUND);
    }
    array.set_cursor(cursor);
    let mut text = Vec::new();
    for _ in 0..count {
        let index = r.length()?;
        if index > INDEX_MAX || index < array.len() {
            return Err(UNSOUND);
        }
        let form = r.byte()?;
        match form {
            INT => {
                let n = i64::from_le_bytes(r.fixed()?);
                array.set(index, itoa::Buffer::new().format(n).as_bytes(), limits);
                continue;
            }
            DOUBLE => text = double_text(f64::from_bits(u64::from_le_bytes(r.fixed()?))),
            LONG | SHORT => r.string_into(&mut text)?,
            _ => return Err(UNSOUND),
        }
        if form == SHORT && text.len() > SHORT_MAX {
            return Err(UNSOUND);
        }
        array.set(index, &text, limits);
    }
    array.shrink();
    Ok(new_value(array))
}
