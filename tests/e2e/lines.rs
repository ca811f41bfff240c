//! Values from elsewhere in lines of INFO, CLIENT LIST, ROLE and the log: none ends its line.

use super::{info, text, wait_until};
use crate::support::client::encode;
use crate::support::server::Server;

/// Bytes that would add a line, or control a terminal.
const CONTROL: [&str; 6] = [
    "1.2.3.4\nfoo:bar",
    "a\r\nb",
    "a\rb",
    "a\x1b[0m",
    "a\x07",
    "a\x7f",
];

#[test]
fn directives_take_no_control_characters() {
    let server = Server::start();
    let mut client = server.client();
    let names = [
        "replica-announce-ip",
        "slave-announce-ip",
        "cluster-announce-ip",
        "cluster-announce-hostname",
        "cluster-announce-human-nodename",
        "bind-source-addr",
        "dbfilename",
        "proc-title-template",
        "ignore-warnings",
        "availability-zone",
    ];
    for name in names {
        let before = client.call(&["CONFIG", "GET", name]);
        for value in CONTROL {
            let said = client.call(&["CONFIG", "SET", name, value]).text();
            let start = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - ");
            assert!(said.starts_with(&start), "{name}: {said}");
        }
        assert_eq!(client.call(&["CONFIG", "GET", name]), before);
    }
    // Every directive that takes any text at all.
    let all = client.run("CONFIG GET *").items();
    for name in all.iter().step_by(2).map(|name| name.text()) {
        let secret = ["requirepass", "auth", "user", "-pass"];
        if secret.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let said = client.call(&["CONFIG", "SET", &name, "x\ny"]);
        assert!(said.is_error(), "{name} takes a line break");
    }
    // A password may be anything: it is shown nowhere.
    assert_eq!(
        client.call(&["CONFIG", "SET", "masterauth", "a\nb"]).text(),
        "OK"
    );
    for address in ["1.2.3.4", "::1", "name.example", "a b", ""] {
        let said = client.call(&["CONFIG", "SET", "replica-announce-ip", address]);
        assert_eq!(said.text(), "OK");
    }
    for address in ["a b", "a,port=1", " "] {
        assert!(client.call(&["REPLCONF", "ip-address", address]).is_error());
    }
}

#[test]
fn names_and_addresses_take_no_control_characters() {
    let server = Server::start();
    let mut client = server.client();
    for value in CONTROL {
        let commands: [&[&str]; 9] = [
            &["REPLICAOF", value, "6379"],
            &["SLAVEOF", value, "6379"],
            &["REPLCONF", "ip-address", value],
            &["CLIENT", "SETNAME", value],
            &["CLIENT", "SETINFO", "LIB-NAME", value],
            &["CLIENT", "SETINFO", "lib-ver", value],
            &["HELLO", "3", "SETNAME", value],
            &["ACL", "SETUSER", value, "on"],
            &["FAILOVER", "TO", value, "6379"],
        ];
        for command in commands {
            let said = client.call(command);
            assert!(said.is_error(), "{command:?}: {said:?}");
        }
    }
    assert_eq!(text(&mut client, "ROLE").lines().count(), 1);
    client.send(&["REPLCONF", "ip-address", "10.0.0.1"]);
    assert_eq!(client.reply().text(), "OK");
    // The code of an error is a word chosen by a script.
    let odd = "return redis.error_reply('A\x1bB#C:D x')";
    client.call(&["EVAL", odd, "0"]);
    let errors = text(&mut client, "INFO errorstats");
    assert!(errors.contains("errorstat_A_B_C_D:count=1"), "{errors}");
}

#[test]
fn what_a_replica_asks_for_stays_in_one_line_of_the_log() {
    let server = Server::start();
    let mut replica = server.client();
    replica.send(&["PSYNC", "x\n# forged line\x1b[0m", "7"]);
    server.wait_for_log("asked for 'x\\n# forged line\\u{1b}[0m'");
    assert!(
        !server
            .log()
            .lines()
            .any(|line| line.starts_with("# forged"))
    );
}

/// A server that has to read this log.
fn reading(log: &[u8], options: &[&str]) -> Server {
    let mut server = Server::ours()
        .with(&["--appendonly", "yes", "--enable-debug-command", "yes"])
        .with(options)
        .start();
    assert_eq!(text(&mut server.client(), "SET before 1"), "OK");
    server.kill();
    let path = server
        .path()
        .join("appendonlydir/appendonly.aof.1.incr.aof");
    let mut bytes = std::fs::read(&path).expect("the log is there");
    bytes.extend_from_slice(log);
    std::fs::write(&path, bytes).expect("the log can be changed");
    server
}

#[test]
fn an_error_while_the_log_is_read_is_logged() {
    let log = [
        encode(&["RPUSH", "list", "a"]),
        encode(&["INCR", "list"]),
        encode(&["MULTI"]),
        encode(&["SADD", "list", "x"]),
        encode(&["SET", "after", "1"]),
        encode(&["EXEC"]),
    ];
    let mut server = reading(&log.concat(), &[]);
    server.restart();
    let mut client = server.client();
    assert_eq!(text(&mut client, "GET after"), "1");
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    for command in ["incr", "exec"] {
        server.wait_for_log(&format!(
            "# == CRITICAL == This server is sending an error to its AOF-loading-client: \
             '-{wrong}' after processing the command '{command}'"
        ));
    }
    assert_eq!(info(&mut client, "unexpected_error_replies"), 2);
}

#[test]
fn an_unknown_command_in_the_log_is_logged_with_its_place() {
    for (command, said) in [
        (
            encode(&["GET"]),
            "Wrong number of arguments for command 'get' at offset",
        ),
        (
            encode(&["CONFIG", "GET"]),
            "Wrong number of arguments for command 'config|get' at offset",
        ),
        (
            encode(&["config", "nothing"]),
            "Unknown command 'config' reading the append only file",
        ),
        (
            encode(&["a\nb"]),
            "Unknown command 'a\\nb' reading the append only file",
        ),
    ] {
        let mut server = reading(&command, &[]);
        let path = server
            .path()
            .join("appendonlydir/appendonly.aof.1.incr.aof");
        let at = std::fs::metadata(path).expect("it is there").len() - command.len() as u64;
        server.relaunch();
        assert!(!server.wait().success(), "it does not start");
        let log = server.log();
        assert!(log.contains(said), "{log}");
        if said.ends_with("offset") {
            assert!(
                log.contains(&format!("{said} {at} reading the append only file")),
                "{log}"
            );
        }
    }
}

#[test]
fn a_server_that_is_to_panic_over_an_error_reports_it() {
    let log = [encode(&["SET", "s", "x"]), encode(&["INCR", "s"])];
    let options = ["--propagation-error-behavior", "panic"];
    let mut server = reading(&log.concat(), &options);
    server.relaunch();
    assert!(!server.wait().success(), "it does not start");
    let log = server.log();
    for part in [
        "=== REDIS BUG REPORT START",
        "Guru Meditation: This server panicked sending an error to its AOF-loading-client after \
         processing the command 'incr'",
        "=== REDIS BUG REPORT END",
    ] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
}

#[test]
fn a_replica_that_gets_a_reply_is_disconnected_whenever_it_does() {
    let server = Server::start();
    let mut client = server.client();
    let mut replica = server.client();
    replica.send(&["SYNC"]);
    wait_until("it follows", || {
        text(&mut client, "INFO replication").contains("state=online")
    });
    // The reply comes later, when no replica has acknowledged.
    replica.send(&["WAIT", "2", "50"]);
    server.wait_for_log("Replica generated a reply to command 'wait', disconnecting it: ");
    wait_until("it is gone", || info(&mut client, "connected_slaves") == 0);
}

#[test]
fn a_verbose_log_tells_of_the_databases() {
    let server = Server::ours().with(&["--loglevel", "verbose"]).start();
    let mut client = server.client();
    client.run("SET a 1");
    client.run("SET b 1 EX 1000");
    server.wait_for_log("- DB 0: 2 keys (1 volatile) in ");
    assert!(server.log().contains(" slots HT."));
}

#[test]
fn the_watchdog_shows_where_the_server_is_held_up() {
    let server = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    let mut client = server.client();
    assert_eq!(client.run("CONFIG SET watchdog-period 100").text(), "OK");
    // Two runs of cron are the least.
    let period = client.run("CONFIG GET watchdog-period").items();
    assert_eq!(period[1].text(), "200");
    assert_eq!(client.run("DEBUG SLEEP 0.6").text(), "OK");
    server.wait_for_log("--- WATCHDOG TIMER EXPIRED ---");
    server.wait_for_log("STACK TRACE DONE");
    assert_eq!(client.run("CONFIG SET watchdog-period 0").text(), "OK");
    let times = server.log().matches("WATCHDOG").count();
    assert_eq!(client.run("DEBUG SLEEP 0.4").text(), "OK");
    assert_eq!(server.log().matches("WATCHDOG").count(), times);
}
