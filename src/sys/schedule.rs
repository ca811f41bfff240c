//! Priorities of the server's threads on a shared core.
//!
//! The system lets a thread finish the slice it has begun before it looks whether another has woken
//! meanwhile, and may look only at the next tick, milliseconds later. The exception is one that has
//! woken and asks for shorter slices than the one that runs (Linux 6.12 and later). So the server
//! asks for the shortest and the helper that frees for long ones: it gets what is left, and the
//! server never waits for it. The helper that prepares huge pages has to keep up with growth, or the
//! table would lie on small pages for good and every lookup pay for it: it asks for short slices too.
#![allow(unsafe_code)]

/// The slice of the thread that serves, in nanoseconds: the least that Linux grants.
const SERVING_NS: u64 = 100_000;
/// The slice of a helper that can wait.
const HELPING_NS: u64 = 10_000_000;
/// The niceness of a helper: a tenth of the server's share when both want to run.
const HELPING_NICE: i32 = 10;

/// For the thread that serves.
pub fn step_forward() {
    // Whatever niceness the user chose stays.
    // SAFETY: no pointers; 0 is the calling thread.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    set(nice, SERVING_NS);
}

/// Lowers the priority of the calling thread, whose work can wait.
pub fn stand_back() {
    set(HELPING_NICE, HELPING_NS);
}

/// Gives the calling thread the time slice of serving, since its work is needed soon.
pub fn keep_up() {
    set(HELPING_NICE, SERVING_NS);
}

fn set(nice: i32, slice_ns: u64) {
    #[cfg(target_os = "linux")]
    {
        #[repr(C)]
        struct Attr {
            size: u32,
            policy: u32,
            flags: u64,
            nice: i32,
            priority: u32,
            runtime_ns: u64,
            deadline_ns: u64,
            period_ns: u64,
        }
        let attr = Attr {
            size: size_of::<Attr>() as u32,
            policy: 0,
            flags: 0,
            nice,
            priority: 0,
            runtime_ns: slice_ns,
            deadline_ns: 0,
            period_ns: 0,
        };
        // SAFETY: the structure is as large as it says; 0 is the calling thread. An old kernel
        // refuses, and then the thread runs like any other.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &attr, 0) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (nice, slice_ns);
}
