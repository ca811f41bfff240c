//! The debugger of scripts, as far as the bytes go that redis-cli --ldb sends and reads.

use super::{bulk, is_closed, server_and_client, text, wait_until};
use crate::support::client::{Client, Value};
use crate::support::server::Server;

const SCRIPT: &str = "local a = {1, 'x'}\n\
    redis.call('SET', KEYS[1], ARGV[1])\n\
    local function f(n)\n  local inner = n + 1\n  return inner\nend\n\
    local c = f(5)\n\
    redis.breakpoint()\n\
    return {c, a[2]}";

/// A connection on which a script has begun in the debugger, and what was said at its first line.
fn debug(server: &Server, mode: &str, script: &str) -> (Client, String) {
    let mut client = server.client();
    assert_eq!(text(&mut client, &format!("SCRIPT DEBUG {mode}")), "OK");
    client.send(&["EVAL", script, "1", "key", "value"]);
    let said = lines(&mut client);
    (client, said)
}

/// The lines of the next reply.
fn lines(client: &mut Client) -> String {
    let reply = client.reply();
    let Value::Array(items) = &reply else {
        panic!("not an array: {reply:?}");
    };
    let lines: Vec<String> = items.iter().map(Value::text).collect();
    lines.join("|")
}

/// The reply of the debugger.
fn ask(client: &mut Client, words: &[&str]) -> String {
    client.send(words);
    lines(client)
}

#[test]
fn a_script_goes_step_by_step() {
    let (server, _) = server_and_client();
    let (mut user, said) = debug(&server, "YES", SCRIPT);
    assert_eq!(
        said,
        "* Stopped at 1, stop reason = step over|-> 1   local a = {1, 'x'}"
    );
    assert!(ask(&mut user, &["s"]).contains("-> 2 "));
    assert_eq!(ask(&mut user, &["p", "a"]), "<value> {1; \"x\"}");
    assert_eq!(ask(&mut user, &["print", "ARGV"]), "<value> {\"value\"}");
    let said = ask(&mut user, &["next"]);
    assert!(said.starts_with("<redis> SET key value|<reply> \"+OK\"|* Stopped at 6"));
    assert!(ask(&mut user, &["b", "4"]).contains("|  #4     local inner = n + 1|"));
    assert!(ask(&mut user, &["c"]).starts_with("* Stopped at 4, stop reason = break point"));
    assert_eq!(ask(&mut user, &["p"]), "<value> n = 5");
    let trace = ask(&mut user, &["t"]);
    assert_eq!(
        trace,
        "In f:|->#4     local inner = n + 1|From top level:|   7   local c = f(5)"
    );
    assert_eq!(ask(&mut user, &["e", "1", "+", "1"]), "<retval> 2");
    let said = ask(&mut user, &["r", "GET", "key"]);
    assert_eq!(said, "<redis> GET key|<reply> \"value\"");
    let said = ask(&mut user, &["c"]);
    assert!(said.starts_with("* Stopped at 9, stop reason = redis.breakpoint() called"));
    assert_eq!(ask(&mut user, &["c"]), "<endsession>");
    let answer = [Value::Int(6), bulk("x")];
    assert_eq!(user.reply(), Value::Array(answer.to_vec()));
    assert!(is_closed(&mut user));
}

#[test]
fn a_child_leaves_the_data_alone_and_sync_does_not() {
    let (server, mut other) = server_and_client();
    let (mut user, _) = debug(&server, "YES", SCRIPT);
    // Others are served meanwhile.
    assert_eq!(text(&mut other, "PING"), "PONG");
    ask(&mut user, &["c"]);
    ask(&mut user, &["c"]);
    assert!(user.read_to_end().is_ok());
    assert_eq!(text(&mut other, "EXISTS key"), "0");

    let (mut user, _) = debug(&server, "SYNC", SCRIPT);
    ask(&mut user, &["c"]);
    ask(&mut user, &["c"]);
    assert!(user.read_to_end().is_ok());
    assert_eq!(text(&mut other, "GET key"), "value");
    server.wait_for_log("Redis synchronous debugging eval session ended");
    server.wait_for_log("Lua debugging session child exiting");
}

#[test]
fn a_flush_in_a_child_keeps_the_files_of_the_parent() {
    let server = Server::ours()
        .with(&["--save", "3600 1", "--enable-debug-command", "yes"])
        .start();
    let mut other = server.client();
    other.run("SET key value");
    assert_eq!(text(&mut other, "SAVE"), "OK");
    let (mut user, _) = debug(&server, "YES", "return redis.call('FLUSHALL')");
    assert_eq!(ask(&mut user, &["c"]), "<endsession>");
    assert_eq!(user.reply().text(), "OK");
    assert_eq!(text(&mut other, "DEBUG RELOAD NOSAVE"), "OK");
    assert_eq!(text(&mut other, "GET key"), "value");
}

#[test]
fn a_session_ends_by_abort_by_nonsense_and_by_leaving() {
    let (server, mut other) = server_and_client();
    let (mut user, _) = debug(&server, "SYNC", SCRIPT);
    assert_eq!(ask(&mut user, &["abort"]), "<endsession>");
    let error = user.reply().text();
    assert!(error.starts_with("ERR script aborted for user request script: "));
    let (mut user, _) = debug(&server, "SYNC", SCRIPT);
    user.send_raw(b"nonsense\r\n").expect("the server listens");
    assert_eq!(lines(&mut user), "<endsession>");
    assert!(
        user.reply()
            .text()
            .starts_with("ERR protocol error script: ")
    );
    // After its user disconnected a script runs to its end.
    let (user, _) = debug(&server, "SYNC", "return redis.call('SET', 'late', 1)");
    drop(user);
    wait_until("the script has run", || {
        text(&mut other, "EXISTS late") == "1"
    });
}

#[test]
fn a_loop_is_asked_about() {
    let server = Server::ours()
        .with(&["--busy-reply-threshold", "50"])
        .start();
    let (mut user, _) = debug(&server, "YES", "while true do end");
    let said = ask(&mut user, &["c"]);
    assert!(said.contains("stop reason = timeout reached, infinite loop?"));
    assert_eq!(ask(&mut user, &["a"]), "<endsession>");
}

#[test]
fn a_loop_of_the_user_ends() {
    for mode in ["YES", "SYNC"] {
        let server = Server::ours()
            .with(&["--busy-reply-threshold", "50"])
            .start();
        let (mut user, _) = debug(&server, mode, SCRIPT);
        for code in [
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "while true do coroutine.wrap(function() while true do end end)() end",
        ] {
            let said = ask(&mut user, &["e", code]);
            let ended =
                said.starts_with("<error>") && said.ends_with("timeout reached, infinite loop?");
            assert!(ended, "{code}: {said}");
        }
        assert_eq!(ask(&mut user, &["e", "1", "+", "1"]), "<retval> 2");
        assert!(ask(&mut user, &["c"]).starts_with("* Stopped at 9"));
        assert_eq!(ask(&mut user, &["c"]), "<endsession>");
        assert!(user.read_to_end().is_ok());
        assert_eq!(text(&mut server.client(), "PING"), "PONG");
    }
}

#[test]
fn debugging_has_its_conditions() {
    let (_server, mut client) = server_and_client();
    let both = ["PING\r\n", "SCRIPT DEBUG YES\r\n"].concat();
    client
        .send_raw(both.as_bytes())
        .expect("the server listens");
    assert_eq!(client.reply().text(), "PONG");
    let error = client.reply().text();
    assert_eq!(error, "ERR SCRIPT DEBUG must be called outside a pipeline");
    let error = text(&mut client, "SCRIPT DEBUG maybe");
    assert_eq!(error, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
    assert_eq!(text(&mut client, "SCRIPT DEBUG YES"), "OK");
    let sha = "a".repeat(40);
    let error = client.call(&["EVALSHA", &sha, "0"]).text();
    assert_eq!(
        error,
        "ERR Please use EVAL instead of EVALSHA for debugging"
    );
    assert_eq!(text(&mut client, "SCRIPT DEBUG NO"), "OK");
    assert_eq!(client.call(&["EVAL", "return 1", "0"]), Value::Int(1));
}

#[test]
fn sessions_in_children_end_with_the_server() {
    let (mut server, _) = server_and_client();
    let (mut user, _) = debug(&server, "YES", SCRIPT);
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(server.log().contains("Killing debugging session"));
    assert!(is_closed(&mut user));
}
