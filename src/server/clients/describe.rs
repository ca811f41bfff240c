//! Descriptions of clients: the line of CLIENT LIST, which is also used in the log.

use crate::command::Args;
use crate::pubsub::Scope;
use crate::resp::request::Argv;
use crate::server::Server;
use crate::server::clients::session::{ClientId, Ending, Peer, Session, Special, Wire};
use crate::server::clients::{Client, limits};
use std::fmt::Write;

/// A client as seen by CLIENT LIST and KILL: one in its slot, or the caller, which is checked out
/// while it is served.
pub struct Seen<'a> {
    pub session: &'a Session,
    pub wire: Wire,
    /// Bytes of the arguments of the running command.
    pub running: usize,
}

impl Seen<'_> {
    /// Returns its type: `normal`, `pubsub`, `replica` or `master`.
    pub fn kind(&self) -> Kind {
        match self.session.peer {
            Peer::Primary => Kind::Primary,
            Peer::Replica => Kind::Replica,
            Peer::Client if self.session.special.has(Special::SUBSCRIBER) => Kind::PubSub,
            Peer::Client => Kind::Normal,
        }
    }
}

/// The client types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Replica,
    PubSub,
    Primary,
}

impl Kind {
    /// Parses a type as CLIENT LIST and CLIENT KILL take it.
    pub fn parse(word: &[u8]) -> Option<Kind> {
        let word = word.to_ascii_lowercase();
        Some(match word.as_slice() {
            b"normal" => Kind::Normal,
            b"slave" | b"replica" => Kind::Replica,
            b"pubsub" => Kind::PubSub,
            b"master" => Kind::Primary,
            _ => return None,
        })
    }
}

/// Returns all clients that are not being closed, the caller included, in the order in which they
/// connected.
pub fn all<'a>(server: &'a Server, caller: Seen<'a>) -> Vec<Seen<'a>> {
    let mut found: Vec<Seen> = server
        .clients
        .iter()
        .filter(|(_, client)| client.session.ending != Ending::Now)
        .map(|(_, client)| seen(client))
        .collect();
    found.push(caller);
    found.sort_by_key(|seen| seen.session.id);
    found
}

/// Returns the view of the caller.
pub fn caller<'a>(session: &'a Session, args: &Args) -> Seen<'a> {
    let arguments = args.argv().iter().map(<[u8]>::len);
    Seen {
        session,
        wire: session.wire,
        running: arguments.sum(),
    }
}

/// Returns the view of a client between two commands.
pub fn seen(client: &Client) -> Seen<'_> {
    Seen {
        session: &client.session,
        wire: match &client.query {
            Some(query) => Wire::of(query, &client.output),
            None => Wire {
                output: client.output.pending(),
                output_capacity: client.output.held(),
                buffer: client.output.buffer,
                ..Wire::default()
            },
        },
        running: 0,
    }
}

/// Returns the description of a client for the log: its line of CLIENT LIST.
pub fn client_line(server: &Server, client: &Client) -> String {
    describe(server, &seen(client)).trim_end().to_owned()
}

/// Returns the full name of the last command of a session.
pub fn last_command_name(server: &Server, session: &Session) -> String {
    let number = session.last_command;
    number.map_or("<unknown>".into(), |number| {
        server.table[number].full_name.clone()
    })
}

/// Returns the description of the client that is running a command, for the log.
pub fn caller_line(server: &Server, session: &Session, argv: &Argv) -> String {
    let running = argv.iter().map(<[u8]>::len).sum();
    line_of(server, session, running)
}

fn line_of(server: &Server, session: &Session, running: usize) -> String {
    let seen = Seen {
        session,
        wire: session.wire,
        running,
    };
    describe(server, &seen).trim_end().to_owned()
}

/// Returns the client with this id.
pub fn find<'a>(all: &'a [Seen<'a>], id: i64) -> Option<&'a Seen<'a>> {
    let id = ClientId(u64::try_from(id).ok()?);
    all.binary_search_by_key(&id, |seen| seen.session.id)
        .ok()
        .map(|at| &all[at])
}

/// Returns the line of a client, as in CLIENT LIST.
pub fn describe(server: &Server, seen: &Seen) -> String {
    let (s, wire) = (seen.session, &seen.wire);
    let now_ms = server.clock.mono_ms();
    let text = String::from_utf8_lossy;
    let command = s
        .last_command
        .map_or("NULL", |number| &server.table[number].full_name);
    let replica = server.replication.replicas().get(s.id.0);
    let (owed, blocks) = replica.map_or((0, 0), |one| server.replication.pending(one));
    let listed = wire.buffer.listed(wire.output);
    let held = wire.query + wire.query_free + wire.output_capacity;
    let parked = s
        .parked
        .as_ref()
        .map_or(0, |parked| parked.argument_bytes());
    let argv_bytes = wire.arguments + seen.running + parked;
    let tracker = server.tracking.get(s.id.0);
    let heard = |scope| server.pubsub.count(scope, s.id.0);
    let multi = s.multi.as_ref();
    let mut line = String::with_capacity(400);
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} \
         ssub={} multi={} watch={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} ",
        s.id.0,
        s.addresses.0,
        s.addresses.1,
        s.fd,
        text(&s.name),
        now_ms.saturating_sub(s.created_ms) / 1000,
        now_ms.saturating_sub(s.last_active_ms) / 1000,
        flags(server, s),
        s.db.0,
        heard(Scope::Channel),
        heard(Scope::Pattern),
        heard(Scope::Shard),
        multi.map_or(-1, |multi| multi.len() as i64),
        server.watch.watched(s.id.0).len(),
        wire.query,
        wire.query_free,
        argv_bytes,
        multi.map_or(0, |multi| multi.argument_bytes()),
    );
    let _ = writeln!(
        line,
        "rbs={} rbp={} obl={} oll={} omem={} tot-mem={} events={} cmd={command} user={} \
         redir={} resp={} lib-name={} lib-ver={} io-thread=0 tot-net-in={} tot-net-out={} \
         tot-cmds={} read-events={} avg-pipeline-len-sum={} avg-pipeline-len-cnt={}",
        wire.buffer.size(),
        wire.buffer.peak().max(wire.output - listed),
        wire.output - listed,
        wire.buffer.blocks(wire.output) + blocks,
        wire.buffer.counted(wire.output) + owed,
        size_of::<Client>() + held + owed + argv_bytes - parked + limits::session_bytes(server, s),
        if wire.output + owed > 0 { "rw" } else { "r" },
        text(&s.user),
        tracker.map_or(-1, |tracker| tracker.redirect as i64),
        s.resp.number(),
        text(&s.lib_name),
        text(&s.lib_ver),
        s.bytes_in,
        s.bytes_out,
        s.commands_run,
        s.reads,
        s.parsed,
        s.parsed_batches,
    );
    line
}

/// Returns the flags of a client, in the order Redis writes them.
pub fn flags(server: &Server, s: &Session) -> String {
    let tracker = server.tracking.get(s.id.0);
    let announced = s.announced.as_deref();
    let is_rdb_channel = announced.is_some_and(|one| one.is_rdb_channel);
    let letters = [
        (s.peer == Peer::Replica, 'S'),
        (s.peer == Peer::Replica && is_rdb_channel, 'C'),
        (s.monitor, 'O'),
        (s.peer == Peer::Primary, 'M'),
        (s.special.has(Special::SUBSCRIBER), 'P'),
        (s.multi.is_some(), 'x'),
        (s.is_held(), 'b'),
        (tracker.is_some(), 't'),
        (tracker.is_some_and(|tracker| tracker.is_broken), 'R'),
        (
            tracker.is_some_and(|tracker| tracker.options.broadcasts),
            'B',
        ),
        (server.watch.is_dirty(s.id.0), 'd'),
        (s.ending == Ending::AfterReply, 'c'),
        (s.ending == Ending::Now, 'A'),
        (s.is_unix, 'U'),
        (s.no_evict, 'e'),
        (s.no_touch, 'T'),
    ];
    let flags: String = letters
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, c)| c)
        .collect();
    if flags.is_empty() { "N".into() } else { flags }
}
