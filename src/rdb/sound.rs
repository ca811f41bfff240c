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

/// A packed collection that holds what one may hold, but perhaps in a wrong way.
pub struct Checked {
    /// The number of its elements.
    pub count: usize,
    /// A fault that can be mended without guessing.
    pub fault: Option<&'static str>,
}

/// Checks the listpack of a small set, hash or sorted set.
///
/// # Errors
/// As `groups`, and for a score that is no number.
pub fn packed(lp: &[u8], kind: u8, hasher: &KeyHasher) -> Result<Checked> {
    if kind != kind::SET_LISTPACK {
        let count = groups(lp, 2, kind, hasher)?;
        let is_zset = matches!(kind, kind::ZSET_LISTPACK | kind::ZSET_ZIPLIST);
        let disordered = is_zset && !are_ordered(lp)?;
        let fault = disordered.then_some("Zset with members out of order detected");
        return Ok(Checked { count, fault });
    }
    let count = listpack::validate(lp, |_| true).map_err(|_| unsound(kind))?;
    if count == 0 {
        return Err(Error::Empty);
    }
    let is_unique = is_unique(lp, 1, hasher);
    let fault = (!is_unique).then_some("Duplicate set members detected");
    Ok(Checked { count, fault })
}

/// Whether members and scores in turn are ordered as a sorted set is: by score, then by member.
///
/// # Errors
/// `Corrupt` for a score that is no number.
fn are_ordered(lp: &[u8]) -> Result<bool> {
    let mut items = listpack::iter(lp);
    let (mut last, mut ordered) = (None::<(f64, Item)>, true);
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = self::score(score)?;
        ordered &= last.is_none_or(|last| is_before(last, (score, member)));
        last = Some((score, member));
    }
    Ok(ordered)
}

/// The number that an element is as a score.
///
/// # Errors
/// `Corrupt` if it is none.
pub fn score(item: Item) -> Result<f64> {
    let score = match item {
        Item::Int(n) => Some(n as f64),
        Item::Text(text) => parse_f64(text).filter(|score| !score.is_nan()),
    };
    score.ok_or(Error::Corrupt(
        "Zset with a score that is no number detected",
    ))
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

/// Whether names, values and deadlines in turn are ordered by deadline, those without last.
///
/// # Errors
/// `Corrupt` for a deadline that is none.
pub fn deadlines_are_ordered(lp: &[u8]) -> Result<bool> {
    let (mut last, mut ordered) = (0, true);
    for told in listpack::iter(lp).skip(2).step_by(3) {
        let Item::Int(ms) = told else {
            return Err(Error::Corrupt(
                "A hash field with a deadline that is no number",
            ));
        };
        let ms = deadline(ms)?.unwrap_or(i64::MAX);
        ordered &= ms >= last;
        last = ms;
    }
    Ok(ordered)
}
