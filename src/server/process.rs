//! The process of the server: its names, its supervisor and its OOM score.

use crate::config::{Config, OomScoreAdj};
use crate::sys::process;
use crate::sys::title::Title;
use std::path::PathBuf;

/// Process state that the server keeps.
#[derive(Debug)]
pub struct Process {
    run_id: String,
    /// Time of the start, in Unix milliseconds.
    started_ms: i64,
    origin: Origin,
    /// The pid file, if this process wrote it and has to remove it.
    pid_file: Option<PathBuf>,
    /// The OOM score at startup, while ours differs from it.
    oom_base: Option<i32>,
}

/// How the process was started.
#[derive(Debug, Default)]
pub struct Origin {
    /// `argv[0]`, as given and made absolute.
    pub argv0: String,
    pub executable: String,
    /// The supervisor to notify when the server is ready.
    pub supervisor: Supervisor,
    /// The place where the process shows its title, if there is one.
    pub title: Option<Title>,
}

/// The supervisor of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supervisor {
    #[default]
    Unsupervised,
    Systemd,
    Upstart,
}

impl Supervisor {
    /// Returns its name in INFO.
    pub fn name(self) -> &'static str {
        match self {
            Supervisor::Unsupervised => "no",
            Supervisor::Systemd => "systemd",
            Supervisor::Upstart => "upstart",
        }
    }
}

impl Process {
    /// The process that started at a time in Unix milliseconds, under a name of 40 hex digits.
    pub fn new(run_id: String, started_ms: i64) -> Process {
        Process {
            run_id,
            started_ms,
            origin: Origin::default(),
            pid_file: None,
            oom_base: None,
        }
    }

    /// Sets how the process was started.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Returns how the process was started.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the name of this run: 40 hex digits.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns the seconds since the start.
    pub fn uptime_s(&self, now_ms: i64) -> i64 {
        (now_ms - self.started_ms).max(0) / 1000
    }

    /// Shows a title, where the system has a place for it.
    pub fn show_title(&mut self, text: &str) {
        if let Some(title) = &mut self.origin.title {
            title.set(text);
        }
    }

    /// Writes the pid file. As in Redis, it is removed at the end even if it could not be written.
    pub fn write_pid_file(&mut self, path: PathBuf) {
        if let Err(error) = process::write_pid_file(&path) {
            let reason = crate::config::os_reason(&error);
            log::warn!("Failed to write PID file: {reason}");
        }
        self.pid_file = Some(path);
    }

    /// Removes the pid file, if there is one.
    pub fn remove_pid_file(&mut self) {
        if let Some(path) = self.pid_file.take() {
            log::info!("Removing the pid file.");
            // It may have been removed already; only its absence matters.
            let _ = process::remove_pid_file(&path);
        }
    }

    /// Sets the kernel's OOM score of a primary or a replica. The score at startup is the base, and
    /// is restored by `oom-score-adj no`.
    pub fn set_oom_score(&mut self, config: &Config, is_replica: bool) -> Result<(), String> {
        if config.oom_score_adj == OomScoreAdj::No && self.oom_base.is_none() {
            return Ok(());
        }
        let base = match self.oom_base {
            Some(base) => base,
            None => process::oom_score_adj().map_err(|error| complain("read", error))?,
        };
        let value = config.oom_score_adj_values[usize::from(is_replica)];
        let wanted = match config.oom_score_adj {
            OomScoreAdj::No => None,
            OomScoreAdj::Relative => Some(base + value),
            OomScoreAdj::Absolute => Some(value),
        };
        let score = wanted.map_or(base, |score| score.clamp(-1000, 1000));
        process::set_oom_score_adj(score).map_err(|error| complain("write", error))?;
        self.oom_base = wanted.map(|_| base);
        Ok(())
    }

    /// Sets the OOM score of a child, which the kernel may kill before the server.
    pub fn set_oom_score_of_child(&self, config: &Config, pid: i32) {
        let wanted = config.oom_score_adj_values[2];
        let value = match (config.oom_score_adj, self.oom_base) {
            (OomScoreAdj::Relative, Some(base)) => base + wanted,
            (OomScoreAdj::Absolute, _) => wanted,
            _ => return,
        };
        if let Err(error) = process::set_oom_score_adj_of(pid, value.clamp(-1000, 1000)) {
            complain("write", error);
        }
    }
}

/// Logs why the kernel's score cannot be read or written, and returns the error for a client.
fn complain(what: &str, error: std::io::Error) -> String {
    let reason = crate::config::os_reason(&error);
    log::warn!("Unable to {what} oom_score_adj: {reason}");
    "Failed to set current oom_score_adj. Check server logs.".into()
}
