//! The rows of the measure `every`: at least one for each command.
//!
//! `reasons.rs` names the commands without one; `tests/bench_rows.rs` checks that no command of the
//! server lacks a row or a reason. `template.rs` describes the language of the lines.

mod arrays;
mod bits;
mod hashes;
mod keys;
mod lists;
mod scripts;
mod server;
mod sets;
mod streams;
mod strings;
mod zsets;

/// One line of the report.
pub struct EveryRow {
    pub name: &'static str,
    /// The preparation: the number of each command, and the command.
    pub made: &'static [(usize, &'static str)],
    /// The measured commands, in turn.
    pub run: &'static [&'static str],
    /// Collections that grow are measured from nothing over so many commands.
    pub growing: Option<usize>,
}

/// Commands over data that stays as large as it is.
const fn row(
    name: &'static str,
    made: &'static [(usize, &'static str)],
    run: &'static [&'static str],
) -> EveryRow {
    EveryRow {
        name,
        made,
        run,
        growing: None,
    }
}

/// A row that runs `count` commands from an empty server on.
const fn growing(name: &'static str, count: usize, run: &'static [&'static str]) -> EveryRow {
    EveryRow {
        name,
        made: &[],
        run,
        growing: Some(count),
    }
}

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static EveryRow> {
    [
        strings::ROWS,
        bits::ROWS,
        keys::ROWS,
        lists::ROWS,
        sets::ROWS,
        hashes::ROWS,
        zsets::ROWS,
        streams::ROWS,
        scripts::ROWS,
        arrays::ROWS,
        server::ROWS,
    ]
    .into_iter()
    .flatten()
}

impl EveryRow {
    /// The commands it measures, as COMMAND LIST spells them: `get`, and where the second word may
    /// be that of a subcommand also `config|get`.
    pub fn commands(&self) -> Vec<String> {
        let mut names = Vec::new();
        for line in self.run {
            let mut words = line.split(' ').map(str::to_lowercase);
            let name = words.next().unwrap_or_default();
            if let Some(second) = words.next() {
                names.push(format!("{name}|{second}"));
            }
            names.push(name);
        }
        names
    }
}
