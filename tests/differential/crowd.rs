//! Several connections at once to us and to a real Redis 8.10.2, interleaved by a seeded schedule:
//! blocking commands, transactions, WATCH, Pub/Sub and client-side caching meet each other.
//!
//! Each step sends one command on one connection of both servers, waits until both have processed
//! it with all consequences, and compares the data on *every* connection: replies, pushes,
//! messages, and unblocked clients. A second test lets one connection run commands of all families
//! while others listen to every event and cache every key, so that it compares which keys each
//! command touches, which events it publishes, and in what order.
//!
//! REDWHEEL_CROWD_COMMANDS (6000) says how much, REDWHEEL_CROWD_SEED where to start.

use super::families::FAMILIES;
use super::grammar::Compare::Exact;
use super::grammar::{Command, Compare, Generator, KEYS, Template};
use super::rng::Rng;
use super::support::client::{Client, Value, encode, parse};
use super::support::server::Server;
use super::{Pair, setting, shown};
use std::time::Duration;

/// Connections that talk to each other.
const CROWD: usize = 5;
/// Commands on one state before both servers are emptied.
const BATCH: usize = 250;
/// The time that a flush of a few keys may take.
const FLUSH: Duration = Duration::from_millis(10);
/// Replays spent on shrinking a difference.
const SHRINK_RUNS: usize = 150;

/// A word that stands for the id of a connection of the crowd, whatever it is on each server.
const IDS: [&[u8]; CROWD] = [b"@0", b"@1", b"@2", b"@3", b"@4"];

/// The commands of the crowd. Patterns are few enough that no channel fits two of them, since a
/// client would get the same message for both in an order that Redis leaves to its tables.
static TALK: &[Template] = &[
    Template(Exact, "MULTI"),
    Template(Exact, "MULTI"),
    Template(Exact, "EXEC"),
    Template(Exact, "EXEC"),
    Template(Exact, "EXEC"),
    Template(Exact, "DISCARD"),
    Template(Exact, "WATCH ( {k} )"),
    Template(Exact, "WATCH {k}"),
    Template(Exact, "UNWATCH"),
    Template(Exact, "GET {k}"),
    Template(Exact, "GET {k}"),
    Template(Exact, "MGET ( {k} )"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "SET {k} {v}"),
    Template(Exact, "APPEND {k} {v}"),
    Template(Exact, "INCR {k}"),
    Template(Exact, "DEL ( {k} )"),
    Template(Exact, "RENAME {k} {k}"),
    Template(Exact, "COPY {k} {k} REPLACE"),
    Template(Exact, "PEXPIREAT {k} < 1 | 9000000000000 >"),
    Template(Exact, "PERSIST {k}"),
    Template(Exact, "RPUSH {k} ( {e} )"),
    Template(Exact, "LPUSH {k} ( {e} )"),
    Template(Exact, "RPUSH {k} {e}"),
    Template(Exact, "LPOP {k}"),
    Template(Exact, "LRANGE {k} 0 -1"),
    Template(Exact, "BLPOP ( {k} ) 0"),
    Template(Exact, "BRPOP {k} 0"),
    Template(Exact, "BLMOVE {k} {k} LEFT RIGHT 0"),
    Template(Exact, "BRPOPLPUSH {k} {k} 0"),
    Template(Exact, "BLMPOP 0 2 {k} {k} LEFT COUNT 2"),
    Template(Exact, "ZADD {k} 1 a 2 b 3 c"),
    Template(Exact, "BZPOPMIN ( {k} ) 0"),
    Template(Exact, "ZRANGE {k} 0 -1"),
    Template(Exact, "SADD {k} a b"),
    Template(Exact, "SISMEMBER {k} a"),
    Template(Exact, "HSET {k} f {v}"),
    Template(Exact, "HGET {k} f"),
    Template(Exact, "HDEL {k} f"),
    Template(Exact, "XADD {k} * f v"),
    Template(Exact, "XLEN {k}"),
    Template(Exact, "XREAD BLOCK 0 STREAMS {k} 99999999999999"),
    Template(Exact, "SORT {k} BY nosort STORE {k}"),
    Template(Exact, "FLUSHALL ASYNC"),
    Template(Exact, "FLUSHDB ASYNC"),
    Template(Exact, "SWAPDB {db} {db}"),
    Template(Exact, "SELECT {db}"),
    Template(Exact, "MOVE {k} {db}"),
    Template(Exact, "SUBSCRIBE ( < c1 | c2 | c3 > )"),
    Template(
        Exact,
        "SUBSCRIBE < c1 | __keyspace@0__:a | __keyevent@0__:set >",
    ),
    Template(Exact, "PSUBSCRIBE < c* | __keyevent* | __keyspace* >"),
    Template(Exact, "SSUBSCRIBE < c1 | c2 >"),
    Template(Exact, "UNSUBSCRIBE < c1 | c2 | c3 | __keyspace@0__:a >"),
    Template(Exact, "PUNSUBSCRIBE < c* | __keyevent* | __keyspace* >"),
    Template(Exact, "SUNSUBSCRIBE < c1 | c2 >"),
    Template(Exact, "PUBLISH < c1 | c2 | c3 | x > {v}"),
    Template(Exact, "PUBLISH < c1 | c2 | c3 | x > {v}"),
    Template(Exact, "SPUBLISH < c1 | c2 | x > {v}"),
    Template(Exact, "PUBSUB NUMSUB c1 c2 c3"),
    Template(Exact, "PUBSUB NUMPAT"),
    Template(Exact, "PUBSUB SHARDNUMSUB c1 c2"),
    Template(Exact, "PING [ x ]"),
    Template(Exact, "HELLO < 2 | 3 | 3 | 3 >"),
    Template(Exact, "RESET"),
    Template(Exact, "CLIENT REPLY < ON | ON | OFF | SKIP >"),
    Template(Exact, "CLIENT REPLY ON"),
    Template(Exact, "CLIENT TRACKING ON [ NOLOOP ]"),
    Template(Exact, "CLIENT TRACKING ON < OPTIN | OPTOUT > [ NOLOOP ]"),
    Template(
        Exact,
        "CLIENT TRACKING ON BCAST [ NOLOOP ] [ PREFIX < a | key: | k > ]",
    ),
    Template(
        Exact,
        "CLIENT TRACKING ON REDIRECT < @0 | @1 | @2 | @3 | @4 >",
    ),
    Template(Exact, "CLIENT TRACKING OFF"),
    Template(Exact, "CLIENT TRACKING OFF"),
    Template(Exact, "CLIENT CACHING < YES | NO >"),
    Template(Exact, "CLIENT TRACKINGINFO"),
    Template(
        Exact,
        "CLIENT UNBLOCK < @0 | @1 | @2 | @3 | @4 > [ TIMEOUT | ERROR ]",
    ),
    Template(Exact, "QUIT"),
    Template(
        Exact,
        "CONFIG SET notify-keyspace-events < KEA | KEAm | Kg$ | El | KEA >",
    ),
];

/// Which connection says what.
#[derive(Clone, Debug)]
struct Step {
    member: usize,
    command: Command,
}

/// One server, and a crowd of connections to it.
struct Side {
    control: Client,
    crowd: Vec<Client>,
    ids: Vec<Vec<u8>>,
}

impl Side {
    fn new(server: &Server, events: &str) -> Side {
        let mut control = server.client();
        let events = format!("CONFIG SET notify-keyspace-events {events}");
        for line in ["FLUSHALL", &events] {
            assert_eq!(control.run(line), Value::Simple(b"OK".to_vec()));
        }
        let mut side = Side {
            control,
            crowd: Vec::new(),
            ids: Vec::new(),
        };
        (0..CROWD).for_each(|_| side.join(server));
        side
    }

    fn join(&mut self, server: &Server) {
        let mut client = server.client();
        self.ids.push(client.run("CLIENT ID").text().into_bytes());
        self.crowd.push(client);
    }

    /// Replaces a disconnected client.
    fn rejoin(&mut self, member: usize, server: &Server) {
        self.join(server);
        self.crowd.swap_remove(member);
        self.ids.swap_remove(member);
    }

    fn say(&mut self, step: &Step) {
        let mut command = step.command.clone();
        for word in &mut command {
            if let Some(member) = IDS.iter().position(|id| id == word) {
                word.clone_from(&self.ids[member]);
            }
        }
        // A lost connection shows in the missing reply.
        let _ = self.crowd[step.member].send_raw(&encode(&command));
    }

    /// All data received, once the server has processed the command: two turns of its loop later.
    fn received(&mut self) -> Vec<Received> {
        for _ in 0..2 {
            self.control.run("PING");
        }
        let take = |client: &mut Client| client.take_available();
        self.crowd.iter_mut().map(take).collect()
    }
}

/// The data received on a connection, and whether it ended.
type Received = (Vec<u8>, bool);

/// Removes the parts that cannot be the same on both servers: ids of clients and of stream
/// entries, and two orders.
///
/// Redis sends invalidations of a flush in the order of its list of clients, which its cron
/// rotates: when one connection receives them for several, their order is a matter of time. And
/// SORT reads the elements of a sorted set in the order of a table with a random seed, in which it
/// then misses the keys of their weights.
fn blur(bytes: &[u8], command: &Command) -> Vec<u8> {
    let mut rest = bytes;
    let mut frames = Vec::new();
    while let Some((value, used)) = (!rest.is_empty()).then(|| parse(rest)).flatten() {
        frames.push((unordered(&value, command), blurred(&value, &rest[..used])));
        rest = &rest[used..];
    }
    for run in frames.chunk_by_mut(|a, b| a.0 && b.0) {
        run.sort_unstable();
    }
    let mut out: Vec<u8> = frames.into_iter().flat_map(|frame| frame.1).collect();
    out.extend_from_slice(rest);
    out
}

/// Whether a frame has no order among its neighbours of the same kind.
fn unordered(value: &Value, command: &Command) -> bool {
    let (Value::Array(items) | Value::Push(items)) = value else {
        return false;
    };
    let word = |index: usize| items.get(index).map(Value::text).unwrap_or_default();
    let of_a_flush = word(0) == "tracking-redir-broken"
        || matches!(items.last(), Some(Value::Null | Value::NilBulk))
            && (word(0) == "invalidate" || word(1) == "__redis__:invalidate");
    let sorts = command[0].to_ascii_uppercase().starts_with(b"SORT");
    of_a_flush || sorts && items.iter().any(|item| item.text().ends_with("keymiss"))
}

/// The start of the error of an unknown class of events.
const BAD_CLASS: &[u8] =
    b"ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events')";

fn blurred(value: &Value, raw: &[u8]) -> Vec<u8> {
    let is_id = |text: &[u8]| text.len() > 13 && text.contains(&b'-') && text[0].is_ascii_digit();
    match value {
        Value::Map(pairs) if pairs.iter().any(|(key, _)| key.text() == "proto") => {
            b"HELLO".to_vec()
        }
        Value::Array(items) if items.first().is_some_and(|item| item.text() == "server") => {
            b"HELLO".to_vec()
        }
        // Newer versions know more classes of events.
        Value::Error(text) if text.starts_with(BAD_CLASS) => BAD_CLASS.to_vec(),
        Value::Bulk(text) if is_id(text) => b"an id".to_vec(),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            let (mut out, mut rest) = (format!("[{}", items.len()).into_bytes(), items.iter());
            let told = items.first().map(Value::text);
            if told.as_deref() == Some("tracking-redir-broken") {
                return b"broken".to_vec();
            }
            while let Some(item) = rest.next() {
                if item.text() == "redirect" {
                    rest.next();
                }
                out.push(b' ');
                out.extend_from_slice(&blurred(item, format!("{item:?}").as_bytes()));
            }
            out.push(match value {
                Value::Array(_) => b']',
                Value::Set(_) => b'}',
                _ => b'>',
            });
            out
        }
        Value::Map(pairs) => {
            let mut out = b"{".to_vec();
            for (key, item) in pairs {
                out.extend_from_slice(key.text().as_bytes());
                out.push(b'=');
                // The id of a connection.
                if key.text() != "redirect" {
                    out.extend_from_slice(&blurred(item, format!("{item:?}").as_bytes()));
                }
            }
            out.push(b'}');
            out
        }
        _ => raw.to_vec(),
    }
}

fn same(a: &Received, b: &Received, command: &Command) -> bool {
    let blur = |received: &Received| (blur(&received.0, command), received.1);
    a == b || blur(a) == blur(b)
}

/// The first difference of two servers.
struct Difference {
    at: usize,
    member: usize,
    received: [String; 2],
}

fn play(pair: &Pair, events: &str, steps: &[Step]) -> Option<Difference> {
    let servers = [&pair.ours, &pair.real];
    let mut sides = servers.map(|server| Side::new(server, events));
    for (at, step) in steps.iter().enumerate() {
        let command = &step.command;
        sides.iter_mut().for_each(|side| side.say(step));
        let [mut ours, mut real] = sides.each_mut().map(Side::received);
        if std::iter::zip(&ours, &real).any(|(a, b)| !same(a, b, command)) {
            // Redis empties databases on another thread, and replies when that is done.
            std::thread::sleep(FLUSH);
            let [more_ours, more_real] = sides.each_mut().map(Side::received);
            for (all, more) in [(&mut ours, more_ours), (&mut real, more_real)] {
                for (all, more) in std::iter::zip(all, more) {
                    all.0.extend(more.0);
                    all.1 |= more.1;
                }
            }
        }
        for (member, (a, b)) in std::iter::zip(&ours, &real).enumerate() {
            if !same(a, b, command) {
                let text = |received: &Received| {
                    format!(
                        "{}{}",
                        received.0.escape_ascii(),
                        if received.1 { " (end)" } else { "" }
                    )
                };
                let received = [text(a), text(b)];
                return Some(Difference {
                    at,
                    member,
                    received,
                });
            }
            if a.1 {
                for (side, server) in std::iter::zip(&mut sides, servers) {
                    side.rejoin(member, server);
                }
            }
        }
    }
    None
}

fn shrink(pair: &Pair, events: &str, steps: &[Step]) -> Vec<Step> {
    let mut kept = steps.to_vec();
    let (mut step, mut runs) = (kept.len() / 2, 0);
    while step > 0 {
        let mut end = kept.len() - 1;
        while end > 0 && runs < SHRINK_RUNS {
            let start = end.saturating_sub(step);
            let mut fewer = kept.clone();
            fewer.drain(start..end);
            runs += 1;
            if play(pair, events, &fewer).is_some_and(|found| found.at == fewer.len() - 1) {
                kept = fewer;
            }
            end = start;
        }
        step /= 2;
    }
    kept
}

/// A command whose replies come in an order that Redis leaves to its tables, or name a connection.
fn is_unfit(command: &Command) -> bool {
    let ends_all = command.len() == 1 && command[0].to_ascii_lowercase().ends_with(b"unsubscribe");
    // A flush that waits for its end lasts as long as it likes.
    let waits = command.len() == 1 && command[0].to_ascii_lowercase().starts_with(b"flush");
    ends_all
        || waits
        || command
            .get(1)
            .is_some_and(|word| IDS.contains(&word.as_slice()))
}

/// A difference with the fewest steps that lead to it.
fn report(pair: &Pair, events: &str, seed: u64, steps: &[Step], found: Difference) -> String {
    eprintln!(
        "seed {seed}: {} differs, shrinking",
        line_of(&steps[found.at])
    );
    let tail = shrink(pair, events, &steps[..=found.at]);
    let found = play(pair, events, &tail).unwrap_or(found);
    let lines: Vec<_> = tail.iter().map(line_of).collect();
    format!(
        "connection {} receives something else (REDWHEEL_CROWD_SEED={seed})\n{}\nours: {}\nreal: {}",
        found.member,
        lines.join("\n"),
        found.received[0],
        found.received[1]
    )
}

/// Plays every batch and prints the first few differences.
fn compare(events: &str, steps_of: impl Fn(u64) -> Vec<Step>) {
    let Some(pair) = Pair::start() else { return };
    let first = setting("REDWHEEL_CROWD_SEED", 1);
    let batches = setting("REDWHEEL_CROWD_COMMANDS", 6_000).div_ceil(BATCH as u64);
    let most = setting("REDWHEEL_CROWD_REPORTS", 3) as usize;
    let mut reports = Vec::new();
    for seed in first..first + batches {
        let steps = steps_of(seed);
        if let Some(found) = play(&pair, events, &steps) {
            reports.push(report(&pair, events, seed, &steps, found));
        }
        if reports.len() == most {
            break;
        }
    }
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
}

#[test]
fn a_crowd_receives_the_same_as_from_redis() {
    let templates: Vec<&Template> = TALK.iter().collect();
    compare("KEA", |seed| {
        let (mut generator, mut rng) = (Generator::new(seed), Rng::new(seed ^ 0xC0FFEE));
        let mut steps = Vec::new();
        // Some begin in RESP3, where pushes may come at any time.
        for member in (0..CROWD).filter(|_| rng.one_in(2)) {
            let command = [b"HELLO".to_vec(), b"3".to_vec()].into();
            steps.push(Step { member, command });
        }
        while steps.len() < BATCH {
            let command = generator.command(&templates).1;
            let member = rng.below(CROWD);
            if !is_unfit(&command) {
                steps.push(Step { member, command });
            }
        }
        steps
    });
}

#[test]
fn commands_touch_and_publish_the_same_as_in_redis() {
    let line = |member, text: &str| Step {
        member,
        command: text
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect(),
    };
    compare("KEAmnoc", |seed| {
        let family = &FAMILIES[seed as usize % FAMILIES.len()];
        let templates: Vec<&Template> = family
            .1
            .iter()
            .filter(|template| matches!(template.0, Compare::Exact))
            .filter(|template| !tells_of_itself(template.1) && !takes_time(template.1))
            .collect();
        if templates.is_empty() {
            return Vec::new();
        }
        let mut generator = Generator::new(seed);
        let mut steps = vec![
            line(1, "PSUBSCRIBE __key*"),
            line(2, "HELLO 3"),
            line(2, "CLIENT TRACKING ON BCAST"),
            line(3, "HELLO 3"),
            line(3, "CLIENT TRACKING ON"),
            line(3, "PSUBSCRIBE __key*"),
        ];
        let mut all: Command = vec![b"TOUCH".to_vec()];
        all.extend(KEYS.iter().map(|key| key.to_vec()));
        while steps.len() < BATCH {
            let command = generator.command(&templates).1;
            if !tells_of_itself(&String::from_utf8_lossy(&command[0]))
                && !is_past(&command)
                && !is_lost(&command)
            {
                // One client gets both, events and invalidations, and so shows their order.
                let command = std::iter::once((3, all.clone())).chain([(0, command)]);
                steps.extend(command.map(|(member, command)| Step { member, command }));
            }
        }
        steps
    });
}

/// Commands whose replies depend on timing.
fn takes_time(line: &str) -> bool {
    ["0.001", "0.01", "{wait}", "BLOCK"]
        .iter()
        .any(|word| line.contains(word))
}

/// A key that is overdue from the start is removed by the first access.
fn is_past(command: &Command) -> bool {
    command.windows(2).any(|pair| {
        let at = pair[0].eq_ignore_ascii_case(b"PXAT") || pair[0].eq_ignore_ascii_case(b"EXAT");
        at && (pair[1].len() < 10 || pair[1].starts_with(b"1"))
    })
}

/// A cursor that no SCAN gave finds what a table with a random seed has there; and what was to be
/// refused may have become a draw.
fn is_lost(command: &Command) -> bool {
    let name = String::from_utf8_lossy(&command[0]).to_uppercase();
    name == "SCAN" && command.get(1).is_some_and(|at| at.len() > 2)
        || name.contains("RAND")
        || name == "SPOP" && command.len() == 2
}

/// A step as the report shows it: long words are cut.
fn line_of(step: &Step) -> String {
    let words = step.command.iter().map(|word| match word.len() {
        0..=60 => word.clone(),
        len => [&word[..20], format!("... {len} bytes").as_bytes()].concat(),
    });
    format!("  {}: {}", step.member, shown(&words.collect::<Vec<_>>()))
}

/// Commands that are about connections or the server, not about keys.
fn tells_of_itself(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default().to_uppercase();
    let others = [
        "CLIENT", "CONFIG", "DEBUG", "HELLO", "RESET", "AUTH", "QUIT", "SELECT", "COMMAND", "INFO",
        "MONITOR", "OBJECT", "MEMORY", "LATENCY", "SLOWLOG", "ACL",
    ];
    others.contains(&word.as_str())
}
