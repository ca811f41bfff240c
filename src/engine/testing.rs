//! The raw side of an engine, for tests: replies as bytes and text, and the parts below it.

use super::{Engine, KeyEvent, Outcome};
use crate::algo::quoting::split_args;
use crate::keyspace::{Keyspace, Tuning};
use crate::resp::encode::Resp;

impl Outcome {
    /// The events as text: `set a, expire a`.
    pub fn events_text(&self) -> String {
        let one =
            |event: &KeyEvent| format!("{} {}", event.name, String::from_utf8_lossy(&event.key));
        self.events.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// The propagated commands as text: `SET a 1; DEL b`.
    pub fn propagated_text(&self) -> String {
        let one = |argv: &Vec<Vec<u8>>| String::from_utf8_lossy(&argv.join(&b' ')).into_owned();
        self.propagated
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

impl Engine {
    /// Runs a command and returns its reply in the protocol, RESP2 at first.
    pub fn run<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Vec<u8> {
        self.execute(argv, self.resp)
    }

    /// Runs a command typed as for a terminal, and returns the reply as text, with a blank for each
    /// line break.
    pub fn ask(&mut self, line: &str) -> String {
        let argv = split_args(line.as_bytes()).unwrap_or_default();
        let reply = String::from_utf8_lossy(&self.run(&argv)).replace("\r\n", " ");
        reply.trim_end().to_owned()
    }

    /// Selects the protocol of the following raw replies.
    pub fn speak(&mut self, resp: Resp) {
        self.resp = resp;
    }

    /// Lets the following commands come from a primary or the log, or from a client again.
    pub fn obey(&mut self, must_obey: bool) {
        self.caller.must_obey = must_obey;
    }

    /// The databases.
    pub fn keyspace(&mut self) -> &mut Keyspace {
        &mut self.keyspace
    }

    /// The configuration of the data commands.
    pub fn tuning(&mut self) -> &mut Tuning {
        &mut self.tuning
    }
}
