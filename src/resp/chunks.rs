//! The pending output of a client, in chunks: each is freed as soon as it is sent.
//!
//! Replies are appended to a vector, the *tail*. When it is full it moves to the queue as it is,
//! and another begins; so a large reply is never moved, and a client that reads slowly costs only
//! its unsent bytes. Messages sent to many clients stand between the replies, shared.
//!
//! ```text
//!   queue    [ 20 KiB of replies ][ 20 KiB of replies ][ shared message ]
//!   tail     +OK\r\n :1\r\n …
//! ```
//!
//! With little pending output the queue is empty, and then this is a plain buffer.

use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes of a full chunk: those of a block in Redis's list of replies, by which its limits count.
pub const CHUNK: usize = 20_464;
/// Room for pieces that is kept while there are none.
const KEEP: usize = 16;

/// A part of the pending output.
#[derive(Debug)]
pub enum Piece {
    Own(Vec<u8>),
    Shared(Bytes),
}

impl Piece {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Piece::Own(bytes) => bytes,
            Piece::Shared(bytes) => bytes,
        }
    }

    /// Bytes that it holds; a shared message counts as if its client had it alone.
    fn held(&self) -> usize {
        match self {
            Piece::Own(bytes) => bytes.capacity(),
            Piece::Shared(bytes) => bytes.len(),
        }
    }
}

/// A place between bytes that are owed: so many pieces, and so many bytes behind them. It stays
/// valid while nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    piece: usize,
    at: usize,
}

impl Mark {
    /// The end of a buffer that has no pieces before it.
    pub fn of_buffer(buffer: &[u8]) -> Mark {
        Mark {
            piece: 0,
            at: buffer.len(),
        }
    }

    /// The place within the tail, for one that is there.
    pub fn in_tail(self) -> usize {
        self.at
    }
}

/// The pieces before the tail.
#[derive(Default, Debug)]
pub struct Queue {
    pieces: VecDeque<Piece>,
    bytes: usize,
    held: usize,
}

impl Queue {
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Bytes of all pieces.
    #[inline(always)]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that all pieces hold.
    #[inline(always)]
    pub fn held(&self) -> usize {
        self.held + self.pieces.capacity() * size_of::<Piece>()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter()
    }

    pub fn front(&self) -> Option<&Piece> {
        self.pieces.front()
    }

    pub fn push(&mut self, piece: Piece) {
        self.bytes += piece.bytes().len();
        self.held += piece.held();
        self.pieces.push_back(piece);
    }

    /// The first piece is sent, or has nothing in it.
    pub fn pop_front(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes().len();
        self.held -= piece.held();
        if self.pieces.is_empty() && self.pieces.capacity() > KEEP {
            self.pieces = VecDeque::new();
        }
        Some(piece)
    }

    /// The first `n` bytes of the first piece are sent; false if it is not a shared one, which is
    /// kept as a whole.
    pub fn advance_shared(&mut self, n: usize) -> bool {
        match self.pieces.front_mut() {
            Some(Piece::Shared(bytes)) => {
                bytes::Buf::advance(bytes, n);
                self.bytes -= n;
                self.held -= n;
                true
            }
            _ => false,
        }
    }

    /// Moves the tail behind the pieces.
    pub fn seal(&mut self, tail: &mut Vec<u8>) {
        if !tail.is_empty() {
            self.push(Piece::Own(std::mem::take(tail)));
        }
    }

    /// The end of the pending output.
    #[inline(always)]
    pub fn mark(&self, tail: &[u8]) -> Mark {
        Mark {
            piece: self.pieces.len(),
            at: tail.len(),
        }
    }

    /// Whether a mark is in the tail.
    #[inline(always)]
    pub fn ends_before(&self, mark: Mark) -> bool {
        mark.piece >= self.pieces.len()
    }

    /// Takes away what was written since `mark`, and hands it over.
    #[cold]
    pub fn take_since(&mut self, tail: &mut Vec<u8>, mark: Mark) -> Vec<u8> {
        if self.ends_before(mark) {
            return tail.split_off(mark.at.min(tail.len()));
        }
        let last = std::mem::take(tail);
        let mut taken = Vec::new();
        for piece in self.pieces.drain(mark.piece..) {
            self.bytes -= piece.bytes().len();
            self.held -= piece.held();
            match piece {
                Piece::Own(mut bytes) if tail.is_empty() && taken.is_empty() => {
                    taken = bytes.split_off(mark.at.min(bytes.len()));
                    *tail = bytes;
                }
                piece => taken.extend_from_slice(piece.bytes()),
            }
        }
        taken.extend_from_slice(&last);
        taken
    }

    /// Forgets what was written since `mark`.
    #[inline]
    pub fn undo(&mut self, tail: &mut Vec<u8>, mark: Mark) {
        if self.ends_before(mark) {
            tail.truncate(mark.at);
        } else {
            self.take_since(tail, mark);
        }
    }

    /// Puts bytes at `mark`, before what was written since.
    pub fn insert(&mut self, tail: &mut Vec<u8>, mark: Mark, bytes: &[u8]) {
        if self.ends_before(mark) {
            if tail.capacity() - tail.len() >= bytes.len() {
                let at = mark.at.min(tail.len());
                tail.extend_from_slice(bytes);
                return tail[at..].rotate_right(bytes.len());
            }
            self.seal(tail);
        }
        let before = match self.pieces.get_mut(mark.piece) {
            Some(Piece::Own(before)) => before,
            Some(Piece::Shared(_)) => {
                let piece = Piece::Own(bytes.to_vec());
                self.bytes += bytes.len();
                self.held += piece.held();
                return self.pieces.insert(mark.piece, piece);
            }
            None => return self.push(Piece::Own(bytes.to_vec())),
        };
        let behind = before.split_off(mark.at.min(before.len()));
        self.bytes += bytes.len();
        for (place, piece) in (mark.piece + 1..).zip([bytes.to_vec(), behind]) {
            self.held += piece.capacity();
            self.pieces.insert(place, Piece::Own(piece));
        }
    }

    /// Forgets all pieces.
    pub fn clear(&mut self) {
        *self = Queue::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(queue: &Queue, tail: &[u8]) -> Vec<u8> {
        let mut all: Vec<u8> = queue.iter().flat_map(Piece::bytes).copied().collect();
        let own = |piece: &Piece| matches!(piece, Piece::Own(_)).then(|| piece.held());
        let shared = |piece: &Piece| matches!(piece, Piece::Shared(_)).then(|| piece.held());
        let held = queue.iter().filter_map(own).sum::<usize>()
            + queue.iter().filter_map(shared).sum::<usize>();
        assert_eq!((queue.bytes, queue.held), (all.len(), held));
        all.extend_from_slice(tail);
        all
    }

    proptest! {
        /// Whatever is written, sealed and shared, a mark means the same place as in one buffer.
        #[test]
        fn marks_mean_places_in_one_sequence(
            before in prop::collection::vec((0..3u8, 0..9usize), 0..8),
            since in prop::collection::vec((0..3u8, 0..9usize), 0..8),
            way in 0..3u8,
        ) {
            let (mut queue, mut tail, mut model) = (Queue::default(), Vec::new(), Vec::new());
            let mut next = 0u8;
            let mut step = |queue: &mut Queue, tail: &mut Vec<u8>, model: &mut Vec<u8>, op, len| {
                let bytes: Vec<u8> = (0..len).map(|n| next.wrapping_add(n as u8)).collect();
                next = next.wrapping_add(len as u8);
                match op {
                    1 => queue.seal(tail),
                    0 => {
                        tail.extend_from_slice(&bytes);
                        model.extend_from_slice(&bytes);
                    }
                    _ => {
                        queue.seal(tail);
                        queue.push(Piece::Shared(Bytes::from(bytes.clone())));
                        model.extend_from_slice(&bytes);
                    }
                }
            };
            for (op, len) in before {
                step(&mut queue, &mut tail, &mut model, op, len);
            }
            let (mark, place) = (queue.mark(&tail), model.len());
            for (op, len) in since {
                step(&mut queue, &mut tail, &mut model, op, len);
            }
            match way {
                0 => {
                    queue.insert(&mut tail, mark, b"head");
                    model.splice(place..place, *b"head");
                }
                1 => {
                    queue.undo(&mut tail, mark);
                    model.truncate(place);
                }
                _ => prop_assert_eq!(queue.take_since(&mut tail, mark), model.split_off(place)),
            }
            prop_assert_eq!(all(&queue, &tail), model);
        }
    }
}
