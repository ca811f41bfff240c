//! MIGRATE: moves keys to another server, by RESTORE there and DEL here.
//!
//! The server blocks on the other one, with a time limit for each step. Connections are cached,
//! since keys tend to be moved in batches.

use crate::command::effects::{Event, Propagate};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::RemovalReason;
use crate::net::peer::{Duration, Peer};
use crate::net::tls::Contexts;
use crate::rdb::dump;
use crate::resp::encode;
use crate::resp::request::Argv;
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};
use std::collections::HashMap;
use std::io;

pub static TABLE: &[ServerCommand] = &[MIGRATE];

/// Finds the key of MIGRATE, or those after KEYS. If both are given the command is invalid and has
/// no keys.
fn migrated_keys(argv: &Argv, found: &mut Vec<(usize, KeyFlags)>) -> Result<(), InvalidKeys> {
    let flags = key_flags(&[RW, ACCESS, DELETE]);
    let mut at = 6;
    while at < argv.len() {
        let is = |word: &str| argv.at(at).eq_ignore_ascii_case(word.as_bytes());
        if is("KEYS") && !argv.at(3).is_empty() {
            return Ok(());
        }
        if is("KEYS") && at + 1 < argv.len() {
            found.extend((at + 1..argv.len()).map(|at| (at, flags)));
            return Ok(());
        }
        at += if is("AUTH2") {
            3
        } else {
            1 + usize::from(is("AUTH"))
        };
    }
    found.push((3, flags));
    Ok(())
}

/// The maximum number of cached connections.
const KEPT_MAX: usize = 64;
const KEPT_MS: u64 = 10_000;
/// The maximum number of bytes per write.
const CHUNK: usize = 64 << 10;

/// Cached connections to the targets of earlier migrations.
#[derive(Debug, Default)]
pub struct Peers(HashMap<(String, i64), Kept>);

#[derive(Debug)]
struct Kept {
    peer: Peer,
    db: Option<i64>,
    used_ms: u64,
}

impl Peers {
    /// Returns the number of cached connections.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Closes connections that have been idle for a while.
    pub fn expire(&mut self, now_ms: u64) {
        self.0
            .retain(|_, kept| now_ms.saturating_sub(kept.used_ms) < KEPT_MS);
    }
}

/// The parsed arguments.
struct Plan<'a> {
    host: String,
    port: i64,
    db: i64,
    limit: Duration,
    copy: bool,
    replace: bool,
    auth: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
}

fn plan<'a>(args: &mut Args<'a>) -> Result<Plan<'a>, CmdError> {
    let host = String::from_utf8_lossy(args.bytes()).into_owned();
    let port = args.bytes();
    let (key, db, timeout) = (args.bytes(), args.bytes(), args.bytes());
    let (mut copy, mut replace, mut auth) = (false, false, Vec::new());
    let mut keys = vec![key];
    while args.left() > 0 {
        if args.word("COPY") {
            copy = true;
        } else if args.word("REPLACE") {
            replace = true;
        } else if args.word("AUTH") {
            auth = vec![args.option().ok_or(CmdError::Syntax)?];
        } else if args.word("AUTH2") {
            let mut word = || args.option().ok_or(CmdError::Syntax);
            auth = vec![word()?, word()?];
        } else if args.word("KEYS") {
            if !key.is_empty() {
                return Err(CmdError::Fixed(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the \
                     empty string",
                ));
            }
            keys.clear();
            while let Some(key) = args.option() {
                keys.push(key);
            }
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let int = |text| crate::algo::number::parse_i64(text).ok_or(CmdError::NotInteger);
    let (timeout_ms, db) = (int(timeout)?, int(db)?);
    let limit_ms = if timeout_ms <= 0 {
        1000
    } else {
        timeout_ms as u64
    };
    Ok(Plan {
        host,
        // As in Redis, a port that is not a number counts as 0, which refuses connections.
        port: int(port).unwrap_or(0),
        db,
        limit: Duration::from_millis(limit_ms),
        copy,
        replace,
        auth,
        keys,
    })
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    encode::prefixed(out, b'*', words.len() as i64);
    words.iter().for_each(|word| encode::bulk(out, word));
}

/// Failures of the exchange with the target server.
enum Trouble {
    Connecting,
    Writing(io::Error),
    Reading(io::Error),
    Refused(Vec<u8>),
}

const MIGRATE: ServerCommand = Spec {
    name: "migrate",
    flags: all(&[WRITE, MOVABLEKEYS]),
    acl: &["dangerous"],
    keys: &[
        KeySpec::at(3, &[RW, ACCESS, DELETE]),
        KeySpec::keyword("KEYS", -2, &[RW, ACCESS, DELETE, INCOMPLETE]),
    ],
    find: Some(migrated_keys),
    usage: "host:string port:integer key-selector(key:key|empty-string=\"\") \
    destination-db:integer timeout:integer [copy=COPY!3.0.0] [replace=REPLACE!3.0.0] \
    [authentication(auth~password:string@AUTH!4.0.7|auth2{username:string \
    password:string}@AUTH2!6.0.0)] [keys~key:key@KEYS!3.0.6...]",
    since: "2.6.0",
    // MIGRATE host port key db timeout … [AUTH password | AUTH2 user password] …
    secrets: Some(|argv, index| {
        argv.is_behind(index, b"auth", 1, 6)
            || argv.is_behind(index, b"auth2", 1, 6)
            || argv.is_behind(index, b"auth2", 2, 6)
    }),
    summary: "Moves keys to another server.",
    complexity: "This command actually executes a DUMP+DEL in the source instance, and a \
    RESTORE in the target instance. See the pages of these commands for time \
    complexity. Also an O(N) data transfer between the two instances is performed.",
    tips: &["nondeterministic_output"],
    history: &[
        ("3.0.0", "Takes COPY and REPLACE."),
        ("3.0.6", "Takes KEYS."),
        ("4.0.7", "Takes AUTH."),
        ("6.0.0", "Takes AUTH2."),
    ],
    ..Spec::of(Group::Generic)
}
.runs(migrate);

fn migrate(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let plan = plan(args)?;
    let now_ms = server.keyspace.now_ms();
    let (versions, compress) = (server.tuning.rdb_versions, server.tuning.rdb_compression);
    let mut db = server.keyspace.db(session.db);
    let mut moving = Vec::new();
    for &key in &plan.keys {
        let Some(found) = db.read(key) else { continue };
        let entry = db.get(found);
        let ttl_ms = entry.deadline_ms().map_or(0, |ms| (ms - now_ms).max(1));
        let payload = dump::dump(entry, versions, compress);
        let payload = payload.map_err(|why| CmdError::Text(format!("ERR {why}")))?;
        moving.push((key, ttl_ms, payload));
    }
    if moving.is_empty() {
        return reply.simple("NOKEY");
    }
    let mut moved = Vec::new();
    let mut talked = talk(server, &plan, &moving, &mut moved);
    // The other side may have closed a cached connection meanwhile.
    let stale = matches!(&talked, Err(Trouble::Writing(why) | Trouble::Reading(why))
        if !matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    if stale && moved.is_empty() {
        talked = talk(server, &plan, &moving, &mut moved);
    }
    if !plan.copy {
        let gone: Vec<&[u8]> = moved.iter().map(|&at: &usize| moving[at].0).collect();
        forget(server, session, &gone);
    }
    match talked {
        Ok(()) => reply.ok(),
        Err(Trouble::Connecting) => Err(CmdError::Fixed(
            "IOERR error or timeout connecting to the client",
        )),
        Err(Trouble::Writing(_)) => Err(CmdError::Fixed(
            "IOERR error or timeout writing to target instance",
        )),
        Err(Trouble::Reading(_)) => Err(CmdError::Fixed(
            "IOERR error or timeout reading to target instance",
        )),
        Err(Trouble::Refused(text)) => Err(CmdError::Bytes(
            [b"ERR Target instance replied with error: ", text.as_slice()].concat(),
        )),
    }
}

/// Removes the keys that have been moved to the target server.
fn forget(server: &mut Server, session: &Session, keys: &[&[u8]]) {
    for key in keys {
        let mut db = server.keyspace.db(session.db);
        if let Some(found) = db.peek(key) {
            db.remove(found, RemovalReason::Deleted);
            server.effects.count_changes(1);
            let (effects, shared) = (&mut server.effects, &mut server.keyspace.shared);
            effects.note(shared, session.db, key, Some(Event::DEL));
        }
    }
    server.effects.set_propagate(match keys.is_empty() {
        true => Propagate::Nothing,
        false => {
            let words = std::iter::once(&b"DEL"[..]).chain(keys.iter().copied());
            Propagate::Instead(vec![words.collect()])
        }
    });
}

/// Connects to the target. As in Redis, a negative port is invalid, and of a large one the low bits
/// count.
fn connect(plan: &Plan, tls: Option<&Contexts>) -> Result<Peer, Trouble> {
    if plan.port < 0 {
        return Err(Trouble::Connecting);
    }
    let connected = Peer::connect(&plan.host, plan.port as u16, plan.limit, tls);
    connected.map_err(|why| match why.kind() {
        // Redis connects without blocking, and detects the refusal when it writes; but not over
        // TLS, where the handshake comes first.
        io::ErrorKind::ConnectionRefused if tls.is_none() => Trouble::Writing(why),
        _ => Trouble::Connecting,
    })
}

/// Sends all commands and reads the replies. `moved` marks the keys that the target has accepted.
fn talk(
    server: &mut Server,
    plan: &Plan,
    moving: &[(&[u8], i64, Vec<u8>)],
    moved: &mut Vec<usize>,
) -> Result<(), Trouble> {
    let address = (plan.host.clone(), plan.port);
    let now_ms = server.clock.mono_ms();
    let contexts = server.doors.contexts();
    let tls = contexts.filter(|_| server.config.tls_cluster);
    let peers = &mut server.peers;
    let mut kept = match peers.0.remove(&address) {
        Some(kept) => kept,
        None => Kept {
            peer: connect(plan, tls)?,
            db: None,
            used_ms: now_ms,
        },
    };
    kept.used_ms = now_ms;
    let mut out = Vec::new();
    let mut before = 0;
    if !plan.auth.is_empty() {
        let words: Vec<&[u8]> = std::iter::once(&b"AUTH"[..])
            .chain(plan.auth.iter().copied())
            .collect();
        command(&mut out, &words);
        before += 1;
    }
    if kept.db != Some(plan.db) {
        command(&mut out, &[b"SELECT", plan.db.to_string().as_bytes()]);
        before += 1;
    }
    for (key, ttl_ms, payload) in moving {
        let ttl = ttl_ms.to_string();
        let words: [&[u8]; 5] = [b"RESTORE", key, ttl.as_bytes(), payload, b"REPLACE"];
        command(&mut out, if plan.replace { &words } else { &words[..4] });
    }
    for chunk in out.chunks(CHUNK) {
        kept.peer
            .send(chunk, plan.limit)
            .map_err(Trouble::Writing)?;
    }
    let mut refused = None;
    let mut hear = |kept: &mut Kept| -> Result<bool, Trouble> {
        let line = kept.peer.line(plan.limit).map_err(Trouble::Reading)?;
        let fine = line.first() != Some(&b'-');
        if !fine && refused.is_none() {
            refused = Some(line[1..].to_vec());
        }
        Ok(fine)
    };
    let mut let_in = true;
    for _ in 0..before {
        let_in &= hear(&mut kept)?;
    }
    for at in 0..moving.len() {
        if hear(&mut kept)? && let_in {
            moved.push(at);
        }
    }
    // All replies were read, so the connection can be kept; after a refusal its database is unknown.
    kept.db = refused.is_none().then_some(plan.db);
    if server.peers.len() < KEPT_MAX {
        server.peers.0.insert(address, kept);
    }
    refused.map_or(Ok(()), |text| Err(Trouble::Refused(text)))
}
