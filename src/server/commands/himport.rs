//! HIMPORT: hashes out of values alone, for fields that the connection has named before.
//!
//! The names of a fieldset become a template (`keyspace::templates`), which all hashes with these names
//! share. A fieldset belongs to its connection; a script has fieldsets of its own while it runs.

use super::container;
use crate::command::effects::{Event, Propagate};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::{RdbVersions, RemovalReason};
use crate::rdb::dump;
use crate::resp::request::OwnedArgv;
use crate::server::clients::fieldsets::Fieldset;
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};
use crate::types::listpack::Item;

const NO_SET: CmdError = CmdError::Fixed("ERR no such fieldset");

pub static TABLE: &[ServerCommand] = &[HIMPORT];

const HIMPORT: ServerCommand = Spec {
    name: "himport",
    acl: &["hash"],
    since: "8.10.0",
    summary: "Makes hashes out of values for fields that were named before.",
    ..Spec::of(Group::Hash)
}
.contains(
    &[
        HIMPORT_PREPARE,
        HIMPORT_SET,
        HIMPORT_DISCARD,
        HIMPORT_DISCARDALL,
    ],
    container,
);

const HIMPORT_PREPARE: ServerCommand = Spec {
    name: "prepare",
    flags: all(&[DENYOOM]),
    usage: "fieldset-name:string field:string...",
    since: "8.10.0",
    summary: "Names the fields of hashes to come.",
    complexity: "O(N*log(N)) where N is the number of fields.",
    tips: &["request_policy:all_shards"],
    ..Spec::of(Group::Hash)
}
.subcommand(prepare);

fn prepare(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let name = args.bytes();
    let names: Vec<&[u8]> = args.rest().iter().collect();
    let mut set =
        Fieldset::of(&names).ok_or(CmdError::Fixed("ERR duplicate field name in fieldset"))?;
    set.template = server.keyspace.shared.templates.share(set.template);
    session.fieldsets.get_or_insert_default().insert(name, set);
    reply.ok()
}

const HIMPORT_SET: ServerCommand = Spec {
    name: "set",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(2, &[OW, UPDATE])],
    usage: "key:key fieldset-name:string value:string...",
    since: "8.10.0",
    summary: "Makes a hash of the fields that were named and these values.",
    complexity: "O(N) where N is the number of fields in the fieldset.",
    ..Spec::of(Group::Hash)
}
.subcommand(set);

fn set(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let (key, name) = (args.key(), args.bytes());
    let mut values: Vec<Item> = args.rest().iter().map(Item::of).collect();
    let most = server.replication.replicas().read_rdb_up_to();
    let versions = RdbVersions {
        most: server.tuning.rdb_versions.most.min(most),
        ..server.tuning.rdb_versions
    };
    let mut db = server.keyspace.db(session.db);
    let old = db.write(key);
    if let Some(found) = old {
        db.hash_at(found)?;
    }
    let sets = session.fieldsets.as_ref();
    let set = sets.and_then(|sets| sets.get(name)).ok_or(NO_SET)?;
    if values.len() != set.template.len() {
        return Err(CmdError::Fixed(
            "ERR value count does not match fieldset field count",
        ));
    }
    set.ordered(&mut values);
    if let Some(found) = old {
        db.remove(found, RemovalReason::Overwritten);
    }
    let found = db.add_template(key, &set.template, &values, &server.tuning);
    let entry = db.get(found);
    let propagate = (server.effects.propagates())
        .then(|| propagated(key, set, &values, || dump::dump_template(entry, versions)));
    if let Some(propagate) = propagate {
        server.effects.set_propagate(Propagate::Instead(propagate));
    }
    let (effects, shared) = (&mut server.effects, &mut server.keyspace.shared);
    let before = match old {
        Some(_) => Event::OVERWRITTEN,
        None => Event::NEW,
    };
    effects.note(shared, session.db, key, Some(before));
    effects.note(shared, session.db, key, Some(Event::HSET));
    if effects.tells_fields() {
        effects.name_fields(set.template.names());
    }
    effects.count_changes(1);
    reply.ok()
}

/// The commands for the AOF and for replicas: as in Redis the hash as RESTORE takes it, or plain commands
/// where a replica does not read it, or `rdb-save-version` is an older one.
fn propagated(
    key: &[u8],
    set: &Fieldset,
    values: &[Item],
    payload: impl FnOnce() -> Option<Vec<u8>>,
) -> Vec<OwnedArgv> {
    if let Some(payload) = payload() {
        let words: [&[u8]; 5] = [b"RESTORE", key, b"0", &payload, b"REPLACE"];
        return vec![words.into_iter().collect()];
    }
    let delete: [&[u8]; 2] = [b"DEL", key];
    let mut words: Vec<Vec<u8>> = vec![b"HSET".to_vec(), key.to_vec()];
    for (name, value) in set.template.names().zip(values) {
        words.push(name.to_vec());
        words.push(value.to_vec());
    }
    vec![delete.into_iter().collect(), words.into_iter().collect()]
}

const HIMPORT_DISCARD: ServerCommand = Spec {
    name: "discard",
    usage: "fieldset-name:string",
    since: "8.10.0",
    summary: "Forgets the names of fields.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards"],
    ..Spec::of(Group::Hash)
}
.subcommand(discard);

fn discard(_: &mut Server, session: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let name = args.bytes();
    let was = session
        .fieldsets
        .as_mut()
        .is_some_and(|sets| sets.remove(name));
    reply.bool(was)
}

const HIMPORT_DISCARDALL: ServerCommand = Spec {
    name: "discardall",
    since: "8.10.0",
    summary: "Forgets all names of fields of the connection.",
    complexity: "O(N) where N is the number of fieldsets.",
    tips: &["request_policy:all_shards"],
    ..Spec::of(Group::Hash)
}
.subcommand(discard_all);

fn discard_all(
    _: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let count = session.fieldsets.take().map_or(0, |sets| sets.len());
    reply.int(count as i64)
}
