//! Client-side caching: remembering which client read which keys, and sending invalidations.
//!
//! A client that changes a key it has cached itself receives the invalidation after the reply of
//! its command; such keys wait in `Unit::own_invalid` until the unit ends. Broadcasts are sent once
//! per iteration of the event loop, before it sleeps.

use crate::command::spec::PUBSUB;
use crate::resp::encode::{self, Resp};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::publish;
use crate::server::clients::publish::Encoded;
use crate::server::clients::session::{ClientId, Session};
use bytes::Bytes;

/// The channel of invalidations in RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Keys evicted from the tracking table at once when it is full; each further attempt evicts that
/// many more. The numbers are those of Redis.
const GIVEN_UP: usize = 100;

/// Remembers the keys read by a command of a tracking client.
#[cold]
pub(in crate::server) fn remember_keys(
    server: &mut Server,
    session: &Session,
    number: u16,
    argv: &Argv,
) {
    let spec = server.table[number].spec;
    let Some(tracker) = server.tracking.get(session.id.0) else {
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
        server.tracking.remember(session.id.0, argv.at(index));
    }
}

/// Clears the state set by CLIENT CACHING: it holds for one command or one transaction.
#[cold]
pub(in crate::server) fn forget_caching(server: &mut Server, session: &Session) {
    if session.multi.is_none()
        && let Some(tracker) = server.tracking.get_mut(session.id.0)
    {
        tracker.caching_said = false;
    }
}

/// Invalidates a changed key. `client` is the client being served, `by` the client that made the
/// change.
pub(in crate::server) fn invalidate(
    server: &mut Server,
    client: ClientId,
    by: ClientId,
    key: &[u8],
) {
    if server.tracking.prefixes() > 0 {
        server.tracking.note_change(key, by.0);
    }
    invalidate_cached(server, client, key);
}

fn invalidate_cached(server: &mut Server, client: ClientId, key: &[u8]) {
    for id in server.tracking.forget_key(key) {
        let Some(tracker) = server.tracking.get(id) else {
            continue;
        };
        if tracker.options.broadcasts || (tracker.options.spares_own && id == client.0) {
            continue;
        }
        if id == client.0 {
            server.unit.invalidate_own(Some(key.to_vec()));
        } else {
            send_invalid(server, id, &array_of([key].into_iter()));
        }
    }
}

/// Invalidates all keys: databases were emptied.
pub(in crate::server) fn invalidate_all(server: &mut Server, client: ClientId) {
    for id in server.tracking.ids() {
        if id == client.0 {
            server.unit.invalidate_own(None);
            continue;
        }
        let resp = server
            .tracking
            .get(id)
            .map_or(Resp::V2, |tracker| tracker.resp);
        send_invalid(server, id, &null_of(resp));
    }
    server.tracking.forget_all_keys();
}

/// Sends the served client the invalidations of its own changes, after the messages published to it
/// meanwhile.
pub(in crate::server) fn send_own_invalid(server: &mut Server, client: ClientId) {
    for key in server.unit.take_own_invalid() {
        let route = server.tracking.route(client.0);
        let what = match &key {
            Some(key) => array_of([key.as_slice()].into_iter()),
            None => null_of(route.map_or(Resp::V3, |route| route.resp)),
        };
        send_invalid(server, client.0, &what);
    }
}

/// Sends an invalidation to a client, or to the client it redirects to.
fn send_invalid(server: &mut Server, id: u64, what: &[u8]) {
    let redirect = server.tracking.route(id).map_or(0, |route| route.redirect);
    let (mut to, mut subscribed) = (id, false);
    if redirect != 0 {
        to = redirect;
        if server.clients.slot_of(ClientId(to)).is_none() {
            return tell_broken(server, id, to);
        }
        subscribed = server.pubsub.has(to);
    }
    server
        .clients
        .send(ClientId(to), &encoded(what, subscribed));
}

/// Notifies a client that the target of its redirection is gone.
fn tell_broken(server: &mut Server, id: u64, gone: u64) {
    if let Some(tracker) = server.tracking.get_mut(id) {
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
    server.clients.send(ClientId(id), &encoded);
}

/// Sends the changes of this iteration to the clients in broadcasting mode, before the loop sleeps.
pub fn broadcast_invalid(server: &mut Server) {
    if !server.tracking.has_changed() {
        return;
    }
    for due in server.tracking.take_broadcasts() {
        let all = array_of(due.changed.iter().map(|(key, _)| key.as_slice()));
        for id in due.clients {
            let spares_own = server
                .tracking
                .get(id)
                .is_some_and(|tracker| tracker.options.spares_own);
            if !spares_own {
                send_invalid(server, id, &all);
                continue;
            }
            let by_others = due.changed.iter().filter(|(_, by)| *by != id);
            let by_others: Vec<&[u8]> = by_others.map(|(key, _)| key.as_slice()).collect();
            if !by_others.is_empty() {
                send_invalid(server, id, &array_of(by_others.into_iter()));
            }
        }
    }
    publish::judge_bulky(server);
}

/// Returns whether the tracking table exceeds `tracking-table-max-keys`.
#[inline]
pub fn remembers_too_much(server: &Server) -> bool {
    let max = server.config.tracking_table_max_keys as usize;
    max != 0 && server.tracking.keys() > max
}

/// Evicts keys from the tracking table beyond `tracking-table-max-keys`: before a command runs, and
/// in cron.
#[cold]
pub fn limit_tracking(server: &mut Server) {
    let too_much = remembers_too_much(server);
    let overruns = server.tracking.note_overrun(too_much);
    if !too_much {
        return;
    }
    let max = server.config.tracking_table_max_keys as usize;
    for _ in 0..GIVEN_UP * (overruns + 1) {
        let Some(key) = server.tracking.oldest_beyond(max) else {
            break;
        };
        invalidate_cached(server, ClientId::NOBODY, &key);
    }
    if server.tracking.keys() <= max {
        server.tracking.note_overrun(false);
    }
}

/// Disables tracking for a client, also when it is freed.
pub fn stop_tracking(server: &mut Server, session: &mut Session) {
    if session.tracks {
        session.tracks = false;
        server.tracking.stop(session.id.0);
        server.refresh_interest();
    }
}

/// Encodes an invalidation. In RESP2 only a subscriber can receive one.
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
