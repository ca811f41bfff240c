//! A client that hides nothing: it sends bytes, and gives replies as bytes or as parsed values.
//!
//! The `redis` crate is the client of the end-to-end tests; this one is for where the bytes
//! themselves are the question (comparison with another server, broken input, RESP2 beside RESP3).

use super::wait::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A reply of RESP2 or RESP3, with no two different replies made alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    /// `$-1`, the null of RESP2.
    NilBulk,
    /// `*-1`, the null array of RESP2.
    NilArray,
    Array(Vec<Value>),
    /// `_`, the null of RESP3.
    Null,
    Bool(bool),
    /// The digits as sent.
    Double(Vec<u8>),
    BigNumber(Vec<u8>),
    BulkError(Vec<u8>),
    Verbatim(Vec<u8>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
}

impl Value {
    /// The text of a string, an error or a number, lossy where it is binary.
    pub fn text(&self) -> String {
        match self {
            Value::Simple(b) | Value::Error(b) | Value::Bulk(b) | Value::Double(b) => {
                String::from_utf8_lossy(b).into_owned()
            }
            Value::BigNumber(b) | Value::BulkError(b) | Value::Verbatim(b) => {
                String::from_utf8_lossy(b).into_owned()
            }
            Value::Int(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            other => format!("{other:?}"),
        }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_) | Value::BulkError(_))
    }

    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(n) = self {
            Some(*n)
        } else {
            None
        }
    }

    /// The elements of any aggregate; a map gives its keys and values in turn.
    pub fn items(&self) -> Vec<Value> {
        match self {
            Value::Array(v) | Value::Set(v) | Value::Push(v) => v.clone(),
            Value::Map(pairs) => pairs
                .iter()
                .flat_map(|(k, v)| [k.clone(), v.clone()])
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The value at `key` of a map, or of the flat array that stands for one in RESP2.
    pub fn field(&self, key: &str) -> Option<Value> {
        self.items()
            .chunks(2)
            .find(|pair| pair[0].text() == key)
            .map(|pair| pair[1].clone())
    }
}

/// The next reply in `bytes` and the number of bytes it takes; `None` while it is not complete.
///
/// # Panics
/// On bytes that are no reply: the server under test has then broken the protocol.
pub fn parse(bytes: &[u8]) -> Option<(Value, usize)> {
    let line_end = bytes.windows(2).position(|w| w == b"\r\n")?;
    let (kind, line) = (bytes[0], &bytes[1..line_end]);
    let rest = line_end + 2;
    let value = match kind {
        b'+' => Value::Simple(line.to_vec()),
        b'-' => Value::Error(line.to_vec()),
        b':' => Value::Int(number(line)),
        b'_' => Value::Null,
        b'#' => Value::Bool(line == b"t"),
        b',' => Value::Double(line.to_vec()),
        b'(' => Value::BigNumber(line.to_vec()),
        b'$' | b'!' | b'=' => return parse_blob(kind, bytes, rest, number(line)),
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            return parse_aggregate(kind, bytes, rest, number(line));
        }
        _ => panic!(
            "not a reply: {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
        ),
    };
    Some((value, rest))
}

fn number(line: &[u8]) -> i64 {
    std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| {
            panic!(
                "not a number in a reply: {:?}",
                String::from_utf8_lossy(line)
            )
        })
}

fn parse_blob(kind: u8, bytes: &[u8], start: usize, len: i64) -> Option<(Value, usize)> {
    if len < 0 {
        return Some((Value::NilBulk, start));
    }
    let end = start + usize::try_from(len).expect("a length is not negative here");
    if bytes.len() < end + 2 {
        return None;
    }
    assert_eq!(&bytes[end..end + 2], b"\r\n", "a bulk reply ends with CRLF");
    let blob = bytes[start..end].to_vec();
    let value = match kind {
        b'$' => Value::Bulk(blob),
        b'!' => Value::BulkError(blob),
        _ => Value::Verbatim(blob),
    };
    Some((value, end + 2))
}

fn parse_aggregate(kind: u8, bytes: &[u8], start: usize, len: i64) -> Option<(Value, usize)> {
    if len < 0 {
        return Some((Value::NilArray, start));
    }
    let pairs = kind == b'%' || kind == b'|';
    let count = len * if pairs { 2 } else { 1 };
    let (mut items, mut at) = (Vec::new(), start);
    for _ in 0..count {
        let (item, used) = parse(bytes.get(at..)?)?;
        items.push(item);
        at += used;
    }
    if kind == b'|' {
        // An attribute stands before the reply it describes.
        let (value, used) = parse(bytes.get(at..)?)?;
        return Some((value, at + used));
    }
    let value = match kind {
        b'*' => Value::Array(items),
        b'~' => Value::Set(items),
        b'>' => Value::Push(items),
        _ => {
            let mut pairs = Vec::new();
            let mut items = items.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                pairs.push((key, value));
            }
            Value::Map(pairs)
        }
    };
    Some((value, at))
}

/// The multibulk form of a command.
pub fn encode(args: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.as_ref().len()).as_bytes());
        out.extend_from_slice(arg.as_ref());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    /// Bytes received that no reply has taken yet.
    unread: Vec<u8>,
}

impl Client {
    pub fn connect(port: u16) -> std::io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            unread: Vec::new(),
        })
    }

    /// Bytes as they are, whether they are a command or not.
    pub fn send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn send(&mut self, args: &[impl AsRef<[u8]>]) {
        self.send_raw(&encode(args))
            .expect("the server reads what we send");
    }

    /// The next reply as the bytes it came in, or why there is none.
    pub fn reply_raw(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some((_, used)) = parse(&self.unread) {
                return Ok(self.unread.drain(..used).collect());
            }
            let mut chunk = [0; 16384];
            let n = match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            if n == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend_from_slice(&chunk[..n]);
        }
    }

    pub fn reply(&mut self) -> Value {
        let raw = self.reply_raw().expect("the server replies");
        parse(&raw).expect("a raw reply is complete").0
    }

    /// Sends a command and waits for its reply.
    pub fn call(&mut self, args: &[impl AsRef<[u8]>]) -> Value {
        self.send(args);
        self.reply()
    }

    /// A command as one types it: words apart by blanks, no quoting.
    pub fn run(&mut self, line: &str) -> Value {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Whatever has arrived by now, and whether the connection ended.
    pub fn take_available(&mut self) -> (Vec<u8>, bool) {
        let mut all = std::mem::take(&mut self.unread);
        self.stream
            .set_nonblocking(true)
            .expect("a socket can be made non-blocking");
        let ended = loop {
            let mut chunk = [0; 16384];
            match self.stream.read(&mut chunk) {
                Ok(0) => break true,
                Ok(n) => all.extend_from_slice(&chunk[..n]),
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        self.stream
            .set_nonblocking(false)
            .expect("a socket can be made blocking");
        (all, ended)
    }

    /// Tells the server that no more will be sent.
    pub fn finish(&mut self) {
        // The server may have closed already, which is as good.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Everything up to the end of the connection; a reset counts as an end.
    pub fn read_to_end(&mut self) -> std::io::Result<Vec<u8>> {
        let mut all = std::mem::take(&mut self.unread);
        loop {
            let mut chunk = [0; 16384];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(all),
                Ok(n) => all.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(all),
                Err(e) => return Err(e),
            }
        }
    }

    pub fn set_patience(&self, patience: Duration) {
        self.stream
            .set_read_timeout(Some(patience))
            .expect("a timeout above zero is accepted");
    }
}
