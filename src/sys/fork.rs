//! Child processes that see a snapshot of our memory: starting, progress, killing, reaping.
//!
//! A child runs one plain function on two references and ends (`run_in_child`). It reaches no
//! socket, no poll and nothing that could be changed, because a function pointer captures nothing.
//! The one exception is the debugger of scripts, whose child goes on where we are (`split`) and ends
//! when the script does.
//!
//! Only the thread that forks lives on in the child: what other threads were doing stops in the
//! middle, so a child takes no lock that they take. They hold none but their own queues' and, for
//! moments, the allocator's lists of memory that ended threads left, which no thread of ours does
//! while it lives.
//!
//! A child reports through a pipe, in records of a fixed size. A child does not outlive the
//! process it works for.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, RawFd};

/// A progress report of a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Bytes that were copied because one of us wrote to them.
    pub copied_bytes: u64,
    pub keys: u64,
}

const REPORT: usize = 16;

/// The child's end of the pipe.
pub struct ProgressPipe(File);

impl ProgressPipe {
    /// Sends a report; errors do not matter, because the reader may be gone.
    pub fn send(&mut self, report: Report) {
        let mut bytes = [0; REPORT];
        bytes[..8].copy_from_slice(&report.copied_bytes.to_le_bytes());
        bytes[8..].copy_from_slice(&report.keys.to_le_bytes());
        let _ = self.0.write_all(&bytes);
    }
}

/// A child that was started.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pipe: File,
}

/// The way in which a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Status(i32),
    Signal(i32),
}

impl Child {
    /// The latest of the reports sent since the last call.
    pub fn latest_report(&mut self) -> Option<Report> {
        let mut latest = None;
        let mut bytes = [0; REPORT];
        while matches!(self.pipe.read(&mut bytes), Ok(REPORT)) {
            let (copied, keys) = bytes.split_at(8);
            latest = Some(Report {
                copied_bytes: u64::from_le_bytes(copied.try_into().unwrap_or_default()),
                keys: u64::from_le_bytes(keys.try_into().unwrap_or_default()),
            });
        }
        latest
    }

    /// The exit of the child, if it has ended.
    pub fn reap(&self) -> Option<Exit> {
        self.wait(libc::WNOHANG)
    }

    fn wait(&self, options: i32) -> Option<Exit> {
        let mut status = 0;
        // SAFETY: `status` is ours for the duration of the call.
        let pid = unsafe { libc::waitpid(self.pid, &mut status, options) };
        match pid {
            // ECHILD: already reaped elsewhere; the exit status is unknown.
            -1 => Some(Exit::Status(1)),
            pid if pid == self.pid && libc::WIFSIGNALED(status) => {
                Some(Exit::Signal(libc::WTERMSIG(status)))
            }
            pid if pid == self.pid => Some(match libc::WEXITSTATUS(status) {
                super::signal::CHILD_KILLED_STATUS => Exit::Signal(libc::SIGUSR1),
                status => Exit::Status(status),
            }),
            _ => None,
        }
    }

    /// Kills the child; `reap` reports its end.
    pub fn kill(&self) {
        // SAFETY: a signal to a child that was not reaped yet, so the number is its own.
        unsafe { libc::kill(self.pid, libc::SIGUSR1) };
    }

    /// Ends the child and waits for it.
    pub fn finish_off(self) {
        self.kill();
        self.wait(0);
    }
}

/// The side of a fork on which the code runs.
pub enum Side {
    Parent(Child),
    Child(ProgressPipe),
}

/// Forks, and both go on; the child has to end by `leave`. `unused` are descriptors that it must not
/// keep open, such as those it would go on listening with.
pub fn split(unused: &[RawFd]) -> io::Result<Side> {
    let mut ends = [0; 2];
    // SAFETY: `pipe2` fills two descriptors or fails.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fresh descriptors, each owned once from here on.
    let (reader, writer) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    let parent = std::process::id();
    // SAFETY: what the child may not touch is said at the head of this file.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            super::signal::reset_in_child();
            super::signal::follow_parent(parent);
            for &fd in unused {
                // SAFETY: the child's own copy of a descriptor, which is not used in the child.
                unsafe { libc::close(fd) };
            }
            Ok(Side::Child(ProgressPipe(writer)))
        }
        pid => Ok(Side::Parent(Child { pid, pipe: reader })),
    }
}

/// Ends a child at once, without the destructors of what the parent owns.
pub fn leave(status: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used any more.
    unsafe { libc::_exit(status) }
}

/// Forks; the child runs `run` and ends with the status it returns. `unused` are descriptors that
/// the child must not keep open.
pub fn run_in_child<A, B>(
    a: &A,
    b: &B,
    unused: &[RawFd],
    run: fn(&A, &B, &mut ProgressPipe) -> i32,
) -> io::Result<Child> {
    match split(unused)? {
        Side::Parent(child) => Ok(child),
        Side::Child(mut pipe) => {
            super::signal::leave_term_to_parent();
            let work = std::panic::AssertUnwindSafe(|| run(a, b, &mut pipe));
            leave(std::panic::catch_unwind(work).unwrap_or(1))
        }
    }
}

/// Bytes of this process that are its own and changed: in a child, what was copied for it.
pub fn private_dirty_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/smaps_rollup") else {
        return 0;
    };
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(a: &u64, b: &i32, pipe: &mut ProgressPipe) -> i32 {
        pipe.send(Report {
            copied_bytes: *a,
            keys: 7,
        });
        if *b == 100 {
            std::thread::sleep(crate::sys::clock::Duration::from_secs(60));
        }
        *b
    }

    fn end_of(child: &Child) -> Exit {
        loop {
            if let Some(exit) = child.reap() {
                return exit;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_child_tells_and_ends() {
        let mut child = run_in_child(&5, &3, &[], job).expect("the system can fork");
        assert_eq!(end_of(&child), Exit::Status(3));
        let told = child.latest_report();
        assert_eq!(
            told.map(|report| (report.copied_bytes, report.keys)),
            Some((5, 7))
        );
        assert_eq!(child.latest_report(), None);
        let child = run_in_child(&5, &100, &[], job).expect("the system can fork");
        child.kill();
        assert_eq!(end_of(&child), Exit::Signal(libc::SIGUSR1));
    }
}
