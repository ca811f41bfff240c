//! Requests as they arrive: bytes in, complete commands out as ranges over the same bytes.
//!
//! A `Query` is a client's read buffer with what was recognised in it. `parse` goes on where it
//! stopped, so a command that trickles in byte by byte costs no more than one that comes at once,
//! and it recognises a whole pipeline before the first command runs: then the server can load the
//! memory that the later commands need while the earlier ones run. Arguments are never copied; one
//! of 32 KiB and more is read into a buffer of its own, which may become the value of a key.
//!
//! ```text
//!   buf   *2 $3 GET $1 a *3 $3 SET $1 b $5 he
//!         '----------'  '-------------------'
//!          a command     unfinished: stays, with its state, until more bytes come
//! ```
//!
//! Format: the RESP specification; limits and error texts as Redis has them.

use crate::algo::{number::parse_i64, quoting::split_args};
use bytes::Bytes;

/// Bytes a line (inline command, count) may have.
const LINE_MAX: usize = 64 << 10;
/// Arguments from this size on get a buffer of their own.
pub const BIG: usize = 32 << 10;
/// The longest argument after which a buffer for another one is prepared. A larger one would count
/// twice towards the memory limit, for an allocation that is cheap beside its copy.
const NEXT_BIG_MAX: usize = 1 << 20;
/// Commands recognised before they are run: enough to overlap their cache misses.
const BATCH: usize = 128;
/// The `start` of a range that is an index into the big arguments.
const IN_BIGS: u32 = u32::MAX;
/// The limit on arguments of an unauthenticated client.
const UNAUTHENTICATED_ARGS: i64 = 10;
const UNAUTHENTICATED_BULK: i64 = 16384;

/// One argument: a range of the buffer, or the number of a big argument.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    start: u32,
    len: u32,
}

impl Range {
    /// A piece of the buffer that an `Argv` is made over.
    pub fn new(start: usize, len: usize) -> Range {
        let (start, len) = (start as u32, len as u32);
        Range { start, len }
    }

    /// The buffer lost so many bytes at its front.
    pub fn shift_back(&mut self, bytes: usize) {
        self.start = self.start.saturating_sub(bytes as u32);
    }
}

/// The arguments of one command, borrowed.
#[derive(Clone, Copy)]
pub struct Argv<'q> {
    buf: &'q [u8],
    ranges: &'q [Range],
    bigs: &'q [Bytes],
}

impl<'q> Argv<'q> {
    /// Whether the argument `distance` before the one at `index` is this word, in letters of either
    /// case, at `first` or later.
    pub fn is_behind(&self, index: usize, word: &[u8], distance: usize, first: usize) -> bool {
        index >= first + distance && self.at(index - distance).eq_ignore_ascii_case(word)
    }

    /// Arguments that lie in a buffer.
    pub fn of(buf: &'q [u8], ranges: &'q [Range]) -> Argv<'q> {
        let bigs = &[];
        Argv { buf, ranges, bigs }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The argument `index`, or an empty one past the end.
    #[inline(always)]
    pub fn at(&self, index: usize) -> &'q [u8] {
        match self.ranges.get(index) {
            Some(range) => self.slice(*range),
            None => b"",
        }
    }

    #[inline(always)]
    fn slice(&self, range: Range) -> &'q [u8] {
        if range.start == IN_BIGS {
            return &self.bigs[range.len as usize];
        }
        &self.buf[range.start as usize..][..range.len as usize]
    }

    /// The argument as a buffer that can be kept without a copy, if it came in one.
    #[inline(always)]
    pub fn shared(&self, index: usize) -> Option<Bytes> {
        let range = self.ranges.get(index)?;
        (range.start == IN_BIGS).then(|| self.bigs[range.len as usize].clone())
    }

    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = &'q [u8]> + ExactSizeIterator + Clone + use<'q> {
        let this = *self;
        this.ranges.iter().map(move |range| this.slice(*range))
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> Argv<'q> {
        Argv {
            ranges: self.ranges.get(index..).unwrap_or_default(),
            ..*self
        }
    }

    /// The first `count` arguments.
    pub fn until(&self, count: usize) -> Argv<'q> {
        Argv {
            ranges: self.ranges.get(..count).unwrap_or(self.ranges),
            ..*self
        }
    }

    /// A copy that outlives the query buffer: for MULTI queues and parked clients.
    #[allow(
        clippy::wrong_self_convention,
        reason = "`&Argv` would resolve to `ToOwned`"
    )]
    pub fn to_owned(&self) -> OwnedArgv {
        let mut owned = OwnedArgv::default();
        for (index, arg) in self.iter().enumerate() {
            match self.shared(index) {
                Some(big) => owned.push_big(big),
                None => owned.push(arg),
            }
        }
        owned
    }
}

/// Arguments that own their bytes.
#[derive(Clone, Default, Debug)]
pub struct OwnedArgv {
    buf: Vec<u8>,
    ranges: Vec<Range>,
    bigs: Vec<Bytes>,
}

impl OwnedArgv {
    pub fn push(&mut self, arg: &[u8]) {
        self.ranges.push(Range {
            start: self.buf.len() as u32,
            len: arg.len() as u32,
        });
        self.buf.extend_from_slice(arg);
    }

    /// Forgets the arguments and keeps the room.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.ranges.clear();
        self.bigs.clear();
    }

    /// Adds an argument that has a buffer of its own.
    pub fn push_big(&mut self, big: Bytes) {
        self.ranges.push(Range {
            start: IN_BIGS,
            len: self.bigs.len() as u32,
        });
        self.bigs.push(big);
    }

    pub fn as_argv(&self) -> Argv<'_> {
        Argv {
            buf: &self.buf,
            ranges: &self.ranges,
            bigs: &self.bigs,
        }
    }

    /// Bytes held, for memory accounting.
    pub fn bytes(&self) -> usize {
        self.buf.capacity()
            + self.ranges.capacity() * size_of::<Range>()
            + self.bigs.iter().map(Bytes::len).sum::<usize>()
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for OwnedArgv {
    fn from_iter<I: IntoIterator<Item = A>>(args: I) -> Self {
        let mut owned = OwnedArgv::default();
        args.into_iter().for_each(|arg| owned.push(arg.as_ref()));
        owned
    }
}

/// A protocol error, which ends the connection. The text is the error sent to the client.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("too big inline request")]
    BigInline,
    #[error("unbalanced quotes in request")]
    Quotes,
    #[error("too big mbulk count string")]
    BigCount,
    #[error("invalid multibulk length")]
    Count,
    #[error("unauthenticated multibulk length")]
    UnauthenticatedCount,
    #[error("too big bulk count string")]
    BigBulkCount,
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    NoDollar(u8),
    #[error("invalid bulk length")]
    BulkLength,
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulk,
}

impl ProtocolError {
    /// The text as the client gets it: a byte that is no character goes back as it came.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            ProtocolError::NoDollar(mark) => {
                [b"expected '$', got '".as_slice(), &[*mark], b"'"].concat()
            }
            other => other.to_string().into_bytes(),
        }
    }
}

/// The limits on a client's requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_bulk: i64,
    pub authenticated: bool,
}

/// The reason why `parse` stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Everything complete was recognised; more bytes are needed.
    Starved,
    /// As many commands as are run at once; there may be more in the buffer.
    Full,
}

/// The server's notes on a recognised command before it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tag {
    /// Its place in the command table, plus one; 0 for none.
    pub command: u16,
    /// The hash of its first key, if it has one.
    pub hash: u64,
    pub hashed: bool,
    /// The argument that is looked up in what lies under the key, 0 if none.
    pub element: u8,
    /// The hash by which it is looked up, once something is there to look it up in; 0 before.
    pub element_hash: u64,
    /// Whether that is the hash by which packed tables look it up.
    pub packed: bool,
}

/// A recognised command.
#[derive(Clone, Copy, Debug)]
struct Command {
    tag: Tag,
    first: u32,
    argc: u32,
    /// The offset behind its last byte.
    end: u32,
}

/// A client's read buffer, and the commands recognised in it.
#[derive(Default)]
pub struct Query {
    buf: Vec<u8>,
    args: Vec<Range>,
    bigs: Vec<Bytes>,
    commands: Vec<Command>,
    /// The next recognised command to run.
    next: usize,
    /// The offset at which parsing goes on.
    at: usize,
    /// Arguments the unfinished command still lacks; 0 between commands.
    missing: usize,
    /// The first range of the unfinished command.
    first: usize,
    /// The length of the argument under way, once its `$` line was read.
    bulk: Option<usize>,
    /// A recognised command has an element to look up.
    elements: bool,
    /// The last parse stopped because enough was recognised.
    unseen: bool,
    /// The end of the empty requests before the first command.
    skipped: usize,
    /// A big argument being read, with its line end.
    big: Option<Vec<u8>>,
    /// An empty buffer for the next big argument: a client that sent one is likely to send more.
    next_big: Vec<u8>,
    /// The client keeps this query between its requests, until it has long been silent.
    kept: bool,
    /// The most bytes buffered since the last `trim`.
    peak: usize,
    /// The last read filled the buffer: more input is likely.
    filled: bool,
}

/// Queries up to this size are not trimmed while their client is active, as in Redis.
const TRIM_FROM: usize = 32 << 10;
/// Room for the places of so many arguments is kept when all have run.
const KEPT_RANGES: usize = 8 << 10;
/// Room for the reads of a client that has filled its buffer: a tenth of the system calls, where
/// arguments are long, and still in the second-level cache.
const READ_AHEAD: usize = 112 << 10;
/// Less than this is not worth a trim, as in Redis.
const TRIM_SPARE: usize = 4 << 10;

impl Query {
    /// A query whose buffer holds `bytes` before it grows.
    pub fn with_capacity(bytes: usize) -> Self {
        Query {
            buf: Vec::with_capacity(bytes),
            ..Query::default()
        }
    }

    /// Whether no bytes and no commands are buffered: the query can be reused for another client.
    pub fn is_idle(&self) -> bool {
        self.buf.is_empty() && self.big.is_none() && self.commands.is_empty()
    }

    /// Bytes not yet consumed by a command that ran.
    pub fn pending_bytes(&self) -> usize {
        // While only a big argument is read, the bytes that announced it are no longer needed.
        if let Some(big) = &self.big
            && self.ready() == 0
        {
            return big.len();
        }
        let ran = self
            .commands
            .get(self.next.wrapping_sub(1))
            .map_or(0, |c| c.end as usize);
        self.buf.len() - ran + self.big.as_ref().map_or(0, Vec::len)
    }

    /// Whether there are commands to run, or bytes to be parsed.
    pub fn may_go_on(&self) -> bool {
        self.ready() > 0 || (self.unseen && self.at < self.buf.len())
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        let big = self.big.as_ref().map_or(0, Vec::capacity);
        self.buf.capacity() + big + self.next_big.capacity()
    }

    /// The size in bytes of the index of commands and arguments.
    pub fn index_bytes(&self) -> usize {
        self.args.capacity() * size_of::<Range>() + self.commands.capacity() * size_of::<Command>()
    }

    /// Bytes of finished arguments of the unfinished command.
    pub fn argument_bytes(&self) -> usize {
        self.bigs.iter().map(Bytes::len).sum()
    }

    /// Bytes allocated and free.
    pub fn spare(&self) -> usize {
        self.capacity() - self.held()
    }

    /// Bytes in the buffers, run or not.
    fn held(&self) -> usize {
        self.buf.len() + self.big.as_ref().map_or(0, Vec::len)
    }

    /// Whether a buffered request may have so many bytes or more, as RESP writes it. An inline request
    /// may have less than a third of these.
    #[inline(always)]
    pub fn may_hold_request(&self, bytes: usize) -> bool {
        const INLINE: usize = 4;
        const HEAD: usize = 16;
        self.buf.len() * INLINE + HEAD >= bytes || !self.bigs.is_empty()
    }

    /// From now on the client keeps this query between its requests.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Bytes were added; `filled` if there was no room for more.
    #[inline(always)]
    pub fn note_read(&mut self, filled: bool) {
        self.peak = self.peak.max(self.held());
        self.filled = filled;
    }

    /// Looks, now and then, whether the client holds more than it needs: gives back what is free
    /// if it is silent, and else what was not used since the last look. False if the whole query
    /// is not needed any more.
    pub fn trim(&mut self, silent: bool) -> bool {
        if self.spare() > TRIM_SPARE {
            if silent && self.is_idle() {
                return false;
            }
            let under_way = self.bulk.map_or(0, |len| len + 2);
            if silent {
                self.shrink(0);
            } else if self.capacity() > TRIM_FROM && self.peak < self.capacity() / 2 {
                self.shrink(self.peak.max(under_way));
            }
        }
        let under_way = self.bulk.map_or(0, |len| len + 2);
        self.peak = self.held().max(under_way);
        true
    }

    /// The destination of the next read: the vector to append to and the most bytes to read.
    pub fn target(&mut self) -> (&mut Vec<u8>, usize) {
        match &mut self.big {
            Some(big) => {
                let whole = self.bulk.map_or(0, |len| len + 2);
                let wanted = whole.saturating_sub(big.len());
                big.reserve_exact(wanted);
                (big, wanted)
            }
            None => {
                if self.filled && self.buf.capacity() < READ_AHEAD {
                    self.buf.reserve_exact(READ_AHEAD - self.buf.len());
                }
                if self.buf.capacity() - self.buf.len() < 1024 {
                    self.buf.reserve(self.buf.len().clamp(16 << 10, 16 << 20));
                }
                let wanted = self.buf.capacity() - self.buf.len();
                (&mut self.buf, wanted)
            }
        }
    }

    /// Appends bytes, as if read from a socket.
    #[cfg(any(test, feature = "testing"))]
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (target, wanted) = self.target();
            let now = wanted.min(bytes.len());
            target.extend_from_slice(&bytes[..now]);
            bytes = &bytes[now..];
            self.finish_big();
        }
    }

    /// Recognised commands that did not run yet.
    pub fn ready(&self) -> usize {
        self.commands.len() - self.next
    }

    /// The recognised command `ahead` places behind the next one to run.
    #[inline(always)]
    pub fn peek(&self, ahead: usize) -> Option<Argv<'_>> {
        let command = self.commands.get(self.next + ahead)?;
        let ranges = &self.args[command.first as usize..][..command.argc as usize];
        Some(Argv {
            buf: &self.buf,
            ranges,
            bigs: &self.bigs,
        })
    }

    #[inline(always)]
    pub fn tag(&self, ahead: usize) -> Option<Tag> {
        self.commands
            .get(self.next + ahead)
            .map(|command| command.tag)
    }

    #[inline(always)]
    pub fn set_tag(&mut self, ahead: usize, tag: Tag) {
        let at = self.next + ahead;
        self.commands[at].tag = tag;
    }

    /// Whether a command that waits has something to look up in a collection.
    #[inline(always)]
    pub fn has_elements(&self) -> bool {
        self.elements
    }

    pub fn expect_elements(&mut self, expected: bool) {
        self.elements = expected;
    }

    /// Counts the next command as run.
    pub fn pass(&mut self) {
        self.next += 1;
    }

    /// Drops what ran and makes room; recognised commands that did not run go back to being bytes.
    pub fn compact(&mut self) {
        let (end, first) = match self.next.checked_sub(1) {
            Some(last) => {
                let ran = self.commands[last];
                (ran.end as usize, (ran.first + ran.argc) as usize)
            }
            None if self.commands.is_empty() && self.skipped > 0 => (self.skipped, 0),
            None => return,
        };
        self.skipped = 0;
        let all_ran = self.next == self.commands.len();
        if all_ran && end == self.buf.len() && self.big.is_none() {
            self.buf.clear();
            self.args.clear();
            self.commands.clear();
            if self.args.capacity() > KEPT_RANGES {
                self.args = Vec::new();
            }
            self.bigs.clear();
            (self.next, self.at, self.first) = (0, 0, 0);
            return;
        }
        self.buf.drain(..end);
        self.args.drain(..first);
        self.commands.drain(..self.next);
        for command in &mut self.commands {
            command.first -= first as u32;
            command.end -= end as u32;
        }
        // Big arguments of commands that ran are freed; the others are numbered anew.
        let bigs = self
            .args
            .iter()
            .filter(|r| r.start == IN_BIGS)
            .map(|r| r.len)
            .min();
        let gone = bigs.map_or(self.bigs.len(), |n| n as usize);
        self.bigs.drain(..gone);
        for range in &mut self.args {
            if range.start == IN_BIGS {
                range.len -= gone as u32;
            } else {
                range.start -= end as u32;
            }
        }
        (self.next, self.at, self.first) = (0, self.at - end, self.first - first);
    }

    /// Gives back what is free, but keeps room for so many bytes.
    fn shrink(&mut self, bytes: usize) {
        self.next_big = Vec::new();
        match &mut self.big {
            Some(big) => big.shrink_to(bytes),
            None => self.buf.shrink_to(bytes),
        }
    }

    /// Recognises commands until bytes run out, enough are there, or something is wrong. After an
    /// error the commands before it can still run.
    pub fn parse(&mut self, limits: Limits) -> Result<Stop, ProtocolError> {
        self.finish_big();
        loop {
            // An unauthenticated client's next command may authenticate it: look at one at a time.
            let batch = if limits.authenticated { BATCH } else { 1 };
            self.unseen = self.commands.len() - self.next >= batch;
            if self.unseen {
                return Ok(Stop::Full);
            }
            let complete = if self.missing > 0 || self.buf.get(self.at) == Some(&b'*') {
                self.multibulk(limits)?
            } else if self.at < self.buf.len() {
                self.inline()?
            } else {
                false
            };
            if !complete {
                return Ok(Stop::Starved);
            }
        }
    }

    /// Closes the command whose arguments are complete.
    fn complete(&mut self) {
        let argc = self.args.len() - self.first;
        if argc > 0 {
            self.commands.push(Command {
                tag: Tag::default(),
                first: self.first as u32,
                argc: argc as u32,
                end: self.at as u32,
            });
        } else if let Some(last) = self.commands.last_mut() {
            // An empty request is skipped together with the command before it.
            last.end = self.at as u32;
        } else {
            self.skipped = self.at;
        }
        self.first = self.args.len();
    }

    /// A line ending at the first `\n`, split as a shell would. True if there was a whole one.
    fn inline(&mut self) -> Result<bool, ProtocolError> {
        let rest = &self.buf[self.at..];
        let Some(len) = line_end(b'\n', rest) else {
            return if rest.len() > LINE_MAX {
                Err(ProtocolError::BigInline)
            } else {
                Ok(false)
            };
        };
        let line = rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len]);
        let words = split_args(line).ok_or(ProtocolError::Quotes)?;
        // The words may be longer than they stand there only never: unescaping shrinks them. They
        // are written over the line they came from.
        let mut to = self.at;
        for word in &words {
            self.buf[to..to + word.len()].copy_from_slice(word);
            self.args.push(Range {
                start: to as u32,
                len: word.len() as u32,
            });
            to += word.len();
        }
        self.at += len + 1;
        self.complete();
        Ok(true)
    }

    /// The number on the line at `at`, behind its mark, and the offset behind the line. `line_end`
    /// finds the end of the line.
    #[inline(always)]
    fn count_line(
        &self,
        too_big: ProtocolError,
        line_end: impl Fn(u8, &[u8]) -> Option<usize>,
    ) -> Result<Option<(i64, usize)>, ProtocolError> {
        let rest = &self.buf[self.at..];
        // One and two digits without a search: nearly every line there is.
        if let [_, a @ b'0'..=b'9', b'\r', b'\n', ..] = rest {
            return Ok(Some(((a - b'0') as i64, self.at + 4)));
        }
        if let [_, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] = rest {
            return Ok(Some((
                (a - b'0') as i64 * 10 + (b - b'0') as i64,
                self.at + 5,
            )));
        }
        let Some(end) = line_end(b'\r', rest) else {
            return if rest.len() > LINE_MAX {
                Err(too_big)
            } else {
                Ok(None)
            };
        };
        if end + 2 > rest.len() {
            return Ok(None);
        }
        let number = parse_i64(&rest[1..end]).unwrap_or(i64::MIN);
        Ok(Some((number, self.at + end + 2)))
    }

    /// Goes on with a multibulk request. True if it is complete.
    fn multibulk(&mut self, limits: Limits) -> Result<bool, ProtocolError> {
        if self.missing == 0 {
            let Some((count, next)) = self.count_line(ProtocolError::BigCount, line_end)? else {
                return Ok(false);
            };
            if count == i64::MIN || count > i32::MAX as i64 {
                return Err(ProtocolError::Count);
            }
            if count > UNAUTHENTICATED_ARGS && !limits.authenticated {
                return Err(ProtocolError::UnauthenticatedCount);
            }
            self.at = next;
            if count <= 0 {
                self.complete();
                return Ok(true);
            }
            self.missing = count as usize;
        }
        while self.missing > 0 {
            if !self.argument(limits)? {
                return Ok(false);
            }
            self.missing -= 1;
        }
        self.complete();
        Ok(true)
    }

    /// Reads one argument. True if it is complete.
    #[inline(always)]
    fn argument(&mut self, limits: Limits) -> Result<bool, ProtocolError> {
        let len = match self.bulk {
            Some(len) => len,
            None => {
                if let Some(&mark) = self.buf.get(self.at)
                    && mark != b'$'
                {
                    let rest = &self.buf[self.at..];
                    return match memchr::memchr(b'\r', rest) {
                        Some(end) if end + 2 > rest.len() => Ok(false),
                        Some(_) => Err(ProtocolError::NoDollar(mark)),
                        None if rest.len() > LINE_MAX => Err(ProtocolError::BigBulkCount),
                        None => Ok(false),
                    };
                }
                let line = self.count_line(ProtocolError::BigBulkCount, memchr::memchr)?;
                let Some((len, next)) = line else {
                    return Ok(false);
                };
                if len < 0 || len > limits.max_bulk {
                    return Err(ProtocolError::BulkLength);
                }
                if len > UNAUTHENTICATED_BULK && !limits.authenticated {
                    return Err(ProtocolError::UnauthenticatedBulk);
                }
                self.at = next;
                len as usize
            }
        };
        if self.buf.len() - self.at >= len + 2 {
            self.args.push(Range {
                start: self.at as u32,
                len: len as u32,
            });
            self.at += len + 2;
            self.bulk = None;
            return Ok(true);
        }
        self.bulk = Some(len);
        if len >= BIG && self.big.is_none() {
            let mut big = std::mem::take(&mut self.next_big);
            big.reserve_exact(len + 2);
            big.extend_from_slice(&self.buf[self.at..]);
            self.buf.truncate(self.at);
            self.big = Some(big);
        }
        Ok(false)
    }

    /// Turns a big argument that has all its bytes into an argument.
    fn finish_big(&mut self) {
        let Some(len) = self.bulk else { return };
        if self.big.as_ref().is_none_or(|big| big.len() < len + 2) {
            return;
        }
        let mut big = self.big.take().expect("just seen");
        if len <= NEXT_BIG_MAX {
            self.next_big = Vec::with_capacity(len + 2);
        }
        big.truncate(len);
        self.args.push(Range {
            start: IN_BIGS,
            len: self.bigs.len() as u32,
        });
        self.bigs.push(Bytes::from(big));
        self.bulk = None;
        self.missing -= 1;
        if self.missing == 0 {
            self.complete();
        }
    }
}

/// The end of an inline command or of the line with the number of arguments. Behind a NUL no line end
/// counts, as in Redis: such a line grows until it is too long.
#[inline]
fn line_end(mark: u8, bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(mark, 0, bytes).filter(|&at| bytes[at] == mark)
}

#[cfg(test)]
mod tests;
