//! Snapshots and rewrites: when a child starts, what its end means, and what waits for it.

use crate::persist::child::Purpose;
use crate::reactor::testing::Bench;
use std::path::Path;

/// Adds a save point.
fn save_after(bench: &mut Bench, seconds: u32, changes: u32) {
    let set = format!("CONFIG SET save \"{seconds} {changes}\"");
    assert_eq!(bench.run(&set), "+OK");
}

/// The purpose of the child at work.
fn purpose(bench: &Bench) -> Option<Purpose> {
    bench.persist.child.as_ref().map(|job| job.purpose)
}

#[test]
fn a_snapshot_counts_the_changes_since_its_fork() {
    let mut bench = Bench::in_folder(|_| {});
    bench.run("SET a 1\nSET b 2");
    assert_eq!(bench.info("rdb_changes_since_last_save"), "2");
    assert_eq!(
        bench.run("BGSAVE\nSET c 3\nBGSAVE"),
        "+Background saving started +OK -ERR Background save already in progress"
    );
    bench.await_child();
    assert_eq!(bench.info("rdb_changes_since_last_save"), "1");
    assert_eq!(bench.info("rdb_last_bgsave_status"), "ok");
    assert!(Path::new("dump.rdb").exists());
}

#[test]
fn a_save_point_needs_its_changes_and_its_seconds() {
    let mut bench = Bench::in_folder(|_| {});
    save_after(&mut bench, 10, 2);
    bench.run("SET a 1");
    bench.advance_ms(20_000);
    assert_eq!(purpose(&bench), None, "too few changes");
    bench.run("SAVE");
    save_after(&mut bench, 10, 2);
    bench.advance_ms(1_000);
    bench.run("SET a 1\nSET b 1");
    bench.advance_ms(8_000);
    assert_eq!(purpose(&bench), None, "too early");
    bench.advance_ms(3_000);
    assert_eq!(purpose(&bench), Some(Purpose::Snapshot));
    bench.await_child();
    bench.advance_ms(20_000);
    assert_eq!(bench.info("rdb_saves"), "2");
}

#[test]
fn a_failed_snapshot_refuses_writes_and_is_tried_again_after_five_seconds() {
    let mut bench = Bench::in_folder(|_| {});
    save_after(&mut bench, 1, 1);
    std::fs::create_dir("dump.rdb").expect("the folder is ours");
    bench.run("SET a 1");
    bench.advance_ms(2_000);
    assert_eq!(purpose(&bench), Some(Purpose::Snapshot));
    bench.await_child();
    assert_eq!(bench.info("rdb_last_bgsave_status"), "err");
    assert!(bench.run("SET a 2").starts_with("-MISCONF"));
    std::fs::remove_dir("dump.rdb").expect("it is there");
    bench.advance_ms(1_000);
    assert_eq!(purpose(&bench), None, "too early");
    bench.advance_ms(5_000);
    assert_eq!(purpose(&bench), Some(Purpose::Snapshot));
    bench.await_child();
    assert_eq!(bench.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(bench.run("SET a 2"), "+OK");
}

#[test]
fn jobs_wait_for_the_child_at_work() {
    let mut bench = Bench::in_folder(|config| config.rdb_key_save_delay = 1_000_000);
    bench.run("SET a 1");
    assert_eq!(
        bench.run("BGSAVE\nBGREWRITEAOF"),
        "+Background saving started +Background append only file rewriting scheduled"
    );
    assert_eq!(bench.info("aof_rewrite_scheduled"), "1");
    bench.config.rdb_key_save_delay = 0;
    // FLUSHALL ends the child, which is no failure, and the rewrite begins.
    assert_eq!(bench.run("FLUSHALL"), "+OK");
    bench.until("the rewrite begins", |bench| {
        bench.clock.advance_ms(100);
        bench.turn();
        purpose(bench) == Some(Purpose::Rewrite)
    });
    assert_eq!(bench.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(bench.run("BGSAVE SCHEDULE"), "+Background saving scheduled");
    bench.await_child();
    bench.advance_ms(100);
    bench.await_child();
    assert_eq!(bench.info("rdb_saves"), "2");
    assert_eq!(bench.info("aof_last_bgrewrite_status"), "ok");
}

#[test]
fn a_killed_child_is_a_failure_and_leaves_no_file() {
    let mut bench = Bench::in_folder(|config| config.rdb_key_save_delay = 1_000_000);
    bench.run("SET a 1");
    bench.run("BGSAVE");
    let files = || std::fs::read_dir(".").expect("it is there").count();
    bench.until("the child has begun its file", |_| files() == 1);
    let job = bench.persist.child.as_ref().expect("it is at work");
    let killed = std::process::Command::new("kill")
        .args(["-9", &job.process.pid.to_string()])
        .status();
    assert!(killed.is_ok_and(|status| status.success()));
    bench.await_child();
    assert_eq!(bench.info("rdb_last_bgsave_status"), "err");
    assert_eq!(files(), 0, "the temporary file is removed");
}

#[test]
fn the_log_begins_with_a_rewrite_and_is_rewritten_when_it_has_grown() {
    let mut bench = Bench::in_folder(|config| {
        config.auto_aof_rewrite_min_size = 2_000;
        config.auto_aof_rewrite_percentage = 100;
    });
    bench.run("SET a 1");
    assert_eq!(bench.run("CONFIG SET appendonly yes"), "+OK");
    assert_eq!(purpose(&bench), Some(Purpose::Rewrite));
    bench.run("SET b 2");
    bench.await_child();
    assert_eq!(bench.info("aof_rewrites"), "1");
    let log = std::fs::read("appendonlydir/appendonly.aof.1.incr.aof").expect("it is there");
    let log = String::from_utf8_lossy(&log).replace("\r\n", " ");
    assert_eq!(log, "*2 $6 SELECT $1 0 *3 $3 SET $1 b $1 2 ");
    let value = "x".repeat(3_000);
    bench.run(&format!("SET c {value}"));
    bench.advance_ms(100);
    assert_eq!(purpose(&bench), Some(Purpose::Rewrite));
    bench.await_child();
    assert_eq!(bench.info("aof_rewrites"), "2");
    let names: Vec<String> = std::fs::read_dir("appendonlydir")
        .expect("it is there")
        .map(|file| {
            file.expect("it can be listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(
        names.contains(&"appendonly.aof.2.base.rdb".to_owned()),
        "{names:?}"
    );
    assert_eq!(names.len(), 3, "the old files are removed: {names:?}");
}

#[test]
fn resetting_the_statistics_forgets_the_forks() {
    let mut bench = Bench::in_folder(|_| {});
    bench.run("BGSAVE");
    bench.await_child();
    assert_eq!(bench.info("total_forks"), "1");
    bench.run("CONFIG RESETSTAT");
    assert_eq!(bench.info("total_forks"), "0");
    assert_eq!(bench.info("latest_fork_usec"), "0");
}
