//! The listpack: a sequence of short strings and integers in one block of bytes.
//!
//! It is Redis's own layout, so RDB and DUMP write it as it lies (source: the listpack
//! specification by Salvatore Sanfilippo, and the bytes that Redis 8.2 writes). Small hashes, sets
//! and sorted sets, the nodes of lists and of streams are listpacks.
//!
//! ```text
//!   0         4       6
//!   +---------+-------+-------+-------+-- --+-------+------+
//!   | bytes   | count | entry | entry |  …  | entry | 0xff |
//!   | u32 LE  | u16   |       |       |     |       |      |
//!   +---------+-------+-------+-------+-- --+-------+------+
//!
//!   entry:  encoding and length | data | backlen (1..5 bytes, readable from its end)
//!
//!   0xxxxxxx           7-bit unsigned         11110001 + 2   16-bit integer
//!   10xxxxxx           string to 63 bytes     11110010 + 3   24-bit
//!   110xxxxx + 1       13-bit integer         11110011 + 4   32-bit
//!   1110xxxx + 1       string to 4095 bytes   11110100 + 8   64-bit
//!   11110000 + 4       longer string          11111111       the end
//! ```
//!
//! The backlen holds the length of the entry without itself, so the sequence can be walked from
//! both ends. A count of 65535 means "walk to know". The functions work on plain `&[u8]` and
//! `Vec<u8>`, because a listpack may lie inside an entry, in a list node or in a file; positions are
//! byte offsets and good until the next change. Bytes from outside go through [`validate`] first:
//! the other functions trust what they read, and panic at worst.

mod edit;
#[cfg(test)]
mod tests;
mod validate;

pub(super) use edit::write_body;
pub use edit::{
    Encoded, Place, append, insert, new, push_back, push_front, remove, remove_range, replace,
};
pub use validate::validate;

use crate::algo::number::parse_i64;

/// A listpack of nothing.
pub const EMPTY: [u8; 7] = [7, 0, 0, 0, 0, 0, 0xff];
/// Bytes before the first entry.
pub const HEADER: usize = 6;
/// The byte behind the last entry.
pub const END: u8 = 0xff;
/// The count that stands for "unknown".
const UNKNOWN: u16 = u16::MAX;
/// The longest text of a 64-bit integer.
const INT_TEXT_MAX: usize = 20;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Int(i64),
    Text(&'a [u8]),
}

impl<'a> Item<'a> {
    /// The form in which a listpack stores these bytes: an integer if they are the text of one.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Item<'a> {
        if bytes.len() <= INT_TEXT_MAX
            && matches!(bytes.first(), Some(b'0'..=b'9' | b'-'))
            && let Some(n) = parse_i64(bytes)
        {
            return Item::Int(n);
        }
        Item::Text(bytes)
    }

    /// The bytes; an integer is printed into `buffer`.
    #[inline]
    pub fn as_bytes<'b>(&self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Item::Int(n) => buffer.format(*n).as_bytes(),
            Item::Text(text) => text,
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }

    /// The length of the bytes.
    pub fn len(&self) -> usize {
        self.as_bytes(&mut itoa::Buffer::new()).len()
    }

    /// The element as an integer, if it reads as one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Item::Int(n) => Some(*n),
            Item::Text(text) => parse_i64(text),
        }
    }

    /// Bytes of the entry that holds this element, backlen included.
    pub fn encoded_len(&self) -> usize {
        let len = self.body_len();
        len + backlen_size(len)
    }

    /// Bytes of the entry without its backlen.
    fn body_len(&self) -> usize {
        match *self {
            Item::Int(n) => match n {
                0..=127 => 1,
                -4096..=4095 => 2,
                -32_768..=32_767 => 3,
                -8_388_608..=8_388_607 => 4,
                -2_147_483_648..=2_147_483_647 => 5,
                _ => 9,
            },
            Item::Text(text) => match text.len() {
                len @ 0..=63 => 1 + len,
                len @ 64..=4095 => 2 + len,
                len => 5 + len,
            },
        }
    }
}

/// Bytes of the backlen of an entry of `len` bytes.
#[inline(always)]
fn backlen_size(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// The `N` bytes at `at`.
#[inline(always)]
fn fixed<const N: usize>(lp: &[u8], at: usize) -> [u8; N] {
    lp[at..at + N]
        .try_into()
        .expect("a slice of N bytes has N bytes")
}

/// Bytes of the entry at `at` without its backlen.
#[inline(always)]
pub(super) fn body_len(lp: &[u8], at: usize) -> usize {
    let first = lp[at];
    if first < 0x80 {
        return 1;
    }
    if first < 0xc0 {
        return 1 + (first & 0x3f) as usize;
    }
    if first < 0xe0 {
        return 2;
    }
    match first {
        0xe0..=0xef => 2 + (((first & 0x0f) as usize) << 8 | lp[at + 1] as usize),
        0xf0 => 5 + u32::from_le_bytes(fixed(lp, at + 1)) as usize,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        0xf4 => 9,
        // 0xff and what no version writes: a walk ends here.
        _ => 1,
    }
}

/// The element at `at`.
#[inline]
pub fn get(lp: &[u8], at: usize) -> Item<'_> {
    let first = lp[at];
    match first {
        0..=0x7f => Item::Int(first as i64),
        0x80..=0xbf => {
            let len = (first & 0x3f) as usize;
            Item::Text(&lp[at + 1..at + 1 + len])
        }
        0xc0..=0xdf => {
            let raw = ((first & 0x1f) as u16) << 8 | lp[at + 1] as u16;
            // Sign-extends 13 bits.
            Item::Int(((raw << 3) as i16 >> 3) as i64)
        }
        0xe0..=0xef => {
            let len = ((first & 0x0f) as usize) << 8 | lp[at + 1] as usize;
            Item::Text(&lp[at + 2..at + 2 + len])
        }
        0xf0 => {
            let len = u32::from_le_bytes(fixed(lp, at + 1)) as usize;
            Item::Text(&lp[at + 5..at + 5 + len])
        }
        0xf1 => Item::Int(i16::from_le_bytes(fixed(lp, at + 1)) as i64),
        0xf2 => {
            let [a, b, c] = fixed(lp, at + 1);
            Item::Int((i32::from_le_bytes([0, a, b, c]) >> 8) as i64)
        }
        0xf3 => Item::Int(i32::from_le_bytes(fixed(lp, at + 1)) as i64),
        0xf4 => Item::Int(i64::from_le_bytes(fixed(lp, at + 1))),
        _ => Item::Text(b""),
    }
}

/// The number of elements.
#[inline]
pub fn len(lp: &[u8]) -> usize {
    match u16::from_le_bytes(fixed(lp, 4)) {
        UNKNOWN => iter(lp).count(),
        count => count as usize,
    }
}

pub fn is_empty(lp: &[u8]) -> bool {
    lp[HEADER] == END
}

/// The first element's position.
#[inline]
pub fn first(lp: &[u8]) -> Option<usize> {
    (lp[HEADER] != END).then_some(HEADER)
}

/// The last element's position.
#[inline]
pub fn last(lp: &[u8]) -> Option<usize> {
    before(lp, lp.len() - 1)
}

/// The position behind the element at `at`, which may be the end's.
#[inline(always)]
pub fn skip(lp: &[u8], at: usize) -> usize {
    let len = body_len(lp, at);
    at + len + backlen_size(len)
}

/// The position of the element behind the one at `at`.
#[inline(always)]
pub fn next(lp: &[u8], at: usize) -> Option<usize> {
    let at = skip(lp, at);
    (lp[at] != END).then_some(at)
}

/// The position of the element before the one at `at`.
#[inline]
pub fn prev(lp: &[u8], at: usize) -> Option<usize> {
    before(lp, at)
}

/// The position of the element that ends where `end` begins.
#[inline]
fn before(lp: &[u8], end: usize) -> Option<usize> {
    if end <= HEADER {
        return None;
    }
    let (mut len, mut shift, mut at) = (0usize, 0, end - 1);
    loop {
        len |= ((lp[at] & 0x7f) as usize) << shift;
        if lp[at] & 0x80 == 0 || shift >= 28 {
            break;
        }
        shift += 7;
        at -= 1;
    }
    Some(at - len)
}

/// The position of element `index`; negative indexes count from the end.
pub fn seek(lp: &[u8], index: i64) -> Option<usize> {
    let count = u16::from_le_bytes(fixed(lp, 4));
    let mut index = index;
    if count != UNKNOWN {
        let count = count as i64;
        index = if index < 0 { index + count } else { index };
        if index < 0 || index >= count {
            return None;
        }
        // From the nearer end.
        if index > count / 2 {
            index -= count;
        }
    }
    if index >= 0 {
        let mut at = first(lp)?;
        for _ in 0..index {
            at = next(lp, at)?;
        }
        Some(at)
    } else {
        let mut at = last(lp)?;
        for _ in 0..-(index + 1) {
            at = prev(lp, at)?;
        }
        Some(at)
    }
}

/// The position of the first element equal to `needle`, from `from` on, looking at every
/// `step`-th element: 2 for the fields of a hash.
#[inline]
pub fn find(lp: &[u8], from: usize, needle: &[u8], step: usize) -> Option<usize> {
    let wanted = Item::of(needle);
    let mut at = from;
    loop {
        if lp[at] == END {
            return None;
        }
        let same = match wanted {
            Item::Int(_) => lp[at] & 0xc0 != 0x80 && get(lp, at) == wanted,
            Item::Text(text) => is_text(lp, at, text),
        };
        if same {
            return Some(at);
        }
        for _ in 0..step {
            if lp[at] == END {
                return None;
            }
            at = skip(lp, at);
        }
    }
}

/// Whether the element at `at` is the string `text`, which reads as no integer.
#[inline(always)]
fn is_text(lp: &[u8], at: usize, text: &[u8]) -> bool {
    let first = lp[at];
    if first & 0xc0 == 0x80 {
        let len = (first & 0x3f) as usize;
        return len == text.len() && same_short(&lp[at + 1..at + 1 + len], text);
    }
    matches!(first, 0xe0..=0xf0) && get(lp, at) == Item::Text(text)
}

/// Whether two texts of one length are the same. Names that differ do so near their ends more often
/// than not, so a look at the last bytes spares most comparisons.
#[inline(always)]
fn same_short(a: &[u8], b: &[u8]) -> bool {
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(last), Some(other)) => {
            u64::from_ne_bytes(*last) == u64::from_ne_bytes(*other) && (a.len() == 8 || a == b)
        }
        _ => a.iter().zip(b).rev().all(|(a, b)| a == b),
    }
}

/// All elements in order.
pub fn iter(lp: &[u8]) -> Iter<'_> {
    Iter { lp, at: HEADER }
}

/// See [`iter`].
#[derive(Clone)]
pub struct Iter<'a> {
    lp: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.lp[self.at] == END {
            return None;
        }
        let item = get(self.lp, self.at);
        self.at = skip(self.lp, self.at);
        Some(item)
    }
}
