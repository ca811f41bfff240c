//! The RDB format: values as bytes, for snapshots, DUMP, the AOF's base and a replica's first copy.
//!
//! A pure codec: it knows bytes and values, not files, forks or clients. `write` and `encode` make
//! bytes, `read` and `decode` make values, `record` walks over a file's records, `dump` is the form
//! of DUMP and RESTORE. What comes from outside is never trusted: whatever is short, long, unknown
//! or out of order is an `Error` that says where.
//!
//! ```text
//!   "REDIS0011"                     magic and version
//!   fa name value                   AUX: the writer's version, the time, …
//!   f5 code                         a library of functions
//!   fe n                            the database the keys belong to
//!   fb keys volatile                the numbers of keys to come
//!   [fc ms] [f8 idle | f9 freq] type key value
//!   …
//!   ff checksum                     the end, CRC-64 of all before, little-endian
//!
//!   lengths   00nnnnnn   01nnnnnn +1   80 +4 (big-endian)   81 +8   11nnnnnn: a special string
//!   strings   length bytes  |  c0 i8  |  c1 i16  |  c2 i32  |  c3 packed-length length LZF
//! ```
//!
//! Source of the format: the files that Redis 2 to 8.10 and Valkey 8 and 9 write.

mod array;
pub mod decode;
mod decode_stream;
pub mod dump;
pub mod encode;
mod encode_stream;
mod legacy;
pub mod read;
pub mod record;
pub mod skip;
mod sound;
pub mod template;
#[cfg(test)]
mod tests;
pub mod version;
pub mod write;

pub use read::Reader;
pub use write::Writer;

/// The latest version that we read and write: that of Redis 8.10.
pub const LATEST: u32 = 15;
/// The oldest that we write: that of Redis 5.0 to 6.2.
pub const OLDEST_WRITTEN: u32 = 9;
/// The version of Valkey 9, which counts on its own.
pub const VALKEY_VERSION: u32 = 80;

/// The types of values.
pub mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const MODULE: u8 = 6;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    /// A table of fields with deadlines, as release candidates of 7.4 wrote it. In files of Valkey
    /// the same number means `HASH_2` in its own form.
    pub const HASH_METADATA_OLD: u8 = 22;
    pub const HASH_LISTPACK_EX_OLD: u8 = 23;
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;
    /// A stream with its idempotent producers: Redis 8.6.
    pub const STREAM_4: u8 = 26;
    /// And with entries that a group has released: Redis 8.8.
    pub const STREAM_5: u8 = 27;
    pub const ARRAY: u8 = 28;
    /// A hash with a template and a listpack of values, with the names of its fields, or with the number
    /// under which the file holds them: Redis 8.10.
    pub const HASH_TEMPLATE: u8 = 29;
    pub const HASH_TEMPLATE_REF: u8 = 30;
    /// The same with each value on its own.
    pub const HASH_TEMPLATE_SPREAD: u8 = 31;
    pub const HASH_TEMPLATE_SPREAD_REF: u8 = 32;

    /// The name of a type in messages.
    pub fn name(kind: u8) -> &'static str {
        match kind {
            STRING => "string",
            LIST => "list-linked",
            SET => "set-hashtable",
            ZSET => "zset-v1",
            HASH => "hash-hashtable",
            ZSET_2 => "zset-v2",
            MODULE | MODULE_2 => "module-value",
            HASH_ZIPMAP => "hash-zipmap",
            LIST_ZIPLIST => "list-ziplist",
            SET_INTSET => "set-intset",
            ZSET_ZIPLIST => "zset-ziplist",
            HASH_ZIPLIST => "hash-ziplist",
            LIST_QUICKLIST => "quicklist",
            STREAM => "stream",
            HASH_LISTPACK => "hash-listpack",
            ZSET_LISTPACK => "zset-listpack",
            LIST_QUICKLIST_2 => "quicklist-v2",
            STREAM_2 => "stream-v2",
            SET_LISTPACK => "set-listpack",
            STREAM_3 => "stream-v3",
            HASH_METADATA_OLD => "hash-hashtable-md-pre-release",
            HASH_LISTPACK_EX_OLD => "hash-listpack-md-pre-release",
            HASH_METADATA => "hash-hashtable-md",
            HASH_LISTPACK_EX => "hash-listpack-md",
            STREAM_4 => "stream-v4",
            STREAM_5 => "stream-v5",
            ARRAY => "array",
            HASH_TEMPLATE | HASH_TEMPLATE_REF => "hash-template-listpack",
            HASH_TEMPLATE_SPREAD | HASH_TEMPLATE_SPREAD_REF => "hash-template-array",
            _ => "unknown",
        }
    }
}

/// The opcodes that precede records other than values.
pub mod opcode {
    /// The names of fields that hashes of a file share, under a number.
    pub const TEMPLATE: u8 = 0xf2;
    /// A slot that is being imported, in files of Valkey.
    pub const SLOT_IMPORT: u8 = 0xf3;
    pub const SLOT_INFO: u8 = 0xf4;
    pub const FUNCTION: u8 = 0xf5;
    pub const FUNCTION_OLD: u8 = 0xf6;
    pub const MODULE_AUX: u8 = 0xf7;
    pub const IDLE: u8 = 0xf8;
    pub const FREQ: u8 = 0xf9;
    pub const AUX: u8 = 0xfa;
    pub const RESIZE_DB: u8 = 0xfb;
    pub const EXPIRE_MS: u8 = 0xfc;
    pub const EXPIRE: u8 = 0xfd;
    pub const SELECT_DB: u8 = 0xfe;
    pub const EOF: u8 = 0xff;
}

/// The reason for refusing bytes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes end before what they announce.
    #[error("Unexpected end of the data")]
    Truncated,
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Corrupt(&'static str),
    #[error("Unknown RDB encoding type {0}")]
    UnknownKind(u8),
    /// Values of modules, which cannot be decoded without the module.
    #[error("The value belongs to the module '{0}', which is not available")]
    Module(String),
    /// A collection of nothing. Files that hold one are read on without it.
    #[error("empty key")]
    Empty,
    #[error("Wrong signature trying to load DB from file")]
    Signature,
    #[error("Can't handle RDB format version {0}")]
    Version(u32),
    // As Redis has it, what is expected is what the bytes add up to.
    #[error("Wrong RDB checksum expected: ({actual:x}) but got ({expected:x}). Aborting now.")]
    Checksum { expected: u64, actual: u64 },
}

pub type Result<T> = std::result::Result<T, Error>;
