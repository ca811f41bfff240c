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
    // The code of a debug build is about twice as large.
    let most = if cfg!(debug_assertions) {
        12_288
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
