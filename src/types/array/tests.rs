//! The array against a map, in every form and with every kind of value.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: Limits = Limits {
    slice_size: 256,
    sparse_max: 6,
    sparse_min: 3,
};

#[derive(Clone, Debug)]
enum Step {
    Set(u64, Vec<u8>),
    Remove(u64),
    RemoveRange(u64, u64),
    Walk(u64, u64, bool),
}

fn index() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..40,
        3 => 0u64..2_000,
        2 => 200u64..300,
        1 => 0u64..2_000_000,
        1 => any::<u64>().prop_map(|n| n.min(INDEX_MAX)),
        1 => (INDEX_MAX - 700)..=INDEX_MAX,
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-1000i64..1000).prop_map(|n| n.to_string().into_bytes()),
        (-1000i64..1000).prop_map(|n| double_text(n as f64 / 8.0)),
        any::<f64>().prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..12),
        (0u8..4, 0usize..400).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (index(), text()).prop_map(|(at, text)| Step::Set(at, text)),
        3 => index().prop_map(Step::Remove),
        1 => (index(), index()).prop_map(|(a, b)| Step::RemoveRange(a.min(b), a.max(b))),
        1 => (index(), index(), any::<bool>()).prop_map(|(a, b, up)| Step::Walk(a, b, up)),
    ]
}

fn all(array: &Array) -> BTreeMap<u64, Vec<u8>> {
    let mut map = BTreeMap::new();
    array.each(|index, cell| {
        map.insert(index, cell.as_bytes(&mut CellText::default()).to_vec());
    });
    map
}

fn walked(array: &Array, first: u64, last: u64, order: Order) -> Vec<u64> {
    let mut indexes = Vec::new();
    let _: ControlFlow<()> = array.walk(first, last, order, |index, _| {
        indexes.push(index);
        ControlFlow::Continue(())
    });
    indexes
}

fn apply(array: &mut Array, model: &mut BTreeMap<u64, Vec<u8>>, step: Step) {
    match step {
        Step::Set(index, text) => {
            let fresh = array.set(index, &text, LIMITS);
            assert_eq!(fresh, model.insert(index, text.clone()).is_none());
            let cell = array.get(index).expect("it was just set");
            assert_eq!(cell.as_bytes(&mut CellText::default()), text);
        }
        Step::Remove(index) => {
            assert_eq!(array.remove(index, LIMITS), model.remove(&index).is_some());
            assert!(array.get(index).is_none());
        }
        Step::RemoveRange(first, last) => {
            let gone: Vec<u64> = model.range(first..=last).map(|(&index, _)| index).collect();
            let mut removed = Removed::default();
            let count = array.remove_range(first, last, LIMITS, &mut removed);
            assert_eq!(count, gone.len() as u64);
            gone.iter().for_each(|index| drop(model.remove(index)));
        }
        Step::Walk(first, last, true) if first <= last => {
            let expected: Vec<u64> = model.range(first..=last).map(|(&index, _)| index).collect();
            assert_eq!(walked(array, first, last, Order::Rising), expected);
        }
        Step::Walk(first, last, _) => {
            let (first, last) = (first.min(last), first.max(last));
            let expected = model.range(first..=last).rev();
            let expected: Vec<u64> = expected.map(|(&index, _)| index).collect();
            assert_eq!(walked(array, first, last, Order::Falling), expected);
        }
    }
}

proptest! {
    #[test]
    fn an_array_is_a_map(steps in prop::collection::vec(step(), 1..120)) {
        let (mut array, mut model) = (Array::new(LIMITS), BTreeMap::new());
        for step in steps {
            apply(&mut array, &mut model, step);
            array.check();
            prop_assert_eq!(array.count(), model.len() as u64);
            let len = model.last_key_value().map_or(0, |(&last, _)| last + 1);
            prop_assert_eq!(array.len(), len);
        }
        prop_assert_eq!(all(&array), model.clone());
        let copy = array.clone();
        copy.check();
        prop_assert_eq!(all(&copy), model);
    }
}

#[test]
fn memory_grows_with_the_values_and_is_given_back() {
    let mut array = Array::new(Limits::default());
    let limits = Limits::default();
    assert!(array.bytes() < 150, "{}", array.bytes());
    for index in 0..100_000 {
        array.set(index, index.to_string().as_bytes(), limits);
    }
    let per_value = array.bytes() as f64 / 100_000.0;
    assert!(per_value < 8.4, "{per_value}");
    for index in 0..100_000 {
        array.set(index, format!("a text of {index:>10}").as_bytes(), limits);
    }
    let per_value = array.bytes() as f64 / 100_000.0;
    assert!(per_value < 8.4 + 20.0 * 1.3, "{per_value}");
    // Overwriting with other lengths does not pile up bytes.
    for round in 0..20 {
        for index in 0..4096 {
            array.set(
                index,
                &vec![b'x'; 10 + (index as usize + round) % 30],
                limits,
            );
        }
    }
    array.check();
    let per_value = array.bytes() as f64 / 100_000.0;
    assert!(per_value < 40.0, "{per_value}");
    let mut removed = Removed::default();
    array.remove_range(0, INDEX_MAX, limits, &mut removed);
    assert!(array.bytes() < 150, "{}", array.bytes());
    assert!(removed.heap_bytes() > 2 << 20);
}

#[test]
fn far_indexes_cost_what_near_ones_do() {
    let mut array = Array::new(Limits::default());
    let limits = Limits::default();
    let mut index = 1u64;
    let mut count = 0;
    for _ in 0..50_000 {
        index = index
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        count += u64::from(array.set(index.min(INDEX_MAX), b"v", limits));
    }
    assert!(array.bytes() < 50_000 * 160, "{}", array.bytes());
    assert_eq!(array.count(), count);
    let indexes = walked(&array, 0, INDEX_MAX, Order::Rising);
    for index in indexes {
        assert!(array.remove(index, limits));
    }
    assert!(array.is_empty());
}

#[test]
fn slices_are_lists_and_windows_as_redis_has_them() {
    let limits = Limits::default();
    let mut array = Array::new(limits);
    let mut seen = Vec::new();
    for index in (0..16).map(|n| n * 3) {
        array.set(index, b"v", limits);
        let fill = array.fill();
        seen.push((fill.sparse_room, fill.dense_room));
    }
    let lists = [4, 4, 4, 4, 8, 8, 8, 8, 10, 10].map(|room| (room, 0));
    let windows = [32, 64, 64, 64, 64, 64].map(|room| (0, room));
    assert_eq!(seen, [lists.as_slice(), &windows].concat());
    for index in (5..16).rev().map(|n| n * 3) {
        assert_eq!(array.fill().sparse, 0);
        array.remove(index, limits);
    }
    let fill = array.fill();
    assert_eq!((fill.sparse, fill.sparse_room), (1, 5));
}

#[test]
fn the_directory_tells_the_sizes_that_redis_has() {
    let limits = Limits::default();
    let sizes = |indexes: &[u64]| {
        let mut array = Array::new(limits);
        for &index in indexes {
            array.set(index, b"v", limits);
        }
        array.check();
        let shape = array.shape();
        (shape.slices, shape.directory_size, shape.super_directory)
    };
    let slice = 4096;
    assert_eq!(sizes(&[0]), (1, 1, 0));
    assert_eq!(sizes(&[3 * slice]), (1, 4, 0));
    assert_eq!(sizes(&[8 * slice]), (1, 16, 0));
    assert_eq!(sizes(&[1000 * slice]), (1, 1024, 0));
    assert_eq!(sizes(&[4000 * slice]), (1, 4, 1));
    assert_eq!(sizes(&[1 << 63, 0, 1 << 50]), (3, 4, 3));
    let spread: Vec<u64> = (0..8).map(|n| (1 << 40) + (n << 30)).collect();
    assert_eq!(sizes(&spread), (8, 8, 8));
    let near: Vec<u64> = (0..2100).map(|n| n * slice).collect();
    assert_eq!(sizes(&near), (2100, 4, 2));
}

#[test]
fn a_ring_keeps_what_was_inserted_last() {
    let limits = Limits::default();
    let mut array = Array::new(limits);
    let push = |array: &mut Array, size: u64, texts: &[&str]| {
        array.fit_ring(size, limits, &mut Removed::default());
        for text in texts {
            array.set_in_ring(size, text.as_bytes(), limits);
        }
        array.check();
    };
    let texts = |array: &Array| all(array).into_values().collect::<Vec<_>>().concat();
    push(&mut array, 5, &["a", "b", "c", "d", "e", "f"]);
    assert_eq!(
        (texts(&array), array.cursor()),
        (b"fbcde".to_vec(), Some(0))
    );
    push(&mut array, 7, &["g"]);
    assert_eq!(
        (texts(&array), array.cursor()),
        (b"bcdefg".to_vec(), Some(5))
    );
    push(&mut array, 3, &["h"]);
    assert_eq!((texts(&array), array.cursor()), (b"hfg".to_vec(), Some(0)));
    // What is left of a ring is brought into order as well.
    array.remove(2, limits);
    push(&mut array, 9, &["i"]);
    assert_eq!((texts(&array), array.cursor()), (b"fhi".to_vec(), Some(2)));
}
