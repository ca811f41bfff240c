//! Scripts and functions, as far as it takes a process: the cache, busy scripts, their end, what
//! others see of them.

use super::{bulk, server_and_client, text, wait_until};
use crate::support::client::{Client, Value};
use crate::support::server::Server;

const FOREVER: &str = "while true do end";
/// Only the script that has a mark of its own, and a write before, never ends.
const WRITES_FOREVER: &str = "redis.call('SET', 'k', 'v') while true do end";
/// Catches what kills it, again and again.
const STUBBORN: &str = "local function f() while true do end end \
    while true do pcall(f) xpcall(f, f) pcall(coroutine.wrap(f)) end";

fn eval(client: &mut Client, body: &str) -> Value {
    client.call(&["EVAL", body, "0"])
}

/// A server whose scripts are busy soon, one that runs this script, and another client.
fn busy(body: &str) -> (Server, Client, Client) {
    let server = Server::ours()
        .with(&["--busy-reply-threshold", "20"])
        .start();
    let (mut runner, mut other) = (server.client(), server.client());
    runner.send(&["EVAL", body, "0"]);
    wait_until("the script is busy", || {
        text(&mut other, "PING").starts_with("BUSY")
    });
    (server, runner, other)
}

#[test]
fn evicted_scripts_are_counted_until_the_statistics_are_reset() {
    let (_server, mut client) = server_and_client();
    for n in 0..505 {
        eval(&mut client, &format!("return {n}"));
    }
    let evicted = |client: &mut Client| {
        let info = client.call(&["INFO"]).text();
        let line = info
            .lines()
            .find(|line| line.starts_with("evicted_scripts:"));
        line.expect("a line of INFO").to_owned()
    };
    assert_eq!(evicted(&mut client), "evicted_scripts:5");
    assert_eq!(text(&mut client, "CONFIG RESETSTAT"), "OK");
    assert_eq!(evicted(&mut client), "evicted_scripts:0");
}

#[test]
fn scripts_are_known_by_their_digest() {
    let (_server, mut client) = server_and_client();
    let sha = client.call(&["SCRIPT", "LOAD", "return ARGV[1]"]).text();
    assert_eq!(
        client.call(&["EVALSHA", &sha.to_uppercase(), "0", "x"]),
        bulk("x")
    );
    assert_eq!(text(&mut client, "SCRIPT FLUSH"), "OK");
    let unknown = client.call(&["EVALSHA", &sha, "0", "x"]).text();
    assert_eq!(unknown, "NOSCRIPT No matching script. Please use EVAL.");
    assert_eq!(eval(&mut client, "return 7"), Value::Int(7));
}

#[test]
fn a_script_sees_one_moment() {
    let (_server, mut client) = server_and_client();
    let body = "local a = redis.call('TIME') for i = 1, 3e6 do end local b = redis.call('TIME') \
                return a[1] == b[1] and a[2] == b[2]";
    assert_eq!(eval(&mut client, body), Value::Int(1));
}

#[test]
fn others_hear_busy_and_can_kill() {
    let (_server, mut runner, mut other) = busy(FOREVER);
    assert!(text(&mut other, "GET k").starts_with("BUSY Redis is busy running a script."));
    assert!(text(&mut other, "FUNCTION KILL").starts_with("BUSY"));
    // Of a script that is no function it tells nothing.
    assert!(text(&mut other, "FUNCTION STATS").starts_with("BUSY"));
    assert_eq!(text(&mut other, "SCRIPT KILL"), "OK");
    assert!(
        runner
            .reply()
            .text()
            .contains("Script killed by user with SCRIPT KILL...")
    );
    assert_eq!(text(&mut other, "PING"), "PONG");
    assert!(text(&mut other, "SCRIPT KILL").starts_with("NOTBUSY"));
}

#[test]
fn new_connections_are_served_while_a_script_is_busy() {
    let (server, mut runner, _other) = busy(FOREVER);
    let mut late = server.client();
    assert!(text(&mut late, "PING").starts_with("BUSY"));
    // Commands that the runner sends meanwhile get their replies afterwards.
    runner.send(&["PING"]);
    assert_eq!(text(&mut late, "SCRIPT KILL"), "OK");
    assert!(runner.reply().is_error());
    assert_eq!(runner.reply().text(), "PONG");
}

#[test]
fn without_a_threshold_no_script_is_busy() {
    let server = Server::ours()
        .with(&["--busy-reply-threshold", "0"])
        .start();
    let (mut runner, mut other) = (server.client(), server.client());
    let body = "local began = os.clock() while os.clock() - began < 0.3 do end return 1";
    runner.send(&["EVAL", body, "0"]);
    for _ in 0..20 {
        assert_eq!(text(&mut other, "PING"), "PONG");
    }
    assert_eq!(runner.reply(), Value::Int(1));
}

#[test]
fn a_killed_script_cannot_hide() {
    let (_server, mut runner, mut other) = busy(STUBBORN);
    assert_eq!(text(&mut other, "SCRIPT KILL"), "OK");
    assert!(runner.reply().text().contains("Script killed by user"));
    assert_eq!(text(&mut other, "PING"), "PONG");
}

#[test]
fn a_script_that_has_written_ends_only_with_the_server() {
    let (mut server, _runner, mut other) = busy(WRITES_FOREVER);
    assert!(text(&mut other, "SCRIPT KILL").starts_with("UNKILLABLE"));
    assert!(text(&mut other, "SHUTDOWN").starts_with("BUSY"));
    other.send(&["SHUTDOWN", "NOSAVE"]);
    assert!(server.wait().success());
}

#[test]
fn functions_are_killed_as_functions() {
    let server = Server::ours()
        .with(&["--busy-reply-threshold", "20"])
        .start();
    let (mut runner, mut other) = (server.client(), server.client());
    let code = "#!lua name=lib\nredis.register_function('f', function() while true do end end)";
    assert_eq!(runner.call(&["FUNCTION", "LOAD", code]), bulk("lib"));
    runner.send(&["FCALL", "f", "0"]);
    wait_until("the function is busy", || {
        text(&mut other, "PING").starts_with("BUSY")
    });
    assert!(text(&mut other, "SCRIPT KILL").starts_with("BUSY"));
    let stats = other.run("FUNCTION STATS").items();
    assert_eq!(stats[1].items()[1], bulk("f"));
    assert_eq!(text(&mut other, "FUNCTION KILL"), "OK");
    assert!(
        runner
            .reply()
            .text()
            // As Redis says it, of functions too.
            .contains("Script killed by user with SCRIPT KILL...")
    );
}

#[test]
fn a_library_that_never_loads_can_be_killed() {
    let (_server, mut client) = server_and_client();
    let code = "#!lua name=lib\nlocal x = nil + 1";
    assert!(client.call(&["FUNCTION", "LOAD", code]).is_error());
    assert_eq!(text(&mut client, "PING"), "PONG");
}

#[test]
fn a_script_is_one_unit_to_blocked_clients() {
    let (server, mut client) = server_and_client();
    let mut waiting = server.client();
    waiting.send(&["BLPOP", "l", "0"]);
    wait_until("it waits", || {
        text(&mut client, "INFO clients").contains("blocked_clients:1")
    });
    let body = "redis.call('RPUSH', 'l', 'a') redis.call('DEL', 'l') redis.call('RPUSH', 'l', 'b') \
                return redis.call('BLPOP', 'none', 0)";
    assert!(matches!(
        eval(&mut client, body),
        Value::NilBulk | Value::NilArray
    ));
    assert_eq!(waiting.reply().items()[1], bulk("b"));
}

#[test]
fn a_script_speaks_for_its_caller_and_leaves_it_as_it_was() {
    let (_server, mut client) = server_and_client();
    let body = "redis.call('SELECT', 3) redis.call('SET', 'k', 'v') return redis.call('GET', 'k')";
    assert_eq!(eval(&mut client, body), bulk("v"));
    assert_eq!(text(&mut client, "EXISTS k"), "0");
    client.run("SELECT 3");
    assert_eq!(text(&mut client, "GET k"), "v");
}

#[test]
fn in_a_transaction_a_script_runs_within_it() {
    let (server, mut client) = server_and_client();
    let mut other = server.client();
    client.run("WATCH k");
    client.run("MULTI");
    client.call(&["EVAL", "return redis.call('INCR', 'k')", "0"]);
    client.run("INCR k");
    assert_eq!(client.run("EXEC").items(), [Value::Int(1), Value::Int(2)]);
    client.run("WATCH k");
    eval(&mut other, "redis.call('INCR', 'k')");
    client.run("MULTI");
    client.run("PING");
    assert!(client.run("EXEC").items().is_empty());
}

#[test]
fn monitors_see_what_a_script_calls() {
    let (server, mut client) = server_and_client();
    let mut monitor = server.client();
    monitor.run("MONITOR");
    eval(&mut client, "return redis.call('SET', 'k', 'v')");
    let lines = [monitor.reply().text(), monitor.reply().text()].join("\n");
    assert!(
        lines.contains("lua] \"SET\" \"k\" \"v\"") && lines.contains("\"EVAL\""),
        "{lines}"
    );
}

#[test]
fn monitors_see_scripts_that_fail() {
    let (server, mut client) = server_and_client();
    let mut monitor = server.client();
    monitor.run("MONITOR");
    for line in ["EVALSHA ff 0", "EVAL return x", "FCALL none 0"] {
        assert!(client.run(line).is_error());
        let word = line.split(' ').next().expect("a command");
        let seen = monitor.reply().text();
        assert!(seen.contains(&format!("\"{word}\"")), "{seen}");
    }
}

#[test]
fn commands_denied_to_scripts_are_parsed_first() {
    let (_server, mut client) = server_and_client();
    let error = eval(&mut client, "return redis.pcall('CONFIG', 'GET')").text();
    let wrong = "ERR Wrong number of args calling Redis command from script";
    assert_eq!(error, wrong);
    let error = eval(&mut client, "return redis.pcall('CONFIG', 'GET', 'port')").text();
    assert_eq!(error, "ERR This Redis command is not allowed from script");
}

#[test]
fn a_wrong_form_counts_for_the_subcommand_that_is_meant() {
    let (_server, mut client) = server_and_client();
    for line in ["SCRIPT", "SCRIPT NOPE", "SCRIPT LOAD"] {
        assert!(client.run(line).is_error());
    }
    let info = text(&mut client, "INFO commandstats");
    let rejected = |name: &str| -> Option<&str> {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split("rejected_calls=").nth(1)?.split(',').next()
    };
    assert_eq!(rejected("cmdstat_script:"), Some("1"));
    assert_eq!(rejected("cmdstat_script|load:"), Some("1"));
}

#[test]
fn calls_of_a_script_have_no_client_in_the_slow_log() {
    let (_server, mut client) = server_and_client();
    client.run("CLIENT SETNAME me");
    client.run("CONFIG SET slowlog-log-slower-than 0");
    eval(&mut client, "return redis.call('GET', 'k')");
    let entries = client.run("SLOWLOG GET 2").items();
    let (script, get) = (entries[0].items(), entries[1].items());
    assert_eq!((&get[4], &get[5]), (&bulk(""), &bulk("")));
    assert_eq!(script[5], bulk("me"));
}

#[test]
fn writes_a_script_keeps_from_replicas_are_logged() {
    let server = Server::ours()
        .with(&["--appendonly", "yes", "--appendfsync", "always"])
        .start();
    let mut client = server.client();
    let body = "redis.call('SET', 'w', 1) redis.call('PUBLISH', 'a', 'b')";
    eval(&mut client, body);
    let body = "redis.set_repl(redis.REPL_AOF) redis.call('SET', 'x', 1) \
                redis.set_repl(redis.REPL_REPLICA) redis.call('SET', 'y', 1)";
    eval(&mut client, body);
    let path = "appendonlydir/appendonly.aof.1.incr.aof";
    let log = std::fs::read_to_string(server.path().join(path)).expect("the log");
    let set = |key: &str| format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n$1\r\n1\r\n");
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    assert_eq!(log, [select, &set("w"), &set("x")].concat());
}

#[test]
fn memory_of_scripts_is_shown() {
    let (_server, mut client) = server_and_client();
    eval(&mut client, "return 1");
    let info = text(&mut client, "INFO memory");
    let of = |name: &str| -> u64 {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().parse().ok())
            .expect("a number")
    };
    assert!(of("used_memory_vm_eval:") > 10_000);
    assert_eq!(of("number_of_cached_scripts:"), 1);
}

/// Errors that rule out any write come before the lack of memory.
#[test]
fn a_script_gets_the_error_of_missing_replicas_before_that_of_memory() {
    let (_server, mut client) = server_and_client();
    text(
        &mut client,
        "CONFIG SET min-replicas-to-write 1 maxmemory 1",
    );
    let body = "return redis.pcall('SET', 'k', 'v').err";
    let error = eval(&mut client, body).text();
    assert_eq!(error, "NOREPLICAS Not enough good replicas to write.");
}

#[test]
fn errors_name_a_function_as_it_was_registered() {
    let (_server, mut client) = server_and_client();
    let code = "#!lua name=lib\nredis.register_function('MyFunc', function() error('boom') end)";
    client.call(&["FUNCTION", "LOAD", code]);
    let error = "ERR user_function:2: boom script: MyFunc, on @user_function:2.";
    for called in ["MyFunc", "myfunc", "MYFUNC"] {
        assert_eq!(text(&mut client, &format!("FCALL {called} 0")), error);
    }
}
