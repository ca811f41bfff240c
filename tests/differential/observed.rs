//! What Redis 8.10.2 shows beside replies: sub-key notifications, the entries of the slow log, the
//! answers of HOTKEYS, the names in INFO, and the ages of keys under LRM. Skipped without it.

use super::DEBUG;
use super::support::client::{Client, Value};
use super::support::oracle;
use super::support::server::Server;
use std::time::Duration;

/// The two servers; none without the real one.
fn both(options: &[&str]) -> Option<[Server; 2]> {
    let Some(redis) = oracle::redis() else {
        eprintln!("skipped: no Redis 8.10.2 here; run tests/oracles.sh");
        return None;
    };
    let ours = Server::ours().with(DEBUG).with(options).start();
    let theirs = Server::of(&redis).with(DEBUG).with(options).start();
    Some([ours, theirs])
}

/// Splits a line as the real tools do, with quotes.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let (mut quoted, mut started) = (false, false);
    for c in line.replace("\\n", "\n").chars() {
        match c {
            '"' => (quoted, started) = (!quoted, true),
            ' ' if !quoted => {
                if started {
                    words.push(Vec::new());
                }
                started = false;
            }
            c => {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).as_bytes();
                words.last_mut().expect("one at least").extend(bytes);
                started = true;
            }
        }
    }
    words
}

/// Each line with its reply and the messages that it caused.
fn heard(server: &Server, lines: &str) -> Vec<String> {
    let (mut client, mut subscriber) = (server.client(), server.client());
    subscriber.run("PSUBSCRIBE __*");
    let mut heard = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let reply = client.call(&words(line));
        heard.push(format!("{line} -> {reply:?}"));
        if line.starts_with("HPEXPIRE") && line.contains(" 20 ") {
            std::thread::sleep(Duration::from_millis(600));
        }
        subscriber.send(&["PING"]);
        loop {
            let message = subscriber.reply().items();
            if message[0].text() != "pmessage" {
                break;
            }
            heard.push(format!("{:?} {:?}", message[2].text(), message[3].text()));
        }
    }
    heard
}

const HASHES: &str = r#"
    HSET h f1 v f2 v
    HSET h f1 w f3 x f1 y
    HSETNX h f1 x
    HSETNX h f4 x
    HMSET h a 1 b 2
    HINCRBY h n 5
    HINCRBYFLOAT h n 1.5
    HDEL h a nosuch b b
    HDEL h nosuch
    HEXPIRE h 100 FIELDS 3 f1 nosuch f2
    HEXPIRE h 100 NX FIELDS 2 f1 f4
    HPEXPIRE h 0 FIELDS 2 f1 f2
    HPERSIST h FIELDS 2 f4 n
    HPERSIST h FIELDS 2 f3 n
    HGETEX h EX 100 FIELDS 2 f3 nosuch
    HGETEX h PERSIST FIELDS 2 f3 n
    HGETEX h EXAT 1 FIELDS 1 f3
    HGETEX h FIELDS 1 n
    HSETEX h EX 100 FIELDS 2 x 1 y 2
    HSETEX h FNX FIELDS 2 z 1 w 2
    HSETEX h FXX KEEPTTL FIELDS 1 z 1
    HSETEX h EXAT 1 FIELDS 2 z 1 q 2
    HGETDEL h FIELDS 2 x nosuch
    HGETDEL h FIELDS 5 y z w n f4
    HSET h f1 v f2 v f3 v
    HPEXPIRE h 20 FIELDS 2 f1 f2
    HPEXPIRE h 20 FIELDS 1 f3
    HSET "k\ney" f v
    HSET k|x f v
    HSET "" f v
    HSET k "f,1" v "a:b" v "" v "n\nl" v
    RENAME k j
    COPY j j3
    MOVE j3 1
    DEL j
    HSETEX nk EXAT 1 FIELDS 1 a 1
    HSET r a 1 b 2
    HEXPIREAT r 1 FIELDS 2 a b
    EVAL "redis.call('HSET','ev','a','1'); redis.call('HDEL','ev','a')" 0
    MULTI
    HSET tx a 1
    HSET tx b 1
    EXEC
    SADD s a
    CONFIG SET notify-keyspace-events hST
    HSET m a 1
    CONFIG SET notify-keyspace-events sSTIV
    HSET m a 1
    CONFIG SET notify-keyspace-events KEA
    HSET m a 1
"#;

#[test]
fn sub_key_notifications_are_those_of_redis() {
    let events = ["--notify-keyspace-events", "KEASTIV"];
    let Some(servers) = both(&events) else { return };
    let [ours, theirs] = servers.each_ref().map(|server| heard(server, HASHES));
    assert_same(&ours, &theirs);
    assert!(
        ours.iter()
            .any(|line| line.contains("__subkeyspaceitem@0__:h\\nf1"))
    );
}

fn shown(entry: &Value) -> String {
    let items = entry.items();
    let name = items[5].text();
    format!("{:?} {name} {}", items[3], items[6].text())
}

#[test]
fn entries_of_the_slow_log_are_those_of_redis() {
    let Some(servers) = both(&[]) else { return };
    let [ours, theirs] = servers.each_ref().map(|server| {
        let mut client = server.client();
        let mut said = Vec::new();
        for (argc, len) in [("2", "1"), ("4", "5"), ("32", "128"), ("1", "0")] {
            said.push(
                client
                    .run(&format!("CONFIG SET slowlog-entry-max-argc {argc}"))
                    .text(),
            );
            said.push(
                client
                    .run(&format!("CONFIG SET slowlog-entry-max-string-len {len}"))
                    .text(),
            );
            client.run("CONFIG SET slowlog-log-slower-than 0");
            client.run("MSET abcdefgh 1 b 2 c 3");
            client.run("SET abcdefghij klmnopqrstuvwxyz");
            client.run("PING");
            client.run("CONFIG SET slowlog-log-slower-than 60000000");
            let entries = client.run("SLOWLOG GET 4").items();
            said.extend(entries.iter().map(shown));
            client.run("SLOWLOG RESET");
        }
        let stats = client.run("INFO stats").text();
        let count = stats
            .lines()
            .find(|line| line.starts_with("slowlog_commands_count"));
        said.push(count.unwrap_or_default().to_owned());
        let stats = client.run("INFO commandstats").text();
        let count =
            |line: &&str| line.starts_with("cmdstat_ping") && line.contains("slowlog_count=4");
        said.push(stats.lines().any(|line| count(&line)).to_string());
        client.run("CONFIG RESETSTAT");
        let stats = client.run("INFO stats").text();
        said.push(stats.contains("slowlog_commands_count:0\r\n").to_string());
        said
    });
    assert_same(&ours, &theirs);
}

/// Shows the lines that differ.
fn assert_same(ours: &[String], theirs: &[String]) {
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

/// The reply without times, which differ.
fn without_times(value: &Value) -> String {
    let items = value.items();
    let Some(map) = items.first() else {
        return format!("{value:?}");
    };
    let map = map.items();
    let pairs = map.chunks(2).map(|pair| {
        let name = pair[0].text();
        match name.as_str() {
            "by-cpu-time-us" => format!("{name} {}", pair[1].items().len()),
            _ if name.contains("-us") || name.contains("-ms") => name,
            _ => format!("{name} {:?}", pair[1]),
        }
    });
    pairs.collect::<Vec<_>>().join(", ")
}

const HOTKEYS: &str = r#"
    HOTKEYS START
    HOTKEYS START METRICS x
    HOTKEYS START METRICS 0
    HOTKEYS START METRICS 3 CPU NET CPU
    HOTKEYS START METRICS 1
    HOTKEYS START METRICS 1 FOO
    HOTKEYS START METRICS 2 CPU
    HOTKEYS START METRICS 2 CPU CPU
    HOTKEYS START METRICS 2 NET NET
    HOTKEYS START METRICS 1 CPU NET
    HOTKEYS START COUNT 5
    HOTKEYS START COUNT 5 METRICS 1 CPU
    HOTKEYS GET
    HOTKEYS STOP
    HOTKEYS RESET
    HOTKEYS START METRICS 1 NET COUNT 0
    HOTKEYS START METRICS 1 NET COUNT 65
    HOTKEYS START METRICS 1 NET COUNT x
    HOTKEYS START METRICS 1 NET COUNT
    HOTKEYS START METRICS 1 NET DURATION -1
    HOTKEYS START METRICS 1 NET DURATION 0
    HOTKEYS START METRICS 1 NET DURATION x
    HOTKEYS START METRICS 1 NET SAMPLE 0
    HOTKEYS START METRICS 1 NET SAMPLE x
    HOTKEYS START METRICS 1 NET SLOTS 1 5
    HOTKEYS START METRICS 1 NET SLOTS
    HOTKEYS START METRICS 1 NET FOO
    HOTKEYS START METRICS 2 CPU FOO
    HOTKEYS START METRICS 1 CPU
    HOTKEYS START FOO
    HOTKEYS RESET
    HOTKEYS GET
    HOTKEYS STOP
    HOTKEYS STOP
    HOTKEYS GET
    HOTKEYS START METRICS 1 NET
    SET a 1
    HOTKEYS GET
    HOTKEYS STOP
    HOTKEYS START metrics 2 net cpu count 2 sample 1
    SET a 1
    GET a
    GET a
    MGET a b
    PING
    DEL a
    EVAL "return redis.call('GET','q')" 0
    HOTKEYS GET
    HOTKEYS STOP
    HOTKEYS GET
    HOTKEYS RESET
    HOTKEYS GET
    HOTKEYS FOO
    HOTKEYS STOP x
    MULTI
    HOTKEYS START METRICS 1 CPU
    HOTKEYS GET
    EXEC
    INFO hotkeys
    HOTKEYS STOP
    EVAL "return redis.call('HOTKEYS','GET')" 0
"#;

#[test]
fn the_hottest_keys_are_those_of_redis() {
    let Some(servers) = both(&[]) else { return };
    let [ours, theirs] = servers.each_ref().map(|server| {
        let mut client = server.client();
        let lines = HOTKEYS
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let said = lines.map(|line| {
            let reply = client.call(&words(line));
            match line {
                "HOTKEYS GET" => format!("{line} -> {}", without_times(&reply)),
                "EXEC" => format!("{line} -> {}", without_times(&reply.items()[1])),
                _ => format!("{line} -> {}", reply.text()),
            }
        });
        said.collect::<Vec<_>>()
    });
    assert_same(&ours, &theirs);
}

/// The names of INFO's sections and fields, in order.
fn info_names(client: &mut Client) -> Vec<String> {
    let text = client.run("INFO everything").text();
    let own = ["redwheel_version", "module"];
    let names = text.lines().map(|line| match line.split_once(':') {
        Some((name, _)) => name.to_owned(),
        None => line.to_owned(),
    });
    let shown = names.filter(|name| !name.is_empty() && !own.contains(&name.as_str()));
    // Of what ran, which differs.
    shown
        .filter(|name| !name.starts_with("cmdstat_") && !name.starts_with("latency_percentiles"))
        .collect()
}

#[test]
fn info_has_the_fields_of_redis_in_its_order() {
    let options = ["--key-memory-histograms", "yes", "--appendonly", "yes"];
    let Some(servers) = both(&options) else {
        return;
    };
    let [ours, theirs] = servers.each_ref().map(|server| {
        let mut client = server.client();
        for line in [
            "SET s v",
            "RPUSH l a",
            "SADD t a",
            "ZADD z 1 a",
            "HSET h f v",
            "NOSUCH",
        ] {
            client.run(line);
        }
        info_names(&mut client)
    });
    assert_same(&ours, &theirs);
}

const AGES: [(&str, &str); 16] = [
    ("SET k 1", "GET k"),
    ("SET k 1", "SETNX k 2"),
    ("SET k 1", "EXPIRE k 100"),
    ("SET k 1", "TOUCH k"),
    ("SET k 1", "GETEX k"),
    ("SET k 1", "APPEND k x"),
    ("SET k 1", "SET k 1"),
    ("RPUSH k a b c", "LREM k 0 z"),
    ("RPUSH k a b c", "LPOP k"),
    ("SADD k a", "SADD k a"),
    ("SADD k a", "SADD k b"),
    ("ZADD k 1 a", "ZADD k 1 a"),
    ("HSET k a 1", "HSET k a 1"),
    ("HSET k a 1", "HGETALL k"),
    ("XADD k 1-1 a b", "XGROUP CREATE k g 0"),
    ("XADD k 1-1 a b", "XREAD STREAMS k 0"),
];

#[test]
fn keys_age_under_lrm_as_in_redis() {
    let policy = ["--maxmemory-policy", "allkeys-lrm"];
    let Some(servers) = both(&policy) else { return };
    let named = |line: &str, n: usize| line.replace(" k", &format!(" key:{n}"));
    let mut clients = servers.each_ref().map(|server| server.client());
    for client in &mut clients {
        for (n, (make, _)) in AGES.iter().enumerate() {
            assert!(!client.run(&named(make, n)).is_error());
        }
    }
    std::thread::sleep(Duration::from_millis(2_200));
    let [ours, theirs] = clients.each_mut().map(|client| {
        let used = AGES.iter().enumerate().map(|(n, (_, used))| {
            client.run(&named(used, n));
            let idle = client.run(&format!("OBJECT IDLETIME key:{n}"));
            format!("{used}: {}", idle.as_int().unwrap_or(-1) >= 2)
        });
        used.collect::<Vec<_>>()
    });
    assert_same(&ours, &theirs);
    let freq = clients
        .each_mut()
        .map(|client| client.run("OBJECT FREQ key:0").text());
    assert_eq!(freq[0], freq[1]);
}
