//! CLIENT INFO and CLIENT LIST: a line for each connection.

use super::{Kind, Seen, caller, everybody, find};
use crate::algo::number::parse_i64;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::pubsub::Scope;
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::clients::session::{Ending, Peer, Session, Special};
use std::fmt::Write;

/// CLIENT INFO.
pub(super) fn client_info(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let line = describe(server, &caller(session, args));
    reply.verbatim(b"txt", line.as_bytes())
}

/// CLIENT LIST [TYPE type] [ID id …].
pub(super) fn client_list(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let all = everybody(server, caller(session, args));
    let mut chosen: Vec<&Seen> = Vec::new();
    match args.left() {
        0 => chosen.extend(&all),
        2 if args.word("type") => {
            let word = args.bytes();
            let kind = Kind::parse(word).ok_or_else(|| unknown_type(word))?;
            chosen.extend(all.iter().filter(|seen| seen.kind() == kind));
        }
        2.. if args.word("id") => {
            while let Some(word) = args.option() {
                let id = parse_i64(word).ok_or(CmdError::Fixed("ERR Invalid client ID"))?;
                chosen.extend(find(&all, id));
            }
        }
        _ => return Err(CmdError::Syntax),
    }
    let lines: String = chosen.iter().map(|seen| describe(server, seen)).collect();
    reply.verbatim(b"txt", lines.as_bytes())
}

pub(super) fn unknown_type(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unknown client type '", word, usize::MAX, "'")
}

/// The line of a client, as CLIENT LIST has it.
pub(super) fn describe(server: &Server, seen: &Seen) -> String {
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
         tot-cmds={}",
        wire.buffer.size(),
        wire.buffer.peak().max(wire.output - listed),
        wire.output - listed,
        wire.buffer.blocks(wire.output) + blocks,
        wire.buffer.counted(wire.output) + owed,
        size_of::<Client>() + held + owed + argv_bytes - parked + server.session_bytes(s),
        if wire.output + owed > 0 { "rw" } else { "r" },
        text(&s.user),
        tracker.map_or(-1, |tracker| tracker.redirect as i64),
        s.resp.number(),
        text(&s.lib_name),
        text(&s.lib_ver),
        s.bytes_in,
        s.bytes_out,
        s.commands_run,
    );
    line
}

/// The letters for what is special about a client, in the order Redis writes them.
fn flags(server: &Server, s: &Session) -> String {
    let tracker = server.tracking.get(s.id.0);
    let letters = [
        (s.peer == Peer::Replica, 'S'),
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
