//! The bytes received from a primary, and the complete lines and commands in them.
//!
//! Unlike with other clients the bytes themselves matter: they are counted, and passed on to the
//! replicas of this server unchanged. So a command is a piece of the buffer with its arguments as
//! ranges in it, and stays there until it has run. A transaction counts as a whole: `release` drops
//! the bytes that were applied.
//!
//! ```text
//!   bytes   *3 $3 SET … *1 $5 MULTI *2 $4 INCR … *1 $4 EX
//!           applied     ^ not applied before EXEC has run
//! ```

use crate::algo::number::parse_i64;
use crate::net::{Link, Received};
use crate::resp::request::{Argv, Range};
use std::io;

/// The longest line of a request.
const LINE_MAX: usize = 64 << 10;
/// Capacity kept by an empty buffer, in bytes.
const KEEP: usize = 1 << 20;

/// The reason why the next bytes are no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// A line without a count: a primary never writes one.
    Inline,
    /// An invalid count or length, in the words of Redis.
    Protocol(&'static str),
}

/// Received bytes, and the parser's place in them.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// The start of the next command.
    at: usize,
    /// The end of the parsed part of that command, and the number of its arguments still missing.
    seen: usize,
    missing: usize,
    ranges: Vec<Range>,
    /// The last `advance` found no complete command.
    starved: bool,
}

impl Incoming {
    pub fn clear(&mut self) {
        *self = Incoming::default();
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Reads once from a link, at most `max` bytes. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// Those of the socket, `WouldBlock` included.
    pub fn read(&mut self, link: &mut Link, max: usize) -> io::Result<Received> {
        self.bytes.reserve(max);
        link.read(&mut self.bytes, max)
    }

    /// The number of bytes behind the last command that was found.
    pub fn pending(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether a line is complete.
    pub fn has_line(&self) -> bool {
        memchr::memchr(b'\n', self.rest()).is_some()
    }

    /// Takes a line off the front, without its end: replies of the handshake.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        let rest = &self.bytes[self.at..];
        let len = memchr::memchr(b'\n', rest)?;
        let line = &rest[..len];
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.at += len + 1;
        self.seen = self.at;
        self.release(self.at);
        Some(line)
    }

    /// The bytes not taken yet; only between commands.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Drops bytes from the front.
    pub fn skip(&mut self, len: usize) {
        self.at += len;
        self.seen = self.at;
        self.release(self.at);
    }

    /// The bytes between two positions.
    pub fn between(&self, from: usize, to: usize) -> &[u8] {
        &self.bytes[from..to]
    }

    /// Whether a complete command may be pending: the last `advance` did not end within one.
    pub fn has_whole(&self) -> bool {
        !self.starved
    }

    /// The position behind the last command that was found.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Drops everything before a position.
    pub fn release(&mut self, position: usize) {
        self.bytes.drain(..position);
        self.at -= position;
        self.seen -= position;
        for range in &mut self.ranges {
            range.shift_back(position);
        }
        if self.bytes.is_empty() && self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
    }

    /// Finds the next complete command. `argv` returns it until the next call.
    ///
    /// # Errors
    /// If the bytes are no stream of commands.
    pub fn advance(&mut self) -> Result<bool, Broken> {
        let found = self.find()?;
        self.starved = !found;
        Ok(found)
    }

    fn find(&mut self) -> Result<bool, Broken> {
        loop {
            if self.missing == 0 {
                self.ranges.clear();
                match self.bytes.get(self.seen) {
                    None => return Ok(false),
                    Some(b'*') => {}
                    // A keepalive of the primary.
                    Some(b'\n') => {
                        self.seen += 1;
                        self.at = self.seen;
                        continue;
                    }
                    Some(_) => return Err(Broken::Inline),
                }
                let Some((count, next)) = self.number("too big mbulk count string")? else {
                    return Ok(false);
                };
                let count = count.filter(|&n| n <= i32::MAX as i64);
                let count = count.ok_or(Broken::Protocol("invalid multibulk length"))?;
                self.seen = next;
                if count <= 0 {
                    self.at = self.seen;
                    continue;
                }
                self.missing = count as usize;
            }
            while self.missing > 0 {
                if !self.argument()? {
                    return Ok(false);
                }
            }
            self.at = self.seen;
            return Ok(true);
        }
    }

    /// The command that `advance` found.
    pub fn argv(&self) -> Argv<'_> {
        Argv::of(&self.bytes, &self.ranges)
    }

    fn argument(&mut self) -> Result<bool, Broken> {
        match self.bytes.get(self.seen) {
            None => return Ok(false),
            Some(b'$') => {}
            Some(_) => return Err(Broken::Protocol("expected $ but got something else")),
        }
        let Some((len, next)) = self.number("too big bulk count string")? else {
            return Ok(false);
        };
        let len = len.and_then(|len| usize::try_from(len).ok());
        let len = len.filter(|&len| len < u32::MAX as usize);
        let len = len.ok_or(Broken::Protocol("invalid bulk length"))?;
        // Ranges are 32 bits wide.
        if next + len > u32::MAX as usize {
            return Err(Broken::Protocol("invalid bulk length"));
        }
        if self.bytes.len() < next + len + 2 {
            return Ok(false);
        }
        self.ranges.push(Range::new(next, len));
        self.seen = next + len + 2;
        self.missing -= 1;
        Ok(true)
    }

    /// The number on the line at `seen` behind its type byte, and the start of the next line.
    #[allow(clippy::type_complexity)]
    fn number(&self, too_big: &'static str) -> Result<Option<(Option<i64>, usize)>, Broken> {
        let rest = &self.bytes[self.seen..];
        let Some(end) = memchr::memchr(b'\r', rest) else {
            return match rest.len() > LINE_MAX {
                true => Err(Broken::Protocol(too_big)),
                false => Ok(None),
            };
        };
        if end + 2 > rest.len() {
            return Ok(None);
        }
        Ok(Some((parse_i64(&rest[1..end]), self.seen + end + 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    fn words(incoming: &Incoming) -> String {
        let words: Vec<&[u8]> = incoming.argv().iter().collect();
        String::from_utf8_lossy(&words.join(&b' ')).into_owned()
    }

    #[test]
    fn commands_are_found_however_the_stream_is_cut() {
        let stream = b"\n*1\r\n$4\r\nPING\r\n*0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n\n*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n";
        for step in 1..stream.len() {
            for release in [false, true] {
                let mut incoming = Incoming::default();
                let (mut found, mut released) = (Vec::new(), 0);
                for piece in stream.chunks(step) {
                    incoming.extend(piece);
                    while incoming.advance() == Ok(true) {
                        found.push(words(&incoming));
                        if release {
                            released += incoming.position();
                            incoming.release(incoming.position());
                        }
                    }
                }
                assert_eq!(found, ["PING", "SET a ", "INCR b"]);
                assert_eq!(incoming.pending(), 0);
                assert_eq!(released + incoming.position(), stream.len());
            }
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for (bytes, error) in [
            ("PING\r\n", Broken::Inline),
            ("*x\r\n", Broken::Protocol("invalid multibulk length")),
            (
                "*1\r\n:1\r\n",
                Broken::Protocol("expected $ but got something else"),
            ),
            ("*1\r\n$-1\r\n", Broken::Protocol("invalid bulk length")),
        ] {
            let mut incoming = Incoming::default();
            incoming.extend(bytes.as_bytes());
            assert_eq!(incoming.advance(), Err(error), "{bytes}");
        }
    }

    #[test]
    fn no_bytes_do_harm() {
        let mut rng = Rng::new(5);
        let parts: [&[u8]; 9] = [
            b"*",
            b"$",
            b"3\r\n",
            b"1\r\n",
            b"-1\r\n",
            b"\r\n",
            b"abc",
            b"\n",
            b"999999999999999999999\r\n",
        ];
        for _ in 0..20_000 {
            let mut incoming = Incoming::default();
            for _ in 0..rng.below(20) {
                let part = parts[rng.below(parts.len() as u64) as usize];
                incoming.extend(part);
                while incoming.advance() == Ok(true) {
                    assert!(!incoming.argv().is_empty());
                    let all: usize = incoming.argv().iter().map(<[u8]>::len).sum();
                    assert!(all <= incoming.position());
                    incoming.release(incoming.position());
                }
            }
        }
    }

    #[test]
    fn lines_and_what_follows() {
        let mut incoming = Incoming::default();
        incoming.extend(b"+OK\r\n\n+CONT");
        assert_eq!(incoming.line(), Some(b"+OK".to_vec()));
        assert_eq!(incoming.line(), Some(Vec::new()));
        assert_eq!(incoming.line(), None);
        assert_eq!(incoming.rest(), b"+CONT");
        incoming.skip(2);
        assert_eq!(incoming.rest(), b"ONT");
    }
}
