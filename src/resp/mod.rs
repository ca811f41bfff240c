//! The wire protocol: requests in (`request`), replies out (`encode`), into `chunks`.

pub mod chunks;
pub mod encode;
pub mod request;
