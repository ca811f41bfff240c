//! Client-side caching: the clients to be sent an invalidation when a key changes.
//!
//! By default the server remembers which client read which key, and forgets it with the first
//! invalidation sent. In broadcasting mode it remembers prefixes instead, and reports all changes
//! below them once per turn of the loop.
//!
//! ```text
//!   keys      "user:7"  -> 4, 9                     read by them; in no cache after a change
//!   prefixes  "user:"   -> 12, 15; changed "user:7" (by 12), "user:9" (by 4)
//!   clients   4         -> options, redirection, prefixes
//! ```
//!
//! Keys are the same in all databases here, as in Redis. Beyond `tracking-table-max-keys` the keys
//! remembered first are given up, as if they had changed. Clients that stopped tracking stay in
//! the lists of keys until these change; whether they still track is checked before an
//! invalidation is sent.
//!
//! This knows nothing of connections: `server::clients::invalidate` sends.

use crate::resp::encode::Resp;
use bytes::Bytes;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The options of a client, and the state of its redirection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    pub broadcasts: bool,
    pub opts_in: bool,
    pub opts_out: bool,
    pub spares_own: bool,
}

/// A client that caches.
#[derive(Clone, Debug)]
pub struct Tracker {
    pub options: Options,
    /// The client that gets the invalidations instead; 0 for none.
    pub redirect: u64,
    /// The redirection target is gone.
    pub is_broken: bool,
    /// CLIENT CACHING was given for the next command.
    pub caching_said: bool,
    pub prefixes: BTreeSet<Vec<u8>>,
    pub resp: Resp,
}

impl Tracker {
    fn route(&self) -> Route {
        Route {
            redirect: self.redirect,
            resp: self.resp,
        }
    }
}

/// The route of invalidations: the client that receives them instead, if not 0, and the protocol
/// version in which a null is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    pub redirect: u64,
    pub resp: Resp,
}

/// The state of a prefix.
#[derive(Default)]
struct Prefix {
    clients: BTreeSet<u64>,
    /// Keys that changed since the last broadcast, with the client that changed each last.
    changed: BTreeMap<Vec<u8>, u64>,
}

/// A broadcast that is due: the receiving clients, and the keys with the client that changed each.
pub struct Broadcast {
    pub clients: Vec<u64>,
    pub changed: Vec<(Vec<u8>, u64)>,
}

/// The clients that have cached a key.
struct Cached {
    number: u64,
    /// Ascending.
    clients: Vec<u64>,
}

/// The clients that cache keys, by key and by prefix.
#[derive(Default)]
pub struct Tracking {
    keys: HashMap<Bytes, Cached>,
    /// The same keys by their numbers: in the order in which they were first remembered.
    order: BTreeMap<u64, Bytes>,
    last_number: u64,
    items: usize,
    prefixes: BTreeMap<Vec<u8>, Prefix>,
    clients: HashMap<u64, Tracker>,
    /// The client that stopped tracking last, and its route.
    stopped: Option<(u64, Route)>,
    /// Some prefix has changed keys to broadcast.
    has_changed: bool,
    /// Consecutive checks in which the table of keys was too large.
    overruns: usize,
}

impl Tracking {
    /// Clients that cache.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Some prefix has changed keys to broadcast.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Notes whether the table of keys is too large. Returns the number of consecutive checks in which
    /// it was, before this one.
    pub fn note_overrun(&mut self, is_too_large: bool) -> usize {
        let before = self.overruns;
        self.overruns = if is_too_large { before + 1 } else { 0 };
        before
    }

    /// The number of keys that clients may have cached.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Those keys, counted for each client.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The number of prefixes that are broadcast.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether no change of a key needs an invalidation.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.keys.is_empty()
    }

    pub fn get(&self, client: u64) -> Option<&Tracker> {
        self.clients.get(&client)
    }

    pub fn get_mut(&mut self, client: u64) -> Option<&mut Tracker> {
        self.clients.get_mut(&client)
    }

    /// The route for invalidations of keys that a client cached: it may have stopped since, which,
    /// as in Redis, ends its redirection no earlier than it caches anew.
    pub fn route(&self, client: u64) -> Option<Route> {
        let stopped = self.stopped.filter(|(id, _)| *id == client);
        self.get(client)
            .map(Tracker::route)
            .or(stopped.map(|(_, route)| route))
    }

    /// The clients that track.
    pub fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.clients.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// A client begins to cache, or changes how.
    pub fn start(
        &mut self,
        client: u64,
        options: Options,
        redirect: u64,
        prefixes: &[&[u8]],
        resp: Resp,
    ) {
        let before = self.clients.remove(&client);
        let (mut own, caching_said) = match before {
            Some(before) => (before.prefixes, before.caching_said),
            None => (BTreeSet::new(), false),
        };
        if options.broadcasts {
            let all: &[&[u8]] = if prefixes.is_empty() {
                &[b""]
            } else {
                prefixes
            };
            for prefix in all {
                let place = self.prefixes.entry(prefix.to_vec()).or_default();
                place.clients.insert(client);
                own.insert(prefix.to_vec());
            }
        }
        let tracker = Tracker {
            options,
            redirect,
            is_broken: false,
            caching_said,
            prefixes: own,
            resp,
        };
        self.clients.insert(client, tracker);
    }

    /// A client caches no longer.
    pub fn stop(&mut self, client: u64) {
        let Some(tracker) = self.clients.remove(&client) else {
            return;
        };
        self.stopped = Some((client, tracker.route()));
        for prefix in tracker.prefixes {
            if let Some(place) = self.prefixes.get_mut(&prefix) {
                place.clients.remove(&client);
                if place.clients.is_empty() {
                    self.prefixes.remove(&prefix);
                }
            }
        }
    }

    /// A client has read a key.
    pub fn remember(&mut self, client: u64, key: &[u8]) {
        if let Some(cached) = self.keys.get_mut(key) {
            if let Err(at) = cached.clients.binary_search(&client) {
                cached.clients.insert(at, client);
                self.items += 1;
            }
            return;
        }
        let key = Bytes::copy_from_slice(key);
        self.last_number += 1;
        let number = self.last_number;
        let clients = vec![client];
        self.order.insert(number, key.clone());
        self.keys.insert(key, Cached { number, clients });
        self.items += 1;
    }

    /// Removes a key. Returns the clients that have cached it, to be sent an invalidation.
    pub fn forget_key(&mut self, key: &[u8]) -> Vec<u64> {
        let Some(cached) = self.keys.remove(key) else {
            return Vec::new();
        };
        self.order.remove(&cached.number);
        self.items -= cached.clients.len();
        cached.clients
    }

    /// Everything that was remembered of keys is forgotten.
    pub fn forget_all_keys(&mut self) {
        self.keys = HashMap::new();
        self.order = BTreeMap::new();
        self.items = 0;
    }

    /// The key that was remembered first, while there are more than `max`.
    pub fn oldest_beyond(&self, max: usize) -> Option<Bytes> {
        let (_, oldest) = self.order.first_key_value()?;
        (self.keys.len() > max).then(|| oldest.clone())
    }

    /// A key changed: notes it under the prefixes that it has.
    pub fn note_change(&mut self, key: &[u8], by: u64) {
        for (prefix, place) in &mut self.prefixes {
            if key.starts_with(prefix) {
                place.changed.insert(key.to_vec(), by);
                self.has_changed = true;
            }
        }
    }

    /// The broadcasts that are due now.
    pub fn take_broadcasts(&mut self) -> Vec<Broadcast> {
        self.has_changed = false;
        let places = self.prefixes.values_mut();
        let due = places.filter(|place| !place.changed.is_empty());
        due.map(|place| Broadcast {
            clients: place.clients.iter().copied().collect(),
            changed: std::mem::take(&mut place.changed).into_iter().collect(),
        })
        .collect()
    }
}

/// Whether one of two prefixes begins with the other.
pub fn overlap(a: &[u8], b: &[u8]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_invalidated_once_and_the_oldest_keys_go_first() {
        let mut tracking = Tracking::default();
        tracking.start(4, Options::default(), 0, &[], Resp::V3);
        tracking.start(9, Options::default(), 0, &[], Resp::V3);
        for key in [b"a", b"b", b"a"] {
            tracking.remember(9, key);
            tracking.remember(4, key);
        }
        assert_eq!((tracking.keys(), tracking.items()), (2, 4));
        assert_eq!(tracking.forget_key(b"a"), [4, 9]);
        assert_eq!(tracking.forget_key(b"a"), []);
        tracking.remember(4, b"c");
        assert_eq!(tracking.oldest_beyond(2), None);
        assert_eq!(tracking.oldest_beyond(1), Some(Bytes::from_static(b"b")));
        tracking.stop(4);
        tracking.stop(9);
        assert!(!tracking.is_empty());
        tracking.forget_all_keys();
        assert!(tracking.is_empty());
        for n in 0..5_000u32 {
            tracking.remember(1, &n.to_le_bytes());
            tracking.forget_key(&n.to_le_bytes());
        }
        assert_eq!(tracking.order.len(), 0);
    }

    #[test]
    fn broadcasts_collect_the_changed_keys_below_a_prefix() {
        let mut tracking = Tracking::default();
        let all = Options {
            broadcasts: true,
            ..Options::default()
        };
        tracking.start(4, all, 0, &[b"user:", b"cart:"], Resp::V3);
        tracking.start(9, all, 0, &[], Resp::V3);
        assert_eq!(tracking.prefixes(), 3);
        tracking.note_change(b"user:2", 1);
        tracking.note_change(b"user:1", 4);
        tracking.note_change(b"user:2", 4);
        let due = tracking.take_broadcasts();
        assert!(!tracking.has_changed && tracking.take_broadcasts().is_empty());
        assert_eq!(due.len(), 2);
        assert_eq!(due[1].clients, [4]);
        assert_eq!(
            due[1].changed,
            [(b"user:1".to_vec(), 4), (b"user:2".to_vec(), 4)]
        );
        tracking.stop(4);
        assert_eq!(tracking.prefixes(), 1);
        assert!(overlap(b"ab", b"abc") && overlap(b"", b"x") && !overlap(b"a", b"b"));
    }
}
