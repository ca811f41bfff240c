//! The fuzz targets over their corpus: what once broke, and what shows the way around, on every run
//! of the tests.

#[path = "fuzz/checks.rs"]
mod checks;

use std::fs;
use std::path::Path;

/// Runs a check over its corpus.
fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let files = fs::read_dir(folder.join(target)).expect("every target has a corpus");
    let mut count = 0;
    for file in files {
        let path = file.expect("the folder can be read").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("a file of the corpus can be read"));
        count += 1;
    }
    assert!(count > 0, "no corpus for {target}");
}

#[test]
fn requests() {
    run("request", checks::request);
}

#[test]
fn configurations() {
    run("config", checks::config);
}

#[test]
fn globs() {
    run("glob", checks::glob);
}

#[test]
fn numbers() {
    run("number", checks::number);
}

#[test]
fn quotes() {
    run("quoting", checks::quoting);
}

#[test]
fn lzf() {
    run("lzf", checks::lzf);
}

#[test]
fn hyperloglog() {
    run("hyperloglog", checks::hyperloglog);
}

#[test]
fn snapshots() {
    run("snapshot", checks::snapshot);
}

#[test]
fn intsets() {
    run("intset", checks::intset);
}

#[test]
fn packs() {
    run("pack", checks::pack);
}

#[test]
fn primaries() {
    run("primary", checks::primary);
}

#[test]
fn manifests() {
    run("manifest", checks::manifest);
}

#[test]
fn rules_of_users() {
    run("acl", checks::acl);
}

#[test]
fn certificates() {
    run("certificate", checks::certificate);
}
