//! LCS: the longest common subsequence of two strings, by dynamic programming.

use crate::command::{Args, CmdError, CmdResult, Cx, Reply};

/// Strings have to be shorter than this, as lengths are kept in 32 bits.
const LEN_MAX: usize = u32::MAX as usize - 1;

/// A stretch that both strings share: its ends in either, both included.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_len: bool,
    min_len: i64,
}

impl Options {
    fn parse(args: &mut Args) -> Result<Options, CmdError> {
        let mut o = Options::default();
        while let Some(word) = args.option() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is(b"IDX") {
                o.idx = true;
            } else if is(b"LEN") {
                o.len = true;
            } else if is(b"WITHMATCHLEN") {
                o.with_len = true;
            } else if is(b"MINMATCHLEN") && args.left() > 0 {
                o.min_len = args.int()?.max(0);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        if o.idx && o.len {
            return Err(CmdError::Fixed(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(o)
    }
}

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN].
pub(super) fn lcs(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (a_key, b_key) = (args.key(), args.key());
    let not_strings = |_| CmdError::Fixed("ERR The specified keys must contain string values");
    let mut read = |key| -> Result<Vec<u8>, CmdError> {
        let mut db = cx.db();
        let text = db.string(key).map_err(not_strings)?;
        Ok(text.map_or(Vec::new(), |text| {
            text.as_bytes(&mut itoa::Buffer::new()).to_vec()
        }))
    };
    // Both are looked up before either is judged, as the counters of hits and misses show.
    let (a, b) = (read(a_key), read(b_key));
    let (a, b) = (a?, b?);
    let o = Options::parse(args)?;
    if a.len().max(b.len()) >= LEN_MAX {
        return Err(CmdError::Fixed("ERR String too long for LCS"));
    }
    let cells = (a.len() as u128 + 1) * (b.len() as u128 + 1);
    if cells * size_of::<u32>() as u128 > cx.tuning.max_string as u128 {
        return Err(CmdError::Fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let table = lengths(&a, &b);
    let len = table.last().copied().unwrap_or(0);
    if o.len {
        return reply.int(len as i64);
    }
    let (text, matches) = walk(&a, &b, &table);
    if !o.idx {
        return reply.bulk(&text);
    }
    reply_matches(&matches, len, &o, reply)
}

/// `table[i * (b.len() + 1) + j]` is the length for the first `i` bytes of `a` and `j` of `b`.
fn lengths(a: &[u8], b: &[u8]) -> Vec<u32> {
    let width = b.len() + 1;
    let mut table = vec![0u32; (a.len() + 1) * width];
    for i in 1..=a.len() {
        let (above, row) = table[(i - 1) * width..(i + 1) * width].split_at_mut(width);
        for j in 1..=b.len() {
            row[j] = if a[i - 1] == b[j - 1] {
                above[j - 1] + 1
            } else {
                above[j].max(row[j - 1])
            };
        }
    }
    table
}

/// The subsequence, and the stretches it consists of from the end to the start.
fn walk(a: &[u8], b: &[u8], table: &[u32]) -> (Vec<u8>, Vec<Match>) {
    let width = b.len() + 1;
    let (mut i, mut j) = (a.len(), b.len());
    let mut text = Vec::new();
    let mut matches: Vec<Match> = Vec::new();
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            text.push(a[i - 1]);
            (i, j) = (i - 1, j - 1);
            match matches.last_mut() {
                Some(m) if m.a.0 == i + 1 && m.b.0 == j + 1 => (m.a.0, m.b.0) = (i, j),
                _ => matches.push(Match {
                    a: (i, i),
                    b: (j, j),
                }),
            }
        } else if table[(i - 1) * width + j] > table[i * width + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    text.reverse();
    (text, matches)
}

fn reply_matches(matches: &[Match], len: u32, o: &Options, reply: &mut Reply) -> CmdResult {
    reply.map(2)?;
    reply.bulk(b"matches")?;
    let long = |m: &&Match| (m.a.1 - m.a.0 + 1) as i64 >= o.min_len;
    reply.array(matches.iter().filter(long).count())?;
    for m in matches.iter().filter(long) {
        reply.array(2 + o.with_len as usize)?;
        for (start, end) in [m.a, m.b] {
            reply.array(2)?;
            reply.int(start as i64)?;
            reply.int(end as i64)?;
        }
        if o.with_len {
            reply.int((m.a.1 - m.a.0 + 1) as i64)?;
        }
    }
    reply.bulk(b"len")?;
    reply.int(len as i64)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn the_example_of_the_documentation() {
        let mut e = Engine::new();
        e.ask("MSET a ohmytext b mynewtext");
        assert_eq!(e.ask("LCS a b"), "$6 mytext");
        assert_eq!(e.ask("LCS a b LEN"), ":6");
        assert_eq!(
            e.ask("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN"),
            "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6"
        );
        assert_eq!(e.ask("LCS a nokey"), "$0");
        assert!(
            e.ask("LCS a b LEN IDX")
                .starts_with("-ERR If you want both")
        );
    }
}
