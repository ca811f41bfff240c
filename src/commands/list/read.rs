//! LLEN, LINDEX, LRANGE and LPOS: looking at a list.

use super::write_item;
use crate::algo::number::parse_i64;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::keyspace::list::{ListRef, Needle};
use crate::types::quicklist::Toward;

const RANK_RANGE: CmdError = CmdError::Fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
const RANK_ZERO: CmdError = CmdError::Fixed(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
     negative to start from the end of the list",
);

/// An integer whose negation is one, too.
pub(super) fn negatable(text: &[u8]) -> Result<i64, CmdError> {
    match parse_i64(text) {
        None => Err(CmdError::NotInteger),
        Some(i64::MIN) => Err(RANK_RANGE),
        Some(n) => Ok(n),
    }
}

/// The elements between two indexes, of which each may be counted from the end: where they begin,
/// and how many there are.
pub(super) fn range(len: usize, start: i64, stop: i64) -> (usize, usize) {
    let len = len as i64;
    let absolute = |index: i64| if index < 0 { index + len } else { index };
    let (start, stop) = (absolute(start).max(0), absolute(stop).min(len - 1));
    match start > stop || start >= len {
        true => (0, 0),
        false => (start as usize, (stop - start + 1) as usize),
    }
}

pub(super) const LLEN: DataCommand = Spec {
    name: "llen",
    flags: all(&[READONLY, FAST]),
    keys: &[KeySpec::at(1, &[RO])],
    usage: "key:key",
    since: "1.0.0",
    summary: "How many elements a list has.",
    complexity: "O(1)",
    ..Spec::of(Group::List)
}
.runs(llen);

fn llen(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let len = cx.db().list(args.key())?.map_or(0, |list| list.len());
    reply.int(len as i64)
}

pub(super) const LINDEX: DataCommand = Spec {
    name: "lindex",
    usage: "key:key index:integer",
    since: "1.0.0",
    summary: "The element at an index.",
    complexity: "O(N) where N is the number of elements on the way to the index",
    ..Spec::reading(Group::List)
}
.runs(lindex);

fn lindex(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let Some(list) = db.list(args.key())? else {
        return reply.null();
    };
    let mut index = args.int()?;
    if index < 0 {
        index += list.len() as i64;
    }
    let found = usize::try_from(index)
        .ok()
        .and_then(|index| list.get(index, |item| write_item(reply, item)));
    match found {
        Some(result) => result,
        None => reply.null(),
    }
}

pub(super) const LRANGE: DataCommand = Spec {
    name: "lrange",
    usage: "key:key start:integer stop:integer",
    since: "1.0.0",
    summary: "The elements of a range.",
    complexity: "O(S+N) where S is the distance of the range from the nearer end and N the number of its elements",
    ..Spec::reading(Group::List)
}
.runs(lrange);

fn lrange(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, start, stop) = (args.key(), args.int()?, args.int()?);
    let mut db = cx.db();
    let Some(list) = db.list(key)? else {
        return reply.array(0);
    };
    let (start, count) = range(list.len(), start, stop);
    reply.array(count)?;
    if count > 0 {
        let mut left = count;
        list.walk(start, Toward::Tail, |item| {
            let _ = write_item(reply, item);
            left -= 1;
            left > 0
        });
    }
    Ok(())
}

/// The arguments of LPOS.
struct Search {
    toward: Toward,
    /// Matches to pass over.
    skip: u64,
    /// Matches to report; `None` for the first only, 0 for all.
    count: Option<u64>,
    /// Elements to look at; 0 for all.
    most: usize,
}

fn parse_search(args: &mut Args) -> Result<Search, CmdError> {
    let (mut rank, mut count, mut most) = (1, None, 0);
    while let Some(word) = args.option() {
        let Some(value) = args.option() else {
            return Err(CmdError::Syntax);
        };
        let unsigned = |error| match parse_i64(value) {
            Some(n @ 0..) => Ok(n as u64),
            _ => Err(CmdError::Fixed(error)),
        };
        if word.eq_ignore_ascii_case(b"rank") {
            rank = negatable(value)?;
            if rank == 0 {
                return Err(RANK_ZERO);
            }
        } else if word.eq_ignore_ascii_case(b"count") {
            count = Some(unsigned("ERR COUNT can't be negative")?);
        } else if word.eq_ignore_ascii_case(b"maxlen") {
            most = unsigned("ERR MAXLEN can't be negative")? as usize;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(Search {
        toward: if rank > 0 { Toward::Tail } else { Toward::Head },
        skip: rank.unsigned_abs() - 1,
        count,
        most,
    })
}

pub(super) const LPOS: DataCommand = Spec {
    name: "lpos",
    usage: "key:key element:string [rank:integer@RANK] [num-matches:integer@COUNT] [len:integer@MAXLEN]",
    since: "6.0.6",
    summary: "The indexes at which an element stands.",
    complexity: "O(N) where N is the number of elements looked at",
    ..Spec::reading(Group::List)
}
.runs(lpos);

fn lpos(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, element) = (args.key(), args.bytes());
    let search = parse_search(args)?;
    let mut db = cx.db();
    let Some(list) = db.list(key)? else {
        return match search.count {
            Some(_) => reply.array(0),
            None => reply.null(),
        };
    };
    if search.count.is_some() {
        let at = reply.deferred();
        let mut found = 0;
        for_matches(list, Needle::new(element), &search, |index| {
            let _ = reply.int(index as i64);
            found += 1;
        });
        return reply.close_array(at, found);
    }
    let mut first = None;
    for_matches(list, Needle::new(element), &search, |index| {
        first = Some(index);
    });
    match first {
        Some(index) => reply.int(index as i64),
        None => reply.null(),
    }
}

/// Calls `report` with the index of each requested match.
fn for_matches(list: ListRef, needle: Needle, search: &Search, mut report: impl FnMut(usize)) {
    let len = list.len();
    let start = match search.toward {
        Toward::Tail => 0,
        Toward::Head => len.saturating_sub(1),
    };
    let (mut seen, mut matches) = (0, 0);
    list.walk(start, search.toward, |item| {
        if needle.is(item) {
            matches += 1;
            if matches > search.skip {
                report(match search.toward {
                    Toward::Tail => seen,
                    Toward::Head => len - 1 - seen,
                });
                let wanted = search.count.unwrap_or(1);
                if wanted > 0 && matches - search.skip >= wanted {
                    return false;
                }
            }
        }
        seen += 1;
        search.most == 0 || seen < search.most
    });
}
