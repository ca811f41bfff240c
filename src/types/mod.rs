//! Data structures: no clock, no config, no replies, no key names.
pub mod arena;
pub mod entry;
pub mod table;
pub mod value;
pub mod entries;
pub mod wheel;
