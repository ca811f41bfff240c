//! The versions of the format: which one a value needs, and which servers read which.
//!
//! ```text
//!   9   Redis 5.0 to 6.2
//!   10  Redis 7.0                 functions
//!   11  Redis 7.2, Valkey 7.2     the last version that both families read
//!   12  Redis 7.4 to 8.2          deadlines of hash fields
//!   13  Redis 8.6                 idempotent producers of streams
//!   15  Redis 8.10                released entries of streams, arrays, hashes with a template
//! ```
//!
//! A version can be written when every value fits; a value that does not is refused by name.

use super::OLDEST_WRITTEN;
use super::encode::is_volatile;
use super::record::Header;
use crate::keyspace::{Keyspace, RdbVersions};
use crate::types::entry::EntryRef;
use crate::types::stream::{Needs, Stream};
use crate::types::value::{Heap, Kind};

/// The version that knows deadlines of hash fields.
pub const FIELD_DEADLINES: u32 = 12;

/// A value does not fit the version that is being written. Part of it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// The lowest version that can hold a value, and the property that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub version: u32,
    pub because: &'static str,
}

impl Need {
    /// Of a value that every written version can hold.
    const ANY: Need = Need {
        version: OLDEST_WRITTEN,
        because: "",
    };
}

/// A key or function that the version to be written cannot hold.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    #[error(
        "RDB version {version} cannot hold {because}: key '{key}'{place}, type {kind}, needs \
         version {needed}"
    )]
    Value {
        version: u32,
        needed: u32,
        because: &'static str,
        key: String,
        place: String,
        kind: &'static str,
    },
    #[error("RDB version {0} cannot hold functions")]
    Functions(u32),
}

impl Refusal {
    /// Of a value that does not fit `version`; `db` is its database, if that is worth a word.
    pub fn of(entry: EntryRef, version: u32, db: Option<usize>) -> Refusal {
        let need = need(entry);
        Refusal::Value {
            version,
            needed: need.version,
            because: need.because,
            key: String::from_utf8_lossy(entry.key())
                .escape_debug()
                .to_string(),
            place: db.map_or(String::new(), |db| format!(" in database {db}")),
            kind: entry.kind().name(),
        }
    }
}

/// What a value needs.
pub fn need(entry: EntryRef) -> Need {
    match entry.kind() {
        Kind::Hash if is_volatile(entry) => Need {
            version: FIELD_DEADLINES,
            because: "hash fields with a deadline",
        },
        Kind::Stream => match entry.heap() {
            Some(Heap::Stream(it)) => stream(it),
            _ => Need::ANY,
        },
        Kind::Array => Need {
            version: RdbVersions::ARRAYS,
            because: "arrays",
        },
        _ => Need::ANY,
    }
}

/// What a stream needs.
pub(super) fn stream(stream: &Stream) -> Need {
    match stream.needs() {
        Needs::Groups => Need::ANY,
        Needs::Producers => Need {
            version: RdbVersions::PRODUCERS,
            because: "idempotent producers",
        },
        Needs::Released => Need {
            version: RdbVersions::RELEASED,
            because: "released entries",
        },
    }
}

/// The lowest version within `versions` that can hold a value.
///
/// # Errors
/// If none can.
pub fn for_value(entry: EntryRef, versions: RdbVersions) -> Result<u32, Refusal> {
    let version = need(entry).version.max(versions.least);
    match version <= versions.most {
        true => Ok(version),
        false => Err(Refusal::of(entry, versions.most, None)),
    }
}

/// The lowest version from `least` up that can hold all values.
pub fn for_keyspace(keyspace: &Keyspace, least: u32) -> u32 {
    let mut version = least;
    if keyspace.iter().any(|(_, db)| db.volatile_hashes() > 0) {
        version = version.max(FIELD_DEADLINES);
    }
    // The bound may be of values that are gone.
    let bound = keyspace.shared.rdb_bound;
    if version < bound {
        version = version.max(highest_need(keyspace, bound));
    }
    version
}

/// The highest version that a value needs, at least if that is below `bound`.
fn highest_need(keyspace: &Keyspace, bound: u32) -> u32 {
    let mut highest = OLDEST_WRITTEN;
    for (_, db) in keyspace.iter() {
        for entry in db.entries().iter_ahead() {
            highest = highest.max(need(entry).version);
            if highest >= bound {
                return highest;
            }
        }
    }
    highest
}

/// The servers that read a file with this header.
pub fn readers(header: Header) -> &'static str {
    match (header.valkey, header.version) {
        (true, _) => "Valkey 9.0 and later, Redwheel",
        (_, ..=6) => "Redis 2.6 and later, Valkey, Redwheel",
        (_, 7) => "Redis 3.2 and later, Valkey, Redwheel",
        (_, 8) => "Redis 4.0 and later, Valkey, Redwheel",
        (_, 9) => "Redis 5.0 and later, Valkey, Redwheel",
        (_, 10) => "Redis 7.0 and later, Valkey, Redwheel",
        (_, 11) => "Redis 7.2 and later, Valkey 7.2 and later, Redwheel",
        (_, 12) => "Redis 7.4 and later, Redwheel",
        (_, 13) => "Redis 8.6 and later, Redwheel",
        _ => "Redis 8.10 and later, Redwheel",
    }
}
