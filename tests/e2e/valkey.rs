//! Commands and options that Redis does not have and Valkey has.

use super::support::client::{Client, Value};
use super::support::server::Server;
use super::{bulk, number, server_and_client, text};

/// The measures and the commands of a log, the newest first.
fn logged(client: &mut Client, kind: &str) -> Vec<(i64, String)> {
    let entries = client.run(&format!("COMMANDLOG GET -1 {kind}")).items();
    let of_entry = |entry: &Value| {
        let items = entry.items();
        assert_eq!(items.len(), 6, "{entry:?}");
        let words: Vec<String> = items[3].items().iter().map(Value::text).collect();
        (items[2].as_int().unwrap_or(-1), words.join(" "))
    };
    entries.iter().map(of_entry).collect()
}

#[test]
fn large_requests_and_replies_are_logged_with_their_size() {
    let (_server, mut client) = server_and_client();
    client.run("CONFIG SET commandlog-request-larger-than 40 commandlog-reply-larger-than 20");
    client.run("COMMANDLOG RESET large-request");
    let long = "0123456789".repeat(3);
    client.run(&format!("SET k {long}"));
    client.run("SET s v");
    client.run("GET k");
    client.run("GET s");
    // The words of a refused command stay out, and secrets do.
    client.run(&format!("NOSUCH {long}"));
    client.run(&format!("AUTH user {long}"));
    // A transaction has large replies, but its queue is no request.
    client.run("MULTI");
    client.run(&format!("ECHO {long}"));
    client.run("EXEC");
    client
        .send_raw(format!("ECHO {long}\r\n").as_bytes())
        .expect("the server reads");
    assert_eq!(client.reply(), bulk(&long));
    let set = format!("SET k {long}");
    let echo = format!("ECHO {long}");
    let commandlog = "COMMANDLOG RESET large-request".to_owned();
    let requests = logged(&mut client, "large-request");
    assert_eq!(
        requests,
        [
            (51, echo.clone()),
            (61, "AUTH (redacted) (redacted)".into()),
            (57, set),
            (52, commandlog),
        ]
    );
    let replies = logged(&mut client, "large-reply");
    assert_eq!(
        replies[1..],
        [
            (37, echo.clone()),
            (37, echo),
            (64, "AUTH (redacted) (redacted)".into()),
            (37, "GET k".into()),
        ]
    );
    assert_eq!(replies[0].1, "COMMANDLOG GET -1 large-request");
    client.run("CONFIG SET commandlog-large-reply-max-len 2");
    client.run("GET k");
    assert_eq!(number(&mut client, "COMMANDLOG LEN large-reply"), 2);
    client.run("CONFIG SET commandlog-reply-larger-than -1 commandlog-request-larger-than -1");
    client.run("COMMANDLOG RESET large-reply");
    client.run("GET k");
    assert_eq!(number(&mut client, "COMMANDLOG LEN large-reply"), 0);
}

#[test]
fn a_command_is_large_by_its_own_size_in_a_pipeline_too() {
    let (_server, mut client) = server_and_client();
    let megabyte = "x".repeat(1 << 20);
    let words = ["SET", "big", megabyte.as_str()];
    client.send(&["SET", "small", "v"]);
    client.send(&words);
    client.send(&["GET", "small"]);
    client.send(&["GET", "big"]);
    client.send(&["GET", "small"]);
    (0..5).for_each(|_| drop(client.reply()));
    let names = |log: Vec<(i64, String)>| {
        let first = |command: String| command.chars().take(7).collect::<String>();
        log.into_iter()
            .map(|(_, command)| first(command))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(logged(&mut client, "large-request")), ["SET big"]);
    assert_eq!(names(logged(&mut client, "large-reply")), ["GET big"]);
}

#[test]
fn the_log_of_slow_commands_is_that_of_slowlog() {
    let (_server, mut client) = server_and_client();
    client.run("CONFIG SET commandlog-execution-slower-than 0");
    client.run("SET k v");
    let slow = logged(&mut client, "slow");
    assert_eq!(slow[0].1, "SET k v");
    assert!(number(&mut client, "SLOWLOG LEN") >= 2);
    client.run("CONFIG SET slowlog-log-slower-than -1");
    assert_eq!(text(&mut client, "COMMANDLOG RESET slow"), "OK");
    assert_eq!(number(&mut client, "SLOWLOG LEN"), 0);
}

#[test]
fn clients_are_listed_by_more_than_one_filter() {
    let (server, mut client) = server_and_client();
    let mut alpha = server.client();
    alpha.run("CLIENT SETNAME alpha");
    alpha.run("SELECT 3");
    let mut beta = server.client();
    beta.run("CLIENT SETNAME beta");
    beta.run("SUBSCRIBE ch");
    for (filter, names) in [
        ("NAME alpha DB 3", "alpha"),
        ("NOT-NAME alpha SKIPME yes", "beta"),
        ("FLAGS P", "beta"),
        ("NOT-FLAGS P SKIPME yes", "alpha"),
        ("IP 127.0.0.1 NOT-DB 3 FLAGS P", "beta"),
        ("IDLE 1000", ""),
        ("CAPA r", ""),
        ("ID 1 NAME alpha", ""),
    ] {
        let listed = text(&mut client, &format!("CLIENT LIST {filter}"));
        let name = |line: &str| super::field(line, "name");
        let listed: Vec<String> = listed.lines().map(name).collect();
        assert_eq!(listed.join(" "), names, "{filter}");
    }
    // As in Redis.
    for (line, error) in [
        ("CLIENT LIST ID x", "ERR Invalid client ID"),
        ("CLIENT LIST ID 1 FOO", "ERR Invalid client ID"),
        (
            "CLIENT LIST TYPE primary",
            "ERR Unknown client type 'primary'",
        ),
        ("CLIENT KILL ID x", "ERR client-id should be greater than 0"),
        (
            "CLIENT LIST DB 16",
            "ERR DB number should be between 0 and 15",
        ),
        (
            "CLIENT LIST NOT-FLAGS z",
            "ERR Unknown flags found in the NOT-FLAGS filter: z",
        ),
    ] {
        assert_eq!(text(&mut client, line), error, "{line}");
    }
    assert_eq!(number(&mut client, "CLIENT KILL DB 3 NAME beta"), 0);
    assert_eq!(number(&mut client, "CLIENT KILL NOT-NAME alpha"), 1);
    assert_eq!(number(&mut client, "CLIENT KILL DB 3"), 1);
}

#[test]
fn users_stay_in_their_databases() {
    let (server, mut admin) = server_and_client();
    let shown = |admin: &mut Client| admin.run("ACL GETUSER u").items().len();
    admin.run("ACL SETUSER u on nopass ~* &* +@all");
    assert_eq!(shown(&mut admin), 12, "the fields of Redis");
    admin.run("ACL SETUSER u db=1,0");
    assert_eq!(shown(&mut admin), 14);
    let databases = admin.run("ACL GETUSER u").field("databases");
    assert_eq!(databases.map(|rule| rule.text()), Some("db=0,1".into()));
    let mut user = server.client();
    user.run("AUTH u any");
    let denied = "NOPERM No permissions to access database";
    for (line, reply) in [
        ("SELECT 1", "OK"),
        ("SET k v", "OK"),
        ("SELECT 2", denied),
        ("MOVE k 2", denied),
        ("COPY k j DB 2", denied),
        ("SWAPDB 0 2", denied),
        ("FLUSHALL", denied),
        ("FLUSHDB", "OK"),
        ("SELECT 99", "ERR DB index is out of range"),
    ] {
        assert_eq!(text(&mut user, line), reply, "{line}");
    }
    let script = user
        .call(&["EVAL", "return redis.call('select', 2)", "0"])
        .text();
    assert!(
        script.contains("No permissions to access database"),
        "{script}"
    );
    // In a transaction each command is checked in the database in which it would run.
    for line in ["MULTI", "SELECT 1", "SET k v"] {
        assert!(!user.run(line).is_error(), "{line}");
    }
    admin.run("ACL SETUSER u db=0");
    let replies = user.run("EXEC").items();
    assert!(replies.iter().all(Value::is_error), "{replies:?}");
    assert_eq!(text(&mut user, "GET k"), denied);
    assert_eq!(text(&mut user, "PING"), "PONG");
    let entry = admin.run("ACL LOG 1").items().remove(0);
    let field = |name: &str| entry.field(name).map(|value| value.text());
    assert_eq!(field("reason").as_deref(), Some("database"));
    assert_eq!(field("object").as_deref(), Some("get"));
    // Five commands alone, one of the script, two of the transaction, and the last one.
    assert_eq!(super::info(&mut admin, "acl_access_denied_db"), 9);
    admin.run("ACL SETUSER u alldbs");
    assert_eq!(shown(&mut admin), 12);
    assert_eq!(user.run("GET k"), Value::NilBulk);
}

#[test]
fn rules_of_databases_are_kept_in_files() {
    let server = Server::ours()
        .config("user u on nopass ~* +@all db=2,1 (resetdbs ~* +@all)\n")
        .start();
    let mut client = server.client();
    let rules = "db=1,2 +@all (~* resetchannels resetdbs +@all)";
    let line = |client: &mut Client| client.run("ACL LIST").items()[1].text();
    assert!(line(&mut client).ends_with(rules), "{}", line(&mut client));
    assert_eq!(text(&mut client, "CONFIG REWRITE"), "OK");
    let file = std::fs::read_to_string(text_of(&mut client, "config_file")).expect("a file");
    assert!(file.contains(rules), "{file}");
}

/// A field of INFO server.
fn text_of(client: &mut Client, name: &str) -> String {
    let info = client.run("INFO server").text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_default().to_owned()
}
