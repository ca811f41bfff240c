//! The link to a primary: the handshake, the snapshot, the stream, and what happens when they stop.
//! The test is the primary.

use crate::reactor::testing::Bench;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

/// A snapshot with the key `a` in database 0, without a checksum.
const SNAPSHOT: &[u8] = b"REDIS0011\xfe\0\0\x01a\x03one\xff\0\0\0\0\0\0\0\0";

/// The id of the primary's history.
const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The primary's side: where the replica connects, and the link.
struct Primary {
    listener: TcpListener,
    link: Option<TcpStream>,
}

impl Primary {
    /// A primary, and a replica that has connected to it.
    fn start() -> (Primary, Bench) {
        let bench = Bench::in_folder(|config| {
            config.repl_diskless_load = crate::config::ReplDisklessLoad::SwapDb;
        });
        Primary::of(bench)
    }

    fn of(mut bench: Bench) -> (Primary, Bench) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        listener.set_nonblocking(true).expect("a listener can be");
        let port = listener.local_addr().expect("it is bound").port();
        let mut primary = Primary {
            listener,
            link: None,
        };
        assert_eq!(bench.run(&format!("REPLICAOF 127.0.0.1 {port}")), "+OK");
        primary.accept(&mut bench);
        (primary, bench)
    }

    /// Accepts the next link.
    fn accept(&mut self, bench: &mut Bench) {
        self.link = None;
        bench.until("the replica connects", |bench| {
            bench.turn();
            self.link = self.listener.accept().ok().map(|(link, _)| link);
            self.link.is_some()
        });
        let link = self.link.as_ref().expect("just accepted");
        link.set_nonblocking(true).expect("a socket can be");
        // Else a second small piece would wait for the replica's acknowledgement of the first.
        link.set_nodelay(true).expect("a socket can be");
    }

    /// Whether a replica has connected that was not accepted yet.
    fn has_connection(&mut self) -> bool {
        self.listener.accept().is_ok()
    }

    fn say(&mut self, bench: &mut Bench, bytes: &[u8]) {
        let link = self.link.as_mut().expect("a replica is linked");
        link.write_all(bytes).expect("the replica reads");
        bench.settle_all();
    }

    /// What the replica has sent, once it ends like this.
    fn hears(&mut self, bench: &mut Bench, end: &str) -> String {
        let mut all = String::new();
        bench.until(end, |bench| {
            all += &self.take();
            bench.turn();
            all.ends_with(end)
        });
        all
    }

    /// What the replica has sent by now; `closed` behind it if it has closed the link.
    fn take(&mut self) -> String {
        let link = self.link.as_mut().expect("a replica is linked");
        let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
        let is_closed = loop {
            match link.read(&mut chunk) {
                Ok(0) => break true,
                Ok(n) => all.extend_from_slice(&chunk[..n]),
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        let text = String::from_utf8_lossy(&all).replace("\r\n", " ");
        if is_closed { text + "closed" } else { text }
    }

    /// Replies to the handshake up to PSYNC; returns that.
    fn greet(&mut self, bench: &mut Bench) -> String {
        self.hears(bench, "PING ");
        self.say(bench, b"+PONG\r\n");
        let mut all = String::new();
        bench.until("PSYNC", |bench| {
            let fresh = self.take();
            let commands = fresh.matches("$8 REPLCONF ").count();
            all += &fresh;
            for _ in 0..commands {
                self.say(bench, b"+OK\r\n");
            }
            bench.turn();
            all.contains("$5 PSYNC ")
        });
        all[all.find("$5 PSYNC").expect("just seen")..].to_owned()
    }

    /// A full synchronization that ends at this byte of the history.
    fn sync(&mut self, bench: &mut Bench, offset: u64) {
        let head = format!("+FULLRESYNC {ID} {offset}\r\n${}\r\n", SNAPSHOT.len());
        self.say(bench, &[head.as_bytes(), SNAPSHOT].concat());
        bench.until("the link is up", |bench| {
            bench.turn();
            bench.info("master_link_status") == "up"
        });
    }

    fn hang_up(&mut self, bench: &mut Bench) {
        self.link = None;
        bench.settle_all();
    }
}

/// The bytes of a command.
fn encode(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut bytes = Vec::new();
    crate::replication::encode_command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    bytes
}

#[test]
fn a_former_primary_offers_its_own_history_and_takes_another() {
    let (mut primary, mut bench) = Primary::start();
    let own = bench.info("master_replid");
    assert_eq!(
        primary.greet(&mut bench),
        format!("$5 PSYNC $40 {own} $1 1 ")
    );
    assert_eq!(bench.info("master_link_status"), "down");
    primary.sync(&mut bench, 100);
    assert_eq!(bench.run("GET a"), "$3 one");
    assert_eq!(bench.info("master_repl_offset"), "100");
    assert_eq!(bench.info("master_replid"), ID);
}

#[test]
fn a_refused_or_silent_handshake_is_begun_anew() {
    let (mut primary, mut bench) = Primary::start();
    primary.hears(&mut bench, "PING ");
    primary.say(&mut bench, b"-ERR not now\r\n");
    bench.until("the link is closed", |_| primary.take().ends_with("closed"));
    bench.advance_ms(1_001);
    primary.accept(&mut bench);
    primary.hears(&mut bench, "PING ");
    for _ in 0..60 {
        bench.advance_ms(1_000);
    }
    assert!(!primary.has_connection(), "its time is not over");
    bench.advance_ms(2_000);
    bench.until("the link is closed", |_| primary.take().ends_with("closed"));
    bench.advance_ms(1_001);
    primary.accept(&mut bench);
    assert!(primary.greet(&mut bench).starts_with("$5 PSYNC $40 "));
}

#[test]
fn a_snapshot_may_come_byte_by_byte_and_the_old_data_stays_until_it_is_complete() {
    let mut bench = Bench::in_folder(|config| {
        config.repl_diskless_load = crate::config::ReplDisklessLoad::SwapDb;
    });
    bench.run("SET old 1");
    let (mut primary, mut bench) = Primary::of(bench);
    primary.greet(&mut bench);
    // The old data is served only if it belongs to the history of the primary.
    let own = bench.info("master_replid");
    let head = format!("+FULLRESYNC {own} 7\r\n${}\r\n", SNAPSHOT.len());
    primary.say(&mut bench, head.as_bytes());
    let (last, first) = SNAPSHOT.split_last().expect("it is not empty");
    for byte in first {
        primary.say(&mut bench, &[*byte]);
        // Longer than repl-timeout in all, but the primary is never silent for that long.
        bench.advance_ms(3_000);
    }
    assert_eq!(bench.info("master_sync_in_progress"), "1");
    assert_eq!(bench.info("async_loading"), "1");
    assert_eq!(bench.run("GET old"), "$1 1");
    primary.say(&mut bench, &[*last]);
    bench.until("the link is up", |bench| {
        bench.info("master_link_status") == "up"
    });
    assert_eq!(bench.run("GET a\nEXISTS old"), "$3 one :0");
}

#[test]
fn a_silent_transfer_is_given_up() {
    let (mut primary, mut bench) = Primary::start();
    primary.greet(&mut bench);
    primary.say(
        &mut bench,
        format!("+FULLRESYNC {ID} 7\r\n$900\r\n").as_bytes(),
    );
    primary.say(&mut bench, &SNAPSHOT[..9]);
    assert_eq!(bench.info("master_sync_in_progress"), "1");
    for _ in 0..62 {
        bench.advance_ms(1_000);
    }
    bench.until("the link is closed", |_| primary.take().ends_with("closed"));
    assert_eq!(bench.info("master_sync_in_progress"), "0");
}

#[test]
fn the_stream_is_applied_as_it_comes_and_counts_by_whole_commands() {
    let (mut primary, mut bench) = Primary::start();
    primary.greet(&mut bench);
    primary.sync(&mut bench, 0);
    let set = encode("SET k 1");
    let (one, two) = set.split_at(10);
    primary.say(&mut bench, one);
    assert_eq!(bench.info("master_repl_offset"), "0");
    primary.say(&mut bench, two);
    assert_eq!(bench.run("GET k"), "$1 1");
    let len = set.len();
    assert_eq!(bench.info("master_repl_offset"), len.to_string());
    // A transaction counts once it is complete.
    let multi = [encode("MULTI"), encode("INCR k"), encode("EXEC")].concat();
    let (begun, exec) = multi.split_at(multi.len() - encode("EXEC").len());
    primary.say(&mut bench, begun);
    assert_eq!(bench.run("GET k"), "$1 1");
    assert_eq!(bench.info("master_repl_offset"), len.to_string());
    primary.say(&mut bench, exec);
    assert_eq!(bench.run("GET k"), "$1 2");
    let len = len + multi.len();
    assert_eq!(bench.info("master_repl_offset"), len.to_string());
    // Only GETACK gets a reply, with the offset before it.
    primary.take();
    primary.say(&mut bench, &encode("REPLCONF GETACK *"));
    let digits = len.to_string().len();
    assert!(
        primary
            .take()
            .starts_with(&format!("*3 $8 REPLCONF $3 ACK ${digits} {len} "))
    );
    let len = len + encode("REPLCONF GETACK *").len();
    // And each second it says how far it is.
    bench.advance_ms(1_001);
    assert!(primary.take().contains(&format!(" {len} ")));
}

#[test]
fn a_broken_link_continues_where_the_stream_ended() {
    let (mut primary, mut bench) = Primary::start();
    primary.greet(&mut bench);
    primary.sync(&mut bench, 100);
    let set = encode("SET k 1");
    primary.say(&mut bench, &[&set[..], &encode("MULTI")].concat());
    primary.hang_up(&mut bench);
    assert_eq!(bench.info("master_link_status"), "down");
    bench.advance_ms(1_001);
    primary.accept(&mut bench);
    let next = (100 + set.len() + 1).to_string();
    let asked = primary.greet(&mut bench);
    assert_eq!(asked, format!("$5 PSYNC $40 {ID} ${} {next} ", next.len()));
    primary.say(
        &mut bench,
        format!("+CONTINUE {}\r\n", "b".repeat(40)).as_bytes(),
    );
    primary.say(&mut bench, &encode("SET k 2"));
    assert_eq!(bench.run("GET k"), "$1 2");
    assert_eq!(bench.info("master_replid2"), ID);
}

#[test]
fn a_silent_primary_is_left_after_its_timeout() {
    let (mut primary, mut bench) = Primary::start();
    primary.greet(&mut bench);
    primary.sync(&mut bench, 100);
    for _ in 0..30 {
        bench.advance_ms(1_000);
    }
    primary.say(&mut bench, &encode("PING"));
    for _ in 0..59 {
        bench.advance_ms(1_000);
    }
    assert_eq!(bench.info("master_link_status"), "up");
    for _ in 0..3 {
        bench.advance_ms(1_000);
    }
    bench.until("the link is closed", |_| primary.take().ends_with("closed"));
    assert_eq!(bench.info("master_link_status"), "down");
}

#[test]
fn a_malformed_stream_ends_the_link_and_is_not_continued() {
    let (mut primary, mut bench) = Primary::start();
    primary.greet(&mut bench);
    primary.sync(&mut bench, 100);
    primary.say(&mut bench, b"GET a\r\n");
    bench.until("the link is closed", |_| primary.take().ends_with("closed"));
    bench.advance_ms(1_001);
    primary.accept(&mut bench);
    assert_eq!(primary.greet(&mut bench), "$5 PSYNC $1 ? $2 -1 ");
}
