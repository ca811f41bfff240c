//! A connection with blocking requests: what MIGRATE uses. No client is served meanwhile, so every
//! step has a time limit.

use crate::net::tls;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

pub use crate::sys::clock::Duration;

/// The longest line of a reply.
const LINE_MAX: usize = 16 << 10;

/// A blocking connection, plain or over TLS.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<tls::Stream>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.socket(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(bytes),
            Stream::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection with blocking requests and time limits.
#[derive(Debug)]
pub struct Peer {
    stream: BufReader<Stream>,
}

impl Peer {
    /// Connects within a time limit, over TLS if contexts for that are given. The handshake has the
    /// same limit.
    pub fn connect(
        host: &str,
        port: u16,
        limit: Duration,
        tls: Option<&tls::Contexts>,
    ) -> io::Result<Peer> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    let stream = match tls {
                        None => Stream::Plain(socket),
                        Some(tls) => Stream::Tls(Box::new(tls.shake_hands(socket, host, limit)?)),
                    };
                    let stream = BufReader::new(stream);
                    return Ok(Peer { stream });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends it all.
    pub fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.socket().set_write_timeout(Some(limit))?;
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// The next line of the reply, without its end.
    pub fn line(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        let socket = self.stream.get_ref().socket();
        socket.set_read_timeout(Some(limit))?;
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
