//! The table of directives, in files by section, and how to find a row.
//!
//! Each name Redis 8.10.2 and Valkey 9.1.2 know is in exactly one row, as its name or its alias.

use super::directive::Directive;

mod cluster;
mod encodings;
mod kept;
mod limits;
mod memory;
mod network;
mod persistence;
mod replication;
mod tls;

const SECTIONS: [&[Directive]; 9] = [
    network::TABLE,
    persistence::TABLE,
    memory::TABLE,
    limits::TABLE,
    encodings::TABLE,
    replication::TABLE,
    tls::TABLE,
    cluster::TABLE,
    kept::TABLE,
];

/// Names that Redis once had. Files still contain them; they take one argument and have no effect.
pub const REMOVED: [&str; 14] = [
    "io-threads-do-reads",
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "events-per-io-thread",
    "gopher-enabled",
    "vm-enabled",
    "vm-swap-file",
    "vm-max-memory",
    "vm-page-size",
    "vm-pages",
    "vm-max-threads",
    "hash-max-zipmap-entries",
    "hash-max-zipmap-value",
    "glueoutputbuf",
];

/// Every row, in the order of CONFIG GET *.
pub fn all() -> impl Iterator<Item = &'static Directive> {
    SECTIONS.iter().flat_map(|section| section.iter())
}

/// A row under the name it was found by, which may be its alias.
#[derive(Clone, Copy)]
pub struct Named {
    pub name: &'static str,
    pub row: &'static Directive,
}

/// Every name, aliases after their rows.
pub fn names() -> impl Iterator<Item = Named> {
    all().flat_map(|row| {
        let own = Some(Named {
            name: row.name,
            row,
        });
        own.into_iter()
            .chain(row.alias.map(|name| Named { name, row }))
    })
}

/// The row of a name, whatever its case.
pub fn find(name: &[u8]) -> Option<Named> {
    names().find(|named| named.name.as_bytes().eq_ignore_ascii_case(name))
}
