//! A server under measurement: started on its own core, asked for its CPU time and its memory.

use super::oracle;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The core of the servers and that of the load.
pub const SERVER_CORE: &str = "0";
pub const LOAD_CORE: &str = "1";

/// A server we can start: what the table calls it, its binary and its version.
pub struct Subject {
    pub name: &'static str,
    pub version: String,
    binary: PathBuf,
}

/// The chosen servers that are installed; a message for each that is not.
pub fn installed(chosen: &[String]) -> Vec<Subject> {
    let ours = std::env::var_os("REDWHEEL_BIN");
    let ours = ours.map_or_else(|| env!("CARGO_BIN_EXE_redwheel").into(), PathBuf::from);
    let all = [
        ("ours", Some(ours)),
        ("redis", oracle::redis()),
        ("redis-8.2", oracle::redis_8_2()),
        ("valkey", oracle::valkey()),
    ];
    let mut subjects = Vec::new();
    for (name, binary) in all
        .into_iter()
        .filter(|(name, _)| chosen.iter().any(|c| c == name))
    {
        let Some(binary) = binary else {
            eprintln!("skipped {name}: not installed; tests/oracles.sh does that");
            continue;
        };
        match Command::new(&binary).arg("--version").output() {
            Ok(said) => {
                let words = String::from_utf8_lossy(&said.stdout).into_owned();
                let version = words
                    .split_whitespace()
                    .find_map(|w| w.strip_prefix("v="))
                    .unwrap_or("?")
                    .to_owned();
                subjects.push(Subject {
                    name,
                    version,
                    binary,
                });
            }
            Err(error) => eprintln!("skipped {name}: {}: {error}", binary.display()),
        }
    }
    subjects
}

/// Binds the calling thread to a core, or to all with `0-1` and the like.
pub fn pin_self(cores: &str) {
    let thread = std::fs::read_link("/proc/thread-self").expect("Linux has /proc");
    let id = thread
        .file_name()
        .expect("its last part is the thread id")
        .to_owned();
    let done = Command::new("taskset")
        .args(["-cp", cores])
        .arg(id)
        .stdout(Stdio::null())
        .status();
    if !done.is_ok_and(|status| status.success()) {
        eprintln!("note: taskset cannot bind to core {cores}; the figures are noisier for it");
    }
}

pub struct Running {
    child: Child,
    pub port: u16,
    _dir: Option<tempfile::TempDir>,
}

impl Subject {
    /// Starts the server and waits for its first PONG; `pinned` binds it to its core.
    pub fn start(&self, pinned: bool) -> Running {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let mut running = self.launch(dir.path(), pinned, &["--appendonly", "no"]);
        running._dir = Some(dir);
        running
    }

    /// Starts the server with its files in `folder`.
    pub fn start_in(&self, folder: &Path, options: &[&str]) -> Running {
        self.launch(folder, true, options)
    }

    fn launch(&self, folder: &Path, pinned: bool, options: &[&str]) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        drop(listener);
        let mut command = if pinned {
            pinned_command(&self.binary)
        } else {
            Command::new(&self.binary)
        };
        let child = command
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(options)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server can be run");
        let mut running = Running {
            child,
            port,
            _dir: None,
        };
        running.wait_for_pong(self.name);
        running
    }

    /// From exec to the first PONG.
    pub fn first_pong(&self) -> Duration {
        let began = Instant::now();
        let _running = self.start(false);
        began.elapsed()
    }
}

fn pinned_command(binary: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]).arg(binary);
    command
}

impl Running {
    fn wait_for_pong(&mut self, name: &str) {
        let began = Instant::now();
        loop {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                let mut reply = [0; 7];
                let asked = stream
                    .write_all(b"PING\r\n")
                    .and_then(|()| stream.read_exact(&mut reply));
                if asked.is_ok() && &reply == b"+PONG\r\n" {
                    return;
                }
            }
            let ended = self.child.try_wait().expect("our own child can be asked");
            assert!(
                ended.is_none() && began.elapsed() < Duration::from_secs(120),
                "{name} does not start: {ended:?}"
            );
            sleep(Duration::from_micros(100));
        }
    }

    /// Nanoseconds of CPU that all threads have used so far.
    pub fn cpu_ns(&self) -> u64 {
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the server runs");
        tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Whether a child of it runs: one that saves.
    pub fn has_child(&self) -> bool {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children.is_ok_and(|ids| !ids.trim().is_empty())
    }

    /// Tells what the thread that serves has used, often and quickly.
    pub fn cpu_meter(&self) -> CpuMeter {
        let id = self.child.id();
        CpuMeter(File::open(format!("/proc/{id}/task/{id}/schedstat")).expect("the server runs"))
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.expect("a running server has resident memory") * 1024
    }
}

/// Tells the CPU time of a server's main thread.
pub struct CpuMeter(File);

impl CpuMeter {
    /// Nanoseconds used so far. What the host of a virtual machine gave to others is not in it.
    pub fn ns(&self) -> u64 {
        let mut line = [0; 64];
        let n = self.0.read_at(&mut line, 0).unwrap_or(0);
        let digits = line[..n].iter().take_while(|d| d.is_ascii_digit());
        digits.fold(0, |n, d| n * 10 + u64::from(d - b'0'))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
