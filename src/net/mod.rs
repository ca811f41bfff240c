//! Sockets: links to clients and the listeners they come through. mio appears here and in the
//! reactor only.

pub mod listeners;
pub mod peer;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub mod tls;
pub mod tls_settings;

use crate::net::tls::{Contexts, Session};
use crate::sys::clock::Duration;
use crate::sys::socket;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

/// A nonblocking connection.
#[derive(Debug)]
pub enum Link {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// A TCP socket with a TLS session on it.
    Tls(TcpStream, Box<Session>),
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The number of bytes; 0 is the end.
    pub bytes: usize,
    /// There may be more to read without another event.
    pub more: bool,
}

impl Link {
    /// Returns a link and the socket at its other end.
    pub fn pair() -> io::Result<(Link, std::os::unix::net::UnixStream)> {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        Ok((Link::Unix(UnixStream::from_std(near)), far))
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Link::Tcp(stream) | Link::Tls(stream, _) => stream,
            Link::Unix(stream) => stream,
        }
    }

    pub fn fd(&self) -> RawFd {
        match self {
            Link::Tcp(stream) | Link::Tls(stream, _) => stream.as_raw_fd(),
            Link::Unix(stream) => stream.as_raw_fd(),
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Link::Unix(_))
    }

    /// Starts a TLS session on a TCP link that nothing was read from or written to.
    pub fn secure(self, session: Session) -> Link {
        match self {
            Link::Tcp(stream) => Link::Tls(stream, Box::new(session)),
            other => other,
        }
    }

    /// Makes a link that was opened to `host` one over TLS.
    ///
    /// # Errors
    /// If there are no contexts.
    pub fn secure_to(self, host: &str, contexts: Option<&Contexts>) -> io::Result<Link> {
        let contexts = contexts.ok_or_else(|| io::Error::other("TLS is not configured"))?;
        let session = contexts.connect(host).map_err(io::Error::other)?;
        Ok(self.secure(session))
    }

    /// Returns the TLS session, if there is one.
    #[inline(always)]
    pub fn session(&mut self) -> Option<&mut Session> {
        match self {
            Link::Tls(_, session) => Some(session),
            _ => None,
        }
    }

    /// Returns whether a TLS handshake is going on.
    pub fn is_handshaking(&self) -> bool {
        matches!(self, Link::Tls(_, session) if session.is_handshaking())
    }

    /// Returns the memory held for the transport, in bytes.
    pub fn held(&self) -> usize {
        match self {
            Link::Tls(_, session) => session.held(),
            _ => 0,
        }
    }

    /// Sends what the transport itself holds: the socket is writable again.
    #[inline(always)]
    pub fn flush(&mut self) {
        if let Link::Tls(stream, session) = self {
            // A failure shows with the next read or write.
            let _ = session.flush(stream.as_raw_fd());
        }
    }

    /// Tells the peer that nothing more comes, where the transport has a way to.
    pub fn close(&mut self) {
        if let Link::Tls(stream, session) = self {
            session.close(stream.as_raw_fd());
        }
    }

    /// Watches both directions once and for all: edge-triggered, a direction costs nothing while
    /// nothing happens in it.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source()
            .register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Registers it under another token; events that are already pending are reported again.
    pub fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source()
            .reregister(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }

    /// Begins to connect, from the address `from` unless that is empty. Looking the name up may take
    /// a while; whether there is a connection shows when the link becomes writable.
    pub fn connect(host: &str, port: u16, from: &str) -> io::Result<Link> {
        let mut last = io::Error::other("Name or service not known");
        for address in (host, port).to_socket_addrs()? {
            match Link::connect_to(address, from) {
                Ok(link) => return Ok(link),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connect_to(address: SocketAddr, from: &str) -> io::Result<Link> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), None)?;
        if !from.is_empty() {
            socket.set_reuse_address(true)?;
            socket.bind(&resolve(from, 0)?.into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(Link::Tcp(TcpStream::from_std(socket.into()))),
        }
    }

    /// Goes on with a link that was begun, and returns whether it stands by now: connected, and the
    /// TLS handshake is over.
    ///
    /// # Errors
    /// If there will be none.
    pub fn is_connected(&mut self) -> io::Result<bool> {
        let (Link::Tcp(stream) | Link::Tls(stream, _)) = self else {
            return Ok(true);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        if stream.peer_addr().is_err() {
            return Ok(false);
        }
        match self {
            Link::Tls(stream, session) => session.shake_hands(stream.as_raw_fd()),
            _ => Ok(true),
        }
    }

    /// Reads at most `max` bytes into the spare room of `buffer`.
    #[inline(always)]
    pub fn read(&mut self, buffer: &mut Vec<u8>, max: usize) -> io::Result<Received> {
        if let Link::Tls(stream, session) = self {
            return session.read(stream.as_raw_fd(), buffer, max);
        }
        let bytes = socket::read_spare(self.fd(), buffer, max)?;
        // A short read has drained the socket, so the next byte triggers an edge.
        let more = bytes == max;
        Ok(Received { bytes, more })
    }

    /// Writes without blocking; returns the number of bytes taken. What was not taken is tried
    /// again from its first byte.
    #[inline(always)]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Link::Tls(stream, session) = self {
            return session.write_pieces(stream.as_raw_fd(), &[io::IoSlice::new(bytes)]);
        }
        socket::send(self.fd(), bytes)
    }

    /// Writes several pieces, one behind the other, in one system call.
    pub fn write_pieces(&mut self, pieces: &[io::IoSlice]) -> io::Result<usize> {
        if let Link::Tls(stream, session) = self {
            return session.write_pieces(stream.as_raw_fd(), pieces);
        }
        socket::send_pieces(self.fd(), pieces)
    }

    /// Sets what every accepted connection gets; `keepalive_s` 0 for none.
    pub fn tune(&self, keepalive_s: u32) {
        let (Link::Tcp(stream) | Link::Tls(stream, _)) = self else {
            return;
        };
        // A closed connection makes these fail; the first read will report it.
        let _ = stream.set_nodelay(true);
        if keepalive_s > 0 {
            let time = Duration::from_secs(keepalive_s as u64);
            let step = Duration::from_secs((keepalive_s as u64 / 3).max(1));
            let keepalive = TcpKeepalive::new()
                .with_time(time)
                .with_interval(step)
                .with_retries(3);
            let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
        }
    }

    /// Ends the connection, even if another handle to it is open.
    pub fn shut_down(&self) {
        socket::shut_down(self.fd());
    }

    /// Sets whether small writes are delayed to be sent together.
    pub fn delay_small(&self, on: bool) {
        if let Link::Tcp(stream) | Link::Tls(stream, _) = self {
            // A closed connection makes this fail; the first read will report it.
            let _ = stream.set_nodelay(!on);
        }
    }

    /// (address of the peer, our address), as CLIENT LIST prints them.
    pub fn addresses(&self) -> (String, String) {
        match self {
            Link::Tcp(stream) | Link::Tls(stream, _) => {
                let text = |a: io::Result<SocketAddr>| a.map_or("?:0".into(), |a| address_text(&a));
                (text(stream.peer_addr()), text(stream.local_addr()))
            }
            Link::Unix(stream) => {
                let path = stream.local_addr().ok();
                let path = path.as_ref().and_then(|a| a.as_pathname());
                let text = format!(
                    "{}:0",
                    path.map_or(String::new(), |p| p.display().to_string())
                );
                (text.clone(), text)
            }
        }
    }

    /// Whether the peer is this very machine.
    pub fn is_local(&self) -> bool {
        match self {
            Link::Tcp(stream) | Link::Tls(stream, _) => stream
                .peer_addr()
                .is_ok_and(|a| a.ip().to_canonical().is_loopback()),
            Link::Unix(_) => true,
        }
    }
}

/// `1.2.3.4:5` or `[::1]:5`, as Redis prints addresses.
pub fn address_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.to_string(),
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => format!("{v4}:{}", v6.port()),
            None => format!("[{}]:{}", v6.ip(), v6.port()),
        },
    }
}

/// A socket that waits for connections.
#[derive(Debug)]
pub struct Listener {
    socket: ListeningSocket,
    kind: Kind,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What the connections of a listener speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Unix,
    Tls,
}

impl Listener {
    pub fn fd(&self) -> RawFd {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener.as_raw_fd(),
            ListeningSocket::Unix(listener) => listener.as_raw_fd(),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.socket {
            ListeningSocket::Tcp(listener) => listener,
            ListeningSocket::Unix(listener) => listener,
        }
    }

    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE)
    }

    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }

    /// The next connection that waits, or `WouldBlock`.
    pub fn accept(&self) -> io::Result<Link> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => Ok(Link::Tcp(listener.accept()?.0)),
            ListeningSocket::Unix(listener) => Ok(Link::Unix(listener.accept()?.0)),
        }
    }

    /// Returns what its connections speak.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Listens on an address of `bind`: a name, an IP address, `*` or `::*`.
    /// `mark` other than 0 is set on the socket (`socket-mark-id`).
    pub fn tcp(host: &str, port: u16, kind: Kind, backlog: i32, mark: u32) -> io::Result<Listener> {
        let address = resolve(host, port)?;
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), None)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        #[cfg(target_os = "linux")]
        if mark != 0 {
            socket.set_mark(mark)?;
        }
        #[cfg(not(target_os = "linux"))]
        let _ = mark;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        let socket = ListeningSocket::Tcp(TcpListener::from_std(socket.into()));
        Ok(Listener { socket, kind })
    }

    /// Listens on a path; a socket left there by an earlier server is replaced.
    pub fn unix(path: &Path, mode: u32, backlog: i32) -> io::Result<Listener> {
        let _ = std::fs::remove_file(path);
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        if mode != 0 {
            socket::set_mode(path, mode)?;
        }
        socket.listen(backlog)?;
        let socket = ListeningSocket::Unix(UnixListener::from_std(socket.into()));
        let kind = Kind::Unix;
        Ok(Listener { socket, kind })
    }
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    match host {
        "*" => Ok(SocketAddr::from(([0, 0, 0, 0], port))),
        "::*" => Ok(SocketAddr::from(([0u16; 8], port))),
        _ => (host, port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::other("Name or service not known")),
    }
}
