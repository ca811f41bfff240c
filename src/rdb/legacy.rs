//! The packed forms of earlier times, read element by element: ziplist and zipmap.
//!
//! ```text
//!   ziplist  bytes u32 | last entry u32 | count u16 | entry … | ff
//!   entry    length of the one before (1, or fe +4) | encoding | data
//!            00nnnnnn text   01nnnnnn +1 text   80 +4 text (big-endian)
//!            c0 i16   d0 i32   e0 i64   f0 i24   fe i8   f1..fd: 0..12
//!
//!   zipmap   count u8 | name value … | ff
//!            name: length (1, or fe +4) bytes   value: length free bytes, free unused bytes
//! ```
//!
//! Redis wrote ziplists up to 6.2 and zipmaps up to 2.4. Everything is checked on the way.

use super::{Error, Result};
use crate::types::listpack::{self, Item};

const ZIPLIST_HEADER: usize = 10;
const END: u8 = 0xff;
/// The count that stands for "unknown".
const UNKNOWN: u16 = u16::MAX;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Appends the elements of a ziplist to a listpack. Returns how many there are.
pub fn ziplist(zl: &[u8], lp: &mut Vec<u8>) -> Result<usize> {
    walk(zl, lp).ok_or(Error::Corrupt("Ziplist integrity check failed."))
}

fn walk(zl: &[u8], lp: &mut Vec<u8>) -> Option<usize> {
    if word(zl, 0)? as usize != zl.len() || zl.len() < ZIPLIST_HEADER + 1 {
        return None;
    }
    let tail = word(zl, 4)? as usize;
    let told = u16::from_le_bytes([zl[8], zl[9]]);
    let (mut at, mut last, mut before, mut count) = (ZIPLIST_HEADER, ZIPLIST_HEADER, 0, 0);
    while *zl.get(at)? != END {
        let (item, size) = entry(&zl[at..zl.len() - 1], before)?;
        listpack::push_back(lp, item);
        (last, before) = (at, size);
        at += size;
        count += 1;
    }
    let counted = told == UNKNOWN || told as usize == count;
    (at == zl.len() - 1 && last == tail && counted).then_some(count)
}

/// The entry at the start of `bytes`, and its size; the one before it has `before` bytes.
fn entry(bytes: &[u8], before: usize) -> Option<(Item<'_>, usize)> {
    let (told, head) = match *bytes.first()? {
        0xfe => (word(bytes, 1)? as usize, 5),
        short => (short as usize, 1),
    };
    if told != before {
        return None;
    }
    let rest = &bytes[head..];
    let first = *rest.first()?;
    let text = |start: usize, len: usize| {
        let text = rest.get(start..start.checked_add(len)?)?;
        Some((Item::Text(text), head + start + len))
    };
    let int = |n: i64, size: usize| Some((Item::Int(n), head + 1 + size));
    match first {
        0..=0x3f => text(1, first as usize),
        0x40..=0x7f => text(2, ((first & 0x3f) as usize) << 8 | *rest.get(1)? as usize),
        0x80..=0xbf => {
            let len = rest.get(1..5)?;
            text(5, u32::from_be_bytes(len.try_into().ok()?) as usize)
        }
        0xc0 => int(
            i16::from_le_bytes(rest.get(1..3)?.try_into().ok()?) as i64,
            2,
        ),
        0xd0 => int(
            i32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as i64,
            4,
        ),
        0xe0 => int(i64::from_le_bytes(rest.get(1..9)?.try_into().ok()?), 8),
        0xf0 => {
            let &[a, b, c] = rest.get(1..4)? else {
                return None;
            };
            int((i32::from_le_bytes([0, a, b, c]) >> 8) as i64, 3)
        }
        0xfe => int(*rest.get(1)? as i8 as i64, 1),
        0xf1..=0xfd => int((first & 0x0f) as i64 - 1, 0),
        _ => None,
    }
}

/// Appends the names and values of a zipmap to a listpack.
pub fn zipmap(zm: &[u8], lp: &mut Vec<u8>) -> Result<usize> {
    pairs(zm, lp).ok_or(Error::Corrupt("Zipmap integrity check failed."))
}

fn pairs(zm: &[u8], lp: &mut Vec<u8>) -> Option<usize> {
    let told = *zm.first()?;
    let (mut at, mut count) = (1, 0);
    let len = |at: &mut usize| {
        let (len, size) = match *zm.get(*at)? {
            // A length that fits in one byte is never written in five.
            0xfe => (word(zm, *at + 1).filter(|len| *len >= 0xfe)? as usize, 5),
            0xff => return None,
            short => (short as usize, 1),
        };
        *at += size;
        Some(len)
    };
    while *zm.get(at)? != END {
        let name_len = len(&mut at)?;
        let name = zm.get(at..at.checked_add(name_len)?)?;
        at += name_len;
        let value_len = len(&mut at)?;
        let free = *zm.get(at)? as usize;
        at += 1;
        let value = zm.get(at..at.checked_add(value_len)?)?;
        at = at.checked_add(value_len)?.checked_add(free)?;
        listpack::append(lp, [Item::of(name), Item::of(value)]);
        count += 1;
    }
    (at == zm.len() - 1 && (told >= 0xfe || told as usize == count)).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lp: &[u8]) -> Vec<String> {
        let text = |item: Item| String::from_utf8_lossy(&item.to_vec()).into_owned();
        listpack::iter(lp).map(text).collect()
    }

    #[test]
    fn a_ziplist_reads_as_its_elements() {
        let zl = b"\x1e\0\0\0\x17\0\0\0\x05\0\x00\x02hi\x04\xf3\x02\xfe\x90\x03\xc0\x00\x10\x04\xd0\x00\x00\x01\x00\xff";
        let mut lp = listpack::new();
        assert_eq!(ziplist(zl, &mut lp).ok(), Some(5));
        assert_eq!(texts(&lp), ["hi", "2", "-112", "4096", "65536"]);
        for cut in 0..zl.len() {
            assert!(ziplist(&zl[..cut], &mut listpack::new()).is_err());
        }
    }

    #[test]
    fn a_zipmap_reads_as_its_pairs() {
        let zm = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world..\xff";
        let mut lp = listpack::new();
        assert_eq!(zipmap(zm, &mut lp).ok(), Some(2));
        assert_eq!(texts(&lp), ["foo", "bar", "hello", "world"]);
        for cut in 0..zm.len() {
            assert!(zipmap(&zm[..cut], &mut listpack::new()).is_err());
        }
        let long = b"\x01\xfe\x03\0\0\0foo\x03\x00bar\xff";
        assert!(zipmap(long, &mut listpack::new()).is_err());
    }
}
