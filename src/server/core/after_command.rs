//! After a slow command: the clock and the latency monitor. After one that is slow, or has a large
//! request or reply: the command logs. After each, if it is asked for: the hottest keys.

use crate::command::Args;
use crate::command::spec::{FAST, SKIP_SLOWLOG};
use crate::observe::commandlog::{Entry, Kind, Limits, cut, request_bytes};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::redact::is_secret;
use crate::server::clients::session::Session;
use crate::server::gates::Gates;

impl Server {
    /// Records a command that exceeded one of the thresholds. It took so many nanoseconds and replied
    /// so many bytes.
    #[cold]
    pub fn notice(
        &mut self,
        session: &Session,
        number: u16,
        argv: Argv,
        (ns, replied): (u64, usize),
    ) {
        self.clock.catch_up(self.frame.began());
        if !self.unit.is_nested() {
            self.keyspace.set_now_ms(self.clock.now_ms());
        }
        let slot = &mut self.table[number];
        let event = match slot.spec.flags.has(FAST) {
            true => "fast-command",
            false => "command",
        };
        self.observe
            .latency
            .note(event, self.clock.now_s(), ns / 1_000_000);
        let logs = &self.observe.logs;
        let (is_slow, is_large) = (ns >= logs.slow_ns, replied >= logs.reply_bytes);
        if is_slow && log_command(self, session, number, argv, (Kind::Slow, ns / 1000)) {
            self.table[number].stats.slow.note(ns / 1000);
            self.observe.logs.slow.note(ns / 1000);
        }
        if is_large {
            log_command(
                self,
                session,
                number,
                argv,
                (Kind::LargeReply, replied as u64),
            );
        }
    }
}

/// Logs a request that is large. Commands that a script or a transaction calls have none.
#[cold]
pub fn log_large_request(server: &mut Server, session: &Session, number: u16, args: &Args) {
    if !server.gates.has(Gates::LARGE_REQUEST)
        || server.unit.is_nested()
        || server.frame.in_script()
        || server.frame.is_resumed()
    {
        return;
    }
    let bytes = request_bytes(&args.argv());
    if bytes >= server.observe.logs.request_bytes {
        let measure = (Kind::LargeRequest, bytes as u64);
        log_command(server, session, number, args.argv(), measure);
    }
}

/// Adds a command to the log of a kind, with what was measured. Returns whether it was added.
fn log_command(
    server: &mut Server,
    session: &Session,
    number: u16,
    argv: Argv,
    (kind, measure): (Kind, u64),
) -> bool {
    let spec = server.table[number].spec;
    if spec.flags.has(SKIP_SLOWLOG) {
        return false;
    }
    let args = (0..argv.len()).map(|index| argv.at(index));
    // A script has no connection of its own.
    let (peer, client) = match server.frame.in_script() {
        true => Default::default(),
        false => (session.addresses.0.clone(), session.name.clone()),
    };
    let limits = Limits {
        args: server.config.slowlog_entry_max_argc as usize,
        arg_bytes: server.config.slowlog_entry_max_string_len as usize,
    };
    let entry = Entry {
        id: 0,
        unix_s: server.clock.now_s(),
        measure,
        args: cut(args, |index| is_secret(spec, &argv, index), limits),
        argc: argv.len(),
        peer,
        name: client,
    };
    let max_len = match kind {
        Kind::Slow => server.config.slowlog_max_len,
        Kind::LargeRequest => server.config.commandlog_large_request_max_len,
        Kind::LargeReply => server.config.commandlog_large_reply_max_len,
    };
    let log = server.observe.logs.of_mut(kind);
    log.push(entry, max_len as usize)
}

/// Counts a command for the hottest keys.
#[cold]
pub fn count_hot_keys(server: &mut Server, number: u16, argv: &Argv, ns: u64, replied: usize) {
    if !server.observe.is_collecting(server.clock.mono_ms()) {
        return server.gates.set(Gates::HOTKEYS, false);
    }
    let Ok(places) = server.table[number].spec.find_keys(argv) else {
        return;
    };
    if places.is_empty() {
        return;
    }
    let mut keys: Vec<(&[u8], u64)> = Vec::with_capacity(places.len());
    for (place, _) in places {
        let key = argv.at(place);
        keys.push((key, server.keyspace.hash(key)));
    }
    let bytes = request_bytes(argv) + replied;
    if let Some(hotkeys) = &mut server.observe.hotkeys {
        hotkeys.note(&keys, ns, bytes as u64);
    }
}
