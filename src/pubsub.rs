//! Subscriptions: channels, patterns, and channels of shards.
//!
//! ```text
//!   channels   "news"    -> client 4 in slot 1, client 9 in slot 7
//!   patterns   "news.*"  -> client 9 in slot 7
//!   clients    9         -> {"news"}, {"news.*"}, {}
//! ```
//!
//! A name is held once and shared between its index and its subscribers. A subscriber is kept with
//! its slot, so that a message finds it without another lookup; a client that disconnects is
//! removed first, so no slot is stale.
//!
//! This knows nothing of connections and protocols: `server::clients::publish` encodes and delivers.

use crate::algo::glob::{Case, matches};
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};

/// The kind of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Channel,
    Pattern,
    Shard,
}

/// The subscribers of one name: client and slot.
type Subscribers = HashMap<u64, usize>;

/// The subscriptions of one client, by scope.
#[derive(Default)]
struct Subscriptions([HashSet<Bytes>; 3]);

/// The subscriptions of all clients.
#[derive(Default)]
pub struct PubSub {
    names: [HashMap<Bytes, Subscribers>; 3],
    clients: HashMap<u64, Subscriptions>,
}

impl PubSub {
    /// Subscribes a client; false if it was already.
    pub fn subscribe(&mut self, scope: Scope, client: u64, slot: usize, name: &[u8]) -> bool {
        let own = &mut self.clients.entry(client).or_default().0[scope as usize];
        if own.contains(name) {
            return false;
        }
        let names = &mut self.names[scope as usize];
        let shared = match names.get_key_value(name) {
            Some((shared, _)) => shared.clone(),
            None => Bytes::copy_from_slice(name),
        };
        own.insert(shared.clone());
        names.entry(shared).or_default().insert(client, slot);
        true
    }

    /// Ends a subscription; false if there was none.
    pub fn unsubscribe(&mut self, scope: Scope, client: u64, name: &[u8]) -> bool {
        let Some(own) = self.clients.get_mut(&client) else {
            return false;
        };
        if !own.0[scope as usize].remove(name) {
            return false;
        }
        if own.0.iter().all(HashSet::is_empty) {
            self.clients.remove(&client);
        }
        let names = &mut self.names[scope as usize];
        if let Some(subscribers) = names.get_mut(name) {
            subscribers.remove(&client);
            if subscribers.is_empty() {
                names.remove(name);
            }
        }
        true
    }

    /// The names that a client is subscribed to.
    pub fn subscriptions(&self, scope: Scope, client: u64) -> Vec<Bytes> {
        let own = self.clients.get(&client);
        own.map_or(Vec::new(), |own| {
            own.0[scope as usize].iter().cloned().collect()
        })
    }

    /// The number of a client's subscriptions in a scope.
    pub fn count(&self, scope: Scope, client: u64) -> usize {
        self.clients
            .get(&client)
            .map_or(0, |own| own.0[scope as usize].len())
    }

    /// Whether a client is subscribed to anything.
    pub fn has(&self, client: u64) -> bool {
        self.clients.contains_key(&client)
    }

    /// The subscribers of a channel, with their slots.
    pub fn subscribers(&self, scope: Scope, name: &[u8]) -> impl Iterator<Item = (u64, usize)> {
        let found = self.names[scope as usize].get(name);
        found
            .into_iter()
            .flatten()
            .map(|(&client, &slot)| (client, slot))
    }

    /// The number of subscribers of a name.
    pub fn audience(&self, scope: Scope, name: &[u8]) -> usize {
        self.names[scope as usize].get(name).map_or(0, HashMap::len)
    }

    /// The patterns that fit a channel, with their subscribers.
    pub fn matching(&self, channel: &[u8]) -> impl Iterator<Item = (&Bytes, &Subscribers)> {
        let patterns = self.names[Scope::Pattern as usize].iter();
        patterns.filter(move |(pattern, _)| matches(pattern, channel, Case::Sensitive))
    }

    /// The names of a scope that have subscribers.
    pub fn names(&self, scope: Scope) -> impl Iterator<Item = &Bytes> {
        self.names[scope as usize].keys()
    }

    /// The number of names of a scope that have subscribers.
    pub fn len(&self, scope: Scope) -> usize {
        self.names[scope as usize].len()
    }

    /// Whether no client receives messages published on channels.
    pub fn is_deserted(&self) -> bool {
        self.len(Scope::Channel) == 0 && self.len(Scope::Pattern) == 0
    }

    /// Clients that are subscribed to something.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Bytes that the subscriptions of a client take.
    pub fn bytes_of(&self, client: u64) -> usize {
        /// A place in a table, and the head of a shared name.
        const EACH: usize = 2 * size_of::<Bytes>();
        let own = self.clients.get(&client);
        own.map_or(0, |own| {
            let names = own.0.iter().flatten();
            names.map(|name| name.len() + EACH).sum()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_come_and_go() {
        let mut pubsub = PubSub::default();
        assert!(pubsub.subscribe(Scope::Channel, 4, 1, b"news"));
        assert!(!pubsub.subscribe(Scope::Channel, 4, 1, b"news"));
        assert!(pubsub.subscribe(Scope::Channel, 9, 7, b"news"));
        assert!(pubsub.subscribe(Scope::Pattern, 9, 7, b"n*"));
        assert!(pubsub.subscribe(Scope::Shard, 9, 7, b"news"));
        let mut heard: Vec<_> = pubsub.subscribers(Scope::Channel, b"news").collect();
        heard.sort_unstable();
        assert_eq!(heard, [(4, 1), (9, 7)]);
        assert_eq!(pubsub.audience(Scope::Shard, b"news"), 1);
        assert_eq!(pubsub.matching(b"news").count(), 1);
        assert_eq!(pubsub.matching(b"other").count(), 0);
        assert_eq!((pubsub.clients(), pubsub.count(Scope::Channel, 9)), (2, 1));
        assert!(!pubsub.unsubscribe(Scope::Channel, 4, b"other"));
        assert!(pubsub.unsubscribe(Scope::Channel, 4, b"news"));
        assert!(!pubsub.has(4) && pubsub.has(9));
        for (scope, name) in [
            (Scope::Channel, "news"),
            (Scope::Pattern, "n*"),
            (Scope::Shard, "news"),
        ] {
            assert!(pubsub.unsubscribe(scope, 9, name.as_bytes()));
            assert_eq!(pubsub.len(scope), 0);
        }
        assert!(pubsub.is_deserted() && !pubsub.has(9));
    }
}
