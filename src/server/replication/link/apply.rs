//! The stream of a primary: its commands are run as they come, and its bytes passed on as they came.
//!
//! What counts as applied grows by whole commands, and by whole transactions: a link that breaks in
//! the middle of one is asked for it from its MULTI on. Nothing is answered but REPLCONF GETACK.

use crate::algo::quoting::in_line;
use crate::algo::quoting::quote;
use crate::command::Reply;
use crate::config::PropagationError;
use crate::replication::encode_command;
use crate::replication::incoming::{Broken, Incoming};
use crate::resp::encode::Resp;
use crate::resp::request::Tag;
use crate::server::Server;
use crate::server::clients::describe;
use crate::server::clients::session::{Ending, Peer, Session};
use crate::server::clients::{Client, Clients};
use crate::server::gates::Gates;
use crate::sys::clock;
use std::io;

/// Bytes read at once.
const READ: usize = 64 << 10;
/// Bytes that may wait before more are read, unless they are the begin of one command.
const AHEAD: usize = 1 << 20;
/// A stream that keeps more than this, in one transaction, can be no stream.
const TRANSACTION_MAX: usize = 3 << 30;
/// How long the stream is followed before others have their turn, in microseconds.
const TURN_US: u64 = 4_000;
/// Commands between two looks at the clock.
const STRIDE: u32 = 16;
/// Room for answers, which nobody hears, that is kept.
const KEEP_ANSWERS: usize = 64 << 10;
/// Bytes of the stream that the log shows where something went wrong.
const SHOWN: u64 = 256;
/// Bytes of an error that the log shows.
const ERROR_SHOWN: usize = 4096;

impl Server {
    /// Reads what the primary sent.
    pub fn read_stream(&mut self, client: &mut Client) {
        let Some(primary) = &mut self.replication.primary else {
            client.session.ending = Ending::Now;
            return;
        };
        if primary
            .client
            .is_none_or(|(id, _)| id != client.session.id.0)
        {
            client.session.ending = Ending::Now;
            return;
        }
        if !client.readable || primary.incoming.has_whole() && primary.incoming.pending() > AHEAD {
            return;
        }
        primary.incoming.bytes.reserve(READ);
        match client.link.read(&mut primary.incoming.bytes, READ) {
            Ok(0) => client.session.ending = Ending::Now,
            Ok(n) => {
                client.readable = n == READ || client.hung_up;
                client.session.bytes_in += n as u64;
                client.session.last_active_ms = self.clock.mono_ms();
                self.stats.repl_bytes_in += n as u64;
                self.stats.reads += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => client.session.ending = Ending::Now,
        }
    }

    /// Runs what has come of the stream. True if there is more to do without waiting.
    pub fn apply_stream(&mut self, slot: usize) -> bool {
        let Some(mut client) = self.clients.check_out(slot) else {
            return false;
        };
        let mut again = false;
        // While the data stands still, or a script has the floor, the stream waits.
        let waits = self.gates.0 & Gates::BUSY != 0 || self.pause.is_on();
        if client.session.ending == Ending::No && !waits {
            again = self.run_stream(&mut client);
            let primary = self.replication.primary.as_ref();
            let id = Some(client.session.id.0);
            if primary.and_then(|primary| primary.client).map(|(id, _)| id) != id {
                // The stream itself made us follow another, or nobody.
                client.session.ending = Ending::Now;
            }
        }
        again |= waits && (client.readable || self.gates.0 & Gates::BUSY != 0);
        client.is_ready = again && client.session.ending == Ending::No;
        let (again, ending) = (client.is_ready, client.session.ending);
        Clients::will_write(&mut self.clients.writing, slot, &mut client);
        self.clients.check_in(slot, client);
        if ending != Ending::No {
            self.clients.closing.push(slot);
        }
        again
    }

    fn run_stream(&mut self, client: &mut Client) -> bool {
        let Some(primary) = &mut self.replication.primary else {
            return false;
        };
        let mut incoming = std::mem::take(&mut primary.incoming);
        self.life.stamp = self.clock.cycles();
        self.keyspace.shared.no_touch = false;
        self.keyspace.shared.none_overdue = true;
        let was_kept = self.keyspace.shared.own_deadlines.pause();
        let (applied, more) = self.run_commands(client, &mut incoming);
        self.keyspace.shared.own_deadlines.go_on(was_kept);
        self.keyspace.shared.none_overdue = false;
        incoming.release(applied);
        if let Some(primary) = &mut self.replication.primary
            && primary
                .client
                .is_some_and(|(id, _)| id == client.session.id.0)
        {
            primary.incoming = incoming;
            primary.db = client.session.db.0;
        }
        more || client.readable
    }

    /// Up to where the stream was applied, and whether there may be more of it here.
    fn run_commands(&mut self, client: &mut Client, incoming: &mut Incoming) -> (usize, bool) {
        let until_us = clock::mono_us() + TURN_US;
        let mut answers = std::mem::take(&mut self.life.loader_answer);
        let (mut applied, mut count, mut more) = (incoming.start(), 0, false);
        loop {
            match incoming.advance() {
                Ok(true) => {}
                Ok(false) => break,
                Err(broken) => {
                    self.refuse_stream(client, &broken, incoming.rest());
                    break;
                }
            }
            answers.clear();
            let most = self.clients.reply_bounds.most;
            let argv = incoming.argv();
            let mut reply = Reply::new(&mut answers, Resp::V2).bounded(most);
            let noted = self.stats.unexpected_errors;
            self.execute(&mut client.session, argv, Tag::default(), &mut reply);
            if answers.first() == Some(&b'-') && self.stats.unexpected_errors == noted {
                // A script's error is told of by the script.
                let text = answers[1..]
                    .strip_suffix(b"\r\n")
                    .unwrap_or_default()
                    .to_vec();
                self.note_unheard_error(&client.session, &text);
            }
            let Some(primary) = &mut self.replication.primary else {
                break;
            };
            if primary
                .client
                .is_none_or(|(id, _)| id != client.session.id.0)
            {
                break;
            }
            if std::mem::take(&mut primary.owes_ack) {
                let ack = self.ack();
                client.output.append(&ack);
            }
            if client.session.multi.is_none() {
                let now = incoming.position();
                self.replication.append(incoming.between(applied, now));
                applied = now;
            } else if incoming.position() - applied > TRANSACTION_MAX {
                self.refuse_stream(client, &Broken::Protocol("too big transaction"), b"");
            }
            if client.session.ending != Ending::No {
                break;
            }
            count += 1;
            if count % STRIDE == 0 && clock::mono_us() >= until_us {
                more = true;
                break;
            }
            if self.pause.is_on() {
                break;
            }
        }
        if answers.capacity() <= KEEP_ANSWERS {
            self.life.loader_answer = answers;
        }
        (applied, more)
    }

    /// What came is no stream of commands: the link ends, and we will not ask for the rest of it.
    #[cold]
    fn refuse_stream(&mut self, client: &mut Client, broken: &Broken, rest: &[u8]) {
        let text = match broken {
            Broken::Inline => {
                log::warn!(
                    "WARNING: Receiving inline protocol from master, master stream corruption? \
                     Closing the master connection and discarding the cached master."
                );
                "Master using the inline protocol. Desync?"
            }
            Broken::Protocol(text) => text,
        };
        let shown = &rest[..rest.len().min(128)];
        let shown: String = shown
            .iter()
            .map(|&byte| match byte {
                b' '..=b'~' => byte as char,
                _ => '.',
            })
            .collect();
        log::warn!(
            "Protocol error ({text}) from client: {}. Query buffer during protocol error: '{shown}'",
            describe::client_line(self, client)
        );
        if let Some(primary) = &mut self.replication.primary {
            primary.is_spoiled = true;
        }
        client.session.ending = Ending::Now;
    }

    /// Tells the primary how far we are.
    fn ack(&self) -> Vec<u8> {
        let applied = self.replication.history.offset.to_string();
        let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", applied.as_bytes()];
        let safe = self.synced_offset().map(|offset| offset.to_string());
        if let Some(safe) = &safe {
            words.extend([b"FACK".as_slice(), safe.as_bytes()]);
        }
        let mut bytes = Vec::new();
        encode_command(&mut bytes, words.into_iter());
        bytes
    }

    /// The same, unasked.
    pub(in crate::server) fn send_ack(&mut self) {
        let Some(primary) = &self.replication.primary else {
            return;
        };
        let Some((_, slot)) = primary.client.filter(|_| !primary.is_plain) else {
            return;
        };
        let ack = self.ack();
        if let Some(mut client) = self.clients.check_out(slot) {
            client.output.append(&ack);
            Clients::will_write(&mut self.clients.writing, slot, &mut client);
            self.clients.check_in(slot, client);
        }
    }

    /// REPLCONF GETACK: our primary is answered when the command is over, and nobody else is.
    pub fn asks_for_ack(&mut self, session: &Session) {
        let primary = self.replication.primary.as_mut();
        let primary = primary.filter(|p| p.client.is_some_and(|(id, _)| id == session.id.0));
        if let Some(primary) = primary {
            primary.owes_ack = true;
        }
    }

    /// A command of the stream, or of a log that is read, ended with an error, which no client receives.
    #[cold]
    pub(in crate::server) fn note_unheard_error(&mut self, session: &Session, text: &[u8]) {
        let name = self.last_command_name(session);
        let text = error_as_logged(&text[..text.len().min(ERROR_SHOWN)]);
        let is_stream = session.peer == Peer::Primary;
        let (from, to) = match is_stream {
            true => ("replica", "master"),
            false => ("server", "AOF-loading-client"),
        };
        log::warn!(
            "== CRITICAL == This {from} is sending an error to its {to}: '{text}' after processing \
             the command '{name}'"
        );
        if is_stream {
            self.show_latest_stream();
        }
        self.stats.unexpected_errors += 1;
        let panics = match self.config.propagation_error_behavior {
            PropagationError::Panic => !is_stream || self.config.replica_read_only,
            PropagationError::PanicOnReplicas => is_stream && self.config.replica_read_only,
            PropagationError::Ignore => false,
        };
        if panics {
            // The directive asks for it: a copy that differs from its source is not to go on.
            panic!(
                "This {from} panicked sending an error to its {to} after processing the command \
                 '{name}'"
            );
        }
    }

    /// The last command of a session, for the log.
    pub(in crate::server) fn last_command_name(&self, session: &Session) -> String {
        let number = session.last_command;
        number.map_or("<unknown>".into(), |number| {
            self.table[number].full_name.clone()
        })
    }

    fn show_latest_stream(&self) {
        let Some(backlog) = &self.replication.backlog else {
            return;
        };
        if backlog.is_empty() {
            return;
        }
        let from = backlog.first().max(backlog.next().saturating_sub(SHOWN));
        let mut latest = Vec::new();
        let mut next = from;
        loop {
            let mut pieces = [io::IoSlice::new(&[])];
            if backlog.pieces(next, SHOWN as usize, &mut pieces) == 0 {
                break;
            }
            latest.extend_from_slice(&pieces[0]);
            next += pieces[0].len() as u64;
        }
        let shown = quote(&latest);
        log::info!("Latest backlog is: '{}'", String::from_utf8_lossy(&shown));
    }
}

/// As Redis has it, an error of no special code is shown without that.
pub(in crate::server) fn error_as_logged(text: &[u8]) -> String {
    match text.strip_prefix(b"ERR ") {
        Some(text) => in_line(text),
        None => format!("-{}", in_line(text)),
    }
}
