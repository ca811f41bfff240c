//! CLIENT: names, lists, kills, replies.

use super::support::client::Value;
use super::{field, id, is_closed, server_and_client, text};

#[test]
fn a_line_has_every_field_in_its_order() {
    let (_server, mut client) = server_and_client();
    let line = text(&mut client, "CLIENT INFO");
    let names: Vec<&str> = line
        .split_whitespace()
        .filter_map(|w| w.split('=').next())
        .collect();
    let expected = "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf \
        qbuf-free argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp \
        lib-name lib-ver io-thread tot-net-in tot-net-out tot-cmds read-events \
        avg-pipeline-len-sum avg-pipeline-len-cnt";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    for (name, value) in [
        ("qbuf", "26"),
        ("argv-mem", "10"),
        ("multi", "-1"),
        ("cmd", "client|info"),
        ("user", "default"),
        ("redir", "-1"),
        ("events", "r"),
        ("read-events", "1"),
        ("avg-pipeline-len-sum", "1"),
        ("avg-pipeline-len-cnt", "1"),
    ] {
        assert_eq!(field(&line, name), value, "{name}");
    }
}

#[test]
fn the_list_holds_all_clients_in_the_order_of_arrival() {
    let (server, mut first) = server_and_client();
    let mut second = server.client();
    let mut third = server.client();
    let ids = [id(&mut first), id(&mut second), id(&mut third)];
    assert!(ids.is_sorted());
    let listed: Vec<i64> = text(&mut second, "CLIENT LIST")
        .lines()
        .map(|line| field(line, "id").parse().expect("an id is a number"))
        .collect();
    assert_eq!(listed, ids);
    let asked = format!("CLIENT LIST ID {} {} 999 {}", ids[2], ids[1], ids[2]);
    assert_eq!(text(&mut first, &asked).lines().count(), 3);
    assert_eq!(
        text(&mut first, "CLIENT LIST TYPE normal").lines().count(),
        3
    );
    assert_eq!(text(&mut first, "CLIENT LIST TYPE replica"), "");
    assert_eq!(
        text(&mut first, "CLIENT LIST TYPE x"),
        "ERR Unknown client type 'x'"
    );
    assert_eq!(
        text(&mut first, "CLIENT LIST ID x"),
        "ERR Invalid client ID"
    );
}

#[test]
fn names_have_no_blanks() {
    let (_server, mut client) = server_and_client();
    assert_eq!(client.run("CLIENT GETNAME"), Value::NilBulk);
    assert_eq!(text(&mut client, "CLIENT SETNAME me"), "OK");
    let error = "ERR Client names cannot contain spaces, newlines or special characters.";
    for name in ["a b", "a\nb", "\u{e9}"] {
        assert_eq!(client.call(&["CLIENT", "SETNAME", name]).text(), error);
    }
    assert_eq!(text(&mut client, "CLIENT GETNAME"), "me");
    assert_eq!(client.call(&["CLIENT", "SETNAME", ""]).text(), "OK");
    assert_eq!(client.run("CLIENT GETNAME"), Value::NilBulk);
}

#[test]
fn a_library_sets_its_name() {
    let (_server, mut client) = server_and_client();
    assert_eq!(text(&mut client, "CLIENT SETINFO lib-name redis-py"), "OK");
    assert_eq!(text(&mut client, "CLIENT SETINFO LIB-VER 1.2.3"), "OK");
    let line = text(&mut client, "CLIENT INFO");
    assert_eq!(
        (field(&line, "lib-name"), field(&line, "lib-ver")),
        ("redis-py".into(), "1.2.3".into())
    );
    assert_eq!(
        text(&mut client, "CLIENT SETINFO x y"),
        "ERR Unrecognized option 'x'"
    );
}

#[test]
fn clients_are_killed_by_their_properties() {
    let (server, mut client) = server_and_client();
    let killers: [fn(&str) -> String; 4] = [
        |line| format!("CLIENT KILL {}", field(line, "addr")),
        |line| format!("CLIENT KILL ADDR {}", field(line, "addr")),
        |line| format!("CLIENT KILL ID {}", field(line, "id")),
        |line| {
            format!(
                "CLIENT KILL TYPE normal USER default ID {} SKIPME yes",
                field(line, "id")
            )
        },
    ];
    for kill in killers {
        let mut victim = server.client();
        let line = text(&mut victim, "CLIENT INFO");
        let said = text(&mut client, &kill(&line));
        assert!(said == "1" || said == "OK", "{said}");
        assert!(is_closed(&mut victim));
        assert_eq!(text(&mut client, "CLIENT LIST").lines().count(), 1);
    }
    assert_eq!(
        text(&mut client, "CLIENT KILL 1.2.3.4:5"),
        "ERR No such client"
    );
    assert_eq!(text(&mut client, "CLIENT KILL ID 999"), "0");
}

#[test]
fn the_caller_is_spared_unless_skipme_is_no() {
    let (_server, mut client) = server_and_client();
    let me = id(&mut client);
    assert_eq!(text(&mut client, &format!("CLIENT KILL ID {me}")), "0");
    client
        .send_raw(format!("CLIENT KILL ID {me} SKIPME no\r\nPING\r\n").as_bytes())
        .expect("the server reads");
    let all = client.read_to_end().expect("the server closes");
    assert_eq!(String::from_utf8_lossy(&all), ":1\r\n");
}

#[test]
fn kill_reports_errors() {
    let (_server, mut client) = server_and_client();
    for (line, error) in [
        ("CLIENT KILL ID x", "ERR client-id should be greater than 0"),
        ("CLIENT KILL TYPE x", "ERR Unknown client type 'x'"),
        ("CLIENT KILL USER x", "ERR No such user 'x'"),
        (
            "CLIENT KILL MAXAGE x",
            "ERR maxage is not an integer or out of range",
        ),
        (
            "CLIENT KILL MAXAGE 0",
            "ERR maxage should be greater than 0",
        ),
        ("CLIENT KILL SKIPME x", "ERR syntax error"),
        ("CLIENT KILL ID 1 ADDR", "ERR syntax error"),
    ] {
        assert_eq!(text(&mut client, line), error);
    }
}

#[test]
fn replies_can_be_turned_off() {
    let (_server, mut client) = server_and_client();
    client
        .send_raw(b"CLIENT REPLY OFF\r\nSET k v\r\nNOSUCH\r\nCLIENT REPLY SKIP\r\nPING\r\n")
        .expect("the server reads");
    assert_eq!(text(&mut client, "CLIENT REPLY ON"), "OK");
    assert_eq!(text(&mut client, "GET k"), "v");
}

#[test]
fn one_reply_can_be_skipped() {
    let (_server, mut client) = server_and_client();
    client
        .send_raw(
            b"CLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\nCLIENT REPLY SKIP\r\nNOSUCH\r\nECHO c\r\n",
        )
        .expect("the server reads");
    assert_eq!(
        (client.reply().text(), client.reply().text()),
        ("b".into(), "c".into())
    );
    client
        .send_raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nECHO d\r\n")
        .expect("the server reads");
    assert_eq!(
        (client.reply().text(), client.reply().text()),
        ("OK".into(), "d".into())
    );
}

#[test]
fn without_blocked_clients_unblock_returns_zero() {
    let (_server, mut client) = server_and_client();
    let me = id(&mut client);
    assert_eq!(
        text(&mut client, &format!("CLIENT UNBLOCK {me} ERROR")),
        "0"
    );
    let error = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
    assert_eq!(text(&mut client, "CLIENT UNBLOCK 1 NOW"), error);
}

#[test]
fn subcommands_are_checked() {
    let (_server, mut client) = server_and_client();
    for (line, error) in [
        (
            "CLIENT",
            "ERR wrong number of arguments for 'client' command",
        ),
        (
            "CLIENT ID x",
            "ERR wrong number of arguments for 'client|id' command",
        ),
        (
            "CLIENT WHAT",
            "ERR unknown subcommand 'WHAT'. Try CLIENT HELP.",
        ),
    ] {
        assert_eq!(text(&mut client, line), error);
    }
    assert!(client.run("CLIENT HELP").items().len() > 20);
}
