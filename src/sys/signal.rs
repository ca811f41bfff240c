//! Signals as bytes on a socket that the poll watches.
//!
//! TERM and INT ask for a shutdown: the handler writes the log line Redis writes, puts a byte into
//! the socket, and the loop does the rest when it next turns. A second INT while a shutdown is
//! under way means "now": exit at once with status 1. A handler may interrupt anything, so it calls
//! nothing but system calls and touches nothing but atomics; that is why they are global here.
//!
//! Installed by `main`; read by the reactor; a forked child calls [`reset_in_child`].
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The writing end, for the handler; -1 before installation.
static WRITER: AtomicI32 = AtomicI32::new(-1);
/// Whether a shutdown was requested and not aborted since.
static SHUTDOWN_ASKED: AtomicBool = AtomicBool::new(false);
/// Data is being loaded: a signal to shut down is acknowledged in the log.
static LOADING: AtomicBool = AtomicBool::new(false);
/// The log file of the handler; empty is the standard output.
static LOG_FILE: OnceLock<CString> = OnceLock::new();

/// The exit status of a child that was killed on purpose.
pub const CHILD_KILLED_STATUS: i32 = 255;

/// A request to shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Terminate,
    Interrupt,
}

impl Signal {
    fn from_number(number: u8) -> Option<Signal> {
        match i32::from(number) {
            libc::SIGTERM => Some(Signal::Terminate),
            libc::SIGINT => Some(Signal::Interrupt),
            _ => None,
        }
    }
}

/// The reading end. Readable when a signal came.
#[derive(Debug)]
pub struct Signals {
    reader: UnixStream,
}

impl Signals {
    /// Takes over TERM and INT, ignores HUP and PIPE, leaves CHLD as it is by default. The handler
    /// logs to `log_file`, or to the standard output if that is empty. Once per process.
    pub fn install(log_file: &str) -> io::Result<Signals> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        // A path with a zero byte cannot be opened; the standard output is the next best place.
        LOG_FILE.get_or_init(|| CString::new(log_file).unwrap_or_default());
        // The handler may come as long as the process lives, so its end is never closed.
        WRITER.store(
            std::os::fd::IntoRawFd::into_raw_fd(writer),
            Ordering::Release,
        );
        for (signal, action) in [
            (libc::SIGHUP, libc::SIG_IGN),
            // A file that may not grow any more is an error of the write, nothing worse.
            (libc::SIGXFSZ, libc::SIG_IGN),
            (libc::SIGPIPE, libc::SIG_IGN),
            (libc::SIGCHLD, libc::SIG_DFL),
            (
                libc::SIGTERM,
                on_shutdown_signal as *const () as libc::sighandler_t,
            ),
            (
                libc::SIGINT,
                on_shutdown_signal as *const () as libc::sighandler_t,
            ),
        ] {
            set_action(signal, action)?;
        }
        Ok(Signals { reader })
    }

    /// The last request that came since, if any; call when readable.
    pub fn take(&mut self) -> Option<Signal> {
        let mut last = None;
        let mut bytes = [0u8; 64];
        while let Ok(count @ 1..) = self.reader.read(&mut bytes) {
            last = bytes[..count]
                .iter()
                .copied()
                .filter_map(Signal::from_number)
                .next_back()
                .or(last);
        }
        last
    }
}

/// Forgets the request, for SHUTDOWN ABORT: the next INT is a first one again.
pub fn rearm() {
    SHUTDOWN_ASKED.store(false, Ordering::Release);
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}

/// In a forked child: TERM and INT kill as usual (INT is left to the parent), USR1 ends the child
/// quietly with a status by which the parent knows that it asked for it.
pub fn reset_in_child() {
    // The child shares the socket; it must not wake the parent.
    WRITER.store(-1, Ordering::Release);
    let quiet = on_child_killed as *const () as libc::sighandler_t;
    for (signal, action) in [
        (libc::SIGINT, libc::SIG_IGN),
        (libc::SIGTERM, libc::SIG_DFL),
        (libc::SIGUSR1, quiet),
    ] {
        // None of these can fail: the signals exist and may be handled.
        let _ = set_action(signal, action);
    }
}

/// In a child: ends when the process that forked it does, which had this number.
#[cfg(target_os = "linux")]
pub fn follow_parent(parent: u32) {
    // SAFETY: sets a number of this process; the signal has a handler that ends us.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR1) };
    // SAFETY: a plain system call. The parent may have ended before the signal was requested.
    if unsafe { libc::getppid() } as u32 != parent {
        super::fork::leave(1);
    }
}

#[cfg(not(target_os = "linux"))]
pub fn follow_parent(_: u32) {}

/// Stops the process until it is sent CONT.
pub fn stop_process() {
    // SAFETY: no memory is passed; the signal goes to this process itself.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// In a child that works for its parent: TERM, which a supervisor may send to all of us, is the
/// parent's to decide about. It ends the child if need be.
pub fn leave_term_to_parent() {
    // This cannot fail: the signal exists and may be ignored.
    let _ = set_action(libc::SIGTERM, libc::SIG_IGN);
}

fn set_action(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: zeroed bytes are a valid sigaction (empty mask, no flags); the handlers passed are
    // SIG_IGN, SIG_DFL or functions of the right signature that are safe in a signal handler.
    let status = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether data is being loaded.
pub fn set_loading(loading: bool) {
    LOADING.store(loading, Ordering::Release);
}

extern "C" fn on_child_killed(_signal: i32) {
    log_line(b"Received SIGUSR1 in child, exiting now.");
    // SAFETY: _exit may be called from a signal handler.
    unsafe { libc::_exit(CHILD_KILLED_STATUS) }
}

extern "C" fn on_shutdown_signal(signal: i32) {
    // The code we interrupted may be about to look at its errno.
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let asked_before = SHUTDOWN_ASKED.swap(true, Ordering::AcqRel);
    if asked_before && signal == libc::SIGINT {
        log_line(b"You insist... exiting now.");
        remove_temp_rdb();
        // SAFETY: _exit may be called from a signal handler.
        unsafe { libc::_exit(1) }
    }
    log_line(match signal {
        _ if LOADING.load(Ordering::Acquire) => {
            b"Received shutdown signal during loading, scheduling shutdown."
        }
        libc::SIGINT => b"Received SIGINT scheduling shutdown...",
        _ => b"Received SIGTERM scheduling shutdown...",
    });
    let byte = signal as u8;
    // SAFETY: write may be called from a signal handler; the byte outlives the call. A full socket
    // or one not yet there loses nothing: a shutdown is already waiting to be read, or impossible.
    unsafe { libc::write(WRITER.load(Ordering::Acquire), (&raw const byte).cast(), 1) };
    set_errno(errno);
}

fn set_errno(value: i32) {
    // SAFETY: the location of the calling thread's errno is always valid.
    unsafe {
        #[cfg(target_os = "linux")]
        let place = libc::__errno_location();
        #[cfg(not(target_os = "linux"))]
        let place = libc::__error();
        *place = value;
    }
}

/// Text on the stack: what a handler may build without allocating.
struct StackText {
    bytes: [u8; 160],
    len: usize,
}

impl StackText {
    fn new() -> StackText {
        StackText {
            bytes: [0; 160],
            len: 0,
        }
    }

    /// Appends, cutting what does not fit; the last byte stays zero.
    fn push(mut self, text: &[u8]) -> StackText {
        let room = self.bytes.len() - 1 - self.len;
        let count = text.len().min(room);
        self.bytes[self.len..self.len + count].copy_from_slice(&text[..count]);
        self.len += count;
        self
    }

    fn push_number(self, number: i64) -> StackText {
        let mut buffer = itoa::Buffer::new();
        self.push(buffer.format(number).as_bytes())
    }
}

/// `pid:signal-handler (unixtime) message`
fn log_line(message: &[u8]) {
    // SAFETY: getpid and time may be called from a signal handler.
    let (pid, now) = unsafe { (libc::getpid(), libc::time(std::ptr::null_mut())) };
    let line = StackText::new()
        .push_number(i64::from(pid))
        .push(b":signal-handler (")
        .push_number(now)
        .push(b") ")
        .push(message)
        .push(b"\n");
    write_log(&line.bytes[..line.len]);
}

/// Appends to the log file, or writes to the standard output. Safe in a signal handler.
pub(super) fn write_log(bytes: &[u8]) {
    // SAFETY: write may be called from a signal handler; the bytes are valid.
    with_log(|fd| unsafe {
        libc::write(fd, bytes.as_ptr().cast(), bytes.len());
    });
}

/// Lends the log file, or the standard output, to `act`. Safe in a signal handler if `act` is.
pub(super) fn with_log(act: impl FnOnce(RawFd)) {
    let path: &CStr = LOG_FILE.get().map_or(c"", |path| path.as_c_str());
    // SAFETY: open and close may be called from a signal handler; the path is valid.
    unsafe {
        let to_file = !path.is_empty();
        let fd = if to_file {
            libc::open(
                path.as_ptr(),
                libc::O_APPEND | libc::O_CREAT | libc::O_WRONLY,
                0o644,
            )
        } else {
            libc::STDOUT_FILENO
        };
        if fd >= 0 {
            act(fd);
            if to_file {
                libc::close(fd);
            }
        }
    }
}

/// Sets the log file of reports when no signal handler was installed.
pub(super) fn set_log_file(log_file: &str) {
    LOG_FILE.get_or_init(|| CString::new(log_file).unwrap_or_default());
}

/// Removes the temporary file of a snapshot that this process was writing, if any.
fn remove_temp_rdb() {
    // SAFETY: getpid and unlink may be called from a signal handler; the name ends with a zero.
    unsafe {
        let name = StackText::new()
            .push(b"temp-")
            .push_number(i64::from(libc::getpid()))
            .push(b".rdb");
        libc::unlink(name.bytes.as_ptr().cast());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_becomes_readable() {
        let mut signals = Signals::install("").expect("signals can be installed");
        assert_eq!(signals.take(), None);
        // SAFETY: TERM and HUP are handled from here on.
        unsafe {
            libc::raise(libc::SIGHUP);
            libc::raise(libc::SIGTERM);
        }
        assert_eq!(signals.take(), Some(Signal::Terminate));
        assert_eq!(signals.take(), None);
        rearm();
        // SAFETY: INT is handled from here on.
        unsafe { libc::raise(libc::SIGINT) };
        assert_eq!(signals.take(), Some(Signal::Interrupt));
        rearm();
    }
}
