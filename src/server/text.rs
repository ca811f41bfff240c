//! The text of INFO, line by line.

use std::fmt::{Display, Write};

/// Lines of `name:value`.
#[derive(Default)]
pub struct Text(pub String);

impl Text {
    /// Adds a line.
    pub fn line(&mut self, name: &str, value: impl Display) {
        self.suffixed(name, "", value);
    }

    /// Adds a line whose name is `name` followed by `suffix`.
    pub fn suffixed(&mut self, name: &str, suffix: &str, value: impl Display) {
        self.0.push_str(name);
        self.0.push_str(suffix);
        self.0.push(':');
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{value}");
        self.0.push_str("\r\n");
    }

    /// Adds a line with the same value for each name.
    pub fn lines(&mut self, names: &[&str], value: impl Display + Copy) {
        names.iter().for_each(|name| self.line(name, value));
    }
}
