//! Replies in the protocol version of the caller, appended to its output.
//!
//! A reply to a client goes into chunks (`resp::chunks`), any other into one buffer. Either way it
//! is *bounded*: a reply that would outgrow its bound is discarded, with the replies before it
//! that are not sent yet, and nothing is kept from then on. A command that only reads ends at
//! once, because the method that writes returns an error; one that writes data runs to its end.
//! The caller checks `is_over` and disconnects the client, which would otherwise wait for a reply.

use super::error::{CmdError, CmdResult};
use crate::algo::number;
use crate::resp::chunks::{CHUNK, Mark, Piece, Queue};
use crate::resp::encode::{self, Resp};
use crate::types::listpack::Item;
use bytes::Bytes;

/// Room that is always there before something short is written: a head, a number, a short string.
const ROOM: usize = 40;

/// The destination of a reply. Each method returns `CmdResult`, so a reply can be a tail
/// expression.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    /// The full chunks before `out`; without, `out` holds it all.
    queue: Option<&'a mut Queue>,
    pub resp: Resp,
    /// The maximum of pending bytes, earlier replies included.
    most: usize,
    is_over: bool,
    /// The command that runs may be ended in the middle: it changes nothing.
    may_end: bool,
    /// The client does not want the reply: only the output before this place must be kept.
    unwanted_from: Option<Mark>,
}

/// A place for the length of an array whose elements are written first.
pub struct Deferred(Mark);

impl<'a> Reply<'a> {
    /// A reply in one buffer, without a bound.
    #[inline(always)]
    pub fn new(out: &'a mut Vec<u8>, resp: Resp) -> Self {
        Reply {
            out,
            queue: None,
            resp,
            most: usize::MAX,
            is_over: false,
            may_end: true,
            unwanted_from: None,
        }
    }

    /// A reply in chunks.
    #[inline(always)]
    pub fn chunked(out: &'a mut Vec<u8>, queue: &'a mut Queue, resp: Resp, most: usize) -> Self {
        Reply {
            queue: Some(queue),
            ..Reply::new(out, resp).bounded(most)
        }
    }

    /// Sets the bound.
    #[inline(always)]
    pub fn bounded(self, most: usize) -> Self {
        Reply { most, ..self }
    }

    /// Marks the reply as one that will be discarded, so that it cannot push out earlier ones.
    #[inline(always)]
    pub fn unwanted(mut self, unwanted: bool) -> Self {
        if unwanted {
            self.unwanted_from = Some(self.mark());
        }
        self
    }

    /// Whether the reply has exceeded its bound.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Tells whether the command that runs from now on may be ended in the middle.
    #[inline(always)]
    pub fn set_may_end(&mut self, may_end: bool) {
        self.may_end = may_end;
    }

    /// A copy of the output so far, earlier replies included.
    pub fn to_vec(&self) -> Vec<u8> {
        let queued = self.queue.iter().flat_map(|queue| queue.iter());
        let mut all: Vec<u8> = queued.flat_map(Piece::bytes).copied().collect();
        all.extend_from_slice(self.out);
        all
    }

    /// Bytes written so far, earlier replies included.
    #[inline(always)]
    pub fn written(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.bytes()) + self.out.len()
    }

    /// Makes room for something short.
    #[inline(always)]
    fn room(&mut self) -> CmdResult {
        match self.out.capacity() - self.out.len() < ROOM {
            true => self.grow(ROOM),
            false => Ok(()),
        }
    }

    /// Makes room for `wanted` bytes, or for something short and a part of the rest where that goes
    /// across chunks.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, wanted: usize) -> CmdResult {
        if self.is_over || self.written().saturating_add(wanted) > self.most {
            return self.forget();
        }
        let len = self.out.len();
        let Some(queue) = &mut self.queue else {
            self.out.reserve(wanted);
            return Ok(());
        };
        if self.out.capacity() < CHUNK {
            // A short reply has a short buffer.
            let fitting = (len + wanted).max(2 * self.out.capacity()).min(CHUNK);
            self.out.reserve_exact(fitting - len);
        }
        if self.out.capacity() - self.out.len() < ROOM {
            queue.seal(self.out);
            *self.out = Vec::with_capacity(CHUNK);
        }
        Ok(())
    }

    /// The bound is exceeded.
    fn forget(&mut self) -> CmdResult {
        self.is_over = true;
        match (&mut self.queue, self.unwanted_from) {
            (Some(queue), Some(from)) => queue.undo(self.out, from),
            (Some(queue), None) => {
                queue.clear();
                *self.out = Vec::new();
            }
            (None, _) => *self.out = Vec::new(),
        }
        // What is short may still be written, and is forgotten again.
        self.out.reserve(2 * ROOM);
        match self.may_end {
            true => Err(CmdError::Replied),
            false => Ok(()),
        }
    }

    /// A bulk string for which there is no room yet.
    #[cold]
    #[inline(never)]
    fn long_bulk(&mut self, bytes: &[u8]) -> CmdResult {
        self.grow(bytes.len() + ROOM)?;
        if self.is_over {
            return Ok(());
        }
        if self.out.capacity() - self.out.len() >= bytes.len() + ROOM {
            encode::bulk(self.out, bytes);
            return Ok(());
        }
        encode::prefixed(self.out, b'$', bytes.len() as i64);
        self.spread(bytes);
        self.spread(b"\r\n");
        Ok(())
    }

    /// Writes bytes across chunks.
    fn spread(&mut self, mut bytes: &[u8]) {
        let Some(queue) = &mut self.queue else {
            return self.out.extend_from_slice(bytes);
        };
        loop {
            let fitting = bytes.len().min(self.out.capacity() - self.out.len());
            let (now, later) = bytes.split_at(fitting);
            self.out.extend_from_slice(now);
            if later.is_empty() {
                return;
            }
            bytes = later;
            queue.seal(self.out);
            *self.out = Vec::with_capacity(CHUNK);
        }
    }

    #[inline(always)]
    pub fn ok(&mut self) -> CmdResult {
        self.raw(b"+OK\r\n")
    }

    #[inline(always)]
    pub fn int(&mut self, n: i64) -> CmdResult {
        self.room()?;
        encode::prefixed(self.out, b':', n);
        Ok(())
    }

    pub fn bool(&mut self, yes: bool) -> CmdResult {
        self.int(yes as i64)
    }

    #[inline(always)]
    pub fn bulk(&mut self, bytes: &[u8]) -> CmdResult {
        if self.out.capacity() - self.out.len() < bytes.len() + ROOM {
            return self.long_bulk(bytes);
        }
        encode::bulk(self.out, bytes);
        Ok(())
    }

    /// An element of a collection.
    #[inline(always)]
    pub fn item(&mut self, item: Item) -> CmdResult {
        self.bulk(item.as_bytes(&mut itoa::Buffer::new()))
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, n: i64) -> CmdResult {
        self.bulk(itoa::Buffer::new().format(n).as_bytes())
    }

    pub fn simple(&mut self, text: &str) -> CmdResult {
        self.status(text.as_bytes())
    }

    /// A status whose text is bytes of a client.
    pub fn status(&mut self, text: &[u8]) -> CmdResult {
        self.line(b'+', text)
    }

    /// An integer of any size, in its digits; a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &[u8]) -> CmdResult {
        match self.resp {
            Resp::V2 => {
                let line = |&byte: &u8| {
                    if matches!(byte, b'\r' | b'\n') {
                        b' '
                    } else {
                        byte
                    }
                };
                self.bulk(&digits.iter().map(line).collect::<Vec<u8>>())
            }
            Resp::V3 => self.line(b'(', digits),
        }
    }

    /// An error as an element of a larger reply; a command's own error is its `Err`.
    pub fn error(&mut self, text: &[u8]) -> CmdResult {
        self.line(b'-', text)
    }

    fn line(&mut self, mark: u8, text: &[u8]) -> CmdResult {
        if self.out.capacity() - self.out.len() < text.len() + ROOM {
            return self.long_line(mark, text);
        }
        encode::line(self.out, mark, text);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn long_line(&mut self, mark: u8, text: &[u8]) -> CmdResult {
        self.grow(text.len() + ROOM)?;
        if !self.is_over {
            let mut line = Vec::with_capacity(text.len() + ROOM);
            encode::line(&mut line, mark, text);
            self.spread(&line);
        }
        Ok(())
    }

    #[inline(always)]
    pub fn null(&mut self) -> CmdResult {
        self.room()?;
        encode::null(self.out, self.resp);
        Ok(())
    }

    pub fn null_array(&mut self) -> CmdResult {
        self.room()?;
        encode::null_array(self.out, self.resp);
        Ok(())
    }

    pub fn array(&mut self, len: usize) -> CmdResult {
        self.room()?;
        encode::prefixed(self.out, b'*', len as i64);
        Ok(())
    }

    pub fn map(&mut self, pairs: usize) -> CmdResult {
        self.room()?;
        encode::map(self.out, self.resp, pairs);
        Ok(())
    }

    pub fn set(&mut self, len: usize) -> CmdResult {
        self.room()?;
        encode::set(self.out, self.resp, len);
        Ok(())
    }

    pub fn push(&mut self, len: usize) -> CmdResult {
        self.room()?;
        encode::push(self.out, self.resp, len);
        Ok(())
    }

    /// A true boolean; 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) -> CmdResult {
        self.room()?;
        encode::boolean(self.out, self.resp, value);
        Ok(())
    }

    /// A double; its digits as a bulk string in RESP2.
    pub fn double(&mut self, value: f64) -> CmdResult {
        self.room()?;
        let text = number::format_f64(value);
        if self.resp == Resp::V2 {
            return self.bulk(text.as_bytes());
        }
        encode::line(self.out, b',', text.as_bytes());
        Ok(())
    }

    /// Text for people.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) -> CmdResult {
        if self.resp == Resp::V2 {
            return self.bulk(text);
        }
        self.room()?;
        encode::prefixed(self.out, b'=', text.len() as i64 + 4);
        self.raw(format)?;
        self.raw(b":")?;
        self.raw(text)?;
        self.raw(b"\r\n")
    }

    /// An array of simple strings, as in replies of HELP.
    pub fn help(&mut self, lines: &[&str]) -> CmdResult {
        self.array(lines.len())?;
        lines.iter().try_for_each(|line| self.simple(line))
    }

    /// Bytes that are already in the protocol.
    #[inline(always)]
    pub fn raw(&mut self, bytes: &[u8]) -> CmdResult {
        if self.out.capacity() - self.out.len() < bytes.len() {
            return self.long_raw(bytes);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn long_raw(&mut self, bytes: &[u8]) -> CmdResult {
        self.grow(bytes.len())?;
        if !self.is_over {
            self.spread(bytes);
        }
        Ok(())
    }

    /// Bytes in the protocol that several clients get: in chunks they are not copied.
    pub fn shared(&mut self, bytes: &Bytes) -> CmdResult {
        if self.queue.is_none() || self.is_over || self.written() + bytes.len() > self.most {
            return self.raw(bytes);
        }
        if let Some(queue) = &mut self.queue {
            queue.seal(self.out);
            queue.push(Piece::Shared(bytes.clone()));
        }
        Ok(())
    }

    /// The end of what is written so far.
    #[inline(always)]
    fn mark(&self) -> Mark {
        match &self.queue {
            Some(queue) => queue.mark(self.out),
            None => Mark::of_buffer(self.out),
        }
    }

    /// Begins an array whose length is known only at its end.
    pub fn deferred(&mut self) -> Deferred {
        Deferred(self.mark())
    }

    /// Writes the head of an array in front of its elements.
    pub fn close_array(&mut self, at: Deferred, len: usize) -> CmdResult {
        self.close(at, |out, _| encode::prefixed(out, b'*', len as i64))
    }

    pub fn close_map(&mut self, at: Deferred, pairs: usize) -> CmdResult {
        self.close(at, |out, resp| encode::map(out, resp, pairs))
    }

    pub fn close_set(&mut self, at: Deferred, len: usize) -> CmdResult {
        self.close(at, |out, resp| encode::set(out, resp, len))
    }

    fn close(&mut self, at: Deferred, head: impl FnOnce(&mut Vec<u8>, Resp)) -> CmdResult {
        if self.is_over {
            return self.forget();
        }
        let end = self.out.len();
        if let Some(queue) = &mut self.queue
            && (!queue.ends_before(at.0) || self.out.capacity() - end < ROOM)
        {
            let mut bytes = Vec::with_capacity(ROOM);
            head(&mut bytes, self.resp);
            queue.insert(self.out, at.0, &bytes);
            return Ok(());
        }
        head(self.out, self.resp);
        let len = self.out.len() - end;
        self.out[at.0.in_tail()..].rotate_right(len);
        Ok(())
    }

    /// Discards everything written since `at`, to write another reply instead.
    pub fn undo(&mut self, at: Deferred) {
        match &mut self.queue {
            _ if self.is_over && self.unwanted_from.is_none() => {}
            Some(queue) => queue.undo(self.out, at.0),
            None => self.out.truncate(at.0.in_tail()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a reply written in chunks, with the sizes of the chunks.
    fn chunked(
        write: impl Fn(&mut Reply) -> CmdResult,
        most: usize,
    ) -> (Vec<u8>, Vec<usize>, bool) {
        let (mut out, mut queue) = (Vec::new(), Queue::default());
        let mut reply = Reply::chunked(&mut out, &mut queue, Resp::V3, most);
        let ended = write(&mut reply).is_err();
        assert!(reply.is_over() || !ended);
        let mut all: Vec<u8> = queue.iter().flat_map(Piece::bytes).copied().collect();
        all.extend_from_slice(&out);
        let held = queue.held() + out.capacity();
        assert!(held <= all.len() + all.len() / 10 + 2 * CHUNK);
        (
            all,
            queue.iter().map(|piece| piece.bytes().len()).collect(),
            ended,
        )
    }

    #[test]
    fn a_chunked_reply_equals_the_reply_in_one_buffer() {
        let write = |reply: &mut Reply| {
            let outer = reply.deferred();
            for size in [0, 1, 33, 5_000, 19_000, CHUNK, 3 * CHUNK, 7] {
                let inner = reply.deferred();
                for n in 0..50 {
                    reply.bulk(&vec![b'x'; size])?;
                    reply.int(n * 1_000_003)?;
                    reply.double(0.1)?;
                    reply.null()?;
                    reply.verbatim(b"txt", &vec![b'y'; size])?;
                    reply.status(&vec![b'z'; size % 20_000])?;
                }
                reply.close_map(inner, 150)?;
                let gone = reply.deferred();
                reply.bulk(&vec![b'-'; 50_000])?;
                reply.undo(gone);
            }
            reply.close_array(outer, 8)
        };
        let mut whole = Vec::new();
        assert!(write(&mut Reply::new(&mut whole, Resp::V3)).is_ok());
        let (all, sizes, ended) = chunked(write, usize::MAX);
        assert!(!ended && all == whole && sizes.len() > whole.len() / CHUNK);
        let full = sizes.iter().filter(|&&size| size + ROOM >= CHUNK).count();
        assert!(full * 10 >= sizes.len() * 7);
    }

    #[test]
    fn an_endless_reply_ends_at_its_bound() {
        let write = |reply: &mut Reply| loop {
            reply.bulk(b"again and again and again and again")?;
        };
        let (all, sizes, ended) = chunked(write, 1 << 20);
        assert!(ended && all.len() < CHUNK && sizes.is_empty());
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Resp::V2).bounded(1 << 20);
        assert!(write(&mut reply).is_err() && reply.is_over());
        assert!(out.capacity() <= 4 * ROOM);
    }

    #[test]
    fn an_unwanted_reply_leaves_the_output_before_it() {
        let (mut out, mut queue) = (Vec::new(), Queue::default());
        let wanted = vec![b'w'; 50_000];
        let mut reply = Reply::chunked(&mut out, &mut queue, Resp::V2, 200_000);
        assert!(reply.raw(&wanted).is_ok());
        let mut reply = Reply::chunked(&mut out, &mut queue, Resp::V2, 200_000).unwanted(true);
        let start = reply.deferred();
        while reply.bulk(&[b'x'; 1_000]).is_ok() {}
        assert!(reply.is_over());
        reply.undo(start);
        let mut reply = Reply::chunked(&mut out, &mut queue, Resp::V2, 200_000);
        assert!(reply.raw(b"end").is_ok());
        assert_eq!(reply.to_vec(), [wanted.as_slice(), b"end"].concat());
    }

    #[test]
    fn a_command_that_writes_runs_on_beyond_the_bound() {
        let (mut out, mut queue) = (Vec::new(), Queue::default());
        let mut reply = Reply::chunked(&mut out, &mut queue, Resp::V2, 100_000);
        reply.set_may_end(false);
        let head = reply.deferred();
        for _ in 0..1_000 {
            assert!(reply.bulk(&[b'x'; 1_000]).is_ok());
        }
        assert!(reply.close_array(head, 1_000).is_ok() && reply.is_over());
        assert!(queue.is_empty() && out.capacity() < CHUNK);
    }
}
