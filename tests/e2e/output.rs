//! The pending output of a client: its memory while it is not read, and its limits.

use super::{field, info, is_closed, pipeline, text, wait_until};
use crate::support::client::{Client, Value, encode};
use crate::support::server::Server;

/// A list of 4 MB, in elements of 4 KB.
fn fill(client: &mut Client) {
    let element = "x".repeat(4_000);
    let mut words = vec!["RPUSH", "list"];
    words.extend(std::iter::repeat_n(element.as_str(), 100));
    for _ in 0..10 {
        client.call(&words);
    }
    client.call(&["SET", "string", &element[..1_000]]);
}

/// The sum of `omem` of all clients.
fn owed(client: &mut Client) -> u64 {
    let list = text(client, "CLIENT LIST");
    let number = |line: &str| field(line, "omem").parse::<u64>().expect("a number");
    list.lines().map(number).sum()
}

#[test]
fn a_slow_reader_costs_its_pending_output() {
    let server = Server::start();
    let mut client = server.client();
    fill(&mut client);
    let before = info(&mut client, "used_memory");
    let mut slow: Vec<Client> = (0..12).map(|_| server.client()).collect();
    for one in &mut slow {
        // More than any socket takes.
        one.send_raw(&pipeline(&["LRANGE", "list", "0", "-1"], 4))
            .expect("the server reads");
    }
    wait_until("all replies are written", || {
        let list = text(&mut client, "CLIENT LIST");
        let ran = |line: &&str| field(line, "tot-cmds") == "4" && field(line, "qbuf") == "0";
        list.lines().filter(ran).count() == 12
    });
    let mut held = 0;
    wait_until("what is held is what is owed", || {
        held = info(&mut client, "used_memory").saturating_sub(before);
        let owed = owed(&mut client);
        owed > 50_000_000 && held.abs_diff(owed) < owed / 10
    });
    let rss = info(&mut client, "used_memory_rss");
    assert!(rss > held);
    drop(slow);
    wait_until("it is free", || {
        info(&mut client, "used_memory") < before + 2_000_000
    });
    wait_until("the system has it back", || {
        info(&mut client, "used_memory_rss") < rss - held / 4 * 3
    });
}

#[test]
fn many_small_replies_cost_no_more() {
    let server = Server::start();
    let mut client = server.client();
    fill(&mut client);
    let before = info(&mut client, "used_memory");
    let mut slow = server.client();
    slow.send_raw(&pipeline(&["GET", "string"], 30_000))
        .expect("the server reads");
    wait_until("what is held is what is owed", || {
        let held = info(&mut client, "used_memory").saturating_sub(before);
        let owed = owed(&mut client);
        owed > 15_000_000 && held.abs_diff(owed) < owed / 10
    });
    // And nothing is lost or out of order.
    for _ in 0..30_000 {
        let reply = slow.reply_raw().expect("a reply");
        assert!(reply.len() == 1_009 && reply.starts_with(b"$1000\r\nx"));
    }
}

/// Commands whose replies are larger than their arguments, with a set, hash and sorted set of a
/// few elements, a string of 1 MB and a list of 1,000 elements that name it.
fn endless() -> Vec<(Vec<String>, &'static str)> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let many = |first: &str, word: &str, times: usize| {
        let mut all = words(first);
        all.extend(std::iter::repeat_n(word.to_owned(), times));
        all
    };
    let gets = ["GET", "stri*"].repeat(50).join(" ");
    vec![
        (words("SRANDMEMBER s -4611686018427387905"), "SRANDMEMBER"),
        (words("HRANDFIELD h -4611686018427387903"), "HRANDFIELD"),
        (
            words("HRANDFIELD h -4611686018427387903 WITHVALUES"),
            "HRANDFIELD WITHVALUES",
        ),
        (words("ZRANDMEMBER z -4611686018427387903"), "ZRANDMEMBER"),
        (
            words("ZRANDMEMBER z -4611686018427387903 WITHSCORES"),
            "ZRANDMEMBER WITHSCORES",
        ),
        (many("MGET", "string", 400), "MGET"),
        (many("HMGET big", "f", 400), "HMGET"),
        (words(&format!("SORT l BY nosort {gets}")), "SORT"),
        (words(&format!("SORT_RO l BY nosort {gets}")), "SORT_RO"),
        (
            vec![
                "EVAL".into(),
                "local s = string.rep('x', 1048576) local t = {} \
                 for i = 1, 400 do t[i] = s end return t"
                    .into(),
                "0".into(),
            ],
            "EVAL",
        ),
    ]
}

fn small_data(client: &mut Client) {
    client.run("SADD s a b c some-longer-member");
    client.run("HSET h a 1 b 2 c some-longer-value");
    client.run("ZADD z 1 a 2.5 b 3 c");
    client.call(&["SET", "string", &"x".repeat(1 << 20)]);
    client.call(&["HSET", "big", "f", &"x".repeat(1 << 20)]);
    let mut words = vec!["RPUSH".to_owned(), "l".to_owned()];
    words.extend(std::iter::repeat_n("ng".to_owned(), 1_000));
    client.call(&words);
}

/// A server that survives all of them, and closes the caller.
fn survives(server: &Server, most: u64) {
    let mut client = server.client();
    small_data(&mut client);
    for (words, name) in endless() {
        for (queued, protocol) in [(false, "2"), (true, "2"), (false, "3")] {
            let before = info(&mut client, "client_output_buffer_limit_disconnections");
            let mut greedy = server.client();
            greedy.call(&["HELLO", protocol]);
            let request = match queued {
                true => [encode(&["MULTI"]), encode(&words), encode(&["EXEC"])].concat(),
                false => encode(&words),
            };
            let _ = greedy.send_raw(&request);
            wait_until(&format!("{name} ends"), || {
                info(&mut client, "client_output_buffer_limit_disconnections") > before
            });
            drop(greedy.read_to_end());
            let peak = info(&mut client, "used_memory_peak");
            assert!(peak < most, "{name}: {peak} bytes were in use");
            assert_eq!(text(&mut client, "SCARD s"), "4");
        }
    }
}

#[test]
fn a_reply_ends_at_the_hard_limit() {
    let server = Server::ours()
        .with(&["--client-output-buffer-limit", "normal 16mb 0 0"])
        .start();
    survives(&server, 150 << 20);
}

#[test]
fn a_reply_ends_at_the_memory_limit() {
    let server = Server::ours().with(&["--maxmemory", "24mb"]).start();
    survives(&server, 150 << 20);
}

#[test]
fn a_script_gets_an_error_for_a_reply_that_is_too_large() {
    let server = Server::ours().with(&["--maxmemory", "32mb"]).start();
    let mut client = server.client();
    small_data(&mut client);
    let script = "local r = redis.pcall('SRANDMEMBER', 's', '-4611686018427387905') \
        redis.call('SET', 'after', 'fine') return r.err";
    let said = client.call(&["EVAL", script, "0"]).text();
    assert_eq!(said, "ERR The reply of the command is too large");
    assert_eq!(text(&mut client, "GET after"), "fine");
    let raised = "return redis.call('HRANDFIELD', 'h', '-4611686018427387903')";
    let said = client.call(&["EVAL", raised, "0"]).text();
    assert!(
        said.starts_with("ERR The reply of the command is too large"),
        "{said}"
    );
    assert!(info(&mut client, "used_memory_peak") < 130 << 20);
}

#[test]
fn writes_before_a_reply_ends_stay_written() {
    let server = Server::ours()
        .with(&["--client-output-buffer-limit", "normal 1mb 0 0"])
        .start();
    let mut client = server.client();
    small_data(&mut client);
    let mut greedy = server.client();
    let parts = [
        encode(&["MULTI"]),
        encode(&["SET", "first", "1"]),
        encode(&["SRANDMEMBER", "s", "-1000000000"]),
        encode(&["SET", "second", "2"]),
        encode(&["EXEC"]),
    ];
    let _ = greedy.send_raw(&parts.concat());
    wait_until("all of it ran", || text(&mut client, "GET second") == "2");
    assert_eq!(text(&mut client, "GET first"), "1");
    assert!(is_closed(&mut greedy));
    // A command that removes what it returns removes all of it, as in Redis.
    let mut greedy = server.client();
    let element = "x".repeat(10_000);
    for _ in 0..200 {
        client.call(&["RPUSH", "long", &element]);
    }
    let _ = greedy.send_raw(&encode(&["LPOP", "long", "200"]));
    wait_until("it is gone", || {
        client.run("EXISTS long").as_int() == Some(0)
    });
    assert!(is_closed(&mut greedy));
    // A discarded reply has no bound.
    let mut silent = server.client();
    silent.send(&["ECHO", &"e".repeat(100_000)]);
    silent.send(&["CLIENT", "REPLY", "OFF"]);
    silent.send(&["LRANGE", "l", "0", "-1"]);
    silent.send(&["MGET", "string", "string", "string"]);
    silent.send(&["SRANDMEMBER", "s", "-1000000000"]);
    silent.send(&["CLIENT", "REPLY", "ON"]);
    assert_eq!(silent.reply().text().len(), 100_000);
    assert_eq!(silent.reply(), Value::Simple(b"OK".to_vec()));
}

#[test]
fn replies_of_every_size_arrive_whole() {
    let server = Server::start();
    let mut client = server.client();
    let sizes = [0, 1, 20_400, 20_464, 20_470, 41_000, 1_000_000];
    let mut sent = Vec::new();
    for size in sizes {
        sent.extend(encode(&["ECHO", &"e".repeat(size)]));
    }
    client.send_raw(&sent.repeat(3)).expect("the server reads");
    for size in sizes.repeat(3) {
        assert_eq!(client.reply().text().len(), size);
    }
    // Arrays whose length is known at their end, over more than one chunk.
    for n in 0..3_000 {
        let id = format!("{}-0", n + 1);
        client.call(&["XADD", "stream", &id, "field", &"v".repeat(n % 90)]);
        client.call(&["SET", &format!("key:{n}"), "v"]);
    }
    let entries = client.run("XRANGE stream - +").items();
    assert_eq!(entries.len(), 3_000);
    assert_eq!(entries[2_999].items()[0].text(), "3000-0");
    assert_eq!(client.run("KEYS key:*").items().len(), 3_000);
    let read = client.run("XREAD STREAMS stream 0").items();
    assert_eq!(read[0].items()[1].items().len(), 3_000);
}
