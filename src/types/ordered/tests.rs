//! The tree against a sorted vector.

use super::*;
use crate::algo::rng::Rng;

/// A tree with its members in the order they must have.
struct Pair {
    tree: Tree,
    model: Vec<Member>,
}

impl Pair {
    fn new() -> Pair {
        Pair {
            tree: Tree::new(),
            model: Vec::new(),
        }
    }

    fn place(&self, score: f64, bytes: &[u8]) -> usize {
        let place = Place::of(score, bytes);
        self.model.partition_point(|&m| place.is_after(m))
    }

    fn add(&mut self, score: f64, bytes: &[u8]) {
        let at = self.place(score, bytes);
        let member = Member::new(score, bytes);
        self.model.insert(at, member);
        self.tree.insert(member);
    }

    fn remove(&mut self, at: usize) {
        let member = self.model.remove(at);
        self.tree.remove(member);
        member.free();
    }

    fn check(&self) {
        self.tree.check();
        assert!(self.tree.walk(0, false).eq(self.model.iter().copied()));
        let last = self.model.len().wrapping_sub(1);
        assert!(
            self.tree
                .walk(last, true)
                .eq(self.model.iter().rev().copied())
        );
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.model.drain(..).for_each(Member::free);
    }
}

/// Few scores, so that many are equal, or many, or such as lie far apart.
fn score(rng: &mut Rng, style: u64) -> f64 {
    match style {
        0 => rng.below(4) as f64,
        1 => rng.below(1_000_000) as f64,
        2 => [f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 5e-324, 1e300][rng.index(6)],
        _ => rng.f64() * 1e-9 - 5e-10,
    }
}

#[test]
fn behaves_like_a_sorted_vector() {
    for style in 0..4 {
        let mut rng = Rng::new(style);
        let mut pair = Pair::new();
        for step in 0..30_000u64 {
            // Grows, shrinks, and grows again.
            let shrinking = step / 6_000 % 2 == 1;
            let grow = rng.below(10) < if shrinking { 3 } else { 7 };
            if grow || pair.model.is_empty() {
                let score = score(&mut rng, style);
                pair.add(score, step.to_string().as_bytes());
            } else {
                let at = rng.index(pair.model.len());
                match rng.below(4) {
                    0 => {
                        let member = pair.model.remove(at);
                        let score = score(&mut rng, style);
                        let to = pair.place(score, member.bytes());
                        pair.tree.rescore(member, score);
                        pair.model.insert(to, member);
                    }
                    1 => {
                        let member = pair.model.remove(at);
                        assert_eq!(pair.tree.remove_at(at), Some(member));
                        member.free();
                    }
                    _ => pair.remove(at),
                }
            }
            if step % 1_000 == 0 {
                pair.check();
            }
        }
        pair.check();
        while !pair.model.is_empty() {
            pair.remove(rng.index(pair.model.len()));
        }
        pair.check();
    }
}

#[test]
fn counts_are_those_of_the_vector() {
    let mut rng = Rng::new(9);
    let mut pair = Pair::new();
    for n in 0..5_000u64 {
        pair.add(rng.below(50) as f64, n.to_string().as_bytes());
    }
    for at in 0..pair.model.len() {
        let member = pair.model[at];
        assert_eq!(pair.tree.get(at), Some(member));
        let place = Place::of(member.score(), member.bytes());
        assert_eq!(pair.tree.count_before(&place), at);
    }
    assert_eq!(pair.tree.get(5_000), None);
    for n in -1..=51 {
        let score = n as f64;
        let below = pair.model.iter().filter(|m| m.score() < score).count();
        let to = pair.model.iter().filter(|m| m.score() <= score).count();
        assert_eq!(
            pair.tree.count_before(&Place::at_score(score, false)),
            below
        );
        assert_eq!(pair.tree.count_before(&Place::at_score(score, true)), to);
    }
}

#[test]
fn equal_scores_are_ordered_by_bytes() {
    let mut pair = Pair::new();
    let mut rng = Rng::new(3);
    for n in 0..3_000u64 {
        pair.add(
            0.0,
            (rng.next_u64() % 100_000 * 3_000 + n)
                .to_string()
                .as_bytes(),
        );
    }
    pair.check();
    for bytes in [&b""[..], b"1", b"5000", b"9", b":"] {
        let before = pair.model.iter().filter(|m| m.bytes() < bytes).count();
        let place = Place::at_bytes(bytes, false);
        assert_eq!(pair.tree.count_before(&place), before);
        let behind = pair.model.iter().filter(|m| m.bytes() <= bytes).count();
        let place = Place::at_bytes(bytes, true);
        assert_eq!(pair.tree.count_before(&place), behind);
    }
}

#[test]
fn growth_at_an_end_leaves_full_leaves() {
    for sign in [1.0, -1.0] {
        let mut pair = Pair::new();
        for n in 0..10_000 {
            pair.add(sign * n as f64, b"m");
        }
        pair.check();
        let Node::Inner(inner) = &pair.tree.root else {
            panic!("ten thousand members need more than a leaf");
        };
        fn leaves(inner: &Inner) -> usize {
            let below = |node: &Node| match node {
                Node::Leaf(_) => 1,
                Node::Inner(inner) => leaves(inner),
            };
            (0..inner.len())
                .filter_map(|at| inner.node(at))
                .map(below)
                .sum()
        }
        assert!(leaves(inner) <= 10_000usize.div_ceil(leaf::LEAF) + 1);
    }
}

#[test]
fn ranks_compare_as_scores_do() {
    let scores = [
        f64::NEG_INFINITY,
        -1e300,
        -1.0,
        -5e-324,
        0.0,
        5e-324,
        1.0,
        1e300,
        f64::INFINITY,
    ];
    assert!(scores.is_sorted_by(|a, b| ranked(*a) < ranked(*b)));
    assert_eq!(ranked(-0.0), ranked(0.0));
}

#[test]
fn a_tree_made_at_once_is_as_one_that_grew() {
    let mut rng = Rng::new(9);
    for len in [0, 1, 2, 61, 62, 63, 62 * 31, 62 * 31 + 1, 62 * 32, 70_000] {
        let mut pair = Pair::new();
        let style = rng.below(3);
        let mut members: Vec<Member> = (0..len)
            .map(|n: u64| Member::new(score(&mut rng, style), &n.to_be_bytes()))
            .collect();
        members.sort_by_key(|m| (ranked(m.score()), m.bytes()));
        pair.tree = Tree::of_ordered(&members);
        pair.model = members;
        pair.check();
        for n in 0..200 {
            pair.add(score(&mut rng, style), format!("more {n}").as_bytes());
            let at = rng.below(pair.model.len() as u64) as usize;
            pair.remove(at);
        }
        pair.check();
    }
}
