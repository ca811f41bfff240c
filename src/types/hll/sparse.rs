//! Sparse registers: runs of equal ones.
//!
//! ```text
//!   00xxxxxx            zeros: x + 1 of them, up to 64
//!   01xxxxxx yyyyyyyy   zeros: xy + 1, up to 16384
//!   1vvvvvxx            value v + 1 (up to 32), x + 1 times (up to 4)
//! ```
//!
//! The bytes depend on the order of insertion, so `raise` splits and joins runs in the very steps in
//! which Redis does.

use super::{Corrupt, HEADER, REGISTERS, invalidate};
use smallvec::SmallVec;

const VALUE_MAX: u8 = 32;
const VALUE_RUN_MAX: usize = 4;
const SHORT_MAX: usize = 64;
/// Runs that are looked at for joining after a change.
const JOINED: usize = 5;

/// One run.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Run {
    value: u8,
    len: usize,
    /// Bytes of its code.
    size: usize,
}

/// The run at `at`, which is inside. A cut second byte reads as zero.
#[inline]
fn run(body: &[u8], at: usize) -> Run {
    let first = body[at];
    let (value, len, size) = match first {
        0..0x40 => (0, first as usize + 1, 1),
        0x40..0x80 => {
            let low = body.get(at + 1).copied().unwrap_or(0) as usize;
            (0, (((first & 0x3f) as usize) << 8 | low) + 1, 2)
        }
        _ => ((first >> 2 & 0x1f) + 1, (first & 3) as usize + 1, 1),
    };
    Run { value, len, size }
}

/// Shows every run of registers that are not zero: first, length, value.
pub fn runs(body: &[u8], mut show: impl FnMut(usize, usize, u8)) -> Result<(), Corrupt> {
    let (mut at, mut index) = (0, 0);
    while at < body.len() {
        let run = run(body, at);
        if index + run.len > REGISTERS {
            return Err(Corrupt);
        }
        if run.value > 0 {
            show(index, run.len, run.value);
        }
        index += run.len;
        at += run.size;
    }
    if index == REGISTERS {
        Ok(())
    } else {
        Err(Corrupt)
    }
}

pub fn push_zeros(out: &mut impl Extend<u8>, len: usize) {
    let code = len - 1;
    let high = (len > SHORT_MAX).then_some(0x40 | (code >> 8) as u8);
    out.extend(high.into_iter().chain([code as u8]));
}

fn value_code(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// The rest of a run that was split; of no length, nothing.
fn push_run(out: &mut impl Extend<u8>, value: u8, len: usize) {
    match (len, value) {
        (0, _) => {}
        (len, 0) => push_zeros(out, len),
        (len, value) => out.extend([value_code(value, len)]),
    }
}

/// The result of an attempt to raise a register.
#[derive(Debug, PartialEq, Eq)]
pub enum Raised {
    Yes,
    No,
    /// The value or the bytes are too many for this encoding.
    NoRoom,
}

/// Codes looked at together.
const CHUNK: usize = 16;

/// The registers of these runs, if each has a code of one byte.
#[inline]
fn short_runs(codes: &[u8; CHUNK]) -> Option<usize> {
    if codes
        .iter()
        .fold(false, |any, code| any | (code & 0xc0 == 0x40))
    {
        return None;
    }
    let len = |code: &u8| (code & if *code < 0x80 { 0x3f } else { 3 }) as u16 + 1;
    Some(codes.iter().map(len).sum::<u16>() as usize)
}

/// The run that holds a register: where it is, its first register, and where the one before is.
fn locate(body: &[u8], index: usize) -> Result<(usize, usize, usize), Corrupt> {
    let (mut at, mut first, mut before) = (0, 0, 0);
    while at < body.len() {
        if let Some(codes) = body[at..].first_chunk()
            && let Some(len) = short_runs(codes)
            && first + len <= index
        {
            before = at + CHUNK - 1;
            at += CHUNK;
            first += len;
            continue;
        }
        let end = body.len().min(at + CHUNK);
        while at < end {
            let run = run(body, at);
            if index < first + run.len {
                // Unlike Redis, which reads behind the string: a code that was cut off stays.
                let whole = at + run.size <= body.len();
                return if whole {
                    Ok((at, first, before))
                } else {
                    Err(Corrupt)
                };
            }
            before = at;
            at += run.size;
            first += run.len;
        }
    }
    Err(Corrupt)
}

/// Raises a register of a sparse one, header included.
pub fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max: usize,
) -> Result<Raised, Corrupt> {
    if value > VALUE_MAX {
        return Ok(Raised::NoRoom);
    }
    let (at, first, before) = locate(&bytes[HEADER..], index)?;
    let old = run(&bytes[HEADER..], at);
    if old.value >= value {
        return Ok(Raised::No);
    }
    let mut codes: SmallVec<[u8; 8]> = SmallVec::new();
    push_run(&mut codes, old.value, index - first);
    codes.push(value_code(value, 1));
    push_run(&mut codes, old.value, first + old.len - 1 - index);
    if codes.len() > old.size && bytes.len() + codes.len() - old.size > sparse_max {
        return Ok(Raised::NoRoom);
    }
    let at = HEADER + at;
    bytes.splice(at..at + old.size, codes);
    join(bytes, HEADER + before);
    invalidate(bytes);
    Ok(Raised::Yes)
}

/// Joins neighbouring runs of one value, from `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED {
        if at >= bytes.len() {
            return;
        }
        let here = run(bytes, at);
        if here.value > 0 && at + 1 < bytes.len() {
            let next = run(bytes, at + 1);
            let len = here.len + next.len;
            if next.value == here.value && len <= VALUE_RUN_MAX {
                bytes.remove(at);
                bytes[at] = value_code(here.value, len);
                continue;
            }
        }
        at += here.size;
    }
}

/// The runs as PFDEBUG DECODE shows them.
pub fn describe(body: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    let mut at = 0;
    while at < body.len() {
        let run = run(body, at);
        if !text.is_empty() {
            text.push(' ');
        }
        match (run.value, run.size) {
            (0, 1) => text.push_str(&format!("z:{}", run.len)),
            (0, _) => text.push_str(&format!("Z:{}", run.len)),
            (value, _) => text.push_str(&format!("v:{value},{}", run.len)),
        }
        at += run.size;
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One run after the other.
    fn locate_plainly(body: &[u8], index: usize) -> Result<(usize, usize, usize), Corrupt> {
        let (mut at, mut first, mut before) = (0, 0, 0);
        while at < body.len() {
            let run = run(body, at);
            if index < first + run.len {
                let whole = at + run.size <= body.len();
                return whole.then_some((at, first, before)).ok_or(Corrupt);
            }
            (before, at, first) = (at, at + run.size, first + run.len);
        }
        Err(Corrupt)
    }

    proptest! {
        #[test]
        fn many_codes_at_once_are_as_one_after_the_other(
            body in prop::collection::vec(
                prop_oneof![20 => 0u8..0x40, 20 => 0x80u8..=0xff, 1 => 0x40u8..0x80],
                0..300,
            ),
            indexes in prop::collection::vec(0usize..REGISTERS, 20),
        ) {
            for index in indexes.into_iter().flat_map(|n| [n, n / 16, n / 256]) {
                prop_assert_eq!(locate(&body, index), locate_plainly(&body, index));
            }
        }
    }
}
