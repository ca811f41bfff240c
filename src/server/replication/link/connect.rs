//! The link to a primary, and the talk over it until the stream or a snapshot begins.

use crate::algo::quoting::in_line;
use crate::keyspace::DbIndex;
use crate::net::Link;
use crate::persist::reason;
use crate::replication::primary::{Primary, Stage, Talk};
use crate::replication::{OFFSET_MAX, encode_command};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{Peer, Session};
use crate::sys::supervisor;
use std::io;

/// The longest line of the talk.
const LINE_MAX: usize = 1024;
/// Bytes read at once.
const READ: usize = 16 << 10;

impl Server {
    /// Begins a link, and says so in the log with these words around the name of the primary.
    pub(in crate::server) fn connect_anew(&mut self, before: &str, after: &str) {
        let now_ms = self.clock.mono_ms();
        let from = String::from_utf8_lossy(&self.config.bind_source_addr).into_owned();
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        log::info!("{before} {}:{}{after}", primary.host, primary.port);
        primary.hang_up();
        primary.tries += 1;
        primary.all_tries += 1;
        match Link::connect(&primary.host, primary.port, &from) {
            Ok(link) => {
                primary.link = Some(link);
                primary.stage = Stage::Connecting;
                primary.heard_ms = now_ms;
                log::info!("MASTER <-> REPLICA sync started");
            }
            Err(error) => log::warn!("Unable to connect to MASTER: {}", reason(&error)),
        }
    }

    /// The link came to nothing. The next second there is another.
    pub(in crate::server) fn give_up(&mut self) {
        if let Some(mut primary) = self.replication.primary.take() {
            self.abort_transfer(&mut primary);
            primary.hang_up();
            self.replication.primary = Some(primary);
        }
    }

    /// The link came to nothing, and the next is tried at once.
    pub(in crate::server) fn cancel_handshake(&mut self) {
        self.give_up();
        self.connect_anew("Reconnecting to MASTER", " after failure");
    }

    /// The loop heard of the link that is being made.
    pub fn hear_primary(&mut self) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        match primary.stage {
            Stage::Connecting => {
                primary.is_ready = false;
                self.see_whether_connected();
            }
            Stage::Handshake(_) => self.hear_talk(),
            Stage::Transfer => self.hear_transfer(),
            // What was heard before the link became a client is for that.
            Stage::Connected => {
                primary.is_ready = false;
                let slot = primary.client.map(|(_, slot)| slot);
                if let Some(client) = slot.and_then(|slot| self.clients.get_mut(slot)) {
                    client.readable = true;
                    self.clients.waking.extend(slot);
                }
            }
            Stage::Connect => primary.is_ready = false,
        }
    }

    fn see_whether_connected(&mut self) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        let Some(link) = &primary.link else { return };
        match link.is_connected() {
            Ok(false) => {}
            Ok(true) => {
                log::info!("Non blocking connect for SYNC fired the event.");
                link.tune(0);
                primary.stage = Stage::Handshake(Talk::Pong);
                self.say(&[&["PING"]]);
            }
            Err(error) => {
                log::warn!("Error condition on socket for SYNC: {}", reason(&error));
                self.give_up();
            }
        }
    }

    /// Sends commands of the talk. They are short: what the socket does not take at once it will
    /// never take.
    fn say(&mut self, commands: &[&[&str]]) -> bool {
        let mut bytes = Vec::new();
        for words in commands {
            encode_command(&mut bytes, words.iter().map(|word| word.as_bytes()));
        }
        self.say_bytes(&bytes)
    }

    fn say_bytes(&mut self, bytes: &[u8]) -> bool {
        let link = self.replication.primary.as_ref();
        let Some(link) = link.and_then(|primary| primary.link.as_ref()) else {
            return false;
        };
        let why = match link.write(bytes) {
            Ok(n) if n == bytes.len() => return true,
            Ok(_) => "Resource temporarily unavailable".to_owned(),
            Err(error) => reason(&error),
        };
        log::warn!("Sending command to master in replication handshake: -Writing to master: {why}");
        self.give_up();
        false
    }

    /// Reads once. `None` if there is nothing now.
    ///
    /// # Errors
    /// If there will never be more: what Redis says of it.
    pub(in crate::server) fn read_link(
        primary: &mut Primary,
        max: usize,
    ) -> Result<Option<usize>, String> {
        let Some(link) = &primary.link else {
            return Ok(None);
        };
        primary.incoming.bytes.reserve(max);
        match link.read(&mut primary.incoming.bytes, max) {
            // There is no error, which is how Redis puts it.
            Ok(0) => Err("Success".into()),
            Ok(n) => Ok(Some(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                primary.is_ready = false;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    fn hear_talk(&mut self) {
        let now_ms = self.clock.mono_ms();
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        match Server::read_link(primary, READ) {
            Ok(None) => {}
            Ok(Some(n)) => {
                self.stats.repl_bytes_in += n as u64;
                primary.heard_ms = now_ms;
            }
            Err(why) => {
                primary.is_ready = false;
                let at = primary.stage;
                log::warn!("Failed to read response from the server: {why}");
                match at {
                    Stage::Handshake(Talk::Psync) => {
                        log::warn!("Master did not reply to PSYNC, will try later");
                    }
                    _ => log::warn!("Master did not respond to command during SYNC handshake"),
                }
                return self.give_up();
            }
        }
        loop {
            let Some(primary) = &mut self.replication.primary else {
                return;
            };
            let Stage::Handshake(talk) = primary.stage else {
                break;
            };
            match primary.incoming.line() {
                Some(line) => self.hear_line(talk, &line),
                None if primary.incoming.pending() > LINE_MAX => {
                    log::warn!("Master did not respond to command during SYNC handshake");
                    return self.give_up();
                }
                None => return,
            }
        }
        // A snapshot may follow on the heels of the answer.
        if let Some(primary) = &self.replication.primary
            && primary.stage == Stage::Transfer
        {
            self.hear_transfer();
        }
    }

    /// An answer of the primary.
    fn hear_line(&mut self, talk: Talk, line: &[u8]) {
        let shown = in_line(line);
        let is_error = line.starts_with(b"-");
        match talk {
            Talk::Pong => return self.hear_pong(line, &shown),
            Talk::Auth if is_error => {
                log::warn!("Unable to AUTH to MASTER: {shown}");
                return self.give_up();
            }
            Talk::Psync => return self.hear_psync(line, &shown),
            Talk::Auth => {}
            _ if is_error => {
                let what = match talk {
                    Talk::Port => "listening-port",
                    Talk::Address => "ip-address",
                    _ => "capa",
                };
                log::info!("(Non critical) Master does not understand REPLCONF {what}: {shown}");
            }
            _ => {}
        }
        let next = match talk {
            Talk::Auth => Talk::Port,
            Talk::Port if !self.config.replica_announce_ip.is_empty() => Talk::Address,
            Talk::Port | Talk::Address => Talk::Abilities,
            _ => return self.ask_for_stream(),
        };
        if let Some(primary) = &mut self.replication.primary {
            primary.stage = Stage::Handshake(next);
        }
    }

    /// The primary may want a password first.
    fn hear_pong(&mut self, line: &[u8], shown: &str) {
        let fine = [
            b"+".as_slice(),
            b"-NOAUTH",
            b"-NOPERM",
            b"-ERR operation not permitted",
        ];
        if !fine.iter().any(|fine| line.starts_with(fine)) {
            log::warn!("Error reply to PING from master: '{shown}'");
            return self.give_up();
        }
        log::info!("Master replied to PING, replication can continue...");
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let config = &self.config;
        let (user, password) = (words(&config.masteruser), words(&config.masterauth));
        let address = words(&config.replica_announce_ip);
        let port = match config.replica_announce_port {
            0 if config.tls_replication => config.tls_port,
            0 => config.port,
            port => port,
        };
        let port = port.to_string();
        let (with_user, without) = (["AUTH", &user, &password], ["AUTH", &password]);
        let listening = ["REPLCONF", "listening-port", &port];
        let at = ["REPLCONF", "ip-address", &address];
        let mut commands: Vec<&[&str]> = Vec::new();
        if !password.is_empty() {
            commands.push(if user.is_empty() {
                &without
            } else {
                &with_user
            });
        }
        commands.push(&listening);
        if !address.is_empty() {
            commands.push(&at);
        }
        commands.push(&["REPLCONF", "capa", "eof", "capa", "psync2"]);
        let next = match password.is_empty() {
            true => Talk::Port,
            false => Talk::Auth,
        };
        if let Some(primary) = &mut self.replication.primary {
            primary.stage = Stage::Handshake(next);
        }
        self.say(&commands);
    }

    /// Asks for the rest of the stream, or for everything.
    fn ask_for_stream(&mut self) {
        let history = &self.replication.history;
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        primary.stage = Stage::Handshake(Talk::Psync);
        primary.offered = None;
        primary.is_plain = false;
        let (id, next) = match primary.is_cached {
            true => (history.id.clone(), (history.offset + 1).to_string()),
            false => ("?".into(), "-1".into()),
        };
        if primary.is_cached {
            log::info!("Trying a partial resynchronization (request {id}:{next}).");
        } else {
            log::info!("Partial resynchronization not possible (no cached master)");
        }
        let failover = self.replication.failover.as_ref();
        match failover.is_some_and(|failover| failover.in_progress) {
            true => self.say(&[&["PSYNC", &id, &next, "FAILOVER"]]),
            false => self.say(&[&["PSYNC", &id, &next]]),
        };
    }

    fn hear_psync(&mut self, line: &[u8], shown: &str) {
        // Only to show that the primary is there.
        if line.is_empty() {
            return;
        }
        let mut words = shown.split(' ');
        let first = words.next().unwrap_or_default();
        let accepted = first.starts_with("+FULLRESYNC") || first.starts_with("+CONTINUE");
        self.failover_answered(accepted);
        if !self.replication.is_replica() {
            return;
        }
        if first.starts_with("+FULLRESYNC") {
            let (id, offset) = (words.next(), words.next());
            return self.accept_full(id, offset);
        }
        if first.starts_with("+CONTINUE") {
            log::info!("Successful partial resynchronization with master.");
            let id = words.next().map(|id| id.trim_end().to_owned());
            return self.accept_rest(id);
        }
        if first.starts_with("-NOMASTERLINK") || first.starts_with("-LOADING") {
            log::info!("Master is currently unable to PSYNC but should be in the future: {shown}");
            return self.give_up();
        }
        if first.starts_with("-ERR") {
            log::info!("Master does not support PSYNC or is in error state (reply: {shown})");
        } else {
            log::warn!("Unexpected reply to PSYNC from master: {shown}");
        }
        log::info!("Retrying with SYNC...");
        if let Some(primary) = &mut self.replication.primary {
            primary.is_plain = true;
        }
        if self.say_bytes(b"SYNC\r\n") {
            self.begin_transfer();
        }
    }

    /// Everything will come: a snapshot, and the stream from there on.
    fn accept_full(&mut self, id: Option<&str>, offset: Option<&str>) {
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        let id = id.filter(|id| id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_graphic()));
        match (id, offset) {
            (Some(id), Some(offset)) => {
                let offset = offset.parse().unwrap_or(0).min(OFFSET_MAX);
                log::info!("Full resync from master: {id}:{offset}");
                primary.offered = Some((id.to_owned(), offset));
            }
            _ => {
                log::warn!("Master replied with wrong +FULLRESYNC syntax.");
                // It can be followed, but nothing of it can ever be asked for.
                let id = "0".repeat(40);
                primary.offered = Some((id, 0));
            }
        }
        self.begin_transfer();
    }

    /// The stream goes on where it ended, perhaps under another name.
    fn accept_rest(&mut self, id: Option<String>) {
        if !self
            .replication
            .primary
            .as_ref()
            .is_some_and(|p| p.is_cached)
        {
            // We asked for everything: there is nothing that could go on.
            log::warn!("Unexpected reply to PSYNC from master: +CONTINUE");
            return self.give_up();
        }
        let is_fine = |id: &String| id.len() == 40 && id.bytes().all(|b| b.is_ascii_graphic());
        let id = id.filter(|id| is_fine(id) && *id != self.replication.history.id);
        if let Some(id) = id {
            log::info!("Master replication ID changed to {id}");
            self.replication.history.shift(id);
            self.disconnect_replicas();
        }
        let db = self.replication.primary.as_ref().map_or(0, |p| p.db);
        self.adopt_link(db);
        self.keep_backlog();
        log::info!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
        supervisor::sd_notify(
            "STATUS=MASTER <-> REPLICA sync: Partial Resynchronization accepted. Ready to accept \
             connections in read-write mode.\n",
        );
    }

    /// The link becomes a client, whose commands are those of the stream.
    pub(in crate::server) fn adopt_link(&mut self, db: u32) {
        let (now_ms, now_s) = (self.clock.mono_ms(), self.clock.now_s());
        let id = self.clients.next_id();
        let db = self.keyspace.index_of(db.into()).unwrap_or(DbIndex(0));
        let Some(primary) = &mut self.replication.primary else {
            return;
        };
        let Some(link) = primary.link.take() else {
            return;
        };
        let mut session = Session::new(id, now_ms);
        session.peer = Peer::Primary;
        session.must_obey = true;
        session.deny_blocking = true;
        session.user = "(superuser)".into();
        session.db = db;
        session.fd = link.fd();
        session.addresses = Box::new(link.addresses());
        link.tune(self.config.tcp_keepalive);
        let mut client = Box::new(Client::new(link, session));
        // The stream may have come with the answer.
        client.readable = true;
        let slot = self.clients.add(client);
        self.clients.waking.push(slot);
        primary.client = Some((id.0, slot));
        primary.is_handed_over = true;
        primary.is_ready = false;
        primary.is_cached = false;
        primary.stage = Stage::Connected;
        primary.up_since_s = now_s;
        if let Some(since_s) = primary.down_since_s.take() {
            primary.was_down_s += now_s - since_s;
        }
        self.refresh_gates_of_role();
    }
}
