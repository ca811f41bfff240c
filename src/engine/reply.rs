//! Typed replies: the RESP3 reply of a command, decoded.
//!
//! The format is that of the RESP3 specification: a type byte, a length or a value, CR LF, and for
//! aggregates their elements. The decoder reads replies of this crate, yet trusts none of the
//! lengths: a malformed reply decodes as [`Reply::Null`] where it breaks off.

use crate::algo::number::{parse_bound, parse_i64};

/// The reply of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// No value: the key, field or element does not exist.
    Null,
    /// An integer: a length, a count, or 1 and 0 for true and false.
    Integer(i64),
    /// A double, such as the score of a member. It can be infinite.
    Double(f64),
    /// A short text that is not data, such as `OK` or the name of a type.
    Status(String),
    /// A string: a value, a member, a key. Any bytes.
    Bytes(Vec<u8>),
    /// A list of replies.
    Array(Vec<Reply>),
    /// Pairs, such as the fields of a hash and their values.
    Map(Vec<(Reply, Reply)>),
    /// Distinct members, in no order.
    Set(Vec<Reply>),
}

impl Reply {
    /// Returns the bytes of a string or of a status; `None` for any other reply.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Bytes(bytes) => Some(bytes),
            Reply::Status(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Returns the text of a string or of a status; `None` for any other reply, and for bytes that
    /// are not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// Returns the value of an integer; `None` for any other reply.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Reply::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the elements of an array or of a set; `None` for any other reply.
    pub fn as_slice(&self) -> Option<&[Reply]> {
        match self {
            Reply::Array(elements) | Reply::Set(elements) => Some(elements),
            _ => None,
        }
    }

    /// Returns true for [`Reply::Null`].
    pub fn is_null(&self) -> bool {
        *self == Reply::Null
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Reply {
        Reply::Bytes(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Reply {
    fn from(bytes: &[u8]) -> Reply {
        Reply::Bytes(bytes.to_vec())
    }
}

impl From<i64> for Reply {
    fn from(value: i64) -> Reply {
        Reply::Integer(value)
    }
}

/// The error reply of a command. Its text is that of a Redis server to the byte, where it is UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    text: String,
}

impl Error {
    /// Returns the first word, which identifies the kind of error: `ERR`, `WRONGTYPE`, …
    pub fn code(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// Returns the text after the code.
    pub fn message(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, message)| message)
    }
}

/// Decodes a whole reply in RESP3.
pub(super) fn decode(reply: &[u8]) -> Result<Reply, Error> {
    match reply.strip_prefix(b"-") {
        Some(line) => Err(Error {
            text: text(split_line(line).0),
        }),
        None => Ok(Decoder { rest: reply }.reply()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Splits off the line at the start of `bytes`, without its CR LF.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\r', bytes) {
        Some(end) => (&bytes[..end], bytes.get(end + 2..).unwrap_or_default()),
        None => (bytes, b""),
    }
}

struct Decoder<'r> {
    rest: &'r [u8],
}

impl<'r> Decoder<'r> {
    fn reply(&mut self) -> Reply {
        let (line, rest) = split_line(self.rest);
        self.rest = rest;
        let Some((mark, value)) = line.split_first() else {
            return Reply::Null;
        };
        match mark {
            b':' => Reply::Integer(parse_i64(value).unwrap_or_default()),
            b'#' => Reply::Integer(i64::from(value == b"t")),
            b',' => Reply::Double(parse_bound(value).unwrap_or(f64::NAN)),
            b'+' | b'-' | b'(' => Reply::Status(text(value)),
            b'$' => self.bulk(value).map_or(Reply::Null, Reply::from),
            // A verbatim string begins with its format: `txt:`.
            b'=' => {
                let bytes = self.bulk(value).unwrap_or_default();
                Reply::from(bytes.get(4..).unwrap_or_default())
            }
            b'*' | b'>' if value == b"-1" => Reply::Null,
            b'*' | b'>' => Reply::Array(self.elements(value)),
            b'~' => Reply::Set(self.elements(value)),
            b'%' => Reply::Map(self.pairs(value)),
            _ => Reply::Null,
        }
    }

    /// Returns the bytes of a bulk string of the length `len`; `None` for -1.
    fn bulk(&mut self, len: &[u8]) -> Option<&'r [u8]> {
        let len = usize::try_from(parse_i64(len)?).ok()?;
        let (bytes, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest.get(2..).unwrap_or_default();
        Some(bytes)
    }

    /// Decodes up to `len` elements, as far as the bytes hold them: an element has at least three
    /// bytes.
    fn elements(&mut self, len: &[u8]) -> Vec<Reply> {
        let count = self.count(len);
        let mut elements = Vec::with_capacity(count);
        elements.extend((0..count).map(|_| self.reply()));
        elements
    }

    fn pairs(&mut self, len: &[u8]) -> Vec<(Reply, Reply)> {
        let count = self.count(len);
        let mut pairs = Vec::with_capacity(count);
        pairs.extend((0..count).map(|_| (self.reply(), self.reply())));
        pairs
    }

    fn count(&self, len: &[u8]) -> usize {
        let count = parse_i64(len).unwrap_or_default();
        usize::try_from(count)
            .unwrap_or_default()
            .min(self.rest.len() / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_resp3_decodes() {
        let wire = b"*10\r\n:-5\r\n$3\r\na\r\n\r\n$0\r\n\r\n_\r\n,-inf\r\n+OK\r\n%1\r\n$1\r\nk\r\n:1\r\n~1\r\n#t\r\n\
                     =6\r\ntxt:hi\r\n*-1\r\n";
        let wanted = Reply::Array(vec![
            Reply::Integer(-5),
            Reply::from("a\r\n"),
            Reply::from(""),
            Reply::Null,
            Reply::Double(f64::NEG_INFINITY),
            Reply::Status("OK".to_owned()),
            Reply::Map(vec![(Reply::from("k"), Reply::Integer(1))]),
            Reply::Set(vec![Reply::Integer(1)]),
            Reply::from("hi"),
            Reply::Null,
        ]);
        assert_eq!(decode(wire), Ok(wanted));
    }

    #[test]
    fn an_error_has_a_code_and_a_message() {
        let error = decode(b"-WRONGTYPE Operation\r\n").unwrap_err();
        assert_eq!((error.code(), error.message()), ("WRONGTYPE", "Operation"));
        assert_eq!(error.to_string(), "WRONGTYPE Operation");
    }

    #[test]
    fn lengths_are_not_trusted() {
        for wire in [
            b"*1000000000000\r\n:1\r\n".as_slice(),
            b"$99\r\nabc",
            b"%7\r\n",
            b"*-7\r\n",
            b"",
            b"$",
        ] {
            let _ = decode(wire);
        }
        let cut = decode(b"*1000000000000\r\n:1\r\n").unwrap();
        assert_eq!(cut, Reply::Array(vec![Reply::Integer(1)]));
    }
}
