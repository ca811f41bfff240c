//! The process around the commands: start, log, stop, and directives that act while it runs.

#[path = "support/mod.rs"]
mod support;

use std::process::{Command, Output};
use support::client::Client;
use support::server::{Server, free_port, our_binary};

/// Runs the binary until it ends by itself.
fn run(words: &[&str]) -> Output {
    Command::new(our_binary())
        .args(words)
        .output()
        .expect("the server's binary can be run")
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn the_log_tells_the_story_of_a_life() {
    let mut server = Server::ours().with(&["--pidfile", "server.pid"]).start();
    let pid_file = server.path().join("server.pid");
    let pid = std::fs::read_to_string(&pid_file).expect("the server wrote it");
    assert_eq!(pid, format!("{}\n", server.pid()));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(!pid_file.exists());
    let log = server.log();
    let mut rest = log.as_str();
    for part in [
        ":C ",
        " * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo",
        " * Redis version=8.2.3, bits=64, commit=",
        " * Configuration loaded",
        ":M ",
        " * Running mode=standalone, port=",
        " * Server initialized",
        " * Ready to accept connections tcp",
        ":signal-handler (",
        " Received SIGTERM scheduling shutdown...",
        " * User requested shutdown...",
        " * Removing the pid file.",
        " # Redis is now ready to exit, bye bye...",
    ] {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no {part:?} in the rest of\n{log}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn shutdown_closes_the_connection_without_an_answer() {
    let mut server = Server::start();
    let mut client = server.client();
    assert_eq!(
        client.run("SHUTDOWN ABORT").text(),
        "ERR No shutdown in progress."
    );
    assert_eq!(
        client.run("SHUTDOWN SAVE NOSAVE").text(),
        "ERR syntax error"
    );
    client.send(&["SHUTDOWN", "NOSAVE"]);
    assert_eq!(client.read_to_end().expect("the server closes"), b"");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn what_cannot_start_says_why() {
    let server = Server::start();
    let port = server.port.to_string();
    let taken = run(&["--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(taken.status.code(), Some(1));
    let log = text(&taken.stdout);
    let socket = format!("listening socket 127.0.0.1:{port}: bind: Address already in use\n");
    assert!(log.contains(&socket), "{log}");
    assert!(log.contains(&format!(
        "Failed listening on port {port} (tcp), aborting.\n"
    )));
    for (words, line) in [
        (
            &["--port", "0"][..],
            "# Configured to not listen anywhere, exiting.\n",
        ),
        (
            &["--port", "0", "--loadmodule", "/no.so"],
            "# Can't load module from /no.so: server aborting\n",
        ),
        (&["--port", "0", "--no.such", "1"], "# >>> 'no.such 1'\n"),
        (
            &["/no/such.conf"],
            "# Fatal error, can't open config file '/no/such.conf': No such file or directory\n",
        ),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let log = text(&output.stdout);
        assert!(log.contains(line), "{words:?}:\n{log}");
    }
    let refused = run(&["--logfile", "/no/such/log"]);
    assert!(text(&refused.stderr).contains("Can't open the log file: No such file or directory"));
}

#[test]
fn another_port_is_listened_on_or_the_old_one_stays() {
    let server = Server::start();
    let other = Server::start();
    let mut client = server.client();
    let taken = client.run(&format!("CONFIG SET hz 50 port {}", other.port));
    assert_eq!(
        taken.text(),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this \
         port. Check server logs."
    );
    assert_eq!(client.run("CONFIG GET hz").items()[1].text(), "10");
    assert_eq!(server.client().run("PING").text(), "PONG");
    let port = free_port();
    assert_eq!(client.run(&format!("CONFIG SET port {port}")).text(), "OK");
    let mut there = Client::connect(port).expect("the new port is open");
    assert_eq!(there.run("PING").text(), "PONG");
    assert!(Client::connect(server.port).is_err());
    let nowhere = there.run("CONFIG SET bind 999.999.999.999").text();
    assert!(nowhere.ends_with("Failed to bind to specified addresses."));
    assert!(Client::connect(port).is_ok());
}

#[test]
fn a_rewritten_file_starts_the_same_server() {
    let mut server = Server::ours().config("# mine\nhz 20\n").start();
    let mut client = server.client();
    client.run("CONFIG SET hz 30 slowlog-max-len 7");
    assert_eq!(client.run("CONFIG REWRITE").text(), "OK");
    server.restart();
    let mut client = server.client();
    assert_eq!(client.run("CONFIG GET hz").items()[1].text(), "30");
    let file = std::fs::read_to_string(server.path().join("redis.conf")).expect("it is there");
    assert!(file.starts_with("# mine\nhz 30\n") && file.contains("slowlog-max-len 7"));
}

#[test]
fn secrets_stay_out_of_the_slow_log() {
    let server = Server::ours()
        .with(&["--slowlog-log-slower-than", "0"])
        .start();
    let mut client = server.client();
    client.run("CONFIG SET masterauth secret hz 20");
    client.run("CONFIG SET requirepass secret");
    client.send(&["SLOWLOG", "GET"]);
    let log = text(&client.reply_raw().expect("the server answers"));
    assert!(log.contains("(redacted)") && log.contains("masterauth") && !log.contains("secret"));
    assert_eq!(client.run("SLOWLOG RESET").text(), "OK");
    assert_eq!(client.run("SLOWLOG LEN").as_int(), Some(1));
}

#[test]
fn info_counts_what_happened() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET a b");
    client.run("GET a");
    client.run("GET none");
    client.run("NOSUCH");
    let info = client.run("INFO everything").text();
    for line in [
        "redis_version:8.2.3\r\n",
        "keyspace_hits:1\r\n",
        "keyspace_misses:1\r\n",
        "db0:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n",
        "errorstat_ERR:count=1\r\n",
        "cmdstat_get:calls=2,",
        "latency_percentiles_usec_set:p50=",
    ] {
        assert!(info.contains(line), "no {line:?} in\n{info}");
    }
    client.run("CONFIG RESETSTAT");
    let info = client.run("INFO commandstats").text();
    assert!(!info.contains("cmdstat_get"), "{info}");
}
