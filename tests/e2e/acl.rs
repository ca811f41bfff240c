//! ACL: users at work, over real connections.

use super::support::arguments::Drawer;
use super::support::client::{Client, Value};
use super::support::server::Server;
use super::{field, is_closed, server_and_client, text};
use redwheel::testing::command::spec::{BLOCKING, Entry, MODULE, Spec};

/// A connection authenticated as this user without a password.
fn as_user(server: &Server, name: &str) -> Client {
    let mut client = server.client();
    assert_eq!(text(&mut client, &format!("AUTH {name} any")), "OK");
    client
}

/// The values of some fields of the newest entries of ACL LOG.
fn refusals(admin: &mut Client, count: usize) -> Vec<String> {
    let entries = admin.run(&format!("ACL LOG {count}")).items();
    let told = entries.iter().map(|entry| {
        let fields = ["count", "reason", "context", "object", "username"];
        let fields = fields.map(|name| entry.field(name).map_or("?".into(), |v| v.text()));
        fields.join(" ")
    });
    told.collect()
}

#[test]
fn users_are_made_changed_and_shown() {
    let (_server, mut client) = server_and_client();
    assert_eq!(text(&mut client, "ACL WHOAMI"), "default");
    assert_eq!(text(&mut client, "ACL SETUSER bob on +get ~a*"), "OK");
    assert_eq!(text(&mut client, "ACL SETUSER bob +set %R~b"), "OK");
    let listed: Vec<String> = client
        .run("ACL LIST")
        .items()
        .iter()
        .map(Value::text)
        .collect();
    let bob = "user bob on sanitize-payload ~a* %R~b resetchannels -@all +get +set";
    let default = "user default on nopass sanitize-payload ~* &* +@all";
    assert_eq!(listed, [bob, default]);
    let shown = client.run("ACL GETUSER bob");
    assert_eq!(
        shown.field("keys").map(|v| v.text()),
        Some("~a* %R~b".into())
    );
    assert_eq!(client.run("ACL GETUSER nobody"), Value::NilBulk);
    assert_eq!(client.run("ACL DELUSER bob nobody"), Value::Int(1));
    let error = text(&mut client, "ACL DELUSER default");
    assert_eq!(error, "ERR The 'default' user cannot be removed");
}

#[test]
fn the_log_shows_how_much_a_transaction_had_replied() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +@all ~*");
    let mut bob = as_user(&server, "bob");
    for line in ["MULTI", "ECHO hello", "GET a", "GET b"] {
        assert!(!bob.run(line).is_error(), "{line}");
    }
    admin.run("ACL SETUSER bob resetkeys");
    let replies = bob.run("EXEC").items();
    let refusal = format!("-{}\r\n", replies[1].text());
    assert!(
        refusal.starts_with("-NOPERM ACLs rules changed"),
        "{refusal}"
    );
    // The newest entry comes first.
    let owed = admin.run("ACL LOG 2").items();
    let owed: Vec<usize> = owed
        .iter()
        .map(|entry| entry.field("client-info").expect("named").text())
        .map(|line| field(&line, "obl").parse().expect("a length"))
        .collect();
    let before = "*3\r\n$5\r\nhello\r\n".len();
    assert_eq!(owed, [before + refusal.len(), before]);
}

#[test]
fn denied_commands_are_refused_and_logged() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +get +publish +client|id ~a* &news");
    let mut bob = as_user(&server, "bob");
    for (line, answer) in [
        ("GET a1", "NilBulk"),
        ("GET b1", "NOPERM No permissions to access a key"),
        (
            "PUBLISH other x",
            "NOPERM No permissions to access a channel",
        ),
        (
            "SET a1 x",
            "NOPERM User bob has no permissions to run the 'set' command",
        ),
        (
            "CLIENT LIST",
            "NOPERM User bob has no permissions to run the 'client|list' command",
        ),
        ("GET", "ERR wrong number of arguments for 'get' command"),
    ] {
        assert_eq!(text(&mut bob, line), answer, "{line}");
    }
    assert_eq!(bob.run("PUBLISH news x"), Value::Int(0));
    let expected = [
        "1 command toplevel client|list bob",
        "1 command toplevel set bob",
        "1 channel toplevel other bob",
        "1 key toplevel b1 bob",
    ];
    assert_eq!(refusals(&mut admin, 10), expected);
    let stats = text(&mut admin, "INFO stats");
    assert!(stats.contains("acl_access_denied_cmd:2") && stats.contains("denied_key:1"));
    let errors = text(&mut admin, "INFO errorstats");
    assert!(errors.contains("errorstat_NOPERM:count=4"), "{errors}");
}

#[test]
fn wrong_passwords_are_logged_and_grouped() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on >secret");
    let mut client = server.client();
    for _ in 0..2 {
        assert!(text(&mut client, "AUTH bob wrong").starts_with("WRONGPASS"));
    }
    assert!(text(&mut client, "HELLO 3 AUTH bob wrong").starts_with("WRONGPASS"));
    assert_eq!(text(&mut client, "AUTH bob secret"), "OK");
    let expected = ["1 auth toplevel HELLO bob", "2 auth toplevel AUTH bob"];
    assert_eq!(refusals(&mut admin, 10), expected);
    assert_eq!(text(&mut admin, "ACL LOG RESET"), "OK");
    assert!(refusals(&mut admin, 10).is_empty());
}

#[test]
fn queued_commands_are_checked_again() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +@all ~*");
    let mut bob = as_user(&server, "bob");
    for line in ["MULTI", "SET k v", "PING"] {
        bob.run(line);
    }
    admin.run("ACL SETUSER bob -set");
    let answers = bob.run("EXEC").items();
    let why = "no permission to execute the command or subcommand";
    assert!(answers[0].text().ends_with(why), "{answers:?}");
    assert_eq!(answers[1].text(), "PONG");
    assert_eq!(refusals(&mut admin, 1), ["1 command multi set bob"]);
    bob.run("MULTI");
    assert!(text(&mut bob, "SET k v").starts_with("NOPERM"));
    assert!(text(&mut bob, "EXEC").starts_with("EXECABORT"));
}

#[test]
fn scripts_may_do_what_their_caller_may() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +eval +get ~a");
    let mut bob = as_user(&server, "bob");
    let mut eval = |code: &str| bob.call(&["EVAL", code, "0"]).text();
    let refused = eval("return redis.pcall('get', 'b')");
    assert_eq!(
        refused,
        "ERR ACL failure in script: No permissions to access a key"
    );
    assert_eq!(
        eval("return tostring(redis.acl_check_cmd('get', 'a'))"),
        "true"
    );
    assert_eq!(
        eval("return tostring(redis.acl_check_cmd('get', 'b'))"),
        "false"
    );
    assert_eq!(
        eval("return tostring(redis.acl_check_cmd('set', 'a', 1))"),
        "false"
    );
    assert_eq!(refusals(&mut admin, 10), ["1 key lua b bob"]);
}

#[test]
fn who_is_deleted_is_disconnected() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +@all");
    let mut bob = as_user(&server, "bob");
    let line = text(&mut bob, "CLIENT INFO");
    assert_eq!(field(&line, "user"), "bob");
    assert_eq!(admin.run("ACL DELUSER bob"), Value::Int(1));
    assert!(is_closed(&mut bob));
    admin.run("ACL SETUSER eve on nopass +@all");
    let mut eve = as_user(&server, "eve");
    assert_eq!(eve.run("ACL DELUSER eve"), Value::Int(1));
    assert!(is_closed(&mut eve));
}

#[test]
fn subscribers_without_permission_are_disconnected() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +@all &a* &b");
    let (mut first, mut second) = (as_user(&server, "bob"), as_user(&server, "bob"));
    first.run("SUBSCRIBE abc");
    second.run("SUBSCRIBE b");
    admin.run("ACL SETUSER bob resetchannels &a* &c");
    assert!(is_closed(&mut second));
    assert_eq!(first.run("PING").items().len(), 2);
}

#[test]
fn a_blocked_command_is_checked_when_it_is_served() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +@all ~*");
    let mut bob = as_user(&server, "bob");
    bob.send(&["BLPOP", "l", "0"]);
    while !text(&mut admin, "INFO clients").contains("blocked_clients:1") {
        std::thread::yield_now();
    }
    admin.run("ACL SETUSER bob resetkeys ~other");
    assert_eq!(admin.run("RPUSH l x"), Value::Int(1));
    assert_eq!(bob.reply().text(), "NOPERM No permissions to access a key");
    assert_eq!(admin.run("LLEN l"), Value::Int(1));
}

#[test]
fn the_default_user_can_be_closed_and_opened() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER default >secret");
    let mut late = server.client();
    assert!(text(&mut late, "PING").starts_with("NOAUTH"));
    assert_eq!(text(&mut admin, "PING"), "PONG");
    assert_eq!(text(&mut late, "AUTH secret"), "OK");
    assert_eq!(text(&mut late, "RESET"), "RESET");
    assert!(text(&mut late, "PING").starts_with("NOAUTH"));
    admin.run("ACL SETUSER default nopass -flushall");
    assert_eq!(text(&mut late, "PING"), "PONG");
    for client in [&mut late, &mut admin] {
        assert!(text(client, "FLUSHALL").starts_with("NOPERM User default"));
    }
}

#[test]
fn sort_may_not_read_keys_that_are_not_arguments() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +@all ~l (%R~* +sort_ro)");
    admin.run("RPUSH l 1 2");
    let mut bob = as_user(&server, "bob");
    let denied =
        |what| format!("ERR {what} option of SORT denied due to insufficient ACL permissions.");
    assert_eq!(text(&mut bob, "SORT l BY w*"), denied("BY"));
    assert_eq!(text(&mut bob, "SORT l GET w*"), denied("GET"));
    assert_eq!(bob.run("SORT l").items().len(), 2);
    assert_eq!(bob.run("SORT_RO l GET w*").items().len(), 2);
}

#[test]
fn users_of_the_configuration_and_of_the_command_line() {
    let server = Server::ours()
        .config("user alice on nopass +@read ~a (+set ~b)\nuser default on nopass +@all ~* &* -flushall")
        .with(&["--user", "bob", "off", "+get"])
        .start();
    let mut client = server.client();
    let listed: Vec<String> = client
        .run("ACL LIST")
        .items()
        .iter()
        .map(Value::text)
        .collect();
    assert_eq!(listed.len(), 3);
    assert_eq!(
        listed[0],
        "user alice on nopass sanitize-payload ~a resetchannels -@all +@read (~b resetchannels -@all +set)"
    );
    assert!(text(&mut client, "FLUSHALL").starts_with("NOPERM"));
    assert!(server.log().contains("The user 'bob' is disabled"));
    assert_eq!(text(&mut client, "ACL SETUSER carol on >x"), "OK");
    assert_eq!(text(&mut client, "CONFIG REWRITE"), "OK");
    let written = std::fs::read_to_string(server.path().join("redis.conf"));
    let written = written.expect("the configuration of the server");
    assert!(
        written.contains("\nuser carol on sanitize-payload #"),
        "{written}"
    );
}

#[test]
fn a_file_of_users_is_read_written_and_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.acl");
    std::fs::write(&path, "user alice on nopass +@all ~* &*\n").expect("it is written");
    let file = path.to_str().expect("a plain name");
    let server = Server::ours().with(&["--aclfile", file]).start();
    let mut admin = server.client();
    let mut alice = as_user(&server, "alice");
    admin.run("ACL SETUSER bob on nopass +@all");
    let mut bob = as_user(&server, "bob");
    assert_eq!(text(&mut admin, "ACL LOAD"), "OK");
    assert_eq!(text(&mut alice, "PING"), "PONG");
    assert!(is_closed(&mut bob), "bob is in no file");
    admin.run("ACL SETUSER eve on +get");
    assert_eq!(text(&mut admin, "ACL SAVE"), "OK");
    let written = std::fs::read_to_string(&path).expect("it is there");
    assert!(written.contains("user eve on sanitize-payload resetchannels -@all +get\n"));
    std::fs::write(&path, "user alice +nosuch\n").expect("it is written");
    let error = text(&mut admin, "ACL LOAD");
    assert!(
        error.contains("users.acl:1: Error in applying operation '+nosuch'"),
        "{error}"
    );
    assert_eq!(admin.run("ACL USERS").items().len(), 3);
}

#[test]
fn passwords_are_made_and_categories_listed() {
    let (_server, mut client) = server_and_client();
    let (one, two) = (
        text(&mut client, "ACL GENPASS"),
        text(&mut client, "ACL GENPASS"),
    );
    assert!(one.len() == 64 && one != two, "{one} {two}");
    assert_eq!(text(&mut client, "ACL GENPASS 5").len(), 2);
    assert_eq!(client.run("ACL CAT").items().len(), 22);
    let listed = client.run("ACL CAT scripting").items();
    assert!(listed.iter().any(|name| name.text() == "eval"));
    assert_eq!(
        text(&mut client, "ACL CAT nosuch"),
        "ERR Unknown category 'nosuch'"
    );
    assert_eq!(text(&mut client, "ACL DRYRUN default GET x"), "OK");
    assert_eq!(
        text(&mut client, "ACL DRYRUN nobody GET x"),
        "ERR User 'nobody' not found"
    );
}

/// Names, keys and declarations of all commands that name keys, as lines to put arguments behind.
fn commands_with_keys() -> Vec<(Vec<&'static str>, &'static Spec)> {
    fn walk<F>(table: &'static [Entry<F>], out: &mut Vec<(Vec<&'static str>, &'static Spec)>) {
        for entry in table {
            let mut add = |name: Vec<&'static str>, spec: &'static Spec| {
                // Vector sets do not exist yet, and a wait would be long.
                if !spec.keys.is_empty() && !spec.flags.has(MODULE) && !spec.flags.has(BLOCKING) {
                    out.push((name, spec));
                }
            };
            add(vec![entry.spec.name], &entry.spec);
            for sub in entry.subcommands {
                add(vec![entry.spec.name, sub.spec.name], &sub.spec);
            }
        }
    }
    let mut out = Vec::new();
    let data = redwheel::testing::commands::TABLES.iter();
    data.for_each(|table| walk(table, &mut out));
    let server = redwheel::testing::server::commands::TABLES.iter();
    server.for_each(|table| walk(table, &mut out));
    out
}

/// A value of each type under keys with this first letter; members that begin with `mark`.
fn fill(client: &mut Client, letter: &str, mark: &str) {
    for line in [
        format!("SET {letter}1 {mark}1"),
        format!("RPUSH {letter}2 {mark}1 {mark}2"),
        format!("SADD {letter}3 {mark}1 {mark}2"),
        format!("HSET {letter}4 a {mark}1 {mark}b 2"),
        format!("ZADD {letter}5 1 {mark}1 2 {mark}2"),
        format!("GEOADD {letter}6 13.4 1 {mark}a 1 1 {mark}b"),
        format!("XADD {letter}7 5-1 {mark}a 1"),
        format!("XGROUP CREATE {letter}7 g 0"),
    ] {
        let reply = client.run(&line);
        assert!(!matches!(reply, Value::Error(_)), "{line}: {reply:?}");
    }
}

#[test]
fn no_arguments_lead_to_keys_that_are_not_allowed() {
    const KEYS: &[&str] = &["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"];
    const SECRET: &[&str] = &["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8"];
    let all = [KEYS, KEYS, SECRET].concat();
    let server = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    let mut admin = server.client();
    // The second user may use keys that have the names of options.
    admin.run("ACL SETUSER narrow on nopass +@all ~k*");
    admin.run("ACL SETUSER wide on nopass +@all ~[^v]*");
    let mut users = ["narrow", "wide"].map(|name| as_user(&server, name));
    let digests = |admin: &mut Client| -> Vec<String> {
        let line = format!("DEBUG DIGEST-VALUE {}", SECRET.join(" "));
        admin.run(&line).items().iter().map(Value::text).collect()
    };
    let (mut denied, mut fine) = (0, 0);
    for (number, (name, spec)) in commands_with_keys().into_iter().enumerate() {
        admin.run("FLUSHALL");
        fill(&mut admin, "k", "m");
        fill(&mut admin, "v", "secret");
        let before = digests(&mut admin);
        assert_eq!(before.len(), SECRET.len());
        let mut drawer = Drawer::new(spec.usage, &all, number as u64);
        let mut said = Vec::new();
        // Where options name keys there is more to go wrong.
        let rounds = if spec.find.is_some() { 3000 } else { 100 };
        for round in 0..rounds {
            let words = name.iter().map(|word| (*word).to_owned());
            let line: Vec<String> = words.chain(drawer.draw()).collect();
            let user = &mut users[round % 2];
            user.send(&line);
            let reply = user.reply_raw().expect("the server replies");
            let reply = String::from_utf8_lossy(&reply);
            denied += usize::from(reply.contains("NOPERM"));
            fine += usize::from(!reply.starts_with('-'));
            assert!(!reply.contains("secret"), "{line:?} reveals {reply}");
            said.push(line);
        }
        assert_eq!(
            digests(&mut admin),
            before,
            "one of these changed a key: {said:?}"
        );
    }
    assert!(denied > 1000 && fine > 1000, "{denied} refused, {fine} ran");
}

#[test]
fn the_last_of_several_destinations_is_checked() {
    let (server, mut admin) = server_and_client();
    admin.run("ACL SETUSER bob on nopass +@all ~k* ~STREAMS ~GET");
    admin.run("GEOADD k3 1 1 m");
    admin.run("RPUSH k l");
    admin.run("SET victim x");
    admin.run("XADD v 1-1 secret 1");
    admin.run("XGROUP CREATE v k 0");
    let mut bob = as_user(&server, "bob");
    for line in [
        "GEORADIUS k3 1 1 100 km STORE k4 STORE victim",
        "GEORADIUS k3 1 1 100 km STORE k4 STOREDIST victim",
        "GEORADIUSBYMEMBER k3 m 100 km STOREDIST k4 STORE victim",
        "SORT k ALPHA STORE GET STORE victim",
        "SORT k ALPHA STORE k STORE victim",
        "XREADGROUP GROUP g c GROUP STREAMS k STREAMS v >",
        "XREADGROUP COUNT 1 GROUP k STREAMS STREAMS v >",
        "PFMERGE victim",
    ] {
        let refused = "NOPERM No permissions to access a key";
        assert_eq!(text(&mut bob, line), refused, "{line}");
    }
    assert_eq!(text(&mut admin, "GET victim"), "x");
    // What is written by another name was never in danger.
    let line = "GEORADIUS k3 1 1 100 km STORE victim STORE k4";
    assert_eq!(bob.run(line), Value::Int(1));
    assert_eq!(text(&mut admin, "GET victim"), "x");
    let dry = admin.call(&[
        "ACL", "DRYRUN", "bob", "MIGRATE", "h", "1", "", "0", "1", "KEYS",
    ]);
    let denied = "User bob has no permissions to access the '' key";
    assert_eq!(dry.text(), denied);
}

#[test]
fn rules_name_every_command_of_redis() {
    let (_server, mut admin) = server_and_client();
    let rules = "ACL SETUSER exporter +cluster|info -vadd +cluster -cluster|reset";
    assert_eq!(text(&mut admin, rules), "OK");
    let user = admin.run("ACL GETUSER exporter");
    let commands = user.field("commands").map(|v| v.text());
    let expected = "-@all -vadd +cluster -cluster|reset";
    assert_eq!(commands.as_deref(), Some(expected));
    let disabled = "ERR This instance has cluster support disabled";
    for line in ["CLUSTER INFO", "CLUSTER HELP", "CLUSTER KEYSLOT a"] {
        assert_eq!(text(&mut admin, line), disabled, "{line}");
    }
    let unknown = "ERR unknown subcommand 'nosuch'. Try CLUSTER HELP.";
    assert_eq!(text(&mut admin, "CLUSTER nosuch"), unknown);
    assert!(text(&mut admin, "VADD k x").starts_with("ERR unknown command 'VADD'"));
}
