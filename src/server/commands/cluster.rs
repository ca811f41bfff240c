//! CLUSTER, READONLY, READWRITE, ASKING: cluster mode is not implemented, and these commands reply
//! with that error. They are declared because ACL rules and clients name them.

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

const fn word(name: &'static str, flags: Flags, summary: &'static str) -> ServerCommand {
    Entry {
        spec: Spec {
            name,
            arity: 1,
            flags,
            group: Group::Cluster,
            acl: &["connection"],
            since: "3.0.0",
            summary,
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: refuse,
        subcommands: &[],
    }
}

const HINTS: Flags = all(&[LOADING, STALE, FAST]);

/// The declaration that all subcommands of CLUSTER share.
const CLUSTER: Spec = Spec {
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(1)",
    ..Spec::BASE
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
    Entry {
        spec: Spec {
            name: "cluster",
            arity: -2,
            summary: "A container for commands about the cluster.",
            complexity: "Depends on subcommand.",
            ..CLUSTER
        },
        run: container,
        subcommands: SUBCOMMANDS,
    },
];

static SUBCOMMANDS: &[ServerCommand] = &[
    Entry {
        spec: Spec {
            name: "addslots",
            arity: -3,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "slot:integer...",
            summary: "Gives slots to this server.",
            complexity: "O(N) where N is the total number of hash slot arguments",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "addslotsrange",
            arity: -4,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "range{start-slot:integer end-slot:integer}...",
            since: "7.0.0",
            summary: "Gives ranges of slots to this server.",
            complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "bumpepoch",
            arity: 2,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            summary: "Raises the epoch of the cluster.",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "count-failure-reports",
            arity: 3,
            flags: all(&[ADMIN, STALE]),
            usage: "node-id:string",
            summary: "How many servers report that a server has failed.",
            complexity: "O(N) where N is the number of failure reports",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "countkeysinslot",
            arity: 3,
            flags: STALE,
            usage: "slot:integer",
            summary: "How many keys a slot has.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "delslots",
            arity: -3,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "slot:integer...",
            summary: "Takes slots away from this server.",
            complexity: "O(N) where N is the total number of hash slot arguments",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "delslotsrange",
            arity: -4,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "range{start-slot:integer end-slot:integer}...",
            since: "7.0.0",
            summary: "Takes ranges of slots away from this server.",
            complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "failover",
            arity: -2,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "[options(force=FORCE|takeover=TAKEOVER)]",
            summary: "Makes a replica the primary.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "flushslots",
            arity: 2,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            summary: "Takes all slots away from this server.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "forget",
            arity: 3,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "node-id:string",
            summary: "Removes a server from the table of this one.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "getkeysinslot",
            arity: 4,
            flags: STALE,
            usage: "slot:integer count:integer",
            summary: "Keys of a slot.",
            complexity: "O(N) where N is the number of requested keys",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "help",
            arity: 2,
            flags: all(&[LOADING, STALE]),
            since: "5.0.0",
            summary: "What CLUSTER can do.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "info",
            arity: 2,
            flags: STALE,
            summary: "The state of the cluster.",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "keyslot",
            arity: 3,
            flags: STALE,
            usage: "key:string",
            summary: "The slot of a key.",
            complexity: "O(N) where N is the number of bytes in the key",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "links",
            arity: 2,
            flags: STALE,
            since: "7.0.0",
            summary: "The connections to other servers of the cluster.",
            complexity: "O(N) where N is the total number of Cluster nodes",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "meet",
            arity: -4,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "ip:string port:integer [cluster-bus-port:integer!4.0.0]",
            summary: "Introduces another server.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "myid",
            arity: 2,
            flags: STALE,
            summary: "The id of this server.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "myshardid",
            arity: 2,
            flags: STALE,
            since: "7.2.0",
            summary: "The id of the shard of this server.",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "nodes",
            arity: 2,
            flags: STALE,
            summary: "The servers of the cluster and their slots.",
            complexity: "O(N) where N is the total number of Cluster nodes",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "replicas",
            arity: 3,
            flags: all(&[ADMIN, STALE]),
            usage: "node-id:string",
            since: "5.0.0",
            summary: "The replicas of a primary.",
            complexity: "O(N) where N is the number of replicas.",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "replicate",
            arity: 3,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "node-id:string",
            summary: "Makes this server a replica.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "reset",
            arity: -2,
            flags: all(&[ADMIN, NOSCRIPT, STALE]),
            usage: "[reset-type(hard=HARD|soft=SOFT)]",
            summary: "Leaves the cluster.",
            complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "saveconfig",
            arity: 2,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            summary: "Saves the configuration of the cluster.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "set-config-epoch",
            arity: 3,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "config-epoch:integer",
            summary: "Sets the epoch of a new server.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "setslot",
            arity: -4,
            flags: all(&[ADMIN, STALE, NO_ASYNC_LOADING]),
            usage: "slot:integer subcommand(importing~node-id:string@IMPORTING|migrating~node-id:string@MIGRATING|node~node-id:string@NODE|stable=STABLE)",
            summary: "Says which server a slot belongs to, or moves to.",
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "shards",
            arity: 2,
            flags: all(&[LOADING, STALE]),
            since: "7.0.0",
            summary: "The shards with their slots and servers.",
            complexity: "O(N) where N is the total number of cluster nodes",
            tips: &["nondeterministic_output"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "slaves",
            arity: 3,
            flags: all(&[ADMIN, STALE]),
            usage: "node-id:string",
            summary: "The replicas of a primary.",
            complexity: "O(N) where N is the number of replicas.",
            tips: &["nondeterministic_output"],
            deprecated: Some(Deprecated {
                since: "5.0.0",
                replaced_by: "`CLUSTER REPLICAS`",
            }),
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "slot-stats",
            arity: -4,
            flags: all(&[LOADING, STALE]),
            usage: "filter(slotsrange{start-slot:integer end-slot:integer}@SLOTSRANGE|orderby{metric:string [limit:integer@LIMIT] [order(asc=ASC|desc=DESC)]}@ORDERBY)",
            since: "8.2.0",
            summary: "How much slots are used.",
            complexity: "O(N) where N is the total number of slots based on arguments. O(N*log(N)) with ORDERBY subcommand.",
            tips: &["nondeterministic_output", "request_policy:all_shards"],
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "slots",
            arity: 2,
            flags: all(&[LOADING, STALE]),
            summary: "The slots with their servers.",
            complexity: "O(N) where N is the total number of Cluster nodes",
            tips: &["nondeterministic_output"],
            deprecated: Some(Deprecated {
                since: "7.0.0",
                replaced_by: "`CLUSTER SHARDS`",
            }),
            ..CLUSTER
        },
        run: refuse,
        subcommands: &[],
    },
];

fn refuse(_: &mut Server, _: &mut Session, _: &mut Args, _: &mut Reply) -> CmdResult {
    Err(CmdError::Fixed(
        "ERR This instance has cluster support disabled",
    ))
}
