//! The handshake of a replica: from the first PING to the reply to PSYNC.
//!
//! ```text
//!    PING                 AUTH            REPLCONF …, one reply each          PSYNC
//!   Ping ---+PONG------> Auth --+OK--> Port ---> Address ---> Capabilities ---> Psync
//!    | |   -NOAUTH …      |            (errors of REPLCONF are only logged)       |
//!    | '- no masterauth ->|---> Port                 +FULLRESYNC id offset -------+--> snapshot
//!    |                    |                          +RDBCHANNELSYNC client ------+--> `rdb_channel`
//!    |                    |                          +CONTINUE [id] --------------+--> stream
//!    v other error        v error                    -LOADING, -NOMASTERLINK -----+--> abandon
//!   abandon              abandon                     other: send SYNC ------------'--> snapshot
//! ```
//!
//! AUTH and the REPLCONFs are sent in one write after the reply to PING; their replies come in the
//! same order. `Address` is skipped without `replica-announce-ip`. The wording of the log is that of
//! Redis (`syncWithMaster` in replication.c).

use super::action::Action;
use super::replica::RDB_VERSION_CAPA;
use super::{NO_ID, OFFSET_MAX, encode_command, is_id};
use crate::algo::quoting::in_line;
use crate::keyspace::RdbVersions;

/// The reply that is expected next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Ping,
    Auth,
    Port,
    Address,
    Capabilities,
    Psync,
}

/// How a replica presents itself, from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub user: String,
    /// Empty for none.
    pub password: String,
    /// The address to announce; empty for none.
    pub address: String,
    pub port: i32,
    /// It can open an RDB channel (`repl-rdb-channel`).
    pub opens_rdb_channel: bool,
}

/// The state of the server that a step depends on.
pub struct Context<'a> {
    pub identity: &'a Identity,
    /// The replication ID and the next byte to ask for; `None` asks for a full synchronization.
    pub resume: Option<(&'a str, u64)>,
    /// The primary is the target of our FAILOVER.
    pub is_failover: bool,
}

/// The state of a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake {
    step: Step,
    announces_address: bool,
}

/// Replies to PING that let the handshake go on: a primary may want a password first.
const PING_REPLIES: [&[u8]; 4] = [
    b"+",
    b"-NOAUTH",
    b"-NOPERM",
    b"-ERR operation not permitted",
];

impl Handshake {
    /// Starts with a PING, which shows that the other side is a server that replies.
    pub fn start() -> (Handshake, Vec<u8>) {
        let handshake = Handshake {
            step: Step::Ping,
            announces_address: false,
        };
        (handshake, commands(&[&["PING"]]))
    }

    /// Takes a reply, one line without its end.
    pub fn reply(&mut self, line: &[u8], context: &Context) -> Vec<Action> {
        let shown = in_line(line);
        let is_error = line.starts_with(b"-");
        match self.step {
            Step::Ping => self.ping_reply(line, &shown, context.identity),
            Step::Psync => psync_reply(line, &shown, context),
            Step::Auth if is_error => vec![
                Action::warn(format!("Unable to AUTH to MASTER: {shown}")),
                Action::Abandon,
            ],
            Step::Auth => self.next(None, context),
            Step::Port | Step::Address | Step::Capabilities => {
                let refused = is_error.then(|| self.refused_option(&shown));
                self.next(refused, context)
            }
        }
    }

    /// Returns the log lines for a link that ended or timed out in the handshake.
    pub fn failed(self, why: &str) -> [Action; 2] {
        let then = match self.step {
            Step::Psync => "Master did not reply to PSYNC, will try later",
            _ => "Master did not respond to command during SYNC handshake",
        };
        let first = format!("Failed to read response from the server: {why}");
        [Action::warn(first), Action::warn(then)]
    }

    fn refused_option(self, shown: &str) -> Action {
        let option = match self.step {
            Step::Port => "listening-port",
            Step::Address => "ip-address",
            _ => "capa",
        };
        Action::info(format!(
            "(Non critical) Master does not understand REPLCONF {option}: {shown}"
        ))
    }

    fn next(&mut self, log: Option<Action>, context: &Context) -> Vec<Action> {
        let mut actions: Vec<Action> = log.into_iter().collect();
        self.step = match self.step {
            Step::Auth => Step::Port,
            Step::Port if self.announces_address => Step::Address,
            Step::Port | Step::Address => Step::Capabilities,
            _ => {
                actions.extend(psync(context));
                Step::Psync
            }
        };
        actions
    }

    fn ping_reply(&mut self, line: &[u8], shown: &str, us: &Identity) -> Vec<Action> {
        if !PING_REPLIES.iter().any(|start| line.starts_with(start)) {
            let text = format!("Error reply to PING from master: '{shown}'");
            return vec![Action::warn(text), Action::Abandon];
        }
        let port = us.port.to_string();
        let with_user = ["AUTH", &us.user, &us.password];
        let without_user = ["AUTH", &us.password];
        let listening = ["REPLCONF", "listening-port", &port];
        let address = ["REPLCONF", "ip-address", &us.address];
        let mut words: Vec<&[&str]> = Vec::new();
        if !us.password.is_empty() {
            words.push(match us.user.is_empty() {
                true => &without_user,
                false => &with_user,
            });
        }
        words.push(&listening);
        self.announces_address = !us.address.is_empty();
        if self.announces_address {
            words.push(&address);
        }
        let reads = format!("{RDB_VERSION_CAPA}{}", RdbVersions::AUTO.most);
        let mut capabilities = vec!["REPLCONF", "capa", "eof", "capa", "psync2"];
        if us.opens_rdb_channel {
            capabilities.extend(["capa", "rdb-channel-repl"]);
        }
        capabilities.extend(["capa", &reads]);
        words.push(&capabilities);
        self.step = match us.password.is_empty() {
            true => Step::Port,
            false => Step::Auth,
        };
        vec![
            Action::info("Master replied to PING, replication can continue..."),
            Action::Send(commands(&words)),
        ]
    }
}

/// Asks for the rest of the stream, or for everything.
fn psync(context: &Context) -> [Action; 2] {
    let (log, id, next) = match context.resume {
        Some((id, next)) => (
            format!("Trying a partial resynchronization (request {id}:{next})."),
            id,
            next.to_string(),
        ),
        None => (
            "Partial resynchronization not possible (no cached master)".to_owned(),
            "?",
            "-1".to_owned(),
        ),
    };
    let sent = match context.is_failover {
        true => commands(&[&["PSYNC", id, &next, "FAILOVER"]]),
        false => commands(&[&["PSYNC", id, &next]]),
    };
    [Action::info(log), Action::Send(sent)]
}

fn psync_reply(line: &[u8], shown: &str, context: &Context) -> Vec<Action> {
    // An empty line only shows that the primary is alive.
    if line.is_empty() {
        return Vec::new();
    }
    let mut words = shown.split(' ');
    let first = words.next().unwrap_or_default();
    let (is_full, is_partial) = (
        first.starts_with("+FULLRESYNC"),
        first.starts_with("+CONTINUE"),
    );
    let is_channel = context.identity.opens_rdb_channel && first == "+RDBCHANNELSYNC";
    let mut actions = vec![Action::PsyncReplied {
        accepted: is_full || is_partial || is_channel,
    }];
    if is_channel {
        actions.extend(open_channel(words.next()));
    } else if is_full {
        actions.extend(full_sync(words.next(), words.next()));
    } else if is_partial {
        actions.extend(partial_sync(words.next(), context));
    } else if first.starts_with("-NOMASTERLINK") || first.starts_with("-LOADING") {
        let text = "Master is currently unable to PSYNC but should be in the future";
        actions.extend([Action::info(format!("{text}: {shown}")), Action::Abandon]);
    } else {
        actions.push(match first.starts_with("-ERR") {
            true => Action::info(format!(
                "Master does not support PSYNC or is in error state (reply: {shown})"
            )),
            false => Action::warn(format!("Unexpected reply to PSYNC from master: {shown}")),
        });
        actions.extend([
            Action::info("Retrying with SYNC..."),
            Action::Send(b"SYNC\r\n".to_vec()),
            Action::BeginTransfer { offered: None },
        ]);
    }
    actions
}

/// `+FULLRESYNC id offset`: a snapshot, and the stream from there on.
fn full_sync(id: Option<&str>, offset: Option<&str>) -> [Action; 2] {
    let id = id.filter(|id| is_id(id.as_bytes()));
    let (log, offered) = match (id, offset) {
        (Some(id), Some(offset)) => {
            let offset = offset.parse().unwrap_or(0).min(OFFSET_MAX);
            let text = format!("Full resync from master: {id}:{offset}");
            (Action::info(text), (id.to_owned(), offset))
        }
        // The snapshot is usable, but no partial resynchronization will ever be possible.
        _ => (
            Action::warn("Master replied with wrong +FULLRESYNC syntax."),
            (NO_ID.to_owned(), 0),
        ),
    };
    let offered = Some(offered);
    [log, Action::BeginTransfer { offered }]
}

/// `+RDBCHANNELSYNC client`: the stream comes here, the snapshot on a connection to be opened.
fn open_channel(client: Option<&str>) -> Vec<Action> {
    let text = "PSYNC is not possible, initialize RDB channel.";
    match client.and_then(|client| client.parse().ok()) {
        Some(main) => vec![Action::info(text), Action::OpenChannel { main }],
        None => {
            let text = "Master replied with wrong +RDBCHANNELSYNC syntax.";
            vec![Action::warn(text), Action::Abandon]
        }
    }
}

/// `+CONTINUE [id]`: the stream goes on where it ended, perhaps under another ID.
fn partial_sync(id: Option<&str>, context: &Context) -> Vec<Action> {
    let done = Action::info("Successful partial resynchronization with master.");
    if context.resume.is_none() {
        // We asked for everything: there is nothing to continue.
        let text = "Unexpected reply to PSYNC from master: +CONTINUE";
        return vec![done, Action::warn(text), Action::Abandon];
    }
    let id = id.map(str::trim_end).filter(|id| is_id(id.as_bytes()));
    let id = id.map(str::to_owned);
    vec![done, Action::Continue { id }]
}

/// Commands as requests, one after the other.
fn commands(commands: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for words in commands {
        encode_command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn context(identity: &Identity) -> Context<'_> {
        Context {
            identity,
            resume: Some((ID, 1001)),
            is_failover: false,
        }
    }

    /// The words of all commands that actions send.
    fn sent(actions: &[Action]) -> String {
        let sends = actions.iter().filter_map(|action| match action {
            Action::Send(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        let sent: String = sends.collect();
        let words = sent.split("\r\n");
        let words: Vec<&str> = words
            .filter(|word| !word.starts_with(['*', '$']) && !word.is_empty())
            .collect();
        words.join(" ")
    }

    fn at(step: Step) -> Handshake {
        Handshake {
            step,
            announces_address: false,
        }
    }

    #[test]
    fn the_shortest_handshake_asks_for_the_next_byte() {
        let us = Identity {
            port: 6380,
            ..Identity::default()
        };
        let (mut handshake, ping) = Handshake::start();
        assert_eq!(ping, b"*1\r\n$4\r\nPING\r\n");
        let actions = handshake.reply(b"+PONG", &context(&us));
        assert_eq!(
            sent(&actions),
            "REPLCONF listening-port 6380 REPLCONF capa eof capa psync2 capa rdb-version-15"
        );
        assert_eq!(handshake.reply(b"+OK", &context(&us)), []);
        let actions = handshake.reply(b"+OK", &context(&us));
        assert_eq!(sent(&actions), format!("PSYNC {ID} 1001"));
        assert_eq!(handshake, at(Step::Psync));
    }

    #[test]
    fn a_handshake_with_everything_goes_through_all_steps() {
        let us = Identity {
            user: "u".into(),
            password: "p".into(),
            address: "10.0.0.9".into(),
            port: 1,
            ..Identity::default()
        };
        let context = Context {
            resume: None,
            is_failover: true,
            ..context(&us)
        };
        let (mut handshake, _) = Handshake::start();
        let actions = handshake.reply(b"-NOAUTH Authentication required.", &context);
        assert!(
            sent(&actions)
                .starts_with("AUTH u p REPLCONF listening-port 1 REPLCONF ip-address 10.0.0.9 ")
        );
        assert_eq!(handshake.step, Step::Auth);
        assert_eq!(handshake.reply(b"+OK", &context), []);
        assert_eq!(handshake.step, Step::Port);
        let refused = handshake.reply(b"-ERR what", &context);
        let text = "(Non critical) Master does not understand REPLCONF listening-port: -ERR what";
        assert_eq!(refused, [Action::info(text)]);
        assert_eq!(handshake.step, Step::Address);
        assert_eq!(handshake.reply(b"+OK", &context), []);
        assert_eq!(handshake.step, Step::Capabilities);
        let actions = handshake.reply(b"+OK", &context);
        assert_eq!(sent(&actions), "PSYNC ? -1 FAILOVER");
    }

    #[test]
    fn a_refusal_abandons_the_link() {
        let us = Identity::default();
        for (step, line, text) in [
            (
                Step::Ping,
                "-ERR no",
                "Error reply to PING from master: '-ERR no'",
            ),
            (
                Step::Auth,
                "-WRONGPASS no",
                "Unable to AUTH to MASTER: -WRONGPASS no",
            ),
        ] {
            let actions = at(step).reply(line.as_bytes(), &context(&us));
            assert_eq!(actions, [Action::warn(text), Action::Abandon]);
        }
        for line in ["-LOADING now", "-NOMASTERLINK yet"] {
            let actions = at(Step::Psync).reply(line.as_bytes(), &context(&us));
            assert_eq!(actions[0], Action::PsyncReplied { accepted: false });
            assert_eq!(actions[2..], [Action::Abandon]);
        }
    }

    #[test]
    fn a_full_synchronization_names_where_it_leads() {
        let us = Identity::default();
        let mut handshake = at(Step::Psync);
        assert_eq!(handshake.reply(b"", &context(&us)), []);
        let offered = |line: String| {
            let actions = at(Step::Psync).reply(line.as_bytes(), &context(&us));
            assert_eq!(actions[0], Action::PsyncReplied { accepted: true });
            match &actions[2..] {
                [Action::BeginTransfer { offered }] => offered.clone(),
                other => panic!("{other:?}"),
            }
        };
        let full = offered(format!("+FULLRESYNC {ID} 77"));
        assert_eq!(full, Some((ID.to_owned(), 77)));
        let huge = offered(format!("+FULLRESYNC {ID} {}", u64::MAX));
        assert_eq!(huge, Some((ID.to_owned(), OFFSET_MAX)));
        for odd in ["+FULLRESYNC", "+FULLRESYNC short 5"] {
            assert_eq!(offered(odd.to_owned()), Some((NO_ID.to_owned(), 0)));
        }
    }

    #[test]
    fn the_stream_continues_perhaps_under_another_id() {
        let us = Identity::default();
        let last = |line: &str, context: &Context| {
            let mut actions = at(Step::Psync).reply(line.as_bytes(), context);
            assert_eq!(actions[0], Action::PsyncReplied { accepted: true });
            actions.pop()
        };
        let to = |id: Option<&str>| {
            Some(Action::Continue {
                id: id.map(str::to_owned),
            })
        };
        assert_eq!(last("+CONTINUE", &context(&us)), to(None));
        assert_eq!(last("+CONTINUE nonsense", &context(&us)), to(None));
        let named = format!("+CONTINUE {ID} ");
        assert_eq!(last(&named, &context(&us)), to(Some(ID)));
        let nothing_cached = Context {
            resume: None,
            ..context(&us)
        };
        assert_eq!(last("+CONTINUE", &nothing_cached), Some(Action::Abandon));
    }

    #[test]
    fn an_old_primary_is_asked_with_sync() {
        let us = Identity::default();
        for line in ["-ERR unknown command 'PSYNC'", "+WHAT"] {
            let actions = at(Step::Psync).reply(line.as_bytes(), &context(&us));
            assert_eq!(actions[0], Action::PsyncReplied { accepted: false });
            let end = [
                Action::info("Retrying with SYNC..."),
                Action::Send(b"SYNC\r\n".to_vec()),
                Action::BeginTransfer { offered: None },
            ];
            assert_eq!(actions[2..], end);
        }
    }
}
