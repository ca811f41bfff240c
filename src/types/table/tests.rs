//! The table against std's, with growth, splits, merges and scans under change.

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;

/// An item that is its own hash input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
struct Number(u64);

impl Slot for Number {
    fn to_bits(self) -> NonZeroU64 {
        NonZeroU64::new(self.0).expect("numbers start at one")
    }
    fn from_bits(bits: NonZeroU64) -> Self {
        Number(bits.get())
    }
}

struct Mix;

fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

impl HashItem<Number> for Mix {
    fn hash_item(&self, item: Number) -> u64 {
        mix(item.0)
    }
}

fn add(table: &mut Table<Number>, n: u64) {
    if table.find(mix(n), |item| item.0 == n).is_none() {
        table.insert(mix(n), Number(n), &Mix);
    }
}

fn del(table: &mut Table<Number>, n: u64) {
    if let Some((at, _)) = table.find(mix(n), |item| item.0 == n) {
        assert_eq!(table.remove(at), Some(Number(n)));
    }
}

fn full(pool: SegmentPool, n: u64) -> Table<Number> {
    let mut table = Table::new(pool);
    (1..=n).for_each(|n| add(&mut table, n));
    table
}

#[test]
fn finds_inserted_items_through_growth_and_shrinkage() {
    for pool in [SegmentPool::Heap, SegmentPool::Huge(Default::default())] {
        let mut table = full(pool, 100_000);
        assert_eq!(table.len(), 100_000);
        for n in 1..=100_000 {
            assert!(table.find(mix(n), |item| item.0 == n).is_some(), "{n}");
        }
        assert_eq!(
            table.iter().map(|n| n.0).collect::<HashSet<_>>().len(),
            100_000
        );
        table.check(&Mix);
        let grown = table.capacity();
        (1..=99_900).for_each(|n| del(&mut table, n));
        assert_eq!(table.len(), 100);
        assert!(
            table.capacity() < grown / 20,
            "{} of {grown} slots left",
            table.capacity()
        );
        for n in 99_901..=100_000 {
            assert!(table.find(mix(n), |item| item.0 == n).is_some(), "{n}");
        }
        table.check(&Mix);
        (99_901..=100_000).for_each(|n| del(&mut table, n));
        table.check(&Mix);
        assert_eq!(table.capacity(), 0);
    }
}

#[test]
fn load_stays_between_a_half_and_nearly_one() {
    let mut table = full(SegmentPool::Heap, 5_000);
    for n in 5_001..400_000 {
        add(&mut table, n);
        let load = table.len() as f64 / table.capacity() as f64;
        assert!(load > 0.44 && load <= 1.0, "{load} at {n}");
    }
}

#[test]
fn picks_are_fair() {
    let table = full(SegmentPool::Heap, 3_000);
    let mut seed = 7u64;
    let mut seen: HashMap<u64, u32> = HashMap::new();
    for _ in 0..300_000 {
        let item = table.pick(|| {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(seed)
        });
        *seen
            .entry(item.expect("the table is not empty").0)
            .or_default() += 1;
    }
    assert_eq!(seen.len(), 3_000);
    assert!(
        seen.values().all(|&n| (30..300).contains(&n)),
        "around 100 each"
    );
}

#[test]
fn a_table_that_is_nearly_empty_takes_little() {
    let small = full(SegmentPool::Heap, 1).bytes();
    for most in [9, 129, 700, 5_000] {
        let mut table = full(SegmentPool::Heap, most);
        (2..=most).for_each(|n| del(&mut table, n));
        assert_eq!(table.capacity(), 8, "after {most}");
        assert!(table.bytes() <= small || most > 600, "after {most}");
        (2..=most).for_each(|n| add(&mut table, n));
        assert!((1..=most).all(|n| table.find(mix(n), |item| item.0 == n).is_some()));
    }
}

#[test]
fn a_single_item_is_found_by_a_pick() {
    let mut table = full(SegmentPool::Heap, 20_000);
    (2..=20_000).for_each(|n| del(&mut table, n));
    assert_eq!(table.pick(|| 12345), Some(Number(1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(48)))]

    #[test]
    fn behaves_like_a_set(ops in prop::collection::vec((1u64..3000, 0u8..3), 1..6000)) {
        let mut table = Table::new(SegmentPool::Heap);
        let mut model = HashSet::new();
        for (n, op) in ops {
            if op == 0 {
                del(&mut table, n);
                model.remove(&n);
            } else {
                add(&mut table, n);
                model.insert(n);
            }
            prop_assert_eq!(table.len(), model.len());
            if n.is_multiple_of(64) {
                table.check(&Mix);
            }
        }
        table.check(&Mix);
        for n in 1..3000 {
            let found = table.find(mix(n), |item| item.0 == n).is_some();
            prop_assert_eq!(found, model.contains(&n));
        }
        let all: Vec<u64> = table.iter().map(|n| n.0).collect();
        prop_assert_eq!(all.len(), model.len());
    }

    #[test]
    fn scan_sees_every_lasting_item(
        start in 1u64..40_000,
        changes in prop::collection::vec((any::<bool>(), 1u64..3_000), 0..60),
    ) {
        // The lower half stays; the rest comes and goes while the cursor is out.
        let stays = start / 2;
        let mut table = full(SegmentPool::Heap, start);
        let mut seen = HashSet::new();
        let mut cursor = 0;
        let mut changes = changes.into_iter().cycle();
        let (mut low, mut high) = (stays, start);
        let mut calls = 0;
        loop {
            cursor = table.scan(cursor, |n| { seen.insert(n.0); });
            if cursor == 0 { break }
            calls += 1;
            prop_assert!(calls < 500_000);
            if calls % 7 != 0 { continue }
            match changes.next() {
                Some((true, n)) if high < 80_000 => {
                    for n in high + 1..=high + n { add(&mut table, n) }
                    high += n;
                }
                Some((_, n)) => {
                    for n in low + 1..=(low + n).min(high) { del(&mut table, n) }
                    low = (low + n).min(high);
                }
                None => {}
            }
        }
        for n in 1..=stays {
            prop_assert!(seen.contains(&n), "{} of {} was missed", n, stays);
        }
    }

    #[test]
    fn any_number_is_a_cursor(cursor in any::<u64>(), n in 0u64..5_000) {
        let table = full(SegmentPool::Heap, n);
        let mut cursor = cursor;
        for _ in 0..100_000 {
            cursor = table.scan(cursor, |_| {});
            if cursor == 0 { break }
        }
        prop_assert_eq!(cursor, 0);
    }
}
