//! The memory of a segment's records: chunks of one size.
//!
//! ```text
//!   full     +- 1024 ----------------+ +- 1024 ----------------+ ...
//!            | record | record | pad | | record | record | pad |
//!            +-----------------------+ +-----------------------+
//!   tail     +- - - - - - - - -+
//!            | record | record |  grows up to 1024, then is full
//!            +- - - - - - - - -+
//! ```
//!
//! One growing buffer would go through all sizes of blocks that the allocator has, and leave each
//! behind unused: a third of all memory in a table that grows. Chunks of one size are taken up by
//! the next segment that needs one, and growing copies nothing. Only the first chunk of a small
//! table grows by and by. A record lies within one chunk; a place is its offset over all chunks.
//! Padding begins with a byte that begins no record, so that chunks can be read from end to end.

/// Bytes of a chunk: small beside a segment, large beside a record.
const CHUNK: usize = 1024;
/// The number of chunks that 16-bit places can address.
const CHUNKS_MAX: usize = (1 << 16) / CHUNK;

/// The first byte of the unused rest of a chunk.
pub const PAD: u8 = 0xfd;

/// The memory of one segment's records, as chunks of one size.
#[derive(Clone, Default)]
pub struct Chunks {
    #[expect(
        clippy::vec_box,
        reason = "a chunk stays where it is when there are more"
    )]
    full: Vec<Box<[u8; CHUNK]>>,
    tail: Vec<u8>,
}

/// The next size of a block that the allocator has.
fn block(len: usize) -> usize {
    let step = (len.max(32).next_power_of_two() / 8).max(8);
    len.max(16).next_multiple_of(step).min(CHUNK)
}

impl Chunks {
    /// Room for so many bytes at first.
    pub fn with_capacity(bytes: usize) -> Chunks {
        Chunks {
            full: Vec::with_capacity(bytes / CHUNK),
            tail: Vec::with_capacity(block(bytes)),
        }
    }

    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        self.full.len() * CHUNK + self.full.capacity() * 8 + self.tail.capacity()
    }

    /// Bytes in use, padding included.
    pub fn len(&self) -> usize {
        self.full.len() * CHUNK + self.tail.len()
    }

    /// The bytes from a place to the end of its chunk.
    #[inline(always)]
    pub fn get(&self, at: u16) -> &[u8] {
        let (chunk, offset) = (at as usize / CHUNK, at as usize % CHUNK);
        match self.full.get(chunk) {
            Some(chunk) => &chunk[offset..],
            None => &self.tail[offset..],
        }
    }

    /// The address of the list of full chunks, for prefetching it.
    #[inline(always)]
    pub fn index(&self) -> *const u8 {
        self.full.as_ptr().cast()
    }

    /// The bytes of a chunk; none behind the last.
    #[inline]
    pub fn chunk(&self, number: usize) -> Option<&[u8]> {
        match self.full.get(number) {
            Some(chunk) => Some(chunk.as_slice()),
            None => (number == self.full.len()).then_some(self.tail.as_slice()),
        }
    }

    #[inline(always)]
    pub fn get_mut(&mut self, at: u16) -> &mut [u8] {
        let (chunk, offset) = (at as usize / CHUNK, at as usize % CHUNK);
        match self.full.get_mut(chunk) {
            Some(chunk) => &mut chunk[offset..],
            None => &mut self.tail[offset..],
        }
    }

    /// Whether there is a place for so many bytes more.
    #[inline]
    pub fn fits(&self, size: usize) -> bool {
        self.tail.len() + size <= CHUNK || self.full.len() + 2 <= CHUNKS_MAX
    }

    /// Makes a place for so many bytes, which are to be written to `tail` at once.
    #[inline]
    pub fn place(&mut self, size: usize) -> (u16, &mut Vec<u8>) {
        if self.tail.len() + size > self.tail.capacity() {
            self.make_place(size);
        }
        let at = (self.full.len() * CHUNK + self.tail.len()) as u16;
        (at, &mut self.tail)
    }

    fn make_place(&mut self, size: usize) {
        let wanted = self.tail.len() + size;
        if wanted <= CHUNK {
            return self.tail.reserve_exact(block(wanted) - self.tail.len());
        }
        let mut tail = std::mem::replace(&mut self.tail, Vec::with_capacity(CHUNK));
        tail.resize(CHUNK, PAD);
        let full = tail.try_into().expect("it was made as long as a chunk");
        self.full.push(full);
    }

    /// Takes a record back if it is the last.
    pub fn take_back(&mut self, at: u16, size: usize) -> bool {
        let last = at as usize + size == self.len() && at as usize / CHUNK == self.full.len();
        if last {
            self.tail.truncate(at as usize % CHUNK);
        }
        last
    }
}
