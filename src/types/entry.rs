//! One allocation per key: header, deadline, key and, where it fits, the value itself.
//!
//! ```text
//!    0      1          2         3..5        5..8
//!   +------+----------+---------+-----------+-------+----------+--------+------+-----+--------+
//!   | kind | encoding | key len | value len | aging | deadline | keylen | word | key | inline |
//!   | ..   | flags    | (u8)    | (u16)     | (u24) | (8)?     | (4)?   | (8)? |     | value  |
//!   +------+----------+---------+-----------+-------+----------+--------+------+-----+--------+
//!
//!   byte 0   bits 0..4 kind      bits 4..6 layout of the value (inline, integer, heap, shared)
//!   byte 1   bits 0..4 encoding  bit 4 DEADLINE  bit 5 ARMED  bit 6 WIDE (u32 key length)
//!            bit 7 SIDE: which sorting-out of the wheel has seen it (`keyspace::expiry`)
//! ```
//!
//! `word` is there for integers and heap values, `deadline` for volatile keys, `keylen` for keys of
//! 256 bytes and more. A hash with a template (`shared`) has both a word, the pointer to its template,
//! and an inline value. A 16-byte key with an integer takes 32 bytes, with a 32-byte string 56.
//! Nothing is aligned beyond 8 bytes at the start, so fields are read and written unaligned.
//!
//! `EntryPtr` is the raw, copyable handle that table slots hold; `EntryRef` is what readers get.
//! Only `types::entries` creates, moves and frees entries.
#![allow(unsafe_code)]

use crate::types::template::{Template, TemplateRef, Tie, ValuesRef};
use crate::types::value::{Encoding, Heap, Kind, Value};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// Strings up to this many bytes live inside the entry.
pub const INLINE_MAX: usize = 512;

const HEADER: usize = 8;
const LAYOUT_INLINE: u8 = 0;
const LAYOUT_INT: u8 = 1;
const LAYOUT_HEAP: u8 = 2;
const LAYOUT_SHARED: u8 = 3;
const DEADLINE: u8 = 1 << 4;
const ARMED: u8 = 1 << 5;
const WIDE: u8 = 1 << 6;
const SIDE: u8 = 1 << 7;

/// A raw handle to an entry. Copyable, unchecked: `types::entries` keeps it alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryPtr(pub(super) NonNull<u8>);

// SAFETY: an entry has no tie to a thread; its owner `Entries` moves it as a whole.
unsafe impl Send for EntryPtr {}

/// A value to be stored in an entry.
pub enum NewValue<'a> {
    Int(i64),
    /// Bytes to be copied into the entry; at most `INLINE_MAX`.
    Inline(&'a [u8], Encoding),
    /// The listpack or intset of a small collection, to be copied into the entry; at most
    /// `INLINE_MAX` bytes.
    Compact(Kind, &'a [u8], Encoding),
    Heap(Box<Heap>, Encoding),
    /// The packed values of a hash with a template, to be copied into the entry; at most `INLINE_MAX`
    /// bytes.
    Template(Tie, &'a [u8]),
}

impl<'a> NewValue<'a> {
    /// The type of the value.
    pub fn kind(&self) -> Kind {
        match self {
            NewValue::Int(_) | NewValue::Inline(..) => Kind::String,
            NewValue::Compact(kind, ..) => *kind,
            NewValue::Heap(heap, _) => heap.kind(),
            NewValue::Template(..) => Kind::Hash,
        }
    }

    #[inline(always)]
    pub fn encoding(&self) -> Encoding {
        match self {
            NewValue::Int(_) => Encoding::Int,
            NewValue::Inline(_, encoding)
            | NewValue::Compact(_, _, encoding)
            | NewValue::Heap(_, encoding) => *encoding,
            NewValue::Template(..) => Encoding::TemplateListpack,
        }
    }

    /// Bytes that this value takes inside an entry.
    pub(super) fn inner_size(&self) -> usize {
        match self {
            NewValue::Int(_) | NewValue::Heap(..) => 8,
            NewValue::Inline(bytes, _) | NewValue::Compact(_, bytes, _) => bytes.len(),
            NewValue::Template(_, bytes) => 8 + bytes.len(),
        }
    }
}

/// The part of an entry's header that determines its size.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub deadline: bool,
    pub key_len: usize,
    pub value_size: usize,
}

impl Shape {
    /// Bytes of the whole entry.
    #[inline]
    pub fn size(self) -> usize {
        HEADER
            + if self.deadline { 8 } else { 0 }
            + if self.key_len > 255 { 4 } else { 0 }
            + self.key_len
            + self.value_size
    }
}

impl EntryPtr {
    /// A handle to an entry that lives as long as `'a`.
    ///
    /// # Safety
    /// The entry is initialised and is neither freed nor written to during `'a`.
    #[inline(always)]
    pub(super) unsafe fn as_ref<'a>(self) -> EntryRef<'a> {
        EntryRef {
            at: self,
            life: PhantomData,
        }
    }

    #[inline(always)]
    fn byte(self, offset: usize) -> u8 {
        // SAFETY: called with offsets inside the 8-byte header, which every entry has.
        unsafe { self.0.add(offset).read() }
    }

    #[inline(always)]
    fn word(self, offset: usize) -> u64 {
        // SAFETY: callers pass the offset of a word that the header says is there.
        unsafe { self.0.add(offset).cast::<u64>().read_unaligned() }
    }

    #[inline(always)]
    fn header(self) -> u64 {
        self.word(0)
    }

    #[inline(always)]
    fn layout(self) -> u8 {
        (self.byte(0) >> 4) & 3
    }

    #[inline(always)]
    fn flags(self) -> u8 {
        self.byte(1)
    }

    /// (offset behind deadline and key length, key length)
    #[inline(always)]
    fn body(self) -> (usize, usize) {
        let header = self.header().to_le();
        let flags = (header >> 8) as u8;
        let offset = HEADER + ((flags & DEADLINE) >> 1) as usize;
        if flags & WIDE == 0 {
            return (offset, (header >> 16) as usize & 0xff);
        }
        // SAFETY: WIDE says that a u32 stands here.
        let len = unsafe { self.0.add(offset).cast::<u32>().read_unaligned() };
        (offset + 4, len as usize)
    }

    #[inline(always)]
    fn key_at(self) -> (usize, usize) {
        let (offset, len) = self.body();
        (
            offset + if self.layout() == LAYOUT_INLINE { 0 } else { 8 },
            len,
        )
    }

    pub(super) fn shape(self) -> Shape {
        Shape {
            deadline: self.flags() & DEADLINE != 0,
            key_len: self.body().1,
            // Nothing is inline beside an integer or a heap value.
            value_size: if self.layout() == LAYOUT_INLINE {
                self.inline_len()
            } else {
                8 + self.inline_len()
            },
        }
    }

    #[inline(always)]
    fn inline_len(self) -> usize {
        (self.header().to_le() >> 24) as usize & 0xffff
    }

    fn set_byte(self, offset: usize, value: u8) {
        // SAFETY: as `byte`; the caller holds the entry exclusively.
        unsafe { self.0.add(offset).write(value) };
    }

    fn set_word(self, offset: usize, value: u64) {
        // SAFETY: as `word`.
        unsafe { self.0.add(offset).cast::<u64>().write_unaligned(value) };
    }

    pub(super) fn set_aging(self, aging: u32) {
        let header = self.header().to_le() & ((1 << 40) - 1);
        self.set_word(0, (header | (aging as u64) << 40).to_le());
    }

    /// ARMED and SIDE, to be carried to a moved entry.
    pub(super) fn timer_bits(self) -> u8 {
        self.flags() & (ARMED | SIDE)
    }

    pub(super) fn set_timer_bits(self, bits: u8) {
        self.set_byte(1, self.flags() & !(ARMED | SIDE) | bits);
    }

    pub(super) fn arm(self, side: bool) {
        self.set_timer_bits(ARMED | if side { SIDE } else { 0 });
    }

    /// Overwrites the deadline of an entry that has room for one.
    pub(super) fn set_deadline(self, deadline_ms: i64) {
        debug_assert!(self.flags() & DEADLINE != 0);
        self.set_word(HEADER, deadline_ms as u64);
    }

    /// Overwrites the integer of an entry that holds one.
    pub(super) fn set_int(self, value: i64) {
        debug_assert_eq!(self.layout(), LAYOUT_INT);
        self.set_word(self.body().0, value as u64);
    }

    pub(super) fn set_encoding(self, encoding: Encoding) {
        self.set_byte(1, self.flags() & 0xf0 | encoding as u8);
    }

    /// The heap value, for its exclusive owner.
    ///
    /// # Safety
    /// There is no other reference to the value during `'a`.
    pub(super) unsafe fn heap_mut<'a>(self) -> Option<&'a mut Heap> {
        // SAFETY: the word of a heap layout is a `Box<Heap>` made by `write_value`.
        (self.layout() == LAYOUT_HEAP)
            .then(|| unsafe { &mut *(self.word(self.body().0) as *mut Heap) })
    }

    /// The inline bytes, for their exclusive owner.
    ///
    /// # Safety
    /// There is no other reference to the value during `'a`.
    pub(super) unsafe fn inline_mut<'a>(self) -> Option<&'a mut [u8]> {
        if self.layout() != LAYOUT_INLINE {
            return None;
        }
        let (offset, len) = self.key_at();
        // SAFETY: an inline value of `inline_len` bytes follows the key.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.0.add(offset + len).as_ptr(), self.inline_len())
        })
    }

    /// Takes the heap value out; the entry holds the integer 0 afterwards. A template is dropped the
    /// same way.
    ///
    /// # Safety
    /// There is no other reference to the value.
    #[inline(always)]
    pub(super) unsafe fn take_heap(self) -> Option<Box<Heap>> {
        if self.layout() < LAYOUT_HEAP {
            return None;
        }
        // SAFETY: as for this function.
        unsafe { self.take_word() }
    }

    /// # Safety
    /// As `take_heap`, and the layout is that of a heap value or of a template.
    unsafe fn take_word(self) -> Option<Box<Heap>> {
        if self.layout() == LAYOUT_SHARED {
            // SAFETY: the word was made by `write_value`; the layout changes to an integer, so the tie
            // is taken once. The bytes behind the key stay part of the block's size.
            drop(unsafe { self.tie() });
            self.set_byte(0, self.byte(0) & 0x0f | LAYOUT_INT << 4);
            self.set_word(self.body().0, 0);
            return None;
        }
        let offset = self.body().0;
        // SAFETY: see `heap_mut`; the layout changes to an integer, so the box is owned once.
        let heap = unsafe { Box::from_raw(self.word(offset) as *mut Heap) };
        self.set_byte(0, self.byte(0) & 0x0f | LAYOUT_INT << 4);
        self.set_word(offset, 0);
        Some(heap)
    }

    /// The tie of a hash with a template, as if it were the entry's no more.
    ///
    /// # Safety
    /// The layout is shared, and the caller drops, forgets or hands on the result so that the word is
    /// owned once.
    unsafe fn tie(self) -> Tie {
        let template = self.word(self.body().0) as *const Template;
        // SAFETY: the word is an `Arc` that `write_value` turned into a pointer.
        Tie::of_counted(unsafe { Arc::from_raw(template) })
    }

    /// The address of the key, for a caller about to move it.
    pub(super) fn raw_key(self) -> *const [u8] {
        let (offset, len) = self.key_at();
        // SAFETY: the key is inside the block.
        std::ptr::slice_from_raw_parts(unsafe { self.0.add(offset) }.as_ptr(), len)
    }

    /// Initialises a block of at least `shape.size()` bytes with header, deadline and key.
    ///
    /// # Safety
    /// The block is that large and exclusively the caller's; `write_value` follows.
    pub(super) unsafe fn write_head(self, key: &[u8], deadline_ms: Option<i64>, aging: u32) {
        let wide = key.len() > 255;
        let mut flags = if wide { WIDE } else { 0 };
        if let Some(deadline_ms) = deadline_ms {
            flags |= DEADLINE;
            self.set_word(HEADER, deadline_ms as u64);
        }
        let short = if wide { 0 } else { key.len() as u64 };
        self.set_word(
            0,
            ((flags as u64) << 8 | short << 16 | (aging as u64) << 40).to_le(),
        );
        if wide {
            let offset = HEADER + if deadline_ms.is_some() { 8 } else { 0 };
            // SAFETY: `Shape::size` counts these four bytes.
            unsafe {
                self.0
                    .add(offset)
                    .cast::<u32>()
                    .write_unaligned(key.len() as u32)
            };
        }
    }

    /// Writes key and value of an entry whose head is written and whose block has the room.
    ///
    /// The key is a raw slice because it may be this entry's own: a reference would promise the
    /// compiler that nothing is written over it.
    ///
    /// # Safety
    /// As `write_head`; a heap value held before was taken out. The key can be read.
    pub(super) unsafe fn write_value(self, key: *const [u8], value: NewValue) {
        let (layout, encoding, kind, inline_len) = match &value {
            NewValue::Int(_) => (LAYOUT_INT, Encoding::Int, Kind::String, 0),
            NewValue::Inline(bytes, encoding) => {
                (LAYOUT_INLINE, *encoding, Kind::String, bytes.len())
            }
            NewValue::Compact(kind, bytes, encoding) => {
                (LAYOUT_INLINE, *encoding, *kind, bytes.len())
            }
            NewValue::Heap(heap, encoding) => (LAYOUT_HEAP, *encoding, heap.kind(), 0),
            NewValue::Template(_, bytes) => (
                LAYOUT_SHARED,
                Encoding::TemplateListpack,
                Kind::Hash,
                bytes.len(),
            ),
        };
        let keep = self.header().to_le() & !(0xffff << 24 | 0x0fff);
        let head = kind as u64 | (layout as u64) << 4 | (encoding as u64) << 8;
        self.set_word(0, (keep & !0xf0 | head | (inline_len as u64) << 24).to_le());
        let (word, _) = self.body();
        let offset = word + if layout == LAYOUT_INLINE { 0 } else { 8 };
        // The key moves first: on an overwrite in place it may stand where the word will.
        // SAFETY: the shape of head, key and value was allocated; `copy` (not `copy_nonoverlapping`)
        // because the key may be this same entry's.
        unsafe {
            self.0.add(offset).as_ptr().copy_from(key.cast(), key.len());
            if let NewValue::Inline(bytes, _)
            | NewValue::Compact(_, bytes, _)
            | NewValue::Template(_, bytes) = &value
            {
                self.0
                    .add(offset + key.len())
                    .as_ptr()
                    .copy_from(bytes.as_ptr(), bytes.len());
            }
        }
        match value {
            NewValue::Int(n) => self.set_word(word, n as u64),
            NewValue::Heap(heap, _) => self.set_word(word, Box::into_raw(heap) as u64),
            NewValue::Template(tie, _) => {
                self.set_word(word, Arc::into_raw(tie.into_counted()) as u64);
            }
            NewValue::Inline(..) | NewValue::Compact(..) => {}
        }
    }
}

/// A readable entry.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    pub(super) at: EntryPtr,
    life: PhantomData<&'a [u8]>,
}

impl<'a> EntryRef<'a> {
    #[inline(always)]
    pub fn key(self) -> &'a [u8] {
        let (offset, len) = self.at.key_at();
        // SAFETY: the key stands there; `as_ref` promised the lifetime.
        unsafe { std::slice::from_raw_parts(self.at.0.add(offset).as_ptr(), len) }
    }

    #[inline]
    pub fn kind(self) -> Kind {
        Kind::from_bits(self.at.byte(0) & 0x0f)
    }

    pub fn encoding(self) -> Encoding {
        Encoding::from_bits(self.at.flags() & 0x0f)
    }

    /// The moment this key expires, in Unix milliseconds.
    #[inline(always)]
    pub fn deadline_ms(self) -> Option<i64> {
        (self.at.flags() & DEADLINE != 0).then(|| self.at.word(HEADER) as i64)
    }

    /// Whether the wheel holds an item that surfaces no later than the deadline.
    pub fn is_armed(self) -> bool {
        self.at.flags() & ARMED != 0
    }

    /// The side it was armed on; it changes when the wheel is sorted out.
    pub fn side(self) -> bool {
        self.at.flags() & SIDE != 0
    }

    /// The LRU clock or LFU counter bits; `keyspace::aging` gives them meaning.
    #[inline(always)]
    pub fn aging(self) -> u32 {
        (self.at.header().to_le() >> 40) as u32
    }

    #[inline(always)]
    pub fn value(self) -> Value<'a> {
        match self.at.layout() {
            LAYOUT_INT => Value::Int(self.at.word(self.at.body().0) as i64),
            LAYOUT_INLINE => {
                let bytes = self.inline();
                if self.kind() == Kind::String {
                    Value::Text(bytes)
                } else {
                    Value::Compact(bytes)
                }
            }
            LAYOUT_HEAP => {
                // SAFETY: the word of a heap layout is a live `Box<Heap>`.
                let heap = unsafe { &*(self.at.word(self.at.body().0) as *const Heap) };
                match heap {
                    Heap::Text(text) => Value::Text(text.as_bytes()),
                    Heap::Compact(_, bytes) => Value::Compact(bytes),
                    Heap::Template(hash) => Value::Template(hash.view()),
                    rich => Value::Rich(rich),
                }
            }
            _ => Value::Template(TemplateRef {
                // SAFETY: the word of a shared layout points into an `Arc` that the entry holds.
                template: unsafe { &*(self.at.word(self.at.body().0) as *const Template) },
                values: ValuesRef::Packed(self.inline()),
            }),
        }
    }

    /// The bytes behind the key.
    #[inline(always)]
    fn inline(self) -> &'a [u8] {
        let (offset, len) = self.at.key_at();
        // SAFETY: an inline value of `inline_len` bytes follows the key.
        unsafe {
            std::slice::from_raw_parts(self.at.0.add(offset + len).as_ptr(), self.at.inline_len())
        }
    }

    /// The template and the packed values of a hash that lies inside its entry beside its template.
    pub fn template(self) -> Option<(Tie, &'a [u8])> {
        if self.at.layout() != LAYOUT_SHARED {
            return None;
        }
        // SAFETY: the layout is checked; the entry's own tie is forgotten, not dropped.
        let own = std::mem::ManuallyDrop::new(unsafe { self.at.tie() });
        Some((Tie::clone(&own), self.inline()))
    }

    /// Bytes of the entry's own block, before rounding to a size class.
    pub fn size(self) -> usize {
        self.at.shape().size()
    }

    /// The value behind a pointer, if it is kept there.
    pub fn heap(self) -> Option<&'a Heap> {
        (self.at.layout() == LAYOUT_HEAP)
            // SAFETY: as in `value`.
            .then(|| unsafe { &*(self.at.word(self.at.body().0) as *const Heap) })
    }
}
