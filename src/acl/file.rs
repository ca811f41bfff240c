//! The file of users: a line `user name rules…` for each.

use super::rules::{RuleError, Unclosed, is_user_name, merge_selectors, until_zero};
use super::user::User;
use super::{Acl, DEFAULT_USER, Users};

/// Closes the list of everything that is wrong with a file.
const UNCHANGED: &str = "WARNING: ACL errors detected, no change to the previously active ACL \
                         rules was performed";

impl Acl {
    /// The users in the form of a file.
    pub fn file_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in self.lines() {
            text.extend(line);
            text.push(b'\n');
        }
        text
    }

    /// A line for each user, as files and ACL LIST have it.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = Vec<u8>> {
        self.users
            .iter()
            .map(|(name, user)| [b"user ", name.as_slice(), b" ", &user.describe()].concat())
    }

    /// Takes all users from a file, or none if there is any error. Returns the previous users, or
    /// all errors as one text; `file` is the file's name in them.
    pub fn load(&mut self, text: &[u8], file: &str) -> Result<Users, Vec<u8>> {
        let mut users = Users::new();
        let mut errors: Vec<u8> = Vec::new();
        for (index, line) in until_zero(text).split(|&byte| byte == b'\n').enumerate() {
            let line = trim(line, b" \t\r\n");
            if !line.is_empty() {
                let place = format!("{file}:{}", index + 1);
                self.load_line(line, &place, index + 1, &mut users, &mut errors);
            }
        }
        if !errors.is_empty() {
            errors.extend_from_slice(UNCHANGED.as_bytes());
            return Err(errors);
        }
        let default = || User::unlimited(&self.command_index);
        users.entry(DEFAULT_USER.to_vec()).or_insert_with(default);
        Ok(std::mem::replace(&mut self.users, users))
    }

    fn load_line(
        &self,
        line: &[u8],
        place: &str,
        number: usize,
        users: &mut Users,
        errors: &mut Vec<u8>,
    ) {
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let [b"user", name, rules @ ..] = words.as_slice() else {
            let text = " should start with user keyword followed by the username. ";
            return errors.extend([place, text].concat().bytes());
        };
        if !is_user_name(name) {
            let parts: [&[u8]; 4] = [
                b"'",
                place.as_bytes(),
                b": username '",
                &[name, b"' contains invalid characters. ".as_slice()].concat(),
            ];
            return errors.extend(parts.concat());
        }
        if users.contains_key(*name) {
            let end = format!("' found on line {number}. ");
            let start = b"WARNING: Duplicate user '".as_slice();
            return errors.extend([start, name, end.as_bytes()].concat());
        }
        let mut user = User::new(self.scope());
        match merge_selectors(rules) {
            Ok(rules) => self.apply_line(&mut user, &rules, place, errors),
            Err(Unclosed(_)) => {
                let text = format!("{place}: Unmatched parenthesis in selector definition.");
                errors.extend(text.bytes());
            }
        }
        users.insert(name.to_vec(), user);
    }

    fn apply_line(&self, user: &mut User, rules: &[Vec<u8>], place: &str, errors: &mut Vec<u8>) {
        let mut has_failed = false;
        for rule in rules {
            let rule = trim(rule, b"\t\r\n");
            match user.apply(rule, self.scope()) {
                Ok(()) => {}
                // No secret can be in the name of a command.
                Err(error @ RuleError::Unknown) => {
                    let start = format!("{place}: Error in applying operation '");
                    let end = format!("': {error}. ");
                    errors.extend([start.as_bytes(), rule, end.as_bytes()].concat());
                }
                // Errors that follow from the first one are not reported.
                Err(_) if has_failed => {}
                Err(error) => {
                    has_failed = true;
                    errors.extend(format!("{place}: {error}. ").bytes());
                }
            }
        }
    }
}

fn trim<'a>(text: &'a [u8], blanks: &[u8]) -> &'a [u8] {
    let is_text = |byte: &u8| !blanks.contains(byte);
    let start = text.iter().position(is_text).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(is_text)
        .map_or(start, |last| last + 1);
    &text[start..end]
}
