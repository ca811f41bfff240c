//! The bytes of RESP2 and RESP3, appended to a buffer. No state beyond the protocol version.

/// The protocol a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Resp {
    #[default]
    V2,
    V3,
}

impl Resp {
    pub fn number(self) -> i64 {
        match self {
            Resp::V2 => 2,
            Resp::V3 => 3,
        }
    }
}

/// `<mark><number>\r\n`: the head of every counted thing, and an integer.
#[inline]
pub fn prefixed(out: &mut Vec<u8>, mark: u8, number: i64) {
    if (0..10).contains(&number) {
        out.extend_from_slice(&[mark, b'0' + number as u8, b'\r', b'\n']);
        return;
    }
    out.push(mark);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Texts up to this size are copied in pieces of fixed sizes, which saves the call of memcpy.
const SHORT: usize = 32;
/// `$32\r\n`, the text, and its end.
const SHORT_BULK: usize = 5 + SHORT + 2;

/// Copies up to `SHORT` bytes to a place in a block with as much room: pieces of a fixed size at
/// the start and at the end, which overlap.
#[inline(always)]
fn copy_short(to: &mut [u8; SHORT_BULK], at: usize, bytes: &[u8]) {
    macro_rules! ends {
        ($size:literal) => {
            if let (Some(head), Some(tail)) =
                (bytes.first_chunk::<$size>(), bytes.last_chunk::<$size>())
            {
                to[at..at + $size].copy_from_slice(head);
                let end = at + bytes.len();
                to[end - $size..end].copy_from_slice(tail);
                return;
            }
        };
    }
    ends!(16);
    ends!(8);
    ends!(4);
    for (i, &byte) in bytes.iter().enumerate() {
        to[at + i] = byte;
    }
}

/// A bulk string.
#[inline]
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = bytes.len();
    if len <= SHORT {
        let start = out.len();
        out.extend_from_slice(&[0; SHORT_BULK]);
        if let Some(block) = out[start..].first_chunk_mut() {
            let (tens, ones) = (b'0' + (len / 10) as u8, b'0' + (len % 10) as u8);
            let head = if len < 10 {
                block[..4].copy_from_slice(&[b'$', ones, b'\r', b'\n']);
                4
            } else {
                block[..5].copy_from_slice(&[b'$', tens, ones, b'\r', b'\n']);
                5
            };
            copy_short(block, head, bytes);
            block[head + len..head + len + 2].copy_from_slice(b"\r\n");
            out.truncate(start + head + len + 2);
            return;
        }
    }
    out.reserve(len + 32);
    prefixed(out, b'$', bytes.len() as i64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// A simple string or error line; line breaks inside would break the protocol and become spaces.
pub fn line(out: &mut Vec<u8>, mark: u8, text: &[u8]) {
    out.push(mark);
    out.extend(
        text.iter()
            .map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}

pub fn null(out: &mut Vec<u8>, resp: Resp) {
    out.extend_from_slice(match resp {
        Resp::V2 => b"$-1\r\n",
        Resp::V3 => b"_\r\n",
    });
}

pub fn null_array(out: &mut Vec<u8>, resp: Resp) {
    out.extend_from_slice(match resp {
        Resp::V2 => b"*-1\r\n",
        Resp::V3 => b"_\r\n",
    });
}

pub fn boolean(out: &mut Vec<u8>, resp: Resp, value: bool) {
    match resp {
        Resp::V2 => prefixed(out, b':', value as i64),
        Resp::V3 => out.extend_from_slice(if value { b"#t\r\n" } else { b"#f\r\n" }),
    }
}

/// A map of `pairs` follows: `2 * pairs` elements.
pub fn map(out: &mut Vec<u8>, resp: Resp, pairs: usize) {
    match resp {
        Resp::V2 => prefixed(out, b'*', 2 * pairs as i64),
        Resp::V3 => prefixed(out, b'%', pairs as i64),
    }
}

pub fn set(out: &mut Vec<u8>, resp: Resp, len: usize) {
    prefixed(out, if resp == Resp::V3 { b'~' } else { b'*' }, len as i64);
}

pub fn push(out: &mut Vec<u8>, resp: Resp, len: usize) {
    prefixed(out, if resp == Resp::V3 { b'>' } else { b'*' }, len as i64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_strings_of_all_lengths() {
        let text: Vec<u8> = (0..130u8).collect();
        let mut out = Vec::new();
        let mut expected = Vec::new();
        for len in 0..=text.len() {
            bulk(&mut out, &text[..len]);
            expected.extend_from_slice(format!("${len}\r\n").as_bytes());
            expected.extend_from_slice(&text[..len]);
            expected.extend_from_slice(b"\r\n");
            assert_eq!(out, expected);
        }
    }
}
