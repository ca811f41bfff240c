//! A snapshot that comes in pieces is loaded like one that is there.

use super::*;
use crate::algo::rng::Rng;
use crate::engine::Engine;
use crate::persist::save::{self, Snapshot};

/// Values of several types, one of them large, in two databases, as a snapshot.
fn snapshot() -> (Vec<u8>, String) {
    let mut engine = Engine::new();
    let mut run = |words: &[&str]| {
        engine.run(words);
    };
    for n in 0..40 {
        run(&["SET", &format!("s{n}"), &"x".repeat(n * 7)]);
        run(&["HSET", &format!("h{n}"), "f", "v", "g", &n.to_string()]);
        run(&["ZADD", "z", &n.to_string(), &format!("member {n}")]);
    }
    for n in 0..3_000 {
        run(&["RPUSH", "list", &format!("element {n}")]);
        run(&["SADD", "set", &format!("element {n}")]);
    }
    let mut bytes = Vec::new();
    let job = Snapshot {
        functions: vec![b"#!lua name=l".to_vec()],
        ..Snapshot::default()
    };
    save::write(engine.keyspace(), &mut bytes, &job, &mut |_| {}).expect("a vector takes all");
    let digest = engine.keyspace().digest();
    (bytes, format!("{digest:?}"))
}

/// Loads what comes in these pieces; how it ended, what was loaded, how many steps found too little.
fn load<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (bool, String, usize) {
    let mut keyspace = Keyspace::new(16, Rng::new(3), 1_000);
    let rules = Rules {
        checksum: true,
        ..Rules::default()
    };
    let mut loading = Loading::fed(rules, 0, 0);
    let (mut pieces, mut tries) = (pieces, 0);
    loop {
        match loading.step(&mut keyspace, &Tuning::default(), &mut || true) {
            Step::Starved => {
                tries += 1;
                match pieces.next() {
                    Some(piece) => loading.feed(piece),
                    None => loading.feed_ends(),
                }
            }
            Step::Done => {
                let digest = keyspace.digest();
                return (true, format!("{digest:?}"), tries);
            }
            Step::Failed => return (false, String::new(), tries),
            Step::More | Step::Run(_) | Step::Function(_) => {}
        }
    }
}

#[test]
fn it_does_not_matter_how_a_snapshot_is_cut() {
    let (bytes, digest) = snapshot();
    for step in [1, 3, 100, 4_000, bytes.len()] {
        let (done, loaded, _) = load(bytes.chunks(step));
        assert!(done && loaded == digest, "in pieces of {step}");
    }
    let mut rng = Rng::new(9);
    for _ in 0..20 {
        let mut rest = bytes.as_slice();
        let pieces = std::iter::from_fn(|| {
            let at = (1 + rng.below(5_000) as usize).min(rest.len());
            let (piece, after) = rest.split_at(at);
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let (done, loaded, _) = load(pieces);
        assert!(done && loaded == digest);
    }
}

#[test]
fn a_snapshot_that_ends_early_is_refused_wherever_that_is() {
    let (bytes, _) = snapshot();
    for len in (0..bytes.len())
        .step_by(211)
        .chain(bytes.len() - 9..bytes.len())
    {
        let (done, ..) = load(bytes[..len].chunks(1_000));
        assert!(!done, "{len} of {} bytes", bytes.len());
    }
}
