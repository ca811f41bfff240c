//! A file as a sequence of records: the header, notes, databases, functions, keys, the end.
//!
//! `Records::advance` returns them one by one. A key is returned before its value: `value` reads
//! that, so that the loader decides where it goes. Called by loading and by the checker.

use super::decode::{self, Decode, module_name};
use super::{Error, LATEST, Reader, Result, VALKEY_VERSION, opcode, template};
use crate::types::entry::NewValue;

/// The header of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub version: u32,
    /// Written by Valkey 9 or later.
    pub valkey: bool,
}

/// A key as stored in a file; the value follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHead {
    pub kind: u8,
    /// Unix milliseconds.
    pub deadline_ms: Option<i64>,
    pub idle_seconds: Option<u64>,
    pub frequency: Option<u8>,
}

/// One record of a file.
#[derive(Debug)]
pub enum Record {
    Aux {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    SelectDb(u64),
    /// The number of keys that follow in this database.
    Resize,
    /// The number of keys of one slot in a cluster.
    Slot,
    Function(Vec<u8>),
    /// The data of a module, which cannot be read. Its name.
    ModuleAux(String),
    /// The name is in `Records::key`.
    Key(KeyHead),
    /// The checksum of everything, as stored and as computed, if there is one.
    End {
        expected: u64,
        actual: u64,
    },
}

/// The kind of item being read, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Start,
    Type,
    Expire,
    /// The name of a key whose value is of this type.
    Key(u8),
    Length,
    Aux,
    ModuleAux,
    Functions,
    Sum,
}

impl Doing {
    /// As redis-check-rdb calls it.
    pub fn name(self) -> &'static str {
        match self {
            Doing::Start => "start",
            Doing::Type => "read-type",
            Doing::Expire => "read-expire",
            Doing::Key(_) => "read-key",
            Doing::Length => "read-len",
            Doing::Aux => "read-aux",
            Doing::ModuleAux => "read-module-aux",
            Doing::Functions => "read-functions",
            Doing::Sum => "check-sum",
        }
    }
}

/// A reader of a file's records.
pub struct Records {
    pub reader: Reader,
    pub header: Header,
    /// The name of the latest key, and the number of its database.
    pub key: Vec<u8>,
    pub db: u64,
    pub doing: Doing,
}

/// Reads the header at the start of a file.
///
/// # Errors
/// If there is no header, or one of an unknown version.
pub fn header(reader: &mut Reader) -> Result<Header> {
    let magic: [u8; 9] = reader.fixed()?;
    let (valkey, digits) = match &magic {
        [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (false, digits.as_slice()),
        [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (true, digits.as_slice()),
        _ => return Err(Error::Signature),
    };
    let version = digits.iter().try_fold(0u32, |n, digit| {
        digit
            .is_ascii_digit()
            .then(|| n * 10 + (digit - b'0') as u32)
    });
    // As Redis has it, what is no number is the number 0.
    let version = version.unwrap_or(0);
    let known = match valkey {
        true => (VALKEY_VERSION..1000).contains(&version),
        false => (1..=LATEST).contains(&version),
    };
    match known {
        true => Ok(Header { version, valkey }),
        false => Err(Error::Version(version)),
    }
}

impl Records {
    /// Reads the header of a file; records follow.
    pub fn open(mut reader: Reader) -> Result<Self> {
        reader.keep_checksum();
        let header = header(&mut reader)?;
        Ok(Records::without_header(reader, header))
    }

    /// Reads records from the middle of a file on.
    pub fn without_header(reader: Reader, header: Header) -> Self {
        Records {
            reader,
            header,
            key: Vec::new(),
            db: 0,
            doing: Doing::Start,
        }
    }

    /// The next record. Nothing follows `End`.
    #[inline]
    pub fn advance(&mut self) -> Result<Record> {
        if self.reader.mended.is_some() {
            self.warn();
        }
        let mut head = KeyHead::default();
        self.reader.mark_record();
        self.doing = Doing::Type;
        loop {
            let r = &mut self.reader;
            match r.byte()? {
                opcode::EXPIRE_MS => {
                    self.doing = Doing::Expire;
                    head.deadline_ms = Some(r.millis()?);
                }
                opcode::EXPIRE => {
                    self.doing = Doing::Expire;
                    let seconds = i32::from_le_bytes(r.fixed()?);
                    head.deadline_ms = Some(seconds as i64 * 1000);
                }
                opcode::FREQ => head.frequency = Some(r.byte()?),
                opcode::IDLE => head.idle_seconds = Some(r.length()?),
                opcode::TEMPLATE if !self.header.valkey => template::define(r)?,
                kind @ ..opcode::SLOT_IMPORT => {
                    head.kind = kind;
                    self.doing = Doing::Key(kind);
                    r.string_into(&mut self.key)?;
                    return Ok(Record::Key(head));
                }
                other => return self.other(other),
            }
        }
    }

    /// Logs what was mended in the latest value.
    #[cold]
    fn warn(&mut self) {
        let key = String::from_utf8_lossy(&self.key)
            .escape_debug()
            .to_string();
        if let Some(fault) = self.reader.mended.take() {
            log::warn!("Key '{key}' in database {} was repaired: {fault}", self.db);
        }
    }

    /// The value of the key returned last.
    #[inline]
    pub fn value<'v>(&'v mut self, kind: u8, with: &Decode) -> Result<NewValue<'v>> {
        decode::value(&mut self.reader, kind, with)
    }

    fn other(&mut self, code: u8) -> Result<Record> {
        self.doing = match code {
            opcode::AUX => Doing::Aux,
            opcode::SELECT_DB | opcode::RESIZE_DB | opcode::SLOT_INFO => Doing::Length,
            opcode::FUNCTION | opcode::FUNCTION_OLD => Doing::Functions,
            opcode::MODULE_AUX => Doing::ModuleAux,
            opcode::EOF => Doing::Sum,
            _ => self.doing,
        };
        let r = &mut self.reader;
        Ok(match code {
            opcode::AUX => {
                let (name, value) = (r.string_vec()?, r.string_vec()?);
                if name == template::MARK {
                    r.had_templates = value == b"1";
                }
                Record::Aux { name, value }
            }
            opcode::SELECT_DB => {
                self.db = r.length()?;
                Record::SelectDb(self.db)
            }
            opcode::RESIZE_DB => {
                r.length()?;
                r.length()?;
                Record::Resize
            }
            opcode::SLOT_INFO => {
                r.length()?;
                r.length()?;
                r.length()?;
                Record::Slot
            }
            opcode::SLOT_IMPORT => return Err(Error::Corrupt("A slot that is being imported")),
            opcode::FUNCTION => Record::Function(r.string_vec()?),
            opcode::FUNCTION_OLD => {
                return Err(Error::Corrupt("Pre-release function format not supported."));
            }
            opcode::MODULE_AUX => {
                let name = module_name(r.length()?);
                skip_module(r)?;
                Record::ModuleAux(name)
            }
            // The end; every other code was handled.
            _ => self.end()?,
        })
    }

    fn end(&mut self) -> Result<Record> {
        // Files had no sum before version 5.
        if !self.header.valkey && self.header.version < 5 {
            return Ok(Record::End {
                expected: 0,
                actual: 0,
            });
        }
        self.reader.await_bytes(8)?;
        let actual = self.reader.checksum().unwrap_or(0);
        self.reader.forget_checksum();
        let expected = u64::from_le_bytes(self.reader.fixed()?);
        Ok(Record::End { expected, actual })
    }
}

/// Skips what a module wrote: numbers and strings, each with its type in front.
pub fn skip_module(r: &mut Reader) -> Result<()> {
    const END: u64 = 0;
    const SIGNED: u64 = 1;
    const UNSIGNED: u64 = 2;
    const FLOAT: u64 = 3;
    const DOUBLE: u64 = 4;
    const STRING: u64 = 5;
    loop {
        match r.length()? {
            END => return Ok(()),
            SIGNED | UNSIGNED => {
                r.length()?;
            }
            FLOAT => {
                r.fixed::<4>()?;
            }
            DOUBLE => {
                r.fixed::<8>()?;
            }
            STRING => {
                r.string()?;
            }
            _ => return Err(Error::Corrupt("Unknown type in the data of a module")),
        }
    }
}
