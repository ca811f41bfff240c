//! The store of sessions that clients may resume: first in, first out, bounded in number and age.

use crate::sys::clock;
use rustls::server::StoresServerSessions;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// The sessions of one context. A new context begins with none: the trusted certificates may have
/// changed.
#[derive(Debug)]
pub struct SessionStore {
    /// 0 for no limit.
    max: usize,
    lifetime_ms: u64,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    /// With the time at which it was stored, in monotonic milliseconds.
    by_key: HashMap<Vec<u8>, (u64, Vec<u8>)>,
    /// The keys in the order in which they came; those of sessions that were taken stay until they
    /// are reached.
    order: VecDeque<(u64, Vec<u8>)>,
}

impl SessionStore {
    /// An empty store for `max` sessions (0 for no limit) of `lifetime_s` seconds each.
    pub fn new(max: usize, lifetime_s: u64) -> SessionStore {
        SessionStore {
            max,
            lifetime_ms: lifetime_s * 1000,
            sessions: Mutex::default(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Sessions) -> T) -> T {
        // A panic elsewhere leaves a store that is whole.
        act(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether a session that was stored at a time in monotonic milliseconds may be resumed.
    fn is_fresh(&self, stored_ms: u64) -> bool {
        clock::mono_ms().saturating_sub(stored_ms) < self.lifetime_ms
    }
}

impl Sessions {
    /// Drops the oldest sessions while there are too many, and those that are too old.
    fn trim(&mut self, max: usize, now_ms: u64, lifetime_ms: u64) {
        while let Some((stored, key)) = self.order.front() {
            let surplus = max != 0 && self.order.len() > max;
            if !surplus && now_ms.saturating_sub(*stored) < lifetime_ms {
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
            let now_ms = clock::mono_ms();
            sessions.order.push_back((now_ms, key.clone()));
            sessions.by_key.insert(key, (now_ms, value));
            sessions.trim(self.max, now_ms, self.lifetime_ms);
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
