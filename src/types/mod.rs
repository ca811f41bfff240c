//! Data structures: no clock, no config, no replies, no key names.
pub mod arena;
pub mod array;
pub mod entries;
pub mod entry;
pub mod fields;
pub mod hll;
pub mod intset;
pub mod listpack;
pub mod ordered;
pub mod pack;
pub mod quicklist;
pub mod stream;
pub mod table;
pub mod template;
pub mod value;
pub mod wheel;
pub mod zset;
