//! The packed table against a model, and with invalid input.

use super::*;
use crate::algo::rng::Rng;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

fn hasher() -> KeyHasher {
    KeyHasher::new([1, 2, 3, 4])
}

type Model = HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn same(pack: &Pack, model: &Model) {
    pack.check();
    assert_eq!(pack.len(), model.len());
    let all: Model = pack
        .iter()
        .map(|r| {
            (
                r.key.to_vec(),
                (r.value.map_or(vec![], |v| v.to_vec()), r.deadline_ms),
            )
        })
        .collect();
    assert_eq!(&all, model);
}

/// Keys of every kind: integers, short texts, long ones, empty.
fn key(n: u64) -> Vec<u8> {
    match n % 5 {
        0 => n.to_string().into_bytes(),
        1 => format!("-{}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1).into_bytes(),
        2 => format!("key:{n:012}").into_bytes(),
        3 => vec![b'x'; n as usize % 400],
        _ => (n as u32).to_be_bytes().to_vec(),
    }
}

fn put(pack: &mut Pack, key: &[u8], value: &[u8], deadline_ms: Option<i64>) {
    let (key, value) = (Atom::of(key), Some(Atom::of(value)));
    match pack.find(key) {
        Some(at) => {
            let at = pack.replace(at, key, value, deadline_ms);
            assert_eq!(pack.get(at).map(|r| r.value), Some(value));
        }
        None => {
            pack.insert(pack.hash(key), key, value, deadline_ms);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(48)))]
    #[test]
    fn behaves_like_a_map(
        ops in prop::collection::vec((0u8..12, 0u64..700, 0usize..300, any::<u32>()), 1..4000),
    ) {
        let mut pack = Pack::of_fields(hasher());
        let mut model = Model::new();
        for (op, n, len, draw) in ops {
            let key = key(n);
            let atom = Atom::of(&key);
            match op {
                0..=5 => {
                    let value = if op < 3 { draw.to_string().into_bytes() } else { vec![op; len] };
                    let deadline = (op == 1).then_some(draw as i64 * 1000);
                    put(&mut pack, &key, &value, deadline);
                    model.insert(key, (value, deadline));
                }
                6 => if let Some(at) = pack.find(atom)
                    && pack.get(at).is_some_and(|r| r.deadline_ms.is_some())
                {
                    pack.move_deadline(at, draw as i64);
                    model.get_mut(&key).expect("found").1 = Some(draw as i64);
                },
                7 => {
                    let mut rng = Rng::new(draw as u64);
                    let picked = pack.pick(|| rng.next_u64());
                    prop_assert_eq!(picked.is_some(), !model.is_empty());
                    if let Some(at) = picked {
                        let key = pack.get(at).expect("picked").key.to_vec();
                        prop_assert!(model.remove(&key).is_some());
                        pack.remove(at);
                    }
                }
                _ => prop_assert_eq!(pack.discard(atom), model.remove(&key).is_some()),
            }
        }
        same(&pack, &model);
        same(&pack.clone(), &model);
    }

    #[test]
    fn a_walk_sees_every_lasting_record_during_changes(
        seed in any::<u64>(), stay in 1usize..3000, churn in 0u64..40, grow in any::<bool>(),
    ) {
        let mut rng = Rng::new(seed);
        let mut pack = Pack::of_members(hasher());
        let stays: Vec<Vec<u8>> = (0..stay).map(|n| format!("stay:{n}").into_bytes()).collect();
        for n in 0..if grow { 0 } else { 8_000u64 } {
            pack.add(Atom::of(&n.to_le_bytes()));
        }
        stays.iter().for_each(|key| { pack.add(Atom::of(key)); });
        let mut seen: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let (mut cursor, mut next) = (0, 0u64);
        loop {
            cursor = pack.scan(cursor, |r| *seen.entry(r.key.to_vec()).or_default() += 1);
            if cursor == 0 { break; }
            for _ in 0..rng.below(churn + 1) * 4 {
                let key = next.to_le_bytes();
                if grow { pack.add(Atom::of(&key)) } else { pack.discard(Atom::of(&key)) };
                next += 1;
            }
        }
        pack.check();
        prop_assert!(stays.iter().all(|key| seen.contains_key(key)));
        if churn == 0 {
            prop_assert!(seen.values().all(|&times| times == 1));
        }
    }
}

#[test]
fn records_only_added_are_read_along_the_arena() {
    for count in [0, 1, 40, 300, 3_000] {
        let mut pack = Pack::of_fields(hasher());
        let mut model = Model::new();
        for n in 0..count {
            // Also the empty field, long ones that lie apart, and integers.
            let field = match n % 5 {
                0 if n > 0 => n.to_string().into_bytes(),
                1 => vec![b'x'; n],
                _ => vec![b'f'; n % 7].into_iter().chain(key(n as u64)).collect(),
            };
            let field = if n == 0 { Vec::new() } else { field };
            let value = vec![b'v'; n % 3];
            let deadline = n.is_multiple_of(4).then_some(n as i64 * 1000);
            put(&mut pack, &field, &value, deadline);
            model.insert(field, (value, deadline));
        }
        same(&pack, &model);
    }
}

#[test]
fn grows_to_many_and_shrinks_to_none() {
    let mut pack = Pack::of_members(hasher());
    for n in 0..100_000u64 {
        assert!(pack.add(Atom::of(&key(n * 10 + 2))));
    }
    pack.check();
    assert!(!pack.add(Atom::of(&key(2))));
    let per_member = pack.bytes() as f64 / 100_000.0;
    assert!(per_member < 24.5, "{per_member:.1} bytes for 16 of them");
    let mut rng = Rng::new(5);
    for left in (0..100_000).rev() {
        let at = pack.pick(|| rng.next_u64()).expect("not empty");
        pack.remove(at);
        assert_eq!(pack.len(), left);
        if left % 10_000 == 0 {
            pack.check();
        }
    }
    assert_eq!(pack.bytes(), 0);
}

#[test]
fn small_integers_take_little() {
    let mut pack = Pack::of_members(hasher());
    for n in 0..300_000 {
        pack.add(Atom::Int(n));
    }
    let per_member = pack.bytes() as f64 / 300_000.0;
    assert!(per_member < 11.5, "{per_member:.1} bytes");
}

#[test]
fn picks_are_fair_though_segments_differ() {
    let mut pack = Pack::of_members(hasher());
    // Just where some segments have split and others have not.
    for n in 0..1_100 {
        pack.add(Atom::Int(n));
    }
    let mut rng = Rng::new(9);
    let mut counts = vec![0u32; 1_100];
    for _ in 0..1_100_000 {
        let at = pack.pick(|| rng.next_u64()).expect("not empty");
        let Some(Atom::Int(n)) = pack.get(at).map(|r| r.key) else {
            panic!("integers were added")
        };
        counts[n as usize] += 1;
    }
    let chi: f64 = counts
        .iter()
        .map(|&n| (n as f64 - 1000.0).powi(2) / 1000.0)
        .sum();
    assert!((900.0..1320.0).contains(&chi), "chi-square {chi}");
}

#[test]
fn overwriting_leaves_no_waste_behind() {
    let mut pack = Pack::of_fields(hasher());
    for round in 0..200usize {
        for n in 0..300u64 {
            put(
                &mut pack,
                &key(n * 5),
                &vec![b'v'; (round * 7 + n as usize) % 300],
                None,
            );
        }
    }
    pack.check();
    assert!(pack.bytes() < 300 * 400, "{} bytes", pack.bytes());
}

/// By hand: `cargo test --release --lib pack -- --ignored --nocapture`.
#[test]
#[ignore = "takes long; tells what a million takes"]
fn five_million_members() {
    use crate::sys::clock::mono_us;
    let mut pack = Pack::of_members(hasher());
    let (start, mut slowest) = (mono_us(), 0);
    for n in 0..5_000_000u64 {
        let before = mono_us();
        pack.add(Atom::of(format!("member:{n:09}").as_bytes()));
        slowest = slowest.max(mono_us() - before);
        if n + 1 == 1_000_000 {
            eprintln!("1 M: {:.2} B each", pack.bytes() as f64 / 1e6);
        }
    }
    let took = mono_us() - start;
    eprintln!(
        "5 M in {took} us, slowest {slowest} us, {:.2} B each",
        pack.bytes() as f64 / 5e6
    );
    let start = mono_us();
    let found = (0..1_000_000u64)
        .filter(|n| pack.contains(Atom::of(format!("member:{:09}", n * 5).as_bytes())))
        .count();
    eprintln!("1 M lookups of {found} in {} us", mono_us() - start);
}

/// The order in which a table gives its records is the worst in which another can get them.
#[test]
fn a_copy_in_the_order_of_the_original_ends() {
    let hasher = KeyHasher::new([1, 2, 3, 4]);
    let mut pack = Pack::of_members(hasher.clone());
    let names: Vec<String> = (0..5_000).map(|n| format!("member:{n}")).collect();
    for name in &names {
        pack.add(Atom::of(name.as_bytes()));
    }
    let mut copy = Pack::of_members(hasher);
    for record in pack.iter() {
        assert!(copy.add(record.key));
    }
    copy.check();
    assert_eq!(copy.len(), pack.len());
}
