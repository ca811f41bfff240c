//! A TLS session over a nonblocking socket of an edge-triggered loop.
//!
//! ```text
//!   socket --recv--> scratch --read_tls--> rustls --reader--> the buffer of the caller
//!   the bytes of the caller --writer--> rustls --write_tls--> socket
//! ```
//!
//! *Reading* takes from the socket until it has no more, or the caller has all the bytes that it
//! asked for; what was received but not decrypted stays in `received`. So a session that reports
//! that there is no more holds nothing that could be decrypted, and the next byte triggers an event.
//!
//! *Writing* reports bytes as taken only once their records are in the socket: until then it fails
//! with `WouldBlock`, and the caller offers the same bytes again. The caller's own count of pending
//! output is therefore all that is pending.

use super::{certificates, reason};
use rustls::{ClientConnection, Connection, ServerConnection};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::RawFd;

use crate::net::Received;
use crate::sys::socket;

/// Bytes received from the socket at once.
const SCRATCH: usize = 64 << 10;
/// The first byte of a handshake record.
const HANDSHAKE: u8 = 22;

thread_local! {
    /// Where records arrive before they are decrypted.
    static SCRATCHPAD: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(SCRATCH));
}

/// The TLS session of a link.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    /// Records received but not decrypted: the caller had no room for their content.
    received: Vec<u8>,
    /// Bytes of the caller that are encrypted but not reported as taken.
    encrypted: usize,
    progress: Progress,
    /// The socket is at its end, or has failed in this way.
    end: Option<End>,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing has come yet.
    Fresh,
    Handshake,
    /// The handshake is over, which its owner has not noticed yet.
    Established,
    Open,
}

/// What a socket may still hold after a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socketful {
    Perhaps,
    /// The read was short: there is nothing more, but perhaps the end.
    Short,
    Empty,
}

/// The end of what can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The peer has said that it sends no more.
    Orderly,
    /// The reason, in the words of OpenSSL.
    Broken(String),
}

impl Session {
    /// The session of an accepted connection.
    pub fn accepted(connection: ServerConnection) -> Session {
        Session::new(connection.into(), Progress::Fresh)
    }

    /// The session of a connection that this server opens. `shake_hands` makes it go on.
    pub fn connecting(connection: ClientConnection) -> Session {
        Session::new(connection.into(), Progress::Handshake)
    }

    fn new(connection: Connection, progress: Progress) -> Session {
        Session {
            connection,
            received: Vec::new(),
            encrypted: 0,
            progress,
            end: None,
        }
    }

    /// Goes on with the handshake as far as the socket allows. Returns whether it is over.
    ///
    /// # Errors
    /// If it failed: the reason, in the words of OpenSSL.
    pub fn shake_hands(&mut self, fd: RawFd) -> io::Result<bool> {
        while self.is_handshaking() {
            match self.flush(fd) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            let socket = self.receive(fd)?;
            match &self.end {
                Some(End::Broken(why)) => return Err(io::Error::other(why.clone())),
                Some(End::Orderly) => return Err(io::Error::other(reason::UNEXPECTED_EOF)),
                None if socket == Socketful::Empty => break,
                None => {}
            }
        }
        Ok(!self.is_handshaking())
    }

    /// Returns whether the handshake is not over yet.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.progress, Progress::Fresh | Progress::Handshake)
    }

    /// Returns whether the handshake is over, once.
    pub fn take_established(&mut self) -> bool {
        let is_fresh = self.progress == Progress::Established;
        if is_fresh {
            self.progress = Progress::Open;
        }
        is_fresh
    }

    /// Returns whether the peer has presented a certificate, which was verified.
    pub fn has_peer_certificate(&self) -> bool {
        self.connection.peer_certificates().is_some()
    }

    /// Returns the common name in the certificate of the peer, the whole of it: a zero byte within
    /// does not end it.
    pub fn peer_common_name(&self) -> Option<Vec<u8>> {
        let leaf = self.connection.peer_certificates()?.first()?;
        certificates::common_name(leaf)
    }

    /// Returns the URIs in the certificate of the peer.
    pub fn peer_uris(&self) -> Vec<Vec<u8>> {
        let chain = self.connection.peer_certificates();
        let leaf = chain.and_then(|chain| chain.first());
        leaf.map_or(Vec::new(), certificates::uris)
    }

    /// Reads at most `max` bytes of plaintext into `buffer`, as far as the socket has any.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing. If the peer does not speak TLS, is not trusted or breaks
    /// off: the reason, in the words of OpenSSL.
    pub fn read(&mut self, fd: RawFd, buffer: &mut Vec<u8>, max: usize) -> io::Result<Received> {
        let before = buffer.len();
        let mut socket = Socketful::Perhaps;
        loop {
            self.take_plaintext(buffer, before + max)?;
            let bytes = buffer.len() - before;
            if bytes == max {
                return Ok(Received { bytes, more: true });
            }
            if let Some(end) = &self.end {
                // The bytes before the end come first; the end follows with the next call.
                return match (bytes, end) {
                    (0, End::Orderly) => Ok(Received { bytes, more: false }),
                    (0, End::Broken(why)) => Err(io::Error::other(why.clone())),
                    _ => Ok(Received { bytes, more: true }),
                };
            }
            if !self.received.is_empty() {
                let rest = std::mem::take(&mut self.received);
                self.decrypt(fd, &rest);
                if self.received.len() == rest.len() {
                    // There is room for plaintext, so the records themselves are what is wrong.
                    self.end = Some(End::Broken(reason::RECORD_REFUSED.into()));
                }
                continue;
            }
            match (socket, bytes) {
                (Socketful::Perhaps, _) => {}
                // The end may have come with the last bytes, and triggers no event then.
                (Socketful::Short, 0) => {}
                (Socketful::Empty, 0) => return Err(io::ErrorKind::WouldBlock.into()),
                (_, bytes) => return Ok(Received { bytes, more: false }),
            }
            socket = self.receive(fd)?;
        }
    }

    /// Receives once, and decrypts as much as there is room for.
    fn receive(&mut self, fd: RawFd) -> io::Result<Socketful> {
        SCRATCHPAD.with_borrow_mut(|scratch| {
            scratch.clear();
            match socket::read_spare(fd, scratch, SCRATCH) {
                Ok(0) => {
                    self.end = Some(End::Broken(reason::UNEXPECTED_EOF.into()));
                    Ok(Socketful::Empty)
                }
                Ok(bytes) => {
                    self.decrypt(fd, scratch);
                    Ok(match bytes < SCRATCH {
                        true => Socketful::Short,
                        false => Socketful::Perhaps,
                    })
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Socketful::Empty),
                Err(error) => Err(error),
            }
        })
    }

    /// Decrypts records until the plaintext held is as much as rustls takes; keeps the rest.
    fn decrypt(&mut self, fd: RawFd, mut records: &[u8]) {
        if self.progress == Progress::Fresh {
            if let Some(why) = reason::of_no_tls(records) {
                // A reply in TLS would look like garbage to a client that speaks the protocol.
                self.end = Some(End::Broken(why.into()));
                return;
            }
            self.progress = Progress::Handshake;
        }
        while !records.is_empty() && self.end.is_none() {
            match self.connection.read_tls(&mut records) {
                Ok(0) => break,
                Ok(_) => self.process(fd),
                // Its plaintext has to be taken first.
                Err(_) => break,
            }
        }
        if self.end.is_none() {
            self.received = records.to_vec();
        }
    }

    fn process(&mut self, fd: RawFd) {
        match self.connection.process_new_packets() {
            Ok(state) if state.peer_has_closed() => self.end = Some(End::Orderly),
            Ok(_) => {}
            Err(error) => self.end = Some(End::Broken(reason::of_error(&error))),
        }
        if self.progress == Progress::Handshake && !self.connection.is_handshaking() {
            self.progress = Progress::Established;
        }
        if self.connection.wants_write() {
            // Alerts, tickets and the next flight; if the socket is full, the rest goes out when
            // it is writable.
            let _ = self.flush(fd);
        }
    }

    /// Moves plaintext into `buffer`, up to this length.
    fn take_plaintext(&mut self, buffer: &mut Vec<u8>, until: usize) -> io::Result<()> {
        while buffer.len() < until {
            let room = (until - buffer.len()) as u64;
            match self.connection.reader().take(room).read_to_end(buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // Nothing there, or the end without a farewell: `end` knows.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Encrypts and sends pieces, one behind the other. Returns the number of bytes taken: fewer
    /// than there are if the socket is full.
    ///
    /// # Errors
    /// `WouldBlock` while the handshake is not over, or the socket takes nothing: the same bytes
    /// are to be offered again.
    pub fn write_pieces(&mut self, fd: RawFd, pieces: &[IoSlice]) -> io::Result<usize> {
        if self.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut rest: SmallVec<[IoSlice; 4]> = SmallVec::from_slice(pieces);
        let mut rest = &mut rest[..];
        let mut taken = 0;
        loop {
            if self.encrypted == 0 {
                self.encrypted = self.connection.writer().write_vectored(rest)?;
            }
            match self.flush(fd) {
                Ok(()) => {}
                Err(error) if taken > 0 && error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(taken);
                }
                Err(error) => return Err(error),
            }
            let sent = std::mem::take(&mut self.encrypted);
            taken += sent;
            IoSlice::advance_slices(&mut rest, sent);
            if rest.iter().all(|piece| piece.is_empty()) {
                return Ok(taken);
            }
        }
    }

    /// Sends records that are ready.
    ///
    /// # Errors
    /// `WouldBlock` if the socket does not take them all.
    pub fn flush(&mut self, fd: RawFd) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Socket(fd))?;
        }
        Ok(())
    }

    /// Tells the peer that nothing more comes, if the socket takes that.
    pub fn close(&mut self, fd: RawFd) {
        if self.end.is_none() && self.progress != Progress::Fresh {
            self.connection.send_close_notify();
            // The connection ends in any case.
            let _ = self.flush(fd);
        }
    }

    /// Returns the memory held, in bytes.
    pub fn held(&self) -> usize {
        /// What rustls holds for a session beside its structure: keys, transcript and queues.
        const KEYS: usize = 6 << 10;
        size_of::<Session>() + KEYS + self.received.capacity()
    }
}

/// A socket to write to.
struct Socket(RawFd);

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket::send(self.0, bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice]) -> io::Result<usize> {
        socket::send_pieces(self.0, pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns whether these first bytes of a connection begin a handshake.
pub fn begins_handshake(bytes: &[u8]) -> bool {
    bytes.first() == Some(&HANDSHAKE)
}
