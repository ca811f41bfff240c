//! The tools people have: redis-cli and redis-benchmark against our binary, and the binary under
//! the name redis-server.
//!
//! The tools are those that are installed (REDIS_CLI and REDIS_BENCHMARK name others); without them
//! these tests say so and pass.

#[path = "support/mod.rs"]
mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use support::client::{Client, encode};
use support::server::{Server, free_port, our_binary};
use support::wait::wait_for;

/// An installed tool, or `None` with a message.
fn tool(variable: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from);
    let found = Command::new(&path).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: no {name} here; install it or set {variable}");
    }
    found.then_some(path)
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// A server with some keys, and redis-cli to speak with it.
struct Cli {
    path: PathBuf,
    server: Server,
}

impl Cli {
    fn new() -> Option<Cli> {
        let path = tool("REDIS_CLI", "redis-cli")?;
        let server = Server::start();
        let mut client = server.client();
        let large = "x".repeat(5000);
        for (key, value) in [("user:1", "a"), ("user:2", "bb"), ("large", large.as_str())] {
            client.call(&["SET", key, value]);
        }
        Some(Cli { path, server })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["-p", &self.server.port.to_string()]);
        command.args(words).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> String {
        let output = self.command(words).output().expect("redis-cli runs");
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    }

    /// With this on stdin.
    fn run_on(&self, words: &[&str], input: &[u8]) -> String {
        let mut command = self.command(words);
        let mut child = piped(&mut command);
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("redis-cli ends");
        let written = writer.join().expect("the writer does not panic");
        assert!(written.is_ok() && output.status.success(), "{words:?}");
        said(&output)
    }
}

fn piped(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().expect("it runs")
}

#[test]
fn redis_cli_sends_commands() {
    let Some(cli) = Cli::new() else { return };
    assert_eq!(cli.run(&["SET", "k", "v"]), "OK\n");
    assert_eq!(cli.run(&["GET", "k"]), "v\n");
    assert_eq!(cli.run(&["-3", "GET", "none"]), "\n");
    assert_eq!(cli.run(&["-n", "3", "DBSIZE"]), "0\n");
    assert_eq!(cli.run(&["-r", "3", "INCR", "n"]), "1\n2\n3\n");
    assert!(
        cli.run(&["--no-auth-warning", "NOSUCH"])
            .starts_with("ERR unknown command")
    );
    let lines = cli.run_on(&[], b"SET a \"x y\"\nGET a\nSTRLEN a\nHELLO 3\n");
    assert!(lines.starts_with("OK\nx y\n3\n"), "{lines}");
    let json = cli.run(&["--json", "CONFIG", "GET", "hz"]);
    assert_eq!(json, "{\"hz\":\"10\"}\n");
    let docs = cli.run(&["-3", "COMMAND", "DOCS"]);
    assert!(docs.contains("summary") && docs.contains("arguments"));
    assert_eq!(cli.run(&["--no-raw", "GET", "a"]), "\"x y\"\n");
    let stdin = cli.run_on(&["-x", "SET", "from-stdin"], b"bytes");
    assert_eq!(stdin, "OK\n");
}

#[test]
fn redis_cli_inspects_keys() {
    let Some(cli) = Cli::new() else { return };
    let scan = cli.run(&["--scan", "--pattern", "user:*"]);
    let mut found: Vec<&str> = scan.lines().collect();
    found.sort_unstable();
    assert_eq!(found, ["user:1", "user:2"]);
    let big = cli.run(&["--bigkeys"]);
    assert!(
        big.contains("Sampled 3 keys") && big.contains("'\"large\"' has 5000 bytes"),
        "{big}"
    );
    if cli.run(&["COMMAND", "INFO", "MEMORY"]).contains("memory") {
        let memory = cli.run(&["--memkeys"]);
        assert!(
            memory.contains("Sampled 3 keys") && memory.contains("\"large\""),
            "{memory}"
        );
    }
}

#[test]
fn redis_cli_inserts_in_masses() {
    let Some(cli) = Cli::new() else { return };
    let mut input = Vec::new();
    for n in 0..100_000 {
        input.extend(encode(&["SET", &format!("mass:{n}"), "value"]));
    }
    input.extend(encode(&["NOSUCH"]));
    let report = cli
        .command(&["--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let mut stdin = child.stdin.take().expect("it is piped");
            stdin.write_all(&input)?;
            drop(stdin);
            child.wait_with_output()
        });
    let report = said(&report.expect("redis-cli takes all of it"));
    assert!(report.contains("errors: 1, replies: 100001"), "{report}");
    assert_eq!(cli.run(&["DBSIZE"]), "100003\n");
}

#[test]
fn redis_cli_debugs_scripts() {
    let Some(cli) = Cli::new() else { return };
    let script = cli.server.path().join("script.lua");
    let body = "local key = KEYS[1]\nreturn redis.call('APPEND', key, ARGV[1])";
    std::fs::write(&script, body).expect("a file in our folder");
    let script = script.to_str().expect("a plain path");
    let debug = |mode: &str| {
        let words = [mode, "--eval", script, "user:1", ",", "bc"];
        cli.run_on(&words, b"s\np key\nc\n")
    };
    let said = debug("--ldb");
    assert!(said.contains("-> 2   return redis.call('APPEND', key, ARGV[1])"));
    assert!(said.contains("<value> \"user:1\"") && said.contains("(integer) 3"));
    assert!(said.contains("Lua debugging session ended -- dataset changes rolled back"));
    assert_eq!(cli.run(&["GET", "user:1"]), "a\n");
    assert!(debug("--ldb-sync-mode").contains("(Lua debugging session ended)"));
    assert_eq!(cli.run(&["GET", "user:1"]), "abc\n");
}

#[test]
fn redis_cli_measures() {
    let Some(cli) = Cli::new() else { return };
    // It goes on until it is ended, and keeps what it prints until then: look at what it asks for.
    let mut stat = Started(piped(&mut cli.command(&["--stat", "-i", "0.1"])));
    let asked = || cli.run(&["INFO", "commandstats"]);
    let times = |info: &str| {
        let calls = info.split("cmdstat_info:calls=").nth(1);
        let digits = calls.and_then(|rest| rest.split(',').next());
        digits.map_or(0, |n| n.parse().expect("calls are a number"))
    };
    // Ours are counted too: with only those, every look would find one more.
    let looks = (1..).take_while(|&looks: &u64| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        looks < 200 && times(&asked()) < looks + 3
    });
    assert!(looks.count() < 198, "--stat asks for nothing");
    assert!(stat.0.try_wait().is_ok_and(|ended| ended.is_none()));
    let latency = cli.run(&["--latency", "--raw", "-i", "0.3"]);
    // Minimum, maximum, average, samples.
    assert_eq!(latency.split_whitespace().count(), 4, "{latency}");
    let intrinsic = cli.run(&["--intrinsic-latency", "1"]);
    assert!(intrinsic.contains("Worst run took"), "{intrinsic}");
}

#[test]
fn redis_benchmark_runs() {
    let Some(path) = tool("REDIS_BENCHMARK", "redis-benchmark") else {
        return;
    };
    let server = Server::start();
    for more in [&[][..], &["-P", "16"], &["-3"]] {
        let output = Command::new(&path)
            .args(["-p", &server.port.to_string(), "-n", "10000", "-q", "--csv"])
            .args(["-t", "ping_inline,ping_mbulk,set,get,incr,mset"])
            .args(more)
            .output()
            .expect("redis-benchmark runs");
        let report = said(&output);
        assert!(output.status.success(), "{more:?}: {report}");
        for test in [
            "PING_INLINE",
            "PING_MBULK",
            "SET",
            "GET",
            "INCR",
            "MSET (10 keys)",
        ] {
            assert!(
                report.contains(&format!("\"{test}\",")),
                "{more:?}: {report}"
            );
        }
        assert!(!report.contains("WARNING"), "{report}");
    }
}

/// A process that is ended with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(port: u16) -> Client {
    wait_for("the server listens", || Client::connect(port).ok())
}

#[test]
fn under_the_name_redis_server_it_behaves_as_that() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let link = folder.path().join("redis-server");
    std::os::unix::fs::symlink(our_binary(), &link).expect("the folder is ours");
    let version = Command::new(&link)
        .arg("--version")
        .output()
        .expect("it runs");
    assert!(
        said(&version).starts_with("Redis server v=8.10.2 "),
        "{}",
        said(&version)
    );
    let port = free_port();
    // The configuration comes on stdin, more of it on the command line.
    let mut command = Command::new(&link);
    command.args(["-", "--hz", "20"]).current_dir(folder.path());
    let mut child = Started(piped(&mut command));
    let config = format!("port {port}\nbind 127.0.0.1\nsave \"\"\nmaxclients 77\n");
    let mut stdin = child.0.stdin.take().expect("it is piped");
    stdin
        .write_all(config.as_bytes())
        .expect("the server reads it");
    drop(stdin);
    let mut client = connect(port);
    assert_eq!(client.run("CONFIG GET maxclients").items()[1].text(), "77");
    assert_eq!(client.run("CONFIG GET hz").items()[1].text(), "20");
    let info = client.run("INFO server").text();
    assert!(
        info.contains("executable:") && info.contains("/redis-server\r\n"),
        "{info}"
    );
}

#[test]
fn the_example_configuration_starts_it() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/redis.conf.example");
    let port = free_port();
    let mut command = Command::new(our_binary());
    command.args([example, "--port", &port.to_string()]);
    let _child = Started(piped(command.current_dir(folder.path())));
    assert_eq!(connect(port).run("PING").text(), "PONG");
}
