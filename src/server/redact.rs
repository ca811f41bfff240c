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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::OwnedArgv;

    fn shown(name: &'static str, line: &str) -> String {
        let spec = Spec { name, ..Spec::BASE };
        let argv: OwnedArgv = line.split(' ').collect();
        let argv = argv.as_argv();
        let secret = |index| may_hide(&spec) && is_secret(&spec, &argv, index);
        let words = argv
            .iter()
            .enumerate()
            .map(|(index, arg)| match secret(index) {
                true => "*".into(),
                false => String::from_utf8_lossy(arg),
            });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_secrets_are_hidden() {
        assert_eq!(shown("auth", "AUTH a b"), "AUTH * *");
        assert_eq!(
            shown("hello", "HELLO 3 auth a b SETNAME n"),
            "HELLO 3 auth * * SETNAME n"
        );
        assert_eq!(
            shown("migrate", "MIGRATE h 1 k 0 5 AUTH p KEYS k"),
            "MIGRATE h 1 k 0 5 AUTH * KEYS k"
        );
        assert_eq!(
            shown("migrate", "MIGRATE h 1 k 0 5 AUTH2 u p COPY"),
            "MIGRATE h 1 k 0 5 AUTH2 * * COPY"
        );
        assert_eq!(shown("set", "SET auth b"), "SET auth b");
    }
}
