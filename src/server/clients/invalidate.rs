//! Client-side caching: remembering who read what, and telling them what changed.
//!
//! A client that changes a key it has cached itself hears of it behind the answer of its command;
//! such keys wait in `Unit::own_invalid` until the unit ends. Broadcasts leave once per turn of the
//! loop, before it sleeps.

use crate::command::spec::PUBSUB;
use crate::resp::encode::{self, Resp};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::publish::Encoded;
use crate::server::clients::session::{ClientId, Session};
use bytes::Bytes;

/// Where invalidations go in RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Keys given up at once when there are too many, and so much more for each time that was not
/// enough. The numbers are those of Redis.
const GIVEN_UP: usize = 100;

impl Server {
    /// A client that caches has run a command that reads.
    #[cold]
    pub(in crate::server) fn remember_keys(&mut self, session: &Session, number: u16, argv: &Argv) {
        let spec = self.table[number].spec;
        let Some(tracker) = self.tracking.get(session.id.0) else {
            return;
        };
        let options = tracker.options;
        if options.broadcasts
            || (options.opts_in && !tracker.caching_said)
            || (options.opts_out && tracker.caching_said)
            || spec.flags.has(PUBSUB)
        {
            return;
        }
        let Ok(keys) = spec.read_keys(argv) else {
            return;
        };
        for index in keys {
            self.tracking.remember(session.id.0, argv.at(index));
        }
    }

    /// What CLIENT CACHING said holds for one command, or one transaction.
    #[cold]
    pub(in crate::server) fn forget_caching(&mut self, session: &Session) {
        if session.multi.is_none()
            && let Some(tracker) = self.tracking.get_mut(session.id.0)
        {
            tracker.caching_said = false;
        }
    }

    /// A key changed: tells those who may have cached it. `client` is who is being served, and `by`
    /// whose doing it is.
    pub(in crate::server) fn invalidate(&mut self, client: ClientId, by: ClientId, key: &[u8]) {
        if self.tracking.prefixes() > 0 {
            self.tracking.note_change(key, by.0);
        }
        self.invalidate_cached(client, key);
    }

    fn invalidate_cached(&mut self, client: ClientId, key: &[u8]) {
        for id in self.tracking.forget_key(key) {
            let Some(tracker) = self.tracking.get(id) else {
                continue;
            };
            if tracker.options.broadcasts || (tracker.options.spares_own && id == client.0) {
                continue;
            }
            if id == client.0 {
                self.unit.own_invalid.push(Some(key.to_vec()));
                self.unit.is_eventful = true;
            } else {
                self.send_invalid(id, &array_of([key].into_iter()));
            }
        }
    }

    /// Databases were emptied: nothing that was cached holds any more.
    pub(in crate::server) fn invalidate_all(&mut self, client: ClientId) {
        for id in self.tracking.ids() {
            if id == client.0 {
                self.unit.own_invalid.push(None);
                self.unit.is_eventful = true;
                continue;
            }
            let resp = self
                .tracking
                .get(id)
                .map_or(Resp::V2, |tracker| tracker.resp);
            self.send_invalid(id, &null_of(resp));
        }
        self.tracking.forget_all_keys();
    }

    /// Tells the client that was served what it has to forget by its own doing, behind what was
    /// published to it meanwhile.
    pub(in crate::server) fn send_own_invalid(&mut self, client: ClientId) {
        if self.unit.own_invalid.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.unit.own_invalid) {
            let route = self.tracking.route(client.0);
            let what = match &key {
                Some(key) => array_of([key.as_slice()].into_iter()),
                None => null_of(route.map_or(Resp::V3, |route| route.resp)),
            };
            self.send_invalid(client.0, &what);
        }
    }

    /// Tells a client, or whoever it named, that something it may have cached is no longer so.
    fn send_invalid(&mut self, id: u64, what: &[u8]) {
        let redirect = self.tracking.route(id).map_or(0, |route| route.redirect);
        let (mut to, mut subscribed) = (id, false);
        if redirect != 0 {
            to = redirect;
            if self.clients.slot_of(ClientId(to)).is_none() {
                return self.tell_broken(id, to);
            }
            subscribed = self.pubsub.has(to);
        }
        self.clients.send(ClientId(to), &encoded(what, subscribed));
    }

    /// Tells a client that whoever it named to hear of changes is gone.
    fn tell_broken(&mut self, id: u64, gone: u64) {
        if let Some(tracker) = self.tracking.get_mut(id) {
            tracker.is_broken = true;
        }
        let mut bytes = Vec::new();
        encode::push(&mut bytes, Resp::V3, 2);
        encode::bulk(&mut bytes, b"tracking-redir-broken");
        encode::prefixed(&mut bytes, b':', gone as i64);
        let encoded = Encoded {
            v2: Bytes::new(),
            v3: bytes.into(),
        };
        self.clients.send(ClientId(id), &encoded);
    }

    /// Before the loop sleeps: tells those in broadcasting mode what changed in this turn.
    pub fn broadcast_invalid(&mut self) {
        if !self.tracking.has_changed {
            return;
        }
        for due in self.tracking.take_broadcasts() {
            let all = array_of(due.changed.iter().map(|(key, _)| key.as_slice()));
            for id in due.clients {
                let spares_own = self
                    .tracking
                    .get(id)
                    .is_some_and(|tracker| tracker.options.spares_own);
                if !spares_own {
                    self.send_invalid(id, &all);
                    continue;
                }
                let by_others = due.changed.iter().filter(|(_, by)| *by != id);
                let by_others: Vec<&[u8]> = by_others.map(|(key, _)| key.as_slice()).collect();
                if !by_others.is_empty() {
                    self.send_invalid(id, &array_of(by_others.into_iter()));
                }
            }
        }
        self.judge_bulky();
    }

    /// Whether more keys are remembered than `tracking-table-max-keys` allows.
    #[inline]
    pub fn remembers_too_much(&self) -> bool {
        let max = self.config.tracking_table_max_keys as usize;
        max != 0 && self.tracking.keys() > max
    }

    /// Gives up what was remembered of keys beyond `tracking-table-max-keys`: before a command runs,
    /// and in cron.
    #[cold]
    pub fn limit_tracking(&mut self) {
        if !self.remembers_too_much() {
            self.life.tracking_overruns = 0;
            return;
        }
        let max = self.config.tracking_table_max_keys as usize;
        let effort = GIVEN_UP * (self.life.tracking_overruns + 1);
        for _ in 0..effort {
            let Some(key) = self.tracking.oldest_beyond(max) else {
                break;
            };
            self.invalidate_cached(ClientId::NOBODY, &key);
        }
        self.life.tracking_overruns = match self.tracking.keys() <= max {
            true => 0,
            false => self.life.tracking_overruns + 1,
        };
    }

    /// A client caches no longer, or is gone.
    pub fn stop_tracking(&mut self, session: &mut Session) {
        if session.tracks {
            session.tracks = false;
            self.tracking.stop(session.id.0);
            self.refresh_interest();
        }
    }
}

/// What an invalidation looks like. In RESP2 only a subscriber can be told anything unasked.
fn encoded(what: &[u8], subscribed: bool) -> Encoded {
    let mut v3 = Vec::with_capacity(what.len() + 24);
    encode::push(&mut v3, Resp::V3, 2);
    encode::bulk(&mut v3, b"invalidate");
    v3.extend_from_slice(what);
    let mut v2 = Vec::new();
    if subscribed {
        encode::push(&mut v2, Resp::V2, 3);
        encode::bulk(&mut v2, b"message");
        encode::bulk(&mut v2, CHANNEL);
        v2.extend_from_slice(what);
    }
    Encoded {
        v2: v2.into(),
        v3: v3.into(),
    }
}

fn array_of<'k>(keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::prefixed(&mut bytes, b'*', keys.len() as i64);
    keys.for_each(|key| encode::bulk(&mut bytes, key));
    bytes
}

fn null_of(resp: Resp) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::null(&mut bytes, resp);
    bytes
}
