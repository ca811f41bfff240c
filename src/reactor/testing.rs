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
use crate::server::storage::loading;
use crate::sys::clock;
use mio::Waker;
use std::io::{ErrorKind, Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The iterations after which a server that is left alone has nothing more to do.
const SETTLED: usize = 4;

/// The time limit of `until`, in milliseconds.
const PATIENCE_MS: u64 = 20_000;

/// The number of a client of a `Bench`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Far(usize);

/// The client that every `Bench` begins with.
pub const FIRST: Far = Far(0);

/// The folder of the process is that of a test.
static IN_FOLDER: Mutex<()> = Mutex::new(());

/// A temporary folder in which the process works until it is dropped; one test at a time has one.
struct Folder {
    before: PathBuf,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Folder {
    fn enter() -> Folder {
        // A test that failed in its folder does not matter to the next.
        let turn = IN_FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::env::current_dir().expect("there is a folder");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::env::set_current_dir(folder.path()).expect("it was just made");
        Folder {
            before,
            _folder: folder,
            _turn: turn,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::env::set_current_dir(&self.before);
    }
}

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
    /// Dropped last: a child of the server may be at work in it.
    folder: Option<Folder>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(job) = self.persist.child.take() {
            job.process.finish_off();
        }
    }
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
            folder: None,
        };
        bench.connect();
        bench.note_propagated();
        bench
    }

    /// A server that reads and writes files, in a temporary folder.
    pub fn in_folder(change: impl FnOnce(&mut Config)) -> Bench {
        let folder = Folder::enter();
        let mut bench = Bench::with(change);
        bench.folder = Some(folder);
        let nothing = loading::begin_load(&mut bench);
        assert_eq!(nothing, Ok(false), "the folder is empty");
        bench
    }

    /// A new server in the folder of this one, which has ended.
    pub fn restarted(mut self, change: impl FnOnce(&mut Config)) -> Bench {
        let folder = self.folder.take();
        drop(self);
        let mut bench = Bench::with(change);
        bench.folder = folder;
        bench
    }

    /// Has the server propagate its units without an AOF or a replica, for `told`.
    pub fn note_propagated(&mut self) {
        self.effects.set_interest(Interest::PROPAGATE, true);
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
        intake.welcome(server, link, false);
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

    /// Runs iterations until the condition holds, for what other processes and the network do.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Bench) -> bool) {
        let until_ms = clock::mono_ms() + PATIENCE_MS;
        while !holds(self) {
            assert!(clock::mono_ms() < until_ms, "waited in vain: {what}");
            clock::sleep_us(1_000);
            self.turn();
        }
    }

    /// Waits until the child has ended and cron has finished its job.
    pub fn await_child(&mut self) {
        self.until("the child ends", |bench| {
            bench.clock.advance_ms(100);
            bench.turn();
            bench.persist.child.is_none()
        });
    }

    /// The value of a field of INFO.
    pub fn info(&mut self, name: &str) -> String {
        let all = self.run("INFO everything");
        let mut values = all
            .split(' ')
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        values.next().expect("INFO has the field").to_owned()
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
        let units = self.unit.take_seen();
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
