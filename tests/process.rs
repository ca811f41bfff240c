//! The process around the commands: start, log, stop, and directives that act while it runs.

#[path = "support/mod.rs"]
mod support;

use std::process::{Command, Output};
use support::client::Client;
use support::server::{Server, free_port, our_binary};
use support::wait::{wait_for, wait_until};

/// Runs the binary until it exits.
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
fn the_log_covers_start_and_shutdown() {
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
        " * Redis version=8.10.2, bits=64, commit=",
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
fn shutdown_closes_the_connection_without_a_reply() {
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
fn a_failed_start_states_the_reason() {
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
        (
            &["--port", "0", "--unixsocket", &format!("/{:x<139}", "")],
            "# Failed opening Unix socket: unix socket path too long (140), must be under 108\n",
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

/// The lines of the log that warn of falling scores.
fn score_warnings(server: &Server) -> usize {
    let warning = " # The oom-score-adj-values configuration may not work for non-privileged processes! \
                   Please consult the documentation.\n";
    server.log().matches(warning).count()
}

#[test]
fn falling_oom_scores_are_warned_of_once() {
    let falling = ["--oom-score-adj-values", "0 200 100"];
    let server = Server::ours().with(&falling).start();
    assert_eq!(score_warnings(&server), 1);
    let mut client = server.client();
    for (values, warnings) in [("0 200 800", 1), ("10 0 800", 2)] {
        let reply = client.call(&["CONFIG", "SET", "oom-score-adj-values", values]);
        assert_eq!(reply.text(), "OK");
        assert_eq!(score_warnings(&server), warnings, "{values}");
    }
}

#[test]
fn a_directive_of_valkey_for_its_developers_is_accepted() {
    let server = Server::ours()
        .with(&["--enable-debug-assert", "yes"])
        .start();
    let mut client = server.client();
    let reply = client.run("CONFIG GET enable-debug-assert").items();
    assert_eq!(reply[1].text(), "yes");
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
    let log = text(&client.reply_raw().expect("the server replies"));
    assert!(log.contains("(redacted)") && log.contains("masterauth") && !log.contains("secret"));
    assert_eq!(client.run("SLOWLOG RESET").text(), "OK");
    assert_eq!(client.run("SLOWLOG LEN").as_int(), Some(1));
}

#[test]
fn info_counts_events() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET a b");
    client.run("GET a");
    client.run("GET none");
    client.run("NOSUCH");
    let info = client.run("INFO everything").text();
    for line in [
        "redis_version:8.10.2\r\n",
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

#[test]
fn idle_clients_are_closed() {
    let server = Server::start();
    let (mut idle, mut busy) = (server.client(), server.client());
    assert_eq!(idle.run("CONFIG SET timeout 100").text(), "OK");
    assert_eq!(busy.run("CONFIG SET timeout 1").text(), "OK");
    assert_eq!(idle.read_to_end().expect("the server closes"), b"");
    assert_eq!(server.client().run("CONFIG SET timeout 0").text(), "OK");
}

#[test]
fn a_server_that_cannot_save_stays_unless_forced() {
    let mut server = Server::ours()
        .with(&["--shutdown-on-sigint", "save"])
        .start();
    // Independent of the user's permissions: no file replaces a folder.
    let in_the_way = server.path().join("dump.rdb");
    std::fs::create_dir(in_the_way).expect("the server's folder is ours");
    let mut client = server.client();
    client.run("SET key value");
    let refused = client.run("SHUTDOWN SAVE").text();
    assert_eq!(refused, "ERR Errors trying to SHUTDOWN. Check logs.");
    for refusals in 2..4 {
        server.signal("INT");
        // A second one before the first was refused would mean "now".
        wait_until("the signal is refused", || {
            let refused = "Errors trying to shut down the server";
            server.log().matches(refused).count() >= refusals
        });
        assert_eq!(client.run("PING").text(), "PONG");
    }
    client.send(&["SHUTDOWN", "SAVE", "FORCE"]);
    assert_eq!(server.wait().code(), Some(0));
}

/// A started process and its output; it is killed at the end of the test.
struct Started(std::process::Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_goes_into_the_background() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let dir = folder.path().to_str().expect("temporary folders are UTF-8");
    let port = free_port();
    let output = run(&[
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        dir,
        "--daemonize",
        "yes",
        "--pidfile",
        "server.pid",
        "--logfile",
        "server.log",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "");
    let pid_file = folder.path().join("server.pid");
    let mut client = wait_for("the port is open", || Client::connect(port).ok());
    let info = client.run("INFO server").text();
    let pid = std::fs::read_to_string(&pid_file).expect("it is written before the port is open");
    assert!(
        info.contains(&format!("process_id:{}\r\n", pid.trim())),
        "{pid} in {info}"
    );
    client.send(&["SHUTDOWN", "NOSAVE"]);
    assert_eq!(client.read_to_end().expect("the server closes"), b"");
    wait_until("the pid file is removed", || !pid_file.exists());
    let log = folder.path().join("server.log");
    wait_until("the log ends", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("bye bye..."))
    });
}

#[test]
fn systemd_is_notified() {
    use std::os::unix::net::UnixDatagram;
    for mode in ["systemd", "auto"] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).expect("the folder is ours");
        let patience = Some(std::time::Duration::from_secs(20));
        supervisor.set_read_timeout(patience).expect("it can wait");
        let child = Command::new(our_binary())
            .args([
                "--port",
                &free_port().to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--supervised", mode])
            .current_dir(folder.path())
            .env("NOTIFY_SOCKET", &path)
            .stdout(std::process::Stdio::null())
            .spawn();
        let child = Started(child.expect("the server's binary can be run"));
        for (n, state) in [
            "STATUS=Redis is loading...\n",
            "STATUS=Ready to accept connections\n",
            "READY=1\n",
            "STOPPING=1\n",
        ]
        .iter()
        .enumerate()
        {
            if n == 3 {
                let pid = child.0.id().to_string();
                let sent = Command::new("kill").args(["-TERM", &pid]).status();
                assert!(sent.is_ok_and(|status| status.success()));
            }
            let mut bytes = [0; 256];
            let count = supervisor.recv(&mut bytes).expect("a notification");
            assert_eq!(text(&bytes[..count]), *state, "{mode}");
        }
    }
}

#[test]
fn a_log_that_was_moved_away_begins_anew() {
    let mut server = Server::ours().with(&["--logfile", "redis.log"]).start();
    let (log, old) = (
        server.path().join("redis.log"),
        server.path().join("redis.log.1"),
    );
    std::fs::rename(&log, &old).expect("it is there");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let read = |path| std::fs::read_to_string(path).expect("it was written");
    assert!(read(old).contains("Ready to accept connections"));
    let log = read(log);
    assert!(
        log.contains("bye bye...") && !log.contains("Ready to accept"),
        "{log}"
    );
}

#[test]
fn a_crash_is_reported() {
    use std::os::unix::process::ExitStatusExt;
    for (name, number) in [
        ("SEGV", 11),
        ("BUS", 7),
        ("FPE", 8),
        ("ILL", 4),
        ("ABRT", 6),
    ] {
        let mut server = Server::ours().with(&["--pidfile", "server.pid"]).start();
        server.signal(name);
        assert_eq!(server.wait().signal(), Some(number));
        let log = server.log();
        let crashed = format!("crashed by signal: {number}, si_code: ");
        for part in [
            "=== REDIS BUG REPORT START: Cut & paste starting from here ===",
            &crashed,
            "------ STACK TRACE ------",
            "=== REDIS BUG REPORT END.",
        ] {
            assert!(log.contains(part), "no {part:?} in\n{log}");
        }
        // The file shows that the server did not stop in an orderly way.
        assert!(server.path().join("server.pid").exists());
    }
    let mut server = Server::ours().with(&["--crash-log-enabled", "no"]).start();
    server.signal("SEGV");
    assert_eq!(server.wait().signal(), Some(11));
    assert!(!server.log().contains("BUG REPORT"), "{}", server.log());
}

#[test]
fn a_panic_is_reported() {
    use std::os::unix::process::ExitStatusExt;
    let mut server = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    let mut client = server.client();
    client.send(&["DEBUG", "PANIC"]);
    assert_eq!(client.read_to_end().unwrap_or_default(), b"");
    assert!(server.wait().signal().is_some(), "{}", server.log());
    let log = server.log();
    assert!(
        log.contains("REDIS BUG REPORT START") && log.contains("Guru Meditation: "),
        "{log}"
    );
}
