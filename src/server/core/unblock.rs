//! Clients in a blocking command: parked, served when a key becomes ready, or unblocked for another
//! reason.
//!
//! A parked client keeps its command; its socket is still read to detect disconnection, but no
//! later command runs. When a key it waits for becomes ready, the command runs again through the
//! same gates as any other, and either replies or blocks again under a new ticket for the rest of
//! its timeout.
//!
//! Ready keys are served at the end of the unit in which they changed, in the order of the changes,
//! and the clients of each key in the order in which they blocked. Keys that become ready meanwhile
//! are served afterwards, never recursively: a chain of BLMOVE runs as a loop.

use crate::blocking::{Blocking, Ready};
use crate::command::blocking::{Nothing, Wait};
use crate::command::{Args, CmdError, Reply};
use crate::keyspace::Keyspace;
use crate::resp::request::{Argv, Tag};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::limits;
use crate::server::clients::parked::Parked;
use crate::server::clients::session::{ClientId, Ending, Peer, ReplyMode, Session};
use crate::server::core::undelivered;
use crate::server::timers::Timer;

/// Why a client is unblocked without data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    TimedOut,
    /// CLIENT UNBLOCK … ERROR.
    Unblocked,
    /// The server became a replica: its keys now change only through its primary.
    RoleChanged,
}

/// Removes a client's command from the queues.
fn unpark(
    blocking: &mut Blocking,
    keyspace: &mut Keyspace,
    session: &mut Session,
) -> Option<Box<Parked>> {
    let mut parked = session.parked.take()?;
    if let Some(ticket) = parked.ticket.take() {
        let waiting = blocking.len();
        blocking.leave(ticket, parked.db, &parked.wait.keys);
        debug_assert_eq!(blocking.len() + 1, waiting, "a parked client was queued");
        if parked.deadline_ms.is_some() {
            blocking.count_timed(false);
        }
        let awaits_growth = blocking.count_until_grown(parked.wait.until_grown, false);
        keyspace.shared.awaits_growth = awaits_growth;
        keyspace.shared.awaited = blocking.awaited();
    }
    Some(parked)
}

/// Unblocks a client that is being freed.
pub fn stop_waiting(blocking: &mut Blocking, keyspace: &mut Keyspace, session: &mut Session) {
    unpark(blocking, keyspace, session);
}

impl Server {
    /// Blocks the caller. If it was blocked before, the frame holds its remaining deadline.
    #[cold]
    pub(in crate::server) fn park(
        &mut self,
        session: &mut Session,
        number: u16,
        args: &Args,
        mut wait: Box<Wait>,
    ) {
        let argv = wait.again.take().unwrap_or_else(|| args.argv().to_owned());
        let deadline_ms = match self.frame.take_deadline() {
            Some(resumed) => resumed,
            None => {
                self.clock.catch_up(self.clock.cycles());
                let until = |ms| self.clock.mono_ms_up().saturating_add(ms);
                wait.timeout_ms.map(until)
            }
        };
        let retry_ms = wait.retry_ms.map(|ms| {
            self.clock.catch_up(self.clock.cycles());
            self.clock.mono_ms_up().saturating_add(ms)
        });
        self.enter(
            session,
            Parked {
                argv,
                number,
                wait,
                db: session.db,
                ticket: None,
                deadline_ms,
                retry_ms,
            },
        );
    }

    /// Adds a client and its command to the queues.
    fn enter(&mut self, session: &mut Session, mut parked: Parked) {
        debug_assert!(session.parked.is_none(), "a client blocks once at a time");
        let wait = &parked.wait;
        let (id, keys) = (session.id, wait.keys.as_slice());
        let blocking = &mut self.blocking;
        parked.ticket = Some(blocking.enter(id.0, wait.kind, wait.until_gone, parked.db, keys));
        let awaits_growth = blocking.count_until_grown(wait.until_grown, true);
        self.keyspace.shared.awaits_growth = awaits_growth;
        if parked.deadline_ms.is_some() {
            blocking.count_timed(true);
        }
        if let Some(due_ms) = parked.alarm_ms() {
            // An alarm that fires too early is set again, so an existing one need not be cancelled.
            if session.alarm_ms.is_none_or(|alarm_ms| alarm_ms > due_ms) {
                session.alarm_ms = Some(due_ms);
                self.timers.arm(due_ms, Timer::WaitOver(id));
            }
        }
        session.parked = Some(Box::new(parked));
        self.keyspace.shared.awaited = self.blocking.awaited();
    }

    /// Collects the keys that became ready, and serves them unless that is already in progress.
    pub(in crate::server) fn serve_ready(&mut self) {
        for (db, key) in std::mem::take(&mut self.keyspace.shared.ready) {
            self.blocking.note_ready(db, key);
        }
        if !self.blocking.begin_serving() {
            return;
        }
        while self.blocking.has_ready() {
            for ready in self.blocking.take_ready() {
                self.serve_key(&ready);
            }
        }
        self.blocking.end_serving();
    }

    /// Serves the clients blocked on a key in order. Clients that block meanwhile are not included.
    fn serve_key(&mut self, ready: &Ready) {
        let Some(last) = self.blocking.last(ready) else {
            return;
        };
        let mut after = 0;
        loop {
            // The lookup has no side effect: an overdue key counts as missing but is not deleted.
            let is_overdue = self.keyspace.is_overdue(ready.db, &ready.key);
            let mut db = self.keyspace.db(ready.db);
            let kind = match is_overdue {
                true => None,
                false => db.peek(&ready.key).map(|found| db.get(found).kind()),
            };
            let Some(waiter) = self.blocking.next(ready, after, last, kind) else {
                return;
            };
            after = waiter.ticket;
            self.serve(ClientId(waiter.client));
        }
    }

    /// Runs a client's parked command again.
    fn serve(&mut self, id: ClientId) {
        self.with_parked(id, |server, session, parked, reply| {
            server.frame.resume(parked.deadline_ms);
            // Commands of our primary may see overdue keys; the clients they make ready must not.
            let obeyed = std::mem::take(&mut server.keyspace.shared.none_overdue);
            let done = server.execute(session, parked.argv.as_argv(), Tag::default(), reply);
            server.keyspace.shared.none_overdue = obeyed;
            server.frame.end_resumed();
            if !done {
                // A pause holds it back: it runs when the pause ends.
                session.parked = Some(parked);
            }
        });
    }

    /// Runs a blocked command that a pause held back.
    pub(in crate::server) fn serve_held(&mut self, id: ClientId) {
        self.serve(id);
    }

    /// Unblocks a client without data. Returns false if it is not blocked on a key.
    pub fn end_wait(&mut self, id: ClientId, over: Over) -> bool {
        let slot = self.clients.slot_of(id);
        let client = slot.and_then(|slot| self.clients.get(slot));
        let parked = client.and_then(|client| client.session.parked.as_ref());
        let is_bound =
            |parked: &Parked| parked.ticket.is_none() || parked.wait.nothing == Nothing::Never;
        if parked.is_none_or(|parked| is_bound(parked)) {
            return false;
        }
        self.with_parked(id, |server, session, parked, reply| {
            match over {
                Over::TimedOut if parked.wait.nothing == Nothing::Again => {
                    return server.answer_late(session, &parked, reply);
                }
                Over::TimedOut => {
                    let _ = reply.null_array();
                }
                Over::Unblocked => {
                    let error = CmdError::Fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
                    server.stats.reply_error(&error, reply);
                }
                Over::RoleChanged => {
                    let text = "UNBLOCKED force unblock from blocking operation, instance state \
                                changed (master -> replica?)";
                    server.stats.reply_error(&CmdError::Fixed(text), reply);
                    session.ending = Ending::AfterReply;
                }
            }
            let stats = &mut server.table[parked.number].stats;
            stats.calls += 1;
            stats.failed += (over != Over::TimedOut) as u64;
            server.stats.commands += 1;
            session.commands_run += 1;
        });
        true
    }

    /// Unblocks a client with an error.
    pub(in crate::server) fn refuse_waiting(&mut self, id: ClientId, text: &'static str) {
        self.with_parked(id, |server, session, parked, reply| {
            server.stats.reply_error(&CmdError::Fixed(text), reply);
            let stats = &mut server.table[parked.number].stats;
            stats.calls += 1;
            stats.failed += 1;
            server.stats.commands += 1;
            session.commands_run += 1;
        });
    }

    /// Replies to a command that waited for acknowledgements with the current count.
    fn answer_late(&mut self, session: &mut Session, parked: &Parked, reply: &mut Reply) {
        let was_bound = self.frame.bind();
        self.execute(session, parked.argv.as_argv(), Tag::default(), reply);
        self.frame.unbind(was_bound);
    }

    /// Removes a parked client from its queues and lets `act` reply to it. Unless it is parked
    /// again afterwards, its remaining input is processed.
    fn with_parked(
        &mut self,
        id: ClientId,
        act: impl FnOnce(&mut Server, &mut Session, Box<Parked>, &mut Reply),
    ) {
        let Some(slot) = self.clients.slot_of(id) else {
            return;
        };
        let Some(mut client) = self.clients.check_out(slot) else {
            return;
        };
        if client.session.ending == Ending::No
            && let Some(parked) =
                unpark(&mut self.blocking, &mut self.keyspace, &mut client.session)
        {
            self.answer_parked(&mut client, parked, act);
            self.clients.will_write(slot, &mut client);
            if client.session.ending != Ending::No {
                self.clients.reap_later(slot);
            } else if client.session.parked.is_none() {
                self.clients.wake_slot(slot);
            }
        }
        self.clients.check_in(slot, client);
    }

    fn answer_parked(
        &mut self,
        client: &mut Client,
        parked: Box<Parked>,
        act: impl FnOnce(&mut Server, &mut Session, Box<Parked>, &mut Reply),
    ) {
        let Client {
            session, output, ..
        } = client;
        if output.bytes.capacity() == 0 {
            output.bytes = self.clients.output();
        }
        self.frame.start(self.clock.cycles());
        let no_touch = std::mem::replace(&mut self.keyspace.shared.no_touch, session.no_touch);
        session.last_active_ms = self.clock.mono_ms();
        let silent = session.reply_mode.is_silent();
        let start = output.mark();
        let limit = limits::reply_limit(self, session);
        let mut reply = Reply::chunked(&mut output.bytes, &mut output.queue, session.resp, limit)
            .unwanted(silent);
        act(self, session, parked, &mut reply);
        output.is_over = reply.is_over() && !silent;
        self.keyspace.shared.no_touch = no_touch;
        if session.reply_mode != ReplyMode::On && session.parked.is_none() {
            if silent {
                output.undo(start);
            }
            session.reply_mode = session.reply_mode.next();
        }
        if session.peer == Peer::Replica && output.mark() != start {
            let answer = output.take_since(start);
            undelivered::disconnect_replica(self, session, &Argv::of(&[], &[]), &answer);
        }
        if self.clients.has_mail() {
            self.clients.take_mail(output, session, start);
        }
        limits::check_output_limit(self, client);
    }

    /// Unblocks a client if its timeout has passed, or runs its command again if it is time to.
    pub(in crate::server) fn check_wait(&mut self, id: ClientId) {
        let now_ms = self.clock.mono_ms();
        let slot = self.clients.slot_of(id);
        let Some(client) = slot.and_then(|slot| self.clients.get_mut(slot)) else {
            return;
        };
        let session = &mut client.session;
        // This may be an alarm made obsolete by an earlier one.
        if session.alarm_ms.is_none_or(|alarm_ms| alarm_ms > now_ms) {
            return;
        }
        session.alarm_ms = None;
        let parked = session
            .parked
            .as_ref()
            .filter(|parked| parked.ticket.is_some());
        let Some(due_ms) = parked.and_then(|parked| parked.alarm_ms()) else {
            return;
        };
        let is_over = parked.is_some_and(|it| it.deadline_ms.is_some_and(|ms| ms <= now_ms));
        if is_over {
            self.end_wait(id, Over::TimedOut);
        } else if due_ms <= now_ms {
            self.serve(id);
        } else {
            session.alarm_ms = Some(due_ms);
            self.timers.arm(due_ms, Timer::WaitOver(id));
        }
    }
}

#[cfg(test)]
mod tests;
