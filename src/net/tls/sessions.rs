//! The store of sessions that clients may resume: first in, first out, bounded in number and age.

use rustls::server::StoresServerSessions;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The sessions of one context. A new context begins with none: the trusted certificates may have
/// changed.
#[derive(Debug)]
pub struct SessionStore {
    /// 0 for no limit.
    max: usize,
    lifetime: Duration,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_key: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// The keys in the order in which they came; those of sessions that were taken stay until they
    /// are reached.
    order: VecDeque<(Instant, Vec<u8>)>,
}

impl SessionStore {
    /// An empty store for `max` sessions (0 for no limit) of `lifetime_s` seconds each.
    pub fn new(max: usize, lifetime_s: u64) -> SessionStore {
        SessionStore {
            max,
            lifetime: Duration::from_secs(lifetime_s),
            sessions: Mutex::default(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Sessions) -> T) -> T {
        // A panic elsewhere leaves a store that is whole.
        act(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_fresh(&self, stored: Instant) -> bool {
        stored.elapsed() < self.lifetime
    }
}

impl Sessions {
    /// Drops the oldest sessions while there are too many, and those that are too old.
    fn trim(&mut self, max: usize, lifetime: Duration) {
        while let Some((stored, key)) = self.order.front() {
            let surplus = max != 0 && self.order.len() > max;
            if !surplus && stored.elapsed() < lifetime {
                return;
            }
            if self.by_key.get(key).is_some_and(|(at, _)| at == stored) {
                self.by_key.remove(key);
            }
            self.order.pop_front();
        }
    }
}

impl StoresServerSessions for SessionStore {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.with(|sessions| {
            let now = Instant::now();
            sessions.order.push_back((now, key.clone()));
            sessions.by_key.insert(key, (now, value));
            sessions.trim(self.max, self.lifetime);
        });
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.with(|sessions| {
            let (stored, value) = sessions.by_key.get(key)?;
            self.is_fresh(*stored).then(|| value.clone())
        })
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (stored, value) = self.with(|sessions| sessions.by_key.remove(key))?;
        self.is_fresh(stored).then_some(value)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_session_makes_room() {
        let store = SessionStore::new(2, 300);
        for key in [b"a", b"b", b"c"] {
            assert!(store.put(key.to_vec(), b"state".to_vec()));
        }
        assert_eq!(store.get(b"a"), None);
        assert_eq!(store.take(b"b"), Some(b"state".to_vec()));
        assert_eq!(store.take(b"b"), None, "a session is resumed once");
        assert!(store.get(b"c").is_some());
    }

    #[test]
    fn a_session_ends_with_its_lifetime() {
        let store = SessionStore::new(0, 0);
        store.put(b"a".to_vec(), b"state".to_vec());
        assert_eq!(store.get(b"a"), None);
    }
}
