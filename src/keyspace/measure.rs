//! The memory of a key: its block, its place in the table, its timer, and the value behind a
//! pointer, each as the allocator rounds it. For MEMORY USAGE, and for INFO keysizes under
//! `key-memory-histograms`.

use super::Db;
use crate::sys::memory;
use crate::types::arena::{BLOCK_MAX, block_size};
use crate::types::entry::EntryRef;
use crate::types::quicklist::Quicklist;
use crate::types::value::{Heap, Kind, Text};
use crate::types::zset::SortedSet;

/// The table's pointer to the entry.
const SLOT: usize = 8;
/// The wheel's item of a volatile key.
const TIMER: usize = 8;

/// Bytes that exist because of this key.
pub fn usage(entry: EntryRef) -> usize {
    let timer = if entry.deadline_ms().is_some() {
        TIMER
    } else {
        0
    };
    block(entry) + SLOT + timer + entry.heap().map_or(0, heap)
}

/// Keys whose memory is measured at once: all of them in a database up to this size, else as many
/// that stand for all.
const SAMPLE: usize = 1 << 16;
/// The types whose memory is shown.
const SHOWN: [Kind; 4] = [Kind::List, Kind::Set, Kind::Zset, Kind::Hash];

/// The collections of a database by the power of two that their memory reaches: for each type that
/// occurs the sizes in bytes, and how many keys have them.
pub fn histograms(db: &Db) -> Vec<(Kind, Vec<(u64, u64)>)> {
    let mut counts = [[0u64; u64::BITS as usize]; SHOWN.len()];
    for entry in db.entries().iter_ahead().take(SAMPLE) {
        if let Some(kind) = SHOWN.iter().position(|&kind| kind == entry.kind()) {
            counts[kind][usage(entry).max(1).ilog2() as usize] += 1;
        }
    }
    let all = db.len().max(1) as u64;
    let measured = all.min(SAMPLE as u64);
    let scaled = |count: u64| (count * all).div_ceil(measured);
    let shown = SHOWN.into_iter().zip(counts);
    let rows = shown.map(|(kind, counts)| {
        let counts = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let counts = counts.map(|(bit, &count)| (1 << bit, scaled(count)));
        (kind, counts.collect::<Vec<_>>())
    });
    rows.filter(|(_, counts)| !counts.is_empty()).collect()
}

/// Bytes of the entry's own block.
fn block(entry: EntryRef) -> usize {
    match entry.size() {
        // A block of the general allocator.
        size if size > BLOCK_MAX => memory::block_size(size),
        size => block_size(size),
    }
}

/// Bytes of a value behind a pointer, and of the pointer's target.
fn heap(heap: &Heap) -> usize {
    let inner = match heap {
        Heap::Text(Text::Owned(bytes)) => memory::block_size(bytes.capacity()),
        Heap::Text(Text::Shared(bytes)) => memory::block_size(bytes.len()),
        Heap::Compact(_, bytes) => memory::block_size(bytes.capacity()),
        Heap::List(list) => memory::block_size(size_of::<Quicklist>()) + list.bytes(),
        Heap::Zset(set) => memory::block_size(size_of::<SortedSet>()) + set.bytes(),
        Heap::Set(_) | Heap::Hash(_) | Heap::Template(_) => heap.bytes() - size_of::<Heap>(),
        Heap::Stream(stream) => stream.bytes(),
        Heap::Array(array) => array.bytes(),
    };
    memory::block_size(size_of::<Heap>()) + inner
}

#[cfg(test)]
mod tests {
    use super::super::{DbIndex, Keyspace, string};
    use super::*;
    use crate::algo::rng::Rng;
    use crate::types::entry::NewValue;

    fn usage_of(key: &[u8], value: NewValue, deadline_ms: Option<i64>) -> usize {
        let mut ks = Keyspace::new(1, Rng::new(1), 1_000);
        let mut db = ks.db(DbIndex(0));
        let found = db.add(key, value, deadline_ms);
        usage(db.get(found))
    }

    #[test]
    fn counts_the_bytes_of_the_layout() {
        let key = b"0123456789abcdef";
        // Header, integer and key; then the slot.
        assert_eq!(usage_of(key, NewValue::Int(1), None), 32 + 8);
        // A deadline in the entry, and a timer.
        assert_eq!(usage_of(key, NewValue::Int(1), Some(9_000)), 40 + 8 + 8);
        assert_eq!(usage_of(key, string::text(&[7; 32]), None), 56 + 8);
        // Long values are apart; their box and their bytes are rounded.
        let heap = memory::block_size(size_of::<Heap>());
        assert_eq!(
            usage_of(key, string::raw(&[7; 1000]), None),
            32 + 8 + heap + memory::block_size(1000)
        );
        // A long key has a block of the general allocator.
        let long = vec![b'k'; 3000];
        let block = memory::block_size(8 + 4 + 8 + 3000);
        assert_eq!(usage_of(&long, NewValue::Int(1), None), block + 8);
    }
}
