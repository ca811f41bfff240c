//! The same random commands to us and to a real Redis: what goes into the log must be the same.
//!
//! Both keep a log of plain commands. After each command the bytes that each server appended are
//! held against each other: the same commands in the same order with the same words, where moments
//! may differ by as much as the servers were asked apart. Some commands come in transactions, some
//! in scripts. At the end each server starts from the other's log.
//!
//! REDWHEEL_DIFF_LOGGED says how many commands (3000), REDWHEEL_DIFF_SEED where to start.

use super::families::FAMILIES;
use super::families_newer_streams::NEWER_STREAMS;
use super::grammar::{Command, Compare, Generator, Template};
use super::rng::Rng;
use super::support::client::{Client, encode, parse};
use super::support::server::Server;
use super::{DEBUG, Pair, setting, shown, shrink};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::thread::sleep;
use std::time::Duration;

const LOGGED: &[&str] = &[
    "--appendonly",
    "yes",
    "--appendfsync",
    "no",
    "--aof-use-rdb-preamble",
    "no",
    "--auto-aof-rewrite-percentage",
    "0",
];
/// Their commands are about connections and the server itself.
const NO_DATA: &[&str] = &["connection", "server"];
/// Commands on one state.
pub const BATCH: usize = 150;
/// Milliseconds between the two servers.
const SLACK: i64 = 5_000;
/// Runs the commands in its arguments: the number of words, the words, and so on.
const SCRIPT: &str = "local i = 1 while i <= #ARGV do local n = tonumber(ARGV[i]) \
    redis.pcall(unpack(ARGV, i + 1, i + n)) i = i + n + 1 end return 1";

/// The end of a server's log.
struct Tail {
    file: File,
}

impl Tail {
    fn of(server: &Server) -> Tail {
        let path = server.path();
        let path = path.join("appendonlydir/appendonly.aof.1.incr.aof");
        let mut file = File::open(path).expect("the server has opened it");
        file.seek(SeekFrom::End(0)).expect("a file has an end");
        Tail { file }
    }

    /// The commands that were appended since the last time.
    fn fresh(&mut self) -> Vec<Command> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).expect("it can be read");
        let (mut at, mut commands) = (0, Vec::new());
        while at < bytes.len() {
            let (value, len) = parse(&bytes[at..]).expect("a log holds whole commands");
            let words = value.items();
            commands.push(words.iter().map(word).collect());
            at += len;
        }
        commands
    }
}

fn word(value: &super::support::client::Value) -> Vec<u8> {
    match value {
        super::support::client::Value::Bulk(bytes) => bytes.clone(),
        other => panic!("a word of a log is a bulk string, not {other:?}"),
    }
}

fn same_commands(ours: &[Command], real: &[Command]) -> bool {
    ours.len() == real.len()
        && std::iter::zip(ours, real).all(|(ours, real)| {
            ours.len() == real.len() && std::iter::zip(ours, real).all(|(a, b)| near(a, b))
        })
}

/// Commands that we log and Redis does not: consumers that got nothing, deliveries that were
/// repeated. Without these, and without the transaction that holds them together, both logs are
/// the same.
fn same_but_for_groups(command: &Command, ours: &[Command], real: &[Command]) -> bool {
    let words: Vec<Vec<u8>> = command
        .iter()
        .map(|word| word.to_ascii_lowercase())
        .collect();
    let about_groups = [b"xreadgroup".as_slice(), b"xclaim", b"xautoclaim"];
    let asked = |word: &Vec<u8>| about_groups.contains(&word.as_slice());
    if !words.iter().any(asked) && words[0] != b"exec" {
        return false;
    }
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let is_frame = |command: &&Command| is(&command[0], "multi") || is(&command[0], "exec");
    let is_extra = |command: &Command| {
        is(&command[0], "xclaim") || command.get(1).is_some_and(|w| is(w, "createconsumer"))
    };
    let mut real = real.iter().filter(|c| !is_frame(c)).peekable();
    for told in ours.iter().filter(|c| !is_frame(c)) {
        let expected =
            real.next_if(|r| same_commands(std::slice::from_ref(told), std::slice::from_ref(*r)));
        if expected.is_none() && !is_extra(told) {
            return false;
        }
    }
    real.next().is_none()
}

/// Whether two words are equal, or moments in milliseconds that lie close together; the moment may
/// be that of an id.
fn near(ours: &[u8], real: &[u8]) -> bool {
    let moment = |word: &[u8]| {
        let digits = word.split(|&b| b == b'-').next()?;
        let n: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (n > 1_000_000_000_000).then_some(n)
    };
    ours == real
        || matches!((moment(ours), moment(real)), (Some(a), Some(b)) if (a - b).abs() <= SLACK)
}

/// The commands appended by each server, where they differ.
struct Difference {
    at: usize,
    logs: [Vec<Command>; 2],
}

fn run(clients: &mut [Client; 2], tails: &mut [Tail; 2], command: &Command) -> [Vec<Command>; 2] {
    let bytes = encode(command);
    for client in clients {
        client.send_raw(&bytes).expect("the server listens");
        // The reply comes after the log was written.
        client.reply_raw().expect("the server replies");
    }
    let [ours, real] = tails;
    [ours.fresh(), real.fresh()]
}

fn compare(pair: &Pair, commands: &[(Compare, Command)]) -> Option<Difference> {
    let mut clients = pair.fresh(2);
    for client in &mut clients {
        // When the due are found is a matter of its own: see `what_time_ends_is_logged`.
        client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    }
    let mut tails = [Tail::of(&pair.ours), Tail::of(&pair.real)];
    for (at, (_, command)) in commands.iter().enumerate() {
        let logs = run(&mut clients, &mut tails, command);
        if !same_commands(&logs[0], &logs[1]) && !same_but_for_groups(command, &logs[0], &logs[1]) {
            return Some(Difference { at, logs });
        }
    }
    None
}

fn words(text: &str) -> Command {
    text.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// Whether a command's log is deterministic: no random choices, no connection that ends in the
/// middle.
fn is_logged(command: &Command) -> bool {
    let name = command[0].to_ascii_uppercase();
    !matches!(
        name.as_slice(),
        b"SPOP" | b"QUIT" | b"RESET" | b"HELLO" | b"SHUTDOWN" | b"DEBUG" | b"CONFIG"
    )
}

/// Commands of one family, some in transactions and scripts.
pub fn batch_of(family: &str, seed: u64) -> Vec<(Compare, Command)> {
    let all = FAMILIES.iter().chain(NEWER_STREAMS);
    let families = all.filter(|known| known.0 == family);
    batch_from(
        seed,
        &families.flat_map(|family| family.1).collect::<Vec<_>>(),
    )
}

pub fn batch(seed: u64) -> Vec<(Compare, Command)> {
    let families: Vec<_> = FAMILIES
        .iter()
        .filter(|family| !NO_DATA.contains(&family.0))
        .collect();
    let chosen = seed as usize % (families.len() + 2);
    let templates: Vec<&Template> = families
        .iter()
        .enumerate()
        .filter(|(i, _)| chosen >= families.len() || chosen == *i)
        .flat_map(|(_, family)| family.1)
        .collect();
    batch_from(seed, &templates)
}

fn batch_from(seed: u64, templates: &[&'static Template]) -> Vec<(Compare, Command)> {
    let mut generator = Generator::new(seed);
    let mut rng = Rng::new(seed ^ 0x5ca1_ab1e);
    let mut next = || loop {
        let command = generator.command(templates).1;
        if is_logged(&command) {
            return command;
        }
    };
    let mut commands: Vec<Command> = Vec::new();
    while commands.len() < BATCH {
        if rng.one_in(12) {
            commands.push(words("MULTI"));
            commands.extend((0..rng.below(5)).map(|_| next()));
            commands.push(words("EXEC"));
        } else if rng.one_in(12) {
            let mut script = words("EVAL S 0");
            script[1] = SCRIPT.into();
            for _ in 0..1 + rng.below(4) {
                let command = next();
                script.push(command.len().to_string().into_bytes());
                script.extend(command);
            }
            commands.push(script);
        } else {
            commands.push(next());
        }
    }
    let command = |command| (Compare::Exact, command);
    commands.into_iter().map(command).collect()
}

fn logged_pair() -> Option<Pair> {
    Pair::start_with(&[DEBUG, LOGGED].concat())
}

#[test]
fn logs_equal_those_of_redis() {
    let Some(mut pair) = logged_pair() else {
        return;
    };
    let first = setting("REDWHEEL_DIFF_SEED", 1);
    let batches = setting("REDWHEEL_DIFF_LOGGED", 3_000).div_ceil(BATCH as u64);
    for seed in first..first + batches {
        let commands = batch(seed);
        let Some(found) = compare(&pair, &commands) else {
            continue;
        };
        let tail = shrink(&commands[..=found.at], &|fewer| {
            compare(&pair, fewer).is_some_and(|found| found.at == fewer.len() - 1)
        });
        let found = compare(&pair, &tail).unwrap_or(found);
        let show = |commands: &[Command]| -> String {
            commands
                .iter()
                .map(|c| format!("  {}\n", shown(c)))
                .collect()
        };
        let tail: Vec<Command> = tail.into_iter().map(|(_, command)| command).collect();
        panic!(
            "a log differs (REDWHEEL_DIFF_SEED={seed})\n{}ours:\n{}real:\n{}",
            show(&tail),
            show(&found.logs[0]),
            show(&found.logs[1])
        );
    }
    exchange(&mut pair);
}

/// Each starts from the log of the other: all is there.
fn exchange(pair: &mut Pair) {
    let digest = |server: &Server| server.client().run("DEBUG DIGEST").text();
    let before = [digest(&pair.ours), digest(&pair.real)];
    pair.ours.kill();
    pair.real.kill();
    let folder = |server: &Server| server.path().join("appendonlydir");
    let aside = pair.real.path().join("aside");
    std::fs::rename(folder(&pair.real), &aside).expect("the folder is ours");
    std::fs::rename(folder(&pair.ours), folder(&pair.real)).expect("the folder is ours");
    std::fs::rename(&aside, folder(&pair.ours)).expect("the folder is ours");
    pair.ours.restart();
    pair.real.restart();
    assert_eq!(digest(&pair.real), before[0], "our log in Redis");
    assert_eq!(digest(&pair.ours), before[1], "the log of Redis here");
}

/// Groups of streams: what consumers were given, took over and lost.
#[test]
fn commands_of_groups_are_logged() {
    let Some(pair) = logged_pair() else { return };
    let mut clients = pair.fresh(2);
    let mut tails = [Tail::of(&pair.ours), Tail::of(&pair.real)];
    for text in [
        "XGROUP CREATE s g $ MKSTREAM",
        "XREADGROUP GROUP g a STREAMS s >",
        "XREADGROUP GROUP g b NOACK STREAMS s >",
        "XREADGROUP GROUP g c STREAMS s 0",
        "XREADGROUP GROUP g d NOACK STREAMS s 0",
        "XADD s 1-1 f v",
        "XADD s 2-1 f v",
        "XADD s 3-1 f v",
        "XADD s 4-1 f v",
        "XREADGROUP GROUP g e NOACK COUNT 1 STREAMS s >",
        "XREADGROUP GROUP g f COUNT 2 STREAMS s >",
        "XREADGROUP GROUP g f STREAMS s >",
        "XCLAIM s g h 0 2-1 3-1",
        "XCLAIM s g i 0 9-9",
        "XCLAIM s g i 0 9-9 LASTID 8-0",
        "XDEL s 2-1 3-1 4-1",
        "XCLAIM s g k 0 2-1",
        "XAUTOCLAIM s g l 0 0",
        "XAUTOCLAIM s g m 0 0",
        "XADD s 9-1 f v",
        "XREADGROUP GROUP g n BLOCK 5 STREAMS s >",
        "XREADGROUP GROUP g o BLOCK 5 STREAMS s >",
        "XGROUP SETID s g 3 ENTRIESREAD 2",
        "XACK s g 9-1",
        "XADD s MAXLEN ~ 10 LIMIT 5 11-1 f v",
        "XADD s MINID ~ 3 LIMIT 5 12-* f v",
        "XTRIM s MAXLEN ~ 0 LIMIT 10",
        "XTRIM s MAXLEN 0",
        "XADD t 99999999999999-1 f v",
        "XADD t 99999999999999-2 f v",
        "XADD t 99999999999999-3 f v",
        "XGROUP CREATE t g 0",
        "XREADGROUP GROUP g a COUNT 2 STREAMS t >",
        "XNACK t g FAIL IDS 1 99999999999999-2",
        "XNACK t g SILENT IDS 1 99999999999999-3",
        "XNACK t g FATAL IDS 2 99999999999999-3 99999999999999-9 FORCE RETRYCOUNT 4",
        "XREADGROUP GROUP g b CLAIM 0 COUNT 1 STREAMS t >",
        "XREADGROUP GROUP g c CLAIM 0 NOACK STREAMS t >",
        "XNACK t g FAIL IDS 1 99999999999999-2",
        "XDEL t 99999999999999-2",
        "XCLAIM t g c 0 99999999999999-2",
        "XNACK t g FAIL IDS 2 99999999999999-1 99999999999999-3",
        "XDEL t 99999999999999-1",
        "XAUTOCLAIM t g d 1000 0",
        "XADD t IDMP p i * f v",
        "XADD t IDMP p i MAXLEN 1 * f w",
        "XADD t IDMPAUTO p MAXLEN ~ 9 * f w",
        "XADD t NOMKSTREAM IDMPAUTO p * f w",
        "XIDMPRECORD t q i 99999999999999-3",
        "XIDMPRECORD t q i 99999999999999-3",
        "XCFGSET t IDMP-MAXSIZE 100",
        "XCFGSET t IDMP-MAXSIZE 7",
    ] {
        let command = words(text);
        let [ours, real] = run(&mut clients, &mut tails, &command);
        let same = same_commands(&ours, &real) || same_but_for_groups(&command, &ours, &real);
        assert!(same, "{text}\n{ours:?}\n{real:?}");
    }
}

/// A member that leaves by chance is named in the log; the last of them takes the key along.
#[test]
fn random_choices_are_logged_as_they_came_out() {
    let Some(pair) = logged_pair() else { return };
    let mut clients = pair.fresh(2);
    let mut tails = [Tail::of(&pair.ours), Tail::of(&pair.real)];
    for text in [
        "SADD s only",
        "SPOP s",
        "SADD s 1 2 3",
        "SPOP s 3",
        "SADD s 1 2 3",
        "SPOP s 9",
        "SADD s a",
        "SPOP s 1",
        "SADD s a a b",
        "SPOP s 0",
        "CONFIG SET lazyfree-lazy-server-del yes",
        "SPOP s 2",
        "CONFIG SET lazyfree-lazy-server-del no",
    ] {
        let [ours, real] = run(&mut clients, &mut tails, &words(text));
        assert_eq!(ours, real, "{text}");
    }
    // What it was is another matter than how it is said.
    run(&mut clients, &mut tails, &words("SADD s 1 2 3 4 5 6 7 8"));
    for text in ["SPOP s", "SPOP s 2", "SPOP s 4"] {
        let logs = run(&mut clients, &mut tails, &words(text));
        let shapes = logs.map(|log| -> Vec<_> {
            log.iter()
                .map(|c| (c[0].clone(), c[1].clone(), c.len()))
                .collect()
        });
        assert_eq!(shapes[0], shapes[1], "{text}");
    }
}

/// Keys and fields that expire, in the background and on access.
#[test]
fn expirations_are_logged() {
    let Some(pair) = logged_pair() else { return };
    let mut clients = pair.fresh(2);
    let mut tails = [Tail::of(&pair.ours), Tail::of(&pair.real)];
    let mut round = |lines: &[&str], wait_ms: u64| {
        let mut logs = [Vec::new(), Vec::new()];
        for text in lines {
            let fresh = run(&mut clients, &mut tails, &words(text));
            for (log, fresh) in logs.iter_mut().zip(fresh) {
                log.extend(fresh);
            }
        }
        sleep(Duration::from_millis(wait_ms));
        for (log, tail) in logs.iter_mut().zip(&mut tails) {
            log.extend(tail.fresh());
        }
        let [ours, real] = logs;
        assert!(
            same_commands(&ours, &real),
            "{lines:?}\nours {:?}\nreal {:?}",
            ours.iter().map(|c| shown(c)).collect::<Vec<_>>(),
            real.iter().map(|c| shown(c)).collect::<Vec<_>>()
        );
    };
    for lazily in ["yes", "no"] {
        let set = format!("CONFIG SET lazyfree-lazy-expire {lazily}");
        round(&[&set, "SET k v PX 30"], 400);
        round(&["HSET h a 1 b 2", "HPEXPIRE h 30 FIELDS 1 a"], 400);
        round(&["HPEXPIRE h 30 FIELDS 1 b"], 400);
        let set = format!("CONFIG SET lazyfree-lazy-server-del {lazily}");
        round(&[&set, "SADD s 1 2", "SPOP s 2", "SADD s a", "SPOP s"], 0);
        round(&["SET k v", "EXPIRE k -1", "SET k v", "GETEX k PXAT 1"], 0);
        round(&["SET k v", "GETDEL k"], 0);
        // Overdue keys are removed on access only.
        round(&["DEBUG SET-ACTIVE-EXPIRE 0", "SET k v PX 10"], 30);
        round(&["GET k", "SET k v PX 10"], 30);
        round(&["SET k w", "PEXPIRE k 10"], 30);
        round(&["INCR k", "SET k v PXAT 1", "SET k v"], 30);
        round(&["INCR k", "PEXPIRE k 10"], 30);
        round(
            &["MULTI", "GET k", "SET other 1", "EXEC", "SET k v PX 10"],
            30,
        );
        round(&["EVAL redis.call('get','k')redis.call('set','o',1) 0"], 0);
        round(&["HSET h a 1 b 2", "HPEXPIRE h 10 FIELDS 2 a b"], 30);
        round(&["HGETALL h", "HGET h a", "HSET h c 1"], 0);
        round(&["SET k v PX 10", "RPUSH l 1", "PEXPIRE l 10"], 30);
        round(&["RENAME k m", "RPUSH l 2", "EXISTS k l", "DEL k l"], 0);
        round(&["DEBUG SET-ACTIVE-EXPIRE 1"], 400);
    }
}
