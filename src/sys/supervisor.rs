//! The system's log and the system's supervisor: syslog, and systemd's readiness protocol.
//!
//! Called by the logger (`syslog-enabled`) and by `main` (`supervised`).
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::unix::net::UnixDatagram;

/// Sends a state such as `READY=1` to the supervisor named by NOTIFY_SOCKET; false if there is
/// none, or it does not listen.
pub fn sd_notify(state: &str) -> bool {
    match std::env::var("NOTIFY_SOCKET") {
        Ok(socket) => notify(&socket, state).is_ok(),
        Err(_) => false,
    }
}

/// Whether systemd waits for us.
pub fn is_under_systemd() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Whether upstart waits for us.
pub fn is_under_upstart() -> bool {
    std::env::var_os("UPSTART_JOB").is_some()
}

/// Tells upstart that we are up, which it takes from us stopping ourselves.
pub fn upstart_ready() {
    // SAFETY: upstart continues us; nothing else is affected.
    unsafe { libc::raise(libc::SIGSTOP) };
}

fn notify(socket: &str, state: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    match socket.as_bytes() {
        [b'/', _, ..] => sender.send_to(state.as_bytes(), socket)?,
        [b'@', _, ..] => send_to_abstract(&sender, &socket[1..], state)?,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    Ok(())
}

#[cfg(target_os = "linux")]
fn send_to_abstract(sender: &UnixDatagram, name: &str, state: &str) -> io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    sender.send_to_addr(state.as_bytes(), &address)
}

#[cfg(not(target_os = "linux"))]
fn send_to_abstract(_: &UnixDatagram, _: &str, _: &str) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The four levels of the log (`#`, `*`, `-`, `.`) as syslog ranks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    Warning,
    Notice,
    Info,
    Debug,
}

/// A connection to the system's log.
#[derive(Debug)]
pub struct Syslog(());

impl Syslog {
    /// Opens the log under a name; `facility` as in `syslog-facility` (`user`, `local0` …
    /// `local7`), any case. `None` for other words.
    pub fn open(ident: &str, facility: &str) -> Option<Syslog> {
        let facility = match facility.to_ascii_lowercase().as_str() {
            "user" => libc::LOG_USER,
            "local0" => libc::LOG_LOCAL0,
            "local1" => libc::LOG_LOCAL1,
            "local2" => libc::LOG_LOCAL2,
            "local3" => libc::LOG_LOCAL3,
            "local4" => libc::LOG_LOCAL4,
            "local5" => libc::LOG_LOCAL5,
            "local6" => libc::LOG_LOCAL6,
            "local7" => libc::LOG_LOCAL7,
            _ => return None,
        };
        let ident = CString::new(ident).unwrap_or_default();
        let options = libc::LOG_PID | libc::LOG_NDELAY | libc::LOG_NOWAIT;
        // SAFETY: openlog keeps the pointer, so the name is given away for good.
        unsafe { libc::openlog(ident.into_raw(), options, facility) };
        Some(Syslog(()))
    }

    pub fn write(&self, priority: Priority, message: &str) {
        let priority = match priority {
            Priority::Warning => libc::LOG_WARNING,
            Priority::Notice => libc::LOG_NOTICE,
            Priority::Info => libc::LOG_INFO,
            Priority::Debug => libc::LOG_DEBUG,
        };
        let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
        // SAFETY: the format takes one string, which ends with a zero and outlives the call.
        unsafe { libc::syslog(priority, c"%s".as_ptr(), message.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_reach_the_supervisor() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        let listener = UnixDatagram::bind(&path).expect("the directory is writable");
        notify(path.to_str().expect("an ASCII path"), "READY=1\n").expect("it listens");
        let mut bytes = [0; 64];
        let count = listener.recv(&mut bytes).expect("it was sent");
        assert_eq!(&bytes[..count], b"READY=1\n");
        for bad in ["", "/", "@", "relative"] {
            assert!(notify(bad, "READY=1").is_err());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn states_reach_an_abstract_socket() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let name = format!("redwheel-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        let listener = UnixDatagram::bind_addr(&address).expect("the name is free");
        notify(&format!("@{name}"), "STOPPING=1").expect("it listens");
        let mut bytes = [0; 64];
        assert_eq!(listener.recv(&mut bytes).expect("it was sent"), 10);
    }

    #[test]
    fn only_known_facilities_open() {
        assert!(Syslog::open("redwheel", "mail").is_none());
    }
}
