//! What a client is owed, and how it is sent.
//!
//! Answers are appended to `bytes`, the tail of what is owed; full chunks of them, and messages that
//! are shared with other clients, stand before it in the queue (`resp::chunks`). All leave in order,
//! many pieces in one system call, and a piece that is sent is given back.

use crate::net::Link;
use crate::resp::chunks::{CHUNK, Mark, Piece, Queue};
use crate::server::clients::reply_buffer::ReplyBuffer;
use bytes::Bytes;
use std::io::{self, IoSlice};

/// Pieces handed to the system at once.
const PIECES: usize = 64;

/// See the head of this file.
#[derive(Default, Debug)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub queue: Queue,
    /// How many bytes of the first piece that is the client's own are sent; of the tail, if there is
    /// none.
    sent: usize,
    pub buffer: ReplyBuffer,
    /// An answer outgrew its bound and was forgotten: the client is not to go on without it.
    pub is_over: bool,
}

impl Output {
    /// Bytes that are not sent yet.
    #[inline(always)]
    pub fn pending(&self) -> usize {
        self.written() - self.sent
    }

    /// Bytes that are held to be sent, with those sent of the first chunk.
    #[inline(always)]
    pub fn written(&self) -> usize {
        self.queue.bytes() + self.bytes.len()
    }

    /// Bytes of memory held for this client: a shared message counts in full, as if it had it alone.
    #[inline(always)]
    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.queue.held()
    }

    /// The end of what is owed now.
    #[inline(always)]
    pub fn mark(&self) -> Mark {
        self.queue.mark(&self.bytes)
    }

    /// Forgets what was written since `mark`.
    pub fn undo(&mut self, mark: Mark) {
        self.queue.undo(&mut self.bytes, mark);
    }

    /// Takes away what was written since `mark`.
    pub fn take_since(&mut self, mark: Mark) -> Vec<u8> {
        self.queue.take_since(&mut self.bytes, mark)
    }

    /// Appends bytes that are no answer.
    pub fn append(&mut self, bytes: &[u8]) {
        if self.bytes.len() >= CHUNK {
            self.queue.seal(&mut self.bytes);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts bytes that are no answer at `mark`.
    #[cold]
    pub fn insert(&mut self, mark: Mark, bytes: &[u8]) {
        self.queue.insert(&mut self.bytes, mark, bytes);
    }

    /// Appends a message that others get, too.
    #[inline]
    pub fn share(&mut self, message: Bytes) {
        if !self.bytes.is_empty() {
            self.seal_short();
        }
        self.queue.push(Piece::Shared(message));
    }

    /// Makes a piece of the tail, which goes on in the same memory.
    #[cold]
    fn seal_short(&mut self) {
        let from = match self.queue.is_empty() {
            true => std::mem::take(&mut self.sent),
            false => 0,
        };
        if from < self.bytes.len() {
            self.queue.push(Piece::Own(self.bytes[from..].to_vec()));
        }
        self.bytes.clear();
    }

    /// Sends as much as the socket takes, at most about `max` bytes. The answer is how many went,
    /// and whether that was all there was to try.
    #[inline]
    pub fn send(&mut self, link: &Link, max: usize) -> io::Result<(usize, bool)> {
        self.buffer.note(self.pending());
        let (n, all) = match self.queue.is_empty() {
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
        if self.queue.len() == 1
            && self.bytes.is_empty()
            && let Some(Piece::Shared(message)) = self.queue.front()
        {
            let all = message.len();
            let n = link.write(message)?;
            self.advance(n);
            return Ok((n, n == all));
        }
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let (mut count, mut total, mut skip) = (0, 0, self.sent);
        let tail = std::iter::once(self.bytes.as_slice());
        for (piece, own) in self
            .queue
            .iter()
            .map(|piece| (piece.bytes(), matches!(piece, Piece::Own(_))))
            .chain(tail.map(|tail| (tail, true)))
        {
            if count == PIECES || total >= max {
                break;
            }
            let piece = match own {
                true => &piece[std::mem::take(&mut skip).min(piece.len())..],
                false => piece,
            };
            if !piece.is_empty() {
                pieces[count] = IoSlice::new(piece);
                (count, total) = (count + 1, total + piece.len());
            }
        }
        let n = link.write_pieces(&pieces[..count])?;
        self.advance(n);
        Ok((n, n == total))
    }

    /// Gives back what is sent: `n` bytes more.
    fn advance(&mut self, mut n: usize) {
        while let Some(front) = self.queue.front() {
            match front {
                Piece::Own(bytes) => {
                    let left = bytes.len() - self.sent;
                    if n < left {
                        self.sent += n;
                        return;
                    }
                    n -= left;
                    self.sent = 0;
                }
                Piece::Shared(message) if n < message.len() => {
                    self.queue.advance_shared(n);
                    return;
                }
                Piece::Shared(message) => n -= message.len(),
            }
            self.queue.pop_front();
        }
        self.sent += n;
    }

    /// Drops bytes of the tail that were sent, once they are the greater part.
    pub fn compact(&mut self) {
        if self.queue.is_empty() && self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
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
            let (mut all, mut skip) = (Vec::new(), output.sent);
            for piece in output.queue.iter() {
                let sent = match piece {
                    Piece::Own(_) => std::mem::take(&mut skip),
                    Piece::Shared(_) => 0,
                };
                all.extend_from_slice(&piece.bytes()[sent..]);
            }
            all.extend_from_slice(&output.bytes[skip..]);
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
            assert!(output.queue.is_empty() && output.queue.bytes() == 0);
            // A message behind a part of an answer that has begun to leave.
            output.take_bytes();
            output.append(b"seven ");
            output.advance(2);
            output.share(Bytes::from_static(b"eight "));
            output.append(&[b'9'; 2 * CHUNK]);
            output.append(b" ten");
            let end = [b"ven eight ".as_slice(), &[b'9'; 2 * CHUNK], b" ten"].concat();
            assert_eq!(drain(&mut output, step * 400), end);
        }
    }
}
