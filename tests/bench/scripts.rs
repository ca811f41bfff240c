//! Scripts: a small one as programs send it in pipelines, and one that does nothing but call.

use super::Options;
use super::load::{command, fill};
use super::measures::{CONNECTIONS, Case, Random, Row, request_rows};
use super::subject::{Running, Subject};
use sha1::{Digest, Sha1};

/// The script of a rate limiter or a lock: a write and a read.
const SET_GET: &str = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])";
/// The way from Lua into the server and back, and nothing else.
const INCR_1000: &str = "for i = 1, 1000 do redis.call('INCR', KEYS[1]) end return 1";

const KEYS: usize = 10_000;

struct Kind {
    name: &'static str,
    body: &'static str,
    depth: usize,
    target: f64,
    /// A sample ends after so many requests.
    most: u64,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "evalsha",
        body: SET_GET,
        depth: 16,
        target: 0.9,
        most: u64::MAX,
    },
    Kind {
        name: "evalincr",
        body: INCR_1000,
        depth: 1,
        target: 0.8,
        most: u64::MAX,
    },
];

fn load(server: &Running, body: &str) {
    let write = |_: usize, out: &mut Vec<u8>| {
        command(out, &[b"SCRIPT", b"LOAD", body.as_bytes()]);
    };
    fill(server.port, 1, 1, write, |_, _| ()).expect("the server takes a script");
}

/// CPU per request and throughput.
pub fn requests(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in KINDS.iter().filter(|kind| options.wants(kind.name)) {
        let servers: Vec<Running> = subjects.iter().map(|s| s.start(true)).collect();
        servers.iter().for_each(|server| load(server, kind.body));
        let digest = Sha1::digest(kind.body);
        let sha: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{} at pipeline {} …", kind.name, kind.depth);
        let write = |random: &mut Random, out: &mut Vec<u8>| {
            let key = format!("script:{}", random.below(KEYS));
            let words: [&[u8]; 5] = [b"EVALSHA", sha.as_bytes(), b"1", key.as_bytes(), b"value"];
            command(out, &words);
        };
        let case = Case {
            name: kind.name,
            depth: kind.depth,
            write: &write,
            target: Some(kind.target),
            before: None,
            most: kind.most,
            connections: CONNECTIONS,
        };
        rows.extend(request_rows(options, &servers, &case));
    }
    rows
}
