//! Writing the log and bringing it to disk, as `appendfsync` asks for.
//!
//! ```text
//!   always     write and sync here, once per turn of the loop, before any answer leaves
//!   everysec   write here, sync on the thread once a second. While a sync is under way writes
//!              are put off for up to two seconds: a write would wait for the sync in the kernel
//!   no         write here; the kernel decides
//! ```
//!
//! A write that fails takes the short part back, so that the log stays whole. With `always` there
//! is no way on from there: the server ends. Otherwise clients are refused writes until it works.

use super::Aof;
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

/// What flushing goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub policy: Policy,
    /// A child is at work, and nothing is to be synced meanwhile.
    pub spare_disk: bool,
    /// Write now, whatever is under way.
    pub force: bool,
    /// Monotonic.
    pub now_ms: u64,
}

/// How flushing goes.
#[derive(Debug, Default)]
pub struct Progress {
    put_off_since_ms: Option<u64>,
    synced_ms: u64,
    /// Bytes of the increment when a sync was last asked for.
    synced_to: u64,
    pub delayed: u64,
    failure: Option<io::Error>,
    complained_ms: Option<u64>,
}

/// The log cannot be written, and the server must not go on.
#[derive(Debug, PartialEq, Eq)]
pub struct Fatal;

impl Aof {
    pub fn delayed_syncs(&self) -> u64 {
        self.progress.delayed
    }

    /// Why clients must be refused writes, if they must.
    pub fn failure(&self) -> Option<String> {
        let failure = self.progress.failure.as_ref().map(reason);
        failure.or_else(|| self.syncer.failure().as_ref().map(reason))
    }

    /// Whether there is something to do at the end of a turn.
    #[inline(always)]
    pub fn needs_flush(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether something written is not on its way to the disk yet.
    pub fn needs_sync(&self) -> bool {
        self.file.is_some() && self.increment_bytes != self.progress.synced_to
    }

    /// Writes what was fed, and syncs.
    pub fn flush(&mut self, rules: Rules) -> Result<(), Fatal> {
        if self.file.is_none() {
            return Ok(());
        }
        if self.buffer.is_empty() {
            return if self.needs_sync() {
                self.sync(rules)
            } else {
                Ok(())
            };
        }
        if rules.policy == Policy::EverySecond && !rules.force && self.puts_off(rules.now_ms) {
            return Ok(());
        }
        self.progress.put_off_since_ms = None;
        match self.write() {
            Ok(()) => {
                if self.progress.failure.take().is_some() {
                    log::warn!("AOF write error looks solved. The server can write again.");
                }
            }
            Err(error) => {
                self.complain(&error, rules.now_ms);
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

    /// Writes the buffer; what was written in part is taken back, or else forgotten.
    fn write(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut done = 0;
        let failure = loop {
            match file.write(&self.buffer[done..]) {
                Ok(0) => break Some(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
            if done == self.buffer.len() {
                break None;
            }
        };
        if let Some(error) = failure {
            if done > 0 {
                match file.set_len(self.increment_bytes) {
                    Ok(()) => {
                        // Where there is no append mode the position has to go back, too.
                        use std::io::Seek;
                        let _ = file.seek(io::SeekFrom::Start(self.increment_bytes));
                    }
                    Err(truncate) => {
                        log::warn!(
                            "Could not remove short write from the append-only file.  Redis may \
                             refuse to load the AOF the next time it starts.  ftruncate: {}",
                            reason(&truncate)
                        );
                        self.buffer.drain(..done);
                        self.increment_bytes += done as u64;
                        self.size += done as u64;
                    }
                }
            }
            return Err(error);
        }
        self.increment_bytes += done as u64;
        self.size += done as u64;
        self.buffer.clear();
        if self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn complain(&mut self, error: &io::Error, now_ms: u64) {
        let quiet_ms = |since_ms| now_ms.saturating_sub(since_ms) <= COMPLAIN_MS;
        if self.progress.complained_ms.is_some_and(quiet_ms) {
            return;
        }
        self.progress.complained_ms = Some(now_ms);
        log::warn!("Error writing to the AOF file: {}", reason(error));
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
                self.syncer.set_synced_bytes(self.increment_bytes);
            }
            Policy::EverySecond => {
                let due = rules.now_ms.saturating_sub(self.progress.synced_ms) >= 1000;
                if due && self.syncer.pending() == 0 {
                    if let Err(error) = self.syncer.sync(file, self.increment_bytes) {
                        self.complain(&error, rules.now_ms);
                    }
                    self.progress.synced_to = self.increment_bytes;
                    self.progress.synced_ms = rules.now_ms;
                }
            }
        }
        Ok(())
    }

    /// Brings everything to disk, here and now: the server ends, or asks for it.
    pub fn sync_all(&mut self) -> io::Result<()> {
        self.syncer.drain();
        match &self.file {
            Some(file) => crate::sys::file::fsync(file),
            None => Ok(()),
        }
    }
}
