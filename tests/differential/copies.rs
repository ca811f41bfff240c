//! A primary and its replicas under random commands: all have the same data, in every mix of
//! servers.
//!
//! Three chains are tried: ours behind Redis, Redis behind ours, and Redis behind ours behind
//! ours. Commands go to the primary as in `logs`, some in transactions and scripts; after each
//! batch digests are compared, and what XINFO STREAM FULL shows of streams where we are the
//! primary. Now and then links break, or the history gets another name, so that parts of the
//! stream and whole snapshots are sent again, over the RDB channel or without it.
//!
//! REDWHEEL_DIFF_COPIED says how many commands (1500) for each chain, REDWHEEL_DIFF_SEED where to
//! start.

use super::logs::{self, BATCH};
use super::rng::Rng;
use super::support::client::{Client, Value, encode};
use super::support::oracle;
use super::support::server::Server;
use super::{DEBUG, setting, shown};
use crate::support::ask::await_info;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The time limit for replicas to have all data.
const PATIENCE: Duration = Duration::from_secs(30);

const OPTIONS: &[&str] = &[
    "--repl-diskless-sync-delay",
    "0",
    "--repl-ping-replica-period",
    "1",
    "--save",
    "",
];

/// Servers of which each follows the one before it.
struct Chain {
    servers: Vec<Server>,
    clients: Vec<Client>,
}

impl Chain {
    fn of(servers: Vec<Server>) -> Chain {
        let clients: Vec<Client> = servers.iter().map(Server::client).collect();
        let mut chain = Chain { servers, clients };
        for at in 1..chain.servers.len() {
            let port = chain.servers[at - 1].port;
            let line = format!("REPLICAOF 127.0.0.1 {port}");
            chain.clients[at].run(&line);
            chain.await_link(at);
        }
        chain
    }

    fn await_link(&mut self, at: usize) {
        await_info(&mut self.clients[at], "master_link_status", "up");
    }

    fn digests(&mut self) -> Vec<String> {
        let digest = |client: &mut Client| client.run("DEBUG DIGEST").text();
        self.clients.iter_mut().map(digest).collect()
    }

    /// Whether all come to have the same, in time.
    fn agree(&mut self) -> Result<(), Vec<String>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let digests = self.digests();
            if digests.iter().all(|digest| *digest == digests[0]) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(digests);
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// The links' latest log lines, and the values that differ.
    fn story(&mut self) -> String {
        let mut told = String::new();
        for server in &self.servers {
            let log = server.log();
            let lines: Vec<&str> = log.lines().collect();
            told += &lines[lines.len().saturating_sub(40)..].join("\n");
            told += "\n----\n";
        }
        for client in &mut self.clients {
            for db in 0..16 {
                client.run(&format!("SELECT {db}"));
                for key in client.run("KEYS *").items() {
                    let name = key.text();
                    let digest = client.call(&["DEBUG", "DIGEST-VALUE", &name]);
                    let ttl = client.call(&["PEXPIRETIME", &name]).text();
                    told += &format!("{db} {name:?} {digest:?} {ttl}\n");
                }
            }
            told += "----\n";
        }
        told
    }

    /// Disturbs a random link.
    fn disturb(&mut self, rng: &mut Rng) {
        let at = rng.below(self.clients.len());
        let line = match rng.below(8) {
            0 => "CLIENT KILL TYPE master",
            1 => "CLIENT KILL TYPE replica",
            2 => "DEBUG CHANGE-REPL-ID",
            3 => "CONFIG SET repl-rdb-channel no",
            4 => "CONFIG SET repl-rdb-channel yes",
            _ => return,
        };
        // The name of a history is its primary's to change.
        let at = if line.starts_with("DEBUG") { 0 } else { at };
        self.clients[at].run(line);
    }
}

/// Fields that Redis before 8.8 does not show, or counts otherwise.
const NEWER: &[&str] = &[
    "radix-tree-nodes",
    "idmp-duration",
    "idmp-maxsize",
    "pids-tracked",
    "iids-tracked",
    "iids-added",
    "iids-duplicates",
    "nacked-count",
];

/// All that XINFO shows of the streams in database 0 but these fields, with moments left out: they
/// are those of the command here, and of its coming there. `lag` can be negative in Redis.
fn streams(client: &mut Client, without: &[&str]) -> Vec<String> {
    client.run("SELECT 0");
    let keys = client.run("KEYS *").items();
    let mut shown: Vec<String> = keys
        .iter()
        .filter_map(|key| {
            let Value::Bulk(name) = key else { return None };
            let mut ask = |words: &[&[u8]]| client.call(words);
            if ask(&[b"TYPE", name]).text() != "stream" {
                return None;
            }
            let told = ask(&[b"XINFO", b"STREAM", name, b"FULL", b"COUNT", b"0"]);
            Some(format!("{key:?} {}", without_moments(&told, without)))
        })
        .collect();
    shown.sort();
    shown
}

/// A reply as text. A moment is a number of milliseconds since 1970 that no id is part of.
fn without_moments(reply: &Value, without: &[&str]) -> String {
    const MOMENT: i64 = 1_000_000_000_000;
    match reply {
        Value::Int(n) if *n > MOMENT => "(moment)".to_owned(),
        Value::Array(items) => {
            let is_left_out = |name: &str| name == "lag" || without.contains(&name);
            let left_out = |at: usize| items.get(at).is_some_and(|it| is_left_out(&it.text()));
            let texts: Vec<String> = (0..items.len())
                .filter(|&at| !(left_out(at) || at > 0 && left_out(at - 1)))
                .map(|at| without_moments(&items[at], without))
                .collect();
            format!("[{}]", texts.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// A change that Redis makes to a broken HyperLogLog before it returns the error is not
/// propagated: there even Redis behind Redis differs.
fn is_broken(command: &[Vec<u8>]) -> bool {
    command
        .iter()
        .any(|word| word.starts_with(b"HYLL") || word.eq_ignore_ascii_case(b"pfdebug"))
}

fn ours() -> Server {
    Server::ours().with(DEBUG).with(OPTIONS).start()
}

/// `order` says of each server whether it is ours.
fn run(order: &[bool]) {
    let Some(redis) = oracle::redis() else { return };
    let real = || Server::of(&redis).with(DEBUG).with(OPTIONS).start();
    let servers = order
        .iter()
        .map(|&is_ours| if is_ours { ours() } else { real() });
    let mut chain = Chain::of(servers.collect());
    let first = setting("REDWHEEL_DIFF_SEED", 1);
    let batches = setting("REDWHEEL_DIFF_COPIED", 1_500).div_ceil(BATCH as u64);
    for seed in first..first + batches {
        let mut rng = Rng::new(seed ^ 0xc0_b1e5);
        let mut commands = logs::batch(seed);
        commands.retain(|(_, command)| !is_broken(command));
        chain.clients[0].run("FLUSHALL");
        chain.clients[0].run("SELECT 0");
        for (at, (_, command)) in commands.iter().enumerate() {
            let primary = &mut chain.clients[0];
            let sent = primary.send_raw(&encode(command));
            sent.expect("the primary listens");
            primary.reply_raw().expect("the primary replies");
            if at % 50 == 49 {
                chain.disturb(&mut rng);
            }
        }
        let agreed = chain.agree();
        // Of what groups do Redis tells its replicas only a part.
        if agreed.is_ok() && order[0] {
            let told = |client: &mut Client| streams(client, NEWER);
            let shown: Vec<_> = chain.clients.iter_mut().map(told).collect();
            for there in &shown[1..] {
                assert_eq!(
                    &shown[0], there,
                    "streams differ (REDWHEEL_DIFF_SEED={seed})"
                );
            }
        }
        if let Err(digests) = agreed {
            let lines: Vec<String> = commands.iter().map(|(_, command)| shown(command)).collect();
            panic!(
                "copies differ (REDWHEEL_DIFF_SEED={seed})\n{}\n{digests:?}\n{}",
                lines.join("\n"),
                chain.story()
            );
        }
    }
}

/// The families of streams.
const STREAMS: &[&str] = &["streams", "release", "producers"];

/// XINFO shows the same before and after the log and a snapshot were loaded.
#[test]
fn streams_come_back_from_the_log() {
    let log = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    let server = Server::ours().with(DEBUG).with(OPTIONS).with(&log).start();
    let mut client = server.client();
    for (family, seed) in STREAMS
        .iter()
        .flat_map(|&it| (1..=20).map(move |seed| (it, seed)))
    {
        client.run("FLUSHALL");
        let commands = logs::batch_of(family, seed);
        for (_, command) in &commands {
            client.send_raw(&encode(command)).expect("it listens");
            client.reply_raw().expect("it replies");
        }
        let before = streams(&mut client, &[]);
        assert_eq!(client.run("DEBUG LOADAOF").text(), "OK");
        assert_eq!(streams(&mut client, &[]), before, "{family} {seed}");
        assert_eq!(client.run("DEBUG RELOAD").text(), "OK");
        assert_eq!(streams(&mut client, &[]), before, "{family} {seed}");
    }
}

/// XINFO shows the same on a primary and a replica, of ours and of Redis 8.10.
#[test]
fn newer_streams_are_copied() {
    let Some(redis) = oracle::redis() else {
        return;
    };
    let real = || Server::of(&redis).with(DEBUG).with(OPTIONS).start();
    for (is_ours, name) in [(true, "ours"), (false, "Redis 8.10")] {
        let replica = if is_ours { ours() } else { real() };
        let mut chain = Chain::of(vec![ours(), replica]);
        for (family, seed) in STREAMS
            .iter()
            .flat_map(|&it| (1..=8).map(move |seed| (it, seed)))
        {
            chain.clients[0].run("FLUSHALL");
            chain.clients[0].run("SELECT 0");
            for (_, command) in &logs::batch_of(family, seed) {
                let primary = &mut chain.clients[0];
                primary.send_raw(&encode(command)).expect("it listens");
                primary.reply_raw().expect("it replies");
            }
            let agreed = chain.agree();
            assert!(agreed.is_ok(), "{name}: {family} {seed}\n{}", chain.story());
            let [primary, replica] = &mut chain.clients[..] else {
                unreachable!("two servers")
            };
            let (ours, there) = (streams(primary, &[]), streams(replica, &[]));
            assert_eq!(ours, there, "{name}: {family} {seed}");
        }
    }
}

#[test]
fn copies_of_ours_behind_redis() {
    run(&[false, true]);
}

#[test]
fn copies_of_redis_behind_ours() {
    run(&[true, false]);
}

#[test]
fn copies_down_a_chain() {
    run(&[true, true, false]);
}

#[test]
fn copies_of_ours_behind_ours() {
    run(&[true, true]);
}
