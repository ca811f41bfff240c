//! Pipelines, large arguments, slow readers, half-closed sockets, and fairness between clients.

use super::support::client::encode;
use super::{id, is_closed, pipeline, server_and_client, text};
use crate::support::server::Server;
use redis::Commands;
use std::thread;

#[test]
fn pipelines_of_any_depth_get_replies_in_order() {
    let (_server, mut client) = server_and_client();
    let mut expected = 0;
    for depth in [1, 2, 127, 128, 129, 1000, 20_000] {
        client
            .send_raw(&pipeline(&["INCR", "n"], depth))
            .expect("the server reads");
        for _ in 0..depth {
            expected += 1;
            assert_eq!(client.reply().as_int(), Some(expected));
        }
    }
}

#[test]
fn a_pipeline_can_be_written_before_anything_is_read() {
    let (server, mut client) = server_and_client();
    let big = "v".repeat(10_000);
    assert_eq!(client.call(&["SET", "k", &big]).text(), "OK");
    // 50 MB of replies: more than the sockets hold, so the server must keep what does not fit.
    let mut reader = server.client();
    reader
        .send_raw(&pipeline(&["GET", "k"], 5000))
        .expect("the server reads though its replies are not read");
    assert_eq!(text(&mut client, "PING"), "PONG");
    for _ in 0..5000 {
        assert_eq!(reader.reply().text().len(), big.len());
    }
}

#[test]
fn arguments_of_every_size_come_back_as_they_went() {
    let server = Server::start();
    let url = format!("redis://127.0.0.1:{}", server.port);
    let mut con = redis::Client::open(url)
        .and_then(|client| client.get_connection())
        .expect("the server replies");
    let sizes = [
        1,
        2,
        31,
        255,
        4095,
        16_383,
        16_384,
        32_766,
        32_767,
        32_768,
        32_769,
        65_536,
        1 << 20,
        (1 << 20) + 1,
        64 << 20,
    ];
    for size in sizes {
        let value: Vec<u8> = (0..size).map(|i: usize| ((i * 31) >> 3) as u8).collect();
        let () = con.set("k", &value).expect("a string is stored");
        let back: Vec<u8> = con.get("k").expect("a string comes back");
        assert!(back == value, "{size} bytes");
    }
}

#[test]
fn large_arguments_in_a_pipeline_stay_apart() {
    let (_server, mut client) = server_and_client();
    let (a, b) = ("a".repeat(100_000), "b".repeat(40_000));
    let request = [
        encode(&["MSET", "x", &a, "y", &b]),
        encode(&["STRLEN", "x"]),
        encode(&["SET", "z", &b]),
        encode(&["GETRANGE", "y", "0", "2"]),
    ]
    .concat();
    client.send_raw(&request).expect("the server reads");
    let replies = [(); 4].map(|()| client.reply().text());
    assert_eq!(replies, ["OK", "100000", "OK", "bbb"]);
}

#[test]
fn a_half_closed_client_still_gets_all_replies() {
    let (server, mut client) = server_and_client();
    let big = "v".repeat(100_000);
    assert_eq!(client.call(&["SET", "k", &big]).text(), "OK");
    for times in [1, 3, 200] {
        let mut leaving = server.client();
        leaving
            .send_raw(&pipeline(&["GET", "k"], times))
            .expect("the server reads");
        leaving.finish();
        let all = leaving.read_to_end().expect("the server closes in the end");
        assert_eq!(all.len(), times * (big.len() + "$100000\r\n\r\n".len()));
    }
}

#[test]
fn no_client_is_starved_by_an_endless_pipeline() {
    let (server, mut client) = server_and_client();
    let port = server.port;
    let greedy = thread::spawn(move || {
        let mut greedy = crate::Client::connect(port).expect("the server accepts");
        let chunk = pipeline(&["INCR", "n"], 10_000);
        for _ in 0..20 {
            greedy.send_raw(&chunk).expect("the server reads");
        }
        (0..200_000)
            .map(|_| greedy.reply().as_int())
            .last()
            .flatten()
    });
    for _ in 0..50 {
        assert_eq!(text(&mut client, "PING"), "PONG");
    }
    assert_eq!(greedy.join().expect("no reply is lost"), Some(200_000));
}

#[test]
fn many_clients_are_served_at_once() {
    let server = Server::start();
    let mut clients: Vec<_> = (0..200).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(&["INCR", "n"]);
    }
    let mut seen: Vec<_> = clients.iter_mut().map(|c| c.reply().as_int()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=200).map(Some).collect::<Vec<_>>());
}

#[test]
fn a_connection_that_is_cut_leaves_no_trace() {
    let (server, mut client) = server_and_client();
    let first = id(&mut client);
    for _ in 0..20 {
        let mut leaving = server.client();
        leaving
            .send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nabc")
            .expect("the server reads");
    }
    super::wait_until("the others are gone", || {
        text(&mut client, "CLIENT LIST").lines().count() == 1
    });
    assert_eq!(id(&mut client), first);
    assert_eq!(text(&mut client, "EXISTS k"), "0");
}

#[test]
fn quit_replies_and_closes() {
    let (_server, mut client) = server_and_client();
    client
        .send_raw(b"PING\r\nQUIT now\r\nPING\r\n")
        .expect("the server reads");
    let all = client.read_to_end().expect("the server closes");
    assert_eq!(String::from_utf8_lossy(&all), "+PONG\r\n+OK\r\n");
    assert!(is_closed(&mut client));
}
