//! The intset: a small set of integers, sorted, each as wide as the widest needs.
//!
//! ```text
//!   0       1
//!   +-------+------+------+- - -+------+      width: 2, 4 or 8 bytes, little-endian
//!   | width | int  | int  |     | int  |      the number of integers follows from the length
//!   +-------+------+------+- - -+------+
//!
//!   in Redis, so in RDB files and DUMP:
//!   +-----------+------------+------+- - -
//!   | width u32 | length u32 | int  |
//!   +-----------+------------+------+- - -
//! ```
//!
//! The width grows when an integer needs it and never shrinks, as in Redis, so `to_redis` gives
//! the very bytes that Redis would have. Functions work on plain bytes, because a short intset
//! lies inside its entry. Called by `keyspace::set`; `from_redis` takes bytes from outside.

/// The bytes of an intset as they came from outside are not one.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnIntset;

/// The width an integer needs.
fn width_of(n: i64) -> usize {
    match n {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

/// An empty intset.
pub fn new() -> Vec<u8> {
    vec![2]
}

fn width(set: &[u8]) -> usize {
    set[0] as usize
}

#[inline]
pub fn len(set: &[u8]) -> usize {
    (set.len() - 1) / width(set)
}

pub fn is_empty(set: &[u8]) -> bool {
    set.len() == 1
}

/// The integer that these 2, 4 or 8 bytes are.
#[inline(always)]
fn read(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => [a, b].value(),
        [a, b, c, d] => [a, b, c, d].value(),
        [a, b, c, d, e, f, g, h] => [a, b, c, d, e, f, g, h].value(),
        _ => 0,
    }
}

/// An integer as it lies in the set.
trait Stored: Copy {
    fn value(self) -> i64;
}

impl Stored for [u8; 2] {
    #[inline(always)]
    fn value(self) -> i64 {
        i16::from_le_bytes(self).into()
    }
}

impl Stored for [u8; 4] {
    #[inline(always)]
    fn value(self) -> i64 {
        i32::from_le_bytes(self).into()
    }
}

impl Stored for [u8; 8] {
    #[inline(always)]
    fn value(self) -> i64 {
        i64::from_le_bytes(self)
    }
}

/// The integer at `index`, counted from the smallest.
#[inline]
pub fn get(set: &[u8], index: usize) -> Option<i64> {
    let width = width(set);
    let at = 1 + index * width;
    set.get(at..at + width).map(read)
}

/// All integers, the smallest first.
pub fn iter(set: &[u8]) -> Iter<'_> {
    Iter(set[1..].chunks_exact(width(set)))
}

/// See `iter`.
#[derive(Clone)]
pub struct Iter<'a>(std::slice::ChunksExact<'a, u8>);

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        self.0.next().map(read)
    }
}

/// The index of an integer, or the one at which it would be inserted.
pub fn find(set: &[u8], n: i64) -> Result<usize, usize> {
    match width(set) {
        2 => search(set[1..].as_chunks::<2>().0, n),
        4 => search(set[1..].as_chunks::<4>().0, n),
        _ => search(set[1..].as_chunks::<8>().0, n),
    }
}

#[inline(always)]
fn search(ints: &[impl Stored], n: i64) -> Result<usize, usize> {
    // What arrives in order goes to the end.
    if ints.last().is_none_or(|last| last.value() < n) {
        return Err(ints.len());
    }
    ints.binary_search_by(|here| here.value().cmp(&n))
}

pub fn contains(set: &[u8], n: i64) -> bool {
    width_of(n) <= width(set) && find(set, n).is_ok()
}

/// Calls `visit` with every integer that both sets have, the smallest first, until it says stop.
/// Quickest where `few` is the smaller set.
#[inline]
pub fn common(few: &[u8], many: &[u8], mut visit: impl FnMut(i64) -> bool) {
    /// The ratio of sizes from which the larger set is searched; below it, it is scanned.
    const SKEWED: usize = 16;
    let (width, other) = (width(few), width(many));
    if width != other || len(many) / SKEWED > len(few) {
        let _ = iter(few).all(|n| !contains(many, n) || visit(n));
        return;
    }
    let (few, many) = (&few[1..], &many[1..]);
    match width {
        2 => walk_both(few.as_chunks::<2>().0, many.as_chunks::<2>().0, visit),
        4 => walk_both(few.as_chunks::<4>().0, many.as_chunks::<4>().0, visit),
        _ => walk_both(few.as_chunks::<8>().0, many.as_chunks::<8>().0, visit),
    }
}

/// One step per integer, without a branch that depends on which of the two is smaller.
#[inline(always)]
fn walk_both<S: Stored>(few: &[S], many: &[S], mut visit: impl FnMut(i64) -> bool) {
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (few.get(i), many.get(j)) {
        let (a, b) = (a.value(), b.value());
        if a == b && !visit(a) {
            return;
        }
        i += (a <= b) as usize;
        j += (b <= a) as usize;
    }
}

/// Adds an integer; returns whether it was not there.
pub fn insert(set: &mut Vec<u8>, n: i64) -> bool {
    if width_of(n) > width(set) {
        widen(set, width_of(n));
    }
    let Err(index) = find(set, n) else {
        return false;
    };
    let width = width(set);
    let (at, end) = (1 + index * width, set.len());
    set.resize(end + width, 0);
    set.copy_within(at..end, at + width);
    set[at..at + width].copy_from_slice(&n.to_le_bytes()[..width]);
    true
}

fn widen(set: &mut Vec<u8>, width: usize) {
    let mut wide = Vec::with_capacity(1 + (len(set) + 1) * width);
    wide.push(width as u8);
    for n in iter(set) {
        wide.extend_from_slice(&n.to_le_bytes()[..width]);
    }
    *set = wide;
}

/// Removes an integer; returns whether it was there.
pub fn remove(set: &mut Vec<u8>, n: i64) -> bool {
    if !contains(set, n) {
        return false;
    }
    let Ok(index) = find(set, n) else {
        return false;
    };
    let at = 1 + index * width(set);
    set.drain(at..at + width(set));
    true
}

/// The bytes that Redis keeps for the same set.
#[cfg(any(test, feature = "testing"))]
pub fn to_redis(set: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + set.len());
    write_redis(set, &mut out);
    out
}

/// The same, in place of what `out` holds.
pub fn write_redis(set: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&(width(set) as u32).to_le_bytes());
    out.extend_from_slice(&(len(set) as u32).to_le_bytes());
    out.extend_from_slice(&set[1..]);
}

/// Reads what `to_redis` writes.
///
/// # Errors
/// If the bytes are none that Redis would write: a wrong width or length, or no ascending order.
#[cfg(any(test, feature = "testing"))]
pub fn from_redis(bytes: &[u8]) -> Result<Vec<u8>, NotAnIntset> {
    let mut set = Vec::with_capacity(1 + bytes.len());
    let is_ascending = read_redis(bytes, &mut set)?;
    is_ascending.then_some(set).ok_or(NotAnIntset)
}

/// The same, in place of what `set` holds. Integers in no ascending order are taken, too, but make no
/// intset before they are sorted. Returns whether they ascend.
pub fn read_redis(bytes: &[u8], set: &mut Vec<u8>) -> Result<bool, NotAnIntset> {
    let (head, ints) = bytes.split_at_checked(8).ok_or(NotAnIntset)?;
    let word = |at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (width, len) = (word(0), word(4));
    let size = (len as usize).checked_mul(width as usize);
    if !matches!(width, 2 | 4 | 8) || size != Some(ints.len()) {
        return Err(NotAnIntset);
    }
    set.clear();
    set.push(width as u8);
    set.extend_from_slice(ints);
    Ok(iter(set).is_sorted_by(|a, b| a < b))
}

/// Puts the integers in order, each once.
pub fn sort(set: &mut Vec<u8>) {
    let mut ints: Vec<i64> = iter(set).collect();
    ints.sort_unstable();
    set.clear();
    set.extend(new());
    for n in ints {
        insert(set, n);
    }
}

/// Walks everything and panics where something is not in order.
#[cfg(any(test, debug_assertions, feature = "testing"))]
pub fn check(set: &[u8]) {
    assert!(matches!(set[0], 2 | 4 | 8), "a width there is");
    assert_eq!((set.len() - 1) % width(set), 0, "whole integers");
    assert!(iter(set).is_sorted_by(|a, b| a < b), "ascending");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn bytes_are_those_of_redis() {
        let mut set = new();
        assert!([3, 1, 2].iter().all(|&n| insert(&mut set, n)));
        let bytes = b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x03\0";
        assert_eq!(to_redis(&set), bytes);
        assert_eq!(from_redis(bytes), Ok(set));
        for wrong in [
            &b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0"[..],
            b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x02\0\x02\0",
            b"\x03\0\0\0\x01\0\0\0\x02\0\x02",
            b"\x08\0\0\0\xff\xff\xff\xff",
            b"\x02\0\0",
        ] {
            assert_eq!(from_redis(wrong), Err(NotAnIntset));
        }
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(
            ops in prop::collection::vec((any::<bool>(), 0u32..64, any::<i64>()), 1..400),
        ) {
            let (mut set, mut model) = (new(), BTreeSet::new());
            for (add, shift, n) in ops {
                let n = n >> shift;
                if add {
                    prop_assert_eq!(insert(&mut set, n), model.insert(n));
                } else {
                    prop_assert_eq!(remove(&mut set, n), model.remove(&n));
                }
                prop_assert_eq!(contains(&set, n), model.contains(&n));
            }
            check(&set);
            prop_assert!(iter(&set).eq(model.iter().copied()));
            prop_assert_eq!(len(&set), model.len());
            prop_assert_eq!(from_redis(&to_redis(&set)), Ok(set));
        }

        #[test]
        fn common_integers_are_those_of_both(
            few in prop::collection::btree_set(-200i64..200, 0..40),
            many in prop::collection::btree_set(-200i64..200, 0..200),
            shifts in (0u32..50, 0u32..50),
            wanted in 1usize..50,
        ) {
            let wide = |set: &BTreeSet<i64>, shift| set.iter().map(|n| n << shift).collect();
            let few: BTreeSet<i64> = wide(&few, shifts.0);
            let many: BTreeSet<i64> = wide(&many, shifts.1);
            let made = |model: &BTreeSet<i64>| {
                let mut set = new();
                model.iter().for_each(|&n| assert!(insert(&mut set, n)));
                set
            };
            let model: Vec<i64> = few.intersection(&many).copied().take(wanted).collect();
            for (one, other) in [(&few, &many), (&many, &few)] {
                let mut found = Vec::new();
                common(&made(one), &made(other), |n| {
                    found.push(n);
                    found.len() < wanted
                });
                prop_assert_eq!(&found, &model);
            }
        }
    }
}
