//! The listeners, each at a place that is its token: the loop accepts from a place, and the server
//! puts other listeners there while it runs (CONFIG SET port).
//!
//! Owned by the server, because a command changes them; the loop lends its registry once, at the
//! start.

use super::{Kind, Link, Listener};
use mio::{Registry, Token};
use std::io;

/// The listening sockets, by token.
#[derive(Debug, Default)]
pub struct Listeners {
    places: Vec<Option<Listener>>,
    /// The registry of the event loop, and the token of the first place.
    watcher: Option<(Registry, usize)>,
}

impl Listeners {
    /// Registers all listeners with the event loop, the existing ones and those to come. Place n
    /// gets the token `first_token` + n.
    pub fn watch(&mut self, registry: &Registry, first_token: usize) -> io::Result<()> {
        for (place, listener) in self.places.iter_mut().enumerate() {
            if let Some(listener) = listener {
                listener.register(registry, Token(first_token + place))?;
            }
        }
        self.watcher = Some((registry.try_clone()?, first_token));
        Ok(())
    }

    /// The descriptors of all listeners.
    pub fn fds(&self) -> Vec<std::os::fd::RawFd> {
        self.places.iter().flatten().map(Listener::fd).collect()
    }

    /// Takes connections from this listener too.
    pub fn add(&mut self, mut listener: Listener) -> io::Result<()> {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        if let Some((registry, first_token)) = &self.watcher {
            listener.register(registry, Token(first_token + place))?;
        }
        match free {
            Some(place) => self.places[place] = Some(listener),
            None => self.places.push(Some(listener)),
        }
        Ok(())
    }

    /// Returns what the connections at a place speak, if a listener is there.
    pub fn kind(&self, place: usize) -> Option<Kind> {
        Some(self.places.get(place)?.as_ref()?.kind())
    }

    /// The next connection at a place; `WouldBlock` too where no listener is any more.
    pub fn accept(&self, place: usize) -> io::Result<Link> {
        match self.places.get(place) {
            Some(Some(listener)) => listener.accept(),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Closes every listener of a kind.
    pub fn close(&mut self, kind: Kind) {
        for place in &mut self.places {
            if place
                .as_ref()
                .is_some_and(|listener| listener.kind() == kind)
                && let (Some(mut listener), Some((registry, _))) = (place.take(), &self.watcher)
            {
                // Closing ends the watch, too; this only tidies up.
                let _ = listener.deregister(registry);
            }
        }
    }

    /// Closes all listeners: a server that shuts down accepts no connections.
    pub fn close_all(&mut self) {
        self.places.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.places.iter().flatten()
    }
}
