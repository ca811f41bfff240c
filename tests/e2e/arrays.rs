//! Arrays as far as the server is concerned: directives, events, users, WATCH, great indexes.

use super::{Client, Server, server_and_client, text};

#[test]
fn the_sizes_of_slices_are_directives_that_go_together() {
    let (server, mut client) = server_and_client();
    for (words, reason) in [
        (
            "array-slice-size 300",
            "array-slice-size must be a power of two",
        ),
        (
            "array-slice-size 128",
            "argument must be between 256 and 65536 inclusive",
        ),
        (
            "array-sparse-kmin 10",
            "array-sparse-kmin must be less than array-sparse-kmax",
        ),
        (
            "array-sparse-kmax 5",
            "array-sparse-kmax must be greater than array-sparse-kmin when non-zero",
        ),
    ] {
        let reply = client.run(&format!("CONFIG SET {words}")).text();
        assert!(reply.ends_with(reason), "{words}: {reply}");
    }
    assert_eq!(text(&mut client, "CONFIG SET array-sparse-kmax 0"), "OK");
    client.run("ARSET window 3 a");
    let info = client.run("ARINFO window FULL");
    assert_eq!(info.field("dense-slices").and_then(|n| n.as_int()), Some(1));
    assert_eq!(
        text(&mut client, "CONFIG SET array-sparse-kmax 300"),
        "ERR CONFIG SET failed (possibly related to argument 'array-sparse-kmax') - argument must be between 0 and 256 inclusive"
    );
    client.run("CONFIG SET array-slice-size 256");
    client.run("ARSET small 256 a");
    let info = client.run("ARINFO small");
    assert_eq!(info.field("slice-size").and_then(|n| n.as_int()), Some(256));
    drop(server);
    // A file may name them in any order.
    let server = Server::ours()
        .config("array-sparse-kmax 3\narray-sparse-kmin 1\n")
        .start();
    let shown = server.client().run("CONFIG GET array-sparse-kmax");
    assert_eq!(shown.items()[1].text(), "3");
}

#[test]
fn events_of_arrays_have_a_class_of_their_own() {
    let (server, mut client) = server_and_client();
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    let mut told = |client: &mut Client, class: &str| {
        client.run(&format!("CONFIG SET notify-keyspace-events E{class}"));
        client.run("ARSET events 0 a b");
        client.run("ARSEEK events 5");
        client.run("ARDEL events 0 1");
        client.run("PUBLISH __keyevent@0__:end x");
        let mut names = Vec::new();
        loop {
            let channel = listener.reply().items()[2].text();
            let name = channel.rsplit(':').next().unwrap_or_default().to_owned();
            if name == "end" {
                return names.join(" ");
            }
            names.push(name);
        }
    };
    assert_eq!(told(&mut client, "a"), "arset arseek ardel");
    assert_eq!(told(&mut client, "A"), "arset arseek ardel del");
    assert_eq!(told(&mut client, "g$lshzxetd"), "del");
}

#[test]
fn users_and_watchers_see_array_commands() {
    let (server, mut client) = server_and_client();
    client.run("ACL SETUSER reader on nopass ~* +@array -@write");
    let mut reader = server.client();
    reader.run("AUTH reader x");
    assert!(!reader.run("ARLEN a").is_error());
    assert!(text(&mut reader, "ARSET a 0 v").starts_with("NOPERM"));
    client.run("ARSET a 0 v");
    let mut other = server.client();
    for (change, passes) in [
        ("ARSEEK a 3", false),
        ("ARDEL a 99", true),
        ("ARGET a 0", true),
    ] {
        client.run("WATCH a");
        other.run(change);
        client.run("MULTI");
        client.run("PING");
        assert_eq!(client.run("EXEC").items().len() == 1, passes, "{change}");
    }
}

#[test]
fn a_great_range_costs_what_lies_in_it() {
    let (_server, mut client) = server_and_client();
    for n in 0..64u64 {
        client.run(&format!("ARSET far {} {n}", (1u64 << 63) | n << 40));
    }
    let all = "0 18446744073709551614";
    assert_eq!(text(&mut client, &format!("AROP far {all} SUM")), "2016");
    assert_eq!(
        client
            .run(&format!("ARSCAN far {all} LIMIT 9"))
            .items()
            .len(),
        9
    );
    assert_eq!(
        client.run(&format!("ARDELRANGE far {all}")).as_int(),
        Some(64)
    );
    assert_eq!(client.run("EXISTS far").as_int(), Some(0));
}
