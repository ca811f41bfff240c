//! CLIENT KILL: disconnects clients, by address or by filter.

use super::list::unknown_type;
use crate::algo::number::parse_i64;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::describe::{self, Kind, Seen, caller};
use crate::server::clients::session::{ClientId, Ending, Session};
use crate::server::{Server, ServerCommand};

/// The filter that selects the clients to close.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<Kind>,
    user: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    own_address: Option<&'a [u8]>,
    min_age_s: Option<u64>,
    spares_caller: bool,
}

impl Filter<'_> {
    fn takes(&self, seen: &Seen, now_ms: u64) -> bool {
        let s = seen.session;
        let age_s = now_ms.saturating_sub(s.created_ms) / 1000;
        self.id.is_none_or(|id| s.id.0 == id)
            && self.kind.is_none_or(|kind| seen.kind() == kind)
            && self.user.is_none_or(|user| s.user == user)
            && self.address.is_none_or(|a| s.addresses.0.as_bytes() == a)
            && self
                .own_address
                .is_none_or(|a| s.addresses.1.as_bytes() == a)
            && self.min_age_s.is_none_or(|min| age_s >= min)
    }
}

pub(super) const CLIENT_KILL: ServerCommand = Spec {
    name: "kill",
    arity: -3,
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    usage: "filter(old-format~\"ip:port\":string!!2.8.12|new-format([client-id:integer@ID!2.8.12]|[client-type(normal=NORMAL|master=MASTER!3.2.0|slave=SLAVE|replica=REPLICA!5.0.0|pubsub=PUBSUB)@TYPE!2.8.12]|[username:string@USER]|[addr~\"ip:port\":string@ADDR]|[laddr~\"ip:port\":string@LADDR!6.2.0]|[skipme(yes=YES|no=NO)@SKIPME]|[maxage:integer@MAXAGE!7.4.0])...)",
    since: "2.4.0",
    summary: "Closes connections.",
    complexity: "O(N) where N is the number of client connections",
    history: &[
        ("2.8.12", "Takes filters."),
        ("2.8.12", "Takes ID."),
        ("3.2.0", "Takes the type master."),
        (
            "5.0.0",
            "The type slave is called replica; the old name is still taken.",
        ),
        ("6.2.0", "Takes LADDR."),
        ("7.4.0", "Takes MAXAGE."),
    ],
    ..Spec::of(Group::Connection)
}
.subcommand(client_kill);

/// CLIENT KILL address, or CLIENT KILL filter value ….
fn client_kill(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    // The old form names one address, and includes the caller.
    let oldest = args.left() == 1;
    let filter = if oldest {
        Filter {
            address: Some(args.bytes()),
            ..Filter::default()
        }
    } else {
        parse_filter(server, args)?
    };
    let now_ms = server.clock.mono_ms();
    let doomed: Vec<ClientId> = describe::all(server, caller(session, args))
        .iter()
        .filter(|seen| filter.takes(seen, now_ms))
        .map(|seen| seen.session.id)
        .filter(|&id| !(filter.spares_caller && id == session.id))
        .collect();
    for &id in &doomed {
        if id == session.id {
            // The caller still gets the reply.
            session.ending = Ending::AfterReply;
        } else if let Some(slot) = server.clients.slot_of(id) {
            server.clients.close(slot, Ending::Now);
        }
    }
    match (oldest, doomed.is_empty()) {
        (true, true) => Err(CmdError::Fixed("ERR No such client")),
        (true, false) => reply.ok(),
        (false, _) => reply.int(doomed.len() as i64),
    }
}

fn parse_filter<'a>(server: &Server, args: &mut Args<'a>) -> Result<Filter<'a>, CmdError> {
    let mut filter = Filter {
        spares_caller: true,
        ..Filter::default()
    };
    while let Some(word) = args.option() {
        let Some(value) = args.option() else {
            return Err(CmdError::Syntax);
        };
        match word.to_ascii_lowercase().as_slice() {
            b"id" => {
                let id = parse_i64(value).filter(|&id| id > 0);
                let wrong = CmdError::Fixed("ERR client-id should be greater than 0");
                filter.id = Some(id.ok_or(wrong)? as u64);
            }
            b"maxage" => {
                let wrong = CmdError::Fixed("ERR maxage is not an integer or out of range");
                let age = parse_i64(value).ok_or(wrong)?;
                if age <= 0 {
                    return Err(CmdError::Fixed("ERR maxage should be greater than 0"));
                }
                filter.min_age_s = Some(age as u64);
            }
            b"type" => filter.kind = Some(Kind::parse(value).ok_or_else(|| unknown_type(value))?),
            b"addr" => filter.address = Some(value),
            b"laddr" => filter.own_address = Some(value),
            b"user" => {
                if server.acl.user(value).is_none() {
                    return Err(CmdError::quoting(
                        "ERR No such user '",
                        value,
                        usize::MAX,
                        "'",
                    ));
                }
                filter.user = Some(value);
            }
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.spares_caller = true,
            b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.spares_caller = false,
            _ => return Err(CmdError::Syntax),
        }
    }
    Ok(filter)
}
