//! redis-check-rdb: is this file a snapshot that loads?

use super::{path_of, salvage};
use crate::algo::rng::Rng;
use crate::keyspace::{DbIndex, Keyspace, RdbVersions, Tuning};
use crate::persist::load::{Loading, Part, Role, Rules, Step};
use crate::persist::reason;
use crate::persist::save::{SaveJob, Snapshot, save};
use crate::rdb::decode::Decode;
use crate::rdb::record::{Doing, KeyHead, Record, Records, skip_module};
use crate::rdb::version::readers;
use crate::rdb::{Error, LATEST, OLDEST_WRITTEN, Reader, kind};
use crate::sys::clock;
use std::fs::File;
use std::path::Path;

/// The counts of the items read.
#[derive(Default)]
struct Census {
    keys: u64,
    volatile: u64,
    expired: u64,
    with_field_deadlines: u64,
    /// The item being read, for a message.
    key: Option<Vec<u8>>,
    kind: Option<u8>,
}

impl Census {
    fn count(&mut self, head: KeyHead, now_ms: i64) {
        self.keys += 1;
        self.volatile += head.deadline_ms.is_some() as u64;
        self.expired += head.deadline_ms.is_some_and(|ms| ms < now_ms) as u64;
        self.with_field_deadlines +=
            matches!(head.kind, kind::HASH_METADATA_OLD..=kind::HASH_LISTPACK_EX) as u64;
    }
}

/// Bytes of what a file begins with.
const MAGIC_LEN: u64 = 9;

/// redis-check-rdb file [--convert file --version n], or --salvage file file. Returns the exit
/// status.
pub fn run(args: &[Vec<u8>]) -> i32 {
    let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    match words.as_slice() {
        [_, b"-v" | b"--version"] => {
            println!("redis-check-rdb {}", crate::version::build_line());
            0
        }
        [_, b"--salvage", file, to] => salvage::run(&path_of(file), &path_of(to)),
        [_, file] => check(&path_of(file)),
        [_, file, b"--convert", to, b"--version", version] => {
            let number = std::str::from_utf8(version)
                .ok()
                .and_then(|n| n.parse().ok())
                .filter(|version| (OLDEST_WRITTEN..=LATEST).contains(version));
            let versions = match *version {
                b"auto" => Some(RdbVersions::AUTO),
                _ => number.map(RdbVersions::exactly),
            };
            match versions {
                Some(versions) => convert(&path_of(file), &path_of(to), versions),
                None => {
                    eprintln!("The version is 'auto' or one of {OLDEST_WRITTEN} to {LATEST}");
                    1
                }
            }
        }
        _ => {
            let name = args.first().map_or(&b"redis-check-rdb"[..], Vec::as_slice);
            let name = String::from_utf8_lossy(name);
            eprintln!(
                "Usage: {name} <rdb-file-name> [--convert <rdb-file-name> --version <n|auto>]\n       \
                 {name} --salvage <rdb-file-name> <new-rdb-file-name>"
            );
            1
        }
    }
}

fn check(path: &Path) -> i32 {
    report(path).is_none() as i32
}

/// Prints the report on a snapshot. Returns where it ends if it is sane; a log may follow
/// there.
pub(super) fn report(path: &Path) -> Option<u64> {
    let shown = path.display();
    println!("[offset 0] Checking RDB file {shown}");
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            println!("Cannot open file {shown}: {}", reason(&error));
            return None;
        }
    };
    let mut census = Census {
        // As Redis does, what has no type yet is called a string.
        kind: Some(kind::STRING),
        ..Census::default()
    };
    let walked = match Records::open(Reader::new(Box::new(file))) {
        Ok(mut records) => {
            println!("[info] RDB version {}", records.header.version);
            println!("[info] Readable by: {}", readers(records.header));
            walk(&mut records, &mut census)
        }
        Err(error) => {
            let at = match error {
                Error::Signature | Error::Version(_) => MAGIC_LEN,
                _ => 0,
            };
            Err(Trouble::new(error, at, Doing::Start.name()))
        }
    };
    let end = match walked {
        Ok(offset) => {
            println!("[offset {offset}] \\o/ RDB looks OK! \\o/");
            Some(offset)
        }
        Err(trouble) => {
            trouble.tell(&census);
            None
        }
    };
    println!("[info] {} keys read", census.keys);
    println!("[info] {} expires", census.volatile);
    println!("[info] {} already expired", census.expired);
    println!("[info] {} subexpires", census.with_field_deadlines);
    end
}

/// The error in a snapshot, and its place.
struct Trouble {
    error: Error,
    at: u64,
    doing: &'static str,
}

impl Trouble {
    fn new(error: Error, at: u64, doing: &'static str) -> Trouble {
        Trouble { error, at, doing }
    }

    /// Of a record that could not be read.
    fn of_record(error: Error, records: &Records, census: &mut Census) -> Trouble {
        if let Doing::Key(kind) = records.doing {
            census.kind = Some(kind);
        }
        Trouble::new(error, records.reader.offset(), records.doing.name())
    }

    /// The error of a value; an unknown type is an error of the record.
    fn of_value(error: Error, records: &Records, census: &mut Census) -> Trouble {
        if !matches!(error, Error::UnknownKind(_)) {
            return Trouble::new(error, records.reader.offset(), "read-object-value");
        }
        census.key = None;
        Trouble::new(error, records.reader.record_at + 1, Doing::Type.name())
    }

    fn tell(&self, census: &Census) {
        let text = match &self.error {
            Error::Truncated => "Unexpected EOF reading RDB file".to_owned(),
            Error::Io(error) => reason(error),
            Error::Checksum { .. } => "RDB CRC error".to_owned(),
            Error::UnknownKind(kind) => format!("Invalid object type: {kind}"),
            other => other.to_string(),
        };
        println!("--- RDB ERROR DETECTED ---");
        println!("[offset {}] {text}", self.at);
        println!("[additional info] While doing: {}", self.doing);
        if let Some(key) = &census.key {
            let key = String::from_utf8_lossy(key);
            println!("[additional info] Reading key '{key}'");
        }
        if let Some(number) = census.kind {
            let name = kind::name(number);
            println!("[additional info] Reading type {number} ({name})");
        }
    }
}

fn walk(records: &mut Records, census: &mut Census) -> Result<u64, Trouble> {
    let keyspace = Keyspace::new(1, Rng::new(1), 0);
    let hasher = keyspace.view(DbIndex(0)).entries().hasher().clone();
    let tuning = Tuning::default();
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        valkey: records.header.valkey,
    };
    let now_ms = clock::unix_us() / 1000;
    loop {
        let record = records.advance();
        let record = record.map_err(|error| Trouble::of_record(error, records, census))?;
        let at = records.reader.offset();
        match record {
            Record::Key(head) => {
                census.key = Some(records.key.clone());
                census.kind = Some(head.kind);
                read_value(records, head.kind, &with)
                    .map_err(|error| Trouble::of_value(error, records, census))?;
                census.count(head, now_ms);
                (census.key, census.kind) = (None, None);
            }
            Record::Aux { name, value } => {
                let (name, value) = (
                    String::from_utf8_lossy(&name),
                    String::from_utf8_lossy(&value),
                );
                println!("[offset {at}] AUX FIELD {name} = '{value}'");
            }
            Record::SelectDb(number) => println!("[offset {at}] Selecting DB ID {number}"),
            Record::ModuleAux(name) => println!("[offset {at}] MODULE AUX for: {name}"),
            Record::Resize | Record::Slot | Record::Function(_) => {}
            Record::End { expected, actual } => {
                if expected == 0 {
                    println!(
                        "[offset {at}] RDB file was saved with checksum disabled: no check \
                         performed."
                    );
                } else if expected != actual {
                    let error = Error::Checksum { expected, actual };
                    return Err(Trouble::of_record(error, records, census));
                } else {
                    println!("[offset {at}] Checksum OK");
                }
                return Ok(records.reader.offset());
            }
        }
    }
}

/// Reads a value and drops it. A module's value is skipped, since the module may be able to read
/// it.
fn read_value(records: &mut Records, kind: u8, with: &Decode) -> Result<(), Error> {
    if kind == kind::MODULE_2 {
        records.reader.length()?;
        return skip_module(&mut records.reader);
    }
    match records.value(kind, with) {
        Ok(_) | Err(Error::Empty) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The version of a file that was written, for a message.
fn written_version(path: &Path) -> String {
    let reader = File::open(path).map(|file| Reader::new(Box::new(file)));
    match reader.map(Records::open) {
        Ok(Ok(records)) => records.header.version.to_string(),
        _ => "?".into(),
    }
}

/// Reads a snapshot and writes it in another version.
fn convert(from: &Path, to: &Path, versions: RdbVersions) -> i32 {
    let mut keyspace = Keyspace::new(1 << 14, Rng::new(1), clock::unix_us() / 1000);
    let part = Part {
        path: from.to_owned(),
        name: from.display().to_string(),
        role: Role::Snapshot,
    };
    let rules = Rules {
        checksum: true,
        keep_expired: true,
        ..Rules::default()
    };
    let mut functions = Vec::new();
    let mut loading = Loading::new(vec![part], rules, clock::unix_us() / 1_000_000);
    loop {
        match loading.step(&mut keyspace, &Tuning::default(), &mut || true) {
            Step::Done => break,
            Step::Failed => return 1,
            Step::Function(code) => functions.push(code),
            Step::More | Step::Starved | Step::Run(_) => {}
        }
    }
    let job = SaveJob {
        snapshot: Snapshot {
            versions,
            compress: true,
            checksum: true,
            notes: vec![("redis-bits", "64".into())],
            functions,
            ..Snapshot::default()
        },
        path: to.to_owned(),
        log_done: false,
        for_replicas: false,
    };
    match save(&keyspace, &job, &mut |_| {}) {
        Ok(()) => {
            println!(
                "{} keys written to {} in version {}",
                loading.tally.keys,
                to.display(),
                written_version(to)
            );
            0
        }
        Err(_) => 1,
    }
}
