//! Answers in the protocol version of the caller, appended to its output.

use super::error::CmdResult;
use crate::algo::number;
use crate::resp::encode::{self, Resp};
use crate::types::listpack::Item;

/// Where an answer goes. Each method returns `CmdResult`, so an answer can be a tail expression.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    pub resp: Resp,
}

/// A place for the length of an array whose elements are written first.
pub struct Deferred(usize);

impl<'a> Reply<'a> {
    #[inline(always)]
    pub fn new(out: &'a mut Vec<u8>, resp: Resp) -> Self {
        Reply { out, resp }
    }

    /// What is written so far, earlier answers included.
    pub fn bytes(&self) -> &[u8] {
        self.out
    }

    /// Bytes written so far, earlier answers included.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    #[inline(always)]
    pub fn ok(&mut self) -> CmdResult {
        self.out.extend_from_slice(b"+OK\r\n");
        Ok(())
    }

    #[inline(always)]
    pub fn int(&mut self, n: i64) -> CmdResult {
        encode::prefixed(self.out, b':', n);
        Ok(())
    }

    pub fn bool(&mut self, yes: bool) -> CmdResult {
        self.int(yes as i64)
    }

    #[inline(always)]
    pub fn bulk(&mut self, bytes: &[u8]) -> CmdResult {
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
        encode::line(self.out, b'+', text.as_bytes());
        Ok(())
    }

    /// A status whose text is bytes of a client.
    pub fn status(&mut self, text: &[u8]) -> CmdResult {
        encode::line(self.out, b'+', text);
        Ok(())
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
            Resp::V3 => {
                encode::line(self.out, b'(', digits);
                Ok(())
            }
        }
    }

    /// An error as an element of a larger answer; a command's own error is its `Err`.
    pub fn error(&mut self, text: &[u8]) -> CmdResult {
        encode::line(self.out, b'-', text);
        Ok(())
    }

    #[inline(always)]
    pub fn null(&mut self) -> CmdResult {
        encode::null(self.out, self.resp);
        Ok(())
    }

    pub fn null_array(&mut self) -> CmdResult {
        encode::null_array(self.out, self.resp);
        Ok(())
    }

    pub fn array(&mut self, len: usize) -> CmdResult {
        encode::prefixed(self.out, b'*', len as i64);
        Ok(())
    }

    pub fn map(&mut self, pairs: usize) -> CmdResult {
        encode::map(self.out, self.resp, pairs);
        Ok(())
    }

    pub fn set(&mut self, len: usize) -> CmdResult {
        encode::set(self.out, self.resp, len);
        Ok(())
    }

    pub fn push(&mut self, len: usize) -> CmdResult {
        encode::push(self.out, self.resp, len);
        Ok(())
    }

    /// A true boolean; 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) -> CmdResult {
        encode::boolean(self.out, self.resp, value);
        Ok(())
    }

    /// A double; its digits as a bulk string in RESP2.
    pub fn double(&mut self, value: f64) -> CmdResult {
        let text = number::format_f64(value);
        if self.resp == Resp::V2 {
            return self.bulk(text.as_bytes());
        }
        encode::line(self.out, b',', text.as_bytes());
        Ok(())
    }

    /// Text for people.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) -> CmdResult {
        encode::verbatim(self.out, self.resp, format, text);
        Ok(())
    }

    /// An array of simple strings, as HELP answers.
    pub fn help(&mut self, lines: &[&str]) -> CmdResult {
        self.array(lines.len())?;
        lines.iter().try_for_each(|line| self.simple(line))
    }

    /// Bytes that are already in the protocol.
    pub fn raw(&mut self, bytes: &[u8]) -> CmdResult {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Begins an array whose length is known only at its end.
    pub fn deferred(&mut self) -> Deferred {
        Deferred(self.out.len())
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
        let end = self.out.len();
        head(self.out, self.resp);
        let len = self.out.len() - end;
        self.out[at.0..].rotate_right(len);
        Ok(())
    }

    /// Forgets everything written since `at`: the answer turned out otherwise.
    pub fn undo(&mut self, at: Deferred) {
        self.out.truncate(at.0);
    }
}
