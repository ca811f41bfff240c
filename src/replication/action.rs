//! The actions that the state machines of the link to a primary ask the server for.
//!
//! The machines (`primary`, `handshake`, `transfer`) take events: a connection made, bytes or a
//! line received, a second passed. They change their own state and return actions, which
//! `server::replication::link` executes in order; it drops the rest of a list once the server
//! follows no primary any more.

use log::Level;

/// One step for the server to take.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Writes a line to the log.
    Log(Level, String),
    /// Opens a link to the primary.
    Connect,
    /// Closes the link; the next tick opens another.
    Abandon,
    /// Closes the link and opens another at once.
    Reconnect,
    /// Writes bytes to the link that is being made. A short write counts as a failure.
    Send(Vec<u8>),
    /// Sends a newline, which shows the primary that the replica is alive; a failure is no matter.
    Ping,
    /// Tells the failover in progress, if there is one, that its target replied to PSYNC.
    PsyncReplied { accepted: bool },
    /// Prepares for a snapshot. `offered` is the replication ID and offset it leads to, `None` from
    /// a primary that only knows SYNC.
    BeginTransfer { offered: Option<(String, u64)> },
    /// Opens an RDB channel; to the primary the main channel is this client.
    OpenChannel { main: u64 },
    /// Makes the link a client and goes on with the stream; `id` if the history has a new name.
    Continue { id: Option<String> },
    /// Loads the received file.
    LoadFile,
    /// Starts loading a snapshot from memory as it comes; its length in bytes, 0 if unknown.
    LoadStream { total: u64 },
    /// Hands bytes of the snapshot to the loader, the last ones if `is_last`.
    Feed { bytes: Vec<u8>, is_last: bool },
    /// Puts the loaded snapshot in place and follows the stream.
    FinishSync,
    /// Discards a snapshot that cannot be loaded.
    FailSync,
    /// Closes the client that is the link.
    CloseClient { slot: usize },
    /// Reports the replication offset to the primary.
    SendAck,
}

impl Action {
    pub fn info(text: impl Into<String>) -> Action {
        Action::Log(Level::Info, text.into())
    }

    pub fn warn(text: impl Into<String>) -> Action {
        Action::Log(Level::Warn, text.into())
    }
}
