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

/// Waits until a socket is writable, or its end can be detected.
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

/// The progress of a connection with its unsent bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sending {
    /// Bytes that the other side has taken so far.
    pub taken: u64,
    /// Bytes that it has yet to take.
    pub waiting: u64,
}

/// The kernel's figure for that; `None` where it has none (tcp(7), `TCP_INFO`).
#[cfg(target_os = "linux")]
pub fn sending(fd: RawFd) -> Option<Sending> {
    /// The offset of `tcpi_bytes_acked` in the kernel's record, which only ever grows at its end.
    const BYTES_ACKED: usize = 120;
    let mut record = [0u8; 256];
    let mut len = record.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into the record.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            record.as_mut_ptr().cast(),
            &mut len,
        )
    };
    let taken = record.get(BYTES_ACKED..BYTES_ACKED + 8)?;
    if done != 0 || (len as usize) < BYTES_ACKED + 8 {
        return None;
    }
    let mut waiting: libc::c_int = 0;
    // SAFETY: the kernel writes one number.
    if unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &mut waiting) } != 0 {
        return None;
    }
    Some(Sending {
        taken: u64::from_ne_bytes(taken.try_into().ok()?),
        waiting: u64::try_from(waiting).unwrap_or(0),
    })
}

#[cfg(not(target_os = "linux"))]
pub fn sending(_: RawFd) -> Option<Sending> {
    None
}

/// Ends a connection in both directions, even if another descriptor of it is open.
pub fn shut_down(fd: RawFd) {
    // SAFETY: a system call on a number; one that is no socket is refused.
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

/// A second hold on a socket, while which reading and writing wait.
#[derive(Debug)]
pub struct Waiting(Socket);

/// The time limit for sending to a peer that does not read.
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

    /// The bytes received next; empty at the end.
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
        // Only a closed socket could refuse, and then the limit does not matter.
        let _ = self.0.set_write_timeout(None);
        let _ = self.0.set_nonblocking(true);
    }
}

/// Sets the mode of a file, as `unixsocketperm` asks for the socket.
pub fn set_mode(path: &std::path::Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a loopback");
        let address = listener.local_addr().expect("it is bound");
        let ours = TcpStream::connect(address).expect("it listens");
        let theirs = listener.accept().expect("a connection").0;
        ours.set_nonblocking(true).expect("a socket can");
        (ours, theirs)
    }

    /// Fills the system's buffers. Returns their size.
    fn fill(fd: RawFd) -> usize {
        let bytes = vec![7; 1 << 20];
        let mut sent = 0;
        while let Ok(n) = send(fd, &bytes) {
            sent += n;
        }
        sent
    }

    #[test]
    fn a_full_socket_is_waited_for() {
        let (ours, mut theirs) = pair();
        let fd = ours.as_raw_fd();
        assert_eq!(await_writable(fd, 0).expect("it is open"), Ready::Yes);
        let sent = fill(fd);
        assert_eq!(await_writable(fd, 10).expect("it is open"), Ready::No);
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; sent];
            theirs.read_exact(&mut all).map(|()| theirs)
        });
        assert_eq!(await_writable(fd, 20_000).expect("it is open"), Ready::Yes);
        let _theirs = reader.join().expect("it ends").expect("all comes");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_other_side_takes_is_known() {
        let (ours, mut theirs) = pair();
        let fd = ours.as_raw_fd();
        let sent = fill(fd);
        let before = sending(fd).expect("the system knows");
        assert!(before.waiting > 0 && before.taken < sent as u64);
        let mut all = vec![0; sent];
        theirs.read_exact(&mut all).expect("all comes");
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while sending(fd).is_some_and(|now| now.waiting > 0) {
            assert!(std::time::Instant::now() < deadline, "it is all taken");
        }
        let after = sending(fd).expect("the system knows");
        assert!(after.taken > before.taken && after.taken >= sent as u64);
        assert_eq!(sending(-1), None);
    }

    #[test]
    fn a_connection_that_is_shut_down_takes_nothing() {
        let (ours, mut theirs) = pair();
        shut_down(ours.as_raw_fd());
        assert!(send(ours.as_raw_fd(), b"x").is_err());
        assert_eq!(theirs.read(&mut [0; 8]).expect("an end is no error"), 0);
        shut_down(-1);
    }
}
