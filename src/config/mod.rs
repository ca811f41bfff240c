//! The directives of redis.conf: one table, the file grammar, CONFIG GET/SET/REWRITE.
//!
//! Every directive of Redis 8.10.2 and Valkey 9.1.2 is one row in `table/`: name, alias, kind,
//! default, the field that holds it, and what must happen when it changes. Files, CONFIG GET, SET
//! and REWRITE all walk that table, so a directive is written down once.
//!
//! ```text
//!   file + stdin + argv --load--> Config (typed fields) --get/rewrite--> text
//!                 CONFIG SET --set--> Config + [Apply]  --> the server acts, or rolls back
//! ```
//!
//! This layer never acts: it asks through `Host` (change directory, rename a command, check a user)
//! and returns `Apply` values that `server::commands::config` carries out.

pub mod checks;
pub mod directive;
mod fields;
mod file;
mod rewrite;
mod set;
mod special;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod words;

pub use crate::algo::quoting::{quote, split_args};
pub use crate::sys::reason as os_reason;
pub use directive::Apply;
pub use fields::Config;
pub use file::{Fatal, Host, enter_directory, read_config_file};
pub use rewrite::Extent;
pub use set::is_sensitive;
pub use special::OOM_SCORES_FALL;
pub use special::{NotifyFlags, OutputLimit, ShutdownFlags};
pub use words::*;

/// Whether a directive stays as it is while data is loaded.
pub fn is_settled(name: &[u8]) -> bool {
    table::find(name).is_some_and(|named| named.row.settled)
}

/// Every name of the table, aliases too, with whether patterns hide it.
#[cfg(test)]
fn names() -> impl Iterator<Item = (&'static str, bool)> {
    table::names().map(|named| (named.name, named.row.hidden))
}
