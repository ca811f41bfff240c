//! Our server beside the real ones: CPU per request, throughput, memory, gaps, start-up.
//!
//!     cargo bench --bench compare -- [--only get,set,memory] [--pipelines 1,16,64] [--rounds 5]
//!         [--seconds 2] [--keys 1000000] [--gap-keys 10000000] [--servers ours,redis,redis-8.2,valkey] [--md]
//!
//! Names for --only: ping set get incr mset get512 set512 memory gap pong, lpush rpop sadd spop hset
//! zadd zpopmin xadd lrange100 lrange300 lrange600 hgetall zrange zrank smembers, evalsha (a SET and a
//! GET) evalincr (a thousand INCR), the names that `collections` gives to what collections take in
//! memory (many-… and one-…), del, expiry, those of `crowd`: publish1 publish100 publish1000 idle10000
//! active1000, save load aofload setaof always bgsave, evictlru evictlfu evictvolatile evictttl, and
//! setrepl1 and setrepl4 (SET with replicas), every (CPU time of each command: `every:hget` for one
//! command or row), latency (of UNLINK and FLUSHALL ASYNC, and of others meanwhile), and small (bytes
//! of small values; `small:stream-group` for one kind).
//! All servers of a run take turns, round by round, so that a slow minute of the machine hits all
//! alike; a figure is the median of the rounds. The ratio is ours to the best of the real ones in
//! this very run, and stands beside the ratio we aim at. REDWHEEL_BIN, REDIS_SERVER,
//! REDIS_SERVER_8_2 and VALKEY_SERVER name other binaries.
//! docs/performance.md tells what came out.

mod collections;
mod crowd;
mod every;
mod eviction;
mod files;
mod load;
mod measures;
// Not all of the real servers are peers.
#[allow(dead_code)]
#[path = "../support/oracle.rs"]
mod oracle;
mod pauses;
mod replicas;
mod saving;
mod scripts;
mod small;
mod subject;

use measures::Row;

/// The command line.
pub struct Options {
    only: Vec<String>,
    pub pipelines: Vec<usize>,
    pub rounds: usize,
    pub seconds: f64,
    pub keys: usize,
    pub gap_keys: usize,
    servers: Vec<String>,
    markdown: bool,
}

impl Options {
    fn parse() -> Options {
        let mut options = Options {
            only: Vec::new(),
            pipelines: vec![1, 16, 64],
            rounds: 5,
            seconds: 2.0,
            keys: 1_000_000,
            gap_keys: 10_000_000,
            servers: ["ours", "redis", "redis-8.2", "valkey"]
                .map(str::to_owned)
                .to_vec(),
            markdown: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .unwrap_or_else(|| usage(&format!("{word} wants a value")))
            };
            match word.as_str() {
                "--only" => options.only = list(&value()),
                "--servers" => options.servers = list(&value()),
                "--pipelines" => {
                    options.pipelines = list(&value()).iter().map(|n| number(n)).collect()
                }
                "--rounds" => options.rounds = number(&value()),
                "--keys" => options.keys = number(&value()),
                "--gap-keys" => options.gap_keys = number(&value()),
                "--seconds" => options.seconds = number(&value()),
                "--md" => options.markdown = true,
                // Added by cargo.
                "--bench" => {}
                _ => usage(&format!("unknown option {word}")),
            }
        }
        options
    }

    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|n| n == name)
    }

    /// Whether one row of a measure was named: `every:get`.
    pub fn wants_part(&self, measure: &str, part: &str) -> bool {
        let named = |n: &String| n.split_once(':') == Some((measure, part));
        self.only.iter().any(named)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| usage(&format!("not a number: {text}")))
}

fn usage(problem: &str) -> ! {
    eprintln!("{problem}\nsee the head of tests/bench/compare.rs for the options");
    std::process::exit(2);
}

fn print(rows: &[Row], subjects: &[subject::Subject], markdown: bool) {
    let mut lines = vec![vec!["measure".to_owned(), "unit".to_owned()]];
    lines[0].extend(subjects.iter().map(|s| format!("{} {}", s.name, s.version)));
    lines[0].extend(["ratio", "target", ""].map(str::to_owned));
    for row in rows {
        let mut line = vec![row.name.clone(), row.unit.to_owned()];
        line.extend(row.figures.iter().map(|f| row.shown(*f)));
        let ratio = row.ratio(subjects);
        line.push(ratio.map_or("-".to_owned(), |r| format!("{r:.2}")));
        line.push(
            row.target
                .as_ref()
                .map_or("-".to_owned(), ToString::to_string),
        );
        let verdict = match row.reached(subjects) {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        };
        line.push(verdict.to_owned());
        lines.push(line);
    }
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    for (n, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        if markdown {
            println!("| {} |", cells.join(" | "));
            if n == 0 {
                println!(
                    "|{}|",
                    widths
                        .iter()
                        .map(|w| "-".repeat(w + 2))
                        .collect::<Vec<_>>()
                        .join("|")
                );
            }
        } else {
            println!("{}", cells.join("  ").trim_end());
        }
    }
}

fn main() {
    let options = Options::parse();
    let subjects = subject::installed(&options.servers);
    if subjects.is_empty() {
        eprintln!(
            "skipped: none of the chosen servers is installed; tests/oracles.sh installs the real ones"
        );
        return;
    }
    let mut rows = Vec::new();
    rows.extend(measures::first_pong(&options, &subjects));
    subject::pin_self(subject::LOAD_CORE);
    rows.extend(every::rows(&options, &subjects));
    rows.extend(small::rows(&options, &subjects));
    rows.extend(measures::requests(&options, &subjects));
    rows.extend(collections::requests(&options, &subjects));
    rows.extend(scripts::requests(&options, &subjects));
    rows.extend(eviction::requests(&options, &subjects));
    rows.extend(replicas::requests(&options, &subjects));
    rows.extend(measures::memory(&options, &subjects));
    rows.extend(collections::memory(&options, &subjects));
    rows.extend(pauses::deletion(&options, &subjects));
    rows.extend(crowd::publishing(&options, &subjects));
    rows.extend(crowd::idle(&options, &subjects));
    rows.extend(crowd::active(&options, &subjects));
    rows.extend(pauses::expiry(&options, &subjects));
    rows.extend(files::rows(&options, &subjects));
    rows.extend(saving::rows(&options, &subjects));
    rows.extend(pauses::latency(&options, &subjects));
    rows.extend(pauses::gap(&options, &subjects));
    print(&rows, &subjects, options.markdown);
    every::print_summary(&rows, &subjects);
}
