//! Storage: background jobs for snapshots and the log, and loading at the start.

pub mod backup;
pub mod jobs;
pub mod loading;
