//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: client-side caching.

use super::CLIENT_SPEC;
use crate::algo::number::parse_i64;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::invalidate;
use crate::server::clients::session::{ClientId, Session};
use crate::server::{Server, ServerCommand};
use crate::tracking::{Options, overlap};

pub(super) const CLIENT_TRACKING: ServerCommand = Spec {
    name: "tracking",
    usage: "status(on=ON|off=OFF) [client-id:integer@REDIRECT] [prefix:string@PREFIX+...] [bcast=BCAST] [optin=OPTIN] [optout=OPTOUT] [noloop=NOLOOP]",
    since: "6.0.0",
    summary: "Whether the connection is told of changes of what it has read.",
    complexity: "O(1). Some options may introduce additional complexity.",
    ..CLIENT_SPEC
}
.subcommand(client_tracking);

/// CLIENT TRACKING ON|OFF with its options.
fn client_tracking(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let switch = args.bytes();
    let mut options = Options::default();
    let mut redirect = 0;
    let mut prefixes: Vec<&[u8]> = Vec::new();
    while args.left() > 0 {
        if args.left() > 1 && args.word("REDIRECT") {
            redirect = parse_redirect(server, redirect, args.bytes())?;
        } else if args.word("BCAST") {
            options.broadcasts = true;
        } else if args.word("OPTIN") {
            options.opts_in = true;
        } else if args.word("OPTOUT") {
            options.opts_out = true;
        } else if args.word("NOLOOP") {
            options.spares_own = true;
        } else if args.left() > 1 && args.word("PREFIX") {
            prefixes.push(args.bytes());
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if switch.eq_ignore_ascii_case(b"on") {
        check_options(server, session, options, &prefixes)?;
        let id = session.id.0;
        server
            .tracking
            .start(id, options, redirect, &prefixes, session.resp);
        session.tracks = true;
        server.refresh_interest();
    } else if switch.eq_ignore_ascii_case(b"off") {
        invalidate::stop_tracking(server, session);
    } else {
        return Err(CmdError::Syntax);
    }
    reply.ok()
}

fn parse_redirect(server: &Server, before: u64, word: &[u8]) -> Result<u64, CmdError> {
    if before != 0 {
        return Err(CmdError::Fixed(
            "ERR A client can only redirect to a single other client",
        ));
    }
    let id = parse_i64(word).ok_or(CmdError::NotInteger)? as u64;
    match server.clients.slot_of(ClientId(id)) {
        Some(_) => Ok(id),
        None => Err(CmdError::Fixed(
            "ERR The client ID you want redirect to does not exist",
        )),
    }
}

/// Checks that the options are consistent, with each other and with the client's earlier options.
fn check_options(
    server: &Server,
    session: &Session,
    options: Options,
    prefixes: &[&[u8]],
) -> CmdResult {
    let wrong = |text| Err(CmdError::Fixed(text));
    let before = server.tracking.get(session.id.0);
    if !options.broadcasts && !prefixes.is_empty() {
        return wrong("ERR PREFIX option requires BCAST mode to be enabled");
    }
    if before.is_some_and(|before| before.options.broadcasts != options.broadcasts) {
        return wrong(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and \
             then re-enabling it with a different mode.",
        );
    }
    if options.broadcasts && (options.opts_in || options.opts_out) {
        return wrong("ERR OPTIN and OPTOUT are not compatible with BCAST");
    }
    if options.opts_in && options.opts_out {
        return wrong("ERR You can't specify both OPTIN mode and OPTOUT mode");
    }
    let turns = before.is_some_and(|before| {
        options.opts_in && before.options.opts_out || options.opts_out && before.options.opts_in
    });
    if turns {
        return wrong(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and \
             then re-enabling it with a different mode.",
        );
    }
    let own = before.map(|before| &before.prefixes);
    for (at, prefix) in prefixes.iter().enumerate() {
        if let Some(other) = own.into_iter().flatten().find(|own| overlap(own, prefix)) {
            return Err(CmdError::naming(&[
                b"ERR Prefix '",
                prefix,
                b"' overlaps with an existing prefix '",
                other,
                b"'. Prefixes for a single client must not overlap.",
            ]));
        }
        if let Some(other) = prefixes[at + 1..]
            .iter()
            .find(|other| overlap(other, prefix))
        {
            return Err(CmdError::naming(&[
                b"ERR Prefix '",
                prefix,
                b"' overlaps with another provided prefix '",
                other,
                b"'. Prefixes for a single client must not overlap.",
            ]));
        }
    }
    Ok(())
}

pub(super) const CLIENT_CACHING: ServerCommand = Spec {
    name: "caching",
    usage: "mode(yes=YES|no=NO)",
    since: "6.0.0",
    summary: "Whether the next command is tracked.",
    complexity: "O(1)",
    ..CLIENT_SPEC
}
.subcommand(client_caching);

/// CLIENT CACHING YES|NO: whether the keys of the next command are tracked, under OPTIN or OPTOUT.
fn client_caching(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let Some(tracker) = server.tracking.get_mut(session.id.0) else {
        return Err(CmdError::Fixed(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN \
             or OPTOUT mode enabled",
        ));
    };
    if args.word("YES") {
        if !tracker.options.opts_in {
            return Err(CmdError::Fixed(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
    } else if args.word("NO") {
        if !tracker.options.opts_out {
            return Err(CmdError::Fixed(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
    } else {
        return Err(CmdError::Syntax);
    }
    tracker.caching_said = true;
    reply.ok()
}

pub(super) const CLIENT_GETREDIR: ServerCommand = Spec {
    name: "getredir",
    since: "6.0.0",
    summary: "Where invalidations of this connection go.",
    complexity: "O(1)",
    ..CLIENT_SPEC
}
.subcommand(client_getredir);

/// CLIENT GETREDIR: the target of invalidations; 0 for this connection, -1 for none.
fn client_getredir(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let tracker = server.tracking.get(session.id.0);
    reply.int(tracker.map_or(-1, |tracker| tracker.redirect as i64))
}

pub(super) const CLIENT_TRACKINGINFO: ServerCommand = Spec {
    name: "trackinginfo",
    since: "6.2.0",
    summary: "How client-side caching stands for the connection.",
    complexity: "O(1)",
    ..CLIENT_SPEC
}
.subcommand(client_trackinginfo);

fn client_trackinginfo(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let mut flags = vec!["off"];
    let (mut redirect, mut prefixes) = (-1, Vec::new());
    if let Some(tracker) = server.tracking.get(session.id.0) {
        let options = tracker.options;
        let to = tracker.redirect;
        let said = tracker.caching_said;
        let all = [
            (true, "on"),
            (options.broadcasts, "bcast"),
            (options.opts_in, "optin"),
            (options.opts_in && said, "caching-yes"),
            (options.opts_out, "optout"),
            (options.opts_out && said, "caching-no"),
            (options.spares_own, "noloop"),
            (tracker.is_broken, "broken_redirect"),
        ];
        flags = all
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, name)| *name)
            .collect();
        redirect = to as i64;
        prefixes = tracker.prefixes.iter().cloned().collect();
    }
    reply.map(3)?;
    reply.bulk(b"flags")?;
    reply.set(flags.len())?;
    flags
        .iter()
        .try_for_each(|flag| reply.bulk(flag.as_bytes()))?;
    reply.bulk(b"redirect")?;
    reply.int(redirect)?;
    reply.bulk(b"prefixes")?;
    reply.array(prefixes.len())?;
    prefixes.iter().try_for_each(|prefix| reply.bulk(prefix))
}
