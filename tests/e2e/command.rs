//! COMMAND, beyond what `tests/command_table.rs` compares.

use super::support::client::parse;
use super::support::server::Server;
use super::{server_and_client, text, texts};

#[test]
fn the_counts_agree() {
    let (_server, mut client) = server_and_client();
    let count = client.run("COMMAND COUNT").as_int().unwrap_or(0) as usize;
    assert!(count > 20);
    assert_eq!(client.run("COMMAND").items().len(), count);
    assert_eq!(client.run("COMMAND INFO").items().len(), count);
    assert_eq!(client.run("COMMAND DOCS").items().len(), 2 * count);
    let names = texts(&client.run("COMMAND LIST"));
    assert_eq!(
        names.iter().filter(|name| !name.contains('|')).count(),
        count
    );
}

#[test]
fn unknown_names_are_null_in_info_and_missing_in_docs() {
    let (_server, mut client) = server_and_client();
    let info = client.run("COMMAND INFO nosuch get client|nosuch client|id");
    let kinds: Vec<bool> = info.items().iter().map(|v| v.items().is_empty()).collect();
    assert_eq!(kinds, [true, false, true, false]);
    assert_eq!(client.run("COMMAND DOCS nosuch").items(), []);
    assert_eq!(client.run("COMMAND DOCS client|id").items().len(), 2);
}

#[test]
fn the_list_is_filtered() {
    let (_server, mut client) = server_and_client();
    let mut found = texts(&client.run("COMMAND LIST FILTERBY PATTERN client|*NAME"));
    found.sort();
    assert_eq!(found, ["client|getname", "client|setname"]);
    let strings = texts(&client.run("COMMAND LIST FILTERBY ACLCAT string"));
    assert!(strings.contains(&"get".to_owned()) && !strings.contains(&"ping".to_owned()));
    assert_eq!(client.run("COMMAND LIST FILTERBY MODULE none").items(), []);
    assert_eq!(client.run("COMMAND LIST FILTERBY ACLCAT none").items(), []);
    assert_eq!(
        text(&mut client, "COMMAND LIST FILTERBY WHAT x"),
        "ERR syntax error"
    );
}

#[test]
fn keys_are_found() {
    let (_server, mut client) = server_and_client();
    assert_eq!(
        texts(&client.run("COMMAND GETKEYS MSET a 1 b 2")),
        ["a", "b"]
    );
    for (line, keys) in [
        ("GET k", "k"),
        ("PFMERGE dst", "dst"),
        ("GEORADIUS k 1 1 1 m STORE", "k"),
        ("GEORADIUS k 1 1 1 m STORE a STOREDIST b", "k b"),
        ("SORT k STORE GET STORE b", "k b"),
        ("XREADGROUP GROUP g c GROUP STREAMS c STREAMS a >", "a"),
        ("XREADGROUP COUNT 1 GROUP x STREAMS STREAMS a >", "a"),
    ] {
        let found = texts(&client.run(&format!("COMMAND GETKEYS {line}")));
        assert_eq!(found.join(" "), keys, "{line}");
    }
    for (line, error) in [
        ("COMMAND GETKEYS nosuch k", "ERR Invalid command specified"),
        (
            "COMMAND GETKEYS PING",
            "ERR The command has no key arguments",
        ),
        (
            "COMMAND GETKEYS GET a b",
            "ERR Invalid number of arguments specified for command",
        ),
        (
            "COMMAND GETKEYSANDFLAGS zdiffstore z1 0 a",
            "ERR Invalid arguments specified for command",
        ),
    ] {
        assert_eq!(text(&mut client, line), error);
    }
}

#[test]
fn the_access_to_a_key_depends_on_the_options() {
    let (_server, mut client) = server_and_client();
    let mut flags = |line: &str| {
        let found = client.run(&format!("COMMAND GETKEYSANDFLAGS {line}"));
        texts(&found.items()[0].items()[1])
    };
    assert_eq!(flags("SET k v"), ["OW", "update"]);
    assert_eq!(flags("SET k v GET"), ["RW", "access", "update"]);
    assert_eq!(flags("GET k"), ["RO", "access"]);
}

/// Errors of subcommands name a renamed container as the client did, and errors of its arity as it
/// is declared.
#[test]
fn a_renamed_container_is_named_as_the_client_did() {
    let config = "rename-command SLOWLOG Slow\n";
    let server = Server::ours().config(config).start();
    let mut client = server.client();
    for (line, error) in [
        ("slow bar", "ERR unknown subcommand 'bar'. Try SLOW HELP."),
        (
            "slow get 1 2",
            "ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOW HELP.",
        ),
        (
            "slow len x",
            "ERR wrong number of arguments for 'slowlog|len' command",
        ),
        (
            "slow",
            "ERR wrong number of arguments for 'slowlog' command",
        ),
        (
            "slowlog len",
            "ERR unknown command 'slowlog', with args beginning with: 'len' ",
        ),
    ] {
        assert_eq!(client.run(line).text(), error, "{line}");
    }
}

/// The whole reply is kept for each protocol; it must equal the replies for its parts.
#[test]
fn the_kept_reply_is_made_of_its_parts() {
    let config = "rename-command GET fetch\nrename-command SET \"\"\n";
    let server = Server::ours().config(config).start();
    let mut client = server.client();
    let mut raw = |words: &[String]| {
        client.send(words);
        client.reply_raw().expect("a reply")
    };
    let line = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
    for protocol in ["2", "3", "2"] {
        raw(&line(&format!("HELLO {protocol}")));
        let whole = raw(&line("COMMAND"));
        let (value, len) = parse(&whole).expect("one reply");
        assert_eq!(len, whole.len());
        let mut names = line("COMMAND INFO");
        for command in value.items() {
            let name = command.items()[0].text();
            assert_ne!(name, "set");
            names.push(if name == "get" { "fetch".into() } else { name });
        }
        assert!(names.len() > 100);
        assert!(raw(&names) == whole && raw(&line("COMMAND INFO")) == whole);
        raw(&line("MULTI"));
        for _ in 0..3 {
            raw(&line("PING"));
            raw(&line("COMMAND"));
        }
        let pair = [b"+PONG\r\n", whole.as_slice()].concat();
        let all = [b"*6\r\n", pair.repeat(3).as_slice()].concat();
        assert!(raw(&line("EXEC")) == all);
    }
}
