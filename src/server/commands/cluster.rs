//! CLUSTER, READONLY, READWRITE, ASKING: cluster mode is not implemented, and these commands reply
//! with that error. They are declared because ACL rules and clients name them.

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

const fn word(name: &'static str, flags: Flags, summary: &'static str) -> ServerCommand {
    Spec {
        name,
        flags,
        acl: &["connection"],
        summary,
        ..CLUSTER_SPEC
    }
    .runs(refuse)
}

const HINTS: Flags = all(&[LOADING, STALE, FAST]);

/// The declaration that all commands here share.
const CLUSTER_SPEC: Spec = Spec {
    since: "3.0.0",
    complexity: "O(1)",
    ..Spec::of(Group::Cluster)
};

pub static TABLE: &[ServerCommand] = &[
    word(
        "readonly",
        HINTS,
        "Lets a replica of a cluster answer reads.",
    ),
    word(
        "readwrite",
        HINTS,
        "Has a replica of a cluster redirect reads again.",
    ),
    word("asking", FAST, "The next command follows a redirection."),
    Spec {
        name: "cluster",
        since: "3.0.0",
        summary: "A container for commands about the cluster.",
        ..Spec::of(Group::Cluster)
    }
    .contains(SUBCOMMANDS, container),
];

static SUBCOMMANDS: &[ServerCommand] = &[
    Spec {
        name: "addslots",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "slot:integer...",
        summary: "Gives slots to this server.",
        complexity: "O(N) where N is the total number of hash slot arguments",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "addslotsrange",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "range{start-slot:integer end-slot:integer}...",
        since: "7.0.0",
        summary: "Gives ranges of slots to this server.",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "bumpepoch",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        summary: "Raises the epoch of the cluster.",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "count-failure-reports",
        flags: all(&[ADMIN, LOADING, STALE]),
        usage: "node-id:string",
        summary: "How many servers report that a server has failed.",
        complexity: "O(N) where N is the number of failure reports",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "countkeysinslot",
        flags: STALE,
        usage: "slot:integer",
        summary: "How many keys a slot has.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "delslots",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "slot:integer...",
        summary: "Takes slots away from this server.",
        complexity: "O(N) where N is the total number of hash slot arguments",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "delslotsrange",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "range{start-slot:integer end-slot:integer}...",
        since: "7.0.0",
        summary: "Takes ranges of slots away from this server.",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "failover",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "[options(force=FORCE|takeover=TAKEOVER)]",
        summary: "Makes a replica the primary.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "flushslots",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        summary: "Takes all slots away from this server.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "forget",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "node-id:string",
        summary: "Removes a server from the table of this one.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "getkeysinslot",
        flags: STALE,
        usage: "slot:integer count:integer",
        summary: "Keys of a slot.",
        complexity: "O(N) where N is the number of requested keys",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "help",
        flags: all(&[LOADING, STALE]),
        since: "5.0.0",
        summary: "What CLUSTER can do.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "info",
        flags: all(&[LOADING, STALE]),
        summary: "The state of the cluster.",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "keyslot",
        flags: all(&[LOADING, STALE]),
        usage: "key:string",
        summary: "The slot of a key.",
        complexity: "O(N) where N is the number of bytes in the key",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "links",
        flags: all(&[LOADING, STALE]),
        since: "7.0.0",
        summary: "The connections to other servers of the cluster.",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "meet",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "ip:string port:integer [cluster-bus-port:integer!4.0.0]",
        summary: "Introduces another server.",
        history: &[("4.0.0", "Takes the port of the cluster's bus.")],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "myid",
        flags: all(&[LOADING, STALE]),
        summary: "The id of this server.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "myshardid",
        flags: all(&[LOADING, STALE]),
        since: "7.2.0",
        summary: "The id of the shard of this server.",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "nodes",
        flags: all(&[LOADING, STALE]),
        summary: "The servers of the cluster and their slots.",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "replicas",
        flags: all(&[ADMIN, LOADING, STALE]),
        usage: "node-id:string",
        since: "5.0.0",
        summary: "The replicas of a primary.",
        complexity: "O(N) where N is the number of replicas.",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "replicate",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "node-id:string",
        summary: "Makes this server a replica.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "reset",
        flags: all(&[ADMIN, NOSCRIPT, STALE]),
        usage: "[reset-type(hard=HARD|soft=SOFT)]",
        summary: "Leaves the cluster.",
        complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "saveconfig",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        summary: "Saves the configuration of the cluster.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "set-config-epoch",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "config-epoch:integer",
        summary: "Sets the epoch of a new server.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "setslot",
        flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
        usage: "slot:integer subcommand(importing~node-id:string@IMPORTING|migrating~node-id:string@MIGRATING|node~node-id:string@NODE|stable=STABLE)",
        summary: "Says which server a slot belongs to, or moves to.",
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "shards",
        flags: all(&[LOADING, STALE]),
        since: "7.0.0",
        summary: "The shards with their slots and servers.",
        complexity: "O(N) where N is the total number of cluster nodes",
        tips: &["nondeterministic_output"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "slaves",
        flags: all(&[ADMIN, LOADING, STALE]),
        usage: "node-id:string",
        summary: "The replicas of a primary.",
        complexity: "O(N) where N is the number of replicas.",
        tips: &["nondeterministic_output"],
        deprecated: deprecated("5.0.0", "`CLUSTER REPLICAS`"),
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "slot-stats",
        flags: all(&[LOADING, STALE]),
        usage: "filter(slotsrange{start-slot:integer end-slot:integer}@SLOTSRANGE|orderby{metric:string [limit:integer@LIMIT] [order(asc=ASC|desc=DESC)]}@ORDERBY)",
        since: "8.2.0",
        summary: "How much slots are used.",
        complexity: "O(N) where N is the total number of slots based on arguments. O(N*log(N)) with ORDERBY subcommand.",
        tips: &["nondeterministic_output", "request_policy:all_shards"],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
    Spec {
        name: "slots",
        flags: all(&[LOADING, STALE]),
        summary: "The slots with their servers.",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: &["nondeterministic_output"],
        deprecated: deprecated("7.0.0", "`CLUSTER SHARDS`"),
        history: &[
            ("4.0.0", "Shows the ids of nodes."),
            ("7.0.0", "Shows more of how a node is reached."),
        ],
        ..CLUSTER_SPEC
    }
    .subcommand(refuse),
];

fn refuse(_: &mut Server, _: &mut Session, _: &mut Args, _: &mut Reply) -> CmdResult {
    Err(CmdError::Fixed(
        "ERR This instance has cluster support disabled",
    ))
}
