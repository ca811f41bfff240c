//! Redwheel: a Redis-faithful in-memory server, and its data commands as a library.
//!
//! # The embedded store
//!
//! [`Engine`] holds 16 databases in the memory of the calling process and runs the data commands of
//! Redis on them: strings, lists, hashes, sets, sorted sets, streams, bitmaps, HyperLogLogs,
//! geospatial indexes, and keys with deadlines. There is no socket, no thread and no file.
//!
//! ```
//! use redwheel::{Engine, Reply};
//!
//! # fn main() -> Result<(), redwheel::Error> {
//! let mut store = Engine::new();
//! store.call(&["SET", "greeting", "hello", "EX", "60"])?;
//! assert_eq!(store.call(&["GET", "greeting"])?, Reply::from("hello"));
//! assert_eq!(store.call(&["ZADD", "scores", "7.5", "ada", "6", "bob"])?, Reply::Integer(2));
//! assert_eq!(store.call(&["ZSCORE", "scores", "ada"])?, Reply::Double(7.5));
//!
//! let error = store.call(&["LPUSH", "greeting", "x"]).unwrap_err();
//! assert_eq!(error.code(), "WRONGTYPE");
//!
//! // A deadline passes: the key is gone, and the store reports the event a server would publish.
//! store.advance_ms(60_001);
//! assert_eq!(store.call(&["GET", "greeting"])?, Reply::Null);
//! assert_eq!(store.outcome().events[0].name, "expired");
//! # Ok(())
//! # }
//! ```
//!
//! # The server
//!
//! [`run`] is the whole of `redwheel` the program: it takes the command line of `redis-server` and
//! returns the exit code. The program itself is no more than this:
//!
//! ```no_run
//! #[global_allocator]
//! static ALLOCATOR: redwheel::Allocator = redwheel::Allocator;
//!
//! fn main() {
//!     std::process::exit(redwheel::run(std::env::args_os()));
//! }
//! ```
//!
//! # Stability
//!
//! What this page lists is the whole interface. The feature `testing` opens the rest to the fuzz
//! targets, benchmarks and tests of this repository; it carries no promise.

// The build that users get documents all of its interface. Under `testing` everything is reachable.
#![cfg_attr(not(feature = "testing"), deny(missing_docs))]

// The unit tests share code with the tests below `tests/`, which name the crate from outside.
#[cfg(test)]
extern crate self as redwheel;

// The modules stand in layer order: a module imports only from layers above its own in this list
// (`tests/house.rs` checks that).

// L0: pure functions on bytes, and the operating system.
mod algo;
mod sys;
mod version;
// L1: data structures, the wire protocol.
mod net;
mod resp;
mod types;
// L2: the databases.
mod keyspace;
// L3: the model of a command; values as bytes.
mod command;
mod rdb;
// L4: data commands.
mod commands;
// The data commands as a library.
mod engine;
// L5: subsystems.
mod acl;
mod bio;
mod blocking;
mod config;
mod logging;
mod multi;
mod observe;
mod persist;
mod pubsub;
mod replication;
mod script;
mod tracking;
// L6: the server owns everything and decides everything.
mod server;
// L7: the loop, and the command line.
mod check;
mod cli;
mod reactor;
// L8: the program: a command line becomes a running server.
mod program;

// The example in the README runs as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use engine::{Engine, Error, KeyEvent, Outcome, Reply};
pub use program::run;
pub use sys::memory::Counting as Allocator;

/// The modules of the crate, for its fuzz targets, benchmarks and integration tests.
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing {
    macro_rules! open {
        ($($module:ident)*) => {
            $(pub mod $module {
                pub use crate::$module::*;
            })*
        };
    }

    open! { algo sys version net resp types keyspace command rdb commands engine acl bio blocking
    config logging multi observe persist pubsub replication script tracking server check cli reactor }
}
