//! The gates: a bit for each server state in which some commands are rejected, have to wait, or are
//! fed to other clients.

/// Server states in which commands may be rejected or have to wait.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Gates(u32);

impl Gates {
    /// A pause is active.
    pub const PAUSED: u32 = 1;
    /// `maxmemory` is set.
    pub const MAXMEMORY: u32 = 2;
    /// At least one client is a monitor.
    pub const MONITORED: u32 = 4;
    /// Data is being loaded.
    pub const LOADING: u32 = 8;
    /// Persistence fails with a disk error.
    pub const DISK_ERROR: u32 = 16;
    /// At least one client uses tracking. No command is rejected for that.
    pub const TRACKED: u32 = 32;
    /// A script runs longer than `busy-reply-threshold` (`server::script::run`).
    pub const BUSY: u32 = 64;
    /// This server is a replica.
    pub const REPLICA: u32 = 1 << 16;
    /// Fewer good replicas than `min-replicas-to-write`.
    pub const FEW_REPLICAS: u32 = 128;
    /// The hottest keys are being collected. No command is rejected for that.
    pub const HOTKEYS: u32 = 256;
    /// The sizes of values are counted anew after each command, for tests (DEBUG
    /// KEYSIZES-HIST-ASSERT).
    pub const RECOUNTED: u32 = 512;
    /// The input at hand may hold a request that the log of large requests wants.
    pub const LARGE_REQUEST: u32 = 1024;
    /// Gates checked before a command.
    pub const BEFORE: u32 =
        !(Gates::TRACKED | Gates::HOTKEYS | Gates::RECOUNTED | Gates::LARGE_REQUEST);
    /// Gates handled after a command.
    pub const BEHIND: u32 = Gates::MONITORED
        | Gates::TRACKED
        | Gates::HOTKEYS
        | Gates::RECOUNTED
        | Gates::LARGE_REQUEST;

    /// Returns whether one of these gates is closed.
    #[inline(always)]
    pub fn has(self, gates: u32) -> bool {
        self.0 & gates != 0
    }

    pub fn set(&mut self, gate: u32, on: bool) {
        self.0 = self.0 & !gate | if on { gate } else { 0 };
    }
}
