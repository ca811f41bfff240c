//! The command line, exactly as Redis takes it.
//!
//! The first word without a dash names the configuration file; `--option value...` becomes a line of
//! configuration text, to be read after the file and after what came on stdin (`-`). A few words in
//! first place do something else altogether. Nothing here acts: `parse` and `load` say what `main`
//! should do.

use std::path::PathBuf;

pub use crate::version::{BUILD_SHA, REDIS_VERSION};

use crate::config::{AclPubsubDefault, Config, Fatal, Host, LogLevel, read_config_file};

/// The program selected by the name in `argv[0]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Server,
    Sentinel,
    CheckRdb,
    CheckAof,
}

/// The action instead of, or before, serving.
#[derive(Debug)]
pub enum Startup {
    /// Serve (or watch, as a sentinel) with this configuration.
    Run(Run),
    /// Write the text and leave.
    Print {
        text: String,
        to_stderr: bool,
        exit_code: i32,
    },
    /// Log the notes and the reason, and exit with status 1.
    Fatal {
        notes: Vec<(LogLevel, String)>,
        why: Fatal,
    },
    /// Look for known trouble in the system and leave.
    CheckSystem,
    /// Test the memory and leave.
    TestMemory,
    /// Behave as redis-check-rdb or redis-check-aof with these arguments.
    Check {
        program: Program,
        args: Vec<Vec<u8>>,
    },
}

/// The options of serving.
#[derive(Debug)]
pub struct Run {
    pub config: Box<Config>,
    pub sentinel: bool,
    /// There were arguments; without any, Redis warns that it runs on defaults.
    pub has_arguments: bool,
    /// Lines to log once the log stands.
    pub notes: Vec<(LogLevel, String)>,
    /// The command line as it was, for DEBUG RESTART and the process title.
    pub argv: Vec<Vec<u8>>,
}

/// A server command line, taken apart and not yet read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub file: Option<Vec<u8>>,
    pub from_stdin: bool,
    /// The options as lines of configuration.
    pub options: Vec<u8>,
}

/// The environment at start-up: stdin, and the `Host` that checks commands and users.
pub struct StartupEnv<'a> {
    pub stdin: &'a mut dyn std::io::Read,
    pub host: &'a mut dyn Host,
}

/// The line `--version` prints.
pub fn version_line() -> String {
    format!("Redis server {}\n", crate::version::build_line())
}

/// Our version as the log announces it.
pub fn banner() -> String {
    format!("Redis version={REDIS_VERSION}, bits=64, commit={BUILD_SHA}, modified=0")
}

/// The program for a name such as `/usr/bin/redis-server`.
pub fn program(argv0: &[u8]) -> Program {
    let base = argv0.rsplit(|&byte| byte == b'/').next().unwrap_or(argv0);
    let has = |part: &[u8]| base.windows(part.len()).any(|window| window == part);
    if has(b"redis-check-rdb") {
        Program::CheckRdb
    } else if has(b"redis-check-aof") {
        Program::CheckAof
    } else if has(b"redis-sentinel") {
        Program::Sentinel
    } else {
        Program::Server
    }
}

/// Decides on the action of a command line, and reads the configuration if that is to serve.
pub fn start(argv: &[Vec<u8>], env: &mut StartupEnv) -> Startup {
    let program = program(argv.first().map_or(b"".as_slice(), Vec::as_slice));
    let args = argv.get(1..).unwrap_or(&[]);
    if matches!(program, Program::CheckRdb | Program::CheckAof) {
        return Startup::Check {
            program,
            args: argv.to_vec(),
        };
    }
    match args.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => print(version_line(), 0),
        Some(b"-h" | b"--help") => Startup::Print {
            text: usage(),
            to_stderr: true,
            exit_code: 1,
        },
        Some(b"--test-memory") => test_memory(&args[1..]),
        Some(b"--check-system") => Startup::CheckSystem,
        _ => serve(argv, program, env),
    }
}

/// Takes a server's arguments apart; `args` are those after the program's name.
pub fn split(args: &[Vec<u8>]) -> Words {
    let mut words = Words::default();
    let mut rest = args;
    if let Some((first, others)) = args.split_first()
        && first.first() != Some(&b'-')
    {
        words.file = Some(first.clone());
        rest = others;
    }
    // After a bare option name comes its first value, whatever it looks like.
    let mut value_due = false;
    for (index, word) in rest.iter().enumerate() {
        let is_first = index == 0 && words.file.is_none();
        let is_last = index + 1 == rest.len();
        if word == b"-" && (is_first || is_last) {
            words.from_stdin = true;
        } else if !value_due && word.starts_with(b"--") {
            value_due = add_option(&mut words.options, word, rest.get(index + 1));
        } else {
            words.options.extend(crate::config::quote(word));
            words.options.push(b' ');
            value_due = false;
        }
    }
    words
}

/// Begins the line of an option. Returns whether the next word is its value for certain.
///
/// `--save` and `--sentinel` may stand alone: scripts that build a command line from an empty list
/// of save points rely on it.
fn add_option(options: &mut Vec<u8>, word: &[u8], next: Option<&Vec<u8>>) -> bool {
    if !options.is_empty() {
        options.push(b'\n');
    }
    options.extend_from_slice(&word[2..]);
    options.push(b' ');
    // `--port 6380` as a single word brings its value along.
    let is_bare = crate::config::split_args(word).is_some_and(|words| words.len() == 1);
    let stands_alone = next.is_none_or(|next| next.starts_with(b"--"));
    if !is_bare {
        return false;
    }
    if stands_alone && word.eq_ignore_ascii_case(b"--save") {
        options.extend_from_slice(b"\"\"");
        return false;
    }
    !(stands_alone && word.eq_ignore_ascii_case(b"--sentinel"))
}

fn print(text: String, exit_code: i32) -> Startup {
    Startup::Print {
        text,
        to_stderr: false,
        exit_code,
    }
}

fn test_memory(args: &[Vec<u8>]) -> Startup {
    if args.len() != 1 {
        let text = "Please specify the amount of memory to test in megabytes.\n\
                    Example: ./redis-server --test-memory 4096\n\n";
        return Startup::Print {
            text: text.into(),
            to_stderr: true,
            exit_code: 1,
        };
    }
    Startup::TestMemory
}

fn serve(argv: &[Vec<u8>], program: Program, env: &mut StartupEnv) -> Startup {
    let args = argv.get(1..).unwrap_or(&[]);
    let sentinel = program == Program::Sentinel || args.iter().any(|word| word == b"--sentinel");
    let words = split(args);
    let mut notes = Vec::new();
    match load(&words, sentinel, env, &mut notes) {
        Ok(_) if sentinel && words.file.is_none() => {
            let text = "Sentinel needs config file on disk to save state. Exiting...";
            Startup::Fatal {
                notes,
                why: Fatal::Log(text.into()),
            }
        }
        Ok(config) => Startup::Run(Run {
            config: Box::new(config),
            sentinel,
            has_arguments: !args.is_empty(),
            notes,
            argv: argv.to_vec(),
        }),
        Err(why) => Startup::Fatal { notes, why },
    }
}

/// Reads file, stdin and options into a configuration.
fn load(
    words: &Words,
    sentinel: bool,
    env: &mut StartupEnv,
    notes: &mut Vec<(LogLevel, String)>,
) -> Result<Config, Fatal> {
    let mut config = Config::new();
    if sentinel {
        config.save.clear();
    }
    let mut text = Vec::new();
    if let Some(file) = &words.file {
        let path = absolute(file);
        text = read_config_file(path.as_os_str().as_encoded_bytes())?;
        config.config_file = Some(path);
    }
    if words.from_stdin {
        notes.push((LogLevel::Notice, "Reading config from stdin".into()));
        if let Err(error) = env.stdin.read_to_end(&mut text) {
            let reason = crate::config::os_reason(&error);
            return Err(Fatal::Log(format!(
                "Fatal error, can't read config from stdin: {reason}"
            )));
        }
    }
    if !words.options.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(&words.options);
    }
    let mut host = StartHost {
        host: env.host,
        sentinel,
    };
    config.load(&text, &mut host)?;
    Ok(config)
}

/// The host of a start, which knows whether the binary was called as a sentinel.
struct StartHost<'a> {
    host: &'a mut dyn Host,
    sentinel: bool,
}

impl Host for StartHost<'_> {
    fn chdir(&mut self, dir: &[u8]) -> Result<Vec<u8>, String> {
        self.host.chdir(dir)
    }

    fn rename_command(&mut self, from: &[u8], to: &[u8]) -> Result<(), String> {
        self.host.rename_command(from, to)
    }

    fn check_user(
        &mut self,
        rules: &[Vec<u8>],
        channels: AclPubsubDefault,
    ) -> Result<(), (usize, String)> {
        self.host.check_user(rules, channels)
    }

    fn check_logfile(&mut self, path: &[u8]) -> Result<(), String> {
        self.host.check_logfile(path)
    }

    fn is_sentinel(&self) -> bool {
        self.sentinel
    }
}

/// The path from the root, since `dir` may move us before CONFIG REWRITE. Links stay as they are.
fn absolute(file: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(file));
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn usage() -> String {
    "Usage: ./redis-server [/path/to/redis.conf] [options] [-]
       ./redis-server - (configuration on stdin)
       ./redis-server -v or --version
       ./redis-server -h or --help
       ./redis-server --test-memory <megabytes>
       ./redis-server --check-system

Any directive is an option too; options win over stdin, stdin over the file:
       ./redis-server --port 7777 --save 60 1 --loglevel verbose
       echo 'maxmemory 128mb' | ./redis-server -
       ./redis-server /etc/redis/redis.conf --appendonly yes -

As a sentinel:
       ./redis-server /etc/redis/sentinel.conf --sentinel

"
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Anything;
    impl Host for Anything {}

    fn argv(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn start_with(words: &[&str], stdin: &str) -> Startup {
        let mut stdin = stdin.as_bytes();
        let mut host = Anything;
        start(
            &argv(words),
            &mut StartupEnv {
                stdin: &mut stdin,
                host: &mut host,
            },
        )
    }

    fn options(words: &[&str]) -> String {
        String::from_utf8(split(&argv(words)).options).expect("utf-8")
    }

    #[test]
    fn options_become_lines() {
        assert_eq!(
            options(&["--port", "1", "--save", "60", "1"]),
            "port \"1\" \nsave \"60\" \"1\" "
        );
        assert_eq!(
            options(&["--save", "--port", "0"]),
            "save \"\"\nport \"0\" "
        );
        assert_eq!(options(&["--save"]), "save \"\"");
        assert_eq!(options(&["--port 0", "--hz", "5"]), "port 0 \nhz \"5\" ");
        assert_eq!(
            options(&["--sentinel", "--hz", "5"]),
            "sentinel \nhz \"5\" "
        );
        assert_eq!(options(&["f.conf", "--sentinel"]), "sentinel ");
    }

    #[test]
    fn a_value_may_look_like_an_option() {
        assert_eq!(
            options(&["--requirepass", "--foo", "--hz", "5"]),
            "requirepass \"--foo\" \nhz \"5\" "
        );
    }

    #[test]
    fn the_first_word_without_dash_is_the_file() {
        let words = split(&argv(&["a.conf", "--port", "1", "-"]));
        assert_eq!(words.file, Some(b"a.conf".to_vec()));
        assert!(words.from_stdin);
        assert!(!split(&argv(&["a.conf", "-", "--port", "1"])).from_stdin);
        assert!(split(&argv(&["-", "--port", "1"])).from_stdin);
    }

    #[test]
    fn errors_of_the_command_line_read_as_redis_says_them() {
        let cases: [(&[&str], &str); 9] = [
            (
                &["s", "--port"],
                "at line 2|>>> 'port'|wrong number of arguments",
            ),
            (
                &["s", "--port", "--loglevel", "verbose"],
                "at line 2|>>> 'port \"--loglevel\" \"verbose\"'|wrong number of arguments",
            ),
            (
                &["s", "--port", "--bad"],
                "at line 2|>>> 'port \"--bad\"'|argument couldn't be parsed into an integer",
            ),
            (
                &["s", "--save", "", "zz"],
                "at line 2|>>> 'save \"\" \"zz\"'|Invalid save parameters",
            ),
            (
                &["s", "--save", "--port", "0", "--zzz"],
                "at line 4|>>> 'zzz'|Bad directive or wrong number of arguments",
            ),
            (
                &["s", "--port", "0", "--", "x"],
                "at line 3|>>> '\"x\"'|Bad directive or wrong number of arguments",
            ),
            (
                &["s", "-x"],
                "at line 2|>>> '\"-x\"'|Bad directive or wrong number of arguments",
            ),
            (
                &["s", "--PORT", "a\"b"],
                "at line 2|>>> 'PORT \"a\\\"b\"'|argument couldn't be parsed into an integer",
            ),
            (
                &["s", "--replicaof", "127.0.0.1 abc"],
                "at line 2|>>> 'replicaof \"127.0.0.1 abc\"'|Invalid master port",
            ),
        ];
        for (words, expected) in cases {
            assert_eq!(fatal_tail(words), expected);
        }
    }

    /// The message from its line number on.
    fn fatal_tail(words: &[&str]) -> String {
        match start_with(words, "") {
            Startup::Fatal {
                why: Fatal::Stderr(text),
                ..
            } => {
                let text = String::from_utf8(text)
                    .expect("utf-8")
                    .trim()
                    .replace('\n', "|");
                let at = text.find("at line").expect("a line number");
                text[at..].to_string()
            }
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn options_win_over_stdin() {
        let Startup::Run(run) = start_with(&["s", "-", "--port", "2"], "port 1\nhz 20") else {
            panic!("should run");
        };
        assert_eq!((run.config.port, run.config.hz), (2, 20));
        assert_eq!(run.notes[0].1, "Reading config from stdin");
    }

    #[test]
    fn words_in_first_place_do_something_else() {
        let version = start_with(&["s", "--version", "--port", "1"], "");
        assert!(matches!(
            version,
            Startup::Print {
                exit_code: 0,
                to_stderr: false,
                ..
            }
        ));
        let help = start_with(&["s", "-h", "x"], "");
        assert!(matches!(
            help,
            Startup::Print {
                exit_code: 1,
                to_stderr: true,
                ..
            }
        ));
        assert!(matches!(
            start_with(&["s", "--check-system"], ""),
            Startup::CheckSystem
        ));
        let test = start_with(&["s", "--test-memory", "10"], "");
        assert!(matches!(test, Startup::TestMemory));
        let bare = start_with(&["s", "--test-memory"], "");
        assert!(matches!(
            bare,
            Startup::Print {
                exit_code: 1,
                to_stderr: true,
                ..
            }
        ));
        assert!(fatal_tail(&["s", "--port", "0", "-v"]).contains("port \"0\" \"-v\""));
    }

    #[test]
    fn the_name_chooses_the_program() {
        assert_eq!(program(b"/usr/bin/redis-server"), Program::Server);
        assert_eq!(program(b"./redis-check-rdb"), Program::CheckRdb);
        assert_eq!(program(b"redis-check-aof"), Program::CheckAof);
        assert_eq!(program(b"redis-sentinel"), Program::Sentinel);
        let missing = start_with(&["s", "--sentinel"], "");
        assert!(matches!(
            missing,
            Startup::Fatal {
                why: Fatal::Log(_),
                ..
            }
        ));
    }

    #[test]
    fn a_missing_file_is_named_in_full() {
        let Startup::Fatal {
            why: Fatal::Log(text),
            ..
        } = start_with(&["s", "nofile.conf"], "")
        else {
            panic!("there is no such file");
        };
        assert!(
            text.starts_with("Fatal error, can't open config file '/"),
            "{text}"
        );
        assert!(
            text.ends_with("/nofile.conf': No such file or directory"),
            "{text}"
        );
    }
}
