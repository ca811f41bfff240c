//! A full synchronization on the replica's side: the state of the snapshot that comes.
//!
//! ```text
//!   announced line -> payload … -> file complete --LoadFile---> loading --loaded--> FinishSync
//!        |                                                        |
//!        '---LoadStream--> Feed, Feed … (loads as it comes) ------+--failed--> FailSync
//! ```
//!
//! Into a file, or into memory as it comes (`repl-diskless-load`). Whether the data of the replica
//! is emptied first or replaced at the end is up to the server.

use super::action::Action;
use super::incoming::Incoming;
use super::payload::{NoSnapshot, Payload, parse_line};
use crate::algo::quoting::in_line;
use crate::keyspace::Keyspace;
use crate::sys::file;
use crate::sys::reason;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file is written out whenever it grew by this many bytes, so that the sync at the end is short.
const SYNC_EACH: u64 = 8 << 20;
/// The longest line before a snapshot, in bytes.
const LINE_MAX: usize = 1024;

/// Why a link ended, as Redis puts an end of file: there is no error.
pub const END_OF_FILE: &str = "Success";

const BROKEN_MARK: &str = "Replication stream EOF marker is broken";

/// The destination of the bytes of a snapshot.
pub enum Sink {
    /// A temporary file, loaded when it is complete.
    File(File, PathBuf),
    /// The loader, as they come.
    Memory,
}

/// A snapshot that is being received or loaded.
pub struct Transfer {
    sink: Sink,
    /// `None` before the line that announces the snapshot.
    payload: Option<Payload>,
    is_loading: bool,
    /// The loader has reached the end of the snapshot.
    is_loaded: bool,
    /// Bytes of the file that were written out so far.
    synced: u64,
    /// Databases that are loaded beside the current ones (`swapdb`).
    staging: Option<Box<Keyspace>>,
    /// Function libraries of the snapshot; they take effect together with `staging`.
    functions: Vec<Vec<u8>>,
    /// The current data belongs to the same history and is readable meanwhile.
    serves_reads: bool,
}

impl Transfer {
    pub fn new(sink: Sink) -> Transfer {
        Transfer {
            sink,
            payload: None,
            is_loading: false,
            is_loaded: false,
            synced: 0,
            staging: None,
            functions: Vec::new(),
            serves_reads: false,
        }
    }

    pub fn is_file(&self) -> bool {
        matches!(self.sink, Sink::File(..))
    }

    pub fn is_loading(&self) -> bool {
        self.is_loading
    }

    pub fn serves_reads(&self) -> bool {
        self.serves_reads
    }

    /// The snapshot ends with a mark: its length was unknown.
    pub fn is_marked(&self) -> bool {
        let payload = self.payload.as_ref();
        payload.is_some_and(|payload| payload.total().is_none())
    }

    /// The number of bytes announced (`None` before the line, 0 if unknown) and received.
    pub fn progress(&self) -> (Option<u64>, u64) {
        let payload = self.payload.as_ref();
        (
            payload.map(|payload| payload.total().unwrap_or(0)),
            payload.map_or(0, Payload::received),
        )
    }

    /// Loading starts: into `staging` if there is one.
    pub fn start_loading(&mut self, staging: Option<Box<Keyspace>>, serves_reads: bool) {
        self.is_loading = true;
        self.staging = staging;
        self.serves_reads = serves_reads;
    }

    pub fn has_staging(&self) -> bool {
        self.staging.is_some()
    }

    pub fn take_staging(&mut self) -> Option<Box<Keyspace>> {
        self.staging.take()
    }

    pub fn put_staging(&mut self, staging: Option<Box<Keyspace>>) {
        if staging.is_some() {
            self.staging = staging;
        }
    }

    pub fn add_library(&mut self, code: Vec<u8>) {
        self.functions.push(code);
    }

    pub fn take_libraries(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.functions)
    }

    /// Whether more bytes of the link belong to the snapshot and have room. `has_room` tells that of
    /// the loader.
    pub fn wants_more(&self, has_room: bool) -> bool {
        if self.payload.as_ref().is_some_and(Payload::is_done) {
            return false;
        }
        match self.sink {
            Sink::File(..) => !self.is_loading,
            Sink::Memory => !self.is_loading || has_room,
        }
    }

    /// Whether nothing can be done with the bytes received so far.
    pub fn is_starved(&self, incoming: &Incoming) -> bool {
        match self.payload {
            Some(_) => incoming.pending() == 0,
            None => !incoming.has_line() && incoming.pending() <= LINE_MAX,
        }
    }

    /// Takes the line that announces the snapshot, or bytes of it, off the front of what was received.
    pub fn receive(&mut self, incoming: &mut Incoming) -> Vec<Action> {
        let Some(payload) = &mut self.payload else {
            return match incoming.line() {
                Some(line) => self.announcement(&line),
                None if incoming.pending() > LINE_MAX => no_announcement(END_OF_FILE),
                None => Vec::new(),
            };
        };
        let mut rest = incoming.rest();
        let before = rest.len();
        let mut bytes = Vec::new();
        payload.take(&mut rest, &mut bytes);
        let used = before - rest.len();
        let is_last = payload.is_done();
        incoming.skip(used);
        match self.sink {
            Sink::File(..) => match self.write(&bytes) {
                Ok(()) if is_last => vec![Action::LoadFile],
                Ok(()) => Vec::new(),
                Err(error) => vec![
                    Action::warn(format!(
                        "Write error or short write writing to the DB dump file needed for MASTER \
                         <-> REPLICA synchronization: {}",
                        reason(&error)
                    )),
                    Action::Reconnect,
                ],
            },
            // The loader reached the end of the snapshot: only the mark may follow.
            Sink::Memory if self.is_loaded && !bytes.is_empty() => broken_mark(),
            Sink::Memory if self.is_loaded && is_last => vec![Action::FinishSync],
            Sink::Memory if self.is_loaded => Vec::new(),
            Sink::Memory => vec![Action::Feed { bytes, is_last }],
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Sink::File(file, _) = &mut self.sink else {
            return Ok(());
        };
        file.write_all(bytes)?;
        let received = self.payload.as_ref().map_or(0, Payload::received);
        if received >= self.synced + SYNC_EACH {
            file::write_out(file, self.synced, received - self.synced)?;
            self.synced = received;
        }
        Ok(())
    }

    fn announcement(&mut self, line: &[u8]) -> Vec<Action> {
        let end = match parse_line(line) {
            // The primary is alive and has not started yet.
            Ok(None) => return Vec::new(),
            Ok(Some(end)) => end,
            Err(NoSnapshot::Refused(why)) => {
                let why = in_line(&why);
                let text = format!("MASTER aborted replication with an error: {why}");
                return vec![Action::warn(text), Action::Reconnect];
            }
            Err(NoSnapshot::Strange(line)) => {
                let text = format!(
                    "Bad protocol from MASTER, the first byte is not '$' (we received '{}'), are \
                     you sure the host and port are right?",
                    in_line(&line)
                );
                return vec![Action::warn(text), Action::Reconnect];
            }
        };
        let to = if self.is_file() { "disk" } else { "parser" };
        let payload = Payload::new(end);
        let (total, is_done) = (payload.total(), payload.is_done());
        self.payload = Some(payload);
        let mut actions = vec![Action::info(match total {
            Some(bytes) => {
                format!("MASTER <-> REPLICA sync: receiving {bytes} bytes from master to {to}")
            }
            None => format!(
                "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {to}"
            ),
        })];
        match (self.is_file(), is_done) {
            (true, true) => actions.push(Action::LoadFile),
            (true, false) => {}
            (false, _) => actions.push(Action::LoadStream {
                total: total.unwrap_or(0),
            }),
        }
        if !self.is_file() && is_done {
            actions.push(Action::Feed {
                bytes: Vec::new(),
                is_last: true,
            });
        }
        actions
    }

    /// The link ended or failed before the snapshot was complete.
    pub fn link_failed(&self, why: &str) -> Vec<Action> {
        match (&self.payload, &self.sink) {
            (None, _) => no_announcement(why),
            (Some(_), Sink::File(..)) => {
                let why = match why {
                    END_OF_FILE => "connection lost",
                    why => why,
                };
                let text = format!("I/O error trying to sync with MASTER: {why}");
                vec![Action::warn(text), Action::Reconnect]
            }
            (Some(_), Sink::Memory) if self.is_loaded => broken_mark(),
            // The loader finds the end too early and reports it.
            (Some(_), Sink::Memory) => vec![Action::Feed {
                bytes: Vec::new(),
                is_last: true,
            }],
        }
    }

    /// The loader reached the end of the snapshot; `left_over` bytes were behind it.
    pub fn loaded(&mut self, left_over: usize) -> Vec<Action> {
        self.is_loaded = true;
        let is_received = self.payload.as_ref().is_some_and(Payload::is_done);
        match self.sink {
            Sink::Memory if left_over > 0 => broken_mark(),
            // The mark has yet to come.
            Sink::Memory if !is_received => Vec::new(),
            _ => vec![Action::FinishSync],
        }
    }

    /// A second has passed. `is_late`: nothing came for `repl-timeout`; `is_starved`: the loader, if
    /// there is one, waits for bytes.
    pub fn tick(&self, is_late: bool, is_starved: bool) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.is_loading {
            // Shows the primary that the replica is alive.
            actions.push(Action::Ping);
        }
        let waits = !self.is_loading || !self.is_file() && is_starved;
        if !is_late || !waits {
            return actions;
        }
        if self.is_loading {
            actions.extend(self.link_failed("Resource temporarily unavailable"));
            return actions;
        }
        let text = "Timeout receiving bulk data from MASTER... If the problem persists try to set \
                    the 'repl-timeout' parameter in redis.conf to a larger value.";
        actions.extend([Action::warn(text), Action::Reconnect]);
        actions
    }

    /// Makes the received file the snapshot at `path` and marks the transfer as loading.
    ///
    /// # Errors
    /// If the file or its directory cannot be synced or renamed: the text of the log.
    pub fn install_file(&mut self, path: &Path) -> Result<(), String> {
        let Sink::File(received, temporary) = &self.sink else {
            return Ok(());
        };
        let name = path.display();
        let during = "in MASTER <-> REPLICA synchronization";
        file::fsync(received)
            .map_err(|error| format!("sync the temp DB to disk {during}: {}", reason(&error)))?;
        std::fs::rename(temporary, path).map_err(|error| {
            format!(
                "rename the temp DB into {name} {during}: {}",
                reason(&error)
            )
        })?;
        file::fsync_directory(&file::directory_of(path))
            .map_err(|error| format!("sync DB directory {name} {during}: {}", reason(&error)))?;
        self.is_loading = true;
        Ok(())
    }

    /// Removes the temporary file, unless it has become our snapshot.
    pub fn remove_temporary(&self) {
        if let Sink::File(_, path) = &self.sink
            && !self.is_loading
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn no_announcement(why: &str) -> Vec<Action> {
    let text = format!("I/O error reading bulk count from MASTER: {why}");
    vec![Action::warn(text), Action::Reconnect]
}

fn broken_mark() -> Vec<Action> {
    vec![Action::warn(BROKEN_MARK), Action::FailSync]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: &[u8]) -> Incoming {
        let mut incoming = Incoming::default();
        incoming.extend(bytes);
        incoming
    }

    fn feed(bytes: &[u8], is_last: bool) -> Action {
        Action::Feed {
            bytes: bytes.to_vec(),
            is_last,
        }
    }

    #[test]
    fn a_snapshot_of_known_length_is_fed_to_the_loader() {
        let mut transfer = Transfer::new(Sink::Memory);
        let mut incoming = received(b"\n$1");
        assert!(!transfer.is_starved(&incoming));
        assert_eq!(transfer.receive(&mut incoming), []);
        // Half a line: more has to be read first.
        assert!(transfer.is_starved(&incoming));
        incoming.extend(b"0\r\nREDIS");
        assert!(!transfer.is_starved(&incoming));
        let actions = transfer.receive(&mut incoming);
        assert_eq!(actions[1..], [Action::LoadStream { total: 10 }]);
        transfer.start_loading(None, false);
        assert_eq!(transfer.receive(&mut incoming), [feed(b"REDIS", false)]);
        assert!(transfer.wants_more(true) && !transfer.wants_more(false));
        incoming.extend(b"12345*1");
        assert_eq!(transfer.receive(&mut incoming), [feed(b"12345", true)]);
        // The stream behind it is left alone.
        assert_eq!(incoming.rest(), b"*1");
        assert!(!transfer.wants_more(true));
        assert_eq!(transfer.progress(), (Some(10), 10));
        assert_eq!(transfer.loaded(0), [Action::FinishSync]);
    }

    #[test]
    fn a_mark_may_come_after_the_loader_is_done_but_nothing_else() {
        let mark = [b'm'; 40];
        let line = [b"$EOF:".as_slice(), &mark, b"\r\n"].concat();
        let start = || {
            let mut transfer = Transfer::new(Sink::Memory);
            let mut incoming = received(&line);
            let actions = transfer.receive(&mut incoming);
            assert_eq!(actions[1..], [Action::LoadStream { total: 0 }]);
            transfer.start_loading(None, false);
            assert_eq!(transfer.loaded(0), []);
            (transfer, incoming)
        };
        let (mut transfer, mut incoming) = start();
        incoming.extend(&mark[..30]);
        assert_eq!(transfer.receive(&mut incoming), []);
        incoming.extend(&mark[30..]);
        assert_eq!(transfer.receive(&mut incoming), [Action::FinishSync]);
        assert!(transfer.is_marked());

        let (mut transfer, mut incoming) = start();
        incoming.extend(&[b'x'; 100]);
        let broken = [Action::warn(BROKEN_MARK), Action::FailSync];
        assert_eq!(transfer.receive(&mut incoming), broken);
        assert_eq!(transfer.link_failed(END_OF_FILE), broken);
        assert_eq!(transfer.loaded(3), broken);
    }

    #[test]
    fn a_primary_that_sends_no_snapshot_is_asked_again() {
        for line in ["-ERR no\r\n", "hello\r\n"] {
            let mut transfer = Transfer::new(Sink::Memory);
            let actions = transfer.receive(&mut received(line.as_bytes()));
            assert!(matches!(actions[..], [Action::Log(..), Action::Reconnect]));
        }
        let mut transfer = Transfer::new(Sink::Memory);
        let actions = transfer.receive(&mut received(&[b'$'; LINE_MAX + 1]));
        assert!(matches!(actions[..], [Action::Log(..), Action::Reconnect]));
    }

    #[test]
    fn silence_ends_a_transfer_that_waits_for_bytes() {
        let mut transfer = Transfer::new(Sink::Memory);
        assert_eq!(transfer.tick(false, true), []);
        let late = transfer.tick(true, true);
        assert!(matches!(late[..], [Action::Log(..), Action::Reconnect]));
        transfer.receive(&mut received(b"$100\r\n"));
        transfer.start_loading(None, false);
        // A loader at work needs no bytes.
        assert_eq!(transfer.tick(true, false), [Action::Ping]);
        assert_eq!(transfer.tick(true, true), [Action::Ping, feed(b"", true)]);
    }

    #[test]
    fn a_received_file_becomes_the_snapshot() {
        let directory = std::env::temp_dir();
        let temporary = directory.join(format!("redwheel-transfer-{}.tmp", std::process::id()));
        let path = directory.join(format!("redwheel-transfer-{}.rdb", std::process::id()));
        let file = File::create(&temporary).expect("a temporary file");
        let mut transfer = Transfer::new(Sink::File(file, temporary.clone()));
        let mut incoming = received(b"$5\r\nREDIS*1");
        assert_eq!(transfer.receive(&mut incoming).len(), 1);
        assert_eq!(transfer.receive(&mut incoming), [Action::LoadFile]);
        transfer.install_file(&path).expect("it can be renamed");
        assert!(transfer.is_loading() && !transfer.wants_more(true));
        assert_eq!(std::fs::read(&path).expect("it is there"), b"REDIS");
        assert!(!temporary.exists());
        transfer.remove_temporary();
        assert!(path.exists());
        std::fs::remove_file(path).expect("it can be removed");
    }
}
