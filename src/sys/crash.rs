//! The last words: a report when a fault or a bug ends the process.
//!
//! Monitoring greps for the frame (`=== REDIS BUG REPORT START`), people paste what is between. A
//! fault's signal is then raised again with its default action, so that the exit status and the
//! core dump are those of the fault. A panic ends by abort, which the shell shows as such.
//!
//! A handler may run inside the allocator, and collecting a backtrace allocates: an alarm bounds
//! how long that may hang, the frame is written before it is tried, and a fault within the report
//! kills at once because the handlers serve only once. Installed by `main`.
#![allow(unsafe_code)]

use std::backtrace::Backtrace;
use std::io;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clock;
use super::signal::{set_log_file, write_log};

/// The time limit of a report, in seconds.
const REPORT_SECONDS: u32 = 10;
/// Enough for a handler that formats text; the stack that faulted may be exhausted.
const STACK_BYTES: usize = 256 << 10;

const FAULTS: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
];

/// `crash-log-enabled`.
static ENABLED: AtomicBool = AtomicBool::new(true);
/// Set by the first report; the abort that ends a panic must not begin a second.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// Installs the panic hook and the handlers. Reports go to the log file, or to the standard output
/// if the name is empty.
pub fn install(log_file: &str) -> io::Result<()> {
    set_log_file(log_file);
    std::panic::set_hook(Box::new(on_panic));
    install_alternate_stack()?;
    for signal in FAULTS {
        // SAFETY: zeroed bytes are a valid sigaction; `on_fault` has the signature that SA_SIGINFO
        // asks for.
        let status = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fault as *const () as libc::sighandler_t;
            action.sa_flags =
                libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_RESETHAND | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut())
        };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Switches the reports, as `crash-log-enabled` says. Without them faults and panics end the
/// process all the same.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

fn install_alternate_stack() -> io::Result<()> {
    let stack = Box::leak(vec![0u8; STACK_BYTES].into_boxed_slice());
    let alternate = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    // SAFETY: the memory was given away for good, so it is valid for as long as handlers run.
    match unsafe { libc::sigaltstack(&alternate, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// One line in the log's format.
fn log_line(text: &str) {
    let time = clock::log_time(clock::unix_us());
    write_log(format!("{}:M {time} # {text}\n", std::process::id()).as_bytes());
}

/// Whether this is the first report, and one is wanted. If so, begins it.
fn begin_report() -> bool {
    if !ENABLED.load(Ordering::Relaxed) || REPORTED.swap(true, Ordering::SeqCst) {
        return false;
    }
    write_log(b"\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n");
    // SAFETY: both take numbers; the default action of the alarm ends the process.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(REPORT_SECONDS);
    }
    true
}

fn end_report() {
    let trace = Backtrace::force_capture();
    write_log(format!("\n------ STACK TRACE ------\n{trace}\n").as_bytes());
    write_log(
        b"\n------ STACK TRACE DONE ------\n\n\
          === REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n",
    );
}

extern "C" fn on_fault(signal: i32, info: *const libc::siginfo_t, context: *mut libc::c_void) {
    if begin_report() {
        // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo.
        let info = unsafe { &*info };
        describe_fault(signal, info);
        if let Some(address) = instruction_of(context) {
            log_line(&format!("Crashed running the instruction at: {address:#x}"));
        }
        end_report();
    }
    // SAFETY: both may be called from a handler. SA_RESETHAND has restored the default action.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

fn describe_fault(signal: i32, info: &libc::siginfo_t) {
    let version = env!("CARGO_PKG_VERSION");
    let code = info.si_code;
    log_line(&format!(
        "Redwheel {version} crashed by signal: {signal}, si_code: {code}"
    ));
    if signal == libc::SIGSEGV || signal == libc::SIGBUS {
        // SAFETY: for these two signals the address field is the one in use.
        let address = unsafe { info.si_addr() };
        log_line(&format!("Accessing address: {address:p}"));
    }
    // Zero and below: sent by a process, not caused by an instruction.
    if code <= 0 {
        // SAFETY: for signals sent by a process these two fields are the ones in use.
        let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
        log_line(&format!("Killed by PID: {pid}, UID: {uid}"));
    }
}

/// The address of the processor's instruction.
fn instruction_of(context: *mut libc::c_void) -> Option<u64> {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    {
        // SAFETY: with SA_SIGINFO the kernel passes a ucontext, valid while the handler runs.
        let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
        #[cfg(target_arch = "x86_64")]
        return Some(machine.gregs[libc::REG_RIP as usize] as u64);
        #[cfg(target_arch = "aarch64")]
        return Some(machine.pc);
    }
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    {
        let _ = context;
        None
    }
}

/// Faults on purpose; DEBUG SEGFAULT.
pub fn segfault() {
    // SAFETY: the signal is meant to end the process.
    unsafe { libc::raise(libc::SIGSEGV) };
}

fn on_panic(info: &PanicHookInfo<'_>) {
    if begin_report() {
        let place = info
            .location()
            .map(|l| format!(" #{}:{}", l.file(), l.line()));
        log_line("------------------------------------------------");
        log_line("!!! Software Failure. Press left mouse button to continue");
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or(payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or("panic");
        log_line(&format!(
            "Guru Meditation: {message}{}",
            place.unwrap_or_default()
        ));
        end_report();
    }
    std::process::abort();
}
