//! Event intake: the poll with its events, new connections, signals.
//!
//! It is separate from the reactor because a long-running script needs it in the middle of an
//! iteration: while commands run the server holds it, as an `Attendant`. Then it polls, accepts,
//! reads and replies (mostly -BUSY), but leaves alone what belongs to the current iteration:
//! timers, expiry, freeing of clients, signals. The client whose script runs is checked out; its
//! events are kept until it is checked in again.

use super::LISTENERS;
use crate::net::{Kind, Link};
use crate::replication::rdb_channel::MainChannel;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{Peer, Session};
use crate::server::core::permissions;
use crate::server::lifecycle::cron;
use crate::server::lifecycle::secure;
use crate::server::replication::link::connect;
use crate::server::replication::link::transfer;
use crate::server::script::run;
use crate::server::script::run::Attendant;
use crate::server::timers::Timer;
use crate::sys::clock::Duration;
use crate::sys::signal::Signals;
use mio::{Events, Poll, Token};
use std::any::Any;
use std::io;

pub(super) const SIGNALS: Token = Token(0);
/// First token of the clients: a client's token is its slot plus this.
const CLIENTS: usize = 1024;
/// Token of the link to our primary during the handshake and the transfer.
const PRIMARY: Token = Token(CLIENTS - 1);
/// Token of the main channel, while an RDB channel is the link to our primary.
const MAIN_CHANNEL: Token = Token(CLIENTS - 2);
/// Token of the ends of relays that a child writes to.
const RELAYS: Token = Token(CLIENTS - 3);
/// Maximum time of a TLS handshake, in milliseconds.
const HANDSHAKE_MS: u64 = 60_000;
/// Maximum events per poll.
const EVENTS: usize = 1024;

/// The readiness of a client, as reported by the poll.
#[derive(Clone, Copy)]
struct News {
    slot: usize,
    writable: bool,
    readable: bool,
    hung_up: bool,
}

/// The event source: poll, listeners to accept from, and signals.
pub(super) struct Intake {
    pub poll: Poll,
    events: Events,
    /// Indexes of listeners that may have more pending connections.
    accepting: Vec<usize>,
    signals: Option<Signals>,
    signalled: bool,
    heard_primary: bool,
    heard_main_channel: bool,
    /// Slots of clients that can be served, collected while attending in the middle of an
    /// iteration.
    pub ready: Vec<usize>,
    /// Events of clients that were checked out.
    kept: Vec<News>,
    /// Whether clients with unprocessed earlier input have been collected.
    looked: bool,
}

impl Intake {
    pub fn new(poll: Poll, signals: Option<Signals>) -> Intake {
        Intake {
            poll,
            events: Events::with_capacity(EVENTS),
            accepting: Vec::new(),
            signals,
            signalled: false,
            heard_primary: false,
            heard_main_channel: false,
            ready: Vec::new(),
            kept: Vec::new(),
            looked: false,
        }
    }

    /// Takes the intake back from the server.
    pub fn come_back(attendant: Option<Box<dyn Attendant>>) -> Box<Intake> {
        let lent = attendant.expect("whoever takes it puts it back");
        lent.into_any().downcast().expect("it is what was lent")
    }

    /// Returns whether there is more to do without waiting.
    pub fn has_more(&self) -> bool {
        !self.accepting.is_empty() || !self.kept.is_empty()
    }

    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Dispatches the polled events: marks clients, listeners, signals and the primary's link as
    /// ready.
    pub fn sort_events(&mut self, server: &mut Server, ready: &mut Vec<usize>) {
        self.looked = false;
        for news in std::mem::take(&mut self.kept) {
            take_news(server, news, ready);
        }
        for event in self.events.iter() {
            match event.token() {
                SIGNALS => self.signalled = true,
                PRIMARY => self.heard_primary = true,
                MAIN_CHANNEL => self.heard_main_channel = true,
                RELAYS => server.replication.relays_mut().note_news(),
                Token(token) if token < CLIENTS => {
                    let index = token - LISTENERS;
                    if !self.accepting.contains(&index) {
                        self.accepting.push(index);
                    }
                }
                Token(token) => {
                    let closed = event.is_read_closed() || event.is_error();
                    let news = News {
                        slot: token - CLIENTS,
                        writable: event.is_writable(),
                        readable: event.is_readable() || closed,
                        hung_up: closed,
                    };
                    if !take_news(server, news, ready) && run::is_served(server, news.slot) {
                        self.kept.push(news);
                    }
                }
            }
        }
        self.events.clear();
    }

    /// Handles received signals.
    pub fn take_signals(&mut self, server: &mut Server) {
        if !std::mem::take(&mut self.signalled) {
            return;
        }
        let Some(signals) = &mut self.signals else {
            return;
        };
        while let Some(signal) = signals.take() {
            // Cron handles it, so that SHUTDOWN ABORT has a chance.
            server.shutdown.ask(signal);
        }
    }

    /// Watches the link to our primary during the handshake, and reports its events.
    pub fn attend_primary(&mut self, server: &mut Server) {
        let is_ready = std::mem::take(&mut self.heard_primary);
        let has_stream = std::mem::take(&mut self.heard_main_channel);
        let Some(primary) = server.replication.primary_mut() else {
            return;
        };
        if is_ready {
            primary.set_ready();
        }
        if has_stream && let Some(main) = primary.main_mut() {
            main.set_ready();
        }
        if transfer::wants_stream(server) {
            transfer::read_stream(server);
        }
        if transfer::wants_input(server) {
            connect::on_ready(server);
        }
        self.watch_primary(server);
    }

    /// Watches the ends of new relays.
    pub fn watch_relays(&mut self, server: &mut Server) {
        let mut news = false;
        for link in server.replication.relays_mut().take_unwatched() {
            news = true;
            if let Err(error) = link.register(self.poll.registry(), RELAYS) {
                log::warn!("Can't watch a relay to a replica: {error}");
            }
        }
        if news {
            server.replication.relays_mut().note_news();
        }
    }

    /// Registers a new link to the primary, or registers it again under the token of the client it
    /// became.
    pub fn watch_primary(&mut self, server: &mut Server) {
        let Some(primary) = server.replication.primary_mut() else {
            return;
        };
        let registry = self.poll.registry();
        let mut watched = Ok(());
        if let Some(link) = primary.main_mut().and_then(MainChannel::take_unwatched) {
            watched = link.reregister(registry, MAIN_CHANNEL);
        }
        if let Some(link) = primary.take_unwatched() {
            watched = link.register(registry, PRIMARY);
        }
        if let Some(slot) = primary.take_handed_over()
            && let Some(client) = server.clients.get_mut(slot)
        {
            watched = client.link.reregister(registry, Token(CLIENTS + slot));
        }
        if let Err(error) = watched {
            log::warn!("Can't create readable event for SYNC: {error}");
        }
    }

    /// Accepts pending connections, a bounded number per iteration so that a connection storm does
    /// not starve clients.
    pub fn accept(&mut self, server: &mut Server) {
        let accepting = std::mem::take(&mut self.accepting);
        for index in accepting {
            let kind = server.doors.listeners.kind(index);
            let most = match kind {
                Some(Kind::Tls) => server.config.max_new_tls_connections_per_cycle,
                _ => server.config.max_new_connections_per_cycle,
            };
            let most = most.max(1);
            let mut taken = 0;
            loop {
                if taken == most {
                    self.accepting.push(index);
                    break;
                }
                match server.doors.listeners.accept(index) {
                    Ok(link) => self.welcome(server, link, kind == Some(Kind::Tls)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        log::warn!("Accepting client connection: {error}");
                        break;
                    }
                }
                taken += 1;
            }
        }
    }

    pub(super) fn welcome(&mut self, server: &mut Server, mut link: Link, is_secure: bool) {
        link.tune(server.config.tcp_keepalive);
        if server.clients.len() >= server.config.maxclients {
            server.stats.rejected_connections += 1;
            if !is_secure {
                let _ = link.write(b"-ERR max number of clients reached\r\n");
            }
            return;
        }
        if is_secure {
            match secure::accept(server, link) {
                Some(secured) => link = secured,
                None => return,
            }
        } else if secure::is_refused(server, &link) {
            server.stats.rejected_connections += 1;
            let _ = link.write(secure::DENIED);
            return;
        }
        let id = server.clients.next_id();
        let mut session = Session::new(id, server.clock.mono_ms());
        session.is_unix = link.is_unix();
        session.is_secure = is_secure;
        session.fd = link.fd();
        permissions::welcome(&server.acl, &mut session);
        session.addresses = Box::new(link.addresses());
        server.stats.connections += 1;
        let slot = server.clients.add(Box::new(Client::new(link, session)));
        let client = server.clients.get_mut(slot).expect("just added");
        let token = Token(CLIENTS + slot);
        if let Err(error) = client.link.register(self.poll.registry(), token) {
            log::warn!("Error registering fd event for the new client: {error}");
            server.clients.remove(slot);
            return;
        }
        if is_secure {
            let now_ms = server.clock.mono_ms();
            server
                .timers
                .arm(now_ms + HANDSHAKE_MS, Timer::Handshake(id));
        }
        cron::watch_idle(server, id);
    }

    /// Collects the clients that were read before the script began and have unprocessed input.
    fn look_for_input(&mut self, server: &Server) {
        self.looked = true;
        let waiting = server.clients.iter().filter(|(_, client)| {
            client.readable || client.query.as_ref().is_some_and(|query| query.may_go_on())
        });
        self.ready.extend(waiting.map(|(slot, _)| slot));
    }
}

/// Applies an event to its client. Returns false if the client is not in its slot.
fn take_news(server: &mut Server, news: News, ready: &mut Vec<usize>) -> bool {
    let Some(client) = server.clients.get_mut(news.slot) else {
        return false;
    };
    if news.readable {
        client.readable = true;
        client.hung_up |= news.hung_up;
        if !client.is_ready {
            client.is_ready = true;
            ready.push(news.slot);
        }
    }
    if news.writable && client.session.peer == Peer::Replica {
        let id = client.session.id;
        server.replication.replicas_mut().set_blocked(id.0, false);
        server.replication.relays_mut().note_news();
    }
    let Some(client) = server.clients.get_mut(news.slot) else {
        return false;
    };
    if news.writable {
        client.link.flush();
    }
    if news.writable && client.output.pending() > 0 && !client.is_writing {
        server.clients.write_again(news.slot);
    }
    true
}

impl Attendant for Intake {
    fn attend(&mut self, server: &mut Server) {
        if self.wait(Some(Duration::ZERO)).is_err() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        let (looked, kept) = (self.looked, std::mem::take(&mut self.kept));
        self.sort_events(server, &mut ready);
        self.kept.extend(kept);
        self.ready = ready;
        if !looked {
            self.look_for_input(server);
        }
        self.looked = true;
        self.accept(server);
        let mut ready = std::mem::take(&mut self.ready);
        ready.sort_unstable();
        ready.dedup();
        for slot in ready {
            server.receive(slot);
            server.frame.start(server.clock.cycles());
            if server.respond(slot) {
                self.ready.push(slot);
            }
        }
        server.write_all();
        super::sleep::reap(server, self.poll.registry(), true);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
