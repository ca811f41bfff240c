//! Backups: a base of the log, what was written since, and a manifest, in a directory of their own.
//!
//! ```text
//!   idle ── START ──> pending ──> snapshotting ──> incrementing ── SEAL ──> sealed ── CLEANUP ──> idle
//!                        a rewrite of the log        its base is linked        and its increments
//! ```
//!
//! The files are links to those of the log, so a backup takes no room of its own while the log has them. From
//! the base to the seal no rewrite of the log begins. What goes wrong leaves the state `failed`, and no files.
//! `server::storage::backup` runs the rewrite and the log.

use super::aof::Aof;
use super::{here, reason};
use crate::sys::file;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The stages of a backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    #[default]
    Idle,
    /// The rewrite has to wait for another child, or for the end of a transaction.
    Pending,
    Snapshotting,
    Incrementing,
    Sealed,
    Failed,
}

impl Stage {
    /// The name in replies.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Idle => "idle",
            Stage::Pending => "pending",
            Stage::Snapshotting => "snapshotting",
            Stage::Incrementing => "incrementing",
            Stage::Sealed => "sealed",
            Stage::Failed => "failed",
        }
    }

    pub fn is_in_progress(self) -> bool {
        matches!(
            self,
            Stage::Pending | Stage::Snapshotting | Stage::Incrementing
        )
    }
}

/// The backup that is made, or was made last.
#[derive(Debug, Default)]
pub struct Backup {
    stage: Stage,
    error: String,
    /// In Unix seconds; 0 for not yet.
    start_s: i64,
    end_s: i64,
    directory: PathBuf,
    /// The files of the backup, by their names in the directory.
    files: Vec<String>,
    /// The log is on for the backup alone.
    pub owns_log: bool,
}

impl Backup {
    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn error(&self) -> &str {
        &self.error
    }

    /// Start and end, in Unix seconds.
    pub fn times_s(&self) -> (i64, i64) {
        (self.start_s, self.end_s)
    }

    /// Whether rewrites of the log have to wait.
    pub fn holds_rewrites(&self) -> bool {
        self.stage == Stage::Incrementing
    }

    /// The absolute paths of the files, in the order in which they came.
    pub fn files(&self) -> impl ExactSizeIterator<Item = String> {
        let directory = Path::new(&here()).join(&self.directory);
        let path = move |name: &String| directory.join(name).display().to_string();
        self.files.iter().map(path)
    }

    /// Makes the directory ready; the backup waits for its base.
    ///
    /// # Errors
    /// Why no backup can be made there.
    pub fn prepare(&mut self, directory: &Path) -> Result<(), String> {
        let shown = directory.display();
        let made = match fs::create_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(io::Error::from_raw_os_error(libc::ENOTDIR))
            }
            made => made,
        };
        let listed = made
            .map_err(|error| format!("Can't create backup directory {shown}: {}", reason(&error)));
        listed?;
        let mut entries = fs::read_dir(directory)
            .map_err(|error| format!("Can't open backup directory {shown}: {}", reason(&error)))?;
        if entries.next().is_some() {
            return Err(format!(
                "Backup directory {shown} is not empty, CLEANUP it first"
            ));
        }
        *self = Backup {
            stage: Stage::Pending,
            directory: directory.to_owned(),
            ..Backup::default()
        };
        Ok(())
    }

    /// The rewrite that makes the base has begun.
    pub fn begin(&mut self, now_s: i64) {
        (self.stage, self.start_s) = (Stage::Snapshotting, now_s);
    }

    fn link(&mut self, aof: &Aof, name: &str) -> io::Result<()> {
        fs::hard_link(aof.path_of(name), self.directory.join(name))?;
        self.files.push(name.to_owned());
        Ok(())
    }

    /// The log has a new base, which the backup takes.
    ///
    /// # Errors
    /// If it cannot be linked.
    pub fn pin_base(&mut self, aof: &Aof) -> io::Result<()> {
        let Some(base) = &aof.manifest().base else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.link(aof, &base.name)?;
        file::fsync_directory(&self.directory)?;
        log::info!(
            "BACKUP: snapshot pinned ({}), now accumulating writes",
            base.name
        );
        self.stage = Stage::Incrementing;
        Ok(())
    }

    /// Takes the first `count` increments of the log, which nothing writes to any more, and writes the
    /// manifest.
    ///
    /// # Errors
    /// If a file cannot be linked or written.
    pub fn seal(&mut self, aof: &Aof, count: usize, now_s: i64) -> io::Result<()> {
        let mut manifest = aof.manifest().clone();
        manifest.history.clear();
        manifest.increments.truncate(count);
        for increment in &manifest.increments {
            file::fsync(&File::open(aof.path_of(&increment.name))?)?;
            self.link(aof, &increment.name)?;
        }
        let name = aof.manifest_name();
        let temporary = self.directory.join(format!("temp-{name}"));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(manifest.to_text().as_bytes())?;
            file::fsync(&file)
        });
        let written = written.and_then(|()| fs::rename(&temporary, self.directory.join(&name)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.files.push(name);
        file::fsync_directory(&self.directory)?;
        log::info!("BACKUP: sealed backup in {}", self.directory.display());
        (self.stage, self.end_s) = (Stage::Sealed, now_s);
        Ok(())
    }

    /// Ends a backup that is not sealed, and removes its files.
    pub fn fail(&mut self, why: &str) {
        log::warn!("BACKUP: failed: {why}");
        for name in std::mem::take(&mut self.files) {
            let _ = fs::remove_file(self.directory.join(name));
        }
        (self.stage, self.error) = (Stage::Failed, why.to_owned());
        self.owns_log = false;
    }

    /// Removes the files of a log from the directory, whichever backup they belong to.
    pub fn clean(&mut self, directory: &Path, log_name: &str) {
        let of_a_log = |name: &str| {
            let name = name.strip_prefix("temp-").unwrap_or(name);
            name.strip_prefix(log_name)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(of_a_log) {
                let _ = fs::remove_file(entry.path());
            }
        }
        *self = Backup::default();
    }

    /// Whether a sealed backup has lain there for as many seconds as it may; 0 for any time.
    pub fn is_overdue(&self, ttl_s: i64, now_s: i64) -> bool {
        self.stage == Stage::Sealed && ttl_s > 0 && now_s - self.end_s >= ttl_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_log_are_removed() {
        let place = tempfile::tempdir().expect("a directory");
        for name in [
            "appendonly.aof.1.base.rdb",
            "appendonly.aof.manifest",
            "temp-appendonly.aof.manifest",
            "appendonly.aofx",
            "notes.txt",
        ] {
            fs::write(place.path().join(name), "x").expect("written");
        }
        let mut backup = Backup::default();
        let refused = backup.prepare(place.path());
        assert!(refused.is_err_and(|why| why.ends_with("is not empty, CLEANUP it first")));
        backup.clean(place.path(), "appendonly.aof");
        let left = fs::read_dir(place.path()).expect("a directory").flatten();
        let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["appendonly.aofx", "notes.txt"]);
    }

    #[test]
    fn a_sealed_backup_may_have_an_end() {
        let backup = Backup {
            stage: Stage::Sealed,
            end_s: 100,
            ..Backup::default()
        };
        assert!(!backup.is_overdue(0, 1_000) && !backup.is_overdue(5, 104));
        assert!(backup.is_overdue(5, 105));
    }
}
