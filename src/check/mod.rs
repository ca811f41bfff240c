//! redis-check-rdb and redis-check-aof: files looked at without a server.
//!
//! `rdb` walks over a snapshot and reads every value; it says which servers can open the file, and
//! writes it anew for another version (`--convert`), or all of it
//! that can be read (`--salvage`, in `salvage`). `aof` walks over a log, alone or by its
//! manifest, and cuts off what is torn.

pub mod aof;
mod log_walk;
pub mod rdb;
mod salvage;

use std::path::PathBuf;

/// An argument as a path.
fn path_of(word: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(word).as_ref())
}
