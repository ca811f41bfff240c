//! The same random commands to us and to a real Redis 8.10.2: every reply must be the same.
//!
//! Commands come from `families` through `grammar`, in batches that start on empty servers, half
//! of them in RESP3. A difference is first shrunk to the commands it needs, then printed with its
//! seed. `logs` compares what the two write into their logs of commands; `protocol` does the same
//! with streams of bytes that are hardly commands any more; `users` compares what users may do.
//! `valkey` compares what was taken over from Valkey with Valkey 9.1.2.
//!
//! REDWHEEL_DIFF_COMMANDS (20000) and REDWHEEL_DIFF_STREAMS (1500) say how much,
//! REDWHEEL_DIFF_SEED where to start, REDWHEEL_DIFF_FAMILY which family alone.

mod copies;
mod crowd;
mod families;
mod families_arrays;
mod families_hashes;
mod families_lists;
mod families_newer;
mod families_newer_streams;
mod families_streams;
mod families_zsets;
mod grammar;
mod logs;
mod lookups;
mod observed;
mod protocol;
mod rng;
mod scripts;
#[path = "../support/mod.rs"]
mod support;
mod users;
mod valkey;

use families::{FAMILIES, Family};
use families_arrays::ARRAYS;
use families_newer::NEWER;
use families_newer_streams::NEWER_STREAMS;
use grammar::{Command, Compare, Generator, Template};
use std::time::Duration;
use support::client::{Client, Value, encode, parse};
use support::oracle;
use support::server::Server;

/// Commands that run on one state before both servers are emptied.
const BATCH: usize = 200;
/// Digests need DEBUG; on a busy machine any command may take longer than the slow log likes.
const DEBUG: &[&str] = &[
    "--enable-debug-command",
    "yes",
    "--slowlog-log-slower-than",
    "60000000",
];
/// The thresholds that templates change, as they are by default.
const THRESHOLDS: &str = "CONFIG SET maxmemory 0 set-max-listpack-entries 128 set-max-intset-entries 512 \
    set-max-listpack-value 64 hash-max-listpack-entries 512 hash-max-listpack-value 64 \
    list-max-listpack-size -2 list-compress-depth 0 stream-node-max-entries 100 \
    stream-node-max-bytes 4096 zset-max-listpack-entries 128 zset-max-listpack-value 64 \
    hll-sparse-max-bytes 3000 array-slice-size 4096 array-sparse-kmin 5 array-sparse-kmax 10 \
    hash-max-template-entries 0 hash-min-template-entries 0";
/// A template with this would make SORT BY nosort of another family reply in any order.
const SCATTERS: &str = "CONFIG SET set-max-";
/// Replays spent on shrinking a difference.
const SHRINK_RUNS: usize = 400;

pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse().expect("a number in the environment")
    })
}

pub fn shown(command: &[Vec<u8>]) -> String {
    command
        .iter()
        .map(|word| format!("\"{}\"", word.escape_ascii()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Both servers, empty after `fresh`.
pub struct Pair {
    pub ours: Server,
    pub real: Server,
}

impl Pair {
    /// `None`, with a message, where there is no oracle.
    pub fn start() -> Option<Pair> {
        Pair::start_with(DEBUG)
    }

    pub fn start_with(options: &[&str]) -> Option<Pair> {
        Some(Pair {
            real: Server::of(&oracle::redis()?).with(options).start(),
            ours: Server::ours().with(options).start(),
        })
    }

    /// New connections to emptied servers, speaking `proto`.
    pub fn fresh(&self, proto: u64) -> [Client; 2] {
        [&self.ours, &self.real].map(|server| {
            let mut client = server.client();
            // Every command here is quick, and shrinking a lost reply waits this long many times.
            client.set_patience(Duration::from_secs(3));
            assert_eq!(client.run("FLUSHALL"), Value::Simple(b"OK".to_vec()));
            // What an earlier batch configured must not decide this one.
            assert_eq!(client.run(THRESHOLDS), Value::Simple(b"OK".to_vec()));
            let hello = client.run(&format!("HELLO {proto}"));
            assert!(!hello.is_error(), "HELLO {proto}: {hello:?}");
            client
        })
    }
}

/// A difference: the command it showed at, and both replies.
struct Difference {
    at: usize,
    replies: [String; 2],
}

fn value(raw: &[u8]) -> Value {
    parse(raw).expect("a raw reply is complete").0
}

/// The reply of DEBUG OBJECT, without the parts that differ between any two servers: the address,
/// the clock, and the degree of compression.
fn stable_part_of_object(raw: &[u8]) -> Option<Vec<&[u8]>> {
    let words = raw.strip_prefix(b"+Value at:0x")?.split(|&b| b == b' ');
    let is_own = |word: &&[u8]| word.starts_with(b"lru") || word.starts_with(b"serialized");
    Some(words.skip(1).filter(|word| !is_own(word)).collect())
}

fn same(compare: Compare, ours: &[u8], real: &[u8]) -> bool {
    if ours == real {
        return true;
    }
    if let (Some(ours), Some(real)) = (stable_part_of_object(ours), stable_part_of_object(real)) {
        return ours == real;
    }
    match compare {
        Compare::Exact | Compare::Walk => false,
        Compare::Any => {
            let none = |raw: &[u8]| matches!(value(raw), Value::NilBulk | Value::Null);
            ours[0] == real[0] && ours[0] != b'-' && none(ours) == none(real)
        }
        Compare::Nodes => {
            let told = |raw: &[u8]| -> Vec<Vec<u8>> {
                let words = raw.split(|&byte| byte == b' ' || byte == b'\r');
                let of_nodes = |word: &&[u8]| word.starts_with(b"ql_") || word.starts_with(b"enc");
                words.filter(of_nodes).map(<[u8]>::to_vec).collect()
            };
            ours[0] == real[0] && ours[0] == b'+' && told(ours) == told(real)
        }
        Compare::Unordered => {
            let sorted = |raw: &[u8]| {
                let mut items = value(raw).items();
                items.sort();
                items
            };
            ours[0] == real[0] && sorted(ours) == sorted(real)
        }
        Compare::Within(slack) => {
            let lines = |reply: &[u8]| reply.split(|&b| b == b'\n').count();
            lines(ours) == lines(real)
                && std::iter::zip(ours.split(|&b| b == b'\n'), real.split(|&b| b == b'\n'))
                    .all(|(ours, real)| ours == real || near(ours, real, slack))
        }
    }
}

/// Whether two lines of replies are integers that time may part. Below zero a number is a status,
/// not a time.
fn near(ours: &[u8], real: &[u8], slack: i64) -> bool {
    let number = |line: &[u8]| {
        let digits = line.strip_prefix(b":")?.strip_suffix(b"\r")?;
        std::str::from_utf8(digits).ok()?.parse::<i64>().ok()
    };
    match (number(ours), number(real)) {
        (Some(a), Some(b)) => a >= 0 && b >= 0 && (a - b).abs() <= slack,
        _ => false,
    }
}

/// The sending of a batch: the protocol version, and the number of commands in one write.
#[derive(Clone, Copy)]
struct Manner {
    proto: u64,
    depth: usize,
}

/// The rest of a walk that began with this reply: all elements, each once, as a reply in order.
fn walk(client: &mut Client, scan: &Command, first: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut found = std::collections::BTreeSet::new();
    let mut reply = first;
    loop {
        if reply[0] == b'-' {
            return Ok(reply);
        }
        let [Value::Bulk(cursor), Value::Array(elements)] = &value(&reply).items()[..] else {
            return Ok(reply);
        };
        found.extend(elements.iter().map(|element| match element {
            Value::Bulk(bytes) => bytes.clone(),
            other => panic!("an element is a bulk string, not {other:?}"),
        }));
        if cursor == b"0" {
            let words: Vec<Vec<u8>> = found.into_iter().collect();
            return Ok(encode(&words));
        }
        let mut next = scan.clone();
        // SCAN names the cursor first, SSCAN, HSCAN and ZSCAN a key before.
        let at = if scan[0].len() == "SCAN".len() { 1 } else { 2 };
        next[at].clone_from(cursor);
        // SSCAN, HSCAN and ZSCAN name a key first.
        let place = if scan[0].eq_ignore_ascii_case(b"SCAN") {
            1
        } else {
            2
        };
        next[place].clone_from(cursor);
        client.send_raw(&encode(&next))?;
        reply = client.reply_raw()?;
    }
}

/// The number of commands that go into the next write.
///
/// Redis 8.2.3 loses the reply to a failed AUTH when a reply before it still waits to be sent, so
/// these commands travel alone. So does a walk, which goes on before the next command.
fn write_len(commands: &[(Compare, Command)], depth: usize) -> usize {
    let alone = |command: &Command| {
        command[0].eq_ignore_ascii_case(b"AUTH") || command[0].eq_ignore_ascii_case(b"HELLO")
    };
    let together = commands
        .iter()
        .take(depth)
        .take_while(|(how, command)| *how != Compare::Walk && !alone(command))
        .count();
    together.max(1)
}

/// Whether a command takes a set in the order of its table, and of the part that LIMIT names. A list
/// has an order of its own, which the suite of Redis looks at.
fn is_unsorted(command: &Command) -> bool {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let sorts = command.first();
    sorts.is_some_and(|word| is(word, "SORT") || is(word, "SORT_RO"))
        && command
            .iter()
            .any(|word| !word.contains(&b'*') && word.starts_with(b"nosort"))
}

fn same_count(ours: &[u8], real: &[u8]) -> bool {
    ours[0] == b'*' && real[0] == b'*' && value(ours).items().len() == value(real).items().len()
}

/// A digest includes an overdue key until it is removed, which takes longer in Redis. So the key
/// is accessed first, and removed on both.
fn looks_first(command: &Command) -> Option<Command> {
    let is_digest = command.len() > 2 && command[1].eq_ignore_ascii_case(b"DIGEST-VALUE");
    is_digest.then(|| [&[b"EXISTS".to_vec()], &command[2..]].concat())
}

/// Runs the commands on both servers up to the first difference.
fn compare(pair: &Pair, manner: Manner, commands: &[(Compare, Command)]) -> Option<Difference> {
    let [mut ours, mut real] = pair.fresh(manner.proto);
    let mut start = 0;
    while start < commands.len() {
        let chunk = &commands[start..start + write_len(&commands[start..], manner.depth)];
        let told = chunk.iter().flat_map(|(_, command)| {
            let look = looks_first(command).map(|look| encode(&look));
            look.into_iter().flatten().chain(encode(command))
        });
        let bytes: Vec<u8> = told.collect();
        // A server that hung up shows in its missing replies.
        let _ = (ours.send_raw(&bytes), real.send_raw(&bytes));
        for (i, (how, command)) in chunk.iter().enumerate() {
            if looks_first(command).is_some() {
                let _ = (ours.reply_raw(), real.reply_raw());
            }
            let mut replies = [ours.reply_raw(), real.reply_raw()];
            if *how == Compare::Walk
                && let [Ok(a), Ok(b)] = replies
            {
                replies = [walk(&mut ours, command, a), walk(&mut real, command, b)];
            }
            if let [Ok(a), Ok(b)] = &replies
                && (same(*how, a, b) || is_unsorted(command) && same_count(a, b))
            {
                continue;
            }
            let replies = replies.map(|reply| match reply {
                Ok(bytes) => bytes.escape_ascii().to_string(),
                Err(error) => format!("no reply: {error}"),
            });
            return Some(Difference {
                at: start + i,
                replies,
            });
        }
        start += chunk.len();
    }
    None
}

type Commands = [(Compare, Command)];

/// Leaves out commands, last first, as long as `differs` at the last one.
fn shrink(
    commands: &[(Compare, Command)],
    differs: &dyn Fn(&Commands) -> bool,
) -> Vec<(Compare, Command)> {
    let mut kept = commands.to_vec();
    let mut step = kept.len() / 2;
    let mut runs = 0;
    while step > 0 {
        let mut end = kept.len() - 1;
        while end > 0 && runs < SHRINK_RUNS {
            let start = end.saturating_sub(step);
            let mut fewer = kept.clone();
            fewer.drain(start..end);
            runs += 1;
            if differs(&fewer) {
                kept = fewer;
            }
            end = start;
        }
        step /= 2;
    }
    kept
}

/// Questions about every key at the end of a batch, so that no quiet damage passes.
fn audit() -> Vec<(Compare, Command)> {
    let ask = |how, words: &[&[u8]]| (how, words.iter().map(|w| w.to_vec()).collect::<Command>());
    let mut questions = vec![
        // It may still count what is overdue, or not any more.
        ask(Compare::Any, &[b"DBSIZE"]),
        ask(Compare::Unordered, &[b"KEYS", b"*"]),
        ask(Compare::Walk, &[b"SCAN", b"0", b"COUNT", b"3"]),
    ];
    // A digest of everything would count what is overdue and not yet found.
    for key in grammar::KEYS {
        questions.push(ask(Compare::Exact, &[b"DEBUG", b"DIGEST-VALUE", key]));
        questions.push(ask(Compare::Exact, &[b"GET", key]));
        questions.push(ask(Compare::Exact, &[b"OBJECT", b"ENCODING", key]));
        questions.push(ask(Compare::Within(5_000), &[b"PTTL", key]));
    }
    // Of one key, a random one is no longer random.
    questions.push(ask(Compare::Exact, &[b"FLUSHDB"]));
    questions.push(ask(Compare::Exact, &[b"SET", b"only", b"one"]));
    questions.push(ask(Compare::Exact, &[b"RANDOMKEY"]));
    questions
}

fn batch(seed: u64, families: &[&Family]) -> Vec<(Compare, Command)> {
    // Mostly one family at a time, so that its commands meet; now and then all of them.
    let mut generator = Generator::new(seed);
    let chosen = usize::try_from(seed).expect("64 bits") % (families.len() + 1);
    let templates: Vec<&Template> = families
        .iter()
        .enumerate()
        .filter(|(i, _)| chosen == families.len() || chosen == *i)
        .flat_map(|(_, family)| family.1)
        .filter(|template| chosen < families.len() || !template.1.starts_with(SCATTERS))
        .collect();
    let mut commands: Vec<_> = (0..BATCH).map(|_| generator.command(&templates)).collect();
    commands.extend(audit());
    commands
}

#[test]
fn replies_equal_those_of_redis() {
    if let Some(pair) = Pair::start() {
        compare_families(&pair, FAMILIES, setting("REDWHEEL_DIFF_COMMANDS", 20_000));
    }
}

#[test]
fn replies_to_newer_commands_equal_those_of_redis() {
    if let Some(pair) = Pair::start() {
        for families in [NEWER, NEWER_STREAMS] {
            compare_families(
                &pair,
                families,
                setting("REDWHEEL_DIFF_COMMANDS", 20_000) / 4,
            );
        }
    }
}

#[test]
fn replies_to_array_commands_equal_those_of_redis() {
    if let Some(pair) = Pair::start() {
        compare_families(&pair, ARRAYS, setting("REDWHEEL_DIFF_COMMANDS", 20_000) / 4);
    }
}

/// Runs so many random commands of these families, or of the one that the environment names, on both
/// servers.
fn compare_families(pair: &Pair, families: &'static [Family], commands: u64) {
    let only = std::env::var("REDWHEEL_DIFF_FAMILY").ok();
    let families: Vec<&Family> = families
        .iter()
        .filter(|f| only.as_deref().is_none_or(|name| name == f.0))
        .collect();
    if families.is_empty() {
        return;
    }
    let first = setting("REDWHEEL_DIFF_SEED", 1);
    let batches = commands.div_ceil(BATCH as u64);
    for seed in first..first + batches {
        // Every third batch in pipelines, where a server may look ahead.
        let depth = if seed % 3 == 0 { 24 } else { 1 };
        let manner = Manner {
            proto: 2 + (seed / 5) % 2,
            depth,
        };
        let commands = batch(seed, &families);
        let Some(found) = compare(pair, manner, &commands) else {
            continue;
        };
        if found.replies[0].starts_with("no reply") {
            eprintln!("the log of ours:\n{}", pair.ours.log());
        }
        // Shrinking takes a while where a reply is missing.
        eprintln!(
            "seed {seed}: {} differs, shrinking\n{:?}",
            shown(&commands[found.at].1),
            found.replies
        );
        let tail = shrink(&commands[..=found.at], &|fewer| {
            compare(pair, manner, fewer).is_some_and(|d| d.at == fewer.len() - 1)
        });
        let replies = compare(pair, manner, &tail).map_or(found.replies, |d| d.replies);
        let lines: Vec<_> = tail
            .iter()
            .map(|(_, command)| format!("  {}", shown(command)))
            .collect();
        panic!(
            "a reply differs (REDWHEEL_DIFF_SEED={seed}, RESP{}, pipeline {depth}, command {} of the batch)\n{}\nours: {}\nreal: {}",
            manner.proto,
            found.at,
            lines.join("\n"),
            replies[0],
            replies[1]
        );
    }
}
