//! The command of a blocked client.

use crate::command::Wait;
use crate::keyspace::DbIndex;
use crate::resp::request::OwnedArgv;

/// A blocked command.
#[derive(Debug)]
pub struct Parked {
    /// The command to run again.
    pub argv: OwnedArgv,
    /// Its index in the command table.
    pub number: u16,
    pub wait: Box<Wait>,
    pub db: DbIndex,
    /// Its ticket in the queues; `None` while a pause holds it back, when it is in none.
    pub ticket: Option<u64>,
    /// The timeout, in monotonic milliseconds.
    pub deadline_ms: Option<u64>,
    /// When the command runs again even if no key is ready, in monotonic milliseconds.
    pub retry_ms: Option<u64>,
}

impl Parked {
    /// The next moment at which something is due, in monotonic milliseconds.
    pub fn alarm_ms(&self) -> Option<u64> {
        [self.deadline_ms, self.retry_ms]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Parked {
    /// Returns the bytes of the arguments, for CLIENT LIST.
    pub fn argument_bytes(&self) -> usize {
        self.argv.as_argv().iter().map(<[u8]>::len).sum()
    }
}
