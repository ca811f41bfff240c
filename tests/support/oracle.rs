//! The real servers that ours is compared with.
//!
//! `tests/oracles.sh` installs them; `REDIS_SERVER` and `VALKEY_SERVER` name others. A test that
//! finds none says so and passes.

use std::path::PathBuf;
use std::process::Command;

/// The version every recorded expectation was made with.
pub const REDIS_VERSION: &str = "v=8.2.3";

/// The folder `tests/oracles.sh` fills.
fn folder() -> PathBuf {
    if let Some(named) = std::env::var_os("REDWHEEL_ORACLES") {
        return named.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    cache
        .unwrap_or_else(|| home.join(".cache"))
        .join("redwheel/oracles")
}

fn installed(variable: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| folder().join(name), PathBuf::from);
    path.is_file().then_some(path)
}

/// The output of a server's `--version`, or nothing if it does not start here.
pub fn version(server: &PathBuf) -> String {
    let said = Command::new(server).arg("--version").output();
    said.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// Redis 8.2.3, or `None` with a message about what is missing.
pub fn redis() -> Option<PathBuf> {
    let Some(path) = installed("REDIS_SERVER", "redis-server-8.2") else {
        eprintln!("skipped: no Redis 8.2.3 here; run tests/oracles.sh or set REDIS_SERVER");
        return None;
    };
    let version = version(&path);
    if !version.contains(REDIS_VERSION) {
        eprintln!(
            "skipped: {} is not Redis 8.2.3 but: {version}",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// Redis 8.10.2, if it is here: a peer of the benchmarks.
pub fn redis_8_10() -> Option<PathBuf> {
    installed("REDIS_SERVER_8_10", "redis-server-8.10").filter(|path| !version(path).is_empty())
}

/// Valkey 9.1.2, if it is here.
pub fn valkey() -> Option<PathBuf> {
    installed("VALKEY_SERVER", "valkey-server-9.1").filter(|path| !version(path).is_empty())
}
