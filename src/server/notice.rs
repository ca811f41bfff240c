//! After a command that took long: the slow log and the latency monitor.

use super::Server;
use super::session::Session;
use crate::command::spec::{FAST, SKIP_SLOWLOG};
use crate::config::is_sensitive;
use crate::observe::slowlog::{Entry, cut};
use crate::resp::request::Argv;

impl Server {
    /// Notes a command that took longer than somebody wants to hear of.
    #[cold]
    pub fn notice(&mut self, session: &Session, number: u16, argv: Argv, ns: u64) {
        let slot = &self.table[number];
        let event = match slot.spec.flags.has(FAST) {
            true => "fast-command",
            false => "command",
        };
        self.observe
            .latency
            .note(event, self.clock.now_s(), ns / 1_000_000);
        let slowlog = &mut self.observe.slowlog;
        if ns < slowlog.threshold_ns || slot.spec.flags.has(SKIP_SLOWLOG) {
            return;
        }
        let name = slot.full_name.as_str();
        let args = (0..argv.len()).map(|index| argv.at(index));
        let entry = Entry {
            id: 0,
            unix_s: self.clock.now_s(),
            duration_us: ns / 1000,
            args: cut(args, |index| is_secret(name, &argv, index)),
            peer: session.addresses.0.clone(),
            name: session.name.clone(),
        };
        slowlog.push(entry, self.config.slowlog_max_len as usize);
    }

    /// Notes something that held up the loop and is no command.
    pub fn note_latency(&mut self, event: &'static str, us: u64) {
        self.observe
            .latency
            .note(event, self.clock.now_s(), us / 1000);
    }
}

/// Whether an argument must not be kept: passwords, users, and the values of directives that hold
/// them.
fn is_secret(command: &str, argv: &Argv, index: usize) -> bool {
    match command {
        "auth" => index > 0,
        "acl|setuser" | "acl|deluser" | "acl|getuser" => index > 1,
        "config|set" => index > 2 && index % 2 == 1 && is_sensitive(argv.at(index - 1)),
        "hello" | "migrate" => {
            let follows = |word: &[u8], distance: usize| {
                index > distance && argv.at(index - distance).eq_ignore_ascii_case(word)
            };
            let two = if command == "hello" {
                b"auth".as_slice()
            } else {
                b"auth2"
            };
            follows(two, 1) || follows(two, 2) || command == "migrate" && follows(b"auth", 1)
        }
        _ => false,
    }
}
