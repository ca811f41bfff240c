//! Checks of the system for settings known to make a server slow or fragile.
//!
//! `--check-system` prints one line per check; at start-up the cheap ones become warnings in the
//! log. The texts are what people search for, so they are Redis's.

use std::fs;

use super::clock;
use super::process::{self, Whose};

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// The system does not provide the figure.
    Skipped,
    Warning(String),
}

/// A check by the name that `--check-system` prints.
pub struct Check {
    pub name: &'static str,
    pub run: fn() -> Verdict,
}

/// All checks in the order they are printed.
pub const CHECKS: &[Check] = &[
    Check {
        name: "slow-clocksource",
        run: slow_clock_source,
    },
    Check {
        name: "xen-clocksource",
        run: xen_clock_source,
    },
    Check {
        name: "overcommit",
        run: overcommit,
    },
    Check {
        name: "THP",
        run: huge_pages,
    },
];

/// Runs all checks: the text to print, and whether nothing was found.
pub fn report() -> (String, bool) {
    let (mut text, mut fine) = (String::new(), true);
    for check in CHECKS {
        let verdict = match (check.run)() {
            Verdict::Fine => "OK".to_string(),
            Verdict::Skipped => "skipped".to_string(),
            Verdict::Warning(reason) => {
                fine = false;
                format!("WARNING:\n{reason}\n")
            }
        };
        text.push_str(&format!("[{}]...{}\n", check.name, verdict.trim_end()));
    }
    (text, fine)
}

const CLOCK_SOURCES: &str = "/sys/devices/system/clocksource/clocksource0";

fn clock_source(which: &str) -> Option<String> {
    let text = fs::read_to_string(format!("{CLOCK_SOURCES}/{which}_clocksource")).ok()?;
    Some(text.trim_end().to_string())
}

/// Reads the clock for 50 ms: where that takes notable system time, each reading is a system call.
fn slow_clock_source() -> Verdict {
    const TEST_US: u64 = 50_000;
    let before = process::cpu_time(Whose::Process);
    let start = clock::mono_us();
    while clock::mono_us() - start < TEST_US {}
    let after = process::cpu_time(Whose::Process);
    let system = after.system_us - before.system_us;
    let user = after.user_us - before.user_us;
    if system * 10 <= system + user {
        return Verdict::Fine;
    }
    let current = clock_source("current").unwrap_or_default();
    let available = clock_source("available").unwrap_or_default();
    Verdict::Warning(format!(
        "Slow system clocksource detected. This can result in degraded performance. Consider \
         changing the system's clocksource. Current clocksource: {current}. Available \
         clocksources: {available}. For example: run the command 'echo tsc > \
         {CLOCK_SOURCES}/current_clocksource' as root. To permanently change the system's \
         clocksource you'll need to set the 'clocksource=' kernel command line parameter."
    ))
}

fn xen_clock_source() -> Verdict {
    match clock_source("current") {
        None => Verdict::Skipped,
        Some(current) if current != "xen" => Verdict::Fine,
        Some(_) => Verdict::Warning(
            "Your system is configured to use the 'xen' clocksource which might lead to degraded \
             performance. Check the result of the [slow-clocksource] system check: run \
             'redis-server --check-system' to check if the system's clocksource isn't degrading \
             performance."
                .to_string(),
        ),
    }
}

/// Whether the kernel lets a forked child share more memory than is free.
pub fn overcommit() -> Verdict {
    match fs::read_to_string("/proc/sys/vm/overcommit_memory") {
        Err(_) => Verdict::Skipped,
        Ok(text) if text.trim() == "1" => Verdict::Fine,
        Ok(_) => Verdict::Warning(
            "Memory overcommit must be enabled! Without it, a background save or replication may \
             fail under low memory condition. Being disabled, it can also cause failures without \
             low memory condition, see https://github.com/jemalloc/jemalloc/issues/1328. To fix \
             this issue add 'vm.overcommit_memory = 1' to /etc/sysctl.conf and then reboot or run \
             the command 'sysctl vm.overcommit_memory=1' for this to take effect."
                .to_string(),
        ),
    }
}

/// Whether the kernel uses huge pages without a request.
pub fn huge_pages() -> Verdict {
    if !process::huge_pages_always() {
        return Verdict::Fine;
    }
    Verdict::Warning(
        "You have Transparent Huge Pages (THP) support enabled in your kernel. This will create \
         latency and memory usage issues with Redis. To fix this issue run the command 'echo \
         madvise > /sys/kernel/mm/transparent_hugepage/enabled' as root, and add it to your \
         /etc/rc.local in order to retain the setting after a reboot. Redis must be restarted \
         after THP is disabled (set to 'madvise' or 'never')."
            .to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_reported() {
        let (text, fine) = report();
        for check in CHECKS {
            assert!(text.contains(&format!("[{}]...", check.name)), "{text}");
        }
        assert_eq!(fine, !text.contains("WARNING"));
    }
}
