//! The keyspace into a file: here, or in a child that sees it as it was at the fork.
//!
//! A snapshot is written beside the file it replaces, brought to disk and renamed over it, so that
//! at any moment one whole snapshot has the name.

use super::{here, reason};
use crate::keyspace::{Keyspace, RdbVersions};
use crate::rdb::encode::{self, Age};
use crate::rdb::opcode;
use crate::rdb::template;
use crate::rdb::version::{self, Refusal, Unfit};
use crate::rdb::write::{Style, Writer};
use crate::sys::clock;
use crate::sys::file;
use crate::sys::fork::{ProgressPipe, Report, private_dirty_bytes};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A long file is brought to disk in steps of this size, as in Redis.
const SYNC_STEP: u64 = 4 << 20;
/// The exit status of a child whose snapshot the replicas that wait for it could not read.
pub const UNREADABLE: i32 = 2;
/// The first version that knows functions.
const FUNCTIONS: u32 = 10;
/// The interval of a child's progress reports.
const REPORT_US: u64 = 1_000_000;
/// Keys between two looks at the clock.
const KEYS_BETWEEN_LOOKS: u64 = 1024;

/// The part of a key's age that is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Aging {
    #[default]
    Nothing,
    Idle,
    Frequency,
}

/// The content of a snapshot besides the keys.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub versions: RdbVersions,
    /// Valkey 9 reads it, which has an encoding of its own for what its version of Redis's format
    /// cannot hold.
    pub for_valkey: bool,
    pub compress: bool,
    pub checksum: bool,
    pub aging: Aging,
    pub notes: Vec<(&'static str, String)>,
    /// The code of libraries of functions.
    pub functions: Vec<Vec<u8>>,
    pub sync_in_steps: bool,
    /// A pause after each key, for tests, in microseconds; negative: keys for each of them.
    pub key_delay_us: i64,
}

impl Snapshot {
    /// The style for data that needs this version. If that is too high, the writer will name the
    /// value that does not fit.
    fn style(&self, needed: u32) -> Style {
        Style {
            version: needed.min(self.versions.most),
            valkey: self.for_valkey && needed > self.versions.most,
            compress: self.compress,
            checksum: self.checksum,
        }
    }
}

/// The destination of a snapshot, and its content besides the keys.
#[derive(Clone, Debug)]
pub struct SaveJob {
    pub snapshot: Snapshot,
    pub path: PathBuf,
    pub log_done: bool,
    /// The versions are those of replicas: if the data does not fit them, saving as such still works.
    pub for_replicas: bool,
}

/// Writes a snapshot into `sink`; `progress` is called now and then with the number of keys
/// written.
pub fn write(
    keyspace: &Keyspace,
    sink: &mut dyn Write,
    job: &Snapshot,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let needed = version::for_keyspace(keyspace, job.versions.least);
    let style = job.style(needed);
    let mut out = Writer::new(sink, style);
    write_head(&mut out, job)?;
    template::define_all(&mut out, &keyspace.shared.templates);
    let aging = keyspace.shared.aging.clone();
    let now_ms = keyspace.now_ms();
    let mut keys = 0;
    for (index, db) in keyspace.iter().filter(|(_, db)| !db.is_empty()) {
        out.byte(opcode::SELECT_DB);
        out.length(index.0 as u64);
        out.byte(opcode::RESIZE_DB);
        out.length(db.len() as u64);
        out.length(db.volatile() as u64);
        for entry in db.entries().iter_ahead() {
            let age = match job.aging {
                Aging::Nothing => Age::Untold,
                Aging::Idle => Age::Idle(aging.idle_seconds(entry.aging(), now_ms) as u64),
                Aging::Frequency => Age::Frequency(aging.frequency(entry.aging(), now_ms) as u8),
            };
            if let Err(Unfit) = encode::record(&mut out, entry, age) {
                let refusal = Refusal::of(entry, style.version, Some(index.0 as usize));
                return Err(io::Error::other(refusal));
            }
            keys += 1;
            if !out.checkpoint() {
                break;
            }
            if job.key_delay_us != 0 {
                delay(job.key_delay_us, keys);
            }
            if keys % KEYS_BETWEEN_LOOKS == 0 {
                progress(keys);
            }
        }
    }
    progress(keys);
    out.finish()
}

/// Writes the records before the keys.
fn write_head(out: &mut Writer, job: &Snapshot) -> io::Result<()> {
    out.magic();
    for (name, value) in &job.notes {
        out.aux(name.as_bytes(), value.as_bytes());
    }
    if !job.functions.is_empty() && out.version() < FUNCTIONS {
        let refusal = Refusal::Functions(out.version());
        return Err(io::Error::other(refusal));
    }
    for code in &job.functions {
        out.byte(opcode::FUNCTION);
        out.string(code);
    }
    Ok(())
}

/// The same as `write`, of an empty keyspace.
pub fn write_without_keys(sink: &mut dyn Write, job: &Snapshot) -> io::Result<()> {
    let mut out = Writer::new(sink, job.style(job.versions.least));
    write_head(&mut out, job)?;
    out.finish()
}

/// Slows a save down, for tests.
fn delay(us: i64, keys: u64) {
    if us > 0 {
        clock::sleep_us(us as u64);
    } else if keys.is_multiple_of(us.unsigned_abs()) {
        clock::sleep_us(1);
    }
}

/// A file that is brought to disk as it grows.
struct Growing {
    file: File,
    written: u64,
    begun: u64,
    in_steps: bool,
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.written += n as u64;
        while self.in_steps && self.written - self.begun >= SYNC_STEP {
            file::write_out(&self.file, self.begun, SYNC_STEP)?;
            self.begun += SYNC_STEP;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name under which process `pid` writes a snapshot.
pub fn temporary_name(pid: u32) -> PathBuf {
    PathBuf::from(format!("temp-{pid}.rdb"))
}

/// Writes a snapshot to its file, and logs its success or its error.
///
/// # Errors
/// If the file is not the new one now.
pub fn save(
    keyspace: &Keyspace,
    job: &SaveJob,
    progress: &mut dyn FnMut(u64),
) -> Result<(), SaveFailed> {
    // Beside the file, so that it can be renamed.
    let name = temporary_name(std::process::id());
    let temporary = job.path.with_file_name(name);
    let result = save_beside(keyspace, job, &temporary, progress);
    match result {
        Ok(()) => {}
        Err(Step::Open(error)) => {
            log::warn!(
                "Failed opening the temp RDB file {} (in server root dir {}) for saving: {}",
                temporary.display(),
                here(),
                reason(&error)
            );
            return Err(SaveFailed(None));
        }
        Err(Step::Write(what, error)) => {
            log::warn!(
                "Write error while saving DB to the disk({what}): {}",
                reason(&error)
            );
            let _ = fs::remove_file(&temporary);
            let refusal = error.get_ref().and_then(|why| why.downcast_ref());
            return Err(SaveFailed(refusal.cloned()));
        }
    }
    if let Err(error) = fs::rename(&temporary, &job.path) {
        log::warn!(
            "Error moving temp DB file {} on the final destination {} (in server root dir {}): {}",
            temporary.display(),
            job.path.display(),
            here(),
            reason(&error)
        );
        let _ = fs::remove_file(&temporary);
        return Err(SaveFailed(None));
    }
    if let Err(error) = file::fsync_directory(&file::directory_of(&job.path)) {
        log::warn!(
            "Failed to fsync directory while saving DB: {}",
            reason(&error)
        );
        return Err(SaveFailed(None));
    }
    if job.log_done {
        log::info!("DB saved on disk");
    }
    Ok(())
}

/// A save failed; the error is in the log. The version to be written may be the reason.
#[derive(Debug, PartialEq, Eq)]
pub struct SaveFailed(pub Option<Refusal>);

enum Step {
    Open(io::Error),
    Write(&'static str, io::Error),
}

fn save_beside(
    keyspace: &Keyspace,
    job: &SaveJob,
    temporary: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Step> {
    let file = File::create(temporary).map_err(Step::Open)?;
    let mut growing = Growing {
        file,
        written: 0,
        begun: 0,
        in_steps: job.snapshot.sync_in_steps,
    };
    write(keyspace, &mut growing, &job.snapshot, progress)
        .map_err(|error| Step::Write("rdbSaveRio", error))?;
    file::fsync(&growing.file).map_err(|error| Step::Write("fsync", error))?;
    file::drop_from_page_cache(&growing.file, 0, 0);
    Ok(())
}

/// The function of a BGSAVE child.
pub fn save_in_child(keyspace: &Keyspace, job: &SaveJob, pipe: &mut ProgressPipe) -> i32 {
    let mut told_us = clock::mono_us();
    let mut last = 0;
    let saved = save(keyspace, job, &mut |keys| {
        last = keys;
        let now_us = clock::mono_us();
        if now_us - told_us >= REPORT_US {
            told_us = now_us;
            pipe.send(Report {
                copied_bytes: private_dirty_bytes(),
                keys,
            });
        }
    });
    let copied_bytes = private_dirty_bytes();
    pipe.send(Report {
        copied_bytes,
        keys: last,
    });
    if saved.is_ok() && copied_bytes > 0 {
        let mb = copied_bytes / (1 << 20);
        log::info!("Fork CoW for RDB: current {mb} MB, peak {mb} MB, average {mb} MB");
    }
    match saved {
        Ok(()) => 0,
        Err(SaveFailed(Some(_))) if job.for_replicas => UNREADABLE,
        Err(_) => 1,
    }
}
