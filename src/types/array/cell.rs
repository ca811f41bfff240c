//! One cell of an array: a word that holds an integer, a double or a short text, or says where in
//! its slice a longer text lies.
//!
//! ```text
//!   bits   63                    32 31        16 15        4   3     2   1 0
//!         +------------------------+------------+-----------+-----+-----+-----+
//!   text  | offset, or number      | length     |           | box |  1  | 0 0 |
//!   int   | integer of 62 bits                                          | 0 1 |
//!   double| the upper 62 bits of a double, the others being 0           | 1 0 |
//!   short | up to 7 bytes                    | length (bits 2 to 5)     | 1 1 |
//!         +-------------------------------------------------------------+-----+
//!   empty   0
//! ```
//!
//! A number is held as such only if it reads back as the very text that was stored.

use crate::algo::number::{format_f64, parse_f64, parse_i64};
use smallvec::SmallVec;

const TAG: u64 = 3;
const TEXT: u64 = 0;
const INT: u64 = 1;
const DOUBLE: u64 = 2;
const SHORT: u64 = 3;
/// Among texts: the word is not that of an empty cell.
const PRESENT: u64 = 1 << 2;
/// Among texts: it has a box of its own.
const BOXED: u64 = 1 << 3;

/// The word of a cell that holds nothing.
pub(super) const EMPTY: u64 = 0;
/// The word of a cell that holds the empty text.
pub(super) const SHORT_EMPTY: u64 = SHORT;
/// Texts up to this many bytes lie inside the word.
const SHORT_MAX: usize = 7;
/// Integers of this many bits, the sign included, lie inside the word.
const INT_BITS: u32 = 62;
/// No double that is held as such has a longer text.
const DOUBLE_TEXT_MAX: usize = 25;

/// A value as it lies in an array.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    Int(i64),
    Double(f64),
    /// A short text: its bytes, and how many of them count.
    Short([u8; 8], u8),
    Text(&'a [u8]),
}

/// Room for the text of a number.
pub struct CellText {
    digits: itoa::Buffer,
    double: SmallVec<[u8; 32]>,
}

impl Default for CellText {
    fn default() -> Self {
        CellText {
            digits: itoa::Buffer::new(),
            double: SmallVec::new(),
        }
    }
}

impl Cell<'_> {
    /// The text of the value; that of a number is written into `room`.
    #[inline]
    pub fn as_bytes<'b>(&'b self, room: &'b mut CellText) -> &'b [u8] {
        match self {
            Cell::Int(n) => room.digits.format(*n).as_bytes(),
            Cell::Double(value) => {
                room.double.clear();
                write_double(&mut room.double, *value);
                &room.double
            }
            Cell::Short(bytes, len) => &bytes[..usize::from(*len)],
            Cell::Text(text) => text,
        }
    }
}

/// Appends the text of a double: that of a score, with a point.
fn write_double(out: &mut SmallVec<[u8; 32]>, value: f64) {
    out.extend_from_slice(&format_f64(value));
    if out
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'-')
    {
        out.extend_from_slice(b".0");
    }
}

/// The text that a double of a serialized array stands for.
pub fn double_text(value: f64) -> Vec<u8> {
    let mut out = SmallVec::new();
    write_double(&mut out, value);
    out.into_vec()
}

/// The word of a value that fits one.
#[inline]
pub(super) fn immediate(text: &[u8]) -> Option<u64> {
    if let [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..] = text
        && let Some(word) = number(text)
    {
        return Some(word);
    }
    if text.len() > SHORT_MAX {
        return None;
    }
    let mut bytes = [0; 8];
    bytes[1..=text.len()].copy_from_slice(text);
    Some(u64::from_le_bytes(bytes) | (text.len() as u64) << 2 | SHORT)
}

/// The word of a text that is the one text of a number.
#[inline]
fn number(text: &[u8]) -> Option<u64> {
    if let Some(n) = parse_i64(text) {
        let held = n << 2;
        return (held >> 2 == n).then_some(held as u64 | INT);
    }
    if text.len() > DOUBLE_TEXT_MAX || !is_decimal(text) {
        return None;
    }
    let value = parse_f64(text)?;
    if value.to_bits() & TAG != 0 {
        return None;
    }
    let mut written = SmallVec::new();
    write_double(&mut written, value);
    (written.as_slice() == text).then_some(value.to_bits() | DOUBLE)
}

/// Whether a text that begins as a number is digits around a point.
fn is_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let Some(point) = memchr::memchr(b'.', digits) else {
        return false;
    };
    let (whole, fraction) = (&digits[..point], &digits[point + 1..]);
    !fraction.is_empty() && whole.iter().chain(fraction).all(u8::is_ascii_digit)
}

/// Where the text of a cell lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the bytes of the slice: offset and length.
    Packed(u32, u16),
    /// In a box of its own, by its number.
    Boxed(u32),
}

impl Place {
    pub fn word(self) -> u64 {
        match self {
            Place::Packed(offset, len) => u64::from(offset) << 32 | u64::from(len) << 16 | PRESENT,
            Place::Boxed(number) => u64::from(number) << 32 | BOXED | PRESENT,
        }
    }
}

/// A word, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Empty,
    Immediate(Cell<'static>),
    Elsewhere(Place),
}

impl Word {
    #[inline(always)]
    pub fn of(word: u64) -> Word {
        match word & TAG {
            INT => Word::Immediate(Cell::Int(word as i64 >> (64 - INT_BITS))),
            DOUBLE => Word::Immediate(Cell::Double(f64::from_bits(word & !TAG))),
            SHORT => {
                let [head, bytes @ ..] = word.to_le_bytes();
                let mut text = [0; 8];
                text[..SHORT_MAX].copy_from_slice(&bytes);
                Word::Immediate(Cell::Short(text, head >> 2))
            }
            _ => match place(word) {
                Some(place) => Word::Elsewhere(place),
                None => Word::Empty,
            },
        }
    }
}

/// Where the text of a cell lies, if it is not inside the word.
#[inline(always)]
pub(super) fn place(word: u64) -> Option<Place> {
    if word & TAG != TEXT || word == EMPTY {
        return None;
    }
    let high = (word >> 32) as u32;
    Some(match word & BOXED {
        0 => Place::Packed(high, (word >> 16) as u16),
        _ => Place::Boxed(high),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &[u8]) -> Option<Vec<u8>> {
        let word = immediate(text)?;
        assert_ne!(word, EMPTY);
        match Word::of(word) {
            Word::Immediate(cell) => Some(cell.as_bytes(&mut CellText::default()).to_vec()),
            other => panic!("{text:?} became {other:?}"),
        }
    }

    #[test]
    fn what_lies_in_a_word_reads_back() {
        let long = [i64::MAX, i64::MIN, 1 << 61, -(1 << 61) - 1].map(|n| n.to_string());
        for text in long.iter().map(String::as_bytes) {
            assert_eq!(held(text), None);
        }
        for text in ["0", "-1", "2305843009213693951", "-2305843009213693952"] {
            assert_eq!(held(text.as_bytes()).as_deref(), Some(text.as_bytes()));
        }
        for text in ["", "a", "abcdefg", "1.50", "-0", "007", "1e3", "-", "nan"] {
            assert_eq!(held(text.as_bytes()).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(held(b"abcdefgh"), None);
    }

    /// The tags are those of a dump of Redis 8.10.2.
    #[test]
    fn doubles_are_held_as_such_where_redis_does() {
        let is_double =
            |text: &str| immediate(text.as_bytes()).is_some_and(|word| word & TAG == DOUBLE);
        for text in [
            "5.5",
            "0.5",
            "1.0",
            "100.0",
            "0.0",
            "-0.0",
            "3.141592653589793",
            "12345678.5",
            "9999999999999996000000.0",
            "4611686018427387904.0",
            "9223372036854776000.0",
            "3.1415926535897896",
            "0.125",
        ] {
            assert!(is_double(text), "{text}");
            assert_eq!(held(text.as_bytes()).as_deref(), Some(text.as_bytes()));
        }
        for text in [
            "0.1",
            "1.50",
            "1e+20",
            "2.718281828459045",
            "9223372036854775808.0",
            ".5",
            "5.",
            "1.2676506002282294e+30",
            "0.0001220703125",
            "3.1415926535897905",
            "1.00",
        ] {
            assert!(!is_double(text), "{text}");
        }
    }
}
