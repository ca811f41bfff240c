//! The server's name and versions.

/// The version of Redis whose behaviour is implemented, and by which clients choose features.
pub const REDIS_VERSION: &str = "8.2.3";
/// Our own version.
pub const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Stands where Redis prints the commit it was built from.
pub const BUILD_SHA: &str = "5ed3ee1a";
/// Stands where Redis prints the id of its build.
pub const BUILD_ID: &str = "5ed3ee1a00820003";
/// The allocator, as `--version`, INFO and MEMORY call it.
pub const ALLOCATOR: &str = "mimalloc-3.3.2";

/// All of that in a line, as `--version` of each program prints it behind its name.
pub fn build_line() -> String {
    let sha = format!("sha={BUILD_SHA}:0 malloc={ALLOCATOR}");
    format!("v={REDIS_VERSION} {sha} bits=64 build={BUILD_ID}")
}
