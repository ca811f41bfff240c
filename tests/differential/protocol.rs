//! Streams of bytes that are barely a protocol: broken lengths, wild quoting, writes cut anywhere.
//!
//! Each stream goes to both servers on a connection of its own, cut at different places for each,
//! and everything that comes back up to the end of the connection must be the same.

use super::rng::Rng;
use super::support::client::{Client, encode};
use super::{Pair, setting};
use std::thread::sleep;
use std::time::Duration;

/// Pieces that are wrong, or nearly.
const PIECES: &[&[u8]] = &[
    b"*0\r\n",
    b"*-1\r\n",
    b"*-10\r\n",
    b"*1\r\n",
    b"*3\r\n",
    b"*abc\r\n",
    b"*1048577\r\n",
    b"*2147483648\r\n",
    b"*99999999999999999999\r\n",
    b"*\r\n",
    b"* 1\r\n",
    b"*+1\r\n",
    b"*01\r\n",
    b"$4\r\nPING\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"$abc\r\n",
    b"$536870913\r\n",
    b"$99999999999999999999\r\n",
    b"$ 4\r\nPING\r\n",
    b"$4\nPING\r\n",
    b"$3\r\nPING\r\n",
    b"$5\r\nPING\r\n",
    b":1\r\n",
    b"+OK\r\n",
    b"-ERR\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n\r\n",
    b" \r\n",
    b"\0",
    b"\xff\xfe\r\n",
    b"PING\r\n",
    b"PING\n",
    b"  PING  \r\n",
    b"ping \"hello world\"\r\n",
    b"ping 'single \\' quote'\r\n",
    b"ping \"\\x41\\n\\t\\a\\b\\r\\\\\"\r\n",
    b"ping \"\\xZZ\"\r\n",
    b"ping \"open\r\n",
    b"ping 'open\r\n",
    b"ping \"a\"b\r\n",
    b"ping a\"b c\"\r\n",
    b"ping \"\"\r\n",
    b"ping ''\r\n",
    b"ECHO a\0b\r\n",
    b"set k\r\n",
    b"get\r\n",
    b"nosuch 'x' y\r\n",
    b"\"PING\"\r\n",
    b"QUIT\r\n",
    b"GET / HTTP/1.1\r\n",
];

/// The requests of a browser, which end the connection at once, pending replies included: these
/// come only as the first piece, or the reply would depend on what was flushed before.
const FROM_A_BROWSER: &[&[u8]] = &[
    b"POST / HTTP/1.1\r\n",
    b"Host: example\r\n",
    b"host:\r\n",
    b"posT\r\n",
];

fn stream(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    if rng.one_in(20) {
        bytes.extend(rng.pick(FROM_A_BROWSER));
    }
    for _ in 0..1 + rng.below(6) {
        match rng.below(8) {
            0 => bytes.extend(encode(&["PING"])),
            1 => bytes.extend(encode(&["SET", "k", "some value"])),
            2 => bytes.extend(encode(&["GET", "k"])),
            3 => {
                // A sound command with one byte changed.
                let mut command = encode(&["ECHO", "text"]);
                let at = rng.below(command.len());
                command[at] = u8::try_from(rng.next() & 255).expect("a byte");
                bytes.extend(command);
            }
            4 if rng.one_in(10) => {
                // A line too long. Nothing after it: a newline that arrives in time would save it.
                bytes.extend(vec![b'a'; 70_000]);
                break;
            }
            4 => bytes.extend(
                (0..rng.below(12)).map(|_| u8::try_from(rng.next() & 127).expect("seven bits")),
            ),
            _ => bytes.extend(rng.pick(PIECES)),
        }
    }
    bytes
}

/// The server's reply to a stream that arrives in these pieces.
fn answer(port: u16, bytes: &[u8], cuts: &[usize]) -> std::io::Result<Vec<u8>> {
    let mut client = Client::connect(port)?;
    let mut start = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        // A server that has closed by now reads no more, and its reply is there to be read.
        if client.send_raw(&bytes[start..cut]).is_err() {
            break;
        }
        start = cut;
        if cut < bytes.len() {
            sleep(Duration::from_micros(300));
        }
    }
    client.finish();
    client.read_to_end()
}

#[test]
fn broken_streams_get_the_same_reply_as_from_redis() {
    let Some(pair) = Pair::start() else { return };
    let first = setting("REDWHEEL_DIFF_SEED", 1);
    for seed in first..first + setting("REDWHEEL_DIFF_STREAMS", 1500) {
        let mut rng = Rng::new(seed);
        let bytes = stream(&mut rng);
        let mut cuts: Vec<usize> = (0..rng.below(4))
            .map(|_| rng.below(bytes.len() + 1))
            .collect();
        cuts.sort_unstable();
        let real = answer(pair.real.port, &bytes, &[]);
        let ours = answer(pair.ours.port, &bytes, &cuts);
        let shown = |reply: &std::io::Result<Vec<u8>>| match reply {
            Ok(bytes) => bytes.escape_ascii().to_string(),
            Err(error) => format!("no end: {error}"),
        };
        assert_eq!(
            shown(&ours),
            shown(&real),
            "\nREDWHEEL_DIFF_SEED={seed}, cut at {cuts:?}\nsent: {}",
            bytes[..bytes.len().min(2000)].escape_ascii()
        );
    }
}
