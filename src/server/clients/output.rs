//! The output of a client: its pending replies, and how they are sent.
//!
//! Replies are appended to `bytes`, the tail of the output; full chunks, and messages shared with
//! other clients, stand before it in the queue (`resp::chunks`). All are sent in order, many pieces
//! per system call, and sent pieces are freed.

use crate::net::Link;
use crate::resp::chunks::{CHUNK, Mark, Piece, Queue};
use crate::server::clients::reply_buffer::ReplyBuffer;
use bytes::Bytes;
use std::io::{self, IoSlice};

/// Maximum pieces per system call.
const PIECES: usize = 64;

/// The pending output of a client.
#[derive(Default, Debug)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub queue: Queue,
    /// Sent bytes of the first piece owned by the client, or of the tail if there is none.
    sent: usize,
    pub buffer: ReplyBuffer,
    /// A reply exceeded its limit and was discarded: the client must be closed.
    pub is_over: bool,
}

impl Output {
    /// Returns the number of unsent bytes.
    #[inline(always)]
    pub fn pending(&self) -> usize {
        self.written() - self.sent
    }

    /// Returns the bytes held for sending, including those already sent of the first chunk.
    #[inline(always)]
    pub fn written(&self) -> usize {
        self.queue.bytes() + self.bytes.len()
    }

    /// Returns the memory held for this client in bytes; a shared message counts in full.
    #[inline(always)]
    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.queue.held()
    }

    /// Returns the current end of the output.
    #[inline(always)]
    pub fn mark(&self) -> Mark {
        self.queue.mark(&self.bytes)
    }

    /// Discards the output since `mark`.
    pub fn undo(&mut self, mark: Mark) {
        self.queue.undo(&mut self.bytes, mark);
    }

    /// Removes and returns the output since `mark`.
    pub fn take_since(&mut self, mark: Mark) -> Vec<u8> {
        self.queue.take_since(&mut self.bytes, mark)
    }

    /// Appends bytes that are not part of a reply.
    pub fn append(&mut self, bytes: &[u8]) {
        if self.bytes.len() >= CHUNK {
            self.queue.seal(&mut self.bytes);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Inserts bytes that are not part of a reply at `mark`.
    #[cold]
    pub fn insert(&mut self, mark: Mark, bytes: &[u8]) {
        self.queue.insert(&mut self.bytes, mark, bytes);
    }

    /// Appends a message shared with other clients.
    #[inline]
    pub fn share(&mut self, message: Bytes) {
        if !self.bytes.is_empty() {
            self.seal_short();
        }
        self.queue.push(Piece::Shared(message));
    }

    /// Turns the tail into a piece; the tail continues in the same memory.
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

    /// Sends as much as the socket accepts, at most about `max` bytes. Returns the number of bytes
    /// sent, and whether everything that was tried was sent.
    #[inline]
    pub fn send(&mut self, link: &mut Link, max: usize) -> io::Result<(usize, bool)> {
        self.buffer.note(self.pending());
        let (n, all) = match self.queue.is_empty() {
            true => self.send_bytes(link, max)?,
            false => self.send_pieces(link, max)?,
        };
        self.buffer.sent(n, self.pending());
        Ok((n, all))
    }

    #[inline(always)]
    fn send_bytes(&mut self, link: &mut Link, max: usize) -> io::Result<(usize, bool)> {
        let end = self.bytes.len().min(self.sent + max);
        let n = link.write(&self.bytes[self.sent..end])?;
        self.sent += n;
        Ok((n, self.sent == end))
    }

    fn send_pieces(&mut self, link: &mut Link, max: usize) -> io::Result<(usize, bool)> {
        // The common case: one message for a client without other pending output.
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

    /// Releases `n` sent bytes.
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

    /// Drops the sent bytes of the tail, once they are the greater part.
    pub fn compact(&mut self) {
        if self.queue.is_empty() && self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Takes the buffer of a client without pending output, for reuse.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.sent = 0;
        std::mem::take(&mut self.bytes)
    }

    /// Discards all output: the client will not read it.
    pub fn clear(&mut self) {
        *self = Output::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes as sent to the socket.
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
            // A message after part of a reply that has begun to be sent.
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
