//! Which arguments are secrets: MONITOR and SLOWLOG show `(redacted)` in their place.

use crate::command::spec::Spec;
use crate::resp::request::Argv;

/// What stands in the place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// Whether a command can have secrets among its arguments: of most it is not asked further.
pub fn may_hide(spec: &Spec) -> bool {
    matches!(spec.name, "auth" | "hello" | "migrate")
}

/// Whether the argument at `index` is a secret.
pub fn is_secret(spec: &Spec, argv: &Argv, index: usize) -> bool {
    let behind =
        |word: &[u8], by: usize| index > by && argv.at(index - by).eq_ignore_ascii_case(word);
    match spec.name {
        "auth" => index > 0,
        "hello" => index > 2 && (behind(b"auth", 1) || behind(b"auth", 2)),
        "migrate" => {
            index > 6 && (behind(b"auth", 1) || behind(b"auth2", 1) || behind(b"auth2", 2))
        }
        _ => false,
    }
}
