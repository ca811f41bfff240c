//! The shared parts of SSCAN, HSCAN and ZSCAN: cursor, options, and the shape of the reply.

pub(in crate::commands) use super::key::parse_cursor;
use crate::algo::glob::{self, Case};
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::resp::encode::Resp;
use crate::types::listpack::Item;

/// The most buckets visited per requested element, in a table with many holes.
const VISITS_PER_ELEMENT: u64 = 10;

/// The options of a scan besides the cursor.
pub(in crate::commands) struct ScanOptions<'a> {
    pattern: Option<&'a [u8]>,
    count: u64,
    /// HSCAN leaves the values out.
    pub no_values: bool,
}

impl<'a> ScanOptions<'a> {
    /// Parses the options to the end. Only a hash has values that NOVALUES can leave out.
    pub fn parse(args: &mut Args<'a>, has_values: bool) -> Result<ScanOptions<'a>, CmdError> {
        let mut walk = ScanOptions {
            pattern: None,
            count: 10,
            no_values: false,
        };
        while args.left() > 0 {
            if args.left() > 1 && args.word("COUNT") {
                let count = args.int()?;
                if count < 1 {
                    return Err(CmdError::Syntax);
                }
                walk.count = count as u64;
            } else if args.left() > 1 && args.word("MATCH") {
                walk.pattern = Some(args.bytes()).filter(|pattern| pattern != b"*");
            } else if args.word("NOVALUES") {
                if !has_values {
                    return Err(CmdError::Fixed(
                        "ERR NOVALUES option can only be used in HSCAN",
                    ));
                }
                walk.no_values = true;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(walk)
    }

    /// Whether an element belongs in the reply.
    pub fn wants(&self, item: Item) -> bool {
        self.pattern.is_none_or(|pattern| {
            let mut buffer = itoa::Buffer::new();
            glob::matches(pattern, item.as_bytes(&mut buffer), Case::Sensitive)
        })
    }

    /// Goes through a table from `cursor` on until enough was visited. `step` visits one bucket and
    /// tells the next cursor and how many elements it met.
    pub fn table(&self, mut cursor: u64, mut step: impl FnMut(u64) -> (u64, u64)) -> u64 {
        let mut visits = self.count.saturating_mul(VISITS_PER_ELEMENT);
        let mut visited = 0;
        loop {
            let (next, met) = step(cursor);
            cursor = next;
            visited += met;
            visits -= 1;
            if cursor == 0 || visits == 0 || visited >= self.count {
                return cursor;
            }
        }
    }
}

/// The elements of a reply, whose cursor comes first.
pub(in crate::commands) struct ScanReply {
    text: Vec<u8>,
    resp: Resp,
    count: usize,
}

impl ScanReply {
    pub fn new(resp: Resp) -> ScanReply {
        ScanReply {
            text: Vec::new(),
            resp,
            count: 0,
        }
    }

    pub fn push(&mut self, item: Item) {
        self.count += 1;
        Reply::new(&mut self.text, self.resp)
            .item(item)
            .expect("replies go to memory");
    }

    pub fn write(self, cursor: u64, reply: &mut Reply) -> CmdResult {
        reply.array(2)?;
        reply.bulk(itoa::Buffer::new().format(cursor).as_bytes())?;
        reply.array(self.count)?;
        reply.raw(&self.text)
    }
}

/// The reply for a missing key.
pub(in crate::commands) fn empty_scan(reply: &mut Reply) -> CmdResult {
    ScanReply::new(reply.resp).write(0, reply)
}
