//! A TLS connection with blocking reads and writes.

use super::reason;
use crate::sys::clock::{Duration, mono_ms};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A TLS connection with blocking reads and writes, whose handshake is over.
#[derive(Debug)]
pub struct Stream(StreamOwned<ClientConnection, TcpStream>);

impl Stream {
    /// Makes the handshake within a time limit.
    ///
    /// # Errors
    /// If the peer breaks off, is not trusted or takes too long.
    pub fn new(
        mut connection: ClientConnection,
        mut socket: TcpStream,
        limit: Duration,
    ) -> io::Result<Stream> {
        let end_ms = mono_ms() + limit.as_millis() as u64;
        while connection.is_handshaking() || connection.wants_write() {
            let left_ms = end_ms.saturating_sub(mono_ms());
            if left_ms == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let left = Duration::from_millis(left_ms);
            let stepped = if connection.wants_write() {
                socket.set_write_timeout(Some(left))?;
                connection.write_tls(&mut socket).map(|_| 1)
            } else {
                socket.set_read_timeout(Some(left))?;
                connection.read_tls(&mut socket)
            };
            match stepped {
                Ok(0) => return Err(io::Error::other(reason::UNEXPECTED_EOF)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            let processed = connection.process_new_packets();
            processed.map_err(|error| io::Error::other(reason::of_error(&error)))?;
        }
        Ok(Stream(StreamOwned::new(connection, socket)))
    }

    /// Returns the socket, to set its time limits.
    pub fn socket(&self) -> &TcpStream {
        &self.0.sock
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
