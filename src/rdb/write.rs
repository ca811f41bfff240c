//! Writing: lengths, numbers and strings, through one large buffer into a sink.
//!
//! Without a sink everything stays in the buffer, which is how DUMP uses it. The checksum is taken
//! of whole buffers as they leave, not of the many small pieces.

use super::{VALKEY_VERSION, opcode};
use crate::algo::crc64::crc64;
use crate::algo::lzf::Compressor;
use crate::algo::number::parse_i64;
use std::cell::Cell;
use std::io::{self, Write};

/// The buffer goes to the sink when it has grown to this: enough to make system calls cheap, and
/// little enough to stay in the second-level cache until its checksum is taken.
const BUFFER: usize = 256 << 10;
/// Room in memory for a small value, and what a value may take for its compressor to be kept.
const SMALL: usize = 256;
const KEPT: usize = 64 << 10;
/// Strings up to this length are not worth compressing; as in Redis.
const COMPRESS_ABOVE: usize = 20;
/// The least number of bytes that compression must save; as in Redis.
const COMPRESS_GAIN: usize = 4;
/// The longest text that is kept as an integer: that of one in 32 bits.
const INT_TEXT_MAX: usize = 11;

/// The version and options of written data.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub version: u32,
    pub compress: bool,
    pub checksum: bool,
    /// A file for Valkey 9, which has an encoding of its own for hash fields with a deadline.
    pub valkey: bool,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            version: super::LATEST,
            compress: true,
            checksum: true,
            valkey: false,
        }
    }
}

thread_local! {
    /// The compressor of the last writer in memory: a small value is written in less time than its
    /// table takes to be cleared.
    static SPARE: Cell<Compressor> = Cell::default();
}

/// A buffered writer of RDB primitives.
pub struct Writer<'s> {
    buffer: Vec<u8>,
    sink: Option<&'s mut dyn Write>,
    pub style: Style,
    crc: u64,
    /// Bytes that went to the sink.
    passed: u64,
    compressor: Compressor,
    /// Room for the listpack form of a stream's node.
    pub(super) scratch: Vec<u8>,
    /// The templates of hashes stand in the file.
    pub(super) defines_templates: bool,
    /// The latest mark says that plain hashes had templates.
    pub(super) marks_templates: bool,
    /// The first error of the sink; nothing is written after it.
    failed: Option<io::Error>,
}

impl Writer<'static> {
    /// A writer that keeps what it writes.
    pub fn in_memory(style: Style) -> Self {
        Writer {
            buffer: Vec::with_capacity(SMALL),
            sink: None,
            style,
            crc: 0,
            passed: 0,
            compressor: SPARE.take(),
            scratch: Vec::new(),
            defines_templates: false,
            marks_templates: false,
            failed: None,
        }
    }

    /// The bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        if self.buffer.len() <= KEPT {
            SPARE.set(self.compressor);
        }
        self.buffer
    }
}

impl<'s> Writer<'s> {
    pub fn new(sink: &'s mut dyn Write, style: Style) -> Self {
        Writer {
            buffer: Vec::with_capacity(BUFFER + (BUFFER >> 2)),
            sink: Some(sink),
            style,
            crc: 0,
            passed: 0,
            compressor: Compressor::default(),
            scratch: Vec::with_capacity(16 << 10),
            defines_templates: false,
            marks_templates: false,
            failed: None,
        }
    }

    pub fn version(&self) -> u32 {
        self.style.version
    }

    /// The sum of everything written so far.
    pub fn checksum(&self) -> u64 {
        crc64(self.crc, &self.buffer)
    }

    /// Between two records: passes a full buffer on. `finish` returns an error.
    #[inline(always)]
    pub fn checkpoint(&mut self) -> bool {
        if self.buffer.len() >= BUFFER && self.sink.is_some() {
            self.flush();
        }
        self.failed.is_none()
    }

    fn flush(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        if self.style.checksum {
            self.crc = crc64(self.crc, &self.buffer);
        }
        self.passed += self.buffer.len() as u64;
        if self.failed.is_none()
            && let Err(error) = sink.write_all(&self.buffer)
        {
            self.failed = Some(error);
        }
        self.buffer.clear();
    }

    /// Writes the end of a file with its checksum, and passes everything on.
    pub fn finish(mut self) -> io::Result<()> {
        self.byte(opcode::EOF);
        let checksum = if self.style.checksum {
            self.checksum()
        } else {
            0
        };
        self.buffer.extend_from_slice(&checksum.to_le_bytes());
        self.flush();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        self.buffer.push(byte);
    }

    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() < BUFFER || self.sink.is_none() {
            return self.buffer.extend_from_slice(bytes);
        }
        // As large as the buffer: it goes past it.
        self.flush();
        for part in bytes.chunks(BUFFER * 4) {
            if self.style.checksum {
                self.crc = crc64(self.crc, part);
            }
            self.passed += part.len() as u64;
            if let Some(sink) = &mut self.sink
                && self.failed.is_none()
                && let Err(error) = sink.write_all(part)
            {
                self.failed = Some(error);
            }
        }
    }

    /// Writes a length in the shortest of its encodings.
    #[inline]
    pub fn length(&mut self, len: u64) {
        match len {
            0..=0x3f => self.byte(len as u8),
            0x40..=0x3fff => self.bytes(&(len as u16 | 0x4000).to_be_bytes()),
            0x4000..=0xffff_ffff => {
                self.byte(0x80);
                self.bytes(&(len as u32).to_be_bytes());
            }
            _ => {
                self.byte(0x81);
                self.bytes(&len.to_be_bytes());
            }
        }
    }

    /// A moment in milliseconds.
    pub fn millis(&mut self, ms: i64) {
        self.bytes(&ms.to_le_bytes());
    }

    /// A score in eight bytes.
    pub fn double(&mut self, score: f64) {
        self.bytes(&score.to_bits().to_le_bytes());
    }

    /// An integer as a string.
    #[inline]
    pub fn int(&mut self, n: i64) {
        match n {
            -0x80..=0x7f => self.bytes(&[0xc0, n as u8]),
            -0x8000..=0x7fff => {
                self.byte(0xc1);
                self.bytes(&(n as i16).to_le_bytes());
            }
            -0x8000_0000..=0x7fff_ffff => {
                self.byte(0xc2);
                self.bytes(&(n as i32).to_le_bytes());
            }
            _ => {
                let mut buffer = itoa::Buffer::new();
                let text = buffer.format(n).as_bytes();
                self.length(text.len() as u64);
                self.bytes(text);
            }
        }
    }

    /// A string: as an integer if it is the text of one, compressed if that makes it smaller.
    #[inline]
    pub fn string(&mut self, text: &[u8]) {
        if text.len() <= INT_TEXT_MAX
            && matches!(text.first(), Some(b'0'..=b'9' | b'-'))
            && let Some(n) = parse_i64(text)
            && i32::try_from(n).is_ok()
        {
            return self.int(n);
        }
        if self.style.compress && text.len() > COMPRESS_ABOVE && self.packed(text) {
            return;
        }
        self.length(text.len() as u64);
        self.bytes(text);
    }

    /// Writes a string compressed, if that saves enough.
    fn packed(&mut self, text: &[u8]) -> bool {
        let room = text.len() - COMPRESS_GAIN;
        let mut compressor = std::mem::take(&mut self.compressor);
        let packed = compressor.compress(text, room);
        if let Some(packed) = packed {
            self.byte(0xc3);
            self.length(packed.len() as u64);
            self.length(text.len() as u64);
            self.bytes(packed);
        }
        let done = packed.is_some();
        self.compressor = compressor;
        done
    }

    /// A note on the file.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.byte(opcode::AUX);
        self.string(name);
        self.string(value);
    }

    /// The first bytes of a file.
    pub fn magic(&mut self) {
        let version = self.style.version;
        match self.style.valkey {
            true => self.bytes(format!("VALKEY{VALKEY_VERSION:03}").as_bytes()),
            false => self.bytes(format!("REDIS{version:04}").as_bytes()),
        }
    }
}
