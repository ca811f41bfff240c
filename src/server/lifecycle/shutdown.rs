//! Shutdown of the server, by a signal or by SHUTDOWN.
//!
//! Shutdown is graceful: files that would be misleading afterwards (pid file, socket file) are
//! removed, the log gets a last line, and the loop ends with exit code 0 once the replies of this
//! iteration are written.

use crate::config::ShutdownFlags;
use crate::persist::aof::State;
use crate::persist::child::Purpose;
use crate::server::Server;
use crate::server::clients::session::ClientId;
use crate::server::core::pause;
use crate::server::core::pause::{Cause, Held};
use crate::server::replication::link::transfer;
use crate::server::script::debug;
use crate::server::storage::{backup, jobs};
use crate::sys::signal::{self, Signal};
use crate::sys::supervisor;

/// The refusal of a shutdown; the reason is in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused;

/// The progress of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The loop ends with this iteration.
    Now,
    /// Replicas have to catch up first.
    Waits,
}

/// A pending shutdown that waits for the replicas.
#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    flags: ShutdownFlags,
    /// The deadline in monotonic milliseconds.
    until_ms: u64,
}

/// The end of the server: requested, pending or decided.
#[derive(Debug, Default)]
pub struct Shutdown {
    /// The exit code, once the event loop is to end.
    exit: Option<i32>,
    /// A signal requested shutdown and cron has not handled it yet.
    asked: Option<Signal>,
    /// A pending shutdown: the server stops when its replicas have caught up.
    stopping: Option<Stopping>,
}

impl Shutdown {
    /// Ends the event loop with this exit code.
    pub fn end(&mut self, code: i32) {
        self.exit = Some(code);
    }

    /// Returns the exit code, once the event loop is to end.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit
    }

    /// Returns whether the event loop is to end.
    pub fn is_over(&self) -> bool {
        self.exit.is_some()
    }

    /// Requests a shutdown by a signal; cron handles it.
    pub fn ask(&mut self, signal: Signal) {
        self.asked = Some(signal);
    }

    /// Takes the signal that requested shutdown.
    pub fn take_signal(&mut self) -> Option<Signal> {
        self.asked.take()
    }

    /// Returns the deadline of a pending shutdown in monotonic milliseconds.
    pub fn waits_until_ms(&self) -> Option<u64> {
        self.stopping.map(|stopping| stopping.until_ms)
    }
}

/// Shuts down after SIGTERM or SIGINT.
pub fn stop_by_signal(server: &mut Server, signal: Signal) {
    let flags = match signal {
        Signal::Terminate => server.config.shutdown_on_sigterm,
        Signal::Interrupt => server.config.shutdown_on_sigint,
    };
    if stop(server, flags).is_err() {
        // The next SIGINT counts as a first one again.
        signal::rearm();
    }
}

/// Cancels a shutdown (SHUTDOWN ABORT); a signal that is still pending is discarded. Returns false
/// if there was nothing to cancel.
pub fn abort_stop(server: &mut Server) -> bool {
    let waits = server.shutdown.stopping.is_some();
    let asked = server.shutdown.asked.take().is_some() || waits;
    if waits {
        stop_no_more(server);
    }
    if asked {
        signal::rearm();
        log::info!("Shutdown manually aborted.");
    }
    asked
}

/// Ends the server with exit code 0, once the replicas have caught up or `shutdown-timeout` is
/// over.
///
/// # Errors
/// The data was to be saved and could not be, without FORCE; or a shutdown is in progress already.
pub fn stop(server: &mut Server, flags: ShutdownFlags) -> Result<Stop, Refused> {
    if server.shutdown.stopping.is_some() {
        return Ok(Stop::Waits);
    }
    log::info!("User requested shutdown...");
    supervisor::sd_notify("STOPPING=1\n");
    let patience_ms = u64::from(server.config.shutdown_timeout) * 1000;
    if flags.now || patience_ms == 0 || replicas_are_up(server) {
        return finish_stop(server, flags);
    }
    pause::start_pause(server, Cause::Shutdown, Held::Writes, i64::MAX);
    log::info!("Waiting for replicas before shutting down.");
    server.shutdown.stopping = Some(Stopping {
        flags,
        until_ms: server.clock.mono_ms_up() + patience_ms,
    });
    Ok(Stop::Waits)
}

/// Returns true if all replicas have the whole stream.
fn replicas_are_up(server: &Server) -> bool {
    let offset = server.replication.offset();
    let mut replicas = server.replication.replicas().known();
    replicas.all(|replica| replica.acked() == offset)
}

/// Finishes a pending shutdown once the replicas have caught up or the deadline has passed. Called
/// by cron.
pub(in crate::server) fn stop_if_due(server: &mut Server) {
    let Some(stopping) = server.shutdown.stopping else {
        return;
    };
    if stopping.until_ms <= server.clock.mono_ms() || replicas_are_up(server) {
        // A failure is logged.
        let _ = finish_stop(server, stopping.flags);
    }
}

/// Cancels a pending shutdown; the clients blocked in SHUTDOWN get an error.
fn stop_no_more(server: &mut Server) {
    server.shutdown.stopping = None;
    for id in server.blocking.take_until_stopped() {
        server.refuse_waiting(ClientId(id), "ERR Errors trying to SHUTDOWN. Check logs.");
    }
    pause::end_pause(server, Cause::Shutdown);
    signal::rearm();
}

fn tell_of_replicas(server: &Server) {
    let offset = server.replication.offset();
    let list = server.replication.replicas();
    let lagging = list.known().filter(|replica| replica.acked() != offset);
    for replica in lagging.clone() {
        let lag_s = replica.lag_s(server.clock.now_s());
        log::info!(
            "Lagging replica {} reported offset {} behind master, lag={lag_s}, state={}.",
            replica.name(),
            offset - replica.acked().min(offset),
            replica.state_word()
        );
    }
    if !list.is_empty() {
        let all = list.count();
        log::info!(
            "{} of {all} replicas are in sync when shutting down.",
            all - lagging.count()
        );
    }
}

fn finish_stop(server: &mut Server, flags: ShutdownFlags) -> Result<Stop, Refused> {
    tell_of_replicas(server);
    if save_before_the_end(server, flags).is_err() {
        log::warn!("Errors trying to shut down the server. Check the logs for more information.");
        stop_no_more(server);
        return Err(Refused);
    }
    leave_no_traces(server);
    log::warn!("Redis is now ready to exit, bye bye...");
    server.shutdown.exit = Some(0);
    Ok(Stop::Now)
}

/// Flushes the log and saves the data, as configured.
///
/// # Errors
/// One of these failed, without FORCE.
fn save_before_the_end(server: &mut Server, flags: ShutdownFlags) -> Result<(), Refused> {
    debug::kill_sessions(server);
    let child = server.persist.child.as_ref().map(|job| job.purpose);
    if let Some(purpose) = child.filter(|purpose| purpose.is_snapshot()) {
        log::warn!("There is a child saving an .rdb. Killing it!");
        jobs::kill_child(server, purpose);
    }
    // An incomplete data set must not replace the one on disk.
    if server.persist.loading.is_some() {
        return Ok(());
    }
    backup::note_shutdown(server);
    if server.persist.aof.is_on() {
        if child == Some(Purpose::Rewrite) {
            if server.persist.aof.state() == State::WaitRewrite {
                if !flags.force {
                    log::warn!("Writing initial AOF, can't exit.");
                    supervisor::sd_notify("STATUS=Writing initial AOF, can't exit.\n");
                    return Err(Refused);
                }
                log::warn!("Writing initial AOF. Exit anyway.");
            }
            log::warn!("There is a child rewriting the AOF. Killing it!");
            jobs::kill_child(server, Purpose::Rewrite);
        }
        log::info!("Calling fsync() on the AOF file.");
        jobs::flush_aof(server, true);
        if let Err(error) = server.persist.aof.sync_all() {
            let reason = crate::config::os_reason(&error);
            log::warn!("Fail to fsync the AOF file: {reason}.");
        }
    }
    server.persist.aof.set_offset(server.replication.offset());
    server.persist.aof.note_end();
    let by_points = !server.config.save.is_empty() && !flags.nosave;
    if !by_points && !flags.save {
        return Ok(());
    }
    log::info!("Saving the final RDB snapshot before exiting.");
    supervisor::sd_notify("STATUS=Saving the final RDB snapshot\n");
    match jobs::save_now(server) {
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

/// Removes the pid file and the socket file.
fn leave_no_traces(server: &mut Server) {
    server.process.remove_pid_file();
    transfer::abort(server);
    server.doors.listeners.close_all();
    if !server.config.unixsocket.is_empty() {
        log::info!("Removing the unix socket file.");
        let path = String::from_utf8_lossy(&server.config.unixsocket);
        if let Err(error) = std::fs::remove_file(path.as_ref()) {
            let reason = crate::config::os_reason(&error);
            log::warn!("Error removing the unix socket file: {reason}");
        }
    }
}
