//! The replication backlog: the last bytes of the stream, held once for all replicas.
//!
//! The bytes are in blocks that are only appended to. The position of a replica is the number of the
//! byte it gets next, and however many replicas there are, a byte is held once. A block is freed when
//! the others hold as many bytes as `repl-backlog-size` asks for, and no replica needs it.
//!
//! ```text
//!     block       block       block (the last has room)
//!     [4096 ... ] [8192 ... ] [12288 .. 12345|      ]
//!           ^ a slow replica            ^ a fast one
//! ```
//!
//! Bytes are numbered from 1: a stream that has had 12345 bytes ends with the byte 12345.

use crate::sys::memory::block_size;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes of a block, unless the backlog is small or a command larger (the sizes Redis uses).
const BLOCK: usize = 16 << 10;
#[derive(Debug)]
struct Block {
    /// The number of its first byte.
    first: u64,
    bytes: Vec<u8>,
}

/// The last bytes of the stream, in blocks.
#[derive(Debug)]
pub struct Backlog {
    blocks: VecDeque<Block>,
    /// The number of the first byte that is held.
    first: u64,
    /// The number that the next byte gets.
    next: u64,
    /// The number of bytes to hold (`repl-backlog-size`).
    size: usize,
    /// Memory of the blocks, in bytes.
    block_bytes: usize,
}

impl Backlog {
    /// A backlog for a stream whose next byte has the number `next`.
    pub fn new(size: usize, next: u64) -> Backlog {
        Backlog {
            blocks: VecDeque::new(),
            first: next,
            next,
            size,
            block_bytes: 0,
        }
    }

    /// `repl-backlog-size` changed. The next `trim` frees what exceeds it.
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

    /// The number of bytes held.
    pub fn len(&self) -> u64 {
        self.next - self.first
    }

    pub fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Memory of the backlog, in bytes.
    pub fn bytes(&self) -> usize {
        let list = block_size(self.blocks.capacity() * size_of::<Block>());
        match self.blocks.is_empty() {
            true => 0,
            false => list + self.block_bytes,
        }
    }

    /// The number of blocks from the one with the byte `next` on.
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
                self.block_bytes += block_size(bytes.capacity());
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

    /// Frees blocks that exceed the size; `needed` is the first byte that a replica has yet to get.
    pub fn trim(&mut self, needed: Option<u64>) {
        let size = self.size as u64;
        while let (Some(block), Some(second)) = (self.blocks.front(), self.blocks.get(1)) {
            let left = self.next - second.first;
            let is_needed = needed.is_some_and(|needed| needed < second.first);
            if self.next - block.first <= size || left < size || is_needed {
                break;
            }
            self.first = second.first;
            self.block_bytes -= block_size(block.bytes.capacity());
            self.blocks.pop_front();
        }
        let len = self.blocks.len();
        if self.blocks.capacity() > 4 * len.max(16) {
            self.blocks.shrink_to(2 * len);
        }
    }

    /// The block that has the byte `next`.
    fn find(&self, next: u64) -> Option<usize> {
        let at = self.blocks.partition_point(|block| block.first <= next);
        let at = at.checked_sub(1)?;
        let block = &self.blocks[at];
        (next < block.first + block.bytes.len() as u64).then_some(at)
    }

    /// Collects the bytes from number `next` on, at most about `max`, in as many pieces as `into` has
    /// room for. Returns the number of pieces.
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
    fn a_slow_replica_gets_every_byte_once() {
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
