//! The stream against an ordered map.

use super::*;
use proptest::prelude::*;

const LIMITS: NodeLimits = NodeLimits {
    bytes: 256,
    entries: 7,
};

type Model = BTreeMap<StreamId, Vec<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Step {
    Add(u64, u64, Vec<Vec<u8>>),
    Delete(usize),
    Trim(Bound),
    TrimNodes(Bound, u64),
    Walk(u64, u64, bool),
}

fn fields() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let names = prop_oneof![
        Just(vec!["a", "b"]),
        Just(vec!["a"]),
        Just(vec!["7", "x", "y"])
    ];
    (
        names,
        proptest::collection::vec(any::<u8>(), 0..40),
        any::<i64>(),
    )
        .prop_map(|(names, text, n)| {
            let mut out = Vec::new();
            for (i, name) in names.into_iter().enumerate() {
                out.push(name.as_bytes().to_vec());
                let number = n.to_string().into_bytes();
                out.push(if i == 0 { number } else { text.clone() });
            }
            out
        })
}

fn bound() -> impl Strategy<Value = Bound> {
    prop_oneof![
        (0u64..60).prop_map(Bound::MaxLen),
        (0u64..200).prop_map(|ms| Bound::MinId(StreamId::new(ms, 1))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u64..3, 0u64..5, fields()).prop_map(|(ms, seq, f)| Step::Add(ms, seq, f)),
        3 => any::<usize>().prop_map(Step::Delete),
        1 => bound().prop_map(Step::Trim),
        1 => (bound(), 0u64..30).prop_map(|(b, n)| Step::TrimNodes(b, n)),
        2 => (0u64..200, 0u64..200, any::<bool>()).prop_map(|(a, b, r)| Step::Walk(a, b, r)),
    ]
}

fn contents(
    s: &Stream,
    start: StreamId,
    end: StreamId,
    order: Order,
) -> Vec<(StreamId, Vec<Vec<u8>>)> {
    let mut out = Vec::new();
    let _: ControlFlow<()> = s.walk(start, end, order, |entry| {
        let parts = entry.pairs().flat_map(|(n, v)| [n.to_vec(), v.to_vec()]);
        out.push((entry.id, parts.collect()));
        ControlFlow::Continue(())
    });
    out
}

fn apply(s: &mut Stream, model: &mut Model, step: Step) {
    match step {
        Step::Add(ms, seq, fields) => {
            let last = s.last_id();
            let id = StreamId::new(last.ms + ms, if ms == 0 { last.seq + seq + 1 } else { seq });
            s.append(id, fields.iter().map(Vec::as_slice), LIMITS);
            model.insert(id, fields);
        }
        Step::Delete(i) if !model.is_empty() => {
            let id = *model.keys().nth(i % model.len()).expect("inside");
            assert!(s.delete(id) && !s.delete(id));
            model.remove(&id);
        }
        Step::Delete(_) => assert!(!s.delete(StreamId::new(1, 1))),
        Step::Trim(bound) => {
            let before = model.len();
            match bound {
                Bound::MaxLen(max) => {
                    while model.len() as u64 > max {
                        model.pop_first();
                    }
                }
                Bound::MinId(id) => *model = model.split_off(&id),
            }
            let trim = Trim {
                bound,
                approximate: false,
                limit: 0,
            };
            let removed = s.trim(trim, References::Keep);
            assert_eq!(removed as usize, before - model.len());
        }
        Step::TrimNodes(bound, limit) => {
            let trim = Trim {
                bound,
                approximate: true,
                limit,
            };
            let removed = s.trim(trim, References::Keep);
            assert!(limit == 0 || removed <= limit);
            (0..removed).for_each(|_| drop(model.pop_first()));
            if let Bound::MaxLen(max) = bound
                && removed > 0
            {
                assert!(model.len() as u64 >= max);
            }
        }
        Step::Walk(a, b, rising) => {
            let (start, end) = (StreamId::new(a, 0), StreamId::new(b, 3));
            let mut expected: Vec<_> = model
                .iter()
                .filter(|(id, _)| (start..=end).contains(id))
                .map(|(id, f)| (*id, f.clone()))
                .collect();
            if !rising {
                expected.reverse();
            }
            let order = if rising {
                Order::Rising
            } else {
                Order::Falling
            };
            assert_eq!(contents(s, start, end, order), expected);
        }
    }
}

proptest! {
    #[test]
    fn behaves_like_a_map(steps in proptest::collection::vec(step(), 0..200), skip in 1u64..5) {
        let (mut s, mut model) = (Stream::new(), Model::new());
        for step in steps {
            apply(&mut s, &mut model, step);
            prop_assert_eq!(s.check(), Ok(()));
        }
        let all: Vec<_> = model.clone().into_iter().collect();
        prop_assert_eq!(contents(&s, StreamId::MIN, StreamId::MAX, Order::Rising), all);
        prop_assert_eq!(s.len() as usize, model.len());
        let last = model.keys().next_back().copied().unwrap_or(StreamId::MIN);
        prop_assert_eq!(s.last_live_id(), last);
        let ids: Vec<StreamId> = (0..200).flat_map(|ms| [StreamId::new(ms, 0), StreamId::new(ms, 1)])
            .chain(model.keys().copied()).collect();
        let ids: std::collections::BTreeSet<StreamId> = ids.into_iter().filter(|id| id.seq + id.ms % skip != 1).collect();
        let mut finder = s.log.finder();
        for id in ids {
            let found = finder.find(id).map(|entry| entry.id);
            prop_assert_eq!(found, model.contains_key(&id).then_some(id));
        }
    }

    #[test]
    fn groups_and_consumers_agree(steps in proptest::collection::vec((0u8..9, 0u64..20, 0usize..3), 0..100)) {
        let mut group = Group::new(StreamId::MIN, Some(0));
        for (what, id, who) in steps {
            let id = StreamId::new(id, 0);
            let name = [&b"x"[..], b"y", b"z"][who];
            match what {
                0 | 1 => {
                    let consumer = group.find(name).unwrap_or_else(|| group.add_consumer(name, 5));
                    group.deliver(id, Pending::delivered(consumer, 1, 1));
                }
                2 => drop(group.acknowledge(id)),
                4 => group.release(id, 3),
                5 => drop(group.redeliver(id, 7)),
                6 => {
                    let ages: Vec<_> = group.by_age().map(|(_, it)| (!it.is_released(), it.delivered_ms())).collect();
                    prop_assert!(ages.is_sorted());
                }
                7 => group = group.clone(),
                3 => {
                    let consumer = group.find(name).unwrap_or_else(|| group.add_consumer(name, 5));
                    let before = group.pending().clone();
                    let (mut expected, mut stopped) = (before.clone(), false);
                    group.pass(id, |id, old| {
                        assert!(before[&id] == old && !stopped);
                        match id.ms % 4 {
                            0 => {
                                expected.remove(&id);
                                Verdict::Remove
                            }
                            1 => Verdict::Leave,
                            2 => {
                                let new = Pending::delivered(consumer, old.delivered_ms(), old.count + 1);
                                expected.insert(id, new);
                                Verdict::Deliver(new)
                            }
                            _ => {
                                stopped = id.ms > 10;
                                match stopped {
                                    true => Verdict::Stop,
                                    false => Verdict::Leave,
                                }
                            }
                        }
                    });
                    let shown = |all: &BTreeMap<StreamId, Pending>| -> Vec<_> {
                        all.iter().map(|(&id, it)| (id, it.consumer, it.delivered_ms(), it.count)).collect()
                    };
                    prop_assert_eq!(shown(group.pending()), shown(&expected));
                }
                _ => drop(group.remove_consumer(name)),
            }
            prop_assert_eq!(group.check(), Ok(()));
        }
    }
}

/// The reply of Redis 8.10.2's XINFO STREAM for streams whose nodes begin at these ids.
#[test]
fn the_tree_has_as_many_nodes_as_that_of_redis() {
    for (ids, expected) in [
        (&[][..], 1),
        (&[(1, 1)][..], 1),
        (&[(1, 1), (1, 2)], 2),
        (&[(1, 1), (1, 2), (1, 3)], 2),
        (&[(1, 1), (1, 2), (2, 1), (2, 2), (300, 5)], 8),
    ] {
        let mut s = Stream::new();
        for &(ms, seq) in ids {
            let limits = NodeLimits {
                bytes: 0,
                entries: 1,
            };
            s.append(
                StreamId::new(ms, seq),
                [&b"a"[..], b"b"].into_iter(),
                limits,
            );
        }
        assert_eq!(s.tree_nodes(), expected, "{ids:?}");
    }
}

/// The only node of a stream of these entries, as DUMP of Redis 8.2.3 shows it.
#[test]
fn the_listpack_form_is_that_of_redis() {
    let mut s = Stream::new();
    let limits = NodeLimits {
        bytes: 4096,
        entries: 100,
    };
    s.append(StreamId::new(1, 1), [&b"a"[..], b"1"].into_iter(), limits);
    s.append(
        StreamId::new(2, 0),
        [&b"b"[..], b"x", b"c", b"300"].into_iter(),
        limits,
    );
    s.delete(StreamId::new(1, 1));
    let node = s.log.last_mut().expect("it has one");
    assert_eq!(node.to_listpack(), REDIS_NODE);
}

const REDIS_NODE: &[u8] = &[
    51, 0, 0, 0, 19, 0, 1, 1, 1, 1, 1, 1, 129, 97, 2, 0, 1, 3, 1, 0, 1, 0, 1, 1, 1, 4, 1, 0, 1, 1,
    1, 223, 255, 2, 2, 1, 129, 98, 2, 129, 120, 2, 129, 99, 2, 193, 44, 2, 8, 1, 255,
];

#[test]
fn a_copy_counts_its_own_bytes() {
    let mut s = Stream::new();
    for id in 1..20 {
        s.append(
            StreamId::new(id, 0),
            [&b"f"[..], b"value"].into_iter(),
            LIMITS,
        );
        assert_eq!(s.clone().check(), Ok(()));
    }
}
