//! Requests in every cut and shape, and what is no request.

use super::support::client::encode;
use super::{pipeline, server_and_client, text};
use crate::support::server::Server;

/// The server's reply to these bytes up to the end of the connection.
fn last_words(server: &Server, bytes: &[u8]) -> String {
    let mut client = server.client();
    let _ = client.send_raw(bytes);
    let all = client.read_to_end().expect("the server closes");
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (_server, mut client) = server_and_client();
    for byte in encode(&["SET", "key", "va\r\nlue"]) {
        client.send_raw(&[byte]).expect("the server reads");
    }
    assert_eq!(client.reply().text(), "OK");
    assert_eq!(text(&mut client, "GET key"), "va\r\nlue");
}

#[test]
fn a_request_may_be_cut_anywhere() {
    let (_server, mut client) = server_and_client();
    let request = [
        encode(&["SET", "k", "12345"]),
        b"GET k\r\n".to_vec(),
        encode(&["ECHO", ""]),
    ]
    .concat();
    for cut in 1..request.len() {
        client.send_raw(&request[..cut]).expect("the server reads");
        client.send_raw(&request[cut..]).expect("the server reads");
        let replies = [(); 3].map(|()| client.reply().text());
        assert_eq!(replies, ["OK", "12345", ""], "cut at {cut}");
    }
}

#[test]
fn a_line_is_a_request_too() {
    let (_server, mut client) = server_and_client();
    client
        .send_raw(
            b"\r\n\r\n  SET  k \"a\\x41 \\n\"\r\nGET k\nECHO 'it\\'s'\r\n*0\r\n*-1\r\nPING\r\n",
        )
        .expect("the server reads");
    let replies = [(); 4].map(|()| client.reply().text());
    assert_eq!(replies, ["OK", "aA \n", "it's", "PONG"]);
}

#[test]
fn a_malformed_request_gets_an_error_and_ends_the_connection() {
    let server = Server::start();
    let cases: [(&[u8], &str); 6] = [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1\r\n!4\r\n", "expected '$', got '!'"),
        (b"*1\r\n$-2\r\n", "invalid bulk length"),
        (b"*1\r\n$9999999999\r\n", "invalid bulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"SET k \"open\r\n", "unbalanced quotes in request"),
    ];
    for (bytes, why) in cases {
        let expected = format!("-ERR Protocol error: {why}\r\n");
        assert_eq!(last_words(&server, bytes), expected);
    }
}

#[test]
fn commands_before_an_error_still_run() {
    let (server, mut client) = server_and_client();
    let bytes = [
        pipeline(&["INCR", "n"], 3),
        b"*1\r\n+x\r\nSET n 0\r\n".to_vec(),
    ]
    .concat();
    let said = last_words(&server, &bytes);
    assert!(
        said.starts_with(":1\r\n:2\r\n:3\r\n-ERR Protocol error"),
        "{said}"
    );
    assert_eq!(text(&mut client, "GET n"), "3");
}

#[test]
fn a_line_has_a_limit() {
    let server = Server::start();
    let said = last_words(&server, &vec![b'a'; 70_000]);
    assert!(said.contains("too big inline request"), "{said}");
    let said = last_words(&server, &[b"*".as_slice(), &vec![b'1'; 70_000]].concat());
    assert!(said.contains("too big mbulk count string"), "{said}");
}

#[test]
fn browsers_are_hung_up_on() {
    let server = Server::start();
    for bytes in [
        &b"POST / HTTP/1.1\r\n\r\n"[..],
        b"Host: there\r\nSET k v\r\n",
    ] {
        assert_eq!(last_words(&server, bytes), "");
    }
    server.wait_for_log("Possible SECURITY ATTACK detected");
    assert_eq!(text(&mut server.client(), "EXISTS k"), "0");
}

#[test]
fn unknown_names_are_quoted_byte_by_byte() {
    let (_server, mut client) = server_and_client();
    client.send(&[&b"n\xff\r\nm"[..], b"a\xfe", b"b\0c"]);
    let reply = client.reply_raw().expect("an error reply");
    let expected = b"-ERR unknown command 'n\xff  m', with args beginning with: 'a\xfe' 'b' \r\n";
    assert_eq!(reply, expected);
    let long = "x".repeat(100);
    let error = client.call(&["nosuch", &long, &long, "y"]).text();
    assert!(
        error.ends_with(&format!("'{long}' '{}' ", "x".repeat(25))),
        "{error}"
    );
}
