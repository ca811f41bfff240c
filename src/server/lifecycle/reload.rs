//! Certificates that are exchanged on disk (`tls-auto-reload-interval`): a thread looks at the files
//! and builds new contexts, and the loop takes them into use, as in Valkey. Existing connections go
//! on as they began.
//!
//! ```text
//!   every interval: cron --settings--> thread: unchanged?  --nothing--> cron
//!                                              changed: new contexts --> cron, which replaces them
//! ```

use crate::net::tls::{Contexts, Materials};
use crate::net::tls_settings::Settings;
use crate::server::Server;
use crate::server::lifecycle::secure;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

/// What a look at the files has led to. Lines for the log come with new contexts.
enum Outcome {
    Unchanged,
    Built(Box<Contexts>, Vec<String>),
    Failed(String),
}

/// The looks at the files.
#[derive(Default)]
pub struct Reloader {
    /// The look that is under way.
    look: Option<Receiver<Outcome>>,
    /// The next one, in monotonic milliseconds; 0 if none was planned.
    due_ms: u64,
}

impl Reloader {
    /// Returns whether it is time for a look, and plans the next one.
    fn is_due(&mut self, now_ms: u64, interval_s: u32) -> bool {
        let is_due = self.due_ms != 0 && now_ms >= self.due_ms && self.look.is_none();
        if self.due_ms == 0 || is_due {
            self.due_ms = now_ms + u64::from(interval_s) * 1000;
        }
        is_due
    }

    /// Starts a look.
    fn start(&mut self, contexts: &Contexts, settings: Settings) {
        let (sender, receiver) = channel();
        let before = contexts.materials().clone();
        let spawned = thread::Builder::new().name("tls_reload".into());
        let spawned = spawned.spawn(move || {
            // The server may have ended.
            let _ = sender.send(look(&before, &settings));
        });
        match spawned {
            Ok(_) => self.look = Some(receiver),
            Err(error) => log::warn!("Can't start a thread to look at certificates: {error}"),
        }
    }

    /// Returns the outcome of a look that is over.
    fn take_outcome(&mut self) -> Option<Outcome> {
        let outcome = match self.look.as_ref()?.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Outcome::Failed("the thread has ended".into()),
        };
        self.look = None;
        Some(outcome)
    }
}

fn look(before: &Materials, settings: &Settings) -> Outcome {
    if Materials::of(settings) == *before {
        return Outcome::Unchanged;
    }
    log::info!("TLS materials changed, reloading in background");
    let mut lines = Vec::new();
    match Contexts::new(settings, &mut lines) {
        Ok(contexts) => Outcome::Built(Box::new(contexts), lines),
        Err(why) => Outcome::Failed(why),
    }
}

/// Takes new contexts into use, and starts a look if it is time for one.
pub fn tick(server: &mut Server) {
    let interval_s = server.config.tls_auto_reload_interval;
    match server.doors.reloader().0.take_outcome() {
        None => {}
        Some(Outcome::Unchanged) => log::trace!("TLS reload skipped: materials unchanged"),
        Some(Outcome::Failed(why)) => {
            log::warn!("{why}");
            log::warn!("Background TLS reload failed");
        }
        Some(Outcome::Built(contexts, lines)) => {
            lines.iter().for_each(|line| log::warn!("{line}"));
            server.doors.set_contexts(*contexts);
            log::info!("TLS materials reloaded successfully");
        }
    }
    let now_ms = server.clock.mono_ms();
    let (reloader, contexts) = server.doors.reloader();
    let Some(contexts) = contexts.filter(|_| interval_s > 0) else {
        *reloader = Reloader::default();
        return;
    };
    if reloader.is_due(now_ms, interval_s) {
        reloader.start(contexts, secure::settings(&server.config));
    }
}
