//! CLIENT INFO and CLIENT LIST: a line for each connection.

use super::{Kind, Seen, caller, everybody, find};
use crate::algo::number::parse_i64;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::Server;
use crate::server::clients::Client;
use crate::server::session::{Ending, Session};
use std::fmt::Write;

/// Output up to this size counts as one buffer, what goes beyond it as a list of such buffers.
const OUTPUT_CHUNK: usize = 16 << 10;

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
    let listed = wire.output.saturating_sub(OUTPUT_CHUNK);
    let held = wire.query + wire.query_free + wire.output_capacity;
    let parked = s
        .parked
        .as_ref()
        .map_or(0, |parked| parked.argument_bytes());
    let argv_bytes = wire.arguments + seen.running + parked;
    let mut line = String::with_capacity(400);
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 \
         multi=-1 watch=0 qbuf={} qbuf-free={} argv-mem={} multi-mem=0 ",
        s.id.0,
        s.addresses.0,
        s.addresses.1,
        s.fd,
        text(&s.name),
        now_ms.saturating_sub(s.created_ms) / 1000,
        now_ms.saturating_sub(s.last_active_ms) / 1000,
        flags(s),
        s.db.0,
        wire.query,
        wire.query_free,
        argv_bytes,
    );
    let _ = writeln!(
        line,
        "rbs={} rbp={} obl={} oll={} omem={listed} tot-mem={} events={} cmd={command} user={} \
         redir=-1 resp={} lib-name={} lib-ver={} io-thread=0 tot-net-in={} tot-net-out={} \
         tot-cmds={}",
        wire.output_capacity,
        wire.output,
        wire.output - listed,
        listed.div_ceil(OUTPUT_CHUNK),
        size_of::<Client>() + held + argv_bytes,
        if wire.output > 0 { "rw" } else { "r" },
        s.user,
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
fn flags(s: &Session) -> String {
    let letters = [
        (s.monitor, 'O'),
        (s.is_held(), 'b'),
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
