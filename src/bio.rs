//! The helper thread: it drops what takes long to drop. It owns values on their way out and nothing
//! else; it never sees a command.

use crate::keyspace::Doomed;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

/// What the thread counts, for INFO.
#[derive(Default)]
struct Counts {
    pending: AtomicU64,
    freed: AtomicU64,
}

/// The handle of the helper thread. It starts with the first job and ends with the handle.
#[derive(Default)]
pub struct Bio {
    jobs: Option<(Sender<Doomed>, JoinHandle<()>)>,
    counts: Arc<Counts>,
}

impl Bio {
    /// Hands something over to be dropped; it counts as `objects` lazily freed objects.
    pub fn bury(&mut self, doomed: Doomed) {
        let objects = objects(&doomed);
        self.counts.pending.fetch_add(objects, Ordering::Relaxed);
        let jobs = self.jobs.get_or_insert_with(|| start(self.counts.clone()));
        if let Err(unsent) = jobs.0.send(doomed) {
            // The thread is gone, which only a panic in a destructor could cause: drop it here.
            drop(unsent);
            self.counts.pending.fetch_sub(objects, Ordering::Relaxed);
        }
    }

    /// Objects not yet freed.
    pub fn pending(&self) -> u64 {
        self.counts.pending.load(Ordering::Relaxed)
    }

    /// Objects freed since the counter was reset.
    pub fn freed(&self) -> u64 {
        self.counts.freed.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_freed(&self) {
        self.counts.freed.store(0, Ordering::Relaxed);
    }

    /// Waits until everything handed over is dropped.
    pub fn drain(&mut self) {
        if let Some((jobs, thread)) = self.jobs.take() {
            drop(jobs);
            let _ = thread.join();
        }
    }
}

fn objects(doomed: &Doomed) -> u64 {
    match doomed {
        Doomed::Value(_) => 1,
        Doomed::Entries(entries) => entries.len() as u64,
    }
}

fn start(counts: Arc<Counts>) -> (Sender<Doomed>, JoinHandle<()>) {
    let (jobs, inbox) = channel::<Doomed>();
    let thread = thread::Builder::new()
        .name("bio_lazy_free".into())
        .spawn(move || {
            for doomed in inbox {
                let objects = objects(&doomed);
                drop(doomed);
                counts.pending.fetch_sub(objects, Ordering::Relaxed);
                counts.freed.fetch_add(objects, Ordering::Relaxed);
            }
        });
    (jobs, thread.expect("the system can start one thread"))
}
