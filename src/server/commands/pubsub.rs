//! SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their opposites, PUBLISH, SPUBLISH, PUBSUB.
//!
//! The reply to a subscription is a push for each name, in RESP2 an array of the same form.

use super::container;
use crate::algo::glob::{Case, matches};
use crate::command::effects::Propagate;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::pubsub::Scope;
use crate::server::clients::publish;
use crate::server::clients::session::{Session, Special};
use crate::server::{Server, ServerCommand};

const PUBSUB_SPEC: Spec = Spec {
    group: Group::PubSub,
    ..Spec::BASE
};
const SUBSCRIBES: Flags = all(&[
    PUBSUB,
    NOSCRIPT,
    LOADING,
    STALE,
    SUBSCRIBER,
    REPLIES_WITH_PUSH,
]);
const PUBLISHES: Flags = all(&[PUBSUB, LOADING, STALE, FAST, MAY_REPLICATE]);
const LOOKS: Flags = all(&[PUBSUB, LOADING, STALE]);

pub static TABLE: &[ServerCommand] = &[
    Entry {
        spec: Spec {
            name: "subscribe",
            arity: -2,
            flags: SUBSCRIBES,
            usage: "channel:string...",
            since: "2.0.0",
            channels: Some(Channels::Names),
            summary: "Listens to channels.",
            complexity: "O(N) where N is the number of channels to subscribe to.",
            ..PUBSUB_SPEC
        },
        run: |server, session, args, reply| subscribe(server, session, args, reply, &CHANNEL),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "unsubscribe",
            arity: -1,
            flags: SUBSCRIBES,
            usage: "[channel:string...]",
            since: "2.0.0",
            summary: "Stops listening to channels.",
            complexity: "O(N) where N is the number of channels to unsubscribe.",
            ..PUBSUB_SPEC
        },
        run: |server, session, args, reply| unsubscribe(server, session, args, reply, &CHANNEL),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "psubscribe",
            arity: -2,
            flags: SUBSCRIBES,
            usage: "pattern:pattern...",
            since: "2.0.0",
            channels: Some(Channels::Patterns),
            summary: "Listens to all channels that fit patterns.",
            complexity: "O(N) where N is the number of patterns to subscribe to.",
            ..PUBSUB_SPEC
        },
        run: |server, session, args, reply| subscribe(server, session, args, reply, &PATTERN),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "punsubscribe",
            arity: -1,
            flags: SUBSCRIBES,
            usage: "[pattern:pattern...]",
            since: "2.0.0",
            summary: "Stops listening to channels that fit patterns.",
            complexity: "O(N) where N is the number of patterns to unsubscribe.",
            ..PUBSUB_SPEC
        },
        run: |server, session, args, reply| unsubscribe(server, session, args, reply, &PATTERN),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "ssubscribe",
            arity: -2,
            flags: SUBSCRIBES,
            keys: &[KeySpec::range(1, -1, 1, &[NOT_KEY])],
            usage: "shardchannel:string...",
            since: "7.0.0",
            channels: Some(Channels::Names),
            summary: "Listens to channels of a shard.",
            complexity: "O(N) where N is the number of shard channels to subscribe to.",
            ..PUBSUB_SPEC
        },
        run: |server, session, args, reply| subscribe(server, session, args, reply, &SHARD),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "sunsubscribe",
            arity: -1,
            flags: SUBSCRIBES,
            keys: &[KeySpec::range(1, -1, 1, &[NOT_KEY])],
            usage: "[shardchannel:string...]",
            since: "7.0.0",
            summary: "Stops listening to channels of a shard.",
            complexity: "O(N) where N is the number of shard channels to unsubscribe.",
            ..PUBSUB_SPEC
        },
        run: |server, session, args, reply| unsubscribe(server, session, args, reply, &SHARD),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "publish",
            arity: 3,
            flags: PUBLISHES,
            usage: "channel:string message:string",
            since: "2.0.0",
            channels: Some(Channels::First),
            summary: "Sends a message to all who listen to a channel.",
            complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
            ..PUBSUB_SPEC
        },
        run: |server, _, args, reply| publish(server, args, reply, Scope::Channel),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "spublish",
            arity: 3,
            flags: PUBLISHES,
            keys: &[KeySpec::at(1, &[NOT_KEY])],
            usage: "shardchannel:string message:string",
            since: "7.0.0",
            channels: Some(Channels::First),
            summary: "Sends a message to all who listen to a channel of a shard.",
            complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
            ..PUBSUB_SPEC
        },
        run: |server, _, args, reply| publish(server, args, reply, Scope::Shard),
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "pubsub",
            arity: -2,
            since: "2.8.0",
            summary: "About channels and who listens.",
            complexity: "Depends on subcommand.",
            ..PUBSUB_SPEC
        },
        run: container,
        subcommands: &[
            Entry {
                spec: Spec {
                    name: "channels",
                    arity: -2,
                    flags: LOOKS,
                    usage: "[pattern:pattern]",
                    since: "2.8.0",
                    summary: "The channels somebody listens to.",
                    complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
                    ..PUBSUB_SPEC
                },
                run: |server, _, args, reply| channels(server, args, reply, Scope::Channel),
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "help",
                    arity: 2,
                    flags: all(&[LOADING, STALE]),
                    since: "6.2.0",
                    summary: "What the subcommands do.",
                    complexity: "O(1)",
                    ..PUBSUB_SPEC
                },
                run: help,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "numpat",
                    arity: 2,
                    flags: LOOKS,
                    since: "2.8.0",
                    summary: "How many patterns somebody listens to.",
                    complexity: "O(1)",
                    ..PUBSUB_SPEC
                },
                run: |server, _, _, reply| reply.int(server.pubsub.len(Scope::Pattern) as i64),
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "numsub",
                    arity: -2,
                    flags: LOOKS,
                    usage: "[channel:string...]",
                    since: "2.8.0",
                    summary: "How many listen to each of these channels.",
                    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
                    ..PUBSUB_SPEC
                },
                run: |server, _, args, reply| numsub(server, args, reply, Scope::Channel),
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "shardchannels",
                    arity: -2,
                    flags: LOOKS,
                    usage: "[pattern:pattern]",
                    since: "7.0.0",
                    summary: "The channels of shards somebody listens to.",
                    complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).",
                    ..PUBSUB_SPEC
                },
                run: |server, _, args, reply| channels(server, args, reply, Scope::Shard),
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "shardnumsub",
                    arity: -2,
                    flags: LOOKS,
                    usage: "[shardchannel:string...]",
                    since: "7.0.0",
                    summary: "How many listen to each of these channels of shards.",
                    complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
                    ..PUBSUB_SPEC
                },
                run: |server, _, args, reply| numsub(server, args, reply, Scope::Shard),
                subcommands: &[],
            },
        ],
    },
];

/// The words in the replies of a scope.
struct Words {
    scope: Scope,
    command: &'static str,
    began: &'static [u8],
    ended: &'static [u8],
}

static CHANNEL: Words = Words {
    scope: Scope::Channel,
    command: "SUBSCRIBE",
    began: b"subscribe",
    ended: b"unsubscribe",
};
static PATTERN: Words = Words {
    scope: Scope::Pattern,
    command: "PSUBSCRIBE",
    began: b"psubscribe",
    ended: b"punsubscribe",
};
static SHARD: Words = Words {
    scope: Scope::Shard,
    command: "SSUBSCRIBE",
    began: b"ssubscribe",
    ended: b"sunsubscribe",
};

/// Returns the number of subscriptions as the replies count them: those of shards apart.
fn subscriptions_of(server: &Server, scope: Scope, client: u64) -> i64 {
    let count = |scope| server.pubsub.count(scope, client) as i64;
    match scope {
        Scope::Shard => count(Scope::Shard),
        Scope::Channel | Scope::Pattern => count(Scope::Channel) + count(Scope::Pattern),
    }
}

/// SUBSCRIBE channel …, PSUBSCRIBE pattern …, SSUBSCRIBE shardchannel ….
fn subscribe(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
    words: &Words,
) -> CmdResult {
    // As in Redis: a transaction may subscribe, though its other commands must not block either.
    let is_free = session.multi.is_some() && words.scope != Scope::Shard;
    if !server.frame.may_block(session) && !is_free {
        return Err(CmdError::Text(format!(
            "ERR {} isn't allowed for a DENY BLOCKING client",
            words.command
        )));
    }
    let client = session.id.0;
    let Some(slot) = server.clients.slot_of(session.id) else {
        return Ok(());
    };
    for name in args.rest().iter() {
        server.pubsub.subscribe(words.scope, client, slot, name);
        reply.push(3)?;
        reply.bulk(words.began)?;
        reply.bulk(name)?;
        reply.int(subscriptions_of(server, words.scope, client))?;
    }
    publish::subscriptions_changed(server, session);
    Ok(())
}

/// UNSUBSCRIBE [channel …], PUNSUBSCRIBE [pattern …], SUNSUBSCRIBE [shardchannel …].
fn unsubscribe(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
    words: &Words,
) -> CmdResult {
    let client = session.id.0;
    let mut end = |server: &mut Server, name: Option<&[u8]>| -> CmdResult {
        if let Some(name) = name {
            server.pubsub.unsubscribe(words.scope, client, name);
        }
        reply.push(3)?;
        reply.bulk(words.ended)?;
        match name {
            Some(name) => reply.bulk(name)?,
            None => reply.null()?,
        }
        reply.int(subscriptions_of(server, words.scope, client))
    };
    if args.left() > 0 {
        for name in args.rest().iter() {
            end(server, Some(name))?;
        }
    } else {
        let all = server.pubsub.subscriptions(words.scope, client);
        for name in &all {
            end(server, Some(name))?;
        }
        if all.is_empty() {
            end(server, None)?;
        }
    }
    if session.special.has(Special::SUBSCRIBER) {
        publish::subscriptions_changed(server, session);
    }
    Ok(())
}

/// PUBLISH channel message, SPUBLISH shardchannel message.
fn publish(server: &mut Server, args: &mut Args, reply: &mut Reply, scope: Scope) -> CmdResult {
    let (channel, payload) = (args.bytes(), args.bytes());
    let receivers = publish::publish(server, scope, channel, payload);
    if server.effects.propagates() {
        server.effects.propagate = Propagate::Replicas;
    }
    reply.int(receivers as i64)
}

/// PUBSUB CHANNELS [pattern], PUBSUB SHARDCHANNELS [pattern].
fn channels(server: &mut Server, args: &mut Args, reply: &mut Reply, scope: Scope) -> CmdResult {
    if args.left() > 1 {
        let sub = args.argv().at(1);
        return Err(CmdError::wrong_form("PUBSUB", sub));
    }
    let pattern = args.option();
    let names = server.pubsub.names(scope);
    let fits = |name: &[u8]| pattern.is_none_or(|pattern| matches(pattern, name, Case::Sensitive));
    let names: Vec<_> = names.filter(|name| fits(name)).collect();
    reply.array(names.len())?;
    names.into_iter().try_for_each(|name| reply.bulk(name))
}

/// PUBSUB NUMSUB [channel …], PUBSUB SHARDNUMSUB [shardchannel …].
fn numsub(server: &mut Server, args: &mut Args, reply: &mut Reply, scope: Scope) -> CmdResult {
    reply.array(args.left() * 2)?;
    for name in args.rest().iter() {
        reply.bulk(name)?;
        reply.int(server.pubsub.audience(scope, name) as i64)?;
    }
    Ok(())
}

/// PUBSUB HELP.
fn help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    The channels somebody listens to, all or those that fit <pattern>.",
        "NUMPAT",
        "    How many patterns somebody listens to.",
        "NUMSUB [<channel> ...]",
        "    How many listen to each of these channels, patterns aside.",
        "SHARDCHANNELS [<pattern>]",
        "    The channels of shards somebody listens to, all or those that fit <pattern>.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many listen to each of these channels of shards.",
        "HELP",
        "    Print this help.",
    ])
}
