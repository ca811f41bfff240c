//! Data from disk at the start, and again for DEBUG RELOAD and LOADAOF.
//!
//! The loop calls `load_slice` each turn until everything is there; in between clients hear that
//! they have to wait. What a log's commands do is done by `call`, as for anybody.

use crate::algo::quoting::in_line;
use crate::command::{CmdError, Reply};
use crate::persist::load::{Loading, Part, Role, Rules, Step};
use crate::persist::reason;
use crate::resp::encode::Resp;
use crate::resp::request::{Argv, OwnedArgv, Tag};
use crate::server::Server;
use crate::server::clients::session::{ClientId, Session};
use crate::server::core::admit::Gates;
use crate::server::core::undelivered;
use crate::server::replication::link;
use crate::server::replication::link::transfer;
use crate::sys::clock;
use crate::sys::signal;
use std::path::PathBuf;

/// How long a slice takes, in microseconds: what a client waits for the answer that it must wait.
const SLICE_US: u64 = 10_000;

/// Loading came to nothing, and the log says why.
#[derive(Debug, PartialEq, Eq)]
pub struct Unloadable;

/// Room for answers that is kept while a log is read.
const KEEP_ANSWER: usize = 64 << 10;

impl Server {
    pub(in crate::server) fn rules(&self) -> Rules {
        Rules {
            checksum: self.config.rdbchecksum && !self.tuning.skip_checksum,
            cut_torn_tail: self.config.aof_load_truncated,
            keep_expired: false,
            lfu: self.keyspace.shared.aging.lfu,
            key_delay_us: self.config.key_load_delay as i64,
            merge: false,
            note_dropped: false,
        }
    }

    /// The snapshot, if there is one.
    fn snapshot_parts(&self) -> Vec<Part> {
        let name = String::from_utf8_lossy(&self.config.dbfilename).into_owned();
        let path = PathBuf::from(&name);
        // What cannot even be looked at shows when it is opened.
        let missing = matches!(path.try_exists(), Ok(false));
        match missing || name.is_empty() {
            true => Vec::new(),
            false => vec![Part {
                path,
                name,
                role: Role::Snapshot,
            }],
        }
    }

    /// The files of the log.
    fn log_parts(&self) -> Vec<Part> {
        let aof = &self.persist.aof;
        let part = |name: &String, role| Part {
            path: aof.path_of(name),
            name: name.clone(),
            role,
        };
        let old = String::from_utf8_lossy(&self.config.appendfilename);
        let base = aof
            .manifest
            .base
            .iter()
            .map(|entry| match entry.name == old {
                true => part(&entry.name, Role::OldLog),
                false => part(&entry.name, Role::Base),
            });
        let rest = aof.manifest.increments.iter();
        let rest = rest.map(|entry| part(&entry.name, Role::Increment));
        base.chain(rest).collect()
    }

    /// Whether all these files are there; the log says which is not.
    fn are_there(parts: &[Part]) -> bool {
        parts.iter().all(|part| {
            let told = |error: &std::io::Error| {
                log::warn!(
                    "Unable to obtain the AOF file {} length. stat: {}",
                    part.name,
                    reason(error)
                );
            };
            std::fs::metadata(&part.path).inspect_err(told).is_ok()
        })
    }

    /// Begins to load what is on disk: the log if there is to be one, else the snapshot. The error
    /// is for the log.
    pub fn begin_load(&mut self) -> Result<(), String> {
        let config = &self.config;
        self.persist.opens_log = config.appendonly;
        let (directory, name) = (&config.appenddirname, &config.appendfilename);
        self.persist.aof.locate(directory, name);
        self.persist.aof.keep_history(config.aof_disable_auto_gc);
        // It tells the numbers that files have had, even if there is to be no log now.
        self.persist.aof.read_manifest()?;
        let parts = if self.persist.opens_log {
            self.persist.aof.adopt_single_file()?;
            let parts = self.log_parts();
            if !Server::are_there(&parts) {
                return Err(String::new());
            }
            parts
        } else {
            self.snapshot_parts()
        };
        let now_s = self.clock.now_s();
        self.persist.saves.last_save_s = now_s;
        if parts.is_empty() {
            return self.end_load();
        }
        // A log tells of the end of its keys; a snapshot does not.
        self.start_loading(parts, self.persist.opens_log);
        Ok(())
    }

    fn start_loading(&mut self, parts: Vec<Part>, keep_expired: bool) {
        let rules = Rules {
            // The primary of a replica tells when they go.
            keep_expired: keep_expired || self.replication.is_replica(),
            note_dropped: true,
            ..self.rules()
        };
        let now_s = self.clock.now_s();
        self.install_loading(Loading::new(parts, rules, now_s));
    }

    /// From now on the loop loads this.
    pub(in crate::server) fn install_loading(&mut self, loading: Loading) {
        self.persist.loading = Some(Box::new(loading));
        self.gates.set(Gates::LOADING, true);
        signal::set_loading(true);
        self.refresh_log_interest();
    }

    /// Loads a slice. True when all is there.
    pub fn load_slice(&mut self) -> Result<bool, Unloadable> {
        let until_us = clock::mono_us() + SLICE_US;
        self.load_until(&mut || clock::mono_us() < until_us)
    }

    /// What the loop does while data is being loaded.
    pub fn go_on_loading(&mut self) {
        let loaded = match self.load_slice() {
            Ok(false) => {
                if let Some(loading) = &mut self.persist.loading {
                    loading.tell_progress();
                }
                return;
            }
            Ok(true) if self.replication.is_loading() => {
                let left_over = self.persist.left_over;
                return transfer::on_loaded(self, left_over);
            }
            Err(Unloadable) if self.replication.is_loading() => {
                return transfer::on_failed(self);
            }
            Ok(true) => self.end_load(),
            Err(Unloadable) => Err(String::new()),
        };
        if let Err(why) = loaded {
            if !why.is_empty() {
                log::warn!("{why}");
            }
            self.life.exit = Some(1);
        }
    }

    fn load_until(&mut self, go_on: &mut dyn FnMut() -> bool) -> Result<bool, Unloadable> {
        let mut session = None;
        loop {
            let Some(mut loading) = self.persist.loading.take() else {
                return Ok(true);
            };
            self.keyspace.set_now_ms(self.clock.now_ms());
            loading.set_key_delay(self.config.key_load_delay as i64);
            let mut staging = self.replication.take_staging(self.keyspace.now_ms());
            let keyspace = staging.as_deref_mut().unwrap_or(&mut self.keyspace);
            let step = loading.step(keyspace, &self.tuning, go_on);
            let is_aside = staging.is_some();
            if let Some(transfer) = self.replication.transfer_mut() {
                transfer.put_staging(staging);
            }
            match step {
                Step::Run(argv) => {
                    self.persist.loading = Some(loading);
                    let session = session.get_or_insert_with(|| self.loader());
                    self.run_logged(session, &argv)?;
                    if go_on() {
                        continue;
                    }
                    self.park_loader(session);
                    return Ok(false);
                }
                Step::More => {
                    self.persist.loading = Some(loading);
                    if !go_on() {
                        if let Some(session) = &mut session {
                            self.park_loader(session);
                        }
                        return Ok(false);
                    }
                }
                Step::Starved => {
                    self.persist.loading = Some(loading);
                    return Ok(false);
                }
                Step::Function(code) if is_aside => {
                    if let Some(transfer) = self.replication.transfer_mut() {
                        transfer.add_library(code);
                    }
                    self.persist.loading = Some(loading);
                }
                Step::Function(code) => {
                    if let Err(text) = self.script.load_library(&code, loading.merges(), None) {
                        let text = in_line(&text);
                        log::warn!("Failed creating the library: {text}");
                        self.gates.set(Gates::LOADING, false);
                        return Err(Unloadable);
                    }
                    self.persist.loading = Some(loading);
                }
                Step::Done => {
                    self.finish_loading(*loading);
                    return Ok(true);
                }
                Step::Failed => {
                    self.gates.set(Gates::LOADING, false);
                    return Err(Unloadable);
                }
            }
        }
    }

    /// The session that runs a log's commands; kept between slices.
    fn loader(&mut self) -> Session {
        match self.life.loader.take() {
            Some(session) => *session,
            None => {
                let mut session = Session::new(ClientId::NOBODY, self.clock.mono_ms());
                session.must_obey = true;
                session.deny_blocking = true;
                session
            }
        }
    }

    fn park_loader(&mut self, session: &mut Session) {
        let fresh = Session::new(ClientId::NOBODY, self.clock.mono_ms());
        self.life.loader = Some(Box::new(std::mem::replace(session, fresh)));
    }

    /// Runs a command of the log.
    fn run_logged(&mut self, session: &mut Session, argv: &OwnedArgv) -> Result<(), Unloadable> {
        let argv = argv.as_argv();
        self.check_logged(&argv)?;
        if self.config.key_load_delay > 0 {
            clock::sleep_us(self.config.key_load_delay as u64);
        }
        self.keyspace.shared.none_overdue = true;
        let mut answer = std::mem::take(&mut self.life.loader_answer);
        answer.clear();
        let most = self.clients.reply_bounds.most;
        let mut reply = Reply::new(&mut answer, Resp::V2).bounded(most);
        let noted = self.stats.unexpected_errors;
        self.execute(session, argv, Tag::default(), &mut reply);
        if answer.first() == Some(&b'-') && self.stats.unexpected_errors == noted {
            let text = answer[1..].strip_suffix(b"\r\n").unwrap_or_default();
            undelivered::report_error(self, session, text);
        }
        if answer.capacity() <= KEEP_ANSWER {
            self.life.loader_answer = answer;
        }
        self.keyspace.shared.none_overdue = false;
        if let Some(loading) = &mut self.persist.loading {
            loading.note_multi(session.multi.is_some());
        }
        Ok(())
    }

    /// A command of the log must be one, with as many arguments as it takes.
    fn check_logged(&self, argv: &Argv) -> Result<(), Unloadable> {
        let Some(loading) = &self.persist.loading else {
            return Ok(());
        };
        let (name, file) = (in_line(argv.at(0)), loading.file_name());
        let number = self.table.lookup(argv.at(0));
        match number.map(|number| self.resolve(number, argv)) {
            Some(Ok(_)) => return Ok(()),
            Some(Err(CmdError::Arity(name))) => log::warn!(
                "Wrong number of arguments for command '{name}' at offset {} reading the append \
                 only file {file}",
                loading.command_offset()
            ),
            _ => log::warn!("Unknown command '{name}' reading the append only file {file}"),
        }
        Err(Unloadable)
    }

    fn finish_loading(&mut self, loading: Loading) {
        let seconds = loading.seconds();
        match loading.is_log {
            _ if loading.again => {}
            true => log::info!("DB loaded from append only file: {seconds:.3} seconds"),
            false => log::info!("DB loaded from disk: {seconds:.3} seconds"),
        }
        self.persist.loaded = loading.tally;
        self.persist.left_over = loading.left_over;
        self.persist.loaded_position = loading.position;
        self.persist.dropped = loading.dropped;
        self.life.loader = None;
        self.gates.set(Gates::LOADING, false);
        signal::set_loading(false);
        let dirty = self.effects.dirty;
        self.persist.saves.clean_at = dirty;
    }

    /// Everything is loaded: the log goes on where it ended, or begins.
    pub fn end_load(&mut self) -> Result<(), String> {
        if self.config.appendonly && self.persist.opens_log {
            let mut aof = std::mem::take(&mut self.persist.aof);
            let with_rdb = self.config.aof_use_rdb_preamble;
            aof.offset = self.replication.offset();
            let opened = aof.open(with_rdb, |path| self.write_base(path));
            self.replication.set_offset(aof.offset);
            self.persist.aof = aof;
            opened?;
        } else {
            link::restore_history(self);
            // It may have been switched on meanwhile: then it begins with what was loaded.
            self.apply_append_only()?;
        }
        self.refresh_log_interest();
        self.become_ready();
        Ok(())
    }

    /// Loads the snapshot again, here and now; mostly into an empty server.
    pub fn reload_snapshot(&mut self, flush: bool, merge: bool) -> Result<(), Unloadable> {
        let parts = self.snapshot_parts();
        if flush {
            self.empty_everything();
        }
        if parts.is_empty() {
            return Err(Unloadable);
        }
        self.start_loading(parts, false);
        if let Some(loading) = &mut self.persist.loading {
            loading.merge(merge);
        }
        self.load_it_all()
    }

    /// Loads the log again, here and now, into an empty server.
    pub fn reload_log(&mut self) -> Result<(), Unloadable> {
        self.flush_aof(true);
        self.empty_everything();
        let config = &self.config;
        let (directory, name) = (&config.appenddirname, &config.appendfilename);
        self.persist.aof.locate(directory, name);
        if let Err(why) = self.persist.aof.read_manifest() {
            if !why.is_empty() {
                log::warn!("{why}");
            }
            return Err(Unloadable);
        }
        let parts = self.log_parts();
        // As in Redis, there is nothing to load where there has never been a log.
        if parts.is_empty() || !Server::are_there(&parts) {
            return Err(Unloadable);
        }
        self.start_loading(parts, true);
        self.load_it_all()
    }

    fn load_it_all(&mut self) -> Result<(), Unloadable> {
        if let Some(loading) = &mut self.persist.loading {
            loading.again = true;
        }
        let loaded = self.load_until(&mut || true);
        self.persist.loading = None;
        self.persist.dropped = Vec::new();
        self.gates.set(Gates::LOADING, false);
        signal::set_loading(false);
        self.refresh_log_interest();
        loaded.map(|_| ())
    }

    fn empty_everything(&mut self) {
        drop(self.script.flush_libraries());
        for index in 0..self.keyspace.databases() {
            self.keyspace.flush(crate::keyspace::DbIndex(index));
        }
        self.settle_alone();
    }
}
