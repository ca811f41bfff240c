//! Power cuts under load.

use crate::setting;
use crate::support::ask::await_info;
use crate::support::server::Server;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Writes `INCR` after `INCR` until the server is gone; the count of acknowledged ones, and when.
struct Writer {
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

/// One round: load, a concurrent action, the cut, and the data afterwards.
fn round(server: &mut Server, before: u64, pause: Duration, meanwhile: &str) -> (u64, u64) {
    let writer = Writer {
        acknowledged: AtomicU64::new(before),
        stop: AtomicBool::new(false),
    };
    let mut client = server.client();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !writer.stop.load(Ordering::Relaxed) {
                client.send(&["INCR", "n"]);
                let Ok(reply) = client.reply_raw() else {
                    return;
                };
                let text = String::from_utf8_lossy(&reply).into_owned();
                let Some(n) = text.strip_prefix(':').and_then(|n| n.trim().parse().ok()) else {
                    return;
                };
                writer.acknowledged.store(n, Ordering::Relaxed);
            }
        });
        thread::sleep(pause / 2);
        if !meanwhile.is_empty() {
            let _ = server.client().run(meanwhile);
        }
        thread::sleep(pause / 2);
        server.kill();
        writer.stop.store(true, Ordering::Relaxed);
    });
    let acknowledged = writer.acknowledged.load(Ordering::Relaxed);
    server.restart();
    let there = server.client().run("GET n").text().parse().unwrap_or(0);
    (acknowledged, there)
}

#[test]
fn always_loses_nothing() {
    let options = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--auto-aof-rewrite-percentage",
        "0",
        "--rdb-key-save-delay",
        "200",
    ];
    let mut server = Server::ours().with(&options).start();
    for n in 0..300 {
        server.client().run(&format!("SET key:{n} {n}"));
    }
    let (mut before, began) = (0, Instant::now());
    for n in 0..setting("REDWHEEL_KILL_ROUNDS", 12) {
        let pause = Duration::from_millis(40 + 37 * (n % 7));
        let meanwhile = ["", "BGREWRITEAOF", "BGSAVE"][n as usize % 3];
        let (acknowledged, there) = round(&mut server, before, pause, meanwhile);
        assert!(
            there >= acknowledged,
            "round {n} ({meanwhile}): {there} of {acknowledged}; {}",
            server.log()
        );
        let keys = server.client().run("DBSIZE").as_int();
        assert!(
            keys == Some(301) || acknowledged == 0,
            "round {n}: {keys:?}"
        );
        before = there;
    }
    println!("{before} writes, {:?}", began.elapsed());
}

#[test]
fn everysec_loses_two_seconds_at_most() {
    let options = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let mut server = Server::ours().with(&options).start();
    let mut before = 0;
    // These rounds are long.
    for n in 0..setting("REDWHEEL_KILL_ROUNDS", 3) {
        // Acknowledged more than two seconds before the cut: that is what may not be missing.
        let old = {
            let mut client = server.client();
            (0..200).for_each(|_| {
                client.run("INCR n");
            });
            client.run("GET n").text().parse().unwrap_or(0)
        };
        let pause = Duration::from_millis(2_300);
        let meanwhile = ["", "BGREWRITEAOF"][n as usize % 2];
        let (acknowledged, there) = round(&mut server, before, pause, meanwhile);
        assert!(
            there >= old,
            "round {n}: {there}, {old} were old, of {acknowledged}"
        );
        before = there;
    }
}

#[test]
fn a_kill_while_loading_or_saving_changes_nothing() {
    let mut server = Server::ours()
        .with(&["--rdb-key-save-delay", "100", "--key-load-delay", "100"])
        .with(&["--enable-debug-command", "yes"])
        .start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 2000 key 50");
    client.run("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(client.run("SAVE").text(), "OK");
    let first = client.run("DEBUG DIGEST").text();
    client.run("SET something else");
    let second = client.run("DEBUG DIGEST").text();
    for n in 0..setting("REDWHEEL_KILL_ROUNDS", 12) {
        let mut client = server.client();
        client.run("CONFIG SET rdb-key-save-delay 100");
        client.run("SET something else");
        client.run(["BGSAVE", "PING"][n as usize % 2]);
        thread::sleep(Duration::from_millis(5 + 13 * (n % 20)));
        server.kill();
        server.restart();
        // The child of a killed server may end its work.
        let digest = server.client().run("DEBUG DIGEST").text();
        assert!(digest == first || digest == second, "round {n}");
        for file in std::fs::read_dir(server.path()).expect("it is there") {
            let name = file.expect("it is there").file_name();
            let name = name.to_string_lossy().into_owned();
            // The child may still be at work on its own file; the name that counts is whole.
            assert!(!name.ends_with(".rdb") || name == "dump.rdb" || name.starts_with("temp-"));
        }
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let server = Server::ours().with(&["--save", "3600", "1"]).start();
    let mut client = server.client();
    client.run("SET a 1");
    client.run("CONFIG SET dbfilename dump.rdb");
    // A folder stands where the file should go.
    std::fs::create_dir(server.path().join("dump.rdb")).expect("the folder is ours");
    assert!(client.run("SAVE").is_error());
    assert_eq!(client.run("BGSAVE").text(), "Background saving started");
    await_info(&mut client, "rdb_last_bgsave_status", "err");
    assert!(client.run("SET a 2").text().starts_with("MISCONF"));
    assert!(client.run("PING").text().starts_with("MISCONF"));
    assert_eq!(client.run("GET a").text(), "1");
    std::fs::remove_dir(server.path().join("dump.rdb")).expect("the folder is ours");
    assert_eq!(client.run("BGSAVE").text(), "Background saving started");
    await_info(&mut client, "rdb_last_bgsave_status", "ok");
    assert_eq!(client.run("SET a 2").text(), "OK");
}
