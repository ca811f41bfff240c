//! The thread that brings the log to disk, so that the loop need not wait for the disk.
//!
//! It owns duplicates of descriptors, and files and directories to be closed or removed. It logs
//! nothing itself: errors are returned on request.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

enum Job {
    /// Bring the file to disk: the stream will be there up to that byte then.
    Sync(File, u64),
    Delete(PathBuf),
}

#[derive(Default)]
struct State {
    /// The number of syncs requested and not done yet.
    pending: Mutex<u64>,
    idle: Condvar,
    /// The replication offset up to which data is known to be on disk.
    offset: AtomicU64,
    /// The error number of the last sync; 0 for none.
    failure: AtomicI32,
}

/// The thread that syncs the log. It starts with the first job.
#[derive(Default)]
pub struct Syncer {
    jobs: Option<(Sender<Job>, JoinHandle<()>)>,
    state: Arc<State>,
}

impl Syncer {
    fn hand_over(&mut self, job: Job) {
        if let Job::Sync(..) = job {
            self.state.change(1);
        }
        let state = &self.state;
        let (jobs, _) = self.jobs.get_or_insert_with(|| start(state.clone()));
        if let Err(unsent) = jobs.send(job) {
            // The thread is gone: what it would have done is done here.
            state.run(unsent.0);
        }
    }

    /// Queues the sync of a file, which contains the stream up to `offset`.
    pub fn sync(&mut self, file: &File, offset: u64) {
        match file.try_clone() {
            Ok(file) => self.hand_over(Job::Sync(file, offset)),
            // No descriptor is left for the thread: then here.
            Err(_) => self.state.sync(file, offset),
        }
    }

    /// Queues the deletion of a file, which may take a while if it is long.
    pub fn delete(&mut self, path: PathBuf) {
        self.hand_over(Job::Delete(path));
    }

    pub fn pending(&self) -> u64 {
        self.state.pending.lock().map_or(0, |pending| *pending)
    }

    /// Waits until all requested syncs are done.
    pub fn drain(&self) {
        if let Ok(pending) = self.state.pending.lock() {
            drop(self.state.idle.wait_while(pending, |pending| *pending > 0));
        }
    }

    /// The error of the last sync, if it failed.
    pub fn failure(&self) -> Option<io::Error> {
        match self.state.failure.load(Ordering::Relaxed) {
            0 => None,
            number => Some(io::Error::from_raw_os_error(number)),
        }
    }

    pub fn forget_failure(&self) {
        self.state.failure.store(0, Ordering::Relaxed);
    }

    pub fn set_synced(&self, offset: u64) {
        self.state.offset.store(offset, Ordering::Relaxed);
    }

    pub fn synced_offset(&self) -> u64 {
        self.state.offset.load(Ordering::Relaxed)
    }
}

impl State {
    fn change(&self, by: i64) {
        // Nothing that holds the lock can panic.
        if let Ok(mut pending) = self.pending.lock() {
            *pending = pending.saturating_add_signed(by);
            if *pending == 0 {
                self.idle.notify_all();
            }
        }
    }

    fn sync(&self, file: &File, offset: u64) {
        match crate::sys::file::fdatasync(file) {
            Ok(()) => {
                self.failure.store(0, Ordering::Relaxed);
                self.offset.store(offset, Ordering::Relaxed);
            }
            // As in Redis: what cannot be synced at all is no failure of the disk.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput) => {}
            Err(error) => {
                let number = error.raw_os_error().unwrap_or(libc::EIO);
                self.failure.store(number, Ordering::Relaxed);
            }
        }
    }

    fn run(&self, job: Job) {
        match job {
            Job::Sync(file, offset) => {
                self.sync(&file, offset);
                self.change(-1);
            }
            Job::Delete(path) => {
                // It may be gone already.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

fn start(state: Arc<State>) -> (Sender<Job>, JoinHandle<()>) {
    let (jobs, inbox) = channel();
    let thread = thread::Builder::new()
        .name("bio_aof".into())
        .spawn(move || {
            for job in inbox {
                state.run(job);
            }
        });
    (jobs, thread.expect("the system can start one thread"))
}
