//! The loop: wait, read, run, write. It owns the poll and the list of clients that
//! can go on without waiting.
//!
//! One turn: the clock is read, clients that became readable are read and their input recognised
//! in groups, the groups are run, timers fire, due keys leave, and what was answered is written
//! (`sleep`). mio reports edges, not levels: whoever stops before the socket is empty stays on
//! `ready`, and then the loop does not sleep.

mod connection;
mod sleep;

use crate::net::Link;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::session::Session;
use crate::sys::clock::Duration;
use crate::sys::signal::Signals;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::os::fd::AsRawFd;

const SIGNALS: Token = Token(0);
/// Listeners have the tokens from here on.
const LISTENERS: usize = 1;
/// Clients have the tokens from here on: their slot plus this.
const CLIENTS: usize = 1024;
/// Events taken from the system at once.
const EVENTS: usize = 1024;

/// What a stranger from elsewhere hears while nothing protects the server but `protected-mode`.
const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is \
    enabled and no password is set for the default user. In this mode connections are only \
    accepted from the loopback interface. Set a password (requirepass) or, if the network is \
    trusted, turn protected mode off: CONFIG SET protected-mode no from a local connection, or \
    'protected-mode no' in the configuration file.\r\n";

/// See the head of this file.
pub struct Reactor {
    poll: Poll,
    events: Events,
    /// Places of listeners that may have more connections waiting.
    accepting: Vec<usize>,
    /// Slots of clients that can be served now.
    ready: Vec<usize>,
    serving: Vec<usize>,
    signals: Option<Signals>,
    pub server: Server,
}

impl Reactor {
    pub fn new(mut server: Server, signals: Option<Signals>) -> io::Result<Self> {
        let poll = Poll::new()?;
        if let Some(signals) = &signals {
            let fd = signals.as_raw_fd();
            poll.registry()
                .register(&mut SourceFd(&fd), SIGNALS, Interest::READABLE)?;
        }
        server.doors.listeners.watch(poll.registry(), LISTENERS)?;
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS),
            accepting: Vec::new(),
            ready: Vec::new(),
            serving: Vec::new(),
            signals,
            server,
        })
    }

    /// Serves until something asks the server to stop; the answer is the exit code.
    pub fn run(&mut self) -> io::Result<i32> {
        loop {
            self.turn()?;
            if let Some(code) = self.server.life.exit {
                return Ok(code);
            }
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        let writing = !self.server.clients.writing.is_empty();
        let loading = self.server.persist.loading.is_some();
        let busy = writing || loading || !self.ready.is_empty() || !self.accepting.is_empty();
        let sleep_ms = if busy { 0 } else { self.server.sleep_ms() };
        let timeout = (sleep_ms < u64::MAX).then(|| Duration::from_millis(sleep_ms));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        let server = &mut self.server;
        server.clock.refresh();
        server.keyspace.set_now_ms(server.clock.now_ms());
        let (began, commands) = (server.clock.cycles(), server.stats.commands);
        self.sort_events();
        self.accept();
        self.serve();
        self.server.run_timers();
        self.server.expire_slice();
        if loading {
            self.server.go_on_loading();
        }
        self.wake();
        self.before_sleep();
        let server = &mut self.server;
        let ns = server
            .clock
            .cycles_to_ns(server.clock.cycles().wrapping_sub(began));
        let ran = server.stats.commands.saturating_sub(commands);
        server.stats.count_turn(ns / 1000, ran);
        Ok(())
    }

    /// Notes who can be served.
    fn sort_events(&mut self) {
        let mut signalled = false;
        for event in self.events.iter() {
            match event.token() {
                SIGNALS => signalled = true,
                Token(token) if token < CLIENTS => {
                    let index = token - LISTENERS;
                    if !self.accepting.contains(&index) {
                        self.accepting.push(index);
                    }
                }
                Token(token) => {
                    let slot = token - CLIENTS;
                    let Some(client) = self.server.clients.get_mut(slot) else {
                        continue;
                    };
                    if event.is_writable() && client.output.pending() > 0 && !client.is_writing {
                        client.is_writing = true;
                        self.server.clients.writing.push(slot);
                    }
                    let Some(client) = self.server.clients.get_mut(slot) else {
                        continue;
                    };
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        client.readable = true;
                        client.hung_up |= event.is_read_closed() || event.is_error();
                        if !client.is_ready {
                            client.is_ready = true;
                            self.ready.push(slot);
                        }
                    }
                }
            }
        }
        if signalled {
            self.take_signals();
        }
    }

    /// Those who may go on are served in the next turn.
    fn wake(&mut self) {
        if self.server.clients.waking.is_empty() {
            return;
        }
        for slot in std::mem::take(&mut self.server.clients.waking) {
            let client = self.server.clients.get_mut(slot);
            if let Some(client) = client.filter(|client| !client.is_ready) {
                client.is_ready = true;
                self.ready.push(slot);
            }
        }
    }

    fn take_signals(&mut self) {
        let Some(signals) = &mut self.signals else {
            return;
        };
        while let Some(signal) = signals.take() {
            // Cron does it, so that SHUTDOWN ABORT has a chance.
            self.server.life.asked_to_stop = Some(signal);
        }
    }

    /// Takes waiting connections, a few per turn so that a storm of them starves nobody.
    fn accept(&mut self) {
        let most = self.server.config.max_new_connections_per_cycle.max(1);
        let accepting = std::mem::take(&mut self.accepting);
        for index in accepting {
            let mut taken = 0;
            loop {
                if taken == most {
                    self.accepting.push(index);
                    break;
                }
                match self.server.doors.listeners.accept(index) {
                    Ok(link) => self.welcome(link),
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

    fn welcome(&mut self, link: Link) {
        let server = &mut self.server;
        link.tune(server.config.tcp_keepalive);
        if server.clients.len() >= server.config.maxclients {
            server.stats.rejected_connections += 1;
            let _ = link.write(b"-ERR max number of clients reached\r\n");
            return;
        }
        if server.config.protected_mode && server.acl.admits_strangers() && !link.is_local() {
            server.stats.rejected_connections += 1;
            let _ = link.write(DENIED);
            return;
        }
        let id = server.clients.next_id();
        let mut session = Session::new(id, server.clock.mono_ms());
        session.is_unix = link.is_unix();
        session.fd = link.fd();
        session.authenticated = server.acl.admits_strangers();
        session.addresses = Box::new(link.addresses());
        server.stats.connections += 1;
        let slot = server.clients.add(Box::new(Client {
            link,
            session,
            query: None,
            output: Default::default(),
            is_writing: false,
            is_ready: false,
            readable: false,
            hung_up: false,
            protocol_error: None,
            over_soft_limit_ms: None,
            counted_bytes: 0,
        }));
        let client = server.clients.get_mut(slot).expect("just added");
        if let Err(error) = client
            .link
            .register(self.poll.registry(), Token(CLIENTS + slot))
        {
            log::warn!("Error registering fd event for the new client: {error}");
            server.clients.remove(slot);
            return;
        }
        server.watch_idle(id);
    }
}
