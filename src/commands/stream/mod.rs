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
use crate::command::spec::*;
use add::{XADD, XLEN, XSETID, XTRIM};
use claim::{XAUTOCLAIM, XCLAIM, XPENDING};
use delete::{XACKDEL, XDEL, XDELEX};
use group::{
    XACK, XGROUP_CREATE, XGROUP_CREATECONSUMER, XGROUP_DELCONSUMER, XGROUP_DESTROY, XGROUP_HELP,
    XGROUP_SETID,
};
use info::{XINFO_CONSUMERS, XINFO_GROUPS, XINFO_HELP, XINFO_STREAM};
use range::{XRANGE, XREVRANGE};
use read::{XREAD, XREADGROUP};

/// The group of all commands here. `Group` is the type of consumer groups in most of these files.
const STREAM: Group = Group::Stream;

pub static TABLE: &[DataCommand] = &[
    XADD, XLEN, XRANGE, XREVRANGE, XDEL, XDELEX, XTRIM, XREAD, XREADGROUP, XGROUP, XSETID, XACK,
    XACKDEL, XPENDING, XCLAIM, XAUTOCLAIM, XINFO,
];

const XGROUP: DataCommand = Spec {
    name: "xgroup",
    flags: Flags::NONE,
    since: "5.0.0",
    summary: "Commands about consumer groups.",
    complexity: "Depends on the subcommand",
    ..Spec::of(STREAM)
}
.contains(
    &[
        XGROUP_HELP,
        XGROUP_CREATECONSUMER,
        XGROUP_DELCONSUMER,
        XGROUP_SETID,
        XGROUP_CREATE,
        XGROUP_DESTROY,
    ],
    container,
);

const XINFO: DataCommand = Spec {
    name: "xinfo",
    flags: Flags::NONE,
    since: "5.0.0",
    summary: "Commands that look into streams.",
    complexity: "Depends on the subcommand",
    ..Spec::of(STREAM)
}
.contains(
    &[XINFO_GROUPS, XINFO_HELP, XINFO_CONSUMERS, XINFO_STREAM],
    container,
);
