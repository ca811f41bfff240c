//! The hits and misses that each command counts, over a missing key and a key of each type, beside
//! Redis 8.10.2. Skipped without it.

use super::DEBUG;
use super::support::client::Client;
use super::support::oracle;
use super::support::server::Server;

/// A key of each type, by its name.
const VALUES: &[&str] = &[
    "SET str hello",
    "SET num 5",
    "RPUSH list a b c",
    "SADD set a b 1",
    "HSET hash f v g 2",
    "ZADD zset 1 a 2 b",
    "XADD stream 1-1 f v",
    "PFADD hll a b",
    "GEOADD geo 15 37 p 15.1 37 q",
    "SET exp v EX 1000",
    "ARSET arr 0 a",
    "XGROUP CREATE stream g 0",
];
const KEYS: &[&str] = &[
    "missing", "str", "num", "list", "set", "hash", "zset", "stream", "hll", "geo", "exp", "arr",
];

/// Commands; `K` stands for the key.
const COMMANDS: &str = "
    SET K v GET | SET K v NX GET | SET K v XX GET | SET K v NX | SET K v XX | SET K v IFEQ hello
    SET K v IFNE hello | SET K v IFEQ hello GET | SET K v IFDEQ 0000000000000000
    SET K v IFDEQ 1 | SET K v IFDNE 0000000000000000 GET | SETNX K v | GETSET K v | GETEX K
    GETEX K EX 10 | GETEX K PERSIST | GETDEL K | APPEND K x | STRLEN K | SETRANGE K 0 a
    GETRANGE K 0 1 | SUBSTR K 0 1 | INCR K | DECRBY K 2 | INCRBYFLOAT K 1 | INCREX K
    INCREX K BYINT 2 EX 10 | DELEX K | DELEX K IFEQ hello | DELEX K IFNE hello
    DELEX K IFDEQ 0000000000000000 | DIGEST K | MSETNX K 1 other 2 | MSETEX 1 K v NX
    MSETEX 1 K v XX | MGET K K missing | LCS K str | LCS K missing LEN | EXISTS K K | TYPE K
    TTL K | PTTL K | EXPIRETIME K | EXPIRE K 100 | EXPIRE K 100 NX | PERSIST K | DUMP K
    OBJECT ENCODING K | OBJECT IDLETIME K | OBJECT REFCOUNT K | OBJECT FREQ K | MEMORY USAGE K
    TOUCH K K | RENAME K other | RENAMENX K str | COPY K other | COPY K str | COPY K str REPLACE
    MOVE K 3 | DEL K | UNLINK K | SORT K | SORT K BY x* GET y* | SORT_RO K | SORT K STORE dst
    SORT K ALPHA STORE dst | BITCOUNT K | BITCOUNT K 0 -1 | BITPOS K 1 | GETBIT K 1
    SETBIT K 1 1 | BITFIELD K GET u8 0 | BITFIELD K SET u8 0 1 | BITFIELD_RO K GET u8 0
    BITOP AND dst K str | BITOP NOT dst K | PFADD K a | PFCOUNT K | PFCOUNT K hll
    PFMERGE dst K | PFMERGE K hll | LPUSH K a | LPUSHX K a | RPUSHX K a | LPOP K | LPOP K 2
    RPOP K | LLEN K | LRANGE K 0 -1 | LINDEX K 0 | LINDEX K 99 | LSET K 0 a
    LINSERT K BEFORE a x | LREM K 0 a | LTRIM K 0 1 | LPOS K a | LMOVE K dst LEFT RIGHT
    LMOVE list K LEFT RIGHT | RPOPLPUSH K dst | LMPOP 2 K list LEFT | LMOVEM K dst LEFT RIGHT 2
    SADD K a | SREM K a | SCARD K | SISMEMBER K a | SMISMEMBER K a b | SMEMBERS K
    SRANDMEMBER K | SRANDMEMBER K 2 | SRANDMEMBER K -2 | SMOVE K dst a | SMOVE set K a
    SINTER K set | SINTERCARD 2 K set | SINTERSTORE dst K set | SUNION K set
    SUNIONSTORE dst K set | SDIFF K set | SDIFFSTORE dst K set | SUNIONCARD 2 K set
    SDIFFCARD 2 K set | SSCAN K 0 | HSET K f 1 | HSETNX K f 1 | HMSET K f 1 | HGET K f
    HGET K nof | HMGET K f g | HGETALL K | HKEYS K | HVALS K | HLEN K | HSTRLEN K f
    HEXISTS K f | HDEL K f | HINCRBY K g 1 | HINCRBYFLOAT K g 1 | HRANDFIELD K | HRANDFIELD K 2
    HRANDFIELD K -2 WITHVALUES | HSCAN K 0 | HEXPIRE K 100 FIELDS 1 f
    HPEXPIRE K 100000 FIELDS 1 f | HTTL K FIELDS 1 f | HPTTL K FIELDS 1 f
    HEXPIRETIME K FIELDS 1 f | HPERSIST K FIELDS 1 f | HGETEX K FIELDS 1 f
    HGETEX K EX 100 FIELDS 1 f | HGETDEL K FIELDS 1 f | HSETEX K FIELDS 1 f v
    HSETEX K EX 100 FIELDS 1 f v | HSETEX K FNX FIELDS 1 f v | ZADD K 1 a | ZADD K XX 1 a
    ZADD K INCR 1 a | ZINCRBY K 1 a | ZREM K a | ZCARD K | ZSCORE K a | ZMSCORE K a b
    ZRANK K a | ZREVRANK K a WITHSCORE | ZRANGE K 0 -1 | ZRANGE K 0 5 BYSCORE | ZREVRANGE K 0 -1
    ZRANGEBYSCORE K 0 5 | ZRANGEBYLEX K - + | ZLEXCOUNT K - + | ZCOUNT K 0 5
    ZRANGESTORE dst K 0 -1 | ZREMRANGEBYRANK K 0 0 | ZREMRANGEBYSCORE K 0 1
    ZREMRANGEBYLEX K - + | ZPOPMIN K | ZPOPMAX K 2 | ZMPOP 2 K zset MIN | ZRANDMEMBER K
    ZRANDMEMBER K 2 | ZRANDMEMBER K -2 | ZUNION 2 K zset | ZINTER 2 K zset | ZDIFF 2 K zset
    ZUNIONSTORE dst 2 K zset | ZINTERSTORE dst 2 K zset | ZDIFFSTORE dst 2 K zset
    ZINTERCARD 2 K zset | ZSCAN K 0 | GEOADD K 15 37 p | GEOPOS K p | GEODIST K p q
    GEOHASH K p | GEOSEARCH K FROMLONLAT 15 37 BYRADIUS 1 km
    GEOSEARCHSTORE dst K FROMLONLAT 15 37 BYRADIUS 100 km | GEORADIUS K 15 37 100 km
    GEORADIUS_RO K 15 37 100 km | GEORADIUS K 15 37 100 km STORE dst
    GEORADIUSBYMEMBER K p 100 km | XADD K * f v | XADD K NOMKSTREAM * f v | XLEN K
    XRANGE K - + | XREVRANGE K + - | XREAD STREAMS K 0 | XREADGROUP GROUP g c STREAMS K >
    XREADGROUP GROUP g c STREAMS K 0 | XACK K g 1-1 | XACKDEL K g IDS 1 1-1 | XDEL K 1-1
    XDELEX K IDS 1 1-1 | XTRIM K MAXLEN 0 | XSETID K 5-5 | XPENDING K g | XPENDING K g - + 10
    XCLAIM K g c 0 1-1 | XAUTOCLAIM K g c 0 0 | XGROUP CREATE K g2 0
    XGROUP CREATE K g2 0 MKSTREAM | XGROUP SETID K g 0 | XGROUP DESTROY K g
    XGROUP CREATECONSUMER K g c | XGROUP DELCONSUMER K g c | XINFO STREAM K
    XINFO STREAM K FULL | XINFO GROUPS K | XINFO CONSUMERS K g | XNACK K g SILENT IDS 1 1-1
    XCFGSET K IDMP-DURATION 10 | ARGET K 0 | ARSET K 0 b | ARLEN K | ARCOUNT K | ARDEL K 0
    ARINFO K | ARGETRANGE K 0 1 | ARINSERT K a | ARMGET K 0 1 | ARSCAN K 0 1
";

/// The hits and misses so far.
fn counters(client: &mut Client) -> (u64, u64) {
    let stats = client.run("INFO stats").text();
    let of = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.parse().ok()).expect(name)
    };
    (of("keyspace_hits:"), of("keyspace_misses:"))
}

/// What a command counts: (hits, misses).
fn counted(client: &mut Client, command: &str) -> (u64, u64) {
    client.send(&["FLUSHALL"]);
    VALUES.iter().for_each(|value| {
        let words: Vec<&str> = value.split(' ').collect();
        client.send(&words);
    });
    (0..=VALUES.len()).for_each(|_| drop(client.reply()));
    let before = counters(client);
    client.run(command);
    let after = counters(client);
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn lookups_are_counted_alike() {
    let Some(redis) = oracle::redis() else {
        eprintln!("skipped: no Redis 8.10.2 here; run tests/oracles.sh");
        return;
    };
    let ours = Server::ours().with(DEBUG).start();
    let theirs = Server::of(&redis).with(DEBUG).start();
    let (mut ours, mut theirs) = (ours.client(), theirs.client());
    let commands = COMMANDS.split(['|', '\n']).map(str::trim);
    let mut different = Vec::new();
    for template in commands.filter(|command| !command.is_empty()) {
        for key in KEYS {
            let words = template.split(' ');
            let words: Vec<&str> = words
                .map(|word| if word == "K" { key } else { word })
                .collect();
            let command = words.join(" ");
            let (here, there) = (counted(&mut ours, &command), counted(&mut theirs, &command));
            if here != there {
                different.push(format!("{command}: {here:?}, in Redis {there:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
