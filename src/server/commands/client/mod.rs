//! CLIENT: inspection and control of connections.
//!
//! `list` describes them, `kill` closes them, `filter` selects them for both, `hold` suspends them, `state` holds the properties
//! that a client sets for its connection.

mod filter;
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

/// The declaration that most subcommands share.
const CLIENT_SPEC: Spec = Spec {
    flags: all(&[NOSCRIPT, LOADING, STALE]),
    ..Spec::of(Group::Connection)
};

pub static TABLE: &[ServerCommand] = &[CLIENT];

const CLIENT: ServerCommand = Spec {
    name: "client",
    since: "2.4.0",
    summary: "About connections.",
    ..Spec::of(Group::Connection)
}
.contains(
    &[
        tracking::CLIENT_CACHING,
        state::CLIENT_GETNAME,
        tracking::CLIENT_GETREDIR,
        CLIENT_HELP,
        state::CLIENT_ID,
        list::CLIENT_INFO,
        kill::CLIENT_KILL,
        list::CLIENT_LIST,
        state::CLIENT_NO_EVICT,
        state::CLIENT_NO_TOUCH,
        hold::CLIENT_PAUSE,
        state::CLIENT_REPLY,
        state::CLIENT_SETINFO,
        state::CLIENT_SETNAME,
        tracking::CLIENT_TRACKING,
        tracking::CLIENT_TRACKINGINFO,
        hold::CLIENT_UNBLOCK,
        hold::CLIENT_UNPAUSE,
    ],
    container,
);

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
    "    * NAME <name>, LIB-NAME <name>, LIB-VER <version>",
    "      With this name, this library or this version of it.",
    "    * IDLE <seconds>",
    "      Without a command for at least as long.",
    "    * FLAGS <flags>",
    "      With all of these flags, as LIST shows them.",
    "    * CAPA <capabilities>",
    "      With all of these capabilities.",
    "    * DB <number>",
    "      With this database selected.",
    "    * IP <ip>",
    "      From this IP address.",
    "    * NOT-<option> <value>",
    "      The opposite; not for SKIPME, MAXAGE and IDLE.",
    "LIST [options ...]",
    "    What is known of all connections. Options: those of KILL.",
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

const CLIENT_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    since: "5.0.0",
    summary: "What CLIENT can do.",
    complexity: "O(1)",
    ..Spec::of(Group::Connection)
}
.subcommand(client_help);

fn client_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(HELP)
}
