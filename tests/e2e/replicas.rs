//! A primary as its replicas see it: the protocol of a resynchronisation, the stream, the
//! treatment of slow or silent replicas, and the uses of acknowledgements.

use super::{info, is_closed, text, wait_until};
use crate::support::client::{Client, Value};
use crate::support::server::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A replica made by hand.
struct Follower {
    stream: BufReader<TcpStream>,
    history: String,
    /// The bytes of the stream it has.
    offset: u64,
}

impl Follower {
    fn connect(server: &Server) -> Follower {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("a socket has one");
        Follower {
            stream: BufReader::new(stream),
            history: String::new(),
            offset: 0,
        }
    }

    fn say(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        let sent = self.stream.get_mut().write_all(line.as_bytes());
        sent.expect("the server reads");
    }

    /// A line without its end; newlines that keep the link alive are passed over.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a line comes");
            if line != "\n" {
                return line.trim_end().to_owned();
            }
        }
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).expect("bytes come");
        bytes
    }

    /// The next snapshot, with either kind of end marker.
    fn snapshot(&mut self) -> Vec<u8> {
        let head = self.line();
        let Some(mark) = head.strip_prefix("$EOF:") else {
            let len = head[1..].parse().expect("a length");
            return self.take(len);
        };
        let mut all = self.take(40);
        while !all.ends_with(mark.as_bytes()) {
            let more = self.stream.fill_buf().expect("the rest comes").to_vec();
            // Behind the mark nothing may come before we ask for it.
            self.stream.consume(more.len());
            all.extend(more);
        }
        all.truncate(all.len() - 40);
        all
    }

    /// Attaches a follower with a full resynchronisation. Returns it and the snapshot.
    fn follow(server: &Server, capabilities: &str) -> (Follower, Vec<u8>) {
        let mut follower = Follower::connect(server);
        follower.say("REPLCONF listening-port 7777");
        assert_eq!(follower.line(), "+OK");
        follower.say(&format!("REPLCONF {capabilities}"));
        assert_eq!(follower.line(), "+OK");
        follower.say("PSYNC ? -1");
        let line = follower.line();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "+FULLRESYNC", "{line}");
        follower.history = words[1].to_owned();
        follower.offset = words[2].parse().expect("an offset");
        let snapshot = follower.snapshot();
        assert!(snapshot.starts_with(b"REDIS"));
        (follower, snapshot)
    }

    /// The next command of the stream.
    fn command(&mut self) -> String {
        let head = self.line();
        let count: usize = head[1..].parse().expect("a count");
        self.offset += head.len() as u64 + 2;
        let mut words = Vec::new();
        for _ in 0..count {
            let head = self.line();
            let len: usize = head[1..].parse().expect("a length");
            let word = self.take(len + 2);
            self.offset += head.len() as u64 + 2 + word.len() as u64;
            words.push(String::from_utf8_lossy(&word[..len]).into_owned());
        }
        words.join(" ")
    }

    /// The next command that is about data.
    fn next(&mut self) -> String {
        loop {
            let command = self.command();
            if command == "REPLCONF GETACK *" {
                self.acknowledge();
            } else if command != "PING" {
                return command;
            }
        }
    }

    fn acknowledge(&mut self) {
        let offset = self.offset.to_string();
        self.say(&format!("REPLCONF ACK {offset}"));
    }
}

fn primary(config: &str) -> Server {
    let config = format!("repl-diskless-sync-delay 0\nenable-debug-command yes\n{config}");
    Server::ours().config(&config).start()
}

fn replica_line(client: &mut Client) -> String {
    let all = text(client, "INFO replication");
    let line = all.lines().find_map(|line| line.strip_prefix("slave0:"));
    line.unwrap_or_default().to_owned()
}

#[test]
fn a_snapshot_by_file_and_the_stream_behind_it() {
    let server = primary("repl-diskless-sync no\n");
    let mut client = server.client();
    client.run("SET before 1");
    let (mut follower, snapshot) = Follower::follow(&server, "capa eof capa psync2");
    assert!(snapshot.windows(6).any(|six| six == b"before"));
    client.run("SELECT 3");
    client.run("SET after 2");
    client.run("GET after");
    client.run("SPOP nothing");
    client.run("INCRBYFLOAT f 0.1");
    assert_eq!(follower.next(), "SELECT 3");
    assert_eq!(follower.next(), "SET after 2");
    assert_eq!(follower.next(), "SET f 0.1 KEEPTTL");
    follower.acknowledge();
    let offset = follower.offset;
    let line = format!("ip=127.0.0.1,port=7777,state=online,offset={offset},lag=0,io-thread=0");
    wait_until("the offset is known", || replica_line(&mut client) == line);
    let role = client.run("ROLE").items();
    assert_eq!(role[1], Value::Int(offset as i64));
    assert_eq!(role[2].items()[0].items()[1].text(), "7777");
    let list = text(&mut client, "CLIENT LIST TYPE replica");
    assert_eq!(list.lines().count(), 1);
    assert_eq!(super::field(&list, "flags"), "S");
}

#[test]
fn a_snapshot_through_the_socket_and_the_stream_on_request() {
    let server = primary("");
    let mut client = server.client();
    client.run("DEBUG POPULATE 5000 key 100");
    let (mut follower, snapshot) = Follower::follow(&server, "capa eof");
    assert!(snapshot.len() > 100_000);
    assert!(!server.path().join("dump.rdb").exists());
    client.run("SET k v");
    let log = "Waiting for REPLCONF ACK from replica to enable streaming";
    server.wait_for_log(log);
    follower.acknowledge();
    assert_eq!(follower.next(), "SELECT 0");
    assert_eq!(follower.next(), "SET k v");
    assert_eq!(info(&mut client, "sync_full"), 1);
}

#[test]
fn a_lost_link_is_taken_up_where_it_was() {
    let server = primary("repl-backlog-size 100kb\n");
    let mut client = server.client();
    let (mut first, _) = Follower::follow(&server, "capa eof capa psync2");
    first.acknowledge();
    client.run("SET a 1");
    assert_eq!(first.next(), "SELECT 0");
    assert_eq!(first.next(), "SET a 1");
    let (history, offset) = (first.history.clone(), first.offset);
    drop(first);
    client.run("SET b 2");
    let mut second = Follower::connect(&server);
    second.say("REPLCONF capa psync2");
    assert_eq!(second.line(), "+OK");
    second.say(&format!("PSYNC {history} {}", offset + 1));
    assert_eq!(second.line(), format!("+CONTINUE {history}"));
    assert_eq!(second.next(), "SET b 2");
    client.run("SET c 3");
    assert_eq!(second.next(), "SET c 3");
    drop(second);
    // What is no longer there cannot be had.
    let long = "x".repeat(1000);
    for _ in 0..400 {
        client.run(&format!("SET d {long}"));
    }
    for asked in [
        format!("{history} {offset}"),
        format!("{} 1", "f".repeat(40)),
    ] {
        let mut third = Follower::connect(&server);
        third.say(&format!("PSYNC {asked}"));
        assert!(third.line().starts_with(&format!("+FULLRESYNC {history} ")));
    }
    assert_eq!(info(&mut client, "sync_partial_ok"), 1);
    assert_eq!(info(&mut client, "sync_partial_err"), 2);
}

#[test]
fn a_unit_is_a_transaction_and_expired_keys_are_deleted() {
    let server = primary("");
    let mut client = server.client();
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    client.run("MULTI");
    client.run("SET a 1");
    client.run("INCR a");
    client.run("EXEC");
    for told in ["MULTI", "SELECT 0", "SET a 1", "INCR a", "EXEC"] {
        assert_eq!(follower.next(), told);
    }
    client.run("PUBLISH ch hello");
    assert_eq!(follower.next(), "PUBLISH ch hello");
    client.run("SET t 1 PX 5");
    assert!(follower.next().starts_with("SET t 1 PXAT "));
    assert_eq!(follower.next(), "DEL t");
}

#[test]
fn wait_replies_when_replicas_have_acknowledged() {
    let server = primary("");
    let mut client = server.client();
    assert_eq!(client.run("WAIT 0 0"), Value::Int(0));
    assert_eq!(client.run("WAIT 1 10"), Value::Int(0));
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    client.run("SET a 1");
    client.send(&["WAIT", "1", "0"]);
    // The wait makes the server request an acknowledgement, which `next` sends.
    assert_eq!(follower.next(), "SELECT 0");
    assert_eq!(follower.next(), "SET a 1");
    let asked = follower.command();
    assert_eq!(asked, "REPLCONF GETACK *");
    follower.acknowledge();
    assert_eq!(client.reply(), Value::Int(1));
    let error = text(&mut client, "WAITAOF 1 0 0");
    assert!(error.contains("numlocal is set but appendonly is disabled"));
    client.run("CONFIG SET appendonly yes");
    client.run("SET b 1");
    let safe = client.run("WAITAOF 1 0 0").items();
    assert_eq!(safe, [Value::Int(1), Value::Int(0)]);
    follower.say("REPLCONF ACK 1000000 FACK 1000000");
    client.run("SET c 1");
    let safe = client.run("WAITAOF 1 1 0").items();
    assert_eq!(safe, [Value::Int(1), Value::Int(1)]);
}

#[test]
fn a_replica_that_does_not_read_is_disconnected_at_its_limit() {
    let server = primary("repl-backlog-size 1mb\nclient-output-buffer-limit replica 20mb 0 0\n");
    let mut client = server.client();
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    let long = "x".repeat(1_000_000);
    for _ in 0..60 {
        client.run(&format!("SET k {long}"));
    }
    wait_until("it is gone", || replica_line(&mut client).is_empty());
    assert!(
        server
            .log()
            .contains("for overcoming of output buffer limits")
    );
    let count = info(&mut client, "client_output_buffer_limit_disconnections");
    assert_eq!(count, 1);
    // And what was held for it is free.
    wait_until("the backlog is small again", || {
        info(&mut client, "mem_total_replication_buffers") < 4_000_000
    });
    drop(follower);
}

#[test]
fn a_soft_limit_disconnects_a_slow_replica_in_time() {
    let server = primary("repl-backlog-size 1mb\nclient-output-buffer-limit replica 0 8mb 4\n");
    let mut client = server.client();
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    let long = "x".repeat(1_000_000);
    for _ in 0..30 {
        client.call(&["SET", "k", &long]);
    }
    assert!(!replica_line(&mut client).is_empty());
    wait_until("it is gone", || replica_line(&mut client).is_empty());
    drop(follower);
}

#[test]
fn a_silent_replica_is_disconnected() {
    let server = primary("repl-timeout 1\n");
    let mut client = server.client();
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    wait_until("it is gone", || replica_line(&mut client).is_empty());
    let log = "Disconnecting timedout replica (streaming sync): 127.0.0.1:7777";
    assert!(server.log().contains(log));
    assert!(
        server
            .log()
            .contains("Connection with replica 127.0.0.1:7777 lost.")
    );
}

#[test]
fn too_few_good_replicas_take_no_writes() {
    let server = primary("min-replicas-to-write 1\n");
    let mut client = server.client();
    let refused = "NOREPLICAS Not enough good replicas to write.";
    assert_eq!(text(&mut client, "SET a 1"), refused);
    assert_eq!(text(&mut client, "GET a"), "NilBulk");
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    wait_until("it counts", || text(&mut client, "SET a 1") == "OK");
    assert_eq!(info(&mut client, "min_slaves_good_slaves"), 1);
    drop(follower);
    wait_until("it counts no more", || {
        text(&mut client, "SET a 1") == refused
    });
    client.run("CONFIG SET min-replicas-to-write 0");
    assert_eq!(text(&mut client, "SET a 1"), "OK");
}

#[test]
fn stopping_waits_for_replicas() {
    let mut server = primary("shutdown-timeout 60\n");
    let mut client = server.client();
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    client.run("SET a 1");
    let mut asker = server.client();
    asker.send(&["SHUTDOWN", "NOSAVE"]);
    server.wait_for_log("Waiting for replicas before shutting down.");
    assert!(info(&mut client, "shutdown_in_milliseconds") > 0);
    assert_eq!(text(&mut client, "SHUTDOWN ABORT"), "OK");
    assert_eq!(
        asker.reply().text(),
        "ERR Errors trying to SHUTDOWN. Check logs."
    );
    assert_eq!(text(&mut client, "SET b 1"), "OK");
    asker.send(&["SHUTDOWN", "NOSAVE"]);
    for told in ["SELECT 0", "SET a 1", "SET b 1"] {
        assert_eq!(follower.next(), told);
    }
    follower.acknowledge();
    assert_eq!(server.wait().code(), Some(0));
    assert!(is_closed(&mut asker));
    let log = "1 of 1 replicas are in sync when shutting down.";
    assert!(server.log().contains(log));
}

#[test]
fn invalid_replconf_options_are_refused() {
    let server = primary("");
    let mut client = server.client();
    for (line, answer) in [
        ("REPLCONF capa", "ERR syntax error"),
        (
            "REPLCONF what ever",
            "ERR Unrecognized REPLCONF option: what",
        ),
        (
            "REPLCONF listening-port x",
            "ERR value is not an integer or out of range",
        ),
        (
            "REPLCONF rdb-only 2",
            "ERR value is out of range, value must between 0 and 1",
        ),
        (
            "REPLCONF rdb-filter-only keys",
            "ERR Unsupported rdb-filter-only option: keys",
        ),
        ("REPLCONF rdb-filter-only functions", "OK"),
        ("PSYNC ? -1", "ERR Filtered replica requires EOF capability"),
        ("PSYNC", "ERR wrong number of arguments for 'psync' command"),
        ("WAIT x 0", "ERR value is not an integer or out of range"),
        ("WAIT 0 -1", "ERR timeout is negative"),
        (
            "WAITAOF 2 0 0",
            "ERR value is out of range, value must between 0 and 1",
        ),
        (
            "WAITAOF 0 -1 0",
            "ERR value is out of range, must be positive",
        ),
    ] {
        assert_eq!(text(&mut client, line), answer, "{line}");
    }
    let mut pending = server.client();
    let sent = pending.send_raw(b"PING\r\nSYNC\r\n");
    sent.expect("the server reads");
    assert_eq!(pending.reply().text(), "PONG");
    let error = pending.reply().text();
    assert_eq!(error, "ERR SYNC and PSYNC are invalid with pending output");
}

/// A reply would lie in the middle of the stream.
#[test]
fn a_replica_whose_command_has_a_reply_is_disconnected_without_it() {
    let server = primary("");
    for (line, error) in [
        ("PING", None),
        ("GET k", Some("Replica can't interact with the keyspace")),
        ("EVAL 1 0", Some("Replica can't interact with the keyspace")),
        ("*x", Some("Protocol error: invalid multibulk length")),
    ] {
        let (mut follower, _) = Follower::follow(&server, "capa eof");
        follower.acknowledge();
        follower.say(line);
        let mut rest = Vec::new();
        let ended = follower.stream.read_to_end(&mut rest);
        assert!(ended.is_ok() && !rest.contains(&b'-'), "{line}: {rest:?}");
        assert!(!rest.windows(4).any(|four| four == b"PONG"), "{line}");
        if let Some(error) = error {
            let log = format!("This master is sending an error to its replica: '{error}'");
            assert!(server.log().contains(&log), "{line}");
        }
    }
    let log = "Replica generated a reply to command 'ping', disconnecting it: id=";
    assert!(server.log().contains(log));
    // What comes in one piece with the request to follow is no different.
    let mut hasty = Follower::connect(&server);
    hasty.say("PSYNC ? -1\r\nECHO x");
    server.wait_for_log("Replica generated a reply to command 'echo', disconnecting it: id=");
}

/// Whether INFO replication has a line that starts like this.
fn has_line(client: &mut Client, start: &str) -> bool {
    let all = text(client, "INFO replication");
    all.lines().any(|line| line.starts_with(start))
}

#[test]
fn a_failover_exchanges_the_roles() {
    let first = primary("");
    let port = first.port.to_string();
    let second = Server::ours().with(&["--replicaof", "127.0.0.1", &port]);
    let second = second.start();
    let (mut old, mut new) = (first.client(), second.client());
    wait_until("it is online", || {
        replica_line(&mut old).contains("state=online")
            && has_line(&mut new, "master_link_status:up")
    });
    old.run("SET k v");
    assert_eq!(text(&mut old, "FAILOVER"), "OK");
    wait_until("it is promoted", || has_line(&mut new, "role:master"));
    wait_until("the other follows it", || {
        has_line(&mut old, "master_link_status:up")
            && has_line(&mut old, "master_failover_state:no-failover")
    });
    assert_eq!(text(&mut new, "GET k"), "v");
    assert_eq!(text(&mut new, "SET k w"), "OK");
    wait_until("the write arrives", || text(&mut old, "GET k") == "w");
    assert_eq!(info(&mut new, "sync_full"), 0);
    assert_eq!(info(&mut new, "sync_partial_ok"), 1);
}

#[test]
fn a_failover_without_a_replica_that_has_everything_times_out() {
    let server = primary("");
    let mut client = server.client();
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    wait_until("it is online", || {
        replica_line(&mut client).contains("state=online")
    });
    client.run("SET k v");
    assert_eq!(text(&mut client, "FAILOVER TIMEOUT 100"), "OK");
    let why = "Replica never caught up before timeout";
    server.wait_for_log(&format!("Aborting failover while waiting-for-sync: {why}."));
    assert_eq!(text(&mut client, "SET k w"), "OK");
    assert!(has_line(&mut client, "role:master"));
    drop(follower);
}

#[test]
fn a_forced_failover_can_be_aborted_while_in_progress() {
    let server = primary("");
    let mut client = server.client();
    let (mut follower, _) = Follower::follow(&server, "capa eof");
    follower.acknowledge();
    wait_until("it is online", || {
        replica_line(&mut client).contains("state=online")
    });
    client.run("SET k v");
    let forced = "FAILOVER TO 127.0.0.1 7777 FORCE TIMEOUT 1";
    assert_eq!(text(&mut client, forced), "OK");
    wait_until("it is in progress", || {
        has_line(&mut client, "master_failover_state:failover-in-progress")
    });
    assert!(has_line(&mut client, "role:slave"));
    assert_eq!(text(&mut client, "FAILOVER ABORT"), "OK");
    assert!(has_line(&mut client, "role:master"));
    assert_eq!(text(&mut client, "SET k w"), "OK");
    let line = "Aborting failover to 127.0.0.1:7777 while failover-in-progress: Failover manually \
                aborted.";
    assert!(server.log().contains(line));
    drop(follower);
}

/// Both connections of a replica: the main channel, and the RDB channel before its PSYNC.
fn channels(server: &Server) -> (Follower, Follower) {
    let mut main = Follower::connect(server);
    main.say("REPLCONF listening-port 7777 capa eof capa psync2 capa rdb-channel-repl");
    assert_eq!(main.line(), "+OK");
    main.say("PSYNC ? -1");
    let line = main.line();
    let id = line
        .strip_prefix("+RDBCHANNELSYNC ")
        .unwrap_or_else(|| panic!("{line}"));
    let mut channel = Follower::connect(server);
    channel.say(&format!(
        "REPLCONF capa eof rdb-only 1 rdb-channel 1 main-ch-client-id {id} listening-port 7777"
    ));
    assert_eq!(channel.line(), "+OK");
    (main, channel)
}

/// Asks for the snapshot on an RDB channel; the main channel learns where it leads.
fn ask(main: &mut Follower, channel: &mut Follower) {
    channel.say("PSYNC ? -1");
    let line = channel.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[0], "+FULLRESYNC", "{line}");
    main.history = words[1].to_owned();
    main.offset = words[2].parse().expect("an offset");
}

#[test]
fn a_snapshot_on_an_rdb_channel_and_the_stream_beside_it() {
    let server = primary("save \"\"\n");
    let mut client = server.client();
    client.run("DEBUG POPULATE 2000 k 100");
    client.run("SET before 1");
    client.run("CONFIG SET rdb-key-save-delay 1000");
    let (mut main, mut channel) = channels(&server);
    let line = |client: &mut Client| replica_line(client);
    let state =
        |client: &mut Client, state: &str| line(client).contains(&format!("state={state},"));
    assert!(state(&mut client, "wait_bgsave"));
    ask(&mut main, &mut channel);
    assert!(state(&mut client, "send_bulk_and_stream"));
    // The stream comes before the snapshot is complete, and the replica counts once.
    client.run("SET after 2");
    assert_eq!(main.next(), "SELECT 0");
    assert_eq!(main.next(), "SET after 2");
    assert!(state(&mut client, "send_bulk_and_stream"));
    assert_eq!(info(&mut client, "connected_slaves"), 1);
    assert_eq!(info(&mut client, "sync_full"), 1);
    assert_eq!(client.run("WAIT 1 1"), Value::Int(0));
    assert!(client.run("ROLE").items()[2].items().is_empty());
    let list = text(&mut client, "CLIENT LIST TYPE replica");
    let flags = list.lines().map(|line| super::field(line, "flags"));
    assert_eq!(flags.collect::<Vec<_>>(), ["S", "SC"]);
    client.run("CONFIG SET rdb-key-save-delay 0");
    let snapshot = channel.snapshot();
    assert!(snapshot.windows(6).any(|six| six == b"before"));
    assert!(!snapshot.windows(5).any(|five| five == b"after"));
    wait_until("it is online", || state(&mut client, "online"));
    wait_until("the RDB channel is closed", || {
        text(&mut client, "CLIENT LIST TYPE replica")
            .lines()
            .count()
            == 1
    });
    main.acknowledge();
    let acknowledged = format!("state=online,offset={},", main.offset);
    wait_until("it has all", || line(&mut client).contains(&acknowledged));
    // After a broken link the stream goes on.
    let (id, next) = (main.history.clone(), main.offset + 1);
    drop(main);
    let mut again = Follower::connect(&server);
    again.say("REPLCONF capa eof capa psync2 capa rdb-channel-repl");
    assert_eq!(again.line(), "+OK");
    client.run("SET again 3");
    again.say(&format!("PSYNC {id} {next}"));
    assert!(again.line().starts_with("+CONTINUE"));
    assert_eq!(again.next(), "SET again 3");
}

#[test]
fn the_channels_of_a_replica_end_together() {
    let server = primary("save \"\"\nrdb-key-save-delay 1000\n");
    let mut client = server.client();
    client.run("DEBUG POPULATE 5000 k 1000");
    for kills_main in [true, false] {
        let (mut main, mut channel) = channels(&server);
        ask(&mut main, &mut channel);
        let list = text(&mut client, "CLIENT LIST TYPE replica");
        let line = list
            .lines()
            .nth(usize::from(!kills_main))
            .expect("two lines");
        let id = super::field(line, "id");
        client.run(&format!("CLIENT KILL ID {id}"));
        wait_until("both are gone", || {
            info(&mut client, "connected_slaves") == 0
                && text(&mut client, "CLIENT LIST TYPE replica").is_empty()
        });
        wait_until("the child is gone", || {
            info(&mut client, "rdb_bgsave_in_progress") == 0
        });
        assert!(server.log().contains("Background transfer error"));
        // The main channel is no longer known.
        let refusal = format!("ERR Unrecognized RDB client id: {id}");
        let reply = client.run(&format!("REPLCONF main-ch-client-id {id}"));
        assert_eq!(reply.text(), refusal);
    }
}

#[test]
fn an_rdb_channel_is_offered_if_both_sides_and_the_configuration_allow_it() {
    for config in ["repl-rdb-channel no\n", "repl-diskless-sync no\n"] {
        let server = primary(config);
        Follower::follow(&server, "capa eof capa psync2 capa rdb-channel-repl");
    }
    let server = primary("");
    Follower::follow(&server, "capa eof capa psync2");
    // One that never opens its RDB channel is disconnected after a while.
    let mut client = server.client();
    client.run("CONFIG SET repl-timeout 1");
    let (main, _) = channels(&server);
    let mut rest = Vec::new();
    let _ = main.stream.into_inner().read_to_end(&mut rest);
    assert_eq!(info(&mut client, "connected_slaves"), 0);
}
