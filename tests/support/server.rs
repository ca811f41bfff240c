//! A real server process for a test: own folder, free port, log kept, ended with the test.
//!
//! `Server::start()` is our binary (or the one `REDWHEEL_BIN` names, so that the tests themselves
//! can be tried on a real Redis); `Server::of(path)` is any other. Options are added with `.with`.

use super::client::Client;
use super::wait::{wait_for, wait_until};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// The binary under test.
pub fn our_binary() -> PathBuf {
    std::env::var_os("REDWHEEL_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_redwheel").into(), PathBuf::from)
}

/// A port without a listener, at least at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// The options of a server to be started.
pub struct Builder {
    binary: PathBuf,
    options: Vec<String>,
    config: Option<String>,
    environment: Vec<(String, String)>,
}

impl Builder {
    /// Adds command line words, e.g. `["--hz", "100"]`.
    pub fn with(mut self, words: &[&str]) -> Builder {
        self.options.extend(words.iter().map(|w| (*w).to_owned()));
        self
    }

    /// Sets a variable of the server's environment.
    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts from a config file with this text.
    pub fn config(mut self, text: &str) -> Builder {
        self.config = Some(text.to_owned());
        self
    }

    pub fn start(self) -> Server {
        let dir = TempDir::new().expect("a temporary folder can be made");
        if let Some(text) = &self.config {
            std::fs::write(dir.path().join("redis.conf"), text).expect("the folder is ours");
        }
        let mut server = Server {
            builder: self,
            dir,
            port: 0,
            child: None,
        };
        // Another process may take the port between our look and the bind: then try the next one.
        for _ in 0..5 {
            server.port = free_port();
            server.launch();
            if server.wait_until_ready() {
                return server;
            }
            server.kill();
        }
        panic!("the server does not start; its log:\n{}", server.log());
    }
}

/// A running server; dropping it ends it.
pub struct Server {
    builder: Builder,
    dir: TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl Server {
    pub fn start() -> Server {
        Server::ours().start()
    }

    pub fn ours() -> Builder {
        Server::of(&our_binary())
    }

    pub fn of(binary: &Path) -> Builder {
        Builder {
            binary: binary.to_owned(),
            options: Vec::new(),
            config: None,
            environment: Vec::new(),
        }
    }

    fn launch(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path());
        let log = log.expect("the log file can be made");
        let mut command = Command::new(&self.builder.binary);
        if self.builder.config.is_some() {
            command.arg("redis.conf");
        }
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(
                self.builder
                    .config
                    .is_none()
                    .then_some(["--save", ""])
                    .iter()
                    .flatten(),
            )
            .args(&self.builder.options)
            .envs(
                self.builder
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a file handle can be cloned"))
            .stdout(log);
        self.child = Some(command.spawn().expect("the server's binary can be run"));
    }

    /// Waits until the server replies with anything but -LOADING. Returns false if it has exited.
    fn wait_until_ready(&mut self) -> bool {
        let port = self.port;
        wait_for("the server replies or has exited", || {
            if self.exited().is_some() {
                return Some(false);
            }
            let mut client = Client::connect(port).ok()?;
            client.send_raw(b"PING\r\n").ok()?;
            let reply = client.reply_raw().ok()?;
            (!reply.starts_with(b"-LOADING")).then_some(true)
        })
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
            .unwrap_or_else(|error| panic!("the server does not accept: {error}\n{}", self.log()))
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    /// Everything the server wrote so far, to either stream.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the log holds `text`.
    pub fn wait_for_log(&self, text: &str) {
        wait_until(
            &format!("{text:?} in {}", self.log_path().display()),
            || self.log().contains(text),
        );
    }

    /// The exit status, if the server has exited.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child
            .as_mut()?
            .try_wait()
            .expect("our own child can be asked")
    }

    /// Waits for the server to end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the server ends", || self.exited())
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status();
        assert!(
            kill.is_ok_and(|s| s.success()),
            "kill -{name} reaches the server"
        );
    }

    /// Ends the server without ceremony, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have exited already, which is fine.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts again without waiting for a reply: none is expected.
    pub fn relaunch(&mut self) {
        self.kill();
        self.launch();
    }

    /// Starts again on the same port, in the same folder.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
        assert!(
            self.wait_until_ready(),
            "the server restarts; its log:\n{}",
            self.log()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
