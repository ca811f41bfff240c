//! A node of a quicklist: a listpack with room at both ends, one large element, or either of them
//! compressed.
//!
//! ```text
//!   packed      [ free | bytes count entry entry … 0xff | free ]
//!                      ^ start                          ^ end
//!   plain       [ the element ]
//!   compressed  [ LZF of the listpack or of the element ]      end: its length before
//! ```
//!
//! The bytes from `start` to `end` are a whole listpack at any time, header included: an element
//! at the front moves the header into the free bytes before it instead of moving what follows.
//! Edits in the middle move the shorter side.

use crate::algo::lzf;
use crate::types::listpack::{self, END, Encoded, HEADER, Item};

/// Bytes of the smallest buffer.
const SMALLEST: usize = 64;
/// Buffers do not grow beyond this ahead of need: what a node of the default size has at most.
const COMMON: usize = 8192;
/// Less than this is not compressed, and less than so many bytes are no gain. As Redis has it.
const COMPRESS_FROM: usize = 48;
const COMPRESS_GAIN: usize = 8;

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Left,
    Right,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Packed,
    Plain,
    PackedLzf,
    PlainLzf,
}

/// One node of a quicklist: a listpack, one large element, or either of them compressed.
#[derive(Clone, Debug)]
pub struct Node {
    buf: Box<[u8]>,
    start: u32,
    end: u32,
    count: u32,
    form: Form,
}

const _: () = assert!(size_of::<Node>() == 32, "a node is half a cache line");

/// The readable content of a node.
#[derive(Clone, Copy)]
pub enum View<'a> {
    Packed(&'a [u8]),
    Plain(&'a [u8]),
}

impl Node {
    /// An empty listpack with room for `capacity` bytes beside the given end.
    pub fn packed(capacity: usize, end: End) -> Node {
        let empty = HEADER + 1;
        let capacity = capacity.max(SMALLEST);
        let start = match end {
            End::Left => capacity - empty,
            End::Right => 0,
        };
        let mut node = Node {
            buf: vec![0; capacity].into_boxed_slice(),
            start: start as u32,
            end: (start + empty) as u32,
            count: 0,
            form: Form::Packed,
        };
        node.seal();
        node
    }

    /// One large element.
    pub fn plain(element: &[u8]) -> Node {
        Node {
            buf: element.into(),
            start: 0,
            end: 0,
            count: 1,
            form: Form::Plain,
        }
    }

    pub fn from_listpack(lp: &[u8]) -> Node {
        Node {
            buf: lp.into(),
            start: 0,
            end: lp.len() as u32,
            count: listpack::len(lp) as u32,
            form: Form::Packed,
        }
    }

    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    pub fn is_plain(&self) -> bool {
        matches!(self.form, Form::Plain | Form::PlainLzf)
    }

    pub fn is_compressed(&self) -> bool {
        matches!(self.form, Form::PackedLzf | Form::PlainLzf)
    }

    /// Bytes of the listpack or of the element, not compressed.
    #[inline]
    pub fn size(&self) -> usize {
        match self.form {
            Form::Packed => (self.end - self.start) as usize,
            Form::Plain => self.buf.len(),
            Form::PackedLzf | Form::PlainLzf => self.end as usize,
        }
    }

    /// The listpack of a packed node that is not compressed.
    #[inline]
    pub fn listpack(&self) -> &[u8] {
        debug_assert_eq!(self.form, Form::Packed);
        &self.buf[self.start as usize..self.end as usize]
    }

    /// The node's content; `scratch` takes it if it has to be decompressed.
    pub fn view<'a>(&'a self, scratch: &'a mut Vec<u8>) -> View<'a> {
        match self.form {
            Form::Packed => View::Packed(self.listpack()),
            Form::Plain => View::Plain(&self.buf),
            Form::PackedLzf | Form::PlainLzf => {
                *scratch = self.decompressed();
                match self.form {
                    Form::PlainLzf => View::Plain(scratch),
                    _ => View::Packed(scratch),
                }
            }
        }
    }

    fn decompressed(&self) -> Vec<u8> {
        lzf::decompress(&self.buf, self.end as usize).expect("we have compressed it ourselves")
    }

    /// Compresses what is large enough and gets smaller by it.
    pub fn compress(&mut self) {
        let size = self.size();
        if self.is_compressed() || size < COMPRESS_FROM || size > u32::MAX as usize {
            return;
        }
        let bytes = match self.form {
            Form::Plain => &self.buf[..],
            _ => self.listpack(),
        };
        let packed = lzf::compress(bytes, size);
        let Some(packed) = packed.filter(|packed| packed.len() + COMPRESS_GAIN < size) else {
            return;
        };
        self.form = match self.form {
            Form::Plain => Form::PlainLzf,
            _ => Form::PackedLzf,
        };
        self.buf = packed.into_boxed_slice();
        self.end = size as u32;
    }

    /// Decompresses the node for good, if it is compressed.
    pub fn decompress(&mut self) {
        if !self.is_compressed() {
            return;
        }
        self.buf = self.decompressed().into_boxed_slice();
        self.start = 0;
        self.form = match self.form {
            Form::PlainLzf => Form::Plain,
            _ => Form::Packed,
        };
    }

    /// Writes header and end mark of the listpack.
    #[inline]
    fn seal(&mut self) {
        let (start, end) = (self.start as usize, self.end as usize);
        let header = &mut self.buf[start..start + HEADER];
        header[..4].copy_from_slice(&((end - start) as u32).to_le_bytes());
        header[4..].copy_from_slice(&(self.count.min(u16::MAX as u32) as u16).to_le_bytes());
        self.buf[end - 1] = END;
    }

    /// Sees to `len` free bytes at an end.
    #[inline]
    fn reserve(&mut self, end: End, len: usize) {
        let free = match end {
            End::Left => self.start as usize,
            End::Right => self.buf.len() - self.end as usize,
        };
        if free < len {
            self.make_room(end, len);
        }
    }

    #[cold]
    fn make_room(&mut self, end: End, len: usize) {
        let (used, capacity) = (self.size(), self.buf.len());
        let free = capacity - used;
        // Moving pays only if it need not be done again soon.
        if free >= len && free * 2 >= used {
            return self.place(end);
        }
        let needed = used + len;
        let ahead = (needed + needed / 2).next_multiple_of(SMALLEST);
        self.move_to(match needed <= COMMON {
            true => ahead.min(COMMON),
            false => ahead,
        });
        self.place(end);
    }

    /// Moves the listpack so that all free bytes are at an end.
    fn place(&mut self, end: End) {
        let used = self.size();
        let to = match end {
            End::Left => self.buf.len() - used,
            End::Right => 0,
        };
        self.buf
            .copy_within(self.start as usize..self.end as usize, to);
        (self.start, self.end) = (to as u32, (to + used) as u32);
    }

    /// Moves the listpack to a buffer of another size.
    fn move_to(&mut self, capacity: usize) {
        let used = self.size();
        let mut buf = vec![0; capacity].into_boxed_slice();
        buf[..used].copy_from_slice(self.listpack());
        (self.buf, self.start, self.end) = (buf, 0, used as u32);
    }

    /// Gives back free bytes, if they are worth it: nothing more is going to be added soon.
    pub fn trim(&mut self) {
        let used = self.size();
        if self.form == Form::Packed && self.buf.len() - used > used / 8 {
            self.move_to(used);
        }
    }

    /// After a removal: a buffer that is mostly empty is exchanged.
    #[inline]
    fn shrink(&mut self) {
        let used = self.size();
        if used * 4 < self.buf.len() && self.buf.len() > 2 * SMALLEST {
            self.move_to((used * 2).next_multiple_of(SMALLEST));
        }
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, end: End, item: Item) {
        let entry = Encoded::of(item);
        let len = entry.len();
        self.reserve(end, len);
        let at = match end {
            End::Left => {
                self.start -= len as u32;
                self.start as usize + HEADER
            }
            End::Right => {
                self.end += len as u32;
                self.end as usize - 1 - len
            }
        };
        entry.write(&mut self.buf[at..at + len]);
        self.count += 1;
        self.seal();
    }

    /// Removes the element at an end, after `take` has seen it.
    #[inline]
    pub fn pop<R>(&mut self, end: End, take: impl FnOnce(Item) -> R) -> R {
        let lp = self.listpack();
        let at = match end {
            End::Left => HEADER,
            End::Right => listpack::last(lp).expect("a node is never empty"),
        };
        let result = take(listpack::get(lp, at));
        match end {
            End::Left => self.start += (listpack::skip(lp, at) - at) as u32,
            End::Right => self.end = self.start + at as u32 + 1,
        }
        self.count -= 1;
        self.seal();
        self.shrink();
        result
    }

    /// Opens a gap of `len` bytes at offset `at`, moving the shorter side.
    fn open(&mut self, at: usize, len: usize) {
        let tail = self.size() - at;
        if at - HEADER < tail {
            self.reserve(End::Left, len);
            let from = self.start as usize + HEADER;
            self.buf.copy_within(from..from - HEADER + at, from - len);
            self.start -= len as u32;
        } else {
            self.reserve(End::Right, len);
            let from = self.start as usize + at;
            self.buf.copy_within(from..self.end as usize, from + len);
            self.end += len as u32;
        }
    }

    /// Closes the gap of `len` bytes at offset `at`, moving the shorter side.
    fn close(&mut self, at: usize, len: usize) {
        let tail = self.size() - at - len;
        if at - HEADER < tail {
            let from = self.start as usize + HEADER;
            self.buf.copy_within(from..from - HEADER + at, from + len);
            self.start += len as u32;
        } else {
            let from = self.start as usize + at;
            self.buf.copy_within(from + len..self.end as usize, from);
            self.end -= len as u32;
        }
    }

    /// Adds an element before the one at offset `at`, which may be the end's.
    pub fn insert(&mut self, at: usize, item: Item) {
        let entry = Encoded::of(item);
        self.open(at, entry.len());
        let from = self.start as usize + at;
        entry.write(&mut self.buf[from..from + entry.len()]);
        self.count += 1;
        self.seal();
    }

    /// Puts another element in the place of the one at offset `at`.
    pub fn replace(&mut self, at: usize, item: Item) {
        let old = listpack::skip(self.listpack(), at) - at;
        let entry = Encoded::of(item);
        if entry.len() > old {
            self.open(at, entry.len() - old);
        } else if entry.len() < old {
            self.close(at, old - entry.len());
        }
        let from = self.start as usize + at;
        entry.write(&mut self.buf[from..from + entry.len()]);
        self.seal();
        self.shrink();
    }

    /// Removes up to `count` elements from offset `at` on. Returns how many.
    pub fn remove(&mut self, at: usize, count: usize) -> usize {
        let lp = self.listpack();
        let (mut end, mut removed) = (at, 0);
        while removed < count && lp[end] != END {
            end = listpack::skip(lp, end);
            removed += 1;
        }
        self.close(at, end - at);
        self.count -= removed as u32;
        self.seal();
        self.shrink();
        removed
    }

    /// Cuts the node before offset `at`. Returns the part behind.
    pub fn split_off(&mut self, at: usize, count_before: usize) -> Node {
        let lp = self.listpack();
        let mut tail = Node::packed(HEADER + lp.len() - at, End::Right);
        let len = lp.len() - at;
        tail.buf[HEADER..HEADER + len].copy_from_slice(&lp[at..]);
        tail.end = (HEADER + len) as u32;
        tail.count = self.count - count_before as u32;
        tail.seal();
        self.end = self.start + at as u32 + 1;
        self.count = count_before as u32;
        self.seal();
        self.shrink();
        tail
    }

    /// Adds all elements of another packed node at the end.
    pub fn append(&mut self, other: &Node) {
        let entries = &other.listpack()[HEADER..other.size() - 1];
        self.reserve(End::Right, entries.len());
        let at = self.end as usize - 1;
        self.buf[at..at + entries.len()].copy_from_slice(entries);
        self.end += entries.len() as u32;
        self.count += other.count;
        self.seal();
    }

    /// Whether everything about the node is as it should be.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        assert!(self.count > 0, "a node is never empty");
        let mut scratch = Vec::new();
        if let View::Packed(lp) = self.view(&mut scratch) {
            let count = listpack::validate(lp, |_| true).expect("a node is a valid listpack");
            assert_eq!(count, self.count());
        } else {
            assert_eq!(self.count, 1);
        }
    }
}
