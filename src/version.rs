//! The server's name and versions.

/// The version of Redis whose behaviour is implemented, and by which clients choose features.
pub const REDIS_VERSION: &str = "8.10.2";
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

/// A series of Redis, such as 8.10, as two numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Series(pub u32, pub u32);

impl Default for Series {
    fn default() -> Self {
        Series::NEWEST
    }
}

impl Series {
    /// The newest one that is implemented.
    pub const NEWEST: Series = Series(8, 10);

    /// The series of a version such as `8.10.2`.
    pub fn of_version(version: &str) -> Series {
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        Series(parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// The version that a server of this series reports: where it is known to us the one whose
    /// behaviour was compared, else the first one.
    pub fn version(self) -> &'static str {
        match self {
            Series(7, 0) => "7.0.15",
            Series(7, 2) => "7.2.0",
            Series(7, 4) => "7.4.0",
            Series(8, 0) => "8.0.0",
            Series(8, 2) => "8.2.3",
            Series(8, 4) => "8.4.0",
            Series(8, 6) => "8.6.3",
            Series(8, 8) => "8.8.0",
            _ => REDIS_VERSION,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_compare_as_numbers() {
        assert_eq!(Series::of_version(REDIS_VERSION), Series::NEWEST);
        assert!(Series::of_version("8.2.3") < Series::of_version("8.10.0"));
        assert_eq!(Series(7, 0).version(), "7.0.15");
        assert_eq!(Series::NEWEST.version(), REDIS_VERSION);
    }
}
