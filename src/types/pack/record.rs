//! Records as they lie in an arena: reading one, and what a new one will look like.

use super::atom::{self, Atom, put};
use std::io::Write;

/// The head of a record that lies apart; its number and its hash follow.
pub const BOXED: u8 = 0xff;
pub const BOXED_SIZE: usize = 11;
/// The head of a record with a deadline, which follows in six bytes.
const DEADLINE: u8 = 0xfe;
const DEADLINE_SIZE: usize = 7;

/// A record that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    pub key: Atom<'a>,
    /// `None` in a set.
    pub value: Option<Atom<'a>>,
    pub deadline_ms: Option<i64>,
}

impl<'a> Record<'a> {
    #[inline(always)]
    pub(super) fn key(bytes: &'a [u8]) -> Atom<'a> {
        let start = if bytes[0] == DEADLINE {
            DEADLINE_SIZE
        } else {
            0
        };
        atom::read(&bytes[start..]).0
    }

    #[inline]
    pub(super) fn read(bytes: &'a [u8], paired: bool) -> Record<'a> {
        Record::read_sized(bytes, paired).0
    }

    /// The record at the start of `bytes`, and how many of them it takes.
    #[inline(always)]
    pub(super) fn read_sized(bytes: &'a [u8], paired: bool) -> (Record<'a>, usize) {
        let mut rest = bytes;
        let mut deadline_ms = None;
        if rest[0] == DEADLINE {
            let mut raw = [0; 8];
            raw[..6].copy_from_slice(&rest[1..DEADLINE_SIZE]);
            deadline_ms = Some(i64::from_le_bytes(raw));
            rest = &rest[DEADLINE_SIZE..];
        }
        let head = bytes.len() - rest.len();
        let (key, mut size) = atom::read(rest);
        let mut value = None;
        if paired {
            let (atom, more) = atom::read(&rest[size..]);
            value = Some(atom);
            size += more;
        }
        let record = Record {
            key,
            value,
            deadline_ms,
        };
        (record, head + size)
    }

    /// Overwrites the deadline at the head of a record that has one.
    pub(super) fn set_deadline(bytes: &mut [u8], deadline_ms: i64) {
        debug_assert_eq!(bytes[0], DEADLINE);
        bytes[1..DEADLINE_SIZE].copy_from_slice(&deadline_ms.to_le_bytes()[..6]);
    }
}

/// A record to be written.
#[derive(Clone, Copy)]
pub struct Draft<'a>(pub Record<'a>);

impl Draft<'_> {
    /// Bytes of the record in an arena.
    #[inline]
    pub fn size(&self) -> usize {
        let deadline = if self.0.deadline_ms.is_some() {
            DEADLINE_SIZE
        } else {
            0
        };
        deadline + atom::size(self.0.key) + self.0.value.map_or(0, atom::size)
    }

    #[inline]
    pub fn write(&self, out: &mut impl Write) {
        if let Some(deadline_ms) = self.0.deadline_ms {
            let [a, b, c, d, e, f, ..] = deadline_ms.to_le_bytes();
            put(out, &[DEADLINE, a, b, c, d, e, f]);
        }
        atom::write(self.0.key, out);
        if let Some(value) = self.0.value {
            atom::write(value, out);
        }
    }
}
