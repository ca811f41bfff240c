//! Writing the log and syncing it according to `appendfsync`.
//!
//! ```text
//!   always     write and sync here, once per turn of the loop, before any reply is sent
//!   everysec   write here, sync on the thread once a second. While a sync is under way writes
//!              are put off for up to two seconds: a write would wait for the sync in the kernel
//!   no         write here; the kernel decides
//! ```
//!
//! A write that fails takes the short part back, so that the log stays whole. With `always` there
//! is no way on from there: the server ends. Otherwise clients are refused writes until it works.

use super::{Aof, State};
use crate::persist::reason;
use std::io::{self, Write};

/// For how long writes are put off while a sync is under way, in milliseconds.
const PUT_OFF_MS: u64 = 2_000;
/// Between two complaints about a write that fails.
const COMPLAIN_MS: u64 = 30_000;
/// A buffer that has grown beyond this is given back after it was written.
const KEEP: usize = 64 << 10;

/// `appendfsync`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    Always,
    #[default]
    EverySecond,
    No,
}

/// The configuration and time of a flush.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub policy: Policy,
    /// A child is running, and syncs are to be avoided meanwhile.
    pub spare_disk: bool,
    /// Write now, whatever is under way.
    pub force: bool,
    /// Monotonic.
    pub now_ms: u64,
    /// The replication offset.
    pub offset: u64,
}

/// The progress of flushing.
#[derive(Debug, Default)]
pub struct Progress {
    put_off_since_ms: Option<u64>,
    synced_ms: u64,
    /// Bytes of the increment when a sync was last requested.
    synced_to: u64,
    pub delayed: u64,
    failure: Option<io::Error>,
    complained_ms: Option<u64>,
    /// The error of the thread's last sync, as last logged.
    sync_failure: Option<String>,
}

/// The number of bytes written before it failed.
struct FailedWrite {
    done: usize,
    error: io::Error,
}

/// The log cannot be written, and the server must not go on.
#[derive(Debug, PartialEq, Eq)]
pub struct Fatal;

impl Aof {
    /// The number of writes delayed because a sync was running (INFO aof_delayed_fsync).
    pub fn delayed_syncs(&self) -> u64 {
        self.progress.delayed
    }

    /// The replication offset known to be on disk: `None` before there is a whole log.
    pub fn synced_offset(&self) -> Option<u64> {
        (self.state == State::On).then(|| self.syncer.synced_offset())
    }

    /// The reason for refusing writes of clients, if there is one.
    pub fn failure(&self) -> Option<String> {
        let failure = self.progress.failure.as_ref().map(reason);
        // Writes are refused only once the log states the reason.
        failure.or_else(|| self.progress.sync_failure.clone())
    }

    /// Whether there is something to do at the end of a turn.
    #[inline(always)]
    pub fn needs_flush(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether written data is not being synced yet.
    pub fn needs_sync(&self) -> bool {
        let unsynced = self.increment_bytes != self.progress.synced_to;
        self.file.is_some() && (unsynced || self.progress.sync_failure.is_some())
    }

    /// Writes what was fed, and syncs.
    pub fn flush(&mut self, rules: Rules) -> Result<(), Fatal> {
        if self.file.is_none() {
            return Ok(());
        }
        self.heed_syncs();
        if self.buffer.is_empty() {
            if self.needs_sync() {
                return self.sync(rules);
            }
            // What the stream has had since was not for the log.
            if self.syncer.pending() == 0 {
                self.syncer.set_synced(rules.offset);
            }
            return Ok(());
        }
        if rules.policy == Policy::EverySecond && !rules.force && self.puts_off(rules.now_ms) {
            return Ok(());
        }
        self.progress.put_off_since_ms = None;
        match self.write() {
            Ok(()) => {
                if self.progress.failure.take().is_some() {
                    log::info!("AOF write error looks solved, Redis can write again.");
                }
            }
            Err(failed) => {
                let told = self.complain(&failed, rules.now_ms);
                let error = self.take_back(failed, told);
                if rules.policy == Policy::Always {
                    log::warn!(
                        "Can't recover from AOF write error when the AOF fsync policy is \
                         'always'. Exiting..."
                    );
                    return Err(Fatal);
                }
                self.progress.failure = Some(error);
                return Ok(());
            }
        }
        self.sync(rules)
    }

    /// Takes note of how the syncs of the thread went.
    ///
    /// Unlike Redis, which refuses writes until the log is rewritten on request, a failed sync is
    /// tried again. But the kernel treats the pages it could not write as written: only a rewrite
    /// brings them to disk for sure.
    fn heed_syncs(&mut self) {
        let failure = self.syncer.failure().as_ref().map(reason);
        match (&failure, self.progress.sync_failure.is_some()) {
            (Some(reason), false) => log::warn!("Fail to fsync the AOF file: {reason}"),
            (None, true) => {
                log::info!(
                    "The AOF file can be synced again. It is rewritten to be whole on disk."
                );
                self.rewrites.schedule();
            }
            _ => {}
        }
        self.progress.sync_failure = failure;
    }

    fn puts_off(&mut self, now_ms: u64) -> bool {
        if self.syncer.pending() == 0 {
            return false;
        }
        match self.progress.put_off_since_ms {
            None => {
                self.progress.put_off_since_ms = Some(now_ms);
                true
            }
            Some(since_ms) if now_ms.saturating_sub(since_ms) < PUT_OFF_MS => true,
            Some(_) => {
                self.progress.delayed += 1;
                log::info!(
                    "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF \
                     buffer without waiting for fsync to complete, this may slow down Redis."
                );
                false
            }
        }
    }

    /// Writes the buffer.
    fn write(&mut self) -> Result<(), FailedWrite> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut done = 0;
        while done < self.buffer.len() {
            let error = match file.write(&self.buffer[done..]) {
                Ok(0) => io::Error::from(io::ErrorKind::WriteZero),
                Ok(n) => {
                    done += n;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            return Err(FailedWrite { done, error });
        }
        self.increment_bytes += done as u64;
        self.size += done as u64;
        self.buffer.clear();
        if self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Logs the error, unless it was logged a moment ago. Returns whether it was.
    fn complain(&mut self, failed: &FailedWrite, now_ms: u64) -> bool {
        let quiet_ms = |since_ms| now_ms.saturating_sub(since_ms) <= COMPLAIN_MS;
        if self.progress.complained_ms.is_some_and(quiet_ms) {
            return false;
        }
        self.progress.complained_ms = Some(now_ms);
        match failed.done {
            0 => log::warn!("Error writing to the AOF file: {}", reason(&failed.error)),
            done => log::warn!(
                "Short write while writing to the AOF file: (nwritten={done}, expected={})",
                self.buffer.len()
            ),
        }
        true
    }

    /// Takes back what was written in part, or else forgets it. Returns why writing failed: as in
    /// Redis, a part means that the disk is full.
    fn take_back(&mut self, failed: FailedWrite, told: bool) -> io::Error {
        let FailedWrite { done, error } = failed;
        let Some(file) = self.file.as_mut().filter(|_| done > 0) else {
            return error;
        };
        match file.set_len(self.increment_bytes) {
            Ok(()) => {
                // Where there is no append mode the position has to go back, too.
                use std::io::Seek;
                let _ = file.seek(io::SeekFrom::Start(self.increment_bytes));
            }
            Err(truncate) => {
                if told {
                    log::warn!(
                        "Could not remove short write from the append-only file.  Redis may refuse \
                         to load the AOF the next time it starts.  ftruncate: {}",
                        reason(&truncate)
                    );
                }
                self.buffer.drain(..done);
                self.increment_bytes += done as u64;
                self.size += done as u64;
            }
        }
        io::Error::from_raw_os_error(libc::ENOSPC)
    }

    fn sync(&mut self, rules: Rules) -> Result<(), Fatal> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        if rules.spare_disk {
            return Ok(());
        }
        match rules.policy {
            Policy::No => {}
            Policy::Always => {
                if let Err(error) = crate::sys::file::fdatasync(file) {
                    log::warn!(
                        "Can't persist AOF for fsync error when the AOF fsync policy is 'always': \
                         {}. Exiting...",
                        reason(&error)
                    );
                    return Err(Fatal);
                }
                self.progress.synced_to = self.increment_bytes;
                self.progress.synced_ms = rules.now_ms;
                self.syncer.set_synced(rules.offset);
            }
            Policy::EverySecond => {
                let due = rules.now_ms.saturating_sub(self.progress.synced_ms) >= 1000;
                if due && self.syncer.pending() == 0 {
                    self.syncer.sync(file, rules.offset);
                    self.progress.synced_to = self.increment_bytes;
                    self.progress.synced_ms = rules.now_ms;
                }
            }
        }
        Ok(())
    }

    /// Syncs everything at once: at shutdown, or on request.
    pub fn sync_all(&mut self) -> io::Result<()> {
        self.syncer.drain();
        match &self.file {
            Some(file) => crate::sys::file::fsync(file),
            None => Ok(()),
        }
    }
}
