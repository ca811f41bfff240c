//! Loading data from disk, a slice at a time, so that clients get replies (LOADING) meanwhile.
//!
//! A load is a list of parts: one snapshot, or the base and the increments of the AOF. A
//! snapshot's keys go straight into the keyspace; the AOF's commands are passed to the server one
//! by one, because only that can run commands.

use super::aof::read::{Commands, CutRules, Damage, DamagedLog, Next};
use super::reason;
use crate::algo::quoting::in_line;
use crate::keyspace::{DbIndex, Keyspace, Tuning};
use crate::rdb::decode::Decode;
use crate::rdb::record::{KeyHead, Record, Records};
use crate::rdb::template;
use crate::rdb::{Error, Reader, kind};
use crate::resp::request::OwnedArgv;
use crate::sys::clock;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The totals of one load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub keys: u64,
    pub expired: u64,
    pub empty: u64,
}

/// A file to be loaded.
#[derive(Clone, Debug)]
pub struct Part {
    pub path: PathBuf,
    /// As messages call it.
    pub name: String,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The whole data.
    Snapshot,
    Base,
    /// A log of before there were manifests, which became a base.
    OldLog,
    Increment,
}

/// The configuration of loading.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    pub checksum: bool,
    /// The damaged ends of a log that may be cut off.
    pub cut: CutRules,
    /// Keys whose deadline has passed are kept: an AOF contains their removal.
    pub keep_expired: bool,
    /// A pause after each key, for tests, in microseconds.
    pub key_delay_us: i64,
    /// Keys that are there already are replaced.
    pub merge: bool,
    /// Records overdue keys that are not loaded, so that their removal is propagated.
    pub note_dropped: bool,
}

/// The result of a slice.
pub enum Step {
    /// There is more to load.
    More,
    /// It needs more input.
    Starved,
    /// A command of the log, to be run before the next slice.
    Run(OwnedArgv),
    /// A library of functions, to be loaded before the next slice.
    Function(Vec<u8>),
    Done,
    /// It cannot be loaded; the reason is in the log.
    Failed,
}

/// The name and the version at the start of a snapshot.
const HEADER_BYTES: usize = 9;

/// Between two lines of the log about how far loading is.
const TELL_EACH_US: u64 = 5_000_000;

/// A file that ends too early, or cannot be read, is announced by these words of Redis.
const SHORT_READ: &str = "Short read or OOM loading DB. Unrecoverable error, aborting now.";

enum Stage {
    /// The next part is to be opened.
    Between,
    Records(Box<Records>),
    /// Input in pieces whose header has not arrived yet.
    Header(Box<Reader>),
    Commands(Box<Commands>),
}

/// A load in progress: reads data from disk into the keyspace, a slice at a time.
pub struct Loading {
    parts: VecDeque<Part>,
    current: Option<Part>,
    stage: Stage,
    rules: Rules,
    db: DbIndex,
    /// Keys that were announced to the database and not admitted yet: where their records begin.
    under_way: VecDeque<(u64, KeyHead)>,
    pub tally: Tally,
    /// The total bytes of all parts, and those of the finished parts.
    pub total_bytes: u64,
    passed_bytes: u64,
    pub started_s: i64,
    pub started_us: u64,
    part_us: u64,
    /// The time of the last progress line in the log.
    told_us: u64,
    /// The memory in use when the snapshot was made, according to its header.
    pub used_memory: u64,
    /// An AOF is loaded: the end of each part is logged.
    pub is_log: bool,
    /// The data is loaded again in a running server, not at start-up.
    pub again: bool,
    /// The log was shortened, or is empty.
    pub cut: bool,
    /// The replication position of the snapshot.
    pub position: Position,
    /// The input comes in pieces.
    is_fed: bool,
    /// It goes on only when it is fed.
    pub is_starved: bool,
    /// Bytes that were fed and stand behind the end.
    pub left_over: usize,
    /// Overdue keys that were not loaded, if they are recorded.
    pub dropped: Vec<(DbIndex, Vec<u8>)>,
}

/// The replication fields of a snapshot's header.
#[derive(Clone, Debug, Default)]
pub struct Position {
    pub id: Option<Vec<u8>>,
    pub offset: Option<i64>,
    /// The database that the stream had selected.
    pub db: Option<i64>,
}

impl Loading {
    pub fn new(parts: Vec<Part>, rules: Rules, now_s: i64) -> Loading {
        let len = |part: &Part| std::fs::metadata(&part.path).map_or(0, |file| file.len());
        Loading {
            total_bytes: parts.iter().map(len).sum(),
            is_log: parts.iter().any(|part| part.role != Role::Snapshot),
            again: false,
            parts: parts.into(),
            current: None,
            stage: Stage::Between,
            rules,
            db: DbIndex(0),
            under_way: VecDeque::new(),
            tally: Tally::default(),
            passed_bytes: 0,
            started_s: now_s,
            started_us: clock::mono_us(),
            part_us: 0,
            told_us: clock::mono_us(),
            used_memory: 0,
            cut: false,
            position: Position::default(),
            is_fed: false,
            is_starved: false,
            left_over: 0,
            dropped: Vec::new(),
        }
    }

    /// Loads a snapshot that comes in pieces: `feed` brings them, of `total_bytes` if that is known.
    pub fn fed(rules: Rules, total_bytes: u64, now_s: i64) -> Loading {
        Loading {
            total_bytes,
            is_fed: true,
            stage: Stage::Header(Box::new(Reader::fed())),
            again: true,
            current: Some(Part {
                path: PathBuf::new(),
                name: String::new(),
                role: Role::Snapshot,
            }),
            ..Loading::new(Vec::new(), rules, now_s)
        }
    }

    /// The reader of input that comes in pieces.
    fn reader(&mut self) -> Option<&mut Reader> {
        match &mut self.stage {
            Stage::Records(records) => Some(&mut records.reader),
            Stage::Header(reader) => Some(reader),
            _ => None,
        }
    }

    /// The next piece.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self.reader() {
            Some(reader) => {
                reader.feed(bytes);
                self.is_starved = !reader.may_retry();
            }
            None => self.left_over += bytes.len(),
        }
    }

    /// Whether it should be fed: less than so many bytes wait, or what waits is not enough.
    pub fn wants_more(&self, most: usize) -> bool {
        let at_hand = match &self.stage {
            Stage::Records(records) => records.reader.at_hand(),
            Stage::Header(reader) => reader.at_hand(),
            _ => 0,
        };
        self.is_starved || at_hand < most
    }

    /// Marks the end of the input.
    pub fn feed_ends(&mut self) {
        self.is_starved = false;
        if let Some(reader) = self.reader() {
            reader.feed_ends();
        }
    }

    /// Bytes read so far, of all parts.
    pub fn loaded_bytes(&self) -> u64 {
        let here = match &self.stage {
            Stage::Between => 0,
            Stage::Header(_) => 0,
            Stage::Records(records) => records.reader.offset(),
            Stage::Commands(commands) => commands.offset(),
        };
        self.passed_bytes + here
    }

    /// The time since the load began, in seconds.
    pub fn seconds(&self) -> f64 {
        (clock::mono_us() - self.started_us) as f64 / 1e6
    }

    /// Tells the log now and then how far it is, because a long load looks like none.
    pub fn tell_progress(&mut self) {
        let now_us = clock::mono_us();
        if now_us - self.told_us < TELL_EACH_US {
            return;
        }
        self.told_us = now_us;
        let (loaded, total) = (self.loaded_bytes(), self.total_bytes);
        let percent = loaded as f64 * 100.0 / total.max(1) as f64;
        log::info!(
            "Loading {}: {percent:.2}% of {total} bytes after {:.0} seconds",
            self.file_name(),
            self.seconds()
        );
    }

    /// A pause after each key, for tests, in microseconds.
    pub fn set_key_delay(&mut self, us: i64) {
        self.rules.key_delay_us = us;
    }

    /// Whether what is there already is replaced.
    pub fn merges(&self) -> bool {
        self.rules.merge
    }

    /// Sets whether loaded keys are added to existing data.
    pub fn merge(&mut self, merge: bool) {
        self.rules.merge = merge;
    }

    /// The command that was run left a transaction open, or closed it.
    pub fn note_multi(&mut self, open: bool) {
        if let Stage::Commands(commands) = &mut self.stage {
            commands.note_multi(open);
        }
    }

    /// The offset in its file of the command read last.
    pub fn command_offset(&self) -> u64 {
        match &self.stage {
            Stage::Commands(commands) => commands.began(),
            _ => 0,
        }
    }

    /// The file that is being read, for messages.
    pub fn file_name(&self) -> &str {
        self.current.as_ref().map_or("", |part| &part.name)
    }

    /// Goes on loading until `go_on` returns false; it is called now and then.
    pub fn step(
        &mut self,
        keyspace: &mut Keyspace,
        tuning: &Tuning,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Step {
        match std::mem::replace(&mut self.stage, Stage::Between) {
            Stage::Between => self.open_next(),
            Stage::Header(reader) => self.read_header(reader),
            Stage::Records(records) => self.read_records(records, keyspace, tuning, go_on),
            Stage::Commands(commands) => self.read_commands(commands),
        }
    }

    fn open_next(&mut self) -> Step {
        let Some(part) = self.parts.pop_front() else {
            return Step::Done;
        };
        self.part_us = clock::mono_us();
        let opened = File::open(&part.path);
        self.current = Some(part);
        let Some(part) = &self.current else {
            return Step::Failed;
        };
        let (name, path) = (&part.name, &part.path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => {
                let reason = reason(&error);
                match part.role {
                    Role::Snapshot => log::warn!(
                        "Fatal error loading the DB: can't open {name} for reading: {reason}. \
                         Exiting."
                    ),
                    _ => log::warn!(
                        "Fatal error: can't open the append log file {name} for reading: {reason}"
                    ),
                }
                return Step::Failed;
            }
        };
        let mut start = Vec::with_capacity(HEADER_BYTES);
        let begun = file
            .by_ref()
            .take(HEADER_BYTES as u64)
            .read_to_end(&mut start);
        if let Err(error) = begun {
            let reason = reason(&error);
            match part.role {
                Role::Snapshot => {
                    log::warn!("{SHORT_READ}");
                    log::warn!("Reading {name}: {reason}");
                }
                _ => {
                    log::warn!("Unrecoverable error reading the append only file {name}: {reason}")
                }
            }
            return Step::Failed;
        }
        let is_snapshot = part.role == Role::Snapshot
            || start.starts_with(b"REDIS")
            || start.starts_with(b"VALKEY");
        let source = Box::new(std::io::Cursor::new(start.clone()).chain(file));
        if !is_snapshot {
            if start.is_empty() {
                self.cut = true;
            }
            let commands = Commands::new(path.clone(), name.clone(), source, 0);
            self.stage = Stage::Commands(Box::new(commands));
            return Step::More;
        }
        match part.role {
            Role::Base => log::info!("Reading RDB base file on AOF loading..."),
            Role::Increment | Role::OldLog => log::info!("Reading RDB preamble from AOF file..."),
            Role::Snapshot => {}
        }
        match Records::open(Reader::new(source)) {
            Ok(records) => {
                self.stage = Stage::Records(Box::new(records));
                self.db = DbIndex(0);
                Step::More
            }
            Err(error) => self.refuse(&error, 0, None),
        }
    }

    /// Reads the header of input that comes in pieces.
    fn read_header(&mut self, mut reader: Box<Reader>) -> Step {
        reader.mark_record();
        if let Err(error) = reader.await_bytes(HEADER_BYTES) {
            if reader.is_starved() {
                self.is_starved = true;
                self.stage = Stage::Header(reader);
                return Step::Starved;
            }
            return self.refuse(&error, 0, None);
        }
        match Records::open(*reader) {
            Ok(records) => {
                self.stage = Stage::Records(Box::new(records));
                Step::More
            }
            Err(error) => self.refuse(&error, 0, None),
        }
    }

    /// Says what is wrong with a snapshot, and where.
    fn refuse(&self, error: &Error, offset: u64, key: Option<(&[u8], u8)>) -> Step {
        let name = self.file_name();
        let text = match error {
            Error::Truncated => "Unexpected EOF reading RDB file".to_owned(),
            Error::Checksum { .. } => "RDB CRC error".to_owned(),
            Error::Io(error) => reason(error),
            error => error.to_string(),
        };
        match error {
            Error::Truncated | Error::Io(_) => log::warn!("{SHORT_READ}"),
            Error::Checksum { .. } => log::warn!("{error}"),
            _ => {}
        }
        let what = key.map_or(String::new(), |(key, kind)| {
            format!(
                ", key '{}', type {kind} ({})",
                String::from_utf8_lossy(key).escape_debug(),
                kind::name(kind)
            )
        });
        match error {
            Error::Signature | Error::Version(_) => log::warn!("{text}"),
            _ => {
                let after = match error {
                    Error::Truncated if self.is_fed => {
                        ". Failure loading rdb format from socket, assuming connection error, \
                         resuming operation."
                    }
                    _ => "",
                };
                log::warn!("Internal error in RDB reading offset {offset}{what} -> {text}{after}");
            }
        }
        match self.current.as_ref().map(|part| part.role) {
            _ if self.again => {}
            Some(Role::Snapshot) | None => {
                log::warn!("The file {name} is not loaded, nor any part of it: {text}");
                log::warn!("Terminating server after rdb file reading failure.");
                log::warn!("Fatal error loading the DB, check server logs. Exiting.");
            }
            _ => log::warn!("Error reading the RDB base file {name}, AOF loading aborted"),
        }
        Step::Failed
    }

    fn read_records(
        &mut self,
        records: Box<Records>,
        keyspace: &mut Keyspace,
        tuning: &Tuning,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Step {
        let step = self.read_stretch(records, keyspace, tuning, go_on);
        match self.admit_all(keyspace) {
            Some(failed) if !matches!(step, Step::Failed) => failed,
            _ => step,
        }
    }

    /// Adds all keys to their databases. Returns the next step if a key cannot be added.
    fn admit_all(&mut self, keyspace: &mut Keyspace) -> Option<Step> {
        let mut failed = None;
        while !self.under_way.is_empty() {
            let step = self.admit(keyspace);
            failed = failed.or(step);
        }
        failed
    }

    /// The key that was announced first gets its place.
    fn admit(&mut self, keyspace: &mut Keyspace) -> Option<Step> {
        let (at, head) = self.under_way.pop_front()?;
        let mut db = keyspace.db(self.db);
        match db.admit()? {
            Ok(found) => {
                self.tally.keys += 1;
                if head.idle_seconds.is_some() || head.frequency.is_some() {
                    let idle = head.idle_seconds.map(|n| n.min(i64::MAX as u64) as i64);
                    db.set_age(found, idle, head.frequency);
                }
                None
            }
            Err(key) => {
                let shown = String::from_utf8_lossy(&key);
                log::warn!("RDB has duplicated key '{shown}' in DB {}", self.db.0);
                let twice = Error::Corrupt("RDB has duplicated key in the same database");
                Some(self.refuse(&twice, at, Some((&key, head.kind))))
            }
        }
    }

    fn read_stretch(
        &mut self,
        mut records: Box<Records>,
        keyspace: &mut Keyspace,
        tuning: &Tuning,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Step {
        /// Records between two questions.
        const STRETCH: u64 = 64;
        let hasher = keyspace.view(DbIndex(0)).entries().hasher().clone();
        let with = Decode {
            tuning,
            hasher: &hasher,
            valkey: records.header.valkey,
        };
        let mut count = 0u64;
        if !records.reader.may_retry() {
            self.is_starved = true;
            self.stage = Stage::Records(records);
            return Step::Starved;
        }
        loop {
            count += 1;
            if count.is_multiple_of(STRETCH) && !go_on() {
                self.stage = Stage::Records(records);
                return Step::More;
            }
            let record = match records.advance() {
                Ok(record) => record,
                Err(Error::Truncated) if records.reader.is_starved() => {
                    return self.starve(records);
                }
                Err(error) => return self.refuse(&error, records.reader.offset(), None),
            };
            let is_key = matches!(record, Record::Key(_));
            if !is_key && let Some(failed) = self.admit_all(keyspace) {
                return failed;
            }
            match record {
                Record::Key(head) => match self.load_key(&mut records, head, keyspace, &with) {
                    Ok(true) => {
                        if let Some(failed) = self.admit(keyspace) {
                            return failed;
                        }
                    }
                    Ok(false) => {}
                    Err(Error::Truncated) if records.reader.is_starved() => {
                        return self.starve(records);
                    }
                    Err(error) => {
                        let at = records.reader.record_at;
                        return self.refuse(&error, at, Some((&records.key, head.kind)));
                    }
                },
                Record::SelectDb(number) => {
                    let db = i64::try_from(number)
                        .ok()
                        .and_then(|n| keyspace.index_of(n));
                    let Some(db) = db else {
                        log::warn!(
                            "FATAL: Data file was created with a Redis server configured to \
                             handle more than {} databases. Exiting",
                            keyspace.databases()
                        );
                        return Step::Failed;
                    };
                    self.db = db;
                }
                Record::Resize | Record::Slot => {}
                Record::Aux { name, value } => self.note(&name, &value),
                Record::Function(code) => {
                    self.stage = Stage::Records(records);
                    return Step::Function(code);
                }
                Record::ModuleAux(name) => {
                    log::warn!("Ignoring auxiliary data of the module '{name}', which is not here");
                }
                Record::End { expected, actual } => {
                    if self.rules.checksum && expected != actual {
                        if expected != 0 {
                            let error = Error::Checksum { expected, actual };
                            return self.refuse(&error, records.reader.offset(), None);
                        }
                        log::info!(
                            "RDB file was saved with checksum disabled: no check performed."
                        );
                    }
                    return self.end_of_records(*records);
                }
            }
        }
    }

    /// The record that was begun is not all there.
    fn starve(&mut self, mut records: Box<Records>) -> Step {
        records.reader.rewind();
        self.is_starved = true;
        self.stage = Stage::Records(records);
        Step::Starved
    }

    /// Announces a key to the database. Returns whether it is time to admit one.
    fn load_key(
        &mut self,
        records: &mut Records,
        head: KeyHead,
        keyspace: &mut Keyspace,
        with: &Decode,
    ) -> Result<bool, Error> {
        let key = std::mem::take(&mut records.key);
        let at = records.reader.record_at;
        let now_ms = keyspace.now_ms();
        let past = head.deadline_ms.is_some_and(|ms| ms < now_ms);
        let result = match records.value(head.kind, with) {
            // An empty collection is a bug of an old server; no data is lost.
            Err(Error::Empty) => {
                self.tally.empty += 1;
                if self.tally.empty < 10 {
                    let shown = String::from_utf8_lossy(&key);
                    log::info!("rdbLoadObject skipping empty key: {shown}");
                }
                Ok(false)
            }
            Err(error) => Err(error),
            Ok(_) if past && !self.rules.keep_expired => {
                self.tally.expired += 1;
                if self.rules.note_dropped {
                    self.dropped.push((self.db, key.clone()));
                }
                Ok(false)
            }
            Ok(value) => {
                let mut db = keyspace.db(self.db);
                if self.rules.merge {
                    db.delete(&key);
                }
                let is_time = db.announce(&key, value, head.deadline_ms);
                self.under_way.push_back((at, head));
                Ok(is_time)
            }
        };
        if self.rules.key_delay_us > 0 && result.is_ok() {
            clock::sleep_us(self.rules.key_delay_us as u64);
        }
        records.key = key;
        result
    }

    /// A note in a snapshot: of interest for the log only.
    fn note(&mut self, name: &[u8], value: &[u8]) {
        let words = in_line;
        let number = || crate::algo::number::parse_i64(value).unwrap_or(0);
        match name {
            [b'%', ..] => log::info!("RDB '{}': {}", words(name), words(value)),
            b"redis-ver" => log::info!("Loading RDB produced by version {}", words(value)),
            b"valkey-ver" => log::info!("Loading RDB produced by Valkey version {}", words(value)),
            b"ctime" => {
                let age_s = (self.started_s - number()).max(0);
                log::info!("RDB age {age_s} seconds");
            }
            b"used-mem" => {
                self.used_memory = number().max(0) as u64;
                let mb = self.used_memory as f64 / (1 << 20) as f64;
                log::info!("RDB memory usage when created {mb:.2} Mb");
            }
            template::MARK => {}
            b"aof-preamble" if number() != 0 => log::info!("RDB has an AOF tail"),
            b"aof-base" if number() != 0 => log::info!("RDB is base AOF"),
            b"repl-stream-db" => self.position.db = Some(number()),
            b"repl-id" => self.position.id = Some(value.to_vec()),
            b"repl-offset" => self.position.offset = Some(number()),
            b"aof-preamble" | b"aof-base" | b"redis-bits" | b"lua" => {}
            _ => log::debug!(
                "Unrecognized RDB AUX field: '{}' '{}'",
                words(name),
                words(value)
            ),
        }
    }

    fn end_of_records(&mut self, records: Records) -> Step {
        let Tally {
            keys,
            expired,
            empty,
        } = self.tally;
        if empty > 0 {
            log::info!(
                "Done loading RDB, keys loaded: {keys}, keys expired: {expired}, empty keys \
                 skipped: {empty}."
            );
        } else {
            log::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}.");
        }
        let offset = records.reader.offset();
        self.left_over = records.reader.at_hand();
        let Some(part) = &self.current else {
            return Step::Failed;
        };
        if part.role == Role::Snapshot {
            self.end_part(offset);
            return Step::More;
        }
        // What follows the snapshot in the same file is a log.
        let (rest, source) = records.reader.into_rest();
        let source: Box<dyn Read + Send> = match source {
            Some(source) => Box::new(std::io::Cursor::new(rest).chain(source)),
            None => Box::new(std::io::Cursor::new(rest)),
        };
        if part.role == Role::OldLog {
            log::info!("Reading the remaining AOF tail...");
        }
        let commands = Commands::new(part.path.clone(), part.name.clone(), source, offset);
        self.stage = Stage::Commands(Box::new(commands));
        Step::More
    }

    fn end_part(&mut self, bytes: u64) {
        self.passed_bytes += bytes;
        self.stage = Stage::Between;
        let seconds = (clock::mono_us() - self.part_us) as f64 / 1e6;
        let name = self.file_name();
        match self.current.as_ref().map(|part| part.role) {
            _ if bytes == 0 => {}
            Some(Role::Base | Role::OldLog) => {
                log::info!("DB loaded from base file {name}: {seconds:.3} seconds")
            }
            Some(Role::Increment) => {
                log::info!("DB loaded from incr file {name}: {seconds:.3} seconds");
            }
            Some(Role::Snapshot) | None => {}
        }
    }

    fn read_commands(&mut self, mut commands: Box<Commands>) -> Step {
        match commands.advance() {
            Next::Command(argv) => {
                self.stage = Stage::Commands(commands);
                Step::Run(argv)
            }
            Next::End => {
                self.end_part(commands.offset());
                Step::More
            }
            Next::Damaged(damage) => self.settle_damage(&commands, damage),
        }
    }

    /// A torn end may be cut off; anything else ends the start.
    fn settle_damage(&mut self, commands: &Commands, damage: Damage) -> Step {
        let is_last = self.parts.is_empty();
        let rules = self.rules;
        match damage.settle(commands, rules.cut, is_last) {
            Ok(()) => {
                self.cut = true;
                self.end_part(commands.sound_bytes());
                Step::More
            }
            Err(DamagedLog) => Step::Failed,
        }
    }
}

#[cfg(test)]
mod tests;
