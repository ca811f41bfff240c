//! A server for unit tests, driven one iteration of the event loop at a time.
//!
//! No network and no waiting: each client is one end of a socket pair, whose other end the test
//! holds; the clock is frozen; and `Bench::turn` runs the iteration that the server itself runs,
//! but does not sleep in it. A test states commands and checks replies, propagated commands and
//! connections, so it knows nothing of the code in between.
//!
//! It stands beside the event loop, because only the event loop knows the order of an iteration.

use super::Reactor;
use super::intake::SIGNALS;
use crate::algo::quoting::split_args;
use crate::algo::rng::Rng;
use crate::command::effects::Interest;
use crate::command::settle::Target;
use crate::config::Config;
use crate::net::Link;
use crate::resp::encode;
use crate::server::Server;
use crate::server::clients::session::ClientId;
use crate::server::core::propagate::Record;
use mio::Waker;
use std::io::{ErrorKind, Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;

/// The iterations after which a server that is left alone has nothing more to do.
const SETTLED: usize = 4;

/// The number of a client of a `Bench`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Far(usize);

/// The client that every `Bench` begins with.
pub const FIRST: Far = Far(0);

/// The test's end of a connection.
struct End {
    id: ClientId,
    socket: UnixStream,
    is_closed: bool,
}

/// An event loop with its server, and the other ends of its clients. It dereferences to the server.
pub struct Bench {
    reactor: Reactor,
    ends: Vec<End>,
    waker: Waker,
}

impl Deref for Bench {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.reactor.server
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.reactor.server
    }
}

impl Bench {
    /// A server with the default configuration, whose units are propagated, and one client.
    pub fn new() -> Bench {
        Bench::with(|_| {})
    }

    /// The same, with a configuration that `change` has changed.
    pub fn with(change: impl FnOnce(&mut Config)) -> Bench {
        let mut config = Config::new();
        // A snapshot in the folder of the tests helps no one.
        config.save.clear();
        change(&mut config);
        let mut server = Server::new(config, Rng::new(1));
        server.clock.freeze();
        let reactor = Reactor::new(server, None).expect("an event loop can be made");
        let intake = reactor.intake.as_ref().expect("no iteration runs");
        let waker = Waker::new(intake.poll.registry(), SIGNALS).expect("a poll can be woken");
        let mut bench = Bench {
            reactor,
            ends: Vec::new(),
            waker,
        };
        bench.connect();
        bench.note_propagated();
        bench
    }

    /// Has the server propagate its units without an AOF or a replica, for `told`.
    pub fn note_propagated(&mut self) {
        self.effects.interest.0 |= Interest::PROPAGATE.0;
        self.refresh_interest();
    }

    /// Connects a client.
    pub fn connect(&mut self) -> Far {
        let (link, socket) = Link::pair().expect("a pair of sockets can be made");
        socket
            .set_nonblocking(true)
            .expect("a socket can be made nonblocking");
        let server = &mut self.reactor.server;
        let intake = self.reactor.intake.as_mut().expect("no iteration runs");
        intake.welcome(server, link);
        let id = server.clients.ids().max().expect("it was just added");
        self.ends.push(End {
            id,
            socket,
            is_closed: false,
        });
        Far(self.ends.len() - 1)
    }

    /// The id of a client, as CLIENT ID reports it.
    pub fn id(&self, far: Far) -> ClientId {
        self.ends[far.0].id
    }

    /// Runs one iteration of the event loop.
    pub fn turn(&mut self) {
        self.waker.wake().expect("the poll is there");
        self.reactor.turn().expect("the poll works");
    }

    /// Runs iterations until all that was sent has been handled.
    pub fn settle_all(&mut self) {
        (0..SETTLED).for_each(|_| self.turn());
    }

    /// Moves the clock on, and lets the server notice.
    pub fn advance_ms(&mut self, ms: u64) {
        self.clock.advance_ms(ms);
        self.settle_all();
    }

    /// Sends bytes, which need be no command, without a turn of the server.
    pub fn send_raw(&mut self, far: Far, bytes: &[u8]) {
        self.ends[far.0]
            .socket
            .write_all(bytes)
            .expect("the socket's buffer has room");
    }

    /// Sends commands, one per line, in one piece, without a turn of the server.
    pub fn send(&mut self, far: Far, lines: &str) {
        let mut bytes = Vec::new();
        for line in lines.lines() {
            let words = split_args(line.as_bytes()).expect("a test quotes well");
            encode::prefixed(&mut bytes, b'*', words.len() as i64);
            words.iter().for_each(|word| encode::bulk(&mut bytes, word));
        }
        self.send_raw(far, &bytes);
    }

    /// The bytes that have reached a client since the last call.
    pub fn received_raw(&mut self, far: Far) -> Vec<u8> {
        let end = &mut self.ends[far.0];
        let mut all = Vec::new();
        let mut chunk = [0; 16 << 10];
        loop {
            match end.socket.read(&mut chunk) {
                Ok(0) => end.is_closed = true,
                Ok(n) => {
                    all.extend_from_slice(&chunk[..n]);
                    continue;
                }
                Err(error) => end.is_closed |= error.kind() != ErrorKind::WouldBlock,
            }
            return all;
        }
    }

    /// The same as text, with a blank for each line break.
    pub fn received(&mut self, far: Far) -> String {
        let text = String::from_utf8_lossy(&self.received_raw(far)).replace("\r\n", " ");
        text.trim_end().to_owned()
    }

    /// Runs commands of a client, one per line; returns the replies, as `received` does.
    pub fn ask(&mut self, far: Far, lines: &str) -> String {
        self.send(far, lines);
        self.settle_all();
        self.received(far)
    }

    /// Runs commands of the first client.
    pub fn run(&mut self, lines: &str) -> String {
        self.ask(FIRST, lines)
    }

    /// Whether the server has closed a client's connection.
    pub fn is_closed(&mut self, far: Far) -> bool {
        if !self.ends[far.0].is_closed {
            let rest = self.received_raw(far);
            assert!(
                rest.is_empty() || self.ends[far.0].is_closed,
                "unread output: {}",
                String::from_utf8_lossy(&rest)
            );
        }
        self.ends[far.0].is_closed
    }

    /// Closes a client's end of its connection.
    pub fn hang_up(&mut self, far: Far) {
        self.ends[far.0]
            .socket
            .shutdown(std::net::Shutdown::Both)
            .expect("the socket is open");
        self.settle_all();
    }

    /// Returns the units that were propagated since the last call, one text per unit.
    pub fn told(&mut self) -> Vec<String> {
        let units = std::mem::take(&mut self.unit.seen);
        let unit = |unit: Vec<Record>| unit.iter().map(text_of).collect::<Vec<_>>().join("; ");
        units.into_iter().map(unit).collect()
    }
}

/// A propagated command: its database, its target unless it goes to both, and its words.
fn text_of(record: &Record) -> String {
    let words: Vec<_> = record.argv.as_argv().iter().collect();
    let words = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
    match (record.db, record.target) {
        (None, _) => words,
        (Some(db), Target::Everybody) => format!("{}: {words}", db.0),
        (Some(db), Target::Replicas) => format!("{}, replicas: {words}", db.0),
        (Some(db), Target::Aof) => format!("{}, log: {words}", db.0),
    }
}
