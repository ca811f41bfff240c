//! The start: all steps between reading the configuration and accepting the first connection, in
//! Redis's order and with its log lines, because people and programs read them.
//!
//! ```text
//!   check the system -> go into the background -> banner -> [Server::new] -> limits -> pid file
//!     -> title -> mode -> listeners -> ready
//! ```
//!
//! `main` calls `announce` before there is a server and `Server::open` after it; then the loop
//! runs. An error is a last line for the log; the process ends with status 1.

use crate::config::{Config, LogFormat, LogLevel, OOM_SCORES_FALL, Supervised, Word};
use crate::logging;
use crate::net::Kind;
use crate::server::Server;
use crate::server::core::permissions;
use crate::server::lifecycle::configure::{allow_clients, apply_log_format, level_filter};
use crate::server::lifecycle::listen;
use crate::server::lifecycle::secure;
use crate::server::process::{Origin, Supervisor};
use crate::server::replication::link;
use crate::server::replication::link::transfer;
use crate::server::storage::jobs;
use crate::server::storage::loading;
use crate::server::storage::loading::Unloadable;
use crate::sys::huge_pages::{self, HugePages};
use crate::sys::process;
use crate::sys::supervisor::{self, Syslog};
use crate::sys::system_check::{self, CHECKS, Verdict};
use crate::sys::title::Title;
use std::path::PathBuf;

/// The default pid file of a daemon.
const DEFAULT_PID_FILE: &str = "/var/run/redis.pid";

/// The parts of the command line that the start needs.
pub struct Launch {
    /// The command line, the name of the program first.
    pub argv: Vec<Vec<u8>>,
    /// Whether a configuration file or options were given.
    pub has_arguments: bool,
    /// Log lines from reading the configuration.
    pub notes: Vec<(LogLevel, String)>,
    /// The version line.
    pub version: String,
    /// The process title, if it may be changed.
    pub title: Option<Title>,
}

/// Sets the level and format of the logger, and whether lines go to syslog too.
pub fn configure_log(config: &Config) {
    log::set_max_level(level_filter(config.loglevel));
    apply_log_format(config);
    if config.log_format != LogFormat::Legacy {
        // As in Valkey, which has these formats: the role during the start is that of a primary.
        logging::set_role(b'M');
    }
    if config.syslog_enabled {
        let ident = String::from_utf8_lossy(&config.syslog_ident);
        let facility = config.syslog_facility;
        let index = crate::config::SyslogFacility::VALUES
            .iter()
            .position(|value| *value == facility);
        let name = crate::config::SyslogFacility::NAMES[index.unwrap_or(1)];
        if let Some(syslog) = Syslog::open(&ident, name) {
            logging::use_syslog(syslog);
        }
    }
}

/// Runs the steps before the server exists: warnings about the system, daemonization, the banner.
pub fn announce(config: &Config, launch: Launch) -> Origin {
    for (level, text) in &launch.notes {
        say(*level, text);
    }
    warn_about_system(config);
    let supervisor = find_supervisor(config.supervised);
    if config.daemonize
        && supervisor == Supervisor::Unsupervised
        && let Err(error) = process::daemonize()
    {
        let reason = crate::config::os_reason(&error);
        log::warn!("Can't go into the background: {reason}");
    }
    log::info!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    let pid = std::process::id();
    log::info!("{}, pid={pid}, just started", launch.version);
    let argv0 = launch.argv.first().map_or(&b""[..], Vec::as_slice);
    let argv0 = String::from_utf8_lossy(argv0).into_owned();
    if launch.has_arguments {
        log::info!("Configuration loaded");
    } else {
        log::warn!(
            "Warning: no config file specified, using the default config. In order to specify a \
             config file use {argv0} /path/to/redis.conf"
        );
    }
    let executable = std::path::absolute(&argv0).unwrap_or_default();
    Origin {
        executable: executable.display().to_string(),
        argv0,
        supervisor,
        title: launch.title,
    }
}

fn say(level: LogLevel, text: &str) {
    match level {
        LogLevel::Debug => log::trace!("{text}"),
        LogLevel::Verbose => log::debug!("{text}"),
        LogLevel::Notice => log::info!("{text}"),
        LogLevel::Warning => log::warn!("{text}"),
        LogLevel::Nothing => {}
    }
}

/// Runs the system checks that are cheap enough for every start.
fn warn_about_system(config: &Config) {
    if !config.oom_score_adj_values.is_sorted() {
        log::warn!("{OOM_SCORES_FALL}");
    }
    if let Verdict::Warning(text) = system_check::overcommit() {
        log::warn!("WARNING {text}");
    }
    let is_exempt = huge_pages::choose(config.disable_thp) != HugePages::Unchanged;
    if !is_exempt && let Verdict::Warning(text) = system_check::huge_pages() {
        log::warn!("WARNING {text}");
    }
    let xen = CHECKS.iter().find(|check| check.name == "xen-clocksource");
    if let Some(Verdict::Warning(text)) = xen.map(|check| (check.run)()) {
        log::warn!("WARNING {text}");
    }
}

fn find_supervisor(wish: Supervised) -> Supervisor {
    let systemd = matches!(wish, Supervised::Systemd)
        || wish == Supervised::Auto && supervisor::is_under_systemd();
    let upstart = matches!(wish, Supervised::Upstart)
        || wish == Supervised::Auto && supervisor::is_under_upstart();
    if upstart {
        if !supervisor::is_under_upstart() {
            log::warn!("upstart supervision requested, but UPSTART_JOB not found!");
            return Supervisor::Unsupervised;
        }
        log::info!("Supervised by upstart, will stop to signal readiness.");
        supervisor::upstart_ready();
        return Supervisor::Upstart;
    }
    if systemd {
        if !supervisor::sd_notify("STATUS=Redis is loading...\n") {
            log::warn!("systemd supervision requested, but NOTIFY_SOCKET not found!");
            return Supervisor::Unsupervised;
        }
        log::info!(
            "Supervised by systemd. Please make sure you set appropriate values for \
             TimeoutStartSec and TimeoutStopSec in your service unit."
        );
        return Supervisor::Systemd;
    }
    Supervisor::Unsupervised
}

/// Runs the steps from an empty server to a listening one. The error is a last line for the log.
pub fn open(server: &mut Server, origin: Origin) -> Result<(), String> {
    server.process.set_origin(origin);
    logging::set_role(b'M');
    link::set_configured_primary(server);
    let possible = allow_clients(server.config.maxclients);
    if possible == 0 {
        return Err(String::new());
    }
    server.config.maxclients = possible;
    log::info!("monotonic clock: POSIX clock_gettime");
    write_pid_file(server);
    show_title(server);
    show_mode(server);
    check_backlog(server);
    refuse_what_is_missing(server)?;
    permissions::load_first_users(&mut server.acl, &server.config)?;
    let now_s = server.clock.now_s();
    secure::prepare_for_development(&mut server.config, now_s)
        .and_then(|()| secure::rebuild(server))
        .map_err(|_| secure::start_failure().to_owned())?;
    listen::listen(server)?;
    log::info!("Server initialized");
    warn_about_memory_limit(server);
    match loading::begin_load(server)? {
        true => Ok(()),
        false => end_load(server),
    }
}

fn write_pid_file(server: &mut Server) {
    let wanted = &server.config.pidfile;
    if wanted.is_empty() && !server.config.daemonize {
        return;
    }
    let path = match wanted.is_empty() {
        true => PathBuf::from(DEFAULT_PID_FILE),
        false => PathBuf::from(String::from_utf8_lossy(wanted).as_ref()),
    };
    server.process.write_pid_file(path);
}

/// Sets the process title from its template.
pub fn show_title(server: &mut Server) {
    if !server.config.set_proc_title {
        return;
    }
    let text = title(server);
    server.process.show_title(&text);
}

fn title(server: &Server) -> String {
    let config = &server.config;
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let first = config.bind.first().map(|host| words(host));
    let unix = words(&config.unixsocket);
    let address = match (config.port, first) {
        (0, _) if !unix.is_empty() => unix.clone(),
        (port, host) => format!("{}:{port}", host.unwrap_or_else(|| "*".into())),
    };
    let file = config.config_file.as_ref();
    let file = file.map_or(String::new(), |file| file.display().to_string());
    let mut title = words(&config.proc_title_template);
    for (variable, value) in [
        ("{title}", server.process.origin().argv0.as_str()),
        ("{listen-addr}", &address),
        ("{server-mode}", ""),
        ("{port}", &config.port.to_string()),
        ("{tls-port}", &config.tls_port.to_string()),
        ("{unixsocket}", &unix),
        ("{config-file}", &file),
    ] {
        title = title.replace(variable, value);
    }
    title.trim_end().to_owned()
}

/// Logs the mode: one line, or the ASCII art if the output is a terminal.
fn show_mode(server: &Server) {
    let port = match server.config.port {
        0 => server.config.tls_port,
        port => port,
    };
    let config = &server.config;
    let on_terminal = || std::io::IsTerminal::is_terminal(&std::io::stdout());
    let plain = !config.syslog_enabled && config.logfile.is_empty();
    let picture = config.always_show_logo || plain && on_terminal();
    if !picture {
        log::info!("Running mode=standalone, port={port}.");
        return;
    }
    let pid = std::process::id();
    log::info!(
        "\n      .-\"\"\"-.\n    .'  \\|/  '.      Redwheel {}\n   /  --(o)--  \\     Running in \
         standalone mode\n   \\    /|\\    /     Port: {port}\n    '.     .'      PID: {pid}\n      \
         '---'\n",
        crate::version::OWN_VERSION
    );
}

fn check_backlog(server: &Server) {
    let Ok(text) = std::fs::read_to_string("/proc/sys/net/core/somaxconn") else {
        return;
    };
    let most: i32 = text.trim().parse().unwrap_or(0);
    let wanted = server.config.tcp_backlog;
    if most > 0 && most < wanted {
        log::warn!(
            "WARNING: The TCP backlog setting of {wanted} cannot be enforced because \
             /proc/sys/net/core/somaxconn is set to the lower value of {most}."
        );
    }
}

/// Fails the start for configured features that are not implemented and dangerous to ignore; those
/// that merely have no effect yet are named in the log.
fn refuse_what_is_missing(server: &Server) -> Result<(), String> {
    let config = &server.config;
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(module) = config.loadmodule.first() {
        let path = words(&module[0]);
        log::warn!("Module {path} failed to load: modules are not supported");
        return Err(format!("Can't load module from {path}: server aborting"));
    }
    if !config.unresolved.is_empty() {
        log::warn!("Unresolved Configuration(s) Detected:");
        for line in &config.unresolved {
            log::warn!(">>> '{}'", words(line));
        }
        return Err(
            "Module Configuration detected without loadmodule directive or no ApplyConfig \
             call: aborting"
                .into(),
        );
    }
    if let Some(what) = config.unsupported() {
        return Err(format!("'{what}' is not supported yet: server aborting"));
    }
    Ok(())
}

fn warn_about_memory_limit(server: &Server) {
    let limit = server.config.maxmemory;
    if limit > 0 && limit < 1024 * 1024 {
        log::warn!(
            "WARNING: You specified a maxmemory value that is less than 1MB (current value is \
             {limit} bytes). Are you sure this is what you really want?"
        );
    }
}

/// Continues loading; the loop calls this in each iteration.
pub fn go_on_loading(server: &mut Server) {
    let loaded = match loading::load_slice(server) {
        Ok(false) => {
            if let Some(loading) = &mut server.persist.loading {
                loading.tell_progress();
            }
            return;
        }
        Ok(true) if server.replication.is_loading() => {
            let left_over = server.persist.left_over();
            return transfer::on_loaded(server, left_over);
        }
        Err(Unloadable) if server.replication.is_loading() => return transfer::on_failed(server),
        Ok(true) => end_load(server),
        Err(Unloadable) => Err(String::new()),
    };
    if let Err(why) = loaded {
        if !why.is_empty() {
            log::warn!("{why}");
        }
        server.shutdown.end(1);
    }
}

/// Ends loading: the log of writes is reopened at its end, or begun.
fn end_load(server: &mut Server) -> Result<(), String> {
    if server.config.appendonly && server.persist.opens_log() {
        let mut aof = std::mem::take(&mut server.persist.aof);
        let with_rdb = server.config.aof_use_rdb_preamble;
        aof.set_offset(server.replication.offset());
        let opened = aof.open(with_rdb, |path| jobs::write_first_base(server, path));
        server.replication.set_offset(aof.offset());
        server.persist.aof = aof;
        opened?;
    } else {
        link::restore_history(server);
        // The log may have been enabled during loading: then it begins with the loaded data.
        jobs::apply_append_only(server)?;
    }
    jobs::refresh_log_interest(server);
    become_ready(server);
    Ok(())
}

/// Warns, in Redis's words, of a default user without a password.
fn warn_of_open_access(server: &Server) {
    if !server.acl.is_open() {
        return;
    }
    let config = &server.config;
    let is_wildcard = |address: &Vec<u8>| {
        let address = address.strip_prefix(b"-").unwrap_or(address);
        matches!(address, b"*" | b"::*" | b"::" | b"0.0.0.0")
    };
    let reach = if config.protected_mode {
        ". Redis will accept connections from any local client."
    } else if config.port == 0 || config.bind.iter().any(is_wildcard) {
        " and is not protected by network restrictions. Redis will accept connections from any IP \
         address on any network interface."
    } else {
        ". Redis will accept connections from any IP address on the configured network interface."
    };
    log::warn!("WARNING: Redis does not require authentication{reach}");
}

/// Announces in the log and to the supervisor that the server accepts connections, and starts the
/// link to a primary.
pub(in crate::server) fn become_ready(server: &mut Server) {
    for (kind, name) in [(Kind::Tcp, "tcp"), (Kind::Unix, "unix"), (Kind::Tls, "tls")] {
        if server.doors.listeners.iter().any(|one| one.kind() == kind) {
            log::info!("Ready to accept connections {name}");
        }
    }
    warn_of_open_access(server);
    if server.process.origin().supervisor == Supervisor::Systemd {
        supervisor::sd_notify("STATUS=Ready to accept connections\n");
        supervisor::sd_notify("READY=1\n");
    }
    let cpus = String::from_utf8_lossy(&server.config.server_cpulist);
    if !cpus.is_empty() {
        // As in Redis, an invalid CPU list has no effect and is not reported.
        let _ = process::set_cpu_affinity(&cpus);
    }
    link::start(server);
    // The failure is logged and is no reason not to serve.
    let _ = server
        .process
        .set_oom_score(&server.config, server.replication.is_replica());
    server.memory.note_startup(server.keyspace.used_memory());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;

    fn title(template: &str, change: impl Fn(&mut Config)) -> String {
        let mut config = Config::new();
        config.proc_title_template = template.into();
        change(&mut config);
        let mut server = Server::new(config, Rng::new(1));
        server.process.set_origin(Origin {
            argv0: "redis-server".into(),
            ..Origin::default()
        });
        super::title(&server)
    }

    #[test]
    fn the_title_follows_its_template() {
        let plain = "{title} {listen-addr} {server-mode}";
        assert_eq!(title(plain, |_| {}), "redis-server *:6379");
        let unix = |config: &mut Config| {
            config.port = 0;
            config.unixsocket = b"/tmp/s".to_vec();
        };
        assert_eq!(title(plain, unix), "redis-server /tmp/s");
        assert_eq!(title("a{port}b{tls-port}", |_| {}), "a6379b0");
    }
}
