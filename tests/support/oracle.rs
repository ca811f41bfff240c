//! The real servers that ours is compared with.
//!
//! `tests/oracles.sh` installs them; `REDIS_SERVER`, `REDIS_SERVER_8_6`, `REDIS_SERVER_8_2` and
//! `VALKEY_SERVER` name others. A test that finds none says so and passes.

use std::path::PathBuf;
use std::process::Command;

/// The version every recorded expectation was made with.
pub const REDIS_VERSION: &str = "v=8.10.2";

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

/// Redis 8.10.2, the reference, or `None` with a message about what is missing.
pub fn redis() -> Option<PathBuf> {
    let Some(path) = installed("REDIS_SERVER", "redis-server-8.10") else {
        eprintln!("skipped: no Redis 8.10.2 here; run tests/oracles.sh or set REDIS_SERVER");
        return None;
    };
    let version = version(&path);
    if !version.contains(REDIS_VERSION) {
        eprintln!(
            "skipped: {} is not Redis 8.10.2 but: {version}",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// Redis 8.6.3, with TLS, if it is here.
pub fn redis_8_6() -> Option<PathBuf> {
    installed("REDIS_SERVER_8_6", "redis-server-8.6").filter(|path| !version(path).is_empty())
}

/// Redis 8.2.3, if it is here.
pub fn redis_8_2() -> Option<PathBuf> {
    installed("REDIS_SERVER_8_2", "redis-server-8.2").filter(|path| !version(path).is_empty())
}

/// Redis 7.0.15, the one of Debian 12, if it is here. Its tools are the server under another name.
pub fn redis_7_0() -> Option<PathBuf> {
    let tool = PathBuf::from("/usr/bin/redis-check-rdb");
    let link = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("redis-server");
    if tool.exists() && !link.exists() {
        // Another test may have been quicker.
        let _ = std::os::unix::fs::symlink(&tool, &link);
    }
    Some(link).filter(|link| version(link).contains("v=7."))
}

/// Valkey 9.1.2, if it is here.
pub fn valkey() -> Option<PathBuf> {
    installed("VALKEY_SERVER", "valkey-server-9.1").filter(|path| !version(path).is_empty())
}
