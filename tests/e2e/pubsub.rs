//! Messages and notifications: their recipients, their order, and disconnected subscribers.

use super::{bulks, field, id, is_closed, server_and_client, text, wait_until};
use crate::support::client::{Client, Value};
use crate::support::server::Server;

/// A client that has subscribed.
fn subscriber(server: &Server, line: &str) -> Client {
    let mut client = server.client();
    client.run(line);
    client
}

#[test]
fn a_message_reaches_channels_and_patterns() {
    let (server, mut client) = server_and_client();
    let mut one = subscriber(&server, "SUBSCRIBE news");
    let mut two = subscriber(&server, "PSUBSCRIBE n?ws");
    let mut three = server.client();
    three.run("HELLO 3");
    three.run("SUBSCRIBE news");
    assert_eq!(text(&mut client, "PUBLISH news hello"), "3");
    assert_eq!(
        one.reply(),
        Value::Array(bulks(&["message", "news", "hello"]).items())
    );
    assert_eq!(
        two.reply(),
        Value::Array(bulks(&["pmessage", "n?ws", "news", "hello"]).items())
    );
    assert_eq!(
        three.reply(),
        Value::Push(bulks(&["message", "news", "hello"]).items())
    );
    // In RESP3 commands go on beside messages; in RESP2 they would be mistaken for them.
    assert_eq!(text(&mut three, "PUBLISH news again"), "3");
    assert_eq!(
        three.reply(),
        Value::Push(bulks(&["message", "news", "again"]).items())
    );
    assert!(one.run("GET a").items().len() == 3);
    assert!(one.run("GET a").text().contains("only (P|S)SUBSCRIBE"));
    assert_eq!(text(&mut client, "SPUBLISH news x"), "0");
}

#[test]
fn a_slow_subscriber_is_cut_off_and_the_others_lose_nothing() {
    const MESSAGES: usize = 400;
    let server = Server::ours()
        .with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"])
        .start();
    let mut client = server.client();
    let slow = subscriber(&server, "SUBSCRIBE c");
    let mut fast = subscriber(&server, "SUBSCRIBE c");
    let payload = "m".repeat(50_000);
    for n in 0..MESSAGES {
        client.call(&["PUBLISH", "c", &format!("{n}:{payload}")]);
        let heard = fast.reply().items()[2].text();
        assert!(heard.starts_with(&format!("{n}:")) && heard.len() > payload.len());
    }
    wait_until("the slow one is gone", || {
        text(&mut client, "PUBLISH c x") == "1"
    });
    let stats = text(&mut client, "INFO stats");
    assert!(stats.contains("client_output_buffer_limit_disconnections:1"));
    drop(slow);
}

#[test]
fn notifications_come_in_order() {
    let (server, mut client) = server_and_client();
    client.run("CONFIG SET notify-keyspace-events KEA");
    let mut heard = subscriber(&server, "PSUBSCRIBE __key*__:*");
    client.run("SET a 1 EX 100");
    let next = |client: &mut Client| {
        let items = client.reply().items();
        format!("{} {}", items[2].text(), items[3].text())
    };
    for said in ["__keyspace@0__:a set", "__keyevent@0__:set a"] {
        assert_eq!(next(&mut heard), said);
    }
    for said in ["__keyspace@0__:a expire", "__keyevent@0__:expire a"] {
        assert_eq!(next(&mut heard), said);
    }
    client.run("CONFIG SET notify-keyspace-events Em");
    client.run("GET nothing");
    assert_eq!(next(&mut heard), "__keyevent@0__:keymiss nothing");
}

#[test]
fn fields_of_hashes_are_notified_on_primary_and_replica() {
    let (server, mut client) = server_and_client();
    client.run("CONFIG SET notify-keyspace-events hSTIV");
    let port = server.port.to_string();
    let replica = Server::ours()
        .with(&["--replicaof", "127.0.0.1", &port])
        .with(&["--notify-keyspace-events", "hSTIV"])
        .start();
    replica.wait_for_log("MASTER <-> REPLICA sync: Finished with success");
    let mut heard = subscriber(&server, "PSUBSCRIBE __*");
    let mut heard_there = subscriber(&replica, "PSUBSCRIBE __*");
    let next = |client: &mut Client| {
        let items = client.reply().items();
        format!("{} {}", items[2].text(), items[3].text())
    };
    client.run("HSET h f 1 g 2");
    let said = [
        "__subkeyspace@0__:h hset|1:f,1:g",
        "__subkeyevent@0__:hset 1:h|1:f,1:g",
        "__subkeyspaceitem@0__:h\nf hset",
        "__subkeyspaceitem@0__:h\ng hset",
        "__subkeyspaceevent@0__:hset|h 1:f,1:g",
    ];
    for said in said {
        assert_eq!(next(&mut heard), said);
        assert_eq!(next(&mut heard_there), said);
    }
    // A deadline passes here, and the replica is told to remove the field.
    client.run("HPEXPIRE h 30 FIELDS 1 f");
    for client in [&mut heard, &mut heard_there] {
        assert_eq!(next(client), "__subkeyspace@0__:h hexpire|1:f");
        (0..3).for_each(|_| drop(next(client)));
    }
    assert_eq!(next(&mut heard), "__subkeyspace@0__:h hexpired|1:f");
    assert_eq!(next(&mut heard_there), "__subkeyspace@0__:h hdel|1:f");
    let shown = client.run("CONFIG GET notify-keyspace-events").items();
    assert_eq!(shown[1].text(), "hSTIV");
}

#[test]
fn keys_expire_in_the_order_of_their_deadlines_on_an_idle_server() {
    let (server, mut client) = server_and_client();
    client.run("CONFIG SET notify-keyspace-events Ex");
    let mut heard = subscriber(&server, "PSUBSCRIBE __keyevent@0__:expired");
    let delays = [230, 80, 170, 110, 200, 140];
    for ms in delays {
        client.run(&format!("SET k{ms} v PX {ms}"));
    }
    let mut sorted = delays;
    sorted.sort_unstable();
    for ms in sorted {
        assert_eq!(heard.reply().items()[3].text(), format!("k{ms}"));
    }
}

#[test]
fn subscriptions_are_counted_and_end_with_their_client() {
    let (server, mut client) = server_and_client();
    let mut one = subscriber(&server, "SUBSCRIBE a b");
    one.reply();
    one.run("PSUBSCRIBE p*");
    one.run("SSUBSCRIBE s");
    let line = text(&mut client, "CLIENT LIST TYPE pubsub");
    let counts = ["sub", "psub", "ssub"].map(|name| field(&line, name));
    assert_eq!(counts, ["2", "1", "1"]);
    assert_eq!(field(&line, "flags"), "P");
    assert_eq!(client.run("PUBSUB NUMSUB a x").items()[1], Value::Int(1));
    assert_eq!(text(&mut client, "PUBSUB NUMPAT"), "1");
    drop(one);
    wait_until("there is no subscriber", || {
        text(&mut client, "PUBLISH a x") == "0"
    });
    assert!(text(&mut client, "INFO stats").contains("pubsub_channels:0"));
    let own = id(&mut client);
    assert!(text(&mut client, &format!("CLIENT LIST ID {own}")).contains("sub=0"));
}

#[test]
fn the_fattest_clients_are_closed_beyond_the_limit_on_all() {
    let server = Server::ours().with(&["--maxmemory-clients", "3mb"]).start();
    let mut client = server.client();
    let mut kept = server.client();
    kept.run("CLIENT NO-EVICT ON");
    let head = b"*2\r\n$3\r\nGET\r\n$2500000\r\n".to_vec();
    let body = vec![b'x'; 2_000_000];
    for one in [&mut kept, &mut server.client()] {
        // What is closed may refuse the rest.
        let _ = one.send_raw(&[head.clone(), body.clone()].concat());
        wait_until("it was read", || text(&mut client, "PING") == "PONG");
    }
    wait_until("one is evicted", || {
        text(&mut client, "INFO stats").contains("evicted_clients:1")
    });
    let rest = [b"xxxxx".repeat(100_000), b"\r\n".to_vec()].concat();
    kept.send_raw(&rest).expect("it is still there");
    assert_eq!(kept.reply(), Value::NilBulk);
    assert!(!is_closed(&mut client));
}
