//! Relays: the snapshot of a child on its way to replicas over TLS.
//!
//! A child cannot go on with the TLS session of its parent, since both would count records. So it
//! writes to one end of a pair of sockets, and the event loop encrypts what comes out of the other:
//!
//! ```text
//!   child --pair of sockets--> Relay --TLS--> replica
//!         --------------------plain---------> replica
//! ```
//!
//! A relay holds one piece at most, so that a slow replica slows the child down, as it does without
//! TLS. It ends when the child has closed its end and all was written; only then is the transfer over.

use crate::net::Link;
use crate::sys::fork::Exit;
use std::io;

/// Bytes read from the child at once.
const PIECE: usize = 64 << 10;
/// Bytes per replica and iteration of the event loop.
const TURN_MAX: usize = 1 << 20;

/// The relay to one replica.
#[derive(Debug)]
pub struct Relay {
    /// The number of the replica's client, and its slot.
    client: u64,
    slot: usize,
    from_child: Link,
    /// Bytes of the child, of which so many were written.
    piece: Vec<u8>,
    written: usize,
    is_watched: bool,
    has_ended: bool,
}

/// How far a relay has come in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Bytes that were written.
    pub bytes: usize,
    pub state: Progress,
}

/// What a relay waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// An event of one of its sockets.
    Waiting,
    /// Nothing: others have their turn.
    GoesOn,
    /// The child has ended and everything was written.
    Ended,
}

impl Relay {
    pub fn new(client: u64, slot: usize, from_child: Link) -> Relay {
        Relay {
            client,
            slot,
            from_child,
            piece: Vec::new(),
            written: 0,
            is_watched: false,
            has_ended: false,
        }
    }

    pub fn client(&self) -> u64 {
        self.client
    }

    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Moves bytes of the child to the replica, as far as the sockets allow.
    ///
    /// # Errors
    /// If one of the connections is broken.
    pub fn relay(&mut self, replica: &mut Link) -> io::Result<Relayed> {
        let mut bytes = 0;
        loop {
            if self.written == self.piece.len() && !self.receive()? {
                let state = match self.has_ended {
                    true => Progress::Ended,
                    false => Progress::Waiting,
                };
                return Ok(Relayed { bytes, state });
            }
            match replica.write(&self.piece[self.written..]) {
                Ok(n) => {
                    self.written += n;
                    bytes += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let state = Progress::Waiting;
                    return Ok(Relayed { bytes, state });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if bytes >= TURN_MAX {
                let state = Progress::GoesOn;
                return Ok(Relayed { bytes, state });
            }
        }
    }

    /// Reads a piece from the child. False if there is none now.
    fn receive(&mut self) -> io::Result<bool> {
        self.written = 0;
        self.piece.clear();
        if self.has_ended {
            return Ok(false);
        }
        self.piece.reserve(PIECE);
        match self.from_child.read(&mut self.piece, PIECE) {
            Ok(received) => {
                self.has_ended = received.bytes == 0;
                Ok(!self.has_ended)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The relays of the transfer that is under way.
#[derive(Debug, Default)]
pub struct Relays {
    list: Vec<Relay>,
    /// One of them may have something to do.
    has_news: bool,
    /// The child has ended in this way while there were relays.
    exit: Option<Exit>,
}

impl Relays {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn add(&mut self, relay: Relay) {
        self.list.push(relay);
    }

    /// Drops all of them: the child finds its ends closed.
    pub fn clear(&mut self) {
        *self = Relays::default();
    }

    /// Returns the descriptors of the server's ends.
    pub fn fds(&self) -> impl Iterator<Item = i32> {
        self.list.iter().map(|relay| relay.from_child.fd())
    }

    /// Returns the server's ends that the event loop does not watch yet; they are regarded as
    /// watched from now on.
    pub fn take_unwatched(&mut self) -> impl Iterator<Item = &mut Link> {
        let relays = self.list.iter_mut();
        let unwatched = relays.filter(|relay| !relay.is_watched);
        unwatched.map(|relay| {
            relay.is_watched = true;
            &mut relay.from_child
        })
    }

    /// Notes an event of the sockets of a relay.
    pub fn note_news(&mut self) {
        self.has_news = true;
    }

    /// Returns whether relays have something to do.
    pub fn goes_on(&self) -> bool {
        self.has_news && !self.list.is_empty()
    }

    /// Takes the relays for their turn; `put_back` returns those that are left.
    pub fn take(&mut self) -> Vec<Relay> {
        self.has_news = false;
        std::mem::take(&mut self.list)
    }

    pub fn put_back(&mut self, relays: Vec<Relay>) {
        self.list = relays;
    }

    /// Remembers how the child has ended, until its last bytes are written.
    pub fn child_ended(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.has_news = true;
    }

    /// Returns how the child has ended, once there are no relays any more.
    pub fn take_exit(&mut self) -> Option<Exit> {
        match self.list.is_empty() {
            true => self.exit.take(),
            false => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn everything_comes_through_whatever_the_sockets_hold() {
        let (from_child, mut child) = Link::pair().expect("a pair of sockets");
        let (mut replica, mut far) = Link::pair().expect("a pair of sockets");
        far.set_nonblocking(true).expect("a socket");
        child.set_nonblocking(true).expect("a socket");
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut relay = Relay::new(1, 0, from_child);
        let (mut written, mut got) = (0, Vec::new());
        let mut child = Some(&mut child);
        let mut most = 0;
        loop {
            if let Some(child) = &mut child {
                match child.write(&sent[written..]) {
                    Ok(n) => written += n,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
            if written == sent.len()
                && let Some(child) = child.take()
            {
                child
                    .shutdown(std::net::Shutdown::Write)
                    .expect("it is open");
            }
            let relayed = relay.relay(&mut replica).expect("both are there");
            most = most.max(relay.piece.capacity());
            let mut bytes = [0; 100_000];
            if let Ok(n) = far.read(&mut bytes) {
                got.extend_from_slice(&bytes[..n]);
            }
            if relayed.state == Progress::Ended {
                break;
            }
        }
        while got.len() < sent.len() {
            let mut bytes = [0; 100_000];
            let n = far.read(&mut bytes).expect("it is there");
            got.extend_from_slice(&bytes[..n]);
        }
        assert!(got == sent);
        assert!(most <= PIECE);
    }

    #[test]
    fn a_replica_that_has_gone_breaks_its_relay() {
        let (from_child, mut child) = Link::pair().expect("a pair of sockets");
        let (mut replica, far) = Link::pair().expect("a pair of sockets");
        let mut relay = Relay::new(1, 0, from_child);
        let waiting = Relayed {
            bytes: 0,
            state: Progress::Waiting,
        };
        assert_eq!(relay.relay(&mut replica).expect("both are there"), waiting);
        drop(far);
        child.write_all(b"snapshot").expect("it is open");
        assert!(relay.relay(&mut replica).is_err());
    }
}
