//! Files that must survive a power cut: contents and directories brought to disk.
//!
//! A new version of a file is written beside the old one, synced, and renamed over it; only when
//! the directory is synced too does the new name last.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Brings data and metadata to disk.
pub fn fsync(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Brings data to disk, and of the metadata only what reading it back needs.
pub fn fdatasync(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// The directory a file lies in; `.` for a bare name.
pub fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Syncs a directory's entries to disk. Filesystems without support for it count as synced.
pub fn fsync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        Err(e) if matches!(e.raw_os_error(), Some(libc::EBADF | libc::EINVAL)) => Ok(()),
        result => result,
    }
}

/// Makes the kernel begin to write a stretch of a file to disk, and waits for the stretch before.
/// So a long file reaches the disk as it is made, not in one go at the end.
pub fn write_out(file: &File, offset: u64, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let range = |offset: u64, flags| {
            // SAFETY: the descriptor is open for the duration of the call; the rest are numbers.
            let done = unsafe {
                let (offset, len) = (offset as libc::off64_t, len as libc::off64_t);
                libc::sync_file_range(file.as_raw_fd(), offset, len, flags)
            };
            match done {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        range(offset, libc::SYNC_FILE_RANGE_WRITE)?;
        if let Some(before) = offset.checked_sub(len) {
            let wait = libc::SYNC_FILE_RANGE_WAIT_BEFORE
                | libc::SYNC_FILE_RANGE_WRITE
                | libc::SYNC_FILE_RANGE_WAIT_AFTER;
            range(before, wait)?;
        }
        Ok(())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (offset, len);
        file.sync_data()
    }
}

/// Tells the kernel that these pages will not be read again soon, so they need not crowd out
/// others. Only a hint: failure does not matter.
pub fn drop_from_page_cache(file: &File, offset: u64, len: u64) {
    #[cfg(target_os = "linux")]
    // SAFETY: the descriptor is open for the duration of the call; the rest are numbers.
    unsafe {
        let (offset, len) = (offset as libc::off_t, len as libc::off_t);
        libc::posix_fadvise(file.as_raw_fd(), offset, len, libc::POSIX_FADV_DONTNEED);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file.as_raw_fd(), offset, len);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_here() {
        assert_eq!(directory_of(Path::new("dump.rdb")), Path::new("."));
        assert_eq!(directory_of(Path::new("/a/b")), Path::new("/a"));
    }
}
