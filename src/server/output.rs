//! What a client is owed: bytes of its own, and messages it shares with others.
//!
//! Answers are written into one buffer. A message that many clients get is encoded once and shared;
//! it is remembered with its place among the answers, and both leave together in one system call.
//!
//! ```text
//!   bytes    +OK\r\n :1\r\n | $5\r\nhello\r\n
//!                           ^ at 9: shared message "…"
//! ```
//!
//! A client that is only answered has no shared messages, and then this is a plain buffer.

use super::reply_buffer::ReplyBuffer;
use crate::net::Link;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Pieces handed to the system at once.
const PIECES: usize = 64;
/// Room for shared messages that is kept while none is left.
const KEEP_SHARED: usize = 16;

/// A shared message in its place.
#[derive(Debug)]
struct Segment {
    /// How many of the client's own bytes go before it.
    at: usize,
    message: Bytes,
}

/// See the head of this file.
#[derive(Default, Debug)]
pub struct Output {
    pub bytes: Vec<u8>,
    /// How many of them are sent.
    pub sent: usize,
    shared: VecDeque<Segment>,
    shared_bytes: usize,
    pub buffer: ReplyBuffer,
}

impl Output {
    /// Bytes that are not sent yet.
    #[inline(always)]
    pub fn pending(&self) -> usize {
        self.bytes.len() - self.sent + self.shared_bytes
    }

    /// Bytes held for this client: a shared message counts in full, as if it had it alone.
    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.shared_bytes + self.shared.capacity() * size_of::<Segment>()
    }

    /// Appends a message that others get, too.
    #[inline]
    pub fn share(&mut self, message: Bytes) {
        self.shared_bytes += message.len();
        let at = self.bytes.len();
        self.shared.push_back(Segment { at, message });
    }

    /// Sends as much as the socket takes, at most about `max` bytes. The answer is how many went,
    /// and whether that was all there was to try.
    #[inline]
    pub fn send(&mut self, link: &Link, max: usize) -> io::Result<(usize, bool)> {
        self.buffer.note(self.pending());
        let (n, all) = match self.shared.is_empty() {
            true => self.send_bytes(link, max)?,
            false => self.send_pieces(link, max)?,
        };
        self.buffer.sent(n, self.pending());
        Ok((n, all))
    }

    #[inline(always)]
    fn send_bytes(&mut self, link: &Link, max: usize) -> io::Result<(usize, bool)> {
        let end = self.bytes.len().min(self.sent + max);
        let n = link.write(&self.bytes[self.sent..end])?;
        self.sent += n;
        Ok((n, self.sent == end))
    }

    fn send_pieces(&mut self, link: &Link, max: usize) -> io::Result<(usize, bool)> {
        // The common case: one message for a client that is owed nothing else.
        if let [only] = self.shared.as_slices().0
            && self.shared.len() == 1
            && self.bytes.len() == self.sent
        {
            let all = only.message.len();
            let n = link.write(&only.message)?;
            self.advance(n);
            return Ok((n, n == all));
        }
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let (mut count, mut total, mut own) = (0, 0, self.sent);
        for segment in &self.shared {
            if count + 2 > PIECES || total >= max {
                break;
            }
            if segment.at > own {
                pieces[count] = IoSlice::new(&self.bytes[own..segment.at]);
                (count, total, own) = (count + 1, total + segment.at - own, segment.at);
            }
            pieces[count] = IoSlice::new(&segment.message);
            (count, total) = (count + 1, total + segment.message.len());
        }
        let is_last = self.shared.back().is_none_or(|last| last.at <= own);
        if is_last && count < PIECES && total < max && self.bytes.len() > own {
            pieces[count] = IoSlice::new(&self.bytes[own..]);
            (count, total) = (count + 1, total + self.bytes.len() - own);
        }
        let n = link.write_pieces(&pieces[..count])?;
        self.advance(n);
        Ok((n, n == total))
    }

    /// Lets go of `n` bytes that were sent.
    fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let next = self.shared.front_mut();
            let own_end = next.as_ref().map_or(self.bytes.len(), |next| next.at);
            if self.sent < own_end {
                let own = n.min(own_end - self.sent);
                self.sent += own;
                n -= own;
                continue;
            }
            let Some(segment) = next else { return };
            let part = n.min(segment.message.len());
            segment.message.advance(part);
            self.shared_bytes -= part;
            n -= part;
            if segment.message.is_empty() {
                self.shared.pop_front();
            }
        }
        if self.shared.is_empty() && self.shared.capacity() > KEEP_SHARED {
            self.shared = VecDeque::new();
        }
    }

    /// Drops own bytes that were sent, once they are the greater part.
    pub fn compact(&mut self) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            for segment in &mut self.shared {
                segment.at -= self.sent;
            }
            self.sent = 0;
        }
    }

    /// The buffer of a client that is owed nothing, to be used elsewhere.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.sent = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Forgets everything: nobody will read it.
    pub fn clear(&mut self) {
        *self = Output::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would go over the wire.
    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        while output.pending() > 0 {
            let mut all = Vec::new();
            let mut own = output.sent;
            for segment in &output.shared {
                all.extend_from_slice(&output.bytes[own..segment.at]);
                all.extend_from_slice(&segment.message);
                own = segment.at;
            }
            all.extend_from_slice(&output.bytes[own..]);
            assert_eq!(all.len(), output.pending());
            let n = step.min(all.len());
            wire.extend_from_slice(&all[..n]);
            output.advance(n);
            output.compact();
        }
        wire
    }

    #[test]
    fn answers_and_messages_leave_in_order_however_they_are_cut() {
        for step in 1..40 {
            let mut output = Output::default();
            output.bytes.extend_from_slice(b"one ");
            output.share(Bytes::from_static(b"two "));
            output.share(Bytes::from_static(b"three "));
            output.bytes.extend_from_slice(b"four ");
            output.share(Bytes::from_static(b"five "));
            output.bytes.extend_from_slice(b"six");
            assert_eq!(output.pending(), 27);
            assert_eq!(drain(&mut output, step), b"one two three four five six");
            assert!(output.shared.is_empty() && output.shared_bytes == 0);
        }
    }
}
