//! Loading: replies meanwhile, what is loaded, and files that cannot be loaded.

use super::begin_load;
use crate::reactor::testing::Bench;

/// Begins to load as at the start.
fn load(bench: &mut Bench) {
    assert_eq!(begin_load(bench), Ok(true));
}

/// Waits until the load has ended.
fn await_end(bench: &mut Bench) {
    bench.until("the load ends", |bench| {
        bench.turn();
        bench.persist.loading.is_none() || bench.shutdown.is_over()
    });
}

#[test]
fn clients_are_refused_until_a_snapshot_is_loaded() {
    let mut bench = Bench::in_folder(|_| {});
    for n in 0..200 {
        bench.run(&format!("SET key:{n} {n}"));
    }
    bench.run("SET gone 1 PX 1000\nSELECT 3\nSET other 1 PX 100000\nSAVE");
    let mut bench = bench.restarted(|config| config.key_load_delay = 1_000);
    bench.clock.advance_ms(2_000);
    load(&mut bench);
    bench.send(
        crate::reactor::testing::FIRST,
        "GET key:1\nPING\nINFO server",
    );
    bench.turn();
    bench.turn();
    let refused = "-LOADING Redis is loading the dataset in memory";
    let replies = bench.received(crate::reactor::testing::FIRST);
    assert!(
        replies.starts_with(&format!("{refused} {refused} $")),
        "{replies}"
    );
    bench.config.key_load_delay = 0;
    await_end(&mut bench);
    assert_eq!(bench.run("GET key:1\nDBSIZE"), "$1 1 :200");
    assert_eq!(bench.run("SELECT 3\nDBSIZE"), "+OK :1");
    assert_eq!(bench.info("rdb_last_load_keys_expired"), "1");
    assert_eq!(bench.info("rdb_changes_since_last_save"), "0");
}

/// A log with this increment, on an empty base.
fn with_log(increment: &str) -> Bench {
    let bench = Bench::in_folder(|config| config.appendonly = true);
    std::fs::create_dir("appendonlydir").expect("the folder is ours");
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    std::fs::write("appendonlydir/appendonly.aof.manifest", manifest).expect("it is ours");
    let bytes = increment.replace(' ', "\r\n");
    std::fs::write("appendonlydir/appendonly.aof.1.incr.aof", bytes).expect("it is ours");
    bench
}

const SET_A: &str = "*2 $6 SELECT $1 0 *3 $3 SET $1 a $1 1 ";

#[test]
fn the_commands_of_a_log_run_without_being_propagated_again() {
    let mut bench = with_log(&format!("{SET_A}*1 $5 MULTI *2 $4 INCR $1 a *1 $4 EXEC "));
    load(&mut bench);
    await_end(&mut bench);
    assert_eq!(bench.run("GET a"), "$1 2");
    // What comes now is appended; what is loaded again is not.
    bench.run("SET b 1");
    bench.config.enable_debug_command = crate::config::Allowed::Yes;
    assert_eq!(bench.run("DEBUG LOADAOF"), "+OK");
    assert_eq!(bench.run("GET a\nGET b"), "$1 2 $1 1");
    bench.turn();
    let log = std::fs::read("appendonlydir/appendonly.aof.1.incr.aof").expect("it is there");
    let log = String::from_utf8_lossy(&log).replace("\r\n", " ");
    assert!(
        log.ends_with("EXEC *2 $6 SELECT $1 0 *3 $3 SET $1 b $1 1 "),
        "{log}"
    );
}

#[test]
fn a_torn_end_is_cut_unless_that_is_forbidden() {
    for torn in ["*3 $3 SET $1 b", "*1 $5 MULTI *2 $4 INCR $1 a "] {
        let mut bench = with_log(&format!("{SET_A}{torn}"));
        load(&mut bench);
        await_end(&mut bench);
        assert_eq!(bench.run("GET a\nDBSIZE"), "$1 1 :1", "{torn}");
        drop(bench);
        let mut bench = with_log(&format!("{SET_A}{torn}"));
        bench.config.aof_load_truncated = false;
        load(&mut bench);
        await_end(&mut bench);
        assert_eq!(bench.shutdown.exit_code(), Some(1), "{torn}");
    }
}

#[test]
fn an_unknown_or_malformed_command_ends_the_start() {
    for bad in [
        "*1 $4 NOPE ",
        "*2 $3 SET $1 a ",
        "*3 $3 SET $x a $1 1 ",
        "GET a ",
    ] {
        let mut bench = with_log(&format!("{SET_A}{bad}"));
        load(&mut bench);
        await_end(&mut bench);
        assert_eq!(bench.shutdown.exit_code(), Some(1), "{bad}");
    }
}

#[test]
fn a_missing_file_is_an_error_and_no_file_is_no_data() {
    let mut bench = Bench::in_folder(|_| {});
    assert_eq!(begin_load(&mut bench), Ok(false));
    let mut bench = {
        drop(bench);
        with_log(SET_A)
    };
    std::fs::remove_file("appendonlydir/appendonly.aof.1.incr.aof").expect("it is there");
    assert!(begin_load(&mut bench).is_err());
}

#[test]
fn a_damaged_snapshot_ends_the_start() {
    let mut bench = Bench::in_folder(|_| {});
    bench.run("SET a 1\nSAVE");
    let mut bytes = std::fs::read("dump.rdb").expect("it was saved");
    let at = bytes.len() - 10;
    bytes[at] ^= 0xff;
    std::fs::write("dump.rdb", bytes).expect("it is ours");
    let mut bench = bench.restarted(|_| {});
    load(&mut bench);
    await_end(&mut bench);
    assert_eq!(bench.shutdown.exit_code(), Some(1));
}
