//! `redis-compat`: a server that knows what an older series of Redis knows.

use crate::support::client::Value;
use crate::support::oracle;
use crate::support::server::Server;
use std::path::PathBuf;

/// The names of COMMAND LIST, sorted, without those of modules.
fn names(server: &Server) -> Vec<String> {
    let listed = server.client().run("COMMAND LIST").items();
    let mut names: Vec<String> = listed.iter().map(|name| name.text()).collect();
    // The vector sets of Redis 8 are a module there, with names in upper case.
    names.retain(|name| !name.starts_with('V'));
    names.sort();
    names
}

#[test]
fn an_older_series_lists_the_same_commands() {
    let series: [(&str, Option<PathBuf>); 2] =
        [("7.0", oracle::redis_7_0()), ("8.2", oracle::redis_8_2())];
    for (name, real) in series {
        let Some(real) = real else {
            eprintln!("skipped: no Redis {name} here");
            continue;
        };
        let ours = Server::ours().with(&["--redis-compat", name]).start();
        let real = Server::of(&real).start();
        assert_eq!(names(&ours), names(&real), "{name}");
        let version = |server: &Server| server.client().run("HELLO 3").field("version");
        assert_eq!(version(&ours), version(&real), "{name}");
    }
}

#[test]
fn newer_commands_are_unknown_to_an_older_series() {
    let server = Server::ours().with(&["--redis-compat", "7.0"]).start();
    let mut client = server.client();
    for (line, reply) in [
        (
            "DIGEST k",
            "ERR unknown command 'DIGEST', with args beginning with: 'k' ",
        ),
        (
            "DELIFEQ k v",
            "ERR unknown command 'DELIFEQ', with args beginning with: 'k' 'v' ",
        ),
        (
            "COMMANDLOG LEN slow",
            "ERR unknown command 'COMMANDLOG', with args beginning with: 'LEN' 'slow' ",
        ),
        (
            "SCRIPT SHOW x",
            "ERR unknown subcommand 'SHOW'. Try SCRIPT HELP.",
        ),
        (
            "ACL SETUSER u +digest",
            "ERR Error in ACL SETUSER modifier '+digest': Unknown command or category name in ACL",
        ),
        (
            "ACL SETUSER u +",
            "ERR Error in ACL SETUSER modifier '+': Unknown command or category name in ACL",
        ),
        ("CONFIG GET redis-compat", "redis-compat"),
    ] {
        let value = client.run(line);
        let shown = match value.items().first() {
            Some(first) => first.text(),
            None => value.text(),
        };
        assert_eq!(shown, reply, "{line}");
    }
    let listed = client.run("ACL CAT string").items();
    assert!(
        listed
            .iter()
            .all(|name| !matches!(name.text().as_str(), "" | "digest"))
    );
    client.run("SET k v");
    let Value::Bulk(payload) = client.run("DUMP k") else {
        panic!("k is there");
    };
    assert_eq!(
        payload[payload.len() - 10],
        10,
        "the version in the payload"
    );
    let info = client.run("INFO server").text();
    assert!(info.contains("redis_version:7.0.15\r\n"), "{info}");
    let told = client
        .call(&["EVAL", "return redis.REDIS_VERSION", "0"])
        .text();
    assert_eq!(told, "7.0.15");
    let of_cjson = "return type(cjson.decode_array_with_array_mt)";
    assert_eq!(client.call(&["EVAL", of_cjson, "0"]).text(), "nil");
}
