//! The memory of a key: its block, its place in the table, its timer, and the value behind a
//! pointer, each as the allocator rounds it. For MEMORY USAGE.

use crate::sys::memory;
use crate::types::arena::{BLOCK_MAX, block_size};
use crate::types::entry::EntryRef;
use crate::types::quicklist::Quicklist;
use crate::types::value::{Heap, Text};
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
        Heap::Set(_) | Heap::Hash(_) => heap.bytes() - size_of::<Heap>(),
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
