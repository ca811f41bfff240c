//! HELLO, AUTH, SELECT, RESET, PING and ECHO.

use super::support::client::Value;
use super::{server_and_client, text};
use crate::support::server::Server;

#[test]
fn hello_describes_the_server() {
    let (_server, mut client) = server_and_client();
    let hello = client.run("HELLO");
    assert_eq!(hello.items().len(), 14);
    for (name, value) in [
        ("server", "redis"),
        ("version", "8.10.2"),
        ("proto", "2"),
        ("mode", "standalone"),
        ("role", "master"),
    ] {
        assert_eq!(hello.field(name).map(|v| v.text()).as_deref(), Some(value));
    }
}

#[test]
fn hello_chooses_the_protocol() {
    let (_server, mut client) = server_and_client();
    assert_eq!(client.run("GET none"), Value::NilBulk);
    assert!(matches!(client.run("HELLO 3"), Value::Map(_)));
    assert_eq!(client.run("GET none"), Value::Null);
    assert!(matches!(client.run("HELLO"), Value::Map(_)));
    assert!(matches!(client.run("HELLO 2"), Value::Array(_)));
    assert_eq!(client.run("GET none"), Value::NilBulk);
}

#[test]
fn hello_refuses_unknown_versions_and_options() {
    let (_server, mut client) = server_and_client();
    for (line, error) in [
        ("HELLO 4", "NOPROTO unsupported protocol version"),
        (
            "HELLO x",
            "ERR Protocol version is not an integer or out of range",
        ),
        ("HELLO 3 AUTH a", "ERR Syntax error in HELLO option 'AUTH'"),
        (
            "HELLO 3 SETNAME",
            "ERR Syntax error in HELLO option 'SETNAME'",
        ),
        ("HELLO 3 WHAT", "ERR Syntax error in HELLO option 'WHAT'"),
    ] {
        assert_eq!(text(&mut client, line), error);
    }
    let refused = text(&mut client, "HELLO 3 SETNAME n AUTH nobody x");
    assert_eq!(
        refused,
        "WRONGPASS invalid username-password pair or user is disabled."
    );
    // Nothing of it took effect.
    assert_eq!(client.run("CLIENT GETNAME"), Value::NilBulk);
}

#[test]
fn a_password_is_required() {
    let server = Server::ours().with(&["--requirepass", "sesame"]).start();
    let mut client = server.client();
    assert_eq!(text(&mut client, "PING"), "NOAUTH Authentication required.");
    assert!(text(&mut client, "HELLO 3").starts_with("NOAUTH HELLO must be called"));
    assert!(text(&mut client, "NOSUCH").starts_with("ERR unknown command"));
    assert!(text(&mut client, "AUTH wrong").starts_with("WRONGPASS"));
    assert_eq!(text(&mut client, "AUTH sesame"), "OK");
    assert_eq!(text(&mut client, "PING"), "PONG");
    assert_eq!(text(&mut client, "RESET"), "RESET");
    assert_eq!(text(&mut client, "PING"), "NOAUTH Authentication required.");
    assert!(matches!(
        client.run("HELLO 3 AUTH default sesame"),
        Value::Map(_)
    ));
    assert_eq!(text(&mut client, "PING"), "PONG");
}

#[test]
fn strangers_may_not_claim_much() {
    let server = Server::ours().with(&["--requirepass", "sesame"]).start();
    for bytes in [&b"*11\r\n"[..], b"*1\r\n$16385\r\n"] {
        let mut client = server.client();
        client.send_raw(bytes).expect("the server reads");
        let said = client.read_to_end().expect("the server closes");
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("Protocol error: unauthenticated"), "{said}");
    }
}

#[test]
fn auth_in_a_pipeline_counts_for_what_follows() {
    let server = Server::ours().with(&["--requirepass", "sesame"]).start();
    let mut client = server.client();
    client
        .send_raw(b"PING\r\nAUTH sesame\r\nPING\r\n*12\r\n$4\r\nMGET\r\n")
        .expect("the server reads");
    for _ in 0..11 {
        client.send_raw(b"$1\r\nk\r\n").expect("the server reads");
    }
    let replies = [(); 3].map(|()| client.reply().text());
    assert_eq!(replies, ["NOAUTH Authentication required.", "OK", "PONG"]);
    assert_eq!(client.reply().items().len(), 11);
}

#[test]
fn without_a_password_auth_is_a_mistake() {
    let (_server, mut client) = server_and_client();
    let said = text(&mut client, "AUTH x");
    assert!(
        said.starts_with("ERR AUTH <password> called without any password"),
        "{said}"
    );
    assert_eq!(text(&mut client, "AUTH default x"), "OK");
    assert_eq!(text(&mut client, "AUTH a b c"), "ERR syntax error");
}

#[test]
fn databases_are_apart() {
    let (_server, mut client) = server_and_client();
    client.run("SET k zero");
    assert_eq!(text(&mut client, "SELECT 9"), "OK");
    assert_eq!(client.run("GET k"), Value::NilBulk);
    for (line, error) in [
        ("SELECT 16", "ERR DB index is out of range"),
        ("SELECT -1", "ERR DB index is out of range"),
        ("SELECT x", "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(text(&mut client, line), error);
    }
    assert_eq!(text(&mut client, "RESET"), "RESET");
    assert_eq!(text(&mut client, "GET k"), "zero");
}

#[test]
fn reset_clears_the_state_of_the_connection() {
    let (_server, mut client) = server_and_client();
    for line in [
        "HELLO 3 SETNAME me",
        "CLIENT NO-EVICT on",
        "CLIENT NO-TOUCH on",
        "SELECT 3",
    ] {
        assert!(!client.run(line).is_error());
    }
    assert_eq!(text(&mut client, "RESET"), "RESET");
    let info = text(&mut client, "CLIENT INFO");
    for (name, value) in [("name", ""), ("flags", "N"), ("db", "0"), ("resp", "2")] {
        assert_eq!(super::field(&info, name), value);
    }
}

#[test]
fn ping_and_echo() {
    let (_server, mut client) = server_and_client();
    assert_eq!(client.run("PING"), Value::Simple(b"PONG".to_vec()));
    assert_eq!(client.run("PING there"), super::bulk("there"));
    assert_eq!(client.run("ECHO there"), super::bulk("there"));
    let error = "ERR wrong number of arguments for 'ping' command";
    assert_eq!(text(&mut client, "PING a b"), error);
}
