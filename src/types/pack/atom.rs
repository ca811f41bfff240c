//! The parts of a record: an integer or a text, with its length in front.
//!
//! ```text
//!   00..bf            text of so many bytes        +----+-------+
//!                                                  | 05 | hello |
//!                                                  +----+-------+
//!   c0..cf, 1 byte    text of up to 4095 bytes: the low four bits are the high ones
//!   d0, 4 bytes       text of any length
//!   e0..e7            integer of 1 to 8 bytes, sign extended
//!                                                  +----+----------+
//!                                                  | e2 | 40 42 0f |  1000000
//!                                                  +----+----------+
//! ```
//!
//! What reads as a 64-bit integer and prints back the same is always kept as one, so two atoms are
//! equal exactly if the bytes they stand for are.

use std::io::Write;

const TEXT_1: u8 = 0xbf;
const TEXT_2: u8 = 0xc0;
const TEXT_2_MAX: usize = 0xfff;
const TEXT_4: u8 = 0xd0;
const INT: u8 = 0xe0;

/// The same as an element of a listpack; only the bytes differ.
pub use crate::types::listpack::Item as Atom;

/// Bytes that hold an integer and its sign.
#[inline]
fn width(n: i64) -> usize {
    let significant = 65 - (n ^ (n >> 63)).leading_zeros() as usize;
    significant.div_ceil(8)
}

/// Writes to memory, which has room.
#[inline(always)]
pub(super) fn put(out: &mut impl Write, bytes: &[u8]) {
    out.write_all(bytes)
        .expect("memory has room for what was sized before");
}

/// Bytes that `write` appends.
#[inline]
pub fn size(atom: Atom) -> usize {
    match atom {
        Atom::Int(n) => 1 + width(n),
        Atom::Text(text) => match text.len() {
            len if len <= TEXT_1 as usize => 1 + len,
            len if len <= TEXT_2_MAX => 2 + len,
            len => 5 + len,
        },
    }
}

#[inline]
pub fn write(atom: Atom, out: &mut impl Write) {
    let text = match atom {
        Atom::Int(n) => {
            let width = width(n);
            put(out, &[INT + width as u8 - 1]);
            return put(out, &n.to_le_bytes()[..width]);
        }
        Atom::Text(text) => text,
    };
    match text.len() {
        len if len <= TEXT_1 as usize => put(out, &[len as u8]),
        len if len <= TEXT_2_MAX => put(out, &[TEXT_2 | (len >> 8) as u8, len as u8]),
        len => {
            put(out, &[TEXT_4]);
            put(out, &(len as u32).to_le_bytes());
        }
    }
    put(out, text);
}

/// The atom at the start of `bytes`, and how many bytes it takes.
#[inline(always)]
pub fn read(bytes: &[u8]) -> (Atom<'_>, usize) {
    let (start, len) = match bytes[0] {
        head @ 0..=TEXT_1 => (1, head as usize),
        head @ TEXT_2..=0xcf => (2, (head as usize & 0xf) << 8 | bytes[1] as usize),
        TEXT_4 => {
            let len = bytes[1..5].try_into().expect("four bytes");
            (5, u32::from_le_bytes(len) as usize)
        }
        head => {
            let width = (head & 7) as usize + 1;
            let mut raw = [0; 8];
            raw[..width].copy_from_slice(&bytes[1..=width]);
            let unused = 64 - 8 * width as u32;
            return (
                Atom::Int(i64::from_le_bytes(raw) << unused >> unused),
                1 + width,
            );
        }
    };
    (Atom::Text(&bytes[start..start + len]), start + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_read_as_they_were_written() {
        let long = vec![b'x'; 70_000];
        let texts: Vec<&[u8]> = vec![
            b"",
            b"a",
            b"012",
            b"-",
            b"+1",
            b"-0",
            &long[..191],
            &long[..192],
            &long[..4095],
            &long[..4096],
            &long,
        ];
        let mut out = Vec::new();
        for text in texts {
            let atom = Atom::of(text);
            assert_eq!(atom, Atom::Text(text));
            out.clear();
            write(atom, &mut out);
            assert_eq!(out.len(), size(atom));
            assert_eq!(read(&out), (atom, out.len()));
        }
        for (n, bytes) in [
            (0, 2),
            (127, 2),
            (-128, 2),
            (128, 3),
            (1_000_000, 4),
            (i64::MIN, 9),
        ] {
            let text = n.to_string();
            let atom = Atom::of(text.as_bytes());
            assert_eq!((atom, size(atom)), (Atom::Int(n), bytes));
            out.clear();
            write(atom, &mut out);
            assert_eq!(read(&out), (atom, bytes));
            assert_eq!(atom.to_vec(), text.as_bytes());
        }
    }
}
