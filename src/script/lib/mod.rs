//! The libraries scripts have beside those of Lua: their quirks are what scripts rely on.

pub mod bit;
pub mod json;
pub mod json_decode;
pub mod json_encode;
pub mod msgpack;
pub mod structs;
