//! Reading from a socket into the spare room of a vector: no zeroing first, one syscall. And a socket
//! that is waited for, for the one conversation that everything else has to wait for.
#![allow(unsafe_code)]

use super::clock::Duration;
use socket2::Socket;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, RawFd};

/// Reads at most `max` bytes behind what `buffer` holds, within its capacity. 0 is the end.
pub fn read_spare(fd: RawFd, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let room = spare.len().min(max);
    // SAFETY: the kernel writes at most `room` bytes into memory that the vector owns.
    let n = unsafe { libc::recv(fd, spare.as_mut_ptr().cast(), room, 0) };
    if n < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the first `n` spare bytes were just written.
    unsafe { buffer.set_len(buffer.len() + n as usize) };
    Ok(n as usize)
}

/// Sends what the socket takes. A peer that is gone is an error, never a signal.
pub fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads from a slice.
    let n = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
    if n < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(n as usize)
    }
}

/// Sends pieces one behind the other, as far as the socket takes them.
pub fn send_pieces(fd: RawFd, pieces: &[io::IoSlice]) -> io::Result<usize> {
    // SAFETY: all bytes zero are a valid message header, one that says nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // An IoSlice has the layout of an iovec, which the kernel only reads here.
    message.msg_iov = pieces.as_ptr().cast_mut().cast();
    message.msg_iovlen = pieces.len() as _;
    // SAFETY: the header names `pieces.len()` slices that live as long as this call.
    let n = unsafe { libc::sendmsg(fd, &message, libc::MSG_NOSIGNAL) };
    if n < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(n as usize)
    }
}

/// Whether a socket became ready in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    Yes,
    No,
}

/// Waits until a socket takes bytes, or its end can be told.
pub fn await_writable(fd: RawFd, limit_ms: u64) -> io::Result<Ready> {
    let mut wanted = libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    };
    let limit_ms = i32::try_from(limit_ms).unwrap_or(i32::MAX);
    // SAFETY: the kernel reads and writes the one record it is given.
    match unsafe { libc::poll(&mut wanted, 1, limit_ms) } {
        0 => Ok(Ready::No),
        n if n > 0 => Ok(Ready::Yes),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(Ready::Yes),
            error => Err(error),
        },
    }
}

/// Ends a connection for both sides, whoever else holds its descriptor.
pub fn shut_down(fd: RawFd) {
    // SAFETY: a system call on a number; one that is no socket is refused.
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

/// A second hold on a socket, while which reading and writing wait.
#[derive(Debug)]
pub struct Waiting(Socket);

/// Who does not read is waited for this long.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes received at once.
const PIECE: usize = 1024;

impl Waiting {
    /// Takes hold of a socket that is open.
    pub fn over(fd: RawFd) -> io::Result<Waiting> {
        if fd < 0 {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // SAFETY: the descriptor is that of a connection its owner keeps open during this call.
        let socket = Socket::from(unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?);
        socket.set_nonblocking(false)?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Waiting(socket))
    }

    /// What was received next; nothing at the end.
    pub fn receive(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; PIECE];
        let count = (&self.0).read(&mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Only a socket that is gone could refuse, and then nobody misses it.
        let _ = self.0.set_write_timeout(None);
        let _ = self.0.set_nonblocking(true);
    }
}

/// Sets the mode of a file, as `unixsocketperm` asks for the socket.
pub fn set_mode(path: &std::path::Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
