//! Sorted sets: ZADD and all that follows from it. The table is here, the functions are in the
//! files beside.

mod add;
mod algebra;
mod pop;
mod random_scan;
mod range;

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{CmdResult, Cx, DataCommand, Reply};
use crate::commands::put;
use crate::keyspace::zset::Built;
use crate::keyspace::{Deadline, RemovalReason};
use crate::types::value::Kind;
pub(in crate::commands) use add::{When, add};
use add::{zadd, zcard, zincrby, zmscore, zrank, zrem, zrevrank, zscore};
use algebra::{zdiff, zdiffstore, zinter, zintercard, zinterstore, zunion, zunionstore};
use pop::{bzmpop, bzpopmax, bzpopmin, zmpop, zpopmax, zpopmin};
use random_scan::{zrandmember, zscan};
use range::{
    zcount, zlexcount, zrange, zrangebylex, zrangebyscore, zrangestore, zremrangebylex,
    zremrangebyrank, zremrangebyscore, zrevrange, zrevrangebylex, zrevrangebyscore,
};

/// Stores the result of a STORE command and replies with its size; an empty one deletes the key.
pub(in crate::commands) fn store(
    cx: &mut Cx,
    to: &[u8],
    (len, built): (usize, Built),
    event: Event,
    reply: &mut Reply,
) -> CmdResult {
    if len == 0 {
        if let Some(found) = cx.db().peek(to) {
            cx.db().remove(found, RemovalReason::Deleted);
            cx.changed(Event::DEL, to);
        }
        return reply.int(0);
    }
    built.with_value(|value| put(cx, to, value, Kind::Zset, Deadline::Clear));
    cx.changed(event, to);
    reply.int(len as i64)
}

pub static TABLE: &[DataCommand] = &[
    Entry {
        spec: Spec {
            name: "zadd",
            arity: -4,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            element: 3,
            usage: "key:key [condition(nx=NX|xx=XX)!3.0.2] [comparison(gt=GT|lt=LT)!6.2.0] [change=CH!3.0.2] [increment=INCR!3.0.2] data{score:double member:string}...",
            since: "1.2.0",
            summary: "Adds members or changes their scores.",
            complexity: "O(log(N)) per member, N being the size of the set.",
            ..Spec::BASE
        },
        run: zadd,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zincrby",
            arity: 4,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            element: 3,
            usage: "key:key increment:integer member:string",
            since: "1.2.0",
            summary: "Adds to the score of a member.",
            complexity: "O(log(N)), N being the size of the set.",
            ..Spec::BASE
        },
        run: zincrby,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrem",
            arity: -3,
            flags: all(&[WRITE, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            element: 2,
            usage: "key:key member:string...",
            since: "1.2.0",
            summary: "Removes members.",
            complexity: "O(M*log(N)), M being the number of members named.",
            ..Spec::BASE
        },
        run: zrem,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zremrangebyrank",
            arity: 4,
            flags: WRITE,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key start:integer stop:integer",
            since: "2.0.0",
            summary: "Removes members by their place in the order.",
            complexity: "O(log(N)+M), M being the number removed.",
            ..Spec::BASE
        },
        run: zremrangebyrank,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zremrangebyscore",
            arity: 4,
            flags: WRITE,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key min:double max:double",
            since: "1.2.0",
            summary: "Removes members by their scores.",
            complexity: "O(log(N)+M), M being the number removed.",
            ..Spec::BASE
        },
        run: zremrangebyscore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zremrangebylex",
            arity: 4,
            flags: WRITE,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key min:string max:string",
            since: "2.8.9",
            summary: "Removes members that lie between two others.",
            complexity: "O(log(N)+M), M being the number removed.",
            ..Spec::BASE
        },
        run: zremrangebylex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrange",
            arity: -4,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key start:string stop:string [sortby(byscore=BYSCORE|bylex=BYLEX)!6.2.0] [rev=REV!6.2.0] [limit{offset:integer count:integer}@LIMIT!6.2.0] [withscores=WITHSCORES]",
            since: "1.2.0",
            summary: "Members by place, by score, or between two others.",
            complexity: "O(log(N)+M), M being the number returned.",
            ..Spec::BASE
        },
        run: zrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrangestore",
            arity: -5,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[OW, UPDATE]), KeySpec::at(2, &[RO, ACCESS])],
            usage: "dst:key src:key min:string max:string [sortby(byscore=BYSCORE|bylex=BYLEX)] [rev=REV] [limit{offset:integer count:integer}@LIMIT]",
            since: "6.2.0",
            summary: "Stores a range of members in another key.",
            complexity: "O(log(N)+M), M being the number stored.",
            ..Spec::BASE
        },
        run: zrangestore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrangebyscore",
            arity: -4,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key min:double max:double [withscores=WITHSCORES!2.0.0] [limit{offset:integer count:integer}@LIMIT]",
            since: "1.0.5",
            summary: "Members by their scores.",
            complexity: "O(log(N)+M), M being the number returned.",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `BYSCORE` argument",
            }),
            ..Spec::BASE
        },
        run: zrangebyscore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrevrangebyscore",
            arity: -4,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key max:double min:double [withscores=WITHSCORES] [limit{offset:integer count:integer}@LIMIT]",
            since: "2.2.0",
            summary: "Members by their scores, highest first.",
            complexity: "O(log(N)+M), M being the number returned.",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `REV` and `BYSCORE` arguments",
            }),
            ..Spec::BASE
        },
        run: zrevrangebyscore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrangebylex",
            arity: -4,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key min:string max:string [limit{offset:integer count:integer}@LIMIT]",
            since: "2.8.9",
            summary: "Members that lie between two others.",
            complexity: "O(log(N)+M), M being the number returned.",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `BYLEX` argument",
            }),
            ..Spec::BASE
        },
        run: zrangebylex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrevrangebylex",
            arity: -4,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key max:string min:string [limit{offset:integer count:integer}@LIMIT]",
            since: "2.8.9",
            summary: "Members that lie between two others, last first.",
            complexity: "O(log(N)+M), M being the number returned.",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `REV` and `BYLEX` arguments",
            }),
            ..Spec::BASE
        },
        run: zrevrangebylex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrevrange",
            arity: -4,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key start:integer stop:integer [withscores=WITHSCORES]",
            since: "1.2.0",
            summary: "Members by place, highest score first.",
            complexity: "O(log(N)+M), M being the number returned.",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`ZRANGE` with the `REV` argument",
            }),
            ..Spec::BASE
        },
        run: zrevrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zcount",
            arity: 4,
            flags: all(&[READONLY, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key min:double max:double",
            since: "2.0.0",
            summary: "How many members have scores of a range.",
            complexity: "O(log(N)), N being the size of the set.",
            ..Spec::BASE
        },
        run: zcount,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zlexcount",
            arity: 4,
            flags: all(&[READONLY, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key min:string max:string",
            since: "2.8.9",
            summary: "How many members lie between two others.",
            complexity: "O(log(N)), N being the size of the set.",
            ..Spec::BASE
        },
        run: zlexcount,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zcard",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO])],
            usage: "key:key",
            since: "1.2.0",
            summary: "The number of members.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: zcard,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zscore",
            arity: 3,
            flags: all(&[READONLY, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            element: 2,
            usage: "key:key member:string",
            since: "1.2.0",
            summary: "The score of a member.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: zscore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zmscore",
            arity: -3,
            flags: all(&[READONLY, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key member:string...",
            since: "6.2.0",
            summary: "The scores of several members.",
            complexity: "O(M), M being the number of members named.",
            ..Spec::BASE
        },
        run: zmscore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrank",
            arity: -3,
            flags: all(&[READONLY, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            element: 2,
            usage: "key:key member:string [withscore=WITHSCORE]",
            since: "2.0.0",
            summary: "The place of a member, from the lowest score.",
            complexity: "O(log(N)), N being the size of the set.",
            ..Spec::BASE
        },
        run: zrank,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrevrank",
            arity: -3,
            flags: all(&[READONLY, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            element: 2,
            usage: "key:key member:string [withscore=WITHSCORE]",
            since: "2.0.0",
            summary: "The place of a member, from the highest score.",
            complexity: "O(log(N)), N being the size of the set.",
            ..Spec::BASE
        },
        run: zrevrank,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zpopmin",
            arity: -2,
            flags: all(&[WRITE, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
            usage: "key:key [count:integer]",
            since: "5.0.0",
            summary: "Removes and returns the members with the lowest scores.",
            complexity: "O(M*log(N)), M being the number removed.",
            ..Spec::BASE
        },
        run: zpopmin,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zpopmax",
            arity: -2,
            flags: all(&[WRITE, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
            usage: "key:key [count:integer]",
            since: "5.0.0",
            summary: "Removes and returns the members with the highest scores.",
            complexity: "O(M*log(N)), M being the number removed.",
            ..Spec::BASE
        },
        run: zpopmax,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zmpop",
            arity: -4,
            flags: all(&[WRITE, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[KeySpec::counted(1, &[RW, ACCESS, DELETE])],
            usage: "numkeys:integer key:key... where(min=MIN|max=MAX) [count:integer@COUNT]",
            since: "7.0.0",
            summary: "Removes members from an end of the first set that has any.",
            complexity: "O(K)+O(M*log(N)), K keys, M members removed.",
            ..Spec::BASE
        },
        run: zmpop,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "bzpopmin",
            arity: -3,
            flags: all(&[WRITE, BLOCKING, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
            usage: "key:key... timeout:double",
            since: "5.0.0",
            summary: "Removes the member with the lowest score, or waits for one.",
            complexity: "O(log(N)), N being the size of the set.",
            ..Spec::BASE
        },
        run: bzpopmin,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "bzpopmax",
            arity: -3,
            flags: all(&[WRITE, BLOCKING, FAST]),
            group: Group::SortedSet,
            keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
            usage: "key:key... timeout:double",
            since: "5.0.0",
            summary: "Removes the member with the highest score, or waits for one.",
            complexity: "O(log(N)), N being the size of the set.",
            ..Spec::BASE
        },
        run: bzpopmax,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "bzmpop",
            arity: -5,
            flags: all(&[WRITE, BLOCKING, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[KeySpec::counted(2, &[RW, ACCESS, DELETE])],
            usage: "timeout:double numkeys:integer key:key... where(min=MIN|max=MAX) [count:integer@COUNT]",
            since: "7.0.0",
            summary: "Removes members from an end of the first set that has any, or waits.",
            complexity: "O(K)+O(M*log(N)), K keys, M members removed.",
            ..Spec::BASE
        },
        run: bzmpop,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zrandmember",
            arity: -2,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key [options{count:integer [withscores=WITHSCORES]}]",
            since: "6.2.0",
            summary: "Random members.",
            complexity: "O(N), N being the number returned.",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: zrandmember,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zscan",
            arity: -3,
            flags: READONLY,
            group: Group::SortedSet,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT]",
            since: "2.8.0",
            summary: "Walks over members and scores in steps.",
            complexity: "O(1) per step.",
            tips: &["nondeterministic_output"],
            ..Spec::BASE
        },
        run: zscan,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zunion",
            arity: -3,
            flags: all(&[READONLY, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[KeySpec::counted(1, &[RO, ACCESS])],
            usage: "numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE] [withscores=WITHSCORES]",
            since: "6.2.0",
            summary: "The union of sorted sets.",
            complexity: "O(N)+O(M*log(M)), N members in all, M in the result.",
            ..Spec::BASE
        },
        run: zunion,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zinter",
            arity: -3,
            flags: all(&[READONLY, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[KeySpec::counted(1, &[RO, ACCESS])],
            usage: "numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE] [withscores=WITHSCORES]",
            since: "6.2.0",
            summary: "What sorted sets have in common.",
            complexity: "O(N*K)+O(M*log(M)), N in the smallest of K sets, M in the result.",
            ..Spec::BASE
        },
        run: zinter,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zdiff",
            arity: -3,
            flags: all(&[READONLY, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[KeySpec::counted(1, &[RO, ACCESS])],
            usage: "numkeys:integer key:key... [withscores=WITHSCORES]",
            since: "6.2.0",
            summary: "What the first of several sorted sets has alone.",
            complexity: "O(N*K), N members in the first of K sets.",
            ..Spec::BASE
        },
        run: zdiff,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zunionstore",
            arity: -4,
            flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[
                KeySpec::at(1, &[OW, UPDATE]),
                KeySpec::counted(2, &[RO, ACCESS]),
            ],
            usage: "destination:key numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE]",
            since: "2.0.0",
            summary: "Stores the union of sorted sets.",
            complexity: "O(N)+O(M*log(M)), N members in all, M in the result.",
            ..Spec::BASE
        },
        run: zunionstore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zinterstore",
            arity: -4,
            flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[
                KeySpec::at(1, &[OW, UPDATE]),
                KeySpec::counted(2, &[RO, ACCESS]),
            ],
            usage: "destination:key numkeys:integer key:key... [weight:integer@WEIGHTS...] [aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE]",
            since: "2.0.0",
            summary: "Stores what sorted sets have in common.",
            complexity: "O(N*K)+O(M*log(M)), N in the smallest of K sets, M in the result.",
            ..Spec::BASE
        },
        run: zinterstore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zdiffstore",
            arity: -4,
            flags: all(&[WRITE, DENYOOM, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[
                KeySpec::at(1, &[OW, UPDATE]),
                KeySpec::counted(2, &[RO, ACCESS]),
            ],
            usage: "destination:key numkeys:integer key:key...",
            since: "6.2.0",
            summary: "Stores what the first of several sorted sets has alone.",
            complexity: "O(N*K), N members in the first of K sets.",
            ..Spec::BASE
        },
        run: zdiffstore,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "zintercard",
            arity: -3,
            flags: all(&[READONLY, MOVABLEKEYS]),
            group: Group::SortedSet,
            keys: &[KeySpec::counted(1, &[RO, ACCESS])],
            usage: "numkeys:integer key:key... [limit:integer@LIMIT]",
            since: "7.0.0",
            summary: "How many members sorted sets have in common.",
            complexity: "O(N*K), N in the smallest of K sets.",
            ..Spec::BASE
        },
        run: zintercard,
        subcommands: &[],
    },
];

#[cfg(test)]
mod tests;
