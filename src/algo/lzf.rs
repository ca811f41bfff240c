//! LZF: the quick compression that Redis uses for strings in RDB files and for list nodes.
//!
//! Any LZF decompressor reads our output, and the other way round. The bytes need not be those
//! that another compressor makes of the same input: the format leaves the choice of matches open.
//! But we give up where LibLZF does, so that the same strings are compressed at all: it wants some
//! room to spare, and it matches neither the first byte nor the last two.
//!
//! ```text
//!   000nnnnn  n+1 bytes                     n+1 literal bytes follow             (1..32)
//!   lllooooo  oooooooo                      l+2 bytes from o+1 bytes back        (3..8)
//!   111ooooo  llllllll  oooooooo            l+9 bytes from o+1 bytes back        (9..264)
//! ```
//!
//! The idea: a small table maps the hash of three bytes to where they were last seen. Called by
//! `types::quicklist` for nodes away from the ends, and by the codec of RDB strings. Format: LibLZF
//! by Marc Lehmann.

/// Literal bytes behind one control byte, at most.
const LITERALS: usize = 32;
/// The greatest distance of a match.
const REACH: usize = 1 << 13;
/// The longest match: 7 + 255 + 2.
const MATCH: usize = 264;
const HASH_BITS: u32 = 12;

/// Bytes that are no LZF, or of another length than the stated one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged LZF data")]
pub struct Damaged;

/// Compresses `input` into at most `room` bytes; `None` if it does not get that small.
pub fn compress(input: &[u8], room: usize) -> Option<Vec<u8>> {
    Compressor::default()
        .compress(input, room)
        .map(<[u8]>::to_vec)
}

/// The reusable state of the compressor: nothing is cleared between two inputs.
#[derive(Default)]
pub struct Compressor {
    /// The place where three bytes were last seen: position plus `base`. What is not above `base`
    /// belongs to an earlier input.
    seen: Vec<u32>,
    base: u32,
    out: Vec<u8>,
}

impl Compressor {
    /// As the function `compress`; the bytes are good until the next call.
    pub fn compress(&mut self, input: &[u8], room: usize) -> Option<&[u8]> {
        // Positions are 32 bits wide; what is longer is left as it is.
        let span = u32::try_from(input.len()).ok().filter(|&n| n < 1 << 30)? + 1;
        if self.seen.is_empty() || self.base > u32::MAX - span {
            self.seen = vec![0; 1 << HASH_BITS];
            self.base = 0;
        }
        let base = self.base;
        self.base += span;
        let seen: &mut [u32; 1 << HASH_BITS] = self.seen.as_mut_slice().try_into().ok()?;
        let out = &mut self.out;
        out.clear();
        let (mut at, mut literals) = (0, 0);
        while at + 2 < input.len() {
            let slot = &mut seen[hash(input, at)];
            let before = std::mem::replace(slot, base + at as u32 + 1);
            if before <= base {
                at += 1;
                continue;
            }
            let before = (before - base - 1) as usize;
            let back = at - before;
            if before == 0 || back > REACH || input[before..before + 3] != input[at..at + 3] {
                at += 1;
                continue;
            }
            let len = match_len(input, before, at);
            // A control byte is counted for literals to come, even if there are none.
            let run = at - literals;
            if out.len() + written(run) - usize::from(run % LITERALS == 0) + 4 >= room {
                return None;
            }
            put_literals(out, &input[literals..at]);
            put_match(out, len, back - 1);
            // Inside a match only its last positions are remembered: they are what follows begins
            // with.
            for inside in (at + len).saturating_sub(2).max(at + 1)..at + len {
                if inside + 2 < input.len() {
                    seen[hash(input, inside)] = base + inside as u32 + 1;
                }
            }
            at += len;
            literals = at;
        }
        if out.len() + written(at - literals) + 3 > room {
            return None;
        }
        put_literals(out, &input[literals..]);
        (out.len() <= room && !input.is_empty()).then_some(out.as_slice())
    }
}

#[inline(always)]
fn hash(input: &[u8], at: usize) -> usize {
    let three = (input[at] as u32) << 16 | (input[at + 1] as u32) << 8 | input[at + 2] as u32;
    (three.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// The output size of a run of literals that may go on.
fn written(run: usize) -> usize {
    run + run / LITERALS + 1
}

/// For how many bytes the input at `at` repeats what is at `before`, which are at least three.
#[inline]
fn match_len(input: &[u8], before: usize, at: usize) -> usize {
    let most = (input.len() - at - 2).clamp(3, MATCH);
    let (a, b) = (&input[before..before + most], &input[at..at + most]);
    let (wide_a, wide_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let mut len = 0;
    for (a, b) in wide_a.iter().zip(wide_b) {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return len + differing.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    while len < most && a[len] == b[len] {
        len += 1;
    }
    len
}

#[inline]
fn put_literals(out: &mut Vec<u8>, bytes: &[u8]) {
    for run in bytes.chunks(LITERALS) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

#[inline]
fn put_match(out: &mut Vec<u8>, len: usize, offset: usize) {
    let (len, high) = (len - 2, (offset >> 8) as u8);
    if len < 7 {
        out.push((len as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        out.push((len - 7) as u8);
    }
    out.push(offset as u8);
}

/// Decompresses `input`, which must give exactly `len` bytes.
pub fn decompress(input: &[u8], len: usize) -> Result<Vec<u8>, Damaged> {
    let mut out = Vec::new();
    decompress_into(input, len, &mut out)?;
    Ok(out)
}

/// The same, in place of what `out` holds.
pub fn decompress_into(input: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Damaged> {
    out.clear();
    // A byte gives at most `MATCH` bytes: what claims more is refused before memory is taken.
    if len > input.len().saturating_mul(MATCH) {
        return Err(Damaged);
    }
    out.reserve(len);
    let mut rest = input;
    while let [control, tail @ ..] = rest {
        let control = *control as usize;
        if control < LITERALS {
            let run = tail.get(..control + 1).ok_or(Damaged)?;
            out.extend_from_slice(run);
            rest = &tail[control + 1..];
        } else {
            let (count, low, tail) = match (control >> 5, tail) {
                (7, [more, low, tail @ ..]) => (7 + *more as usize, *low, tail),
                (short @ 1..=6, [low, tail @ ..]) => (short, *low, tail),
                _ => return Err(Damaged),
            };
            let back = ((control & 0x1f) << 8 | low as usize) + 1;
            let from = out.len().checked_sub(back).ok_or(Damaged)?;
            if out.len() + count + 2 > len {
                return Err(Damaged);
            }
            repeat(out, from, count + 2);
            rest = tail;
        }
        if out.len() > len {
            return Err(Damaged);
        }
    }
    (out.len() == len).then_some(()).ok_or(Damaged)
}

/// Appends `count` bytes from `from` on; they may reach into what is being appended.
#[inline]
fn repeat(out: &mut Vec<u8>, from: usize, count: usize) {
    if from + count <= out.len() {
        return out.extend_from_within(from..from + count);
    }
    for at in from..from + count {
        out.push(out[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(input: &[u8]) {
        let worst = input.len() + input.len() / LITERALS + 5;
        match compress(input, worst) {
            Some(packed) => {
                assert_eq!(decompress(&packed, input.len()), Ok(input.to_vec()));
                assert_eq!(decompress(&packed, input.len() + 1), Err(Damaged));
                // With too little room there is no result, with a little more the same one.
                assert_eq!(compress(input, packed.len() + 5), Some(packed.clone()));
                assert_eq!(compress(input, packed.len() - 1), None);
            }
            None => assert!(input.is_empty()),
        }
    }

    #[test]
    fn what_repeats_gets_small() {
        let packed = compress(&[b'a'; 1000], 100).expect("it repeats");
        assert!(packed.len() < 20, "{}", packed.len());
        let words = b"the same words again and the same words again".repeat(30);
        let packed = compress(&words, words.len()).expect("it repeats");
        assert!(packed.len() * 10 < words.len(), "{}", packed.len());
        there_and_back(&words);
        there_and_back(b"");
        there_and_back(b"x");
    }

    /// Written by Redis 8.2.3 (DUMP of a string of thirty times `a`).
    #[test]
    fn reads_what_redis_writes() {
        let packed = [0x01, 0x61, 0x61, 0xe0, 0x12, 0x00, 0x01, 0x61, 0x61];
        let len = 2 + (0x12 + 9) + 2;
        assert_eq!(decompress(&packed, len), Ok(vec![b'a'; len]));
    }

    /// Input that Redis 8.2.3 leaves uncompressed: a new HyperLogLog, and one that would just fit.
    #[test]
    fn gives_up_where_redis_does() {
        let one = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80q\xa6\x88N\x80W\xac";
        assert_eq!(compress(one, one.len() - 4), None);
        // Neither the first byte is matched nor the last two.
        let same = compress(&[b'q'; 56], 52);
        let expected = [1, b'q', b'q', 0xe0, 43, 0, 1, b'q', b'q'];
        assert_eq!(same.as_deref(), Some(&expected[..]));
        assert_eq!(compress(&[b'q'; 56], 9), None);
    }

    #[test]
    fn damage_is_refused() {
        for packed in [
            &[0x05, 1][..],
            &[0x20],
            &[0xe0, 1],
            &[0x20, 0],
            &[0x00, 1, 0x20, 1],
        ] {
            for len in 0..10 {
                assert_eq!(decompress(packed, len), Err(Damaged), "{packed:?}");
            }
        }
        assert_eq!(decompress(&[0, 1], usize::MAX), Err(Damaged));
    }

    proptest! {
        #[test]
        fn comes_back_as_it_was(
            input in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..600),
                prop::collection::vec(0u8..3, 0..20_000),
                (prop::collection::vec(any::<u8>(), 1..9000), 1usize..4)
                    .prop_map(|(part, times)| part.repeat(times)),
            ]
        ) {
            there_and_back(&input);
        }

        #[test]
        fn any_bytes_are_safe(packed in prop::collection::vec(any::<u8>(), 0..300), len in 0usize..2000) {
            if let Ok(out) = decompress(&packed, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
