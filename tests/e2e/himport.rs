//! HIMPORT: fieldsets of connections, and the hashes with templates that come of them.

use super::{Client, Server, server_and_client, text};

fn info(client: &mut Client, section: &str, name: &str) -> String {
    let all = client.run(&format!("INFO {section}")).text();
    let line = all.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or_default()
        .to_owned()
}

/// Runs lines and compares each reply with the expected one.
fn all(client: &mut Client, script: &[(&str, &str)]) {
    for (line, reply) in script {
        assert_eq!(&text(client, line), reply, "{line}");
    }
}

#[test]
fn a_fieldset_is_checked_in_the_order_of_redis() {
    let (_server, mut client) = server_and_client();
    const ABSENT: &str = "ERR no such fieldset";
    const COUNT: &str = "ERR value count does not match fieldset field count";
    const WRONG: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
    all(
        &mut client,
        &[
            (
                "HIMPORT",
                "ERR wrong number of arguments for 'himport' command",
            ),
            (
                "HIMPORT HELP",
                "ERR unknown subcommand 'HELP'. Try HIMPORT HELP.",
            ),
            (
                "HIMPORT PREPARE s",
                "ERR wrong number of arguments for 'himport|prepare' command",
            ),
            ("HIMPORT PREPARE s bb a", "OK"),
            (
                "HIMPORT PREPARE s a a",
                "ERR duplicate field name in fieldset",
            ),
            ("SET str 1", "OK"),
            ("HIMPORT SET str nosuch 1", WRONG),
            ("HIMPORT SET k nosuch 1", ABSENT),
            ("HIMPORT SET k S 1 2", ABSENT),
            ("HIMPORT SET k s 1", COUNT),
            ("HIMPORT SET k s 1 2", "OK"),
            ("HGET k bb", "1"),
            ("HGET k a", "2"),
            ("OBJECT ENCODING k", "template-listpack"),
            ("EXPIRE k 100", "1"),
            ("HIMPORT SET k s 3 4", "OK"),
            ("TTL k", "-1"),
            ("HIMPORT PREPARE s a", "OK"),
            ("HIMPORT SET k s 3 4", COUNT),
            ("HIMPORT PREPARE t a", "OK"),
            ("HIMPORT DISCARD nosuch", "0"),
            ("HIMPORT DISCARD t", "1"),
            ("HIMPORT SET k t 1", ABSENT),
            ("HIMPORT PREPARE t a", "OK"),
            ("HIMPORT DISCARDALL", "2"),
            ("HIMPORT DISCARDALL", "0"),
        ],
    );
}

#[test]
fn fieldsets_belong_to_their_connection() {
    let (server, mut client) = server_and_client();
    const ABSENT: &str = "ERR no such fieldset";
    client.run("HIMPORT PREPARE s a b");
    assert_eq!(text(&mut server.client(), "HIMPORT SET k s 1 2"), ABSENT);
    client.run("SELECT 3");
    assert_eq!(text(&mut client, "HIMPORT SET k s 1 2"), "OK");
    client.run("MULTI");
    client.run("HIMPORT SET q s 1 2");
    client.run("HIMPORT DISCARD s");
    assert_eq!(client.run("EXEC").items().len(), 2);
    assert_eq!(text(&mut client, "HIMPORT SET k s 1 2"), ABSENT);
    // A script sees none of its caller's, and leaves none.
    client.run("HIMPORT PREPARE s a b");
    let script = "return redis.pcall('HIMPORT', 'SET', 'k', 's', '1', '2').err";
    let reply = client.call(&["EVAL", script, "0"]).text();
    assert!(reply.starts_with(ABSENT), "{reply}");
    let script = "redis.call('HIMPORT', 'PREPARE', 'of', 'x'); \
                  return redis.call('HIMPORT', 'SET', 'k', 'of', '1')";
    assert_eq!(client.call(&["EVAL", script, "0"]).text(), "OK");
    assert_eq!(text(&mut client, "HIMPORT SET k of 1"), ABSENT);
    assert_eq!(text(&mut client, "HIMPORT SET k s 1 2"), "OK");
    client.run("RESET");
    assert_eq!(text(&mut client, "HIMPORT SET k s 1 2"), ABSENT);
}

#[test]
fn templates_are_counted_and_end_with_their_last_use() {
    let (_server, mut client) = server_and_client();
    let counts = |client: &mut Client| {
        let templates = info(client, "stats", "hash_templates");
        (templates, info(client, "stats", "hash_template_keys"))
    };
    let of = |templates: &str, keys: &str| (templates.to_owned(), keys.to_owned());
    client.run("HIMPORT PREPARE s a b");
    assert_eq!(counts(&mut client), of("1", "0"));
    client.run("HIMPORT SET k1 s 1 2");
    client.run("HIMPORT SET k2 s 1 2");
    client.run("HIMPORT DISCARDALL");
    assert_eq!(counts(&mut client), of("1", "2"));
    assert_ne!(
        info(&mut client, "memory", "used_memory_hash_templates"),
        "0"
    );
    client.run("DEL k1 k2");
    assert_eq!(counts(&mut client), of("0", "0"));
    assert_eq!(
        info(&mut client, "memory", "used_memory_hash_templates"),
        "0"
    );
}

#[test]
fn a_client_answers_for_the_memory_of_its_fieldsets() {
    let (_server, mut client) = server_and_client();
    let bytes = |client: &mut Client| {
        let line = client.run("CLIENT INFO").text();
        let word = line
            .split(' ')
            .find_map(|word| word.strip_prefix("tot-mem="));
        word.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = bytes(&mut client);
    for n in 0..100 {
        client.call(&["HIMPORT", "PREPARE", &n.to_string(), &"f".repeat(1000)]);
    }
    assert!(bytes(&mut client) > before + 100_000);
    client.run("HIMPORT DISCARDALL");
    assert!(bytes(&mut client) < before + 50_000);
}

#[test]
fn hashes_keep_their_template_over_a_restart_and_a_reload() {
    for words in [
        &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"][..],
        &["--appendonly", "yes"],
        &["--save", "900 1"],
        &["--save", "900 1", "--rdb-save-version", "15"],
    ] {
        let mut server = Server::ours()
            .with(words)
            .with(&["--enable-debug-command", "yes"])
            .start();
        let mut client = server.client();
        client.run("HIMPORT PREPARE s a bb");
        client.run("HSET plain a 1 bb 2");
        client.run("HIMPORT SET k s 1 text");
        client.call(&["HIMPORT", "SET", "long", "s", "1", &"x".repeat(100)]);
        client.run("HSET other a 1");
        let digest = text(&mut client, "DEBUG DIGEST");
        client.run("SAVE");
        if words[0] == "--appendonly" {
            client.run("BGREWRITEAOF");
            while info(&mut client, "persistence", "aof_rewrite_in_progress") != "0" {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        server.restart();
        let mut client = server.client();
        for step in ["PING", "DEBUG RELOAD"] {
            client.run(step);
            all(
                &mut client,
                &[
                    ("OBJECT ENCODING plain", "listpack"),
                    ("OBJECT ENCODING k", "template-listpack"),
                    ("OBJECT ENCODING long", "template-array"),
                    ("OBJECT ENCODING other", "listpack"),
                    ("DEBUG DIGEST", &digest),
                    ("HGET k bb", "text"),
                ],
            );
            assert_eq!(
                info(&mut client, "stats", "hash_templates"),
                "1",
                "{words:?}"
            );
        }
    }
}

#[test]
fn an_older_format_gets_plain_commands() {
    let server = Server::ours()
        .with(&["--appendonly", "yes", "--rdb-save-version", "11"])
        .with(&["--appendfsync", "always"])
        .start();
    let mut client = server.client();
    client.run("HIMPORT PREPARE s bb a");
    client.run("HIMPORT SET k s 1 2");
    let log = std::fs::read(
        server
            .path()
            .join("appendonlydir/appendonly.aof.1.incr.aof"),
    );
    let log = String::from_utf8_lossy(&log.expect("there is a log")).replace("\r\n", " ");
    assert!(
        log.contains("*2 $3 DEL $1 k *6 $4 HSET $1 k $1 a $1 2 $2 bb $1 1"),
        "{log}"
    );
}

#[test]
fn a_hash_with_a_template_gets_deadlines_by_the_thresholds_of_now() {
    let server = Server::start();
    let mut client = server.client();
    let mut encoding = |then: u32, now: u32, value: &str| {
        let import = format!("HIMPORT SET k s {value} 1 2");
        for line in [
            "FLUSHALL",
            &format!("CONFIG SET hash-max-listpack-value {then}"),
            "HIMPORT PREPARE s a bb c",
            &import,
            &format!("CONFIG SET hash-max-listpack-value {now}"),
            "HGETEX k EX 1000 FIELDS 1 nosuch",
        ] {
            assert!(!client.run(line).is_error(), "{line}");
        }
        text(&mut client, "OBJECT ENCODING k")
    };
    assert_eq!(encoding(3, 64, &"x".repeat(44)), "listpackex");
    assert_eq!(encoding(64, 3, &"x".repeat(44)), "listpackex");
    assert_eq!(encoding(64, 64, &"x".repeat(100)), "hashtable");
    assert_eq!(encoding(3, 64, &"x".repeat(100)), "hashtable");
}
