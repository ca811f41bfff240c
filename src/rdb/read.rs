//! Reading: lengths, numbers and strings, out of a buffer that a source refills.
//!
//! A string is a `Span`: the place of its bytes, valid until the next read. A claimed length
//! allocates nothing: the buffer grows only as bytes arrive.

use super::template::FileTemplate;
use super::{Error, Result};
use crate::algo::crc64::crc64;
use crate::algo::lzf;
use crate::algo::number::parse_f64;
use crate::types::listpack::Item;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

/// Bytes requested from the source at once.
const CHUNK: usize = 256 << 10;
/// A compressed string may grow to this without having to prove itself, and a longer one only as
/// far as its bytes can make it.
const LEN_MAX: u64 = 1 << 40;

/// The place of a string's bytes.
#[derive(Clone, Debug)]
pub enum Span {
    Buffer(Range<usize>),
    /// It was compressed.
    Scratch,
    Int(i64),
}

/// A length, or one of the encodings that take its place.
enum Len {
    Plain(u64),
    /// The number of a special string.
    Special(u8),
}

/// A buffered reader of RDB primitives.
pub struct Reader {
    buffer: Vec<u8>,
    at: usize,
    source: Option<Box<dyn Read + Send>>,
    /// The number of bytes before the buffer.
    passed: u64,
    /// The checksum of everything before `summed`, if it is computed.
    crc: Option<u64>,
    summed: usize,
    scratch: Vec<u8>,
    /// A scratch buffer for intermediate forms, for decoders.
    pub(super) room: Vec<u8>,
    /// The names of fields that hashes share, by their numbers in the file.
    pub templates: BTreeMap<u64, FileTemplate>,
    /// The plain hashes that follow had templates; the template of the latest.
    pub had_templates: bool,
    pub(super) last_template: Option<FileTemplate>,
    /// The fault of the latest value that was mended, for a warning.
    pub mended: Option<&'static str>,
    /// The bytes come from a client, so no fault of theirs is mended.
    is_payload: bool,
    /// The offset of the record that is being read.
    pub record_at: u64,
    /// The input comes in pieces (`feed`), and an incomplete record is read again.
    fed: Option<Fed>,
}

/// See `Reader::fed`.
#[derive(Clone, Copy, Debug, Default)]
struct Fed {
    /// The input is complete.
    complete: bool,
    /// Bytes from the start of the record that were requested but missing.
    wanted: usize,
}

impl Reader {
    /// A reader of what lies in memory.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Reader {
            buffer: bytes.to_vec(),
            is_payload: true,
            ..Reader::empty(None)
        }
    }
}

impl Reader {
    fn empty(source: Option<Box<dyn Read + Send>>) -> Self {
        Reader {
            buffer: Vec::new(),
            at: 0,
            source,
            passed: 0,
            crc: None,
            summed: 0,
            scratch: Vec::new(),
            room: Vec::new(),
            templates: BTreeMap::new(),
            had_templates: false,
            last_template: None,
            mended: None,
            is_payload: false,
            record_at: 0,
            fed: None,
        }
    }

    /// A reader of what `feed` brings. Reading past that is an error of which `is_starved` tells; when
    /// there is more the record can be read again from its start.
    pub fn fed() -> Self {
        Reader {
            fed: Some(Fed::default()),
            ..Reader::empty(None)
        }
    }

    /// Adds input between two records; the input already read is dropped.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Some(crc) = &mut self.crc {
            *crc = crc64(*crc, &self.buffer[self.summed..self.at]);
        }
        self.buffer.drain(..self.at);
        self.passed += self.at as u64;
        (self.at, self.summed) = (0, 0);
        self.buffer.extend_from_slice(bytes);
    }

    /// Marks the end of the input.
    pub fn feed_ends(&mut self) {
        if let Some(fed) = &mut self.fed {
            fed.complete = true;
        }
    }

    /// Bytes that are there and not read.
    pub fn at_hand(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// The last error was no more than that the bytes have yet to come.
    pub fn is_starved(&self) -> bool {
        self.fed.is_some_and(|fed| !fed.complete && fed.wanted > 0)
    }

    /// Whether it pays to read a record again for which bytes were missing. A record of many parts asks
    /// for little at a time: it is tried again only when a good deal more of it is there, so that all
    /// tries together take no more than a few times as long as one.
    pub fn may_retry(&self) -> bool {
        self.fed
            .is_none_or(|fed| fed.complete || self.at_hand() >= fed.wanted)
    }

    /// Back to the start of the record.
    pub fn rewind(&mut self) {
        self.at = (self.record_at - self.passed) as usize;
        let have = self.at_hand();
        if let Some(fed) = &mut self.fed {
            fed.wanted = fed.wanted.max(have + have / 4);
        }
    }

    /// A record begins here.
    pub fn mark_record(&mut self) {
        self.record_at = self.offset();
        if let Some(fed) = &mut self.fed {
            fed.wanted = 0;
        }
    }

    /// Waits until this many bytes are buffered, without consuming them.
    pub fn await_bytes(&mut self, len: usize) -> Result<()> {
        self.need(len)
    }

    pub fn new(source: Box<dyn Read + Send>) -> Self {
        Reader::empty(Some(source))
    }

    /// Counts offsets from `passed` on: what stands before is read elsewhere.
    pub fn rebase(&mut self, passed: u64) {
        self.passed = passed;
    }

    /// From here on, or from the start on, a sum is kept.
    pub fn keep_checksum(&mut self) {
        self.crc = Some(0);
        self.summed = self.at;
    }

    /// Stops computing the checksum.
    pub fn forget_checksum(&mut self) {
        self.crc = None;
    }

    /// The number of bytes read.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.passed + self.at as u64
    }

    /// The sum of what was read.
    pub fn checksum(&mut self) -> Option<u64> {
        let sum = crc64(self.crc?, &self.buffer[self.summed..self.at]);
        self.summed = self.at;
        self.crc = Some(sum);
        self.crc
    }

    /// Whether everything was read.
    pub fn is_at_end(&mut self) -> bool {
        self.at == self.buffer.len() && matches!(self.need(1), Err(Error::Truncated))
    }

    /// The rest of the buffer, and the source, for a caller that reads on by other means.
    pub fn into_rest(mut self) -> (Vec<u8>, Option<Box<dyn Read + Send>>) {
        self.buffer.drain(..self.at);
        (self.buffer, self.source)
    }

    /// Sees to `len` bytes in the buffer.
    #[inline(always)]
    fn need(&mut self, len: usize) -> Result<()> {
        if self.at_hand() >= len {
            return Ok(());
        }
        self.refill(len)
    }

    #[cold]
    fn refill(&mut self, len: usize) -> Result<()> {
        if let Some(fed) = &mut self.fed {
            let start = (self.record_at - self.passed) as usize;
            fed.wanted = (self.at - start).saturating_add(len);
        }
        let Some(source) = &mut self.source else {
            return Err(Error::Truncated);
        };
        if let Some(crc) = &mut self.crc {
            *crc = crc64(*crc, &self.buffer[self.summed..self.at]);
        }
        self.buffer.copy_within(self.at.., 0);
        self.buffer.truncate(self.buffer.len() - self.at);
        self.passed += self.at as u64;
        (self.at, self.summed) = (0, 0);
        while self.buffer.len() < len {
            let have = self.buffer.len();
            // Twice what has come, at most: a length is only a claim.
            let more = CHUNK.max((len - have).min(have));
            self.buffer.resize(have + more, 0);
            let got = match source.read(&mut self.buffer[have..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(None),
                result => result.map(Some),
            };
            self.buffer
                .truncate(have + *got.as_ref().ok().and_then(Option::as_ref).unwrap_or(&0));
            if got? == Some(0) {
                return Err(Error::Truncated);
            }
        }
        Ok(())
    }

    /// The next `len` bytes.
    #[inline]
    fn take(&mut self, len: usize) -> Result<Range<usize>> {
        self.need(len)?;
        let start = self.at;
        self.at += len;
        Ok(start..self.at)
    }

    /// The next `N` bytes; an error if they are missing.
    #[inline]
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.need(N)?;
        let start = self.at;
        self.at += N;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[start..start + N]);
        Ok(bytes)
    }

    #[inline(always)]
    pub fn byte(&mut self) -> Result<u8> {
        self.need(1)?;
        self.at += 1;
        Ok(self.buffer[self.at - 1])
    }

    #[inline]
    fn len_or_special(&mut self) -> Result<Len> {
        let first = self.byte()?;
        Ok(match first {
            0..=0x3f => Len::Plain(first as u64),
            0x40..=0x7f => Len::Plain(((first & 0x3f) as u64) << 8 | self.byte()? as u64),
            0x80 => Len::Plain(u32::from_be_bytes(self.fixed()?) as u64),
            0x81 => Len::Plain(u64::from_be_bytes(self.fixed()?)),
            0xc0..=0xff => Len::Special(first & 0x3f),
            _ => return Err(Error::Corrupt("Unknown length encoding in rdbLoadLen()")),
        })
    }

    /// A length.
    #[inline]
    pub fn length(&mut self) -> Result<u64> {
        match self.len_or_special()? {
            Len::Plain(len) => Ok(len),
            Len::Special(_) => Err(Error::Corrupt("A special string where a length belongs")),
        }
    }

    /// A string.
    #[inline]
    pub fn string(&mut self) -> Result<Span> {
        match self.len_or_special()? {
            Len::Plain(len) => {
                let len = usize::try_from(len).map_err(|_| Error::Truncated)?;
                self.take(len).map(Span::Buffer)
            }
            Len::Special(0) => Ok(Span::Int(i8::from_le_bytes(self.fixed()?) as i64)),
            Len::Special(1) => Ok(Span::Int(i16::from_le_bytes(self.fixed()?) as i64)),
            Len::Special(2) => Ok(Span::Int(i32::from_le_bytes(self.fixed()?) as i64)),
            Len::Special(3) => self.packed(),
            Len::Special(_) => Err(Error::Corrupt("Unknown RDB string encoding type")),
        }
    }

    fn packed(&mut self) -> Result<Span> {
        let (packed, len) = (self.length()?, self.length()?);
        if packed > LEN_MAX || len > LEN_MAX {
            return Err(Error::Truncated);
        }
        let packed = self.take(packed as usize)?;
        lzf::decompress_into(&self.buffer[packed], len as usize, &mut self.scratch)
            .map_err(|_| Error::Corrupt("Invalid LZF compressed string"))?;
        Ok(Span::Scratch)
    }

    /// The element that a span is: an integer only if it reads as one.
    #[inline]
    pub fn item(&self, span: &Span) -> Item<'_> {
        match span {
            Span::Buffer(range) => Item::of(&self.buffer[range.clone()]),
            Span::Scratch => Item::of(&self.scratch),
            Span::Int(n) => Item::Int(*n),
        }
    }

    /// The bytes of a span; an integer is printed into `buffer`.
    #[inline]
    pub fn bytes<'b>(&'b self, span: &Span, buffer: &'b mut itoa::Buffer) -> &'b [u8] {
        match span {
            Span::Buffer(range) => &self.buffer[range.clone()],
            Span::Scratch => &self.scratch,
            Span::Int(n) => buffer.format(*n).as_bytes(),
        }
    }

    /// The bytes of a span that is no integer.
    #[inline]
    pub fn span_bytes(&self, span: &Span) -> &[u8] {
        match span {
            Span::Buffer(range) => &self.buffer[range.clone()],
            Span::Scratch => &self.scratch,
            Span::Int(_) => b"",
        }
    }

    /// The bytes of a span that cannot be an integer.
    #[inline]
    pub fn text(&self, span: &Span) -> Result<&[u8]> {
        match span {
            Span::Int(_) => Err(Error::Corrupt("A number where a packed collection belongs")),
            _ => Ok(self.span_bytes(span)),
        }
    }

    /// A string, copied in place of what `out` holds.
    #[inline]
    pub fn string_into(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let span = self.string()?;
        out.clear();
        out.extend_from_slice(self.bytes(&span, &mut itoa::Buffer::new()));
        Ok(())
    }

    /// The next string, copied out of the buffer.
    pub fn string_vec(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.string_into(&mut out)?;
        Ok(out)
    }

    /// Passes over bytes.
    pub fn skip(&mut self, mut len: usize) -> Result<()> {
        while len > 0 {
            let part = len.min(CHUNK);
            self.take(part)?;
            len -= part;
        }
        Ok(())
    }

    /// Passes over a string without looking at it.
    pub fn skip_string(&mut self) -> Result<()> {
        let len = match self.len_or_special()? {
            Len::Plain(len) => len,
            Len::Special(number @ 0..=2) => 1 << number,
            Len::Special(3) => {
                let packed = self.length()?;
                self.length()?;
                packed
            }
            Len::Special(_) => return Err(Error::Corrupt("Unknown RDB string encoding type")),
        };
        self.skip(usize::try_from(len).map_err(|_| Error::Truncated)?)
    }

    /// Notes a fault of a value that can be mended without guessing.
    ///
    /// # Errors
    /// In a payload, which is refused.
    pub fn mend(&mut self, fault: &'static str) -> Result<()> {
        if self.is_payload {
            return Err(Error::Corrupt(fault));
        }
        self.mended = Some(fault);
        Ok(())
    }

    /// A moment in milliseconds.
    pub fn millis(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.fixed()?))
    }

    /// A score in eight bytes.
    pub fn double(&mut self) -> Result<f64> {
        Ok(f64::from_bits(u64::from_le_bytes(self.fixed()?)))
    }

    /// A score as old versions write it: as text.
    pub fn double_text(&mut self) -> Result<f64> {
        Ok(match self.byte()? {
            255 => f64::NEG_INFINITY,
            254 => f64::INFINITY,
            253 => f64::NAN,
            len => {
                let text = self.take(len as usize)?;
                parse_f64(&self.buffer[text]).ok_or(Error::Corrupt("Invalid score"))?
            }
        })
    }
}
