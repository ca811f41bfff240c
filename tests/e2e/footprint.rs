//! The memory of a server before it has data.

use super::*;
use std::fs;

/// A figure of `/proc/PID/FILE` in KiB.
fn kib(server: &Server, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/{file}", server.pid())).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {file}"))
}

#[test]
#[cfg(target_os = "linux")]
fn an_empty_server_is_small_and_grows_onto_huge_pages() {
    let server = Server::start();
    let mut client = server.client();
    for line in ["PING", "SET greeting hello", "GET greeting", "INFO"] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    let private = kib(&server, "status", "RssAnon");
    assert!(private <= 2560, "{private} KiB are private");
    // The code of a debug build is more than twice as large.
    let most = if cfg!(debug_assertions) {
        14_336
    } else {
        6_144
    };
    // The code of the start is given back a moment later.
    wait_until("little is resident", || {
        kib(&server, "status", "VmRSS") <= most
    });
    assert_eq!(kib(&server, "smaps_rollup", "AnonHugePages"), 0);
    if has_huge_pages() {
        let value = "x".repeat(100_000);
        for key in 0..1_500 {
            client.call(&["SET", &format!("key:{key}"), &value]);
        }
        assert!(kib(&server, "smaps_rollup", "AnonHugePages") > 0);
    }
}

/// Whether the system gives huge pages to memory that asks for them, and has some left.
fn has_huge_pages() -> bool {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    let is_offered = setting.is_ok_and(|text| !text.contains("[never]"));
    let free = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = free.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let free_kib = free.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    is_offered && free_kib.is_some_and(|kib| kib > 4 << 20)
}

#[test]
fn info_names_this_run_of_the_server() {
    let server = Server::start();
    let mut client = server.client();
    let run_id = info_field(&mut client, "run_id").expect("it has a name");
    assert_eq!(run_id.len(), 40, "{run_id}");
    assert!(run_id.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert!(info(&mut client, "uptime_in_seconds") < 3600);
    assert_eq!(info(&mut client, "process_id"), u64::from(server.pid()));
    let executable = info_field(&mut client, "executable").expect("it is a file");
    assert!(std::path::Path::new(&executable).is_file(), "{executable}");
    let other = Server::start();
    let other_id = info_field(&mut other.client(), "run_id");
    assert_ne!(other_id, Some(run_id));
}

#[test]
fn the_peak_that_info_shows_does_not_fall() {
    let server = Server::start();
    let mut client = server.client();
    client.call(&["SET", "large", &"x".repeat(1_000_000)]);
    let peak = info(&mut client, "used_memory_peak");
    client.run("DEL large");
    assert!(info(&mut client, "used_memory_peak") >= peak);
}
