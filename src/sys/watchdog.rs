//! The software watchdog: where the server is when it has not come back to its loop for a while.
//!
//! With `watchdog-period` set, cron winds an alarm each time it runs. If something holds the loop up
//! for longer, the alarm comes and its handler writes the stack to the log. A handler may interrupt
//! the allocator, so it takes the stack by functions of the C library that allocate nothing; where
//! the library has none, the log says only that the alarm came.
#![allow(unsafe_code)]

use super::signal::write_log;
use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The thread of the event loop, whose stack is logged.
static LOOP: AtomicU64 = AtomicU64::new(0);
/// The alarm came to another thread, which passed it on.
static PASSED_ON: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// Arms the stack trace for the given milliseconds, unless called again before; 0 disarms it.
///
/// # Errors
/// If the system has no such timer.
pub fn wind(period_ms: u32) -> io::Result<()> {
    INSTALL.call_once(install);
    let zero = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let alarm = libc::itimerval {
        it_interval: zero,
        it_value: libc::timeval {
            tv_sec: (period_ms / 1000).into(),
            tv_usec: (period_ms % 1000 * 1000).into(),
        },
    };
    // SAFETY: the kernel reads one record.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &alarm, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn install() {
    // What the first call has to load cannot be loaded in the handler.
    stack::prepare();
    // SAFETY: names the calling thread; zeroed bytes are a valid sigaction, and the handler has the
    // signature that SA_SIGINFO asks for.
    unsafe {
        LOOP.store(libc::pthread_self() as u64, Ordering::Relaxed);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_alarm as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
    }
}

extern "C" fn on_alarm(_: i32, info: *const libc::siginfo_t, _: *mut libc::c_void) {
    let main = LOOP.load(Ordering::Relaxed);
    // SAFETY: all three may be called from a handler; the thread of the loop lives as long as the
    // process, and with SA_SIGINFO the kernel passes a valid siginfo.
    unsafe {
        if libc::pthread_self() as u64 != main {
            PASSED_ON.store(true, Ordering::Relaxed);
            libc::pthread_kill(main as libc::pthread_t, libc::SIGALRM);
            return;
        }
        // A timer has no process.
        let is_timer = PASSED_ON.swap(false, Ordering::Relaxed) || (*info).si_pid() == 0;
        write_log(match is_timer {
            true => b"\n--- WATCHDOG TIMER EXPIRED ---\n",
            false => b"\nReceived SIGALRM\n",
        });
    }
    write_log(b"\n------ STACK TRACE ------\n");
    stack::write();
    write_log(b"\n------ STACK TRACE DONE ------\n--------\n\n");
}

#[cfg(target_env = "gnu")]
mod stack {
    use crate::sys::signal::with_log;
    use libc::{c_int, c_void};

    const FRAMES: usize = 100;

    // SAFETY: as the C library's own header declares them.
    unsafe extern "C" {
        fn backtrace(frames: *mut *mut c_void, most: c_int) -> c_int;
        fn backtrace_symbols_fd(frames: *const *mut c_void, len: c_int, fd: c_int);
    }

    pub fn prepare() {
        let mut frame = [std::ptr::null_mut(); 1];
        // SAFETY: there is room for one frame.
        unsafe { backtrace(frame.as_mut_ptr(), 1) };
    }

    pub fn write() {
        let mut frames = [std::ptr::null_mut(); FRAMES];
        // SAFETY: there is room for so many frames; both may be called from a handler once the
        // library that walks the stack is loaded.
        with_log(|fd| unsafe {
            let len = backtrace(frames.as_mut_ptr(), FRAMES as c_int);
            backtrace_symbols_fd(frames.as_ptr(), len, fd);
        });
    }
}

#[cfg(not(target_env = "gnu"))]
mod stack {
    pub fn prepare() {}

    pub fn write() {}
}
