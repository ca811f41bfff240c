//! A snapshot from a child straight into the sockets of replicas, without a file in between.
//!
//! Its length is not known before its end, so it stands between two marks:
//!
//! ```text
//!   $EOF:<40 bytes>\r\n  <snapshot>  <the same 40 bytes>
//! ```
//!
//! The child writes and waits itself, so the loop has nothing to do with it; during the transfer
//! it is the only writer to these sockets. All replicas get the same bytes, so the slowest sets
//! the pace; a replica whose connection ends is skipped, and the server disconnects one that
//! accepts nothing for too long.

use super::save::{self, Snapshot};
use crate::keyspace::Keyspace;
use crate::rdb::version::Refusal;
use crate::sys::clock;
use crate::sys::fork::{ProgressPipe, Report, private_dirty_bytes};
use crate::sys::socket;
use std::io::{self, Write};

/// Bytes gathered before they are sent.
const PIECE: usize = 64 << 10;
/// The longest single wait for a socket, in milliseconds.
const WAIT_MS: u64 = 1_000;
/// The interval of a child's progress reports.
const REPORT_US: u64 = 1_000_000;

/// The content of a transfer and the receiving replicas.
#[derive(Clone, Debug)]
pub struct TransferJob {
    pub snapshot: Snapshot,
    /// Without keys: only functions are requested.
    pub no_keys: bool,
    pub mark: [u8; 40],
    pub sockets: Vec<i32>,
}

/// The sockets that are still there, as one sink.
struct Sockets {
    alive: Vec<i32>,
    buffer: Vec<u8>,
}

impl Sockets {
    fn send(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.buffer);
        self.alive.retain(|&socket| {
            let sent = send_all(socket, &bytes);
            if sent.is_err() {
                socket::shut_down(socket);
            }
            sent.is_ok()
        });
        self.buffer = bytes;
        self.buffer.clear();
        match self.alive.is_empty() {
            true => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
            false => Ok(()),
        }
    }
}

/// Waits without a limit: the server disconnects a replica that accepts nothing for too long.
fn send_all(socket: i32, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket::send(socket, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket::await_writable(socket, WAIT_MS)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Write for Sockets {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.send()
    }
}

/// The function of the transferring child.
pub fn transfer_in_child(keyspace: &Keyspace, job: &TransferJob, pipe: &mut ProgressPipe) -> i32 {
    let mut sockets = Sockets {
        alive: job.sockets.clone(),
        buffer: Vec::with_capacity(2 * PIECE),
    };
    let mut told_us = clock::mono_us();
    let mut last = 0;
    let mut progress = |keys| {
        last = keys;
        let now_us = clock::mono_us();
        if now_us - told_us >= REPORT_US {
            told_us = now_us;
            let copied_bytes = private_dirty_bytes();
            pipe.send(Report { copied_bytes, keys });
        }
    };
    let sent = send_snapshot(keyspace, job, &mut sockets, &mut progress);
    let copied_bytes = private_dirty_bytes();
    pipe.send(Report {
        copied_bytes,
        keys: last,
    });
    match sent {
        Ok(()) => {
            let mb = copied_bytes / (1 << 20);
            log::info!("Fork CoW for RDB: current {mb} MB, peak {mb} MB, average {mb} MB");
            0
        }
        Err(error) => {
            if let Some(refusal) = error
                .get_ref()
                .and_then(|why| why.downcast_ref::<Refusal>())
            {
                log::warn!("A replica cannot read the data: {refusal}");
            }
            1
        }
    }
}

fn send_snapshot(
    keyspace: &Keyspace,
    job: &TransferJob,
    sockets: &mut Sockets,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    sockets.write_all(b"$EOF:")?;
    sockets.write_all(&job.mark)?;
    sockets.write_all(b"\r\n")?;
    match job.no_keys {
        true => save::write_without_keys(sockets, &job.snapshot)?,
        false => save::write(keyspace, sockets, &job.snapshot, progress)?,
    }
    sockets.write_all(&job.mark)?;
    sockets.flush()
}
