//! Sorted sets: ZADD and all that follows from it. The table is here, the functions are in the
//! files beside.

mod add;
mod algebra;
mod pop;
mod random_scan;
mod range;

use crate::command::effects::Event;
use crate::command::{CmdResult, Cx, DataCommand, Reply};
use crate::commands::put;
use crate::keyspace::zset::Built;
use crate::keyspace::{Deadline, RemovalReason};
use crate::types::value::Kind;
pub(in crate::commands) use add::{When, add};
use add::{ZADD, ZCARD, ZINCRBY, ZMSCORE, ZRANK, ZREM, ZREVRANK, ZSCORE};
use algebra::{ZDIFF, ZDIFFSTORE, ZINTER, ZINTERCARD, ZINTERSTORE, ZUNION, ZUNIONSTORE};
use pop::{BZMPOP, BZPOPMAX, BZPOPMIN, ZMPOP, ZPOPMAX, ZPOPMIN};
use random_scan::{ZRANDMEMBER, ZSCAN};
use range::{
    ZCOUNT, ZLEXCOUNT, ZRANGE, ZRANGEBYLEX, ZRANGEBYSCORE, ZRANGESTORE, ZREMRANGEBYLEX,
    ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREVRANGE, ZREVRANGEBYLEX, ZREVRANGEBYSCORE,
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
    ZADD,
    ZINCRBY,
    ZREM,
    ZREMRANGEBYRANK,
    ZREMRANGEBYSCORE,
    ZREMRANGEBYLEX,
    ZRANGE,
    ZRANGESTORE,
    ZRANGEBYSCORE,
    ZREVRANGEBYSCORE,
    ZRANGEBYLEX,
    ZREVRANGEBYLEX,
    ZREVRANGE,
    ZCOUNT,
    ZLEXCOUNT,
    ZCARD,
    ZSCORE,
    ZMSCORE,
    ZRANK,
    ZREVRANK,
    ZPOPMIN,
    ZPOPMAX,
    ZMPOP,
    BZPOPMIN,
    BZPOPMAX,
    BZMPOP,
    ZRANDMEMBER,
    ZSCAN,
    ZUNION,
    ZINTER,
    ZDIFF,
    ZUNIONSTORE,
    ZINTERSTORE,
    ZDIFFSTORE,
    ZINTERCARD,
];

#[cfg(test)]
mod tests;
