//! CLIENT: inspection and control of connections.
//!
//! `list` describes them, `kill` closes them, `hold` suspends them, `state` holds the properties
//! that a client sets for its connection.

mod hold;
mod kill;
mod list;
mod state;
mod tracking;

pub(in crate::server) use state::check_name;

use super::container;
use crate::command::spec::*;
use crate::command::{Args, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

pub static TABLE: &[ServerCommand] = &[Entry {
    spec: Spec {
        name: "client",
        arity: -2,
        group: Group::Connection,
        since: "2.4.0",
        summary: "About connections.",
        complexity: "Depends on subcommand.",
        ..Spec::BASE
    },
    run: container,
    subcommands: &[
        Entry {
            spec: Spec {
                name: "caching",
                arity: 3,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "mode(yes=YES|no=NO)",
                since: "6.0.0",
                summary: "Whether the next command is tracked.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: tracking::client_caching,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "getname",
                arity: 2,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                since: "2.6.9",
                summary: "The name of the connection.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: state::client_getname,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "getredir",
                arity: 2,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                since: "6.0.0",
                summary: "Where invalidations of this connection go.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: tracking::client_getredir,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "help",
                arity: 2,
                flags: all(&[LOADING, STALE]),
                group: Group::Connection,
                since: "5.0.0",
                summary: "What CLIENT can do.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: client_help,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "id",
                arity: 2,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                since: "5.0.0",
                summary: "The number of the connection.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: state::client_id,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "info",
                arity: 2,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                since: "6.2.0",
                summary: "What is known of this connection.",
                complexity: "O(1)",
                tips: &["nondeterministic_output"],
                ..Spec::BASE
            },
            run: list::client_info,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "kill",
                arity: -3,
                flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "filter(old-format~\"ip:port\":string!!2.8.12|new-format([client-id:integer@ID!2.8.12]|[client-type(normal=NORMAL|master=MASTER!3.2.0|slave=SLAVE|replica=REPLICA!5.0.0|pubsub=PUBSUB)@TYPE!2.8.12]|[username:string@USER]|[addr~\"ip:port\":string@ADDR]|[laddr~\"ip:port\":string@LADDR!6.2.0]|[skipme(yes=YES|no=NO)@SKIPME]|[maxage:integer@MAXAGE!7.4.0])...)",
                since: "2.4.0",
                summary: "Closes connections.",
                complexity: "O(N) where N is the number of client connections",
                ..Spec::BASE
            },
            run: kill::client_kill,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "list",
                arity: -2,
                flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "[client-type(normal=NORMAL|master=MASTER|replica=REPLICA|pubsub=PUBSUB)@TYPE!5.0.0] [client-id:integer@ID!6.2.0...]",
                since: "2.4.0",
                summary: "What is known of all connections.",
                complexity: "O(N) where N is the number of client connections",
                tips: &["nondeterministic_output"],
                ..Spec::BASE
            },
            run: list::client_list,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "no-evict",
                arity: 3,
                flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "enabled(on=ON|off=OFF)",
                since: "7.0.0",
                summary: "Spares the connection when clients are evicted.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: state::client_no_evict,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "no-touch",
                arity: 3,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "enabled(on=ON|off=OFF)",
                since: "7.2.0",
                summary: "Lets the connection read without marking keys as used.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: state::client_no_touch,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "pause",
                arity: -3,
                flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "timeout:integer [mode(write=WRITE|all=ALL)!6.2.0]",
                since: "3.0.0",
                summary: "Holds back the commands of clients for a while.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: hold::client_pause,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "reply",
                arity: 3,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "action(on=ON|off=OFF|skip=SKIP)",
                since: "3.2.0",
                summary: "Whether the connection gets replies.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: state::client_reply,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "setinfo",
                arity: 4,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "attr(libname:string@LIB-NAME|libver:string@LIB-VER)",
                since: "7.2.0",
                summary: "Says which library the connection uses.",
                complexity: "O(1)",
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..Spec::BASE
            },
            run: state::client_setinfo,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "setname",
                arity: 3,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "connection-name:string",
                since: "2.6.9",
                summary: "Names the connection.",
                complexity: "O(1)",
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..Spec::BASE
            },
            run: state::client_setname,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "tracking",
                arity: -3,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "status(on=ON|off=OFF) [client-id:integer@REDIRECT] [prefix:string@PREFIX+...] [bcast=BCAST] [optin=OPTIN] [optout=OPTOUT] [noloop=NOLOOP]",
                since: "6.0.0",
                summary: "Whether the connection is told of changes of what it has read.",
                complexity: "O(1). Some options may introduce additional complexity.",
                ..Spec::BASE
            },
            run: tracking::client_tracking,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "trackinginfo",
                arity: 2,
                flags: all(&[NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                since: "6.2.0",
                summary: "How client-side caching stands for the connection.",
                complexity: "O(1)",
                ..Spec::BASE
            },
            run: tracking::client_trackinginfo,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "unblock",
                arity: -3,
                flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                usage: "client-id:integer [unblock-type(timeout=TIMEOUT|error=ERROR)]",
                since: "5.0.0",
                summary: "Wakes a client that waits in a blocking command.",
                complexity: "O(log N) where N is the number of client connections",
                ..Spec::BASE
            },
            run: hold::client_unblock,
            subcommands: &[],
        },
        Entry {
            spec: Spec {
                name: "unpause",
                arity: 2,
                flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
                group: Group::Connection,
                since: "6.2.0",
                summary: "Ends a pause.",
                complexity: "O(N) Where N is the number of paused clients",
                ..Spec::BASE
            },
            run: hold::client_unpause,
            subcommands: &[],
        },
    ],
}];

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Track the keys of the next command, or not, in OPTIN and OPTOUT modes.",
    "GETREDIR",
    "    The ID of the connection that gets our invalidations.",
    "GETNAME",
    "    The name of this connection.",
    "ID",
    "    The ID of this connection.",
    "INFO",
    "    What is known of this connection.",
    "KILL <ip:port>",
    "    Close the connection from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close connections. Options:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      From this address.",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      To this address of ours.",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Of this type.",
    "    * USER <username>",
    "      Of this user.",
    "    * SKIPME (YES|NO)",
    "      Spare this connection (default: yes).",
    "    * ID <client-id>",
    "      With this ID.",
    "    * MAXAGE <maxage>",
    "      At least as many seconds old.",
    "LIST [options ...]",
    "    What is known of all connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Of this type only.",
    "UNPAUSE",
    "    End the pause.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Hold back all commands, or those that write, for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection gets replies.",
    "SETNAME <name>",
    "    Name this connection.",
    "SETINFO <option> <value>",
    "    Tell about the client. Options:",
    "    * LIB-NAME: the name of its library.",
    "    * LIB-VER: the version of its library.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Wake a client that waits in a blocking command.",
    "TRACKINGINFO",
    "    How client-side caching stands for this connection.",
    "NO-EVICT (ON|OFF)",
    "    Spare this connection when clients are evicted.",
    "NO-TOUCH (ON|OFF)",
    "    Leave the LRU and LFU of keys alone.",
    "HELP",
    "    Print this help.",
];

/// CLIENT HELP.
fn client_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(HELP)
}
