//! What must hold for any bytes: one function per fuzz target, which panics where it does not.
//!
//! The targets under `targets/` call them with what the fuzzer makes up, `tests/fuzz_corpus.rs`
//! with the files of the corpus.
#![allow(dead_code)]

use redwheel::algo::glob::{self, Case};
use redwheel::algo::{number, quoting};
use redwheel::config::{Config, Extent, Host};
use redwheel::resp::request::{Limits, Query, Stop};

type Commands = Vec<Vec<Vec<u8>>>;

/// The first byte says how large the pieces are, and whether the client has authenticated; the rest
/// is what a client sends. However it is cut, the same commands and the same error come of it, as
/// long as no line is so long that it matters how much of it has arrived.
pub fn request(data: &[u8]) {
    /// No line that could be cut is longer.
    const LINE_MAX: usize = 64 << 10;
    let Some((&control, bytes)) = data.split_first() else {
        return;
    };
    let limits = Limits {
        max_bulk: 1 << 20,
        authenticated: control & 1 == 1,
    };
    let whole = recognise(bytes, bytes.len().max(1), limits);
    let piece = usize::from(control >> 1) % 61 + 1;
    if bytes.len() > LINE_MAX {
        recognise(bytes, piece, limits);
        return;
    }
    assert_eq!(whole, recognise(bytes, piece, limits), "pieces of {piece}");
}

fn recognise(bytes: &[u8], piece: usize, limits: Limits) -> (Commands, Option<Vec<u8>>) {
    let mut query = Query::default();
    let mut commands = Commands::new();
    for piece in bytes.chunks(piece) {
        query.feed(piece);
        loop {
            let result = query.parse(limits);
            while let Some(argv) = query.peek(0) {
                assert!(!argv.is_empty(), "a command has a name");
                commands.push(argv.iter().map(<[u8]>::to_vec).collect());
                query.pass();
            }
            query.compact();
            match result {
                Ok(Stop::Starved) => break,
                Ok(Stop::Full) => {}
                Err(error) => return (commands, Some(error.bytes())),
            }
        }
    }
    assert!(query.pending_bytes() <= bytes.len());
    (commands, None)
}

struct Anywhere;

impl Host for Anywhere {}

/// Any text is a configuration or is refused; what was accepted and written reads back the same.
pub fn config(data: &[u8]) {
    if data.split(|&byte| byte == b'\n').any(reads_files) {
        return;
    }
    let mut config = Config::new();
    if config.load(data, &mut Anywhere).is_err() {
        return;
    }
    let written = config.rewrite(data, None, Extent::All);
    let mut again = Config::new();
    if let Err(why) = again.load(&written, &mut Anywhere) {
        panic!("{}\ndoes not load: {why:?}", written.escape_ascii());
    }
    for ((name, was), (_, is)) in config.get(&[b"*"]).iter().zip(again.get(&[b"*"])) {
        let (was, is, name) = (was.escape_ascii(), is.escape_ascii(), name.escape_ascii());
        assert_eq!(was.to_string(), is.to_string(), "{name}");
    }
}

/// Lines that would make the check depend on this machine's files.
fn reads_files(line: &[u8]) -> bool {
    let words = quoting::split_args(line).unwrap_or_default();
    words
        .first()
        .is_some_and(|word| word.eq_ignore_ascii_case(b"include"))
}

/// A pattern and a text, apart by the first zero byte.
pub fn glob(data: &[u8]) {
    /// The model is slow.
    const MAX: usize = 512;
    let mut halves = data.splitn(2, |&byte| byte == 0);
    let pattern = halves.next().unwrap_or_default();
    let text = halves.next().unwrap_or_default();
    for case in [Case::Sensitive, Case::Insensitive] {
        let found = glob::matches(pattern, text, case);
        if pattern.len() <= MAX && text.len() <= MAX {
            assert_eq!(found, glob_model(pattern, text, case), "{case:?}");
        }
    }
}

/// Which prefixes of the text each part of the pattern can reach, part by part.
fn glob_model(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some(&first) = rest.first() {
        let len = part_len(rest);
        let (part, behind) = rest.split_at(len);
        let mut next = vec![false; text.len() + 1];
        if first == b'*' {
            let from = reached.iter().position(|&r| r).unwrap_or(next.len());
            next[from..].fill(true);
        } else {
            for (at, &byte) in text.iter().enumerate() {
                next[at + 1] = reached[at] && glob::matches(part, &[byte], case);
            }
        }
        (reached, rest) = (next, behind);
    }
    reached[text.len()]
}

/// The length of the first part of a pattern: a star, a class, an escaped or a plain byte.
fn part_len(pattern: &[u8]) -> usize {
    match pattern {
        [b'\\', _, ..] => 2,
        [b'[', ..] => {
            let mut at = 1 + usize::from(pattern.get(1) == Some(&b'^'));
            while at < pattern.len() {
                at += match pattern[at..] {
                    [b']', ..] => return at + 1,
                    [b'\\', _, ..] => 2,
                    [_, b'-', _, ..] => 3,
                    _ => 1,
                };
            }
            pattern.len()
        }
        _ => 1,
    }
}

/// A text that is a number prints as itself, or as a text with the same value.
pub fn number(data: &[u8]) {
    if let Some(value) = number::parse_i64(data) {
        let mut printed = Vec::new();
        number::write_i64(&mut printed, value);
        assert_eq!(printed, data);
    }
    if let Some(value) = number::parse_f64(data) {
        assert!(!value.is_nan());
        let text = number::format_f64(value);
        assert_eq!(number::parse_f64(text.as_bytes()), Some(value));
    }
    let mut halves = data.splitn(2, |&byte| byte == b' ');
    let a = halves.next().unwrap_or_default();
    let b = halves.next().unwrap_or_default();
    if let Ok(sum) = number::add_decimal(a, b) {
        assert_eq!(number::add_decimal(b, a).as_ref(), Ok(&sum));
        assert!(number::add_decimal(&sum, b"0").is_ok());
    }
}

/// Quoted bytes split back to themselves, and so does every line once its words are quoted.
pub fn quoting(data: &[u8]) {
    assert_eq!(
        quoting::split_args(&quoting::quote(data)),
        Some(vec![data.to_vec()])
    );
    if let Some(words) = quoting::split_args(data) {
        let quoted: Vec<Vec<u8>> = words.iter().map(|word| quoting::quote(word)).collect();
        assert_eq!(quoting::split_args(&quoted.join(&b' ')), Some(words));
    }
}
