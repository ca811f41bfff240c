//! Lists: elements in order, taken and added at both ends. The table is here, the functions are in
//! the files beside: `push_pop` for the ends, `read` and `edit` for the middle, `blocking` for the
//! commands that move elements and those that block.

mod blocking;
mod edit;
mod push_pop;
mod read;

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::{Found, RemovalReason};
use crate::types::listpack::Item;
use crate::types::quicklist::End;
use blocking::{blmove, blmpop, blpop, brpop, brpoplpush, lmove, lmpop, rpoplpush};
use edit::{linsert, lrem, lset, ltrim};
use push_pop::{lpop, lpush, lpushx, rpop, rpush, rpushx};
use read::{lindex, llen, lpos, lrange};

/// Replies with an element.
#[inline(always)]
pub(super) fn write_item(reply: &mut Reply, item: Item) -> CmdResult {
    match item {
        Item::Text(text) => reply.bulk(text),
        Item::Int(n) => reply.bulk_int(n),
    }
}

/// The next argument as an end of a list.
fn end_argument(args: &mut Args) -> Result<End, CmdError> {
    if args.word("left") {
        Ok(End::Left)
    } else if args.word("right") {
        Ok(End::Right)
    } else {
        Err(CmdError::Syntax)
    }
}

/// The event of elements that were taken.
fn popped(end: End) -> Event {
    match end {
        End::Left => Event::LPOP,
        End::Right => Event::RPOP,
    }
}

/// The event of elements that were added.
fn pushed(end: End) -> Event {
    match end {
        End::Left => Event::LPUSH,
        End::Right => Event::RPUSH,
    }
}

/// Called after elements were removed from a list and the event was noted: converts the encoding,
/// or removes the key if the list is empty.
#[inline]
fn settle(cx: &mut Cx, key: &[u8], found: Found) {
    let tuning = cx.tuning;
    let mut db = cx.db();
    if !db.list_at(found).is_ok_and(|list| list.is_empty()) {
        return db.list_shrunk(found, tuning);
    }
    db.remove(found, RemovalReason::Deleted);
    cx.also(Event::DEL, key);
}

pub static TABLE: &[DataCommand] = &[
    Entry {
        spec: Spec {
            name: "lpush",
            arity: -3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, INSERT])],
            usage: "key:key element:string...",
            since: "1.0.0",
            summary: "Adds elements at the head of a list, making it if need be.",
            complexity: "O(1) for each element",
            ..Spec::BASE
        },
        run: lpush,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "rpush",
            arity: -3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, INSERT])],
            usage: "key:key element:string...",
            since: "1.0.0",
            summary: "Adds elements at the tail of a list, making it if need be.",
            complexity: "O(1) for each element",
            ..Spec::BASE
        },
        run: rpush,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lpushx",
            arity: -3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, INSERT])],
            usage: "key:key element:string...",
            since: "2.2.0",
            summary: "Adds elements at the head of a list that is there.",
            complexity: "O(1) for each element",
            ..Spec::BASE
        },
        run: lpushx,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "rpushx",
            arity: -3,
            flags: all(&[WRITE, DENYOOM, FAST]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, INSERT])],
            usage: "key:key element:string...",
            since: "2.2.0",
            summary: "Adds elements at the tail of a list that is there.",
            complexity: "O(1) for each element",
            ..Spec::BASE
        },
        run: rpushx,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lpop",
            arity: -2,
            flags: all(&[WRITE, FAST]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
            usage: "key:key [count:integer!6.2.0]",
            since: "1.0.0",
            summary: "Takes the first elements of a list.",
            complexity: "O(N) where N is the number of elements taken",
            ..Spec::BASE
        },
        run: lpop,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "rpop",
            arity: -2,
            flags: all(&[WRITE, FAST]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE])],
            usage: "key:key [count:integer!6.2.0]",
            since: "1.0.0",
            summary: "Takes the last elements of a list.",
            complexity: "O(N) where N is the number of elements taken",
            ..Spec::BASE
        },
        run: rpop,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "llen",
            arity: 2,
            flags: all(&[READONLY, FAST]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RO])],
            usage: "key:key",
            since: "1.0.0",
            summary: "How many elements a list has.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: llen,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lindex",
            arity: 3,
            flags: READONLY,
            group: Group::List,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key index:integer",
            since: "1.0.0",
            summary: "The element at an index.",
            complexity: "O(N) where N is the number of elements on the way to the index",
            ..Spec::BASE
        },
        run: lindex,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "linsert",
            arity: 5,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, INSERT])],
            usage: "key:key where(before=BEFORE|after=AFTER) pivot:string element:string",
            since: "2.2.0",
            summary: "Puts an element before or after another one.",
            complexity: "O(N) where N is the number of elements up to that one",
            ..Spec::BASE
        },
        run: linsert,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lset",
            arity: 4,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, UPDATE])],
            usage: "key:key index:integer element:string",
            since: "1.0.0",
            summary: "Puts another element at an index.",
            complexity: "O(N) where N is the number of elements on the way to the index",
            ..Spec::BASE
        },
        run: lset,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lrem",
            arity: 4,
            flags: WRITE,
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key count:integer element:string",
            since: "1.0.0",
            summary: "Removes elements that equal a given one.",
            complexity: "O(N+M) where N is the length of the list and M the number of elements removed",
            ..Spec::BASE
        },
        run: lrem,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "ltrim",
            arity: 4,
            flags: WRITE,
            group: Group::List,
            keys: &[KeySpec::at(1, &[RW, DELETE])],
            usage: "key:key start:integer stop:integer",
            since: "1.0.0",
            summary: "Keeps a range of a list and removes the rest.",
            complexity: "O(N) where N is the number of elements removed",
            ..Spec::BASE
        },
        run: ltrim,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lrange",
            arity: 4,
            flags: READONLY,
            group: Group::List,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key start:integer stop:integer",
            since: "1.0.0",
            summary: "The elements of a range.",
            complexity: "O(S+N) where S is the distance of the range from the nearer end and N the number of its elements",
            ..Spec::BASE
        },
        run: lrange,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lpos",
            arity: -3,
            flags: READONLY,
            group: Group::List,
            keys: &[KeySpec::at(1, &[RO, ACCESS])],
            usage: "key:key element:string [rank:integer@RANK] [num-matches:integer@COUNT] [len:integer@MAXLEN]",
            since: "6.0.6",
            summary: "The indexes at which an element stands.",
            complexity: "O(N) where N is the number of elements looked at",
            ..Spec::BASE
        },
        run: lpos,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lmove",
            arity: 5,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::List,
            keys: &[
                KeySpec::at(1, &[RW, ACCESS, DELETE]),
                KeySpec::at(2, &[RW, INSERT]),
            ],
            usage: "source:key destination:key wherefrom(left=LEFT|right=RIGHT) whereto(left=LEFT|right=RIGHT)",
            since: "6.2.0",
            summary: "Takes an element from one end of a list and adds it to an end of another.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: lmove,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "rpoplpush",
            arity: 3,
            flags: all(&[WRITE, DENYOOM]),
            group: Group::List,
            keys: &[
                KeySpec::at(1, &[RW, ACCESS, DELETE]),
                KeySpec::at(2, &[RW, INSERT]),
            ],
            usage: "source:key destination:key",
            since: "1.2.0",
            summary: "Takes the last element of a list and adds it at the head of another.",
            complexity: "O(1)",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
            }),
            ..Spec::BASE
        },
        run: rpoplpush,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "lmpop",
            arity: -4,
            flags: all(&[WRITE, MOVABLEKEYS]),
            group: Group::List,
            keys: &[KeySpec::counted(1, &[RW, ACCESS, DELETE])],
            usage: "numkeys:integer key:key... where(left=LEFT|right=RIGHT) [count:integer@COUNT]",
            since: "7.0.0",
            summary: "Takes elements from the first of several lists that has any.",
            complexity: "O(N+M) where N is the number of keys and M the number of elements taken",
            ..Spec::BASE
        },
        run: lmpop,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "blpop",
            arity: -3,
            flags: all(&[WRITE, BLOCKING]),
            group: Group::List,
            keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
            usage: "key:key... timeout:double",
            since: "2.0.0",
            summary: "As LPOP from the first of several lists that has something, waiting for one if need be.",
            complexity: "O(N) where N is the number of keys",
            ..Spec::BASE
        },
        run: blpop,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "brpop",
            arity: -3,
            flags: all(&[WRITE, BLOCKING]),
            group: Group::List,
            keys: &[KeySpec::range(1, -2, 1, &[RW, ACCESS, DELETE])],
            usage: "key:key... timeout:double",
            since: "2.0.0",
            summary: "As RPOP from the first of several lists that has something, waiting for one if need be.",
            complexity: "O(N) where N is the number of keys",
            ..Spec::BASE
        },
        run: brpop,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "blmove",
            arity: 6,
            flags: all(&[WRITE, DENYOOM, BLOCKING]),
            group: Group::List,
            keys: &[
                KeySpec::at(1, &[RW, ACCESS, DELETE]),
                KeySpec::at(2, &[RW, INSERT]),
            ],
            usage: "source:key destination:key wherefrom(left=LEFT|right=RIGHT) whereto(left=LEFT|right=RIGHT) timeout:double",
            since: "6.2.0",
            summary: "As LMOVE, waiting for an element if need be.",
            complexity: "O(1)",
            ..Spec::BASE
        },
        run: blmove,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "brpoplpush",
            arity: 4,
            flags: all(&[WRITE, DENYOOM, BLOCKING]),
            group: Group::List,
            keys: &[
                KeySpec::at(1, &[RW, ACCESS, DELETE]),
                KeySpec::at(2, &[RW, INSERT]),
            ],
            usage: "source:key destination:key timeout:double",
            since: "2.2.0",
            summary: "As RPOPLPUSH, waiting for an element if need be.",
            complexity: "O(1)",
            deprecated: Some(Deprecated {
                since: "6.2.0",
                replaced_by: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
            }),
            ..Spec::BASE
        },
        run: brpoplpush,
        subcommands: &[],
    },
    Entry {
        spec: Spec {
            name: "blmpop",
            arity: -5,
            flags: all(&[WRITE, BLOCKING, MOVABLEKEYS]),
            group: Group::List,
            keys: &[KeySpec::counted(2, &[RW, ACCESS, DELETE])],
            usage: "timeout:double numkeys:integer key:key... where(left=LEFT|right=RIGHT) [count:integer@COUNT]",
            since: "7.0.0",
            summary: "As LMPOP, waiting for an element if need be.",
            complexity: "O(N+M) where N is the number of keys and M the number of elements taken",
            ..Spec::BASE
        },
        run: blmpop,
        subcommands: &[],
    },
];

#[cfg(test)]
mod tests;
