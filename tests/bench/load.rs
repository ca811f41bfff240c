//! The load: one thread, many nonblocking connections, commands built beforehand, replies counted.
//!
//! The generator must cost less than the servers it drives. So the bytes of all batches lie ready
//! in one pool, a connection only walks through it, and a reply is counted by its header line. A
//! connection has one batch in flight at a time, as redis-benchmark does it. Used by `measures`.

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes of commands at most in one pool: large beside any cache, small beside the memory.
const POOL_BYTES: usize = 64 << 20;

/// Commands ready to be sent, cut into batches of `depth`.
pub struct Pool {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    depth: usize,
}

impl Pool {
    /// As many batches as fit, at most `commands` commands, each written by `write`.
    pub fn build(commands: usize, depth: usize, mut write: impl FnMut(&mut Vec<u8>)) -> Pool {
        let mut pool = Pool {
            bytes: Vec::new(),
            ends: Vec::new(),
            depth,
        };
        while pool.ends.len() * depth < commands && pool.bytes.len() < POOL_BYTES {
            (0..depth).for_each(|_| write(&mut pool.bytes));
            pool.ends.push(pool.bytes.len());
        }
        pool
    }

    fn batch(&self, index: usize) -> (usize, usize) {
        (
            if index == 0 { 0 } else { self.ends[index - 1] },
            self.ends[index],
        )
    }
}

/// Writes one command in multibulk form.
pub fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    write!(out, "*{}\r\n", words.len()).expect("a vector takes it");
    for word in words {
        write!(out, "${}\r\n", word.len()).expect("a vector takes it");
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Counts replies without keeping them. Knows RESP2.
#[derive(Default)]
pub struct Counter {
    /// Elements of arrays that are still to come.
    elements: usize,
    /// Payload bytes of a bulk, its CRLF included, that are still to come.
    skip: usize,
    /// A header line that was cut by the end of a read.
    partial: Vec<u8>,
    /// Whether nulls count as replies, and errors too: the first one is kept.
    lenient: bool,
    refusal: Option<String>,
}

impl Counter {
    /// The number of replies completed by these bytes.
    ///
    /// # Panics
    /// On an error reply or a null, unless lenient: a benchmark of refusals would measure nothing.
    pub fn feed(&mut self, mut bytes: &[u8]) -> usize {
        let mut replies = 0;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.skip -= n;
                bytes = &bytes[n..];
                if self.skip == 0 {
                    replies += self.element();
                }
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.partial.extend_from_slice(bytes);
                break;
            };
            let (head, rest) = bytes.split_at(end + 1);
            bytes = rest;
            let line = if self.partial.is_empty() {
                head
            } else {
                self.partial.extend_from_slice(head);
                &self.partial
            };
            match line[0] {
                b'+' | b':' => replies += self.element(),
                b'$' if line[1] != b'-' => self.skip = digits(line) + 2,
                b'*' if line[1] != b'-' => {
                    // Its elements count in its place.
                    let len = digits(line);
                    if len == 0 {
                        replies += self.element();
                    } else {
                        self.elements = self.elements.max(1) - 1 + len;
                    }
                }
                b'$' | b'*' if self.lenient => replies += self.element(),
                b'-' if self.lenient => {
                    let text = line.escape_ascii().to_string();
                    self.refusal.get_or_insert(text);
                    replies += self.element();
                }
                _ => panic!("not the reply of a success: {}", line.escape_ascii()),
            }
            self.partial.clear();
        }
        replies
    }
}

impl Counter {
    /// Counts a complete element. Returns 1 if it is the last one of a reply.
    fn element(&mut self) -> usize {
        self.elements = self.elements.saturating_sub(1);
        usize::from(self.elements == 0)
    }
}

/// The number in a header line.
fn digits(line: &[u8]) -> usize {
    let digits = line[1..line.len() - 2].iter();
    digits.fold(0, |n, d| n * 10 + usize::from(d - b'0'))
}

struct Connection {
    stream: TcpStream,
    counter: Counter,
    /// The unsent part of the batch in flight.
    unsent: (usize, usize),
    awaited: usize,
    next_batch: usize,
}

/// The sample of one run between its warm-up and its end.
pub struct Sample {
    pub requests: u64,
    pub seconds: f64,
    pub server_ns: u64,
}

pub struct Load<'p> {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    pool: &'p Pool,
    replies: u64,
    /// A run ends early when so many replies have come: what the requests take is used up.
    pub most: u64,
    buffer: Vec<u8>,
}

impl<'p> Load<'p> {
    pub fn connect(port: u16, connections: usize, pool: &'p Pool) -> std::io::Result<Load<'p>> {
        let poll = Poll::new()?;
        let mut load = Load {
            poll,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            pool,
            replies: 0,
            most: u64::MAX,
            buffer: vec![0; 256 << 10],
        };
        for n in 0..connections {
            let std_stream =
                std::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
            std_stream.set_nodelay(true)?;
            std_stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(std_stream);
            load.poll.registry().register(
                &mut stream,
                Token(n),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            // Each connection starts elsewhere in the pool.
            let next_batch = n * pool.ends.len() / connections;
            let counter = Counter::default();
            load.connections.push(Connection {
                stream,
                counter,
                unsent: (0, 0),
                awaited: 0,
                next_batch,
            });
        }
        Ok(load)
    }

    /// Drives the server for a while; `server_ns` tells the CPU time it has used so far.
    pub fn run(
        &mut self,
        warm_up: Duration,
        time: Duration,
        server_ns: impl Fn() -> u64,
    ) -> std::io::Result<Sample> {
        for n in 0..self.connections.len() {
            self.start_batch(n)?;
        }
        self.turn_until(Instant::now() + warm_up, true)?;
        let (replies, cpu, began) = (self.replies, server_ns(), Instant::now());
        self.turn_until(began + time, true)?;
        let sample = Sample {
            requests: self.replies - replies,
            seconds: began.elapsed().as_secs_f64(),
            server_ns: server_ns() - cpu,
        };
        // Let batches in flight arrive, so that the next run starts from rest.
        self.turn_until(Instant::now() + Duration::from_secs(10), false)?;
        assert!(
            self.connections.iter().all(|c| c.awaited == 0),
            "every request got a reply"
        );
        Ok(sample)
    }

    /// Drives the server from rest to rest: at least for the given time or until that number of
    /// replies have come, and until every request has its reply. Nulls are replies here.
    pub fn run_to_rest(
        &mut self,
        time: Duration,
        most: u64,
        server_ns: impl Fn() -> u64,
    ) -> std::io::Result<Sample> {
        self.most = most;
        self.connections
            .iter_mut()
            .for_each(|c| c.counter.lenient = true);
        let (cpu, began) = (server_ns(), Instant::now());
        for n in 0..self.connections.len() {
            self.start_batch(n)?;
        }
        self.turn_until(began + time, true)?;
        self.turn_until(Instant::now() + Duration::from_secs(60), false)?;
        let refusal = self
            .connections
            .iter_mut()
            .find_map(|c| c.counter.refusal.take());
        assert!(
            refusal.is_none(),
            "a row that is refused measures nothing: {refusal:?}"
        );
        Ok(Sample {
            requests: self.replies,
            seconds: began.elapsed().as_secs_f64(),
            server_ns: server_ns() - cpu,
        })
    }

    fn turn_until(&mut self, end: Instant, more: bool) -> std::io::Result<()> {
        while Instant::now() < end
            && if more {
                self.replies < self.most
            } else {
                self.connections.iter().any(|c| c.awaited > 0)
            }
        {
            self.poll
                .poll(&mut self.events, Some(Duration::from_millis(10)))?;
            let ready: Vec<(usize, bool, bool)> = self
                .events
                .iter()
                .map(|e| (e.token().0, e.is_readable(), e.is_writable()))
                .collect();
            for (n, readable, writable) in ready {
                if writable {
                    self.write(n)?;
                }
                if readable {
                    self.read(n, more)?;
                }
            }
        }
        Ok(())
    }

    fn start_batch(&mut self, n: usize) -> std::io::Result<()> {
        let connection = &mut self.connections[n];
        connection.unsent = self.pool.batch(connection.next_batch);
        connection.next_batch = (connection.next_batch + 1) % self.pool.ends.len();
        connection.awaited = self.pool.depth;
        self.write(n)
    }

    fn write(&mut self, n: usize) -> std::io::Result<()> {
        let connection = &mut self.connections[n];
        while connection.unsent.0 < connection.unsent.1 {
            match connection
                .stream
                .write(&self.pool.bytes[connection.unsent.0..connection.unsent.1])
            {
                Ok(sent) => connection.unsent.0 += sent,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn read(&mut self, n: usize, more: bool) -> std::io::Result<()> {
        loop {
            let connection = &mut self.connections[n];
            let got = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(got) => got,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
            let replies = connection.counter.feed(&self.buffer[..got]);
            assert!(
                replies <= connection.awaited,
                "no more replies than requests"
            );
            connection.awaited -= replies;
            self.replies += replies as u64;
            if connection.awaited == 0 && more {
                self.start_batch(n)?;
            }
            // A short read has drained the socket; the next bytes bring the next event.
            if got < self.buffer.len() {
                return Ok(());
            }
        }
    }
}

/// One blocking connection that sends batches and checks the replies for errors only.
pub struct Replies {
    stream: std::net::TcpStream,
    counter: Counter,
    buffer: Vec<u8>,
}

impl Replies {
    pub fn connect(port: u16) -> std::io::Result<Replies> {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let counter = Counter {
            lenient: true,
            ..Counter::default()
        };
        Ok(Replies {
            stream,
            counter,
            buffer: vec![0; 64 << 10],
        })
    }

    /// Sends a batch, waits for so many replies, and gives the first error among them.
    pub fn exchange(&mut self, batch: &[u8], replies: usize) -> std::io::Result<Option<String>> {
        let mut unsent = batch;
        let mut awaited = replies;
        self.stream.set_nonblocking(true)?;
        while awaited > 0 {
            // Large batches with large replies would block both sides if all was written first.
            if !unsent.is_empty() {
                match self.stream.write(unsent) {
                    Ok(n) => unsent = &unsent[n..],
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    Err(e) => return Err(e),
                }
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(got) => awaited -= self.counter.feed(&self.buffer[..got]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(e) => return Err(e),
            }
        }
        Ok(self.counter.refusal.take())
    }
}

/// Sends `count` commands over one blocking connection in batches of `depth`, and tells `seen` how
/// long each batch took from its first byte to its last reply.
pub fn fill(
    port: u16,
    count: usize,
    depth: usize,
    mut write: impl FnMut(usize, &mut Vec<u8>),
    mut seen: impl FnMut(usize, Duration),
) -> std::io::Result<()> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let (mut counter, mut out, mut buffer) = (Counter::default(), Vec::new(), vec![0; 64 << 10]);
    let mut done = 0;
    while done < count {
        let batch = depth.min(count - done);
        out.clear();
        (done..done + batch).for_each(|i| write(i, &mut out));
        let began = Instant::now();
        stream.write_all(&out)?;
        let mut awaited = batch;
        while awaited > 0 {
            let got = stream.read(&mut buffer)?;
            if got == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            awaited -= counter.feed(&buffer[..got]);
        }
        done += batch;
        seen(done, began.elapsed());
    }
    Ok(())
}
