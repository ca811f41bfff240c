//! redis-check-rdb: is this file a snapshot that loads?

use super::path_of;
use crate::algo::rng::Rng;
use crate::keyspace::{DbIndex, Keyspace, Tuning};
use crate::persist::load::{Loading, Part, Role, Rules, Step};
use crate::persist::save::{SaveJob, Snapshot, save};
use crate::rdb::decode::Decode;
use crate::rdb::record::{Header, Record, Records};
use crate::rdb::write::Style;
use crate::rdb::{Error, OLDEST_WRITTEN, Reader, VERSION, kind};
use crate::sys::clock;
use std::fs::File;
use std::path::Path;

/// What was met on the way.
#[derive(Default)]
struct Census {
    keys: u64,
    volatile: u64,
    expired: u64,
    /// The last thing that was begun, for a message.
    doing: &'static str,
    key: Vec<u8>,
    kind: Option<u8>,
}

/// redis-check-rdb file [--convert file --version n]. Returns the exit status.
pub fn run(args: &[Vec<u8>]) -> i32 {
    let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    match words.as_slice() {
        [_, file] => check(&path_of(file)),
        [_, file, b"--convert", to, b"--version", version] => {
            let version = std::str::from_utf8(version)
                .ok()
                .and_then(|n| n.parse().ok());
            match version.filter(|version| (OLDEST_WRITTEN..=VERSION).contains(version)) {
                Some(version) => convert(&path_of(file), &path_of(to), version),
                None => {
                    eprintln!("The version is one of {OLDEST_WRITTEN} to {VERSION}");
                    1
                }
            }
        }
        _ => {
            let name = args.first().map_or(&b"redis-check-rdb"[..], Vec::as_slice);
            let name = String::from_utf8_lossy(name);
            eprintln!("Usage: {name} <rdb-file-name> [--convert <rdb-file-name> --version <n>]");
            1
        }
    }
}

/// Which servers read a file.
fn readers(header: Header) -> &'static str {
    match (header.valkey, header.version) {
        (true, _) => "Valkey 9.0 and later",
        (_, ..=6) => "Redis 2.6 and later, Valkey",
        (_, 7) => "Redis 3.2 and later, Valkey",
        (_, 8) => "Redis 4.0 and later, Valkey",
        (_, 9) => "Redis 5.0 and later, Valkey",
        (_, 10) => "Redis 7.0 and later, Valkey",
        (_, 11) => "Redis 7.2 and later, Valkey",
        _ => "Redis 7.4 and later",
    }
}

fn check(path: &Path) -> i32 {
    let shown = path.display();
    println!("[offset 0] Checking RDB file {shown}");
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            println!("Cannot open file: {shown}: {error}");
            return 1;
        }
    };
    let mut census = Census {
        doing: "start",
        ..Census::default()
    };
    let result = Records::open(Reader::new(Box::new(file)))
        .map_err(|error| (error, 0))
        .and_then(|mut records| {
            println!("[info] RDB version {}", records.header.version);
            println!("[info] Opens in {}", readers(records.header));
            walk(&mut records, &mut census).map_err(|error| (error, records.reader.offset()))
        });
    let failed = match result {
        Ok(offset) => {
            println!("[offset {offset}] \\o/ RDB looks OK! \\o/");
            false
        }
        Err((error, offset)) => {
            println!("--- RDB ERROR DETECTED ---");
            println!("[offset {offset}] {error}");
            println!("[additional info] While doing: {}", census.doing);
            if !census.key.is_empty() {
                let key = String::from_utf8_lossy(&census.key);
                println!("[additional info] Reading key '{key}'");
            }
            if let Some(number) = census.kind {
                let name = kind::name(number);
                println!("[additional info] Reading type {number} ({name})");
            }
            true
        }
    };
    println!("[info] {} keys read", census.keys);
    println!("[info] {} expires", census.volatile);
    println!("[info] {} already expired", census.expired);
    failed as i32
}

fn walk(records: &mut Records, census: &mut Census) -> Result<u64, Error> {
    let keyspace = Keyspace::new(1, Rng::new(1), 0);
    let hasher = keyspace.view(DbIndex(0)).entries().hasher().clone();
    let tuning = Tuning::default();
    let with = Decode {
        tuning: &tuning,
        hasher: &hasher,
        deep: true,
        valkey: records.header.valkey,
    };
    let now_ms = clock::unix_us() / 1000;
    loop {
        census.doing = "read-type";
        census.kind = None;
        let record = records.advance()?;
        let at = records.reader.offset();
        match record {
            Record::Key(head) => {
                census.doing = "read-object-value";
                census.key.clone_from(&records.key);
                census.kind = Some(head.kind);
                match records.value(head.kind, &with) {
                    Ok(_) | Err(Error::Empty) => {}
                    Err(error) => return Err(error),
                }
                census.keys += 1;
                census.volatile += head.deadline_ms.is_some() as u64;
                census.expired += head.deadline_ms.is_some_and(|ms| ms < now_ms) as u64;
            }
            Record::Aux { name, value } => {
                let (name, value) = (
                    String::from_utf8_lossy(&name),
                    String::from_utf8_lossy(&value),
                );
                println!("[offset {at}] AUX FIELD {name} = '{value}'");
            }
            Record::SelectDb(number) => println!("[offset {at}] Selecting DB ID {number}"),
            Record::ModuleAux(name) => println!("[offset {at}] Data of the module {name}"),
            Record::Function(_) => println!("[offset {at}] A library of functions"),
            Record::Resize { .. } | Record::Slot(_) => {}
            Record::End { expected, actual } => {
                census.doing = "check-sum";
                if expected == 0 {
                    println!("[offset {at}] RDB file was saved with checksum disabled.");
                } else if expected != actual {
                    return Err(Error::Checksum { expected, actual });
                } else {
                    println!("[offset {at}] Checksum OK");
                }
                return Ok(records.reader.offset());
            }
        }
    }
}

/// How long the snapshot at the start of a log is.
pub(super) fn length_of(path: &Path) -> Result<u64, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let records = Records::open(Reader::new(Box::new(file)));
    let mut records = records.map_err(|error| error.to_string())?;
    let mut census = Census::default();
    walk(&mut records, &mut census).map_err(|error| {
        let offset = records.reader.offset();
        format!("[offset {offset}] {error}")
    })
}

/// Reads a snapshot and writes it in another version.
fn convert(from: &Path, to: &Path, version: u32) -> i32 {
    let mut keyspace = Keyspace::new(1 << 14, Rng::new(1), clock::unix_us() / 1000);
    let part = Part {
        path: from.to_owned(),
        name: from.display().to_string(),
        role: Role::Snapshot,
    };
    let rules = Rules {
        checksum: true,
        sanitize: true,
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
            Step::More | Step::Run(_) => {}
        }
    }
    let job = SaveJob {
        snapshot: Snapshot {
            style: Style {
                version,
                ..Style::default()
            },
            notes: vec![("redis-bits", "64".into())],
            functions,
            ..Snapshot::default()
        },
        path: to.to_owned(),
        log_done: false,
    };
    match save(&keyspace, &job, &mut |_| {}) {
        Ok(()) => {
            println!(
                "{} keys written to {} in version {version}",
                loading.tally.keys,
                to.display()
            );
            0
        }
        Err(_) => 1,
    }
}
