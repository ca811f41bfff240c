//! Streams: entries at the end, ranges, groups that share the reading.

mod add;
mod args;
mod claim;
mod delete;
mod group;
mod info;
mod lag;
mod producers;
mod range;
mod read;
mod read_group;
mod release;
#[cfg(test)]
mod tests;

use crate::command::DataCommand;
use crate::command::container;
use crate::command::spec::*;

/// The group of all commands here. `Group` is the type of consumer groups in most of these files.
const STREAM: Group = Group::Stream;

pub static TABLE: &[DataCommand] = &[
    add::XADD,
    add::XLEN,
    range::XRANGE,
    range::XREVRANGE,
    delete::XDEL,
    delete::XDELEX,
    add::XTRIM,
    read::XREAD,
    read::XREADGROUP,
    XGROUP,
    add::XSETID,
    group::XACK,
    release::XNACK,
    producers::XCFGSET,
    producers::XIDMPRECORD,
    delete::XACKDEL,
    claim::XPENDING,
    claim::XCLAIM,
    claim::XAUTOCLAIM,
    XINFO,
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
        group::XGROUP_HELP,
        group::XGROUP_CREATECONSUMER,
        group::XGROUP_DELCONSUMER,
        group::XGROUP_SETID,
        group::XGROUP_CREATE,
        group::XGROUP_DESTROY,
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
    &[
        info::XINFO_GROUPS,
        info::XINFO_HELP,
        info::XINFO_CONSUMERS,
        info::XINFO_STREAM,
    ],
    container,
);
