//! The pages of program code that only the start needed.
//!
//! Reading the configuration, linking and opening touch most of the program once, and the kernel maps
//! sixteen pages around each touch. They stay in its page cache anyway; a server that gives its
//! mappings up when it is ready shows, and holds, what serving needs.
#![allow(unsafe_code)]

/// Unmaps the resident pages of all code; what is used again is mapped again, from the page cache.
#[cfg(target_os = "linux")]
pub fn forget() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, len) in maps.lines().filter_map(code) {
        // SAFETY: the range is a private, executable mapping of a file that the kernel has just named.
        // No such page was ever written: code is independent of its position, and what the linker
        // relocates lies in mappings that are not executable. So reading the file again restores it.
        unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
    }
}

#[cfg(not(target_os = "linux"))]
pub fn forget() {}

/// Address and length of a mapping, from its line in `/proc/self/maps`, if it is code from a file.
#[cfg(target_os = "linux")]
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (range, mode) = (words.next()?, words.next()?);
    let is_file = words.nth(3)?.starts_with('/');
    let (start, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    (mode == "r-xp" && is_file).then(|| (start, end.saturating_sub(start)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_files_is_named() {
        let line = |mode, path| format!("1000-3000 {mode} 00000000 fe:00 12   {path}");
        assert_eq!(
            code(&line("r-xp", "/usr/bin/redwheel")),
            Some((0x1000, 0x2000))
        );
        for (mode, path) in [
            ("r--p", "/usr/bin/redwheel"),
            ("rwxp", "/usr/bin/redwheel"),
            ("r-xp", "[vdso]"),
            ("r-xp", ""),
        ] {
            assert_eq!(code(&line(mode, path)), None, "{mode} {path}");
        }
        forget();
    }
}
