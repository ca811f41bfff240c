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

const SUBSCRIBES: Flags = all(&[UNSUBSCRIBES, DENYOOM]);
const UNSUBSCRIBES: Flags = all(&[
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
    SUBSCRIBE,
    UNSUBSCRIBE,
    PSUBSCRIBE,
    PUNSUBSCRIBE,
    SSUBSCRIBE,
    SUNSUBSCRIBE,
    PUBLISH,
    SPUBLISH,
    PUBSUB_CONTAINER,
];

const PUBSUB_NUMPAT: ServerCommand = Spec {
    name: "numpat",
    flags: LOOKS,
    since: "2.8.0",
    summary: "The number of patterns with a subscriber.",
    complexity: "O(1)",
    ..Spec::of(Group::PubSub)
}
.subcommand(|server, _, _, reply| reply.int(server.pubsub.len(Scope::Pattern) as i64));

const PUBSUB_CONTAINER: ServerCommand = Spec {
    name: "pubsub",
    since: "2.8.0",
    summary: "About channels and who listens.",
    ..Spec::of(Group::PubSub)
}
.contains(
    &[
        PUBSUB_CHANNELS,
        PUBSUB_HELP,
        PUBSUB_NUMPAT,
        PUBSUB_NUMSUB,
        PUBSUB_SHARDCHANNELS,
        PUBSUB_SHARDNUMSUB,
    ],
    container,
);

/// The words in the replies of a scope.
struct Words {
    scope: Scope,
    began: &'static str,
    ended: &'static str,
}

static CHANNEL: Words = Words {
    scope: Scope::Channel,
    began: SUBSCRIBE.name(),
    ended: UNSUBSCRIBE.name(),
};
static PATTERN: Words = Words {
    scope: Scope::Pattern,
    began: PSUBSCRIBE.name(),
    ended: PUNSUBSCRIBE.name(),
};
static SHARD: Words = Words {
    scope: Scope::Shard,
    began: SSUBSCRIBE.name(),
    ended: SUNSUBSCRIBE.name(),
};

/// Returns the number of subscriptions as the replies count them: those of shards apart.
fn subscriptions_of(server: &Server, scope: Scope, client: u64) -> i64 {
    let count = |scope| server.pubsub.count(scope, client) as i64;
    match scope {
        Scope::Shard => count(Scope::Shard),
        Scope::Channel | Scope::Pattern => count(Scope::Channel) + count(Scope::Pattern),
    }
}

const SUBSCRIBE: ServerCommand = Spec {
    name: "subscribe",
    flags: SUBSCRIBES,
    usage: "channel:string...",
    since: "2.0.0",
    channels: Some(Channels::Names),
    summary: "Listens to channels.",
    complexity: "O(N) where N is the number of channels to subscribe to.",
    ..Spec::of(Group::PubSub)
}
.runs(|server, session, args, reply| subscribe(server, session, args, reply, &CHANNEL));

const PSUBSCRIBE: ServerCommand = Spec {
    name: "psubscribe",
    flags: SUBSCRIBES,
    usage: "pattern:pattern...",
    since: "2.0.0",
    channels: Some(Channels::Patterns),
    summary: "Listens to all channels that fit patterns.",
    complexity: "O(N) where N is the number of patterns to subscribe to.",
    ..Spec::of(Group::PubSub)
}
.runs(|server, session, args, reply| subscribe(server, session, args, reply, &PATTERN));

const SSUBSCRIBE: ServerCommand = Spec {
    name: "ssubscribe",
    flags: SUBSCRIBES,
    keys: &[KeySpec::range(1, -1, 1, &[NOT_KEY])],
    usage: "shardchannel:string...",
    since: "7.0.0",
    channels: Some(Channels::Names),
    summary: "Listens to channels of a shard.",
    complexity: "O(N) where N is the number of shard channels to subscribe to.",
    ..Spec::of(Group::PubSub)
}
.runs(|server, session, args, reply| subscribe(server, session, args, reply, &SHARD));

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
            words.began.to_uppercase()
        )));
    }
    let client = session.id.0;
    let Some(slot) = server.clients.slot_of(session.id) else {
        return Ok(());
    };
    for name in args.rest().iter() {
        server.pubsub.subscribe(words.scope, client, slot, name);
        reply.push(3)?;
        reply.bulk(words.began.as_bytes())?;
        reply.bulk(name)?;
        reply.int(subscriptions_of(server, words.scope, client))?;
    }
    publish::subscriptions_changed(server, session);
    Ok(())
}

const UNSUBSCRIBE: ServerCommand = Spec {
    name: "unsubscribe",
    flags: UNSUBSCRIBES,
    usage: "[channel:string...]",
    since: "2.0.0",
    summary: "Stops listening to channels.",
    complexity: "O(N) where N is the number of channels to unsubscribe.",
    ..Spec::of(Group::PubSub)
}
.runs(|server, session, args, reply| unsubscribe(server, session, args, reply, &CHANNEL));

const PUNSUBSCRIBE: ServerCommand = Spec {
    name: "punsubscribe",
    flags: UNSUBSCRIBES,
    usage: "[pattern:pattern...]",
    since: "2.0.0",
    summary: "Stops listening to channels that fit patterns.",
    complexity: "O(N) where N is the number of patterns to unsubscribe.",
    ..Spec::of(Group::PubSub)
}
.runs(|server, session, args, reply| unsubscribe(server, session, args, reply, &PATTERN));

const SUNSUBSCRIBE: ServerCommand = Spec {
    name: "sunsubscribe",
    flags: UNSUBSCRIBES,
    keys: &[KeySpec::range(1, -1, 1, &[NOT_KEY])],
    usage: "[shardchannel:string...]",
    since: "7.0.0",
    summary: "Stops listening to channels of a shard.",
    complexity: "O(N) where N is the number of shard channels to unsubscribe.",
    ..Spec::of(Group::PubSub)
}
.runs(|server, session, args, reply| unsubscribe(server, session, args, reply, &SHARD));

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
        reply.bulk(words.ended.as_bytes())?;
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

const PUBLISH: ServerCommand = Spec {
    name: "publish",
    flags: PUBLISHES,
    usage: "channel:string message:string",
    since: "2.0.0",
    channels: Some(Channels::First),
    summary: "Sends a message to all who listen to a channel.",
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
    ..Spec::of(Group::PubSub)
}
.runs(|server, _, args, reply| publish(server, args, reply, Scope::Channel));

const SPUBLISH: ServerCommand = Spec {
    name: "spublish",
    flags: PUBLISHES,
    keys: &[KeySpec::at(1, &[NOT_KEY])],
    usage: "shardchannel:string message:string",
    since: "7.0.0",
    channels: Some(Channels::First),
    summary: "Sends a message to all who listen to a channel of a shard.",
    complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    ..Spec::of(Group::PubSub)
}
.runs(|server, _, args, reply| publish(server, args, reply, Scope::Shard));

fn publish(server: &mut Server, args: &mut Args, reply: &mut Reply, scope: Scope) -> CmdResult {
    let (channel, payload) = (args.bytes(), args.bytes());
    let receivers = publish::publish(server, scope, channel, payload);
    if server.effects.propagates() {
        server.effects.set_propagate(Propagate::Replicas);
    }
    reply.int(receivers as i64)
}

const PUBSUB_CHANNELS: ServerCommand = Spec {
    name: "channels",
    flags: LOOKS,
    usage: "[pattern:pattern]",
    since: "2.8.0",
    summary: "The channels with a subscriber.",
    complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
    ..Spec::of(Group::PubSub)
}
.subcommand(|server, _, args, reply| channels(server, args, reply, Scope::Channel));

const PUBSUB_SHARDCHANNELS: ServerCommand = Spec {
    name: "shardchannels",
    flags: LOOKS,
    usage: "[pattern:pattern]",
    since: "7.0.0",
    summary: "The channels of shards with a subscriber.",
    complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).",
    ..Spec::of(Group::PubSub)
}
.subcommand(|server, _, args, reply| channels(server, args, reply, Scope::Shard));

fn channels(server: &mut Server, args: &mut Args, reply: &mut Reply, scope: Scope) -> CmdResult {
    if args.left() > 1 {
        return Err(CmdError::wrong_form(&args.argv()));
    }
    let pattern = args.option();
    let names = server.pubsub.names(scope);
    let fits = |name: &[u8]| pattern.is_none_or(|pattern| matches(pattern, name, Case::Sensitive));
    let names: Vec<_> = names.filter(|name| fits(name)).collect();
    reply.array(names.len())?;
    names.into_iter().try_for_each(|name| reply.bulk(name))
}

const PUBSUB_NUMSUB: ServerCommand = Spec {
    name: "numsub",
    flags: LOOKS,
    usage: "[channel:string...]",
    since: "2.8.0",
    summary: "How many listen to each of these channels.",
    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    ..Spec::of(Group::PubSub)
}
.subcommand(|server, _, args, reply| numsub(server, args, reply, Scope::Channel));

const PUBSUB_SHARDNUMSUB: ServerCommand = Spec {
    name: "shardnumsub",
    flags: LOOKS,
    usage: "[shardchannel:string...]",
    since: "7.0.0",
    summary: "How many listen to each of these channels of shards.",
    complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    ..Spec::of(Group::PubSub)
}
.subcommand(|server, _, args, reply| numsub(server, args, reply, Scope::Shard));

fn numsub(server: &mut Server, args: &mut Args, reply: &mut Reply, scope: Scope) -> CmdResult {
    reply.array(args.left() * 2)?;
    for name in args.rest().iter() {
        reply.bulk(name)?;
        reply.int(server.pubsub.audience(scope, name) as i64)?;
    }
    Ok(())
}

const PUBSUB_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "6.2.0",
    summary: "What the subcommands do.",
    complexity: "O(1)",
    ..Spec::of(Group::PubSub)
}
.subcommand(help);

fn help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    The channels with a subscriber, all or those that match <pattern>.",
        "NUMPAT",
        "    The number of patterns with a subscriber.",
        "NUMSUB [<channel> ...]",
        "    How many listen to each of these channels, patterns aside.",
        "SHARDCHANNELS [<pattern>]",
        "    The channels of shards with a subscriber, all or those that match <pattern>.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many listen to each of these channels of shards.",
        "HELP",
        "    Print this help.",
    ])
}
