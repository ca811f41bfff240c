//! Strings in the keyspace: how bytes become a value, and how a value reads as bytes.
//!
//! The encodings are those that OBJECT ENCODING reports: `int` for what reads back as the same
//! 64-bit integer, `embstr` for what is short together with its key (`db` decides), `raw` beyond and
//! for what was changed in place.

use super::sizes::Size;
use super::{DbMut, Found, WrongKind};
use crate::algo::number::parse_i64;
use crate::types::entries::ValueMut;
use crate::types::entry::{INLINE_MAX, NewValue};
use crate::types::value::{Encoding, Heap, Kind, Text, Value};
use bytes::Bytes;

/// The longest text of a 64-bit integer.
const INT_MAX: usize = 20;

/// A string value being read.
#[derive(Clone, Copy)]
pub enum StringRef<'a> {
    Int(i64),
    Text(&'a [u8]),
}

impl<'a> StringRef<'a> {
    /// The bytes; an integer is printed into `buffer`.
    pub fn as_bytes<'b>(&self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            StringRef::Int(n) => buffer.format(*n).as_bytes(),
            StringRef::Text(text) => text,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            StringRef::Int(n) => itoa::Buffer::new().format(*n).len(),
            StringRef::Text(text) => text.len(),
        }
    }

    /// The value as an integer, if it reads as one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            StringRef::Int(n) => Some(*n),
            StringRef::Text(text) => parse_i64(text),
        }
    }
}

/// The value that SET and similar commands make of these bytes.
#[inline]
pub fn encode(bytes: &[u8]) -> NewValue<'_> {
    if bytes.len() <= INT_MAX
        && matches!(bytes.first(), Some(b'0'..=b'9' | b'-'))
        && let Some(n) = parse_i64(bytes)
    {
        return NewValue::Int(n);
    }
    text(bytes)
}

/// A string that is not looked at for an integer.
#[inline]
pub fn text(bytes: &[u8]) -> NewValue<'_> {
    if bytes.len() <= INLINE_MAX {
        return NewValue::Inline(bytes, Encoding::Embstr);
    }
    raw(bytes)
}

/// A string that was built by changing one.
pub fn raw(bytes: &[u8]) -> NewValue<'_> {
    if bytes.len() <= INLINE_MAX {
        return NewValue::Inline(bytes, Encoding::Raw);
    }
    NewValue::Heap(
        Box::new(Heap::Text(Text::Owned(bytes.to_vec()))),
        Encoding::Raw,
    )
}

/// As `raw`, for a long string whose bytes are owned by the caller.
pub fn raw_owned(bytes: Vec<u8>) -> NewValue<'static> {
    NewValue::Heap(Box::new(Heap::Text(Text::Owned(bytes))), Encoding::Raw)
}

/// A large argument that becomes the value as it is.
pub fn shared(bytes: Bytes) -> NewValue<'static> {
    NewValue::Heap(Box::new(Heap::Text(Text::Shared(bytes))), Encoding::Raw)
}

impl DbMut<'_> {
    /// The string that was found, or that it is something else.
    #[inline(always)]
    pub fn string_at(&self, found: Found) -> Result<StringRef<'_>, WrongKind> {
        let entry = self.get(found);
        if entry.kind() != Kind::String {
            return Err(WrongKind);
        }
        Ok(match entry.value() {
            Value::Int(n) => StringRef::Int(n),
            Value::Text(text) => StringRef::Text(text),
            Value::Compact(_) | Value::Rich(_) | Value::Template(_) => return Err(WrongKind),
        })
    }

    /// The string at a key, looked up for reading.
    #[inline(always)]
    pub fn string(&mut self, key: &[u8]) -> Result<Option<StringRef<'_>>, WrongKind> {
        match self.read(key) {
            Some(found) => self.string_at(found).map(Some),
            None => Ok(None),
        }
    }

    /// Overwrites the integer of a found key where it stands; false if it holds no integer.
    #[inline]
    pub fn set_int(&mut self, found: Found, n: i64) -> bool {
        let Some(old) = self.entries_mut().replace_int(found.at, n) else {
            return false;
        };
        self.db.sizes.change(Size::of_int(old), Size::of_int(n));
        true
    }

    /// Lets `change` work on the bytes of a found string, grown with zeros to at least `len`.
    ///
    /// The encoding is `raw` afterwards, as after any change in place.
    pub fn change_bytes<R>(
        &mut self,
        found: Found,
        len: usize,
        change: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        self.resized(found, |db| db.edit_bytes(found, len, change))
    }

    /// As `change_bytes`, for a caller that counts the length itself.
    fn edit_bytes<R>(
        &mut self,
        found: Found,
        len: usize,
        change: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        self.grow(found, len);
        self.entries_mut().set_encoding(found.at, Encoding::Raw);
        match self.entries_mut().value_mut(found.at) {
            Some(ValueMut::Inline(bytes)) => change(bytes),
            Some(ValueMut::Heap(Heap::Text(text))) => change(text.to_mut()),
            Some(ValueMut::Int(_) | ValueMut::Heap(_)) | None => change(&mut []),
        }
    }

    /// Lets `change` edit the bytes of a found string, their number too. None if the string is short
    /// enough to lie inside its entry.
    pub fn edit_long<R>(
        &mut self,
        found: Found,
        change: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Option<R> {
        self.resized(found, |db| match db.entries_mut().value_mut(found.at) {
            Some(ValueMut::Heap(Heap::Text(text))) => Some(change(text.to_mut())),
            _ => None,
        })
    }

    /// Makes a found string a text of at least `len` bytes.
    fn grow(&mut self, found: Found, len: usize) {
        if let Some(ValueMut::Heap(Heap::Text(text))) = self.entries_mut().value_mut(found.at) {
            if text.as_bytes().len() < len {
                text.to_mut().resize(len, 0);
            }
            return;
        }
        let mut buffer = itoa::Buffer::new();
        let old = match self.get(found).value() {
            Value::Int(n) => buffer.format(n).as_bytes(),
            Value::Text(text) if text.len() >= len => return,
            Value::Text(text) => text,
            Value::Compact(_) | Value::Rich(_) | Value::Template(_) => return,
        };
        let mut bytes = Vec::with_capacity(len.max(old.len()));
        bytes.extend_from_slice(old);
        bytes.resize(len.max(old.len()), 0);
        if bytes.len() <= INLINE_MAX {
            self.exchange(found, NewValue::Inline(&bytes, Encoding::Raw));
        } else {
            self.exchange(found, raw_owned(bytes));
        }
    }

    /// Appends to a found string and returns its new length.
    pub fn append(&mut self, found: Found, tail: &[u8]) -> usize {
        self.resized(found, |db| {
            let len = match db.entries_mut().value_mut(found.at) {
                Some(ValueMut::Heap(Heap::Text(text))) => {
                    text.to_mut().extend_from_slice(tail);
                    let len = text.as_bytes().len();
                    db.entries_mut().set_encoding(found.at, Encoding::Raw);
                    return len;
                }
                Some(ValueMut::Int(n)) => itoa::Buffer::new().format(n).len(),
                Some(ValueMut::Inline(bytes)) => bytes.len(),
                Some(ValueMut::Heap(_)) | None => 0,
            };
            db.edit_bytes(found, len + tail.len(), |bytes| {
                bytes[len..].copy_from_slice(tail);
                bytes.len()
            })
        })
    }
}
