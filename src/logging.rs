//! The log: one line per message, in the format of Redis (or, if configured, of Valkey).
//!
//! ```text
//!   4711:M 23 Nov 2026 05:41:58.302 * Ready to accept connections tcp
//!   pid :role  day and time, local  level  message
//! ```
//!
//! The levels `#` warning, `*` notice, `-` verbose and `.` debug are `log`'s warn, info, debug and
//! trace. The file is opened anew for each line, so that log rotation needs no signal. The logger
//! is global by nature; so are its few settings. `main` plugs `format_line` and `Sink` into it,
//! the server changes the settings.

use crate::sys::clock::{self, LocalTime};
use crate::sys::supervisor::{Priority, Syslog};
use log::Level;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The layout of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Layout {
    Legacy,
    Logfmt,
    Json,
}

/// The notation of the time in a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Timestamp {
    Legacy,
    Iso8601,
    Milliseconds,
}

static LAYOUT: AtomicU8 = AtomicU8::new(Layout::Legacy as u8);
static TIMESTAMP: AtomicU8 = AtomicU8::new(Timestamp::Legacy as u8);
/// `C` before the server stands and in children, then `M` or `S`; `X` in a sentinel.
static ROLE: AtomicU8 = AtomicU8::new(b'C');
static SYSLOG: OnceLock<Syslog> = OnceLock::new();

pub fn set_layout(layout: Layout, timestamp: Timestamp) {
    LAYOUT.store(layout as u8, Ordering::Relaxed);
    TIMESTAMP.store(timestamp as u8, Ordering::Relaxed);
}

/// The letter behind the process id.
pub fn set_role(role: u8) {
    ROLE.store(role, Ordering::Relaxed);
}

/// From now on every line also goes to the system's log.
pub fn use_syslog(syslog: Syslog) {
    let _ = SYSLOG.set(syslog);
}

/// Writes a message as a line, and hands it to the system's log.
pub fn format_line(out: &mut dyn Write, level: Level, message: &str) -> io::Result<()> {
    if let Some(syslog) = SYSLOG.get() {
        let priority = match level {
            Level::Error | Level::Warn => Priority::Warning,
            Level::Info => Priority::Notice,
            Level::Debug => Priority::Info,
            Level::Trace => Priority::Debug,
        };
        syslog.write(priority, message);
    }
    let stamp = timestamp(clock::unix_us());
    let (pid, role) = (std::process::id(), ROLE.load(Ordering::Relaxed));
    match LAYOUT.load(Ordering::Relaxed) {
        1 => writeln!(
            out,
            "pid={pid} role={} timestamp=\"{stamp}\" level={} message=\"{}\"",
            role_name(role),
            level_name(level),
            escape(message)
        ),
        2 => writeln!(
            out,
            "{{\"pid\":{pid},\"role\":\"{}\",\"timestamp\":\"{stamp}\",\"level\":\"{}\",\"message\":\"{}\"}}",
            role_name(role),
            level_name(level),
            escape(message)
        ),
        _ => {
            let mark = match level {
                Level::Error | Level::Warn => '#',
                Level::Info => '*',
                Level::Debug => '-',
                Level::Trace => '.',
            };
            writeln!(out, "{pid}:{} {stamp} {mark} {message}", role as char)
        }
    }
}

fn role_name(role: u8) -> &'static str {
    match role {
        b'X' => "sentinel",
        b'C' => "RDB/AOF",
        b'S' => "replica",
        _ => "primary",
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error | Level::Warn => "warning",
        Level::Info => "notice",
        Level::Debug => "verbose",
        Level::Trace => "debug",
    }
}

fn timestamp(unix_us: i64) -> String {
    match TIMESTAMP.load(Ordering::Relaxed) {
        1 => iso8601(unix_us),
        2 => (unix_us / 1000).to_string(),
        _ => clock::log_time(unix_us),
    }
}

fn iso8601(unix_us: i64) -> String {
    let t = LocalTime::from_unix_s(unix_us.div_euclid(1_000_000));
    let ms = unix_us.rem_euclid(1_000_000) / 1000;
    let sign = if t.offset_s < 0 { '-' } else { '+' };
    let offset = t.offset_s.unsigned_abs() / 60;
    format!(
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}.{ms:03}{sign}{:02}:{:02}",
        t.year,
        t.month,
        t.day,
        t.hour,
        t.minute,
        t.second,
        offset / 60,
        offset % 60
    )
}

/// A message inside double quotes.
fn escape(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for c in message.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// The destination of lines: a file, or the standard output for an empty name.
pub struct Sink {
    path: Option<PathBuf>,
}

impl Sink {
    pub fn new(logfile: PathBuf) -> Sink {
        let path = (!logfile.as_os_str().is_empty()).then_some(logfile);
        Sink { path }
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.path {
            None => io::stdout().write(line),
            Some(path) => {
                let mut options = OpenOptions::new();
                let mut file = options.append(true).create(true).open(path)?;
                file.write(line)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.path {
            None => io::stdout().flush(),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, message: &str) -> String {
        let mut out = Vec::new();
        format_line(&mut out, level, message).expect("a vector takes everything");
        String::from_utf8(out).expect("it was text")
    }

    #[test]
    fn lines_are_laid_out_as_asked() {
        let plain = line(Level::Info, "hello");
        let words: Vec<&str> = plain.split(' ').collect();
        assert_eq!(words[0], format!("{}:C", std::process::id()));
        assert_eq!((words[5], words[6]), ("*", "hello\n"));
        set_layout(Layout::Json, Timestamp::Milliseconds);
        let json = line(Level::Warn, "a \"b\"\n");
        assert!(json.ends_with("\"level\":\"warning\",\"message\":\"a \\\"b\\\"\\n\"}\n"));
        set_layout(Layout::Logfmt, Timestamp::Iso8601);
        let logfmt = line(Level::Trace, "x");
        assert!(logfmt.contains("T") && logfmt.ends_with(" level=debug message=\"x\"\n"));
        set_layout(Layout::Legacy, Timestamp::Legacy);
    }

    #[test]
    fn a_rotated_file_is_written_anew() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("server.log");
        let mut sink = Sink::new(path.clone());
        sink.write_all(b"one\n").expect("the directory is writable");
        std::fs::rename(&path, folder.path().join("old")).expect("it is there");
        sink.write_all(b"two\n").expect("the directory is writable");
        assert_eq!(std::fs::read(&path).expect("it was written"), b"two\n");
    }
}
