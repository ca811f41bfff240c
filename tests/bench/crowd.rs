//! Many connections: messages to subscribers, connections that do nothing, and many that do little.
//!
//! A message is published when all subscribers have the one before, so that a server can save no
//! system call; what is measured is its CPU time for each message delivered. Names: publish1,
//! publish100, publish1000, idle10000, active1000.

use super::Options;
use super::load::command;
use super::measures::{
    Case, Row, Target, key16, load_keys, median, request_rows, text32, write_get,
};
use super::subject::{Running, Subject};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Subscribers, and the ratio that is aimed at.
const AUDIENCES: [(&str, usize, f64); 3] = [
    ("publish1", 1, 0.97),
    ("publish100", 100, 0.97),
    ("publish1000", 1_000, 0.97),
];
const CHANNEL: &[u8] = b"news:today";
const PAYLOAD: [u8; 64] = [b'm'; 64];
const IDLE: usize = 10_000;
const ACTIVE: usize = 1_000;
/// Keys that the active connections ask for.
const ACTIVE_KEYS: usize = 100_000;

fn connect(port: u16) -> Blocking {
    let stream = Blocking::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let stream = stream.expect("the server accepts");
    stream.set_nodelay(true).expect("the option can be set");
    stream
}

fn words(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    command(&mut bytes, words);
    bytes
}

/// Connections that listen to one channel.
struct Audience {
    poll: Poll,
    events: Events,
    streams: Vec<TcpStream>,
    /// Bytes of one message.
    message: usize,
    /// Bytes that arrived and were not asked for yet.
    received: usize,
    buffer: Vec<u8>,
}

impl Audience {
    fn subscribe(port: u16, size: usize) -> Audience {
        let poll = Poll::new().expect("a poll can be made");
        let asked = words(&[b"SUBSCRIBE", CHANNEL]);
        let answer = words(&[b"subscribe", CHANNEL]).len() + 4;
        let mut streams = Vec::new();
        for n in 0..size {
            let mut stream = connect(port);
            stream.write_all(&asked).expect("the server reads");
            let mut said = vec![0; answer];
            stream.read_exact(&mut said).expect("the server replies");
            stream.set_nonblocking(true).expect("the option can be set");
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(n), Interest::READABLE)
                .expect("a socket can be watched");
            streams.push(stream);
        }
        Audience {
            poll,
            events: Events::with_capacity(1024),
            streams,
            message: words(&[b"message", CHANNEL, &PAYLOAD]).len(),
            received: 0,
            buffer: vec![0; 64 << 10],
        }
    }

    /// Waits until every subscriber has received one more message.
    fn receive(&mut self) {
        let wanted = self.message * self.streams.len();
        while self.received < wanted {
            let patience = Some(Duration::from_secs(10));
            self.poll
                .poll(&mut self.events, patience)
                .expect("polling works");
            for event in &self.events {
                match self.streams[event.token().0].read(&mut self.buffer) {
                    Ok(n) => self.received += n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("a subscriber was cut off: {error}"),
                }
            }
        }
        self.received -= wanted;
    }
}

/// Microseconds of CPU for each message that was delivered.
fn publish(server: &Running, size: usize, time: Duration) -> f64 {
    let mut audience = Audience::subscribe(server.port, size);
    let mut publisher = connect(server.port);
    let asked = words(&[b"PUBLISH", CHANNEL, &PAYLOAD]);
    let answer = format!(":{size}\r\n").len();
    let mut said = vec![0; answer];
    let mut once = |audience: &mut Audience| {
        publisher.write_all(&asked).expect("the server reads");
        publisher.read_exact(&mut said).expect("the server replies");
        audience.receive();
    };
    let began = Instant::now();
    while began.elapsed() < time / 10 {
        once(&mut audience);
    }
    let (cpu, began, mut sent) = (server.cpu_ns(), Instant::now(), 0);
    while began.elapsed() < time {
        once(&mut audience);
        sent += 1;
    }
    (server.cpu_ns() - cpu) as f64 / 1000.0 / (sent * size) as f64
}

/// CPU per delivered message, for audiences of different sizes.
pub fn publishing(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, size, target) in AUDIENCES.into_iter().filter(|a| options.wants(a.0)) {
        eprintln!("{name} …");
        let servers: Vec<Running> = subjects.iter().map(|s| s.start(true)).collect();
        let mut figures: Vec<Vec<f64>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.rounds {
            for (server, figures) in servers.iter().zip(&mut figures) {
                let time = Duration::from_secs_f64(options.seconds);
                figures.push(publish(server, size, time));
            }
        }
        let figures = figures.into_iter().map(median).collect();
        let target = Some(Target::Ratio(target));
        rows.push(Row::new(name, "µs CPU/message", figures, target));
    }
    rows
}

/// Resident bytes that a connection costs which has said hello and then is quiet.
pub fn idle(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    if !options.wants("idle10000") {
        return Vec::new();
    }
    eprintln!("idle10000 …");
    let bytes_of = |subject: &Subject| {
        let server = subject.start(true);
        let raise = words(&[b"CONFIG", b"SET", b"maxclients", b"20000"]);
        let mut admin = connect(server.port);
        admin.write_all(&raise).expect("the server reads");
        let _ = admin.read(&mut [0; 64]);
        let before = server.rss();
        let mut streams = Vec::with_capacity(IDLE);
        for _ in 0..IDLE {
            let mut stream = connect(server.port);
            stream.write_all(b"PING\r\n").expect("the server reads");
            stream.read_exact(&mut [0; 7]).expect("the server replies");
            streams.push(stream);
        }
        // What is only kept for the busy is given back after a while.
        sleep(Duration::from_secs(5));
        (server.rss().saturating_sub(before)) as f64 / IDLE as f64
    };
    let figures = subjects.iter().map(bytes_of).collect();
    let target = Some(Target::Ratio(0.8));
    vec![Row::new("idle10000", "bytes/connection", figures, target)]
}

/// CPU per request with many connections that have one request in flight each.
pub fn active(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    if !options.wants("active1000") {
        return Vec::new();
    }
    eprintln!("active1000 …");
    let servers: Vec<Running> = subjects.iter().map(|s| s.start(true)).collect();
    for server in &servers {
        load_keys(server, ACTIVE_KEYS, key16, text32, false);
    }
    let case = Case {
        name: "active1000",
        depth: 1,
        write: &|random, out| write_get(random, ACTIVE_KEYS, out),
        target: Some(1.0),
        before: None,
        most: u64::MAX,
        connections: ACTIVE,
    };
    request_rows(options, &servers, &case).into()
}
