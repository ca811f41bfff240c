//! Invariants of all data commands, checked with argument lists drawn from the declarations.

#[path = "../../tests/support/arguments.rs"]
mod arguments;

use super::TABLES;
use crate::command::spec::{BY_PATTERN, Spec, WRITE};
use crate::engine::Engine;
use crate::keyspace::DbIndex;
use crate::resp::request::OwnedArgv;
use arguments::Drawer;
use std::collections::BTreeSet;

const KEYS: &[&str] = &["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"];

/// Names (one word or two) and declarations of the data commands with keys.
fn commands() -> Vec<(Vec<&'static str>, &'static Spec)> {
    let mut out = Vec::new();
    for entry in TABLES.iter().copied().flatten() {
        out.push((vec![entry.spec.name], &entry.spec));
        let subs = entry.subcommands.iter();
        out.extend(subs.map(|sub| (vec![entry.spec.name, sub.spec.name], &sub.spec)));
    }
    out.retain(|(_, spec)| !spec.keys.is_empty());
    out
}

/// A value of each type, and keys that are missing.
fn fill(engine: &mut Engine) {
    for line in [
        "FLUSHALL",
        "SET k1 1",
        "RPUSH k2 1 2 a",
        "SADD k3 1 2 3",
        "HSET k4 a 1 b 2",
        "ZADD k5 1 1 2 2",
        "GEOADD k6 13.4 1 a 1 1 b",
        "XADD k7 5-1 a 1",
        "XGROUP CREATE k7 g 0",
        "ARSET k9 0 1 2 a",
    ] {
        assert!(!engine.ask(line).starts_with('-'), "{line}");
    }
}

fn names(keys: &BTreeSet<Vec<u8>>) -> Vec<String> {
    let text = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
    keys.iter().map(text).collect()
}

/// One command of the random test.
struct Case {
    line: Vec<String>,
    declared: BTreeSet<Vec<u8>>,
    touched: BTreeSet<Vec<u8>>,
    /// The types of all keys before.
    before: Vec<String>,
    is_error: bool,
}

impl Case {
    fn told(&self) -> String {
        let (declared, touched) = (names(&self.declared), names(&self.touched));
        format!("{:?} declares {declared:?}, touches {touched:?}", self.line)
    }
}

/// Calls `see` with random calls of a command.
fn each_case(number: usize, name: &[&str], spec: &Spec, mut see: impl FnMut(&mut Engine, Case)) {
    let mut drawer = Drawer::new(spec.usage, KEYS, number as u64);
    let mut engine = Engine::new();
    engine.keyspace().shared.awaited = u8::MAX;
    for round in 0..600 {
        if round % 20 == 0 {
            fill(&mut engine);
        }
        let words = name.iter().map(|word| (*word).to_owned());
        let line: Vec<String> = words.chain(drawer.draw()).collect();
        let before = types(&mut engine);
        engine.keyspace().shared.touched.clear();
        engine.keyspace().shared.ready.clear();
        let reply = engine.run(&line);
        let touched = engine.keyspace().shared.touched.drain(..);
        let here = touched.filter(|(db, _)| *db == DbIndex(0));
        let touched = here.map(|(_, key)| key).collect();
        let argv: OwnedArgv = line.iter().collect();
        let argv = argv.as_argv();
        let found = spec.find_keys(&argv).unwrap_or_default();
        let declared = found.iter().map(|(at, _)| argv.at(*at).to_vec()).collect();
        let is_error = reply[0] == b'-';
        see(
            &mut engine,
            Case {
                line,
                declared,
                touched,
                before,
                is_error,
            },
        );
    }
}

#[test]
fn commands_touch_the_keys_that_they_declare() {
    let mut rare = Vec::new();
    for (number, (name, spec)) in commands().into_iter().enumerate() {
        let (mut fine, mut whole) = (0, 0);
        each_case(number, &name, spec, |_, case| {
            // Patterns name keys that the arguments do not, and callers with rules may not use them.
            if spec.flags.has(BY_PATTERN) && case.line.iter().any(|w| w == "BY" || w == "GET") {
                return;
            }
            assert!(case.touched.is_subset(&case.declared), "{}", case.told());
            if !case.is_error {
                fine += 1;
                // The first key may decide already.
                whole += usize::from(case.touched == case.declared);
            }
        });
        if whole == 0 {
            rare.push((name.join(" "), fine, whole));
        }
    }
    // Payloads, words outside of declarations, and ids of entries cannot be guessed.
    let unknown = ["pfdebug", "xidmprecord"];
    rare.retain(|(name, ..)| !name.starts_with("restore") && !unknown.contains(&name.as_str()));
    assert!(
        rare.is_empty(),
        "seldom succeed, or use all of their keys: {rare:?}"
    );
}

#[test]
fn a_key_of_an_awaited_type_is_ready() {
    let mut made = BTreeSet::new();
    for (number, (name, spec)) in commands().into_iter().enumerate() {
        if !spec.flags.has(WRITE) {
            continue;
        }
        each_case(number, &name, spec, |engine, case| {
            let ready = std::mem::take(&mut engine.keyspace().shared.ready);
            let after = types(engine);
            for (key, (old, new)) in KEYS.iter().zip(case.before.iter().zip(&after)) {
                let awaited = matches!(new.as_str(), "+list" | "+zset" | "+stream");
                if awaited && old != new {
                    let told = (DbIndex(0), key.as_bytes().to_vec());
                    assert!(ready.contains(&told), "{key} was {old}: {}", case.told());
                    made.insert((old.clone(), new.clone()));
                }
            }
        });
    }
    for new in ["+list", "+zset", "+stream"] {
        for old in [
            "+none", "+string", "+list", "+set", "+hash", "+zset", "+stream",
        ] {
            let seen = made.contains(&(old.to_owned(), new.to_owned()));
            assert!(old == new || seen, "nothing made a {new} of a {old}");
        }
    }
}

/// The type of each key.
fn types(engine: &mut Engine) -> Vec<String> {
    KEYS.iter()
        .map(|key| engine.ask(&format!("TYPE {key}")))
        .collect()
}

#[test]
fn numbers_beyond_32_bits_are_no_small_numbers() {
    const LARGE: [i64; 10] = [
        1 << 31,
        1 << 32,
        (1 << 32) + 1,
        i64::MAX,
        i64::MAX - 1,
        -(1 << 31) - 1,
        -(1 << 32),
        -(1 << 32) - 1,
        i64::MIN,
        i64::MIN + 1,
    ];
    let mut engine = Engine::new();
    fill(&mut engine);
    for n in LARGE {
        let out_of_range = "-ERR index out of range";
        assert_eq!(engine.ask(&format!("LSET k2 {n} x")), out_of_range, "{n}");
        assert_eq!(engine.ask(&format!("LINDEX k2 {n}")), "$-1", "{n}");
    }
    assert_eq!(engine.ask("LRANGE k2 0 -1"), "*3 $1 1 $1 2 $1 a");
}
