//! Is this a listpack? Asked of bytes from outside, before anything else reads them.

use super::{END, HEADER, UNKNOWN, backlen_size, body_len, fixed};

/// The reason why bytes are not a valid listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListpackError {
    #[error("shorter than its header")]
    TooShort,
    #[error("the length in the header is not that of the bytes")]
    Length,
    #[error("no end mark at the end")]
    NoEnd,
    #[error("an entry at offset {0} does not fit")]
    Overrun(usize),
    #[error("an unknown encoding at offset {0}")]
    Encoding(usize),
    #[error("an entry at offset {0} has a wrong backlen")]
    Backlen(usize),
    #[error("the count in the header is not that of the elements")]
    Count,
}

/// Walks all of `lp`; `element` sees the offset of each element and may refuse it by `false`.
///
/// # Errors
/// The first thing that is wrong. Afterwards the other functions of this module are safe to use.
pub fn validate(lp: &[u8], mut element: impl FnMut(usize) -> bool) -> Result<usize, ListpackError> {
    if lp.len() < HEADER + 1 {
        return Err(ListpackError::TooShort);
    }
    if u32::from_le_bytes(fixed(lp, 0)) as usize != lp.len() {
        return Err(ListpackError::Length);
    }
    if lp[lp.len() - 1] != END {
        return Err(ListpackError::NoEnd);
    }
    let (mut at, mut count) = (HEADER, 0);
    while lp[at] != END {
        let next = entry_end(lp, at)?;
        if !element(at) {
            return Err(ListpackError::Encoding(at));
        }
        at = next;
        count += 1;
    }
    if at != lp.len() - 1 {
        return Err(ListpackError::NoEnd);
    }
    match u16::from_le_bytes(fixed(lp, 4)) {
        UNKNOWN => Ok(count),
        told if told as usize == count => Ok(count),
        _ => Err(ListpackError::Count),
    }
}

/// The end of the entry at `at`, if it is whole and its backlen is right.
fn entry_end(lp: &[u8], at: usize) -> Result<usize, ListpackError> {
    let inside = lp.len() - 1 - at;
    let head = match lp[at] {
        0xf5..=0xfe => return Err(ListpackError::Encoding(at)),
        0xe0..=0xef => 2,
        0xf0 => 5,
        _ => 1,
    };
    if head > inside {
        return Err(ListpackError::Overrun(at));
    }
    let len = body_len(lp, at);
    let size = backlen_size(len);
    if len + size > inside {
        return Err(ListpackError::Overrun(at));
    }
    let mut told = 0usize;
    for (i, byte) in lp[at + len..at + len + size].iter().enumerate() {
        if (byte & 0x80 != 0) != (i > 0) {
            return Err(ListpackError::Backlen(at));
        }
        told = told << 7 | (byte & 0x7f) as usize;
    }
    if told != len {
        return Err(ListpackError::Backlen(at));
    }
    Ok(at + len + size)
}
