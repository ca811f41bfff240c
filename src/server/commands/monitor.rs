//! MONITOR: every command as it comes, with its time, database, sender and arguments.
//!
//! `feed_monitors` is called behind each command while the gate `MONITORED` is set; while nobody
//! watches, that gate is all it costs.

use crate::algo::quoting::write_quoted;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::resp::request::Argv;
use crate::server::clients::publish;
use crate::server::clients::session::{ClientId, Peer, Session};
use crate::server::core::admit::Gates;
use crate::server::core::redact::{REDACTED, is_secret};
use crate::server::{Server, ServerCommand};
use crate::sys::clock;
use std::io::Write;

pub static TABLE: &[ServerCommand] = &[Entry {
    spec: Spec {
        name: "monitor",
        arity: 1,
        flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
        group: Group::Server,
        since: "1.0.0",
        summary: "Shows every command as it comes.",
        ..Spec::BASE
    },
    run: monitor,
    subcommands: &[],
}];

/// Who watches.
#[derive(Default)]
pub struct Monitors(Vec<ClientId>);

impl Monitors {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// MONITOR.
fn monitor(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if session.deny_blocking {
        return Err(CmdError::Fixed(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    // Asked again, it stays silent.
    if session.monitor || session.peer == Peer::Replica {
        return Ok(());
    }
    session.monitor = true;
    server.clients.monitors.0.push(session.id);
    server.gates.set(Gates::MONITORED, true);
    reply.ok()
}

/// A client watches no longer, or is gone.
pub fn stop_monitor(server: &mut Server, session: &mut Session) {
    session.monitor = false;
    let monitors = &mut server.clients.monitors;
    monitors.0.retain(|&id| id != session.id);
    server.gates.set(Gates::MONITORED, !monitors.is_empty());
}

/// Shows a command that ran to everybody who watches.
#[cold]
pub fn feed_monitors(
    server: &mut Server,
    session: &Session,
    number: u16,
    argv: &Argv,
    reply: &mut Reply,
) {
    let spec = server.table[number].spec;
    // Administration is nobody else's business.
    if spec.flags.has(ADMIN) || spec.flags.has(SKIP_MONITOR) {
        return;
    }
    show_monitors(server, session, number, argv, reply);
}

/// Shows a command, whatever it is.
#[cold]
pub(in crate::server) fn show_monitors(
    server: &mut Server,
    session: &Session,
    number: u16,
    argv: &Argv,
    reply: &mut Reply,
) {
    let line = monitor_line(session, &server.table[number].full_name, argv);
    let monitors = std::mem::take(&mut server.clients.monitors);
    for &id in &monitors.0 {
        if id == session.id {
            let _ = reply.raw(&line);
        } else {
            server.clients.tell(id, &line);
        }
    }
    server.clients.monitors = monitors;
    publish::judge_bulky(server);
}

/// `+<seconds>.<microseconds> [<db> <address>] "<argument>" …`.
fn monitor_line(session: &Session, command: &str, argv: &Argv) -> Vec<u8> {
    let us = clock::unix_us();
    let mut line = Vec::new();
    let (db, unix) = (session.db.0, if session.is_unix { "unix:" } else { "" });
    let address = &session.addresses.0;
    let unix = if session.in_script { "" } else { unix };
    let address = if session.in_script {
        "lua"
    } else if session.is_unix {
        address.strip_suffix(":0").unwrap_or(address)
    } else {
        address
    };
    let (s, us) = (us / 1_000_000, us % 1_000_000);
    write!(line, "+{s}.{us:06} [{db} {unix}{address}]").expect("a vector takes it");
    for (index, arg) in argv.iter().enumerate() {
        line.push(b' ');
        let secret = is_secret(command, argv, index);
        write_quoted(&mut line, if secret { REDACTED } else { arg });
    }
    line.extend_from_slice(b"\r\n");
    line
}
