//! The process title: what `ps` shows instead of the command line.
//!
//! The kernel shows the memory where it put the arguments, and the environment right behind it:
//!
//! ```text
//!   arg_start              arg_end = env_start                     env_end
//!   redis-server \0 a.conf \0      HOME=/ \0 PATH=… \0 …           |
//!   `------------------------- room for the title ----------------'
//! ```
//!
//! So the environment is first copied elsewhere, then the title written over both. Afterwards
//! `std::env::args` is invalid: arguments must be read before. Called by `main` once, before
//! threads start, and on changes of role or mode.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs;

/// The place of the arguments' start among the fields of /proc/self/stat behind the name.
const ARG_START_FIELD: usize = 45;

/// The memory `ps` reads.
#[derive(Debug)]
pub struct Title {
    area: &'static mut [u8],
}

impl Title {
    /// Takes over the argument and environment memory; `None` where that is not possible.
    ///
    /// The environment must not be changed or read by another thread meanwhile, and there must be
    /// no references into the arguments: call from `main` before anything else runs.
    pub fn take_over() -> Option<Title> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, behind_name) = stat.rsplit_once(')')?;
        let mut fields = behind_name.split_ascii_whitespace().skip(ARG_START_FIELD);
        let mut address = || fields.next()?.parse::<usize>().ok();
        let (start, arg_end, env_start, env_end) = (address()?, address()?, address()?, address()?);
        if start == 0 || arg_end <= start {
            return None;
        }
        let end = if env_start == arg_end && env_end > env_start {
            relocate_environment()?;
            env_end
        } else {
            arg_end
        };
        // SAFETY: the kernel says that this range of our stack holds the arguments and the
        // environment. The environment was copied away; there are no references to the arguments
        // by the contract above. The memory lives as long as the process.
        let area = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, end - start) };
        Some(Title { area })
    }

    /// Shows a new title, cut to the room there is. The short name (`comm`), by which `pidof` finds
    /// us, stays that of the binary, as in Redis.
    pub fn set(&mut self, title: &str) {
        // The last byte stays zero, or readers would run on.
        let len = title.len().min(self.area.len() - 1);
        self.area[..len].copy_from_slice(&title.as_bytes()[..len]);
        self.area[len..].fill(0);
    }
}

/// Points every variable to a copy on the heap.
fn relocate_environment() -> Option<()> {
    // SAFETY: as the C library's own header declares it.
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: called before other threads exist (see `take_over`), so there is no concurrent
    // access to the environment; it is an array of strings that ends with a null pointer. The
    // copies are never freed, as the environment may hand them out at any time.
    unsafe {
        let mut slot = environ;
        while !slot.is_null() && !(*slot).is_null() {
            let copy: CString = std::ffi::CStr::from_ptr(*slot).to_owned();
            *slot = copy.into_raw();
            slot = slot.add(1);
        }
    }
    Some(())
}
