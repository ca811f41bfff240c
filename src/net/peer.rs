//! A connection with blocking requests: what MIGRATE uses. No client is served meanwhile, so every
//! step has a time limit.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};

pub use crate::sys::clock::Duration;

/// The longest line of a reply.
const LINE_MAX: usize = 16 << 10;

/// A connection with blocking requests and time limits.
#[derive(Debug)]
pub struct Peer {
    stream: BufReader<TcpStream>,
}

impl Peer {
    pub fn connect(host: &str, port: u16, limit: Duration) -> io::Result<Peer> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Peer {
                        stream: BufReader::new(stream),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends it all.
    pub fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.set_write_timeout(Some(limit))?;
        stream.write_all(bytes)
    }

    /// The next line of the reply, without its end.
    pub fn line(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        self.stream.get_mut().set_read_timeout(Some(limit))?;
        let mut line = Vec::new();
        loop {
            let seen = self.stream.fill_buf()?;
            if seen.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (len, done) = match memchr::memchr(b'\n', seen) {
                Some(at) => (at + 1, true),
                None => (seen.len(), false),
            };
            line.extend_from_slice(&seen[..len]);
            self.stream.consume(len);
            if done {
                while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
                    line.pop();
                }
                return Ok(line);
            }
            if line.len() > LINE_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}
