//! Listeners: from directives to open sockets, at the start and when directives change.

use crate::config::Config;
use crate::net::listeners::Listeners;
use crate::net::tls::Contexts;
use crate::net::{Kind, Listener};
use crate::server::Server;
use crate::server::lifecycle::reload::Reloader;
use std::io;
use std::path::PathBuf;

/// The TCP addresses to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    kind: Kind,
    hosts: Vec<Vec<u8>>,
    port: u16,
    backlog: i32,
    mark: u32,
}

impl Plan {
    fn of(config: &Config, kind: Kind) -> Plan {
        Plan {
            kind,
            hosts: config.bind.clone(),
            port: match kind {
                Kind::Tls => config.tls_port,
                _ => config.port,
            },
            backlog: config.tcp_backlog,
            mark: config.socket_mark_id,
        }
    }
}

/// The size of `sun_path`: the path of a Unix socket and its terminating zero, in bytes.
const UNIX_PATH_MAX: usize = 108;

/// An address could not be bound; the reason is in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct NotListening;

/// The listeners of the server.
#[derive(Default)]
pub struct Doors {
    pub listeners: Listeners,
    /// The plans that the listeners for TCP and for TLS were opened for.
    plans: [Option<Plan>; 2],
    /// What TLS connections begin with.
    contexts: Option<Contexts>,
    /// The looks at the files of the certificates.
    reloader: Reloader,
}

impl Doors {
    /// Returns what TLS connections begin with, once it was built.
    pub fn contexts(&self) -> Option<&Contexts> {
        self.contexts.as_ref()
    }

    /// Returns the looks at the files of the certificates, and what was made of these files.
    pub fn reloader(&mut self) -> (&mut Reloader, Option<&Contexts>) {
        (&mut self.reloader, self.contexts.as_ref())
    }

    /// Replaces what TLS connections begin with. Existing ones go on as they began.
    pub fn set_contexts(&mut self, contexts: Contexts) {
        self.contexts = Some(contexts);
    }

    fn plan(&mut self, kind: Kind) -> &mut Option<Plan> {
        &mut self.plans[usize::from(kind == Kind::Tls)]
    }
}

/// Opens all listeners of the configuration. The error is a line for the log.
pub fn listen(server: &mut Server) -> Result<(), String> {
    listen_on_port(server, Kind::Tcp)?;
    if !server.config.unixsocket.is_empty() {
        let path = PathBuf::from(String::from_utf8_lossy(&server.config.unixsocket).as_ref());
        let len = server.config.unixsocket.len();
        if len >= UNIX_PATH_MAX {
            return Err(format!(
                "Failed opening Unix socket: unix socket path too long ({len}), must be under \
                 {UNIX_PATH_MAX}"
            ));
        }
        let (mode, backlog) = (server.config.unixsocketperm, server.config.tcp_backlog);
        let listener = Listener::unix(&path, mode, backlog)
            .map_err(|error| format!("Failed opening Unix socket: bind: {}", reason(&error)))?;
        take_listener(server, listener)?;
    }
    listen_on_port(server, Kind::Tls)?;
    if server.doors.listeners.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".into());
    }
    Ok(())
}

fn listen_on_port(server: &mut Server, kind: Kind) -> Result<(), String> {
    let plan = Plan::of(&server.config, kind);
    let name = match kind {
        Kind::Tls => "tls",
        _ => "tcp",
    };
    let failed = format!("Failed listening on port {} ({name}), aborting.", plan.port);
    for listener in open(&plan).map_err(|_| failed)? {
        take_listener(server, listener)?;
    }
    *server.doors.plan(kind) = Some(plan);
    Ok(())
}

fn take_listener(server: &mut Server, listener: Listener) -> Result<(), String> {
    server
        .doors
        .listeners
        .add(listener)
        .map_err(|error| format!("Can't watch a listening socket: {}", reason(&error)))
}

/// Replaces the listeners for TCP or for TLS. If that fails, the old ones stay open.
pub fn listen_elsewhere(server: &mut Server, kind: Kind) -> Result<(), NotListening> {
    let plan = Plan::of(&server.config, kind);
    let old = server.doors.plan(kind).clone();
    let listeners = &mut server.doors.listeners;
    let opened = match &old {
        // The same port may overlap with an open listener, which must close first.
        Some(old) if old.port == plan.port => {
            listeners.close(kind);
            open(&plan).inspect_err(|_| {
                for listener in open(old).unwrap_or_default() {
                    let _ = listeners.add(listener);
                }
            })?
        }
        _ => {
            let opened = open(&plan)?;
            listeners.close(kind);
            opened
        }
    };
    for listener in opened {
        if let Err(error) = listeners.add(listener) {
            log::warn!("Can't watch a listening socket: {}", reason(&error));
            return Err(NotListening);
        }
    }
    *server.doors.plan(kind) = Some(plan);
    Ok(())
}

/// Opens all addresses of a plan, or none.
fn open(plan: &Plan) -> Result<Vec<Listener>, NotListening> {
    let mut listeners = Vec::new();
    if plan.port == 0 {
        return Ok(listeners);
    }
    for host in &plan.hosts {
        let (name, optional) = match host.strip_prefix(b"-") {
            Some(name) => (name, true),
            None => (host.as_slice(), false),
        };
        let name = String::from_utf8_lossy(name);
        match Listener::tcp(&name, plan.port, plan.kind, plan.backlog, plan.mark) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                let port = plan.port;
                let reason = reason(&error);
                let reason = match error.raw_os_error() {
                    Some(_) => format!("bind: {reason}"),
                    None => reason,
                };
                log::warn!(
                    "Warning: Could not create server TCP listening socket {name}:{port}: {reason}"
                );
                let absent = error.kind() == io::ErrorKind::AddrNotAvailable && optional;
                if !absent && !is_unsupported(&error) {
                    return Err(NotListening);
                }
            }
        }
    }
    Ok(listeners)
}

/// Returns true if the system does not support this kind of socket, such as IPv6 where it is off.
fn is_unsupported(error: &io::Error) -> bool {
    const UNSUPPORTED: [i32; 5] = [
        libc::ENOPROTOOPT,
        libc::EPROTONOSUPPORT,
        libc::ESOCKTNOSUPPORT,
        libc::EPFNOSUPPORT,
        libc::EAFNOSUPPORT,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| UNSUPPORTED.contains(&code))
}

/// Returns the system's error text, without Rust's additions.
fn reason(error: &io::Error) -> String {
    let text = crate::config::os_reason(error);
    match text.strip_prefix("failed to lookup address information: ") {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
