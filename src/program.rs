//! The program: from a command line and a configuration to a running server.

use crate::acl::Acl;
use crate::algo::rng::Rng;
use crate::check;
use crate::cli::{self, Program, Run, Startup, StartupEnv};
use crate::commands;
use crate::config::{self, AclPubsubDefault, Fatal, Host, LogLevel};
use crate::logging::{self, Sink};
use crate::reactor::Reactor;
use crate::server::core::table::Table;
use crate::server::lifecycle::boot::{self, Launch};
use crate::server::{self, Server};
use crate::sys::memory;
use crate::sys::signal::Signals;
use crate::sys::title::Title;
use crate::sys::{crash, schedule, system_check};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Runs the server until it is shut down, and returns the exit code for the process.
///
/// `args` is the command line of `redis-server`, the name of the program first: a configuration
/// file, options such as `--port 6380`, `-` for a configuration on the standard input, `--version`
/// and `--help`. Under the names `redis-check-rdb` and `redis-check-aof` the program checks files.
/// Errors of the start and of the run are logged, or printed as Redis prints them; the exit code is
/// then 1.
///
/// Call it once, first thing, on the main thread: it installs the logger and signal handlers, and a
/// configuration may ask it to fork or to change the working directory. [`Allocator`] must be the
/// global allocator, or the memory in use is reported as 0 and `maxmemory` has no effect.
///
/// [`Allocator`]: crate::Allocator
pub fn run(args: impl IntoIterator<Item = OsString>) -> i32 {
    memory::count_on_this_thread();
    let argv: Vec<Vec<u8>> = args.into_iter().map(OsStringExt::into_vec).collect();
    let mut stdin = std::io::stdin();
    let mut host = StartHost::default();
    let mut env = StartupEnv {
        stdin: &mut stdin,
        host: &mut host,
    };
    match cli::start(&argv, &mut env) {
        Startup::Run(run) => serve(run),
        Startup::Print {
            text,
            to_stderr,
            exit_code,
        } => {
            if to_stderr {
                eprint!("{text}");
            } else {
                print!("{text}");
            }
            exit_code
        }
        Startup::Fatal { notes, why } => fail(notes, why),
        Startup::CheckSystem => {
            let (text, fine) = system_check::report();
            print!("{text}");
            i32::from(!fine)
        }
        Startup::TestMemory => missing("A test of the memory"),
        Startup::Check { program, args } => {
            start_log(PathBuf::new());
            match program {
                Program::CheckAof => check::aof::run(&args),
                _ => check::rdb::run(&args),
            }
        }
    }
}

/// Runs the server that the configuration describes; returns the exit code.
fn serve(run: Run) -> i32 {
    let Run {
        config,
        sentinel,
        has_arguments,
        notes,
        argv,
    } = run;
    if sentinel {
        return missing("The sentinel");
    }
    let logfile = String::from_utf8_lossy(&config.logfile).into_owned();
    start_log(PathBuf::from(std::ffi::OsStr::from_bytes(&config.logfile)));
    boot::configure_log(&config);
    // Before anything else could look at the arguments or the environment.
    let title = config.set_proc_title.then(Title::take_over).flatten();
    let launch = Launch {
        argv,
        has_arguments,
        notes,
        version: cli::banner(),
        title,
    };
    let process = boot::announce(&config, launch);
    let signals = Signals::install(&logfile).and_then(|signals| {
        crash::install(&logfile)?;
        Ok(signals)
    });
    crash::set_enabled(config.crash_log_enabled);
    let mut seed = [0u8; 8];
    getrandom::fill(&mut seed).expect("the system has randomness");
    let mut server = Server::new(*config, Rng::new(u64::from_le_bytes(seed)));
    if let Err(why) = boot::open(&mut server, process) {
        if !why.is_empty() {
            log::warn!("{why}");
        }
        return 1;
    }
    schedule::step_forward();
    let ended = signals.and_then(|signals| Reactor::new(server, Some(signals))?.run());
    ended.unwrap_or_else(|error| {
        log::warn!("Fatal error in the event loop: {error}");
        1
    })
}

/// Sends the log to a file, or to the standard output for an empty name.
fn start_log(logfile: PathBuf) {
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Trace)
        // The poll logs each of its steps at `loglevel debug`.
        .filter_module("mio", log::LevelFilter::Off)
        .format(|out, record| logging::format_line(out, record.level(), &record.args().to_string()))
        .target(env_logger::Target::Pipe(Box::new(Sink::new(logfile))))
        .init();
}

/// Ends a start that failed before there was a configuration to log by.
fn fail(notes: Vec<(LogLevel, String)>, why: Fatal) -> i32 {
    start_log(PathBuf::new());
    for (_, text) in notes {
        log::info!("{text}");
    }
    match why {
        Fatal::Log(text) => log::warn!("{text}"),
        Fatal::Stderr(text) => {
            // A failure cannot be reported anywhere.
            let _ = std::io::stderr().write_all(&text);
        }
    }
    1
}

fn missing(what: &str) -> i32 {
    eprintln!("{what} is not part of this server yet.");
    1
}

/// The environment of the configuration while the process starts.
#[derive(Default)]
struct StartHost {
    /// The commands under the names given so far; built for the first directive that needs them.
    table: Option<Table>,
    /// The ACL that parses rules; built for the first `user`.
    acl: Option<Acl>,
}

impl Host for StartHost {
    fn chdir(&mut self, dir: &[u8]) -> Result<Vec<u8>, String> {
        config::enter_directory(dir)
    }

    fn rename_command(&mut self, from: &[u8], to: &[u8]) -> Result<(), String> {
        let known = || Table::new(commands::TABLES, server::commands::TABLES);
        let table = self.table.get_or_insert_with(known);
        table.rename(from, to).map_err(str::to_owned)
    }

    fn check_user(
        &mut self,
        rules: &[Vec<u8>],
        channels: AclPubsubDefault,
    ) -> Result<(), (usize, String)> {
        let table = || Table::new(commands::TABLES, server::commands::TABLES);
        let acl = self
            .acl
            .get_or_insert_with(|| Acl::new(table().command_index()));
        acl.configure(channels == AclPubsubDefault::AllChannels, 0);
        acl.check_rules(rules)
    }

    fn check_logfile(&mut self, path: &[u8]) -> Result<(), String> {
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .append(true)
            .create(true)
            .open(std::ffi::OsStr::from_bytes(path));
        match file {
            Ok(_) => Ok(()),
            Err(error) => Err(config::os_reason(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logfile_that_cannot_be_opened_is_refused() {
        assert!(
            StartHost::default()
                .check_logfile(b"/no/such/folder/log")
                .is_err()
        );
    }
}
