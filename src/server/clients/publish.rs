//! Push messages: published messages, keyspace notifications, invalidations.
//!
//! A message is encoded at most once per protocol version and then shared by all its receivers. A
//! client that is being served is not in its slot: messages to it wait as *mail* and follow the
//! reply of its command, as in Redis.

use crate::command::Reply;
use crate::command::effects::{Event, KeyEvent};
use crate::config::NotifyFlags;
use crate::pubsub::Scope;
use crate::resp::chunks::Mark;
use crate::resp::encode::{self, Resp};
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Peer, Session, Special};
use crate::server::clients::{Client, Clients, Output};
use crate::server::clients::{describe, limits};
use bytes::Bytes;

/// Encoded bytes that are not a reply, per protocol version; empty where the protocol has no
/// encoding.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    pub v2: Bytes,
    pub v3: Bytes,
}

impl Encoded {
    fn get(&self, resp: Resp) -> &Bytes {
        match resp {
            Resp::V2 => &self.v2,
            Resp::V3 => &self.v3,
        }
    }
}

/// A message that is encoded when the first client needs it.
pub struct Message<'a> {
    words: &'a [&'a [u8]],
    encoded: Encoded,
}

impl<'a> Message<'a> {
    pub fn new(words: &'a [&'a [u8]]) -> Self {
        Message {
            words,
            encoded: Encoded::default(),
        }
    }

    fn get(&mut self, resp: Resp) -> &Bytes {
        let place = match resp {
            Resp::V2 => &mut self.encoded.v2,
            Resp::V3 => &mut self.encoded.v3,
        };
        if place.is_empty() {
            let size = self.words.iter().map(|word| word.len() + 16).sum();
            let mut bytes = Vec::with_capacity(size);
            encode::push(&mut bytes, resp, self.words.len());
            self.words
                .iter()
                .for_each(|word| encode::bulk(&mut bytes, word));
            *place = Bytes::from(bytes);
        }
        place
    }

    fn both(&mut self) -> Encoded {
        self.get(Resp::V2);
        self.get(Resp::V3);
        self.encoded.clone()
    }
}

/// A message for a client that is being served.
#[derive(Debug)]
pub struct Mail {
    pub to: ClientId,
    pub encoded: Encoded,
}

impl Clients {
    /// Appends a message to the output of the client in a slot; CLIENT REPLY does not silence it.
    #[inline]
    fn deliver(&mut self, id: ClientId, slot: usize, message: &mut Message) {
        match self.get_mut(slot) {
            Some(client) => {
                let bytes = message.get(client.session.resp).clone();
                self.hand_over(slot, bytes);
            }
            None => self.mail.push(Mail {
                to: id,
                encoded: message.both(),
            }),
        }
    }

    /// Sends encoded bytes to a client.
    pub(in crate::server) fn send(&mut self, id: ClientId, encoded: &Encoded) {
        let Some(slot) = self.slot_of(id) else { return };
        match self.get_mut(slot) {
            Some(client) => {
                let bytes = encoded.get(client.session.resp).clone();
                self.hand_over(slot, bytes);
            }
            None => self.mail.push(Mail {
                to: id,
                encoded: encoded.clone(),
            }),
        }
    }

    #[inline]
    fn hand_over(&mut self, slot: usize, bytes: Bytes) {
        let Some(client) = self.get_mut(slot) else {
            return;
        };
        if client.session.ending != Ending::No || bytes.is_empty() {
            return;
        }
        if client.session.peer == Peer::Replica {
            // A replica only receives the stream, which the message would corrupt.
            self.addressed_replicas.push(slot);
            return self.close(slot, Ending::Now);
        }
        client.output.share(bytes);
        self.note_output(slot);
    }

    /// Appends its mail to the output of a served client: after the reply that begins at `start`,
    /// or before it if `mail_goes_first`.
    #[cold]
    pub(in crate::server) fn take_mail(
        &mut self,
        output: &mut Output,
        session: &Session,
        start: Mark,
    ) {
        if !std::mem::take(&mut self.mail_goes_first) {
            return self.hand_over_mail(session, |bytes| output.append(bytes));
        }
        let mut mail = Vec::new();
        self.hand_over_mail(session, |bytes| mail.extend_from_slice(bytes));
        output.insert(start, &mail);
    }

    /// Writes its mail ahead of a client's reply.
    #[cold]
    pub(in crate::server) fn answer_with_mail(&mut self, session: &Session, reply: &mut Reply) {
        self.hand_over_mail(session, |bytes| {
            let _ = reply.raw(bytes);
        });
    }

    fn hand_over_mail(&mut self, session: &Session, mut to: impl FnMut(&[u8])) {
        let mut index = 0;
        while index < self.mail.len() {
            if self.mail[index].to != session.id {
                index += 1;
                continue;
            }
            let mail = self.mail.remove(index);
            let bytes = mail.encoded.get(session.resp);
            if !bytes.is_empty() && session.ending == Ending::No {
                to(bytes);
            }
        }
    }
}

/// Publishes a message to the subscribers of a channel and of matching patterns. Returns the number
/// of deliveries.
pub fn publish(server: &mut Server, scope: Scope, channel: &[u8], payload: &[u8]) -> usize {
    let word: &[u8] = match scope {
        Scope::Shard => b"smessage",
        Scope::Channel | Scope::Pattern => b"message",
    };
    let mut receivers = 0;
    let words = [word, channel, payload];
    let mut message = Message::new(&words);
    for (client, slot) in server.pubsub.subscribers(scope, channel) {
        server.clients.deliver(ClientId(client), slot, &mut message);
        receivers += 1;
    }
    if scope == Scope::Channel && server.pubsub.len(Scope::Pattern) > 0 {
        for (pattern, subscribers) in server.pubsub.matching(channel) {
            let words = [b"pmessage".as_slice(), pattern, channel, payload];
            let mut message = Message::new(&words);
            for (&client, &slot) in subscribers {
                server.clients.deliver(ClientId(client), slot, &mut message);
                receivers += 1;
            }
        }
    }
    judge_bulky(server);
    receivers
}

/// Logs the replicas that are disconnected because there was a message for them.
#[cold]
fn log_addressed_replicas(server: &mut Server) {
    for slot in std::mem::take(&mut server.clients.addressed_replicas) {
        if let Some(client) = server.clients.get(slot) {
            log::warn!(
                "Replica generated a reply to command '{}', disconnecting it: {}",
                describe::last_command_name(server, &client.session),
                describe::client_line(server, client)
            );
        }
    }
}

/// Checks clients whose output grew large against their limits.
#[inline]
pub fn judge_bulky(server: &mut Server) {
    if !server.clients.addressed_replicas.is_empty() {
        log_addressed_replicas(server);
    }
    while let Some(slot) = server.clients.bulky.pop() {
        let Some(mut client) = server.clients.check_out(slot) else {
            continue;
        };
        limits::check_output_limit(server, &mut client);
        if client.session.ending == Ending::Now {
            client.output.clear();
            server.clients.closing.push(slot);
        }
        server.clients.check_in(slot, client);
    }
}

/// Returns whether keyspace notifications are enabled and have a subscriber.
pub(in crate::server) fn notifies(server: &Server) -> bool {
    let flags = server.config.notify_keyspace_events.0;
    flags & NotifyFlags::CHANNELS != 0 && !server.pubsub.is_deserted()
}

/// Publishes the keyspace notifications of an event.
pub(in crate::server) fn notify(server: &mut Server, event: Event, fact: &KeyEvent) {
    let (db, key) = (fact.db, fact.key.as_slice());
    let flags = server.config.notify_keyspace_events;
    if !flags.has_class(event.class.0) || !notifies(server) {
        return;
    }
    if flags.0 & NotifyFlags::KEYSPACE != 0 {
        let channel = [format!("__keyspace@{}__:", db.0).as_bytes(), key].concat();
        publish(server, Scope::Channel, &channel, event.name.as_bytes());
    }
    if flags.0 & NotifyFlags::KEYEVENT != 0 {
        let channel = format!("__keyevent@{}__:{}", db.0, event.name);
        publish(server, Scope::Channel, channel.as_bytes(), key);
    }
    if !fact.fields.is_empty() {
        notify_of_fields(server, event, fact);
    }
}

/// Publishes the sub-key notifications of an event:
///
/// ```text
///   S  __subkeyspace@db__:key             event|len:field,…
///   T  __subkeyevent@db__:event           len:key|len:field,…
///   I  __subkeyspaceitem@db__:key\nfield  event                  once for each field
///   V  __subkeyspaceevent@db__:event|key  len:field,…
/// ```
///
/// A key with a line feed has none of class I, whose channel would be ambiguous.
#[cold]
fn notify_of_fields(server: &mut Server, event: Event, fact: &KeyEvent) {
    let flags = server.config.notify_keyspace_events;
    let (db, key, name) = (fact.db.0, fact.key.as_slice(), event.name);
    let fields = fact.fields.iter().map(|field| measured(field));
    let fields: Vec<Vec<u8>> = fields.collect();
    let fields = fields.join(&b',');
    let channel = |class: &str| format!("__subkey{class}@{db}__:").into_bytes();
    let has = |flag| flags.0 & flag != 0;
    if has(NotifyFlags::SUB_KEYSPACE) {
        let channel = [&channel("space"), key].concat();
        let payload = [name.as_bytes(), b"|", &fields].concat();
        publish(server, Scope::Channel, &channel, &payload);
    }
    if has(NotifyFlags::SUB_KEYEVENT) {
        let channel = [&channel("event"), name.as_bytes()].concat();
        let payload = [&measured(key), b"|".as_slice(), &fields].concat();
        publish(server, Scope::Channel, &channel, &payload);
    }
    if has(NotifyFlags::SUB_ITEM) && !key.contains(&b'\n') {
        for field in &fact.fields {
            let channel = [&channel("spaceitem"), key, b"\n", field].concat();
            publish(server, Scope::Channel, &channel, name.as_bytes());
        }
    }
    if has(NotifyFlags::SUB_SPACE_EVENT) {
        let channel = [&channel("spaceevent"), name.as_bytes(), b"|", key].concat();
        publish(server, Scope::Channel, &channel, &fields);
    }
}

/// Bytes with their length in front.
fn measured(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

/// Updates the caller's flags and the stated effects after a change of subscriptions.
pub(in crate::server) fn subscriptions_changed(server: &mut Server, session: &mut Session) {
    let is_subscriber = server.pubsub.has(session.id.0);
    session.special.set(Special::SUBSCRIBER, is_subscriber);
    server.refresh_interest();
}

/// Removes all subscriptions of a client.
pub fn unsubscribe_all(server: &mut Server, session: &mut Session) {
    if !session.special.has(Special::SUBSCRIBER) {
        return;
    }
    for scope in [Scope::Channel, Scope::Pattern, Scope::Shard] {
        for name in server.pubsub.subscriptions(scope, session.id.0) {
            server.pubsub.unsubscribe(scope, session.id.0, &name);
        }
    }
    subscriptions_changed(server, session);
}

impl Client {
    /// Returns whether its client type is `pubsub`.
    pub fn is_subscriber(&self) -> bool {
        self.session.special.has(Special::SUBSCRIBER)
    }
}
