//! The wire format of a snapshot: a line that announces it, then its bytes.
//!
//! ```text
//!   $1234\r\n                 1234 bytes follow
//!   $EOF:<40 bytes>\r\n       bytes follow, up to these forty, which are not part of the snapshot
//! ```
//!
//! Empty lines in front of it are keepalives.

/// The length of the mark at the end, in bytes.
pub const MARK: usize = 40;

/// The end of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Length(u64),
    Mark([u8; MARK]),
}

/// A line that announces no snapshot.
#[derive(Debug, PartialEq, Eq)]
pub enum NoSnapshot {
    /// An error reply.
    Refused(Vec<u8>),
    /// Anything else.
    Strange(Vec<u8>),
}

/// Parses the line, without its end, that announces a snapshot; `None` for an empty one.
///
/// # Errors
/// If no snapshot will follow.
pub fn parse_line(line: &[u8]) -> Result<Option<End>, NoSnapshot> {
    let rest = match line {
        [] => return Ok(None),
        [b'-', rest @ ..] => return Err(NoSnapshot::Refused(rest.to_vec())),
        [b'$', rest @ ..] => rest,
        _ => return Err(NoSnapshot::Strange(line.to_vec())),
    };
    if let Some(mark) = rest.strip_prefix(b"EOF:")
        && let Some(mark) = mark.first_chunk::<MARK>()
    {
        return Ok(Some(End::Mark(*mark)));
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = std::str::from_utf8(&rest[..digits]).map_or(Ok(0), str::parse);
    match length {
        Ok(length) if digits > 0 => Ok(Some(End::Length(length))),
        _ => Err(NoSnapshot::Strange(line.to_vec())),
    }
}

/// Splits received bytes into those of the snapshot and those behind it.
#[derive(Debug)]
pub struct Payload {
    end: End,
    /// Bytes received, the mark included.
    received: u64,
    /// The last bytes received, which may be the start of the mark.
    held: Vec<u8>,
    done: bool,
}

impl Payload {
    pub fn new(end: End) -> Payload {
        Payload {
            done: end == End::Length(0),
            end,
            received: 0,
            held: Vec::new(),
        }
    }

    /// Whether the snapshot is complete.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Bytes received so far, the mark included.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The announced length in bytes, if there is one.
    pub fn total(&self) -> Option<u64> {
        match self.end {
            End::Length(length) => Some(length),
            End::Mark(_) => None,
        }
    }

    /// Moves the bytes of the snapshot from the front of `bytes` to `into`. The bytes behind the
    /// snapshot stay in `bytes`.
    pub fn take(&mut self, bytes: &mut &[u8], into: &mut Vec<u8>) {
        match self.end {
            End::Length(length) => {
                let left = (length - self.received).min(bytes.len() as u64) as usize;
                let (mine, rest) = bytes.split_at(left);
                into.extend_from_slice(mine);
                *bytes = rest;
                self.received += left as u64;
                self.done = self.received == length;
            }
            End::Mark(mark) => self.take_to_mark(&mark, bytes, into),
        }
    }

    fn take_to_mark(&mut self, mark: &[u8; MARK], bytes: &mut &[u8], into: &mut Vec<u8>) {
        if self.done {
            return;
        }
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        if let Some(at) = memchr::memmem::find(&self.held, mark) {
            into.extend_from_slice(&self.held[..at]);
            let used = at + MARK - before;
            *bytes = &bytes[used..];
            self.received += used as u64;
            self.held = Vec::new();
            self.done = true;
            return;
        }
        self.received += bytes.len() as u64;
        *bytes = &[];
        let sure = self.held.len().saturating_sub(MARK - 1);
        into.extend(self.held.drain(..sure));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(end: End, wire: &[u8], step: usize) -> (Vec<u8>, Vec<u8>, u64) {
        let mut payload = Payload::new(end);
        let (mut body, mut rest) = (Vec::new(), Vec::new());
        for piece in wire.chunks(step) {
            let mut piece = piece;
            payload.take(&mut piece, &mut body);
            assert!(piece.is_empty() || payload.is_done());
            rest.extend_from_slice(piece);
        }
        assert!(payload.is_done());
        (body, rest, payload.received)
    }

    #[test]
    fn a_snapshot_ends_where_it_says_however_it_is_cut() {
        let mark = [b'e'; MARK];
        // A part of the mark within the data is not the mark.
        let body = [b"REDIS".as_slice(), &[b'e'; MARK - 1], b"x", &[b'e'; 7]].concat();
        // The first complete mark ends the snapshot.
        let first = &body[..body.len() - 7];
        let marked = [first, &mark, b"*1"].concat();
        for step in 1..marked.len() {
            let (got, rest, received) = run(End::Mark(mark), &marked, step);
            assert_eq!((got.as_slice(), rest.as_slice()), (first, b"*1".as_slice()));
            assert_eq!(received, (first.len() + MARK) as u64);
            let counted = [body.as_slice(), b"*1"].concat();
            let (got, rest, _) = run(End::Length(body.len() as u64), &counted, step);
            assert_eq!((got, rest.as_slice()), (body.clone(), b"*1".as_slice()));
        }
        assert!(Payload::new(End::Length(0)).is_done());
    }

    #[test]
    fn lines_before_a_snapshot() {
        assert_eq!(parse_line(b""), Ok(None));
        assert_eq!(parse_line(b"$12"), Ok(Some(End::Length(12))));
        let marked = [b"$EOF:".as_slice(), &[b'a'; 40]].concat();
        assert_eq!(parse_line(&marked), Ok(Some(End::Mark([b'a'; 40]))));
        let refused = NoSnapshot::Refused(b"ERR no".to_vec());
        assert_eq!(parse_line(b"-ERR no"), Err(refused));
        for strange in [
            "$EOF:short",
            "$",
            "$-1",
            "hello",
            "$99999999999999999999999",
        ] {
            let error = NoSnapshot::Strange(strange.into());
            assert_eq!(parse_line(strange.as_bytes()), Err(error));
        }
    }
}
