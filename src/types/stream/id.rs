//! The id of a stream's entry: milliseconds and a sequence number.

use crate::algo::number::{parse_i64, parse_u64};

/// The longest text that is looked at.
const TEXT_MAX: usize = 127;

/// Half of an id. As Redis does, what is no plain number is read the lenient way of C: blanks and
/// a sign may stand before the digits, and a minus wraps around.
pub fn parse_part(text: &[u8]) -> Option<u64> {
    if let Some(n) = parse_i64(text) {
        return u64::try_from(n).ok();
    }
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"\x0b").unwrap_or(text);
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    let digits = &digits[zeros..];
    let n = if digits.is_empty() {
        0
    } else {
        parse_u64(digits)?
    };
    Some(if negative { n.wrapping_neg() } else { n })
}

/// The id of a stream entry. Ordered by time, then by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The time in the id, in Unix milliseconds.
    pub fn unix_ms(self) -> i64 {
        i64::try_from(self.ms).unwrap_or(i64::MAX)
    }

    /// The id right behind this one.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The id right before this one.
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }

    /// `ms` or `ms-seq`; a missing number is `missing`.
    pub fn parse(text: &[u8], missing: u64) -> Option<StreamId> {
        if text.len() > TEXT_MAX {
            return None;
        }
        // As Redis does: a zero byte ends the text.
        let text = text.split(|&b| b == 0).next().unwrap_or_default();
        match memchr::memchr(b'-', text) {
            None => Some(StreamId::new(parse_part(text)?, missing)),
            Some(at) => Some(StreamId::new(
                parse_part(&text[..at])?,
                parse_part(&text[at + 1..])?,
            )),
        }
    }

    /// The sixteen bytes by which Redis orders ids: both halves, big end first.
    pub fn to_key(self) -> [u8; 16] {
        ((self.ms as u128) << 64 | self.seq as u128).to_be_bytes()
    }

    /// The id of the sixteen bytes that `to_key` makes.
    pub fn from_key(key: [u8; 16]) -> StreamId {
        let both = u128::from_be_bytes(key);
        StreamId::new((both >> 64) as u64, both as u64)
    }

    /// The text, written into `buffer`.
    pub fn text(self, buffer: &mut IdText) -> &[u8] {
        let mut number = itoa::Buffer::new();
        let ms = number.format(self.ms).as_bytes();
        let mut len = ms.len();
        buffer.0[..len].copy_from_slice(ms);
        buffer.0[len] = b'-';
        len += 1;
        let seq = number.format(self.seq).as_bytes();
        buffer.0[len..len + seq.len()].copy_from_slice(seq);
        &buffer.0[..len + seq.len()]
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Room for the longest id.
pub struct IdText([u8; 41]);

impl Default for IdText {
    fn default() -> Self {
        IdText([0; 41])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_parse_print_and_step() {
        for (text, id) in [
            (&b"5"[..], Some(StreamId::new(5, 7))),
            (b"5-6", Some(StreamId::new(5, 6))),
            (
                b"18446744073709551615-18446744073709551615",
                Some(StreamId::MAX),
            ),
            (b"18446744073709551616", None),
            (b"-1", None),
            (b"1-", None),
            (b"", None),
            (b"1-2-3", None),
            (b"01- +2", Some(StreamId::new(1, 2))),
            (b"1- -1", Some(StreamId::new(1, u64::MAX))),
            (b"1-2\0x", Some(StreamId::new(1, 2))),
        ] {
            assert_eq!(StreamId::parse(text, 7), id);
        }
        let mut buffer = IdText::default();
        assert_eq!(StreamId::new(12, 3).text(&mut buffer), b"12-3");
        let longest = StreamId::MAX.to_string();
        assert_eq!(StreamId::MAX.text(&mut buffer), longest.as_bytes());
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.prev(), None);
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).prev(), Some(StreamId::new(1, u64::MAX)));
    }
}
