//! The command of a blocked client.

use crate::command::Wait;
use crate::keyspace::DbIndex;
use crate::resp::request::OwnedArgv;

/// A blocked command.
#[derive(Debug)]
pub struct Parked {
    /// What runs again.
    pub argv: OwnedArgv,
    /// Its place in the command table.
    pub number: u16,
    pub wait: Box<Wait>,
    pub db: DbIndex,
    /// Where it stands in the queues; `None` while a pause holds it back, for then it is in none.
    pub ticket: Option<u64>,
    /// In monotonic milliseconds.
    pub deadline_ms: Option<u64>,
}

impl Parked {
    /// Bytes of the arguments, for CLIENT LIST.
    pub fn argument_bytes(&self) -> usize {
        self.argv.as_argv().iter().map(<[u8]>::len).sum()
    }
}
