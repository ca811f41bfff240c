//! LCS: the longest common subsequence of two strings, by dynamic programming.

use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};

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

pub(super) const LCS: DataCommand = Spec {
    name: "lcs",
    flags: READONLY,
    keys: &[KeySpec::range(1, 1, 1, &[RO, ACCESS])],
    usage: "key1:key key2:key#0 [len=LEN] [idx=IDX] [min-match-len:integer@MINMATCHLEN] [withmatchlen=WITHMATCHLEN]",
    since: "7.0.0",
    summary: "The longest common subsequence of two strings.",
    complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    ..Spec::of(Group::String)
}
.runs(lcs);

fn lcs(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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
    let lengths = Lengths::of(&a, &b, !o.len);
    let len = lengths.longest();
    if o.len {
        return reply.int(len as i64);
    }
    let (text, matches) = walk(&a, &b, &lengths);
    if !o.idx {
        return reply.bulk(&text);
    }
    reply_matches(&matches, len, &o, reply)
}

/// The lengths of the longest common subsequences of all beginnings of `a` and `b`, as the steps
/// between them: the bit `j` of row `i` is clear where byte `j` of `b` makes the subsequence with the
/// first `i + 1` bytes of `a` longer. A row follows from the one before it by an addition, 64 bytes
/// of `b` at once (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004).
struct Lengths {
    /// Words of a row.
    words: usize,
    /// All rows, or the last one alone.
    rows: Vec<u64>,
}

impl Lengths {
    fn of(a: &[u8], b: &[u8], keep_all: bool) -> Lengths {
        let words = b.len().div_ceil(64);
        // For each byte of `a` where it stands in `b`.
        let mut place_of = [usize::MAX; 256];
        let mut masks: Vec<u64> = Vec::new();
        for &byte in a {
            if place_of[byte as usize] == usize::MAX {
                place_of[byte as usize] = masks.len();
                masks.resize(masks.len() + words, 0);
            }
        }
        for (j, &byte) in b.iter().enumerate() {
            if let Some(mask) = masks.get_mut(place_of[byte as usize].saturating_add(j / 64)) {
                *mask |= 1 << (j % 64);
            }
        }
        let kept = if keep_all { a.len() } else { 1 };
        let mut rows = Vec::with_capacity(kept * words);
        let mut row = vec![u64::MAX; words];
        for &byte in a {
            let mask = &masks[place_of[byte as usize]..][..words];
            next_row(&mut row, mask);
            if keep_all {
                rows.extend_from_slice(&row);
            }
        }
        if !keep_all {
            rows = row;
        }
        Lengths { words, rows }
    }

    /// The length for the whole strings.
    fn longest(&self) -> u32 {
        let last = self.rows.len().saturating_sub(self.words);
        self.rows[last..]
            .iter()
            .map(|word| word.count_zeros())
            .sum()
    }

    /// Whether the length for the first `i` bytes of `a` and `j` of `b` is more than without the last
    /// of `b`. Both are at least one.
    fn is_step(&self, i: usize, j: usize) -> bool {
        let word = self.rows[(i - 1) * self.words + (j - 1) / 64];
        word >> ((j - 1) % 64) & 1 == 0
    }
}

/// Makes a row the next one, whose byte of `a` stands in `b` where `mask` says.
#[inline]
fn next_row(row: &mut [u64], mask: &[u64]) {
    let mut carry = false;
    for (word, mask) in row.iter_mut().zip(mask) {
        let (sum, over) = word.overflowing_add(*word & mask);
        let (sum, more) = sum.overflowing_add(carry as u64);
        carry = over | more;
        *word = sum | *word & !mask;
    }
}

/// The subsequence, and the stretches it consists of from the end to the start.
fn walk(a: &[u8], b: &[u8], lengths: &Lengths) -> (Vec<u8>, Vec<Match>) {
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
        } else if lengths.is_step(i, j) {
            // Without this byte of `a` it is as long, without this one of `b` it is not.
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
    use super::{Lengths, walk};
    use crate::engine::Engine;
    use proptest::prelude::*;

    /// The lengths of all beginnings, each out of three others.
    fn table(a: &[u8], b: &[u8]) -> Vec<Vec<u32>> {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        table
    }

    /// The subsequence as Redis finds it in the whole table.
    fn text_of(a: &[u8], b: &[u8], table: &[Vec<u32>]) -> Vec<u8> {
        let (mut i, mut j, mut text) = (a.len(), b.len(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                text.push(a[i - 1]);
                (i, j) = (i - 1, j - 1);
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        text.reverse();
        text
    }

    proptest! {
        #[test]
        fn rows_of_bits_are_the_whole_table(
            a in prop::collection::vec(0u8..4, 0..200),
            b in prop::collection::vec(0u8..5, 0..200),
        ) {
            let table = table(&a, &b);
            let all = Lengths::of(&a, &b, true);
            let longest = table[a.len()][b.len()];
            prop_assert_eq!(Lengths::of(&a, &b, false).longest(), longest);
            prop_assert_eq!(all.longest(), longest);
            for (i, row) in table.iter().enumerate().skip(1) {
                for j in 1..=b.len() {
                    prop_assert_eq!(all.is_step(i, j), row[j] > row[j - 1]);
                }
            }
            prop_assert_eq!(walk(&a, &b, &all).0, text_of(&a, &b, &table));
        }
    }

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
