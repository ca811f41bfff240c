//! INFO: the sections, and the selection of sections by a call.
//!
//! A section is a row: its name, its visibility, and the function that writes its lines. The fields
//! of parts that this server does not have show none or zero.

mod counters;
mod persistence;
mod process;
mod replication;
mod state;

use crate::command::spec::*;
use crate::command::{Args, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::text::Text;
use crate::server::{Server, ServerCommand};
use std::fmt::Write;

pub static TABLE: &[ServerCommand] = &[INFO];

/// The visibility of a section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    /// Shown for `all`, `everything` or its name.
    WithAll,
    /// Shown by default once TLS is configured.
    WithTls,
    /// Shown for its name only.
    ByName,
}

struct Section {
    name: &'static str,
    shown: Shown,
    write: fn(&Server, &mut Text),
}

const fn section(name: &'static str, shown: Shown, write: fn(&Server, &mut Text)) -> Section {
    Section { name, shown, write }
}

/// All sections in the order of the output.
const SECTIONS: &[Section] = &[
    section("Server", Shown::Always, process::server),
    section("Clients", Shown::Always, state::clients),
    section("Memory", Shown::Always, process::memory),
    section("Persistence", Shown::Always, persistence::persistence),
    section("Threads", Shown::Always, process::threads),
    section("Stats", Shown::Always, counters::stats),
    section("Replication", Shown::Always, replication::replication),
    section("CPU", Shown::Always, process::cpu),
    section("Hotkeys", Shown::Always, state::hotkeys),
    section("Modules", Shown::Always, state::modules),
    section("Commandstats", Shown::WithAll, counters::commands),
    section("Errorstats", Shown::Always, counters::errors),
    section("Latencystats", Shown::WithAll, counters::latencies),
    section("Cluster", Shown::Always, state::cluster),
    section("Keyspace", Shown::Always, state::keyspace),
    section("Keysizes", Shown::Always, state::keysizes),
    section("TLS", Shown::WithTls, process::tls),
    section("Debug", Shown::ByName, process::debug),
];

/// The initial capacity for the sections that are shown by default, in bytes.
const ROOM: usize = 8 << 10;

const INFO: ServerCommand = Spec {
    name: "info",
    flags: all(&[LOADING, STALE]),
    acl: &["dangerous"],
    usage: "[section:string...]",
    since: "1.0.0",
    summary: "How the server is doing.",
    complexity: "O(1)",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    history: &[("7.0.0", "Takes several sections.")],
    ..Spec::of(Group::Server)
}
.runs(info);

fn info(server: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut words: Vec<&[u8]> = Vec::new();
    while let Some(word) = args.option() {
        words.push(word);
    }
    if words.is_empty() {
        words.push(b"default");
    }
    let text = sections_text(server, &words);
    reply.verbatim(b"txt", text.as_bytes())
}

/// Returns the text of the sections that these words select.
pub fn sections_text(server: &Server, words: &[&[u8]]) -> String {
    let mut text = Text(String::with_capacity(ROOM));
    for section in SECTIONS {
        if words.iter().any(|word| asks_for(server, word, section)) {
            if !text.0.is_empty() {
                text.0.push_str("\r\n");
            }
            let _ = write!(text.0, "# {}\r\n", section.name);
            (section.write)(server, &mut text);
        }
    }
    text.0
}

fn asks_for(server: &Server, word: &[u8], section: &Section) -> bool {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let (by_default, with_all) = match section.shown {
        Shown::Always => (true, true),
        Shown::WithAll => (false, true),
        Shown::WithTls => [server.doors.contexts().is_some(); 2].into(),
        Shown::ByName => (false, false),
    };
    is(section.name) || is("default") && by_default || (is("all") || is("everything")) && with_all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;
    use crate::config::Config;

    fn headers(words: &[&str]) -> Vec<String> {
        let server = Server::new(Config::new(), Rng::new(1));
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let text = sections_text(&server, &words);
        let lines = text.lines().filter(|line| line.starts_with("# "));
        lines.map(|line| line[2..].to_owned()).collect()
    }

    #[test]
    fn words_choose_sections() {
        assert_eq!(
            headers(&["CLIENTS", "server", "foo"]),
            ["Server", "Clients"]
        );
        assert_eq!(headers(&["debug"]), ["Debug"]);
        assert_eq!(headers(&["default"]).len(), 14);
        assert_eq!(headers(&["everything"]).len(), 16);
        assert_eq!(headers(&["default", "commandstats"]).len(), 15);
        assert!(headers(&["foo"]).is_empty());
    }

    #[test]
    fn every_line_is_a_field() {
        let server = Server::new(Config::new(), Rng::new(1));
        for part in sections_text(&server, &[b"everything"]).split("\r\n") {
            let fine = part.is_empty() || part.starts_with("# ") || part.contains(':');
            assert!(fine && !part.contains('\n'), "{part:?}");
        }
    }
}
