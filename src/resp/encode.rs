//! The bytes of RESP2 and RESP3, appended to a buffer. No state beyond the protocol version.

/// The protocol a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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

/// A bulk string.
#[inline]
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 32);
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

/// Text for people, with its format; a plain bulk string in RESP2.
pub fn verbatim(out: &mut Vec<u8>, resp: Resp, format: &[u8; 3], text: &[u8]) {
    if resp == Resp::V2 {
        return bulk(out, text);
    }
    prefixed(out, b'=', text.len() as i64 + 4);
    out.extend_from_slice(format);
    out.push(b':');
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}
