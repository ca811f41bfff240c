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
        line.expect("INFO tells of it").to_owned()
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
    assert_eq!(text(&mut other, "SCRIPT KILL"), "OK");
    assert!(
        runner
            .reply()
            .text()
            .contains("Script killed by user with SCRIPT KILL")
    );
    assert_eq!(text(&mut other, "PING"), "PONG");
    assert!(text(&mut other, "SCRIPT KILL").starts_with("NOTBUSY"));
}

#[test]
fn new_connections_are_served_while_a_script_is_busy() {
    let (server, mut runner, _other) = busy(FOREVER);
    let mut late = server.client();
    assert!(text(&mut late, "PING").starts_with("BUSY"));
    // What the runner sends meanwhile is answered afterwards.
    runner.send(&["PING"]);
    assert_eq!(text(&mut late, "SCRIPT KILL"), "OK");
    assert!(runner.reply().is_error());
    assert_eq!(runner.reply().text(), "PONG");
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
            .contains("Script killed by user with FUNCTION KILL")
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
fn a_script_is_one_unit_to_those_who_wait() {
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
