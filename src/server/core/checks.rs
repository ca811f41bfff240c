//! The gates: each with its name, its condition and the error it replies with.
//!
//! `admit` lists which of them the commands of an origin pass, and in which order.

use crate::acl::Context;
use crate::command::CmdError;
use crate::command::spec::*;
use crate::config::Allowed;
use crate::server::Server;
use crate::server::clients::session::{Peer, Special};
use crate::server::core::admit::{Admission, Origin, Verdict};
use crate::server::core::evict::Room;
use crate::server::gates::Gates;

const FEW_REPLICAS_TEXT: &str = "NOREPLICAS Not enough good replicas to write.";
pub const LOADING_TEXT: &str = "LOADING Redis is loading the dataset in memory";
const READ_ONLY_TEXT: &str = "READONLY You can't write against a read only replica.";
const READ_ONLY_SCRIPT_TEXT: &str =
    "READONLY Can not run script with write flag on readonly replica";
const STALE_TEXT: &str =
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
const STALE_SCRIPT_TEXT: &str = "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is \
    set to 'no' and 'allow-stale' flag is not set on the script.";
const STALE_COMMAND_TEXT: &str = "ERR Can not execute the command on a stale replica";
const OUT_OF_MEMORY_TEXT: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const OUT_OF_MEMORY_SCRIPT_TEXT: &str =
    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";

/// Returns the verdict on a command that does not pass.
type Check = fn(&mut Server, &Admission) -> Option<Verdict>;

/// A gate.
pub struct Gate {
    /// The name, for a reader and for the log at level trace.
    pub name: &'static str,
    /// The states of the server in one of which the gate is asked, as bits of `Gates`; 0 if it is
    /// asked in all.
    pub states: u32,
    pub check: Check,
}

/// The `states` of a gate that is always asked.
pub const ANY_STATE: u32 = 0;

/// Returns whether the link to our primary is down and stale data must not be served.
fn is_stale(server: &Server) -> bool {
    !server.config.replica_serve_stale_data && server.replication.is_link_down()
}

/// Refuses with a fixed text, if the condition holds.
fn refuse_if(condition: bool, text: &'static str) -> Option<Verdict> {
    condition.then_some(Verdict::Refuse(CmdError::Fixed(text)))
}

/// DEBUG and module loading, unless the configuration allows them to this client. The first gate,
/// as in Redis.
pub const GUARDED: Gate = Gate {
    name: "guarded",
    states: ANY_STATE,
    check: |server, admission| {
        let guard = admission.spec.guard?;
        let allowed = match guard {
            Guard::Debug => server.config.enable_debug_command,
            Guard::Module => server.config.enable_module_command,
        };
        let fine = match allowed {
            Allowed::No => false,
            Allowed::Yes => true,
            Allowed::Local => admission.session.is_local(),
        };
        let name = guard.command();
        let upper = name.to_uppercase();
        (!fine).then(|| {
            Verdict::Refuse(CmdError::Text(format!(
                "ERR {upper} command not allowed. If the enable-{name}-command option is set to \
                 \"local\", you can run it from a local connection, otherwise you need to set this \
                 option in the configuration file, and then restart the server."
            )))
        })
    },
};

/// Commands of an unauthenticated client, except those that authenticate.
pub const UNAUTHENTICATED: Gate = Gate {
    name: "unauthenticated",
    states: ANY_STATE,
    check: |_, admission| {
        let known = admission.session.authenticated || admission.spec.flags.has(NO_AUTH);
        refuse_if(!known, "NOAUTH Authentication required.")
    },
};

/// Commands that are not allowed in a transaction.
pub const OUTSIDE_MULTI: Gate = Gate {
    name: "outside-multi",
    states: ANY_STATE,
    check: |_, admission| {
        let in_multi = admission.session.special.has(Special::MULTI);
        refuse_if(
            in_multi && admission.spec.flags.has(NO_MULTI),
            "ERR Command not allowed inside a transaction",
        )
    },
};

/// What the ACL rules of a restricted user do not allow. The denial is logged.
pub const ACL_RULES: Gate = Gate {
    name: "acl-rules",
    states: ANY_STATE,
    check: |server, admission| {
        let Admission {
            session,
            number,
            argv,
            ..
        } = *admission;
        if !session.is_restricted() {
            return None;
        }
        let context = match (admission.origin, &session.multi) {
            (Origin::InScript, _) => Context::Lua,
            (Origin::Exec, _) | (_, Some(_)) => Context::Multi,
            _ => Context::Toplevel,
        };
        let denial = server.denial(session, number, &argv, context)?;
        let text = denial.text(&session.user, &server.table[number].full_name);
        Some(Verdict::Refuse(match admission.origin {
            Origin::InScript => {
                let text = String::from_utf8_lossy(&text);
                CmdError::Text(format!("ERR ACL failure in script: {text}"))
            }
            Origin::Exec => CmdError::Text(format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and \
                 the EXEC call. This command is no longer allowed for the following reason: {}",
                denial.reason()
            )),
            _ => CmdError::Bytes([b"NOPERM ".as_slice(), &text].concat()),
        }))
    },
};

/// Commands that need more memory, queued ones included, where evicting does not help.
pub const MEMORY: Gate = Gate {
    name: "memory",
    states: Gates::MAXMEMORY,
    check: |server, admission| {
        if server.gates.has(Gates::BUSY) {
            return None;
        }
        let full = server.make_room() == Room::None;
        server.eviction.note_failure(full);
        refuse_if(full && admission.flags.has(DENYOOM), OUT_OF_MEMORY_TEXT)
    },
};

/// The same for scripts and their commands, as it was when the script began. The flags say whether
/// it applies.
pub const SCRIPT_MEMORY: Gate = Gate {
    name: "script-memory",
    states: ANY_STATE,
    check: |_, admission| {
        let text = match admission.origin {
            Origin::Script => OUT_OF_MEMORY_SCRIPT_TEXT,
            _ => OUT_OF_MEMORY_TEXT,
        };
        refuse_if(admission.flags.has(DENYOOM), text)
    },
};

/// Never refuses: a replica with its own memory limit evicts for the writes of its primary.
pub const REPLICA_MEMORY: Gate = Gate {
    name: "replica-memory",
    states: Gates::MAXMEMORY,
    check: |server, admission| {
        if admission.session.peer == Peer::Primary {
            server.make_room();
        }
        None
    },
};

/// Writes that cannot be persisted, and PING, which reports the disk error.
pub const DISK_ERROR: Gate = Gate {
    name: "disk-error",
    states: Gates::DISK_ERROR,
    check: |server, admission| {
        let reports = admission.spec.flags.has(REPORTS_DISK_ERROR);
        let asked = admission.flags.has(WRITE) || reports && admission.origin == Origin::Client;
        if !asked {
            return None;
        }
        let stops_writes = server.config.save_failure_stops_writes();
        let why = server.persist.disk_error(stops_writes)?;
        Some(Verdict::Refuse(CmdError::Text(match admission.origin {
            Origin::Script => disk_error_of_script(&why),
            _ => why,
        })))
    },
};

/// The error of a script that writes, from the one of a command.
fn disk_error_of_script(why: &str) -> String {
    const BLOCKED: &str =
        "Writable scripts are blocked. Use 'no-writes' flag for read only scripts.";
    match why.split_once("AOF file: ") {
        Some((_, why)) => format!(
            "MISCONF Redis is configured to persist data to AOF, but it's currently unable to \
             persist to disk. {BLOCKED} AOF error: {why}"
        ),
        None => format!(
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
             persist to disk. {BLOCKED}"
        ),
    }
}

/// Writes on a primary with fewer good replicas than `min-replicas-to-write`.
pub const FEW_REPLICAS: Gate = Gate {
    name: "few-replicas",
    states: Gates::FEW_REPLICAS,
    check: |_, admission| refuse_if(admission.flags.has(WRITE), FEW_REPLICAS_TEXT),
};

/// Writes on a read-only replica.
pub const READ_ONLY_REPLICA: Gate = Gate {
    name: "read-only-replica",
    states: Gates::REPLICA,
    check: |server, admission| {
        let text = match admission.origin {
            Origin::Script => READ_ONLY_SCRIPT_TEXT,
            _ => READ_ONLY_TEXT,
        };
        let writes = admission.flags.has(WRITE);
        refuse_if(server.config.replica_read_only && writes, text)
    },
};

/// Writes of a script that was called to read, or that says it only reads.
pub const READ_ONLY_CALL: Gate = Gate {
    name: "read-only-call",
    states: ANY_STATE,
    check: |_, admission| match admission.origin {
        Origin::Script => refuse_if(
            admission.reads_only && admission.flags.has(WRITE),
            "ERR Can not execute a script with write flag using *_ro command.",
        ),
        _ => refuse_if(
            admission.reads_only && admission.spec.flags.any(WRITE | MAY_REPLICATE),
            "ERR Write commands are not allowed from read-only scripts.",
        ),
    },
};

/// Most commands of a RESP2 subscriber, which could take their replies for messages.
pub const SUBSCRIBED: Gate = Gate {
    name: "subscribed",
    states: ANY_STATE,
    check: |server, admission| {
        let held = admission.session.is_confined() && !admission.spec.flags.has(SUBSCRIBER);
        held.then(|| {
            let name = server.table.name_of(admission.spec);
            Verdict::Refuse(CmdError::Text(format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT \
                 / RESET are allowed in this context"
            )))
        })
    },
};

/// Data commands of a monitor or a replica: they only receive a feed.
pub const FEED_ONLY: Gate = Gate {
    name: "feed-only",
    states: ANY_STATE,
    check: |_, admission| {
        let is_fed = admission.session.monitor || admission.session.peer == Peer::Replica;
        let data = admission.flags.any(WRITE | READONLY | MAY_REPLICATE);
        refuse_if(
            is_fed && data,
            "ERR Replica can't interact with the keyspace",
        )
    },
};

/// Reads of stale data: the link to the primary is down.
pub const STALE_DATA: Gate = Gate {
    name: "stale-data",
    states: Gates::REPLICA,
    check: |server, admission| {
        let (flags, lacks) = (admission.flags, admission.lacks);
        let minds_age = !flags.has(STALE) || lacks.has(STALE);
        let text = match admission.origin {
            Origin::Script => STALE_SCRIPT_TEXT,
            Origin::InScript => STALE_COMMAND_TEXT,
            _ => STALE_TEXT,
        };
        refuse_if(minds_age && is_stale(server), text)
    },
};

/// Commands that need the data while it is being loaded.
pub const LOADING_DATA: Gate = Gate {
    name: "loading",
    states: Gates::LOADING,
    check: |server, admission| {
        let Admission { flags, lacks, .. } = *admission;
        let refused = match server.replication.serves_reads_while_loading() {
            true => flags.has(NO_ASYNC_LOADING),
            false => !admission.spec.flags.has(LOADING) || lacks.has(LOADING),
        };
        refuse_if(refused, LOADING_TEXT)
    },
};

/// Most commands while a script is busy.
pub const BUSY_SCRIPT: Gate = Gate {
    name: "busy-script",
    states: Gates::BUSY,
    check: |server, admission| {
        let error = server.script.busy_error()?;
        (!admission.spec.flags.has(ALLOW_BUSY)).then_some(Verdict::Refuse(error))
    },
};

/// Commands that wait for the end of a pause.
pub const PAUSED: Gate = Gate {
    name: "paused",
    states: Gates::PAUSED,
    check: |server, admission| {
        let holds = server.pause.holds(admission.session, admission.flags);
        holds.then_some(Verdict::Wait)
    },
};

/// Commands that are queued for EXEC.
pub const IN_TRANSACTION: Gate = Gate {
    name: "in-transaction",
    states: ANY_STATE,
    check: |_, admission| {
        let in_multi = admission.session.special.has(Special::MULTI);
        (in_multi && !admission.flags.has(IN_MULTI)).then_some(Verdict::Queue)
    },
};

/// A command of a script with a wrong number of arguments.
pub const ARITY: Gate = Gate {
    name: "arity",
    states: ANY_STATE,
    check: |_, admission| {
        refuse_if(
            !admission.spec.accepts(admission.argv.len()),
            "ERR Wrong number of args calling Redis command from script",
        )
    },
};

/// Commands that scripts may not call.
pub const NOT_FROM_SCRIPTS: Gate = Gate {
    name: "not-from-scripts",
    states: ANY_STATE,
    check: |server, admission| {
        let barred = admission.spec.flags.has(NOSCRIPT) && !server.script.allows_all();
        refuse_if(barred, "ERR This Redis command is not allowed from script")
    },
};
