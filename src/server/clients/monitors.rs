//! Clients in MONITOR mode, and the lines fed to them.

use crate::algo::quoting::write_quoted;
use crate::command::Reply;
use crate::command::spec::{ADMIN, SKIP_MONITOR, Spec};
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::publish;
use crate::server::clients::redact::{REDACTED, is_secret};
use crate::server::clients::session::{ClientId, Session};
use crate::server::gates::Gates;
use crate::sys::clock;
use std::io::Write;

/// The clients in MONITOR mode.
#[derive(Default)]
pub struct Monitors(Vec<ClientId>);

impl Monitors {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Begins the MONITOR mode of a client.
pub fn start(server: &mut Server, session: &mut Session) {
    session.monitor = true;
    server.clients.monitors.0.push(session.id);
    server.gates.set(Gates::MONITORED, true);
}

/// Ends the MONITOR mode of a client, also when it is freed.
pub fn stop(server: &mut Server, session: &mut Session) {
    session.monitor = false;
    let monitors = &mut server.clients.monitors;
    monitors.0.retain(|&id| id != session.id);
    server.gates.set(Gates::MONITORED, !monitors.is_empty());
}

/// Feeds an executed command to the monitors.
#[cold]
pub fn feed(server: &mut Server, session: &Session, number: u16, argv: &Argv, reply: &mut Reply) {
    let spec = server.table[number].spec;
    // Administrative commands are not fed.
    if spec.flags.has(ADMIN) || spec.flags.has(SKIP_MONITOR) {
        return;
    }
    show(server, session, number, argv, reply);
}

/// Feeds a command regardless of its flags.
#[cold]
pub fn show(server: &mut Server, session: &Session, number: u16, argv: &Argv, reply: &mut Reply) {
    let line = monitor_line(
        session,
        server.frame.in_script(),
        server.table[number].spec,
        argv,
    );
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

/// Encodes the line of a command: `+<seconds>.<microseconds> [<db> <address>] "<argument>" …`.
fn monitor_line(session: &Session, in_script: bool, spec: &Spec, argv: &Argv) -> Vec<u8> {
    let us = clock::unix_us();
    let mut line = Vec::new();
    let (db, unix) = (session.db.0, if session.is_unix { "unix:" } else { "" });
    let address = &session.addresses.0;
    let unix = if in_script { "" } else { unix };
    let address = if in_script {
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
        let secret = is_secret(spec, argv, index);
        write_quoted(&mut line, if secret { REDACTED } else { arg });
    }
    line.extend_from_slice(b"\r\n");
    line
}
