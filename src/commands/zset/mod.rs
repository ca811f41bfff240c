//! Sorted sets: ZADD and all that follows from it.

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
    add::ZADD,
    add::ZINCRBY,
    add::ZREM,
    range::ZREMRANGEBYRANK,
    range::ZREMRANGEBYSCORE,
    range::ZREMRANGEBYLEX,
    range::ZRANGE,
    range::ZRANGESTORE,
    range::ZRANGEBYSCORE,
    range::ZREVRANGEBYSCORE,
    range::ZRANGEBYLEX,
    range::ZREVRANGEBYLEX,
    range::ZREVRANGE,
    range::ZCOUNT,
    range::ZLEXCOUNT,
    add::ZCARD,
    add::ZSCORE,
    add::ZMSCORE,
    add::ZRANK,
    add::ZREVRANK,
    pop::ZPOPMIN,
    pop::ZPOPMAX,
    pop::ZMPOP,
    pop::BZPOPMIN,
    pop::BZPOPMAX,
    pop::BZMPOP,
    random_scan::ZRANDMEMBER,
    random_scan::ZSCAN,
    algebra::ZUNION,
    algebra::ZINTER,
    algebra::ZDIFF,
    algebra::ZUNIONSTORE,
    algebra::ZINTERSTORE,
    algebra::ZDIFFSTORE,
    algebra::ZINTERCARD,
];

#[cfg(test)]
mod tests;
