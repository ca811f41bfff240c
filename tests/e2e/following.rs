//! A replica of ours: of a scripted primary, for what goes over the wire, and of a real one.

use crate::support::client::{Client, Value, encode, parse};
use crate::support::oracle;
use crate::support::server::Server;
use crate::support::wait::{PATIENCE, wait_until};
use crate::{await_info, info, info_field, text};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

/// A snapshot of nothing, without a checksum.
const EMPTY: &[u8] = b"REDIS0011\xfa\x09redis-ver\x057.0.0\xff\0\0\0\0\0\0\0\0";
/// A snapshot with the key `a` in database 0.
const ONE_KEY: &[u8] = b"REDIS0011\xfe\0\0\x01a\x03one\xff\0\0\0\0\0\0\0\0";

/// The field of INFO with the bytes that came from primaries.
const RECEIVED: &str = "total_net_repl_input_bytes";

/// A primary that says what a test has it say.
struct Primary {
    listener: TcpListener,
}

/// A replica's link to it.
struct Link {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Primary {
    /// A primary, and a replica of it that was started with these options.
    fn with(options: &[&str]) -> (Primary, Server) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let follows = ["--replicaof", "127.0.0.1", &port.to_string()];
        let server = Server::ours().with(&follows).with(options).start();
        (Primary { listener }, server)
    }

    /// The next link.
    fn accept(&self) -> Link {
        let (stream, _) = self.listener.accept().expect("the replica connects");
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let bytes = Vec::new();
        Link { stream, bytes }
    }

    /// The next link, up to its PSYNC, and the words of that.
    fn greet(&self) -> (Link, Vec<String>) {
        let mut link = self.accept();
        loop {
            let words = link.words();
            match words[0].as_str() {
                "PING" => link.say(b"+PONG\r\n"),
                "PSYNC" => return (link, words),
                _ => link.say(b"+OK\r\n"),
            }
        }
    }
}

impl Link {
    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the replica reads");
    }

    /// Sends a command; returns its length in bytes.
    fn command(&mut self, line: &str) -> usize {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = encode(&words);
        self.say(&bytes);
        bytes.len()
    }

    /// The next command of the replica.
    fn words(&mut self) -> Vec<String> {
        loop {
            if let Some((value, used)) = parse(&self.bytes) {
                self.bytes.drain(..used);
                return value.items().iter().map(Value::text).collect();
            }
            let mut more = [0; 4096];
            match self.stream.read(&mut more) {
                Ok(0) => panic!("the replica hung up"),
                Ok(n) => self.bytes.extend_from_slice(&more[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("the replica is silent: {error}"),
            }
        }
    }

    /// Reads acknowledgements of the replica, requested or not, until one has this offset.
    fn await_ack(&mut self, offset: u64) {
        while self.words()[..3] != ["REPLCONF", "ACK", &offset.to_string()] {}
    }

    /// A full synchronization: this history, at this byte, with this snapshot.
    fn sync(&mut self, id: char, offset: u64, snapshot: &[u8]) {
        let id = id.to_string().repeat(40);
        let head = format!("+FULLRESYNC {id} {offset}\r\n${}\r\n", snapshot.len());
        self.say(&[head.as_bytes(), snapshot].concat());
    }
}

#[test]
fn the_talk_before_the_stream_is_that_of_redis() {
    let options = ["--masteruser", "u", "--masterauth", "p"];
    let more = [
        "--replica-announce-ip",
        "1.2.3.4",
        "--replica-announce-port",
        "99",
    ];
    let (primary, _server) = Primary::with(&[options, more].concat());
    let mut link = primary.accept();
    assert_eq!(link.words(), ["PING"]);
    link.say(b"-NOAUTH Authentication required.\r\n");
    assert_eq!(link.words(), ["AUTH", "u", "p"]);
    assert_eq!(link.words(), ["REPLCONF", "listening-port", "99"]);
    assert_eq!(link.words(), ["REPLCONF", "ip-address", "1.2.3.4"]);
    assert_eq!(
        link.words(),
        [
            "REPLCONF",
            "capa",
            "eof",
            "capa",
            "psync2",
            "capa",
            "rdb-channel-repl",
            "capa",
            "rdb-version-15"
        ]
    );
    link.say(b"+OK\r\n-ERR no\r\n+OK\r\n+OK\r\n");
    assert_eq!(link.words(), ["PSYNC", "?", "-1"]);
}

#[test]
fn snapshots_come_with_a_length_or_a_mark_to_disk_or_to_memory() {
    for mode in ["disabled", "swapdb"] {
        for step in [1, 7, 1_000] {
            let (primary, server) = Primary::with(&["--repl-diskless-load", mode]);
            let (mut link, _) = primary.greet();
            let mark = "e".repeat(40);
            let head = format!("+FULLRESYNC {} 100\r\n\n$EOF:{mark}\r\n", "a".repeat(40));
            let wire = [head.as_bytes(), ONE_KEY, mark.as_bytes()].concat();
            for piece in wire.chunks(step) {
                link.say(piece);
            }
            // A snapshot that ends with a mark is acknowledged at once.
            link.await_ack(100);
            link.command("SET b 2");
            link.command("REPLCONF GETACK *");
            link.await_ack(127);
            let mut client = server.client();
            assert_eq!(text(&mut client, "GET a"), "one", "{mode}");
            assert_eq!(text(&mut client, "GET b"), "2");
            assert_eq!(info(&mut client, "master_repl_offset"), 127 + 37);
        }
    }
}

#[test]
fn the_line_before_a_snapshot_may_come_in_pieces() {
    let (primary, server) = Primary::with(&[]);
    let (mut link, _) = primary.greet();
    link.say(format!("+FULLRESYNC {} 100\r\n", "a".repeat(40)).as_bytes());
    let mut client = server.client();
    await_info(&mut client, "master_sync_in_progress", "1");
    let received = info(&mut client, RECEIVED);
    link.say(b"$");
    await_info(&mut client, RECEIVED, received + 1);
    let rest = format!("{}\r\n", ONE_KEY.len());
    link.say(&[rest.as_bytes(), ONE_KEY].concat());
    await_info(&mut client, "master_link_status", "up");
    assert_eq!(text(&mut client, "GET a"), "one");
}

#[test]
fn a_transaction_counts_as_a_whole_and_the_database_is_remembered() {
    let (primary, server) = Primary::with(&[]);
    let (mut link, _) = primary.greet();
    link.sync('a', 100, EMPTY);
    let mut client = server.client();
    await_info(&mut client, "master_link_status", "up");
    let received = info(&mut client, RECEIVED);
    let lines = [
        "SELECT 3",
        "SET k 1",
        "MULTI",
        "INCR k",
        "REPLCONF GETACK *",
    ];
    let sent: usize = lines.iter().map(|line| link.command(line)).sum();
    await_info(&mut client, RECEIVED, received + sent as u64);
    drop(link);
    let (mut link, asked) = primary.greet();
    assert_eq!(asked, ["PSYNC", &"a".repeat(40), "151"]);
    link.say(format!("+CONTINUE {}\r\n", "b".repeat(40)).as_bytes());
    link.command("MULTI");
    link.command("INCR k");
    link.command("EXEC");
    link.command("REPLCONF GETACK *");
    link.await_ack(200);
    client.run("SELECT 3");
    assert_eq!(text(&mut client, "GET k"), "2");
    let told = text(&mut client, "INFO replication");
    for line in [
        format!("master_replid:{}", "b".repeat(40)),
        format!("master_replid2:{}", "a".repeat(40)),
        "second_repl_offset:151".into(),
        "repl_backlog_first_byte_offset:101".into(),
    ] {
        assert!(told.lines().any(|l| l == line), "{line} in {told}");
    }
}

#[test]
fn a_link_that_breaks_in_a_snapshot_is_made_anew_and_the_old_data_stays_under_swapdb() {
    let (primary, server) = Primary::with(&["--repl-diskless-load", "swapdb"]);
    let (mut link, _) = primary.greet();
    link.sync('a', 100, ONE_KEY);
    link.command("SET b 2");
    let mut client = server.client();
    await_info(&mut client, "master_repl_offset", "127");
    drop(link);
    let (mut link, asked) = primary.greet();
    assert_eq!(asked[2], "128");
    // Another point of the same history: the old data can be read meanwhile.
    link.say(format!("+FULLRESYNC {} 500\r\n$900\r\n", "a".repeat(40)).as_bytes());
    link.say(&ONE_KEY[..12]);
    await_info(&mut client, "async_loading", 1);
    assert_eq!(text(&mut client, "GET b"), "2");
    drop(link);
    let (mut link, asked) = primary.greet();
    // Nothing changed, so the rest can still be asked for.
    assert_eq!(asked[2], "128");
    assert_eq!(text(&mut client, "GET b"), "2");
    link.sync('c', 7, EMPTY);
    await_info(&mut client, "master_repl_offset", "7");
    assert_eq!(text(&mut client, "DBSIZE"), "0");
}

#[test]
fn an_invalid_stream_ends_the_link_and_is_not_requested_again() {
    for nonsense in [
        b"PING\r\n".as_slice(),
        b"*2\r\n:1\r\n",
        b"*1\r\n$-5\r\n",
        b"*99999999999\r\n",
    ] {
        let (primary, server) = Primary::with(&[]);
        let (mut link, _) = primary.greet();
        link.sync('a', 100, EMPTY);
        link.command("SET k 1");
        link.say(nonsense);
        let (_, asked) = primary.greet();
        assert_eq!(asked, ["PSYNC", "?", "-1"]);
        assert_eq!(text(&mut server.client(), "GET k"), "1");
    }
}

#[test]
fn bytes_that_are_no_snapshot_do_no_harm() {
    let torn = [&ONE_KEY[..14], &[0xff; 60]].concat();
    for mode in ["disabled", "swapdb", "on-empty-db"] {
        for snapshot in [
            &torn,
            b"hello".as_slice(),
            b"REDIS0011\xfe",
            b"REDIS0099\xff12345678",
        ] {
            let (primary, server) = Primary::with(&["--repl-diskless-load", mode]);
            let (mut link, _) = primary.greet();
            link.sync('a', 100, snapshot);
            let (mut link, _) = primary.greet();
            link.sync('a', 100, ONE_KEY);
            link.command("PING");
            let mut client = server.client();
            await_info(&mut client, "master_repl_offset", "114");
            assert_eq!(text(&mut client, "GET a"), "one");
        }
    }
}

#[test]
fn a_replica_refuses_stale_reads_and_writes() {
    let (primary, server) = Primary::with(&["--replica-serve-stale-data", "no"]);
    let mut client = server.client();
    let stale = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    assert_eq!(text(&mut client, "GET a"), stale);
    assert_eq!(text(&mut client, "EVAL return 0"), stale);
    assert_eq!(text(&mut client, "PING"), stale);
    let (mut link, _) = primary.greet();
    link.sync('a', 100, ONE_KEY);
    await_info(&mut client, "master_link_status", "up");
    assert_eq!(text(&mut client, "GET a"), "one");
    let read_only = "READONLY You can't write against a read only replica.";
    assert_eq!(text(&mut client, "SET a 2"), read_only);
    let inner = text(&mut client, "EVAL redis.call('set','a','2') 0");
    assert!(inner.starts_with(read_only), "{inner}");
    client.run("MULTI");
    assert_eq!(text(&mut client, "SET a 2"), read_only);
    assert!(text(&mut client, "EXEC").starts_with("EXECABORT"));
    assert_eq!(client.run("ROLE").items()[0].text(), "slave");
    client.run("REPLICAOF NO ONE");
    assert_eq!(text(&mut client, "SET a 2"), "OK");
    assert_eq!(info(&mut client, "second_repl_offset"), 101);
}

#[test]
fn overdue_keys_are_hidden_until_the_primary_removes_them() {
    let (primary, server) = Primary::with(&[]);
    let (mut link, _) = primary.greet();
    link.sync('a', 0, EMPTY);
    link.command("SET k 5 PXAT 1000");
    link.command("HSET h f 5 g 1");
    link.command("HPEXPIREAT h 1000 FIELDS 1 f");
    link.command("SET long 1 PXAT 1000");
    // To the primary they are there still.
    link.command("INCR k");
    link.command("HINCRBY h f 1");
    link.command("PERSIST k");
    link.command("REPLCONF GETACK *");
    while link.words()[2] == "0" {}
    let mut client = server.client();
    assert_eq!(text(&mut client, "GET k"), "6");
    assert_eq!(client.run("GET long"), Value::NilBulk);
    assert_eq!(text(&mut client, "DBSIZE"), "3");
    link.command("DEL long");
    link.command("HPERSIST h FIELDS 1 f");
    wait_until("the field is kept", || text(&mut client, "HGET h f") == "6");
    assert_eq!(text(&mut client, "DBSIZE"), "2");
}

#[test]
fn errors_in_the_stream_are_logged_and_the_stream_goes_on() {
    let (primary, server) = Primary::with(&[]);
    let (mut link, _) = primary.greet();
    link.sync('a', 0, EMPTY);
    link.command("SET k 1");
    link.command("LPUSH k 1");
    link.command("NOSUCH");
    link.command("BLPOP nothing 0");
    link.command("SET k 2");
    let mut client = server.client();
    wait_until("the stream goes on", || text(&mut client, "GET k") == "2");
    server.wait_for_log(
        "== CRITICAL == This replica is sending an error to its master: '-WRONGTYPE Operation \
         against a key holding the wrong kind of value' after processing the command 'lpush'",
    );
    assert_eq!(info(&mut client, "unexpected_error_replies"), 2);
}

#[test]
fn a_real_primary_is_followed_through_breaks_and_promotion() {
    let Some(redis) = oracle::redis() else { return };
    let real = Server::of(&redis)
        .with(&[
            "--repl-diskless-sync-delay",
            "0",
            "--enable-debug-command",
            "yes",
        ])
        .start();
    let ours = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    let (mut primary, mut replica) = (real.client(), ours.client());
    primary.run("DEBUG POPULATE 500 key 50");
    primary.run("HSET h a 1 b 2");
    primary.run("HPEXPIRE h 100000 FIELDS 1 a");
    primary.run("XADD s * f v");
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", real.port));
    await_info(&mut replica, "master_link_status", "up");
    let same = |primary: &mut Client, replica: &mut Client| {
        wait_until("both have the same data", || {
            text(primary, "DEBUG DIGEST") == text(replica, "DEBUG DIGEST")
        });
    };
    same(&mut primary, &mut replica);
    for round in 0..3 {
        primary.run("CLIENT KILL TYPE replica");
        primary.run("SELECT 5");
        primary.run(&format!("RPUSH list {round}"));
        primary.run("EVAL redis.call('incr','x');redis.call('incr','y') 0");
        await_info(&mut replica, "master_link_status", "up");
        same(&mut primary, &mut replica);
    }
    assert_eq!(info(&mut primary, "sync_full"), 1);
    replica.run("REPLICAOF NO ONE");
    replica.run("SET ours 1");
    primary.run(&format!("REPLICAOF 127.0.0.1 {}", ours.port));
    await_info(&mut primary, "master_link_status", "up");
    same(&mut replica, &mut primary);
    assert_eq!(info(&mut replica, "sync_partial_ok"), 1);
}

#[test]
fn a_malformed_stream_does_no_harm() {
    for line in [
        "REPLICAOF NO ONE",
        "SELECT 99",
        "EXEC",
        "SUBSCRIBE a",
        "MONITOR",
        "RESET",
        "QUIT",
        "PSYNC ? -1",
        "CLIENT KILL TYPE master",
        "HELLO 3",
        "WAIT 1 0",
        "XREAD BLOCK 0 STREAMS s $",
    ] {
        let (primary, server) = Primary::with(&[]);
        let (mut link, _) = primary.greet();
        link.sync('a', 0, EMPTY);
        let mut client = server.client();
        await_info(&mut client, "master_link_status", "up");
        let received = info(&mut client, RECEIVED);
        let lines = ["SET k 1", line, "SET k 2"];
        let sent: usize = lines.iter().map(|line| link.command(line)).sum();
        wait_until(line, || {
            ["1", "2"].contains(&text(&mut client, "GET k").as_str())
        });
        wait_until(line, || {
            info(&mut client, RECEIVED) == received + sent as u64
                || info_field(&mut client, "master_link_status").as_deref() != Some("up")
        });
        let follows = client.run("ROLE").items()[0].text() == "slave";
        assert_eq!(follows, !line.starts_with("REPLICAOF"), "{line}");
    }
}

/// The replaced data is one flush to clients that cache it, and a change to clients that watch it,
/// in both kinds of transfer.
#[test]
fn a_full_resynchronisation_invalidates_cached_and_watched_keys() {
    for mode in ["disabled", "swapdb"] {
        let (primary, server) = Primary::with(&["--repl-diskless-load", mode]);
        let (mut link, _) = primary.greet();
        link.sync('a', 100, ONE_KEY);
        let mut reader = server.client();
        await_info(&mut reader, "master_link_status", "up");
        let mut watcher = server.client();
        reader.run("HELLO 3");
        reader.run("CLIENT TRACKING on");
        assert_eq!(text(&mut reader, "GET a"), "one");
        watcher.run("WATCH a");
        watcher.run("MULTI");
        watcher.run("PING");
        drop(link);
        let (mut link, _) = primary.greet();
        link.sync('a', 500, EMPTY);
        let mut other = server.client();
        await_info(&mut other, "master_repl_offset", "500");
        assert_eq!(watcher.run("EXEC"), Value::NilArray, "{mode}");
        reader.send(&["PING"]);
        let invalidated = reader.reply().items();
        assert_eq!(invalidated[0].text(), "invalidate", "{mode}");
        assert_eq!(reader.reply().text(), "PONG", "{mode}");
    }
}

/// The stream goes on in the database it had selected, also after a snapshot and a restart.
#[test]
fn a_snapshot_of_a_replica_knows_the_database_of_the_stream() {
    let (primary, mut server) = Primary::with(&[]);
    let (mut link, _) = primary.greet();
    link.sync('a', 100, EMPTY);
    link.command("SELECT 9");
    link.command("SET k 1");
    let mut client = server.client();
    client.run("SELECT 9");
    wait_until("the stream is applied", || {
        text(&mut client, "GET k") == "1"
    });
    assert_eq!(text(&mut client, "SAVE"), "OK");
    let saved = std::fs::read(server.path().join("dump.rdb")).expect("it was saved");
    let note = b"repl-stream-db\xc0\x09";
    assert!(saved.windows(note.len()).any(|part| part == note));
    drop(link);
    server.kill();
}

/// A full synchronization over an RDB channel: the main channel is client 77 of the primary. Returns
/// both links, the RDB channel at the point where the snapshot follows.
fn open_channels(primary: &Primary, id: char, offset: u64) -> (Link, Link) {
    let (mut main, words) = primary.greet();
    assert_eq!(words[0], "PSYNC");
    main.say(b"+RDBCHANNELSYNC 77\r\n");
    let mut channel = primary.accept();
    let words = channel.words();
    assert_eq!(
        words[..9].join(" "),
        "REPLCONF capa eof rdb-only 1 rdb-channel 1 main-ch-client-id 77"
    );
    assert_eq!(words[9], "listening-port");
    channel.say(b"+OK\r\n");
    assert_eq!(channel.words(), ["PSYNC", "?", "-1"]);
    let id = id.to_string().repeat(40);
    channel.say(format!("\n+FULLRESYNC {id} {offset}\r\n").as_bytes());
    (main, channel)
}

fn say_snapshot(link: &mut Link, snapshot: &[u8]) {
    let mark = "m".repeat(40);
    let head = format!("$EOF:{mark}\r\n");
    link.say(&[head.as_bytes(), snapshot, mark.as_bytes()].concat());
}

#[test]
fn the_stream_is_kept_while_the_snapshot_comes_on_an_rdb_channel() {
    for load in ["disabled", "swapdb"] {
        let (primary, server) = Primary::with(&["--repl-diskless-load", load]);
        let mut client = server.client();
        let (mut main, mut channel) = open_channels(&primary, 'a', 1000);
        let mut offset = 1000;
        offset += main.command("SELECT 0") as u64;
        offset += main.command("APPEND a -more") as u64;
        await_field(&mut client, "replica_full_sync_buffer_size", |n| n > 0);
        await_info(&mut client, "master_link_status", "down");
        assert_eq!(client.run("ROLE").items()[3].text(), "sync");
        say_snapshot(&mut channel, ONE_KEY);
        main.await_ack(1000);
        main.await_ack(offset);
        assert_eq!(client.run("GET a").text(), "one-more");
        await_info(&mut client, "master_link_status", "up");
        assert_eq!(info(&mut client, "replica_full_sync_buffer_size"), 0);
        await_field(&mut client, "replica_full_sync_buffer_peak", |n| n > 0);
        // The main channel is the link now; after it broke the stream goes on.
        drop((main, channel));
        let (_link, words) = primary.greet();
        assert_eq!(words, ["PSYNC", &"a".repeat(40), &(offset + 1).to_string()]);
    }
}

#[test]
fn what_a_replica_keeps_of_the_stream_is_limited() {
    let limits = ["--replica-full-sync-buffer-limit", "100kb"];
    let (primary, server) = Primary::with(&limits);
    let mut client = server.client();
    let (mut main, mut channel) = open_channels(&primary, 'a', 1000);
    let value = "x".repeat(10_000);
    let command = encode(&["APPEND", "k", &value]);
    let writer = std::thread::spawn(move || {
        for _ in 0..2_000 {
            main.say(&command);
        }
        main
    });
    wait_until("the limit is reached", || {
        server
            .log()
            .contains("Replication buffer limit has been reached (102400 bytes)")
    });
    let held = info(&mut client, "replica_full_sync_buffer_size");
    assert!(held <= 102_400 + 65_536, "{held}");
    say_snapshot(&mut channel, EMPTY);
    let _main = writer.join().expect("it writes all");
    wait_until("all is applied", || {
        client.run("STRLEN k") == Value::Int(20_000_000)
    });
}

#[test]
fn the_end_of_a_channel_ends_the_other() {
    let (primary, server) = Primary::with(&[]);
    // The RDB channel ends within the snapshot.
    let (mut main, mut channel) = open_channels(&primary, 'a', 1000);
    channel.say(b"$100\r\nREDIS");
    drop(channel);
    assert_eq!(main.stream.read(&mut [0; 10]).ok(), Some(0));
    // The main channel does.
    let (main, mut channel) = open_channels(&primary, 'a', 1000);
    channel.say(b"$100\r\nREDIS");
    drop(main);
    assert_eq!(channel.stream.read(&mut [0; 10]).ok(), Some(0));
    // The primary refuses the RDB channel.
    let (mut main, _) = primary.greet();
    main.say(b"+RDBCHANNELSYNC 78\r\n");
    let mut channel = primary.accept();
    channel.words();
    channel.say(b"-ERR Unrecognized RDB client id: 78\r\n");
    assert_eq!(main.stream.read(&mut [0; 10]).ok(), Some(0));
    // Promotion ends both.
    let (mut main, mut channel) = open_channels(&primary, 'a', 1000);
    wait_until("the snapshot is awaited", || {
        info(&mut server.client(), "master_sync_in_progress") == 1
    });
    server.client().run("REPLICAOF NO ONE");
    assert_eq!(main.stream.read(&mut [0; 10]).ok(), Some(0));
    assert_eq!(channel.stream.read(&mut [0; 10]).ok(), Some(0));
    assert!(server.log().contains("Aborting rdb channel sync"));
}

#[test]
fn a_complete_file_is_loaded_though_the_main_channel_ends() {
    let options = ["--key-load-delay", "300000"];
    let (primary, server) = Primary::with(&options);
    let (mut main, mut channel) = open_channels(&primary, 'a', 1000);
    let sent = main.command("APPEND a -more") as u64;
    say_snapshot(&mut channel, ONE_KEY);
    wait_until("the file is loaded", || {
        server.log().contains("Loading DB in memory")
    });
    drop(main);
    // What had come is applied, and the rest requested.
    let (_link, words) = primary.greet();
    assert_eq!(
        words,
        ["PSYNC", &"a".repeat(40), &(1001 + sent).to_string()]
    );
    assert_eq!(server.client().run("GET a").text(), "one-more");
}

#[test]
fn without_the_directive_no_rdb_channel_is_offered() {
    let (primary, _server) = Primary::with(&["--repl-rdb-channel", "no"]);
    let mut link = primary.accept();
    link.words();
    link.say(b"+PONG\r\n");
    link.words();
    let capabilities = link.words().join(" ");
    assert!(!capabilities.contains("rdb-channel"), "{capabilities}");
    link.say(b"+OK\r\n+OK\r\n");
    assert_eq!(link.words()[0], "PSYNC");
    link.say(b"+RDBCHANNELSYNC 5\r\n");
    // It is no reply to what was asked: the replica tries SYNC, as with any.
    let mut rest = [0; 6];
    link.stream.read_exact(&mut rest).expect("it goes on");
    assert_eq!(&rest, b"SYNC\r\n");
}

/// Waits until a number of INFO is as it should be.
fn await_field(client: &mut Client, field: &str, is_right: impl Fn(u64) -> bool) {
    wait_until(field, || is_right(info(client, field)));
}
