//! Whether a packed collection may become a value as it lies in the buffer.
//!
//! A collection that holds an element twice, or out of order, gives different replies from command
//! to command and breaks its own invariants when it changes. So every payload is checked
//! completely, whatever `sanitize-dump-payload` says.

use super::{Error, Result, kind};
use crate::algo::number::parse_f64;
use crate::types::entries::KeyHasher;
use crate::types::listpack::{self, Item};
use smallvec::SmallVec;
use std::collections::HashSet;

/// The latest deadline that a field can have: 48 bits of Unix milliseconds.
const FIELD_DEADLINE_MAX: i64 = (1 << 48) - 2;

/// The error for a packed collection of type `kind` that is not sound.
pub fn unsound(kind: u8) -> Error {
    Error::Corrupt(match kind {
        kind::HASH_ZIPMAP => "Zipmap integrity check failed.",
        kind::HASH_ZIPLIST => "Hash ziplist integrity check failed.",
        kind::ZSET_ZIPLIST => "Zset ziplist integrity check failed.",
        kind::SET_LISTPACK => "Set listpack integrity check failed.",
        kind::ZSET_LISTPACK => "Zset listpack integrity check failed.",
        kind::HASH_LISTPACK => "Hash listpack integrity check failed.",
        _ => "Listpack integrity check failed.",
    })
}

/// Checks a listpack of a small collection: groups of `step` elements, of which the first is unique.
/// Returns the number of groups.
///
/// # Errors
/// `Empty` for a collection of nothing, `Corrupt` for one that no server writes.
pub fn groups(lp: &[u8], step: usize, kind: u8, hasher: &KeyHasher) -> Result<usize> {
    let count = listpack::validate(lp, |_| true).map_err(|_| unsound(kind))?;
    if count == 0 {
        return Err(Error::Empty);
    }
    if count % step != 0 || !is_unique(lp, step, hasher) {
        return Err(unsound(kind));
    }
    Ok(count / step)
}

/// Whether the first of every `step` elements is there once. Elements that read the same are the
/// same, whichever form they have.
pub fn is_unique(lp: &[u8], step: usize, hasher: &KeyHasher) -> bool {
    let items = || listpack::iter(lp).step_by(step);
    let hash = |item: Item| hasher.hash(item.as_bytes(&mut itoa::Buffer::new()));
    let mut hashes: SmallVec<[u64; 128]> = items().map(hash).collect();
    hashes.sort_unstable();
    if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
        return true;
    }
    // Different elements may share a hash.
    let mut seen = HashSet::with_capacity(hashes.len());
    items().all(|item| seen.insert(item.to_vec()))
}

/// Checks that members and scores in turn are ordered as a sorted set is: by score, then by member.
///
/// # Errors
/// `Corrupt` for a score that is no number, and for a pair out of order.
pub fn scores(lp: &[u8]) -> Result<()> {
    let mut items = listpack::iter(lp);
    let mut last: Option<(f64, Item)> = None;
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = match score {
            Item::Int(n) => Some(n as f64),
            Item::Text(text) => parse_f64(text).filter(|score| !score.is_nan()),
        };
        let score = score.ok_or(Error::Corrupt(
            "Zset with a score that is no number detected",
        ))?;
        if last.is_some_and(|last| !is_before(last, (score, member))) {
            return Err(Error::Corrupt("Zset with members out of order detected"));
        }
        last = Some((score, member));
    }
    Ok(())
}

fn is_before((low, first): (f64, Item), (high, second): (f64, Item)) -> bool {
    let (mut a, mut b) = (itoa::Buffer::new(), itoa::Buffer::new());
    low < high || low == high && first.as_bytes(&mut a) < second.as_bytes(&mut b)
}

/// A field's deadline in Unix milliseconds; 0 means none.
pub fn deadline(ms: i64) -> Result<Option<i64>> {
    match ms {
        0 => Ok(None),
        1..=FIELD_DEADLINE_MAX => Ok(Some(ms)),
        _ => Err(Error::Corrupt("A hash field with an impossible deadline")),
    }
}

/// Checks that names, values and deadlines in turn are ordered by deadline, those without last.
pub fn deadlines(lp: &[u8]) -> Result<()> {
    let mut last = 0;
    for told in listpack::iter(lp).skip(2).step_by(3) {
        let Item::Int(ms) = told else {
            return Err(Error::Corrupt(
                "A hash field with a deadline that is no number",
            ));
        };
        let ms = deadline(ms)?.unwrap_or(i64::MAX);
        if ms < last {
            return Err(Error::Corrupt(
                "The deadlines of a hash's fields are out of order",
            ));
        }
        last = ms;
    }
    Ok(())
}
