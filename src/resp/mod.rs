//! The wire protocol: requests in (`request`), replies out (`encode`).

pub mod encode;
pub mod request;
