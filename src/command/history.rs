//! Changes of commands by version of Redis, for COMMAND DOCS.
//!
//! Versions as Redis 8.2.3 tells them, in words of our own. Most of it is about options that a
//! command's declaration shows as well; it stands here since a declaration tells what is, not what was.

/// A version, and the change it brought to a command.
pub type Change = (&'static str, &'static str);

/// By the full name of the command, in order.
static CHANGES: &[(&str, &[Change])] = &[
    (
        "acl|getuser",
        &[
            ("6.2.0", "Shows patterns of Pub/Sub channels."),
            (
                "7.0.0",
                "Shows selectors; patterns come as the rules that set them.",
            ),
        ],
    ),
    (
        "acl|log",
        &[(
            "7.2.0",
            "Entries have a number and two times: made, and last changed.",
        )],
    ),
    (
        "acl|setuser",
        &[
            ("6.2.0", "Takes patterns of Pub/Sub channels."),
            ("7.0.0", "Takes selectors, and permissions by key."),
        ],
    ),
    ("auth", &[("6.0.0", "Takes the name of a user.")]),
    ("bgsave", &[("3.2.2", "Takes SCHEDULE.")]),
    ("bitcount", &[("7.0.0", "Takes BYTE and BIT.")]),
    ("bitpos", &[("7.0.0", "Takes BYTE and BIT.")]),
    ("blpop", &[("6.0.0", "The timeout may have a fraction.")]),
    ("brpop", &[("6.0.0", "The timeout may have a fraction.")]),
    (
        "brpoplpush",
        &[("6.0.0", "The timeout may have a fraction.")],
    ),
    ("bzpopmax", &[("6.0.0", "The timeout may have a fraction.")]),
    ("bzpopmin", &[("6.0.0", "The timeout may have a fraction.")]),
    (
        "client|kill",
        &[
            ("2.8.12", "Takes filters."),
            ("2.8.12", "Takes ID."),
            ("3.2.0", "Takes the type master."),
            (
                "5.0.0",
                "The type slave is called replica; the old name is still taken.",
            ),
            ("6.2.0", "Takes LADDR."),
            ("7.4.0", "Takes MAXAGE."),
        ],
    ),
    (
        "client|list",
        &[
            ("2.8.12", "Shows the id of a client."),
            ("5.0.0", "Takes TYPE."),
            ("6.0.0", "Shows the user."),
            (
                "6.2.0",
                "Shows argv-mem, tot-mem, laddr and redir; takes ID.",
            ),
            ("7.0.0", "Shows resp, multi-mem, rbs and rbp."),
            ("7.0.3", "Shows ssub."),
            ("7.2.0", "Shows lib-name and lib-ver."),
            ("7.4.0", "Shows watch."),
            ("8.0.0", "Shows io-thread."),
        ],
    ),
    (
        "client|pause",
        &[("6.2.0", "Takes a mode: writes only, or everything.")],
    ),
    (
        "cluster|meet",
        &[("4.0.0", "Takes the port of the cluster's bus.")],
    ),
    (
        "cluster|slots",
        &[
            ("4.0.0", "Shows the ids of nodes."),
            ("7.0.0", "Shows more of how a node is reached."),
        ],
    ),
    (
        "command|info",
        &[("7.0.0", "Without names it describes all commands.")],
    ),
    ("config|get", &[("7.0.0", "Takes several patterns.")]),
    ("config|set", &[("7.0.0", "Takes several pairs.")]),
    ("exists", &[("3.0.3", "Takes several keys.")]),
    ("expire", &[("7.0.0", "Takes NX, XX, GT and LT.")]),
    ("expireat", &[("7.0.0", "Takes NX, XX, GT and LT.")]),
    (
        "flushall",
        &[("4.0.0", "Takes ASYNC."), ("6.2.0", "Takes SYNC.")],
    ),
    (
        "flushdb",
        &[("4.0.0", "Takes ASYNC."), ("6.2.0", "Takes SYNC.")],
    ),
    ("geoadd", &[("6.2.0", "Takes CH, NX and XX.")]),
    (
        "georadius",
        &[
            ("6.2.0", "COUNT takes ANY."),
            ("7.0.0", "Units may be written in capitals."),
        ],
    ),
    (
        "georadius_ro",
        &[
            ("6.2.0", "COUNT takes ANY."),
            ("7.0.0", "Units may be written in capitals."),
        ],
    ),
    (
        "georadiusbymember",
        &[
            ("6.2.0", "COUNT takes ANY."),
            ("7.0.0", "Units may be written in capitals."),
        ],
    ),
    (
        "georadiusbymember_ro",
        &[
            ("6.2.0", "COUNT takes ANY."),
            ("7.0.0", "Units may be written in capitals."),
        ],
    ),
    (
        "geosearch",
        &[("7.0.0", "Units may be written in capitals.")],
    ),
    (
        "geosearchstore",
        &[("7.0.0", "Units may be written in capitals.")],
    ),
    ("hdel", &[("2.4.0", "Takes several fields.")]),
    (
        "hello",
        &[(
            "6.2.0",
            "The version may be left out; then it only describes the connection.",
        )],
    ),
    (
        "hset",
        &[("4.0.0", "Takes several fields with their values.")],
    ),
    ("info", &[("7.0.0", "Takes several sections.")]),
    ("lpop", &[("6.2.0", "Takes a count.")]),
    ("lpush", &[("2.4.0", "Takes several elements.")]),
    ("lpushx", &[("4.0.0", "Takes several elements.")]),
    (
        "migrate",
        &[
            ("3.0.0", "Takes COPY and REPLACE."),
            ("3.0.6", "Takes KEYS."),
            ("4.0.7", "Takes AUTH."),
            ("6.0.0", "Takes AUTH2."),
        ],
    ),
    ("pexpire", &[("7.0.0", "Takes NX, XX, GT and LT.")]),
    ("pexpireat", &[("7.0.0", "Takes NX, XX, GT and LT.")]),
    ("pttl", &[("2.8.0", "Returns -2 where there is no key.")]),
    (
        "renamenx",
        &[("3.2.0", "Two equal names are no error any more.")],
    ),
    (
        "restore",
        &[
            ("3.0.0", "Takes REPLACE."),
            ("5.0.0", "Takes ABSTTL."),
            ("5.0.0", "Takes IDLETIME and FREQ."),
        ],
    ),
    (
        "restore-asking",
        &[
            ("3.0.0", "Takes REPLACE."),
            ("5.0.0", "Takes ABSTTL."),
            ("5.0.0", "Takes IDLETIME and FREQ."),
        ],
    ),
    ("rpop", &[("6.2.0", "Takes a count.")]),
    ("rpush", &[("2.4.0", "Takes several elements.")]),
    ("rpushx", &[("4.0.0", "Takes several elements.")]),
    ("sadd", &[("2.4.0", "Takes several members.")]),
    ("scan", &[("6.0.0", "Takes TYPE.")]),
    ("script|flush", &[("6.2.0", "Takes ASYNC and SYNC.")]),
    (
        "set",
        &[
            ("2.6.12", "Takes EX, PX, NX and XX."),
            ("6.0.0", "Takes KEEPTTL."),
            ("6.2.0", "Takes GET, EXAT and PXAT."),
            ("7.0.0", "NX and GET go together."),
        ],
    ),
    ("shutdown", &[("7.0.0", "Takes NOW, FORCE and ABORT.")]),
    (
        "slowlog|get",
        &[("4.0.0", "Shows the address and the name of the client.")],
    ),
    ("spop", &[("3.2.0", "Takes a count.")]),
    ("srandmember", &[("2.6.0", "Takes a count.")]),
    ("srem", &[("2.4.0", "Takes several members.")]),
    ("ttl", &[("2.8.0", "Returns -2 where there is no key.")]),
    (
        "xadd",
        &[
            ("6.2.0", "Takes NOMKSTREAM, MINID and LIMIT."),
            ("7.0.0", "Takes an id whose second part is left open."),
            ("8.2.0", "Takes KEEPREF, DELREF and ACKED."),
        ],
    ),
    (
        "xautoclaim",
        &[(
            "7.0.0",
            "Tells of deleted entries that it took off the pending list.",
        )],
    ),
    ("xgroup|create", &[("7.0.0", "Takes ENTRIESREAD.")]),
    ("xgroup|setid", &[("7.0.0", "Takes ENTRIESREAD.")]),
    (
        "xinfo|consumers",
        &[("7.2.0", "Shows inactive; idle has another meaning.")],
    ),
    ("xinfo|groups", &[("7.0.0", "Shows entries-read and lag.")]),
    (
        "xinfo|stream",
        &[
            ("6.0.0", "Takes FULL."),
            (
                "7.0.0",
                "Shows max-deleted-entry-id, entries-added, recorded-first-entry-id, entries-read and lag.",
            ),
            ("7.2.0", "Shows active-time; seen-time has another meaning."),
        ],
    ),
    (
        "xpending",
        &[("6.2.0", "Takes IDLE, and ranges without their ends.")],
    ),
    ("xrange", &[("6.2.0", "Takes ranges without their ends.")]),
    (
        "xrevrange",
        &[("6.2.0", "Takes ranges without their ends.")],
    ),
    (
        "xsetid",
        &[("7.0.0", "Takes ENTRIESADDED and MAXDELETEDID.")],
    ),
    (
        "xtrim",
        &[
            ("6.2.0", "Takes MINID and LIMIT."),
            ("8.2.0", "Takes KEEPREF, DELREF and ACKED."),
        ],
    ),
    (
        "zadd",
        &[
            ("2.4.0", "Takes several members."),
            ("3.0.2", "Takes XX, NX, CH and INCR."),
            ("6.2.0", "Takes GT and LT."),
        ],
    ),
    (
        "zrange",
        &[("6.2.0", "Takes REV, BYSCORE, BYLEX and LIMIT.")],
    ),
    ("zrangebyscore", &[("2.0.0", "Takes WITHSCORES.")]),
    ("zrank", &[("7.2.0", "Takes WITHSCORE.")]),
    ("zrem", &[("2.4.0", "Takes several members.")]),
    (
        "zrevrangebyscore",
        &[("2.1.6", "Takes ranges without their ends.")],
    ),
    ("zrevrank", &[("7.2.0", "Takes WITHSCORE.")]),
];

/// The changes of a command, by its full name; oldest first.
pub fn of(full_name: &str) -> &'static [Change] {
    match CHANGES.binary_search_by_key(&full_name, |(name, _)| *name) {
        Ok(at) => CHANGES[at].1,
        Err(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(CHANGES.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(of("set").len(), 4);
        assert!(of("get").is_empty());
    }
}
