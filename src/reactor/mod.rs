//! The event loop: wait, read, run, write. The reactor owns the poll and the list of clients that
//! can be served without waiting.
//!
//! One iteration: refresh the clock, read readable clients and parse their input in groups, run the
//! groups, fire timers, expire keys, and write the replies (`sleep`). mio is edge-triggered: a
//! client whose socket was not drained stays on `ready`, and while that list is not empty the loop
//! does not sleep.

mod connection;
mod intake;
mod sleep;
#[cfg(test)]
pub(crate) mod testing;

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

/// First token of the listeners.
const LISTENERS: usize = 1;

/// Maximum unblock rounds per event-loop iteration.
const WAKE_ROUNDS: usize = 8;

/// The event loop: owns the server and drives it with the events of the poll.
pub struct Reactor {
    /// `None` while commands run: a long-running script polls for events through it (`Attendant`).
    intake: Option<Box<Intake>>,
    /// Slots of clients that can be served without waiting.
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

    /// Runs the event loop until the server is asked to stop; returns the exit code.
    pub fn run(&mut self) -> io::Result<i32> {
        loop {
            self.turn()?;
            if let Some(code) = self.server.shutdown.exit_code() {
                return Ok(code);
            }
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        let server = &mut self.server;
        let mut intake = self.intake.take().expect("it is here between turns");
        let writing = server.clients.has_writing();
        intake.watch_primary(server);
        intake.watch_relays(server);
        let loading = server.persist.loading.is_some();
        let pressed = transfer::can_go_on_loading(server)
            || transfer::wants_input(server)
            || transfer::wants_stream(server)
            || server.eviction.goes_on()
            || server.replication.replicas().goes_on()
            || server.replication.relays().goes_on();
        let busy = writing || pressed || !self.ready.is_empty() || intake.has_more();
        let sleep_ms = if busy { 0 } else { cron::sleep_ms(server) };
        let timeout = (sleep_ms < u64::MAX).then(|| Duration::from_millis(sleep_ms));
        intake.wait(timeout)?;
        server.clock.refresh();
        server.keyspace.set_now_ms(server.clock.now_ms());
        let (began, commands) = (server.clock.cycles(), server.stats.commands);
        let reads = server.stats.reads;
        server.clients.begin_turn();
        intake.sort_events(server, &mut self.ready);
        intake.take_signals(server);
        intake.accept(server);
        intake.attend_primary(server);
        run::lend_attendant(server, intake);
        self.serve();
        cron::run_timers(&mut self.server);
        cron::expire_slice(&mut self.server);
        self.server.evict_slice();
        // Process the input of just-unblocked clients before propagating invalidations; they may
        // unblock further clients, hence the bounded rounds.
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
        let had_input = server.stats.reads != reads;
        server.stats.count_turn(ns / 1000, ran, had_input);
        Ok(())
    }

    /// Moves the clients that may continue to `ready`; returns false if there are none.
    fn wake(&mut self) -> bool {
        let waking = self.server.clients.take_waking();
        if waking.is_empty() {
            return false;
        }
        for slot in waking {
            let client = self.server.clients.get_mut(slot);
            if let Some(client) = client.filter(|client| !client.is_ready) {
                client.is_ready = true;
                self.ready.push(slot);
            }
        }
        true
    }
}
