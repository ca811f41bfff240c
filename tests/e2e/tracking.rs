//! Client-side caching: the recipients of invalidations, their connection, and their time.

use super::{id, server_and_client, text, wait_until};
use crate::support::client::{Client, Value};
use crate::support::server::Server;

/// A client that caches what it reads, in RESP3.
fn cache(server: &Server, options: &str) -> Client {
    let mut client = server.client();
    client.run("HELLO 3");
    assert_eq!(
        text(&mut client, &format!("CLIENT TRACKING ON {options}")),
        "OK"
    );
    client
}

/// The keys of the next invalidation; empty for all.
fn invalid(client: &mut Client) -> Vec<String> {
    let Value::Push(items) = client.reply() else {
        panic!("no push");
    };
    assert_eq!(items[0].text(), "invalidate");
    items[1].items().iter().map(Value::text).collect()
}

#[test]
fn a_cached_key_is_invalidated_once() {
    let (server, mut client) = server_and_client();
    let mut caching = cache(&server, "");
    caching.run("MGET a b");
    client.run("SET a 1");
    assert_eq!(invalid(&mut caching), ["a"]);
    client.run("SET a 2");
    client.run("SET b 1");
    assert_eq!(invalid(&mut caching), ["b"]);
    // The caller's own changes follow the reply.
    caching.run("GET c");
    assert_eq!(text(&mut caching, "SET c 1"), "OK");
    assert_eq!(invalid(&mut caching), ["c"]);
    client.run("FLUSHALL");
    assert!(invalid(&mut caching).is_empty());
}

#[test]
fn prefixes_are_broadcast_once_per_turn() {
    let (server, mut client) = server_and_client();
    let mut caching = cache(&server, "BCAST NOLOOP PREFIX user: PREFIX cart:");
    client.run("MSET user:2 x other x user:1 x");
    assert_eq!(invalid(&mut caching), ["user:1", "user:2"]);
    caching.run("SET user:3 x");
    client.run("SET cart:1 x");
    assert_eq!(invalid(&mut caching), ["cart:1"]);
}

#[test]
fn events_and_invalidations_come_in_the_order_of_redis() {
    let (server, mut client) = server_and_client();
    client.run("CONFIG SET notify-keyspace-events KA");
    let mut heard = cache(&server, "");
    heard.run("PSUBSCRIBE __keyspace*");
    // The last words of all pushes before the reply.
    let mut pushed = |line: &str| -> String {
        heard.send(line.split(' ').collect::<Vec<_>>().as_slice());
        let mut words = String::new();
        while let Value::Push(items) = heard.reply() {
            words += &items.last().expect("a push has words").text();
            words += " ";
        }
        words
    };
    let mut order = |setup: &str, command: &str| -> String {
        client.run(setup);
        pushed("TOUCH k l");
        client.run(command);
        pushed("PING")
    };
    let said = order("RPUSH l x", "LPOP l");
    assert!(said.starts_with("lpop del Array"), "{said}");
    let said = order("SET k 1", "DEL k");
    assert!(
        said.starts_with("Array") && said.ends_with("del "),
        "{said}"
    );
}

#[test]
fn a_redirection_ends_when_tracking_begins_anew() {
    let (server, mut client) = server_and_client();
    let mut heard = server.client();
    let heard_id = id(&mut heard);
    heard.run("SUBSCRIBE __redis__:invalidate");
    client.run(&format!("CLIENT TRACKING ON REDIRECT {heard_id}"));
    for line in ["GET a", "MULTI", "SET a 1", "CLIENT TRACKING OFF", "EXEC"] {
        client.run(line);
    }
    assert_eq!(heard.reply().items()[2].items()[0].text(), "a");
}

#[test]
fn a_flush_is_told_to_its_author_last() {
    let server = Server::ours().start();
    let mut author = cache(&server, "");
    let author_id = id(&mut author);
    let mut other = server.client();
    other.run(&format!("CLIENT TRACKING ON REDIRECT {author_id}"));
    assert_eq!(text(&mut author, "FLUSHDB ASYNC"), "OK");
    let nulls = [author.reply(), author.reply()].map(|push| push.items()[1].clone());
    assert_eq!(nulls, [Value::NilBulk, Value::Null]);
}

#[test]
fn resp2_is_told_through_a_subscriber() {
    let (server, mut client) = server_and_client();
    let mut heard = server.client();
    let heard_id = id(&mut heard);
    heard.run("SUBSCRIBE __redis__:invalidate");
    let mut caching = server.client();
    caching.run(&format!("CLIENT TRACKING ON REDIRECT {heard_id}"));
    assert_eq!(caching.run("CLIENT GETREDIR"), Value::Int(heard_id));
    caching.run("GET a");
    client.run("SET a 1");
    let told = heard.reply().items();
    assert_eq!(told[1].text(), "__redis__:invalidate");
    assert_eq!(told[2].items()[0].text(), "a");
    drop(heard);
    wait_until("the listener is gone", || {
        caching.run("GET a");
        client.run("SET a 1");
        let info = caching.run("CLIENT TRACKINGINFO");
        format!("{info:?}").contains(&format!("{:?}", Value::Bulk(b"broken_redirect".to_vec())))
    });
}

#[test]
fn the_table_of_keys_is_bounded() {
    let (server, mut client) = server_and_client();
    client.run("CONFIG SET tracking-table-max-keys 10");
    let mut caching = cache(&server, "");
    for n in 0..100 {
        caching.send(&["GET".to_owned(), format!("k{n}")]);
    }
    wait_until("keys are given up", || {
        let stats = text(&mut client, "INFO stats");
        stats.contains("tracking_total_keys:10\r") && stats.contains("tracking_total_items:10\r")
    });
    drop(caching);
    wait_until("no client caches", || {
        text(&mut client, "INFO clients").contains("tracking_clients:0")
    });
}
