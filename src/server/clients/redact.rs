//! Redaction of secret arguments: MONITOR and SLOWLOG show `(redacted)` in their place.

use crate::command::spec::Spec;
use crate::resp::request::Argv;

/// The replacement text of a secret argument.
pub const REDACTED: &[u8] = b"(redacted)";

/// Returns whether the argument at `index` is a secret: a password, an ACL rule, or the value of a
/// directive that holds a password.
pub fn is_secret(spec: &Spec, argv: &Argv, index: usize) -> bool {
    spec.secrets.is_some_and(|is_secret| is_secret(argv, index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::OwnedArgv;
    use crate::server::core::table::Table;

    /// Returns the arguments as MONITOR shows them.
    fn seen(command: &str, line: &str) -> String {
        let table = Table::new(crate::commands::TABLES, crate::server::commands::TABLES);
        let mut names = command.split('|');
        let container = names.next().expect("a name");
        let mut number = table.lookup(container.as_bytes()).expect("a command");
        if let Some(name) = names.next() {
            number = table
                .subcommand(number, name.as_bytes())
                .expect("a subcommand");
        }
        let spec = table[number].spec;
        let owned = OwnedArgv::from_iter(line.split(' '));
        let argv = owned.as_argv();
        let shown = |(index, arg)| match is_secret(spec, &argv, index) {
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
