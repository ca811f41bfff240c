//! The replication backlog: the last bytes of the stream, held once for all who follow.
//!
//! The bytes are in blocks that are only appended to. A replica is no more than the number of the
//! byte it gets next; what it is owed is what lies behind that, and however many there are, a byte
//! is held once. A block is let go when the others have as much history as was asked for, and nobody
//! has yet to get a byte of it.
//!
//! ```text
//!     block       block       block (the last has room)
//!     [4096 ... ] [8192 ... ] [12288 .. 12345|      ]
//!           ^ a slow replica            ^ a fast one
//! ```
//!
//! Bytes are numbered from 1: a stream that has had 12345 bytes ends with the byte 12345.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes of a block, unless the backlog is small or a command larger (the sizes Redis uses).
const BLOCK: usize = 16 << 10;
/// What a block takes besides its bytes.
const BLOCK_OVERHEAD: usize = size_of::<Block>();

#[derive(Debug)]
struct Block {
    /// The number of its first byte.
    first: u64,
    bytes: Vec<u8>,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Backlog {
    blocks: VecDeque<Block>,
    /// The number of the first byte that is held.
    first: u64,
    /// The number that the next byte gets.
    next: u64,
    /// Bytes that are to be held, if there were as many.
    size: usize,
}

impl Backlog {
    /// A backlog for a stream whose next byte has the number `next`.
    pub fn new(size: usize, next: u64) -> Backlog {
        Backlog {
            blocks: VecDeque::new(),
            first: next,
            next,
            size,
        }
    }

    /// `repl-backlog-size` changed. What is too much is let go with the next `trim`.
    pub fn resize(&mut self, size: usize) {
        self.size = size;
    }

    /// The number of the first byte that is held.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next byte gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many bytes are held.
    pub fn len(&self) -> u64 {
        self.next - self.first
    }

    pub fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let block = |block: &Block| block.bytes.capacity() + BLOCK_OVERHEAD;
        self.blocks.iter().map(block).sum()
    }

    /// How many blocks there are from the byte `next` on.
    pub fn blocks_from(&self, next: u64) -> usize {
        self.blocks.len() - self.find(next).unwrap_or(self.blocks.len())
    }

    /// Whether the stream can be sent from the byte `next` on.
    pub fn reaches_back_to(&self, next: u64) -> bool {
        (self.first..=self.next).contains(&next)
    }

    pub fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = match self.blocks.back() {
                Some(last) => last.bytes.capacity() - last.bytes.len(),
                None => 0,
            };
            if room == 0 {
                let limit = (self.size / 16).max(1);
                let bytes = Vec::with_capacity(bytes.len().max(BLOCK).min(limit));
                let first = self.next;
                self.blocks.push_back(Block { first, bytes });
                continue;
            }
            let (here, rest) = bytes.split_at(room.min(bytes.len()));
            if let Some(last) = self.blocks.back_mut() {
                last.bytes.extend_from_slice(here);
            }
            self.next += here.len() as u64;
            bytes = rest;
        }
    }

    /// Lets go of blocks that are too much; `needed` is the first byte that somebody has yet to get.
    pub fn trim(&mut self, needed: Option<u64>) {
        let size = self.size as u64;
        while let (Some(block), Some(second)) = (self.blocks.front(), self.blocks.get(1)) {
            let left = self.next - second.first;
            let is_needed = needed.is_some_and(|needed| needed < second.first);
            if self.next - block.first <= size || left < size || is_needed {
                break;
            }
            self.first = second.first;
            self.blocks.pop_front();
        }
    }

    /// The block that has the byte `next`.
    fn find(&self, next: u64) -> Option<usize> {
        let at = self.blocks.partition_point(|block| block.first <= next);
        let at = at.checked_sub(1)?;
        let block = &self.blocks[at];
        (next < block.first + block.bytes.len() as u64).then_some(at)
    }

    /// The bytes from number `next` on, in as many pieces as there is room for, at most about `max`.
    /// The answer is how many pieces there are.
    pub fn pieces<'a>(&'a self, next: u64, max: usize, into: &mut [IoSlice<'a>]) -> usize {
        let Some(at) = self.find(next) else { return 0 };
        let (mut count, mut total, mut skip) = (0, 0, (next - self.blocks[at].first) as usize);
        for block in self.blocks.range(at..) {
            if count == into.len() || total >= max {
                break;
            }
            into[count] = IoSlice::new(&block.bytes[skip..]);
            total += block.bytes.len() - skip;
            (count, skip) = (count + 1, 0);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    fn read(backlog: &Backlog, mut next: u64, max: usize) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let mut pieces = [IoSlice::new(&[]); 3];
            let count = backlog.pieces(next, max, &mut pieces);
            if count == 0 {
                return out;
            }
            for piece in &pieces[..count] {
                out.extend_from_slice(piece);
                next += piece.len() as u64;
            }
        }
    }

    #[test]
    fn whoever_is_behind_gets_every_byte_once() {
        let mut rng = Rng::new(3);
        let (mut stream, mut slow) = (vec![0; 999], 1_000);
        let mut backlog = Backlog::new(20_000, 1_000);
        for _ in 0..3_000 {
            let is_huge = rng.below(50) == 0;
            let n = rng.below(if is_huge { 30_000 } else { 60 }) as usize;
            let bytes: Vec<u8> = (0..n).map(|_| rng.below(256) as u8).collect();
            backlog.append(&bytes);
            stream.extend_from_slice(&bytes);
            if rng.below(20) == 0 {
                slow += rng.below((stream.len() as u64 + 2 - slow).min(40_000));
            }
            backlog.trim(Some(slow));
            assert!(
                backlog.reaches_back_to(slow)
                    && backlog.len() >= 20_000.min(stream.len() as u64 - 999)
            );
            assert_eq!(backlog.next(), stream.len() as u64 + 1);
            assert_eq!(backlog.bytes() > 0, !backlog.is_empty());
        }
        for from in [backlog.first(), slow, backlog.next() - 1, backlog.next()] {
            assert_eq!(read(&backlog, from, 5_000), stream[from as usize - 1..]);
        }
        backlog.trim(None);
        assert!(backlog.len() < 40_000 && backlog.len() >= 20_000);
        assert!(!backlog.reaches_back_to(999) && read(&backlog, 999, 10).is_empty());
    }
}
