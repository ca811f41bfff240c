//! The loop: wait, read, run, write. It owns the poll and the list of clients that
//! can go on without waiting.
//!
//! One turn: the clock is read, clients that became readable are read and their input recognised
//! in groups, the groups are run, timers fire, due keys leave, and what was answered is written
//! (`sleep`). mio reports edges, not levels: whoever stops before the socket is empty stays on
//! `ready`, and then the loop does not sleep.

mod connection;
mod intake;
mod sleep;

use crate::server::Server;
use crate::server::lifecycle::boot;
use crate::server::lifecycle::cron;
use crate::server::replication::link::transfer;
use crate::server::script::run;
use crate::sys::clock::Duration;
use crate::sys::signal::Signals;
use crate::sys::{huge_pages, memory};
use intake::{Intake, SIGNALS};
use mio::unix::SourceFd;
use mio::{Interest, Poll};
use std::io;
use std::os::fd::AsRawFd;

/// Listeners have the tokens from here on.
const LISTENERS: usize = 1;

/// How often in a turn those are served who were let go by those just served.
const WAKE_ROUNDS: usize = 8;

/// See the head of this file.
pub struct Reactor {
    /// Out while commands run: a script that takes long attends to others through it.
    intake: Option<Box<Intake>>,
    /// Slots of clients that can be served now.
    ready: Vec<usize>,
    serving: Vec<usize>,
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
            intake: Some(Box::new(Intake::new(poll, signals))),
            ready: Vec::new(),
            serving: Vec::new(),
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
        let server = &mut self.server;
        let mut intake = self.intake.take().expect("it is here between turns");
        let writing = !server.clients.writing.is_empty();
        intake.watch_primary(server);
        let loading = server.persist.loading.is_some();
        let pressed = transfer::can_go_on_loading(server)
            || transfer::wants_input(server)
            || server.eviction.goes_on
            || server.replication.replicas().goes_on();
        let busy = writing || pressed || !self.ready.is_empty() || intake.has_more();
        let sleep_ms = if busy { 0 } else { cron::sleep_ms(server) };
        let timeout = (sleep_ms < u64::MAX).then(|| Duration::from_millis(sleep_ms));
        intake.wait(timeout)?;
        server.clock.refresh();
        server.keyspace.set_now_ms(server.clock.now_ms());
        let (began, commands) = (server.clock.cycles(), server.stats.commands);
        intake.sort_events(server, &mut self.ready);
        intake.take_signals(server);
        intake.accept(server);
        intake.attend_primary(server);
        run::lend_attendant(server, intake);
        self.serve();
        cron::run_timers(&mut self.server);
        cron::expire_slice(&mut self.server);
        self.server.evict_slice();
        // Who was let go says what it has waiting before anything else is told of this turn, and so
        // does whom it lets go.
        for _ in 0..WAKE_ROUNDS {
            if !self.wake() {
                break;
            }
            self.serve();
        }
        if loading && transfer::can_go_on_loading(&self.server) {
            boot::go_on_loading(&mut self.server);
        }
        let mut intake = Intake::come_back(run::take_attendant(&mut self.server));
        self.ready.append(&mut intake.ready);
        self.intake = Some(intake);
        self.wake();
        huge_pages::begin_if_grown(memory::used_bytes());
        self.before_sleep();
        let server = &mut self.server;
        let ns = server
            .clock
            .cycles_to_ns(server.clock.cycles().wrapping_sub(began));
        let ran = server.stats.commands.saturating_sub(commands);
        server.stats.count_turn(ns / 1000, ran);
        Ok(())
    }

    /// Puts those who may go on among the ready; false if there are none.
    fn wake(&mut self) -> bool {
        if self.server.clients.waking.is_empty() {
            return false;
        }
        for slot in std::mem::take(&mut self.server.clients.waking) {
            let client = self.server.clients.get_mut(slot);
            if let Some(client) = client.filter(|client| !client.is_ready) {
                client.is_ready = true;
                self.ready.push(slot);
            }
        }
        true
    }
}
