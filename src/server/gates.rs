//! The gates: a bit for each state of the server in which some commands are refused, have to wait, or
//! are shown to others.

/// States in which commands may be refused or have to wait.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Gates(pub u32);

impl Gates {
    /// A pause is on.
    pub const PAUSED: u32 = 1;
    /// There is a memory limit.
    pub const MAXMEMORY: u32 = 2;
    /// Somebody watches every command.
    pub const MONITORED: u32 = 4;
    /// Data is being loaded.
    pub const LOADING: u32 = 8;
    /// What is written does not reach the disk.
    pub const DISK_ERROR: u32 = 16;
    /// Somebody caches what it reads. Nothing is refused for that.
    pub const TRACKED: u32 = 32;
    /// A script takes long (`server::script::run`).
    pub const BUSY: u32 = 64;
    /// We follow a primary.
    pub const REPLICA: u32 = 1 << 16;
    /// Too few replicas are near enough.
    pub const FEW_REPLICAS: u32 = 128;
    /// What has to be asked before a command.
    pub const BEFORE: u32 = !Gates::TRACKED;
    /// What has to be done behind a command.
    pub const BEHIND: u32 = Gates::MONITORED | Gates::TRACKED;

    pub fn set(&mut self, gate: u32, on: bool) {
        self.0 = self.0 & !gate | if on { gate } else { 0 };
    }
}
