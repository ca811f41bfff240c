//! The listpack against a vector of byte strings, and against bytes that Redis wrote.

use super::*;
use proptest::prelude::*;

fn check(lp: &[u8]) {
    let count = validate(lp, |_| true).expect("what we write is valid");
    assert_eq!(count, len(lp));
    let mut backwards = Vec::new();
    let mut at = last(lp);
    while let Some(here) = at {
        backwards.push(get(lp, here).to_vec());
        at = prev(lp, here);
    }
    backwards.reverse();
    assert_eq!(backwards, contents(lp));
}

fn contents(lp: &[u8]) -> Vec<Vec<u8>> {
    iter(lp).map(|item| item.to_vec()).collect()
}

#[derive(Debug, Clone)]
enum Step {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Insert(usize, bool, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    Find(Vec<u8>),
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-5000i64..5000).prop_map(|n| n.to_string().into_bytes()),
        (-9_000_000i64..9_000_000).prop_map(|n| n.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..80),
        (100usize..20_000).prop_map(|len| vec![b'x'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        element().prop_map(Step::PushBack),
        element().prop_map(Step::PushFront),
        (any::<usize>(), any::<bool>(), element()).prop_map(|(i, b, e)| Step::Insert(i, b, e)),
        (any::<usize>(), element()).prop_map(|(i, e)| Step::Replace(i, e)),
        (any::<usize>(), 0usize..4).prop_map(|(i, n)| Step::Remove(i, n)),
        element().prop_map(Step::Find),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_vector(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut lp, mut model) = (new(), Vec::<Vec<u8>>::new());
        for step in steps {
            apply(&mut lp, &mut model, step);
            check(&lp);
            prop_assert_eq!(contents(&lp), model.clone());
        }
    }

    #[test]
    fn damage_is_refused_or_harmless(
        elements in proptest::collection::vec(element(), 0..12),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut lp = new();
        append(&mut lp, elements.iter().map(|e| Item::of(e)));
        for (at, byte) in damage {
            let at = at % lp.len();
            lp[at] = byte;
        }
        if validate(&lp, |_| true).is_ok() {
            check(&lp);
        }
    }
}

fn apply(lp: &mut Vec<u8>, model: &mut Vec<Vec<u8>>, step: Step) {
    match step {
        Step::PushBack(e) => {
            push_back(lp, Item::of(&e));
            model.push(e);
        }
        Step::PushFront(e) => {
            push_front(lp, Item::of(&e));
            model.insert(0, e);
        }
        Step::Insert(i, after, e) if !model.is_empty() => {
            let i = i % model.len();
            let at = seek(lp, i as i64).expect("inside");
            let place = if after { Place::After } else { Place::Before };
            let at = insert(lp, at, place, Item::of(&e));
            assert_eq!(get(lp, at), Item::of(&e));
            model.insert(i + after as usize, e);
        }
        Step::Replace(i, e) if !model.is_empty() => {
            let i = i % model.len();
            let at = seek(lp, i as i64 - model.len() as i64).expect("inside");
            replace(lp, at, Item::of(&e));
            model[i] = e;
        }
        Step::Remove(i, n) if !model.is_empty() => {
            let i = i % model.len();
            let at = seek(lp, i as i64).expect("inside");
            let n = n.min(model.len() - i);
            assert_eq!(remove_range(lp, at, n), n);
            model.drain(i..i + n);
        }
        Step::Find(e) => {
            let found = find(lp, HEADER, &e, 1).map(|at| get(lp, at).to_vec());
            assert_eq!(found, model.iter().find(|&m| *m == e).cloned());
        }
        _ => {}
    }
}

/// Written by Redis 8.2.3 (DUMP of a list of these elements, its listpack cut out).
#[test]
fn the_bytes_are_those_of_redis() {
    let mut lp = new();
    for element in [
        "a",
        "1",
        "-1",
        "300",
        "5000",
        "100000",
        "3000000000",
        "hello",
    ] {
        push_back(&mut lp, Item::of(element.as_bytes()));
    }
    let expected: &[u8] = &[
        44, 0, 0, 0, 8, 0, 129, 97, 2, 1, 1, 223, 255, 2, 193, 44, 2, 241, 136, 19, 3, 242, 160,
        134, 1, 4, 244, 0, 94, 208, 178, 0, 0, 0, 0, 9, 133, 104, 101, 108, 108, 111, 6, 255,
    ];
    assert_eq!(lp, expected);
}

#[test]
fn more_elements_than_the_header_counts() {
    let mut lp = new();
    for _ in 0..65_536 {
        push_back(&mut lp, Item::Int(1));
    }
    assert_eq!((len(&lp), lp[4], lp[5]), (65_536, 0xff, 0xff));
    let at = seek(&lp, 65_535).expect("inside");
    remove_range(&mut lp, at, 1);
    assert_eq!(seek(&lp, -1), last(&lp));
    remove_range(&mut lp, HEADER, 10);
    assert_eq!(len(&lp), 65_525);
    check(&lp);
}
