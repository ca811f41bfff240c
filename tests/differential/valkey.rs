//! The commands and options of Valkey: the same replies as Valkey 9.1.2. Lines whose errors are worded
//! as Redis words them are left out.

use super::rng::Rng;
use super::setting;
use super::support::client::{Client, Value};
use super::support::oracle;
use super::support::server::Server;

/// Random polygons compared.
const POLYGONS: u64 = 400;

fn pair() -> Option<[Server; 2]> {
    let Some(valkey) = oracle::valkey() else {
        eprintln!("skipped: no Valkey 9.1 here; run tests/oracles.sh or set VALKEY_SERVER");
        return None;
    };
    Some([Server::ours().start(), Server::of(&valkey).start()])
}

/// Runs a line on both, and asserts that the replies are equal.
fn compare(clients: &mut [Client; 2], line: &str) -> Value {
    let [ours, real] = clients.each_mut().map(|client| client.run(line));
    assert_eq!(ours, real, "{line}");
    ours
}

#[test]
fn command_logs_are_asked_as_in_valkey() {
    let Some(servers) = pair() else { return };
    let mut clients = servers.each_ref().map(Server::client);
    for line in [
        "COMMANDLOG",
        "COMMANDLOG GET",
        "COMMANDLOG GET 1",
        "COMMANDLOG GET 1 nosuch",
        "COMMANDLOG GET x slow",
        "COMMANDLOG GET -2 slow",
        "COMMANDLOG GET -2 nosuch",
        "COMMANDLOG GET 1 slow x",
        "COMMANDLOG LEN",
        "COMMANDLOG LEN Large-Reply",
        "COMMANDLOG LEN nosuch",
        "COMMANDLOG RESET",
        "COMMANDLOG RESET nosuch",
        "COMMANDLOG NOSUCH",
        "CONFIG SET commandlog-request-larger-than -2",
        "CONFIG SET commandlog-large-reply-max-len -1",
        "CONFIG SET commandlog-request-larger-than 40",
        "CONFIG SET commandlog-reply-larger-than 30",
        "COMMANDLOG RESET large-request",
        "COMMANDLOG RESET large-reply",
        "SET k 0123456789012345678901234567890",
        "GET k",
        "GET short",
        "NOSUCH 0123456789012345678901234567890123456789",
        "AUTH user 01234567890123456789012345678901234567",
        "MULTI",
        "ECHO 0123456789012345678901234567890123456789",
        "EXEC",
        "BLPOP 0123456789012345678901234567890 0.01",
        "COMMANDLOG LEN large-reply",
        "COMMANDLOG LEN large-request",
    ] {
        compare(&mut clients, line);
    }
    for kind in ["large-request", "large-reply"] {
        // The numbers of the entries depend on what came before; of replies within a transaction
        // Valkey counts those before, too.
        let logs = clients.each_mut().map(|client| {
            let entries = client.run(&format!("COMMANDLOG GET -1 {kind}")).items();
            let of_entry = |entry: &Value| {
                let items = entry.items();
                let is_nested = items[3].items()[0].text() == "ECHO";
                (
                    if is_nested {
                        String::new()
                    } else {
                        items[2].text()
                    },
                    items[3].clone(),
                )
            };
            entries.iter().map(of_entry).collect::<Vec<_>>()
        });
        assert_eq!(logs[0], logs[1], "{kind}");
        assert!(logs[0].len() >= 3, "{kind}");
    }
}

#[test]
fn clients_are_selected_as_in_valkey() {
    let Some(servers) = pair() else { return };
    let mut clients = servers.each_ref().map(Server::client);
    let mut others: Vec<[Client; 2]> = Vec::new();
    for lines in [
        ["CLIENT SETNAME alpha", "SELECT 3"],
        ["CLIENT SETINFO LIB-NAME libx", "CLIENT SETINFO LIB-VER 1.2"],
        ["CLIENT SETNAME beta", "SUBSCRIBE ch"],
        ["CLIENT SETNAME gamma", "MULTI"],
    ] {
        let mut pair = servers.each_ref().map(Server::client);
        lines.iter().for_each(|line| drop(compare(&mut pair, line)));
        others.push(pair);
    }
    let filters = "FLAGS P; FLAGS N; FLAGS x; FLAGS Px; FLAGS z; FLAGS Nz; NOT-FLAGS P; NOT-FLAGS PN; \
        NOT-FLAGS z; NAME alpha; NAME al*; NOT-NAME alpha; LIB-NAME libx; NOT-LIB-NAME libx; \
        LIB-VER 1.2; NOT-LIB-VER 1.2; DB 3; NOT-DB 3; DB 16; DB -1; DB x; NOT-DB 16; NOT-DB x; \
        CAPA r; NOT-CAPA r; CAPA x; NOT-CAPA x; IP 127.0.0.1; NOT-IP 127.0.0.1; IP x; IDLE 0; \
        IDLE x; IDLE 1000; NOT-IDLE 1; MAXAGE 0; MAXAGE x; MAXAGE 1000; NOT-MAXAGE 1; USER default; \
        USER nosuch; NOT-USER default; NOT-USER nosuch; ADDR 1.2.3.4:5; NOT-ADDR 1.2.3.4:5; \
        LADDR x; NOT-LADDR x; SKIPME yes; SKIPME no; SKIPME x; NOT-SKIPME yes; NOT-TYPE pubsub; \
        NOT-TYPE x; TYPE normal NAME alpha; TYPE normal TYPE pubsub; NOT-ID 0; NOT-ID 9999 NAME alpha; \
        NAME alpha ID 0; NAME alpha NOT-NAME alpha; NAME beta NAME alpha; NAME; NOT-NAME; \
        NAME alpha FOO; NAME alpha DB; FOO x; DB 3 FLAGS N SKIPME yes; TYPE pubsub NOT-NAME alpha; \
        ID 9999 NAME alpha";
    for filter in filters.split(';').map(str::trim) {
        let names = clients.each_mut().map(|client| {
            let text = client.run(&format!("CLIENT LIST {filter}")).text();
            let name = |line: &str| {
                let word = line.split(' ').find(|word| word.starts_with("name="));
                word.unwrap_or(line).to_owned()
            };
            text.lines().map(name).collect::<Vec<_>>()
        });
        assert_eq!(names[0], names[1], "CLIENT LIST {filter}");
    }
    for filter in [
        "NAME nosuch",
        "DB 16",
        "FLAGS z",
        "CAPA x",
        "IDLE 0",
        "MAXAGE 0",
        "NOT-TYPE x",
        "NOT-IDLE 1",
        "ID 9998 9999",
        "ID 9998 -1",
        "NAME a NAME",
        "DB 3 NOT-NAME alpha",
        "FLAGS P NAME beta",
        "NAME gamma FLAGS x LIB-NAME nosuch",
        "NOT-NAME alpha NOT-LIB-NAME libx SKIPME yes",
        "NOT-USER nosuch",
        "TYPE normal NOT-DB 3",
        "LADDR x",
        "NOT-LADDR x",
    ] {
        compare(&mut clients, &format!("CLIENT KILL {filter}"));
    }
}

const ERRORS: &[&str] = &[
    "GEOSEARCH g BYPOLYGON 2 1 2 3 4 5 6",
    "GEOSEARCH g BYPOLYGON x 1 2 3 4 5 6",
    "GEOSEARCH g BYPOLYGON 3.0 1 2 3 4 5 6",
    "GEOSEARCH g BYPOLYGON 2147483648 1 2 3 4 5 6",
    "GEOSEARCH g BYPOLYGON 4 1 2 3 4 5 6 7",
    "GEOSEARCH g BYPOLYGON 4 1 2 3 4 5 6 ASC DESC",
    "GEOSEARCH g BYPOLYGON 3 1 2 3 4 5 6 7",
    "GEOSEARCH g BYPOLYGON 3 1 2 3 4 500 6",
    "GEOSEARCH g BYPOLYGON 3 inf 2 3 4 5 6",
    "GEOSEARCH g BYPOLYGON 3 1 2 3 4 5 6 ANY",
    "GEOSEARCH g BYPOLYGON 3 1 2 3 4 5 6 STOREDIST",
    "GEOSEARCH g BYPOLYGON 3 1 2 3 4 5 6 BYRADIUS 1 km",
    "GEOSEARCH g BYRADIUS 1 km BYPOLYGON 3 1 2 3 4 5 6",
    "GEOSEARCH g FROMLONLAT 1 2 BYPOLYGON 3 1 2 3 4 5 6",
    "GEOSEARCH g BYPOLYGON 3 1 2 3 4 5 6 FROMMEMBER x",
    "GEOSEARCH g BYPOLYGON 3 1 2 3 4 5 6 BYPOLYGON 3 0 0 1 1 1 0",
    "GEOSEARCHSTORE d g BYPOLYGON 3 1 2 3 4 5 6 WITHDIST",
    "GEOSEARCHSTORE d g BYPOLYGON 2 1 2 3 4 5",
    "GEORADIUS g 1 2 3 km BYPOLYGON 3 1 2 3 4 5 6",
];

#[test]
fn polygons_hold_the_same_places_in_the_same_order() {
    let Some(servers) = pair() else { return };
    let mut clients = servers.each_ref().map(Server::client);
    let mut rng = Rng::new(setting("REDWHEEL_DIFF_SEED", 1));
    let mut within = |half: f64| (rng.below(2_000_001) as f64 / 1e6 - 1.0) * half;
    for number in 0..1_500 {
        let (lon, lat) = match number % 2 {
            0 => (within(170.0), within(80.0)),
            _ => (15.0 + within(5.0), 40.0 + within(5.0)),
        };
        let line = format!("GEOADD g {lon} {lat} place{number}");
        compare(&mut clients, &line);
    }
    ERRORS
        .iter()
        .for_each(|line| drop(compare(&mut clients, line)));
    for number in 0..POLYGONS {
        // Those near the edge of the map are not compared: Valkey misses places there.
        let size = 10f64.powf(within(1.0) + 0.3);
        let (lon, lat) = match number % 2 {
            0 => (within(100.0), within(50.0)),
            _ => (15.0 + within(4.0), 40.0 + within(4.0)),
        };
        let count = 3 + number as usize % 40;
        let vertices: Vec<String> = (0..count)
            .map(|_| format!("{} {}", lon + within(size), lat + within(size)))
            .collect();
        let polygon = format!("BYPOLYGON {count} {}", vertices.join(" "));
        for rest in [
            "",
            "WITHDIST WITHHASH ASC",
            "WITHDIST DESC COUNT 3",
            "COUNT 2 ANY",
        ] {
            compare(&mut clients, &format!("GEOSEARCH g {polygon} {rest}"));
        }
        compare(
            &mut clients,
            &format!("GEOSEARCHSTORE d g {polygon} STOREDIST"),
        );
        // The last digits of a distance depend on the order of sums.
        compare(&mut clients, "ZRANGE d 0 -1");
    }
}

#[test]
fn database_rules_are_those_of_valkey() {
    let Some(servers) = pair() else { return };
    let mut clients = servers.each_ref().map(Server::client);
    for rules in [
        "db=0,1",
        "db=2",
        "db=3,1,3,2",
        "resetdbs",
        "alldbs",
        "ALLDBS",
        "DB=4",
        "db=",
        "db=x",
        "db=1,",
        "db=,1",
        "db=1,,2",
        "db=-1",
        "db=100",
        "db=2147483647",
        "db=2147483648",
        "db=0x1",
        "db=01",
        "db=*",
        "db=1-3",
        "resetdbs db=5 db=1",
        "alldbs db=1",
        "reset",
        "on nopass ~* +@all db=0 (db=1 +get ~k*)",
        "clearselectors (resetdbs +@all ~*)",
    ] {
        compare(&mut clients, &format!("ACL SETUSER u {rules}"));
        let shown = clients.each_mut().map(|client| {
            let shown = client.run("ACL GETUSER u");
            let of = |value: &Value| value.field("databases").map(|rules| rules.text());
            let selectors = shown
                .field("selectors")
                .map(|s| s.items())
                .unwrap_or_default();
            let inner: Vec<_> = selectors.iter().map(of).collect();
            (of(&shown), inner)
        });
        // Without such a rule ours shows what Redis shows.
        if shown[0].0.is_some() {
            assert_eq!(shown[0], shown[1], "{rules}");
        }
        let lines = clients.each_mut().map(|client| {
            let lines = client.run("ACL LIST").items();
            let lines: Vec<String> = lines.iter().map(Value::text).collect();
            lines.join("\n").replace("sanitize-payload ", "")
        });
        assert_eq!(lines[0], lines[1], "{rules}");
    }
    compare_verdicts(&mut clients);
}

fn compare_verdicts(clients: &mut [Client; 2]) {
    let commands = "GET k; MGET k j; SET k v; PING; DBSIZE; KEYS *; RANDOMKEY; SCAN 0; FLUSHDB; FLUSHALL; \
        SELECT 0; SELECT 1; SELECT 2; SELECT x; SELECT 99; SELECT -1; MOVE k 0; MOVE k 1; MOVE k 2; \
        MOVE k x; MOVE k 99; COPY a b; COPY a b DB 1; COPY a b DB 0; COPY a b REPLACE DB 2; \
        COPY a b DB 1 DB 0; COPY a b DB x; COPY a b FOO; SWAPDB 0 1; SWAPDB 1 1; SWAPDB 0 0; SWAPDB 1 2; \
        SWAPDB x 1; EVAL x 0; EVAL x 1 k; EVALSHA x 0; FCALL f 0; FUNCTION LIST; FUNCTION FLUSH; \
        SCRIPT LOAD x; MULTI; INFO; PUBLISH a b; SUBSCRIBE c; SAVE; MEMORY USAGE k; MEMORY STATS; \
        WATCH k; WAIT 0 0; CLIENT LIST; LOLWUT; TIME; XREAD STREAMS s 0; SORT k; TOUCH k; \
        MIGRATE h 1 k 3 100; DUMP k; OBJECT ENCODING k; XINFO HELP; RESET; CONFIG GET x";
    for rules in [
        "+@all ~* &* db=0",
        "+@all ~* &* db=1",
        "+@all ~* &* db=0,1",
        "+@all ~* &* resetdbs",
        "-@all +get ~* db=0",
        "-@all ~z db=1",
        "+@all ~z db=0 (db=1 +@all ~*)",
        "+@all ~* db=1 (db=0 +@all ~z)",
        "+@all ~* db=1 (db=0 -@all +get ~*)",
        "-@all ~* db=0 (db=9 +@all ~*)",
    ] {
        compare(clients, &format!("ACL SETUSER u reset on nopass {rules}"));
        for command in commands.split(';').map(str::trim) {
            compare(clients, &format!("ACL DRYRUN u {command}"));
        }
    }
}

#[test]
fn users_are_kept_to_their_databases_as_in_valkey() {
    let Some(servers) = pair() else { return };
    let mut admins = servers.each_ref().map(Server::client);
    let mut users = servers.each_ref().map(Server::client);
    let lines = "a ACL SETUSER u on nopass ~* &* +@all db=1; u AUTH u x; u GET k; u SELECT 0; u SELECT 1; \
        u SET k v; u MOVE k 0; u SWAPDB 0 1; u COPY k j DB 2; u FLUSHALL; u FLUSHDB; u MULTI; u SELECT 2; \
        u EXEC; u MULTI; u SELECT 1; u SET k v; u EXEC; u BLPOP l 0.01; u PUBLISH c m; u MULTI; u SET a b; \
        a ACL SETUSER u resetdbs db=2; u GET a; u EXEC; u GET a; u BLPOP l 0.01; u SELECT 2; \
        a ACL SETUSER u db=0; u PING; u DBSIZE; u SELECT 0; a ACL SETUSER u alldbs; u MULTI; \
        u SELECT 1; u SET a b; a ACL SETUSER u db=0; u EXEC; u GET a; a ACL SETUSER u alldbs; u SELECT 3; \
        a ACL SETUSER u db=0; u GET k; u AUTH u x; u SELECT 0; u DBSIZE";
    for line in lines.split(';').map(str::trim) {
        let (who, line) = line.split_at(2);
        compare(if who == "a " { &mut admins } else { &mut users }, line);
    }
    for script in [
        "return redis.call('select', 2)",
        "return redis.pcall('select', 2)",
        "return redis.call('select', 0)",
        "return redis.acl_check_cmd('select', '2')",
        "return redis.acl_check_cmd('get', '2')",
        "return redis.acl_check_cmd('flushall')",
    ] {
        // Behind an error Redis names the script, and Valkey does not.
        let replies = users.each_mut().map(|client| {
            let reply = client.call(&["EVAL", script, "0"]).text();
            reply
                .split(" script:")
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        assert_eq!(replies[0], replies[1], "{script}");
    }
    let logs = admins.each_mut().map(|client| {
        let entries = client.run("ACL LOG 100").items();
        let fields = ["count", "reason", "context", "object", "username"];
        let told = entries.iter().map(|entry| {
            fields.map(|name| entry.field(name).map_or("?".into(), |value| value.text()))
        });
        told.collect::<Vec<_>>()
    });
    assert_eq!(logs[0], logs[1]);
}
