//! The quicklist against a vector, under all settings.

use super::*;
use crate::types::listpack::Place;
use proptest::prelude::*;

fn contents(list: &Quicklist) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    list.walk(0, Toward::Tail, |item| {
        all.push(item.to_vec());
        true
    });
    all
}

fn backwards(list: &Quicklist) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    list.walk(list.len().saturating_sub(1), Toward::Head, |item| {
        all.push(item.to_vec());
        true
    });
    all.reverse();
    all
}

#[derive(Debug, Clone)]
enum Step {
    Push(bool, Vec<u8>),
    Pop(bool),
    Insert(usize, bool, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    RemoveEqual(usize, bool, usize),
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-300i64..300).prop_map(|n| n.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..20),
        2 => (0usize..200).prop_map(|len| vec![b'x'; len]),
        1 => (3000usize..10_000).prop_map(|len| vec![b'y'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (any::<bool>(), element()).prop_map(|(l, e)| Step::Push(l, e)),
        2 => any::<bool>().prop_map(Step::Pop),
        4 => (any::<usize>(), any::<bool>(), element()).prop_map(|(i, a, e)| Step::Insert(i, a, e)),
        2 => (any::<usize>(), element()).prop_map(|(i, e)| Step::Replace(i, e)),
        1 => (any::<usize>(), 0usize..6).prop_map(|(i, n)| Step::Remove(i, n)),
        1 => (any::<usize>(), any::<bool>(), 1usize..3)
            .prop_map(|(i, t, n)| Step::RemoveEqual(i, t, n)),
    ]
}

fn end(left: bool) -> End {
    if left { End::Left } else { End::Right }
}

fn apply(list: &mut Quicklist, model: &mut Vec<Vec<u8>>, step: Step, large: usize) {
    match step {
        Step::Push(left, e) => {
            list.push(end(left), &e, large);
            model.insert(if left { 0 } else { model.len() }, e);
        }
        Step::Pop(left) => {
            let popped = list.pop(end(left), |item| item.to_vec());
            let expected = match left {
                _ if model.is_empty() => None,
                true => Some(model.remove(0)),
                false => model.pop(),
            };
            assert_eq!(popped, expected);
        }
        Step::Insert(i, after, e) if !model.is_empty() => {
            let i = i % model.len();
            let place = if after { Place::After } else { Place::Before };
            list.insert(list.spot(i).expect("inside"), place, &e, large);
            model.insert(i + after as usize, e);
        }
        Step::Replace(i, e) if !model.is_empty() => {
            let i = i % model.len();
            list.replace(list.spot(i).expect("inside"), &e, large);
            model[i] = e;
        }
        Step::Remove(i, n) if !model.is_empty() => {
            let i = i % model.len();
            let n = n.min(model.len() - i);
            assert_eq!(list.remove_range(i, n), n);
            model.drain(i..i + n);
        }
        Step::RemoveEqual(i, tail, most) if !model.is_empty() => {
            let wanted = model[i % model.len()].clone();
            let toward = if tail { Toward::Tail } else { Toward::Head };
            let removed = list.remove_where(toward, most, |item| item.to_vec() == wanted);
            let mut indexes: Vec<usize> =
                (0..model.len()).filter(|&i| model[i] == wanted).collect();
            if !tail {
                indexes.reverse();
            }
            indexes.truncate(most);
            assert_eq!(removed, indexes.len());
            indexes.sort_unstable();
            indexes.iter().rev().for_each(|&i| drop(model.remove(i)));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(96)))]
    #[test]
    fn behaves_like_a_vector(
        fill in prop_oneof![Just(-2i32), Just(-1), 1i32..8, Just(100)],
        depth in 0u32..4,
        large in prop_oneof![4 => Just(0usize), 1 => 5usize..50],
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let mut list = Quicklist::new(fill, depth);
        let mut model = Vec::new();
        for step in steps {
            apply(&mut list, &mut model, step, large);
            list.check();
            prop_assert_eq!(list.len(), model.len());
        }
        prop_assert_eq!(&contents(&list), &model);
        prop_assert_eq!(&backwards(&list), &model);
        for (i, element) in model.iter().enumerate() {
            let got = list.get(i, |item| item.to_vec());
            prop_assert_eq!(got.as_ref(), Some(element));
        }
        prop_assert_eq!(list.get(model.len(), |_| ()), None);
    }
}

#[test]
fn many_nodes_are_found_from_both_ends() {
    let mut list = Quicklist::new(2, 1);
    for n in 0..10_000i64 {
        list.push(End::Right, n.to_string().as_bytes(), 0);
        list.push(End::Left, (-n - 1).to_string().as_bytes(), 0);
    }
    list.check();
    assert_eq!((list.len(), list.nodes()), (20_000, 10_001));
    for index in [0, 1, 4999, 9999, 10_000, 15_001, 19_999] {
        let got = list.get(index, |item| item.as_int()).flatten();
        assert_eq!(got, Some(index as i64 - 10_000));
    }
    let middle = list.find(|item| item == Item::Int(0)).expect("it is there");
    for n in 0..500 {
        list.insert(middle, Place::After, format!("x{n}").as_bytes(), 0);
    }
    list.check();
    assert_eq!(list.remove_range(100, 20_300), 20_300);
    list.check();
    assert_eq!(list.len(), 200);
    while list.pop(End::Left, |_| ()).is_some() {}
    list.check();
    assert_eq!((list.nodes(), list.bytes()), (0, 0));
}

#[test]
fn a_queue_in_one_node_does_not_grow() {
    let mut list = Quicklist::new(-2, 0);
    for n in 0..100_000i64 {
        list.push(End::Left, n.to_string().as_bytes(), 0);
        if n >= 100 {
            let oldest = list.pop(End::Right, |item| item.as_int()).flatten();
            assert_eq!(oldest, Some(n - 100));
        }
    }
    list.check();
    assert!(list.bytes() < 4096, "{}", list.bytes());
}

#[test]
fn inner_nodes_are_compressed() {
    let mut list = Quicklist::new(10, 1);
    for n in 0..1000 {
        list.push(End::Right, format!("element number {n}").as_bytes(), 0);
    }
    list.check();
    assert!(list.iter_nodes().skip(1).take(98).all(Node::is_compressed));
    assert_eq!(list.remove_range(15, 970), 970);
    list.check();
    assert_eq!(contents(&list)[15], b"element number 985");
}

#[test]
fn short_elements_may_have_nodes_of_their_own() {
    // A test may set the limit for nodes of their own as low as it likes.
    for large in [1, 2] {
        let mut list = Quicklist::new(2, 0);
        for element in [b"", b"x".as_slice(), b"yy", b"z"] {
            list.push(End::Right, element, large);
        }
        for index in 0..4 {
            let spot = list.spot(index).expect("there are four");
            list.replace(spot, b"pp", large);
            let spot = list.spot(index).expect("there are four");
            list.replace(spot, b"", large);
            list.check();
        }
        assert_eq!(contents(&list), [b""; 4]);
    }
}
