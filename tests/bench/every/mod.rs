//! `every`: the CPU time of each command, in batches of a hundred, beside the real servers.
//!
//! The rows stand in `table`. Each row has servers of its own, which take turns; a round runs from
//! rest to rest, so that all the work of its commands and nothing else is in the figure. `--only
//! every:NAME` runs the rows of one name or of one command. A twentieth of `--seconds` goes to each
//! server in each round.

pub mod table;
pub mod template;

use crate::Options;
use crate::load::{Load, Pool, Replies};
use crate::measures::{Random, Row, median};
use crate::subject::{Running, Subject};
use std::time::Duration;
use table::EveryRow;
use template::{Template, fill};

/// Commands in a batch.
const DEPTH: usize = 100;
/// Clients at once; one, where a batch takes long.
const CONNECTIONS: usize = 8;
const LONG_BATCH: Duration = Duration::from_millis(4);
/// Commands made beforehand for one row, and walked through again and again.
const COMMANDS: usize = 40_000;
/// More than the slow rows need, and held in memory once.
const SLOW_COMMANDS: usize = 2_000;

pub fn rows(options: &Options, subjects: &[Subject]) -> Vec<Row> {
    let wanted = |row: &&EveryRow| {
        options.wants("every")
            || options.wants_part("every", row.name)
            || row
                .commands()
                .iter()
                .any(|name| options.wants_part("every", name))
    };
    table::rows()
        .filter(wanted)
        .map(|row| {
            eprintln!("every: {} …", row.name);
            let figures = measure(options, subjects, row);
            let row = Row::new(format!("every {}", row.name), "µs CPU", figures, None);
            // The table comes at the end of a long run; this much is there before.
            if let Some(ratio) = row.ratio(subjects) {
                eprintln!("  {ratio:.2}");
            }
            row
        })
        .collect()
}

/// Microseconds of CPU time per command of each server; NaN for a server that refuses.
fn measure(options: &Options, subjects: &[Subject], row: &EveryRow) -> Vec<f64> {
    let lines: Vec<Template> = row.run.iter().map(|line| Template::parse(line)).collect();
    let depth = DEPTH.div_ceil(lines.len()) * lines.len();
    let servers: Vec<Option<Running>> = subjects
        .iter()
        .map(|subject| {
            let server = subject.start(true);
            let refusal = make(&server, row).or_else(|| probe(&server, &lines, depth).1);
            if let Some(refusal) = &refusal {
                eprintln!("  {} {} refuses: {refusal}", subject.name, subject.version);
            }
            refusal.is_none().then_some(server)
        })
        .collect();
    let longest = servers
        .iter()
        .flatten()
        .map(|server| probe(server, &lines, depth).0)
        .max();
    let slow = longest.is_some_and(|time| time > LONG_BATCH);
    let commands = row
        .growing
        .unwrap_or(if slow { SLOW_COMMANDS } else { COMMANDS });
    let mut random = Random::new();
    let mut sequence = 0;
    let pool = Pool::build(commands, depth, |out| {
        lines[sequence % lines.len()].write(&mut random, sequence, out);
        sequence += 1;
    });
    let time = Duration::from_secs_f64(options.seconds / 20.0);
    let mut figures: Vec<Vec<f64>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (server, figures) in servers.iter().zip(&mut figures) {
            let Some(server) = server else { continue };
            if row.growing.is_some() {
                fill(server, &["FLUSHALL SYNC"], 1);
            }
            let connections = if slow { 1 } else { CONNECTIONS };
            let mut load = Load::connect(server.port, connections, &pool).expect("it accepts");
            let (time, most) = match row.growing {
                Some(count) => (Duration::from_secs(60), count as u64),
                None => (time, u64::MAX),
            };
            let sample = load
                .run_to_rest(time, most, || server.cpu_ns())
                .expect("it replies");
            figures.push(sample.server_ns as f64 / 1e3 / sample.requests as f64);
        }
    }
    let shown = |rounds: Vec<f64>| {
        if rounds.is_empty() {
            f64::NAN
        } else {
            median(rounds)
        }
    };
    figures.into_iter().map(shown).collect()
}

fn make(server: &Running, row: &EveryRow) -> Option<String> {
    row.made
        .iter()
        .find_map(|(count, line)| fill(server, &[line], *count))
}

/// The duration of a batch, and the first error among its replies.
fn probe(server: &Running, lines: &[Template], depth: usize) -> (Duration, Option<String>) {
    let mut random = Random::new();
    let mut out = Vec::new();
    (0..depth).for_each(|n| lines[n % lines.len()].write(&mut random, n, &mut out));
    let mut replies = Replies::connect(server.port).expect("the server accepts");
    let began = std::time::Instant::now();
    let refusal = replies.exchange(&out, depth).expect("the server replies");
    (began.elapsed(), refusal)
}

/// Prints the summary of all rows: the geometric mean of the ratios, and their distribution.
pub fn print_summary(rows: &[Row], subjects: &[Subject]) {
    let mut ratios: Vec<(f64, &str)> = rows
        .iter()
        .filter_map(|row| {
            let name = row.name.strip_prefix("every ")?;
            Some((row.ratio(subjects)?, name))
        })
        .filter(|(ratio, _)| ratio.is_finite())
        .collect();
    if ratios.len() < 2 {
        return;
    }
    ratios.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mean =
        (ratios.iter().map(|(ratio, _)| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    let above = |limit: f64| ratios.iter().filter(|(ratio, _)| *ratio > limit).count();
    println!(
        "\nevery: {} rows, geometric mean {mean:.2}, above 0.85 {:.1} %, above 1.0: {}",
        ratios.len(),
        above(0.85) as f64 * 100.0 / ratios.len() as f64,
        above(1.0)
    );
    for (ratio, name) in ratios.iter().filter(|(ratio, _)| *ratio > 0.85) {
        println!("  {ratio:.2} {name}");
    }
}
