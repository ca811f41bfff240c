//! Streams: entries at the end, ranges, groups that share the reading. The table is here, the
//! functions are in the files beside.

mod add;
mod args;
mod claim;
mod delete;
mod group;
mod info;
mod lag;
mod range;
mod read;
#[cfg(test)]
mod tests;

use crate::command::DataCommand;
use crate::command::container;
use crate::command::keys::*;
use crate::command::spec::*;
use add::{xadd, xlen, xsetid, xtrim};
use claim::{xautoclaim, xclaim, xpending};
use delete::{xackdel, xdel, xdelex};
use group::{
    xack, xgroup_create, xgroup_createconsumer, xgroup_delconsumer, xgroup_destroy, xgroup_help,
    xgroup_setid,
};
use info::{xinfo_consumers, xinfo_groups, xinfo_help, xinfo_stream};
use range::{xrange, xrevrange};
use read::{xread, xreadgroup};

/// The first half of what follows STREAMS, which is looked for from an argument on.
const fn streams_from(from: i32) -> KeySpec {
    KeySpec {
        flags: key_flags(&[RO, ACCESS]),
        begin: Begin::Keyword {
            word: "STREAMS",
            from,
        },
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
        notes: "",
    }
}

pub static TABLE: &[DataCommand] = &[
    Entry {
        spec: Spec {
            name: "xadd",
            arity: -5,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, UPDATE])
                .noting("UPDATE instead of INSERT because of the optional trimming feature")],
            usage: "key:key [nomkstream=NOMKSTREAM!6.2.0] [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)] [trim{strategy(maxlen=MAXLEN|minid=MINID!6.2.0) [operator(equal=\"=\"|approximately=\"~\")] threshold:string [count:integer@LIMIT!6.2.0]}] id-selector(auto-id=\"*\"|id:string) data{field:string value:string}...",
            since: "5.0.0",
            summary: "Appends an entry to a stream, which is made if it is not there, and may trim it.",
            complexity: "O(1); with trimming O(N) for N entries removed",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: xadd,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xlen",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RO])],
            usage: "key:key",
            since: "5.0.0",
            summary: "How many entries a stream has.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: xlen,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xrange",
            arity: -4,
            flags: READONLY,
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key start:string end:string [count:integer@COUNT]",
            since: "5.0.0",
            summary: "The entries between two ids, oldest first.",
            complexity: "O(N) for N entries returned",
            ..Spec::BASE
        },
        run: xrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xrevrange",
            arity: -4,
            flags: READONLY,
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key end:string start:string [count:integer@COUNT]",
            since: "5.0.0",
            summary: "The entries between two ids, newest first.",
            complexity: "O(N) for N entries returned",
            ..Spec::BASE
        },
        run: xrevrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xdel",
            arity: -3,
            flags: all(&[WRITE, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key id:string...",
            since: "5.0.0",
            summary: "Deletes entries by id and returns the number of those that existed.",
            complexity: "O(1) for each entry, whatever the length of the stream",
            ..Spec::BASE
        },
        run: xdel,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xdelex",
            arity: -5,
            flags: all(&[WRITE, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)] ids{numids:integer id:string...}@IDS",
            since: "8.2.0",
            summary: "Deletes entries by id, with a choice of how references to them are treated, and returns a status for each.",
            complexity: "O(1) for each entry, whatever the length of the stream",
            ..Spec::BASE
        },
        run: xdelex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xtrim",
            arity: -4,
            flags: WRITE,
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key trim{strategy(maxlen=MAXLEN|minid=MINID!6.2.0) [operator(equal=\"=\"|approximately=\"~\")] threshold:string [count:integer@LIMIT!6.2.0] [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)]}",
            since: "5.0.0",
            summary: "Removes the oldest entries down to a length or up to an id.",
            complexity: "O(N) for N entries removed",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: xtrim,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xread",
            arity: -4,
            flags: all(&[READONLY, BLOCKING, MOVABLEKEYS]),
            group: Group::Stream,
            keys: &[streams_from(1)],
            find: Some(read::stream_keys::<false>),
            usage: "[count:integer@COUNT] [milliseconds:integer@BLOCK] streams{key:key... id:string...}@STREAMS",
            since: "5.0.0",
            summary: "The entries behind given ids of one or more streams; may wait for them.",
            complexity: "O(N) for N entries returned",
            ..Spec::BASE
        },
        run: xread,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xreadgroup",
            arity: -7,
            flags: all(&[WRITE, BLOCKING, MOVABLEKEYS]),
            group: Group::Stream,
            keys: &[streams_from(4)],
            find: Some(read::stream_keys::<true>),
            usage: "group-block{group:string consumer:string}@GROUP [count:integer@COUNT] [milliseconds:integer@BLOCK] [noack=NOACK] streams{key:key... id:string...}@STREAMS",
            since: "5.0.0",
            summary: "The entries that a group has not delivered yet, or those pending for a consumer; may block.",
            complexity: "O(N) for N entries returned",
            ..Spec::BASE
        },
        run: xreadgroup,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xgroup",
            arity: -2,
            flags: Flags::NONE,
            group: Group::Stream,
            since: "5.0.0",
            summary: "Commands about consumer groups.",
            complexity: "Depends on the subcommand",
            ..Spec::BASE
        },
        run: container,
        subcommands: &[
            Entry {
                spec: Spec {
                    name: "help",
                    arity: 2,
                    flags: all(&[LOADING, STALE]),
                    group: Group::Stream,
                    since: "5.0.0",
                    summary: "Words about the subcommands.",
                    complexity: "O(1)",
                    ..Spec::BASE
                },
                run: xgroup_help,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "createconsumer",
                    arity: 5,
                    flags: all(&[WRITE, DENYOOM]),
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RW, INSERT])],
                    usage: "key:key group:string consumer:string",
                    since: "6.2.0",
                    summary: "Makes a consumer in a group.",
                    complexity: "O(1)",
                    ..Spec::BASE
                },
                run: xgroup_createconsumer,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "delconsumer",
                    arity: 5,
                    flags: WRITE,
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RW, DELETE])],
                    usage: "key:key group:string consumer:string",
                    since: "5.0.0",
                    summary: "Removes a consumer and all it had not acknowledged.",
                    complexity: "O(N) for N entries it held",
                    ..Spec::BASE
                },
                run: xgroup_delconsumer,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "setid",
                    arity: -5,
                    flags: WRITE,
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RW, UPDATE])],
                    usage: "key:key group:string id-selector(id:string|new-id=\"$\") [entriesread~entries-read:integer@ENTRIESREAD]",
                    since: "5.0.0",
                    summary: "Sets the id up to which a group has read.",
                    complexity: "O(1)",
                    ..Spec::BASE
                },
                run: xgroup_setid,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "create",
                    arity: -5,
                    flags: all(&[WRITE, DENYOOM]),
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RW, INSERT])],
                    usage: "key:key group:string id-selector(id:string|new-id=\"$\") [mkstream=MKSTREAM] [entriesread~entries-read:integer@ENTRIESREAD]",
                    since: "5.0.0",
                    summary: "Makes a group that reads a stream from an id on.",
                    complexity: "O(1)",
                    ..Spec::BASE
                },
                run: xgroup_create,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "destroy",
                    arity: 4,
                    flags: WRITE,
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RW, DELETE])],
                    usage: "key:key group:string",
                    since: "5.0.0",
                    summary: "Removes a group.",
                    complexity: "O(N) for N entries pending in it",
                    ..Spec::BASE
                },
                run: xgroup_destroy,
                subcommands: &[],
            },
        ],
    },
    Entry {
        spec: Spec {
            name: "xsetid",
            arity: -3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key last-id:string [entries-added:integer@ENTRIESADDED!7.0.0] [max-deleted-id:string@MAXDELETEDID!7.0.0]",
            since: "5.0.0",
            summary: "Sets a stream's last id and what lag is counted from.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: xsetid,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xack",
            arity: -4,
            flags: all(&[WRITE, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key group:string id:string...",
            since: "5.0.0",
            summary: "Acknowledges entries of a group and returns the number of those that were pending.",
            complexity: "O(1) for each id",
            ..Spec::BASE
        },
        run: xack,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xackdel",
            arity: -6,
            flags: all(&[WRITE, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, UPDATE, DELETE])],
            usage: "key:key group:string [condition(keepref=KEEPREF|delref=DELREF|acked=ACKED)] ids{numids:integer id:string...}@IDS",
            since: "8.2.0",
            summary: "Acknowledges entries of a group and deletes those that no group needs any more.",
            complexity: "O(1) for each entry",
            ..Spec::BASE
        },
        run: xackdel,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xpending",
            arity: -3,
            flags: READONLY,
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key group:string [filters{[min-idle-time:integer@IDLE!6.2.0] start:string end:string count:integer [consumer:string]}]",
            since: "5.0.0",
            summary: "What a group has delivered and waits for: a summary, or a list.",
            complexity: "O(N) for N entries listed; the summary O(1) for each consumer",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: xpending,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xclaim",
            arity: -6,
            flags: all(&[WRITE, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key group:string consumer:string min-idle-time:string id:string... [ms:integer@IDLE] [unix-time-milliseconds:unix-time@TIME] [count:integer@RETRYCOUNT] [force=FORCE] [justid=JUSTID] [lastid:string@LASTID]",
            since: "5.0.0",
            summary: "Hands entries that are pending for long to another consumer, by id.",
            complexity: "O(log N) for N entries pending in the group",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: xclaim,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xautoclaim",
            arity: -6,
            flags: all(&[WRITE, FAST]),
            group: Group::Stream,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key group:string consumer:string min-idle-time:string start:string [count:integer@COUNT] [justid=JUSTID]",
            since: "6.2.0",
            summary: "Hands entries that are pending for long to another consumer, walking the list.",
            complexity: "O(1) if COUNT is small",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: xautoclaim,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "xinfo",
            arity: -2,
            flags: Flags::NONE,
            group: Group::Stream,
            since: "5.0.0",
            summary: "Commands that look into streams.",
            complexity: "Depends on the subcommand",
            ..Spec::BASE
        },
        run: container,
        subcommands: &[
            Entry {
                spec: Spec {
                    name: "groups",
                    arity: 3,
                    flags: READONLY,
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RO, ACCESS])],
                    usage: "key:key",
                    since: "5.0.0",
                    summary: "The groups of a stream.",
                    complexity: "O(1) for each group",
                    ..Spec::BASE
                },
                run: xinfo_groups,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "help",
                    arity: 2,
                    flags: all(&[LOADING, STALE]),
                    group: Group::Stream,
                    since: "5.0.0",
                    summary: "Words about the subcommands.",
                    complexity: "O(1)",
                    ..Spec::BASE
                },
                run: xinfo_help,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "consumers",
                    arity: 4,
                    flags: READONLY,
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RO, ACCESS])],
                    usage: "key:key group:string",
                    since: "5.0.0",
                    summary: "The consumers of a group.",
                    complexity: "O(1) for each consumer",
                    tips: &["nondeterministic_output"],
                    ..Spec::BASE
                },
                run: xinfo_consumers,
                subcommands: &[],
            },
            Entry {
                spec: Spec {
                    name: "stream",
                    arity: -3,
                    flags: READONLY,
                    group: Group::Stream,
                    keys: &[KeySpec::at(2, &[RO, ACCESS])],
                    usage: "key:key [full-block{full=FULL [count:integer@COUNT]}]",
                    since: "5.0.0",
                    summary: "A stream's figures, or with FULL nearly all it holds.",
                    complexity: "O(1); with FULL O(N) for N entries and pending ones shown",
                    ..Spec::BASE
                },
                run: xinfo_stream,
                subcommands: &[],
            },
        ],
    },
];
