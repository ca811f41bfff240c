//! How the server stops: by a signal, or by SHUTDOWN.
//!
//! Stopping is graceful: what would outlive us and mislead others (pid file, socket file) is
//! removed, the log says goodbye, and the loop ends with the exit code 0 once the answers of this
//! turn are written.

use super::Server;
use crate::config::ShutdownFlags;
use crate::persist::aof::State;
use crate::persist::child::Purpose;
use crate::sys::process;
use crate::sys::signal::{self, Signal};
use crate::sys::supervisor;

/// The server would not stop; the log says why.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused;

impl Server {
    /// TERM or INT came.
    pub fn stop_by_signal(&mut self, signal: Signal) {
        let flags = match signal {
            Signal::Terminate => self.config.shutdown_on_sigterm,
            Signal::Interrupt => self.config.shutdown_on_sigint,
        };
        if self.stop(flags).is_err() {
            // The next INT is a first one again.
            signal::rearm();
        }
    }

    /// SHUTDOWN ABORT: a signal that was not seen to yet counts as if it had not come.
    pub fn abort_stop(&mut self) -> bool {
        let asked = self.life.asked_to_stop.take().is_some();
        if asked {
            signal::rearm();
            log::info!("Shutdown manually aborted.");
        }
        asked
    }

    /// Ends the server with exit code 0. It refuses if data was to be saved and cannot be, unless
    /// forced.
    pub fn stop(&mut self, flags: ShutdownFlags) -> Result<(), Refused> {
        log::info!("User requested shutdown...");
        supervisor::sd_notify("STOPPING=1\n");
        self.save_before_the_end(flags).inspect_err(|_| {
            log::warn!(
                "Errors trying to shut down the server. Check the logs for more information."
            );
        })?;
        self.leave_no_traces();
        log::warn!("Redis is now ready to exit, bye bye...");
        self.life.exit = Some(0);
        Ok(())
    }

    /// Brings to disk what is to outlive us. It refuses if that cannot be done, unless forced.
    fn save_before_the_end(&mut self, flags: ShutdownFlags) -> Result<(), Refused> {
        self.kill_sessions();
        let child = self.persist.child.as_ref().map(|job| job.purpose);
        if let Some(purpose) = child.filter(|purpose| purpose.is_snapshot()) {
            log::warn!("There is a child saving an .rdb. Killing it!");
            self.kill_child(purpose);
        }
        // Half the data must not replace what is on disk.
        if self.persist.loading.is_some() {
            return Ok(());
        }
        if self.persist.aof.is_on() {
            if child == Some(Purpose::Rewrite) {
                if self.persist.aof.state == State::WaitRewrite {
                    if !flags.force {
                        log::warn!("Writing initial AOF, can't exit.");
                        supervisor::sd_notify("STATUS=Writing initial AOF, can't exit.\n");
                        return Err(Refused);
                    }
                    log::warn!("Writing initial AOF. Exit anyway.");
                }
                log::warn!("There is a child rewriting the AOF. Killing it!");
                self.kill_child(Purpose::Rewrite);
            }
            log::info!("Calling fsync() on the AOF file.");
            self.flush_aof(true);
            if let Err(error) = self.persist.aof.sync_all() {
                let reason = crate::config::os_reason(&error);
                log::warn!("Fail to fsync the AOF file: {reason}.");
            }
        }
        self.persist.aof.offset = self.replication.history.offset;
        self.persist.aof.note_end();
        let by_points = !self.config.save.is_empty() && !flags.nosave;
        if !by_points && !flags.save {
            return Ok(());
        }
        log::info!("Saving the final RDB snapshot before exiting.");
        supervisor::sd_notify("STATUS=Saving the final RDB snapshot\n");
        match self.save_now() {
            Ok(()) => Ok(()),
            Err(_) if flags.force => {
                log::warn!("Error trying to save the DB. Exit anyway.");
                Ok(())
            }
            Err(_) => {
                log::warn!("Error trying to save the DB, can't exit.");
                supervisor::sd_notify("STATUS=Error trying to save the DB, can't exit.\n");
                Err(Refused)
            }
        }
    }

    /// Removes the files that say that we are here.
    fn leave_no_traces(&mut self) {
        if let Some(path) = self.life.process.pid_file.take() {
            log::info!("Removing the pid file.");
            // Somebody may have removed it already; what matters is that it is gone.
            let _ = process::remove_pid_file(&path);
        }
        self.doors.listeners.close_all();
        if !self.config.unixsocket.is_empty() {
            log::info!("Removing the unix socket file.");
            let path = String::from_utf8_lossy(&self.config.unixsocket);
            if let Err(error) = std::fs::remove_file(path.as_ref()) {
                let reason = crate::config::os_reason(&error);
                log::warn!("Error removing the unix socket file: {reason}");
            }
        }
    }
}
