//! Which arguments are secrets: MONITOR and SLOWLOG show `(redacted)` in their place.

use crate::config::is_sensitive;
use crate::resp::request::Argv;

/// What stands in the place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// Whether the argument at `index` is nobody's business: passwords, the words about users, and the
/// values of directives that hold secrets. `command` is the full name, as in `config|set`.
pub fn is_secret(command: &str, argv: &Argv, index: usize) -> bool {
    let behind = |word: &[u8], distance: usize, first: usize| {
        index >= first + distance && argv.at(index - distance).eq_ignore_ascii_case(word)
    };
    match command {
        "auth" => index > 0,
        "acl|setuser" | "acl|deluser" | "acl|getuser" => index > 1,
        "config|set" => index > 2 && index % 2 == 1 && is_sensitive(argv.at(index - 1)),
        // HELLO version [AUTH user password] …
        "hello" => behind(b"auth", 1, 2) || behind(b"auth", 2, 2),
        // MIGRATE host port key db timeout … [AUTH password | AUTH2 user password] …
        "migrate" => behind(b"auth", 1, 6) || behind(b"auth2", 1, 6) || behind(b"auth2", 2, 6),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::OwnedArgv;

    /// The arguments as somebody who is watching sees them.
    fn seen(command: &str, line: &str) -> String {
        let owned = OwnedArgv::from_iter(line.split(' '));
        let argv = owned.as_argv();
        let shown = |(index, arg)| match is_secret(command, &argv, index) {
            true => "*".to_owned(),
            false => String::from_utf8_lossy(arg).into_owned(),
        };
        let words: Vec<String> = argv.iter().enumerate().map(shown).collect();
        words.join(" ")
    }

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        for (command, line, shown) in [
            ("auth", "AUTH user pass", "AUTH * *"),
            (
                "hello",
                "HELLO 3 auth u p SETNAME n",
                "HELLO 3 auth * * SETNAME n",
            ),
            ("hello", "HELLO auth u p", "HELLO auth u p"),
            ("acl|setuser", "ACL SETUSER u >p", "ACL SETUSER * *"),
            (
                "config|set",
                "CONFIG SET hz 10 requirepass p MASTERAUTH q",
                "CONFIG SET hz 10 requirepass * MASTERAUTH *",
            ),
            (
                "migrate",
                "MIGRATE h 1 auth 0 9 AUTH p COPY",
                "MIGRATE h 1 auth 0 9 AUTH * COPY",
            ),
            (
                "migrate",
                "MIGRATE h 1 k 0 9 AUTH2 u p",
                "MIGRATE h 1 k 0 9 AUTH2 * *",
            ),
            ("set", "SET auth pass", "SET auth pass"),
        ] {
            assert_eq!(seen(command, line), shown);
        }
    }
}
