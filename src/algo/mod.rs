//! Pure functions on bytes that no crate does exactly as Redis does.

pub mod crc64;
pub mod geohash;
pub mod glob;
pub mod grisu;
pub mod histogram;
pub mod long_double;
pub mod lzf;
pub mod number;
pub mod polygon;
pub mod quoting;
pub mod rng;
pub mod units;
pub mod wide;
