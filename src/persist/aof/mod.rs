//! The log of writes: every change as the command that repeats it, in files that together make the
//! data.
//!
//! ```text
//!   appendonlydir/
//!     appendonly.aof.manifest        which files count (`manifest`)
//!     appendonly.aof.2.base.rdb      the data at some moment (`rewrite`)
//!     appendonly.aof.7.incr.aof      what was written since
//! ```
//!
//! `feed` appends to a buffer; `flush` writes it, before any reply of the same turn is sent, and
//! has it synced as `appendfsync` says. A rewrite begins a new increment at the fork, the child
//! writes a new base, and exchanging the manifest makes both count.
//!
//! While the log is being switched on (`WaitRewrite`) its increment has a temporary name: until the
//! first base is there it makes no data.

pub mod commands;
pub mod flush;
pub mod manifest;
pub mod read;
pub mod syncer;

use super::reason;
use crate::keyspace::DbIndex;
use crate::resp::request::Argv;
use crate::sys::file;
use manifest::Manifest;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use syncer::Syncer;

/// Whether there is a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    #[default]
    Off,
    On,
    /// Enabled once its first base is written.
    WaitRewrite,
}

/// The rewrites: whether one is due, and how the last ones went.
#[derive(Clone, Debug, Default)]
pub struct Rewrites {
    results: RewriteResults,
    /// A rewrite starts as soon as no other child is running.
    scheduled: bool,
    /// After failures, in minutes and monotonic milliseconds: how long to wait, and until when.
    delay_min: u64,
    next_ms: u64,
}

/// The results of rewrites, as INFO shows them.
#[derive(Clone, Debug)]
pub struct RewriteResults {
    pub count: u64,
    pub failures_in_a_row: u64,
    pub last_failed: bool,
    /// Seconds that the last rewrite took; -1 for none yet.
    pub last_took_s: i64,
    pub last_copied_bytes: u64,
}

impl Default for RewriteResults {
    fn default() -> Self {
        RewriteResults {
            count: 0,
            failures_in_a_row: 0,
            last_failed: false,
            last_took_s: -1,
            last_copied_bytes: 0,
        }
    }
}

/// Failures in a row after which rewrites are held back, and for how long at most; as in Redis.
const FAILURES_MAX: u64 = 3;
const DELAY_MAX_MIN: u64 = 60;

impl Rewrites {
    /// Returns the results of rewrites.
    pub fn results(&self) -> &RewriteResults {
        &self.results
    }

    /// Counts a rewrite that begins.
    pub fn begin(&mut self) {
        self.results.count += 1;
    }

    /// Records that a rewrite could not begin.
    pub fn not_begun(&mut self) {
        self.results.last_failed = true;
    }

    /// Records how long a child took, in seconds, and how much memory it copied, if it reported
    /// that.
    pub fn took(&mut self, seconds: i64, copied_bytes: Option<u64>) {
        let results = &mut self.results;
        results.last_took_s = seconds;
        results.last_copied_bytes = copied_bytes.unwrap_or(results.last_copied_bytes);
    }

    /// Records that a rewrite succeeded.
    pub fn done(&mut self) {
        self.results.last_failed = false;
        self.results.failures_in_a_row = 0;
    }

    /// Records that a rewrite failed.
    pub fn failed(&mut self) {
        self.results.last_failed = true;
        self.results.failures_in_a_row += 1;
    }

    /// Records that a rewrite was killed on purpose, which is no failure to show.
    pub fn killed(&mut self) {
        self.results.failures_in_a_row += 1;
    }

    /// Schedules a rewrite for when no other child is running.
    pub fn schedule(&mut self) {
        self.scheduled = true;
    }

    /// Schedules a rewrite on request, which earlier failures do not delay.
    pub fn request(&mut self) {
        self.scheduled = true;
        self.results.failures_in_a_row = 0;
    }

    /// Cancels the scheduled rewrite.
    pub fn unschedule(&mut self) {
        self.scheduled = false;
    }

    /// Returns whether a rewrite is scheduled.
    pub fn is_scheduled(&self) -> bool {
        self.scheduled
    }

    /// Whether so many rewrites have failed that the next has to wait.
    pub fn is_held_back(&mut self, now_ms: u64) -> bool {
        if self.results.failures_in_a_row < FAILURES_MAX {
            (self.delay_min, self.next_ms) = (0, 0);
            return false;
        }
        if self.next_ms != 0 {
            if now_ms < self.next_ms {
                return true;
            }
            self.next_ms = 0;
            return false;
        }
        self.delay_min = (self.delay_min * 2).clamp(1, DELAY_MAX_MIN);
        self.next_ms = now_ms + self.delay_min * 60_000;
        log::warn!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in \
             {} minutes",
            self.delay_min
        );
        true
    }
}

/// The append-only file: its manifest, buffer and state.
#[derive(Default)]
pub struct Aof {
    state: State,
    /// `appenddirname` and `appendfilename`.
    directory: PathBuf,
    name: String,
    manifest: Manifest,
    buffer: Vec<u8>,
    file: Option<File>,
    /// Bytes of the current increment.
    increment_bytes: u64,
    /// Bytes of all files that count, and what that was after the last rewrite.
    size: u64,
    base_size: u64,
    selected: Option<DbIndex>,
    /// The replication offset at the last command appended, as the manifest notes it.
    offset: u64,
    keeps_history: bool,
    /// The offset at which the temporary increment begins.
    begun_at: u64,
    /// The second that was last noted among the commands.
    stamped_s: i64,
    syncer: Syncer,
    progress: flush::Progress,
    pub rewrites: Rewrites,
    /// A pause before the log is written, in microseconds, for tests (DEBUG AOF-FLUSH-SLEEP).
    flush_sleep_us: u64,
}

impl Aof {
    /// Returns whether the log is written, or waits for its first base.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the list of the files that count.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the bytes of all files that count.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns what `size` was after the last rewrite.
    pub fn base_size(&self) -> u64 {
        self.base_size
    }

    /// Returns the replication offset at the last command appended.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Sets the replication offset at the last command appended.
    pub fn set_offset(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Sets a pause before each write, in microseconds (DEBUG AOF-FLUSH-SLEEP).
    pub fn set_flush_sleep(&mut self, us: u64) {
        self.flush_sleep_us = us;
    }

    /// Sleeps before a write, if a test asked for that.
    pub fn sleep_before_flush(&self) {
        if self.flush_sleep_us > 0 && self.needs_flush() {
            crate::sys::clock::sleep_us(self.flush_sleep_us);
        }
    }

    /// Sets the place of the log.
    pub fn locate(&mut self, directory: &[u8], name: &[u8]) {
        self.directory = PathBuf::from(String::from_utf8_lossy(directory).as_ref());
        self.name = String::from_utf8_lossy(name).into_owned();
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn temporary_increment(&self) -> PathBuf {
        self.directory.join(format!("temp-{}.incr", self.name))
    }

    /// The file in which a child of this pid writes a new base.
    pub fn temporary_base(pid: i32) -> PathBuf {
        PathBuf::from(format!("temp-rewriteaof-bg-{pid}.aof"))
    }

    /// Bytes that the buffer takes, for the account of memory.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Bytes that wait to be written.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    pub fn pending_syncs(&self) -> u64 {
        self.syncer.pending()
    }

    pub fn is_on(&self) -> bool {
        self.state != State::Off
    }

    /// Reads the manifest, if there is one. The error is for the log, unless it was logged
    /// already.
    pub fn read_manifest(&mut self) -> Result<(), String> {
        let path = manifest::path(&self.directory, &self.name);
        if !self.directory.is_dir() {
            log::trace!(
                "The AOF directory {} doesn't exist",
                self.directory.display()
            );
            return Ok(());
        }
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                log::trace!("The AOF manifest file {} doesn't exist", path.display());
                return Ok(());
            }
            Err(error) => {
                return Err(format!(
                    "Fatal error: can't open the AOF manifest file {} for reading: {}",
                    path.display(),
                    reason(&error)
                ));
            }
        };
        self.manifest = Manifest::parse(&text).map_err(|bad| {
            bad.tell();
            String::new()
        })?;
        Ok(())
    }

    /// A log of before there were manifests lies in the working directory: it becomes the base.
    /// As in Redis, a start that was interrupted while it did so goes on here.
    pub fn adopt_single_file(&mut self) -> Result<(), String> {
        let old = PathBuf::from(&self.name);
        let is_old_base = |base: &manifest::Entry| base.name == self.name;
        let begun = self.manifest.increments.is_empty()
            && self.manifest.base.as_ref().is_some_and(is_old_base);
        let unheard_of = self.manifest == Manifest::default();
        if !old.is_file() || !(unheard_of || begun && !self.path_of(&self.name).exists()) {
            return Ok(());
        }
        self.make_directory().map_err(|error| {
            format!(
                "Can't open or create append-only dir {}: {}",
                self.directory.display(),
                reason(&error)
            )
        })?;
        if unheard_of {
            self.manifest.base_seq = 1;
            self.manifest.base = Some(manifest::Entry::new(self.name.clone(), 1));
            self.write_manifest(&self.manifest)
                .map_err(|error| format!("Can't write the AOF manifest: {}", reason(&error)))?;
        }
        fs::rename(&old, self.path_of(&self.name)).map_err(|error| {
            format!(
                "Error trying to move the old AOF file {} into dir {}: {}",
                self.name,
                self.directory.display(),
                reason(&error)
            )
        })?;
        log::info!(
            "Successfully migrated an old-style AOF file ({}) into the AOF directory ({}).",
            self.name,
            self.directory.display()
        );
        Ok(())
    }

    fn make_directory(&self) -> io::Result<()> {
        match fs::create_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match self.directory.is_dir() {
                    true => Ok(()),
                    false => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
                }
            }
            Ok(()) => file::fsync_directory(&file::directory_of(&self.directory)),
            result => result,
        }
    }

    /// Replaces the manifest by this one; logs an error.
    fn write_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let path = manifest::path(&self.directory, &self.name);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary_name = format!("temp-{name}");
        let temporary = self.directory.join(&temporary_name);
        let told = |what: String| {
            move |error: io::Error| {
                log::warn!("{what}: {}", reason(&error));
                error
            }
        };
        let written = (|| {
            let opened = File::create(&temporary);
            let mut file = opened.map_err(told(format!(
                "Can't open the AOF manifest file {temporary_name}"
            )))?;
            let written = file.write_all(manifest.to_text().as_bytes());
            written.map_err(told(format!(
                "Error trying to write the temporary AOF manifest file {temporary_name}"
            )))?;
            file::fsync(&file).map_err(told(format!(
                "Fail to fsync the temp AOF file {temporary_name}"
            )))?;
            fs::rename(&temporary, &path).map_err(told(format!(
                "Error trying to rename the temporary manifest file {} into {}",
                temporary.display(),
                path.display()
            )))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
            return written;
        }
        let directory = path.display();
        file::fsync_directory(&self.directory)
            .map_err(told(format!("Fail to fsync AOF directory {directory}")))
    }

    /// Opens the log after the data was loaded. `base` writes the data into a file where there is
    /// none yet.
    pub fn open(&mut self, with_rdb: bool, base: impl FnOnce(&Path) -> bool) -> Result<(), String> {
        let lost = |what: &str, error: &io::Error| format!("{what}: {}", reason(error));
        self.make_directory().map_err(|error| {
            let directory = self.directory.display();
            lost(
                &format!("Can't open or create append-only dir {directory}"),
                &error,
            )
        })?;
        let mut manifest = self.manifest.clone();
        let loaded_base = manifest.base.as_ref().map(|base| self.bytes_of(base));
        let is_fresh = manifest.base.is_none() && manifest.increments.is_empty();
        if is_fresh {
            let name = manifest.new_base(&self.name, with_rdb);
            log::info!("Creating AOF base file {name} on server start");
            if !base(&self.path_of(&name)) {
                return Err(format!("Can't create the AOF base file {name}"));
            }
        }
        let (name, known) = match manifest.increments.last_mut() {
            Some(last) => {
                // Writing continues, so its end is not known any more.
                let bytes = fs::metadata(self.directory.join(&last.name)).map_or(0, |f| f.len());
                if let Some(start) = last.start {
                    self.offset = last.end.take().unwrap_or(start + bytes);
                }
                (last.name.clone(), true)
            }
            None => (manifest.new_increment(&self.name, self.offset), false),
        };
        let path = self.path_of(&name);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file =
            file.map_err(|error| lost(&format!("Can't open the append-only file {name}"), &error))?;
        if known {
            log::info!("Opening AOF incr file {name} on server start");
        } else {
            log::info!("Creating AOF incr file {name} on server start");
        }
        self.write_manifest(&manifest)
            .map_err(|error| lost("Can't write the AOF manifest", &error))?;
        self.manifest = manifest;
        self.increment_bytes = file.metadata().map_or(0, |data| data.len());
        self.file = Some(file);
        self.state = State::On;
        self.selected = None;
        self.measure();
        // The size of all files after the last rewrite is unknown. As in Redis, a log that has
        // grown since is rewritten soon rather than never.
        self.base_size = loaded_base.unwrap_or(0);
        if is_fresh {
            // As in Redis, a new log counts what is added to it.
            self.size = 0;
        }
        self.delete_history();
        Ok(())
    }

    /// Adds up the bytes of the files that count.
    fn measure(&mut self) {
        let entries = self.manifest.base.iter().chain(&self.manifest.increments);
        self.size = entries.map(|entry| self.bytes_of(entry)).sum();
        self.base_size = self.size;
    }

    fn bytes_of(&self, entry: &manifest::Entry) -> u64 {
        fs::metadata(self.path_of(&entry.name)).map_or(0, |data| data.len())
    }

    /// Whether obsolete files are kept (`aof-disable-auto-gc`).
    pub fn keep_history(&mut self, keep: bool) {
        self.keeps_history = keep;
        self.delete_history();
    }

    /// Deletes the obsolete files, and removes them from the manifest.
    fn delete_history(&mut self) {
        if self.manifest.history.is_empty() || self.keeps_history {
            return;
        }
        for entry in std::mem::take(&mut self.manifest.history) {
            log::info!("Removing the history file {} in the background", entry.name);
            let path = self.path_of(&entry.name);
            self.syncer.delete(path);
        }
        // It stays in the manifest for now if this fails; the error was logged.
        let _ = self.write_manifest(&self.manifest);
    }

    /// A write of database `db`, as the command that repeats it. A bracket of a transaction has no
    /// database of its own.
    pub fn feed(&mut self, db: Option<DbIndex>, argv: &Argv, now_s: i64, stamp: bool) {
        if stamp && now_s > self.stamped_s {
            self.stamped_s = now_s;
            self.buffer.extend_from_slice(b"#TS:");
            self.number(now_s as u64);
        }
        if let Some(db) = db
            && self.selected != Some(db)
        {
            self.selected = Some(db);
            self.head(b'*', 2);
            self.word(b"SELECT");
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(db.0);
            self.head(b'$', digits.len());
            self.buffer.extend_from_slice(digits.as_bytes());
            self.buffer.extend_from_slice(b"\r\n");
        }
        self.head(b'*', argv.len());
        for word in argv.iter() {
            self.word(word);
        }
    }

    fn number(&mut self, n: u64) {
        self.buffer
            .extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn head(&mut self, mark: u8, n: usize) {
        self.buffer.push(mark);
        self.number(n as u64);
    }

    fn word(&mut self, word: &[u8]) {
        self.head(b'$', word.len());
        self.buffer.extend_from_slice(word);
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// A rewrite begins: what is written from here on goes to a new increment.
    pub fn begin_increment(&mut self) -> io::Result<()> {
        let told = |error: io::Error| {
            let directory = self.directory.display();
            log::warn!(
                "Can't open or create append-only dir {directory}: {}",
                reason(&error)
            );
            error
        };
        self.make_directory().map_err(told)?;
        // The new file has to name its database, and the old one to be whole.
        self.selected = None;
        if self.state == State::Off {
            return Ok(());
        }
        let waits = self.state == State::WaitRewrite;
        let mut manifest = self.manifest.clone();
        let path = match waits {
            true => {
                self.begun_at = self.offset;
                self.temporary_increment()
            }
            false => {
                let name = manifest.new_increment(&self.name, self.offset);
                self.path_of(&name)
            }
        };
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true);
        let fresh = options.open(&path).inspect_err(|error| {
            log::warn!("Can't open the append-only file {name}: {}", reason(error));
        })?;
        if !waits {
            self.write_manifest(&manifest)?;
            self.manifest = manifest;
        }
        log::info!("Creating AOF incr file {name} on background rewrite");
        if let Some(old) = self.file.replace(fresh) {
            // With nothing left to write to it, it only has to reach the disk.
            self.syncer.sync(&old, self.offset);
        }
        self.increment_bytes = 0;
        Ok(())
    }

    /// A child has written a new base: makes it count. False if it could not be done.
    pub fn install_base(&mut self, pid: i32, with_rdb: bool) -> bool {
        let mut manifest = self.manifest.clone();
        let name = manifest.new_base(&self.name, with_rdb);
        let (from, to) = (Aof::temporary_base(pid), self.path_of(&name));
        if !rename_told(&from, &to, "base") {
            return false;
        }
        let waits = self.state == State::WaitRewrite;
        if waits {
            let increment = manifest.new_increment(&self.name, self.begun_at);
            let (temporary, path) = (self.temporary_increment(), self.path_of(&increment));
            if !rename_told(&temporary, &path, "incr") {
                let _ = fs::remove_file(to);
                return false;
            }
        }
        // What the base holds: everything before the current increment.
        manifest.retire_increments((self.state != State::Off) as usize);
        let durable = file::fsync_directory(&self.directory);
        if durable.is_err() || self.write_manifest(&manifest).is_err() {
            let _ = fs::remove_file(to);
            return false;
        }
        self.manifest = manifest;
        if self.state != State::Off {
            self.measure();
        }
        self.delete_history();
        if waits {
            self.state = State::On;
        }
        true
    }

    /// Removes the temporary files of an aborted rewrite.
    pub fn discard_rewrite(&mut self, pid: i32) {
        let _ = fs::remove_file(Aof::temporary_base(pid));
        let _ = fs::remove_file(PathBuf::from(format!("temp-rewriteaof-{pid}.aof")));
        if self.state == State::WaitRewrite {
            self.buffer.clear();
            self.remove_temporary();
        }
    }

    /// Removes the increment of a log that does not begin after all.
    fn remove_temporary(&mut self) {
        let path = self.temporary_increment();
        if path.exists() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            log::info!("Removing the temp incr aof file {name} in the background");
            // Here and now: the next increment has the same name.
            let _ = fs::remove_file(path);
        }
    }

    /// CONFIG SET appendonly yes: the log begins when its first base is written.
    pub fn switch_on(&mut self) {
        self.state = State::WaitRewrite;
        self.progress = flush::Progress::default();
        self.syncer.forget_failure();
    }

    /// Records the end of the last increment, after the last write.
    pub fn note_end(&mut self) {
        if self.state != State::On {
            return;
        }
        let mut manifest = self.manifest.clone();
        if let Some(last) = manifest.increments.last_mut()
            && last.start.is_some()
        {
            last.end = Some(self.offset);
            // An error is logged; the note is only a help.
            if self.write_manifest(&manifest).is_ok() {
                self.manifest = manifest;
            }
        }
    }

    /// CONFIG SET appendonly no.
    pub fn switch_off(&mut self) {
        self.note_end();
        if let Some(old) = self.file.take()
            && let Err(error) = file::fsync(&old)
        {
            log::warn!("Fail to fsync the AOF file: {}", reason(&error));
        }
        self.buffer.clear();
        self.selected = None;
        self.increment_bytes = 0;
        self.state = State::Off;
        self.rewrites.unschedule();
        self.progress = flush::Progress::default();
        self.remove_temporary();
    }

    /// The name of the manifest.
    pub fn manifest_name(&self) -> String {
        let path = manifest::path(&self.directory, &self.name);
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Removes the files of a log that is off, and its manifest. Later files count on from their numbers.
    pub fn remove_files(&mut self) {
        let kept = Manifest {
            base_seq: self.manifest.base_seq,
            increment_seq: self.manifest.increment_seq,
            ..Manifest::default()
        };
        let old = std::mem::replace(&mut self.manifest, kept);
        let files = old
            .base
            .into_iter()
            .chain(old.increments)
            .chain(old.history);
        for entry in files {
            let path = self.path_of(&entry.name);
            self.syncer.delete(path);
        }
        let _ = fs::remove_file(manifest::path(&self.directory, &self.name));
    }

    /// The growth of the log since the last rewrite, in percent.
    pub fn growth(&self) -> u64 {
        let base = self.base_size.max(1);
        (self.size as u128 * 100 / base as u128) as u64 - 100.min(self.size * 100 / base)
    }
}

/// Renames, and logs it. As in Redis a base that cannot be moved is named with its folder.
fn rename_told(from: &Path, to: &Path, what: &str) -> bool {
    let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    match fs::rename(from, to) {
        Ok(()) => {
            log::info!(
                "Successfully renamed the temporary AOF {what} file {} into {}",
                name(from),
                name(to)
            );
            true
        }
        Err(error) => {
            let target = match what {
                "base" => to.display().to_string(),
                _ => name(to),
            };
            log::warn!(
                "Error trying to rename the temporary AOF {what} file {} into {target}: {}",
                name(from),
                reason(&error)
            );
            false
        }
    }
}
