//! Strings: SET and its relatives, counters, ranges, LCS. The table is here, the functions are in
//! the files beside.

mod counter;
mod lcs;
mod range;
mod set;

use crate::command::DataCommand;
use crate::command::keys::*;
use crate::command::spec::*;
use counter::{decr, decrby, incr, incrby, incrbyfloat};
use lcs::lcs;
use range::{append, getrange, setrange, strlen};
use set::{get, getdel, getex, getset, mget, mset, msetnx, psetex, set, setex, setnx};

pub static TABLE: &[DataCommand] = &[
    Entry {
        spec: Spec {
            name: "get",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key",
            since: "1.0.0",
            summary: "The string at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: get,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "set",
            arity: -3,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE, VARIABLE_FLAGS])
                .noting("RW and ACCESS due to the optional `GET` argument")],
            find: Some(set::key_of_set),
            usage: "key:key value:string [condition(nx=NX|xx=XX)!2.6.12] [get=GET!6.2.0] [expiration(seconds:integer@EX!2.6.12|milliseconds:integer@PX!2.6.12|unix-time-seconds:unix-time@EXAT!6.2.0|unix-time-milliseconds:unix-time@PXAT!6.2.0|keepttl=KEEPTTL!6.0.0)]",
            since: "1.0.0",
            summary: "Stores a string at a key, whatever was there, or only under a condition.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: set,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "getdel",
            arity: 2,
            flags: all(&[WRITE, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
            usage: "key:key",
            since: "6.2.0",
            summary: "The string at a key, which is deleted.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: getdel,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "getex",
            arity: -2,
            flags: all(&[WRITE, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])
                .noting("RW and UPDATE because it changes the TTL")],
            usage: "key:key [expiration(seconds:integer@EX|milliseconds:integer@PX|unix-time-seconds:unix-time@EXAT|unix-time-milliseconds:unix-time@PXAT|persist=PERSIST)]",
            since: "6.2.0",
            summary: "Returns the string at a key and sets or clears its deadline.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: getex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "getset",
            arity: 3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            usage: "key:key value:string",
            since: "1.0.0",
            summary: "Stores a string and returns the previous one.",
            complexity: "O(1)",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`SET` with the `!GET` argument",
            }),
            ..Spec::BASE
        },
        run: getset,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "setnx",
            arity: 3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[OW, INSERT])],
            usage: "key:key value:string",
            since: "1.0.0",
            summary: "Stores a string if the key is free.",
            complexity: "O(1)",
            deprecated: Some(Deprecated {
                since: "2.6.12",
                replaced_by: "`SET` with the `NX` argument",
            }),
            ..Spec::BASE
        },
        run: setnx,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "setex",
            arity: 4,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[OW, UPDATE])],
            usage: "key:key seconds:integer value:string",
            since: "2.0.0",
            summary: "Stores a string with a time to live in seconds.",
            complexity: "O(1)",
            deprecated: Some(Deprecated {
                since: "2.6.12",
                replaced_by: "`SET` with the `EX` argument",
            }),
            ..Spec::BASE
        },
        run: setex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "psetex",
            arity: 4,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[OW, UPDATE])],
            usage: "key:key milliseconds:integer value:string",
            since: "2.6.0",
            summary: "Stores a string with a time to live in milliseconds.",
            complexity: "O(1)",
            deprecated: Some(Deprecated {
                since: "2.6.12",
                replaced_by: "`SET` with the `PX` argument",
            }),
            ..Spec::BASE
        },
        run: psetex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "mget",
            arity: -2,
            flags: all(&[READONLY, FAST]),
            group: Group::String,
            keys: &[KeySpec::range(1, -1, 1, &[RO, ACCESS])],
            usage: "key:key...",
            since: "1.0.0",
            summary: "The strings at several keys.",
            complexity: "O(N) where N is the number of keys to retrieve.",
            tips: &["request_policy:multi_shard"],
            ..Spec::BASE
        },
        run: mget,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "mset",
            arity: -3,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::String,
            keys: &[KeySpec::range(1, -1, 2, &[OW, UPDATE])],
            usage: "data{key:key value:string}...",
            since: "1.0.1",
            summary: "Stores strings at several keys, all at once.",
            complexity: "O(N) where N is the number of keys to set.",
            tips: &[
                "request_policy:multi_shard",
                "response_policy:all_succeeded",
            ],
            ..Spec::BASE
        },
        run: mset,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "msetnx",
            arity: -3,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::String,
            keys: &[KeySpec::range(1, -1, 2, &[OW, INSERT])],
            usage: "data{key:key value:string}...",
            since: "1.0.1",
            summary: "Stores strings at several keys if all of them are free.",
            complexity: "O(N) where N is the number of keys to set.",
            ..Spec::BASE
        },
        run: msetnx,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "append",
            arity: 3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, INSERT])],
            usage: "key:key value:string",
            since: "2.0.0",
            summary: "Appends to the string at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: append,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "strlen",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RO])],
            usage: "key:key",
            since: "2.2.0",
            summary: "The length of the string at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: strlen,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "getrange",
            arity: 4,
            flags: READONLY,
            group: Group::String,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key start:integer end:integer",
            since: "2.4.0",
            summary: "A slice of the string at a key.",
            complexity: "O(N) where N is the length of the returned string",
            ..Spec::BASE
        },
        run: getrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "substr",
            arity: 4,
            flags: READONLY,
            group: Group::String,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key start:integer end:integer",
            since: "1.0.0",
            summary: "A slice of the string at a key.",
            complexity: "O(N) where N is the length of the returned string",
            deprecated: Some(Deprecated {
                since: "2.0.0",
                replaced_by: "`GETRANGE`",
            }),
            ..Spec::BASE
        },
        run: getrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "setrange",
            arity: 4,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key offset:integer value:string",
            since: "2.2.0",
            summary: "Overwrites part of the string at a key.",
            complexity: "O(1), not counting the time taken to copy the new string in place",
            ..Spec::BASE
        },
        run: setrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "incr",
            arity: 2,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            usage: "key:key",
            since: "1.0.0",
            summary: "Adds one to the integer at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: incr,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "decr",
            arity: 2,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            usage: "key:key",
            since: "1.0.0",
            summary: "Subtracts one from the integer at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: decr,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "incrby",
            arity: 3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            usage: "key:key increment:integer",
            since: "1.0.0",
            summary: "Adds to the integer at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: incrby,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "decrby",
            arity: 3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            usage: "key:key decrement:integer",
            since: "1.0.0",
            summary: "Subtracts from the integer at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: decrby,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "incrbyfloat",
            arity: 3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::String,
            keys: &[KeySpec::at(1, &[RW, ACCESS, UPDATE])],
            usage: "key:key increment:double",
            since: "2.6.0",
            summary: "Adds to the decimal number at a key.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: incrbyfloat,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lcs",
            arity: -3,
            flags: READONLY,
            group: Group::String,
            keys: &[KeySpec::range(1, 1, 1, &[RO, ACCESS])],
            usage: "key1:key key2:key#0 [len=LEN] [idx=IDX] [min-match-len:integer@MINMATCHLEN] [withmatchlen=WITHMATCHLEN]",
            since: "7.0.0",
            summary: "The longest common subsequence of two strings.",
            complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
            ..Spec::BASE
        },
        run: lcs,
        subcommands: &[],
    },
];
