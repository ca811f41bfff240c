//! No command of the server lacks a row in the measure `every`, or a reason not to have one.

#[path = "bench/every/table/reasons.rs"]
mod reasons;
#[path = "support/mod.rs"]
mod support;
#[path = "bench/every/table/mod.rs"]
#[allow(dead_code)]
mod table;

use reasons::WITHOUT_ROW;
use std::collections::BTreeSet;
use support::server::Server;

/// COMMAND LIST: what the server knows, subcommands as `config|get`.
fn known() -> BTreeSet<String> {
    let server = Server::start();
    let list = server.client().run("COMMAND LIST");
    list.items().iter().map(|name| name.text()).collect()
}

#[test]
fn every_command_has_a_row_or_a_reason() {
    let known = known();
    let mut covered: BTreeSet<String> = table::rows().flat_map(|row| row.commands()).collect();
    covered.extend(WITHOUT_ROW.iter().map(|(name, _)| (*name).to_owned()));
    let container = |name: &str| name.split('|').next().unwrap_or_default().to_owned();
    let missing: Vec<&String> = known
        .iter()
        .filter(|name| !covered.contains(*name))
        .filter(|name| {
            !WITHOUT_ROW
                .iter()
                .any(|(reason, _)| *reason == container(name))
        })
        .collect();
    assert!(missing.is_empty(), "commands without a row: {missing:?}");
}

#[test]
fn no_command_has_both_a_row_and_a_reason_and_no_name_comes_twice() {
    let known = known();
    for row in table::rows() {
        for name in row.commands() {
            let both = WITHOUT_ROW.iter().any(|(reason, _)| *reason == name);
            assert!(!both, "{name} has a reason and the row {}", row.name);
        }
        let first = row.run[0]
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        assert!(known.contains(&first), "{}: no such command", row.name);
    }
    let mut names = BTreeSet::new();
    for row in table::rows() {
        assert!(names.insert(row.name), "two rows are called {}", row.name);
    }
}
