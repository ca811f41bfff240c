//! The stream of a primary as it comes in: bytes, and the commands that are complete in them.
//!
//! Unlike with other clients the bytes themselves matter: they are counted, and they go on to those
//! who follow us as they came. So a command is found as a piece of the buffer with its arguments as
//! ranges in it, and stays there until it has run. A transaction is one piece of the stream for
//! whoever counts: `release` lets go of what was applied up to a point.
//!
//! ```text
//!   bytes   *3 $3 SET … *1 $5 MULTI *2 $4 INCR … *1 $4 EX
//!           applied     ^ from here on nothing counts before EXEC has run
//! ```

use crate::algo::number::parse_i64;
use crate::resp::request::{Argv, Range};

/// The longest line of a request.
const LINE_MAX: usize = 64 << 10;
/// Room that is kept while nothing is there.
const KEEP: usize = 1 << 20;

/// What comes next is no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// A line without a count: a primary never writes one.
    Inline,
    /// A count or a length that is none: with these words of Redis.
    Protocol(&'static str),
}

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Incoming {
    pub bytes: Vec<u8>,
    /// Where the command begins that comes next.
    at: usize,
    /// How far that command was looked at, and how many of its arguments have yet to come.
    seen: usize,
    missing: usize,
    ranges: Vec<Range>,
    /// The last look found nothing whole.
    starved: bool,
}

impl Incoming {
    pub fn clear(&mut self) {
        *self = Incoming::default();
    }

    /// Bytes that did not run yet.
    pub fn pending(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Takes a line off the front, without its end: for the talk before the stream.
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

    /// What stands in front of everything, if nothing is half read.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// So many bytes from the front were used.
    pub fn skip(&mut self, len: usize) {
        self.at += len;
        self.seen = self.at;
        self.release(self.at);
    }

    /// The place of the first byte that is still here.
    pub fn start(&self) -> usize {
        0
    }

    /// The bytes between two places.
    pub fn between(&self, from: usize, to: usize) -> &[u8] {
        &self.bytes[from..to]
    }

    /// Whether what waits may hold a whole command: the last look did not end in the middle of one.
    pub fn has_whole(&self) -> bool {
        !self.starved
    }

    /// The place behind the last command that was handed out.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Lets go of everything before a position.
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

    /// Looks for the next complete command. It is there until the next call; see `argv`.
    ///
    /// # Errors
    /// If this is no stream of commands.
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
                    // Only to show that the primary is there.
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
            Some(_) => return Err(Broken::Protocol("expected '$'")),
        }
        let Some((len, next)) = self.number("too big bulk count string")? else {
            return Ok(false);
        };
        let len = len.and_then(|len| usize::try_from(len).ok());
        let len = len.filter(|&len| len < u32::MAX as usize);
        let len = len.ok_or(Broken::Protocol("invalid bulk length"))?;
        if self.bytes.len() < next + len + 2 {
            return Ok(false);
        }
        self.ranges.push(Range::new(next, len));
        self.seen = next + len + 2;
        self.missing -= 1;
        Ok(true)
    }

    /// The number on the line at `seen` behind its mark, and where the next line begins.
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
                    incoming.bytes.extend_from_slice(piece);
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
            ("*1\r\n:1\r\n", Broken::Protocol("expected '$'")),
            ("*1\r\n$-1\r\n", Broken::Protocol("invalid bulk length")),
        ] {
            let mut incoming = Incoming::default();
            incoming.bytes.extend_from_slice(bytes.as_bytes());
            assert_eq!(incoming.advance(), Err(error), "{bytes}");
        }
    }

    #[test]
    fn lines_and_what_follows() {
        let mut incoming = Incoming::default();
        incoming.bytes.extend_from_slice(b"+OK\r\n\n+CONT");
        assert_eq!(incoming.line(), Some(b"+OK".to_vec()));
        assert_eq!(incoming.line(), Some(Vec::new()));
        assert_eq!(incoming.line(), None);
        assert_eq!(incoming.rest(), b"+CONT");
        incoming.skip(2);
        assert_eq!(incoming.rest(), b"ONT");
    }
}
