//! TLS, on rustls: sessions over the sockets of the loop, contexts made of the configuration, and
//! the verifier of certificates.
//!
//! ```text
//!   context       the directives -> what rustls takes
//!   certificates  PEM files, chains, keys
//!   ciphers       lists of suites in OpenSSL's grammar
//!   sessions      sessions that clients may resume
//!   session       one connection: reads and writes through an edge-triggered socket
//!   verify        certificates of peers
//!   names         names that they must have
//!   materials     whether the files have changed
//!   pem_keys      keys with a password in the older form of PEM
//!   dev           certificates for development
//!   stream        a connection with blocking requests
//!   reason        failures in OpenSSL's words, which the log shows
//! ```

mod certificates;
mod ciphers;
mod context;
pub mod dev;
mod materials;
pub mod names;
mod pem_keys;
mod reason;
mod session;
mod sessions;
mod stream;
pub mod verify;

pub use context::Contexts;
pub use materials::Materials;
pub use session::Session;

pub use stream::Stream;

/// Whether this build has TLS.
pub const IS_THERE: bool = true;
