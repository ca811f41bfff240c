//! Server-wide counters, as INFO stats shows them.

use crate::command::{CmdError, Reply};
use crate::keyspace::KeyStats;
use crate::observe::commandlog::Slow;
use crate::server::Server;
use crate::server::clients::session::Session;
use crate::server::core::table::CommandStats;
use hashbrown::HashMap;

/// Maximum length of an error code, in bytes.
const CODE_MAX: usize = 32;
/// Maximum number of distinct error codes; more indicate that scripts invent them.
const ERROR_CODES: usize = 128;
/// Maximum number of codes that are freed without the helper thread.
const FEW_CODES: u64 = 64;

/// The most commands that count as one batch of a pipeline, as in Redis (`lookahead`).
const LOOKAHEAD: usize = 16;

/// Events per second, averaged over a ring of samples taken every 100 ms.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    last: u64,
    last_ms: u64,
    samples: [u64; 16],
    next: usize,
}

impl Rate {
    /// Samples a growing counter.
    pub fn sample(&mut self, counter: u64, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.last_ms);
        let grown = counter.saturating_sub(self.last);
        self.samples[self.next] = (grown * 1000).checked_div(passed).unwrap_or(0);
        self.next = (self.next + 1) % self.samples.len();
        (self.last, self.last_ms) = (counter, now_ms);
    }

    /// Returns the average rate per second of the samples.
    pub fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / self.samples.len() as u64
    }
}

/// Server-wide counters, as INFO stats shows them.
#[derive(Default)]
pub struct Stats {
    pub commands: u64,
    pub connections: u64,
    pub rejected_connections: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Bytes of replication links, to replicas and to a primary.
    pub repl_bytes_in: u64,
    pub repl_bytes_out: u64,
    pub sync_full: u64,
    pub sync_partial_ok: u64,
    pub sync_partial_err: u64,
    pub reads: u64,
    pub writes: u64,
    pub turns: u64,
    /// Iterations in which clients had sent something.
    pub turns_with_input: u64,
    /// Commands recognised, and in how many batches of at most `LOOKAHEAD`.
    pub parsed: u64,
    pub parsed_batches: u64,
    pub turns_us: u64,
    /// The longest iteration of the event loop in microseconds, and the most commands in one.
    pub turn_max_us: u64,
    pub turn_max_commands: u64,
    pub cron_us: u64,
    pub errors: u64,
    pub unexpected_errors: u64,
    pub query_limit_disconnections: u64,
    pub output_limit_disconnections: u64,
    pub evicted_clients: u64,
    pub reply_buffer_shrinks: u64,
    pub reply_buffer_expands: u64,
    pub auth_denied: u64,
    pub certificate_denied: u64,
    pub command_denied: u64,
    pub key_denied: u64,
    pub channel_denied: u64,
    pub database_denied: u64,
    pub expire_cycle_us: u64,
    /// Duration of the last fork in microseconds, and the number of forks.
    pub fork_us: u64,
    pub forks: u64,
    pub ops_rate: Rate,
    pub in_rate: Rate,
    pub out_rate: Rate,
    pub repl_in_rate: Rate,
    pub repl_out_rate: Rate,
    pub turn_rate: Rate,
    pub turn_us_rate: Rate,
    /// Error counts by code, the first word of the error.
    pub error_codes: HashMap<String, u64>,
    pub error_codes_full: bool,
    /// Discarded codes, reported as objects freed in the background.
    pub freed_codes: u64,
}

impl Stats {
    /// Writes an error reply and counts it.
    #[cold]
    pub fn reply_error(&mut self, error: &CmdError, reply: &mut Reply) {
        let text = error.bytes();
        self.count_error(&text);
        let _ = reply.error(&text);
    }

    /// Counts commands that were recognised at once.
    #[inline]
    pub fn count_parsed(&mut self, session: &mut Session, commands: usize) {
        let batches = commands.div_ceil(LOOKAHEAD) as u64;
        self.parsed += commands as u64;
        self.parsed_batches += batches;
        session.parsed += commands as u64;
        session.parsed_batches += batches;
    }

    /// Counts an iteration of the event loop and its commands.
    #[inline]
    pub fn count_turn(&mut self, us: u64, commands: u64, had_input: bool) {
        self.turns += 1;
        self.turns_with_input += had_input as u64;
        self.turns_us += us;
        self.turn_max_us = self.turn_max_us.max(us);
        self.turn_max_commands = self.turn_max_commands.max(commands);
    }

    /// Counts an error reply by its first word.
    pub fn count_error(&mut self, text: &[u8]) {
        self.errors += 1;
        if self.error_codes_full {
            return;
        }
        // As in Redis, an error without a code counts as `ERR`.
        let start = &text[..text.len().min(CODE_MAX)];
        let end = start.iter().position(|&byte| byte == b' ');
        let code = end.map_or(b"ERR".as_slice(), |end| &text[..end]);
        let code = String::from_utf8_lossy(&code[..code.len().min(128)]);
        if let Some(count) = self.error_codes.get_mut(code.as_ref()) {
            *count += 1;
        } else if self.error_codes.len() < ERROR_CODES {
            self.error_codes.insert(code.into_owned(), 1);
        } else {
            self.give_up_on_codes();
        }
    }

    /// Discards all codes and stops counting them, since scripts invent codes.
    #[cold]
    fn give_up_on_codes(&mut self) {
        self.freed_codes += self.error_codes.len() as u64;
        let codes: Vec<&str> = self.error_codes.keys().map(String::as_str).collect();
        log::warn!(
            "Errorstats stopped adding new errors because there are too many different ones. \
             Current errors code list: {}",
            codes.join(", ")
        );
        self.error_codes = HashMap::from([("ERRORSTATS_DISABLED".to_owned(), 1)]);
        self.error_codes_full = true;
    }
}

impl Server {
    /// Resets the statistics (CONFIG RESETSTAT).
    pub fn reset_stats(&mut self) {
        let codes = self.stats.error_codes.len() as u64;
        // ACL denials are kept, as in Redis.
        let was = std::mem::take(&mut self.stats);
        self.stats = Stats {
            auth_denied: was.auth_denied,
            certificate_denied: was.certificate_denied,
            command_denied: was.command_denied,
            key_denied: was.key_denied,
            channel_denied: was.channel_denied,
            database_denied: was.database_denied,
            freed_codes: if codes > FEW_CODES { codes } else { 0 },
            ..Stats::default()
        };
        self.keyspace.shared.stats = KeyStats::default();
        for slot in self.table.iter_mut() {
            slot.stats = CommandStats::default();
        }
        self.bio.reset_freed();
        self.script.reset_evicted();
        self.eviction.reset_stats();
        self.persist.saves.reset_failures();
        self.observe.logs.slow = Slow::default();
    }
}
