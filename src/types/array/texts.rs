//! The texts of a slice that do not fit their cells: short ones behind each other in one buffer,
//! long ones in boxes of their own.
//!
//! The bytes of a text that was removed stay in the buffer until it is full, or mostly such bytes.
//! Then the slice moves the texts together (`Slice::tidy`), which costs no more than what was
//! written since the last time.

use super::cell::Place;

/// Texts up to this many bytes share the buffer. A slice of 4,096 cells then moves 1 MB at most, and
/// one of the largest, 65,536 cells, 16 MB.
const PACKED_MAX: usize = 255;
/// A buffer shorter than this is not tidied for the bytes that are lost in it.
const SMALL: usize = 512;

/// Bytes of a box's place.
const BOX: usize = size_of::<Option<Box<[u8]>>>();

/// The size of a block for so many bytes, of which none is lost: an allocator has four for each
/// power of two. So a buffer grows by a fifth or a quarter, which matters where it is large.
fn block(bytes: usize) -> usize {
    const LEAST: usize = 32;
    let bytes = bytes.max(LEAST);
    bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2))
}

/// The longer texts of a slice.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Bytes of the buffer that belong to no text.
    lost: usize,
    boxes: Option<Box<Boxes>>,
}

#[derive(Clone, Debug, Default)]
struct Boxes {
    texts: Vec<Option<Box<[u8]>>>,
    /// Numbers of boxes that are free.
    free: Vec<u32>,
    bytes: usize,
}

impl Texts {
    /// The text at a place.
    #[inline(always)]
    pub fn get(&self, place: Place) -> &[u8] {
        match place {
            Place::Packed(offset, len) => {
                let start = offset as usize;
                &self.bytes[start..start + usize::from(len)]
            }
            Place::Boxed(number) => self
                .boxes
                .as_ref()
                .and_then(|boxes| boxes.texts[number as usize].as_deref())
                .expect("a cell names a box that is there"),
        }
    }

    /// Whether a text can be added only after tidying the buffer, or had better be.
    #[inline]
    pub fn needs_tidying(&self, text: &[u8]) -> bool {
        text.len() <= PACKED_MAX
            && self.bytes.len() + text.len() > self.bytes.capacity()
            && self.lost * 4 > self.bytes.len()
    }

    /// Whether most of the buffer is lost.
    #[inline]
    pub fn is_mostly_lost(&self) -> bool {
        self.bytes.len() > SMALL && self.lost * 3 > self.bytes.len() * 2
    }

    /// An empty store with room for the texts of the buffer that are in use.
    pub fn successor(&mut self) -> Texts {
        let used = self.bytes.len() - self.lost;
        Texts {
            bytes: Vec::with_capacity(block(used + used / 8)),
            lost: 0,
            boxes: self.boxes.take(),
        }
    }

    /// Adds a text.
    pub fn add(&mut self, text: &[u8]) -> Place {
        if text.len() > PACKED_MAX {
            return Place::Boxed(self.boxes.get_or_insert_default().add(text));
        }
        let offset = self.bytes.len();
        if self.bytes.capacity() - offset < text.len() {
            self.bytes
                .reserve_exact(block(offset + text.len()) - offset);
        }
        self.bytes.extend_from_slice(text);
        Place::Packed(offset as u32, text.len() as u16)
    }

    /// Writes a text over another, if it fits there.
    pub fn overwrite(&mut self, place: Place, text: &[u8]) -> Option<Place> {
        match place {
            Place::Packed(offset, len) if text.len() <= usize::from(len) => {
                let start = offset as usize;
                self.bytes[start..start + text.len()].copy_from_slice(text);
                self.lost += usize::from(len) - text.len();
                Some(Place::Packed(offset, text.len() as u16))
            }
            Place::Boxed(number) if text.len() > PACKED_MAX => {
                self.boxes.get_or_insert_default().replace(number, text);
                Some(place)
            }
            _ => None,
        }
    }

    /// Removes the text at a place.
    pub fn remove(&mut self, place: Place) {
        match place {
            Place::Packed(_, len) => self.lost += usize::from(len),
            Place::Boxed(number) => {
                if let Some(boxes) = &mut self.boxes {
                    boxes.remove(number);
                    if boxes.texts.len() == boxes.free.len() {
                        self.boxes = None;
                    }
                }
            }
        }
    }

    /// Whether no text is left.
    pub fn is_empty(&self) -> bool {
        self.lost == self.bytes.len() && self.boxes.is_none()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let boxes = self.boxes.as_ref().map_or(0, |boxes| {
            size_of::<Boxes>()
                + boxes.texts.capacity() * size_of::<Option<Box<[u8]>>>()
                + boxes.free.capacity() * size_of::<u32>()
                + boxes.bytes
        });
        size_of::<Texts>() + self.bytes.capacity() + boxes
    }

    /// Gives back room that is not in use.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Bytes of texts in use, in the buffer and in boxes, for checks.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn used(&self) -> (usize, usize) {
        let boxes = self.boxes.as_ref().map_or(0, |boxes| boxes.bytes);
        (self.bytes.len() - self.lost, boxes)
    }
}

impl Boxes {
    fn add(&mut self, text: &[u8]) -> u32 {
        self.bytes += text.len();
        let text = Some(text.into());
        match self.free.pop() {
            Some(number) => {
                self.texts[number as usize] = text;
                number
            }
            None => {
                if self.texts.len() == self.texts.capacity() {
                    let room = block((self.texts.len() + 1) * BOX) / BOX;
                    self.texts.reserve_exact(room - self.texts.len());
                }
                self.texts.push(text);
                (self.texts.len() - 1) as u32
            }
        }
    }

    fn replace(&mut self, number: u32, text: &[u8]) {
        let old = self.texts[number as usize].replace(text.into());
        self.bytes += text.len();
        self.bytes -= old.map_or(0, |old| old.len());
    }

    fn remove(&mut self, number: u32) {
        let old = self.texts[number as usize].take();
        self.bytes -= old.map_or(0, |old| old.len());
        self.free.push(number);
    }
}
