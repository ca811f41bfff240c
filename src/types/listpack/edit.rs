//! Changing a listpack: every edit is one shift of the bytes behind it, and a new header.

use super::{EMPTY, END, HEADER, Item, UNKNOWN, backlen_size, fixed, skip};

/// The longest body and backlen of an integer, or of what stands before a string's bytes.
const HEAD_MAX: usize = 9;

/// On which side of an element a new one goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Before,
    After,
}

/// An empty listpack.
pub fn new() -> Vec<u8> {
    let mut lp = Vec::with_capacity(64);
    lp.extend_from_slice(&EMPTY);
    lp
}

/// An entry up to a string's bytes, or a whole integer with its backlen.
struct Head {
    bytes: [u8; HEAD_MAX + 1],
    len: usize,
}

/// An entry ready to be copied: head, string, backlen.
pub struct Encoded<'a> {
    head: Head,
    text: &'a [u8],
    back: [u8; 5],
    back_len: usize,
}

impl<'a> Encoded<'a> {
    #[inline]
    pub fn of(item: Item<'a>) -> Self {
        let mut bytes = [0; HEAD_MAX + 1];
        let (len, text): (usize, &[u8]) = match item {
            Item::Int(n) => (encode_int(n, &mut bytes), b""),
            Item::Text(text) => (encode_text_head(text.len(), &mut bytes), text),
        };
        let (back, back_len) = encode_backlen(len + text.len());
        Encoded {
            head: Head { bytes, len },
            text,
            back,
            back_len,
        }
    }

    /// Bytes of the entry.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.head.len + self.text.len() + self.back_len
    }

    /// Writes the entry to the start of `out`.
    #[inline]
    pub fn write(&self, out: &mut [u8]) {
        let (head, rest) = out.split_at_mut(self.head.len);
        head.copy_from_slice(&self.head.bytes[..self.head.len]);
        let (text, back) = rest.split_at_mut(self.text.len());
        text.copy_from_slice(self.text);
        back[..self.back_len].copy_from_slice(&self.back[..self.back_len]);
    }
}

fn encode_int(n: i64, out: &mut [u8; HEAD_MAX + 1]) -> usize {
    let wide = |out: &mut [u8; HEAD_MAX + 1], first: u8, len: usize| {
        out[0] = first;
        out[1..1 + len].copy_from_slice(&n.to_le_bytes()[..len]);
        1 + len
    };
    match Item::Int(n).body_len() {
        1 => {
            out[0] = n as u8;
            1
        }
        2 => {
            out[0] = 0xc0 | (n >> 8) as u8 & 0x1f;
            out[1] = n as u8;
            2
        }
        3 => wide(out, 0xf1, 2),
        4 => wide(out, 0xf2, 3),
        5 => wide(out, 0xf3, 4),
        _ => wide(out, 0xf4, 8),
    }
}

fn encode_text_head(len: usize, out: &mut [u8; HEAD_MAX + 1]) -> usize {
    match len {
        0..=63 => {
            out[0] = 0x80 | len as u8;
            1
        }
        64..=4095 => {
            out[0] = 0xe0 | (len >> 8) as u8;
            out[1] = len as u8;
            2
        }
        _ => {
            out[0] = 0xf0;
            out[1..5].copy_from_slice(&(len as u32).to_le_bytes());
            5
        }
    }
}

/// Big end first; every byte but the first has its top bit set, so it can be read from its end.
fn encode_backlen(len: usize) -> ([u8; 5], usize) {
    let size = backlen_size(len);
    let mut bytes = [0; 5];
    for (i, byte) in bytes[..size].iter_mut().enumerate() {
        let part = (len >> (7 * (size - 1 - i))) as u8 & 0x7f;
        *byte = if i == 0 { part } else { part | 0x80 };
    }
    (bytes, size)
}

/// Writes length and count into the header; `change` elements were added.
fn seal(lp: &mut [u8], change: i64) {
    let bytes = lp.len() as u32;
    lp[..4].copy_from_slice(&bytes.to_le_bytes());
    let count = u16::from_le_bytes(fixed(lp, 4));
    if count != UNKNOWN {
        let new = (count as i64 + change).min(UNKNOWN as i64) as u16;
        lp[4..6].copy_from_slice(&new.to_le_bytes());
    } else if change < 0 {
        // It may be countable again.
        let count = super::iter(lp).count();
        if count < UNKNOWN as usize {
            lp[4..6].copy_from_slice(&(count as u16).to_le_bytes());
        }
    }
}

/// Makes the bytes from `at` to `end` into a gap of `len` bytes.
fn resize(lp: &mut Vec<u8>, at: usize, end: usize, len: usize) {
    let old = lp.len();
    let tail = old - end;
    let new = at + len + tail;
    if new > old {
        lp.resize(new, 0);
    }
    lp.copy_within(end..old, at + len);
    lp.truncate(new);
}

/// Appends an entry without its backlen, for sequences that are only read forwards.
#[inline]
pub fn write_body(out: &mut Vec<u8>, item: Item) {
    let entry = Encoded::of(item);
    out.extend_from_slice(&entry.head.bytes[..entry.head.len]);
    out.extend_from_slice(entry.text);
}

/// Adds an element at the end.
#[inline]
pub fn push_back(lp: &mut Vec<u8>, item: Item) {
    let at = lp.len() - 1;
    let entry = Encoded::of(item);
    lp.resize(at + entry.len() + 1, END);
    entry.write(&mut lp[at..]);
    let end = lp.len() - 1;
    lp[end] = END;
    seal(lp, 1);
}

/// Adds an element at the start.
pub fn push_front(lp: &mut Vec<u8>, item: Item) {
    let entry = Encoded::of(item);
    resize(lp, HEADER, HEADER, entry.len());
    entry.write(&mut lp[HEADER..]);
    seal(lp, 1);
}

/// Adds several elements at the end.
pub fn append<'a>(lp: &mut Vec<u8>, items: impl IntoIterator<Item = Item<'a>>) {
    for item in items {
        push_back(lp, item);
    }
}

/// Adds an element beside the one at `at`; returns where it is.
pub fn insert(lp: &mut Vec<u8>, at: usize, place: Place, item: Item) -> usize {
    let at = match place {
        Place::Before => at,
        Place::After => skip(lp, at),
    };
    let entry = Encoded::of(item);
    resize(lp, at, at, entry.len());
    entry.write(&mut lp[at..]);
    seal(lp, 1);
    at
}

/// Puts another element in the place of the one at `at`.
pub fn replace(lp: &mut Vec<u8>, at: usize, item: Item) {
    let end = skip(lp, at);
    let entry = Encoded::of(item);
    if end - at != entry.len() {
        resize(lp, at, end, entry.len());
        seal(lp, 0);
    }
    entry.write(&mut lp[at..]);
}

/// Removes the element at `at`; what followed is there afterwards.
pub fn remove(lp: &mut Vec<u8>, at: usize) {
    remove_range(lp, at, 1);
}

/// Removes up to `count` elements from the one at `at` on. Returns how many.
pub fn remove_range(lp: &mut Vec<u8>, at: usize, count: usize) -> usize {
    let (mut end, mut removed) = (at, 0);
    while removed < count && lp[end] != END {
        end = skip(lp, end);
        removed += 1;
    }
    resize(lp, at, end, 0);
    seal(lp, -(removed as i64));
    removed
}
