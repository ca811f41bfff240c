//! The link of a replica to its primary, and the place in the primary's history.
//!
//! ```text
//!   Connect -> Connecting -> Handshake(…) -> Transfer -> Connected
//!      ^           |              |  |          |  ^         |
//!      '-----------+--------------'--+----------'  '---------+--- the link is lost
//!                                    '-- +CONTINUE --------->'
//! ```
//!
//! With an RDB channel (`rdb_channel`) the link that is being made is that channel from
//! +RDBCHANNELSYNC on, and `main` keeps the other one, which becomes the client:
//!
//! ```text
//!   Handshake -- +RDBCHANNELSYNC --> OpenChannel -> Channel(…) -> Transfer -> Connected
//! ```
//!
//! While a link is being made it belongs here; afterwards it is a client like any other
//! (`Peer::Primary`). A lost link leaves two things behind: the history (`Replication::history`) says
//! how far the stream was applied, and `db` which database it had selected. With those the primary
//! is asked for the rest (`is_cached`).

mod channels;

use super::action::Action;
use super::handshake::{Context, Handshake};
use super::incoming::Incoming;
use super::rdb_channel::{Channel, Kept, MainChannel};
use super::transfer::{END_OF_FILE, Transfer};
use crate::net::{Link, Received};
use crate::sys::reason;
use std::io;

/// The longest line of the handshake, in bytes.
const LINE_MAX: usize = 1024;

/// The stage of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Connect,
    Connecting,
    Handshake(Handshake),
    /// The RDB channel connects.
    OpenChannel(Channel),
    Channel(Channel),
    Transfer,
    Connected,
}

impl Stage {
    /// The word of ROLE.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Connecting => "connecting",
            Stage::Handshake(_) | Stage::OpenChannel(_) | Stage::Channel(_) => "handshake",
            Stage::Transfer => "sync",
            Stage::Connected => "connected",
        }
    }
}

/// The state of the server that a tick depends on.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Monotonic milliseconds, as is `client_active_ms`.
    pub now_ms: u64,
    /// `repl-timeout`.
    pub limit_ms: u64,
    /// The server loads a snapshot or a log.
    pub is_loading: bool,
    /// The loader waits for bytes, or there is none.
    pub is_starved: bool,
    /// The last input of the client that is the link; `None` without one.
    pub client_active_ms: Option<u64>,
}

/// The primary of a replica.
pub struct Primary {
    host: String,
    port: u16,
    stage: Stage,
    /// The number of the timer that counts.
    round: u64,
    /// The link that is being made; the event loop watches it.
    link: Option<Link>,
    is_watched: bool,
    /// The event loop reported the link readable or writable.
    is_ready: bool,
    incoming: Incoming,
    /// When bytes last came, in monotonic milliseconds.
    active_ms: u64,
    /// The client that is the link, and its slot.
    client: Option<(u64, usize)>,
    /// The event loop has yet to watch the link as that of a client.
    is_handed_over: bool,
    /// A partial resynchronization is possible.
    is_cached: bool,
    /// The database that the stream has selected, kept while there is no link.
    db: u32,
    /// The replication ID and offset that the full synchronization leads to.
    offered: Option<(String, u64)>,
    transfer: Option<Box<Transfer>>,
    /// The main channel, while `link` is the RDB channel.
    main: Option<Box<MainChannel>>,
    /// The part of the stream that came before the link became a client and was not applied yet,
    /// and how much there was, in bytes, until all is applied.
    kept: Kept,
    kept_in_all: Option<usize>,
    /// The most memory that was used for it, in bytes.
    kept_peak: usize,
    /// REPLCONF GETACK was received; the reply follows when the command is over.
    owes_ack: bool,
    /// The stream violated the protocol.
    is_corrupt: bool,
    /// The primary only knows SYNC and no offsets.
    is_plain: bool,
    /// Unix seconds, and seconds in all before the current outage.
    down_since_s: Option<i64>,
    up_since_s: i64,
    was_down_s: i64,
    /// Attempts to connect since the last success, and in all.
    attempts: u64,
    all_attempts: u64,
}

impl std::fmt::Debug for Primary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} {:?}", self.host, self.port, self.stage)
    }
}

impl Primary {
    pub fn new(host: String, port: u16, round: u64) -> Primary {
        Primary {
            host,
            port,
            stage: Stage::Connect,
            round,
            link: None,
            is_watched: false,
            is_ready: false,
            incoming: Incoming::default(),
            active_ms: 0,
            client: None,
            is_handed_over: false,
            is_cached: false,
            db: 0,
            offered: None,
            transfer: None,
            main: None,
            kept: Kept::default(),
            kept_in_all: None,
            kept_peak: 0,
            owes_ack: false,
            is_corrupt: false,
            is_plain: false,
            down_since_s: None,
            up_since_s: 0,
            was_down_s: 0,
            attempts: 0,
            all_attempts: 0,
        }
    }

    /// Keeps the place in the stream of the primary before this one.
    pub fn inherit(&mut self, before: &Primary) {
        self.is_cached = before.is_cached;
        self.db = before.db;
        self.down_since_s = before.down_since_s;
        self.kept_peak = before.kept_peak;
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn round(&self) -> u64 {
        self.round
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }

    /// Whether the history is that of the primary, so that it can be continued.
    pub fn is_known(&self) -> bool {
        self.is_connected() || self.is_cached
    }

    /// The database that the stream has selected.
    pub fn db(&self) -> u32 {
        self.db
    }

    /// The link takes part in the history from `db` on: the primary is asked for the rest.
    pub fn cache(&mut self, db: u32) {
        self.is_cached = true;
        self.db = db;
    }

    pub fn is_cached(&self) -> bool {
        self.is_cached
    }

    /// Forgets the place in the history. True if there was one.
    pub fn discard_cached(&mut self) -> bool {
        std::mem::take(&mut self.is_cached)
    }

    /// Whether a client is the link.
    pub fn is_client(&self, id: u64) -> bool {
        self.client.is_some_and(|(client, _)| client == id)
    }

    /// The slot of the client that is the link.
    pub fn slot(&self) -> Option<usize> {
        self.client.map(|(_, slot)| slot)
    }

    pub fn transfer(&self) -> Option<&Transfer> {
        self.transfer.as_deref()
    }

    pub fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        self.transfer.as_deref_mut()
    }

    pub fn take_transfer(&mut self) -> Option<Box<Transfer>> {
        self.transfer.take()
    }

    /// The replication ID and offset that the full synchronization leads to.
    pub fn offered(&self) -> Option<&(String, u64)> {
        self.offered.as_ref()
    }

    pub fn take_offered(&mut self) -> Option<(String, u64)> {
        self.offered.take()
    }

    /// When bytes last came while the link was being made, in monotonic milliseconds.
    pub fn active_ms(&self) -> u64 {
        self.active_ms
    }

    /// Attempts to connect since the last success, and in all.
    pub fn attempts(&self) -> (u64, u64) {
        (self.attempts, self.all_attempts)
    }

    /// Seconds since the link is up.
    pub fn up_s(&self, now_s: i64) -> i64 {
        now_s - self.up_since_s
    }

    /// Seconds since the link is down (`None` while it is up or was never made), and all the time
    /// it was down.
    pub fn down_s(&self, now_s: i64) -> (Option<i64>, i64) {
        let down_s = self.down_since_s.map(|since_s| now_s - since_s);
        (down_s, self.was_down_s + down_s.unwrap_or(0))
    }

    /// Bytes received that were not applied yet.
    pub fn pending(&self) -> usize {
        self.incoming.pending() + self.kept.len()
    }
}

/// The link while it is being made.
impl Primary {
    /// A new attempt to connect begins. The caller makes the link and passes it to `opened`.
    pub fn attempt(&mut self) {
        self.hang_up();
        self.attempts += 1;
        self.all_attempts += 1;
    }

    /// A link was opened, which does not mean that it is connected.
    pub fn opened(&mut self, link: io::Result<Link>, now_ms: u64) -> Vec<Action> {
        match link {
            Ok(link) => {
                self.link = Some(link);
                self.stage = Stage::Connecting;
                self.active_ms = now_ms;
                vec![Action::info("MASTER <-> REPLICA sync started")]
            }
            Err(error) => {
                let text = format!("Unable to connect to MASTER: {}", reason(&error));
                vec![Action::warn(text)]
            }
        }
    }

    /// The socket of the link is writable: it is connected, or failed.
    pub fn writable(&mut self) -> Vec<Action> {
        self.is_ready = false;
        let Some(link) = &mut self.link else {
            return Vec::new();
        };
        let state = link.is_connected();
        if let Ok(true) = state {
            link.tune(0);
        }
        self.connected(state)
    }

    /// The result of connecting; false while it is under way.
    fn connected(&mut self, state: io::Result<bool>) -> Vec<Action> {
        match state {
            Ok(true) if let Stage::OpenChannel(channel) = self.stage => {
                self.stage = Stage::Channel(channel);
                let main = self.main.as_mut();
                let greeting = main.map_or(Vec::new(), |main| main.take_greeting());
                vec![Action::Send(greeting)]
            }
            Err(error) if matches!(self.stage, Stage::OpenChannel(_)) => {
                vec![channels::no_channel(&error), Action::Abandon]
            }
            Ok(false) => Vec::new(),
            Ok(true) => {
                let (handshake, bytes) = Handshake::start();
                self.stage = Stage::Handshake(handshake);
                let text = "Non blocking connect for SYNC fired the event.";
                vec![Action::info(text), Action::Send(bytes)]
            }
            Err(error) => {
                let text = format!("Error condition on socket for SYNC: {}", reason(&error));
                vec![Action::warn(text), Action::Abandon]
            }
        }
    }

    /// Writes to the link. Messages of the handshake are short: if the socket does not take one at
    /// once, it is broken.
    ///
    /// # Errors
    /// The text of the log.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(link) = &mut self.link else {
            return Err("no link".into());
        };
        let why = match link.write(bytes) {
            Ok(n) if n == bytes.len() => return Ok(()),
            Ok(_) => "Resource temporarily unavailable".to_owned(),
            Err(error) => reason(&error),
        };
        Err(format!(
            "Sending command to master in replication handshake: -Writing to master: {why}"
        ))
    }

    /// Reads once from the link, at most `max` bytes. `None` if nothing is there now.
    ///
    /// # Errors
    /// If the link has ended: the reason as Redis puts it.
    pub fn read(&mut self, max: usize, now_ms: u64) -> Result<Option<usize>, String> {
        let Some(link) = &mut self.link else {
            return Ok(None);
        };
        match self.incoming.read(link, max) {
            Ok(Received { bytes: 0, .. }) => Err(END_OF_FILE.into()),
            Ok(Received { bytes, .. }) => {
                self.active_ms = now_ms;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_ready = false;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    /// The link ended or failed.
    pub fn link_failed(&mut self, why: &str) -> Vec<Action> {
        self.is_ready = false;
        match (self.stage, &self.transfer) {
            (Stage::Handshake(handshake), _) => {
                let mut actions = Vec::from(handshake.failed(why));
                actions.push(Action::Abandon);
                actions
            }
            (Stage::Channel(channel), _) => {
                let mut actions = Vec::from(channel.failed(why));
                actions.push(Action::Abandon);
                actions
            }
            (Stage::Transfer, Some(transfer)) => transfer.link_failed(why),
            _ => Vec::new(),
        }
    }

    /// Takes the next reply of the handshake from the bytes received; `None` if none is complete.
    pub fn next_reply(&mut self, context: &Context) -> Option<Vec<Action>> {
        if !matches!(self.stage, Stage::Handshake(_) | Stage::Channel(_)) {
            return None;
        }
        match (self.incoming.line(), &mut self.stage) {
            (Some(line), Stage::Channel(channel)) => Some(channel.reply(&line)),
            (Some(line), Stage::Handshake(handshake)) => Some(handshake.reply(&line, context)),
            (None, _) if self.incoming.pending() > LINE_MAX => {
                let text = "Master did not respond to command during SYNC handshake";
                Some(vec![Action::warn(text), Action::Abandon])
            }
            _ => None,
        }
    }

    /// A snapshot will come.
    pub fn begin_transfer(
        &mut self,
        transfer: Transfer,
        offered: Option<(String, u64)>,
        now_ms: u64,
    ) {
        self.stage = Stage::Transfer;
        self.is_plain = offered.is_none();
        self.offered = offered;
        self.active_ms = now_ms;
        self.transfer = Some(Box::new(transfer));
    }

    /// Whether the link has to be read before more of the snapshot can be handled.
    pub fn is_starved(&self) -> bool {
        let transfer = self.transfer.as_ref();
        transfer.is_some_and(|transfer| transfer.is_starved(&self.incoming))
    }

    /// Handles bytes of the snapshot that were received.
    pub fn receive_snapshot(&mut self) -> Vec<Action> {
        match &mut self.transfer {
            Some(transfer) => transfer.receive(&mut self.incoming),
            None => Vec::new(),
        }
    }

    /// Whether the link is to be read now, before it is a client's. `has_room` tells that of the
    /// loader, if there is one.
    pub fn wants_input(&self, has_room: bool) -> bool {
        let transfer = self.transfer.as_ref();
        self.is_ready && transfer.is_none_or(|transfer| transfer.wants_more(has_room))
    }

    /// A second has passed.
    pub fn tick(&self, tick: &Tick) -> Vec<Action> {
        let is_late = tick.now_ms.saturating_sub(self.active_ms) > tick.limit_ms;
        match self.stage {
            Stage::Connect if tick.is_loading => Vec::new(),
            Stage::Connect => vec![Action::Connect],
            Stage::Connecting | Stage::Handshake(_) | Stage::OpenChannel(_) | Stage::Channel(_) => {
                let text = "Timeout connecting to the MASTER...";
                match is_late {
                    true => vec![Action::warn(text), Action::Reconnect],
                    false => Vec::new(),
                }
            }
            Stage::Transfer => {
                let transfer = self.transfer.as_ref();
                transfer.map_or(Vec::new(), |one| one.tick(is_late, tick.is_starved))
            }
            Stage::Connected => self.tick_stream(tick),
        }
    }

    /// Checks that the primary still sends, and tells it the offset.
    fn tick_stream(&self, tick: &Tick) -> Vec<Action> {
        let (Some((_, slot)), Some(active_ms)) = (self.client, tick.client_active_ms) else {
            return Vec::new();
        };
        if tick.now_ms.saturating_sub(active_ms) > tick.limit_ms {
            let text = "MASTER timeout: no data nor PING received...";
            return vec![Action::warn(text), Action::CloseClient { slot }];
        }
        vec![Action::SendAck]
    }

    /// Closes the link and drops the bytes received on it.
    pub fn hang_up(&mut self) {
        self.link = None;
        self.is_watched = false;
        self.is_ready = false;
        self.is_handed_over = false;
        self.incoming.clear();
        self.main = None;
        self.kept = Kept::default();
        self.kept_in_all = None;
        self.offered = None;
        self.stage = Stage::Connect;
    }
}

/// The event loop's side.
impl Primary {
    /// The event loop reported the link ready.
    pub fn set_ready(&mut self) {
        self.is_ready = true;
    }

    pub fn clear_ready(&mut self) {
        self.is_ready = false;
    }

    /// A link that the event loop does not watch yet; it is regarded as watched from now on.
    pub fn take_unwatched(&mut self) -> Option<&mut Link> {
        if std::mem::replace(&mut self.is_watched, self.link.is_some()) {
            return None;
        }
        self.link.as_mut()
    }

    /// The slot of the client that the link became since the last call.
    pub fn take_handed_over(&mut self) -> Option<usize> {
        match std::mem::take(&mut self.is_handed_over) {
            true => self.slot(),
            false => None,
        }
    }
}

/// The link as a client.
impl Primary {
    /// Takes the link to make a client of it; `adopted` follows. After a synchronization over an RDB
    /// channel that is the main channel.
    pub fn take_link(&mut self) -> Option<Link> {
        let Some(main) = self.main.take() else {
            return self.link.take();
        };
        self.link = None;
        self.incoming.clear();
        let (link, kept) = main.into_parts();
        self.kept_in_all = Some(kept.len());
        self.kept = kept;
        Some(link)
    }

    /// The link became a client.
    pub fn adopted(&mut self, id: u64, slot: usize, now_s: i64) {
        self.client = Some((id, slot));
        self.is_handed_over = true;
        self.is_ready = false;
        self.is_cached = false;
        self.stage = Stage::Connected;
        self.up_since_s = now_s;
        if let Some(since_s) = self.down_since_s.take() {
            self.was_down_s += now_s - since_s;
        }
    }

    /// The client that was the link is gone. The place in the stream is kept, unless the stream was
    /// corrupt. True if it is kept.
    pub fn lost(&mut self, db: u32, now_s: i64) -> bool {
        self.client = None;
        self.is_cached = !std::mem::take(&mut self.is_corrupt);
        self.db = db;
        self.down_since_s = Some(now_s);
        self.attempts = 0;
        self.hang_up();
        self.is_cached
    }

    /// The link is given up because the primary is no longer ours; returns its client.
    pub fn detach(&mut self, now_s: i64) -> Option<(u64, usize)> {
        let client = self.client.take();
        if client.is_some() {
            self.is_cached = true;
            self.down_since_s = Some(now_s);
        }
        client
    }

    /// The slot of the client to report the offset to, unless the primary knows no offsets.
    pub fn ack_slot(&self) -> Option<usize> {
        self.slot().filter(|_| !self.is_plain)
    }

    /// REPLCONF GETACK was received from a client; only the primary's counts.
    pub fn note_getack(&mut self, id: u64) {
        self.owes_ack |= self.is_client(id);
    }

    pub fn take_getack(&mut self) -> bool {
        std::mem::take(&mut self.owes_ack)
    }

    /// The stream violated the protocol: it is not continued after the link ends.
    pub fn set_corrupt(&mut self) {
        self.is_corrupt = true;
    }

    /// The bytes received; taken while commands run, and put back with the selected database.
    pub fn incoming_mut(&mut self) -> &mut Incoming {
        &mut self.incoming
    }

    pub fn take_incoming(&mut self) -> Incoming {
        std::mem::take(&mut self.incoming)
    }

    pub fn put_incoming(&mut self, incoming: Incoming, db: u32) {
        self.incoming = incoming;
        self.db = db;
    }
}

#[cfg(test)]
mod tests {
    use super::super::handshake::Identity;
    use super::super::transfer::Sink;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn tick(now_ms: u64) -> Tick {
        Tick {
            now_ms,
            limit_ms: 60_000,
            is_loading: false,
            is_starved: true,
            client_active_ms: None,
        }
    }

    /// Runs a handshake up to the reply to PSYNC and returns the actions of the last reply.
    fn handshake(primary: &mut Primary, psync_reply: &str) -> Vec<Action> {
        let identity = Identity::default();
        let context = Context {
            identity: &identity,
            resume: Some((ID, 8)),
            is_failover: false,
        };
        let actions = primary.connected(Ok(true));
        assert!(matches!(actions[1], Action::Send(_)));
        let replies = format!("+PONG\r\n+OK\r\n+OK\r\n{psync_reply}\r\n");
        primary.incoming.extend(replies.as_bytes());
        let mut last = Vec::new();
        for _ in 0..4 {
            last = primary.next_reply(&context).expect("four replies");
        }
        last
    }

    #[test]
    fn a_link_is_tried_every_second_unless_data_is_being_loaded() {
        let primary = Primary::new("h".into(), 1, 1);
        assert_eq!(primary.tick(&tick(0)), [Action::Connect]);
        let loading = Tick {
            is_loading: true,
            ..tick(0)
        };
        assert_eq!(primary.tick(&loading), []);
    }

    #[test]
    fn a_silent_handshake_times_out() {
        let mut primary = Primary::new("h".into(), 1, 1);
        primary.stage = Stage::Connecting;
        primary.active_ms = 1_000;
        assert_eq!(primary.tick(&tick(61_000)), []);
        let late = primary.tick(&tick(61_001));
        assert!(matches!(late[..], [Action::Log(..), Action::Reconnect]));
        primary.connected(Ok(true));
        assert_eq!(primary.tick(&tick(61_001)), late);
    }

    #[test]
    fn a_link_that_ends_in_the_handshake_is_abandoned() {
        let mut primary = Primary::new("h".into(), 1, 1);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let actions = primary.connected(Err(refused));
        assert!(matches!(actions[..], [Action::Log(..), Action::Abandon]));
        primary.connected(Ok(true));
        let actions = primary.link_failed(END_OF_FILE);
        assert_eq!(actions.last(), Some(&Action::Abandon));
        // A reply without an end is no reply.
        primary.incoming.extend(&[b'x'; LINE_MAX + 1]);
        let identity = Identity::default();
        let context = Context {
            identity: &identity,
            resume: None,
            is_failover: false,
        };
        let actions = primary.next_reply(&context).expect("it is too long");
        assert_eq!(actions.last(), Some(&Action::Abandon));
    }

    #[test]
    fn the_stream_may_follow_on_the_heels_of_the_reply() {
        let mut primary = Primary::new("h".into(), 1, 1);
        primary.cache(3);
        let actions = handshake(&mut primary, "+CONTINUE\r\n*1\r\n$4\r\nPING");
        assert_eq!(actions.last(), Some(&Action::Continue { id: None }));
        primary.adopted(7, 1, 100);
        assert!(primary.is_client(7) && primary.is_known() && !primary.is_cached());
        assert_eq!(primary.incoming_mut().advance(), Ok(true));
    }

    #[test]
    fn a_snapshot_may_follow_on_the_heels_of_the_reply() {
        let mut primary = Primary::new("h".into(), 1, 1);
        let reply = format!("+FULLRESYNC {ID} 7");
        let actions = handshake(&mut primary, &reply);
        let Some(Action::BeginTransfer { offered }) = actions.last() else {
            panic!("{actions:?}");
        };
        primary.begin_transfer(Transfer::new(Sink::Memory), offered.clone(), 5);
        assert_eq!(primary.offered(), Some(&(ID.to_owned(), 7)));
        assert!(primary.is_starved());
        primary.incoming.extend(b"$3\r\nabc");
        assert!(!primary.is_starved());
        let actions = primary.receive_snapshot();
        assert_eq!(actions.last(), Some(&Action::LoadStream { total: 3 }));
        primary.hang_up();
        assert_eq!(primary.stage(), Stage::Connect);
        assert_eq!(primary.pending(), 0);
    }

    #[test]
    fn a_link_that_stands_is_acknowledged_or_found_silent() {
        let mut primary = Primary::new("h".into(), 1, 1);
        primary.adopted(7, 4, 100);
        let at = |active_ms| Tick {
            client_active_ms: Some(active_ms),
            ..tick(100_000)
        };
        assert_eq!(primary.tick(&at(40_000)), [Action::SendAck]);
        let late = primary.tick(&at(39_999));
        assert_eq!(late.last(), Some(&Action::CloseClient { slot: 4 }));
        assert_eq!(primary.ack_slot(), Some(4));
        primary.begin_transfer(Transfer::new(Sink::Memory), None, 0);
        primary.adopted(8, 5, 100);
        assert_eq!(primary.ack_slot(), None);
    }

    #[test]
    fn a_lost_link_is_continued_unless_the_stream_was_corrupt() {
        let mut primary = Primary::new("h".into(), 1, 1);
        primary.adopted(7, 4, 100);
        assert!(primary.lost(9, 150));
        assert_eq!((primary.db(), primary.is_cached()), (9, true));
        assert_eq!(primary.down_s(160), (Some(10), 10));
        primary.adopted(8, 4, 170);
        assert_eq!(primary.down_s(180), (None, 20));
        primary.set_corrupt();
        assert!(!primary.lost(9, 200));
        primary.note_getack(8);
        assert!(!primary.take_getack());
    }
}
