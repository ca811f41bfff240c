//! The limits of a client's memory: its output, its query buffer, and its share of all clients'.

use crate::reactor::testing::{Bench, FIRST, Far};

/// A server with a value of a megabyte, and a client that will not read.
fn bench_with_value() -> (Bench, Far) {
    let mut bench = Bench::new();
    bench.run("SETRANGE big 999999 x");
    let slow = bench.connect();
    (bench, slow)
}

/// Sets the output limits of a class of clients.
fn limit(bench: &mut Bench, limits: &str) {
    let set = format!("CONFIG SET client-output-buffer-limit \"{limits}\"");
    assert_eq!(bench.run(&set), "+OK");
}

/// Reads all that a client gets.
fn drain(bench: &mut Bench, far: Far) -> usize {
    let mut all = 0;
    loop {
        let n = bench.received_raw(far).len();
        if n == 0 {
            return all;
        }
        all += n;
        bench.settle_all();
    }
}

/// Sends bytes in pieces that the socket takes.
fn send_slowly(bench: &mut Bench, far: Far, mut left: usize) {
    while left > 0 && !bench.is_closed(far) {
        let n = left.min(64 << 10);
        bench.send_raw(far, &vec![b'x'; n]);
        bench.settle_all();
        left -= n;
    }
}

#[test]
fn output_over_the_hard_limit_disconnects_at_once() {
    let (mut bench, slow) = bench_with_value();
    limit(&mut bench, "normal 2000000 0 0");
    bench.send(slow, "GET big");
    bench.settle_all();
    assert_eq!(
        drain(&mut bench, slow),
        "$1000000\r\n\r\n".len() + 1_000_000
    );
    limit(&mut bench, "normal 500000 0 0");
    bench.send(slow, "GET big");
    bench.settle_all();
    assert!(bench.is_closed(slow));
    assert_eq!(bench.info("client_output_buffer_limit_disconnections"), "1");
}

#[test]
fn output_over_the_soft_limit_disconnects_after_its_seconds() {
    let (mut bench, slow) = bench_with_value();
    let reader = bench.connect();
    limit(&mut bench, "normal 0 300000 10");
    bench.send(slow, "GET big");
    bench.send(reader, "GET big");
    bench.settle_all();
    bench.advance_ms(9_000);
    // One of them reads in time, and has as long again the next time.
    drain(&mut bench, reader);
    bench.send(reader, "GET big");
    bench.advance_ms(1_002);
    assert_eq!(bench.info("client_output_buffer_limit_disconnections"), "1");
    assert!(drain(&mut bench, slow) < 1_000_000);
    assert!(bench.is_closed(slow));
    bench.advance_ms(8_000);
    assert!(drain(&mut bench, reader) > 1_000_000);
    assert_eq!(bench.ask(reader, "PING"), "+PONG");
}

#[test]
fn subscribers_have_limits_of_their_own() {
    let mut bench = Bench::new();
    limit(&mut bench, "normal 0 0 0 pubsub 500000 0 0");
    let (subscriber, other) = (bench.connect(), bench.connect());
    bench.ask(subscriber, "SUBSCRIBE news");
    bench.send(other, "SETRANGE big 999999 x\nGET big");
    bench.settle_all();
    let message = "x".repeat(60_000);
    for _ in 0..20 {
        bench.run(&format!("PUBLISH news {message}"));
    }
    assert!(drain(&mut bench, subscriber) < 1_200_000);
    assert!(bench.is_closed(subscriber));
    assert!(drain(&mut bench, other) > 1_000_000);
    assert_eq!(bench.ask(other, "PING"), "+PONG");
}

#[test]
fn a_query_over_its_limit_disconnects() {
    let mut bench = Bench::new();
    bench.run("CONFIG SET client-query-buffer-limit 2mb");
    let (under, over) = (bench.connect(), bench.connect());
    for (far, len) in [(under, 1_900_000), (over, 2_200_000)] {
        bench.send_raw(far, b"*2\r\n$4\r\nECHO\r\n$3000000\r\n");
        send_slowly(&mut bench, far, len);
    }
    assert!(!bench.is_closed(under));
    assert!(bench.is_closed(over));
    assert_eq!(bench.info("client_query_buffer_limit_disconnections"), "1");
    // Commands queued for EXEC count too.
    let queued = bench.connect();
    bench.ask(queued, "MULTI");
    let word = "x".repeat(60_000);
    for _ in 0..60 {
        if !bench.is_closed(queued) {
            bench.ask(queued, &format!("ECHO {word}"));
        }
    }
    assert!(bench.is_closed(queued));
    assert_eq!(bench.info("client_query_buffer_limit_disconnections"), "2");
}

#[test]
fn the_largest_client_is_evicted_unless_it_is_exempt() {
    let mut bench = Bench::new();
    let (largest, exempt, small) = (bench.connect(), bench.connect(), bench.connect());
    assert_eq!(bench.ask(exempt, "CLIENT NO-EVICT on"), "+OK");
    for (far, len) in [(largest, 3_000_000), (exempt, 5_000_000)] {
        bench.send_raw(far, format!("*2\r\n$4\r\nECHO\r\n${len}\r\n").as_bytes());
        send_slowly(&mut bench, far, len / 2);
    }
    bench.send_raw(small, b"*2\r\n$4\r\nECHO\r\n$3000\r\n");
    bench.settle_all();
    let list = bench.run("CLIENT LIST");
    let sizes = list
        .split(' ')
        .filter_map(|word| word.strip_prefix("tot-mem="));
    let total: usize = sizes
        .map(|size| size.parse::<usize>().expect("a number"))
        .sum();
    for (limit, evicted) in [(total + 1_000_000, "0"), (total - 500_000, "1")] {
        let set = format!("CONFIG SET maxmemory-clients {limit}");
        assert_eq!(bench.run(&set), "+OK");
        assert_eq!(bench.info("evicted_clients"), evicted);
    }
    assert!(bench.is_closed(largest));
    assert!(!bench.is_closed(exempt) && !bench.is_closed(small) && !bench.is_closed(FIRST));
}
