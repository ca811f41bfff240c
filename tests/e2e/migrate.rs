//! MIGRATE: between two servers of ours, and between ours and a real Redis in both directions.
//! Where a real Redis is installed the tests also run on two of those, so that what they expect is
//! what it does.

use super::{await_info, bulk, info, number, pass_ms, text};
use crate::support::client::{Client, Value};
use crate::support::oracle;
use crate::support::server::{Builder, Server};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// Two servers: keys move from the first to the second.
struct Pair {
    /// The two kinds, for messages.
    name: &'static str,
    source: Server,
    target: Server,
    from: Client,
    to: Client,
}

impl Pair {
    fn start(name: &'static str, source: Builder, target: Builder) -> Pair {
        let options = ["--enable-debug-command", "yes"];
        let (source, target) = (source.with(&options).start(), target.with(&options).start());
        let (from, to) = (source.client(), target.client());
        Pair {
            name,
            source,
            target,
            from,
            to,
        }
    }

    /// All pairs of the servers that are installed.
    fn all() -> Vec<Pair> {
        let mut pairs = vec![Pair::start("ours to ours", Server::ours(), Server::ours())];
        if let Some(redis) = oracle::redis() {
            let real = || Server::of(&redis);
            pairs.push(Pair::start("ours to Redis", Server::ours(), real()));
            pairs.push(Pair::start("Redis to ours", real(), Server::ours()));
            pairs.push(Pair::start("Redis to Redis", real(), real()));
        }
        pairs
    }

    /// MIGRATE to the target, with the words behind the port; `''` is the empty string.
    fn migrate(&mut self, rest: &str) -> Value {
        let port = self.target.port;
        migrate(&mut self.from, port, rest)
    }

    /// Runs MIGRATE and compares its reply.
    fn expect(&mut self, rest: &str, reply: &str) {
        assert_eq!(self.migrate(rest).text(), reply, "{}: {rest}", self.name);
    }

    /// Sets a key of the source.
    fn set(&mut self, key: &str, value: &str) {
        assert_eq!(text(&mut self.from, &format!("SET {key} {value}")), "OK");
    }
}

fn migrate(client: &mut Client, port: u16, rest: &str) -> Value {
    let port = port.to_string();
    let rest = rest
        .split(' ')
        .map(|word| if word == "''" { "" } else { word });
    let words: Vec<&str> = ["MIGRATE", "127.0.0.1", &port]
        .into_iter()
        .chain(rest)
        .collect();
    client.call(&words)
}

/// The words that a target which is no server of ours has received and said.
type Played = JoinHandle<Vec<u8>>;

/// A target that accepts connections one after the other. On each it reads once, says its bytes,
/// and closes, or waits for the source to close if `is_patient`. Returns its port and the bytes that it received.
fn target_that_says(replies: &[&[u8]], is_patient: bool) -> (u16, Played) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let replies: Vec<Vec<u8>> = replies.iter().map(|reply| reply.to_vec()).collect();
    let played = std::thread::spawn(move || {
        let mut received = Vec::new();
        for reply in replies {
            let (mut stream, _) = listener.accept().expect("the source connects");
            let mut chunk = [0; 64 << 10];
            let n = stream.read(&mut chunk).expect("the source sends");
            received.extend_from_slice(&chunk[..n]);
            stream.write_all(&reply).expect("the source reads");
            if is_patient {
                wait_for_end(&mut stream);
            }
        }
        received
    });
    (port, played)
}

fn wait_for_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
}

#[test]
fn a_key_moves() {
    for mut pair in Pair::all() {
        pair.set("k", "v");
        pair.expect("k 0 1000", "OK");
        assert_eq!(number(&mut pair.from, "EXISTS k"), 0, "{}", pair.name);
        assert_eq!(text(&mut pair.to, "GET k"), "v", "{}", pair.name);
        pair.expect("k 0 1000", "NOKEY");
        pair.expect("'' 0 1000 KEYS k l", "NOKEY");
        // A source that is not primary of its keys any more, and another database.
        pair.set("k", "w");
        pair.expect("k 7 1000", "OK");
        pair.to.run("SELECT 7");
        assert_eq!(text(&mut pair.to, "GET k"), "w", "{}", pair.name);
    }
}

#[test]
fn copy_and_replace() {
    for mut pair in Pair::all() {
        let busy =
            "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        pair.set("k", "new");
        pair.to.run("SET k old");
        pair.expect("k 0 1000", busy);
        pair.expect("k 0 1000 COPY", busy);
        assert_eq!(text(&mut pair.from, "GET k"), "new", "{}", pair.name);
        assert_eq!(text(&mut pair.to, "GET k"), "old", "{}", pair.name);
        pair.expect("k 0 1000 COPY REPLACE", "OK");
        assert_eq!(text(&mut pair.from, "GET k"), "new", "{}", pair.name);
        assert_eq!(text(&mut pair.to, "GET k"), "new", "{}", pair.name);
        pair.set("k", "newer");
        pair.expect("k 0 1000 REPLACE", "OK");
        assert_eq!(number(&mut pair.from, "EXISTS k"), 0, "{}", pair.name);
        assert_eq!(text(&mut pair.to, "GET k"), "newer", "{}", pair.name);
    }
}

#[test]
fn a_batch_moves_the_keys_that_the_target_accepts() {
    for mut pair in Pair::all() {
        pair.from.run("MSET a 1 b 2 c 3");
        pair.to.run("SET b busy");
        pair.expect(
            "'' 0 1000 KEYS a b none c",
            "ERR Target instance replied with error: BUSYKEY Target key name already exists.",
        );
        let left = pair.from.run("MGET a b c");
        assert_eq!(
            left,
            Value::Array(vec![Value::NilBulk, bulk("2"), Value::NilBulk])
        );
        let there = pair.to.run("MGET a b c");
        assert_eq!(there, super::bulks(&["1", "busy", "3"]), "{}", pair.name);
        // Many at once.
        for n in 0..200 {
            pair.set(&format!("key:{n}"), &"x".repeat(n * 10 + 1));
        }
        let keys: Vec<String> = (0..200).map(|n| format!("key:{n}")).collect();
        pair.expect(
            &format!("'' 0 5000 REPLACE KEYS b {}", keys.join(" ")),
            "OK",
        );
        assert_eq!(number(&mut pair.from, "DBSIZE"), 0, "{}", pair.name);
        assert_eq!(number(&mut pair.to, "DBSIZE"), 203, "{}", pair.name);
        assert_eq!(
            number(&mut pair.to, "STRLEN key:199"),
            1991,
            "{}",
            pair.name
        );
    }
}

#[test]
fn every_type_survives_with_its_deadlines() {
    for mut pair in Pair::all() {
        for line in [
            "SET string value",
            "SET number 12345",
            "SETRANGE long 100000 x",
            "RPUSH list a b 3",
            "SADD ints 1 2 3",
            "SADD set a b c",
            "ZADD zset 1.5 a -inf b",
            "HSET hash f v g w",
            "HPEXPIRE hash 500000 FIELDS 1 f",
            "XADD stream 1-1 f v",
            "XGROUP CREATE stream g 0",
            "XREADGROUP GROUP g c STREAMS stream >",
            "PFADD hll a b c",
            "GEOADD geo 13.3 38.1 palermo",
            "PEXPIRE list 500000",
        ] {
            assert!(!pair.from.run(line).is_error(), "{line}");
        }
        let keys = "string number long list ints set zset hash stream hll geo";
        let digests = |client: &mut Client| {
            let digest = |key: &str| text(client, &format!("DEBUG DIGEST-VALUE {key}"));
            keys.split(' ').map(digest).collect::<Vec<_>>()
        };
        let before = digests(&mut pair.from);
        pair.expect(&format!("'' 0 5000 KEYS {keys}"), "OK");
        assert_eq!(digests(&mut pair.to), before, "{}", pair.name);
        assert_eq!(number(&mut pair.from, "DBSIZE"), 0, "{}", pair.name);
        for line in ["PTTL list", "HPTTL hash FIELDS 1 f"] {
            let left = pair.to.run(line);
            let left = left.items().first().unwrap_or(&left).as_int();
            let left = left.expect("a time");
            assert!((400_000..=500_000).contains(&left), "{line}: {left}");
        }
        assert_eq!(number(&mut pair.to, "PTTL string"), -1, "{}", pair.name);
        let pending = pair.to.run("XPENDING stream g").items();
        assert_eq!(pending[0], Value::Int(1), "{}", pair.name);
    }
}

#[test]
fn passwords() {
    for mut pair in Pair::all() {
        pair.to.run("ACL SETUSER ada on >lovelace ~* +@all");
        pair.to.run("CONFIG SET requirepass secret");
        let replied = "ERR Target instance replied with error: ";
        let wrong =
            format!("{replied}WRONGPASS invalid username-password pair or user is disabled.");
        let missing = format!("{replied}NOAUTH Authentication required.");
        pair.set("k", "v");
        for (words, reply) in [
            ("", missing.as_str()),
            (" AUTH wrong", &wrong),
            (" AUTH2 ada wrong", &wrong),
            (" AUTH2 nobody lovelace", &wrong),
            (" AUTH", "ERR syntax error"),
            (" AUTH2 ada", "ERR syntax error"),
        ] {
            pair.expect(&format!("k 0 1000{words}"), reply);
            assert_eq!(number(&mut pair.from, "EXISTS k"), 1, "{}", pair.name);
        }
        pair.expect("k 0 1000 AUTH secret", "OK");
        pair.set("k", "v");
        pair.expect(
            "k 0 1000 REPLACE AUTH2 ada lovelace KEYS",
            "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
        );
        pair.expect("k 0 1000 REPLACE AUTH2 ada lovelace", "OK");
        assert_eq!(text(&mut pair.to, "GET k"), "v", "{}", pair.name);
    }
}

#[test]
fn wrong_arguments_move_nothing() {
    for mut pair in Pair::all() {
        pair.set("k", "v");
        for (rest, reply) in [
            (
                "k 99 1000",
                "ERR Target instance replied with error: ERR DB index is out of range",
            ),
            ("k x 1000", "ERR value is not an integer or out of range"),
            ("k 0 x", "ERR value is not an integer or out of range"),
            ("k 0 1000 MOVE", "ERR syntax error"),
            (
                "k 0 1000 KEYS k",
                "ERR When using MIGRATE KEYS option, the key argument must be set to the empty \
                 string",
            ),
            ("'' 0 1000 KEYS", "NOKEY"),
        ] {
            pair.expect(rest, reply);
        }
        assert_eq!(text(&mut pair.from, "GET k"), "v", "{}", pair.name);
        // The target refused the database, not the key, which it stored in database 0.
        assert_eq!(number(&mut pair.to, "DBSIZE"), 1, "{}", pair.name);
    }
}

#[test]
fn a_target_that_fails_loses_no_key() {
    let reading = "IOERR error or timeout reading to target instance";
    for mut pair in Pair::all() {
        pair.from.run("MSET x 1 y 2");
        let refused = pair.target.port;
        pair.target.kill();
        let reply = migrate(&mut pair.from, refused, "x 0 1000").text();
        assert_eq!(reply, "IOERR error or timeout writing to target instance");
        // It closes at once, within a line, and after the reply to SELECT. A connection that
        // broke is tried once more.
        for said in [b"".as_slice(), b"+OK\r\n+O", b"+OK\r\n"] {
            let (port, _) = target_that_says(&[said, said], false);
            let reply = migrate(&mut pair.from, port, "x 0 1000").text();
            assert_eq!(reply, reading, "{}: {said:?}", pair.name);
        }
        // It says nothing within the time limit.
        let (port, _) = target_that_says(&[b"", b""], true);
        assert_eq!(migrate(&mut pair.from, port, "x 0 100").text(), reading);
        assert_eq!(number(&mut pair.from, "EXISTS x y"), 2, "{}", pair.name);
        // It refuses the database: what it accepts then goes into another, and does not count.
        let (port, _) = target_that_says(&[b"-ERR no\r\n+OK\r\n"], true);
        let reply = migrate(&mut pair.from, port, "x 0 1000").text();
        assert_eq!(reply, "ERR Target instance replied with error: ERR no");
        assert_eq!(number(&mut pair.from, "EXISTS x y"), 2, "{}", pair.name);
        // It accepts one of two keys.
        let (port, _) = target_that_says(&[b"+OK\r\n+OK\r\n"], false);
        let reply = migrate(&mut pair.from, port, "'' 0 1000 KEYS x y").text();
        assert_eq!(reply, reading, "{}", pair.name);
        assert_eq!(number(&mut pair.from, "EXISTS x"), 0, "{}", pair.name);
        assert_eq!(number(&mut pair.from, "EXISTS y"), 1, "{}", pair.name);
    }
}

#[test]
fn the_target_receives_what_redis_sends() {
    let mut sent = Vec::new();
    for mut pair in Pair::all() {
        if pair.name.ends_with("to ours") {
            // Ours writes the oldest version that holds the data, if it is not told another.
            pair.from.run("CONFIG SET rdb-save-version 15");
            pair.from.run("SET k 1");
            let (port, played) = target_that_says(&[b"+OK\r\n+OK\r\n+OK\r\n"], true);
            let reply = migrate(&mut pair.from, port, "k 3 1000 REPLACE AUTH2 ada lovelace");
            assert_eq!(reply.text(), "OK");
            // Its cached connection ends with the server.
            drop(pair);
            sent.push(played.join().expect("it played to its end"));
        }
    }
    // The payload holds the version of the format and its checksum, which are the same.
    assert!(sent.iter().all(|bytes| *bytes == sent[0]), "{sent:?}");
    let start =
        b"*3\r\n$4\r\nAUTH\r\n$3\r\nada\r\n$8\r\nlovelace\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
    assert!(sent[0].starts_with(start));
}

#[test]
fn connections_are_kept_for_ten_seconds() {
    for mut pair in Pair::all() {
        let accepted = info(&mut pair.to, "total_connections_received");
        for n in 0..3 {
            pair.set("k", "v");
            pair.expect(&format!("k {n} 1000"), "OK");
        }
        // A refusal does not end the connection.
        pair.to.run("SET busy 1");
        pair.set("busy", "v");
        assert!(pair.migrate("busy 0 1000").is_error());
        let more = info(&mut pair.to, "total_connections_received") - accepted;
        assert_eq!(more, 1, "{}", pair.name);
        assert_eq!(info(&mut pair.from, "migrate_cached_sockets"), 1);
        // A connection that the target closed meanwhile is made anew.
        pair.to.run("CLIENT KILL TYPE normal SKIPME yes");
        pair.expect_from_new_client("busy 0 1000 REPLACE");
        let more = info(&mut pair.to, "total_connections_received") - accepted;
        assert_eq!(more, 2, "{}", pair.name);
        if pair.name.starts_with("ours") {
            pass_ms(&mut pair.from, 9_000);
            assert_eq!(info(&mut pair.from, "migrate_cached_sockets"), 1);
            pass_ms(&mut pair.from, 1_001);
            await_info(&mut pair.from, "migrate_cached_sockets", 0);
        }
    }
}

impl Pair {
    /// Runs MIGRATE, which succeeds.
    fn expect_from_new_client(&mut self, rest: &str) {
        self.from = self.source.client();
        self.expect(rest, "OK");
    }
}

#[test]
fn in_transactions_and_scripts() {
    for mut pair in Pair::all() {
        let port = pair.target.port.to_string();
        pair.from.run("MULTI");
        pair.from.run("SET k 1");
        pair.migrate("k 0 1000");
        pair.from.run("EXISTS k");
        let replies = super::texts(&pair.from.run("EXEC"));
        assert_eq!(replies, ["OK", "OK", "0"], "{}", pair.name);
        pair.set("k", "2");
        let script =
            "return redis.call('MIGRATE', '127.0.0.1', ARGV[1], 'k', '0', '1000', ARGV[2])";
        let reply = pair.from.call(&["EVAL", script, "0", &port, "REPLACE"]);
        assert_eq!(reply.text(), "OK", "{}", pair.name);
        assert_eq!(text(&mut pair.to, "GET k"), "2", "{}", pair.name);
        pair.set("k", "3");
        let reply = pair.from.call(&["EVAL", script, "0", &port, "COPY"]).text();
        let busy =
            "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        assert!(reply.starts_with(busy), "{}: {reply}", pair.name);
    }
}

#[test]
fn the_log_gets_the_deletion() {
    for mut pair in Pair::all() {
        let on = "CONFIG SET appendfsync always appendonly yes";
        assert_eq!(text(&mut pair.from, on), "OK");
        await_info(&mut pair.from, "aof_rewrite_in_progress", 0);
        await_info(&mut pair.from, "aof_enabled", 1);
        pair.from.run("MSET a 1 b 2 c 3");
        pair.to.run("SET b busy");
        pair.expect("a 0 1000 COPY", "OK");
        assert!(pair.migrate("'' 0 1000 REPLACE KEYS a none").text() == "OK");
        assert!(pair.migrate("'' 0 1000 KEYS b c").is_error());
        let folder = pair.source.path().join("appendonlydir");
        let mut log = Vec::new();
        for file in std::fs::read_dir(folder).expect("the log is there") {
            let path = file.expect("it can be listed").path();
            if path.to_string_lossy().contains(".incr.") {
                log.extend(std::fs::read(path).expect("it can be read"));
            }
        }
        let log = String::from_utf8_lossy(&log).replace("\r\n", " ");
        let end = "*7 $4 MSET $1 a $1 1 $1 b $1 2 $1 c $1 3 *2 $3 DEL $1 a *2 $3 DEL $1 c ";
        assert!(log.ends_with(end), "{}: {log}", pair.name);
    }
}
