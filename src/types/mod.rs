//! Data structures: no clock, no config, no replies, no key names.
pub mod arena;
pub mod entries;
pub mod entry;
pub mod table;
pub mod value;
pub mod wheel;
