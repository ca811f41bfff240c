//! Connection commands: PING, ECHO, SELECT, AUTH, HELLO, RESET, QUIT.

use crate::acl::DEFAULT_USER;
use crate::algo::number::parse_i64;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::keyspace::DbIndex;
use crate::resp::encode::Resp;
use crate::server::clients::invalidate;
use crate::server::clients::monitors;
use crate::server::clients::publish;
use crate::server::clients::session::{Ending, Peer, Session};
use crate::server::commands::client::check_name;
use crate::server::core::permissions;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[PING, ECHO, SELECT, QUIT, AUTH, HELLO, RESET];

const PING: ServerCommand = Spec {
    name: "ping",
    flags: all(&[FAST, SUBSCRIBER, REPORTS_DISK_ERROR]),
    usage: "[message:string]",
    since: "1.0.0",
    summary: "Answers that the server is there.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Spec::of(Group::Connection)
}
.runs(ping);

fn ping(_: &mut Server, session: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    // A RESP2 subscriber gets the reply in the form of a message.
    if session.is_confined() && args.left() <= 1 {
        reply.array(2)?;
        reply.bulk(b"pong")?;
        return reply.bulk(args.option().unwrap_or_default());
    }
    match args.left() {
        0 => reply.simple("PONG"),
        1 => reply.bulk(args.bytes()),
        _ => Err(CmdError::arity(PING.name())),
    }
}

const ECHO: ServerCommand = Spec {
    name: "echo",
    flags: all(&[LOADING, STALE, FAST]),
    usage: "message:string",
    since: "1.0.0",
    summary: "Answers its argument.",
    complexity: "O(1)",
    ..Spec::of(Group::Connection)
}
.runs(echo);

fn echo(_: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.bulk(args.bytes())
}

const SELECT: ServerCommand = Spec {
    name: "select",
    databases: Some(Databases::Named(&[1])),
    flags: all(&[LOADING, STALE, FAST]),
    usage: "index:integer",
    since: "1.0.0",
    summary: "Chooses the database.",
    complexity: "O(1)",
    ..Spec::of(Group::Connection)
}
.runs(select);

fn select(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let index = args.int()?;
    if i32::try_from(index).is_err() {
        return Err(CmdError::Fixed(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    if !(0..server.keyspace.databases() as i64).contains(&index) {
        return Err(CmdError::DbRange);
    }
    session.db = DbIndex(index as u32);
    reply.ok()
}

const QUIT: ServerCommand = Spec {
    name: "quit",
    arity: -1,
    flags: all(&[
        NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY, IN_MULTI, SUBSCRIBER,
    ]),
    since: "1.0.0",
    summary: "Closes the connection.",
    complexity: "O(1)",
    deprecated: deprecated("7.2.0", "just closing the connection"),
    ..Spec::of(Group::Connection)
}
.runs(quit);

fn quit(_: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    session.ending = Ending::AfterReply;
    reply.ok()
}

const WRONG_PASS: CmdError =
    CmdError::Fixed("WRONGPASS invalid username-password pair or user is disabled.");

const AUTH: ServerCommand = Spec {
    name: "auth",
    flags: all(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY]),
    usage: "[username:string!6.0.0] password:string",
    since: "1.0.0",
    secrets: Some(|_, index| index > 0),
    summary: "Proves who the client is.",
    complexity: "O(N) where N is the number of passwords defined for the user",
    history: &[("6.0.0", "Takes the name of a user.")],
    ..Spec::of(Group::Connection)
}
.runs(auth);

fn auth(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let (user, password) = match args.left() {
        1 if server.acl.is_open() => {
            return Err(CmdError::Fixed(
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?",
            ));
        }
        1 => (DEFAULT_USER, args.bytes()),
        2 => (args.bytes(), args.bytes()),
        _ => return Err(CmdError::Syntax),
    };
    match server.log_in(session, user, password, &args.argv()) {
        true => reply.ok(),
        false => Err(WRONG_PASS),
    }
}

const HELLO: ServerCommand = Spec {
    name: "hello",
    flags: all(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY]),
    usage: "[arguments{protover:integer [auth{username:string password:string}@AUTH] [clientname:string@SETNAME]}]",
    since: "6.0.0",
    // HELLO version [AUTH user password] …
    secrets: Some(|argv, index| {
        argv.is_behind(index, b"auth", 1, 2) || argv.is_behind(index, b"auth", 2, 2)
    }),
    summary: "Greets the server and chooses the protocol.",
    complexity: "O(1)",
    history: &[("6.2.0", "The version may be left out; then it only describes the connection.")],
    ..Spec::of(Group::Connection)
}
.runs(hello);

fn hello(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let mut resp = None;
    if let Some(version) = args.option() {
        let version = parse_i64(version).ok_or(CmdError::Fixed(
            "ERR Protocol version is not an integer or out of range",
        ))?;
        resp = Some(match version {
            2 => Resp::V2,
            3 => Resp::V3,
            _ => {
                return Err(CmdError::Fixed("NOPROTO unsupported protocol version"));
            }
        });
    }
    let (mut login, mut name) = (None, None);
    while let Some(option) = args.option() {
        if option.eq_ignore_ascii_case(b"auth") && args.left() >= 2 {
            login = Some((args.bytes(), args.bytes()));
        } else if option.eq_ignore_ascii_case(b"setname") && args.left() >= 1 {
            let word = args.bytes();
            check_name(word)?;
            name = Some(word);
        } else {
            let before = "ERR Syntax error in HELLO option '";
            return Err(CmdError::quoting(before, option, usize::MAX, "'"));
        }
    }
    if let Some((user, password)) = login
        && !server.log_in(session, user, password, &args.argv())
    {
        return Err(WRONG_PASS);
    }
    if !session.vouched {
        return Err(CmdError::Fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        session.set_name(name)?;
    }
    if let Some(resp) = resp {
        (session.resp, reply.resp) = (resp, resp);
        if let Some(tracker) = server.tracking.get_mut(session.id.0) {
            tracker.resp = resp;
        }
    }
    greet(server, session, reply)
}

/// Writes the reply of HELLO.
fn greet(server: &Server, session: &Session, reply: &mut Reply) -> CmdResult {
    reply.map(7)?;
    for (field, value) in [
        ("server", "redis"),
        ("version", server.config.series().version()),
    ] {
        reply.bulk(field.as_bytes())?;
        reply.bulk(value.as_bytes())?;
    }
    reply.bulk(b"proto")?;
    reply.int(session.resp.number())?;
    reply.bulk(b"id")?;
    reply.int(session.id.0 as i64)?;
    let role = match server.replication.is_replica() {
        true => "replica",
        false => "master",
    };
    for (field, value) in [("mode", "standalone"), ("role", role)] {
        reply.bulk(field.as_bytes())?;
        reply.bulk(value.as_bytes())?;
    }
    reply.bulk(b"modules")?;
    reply.array(0)
}

const RESET: ServerCommand = Spec {
    name: "reset",
    flags: all(&[
        NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY, IN_MULTI, SUBSCRIBER,
    ]),
    since: "6.2.0",
    summary: "Puts the connection back into its first state.",
    complexity: "O(1)",
    ..Spec::of(Group::Connection)
}
.runs(reset);

fn reset(server: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    if session.peer != Peer::Client {
        return Err(CmdError::Fixed(
            "ERR can only reset normal client connections",
        ));
    }
    if session.monitor {
        monitors::stop(server, session);
    }
    server.end_transaction(session);
    invalidate::stop_tracking(server, session);
    publish::unsubscribe_all(server, session);
    session.reset();
    permissions::welcome(&server.acl, session);
    server.keyspace.shared.no_touch = false;
    reply.resp = session.resp;
    reply.simple("RESET")
}
