//! A full synchronization over two connections, on the replica's side: the RDB channel, which is
//! opened for the snapshot, and the main channel, whose stream is kept here until it is loaded.
//!
//! ```text
//!   main channel    PSYNC -- +RDBCHANNELSYNC --> kept, unread ------> stream -> Kept --> a client
//!   RDB channel        connecting -> Auth -> Options -> Psync -- +FULLRESYNC --> Transfer -> closed
//! ```
//!
//! `replication::channels` has the commands between the two sides. The wording of the log is that of
//! Redis (`rdbChannelSyncWithMaster` in replication.c).

use super::action::Action;
use super::handshake::Identity;
use super::{OFFSET_MAX, encode_command, is_id};
use crate::algo::quoting::in_line;
use crate::net::Link;
use std::collections::VecDeque;
use std::io;

/// Bytes of the stream in one block of `Kept`.
const BLOCK: usize = 64 << 10;

/// The reply that the RDB channel expects next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Auth,
    Options,
    Psync,
}

/// The handshake on the RDB channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Channel {
    step: Step,
}

impl Channel {
    /// Returns the first commands for a primary to which the main channel is the client `main`.
    pub fn start(us: &Identity, main: u64) -> (Channel, Vec<u8>) {
        let mut sent = Vec::new();
        let mut send = |words: &[&str]| {
            encode_command(&mut sent, words.iter().map(|word| word.as_bytes()));
        };
        let step = match us.password.is_empty() {
            true => Step::Options,
            false => Step::Auth,
        };
        if step == Step::Auth {
            let words = ["AUTH", &us.user, &us.password];
            match us.user.is_empty() {
                true => send(&["AUTH", &us.password]),
                false => send(&words),
            }
        }
        let (main, port) = (main.to_string(), us.port.to_string());
        let mut words = vec![
            "REPLCONF",
            "capa",
            "eof",
            "rdb-only",
            "1",
            "rdb-channel",
            "1",
        ];
        words.extend(["main-ch-client-id", &main, "listening-port", &port]);
        if !us.address.is_empty() {
            words.extend(["ip-address", &us.address]);
        }
        send(&words);
        (Channel { step }, sent)
    }

    /// Takes a reply, one line without its end.
    pub fn reply(&mut self, line: &[u8]) -> Vec<Action> {
        let shown = in_line(line);
        let is_error = line.starts_with(b"-");
        match self.step {
            Step::Auth if is_error => {
                refused(&format!("Unable to AUTH to master: {shown}"), &shown)
            }
            Step::Auth => {
                self.step = Step::Options;
                Vec::new()
            }
            Step::Options if is_error => {
                let text = format!("Master replied error to replconf: {shown}");
                refused(&text, &shown)
            }
            Step::Options => {
                self.step = Step::Psync;
                let mut sent = Vec::new();
                let words: [&[u8]; 3] = [b"PSYNC", b"?", b"-1"];
                encode_command(&mut sent, words.into_iter());
                vec![Action::Send(sent)]
            }
            // An empty line only shows that the primary is alive.
            Step::Psync if line.is_empty() => Vec::new(),
            Step::Psync => match full_sync(&shown) {
                Some(offered) => vec![
                    Action::info("Starting to receive RDB and replication stream in parallel."),
                    Action::BeginTransfer {
                        offered: Some(offered),
                    },
                ],
                None => {
                    let text = format!("Received unexpected psync reply: {shown}");
                    refused(&text, &shown)
                }
            },
        }
    }

    /// Returns the log lines for an RDB channel that ended in the handshake.
    pub fn failed(self, why: &str) -> [Action; 2] {
        let asked = match self.step {
            Step::Auth => "auth command",
            Step::Options => "replconf command",
            Step::Psync => "psync command",
        };
        let first = format!("Failed to read response from the server: {why}");
        let then = format!("Master did not respond to {asked} during rdb channel handshake");
        [Action::warn(first), Action::warn(then)]
    }
}

fn refused(text: &str, reply: &str) -> Vec<Action> {
    let then = format!("rdb channel sync failed with error: {reply}");
    vec![Action::warn(text), Action::warn(then), Action::Abandon]
}

/// Parses `+FULLRESYNC id offset`.
fn full_sync(line: &str) -> Option<(String, u64)> {
    let mut words = line.strip_prefix("+FULLRESYNC ")?.split(' ');
    let id = words.next().filter(|id| is_id(id.as_bytes()))?;
    let offset: u64 = words.next()?.parse().ok()?;
    (offset <= OFFSET_MAX).then(|| (id.to_owned(), offset))
}

/// The main channel while the snapshot comes on the RDB channel.
pub struct MainChannel {
    link: Link,
    /// The event loop watches it under its own token.
    is_watched: bool,
    is_ready: bool,
    kept: Kept,
    /// The first commands on the RDB channel.
    greeting: Vec<u8>,
    /// The buffer has reached its limit: the rest of the stream waits at the primary.
    is_full: bool,
    /// The link has ended; that is handled when it has become a client.
    has_ended: bool,
}

/// The outcome of a read from the main channel.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// The number of bytes that came.
    Bytes(usize),
    Nothing,
    /// The limit of the buffer, in bytes, is reached.
    Full(u64),
    /// The link ended, with the reason as Redis puts it.
    Ended(String),
}

impl MainChannel {
    /// Keeps a link, and the bytes that came on it already.
    pub fn new(link: Link, rest: &[u8], greeting: Vec<u8>) -> MainChannel {
        let mut kept = Kept::default();
        kept.append(rest);
        MainChannel {
            link,
            is_watched: false,
            is_ready: true,
            kept,
            greeting,
            is_full: false,
            has_ended: false,
        }
    }

    pub fn take_greeting(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.greeting)
    }

    pub fn set_ready(&mut self) {
        self.is_ready = true;
    }

    /// Whether it is to be read now.
    pub fn wants_input(&self) -> bool {
        self.is_ready && !self.is_full && !self.has_ended
    }

    /// The link, if the event loop does not watch it under its own token yet; it is regarded as
    /// watched from now on.
    pub fn take_unwatched(&mut self) -> Option<&mut Link> {
        match std::mem::replace(&mut self.is_watched, true) {
            true => None,
            false => Some(&mut self.link),
        }
    }

    /// Reads once. Nothing is read that `limit`, in bytes, does not allow.
    pub fn read(&mut self, limit: u64) -> Received {
        if self.kept.bytes() as u64 >= limit {
            self.is_full = true;
            return Received::Full(limit);
        }
        match self.kept.read(&mut self.link) {
            Ok(0) => self.ended(super::transfer::END_OF_FILE.into()),
            Ok(n) => Received::Bytes(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_ready = false;
                Received::Nothing
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Received::Nothing,
            Err(error) => self.ended(crate::sys::reason(&error)),
        }
    }

    fn ended(&mut self, why: String) -> Received {
        self.has_ended = true;
        Received::Ended(why)
    }

    /// Shows the primary that the replica is alive. A link that fails is noticed when it is read.
    pub fn ping(&mut self) {
        let _ = self.link.write(b"\n");
    }

    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The link and the stream that came on it.
    pub fn into_parts(self) -> (Link, Kept) {
        (self.link, self.kept)
    }
}

/// A part of the stream that waits until it can be applied, in blocks, so that it is never moved.
#[derive(Debug, Default)]
pub struct Kept {
    blocks: VecDeque<Vec<u8>>,
    len: usize,
}

impl Kept {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let block = self.block();
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - block.len()));
            block.extend_from_slice(now);
            self.len += now.len();
            bytes = rest;
        }
    }

    /// The last block, which has room.
    fn block(&mut self) -> &mut Vec<u8> {
        let has_room = |block: &Vec<u8>| block.len() < BLOCK;
        if !self.blocks.back().is_some_and(has_room) {
            self.blocks.push_back(Vec::with_capacity(BLOCK));
        }
        self.blocks.back_mut().expect("just pushed")
    }

    /// Reads once into the last block. `Ok(0)` is the end of the stream.
    fn read(&mut self, link: &mut Link) -> io::Result<usize> {
        let block = self.block();
        let room = BLOCK - block.len();
        let read = link.read(block, room).map(|read| read.bytes);
        let is_unused = block.is_empty();
        self.len += *read.as_ref().unwrap_or(&0);
        if is_unused {
            self.blocks.pop_back();
        }
        read
    }

    /// Takes the first block.
    pub fn take_block(&mut self) -> Option<Vec<u8>> {
        let block = self.blocks.pop_front()?;
        self.len -= block.len();
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn sent(bytes: &[u8]) -> String {
        let sent = String::from_utf8_lossy(bytes);
        let words = sent.split("\r\n");
        let words: Vec<&str> = words
            .filter(|word| !word.starts_with(['*', '$']) && !word.is_empty())
            .collect();
        words.join(" ")
    }

    #[test]
    fn the_rdb_channel_names_the_main_channel_and_asks_for_everything() {
        let us = Identity {
            port: 6380,
            ..Identity::default()
        };
        let (mut channel, greeting) = Channel::start(&us, 77);
        assert_eq!(
            sent(&greeting),
            "REPLCONF capa eof rdb-only 1 rdb-channel 1 main-ch-client-id 77 listening-port 6380"
        );
        let psync = channel.reply(b"+OK");
        assert!(matches!(&psync[..], [Action::Send(bytes)] if sent(bytes) == "PSYNC ? -1"));
        assert_eq!(channel.reply(b""), []);
        let actions = channel.reply(format!("+FULLRESYNC {ID} 1000").as_bytes());
        let offered = Some((ID.to_owned(), 1000));
        assert_eq!(actions[1..], [Action::BeginTransfer { offered }]);
    }

    #[test]
    fn a_password_comes_first() {
        let us = Identity {
            user: "u".into(),
            password: "p".into(),
            address: "10.0.0.9".into(),
            port: 1,
            ..Identity::default()
        };
        let (mut channel, greeting) = Channel::start(&us, 5);
        let greeting = sent(&greeting);
        assert!(greeting.starts_with("AUTH u p REPLCONF capa eof "));
        assert!(greeting.ends_with(" listening-port 1 ip-address 10.0.0.9"));
        assert_eq!(channel.reply(b"+OK"), []);
        assert_eq!(channel.step, Step::Options);
        let us = Identity {
            user: String::new(),
            ..us
        };
        assert!(sent(&Channel::start(&us, 5).1).starts_with("AUTH p REPLCONF "));
    }

    #[test]
    fn an_unexpected_reply_abandons_both_channels() {
        for (step, line, text) in [
            (Step::Auth, "-ERR no", "Unable to AUTH to master: -ERR no"),
            (
                Step::Options,
                "-ERR no",
                "Master replied error to replconf: -ERR no",
            ),
            (
                Step::Psync,
                "-LOADING x",
                "Received unexpected psync reply: -LOADING x",
            ),
            (
                Step::Psync,
                "+FULLRESYNC x 1",
                "Received unexpected psync reply: +FULLRESYNC x 1",
            ),
        ] {
            let actions = Channel { step }.reply(line.as_bytes());
            let then = format!("rdb channel sync failed with error: {line}");
            let expected = [Action::warn(text), Action::warn(then), Action::Abandon];
            assert_eq!(actions, expected);
        }
    }

    #[test]
    fn the_stream_is_kept_in_blocks_up_to_a_limit() {
        let (link, mut primary) = Link::pair().expect("a pair of sockets");
        let mut main = MainChannel::new(link, b"first", Vec::new());
        assert_eq!(main.kept().len(), 5);
        let limit = BLOCK as u64 + 1;
        assert_eq!(main.read(limit), Received::Nothing);
        assert!(!main.wants_input());
        let stream: Vec<u8> = (0..2 * BLOCK).map(|n| n as u8).collect();
        let mut got = b"first".to_vec();
        let mut written = 0;
        main.set_ready();
        let full = loop {
            let end = (written + 1000).min(stream.len());
            primary
                .write_all(&stream[written..end])
                .expect("it is read");
            written = end;
            match main.read(limit) {
                Received::Bytes(_) => {}
                other => break other,
            }
        };
        assert_eq!((full, main.wants_input()), (Received::Full(limit), false));
        let (_, mut kept) = main.into_parts();
        assert_eq!(kept.bytes(), 2 * BLOCK);
        let len = kept.len();
        while let Some(block) = kept.take_block() {
            got.extend_from_slice(&block);
        }
        assert_eq!((got.len() - 5, kept.is_empty()), (len, true));
        assert!(got[10..] == stream[..got.len() - 10] && got[..5] == *b"first");
    }

    #[test]
    fn the_end_of_the_main_channel_is_reported_once() {
        let (link, primary) = Link::pair().expect("a pair of sockets");
        let mut main = MainChannel::new(link, b"", Vec::new());
        drop(primary);
        assert_eq!(main.read(u64::MAX), Received::Ended("Success".into()));
        assert!(!main.wants_input());
        assert_eq!(main.kept().bytes(), 0);
    }
}
