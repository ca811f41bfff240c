//! redis-check-rdb --salvage: all keys of a damaged snapshot that can be read, in a file of their own.
//!
//! A value that cannot be read is passed over by its structure (`rdb::skip`). Where the structure
//! itself is broken, the next offset is searched from which on many records can be read in
//! order. Each loss is printed with its offset, key and reason.

use crate::algo::rng::Rng;
use crate::keyspace::{DbIndex, Keyspace, RdbVersions, Tuning};
use crate::persist::reason;
use crate::persist::save::{SaveJob, Snapshot, save};
use crate::rdb::decode::Decode;
use crate::rdb::record::{Header, KeyHead, Record, Records};
use crate::rdb::{Error, Reader, kind, opcode, skip};
use crate::sys::clock;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Databases that a salvaged file may have: more than any configuration in use.
const DATABASES: u32 = 1 << 14;

/// The bytes of the file from an offset on, as a source.
struct Tail {
    bytes: Arc<[u8]>,
    at: usize,
}

impl Read for Tail {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

/// A salvage in progress.
struct Salvage {
    bytes: Arc<[u8]>,
    header: Header,
    keyspace: Keyspace,
    tuning: Tuning,
    functions: Vec<Vec<u8>>,
    kept: u64,
    lost: u64,
}

/// How reading went on.
enum Outcome {
    /// To the end of the file.
    Ended,
    /// To an offset from which on nothing could be read in order.
    Broken(usize),
}

/// Reads `from` and writes all that can be read to `to`. Returns the exit status: 0 if nothing was
/// lost, 1 if something was, 2 if nothing was written.
pub fn run(from: &Path, to: &Path) -> i32 {
    let bytes: Arc<[u8]> = match std::fs::read(from) {
        Ok(bytes) => bytes.into(),
        Err(error) => {
            println!("Cannot open file {}: {}", from.display(), reason(&error));
            return 2;
        }
    };
    let opened = Records::open(reader(&bytes, 0));
    let mut records = match opened {
        Ok(records) => records,
        Err(error) => {
            println!("[offset 0] {error}");
            return 2;
        }
    };
    let mut salvage = Salvage {
        bytes,
        header: records.header,
        keyspace: Keyspace::new(DATABASES, Rng::new(1), clock::unix_us() / 1000),
        tuning: Tuning::default(),
        functions: Vec::new(),
        kept: 0,
        lost: 0,
    };
    let mut base = 0;
    while let Outcome::Broken(at) = salvage.read(&mut records, base) {
        let Some(next) = salvage.next_key(at + 1, &records) else {
            println!("[offset {at}] Nothing can be read from here on");
            break;
        };
        println!(
            "[offset {next}] Reading on; {} bytes were skipped",
            next - at
        );
        let templates = std::mem::take(&mut records.reader.templates);
        let db = records.db;
        records = salvage.records_at(next);
        records.reader.templates = templates;
        records.db = db;
        base = next;
    }
    salvage.write(to)
}

fn reader(bytes: &Arc<[u8]>, at: usize) -> Reader {
    Reader::new(Box::new(Tail {
        bytes: bytes.clone(),
        at,
    }))
}

impl Salvage {
    fn records_at(&self, at: usize) -> Records {
        Records::without_header(reader(&self.bytes, at), self.header)
    }

    /// Reads records in order. `base` is the offset in the file where the reader began.
    fn read(&mut self, records: &mut Records, base: usize) -> Outcome {
        loop {
            let record = records.advance();
            let at = base + records.reader.record_at as usize;
            match record {
                Ok(Record::Key(head)) => {
                    let value_at = base + records.reader.offset() as usize;
                    if let Err(error) = self.keep(records, head) {
                        self.report_loss(at, &records.key, records.db, head.kind, &error);
                        let Some(next) = self.skip(records, value_at, head.kind) else {
                            return Outcome::Broken(at);
                        };
                        let templates = std::mem::take(&mut records.reader.templates);
                        let mut reader = reader(&self.bytes, next);
                        reader.templates = templates;
                        reader.rebase((next - base) as u64);
                        records.reader = reader;
                    }
                }
                Ok(Record::Function(code)) => self.functions.push(code),
                Ok(Record::End { .. }) => return Outcome::Ended,
                Ok(_) => {}
                Err(Error::Truncated) => {
                    println!("[offset {at}] The file ends within a record");
                    self.lost += 1;
                    return Outcome::Broken(at);
                }
                Err(error) => {
                    println!("[offset {at}] {error}");
                    self.lost += 1;
                    return Outcome::Broken(at);
                }
            }
        }
    }

    /// The end of a value that could not be read, if its structure shows it.
    fn skip(&self, records: &Records, value_at: usize, kind: u8) -> Option<usize> {
        let mut reader = reader(&self.bytes, value_at);
        skip::value(&mut reader, kind, records.header.valkey).ok()?;
        Some(value_at + reader.offset() as usize)
    }

    /// Reads the value of a key into the keyspace.
    fn keep(&mut self, records: &mut Records, head: KeyHead) -> Result<(), Error> {
        let key = records.key.clone();
        let db = u32::try_from(records.db).ok().filter(|&db| db < DATABASES);
        let db = DbIndex(db.ok_or(Error::Corrupt("A database of a number out of range"))?);
        let hasher = self.keyspace.view(db).entries().hasher().clone();
        let with = Decode {
            tuning: &self.tuning,
            hasher: &hasher,
            valkey: records.header.valkey,
        };
        let value = match records.value(head.kind, &with) {
            Err(Error::Empty) => return Ok(()),
            value => value?,
        };
        let mut db = self.keyspace.db(db);
        if db.peek(&key).is_some() {
            return Err(Error::Corrupt(
                "RDB has duplicated key in the same database",
            ));
        }
        db.add(&key, value, head.deadline_ms);
        self.kept += 1;
        Ok(())
    }

    fn report_loss(&mut self, at: usize, key: &[u8], db: u64, kind: u8, error: &Error) {
        self.lost += 1;
        println!(
            "[offset {at}] Lost key '{}' in database {db}, type {kind} ({}): {error}",
            String::from_utf8_lossy(key).escape_debug(),
            kind::name(kind)
        );
    }

    /// The next offset from which on many records, or all to the end, can be read in order.
    fn next_key(&self, from: usize, records: &Records) -> Option<usize> {
        (from..self.bytes.len()).find(|&at| {
            self.may_begin(at) && {
                let mut candidate = self.records_at(at);
                candidate.reader.templates = records.reader.templates.clone();
                self.is_key(&mut candidate)
            }
        })
    }

    /// A quick test of whether a record of a key, or the choice of a database, may begin here.
    fn may_begin(&self, at: usize) -> bool {
        let rest = &self.bytes[at..];
        match rest[0] {
            opcode::SELECT_DB => rest.get(1).is_some_and(|&db| db < 0x40),
            opcode::EXPIRE_MS => rest
                .get(9)
                .is_some_and(|&kind| kind <= kind::HASH_TEMPLATE_SPREAD_REF),
            // A key of one byte or more.
            ..=kind::HASH_TEMPLATE_SPREAD_REF => rest.get(1).is_some_and(|&len| len != 0),
            _ => false,
        }
    }

    fn is_key(&self, records: &mut Records) -> bool {
        /// Records in a row that must be readable.
        const IN_A_ROW: usize = 32;
        let hasher = self.keyspace.view(DbIndex(0)).entries().hasher().clone();
        let with = Decode {
            tuning: &self.tuning,
            hasher: &hasher,
            valkey: records.header.valkey,
        };
        for _ in 0..IN_A_ROW {
            match records.advance() {
                Ok(Record::Key(head)) if records.value(head.kind, &with).is_ok() => {}
                Ok(Record::SelectDb(_) | Record::Resize) => {}
                Ok(Record::End { .. }) => return true,
                _ => return false,
            }
        }
        true
    }

    fn write(self, to: &Path) -> i32 {
        let job = SaveJob {
            snapshot: Snapshot {
                versions: RdbVersions::AUTO,
                compress: true,
                checksum: true,
                notes: vec![("redis-bits", "64".into())],
                functions: self.functions,
                ..Snapshot::default()
            },
            path: to.to_owned(),
            log_done: false,
            for_replicas: false,
        };
        if save(&self.keyspace, &job, &mut |_| {}).is_err() {
            return 2;
        }
        let (kept, lost) = (self.kept, self.lost);
        println!(
            "{kept} keys written to {}, {lost} places could not be read",
            to.display()
        );
        i32::from(lost > 0)
    }
}

#[cfg(test)]
mod tests;
