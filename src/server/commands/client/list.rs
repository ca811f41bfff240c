//! CLIENT INFO and CLIENT LIST: one line per connection.

use crate::algo::number::parse_i64;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::Server;
use crate::server::clients::describe::{self, Kind, Seen, caller, describe, find};
use crate::server::clients::session::Session;

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
    let all = describe::all(server, caller(session, args));
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

/// Returns the error for an unknown client type.
pub(super) fn unknown_type(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unknown client type '", word, usize::MAX, "'")
}
