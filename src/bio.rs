//! The helper thread: it drops what takes long to drop. It owns values on their way out and nothing
//! else; it never sees a command.

use crate::keyspace::LazyFree;
use crate::sys::clock::Duration;
use crate::sys::schedule;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

/// With more jobs than this on their way the server waits a little for the thread, which on a
/// single core gets only what is left: what is freed must not fall ever further behind what is made.
const BACKLOG: usize = 256;
/// The length of that wait, in microseconds.
const BACKLOG_WAIT_US: u64 = 500;

/// The counters of the thread, for INFO.
#[derive(Default)]
struct Counts {
    pending: AtomicU64,
    freed: AtomicU64,
    /// Bytes of values that are on their way.
    held: AtomicUsize,
    /// The number of values received and not dropped yet.
    jobs: Mutex<usize>,
    idle: Condvar,
}

/// The handle of the helper thread. It starts with the first job and ends with the handle.
#[derive(Default)]
pub struct Bio {
    jobs: Option<(Sender<LazyFree>, JoinHandle<()>)>,
    counts: Arc<Counts>,
}

impl Bio {
    /// Hands something over to be dropped. It is dropped in the time that the server leaves.
    pub fn defer_free(&mut self, job: LazyFree) {
        let counts = &self.counts;
        counts.pending.fetch_add(job.objects, Ordering::Relaxed);
        counts.held.fetch_add(job.bytes(), Ordering::Relaxed);
        counts.change_jobs(1);
        let jobs = self.jobs.get_or_insert_with(|| start(counts.clone()));
        if let Err(unsent) = jobs.0.send(job) {
            // The thread is gone, which only a panic in a destructor could cause: drop it here.
            counts.finish(unsent.0);
        }
        if self.counts.jobs.lock().is_ok_and(|jobs| *jobs > BACKLOG) {
            self.await_idle(BACKLOG_WAIT_US);
        }
    }

    /// Counts objects that were freed elsewhere because that was quick.
    pub fn count_freed(&self, objects: u64) {
        self.counts.freed.fetch_add(objects, Ordering::Relaxed);
    }

    /// Waits until all values are dropped, but no longer than `most_us` microseconds.
    pub fn await_idle(&self, most_us: u64) {
        let busy = |jobs: &mut usize| *jobs > 0;
        if let Ok(jobs) = self.counts.jobs.lock() {
            let most = Duration::from_micros(most_us);
            let _ = self.counts.idle.wait_timeout_while(jobs, most, busy);
        }
    }

    /// Whether all values are dropped.
    pub fn is_idle(&self) -> bool {
        self.counts.jobs.lock().is_ok_and(|jobs| *jobs == 0)
    }

    /// Objects that clients asked to be freed in the background and that are not yet.
    pub fn pending(&self) -> u64 {
        self.counts.pending.load(Ordering::Relaxed)
    }

    /// Bytes of values that are unreachable but not freed yet.
    pub fn held_bytes(&self) -> usize {
        self.counts.held.load(Ordering::Relaxed)
    }

    /// The number of such objects freed since the counter was reset.
    pub fn freed(&self) -> u64 {
        self.counts.freed.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_freed(&self) {
        self.counts.freed.store(0, Ordering::Relaxed);
    }

    /// Waits until all values are dropped.
    #[cfg(test)]
    fn drain(&mut self) {
        if let Some((jobs, thread)) = self.jobs.take() {
            drop(jobs);
            let _ = thread.join();
        }
    }
}

impl Counts {
    fn change_jobs(&self, by: isize) {
        // Nothing that holds the lock can panic.
        if let Ok(mut jobs) = self.jobs.lock() {
            *jobs = jobs.saturating_add_signed(by);
            if *jobs == 0 {
                self.idle.notify_all();
            }
        }
    }

    fn finish(&self, job: LazyFree) {
        let (objects, bytes) = (job.objects, job.bytes());
        drop(job);
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.pending.fetch_sub(objects, Ordering::Relaxed);
        self.freed.fetch_add(objects, Ordering::Relaxed);
        self.change_jobs(-1);
    }
}

fn start(counts: Arc<Counts>) -> (Sender<LazyFree>, JoinHandle<()>) {
    let (jobs, inbox) = channel::<LazyFree>();
    let thread = thread::Builder::new()
        .name("bio_lazy_free".into())
        .spawn(move || {
            schedule::stand_back();
            for job in inbox {
                counts.finish(job);
            }
        });
    (jobs, thread.expect("the system can start one thread"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Garbage;
    use crate::types::value::{Heap, Text};

    fn job(objects: u64) -> LazyFree {
        let heap = Box::new(Heap::Text(Text::Owned(vec![1; 1000])));
        let garbage = Garbage::Value(heap);
        LazyFree { garbage, objects }
    }

    #[test]
    fn counts_what_clients_asked_for() {
        let mut bio = Bio::default();
        bio.await_idle(0);
        (0..100).for_each(|n| bio.defer_free(job(n % 2)));
        bio.await_idle(60_000_000);
        assert_eq!((bio.pending(), bio.freed()), (0, 50));
        bio.count_freed(7);
        assert_eq!(bio.freed(), 57);
        bio.reset_freed();
        bio.defer_free(job(1));
        bio.drain();
        assert_eq!((bio.pending(), bio.freed()), (0, 1));
    }
}
