//! Writing to one replica: the stream from the backlog, and the file of a snapshot.
//!
//! A replica gets the bytes of the backlog from its next byte on; nothing is copied for it. The
//! caller passes the function that writes to the socket.

use super::backlog::Backlog;
use super::replica::{Replica, Stage};
use crate::sys::reason;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

/// Bytes written to one replica per iteration of the event loop.
const WRITE_MAX: usize = 1 << 20;
/// Pieces handed to the system at once.
const PIECES: usize = 64;
/// Bytes of a file read at once.
const FILE_PIECE: usize = 64 << 10;

/// Writes pieces to a socket and returns the number of bytes it took.
pub type Send<'a> = dyn FnMut(&[IoSlice]) -> io::Result<usize> + 'a;

/// The result of a write.
#[derive(Debug)]
pub enum Wrote {
    /// There is nothing more to send.
    All,
    /// There is more, but others are to have their turn.
    Part,
    /// The socket takes nothing more.
    Blocked,
    /// The snapshot file is sent completely.
    File,
    Failed(io::Error),
}

impl Replica {
    /// Writes what the replica is owed, at most `WRITE_MAX` bytes. Returns the number of bytes
    /// written beside the result.
    pub(super) fn write(&mut self, backlog: Option<&Backlog>, send: &mut Send) -> (Wrote, u64) {
        let mut total = 0;
        let wrote = match &mut self.stage {
            Stage::SendFile { file, sent, len } => send_file(file, sent, *len, send, &mut total),
            Stage::Online | Stage::Beside => match backlog {
                Some(backlog) => send_backlog(backlog, &mut self.next, send, &mut total),
                None => Wrote::All,
            },
            Stage::WaitStart | Stage::WaitEnd(_) | Stage::WaitChannel => Wrote::All,
        };
        (wrote, total)
    }
}

fn send_file(file: &File, sent: &mut u64, len: u64, send: &mut Send, total: &mut u64) -> Wrote {
    let mut buffer = vec![0; FILE_PIECE];
    while *sent < len {
        if *total >= WRITE_MAX as u64 {
            return Wrote::Part;
        }
        let want = buffer.len().min((len - *sent) as usize);
        let read = match file.read_at(&mut buffer[..want], *sent) {
            Ok(0) => {
                log::warn!("Read error sending DB to replica: premature EOF");
                return Wrote::Failed(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(n) => n,
            Err(error) => {
                log::warn!("Read error sending DB to replica: {}", reason(&error));
                return Wrote::Failed(error);
            }
        };
        match send(&[IoSlice::new(&buffer[..read])]) {
            Ok(n) => {
                *sent += n as u64;
                *total += n as u64;
                if n < read {
                    return Wrote::Blocked;
                }
            }
            Err(error) => return failed(error),
        }
    }
    Wrote::File
}

fn send_backlog(backlog: &Backlog, next: &mut u64, send: &mut Send, total: &mut u64) -> Wrote {
    let mut pieces = [IoSlice::new(&[]); PIECES];
    let count = backlog.pieces(*next, WRITE_MAX, &mut pieces);
    let bytes: usize = pieces[..count].iter().map(|piece| piece.len()).sum();
    match send(&pieces[..count]) {
        Ok(n) => {
            *next += n as u64;
            *total += n as u64;
            match () {
                () if n < bytes => Wrote::Blocked,
                () if *next < backlog.next() => Wrote::Part,
                () => Wrote::All,
            }
        }
        Err(error) => failed(error),
    }
}

fn failed(error: io::Error) -> Wrote {
    match error.kind() {
        io::ErrorKind::WouldBlock => Wrote::Blocked,
        io::ErrorKind::Interrupted => Wrote::Part,
        _ => Wrote::Failed(error),
    }
}
