//! Random users on the real server and ours: the same rules, and the same replies to their
//! commands.
//!
//! A round makes one user out of random words, step by step. After each step both servers must
//! show the same rules, give the same verdict on commands that the user might run (ACL DRYRUN),
//! and the same replies when the user runs them, alone, in transactions and in scripts. At the end
//! both logs of denials are compared.
//!
//! REDWHEEL_DIFF_USERS says how many rounds (40), REDWHEEL_DIFF_SEED where to start.

use super::families::FAMILIES;
use super::grammar::{Command, Compare, Generator, KEYS, Template};
use super::rng::Rng;
use super::support::client::{Client, Value, encode};
use super::{Pair, same, setting, shown};

/// Changes of the user in one round.
const STEPS: usize = 12;
/// The number of commands checked after each change, and of those that are run.
const ASKED: usize = 25;
const RUN: usize = 12;
/// Their replies describe the process or the connection.
const NO_DATA: &[&str] = &["connection", "server"];

const WORDS: &[&str] = &[
    "on",
    "on",
    "on",
    "off",
    "nopass",
    "nopass",
    "resetpass",
    "reset",
    "allkeys",
    "resetkeys",
    "allchannels",
    "resetchannels",
    "allcommands",
    "nocommands",
    "clearselectors",
    "+@all",
    "+@all",
    "-@all",
    "AllKeys",
    "~*",
    "&*",
    "sanitize-payload",
    "skip-sanitize-payload",
    ">p",
    ">q",
    "<p",
    "<q",
    "#abc",
    "!abc",
    "",
    "nonsense",
    "+",
    "-",
    "~",
    "%",
    "&",
    "(",
    ")",
    "()",
    "(+get",
    "~k)",
    "+select|0",
    "+select|",
    "+SELECT|One",
    "-select|0",
    "+config|get|x",
    "+nosuch",
    "+@nosuch",
    "+@",
    "%R",
    "%RW~b*",
    "%rr~a",
    "%w~k*",
    "%R~*",
    "%W~*",
    "(%R~* +@all)",
    "(+@read ~a*)",
    "(%W~b +@write +get)",
    "(allkeys -@all +sort)",
    "(&c* +publish)",
    "( +get  ~a )",
    "(nonsense)",
    "(\"+get\" '~b')",
    "(+get \"~b)",
    "+@all\0x",
    "~a\0b",
    "~a b",
    "&a b",
    "+publish",
    "+subscribe",
    "#9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "!9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
];

const FINE: &[&str] = &[
    "on",
    "on",
    "nopass",
    "nopass",
    "+@all",
    "+@all",
    "-@all",
    "resetkeys",
    "resetchannels",
    ">p",
    "clearselectors",
    "(%R~* +@all)",
    "(+@read ~a*)",
    "(%W~b +@write +get)",
    "(&c* +publish)",
    "(allkeys -@all +sort)",
    "+eval",
    "+multi",
    "+publish",
    "+subscribe",
];

/// Commands about channels and the server, which the templates of data do not have.
const OTHERS: &[&str] = &[
    "PUBLISH c1 x",
    "SPUBLISH d x",
    "PUBLISH",
    "SUBSCRIBE c1 d",
    "PSUBSCRIBE c* d",
    "SSUBSCRIBE c1",
    "UNSUBSCRIBE x",
    "CONFIG GET maxmemory",
    "CONFIG",
    "CONFIG nosuch",
    "CLIENT ID",
    "CLIENT",
    "PING",
    "SELECT 0",
    "SELECT 1",
    "select one",
    "AUTH x y",
    "HELLO 3",
    "QUIT",
    "RESET",
    "ACL WHOAMI",
    "ACL LIST",
    "EVAL x 1 a",
    "EVAL x 2 a b",
    "EVAL x 9 a",
    "EVAL_RO x 1 b",
    "FCALL f 1 a",
    "nosuch",
    "SORT a BY x",
    "SORT a GET b* STORE key:1",
    "SORT_RO b",
    "MIGRATE h 1 a 0 1",
    "MIGRATE h 1  0 1 KEYS a b",
    "MIGRATE h 1 a 0 1 AUTH keys KEYS b",
    "XREAD STREAMS a b 0 0",
    "XREADGROUP GROUP g c STREAMS a 0",
    "ZUNION 2 a b",
    "ZUNIONSTORE key:1 2 a b",
    "LMPOP 1 a LEFT",
    "BLMPOP 0 1 b LEFT",
    "SET a x GET",
    "SET a x",
    "BITFIELD a GET u8 0",
    "BITFIELD a SET u8 0 1",
    "COPY a b",
    "COPY b a",
    "RENAME a b",
    "OBJECT ENCODING b",
    "MEMORY USAGE a",
    "DEBUG OBJECT a",
    "WATCH a",
    "GEORADIUS a 1 1 1 m STORE b",
    "SINTERCARD 2 a b",
    "EXISTS a b key:1",
    "PFCOUNT a",
    "PFMERGE a b",
    "LCS a b",
    "GETEX a",
];

struct Round<'p> {
    rng: Rng,
    generator: Generator,
    templates: Vec<&'static Template>,
    commands: Vec<String>,
    categories: Vec<String>,
    admins: [Client; 2],
    pair: &'p Pair,
    said: Vec<String>,
}

fn names(client: &mut Client, line: &str) -> Vec<String> {
    let reply = client.run(line);
    reply.items().iter().map(Value::text).collect()
}

/// The commands that both servers have.
fn shared_commands(admins: &mut [Client; 2]) -> Vec<String> {
    let [ours, real] = admins.each_mut().map(|admin| names(admin, "COMMAND LIST"));
    ours.into_iter()
        .filter(|name| real.contains(name))
        .collect()
}

fn words(line: &str) -> Command {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// Whether Redis looks for the keys of a command in the wrong place: it takes PFMERGE without
/// sources to have none, and of options that come twice the first.
fn redis_misses_keys(command: &Command) -> bool {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let Some(at) = command.iter().position(|word| {
        let names = [
            "pfmerge",
            "georadius",
            "georadiusbymember",
            "sort",
            "xreadgroup",
        ];
        names.iter().any(|name| is(word, name))
    }) else {
        return false;
    };
    let rest = &command[at + 1..];
    let times = |names: &[&str]| {
        let named = |word: &&Vec<u8>| names.iter().any(|name| is(word, name));
        rest.iter().filter(named).count()
    };
    is(&command[at], "pfmerge") && rest.len() == 1
        || times(&["store", "storedist"]) > 1
        || times(&["streams"]) > 1
}

impl Round<'_> {
    /// The replies of both servers to a command, which must be alike.
    fn ask(&mut self, command: &Command) -> Vec<u8> {
        let bytes = encode(command);
        let [ours, real] = self.admins.each_mut().map(|admin| {
            admin.send_raw(&bytes).expect("the server is there");
            admin.reply_raw().expect("the server replies")
        });
        self.judge(command, Compare::Exact, &ours, &real);
        ours
    }

    fn judge(&self, command: &Command, how: Compare, ours: &[u8], real: &[u8]) {
        assert!(
            same(how, ours, real) || redis_misses_keys(command),
            "{} differs\n  ours: {}\n  real: {}\nafter\n{}",
            shown(command),
            ours.escape_ascii(),
            real.escape_ascii(),
            self.said.join("\n")
        );
    }

    /// A word of ACL SETUSER.
    fn word(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        let sign = if rng.one_in(3) { "-" } else { "+" };
        let pattern = |rng: &mut Rng| match rng.below(3) {
            0 => KEYS[rng.below(KEYS.len())].to_vec(),
            1 => b"k*".to_vec(),
            _ => rng
                .pick(&["a*", "?", "[ab]", "key:?", "c*"])
                .as_bytes()
                .to_vec(),
        };
        match rng.below(12) {
            // Many of these are wrong, and then nothing changes.
            0 => rng.pick(WORDS).as_bytes().to_vec(),
            1..=2 => rng.pick(FINE).as_bytes().to_vec(),
            3..=5 => {
                let name = &self.commands[rng.below(self.commands.len())];
                let name = if rng.one_in(8) {
                    name.to_uppercase()
                } else {
                    name.clone()
                };
                format!("{sign}{name}").into_bytes()
            }
            6..=7 => {
                let name = &self.categories[rng.below(self.categories.len())];
                format!("{sign}@{name}").into_bytes()
            }
            8..=10 => {
                let mark = rng.pick(&["~", "~", "%R~", "%W~", "%RW~"]).as_bytes();
                [mark, &pattern(rng)].concat()
            }
            _ => [b"&".as_slice(), &pattern(rng)].concat(),
        }
    }

    /// A command that the user might run.
    fn errand(&mut self) -> (Compare, Command) {
        match self.rng.below(3) {
            0 => (Compare::Exact, words(self.rng.pick(OTHERS))),
            _ => self.generator.command(&self.templates),
        }
    }

    /// Changes the user, and looks at it.
    fn change(&mut self) {
        let mut command = words("ACL SETUSER u");
        for _ in 0..=self.rng.below(5) {
            command.push(self.word());
        }
        self.said.push(shown(&command));
        self.ask(&command);
        self.ask(&words("ACL GETUSER u"));
        self.ask(&words("ACL LIST"));
    }

    /// Asks what the user could do.
    fn dry_run(&mut self) {
        for _ in 0..ASKED {
            let (_, errand) = self.errand();
            self.ask(&[words("ACL DRYRUN u"), errand].concat());
        }
    }

    /// Lets the user do it.
    fn run(&mut self, proto: u64) {
        let mut users = [&self.pair.ours, &self.pair.real].map(|server| server.client());
        let mut lines = vec![
            words(&format!("HELLO {proto}")),
            words("AUTH u p"),
            words("ACL WHOAMI"),
        ];
        let mut hows = vec![Compare::Any, Compare::Exact, Compare::Exact];
        let manner = self.rng.below(4);
        if manner == 0 {
            lines.push(words("MULTI"));
            hows.push(Compare::Exact);
        }
        for _ in 0..RUN {
            let (_, mut errand) = self.generator.command(&self.templates);
            // A denial inside a script is an error reply.
            if manner == 1 {
                let script = "return redis.pcall(unpack(ARGV))";
                let before = [b"EVAL".to_vec(), script.into(), b"0".to_vec()];
                errand = [before.to_vec(), errand].concat();
            } else if manner == 2 {
                // SORT alone makes Redis look for its key behind the end of the arguments.
                if errand.len() == 1 {
                    errand.push(b"a".to_vec());
                }
                let script = "return tostring(redis.acl_check_cmd(unpack(ARGV)))";
                let before = [b"EVAL".to_vec(), script.into(), b"0".to_vec()];
                errand = [before.to_vec(), errand].concat();
            }
            lines.push(errand);
            hows.push(Compare::Exact);
        }
        for (line, how) in lines.iter().zip(hows) {
            let bytes = encode(line);
            let [ours, real] = users.each_mut().map(|user| {
                user.send_raw(&bytes).expect("the server is there");
                user.reply_raw().expect("the server replies")
            });
            // The data are not what is looked at here: their order and time may differ.
            let is_error = |reply: &[u8]| reply[0] == b'-';
            if is_error(&ours) || is_error(&real) || how != Compare::Exact || manner == 2 {
                self.judge(line, how, &ours, &real);
            }
        }
    }

    /// The log of denials, without the parts that differ between any two servers.
    fn log(&mut self) {
        let logs = self.admins.each_mut().map(|admin| {
            let entries = admin.run("ACL LOG 50").items();
            let told = entries.iter().map(|entry| {
                let fields = ["count", "reason", "context", "object", "username"];
                let fields = fields.map(|name| entry.field(name).map(|value| value.text()));
                let client = entry.field("client-info").map(|line| line.text());
                let command = client.and_then(|line| {
                    let mut words = line.split(' ').map(str::to_owned);
                    words.find(|word| word.starts_with("cmd="))
                });
                format!("{fields:?} {command:?}")
            });
            told.collect::<Vec<_>>()
        });
        assert_eq!(logs[0], logs[1], "ACL LOG after\n{}", self.said.join("\n"));
    }
}

#[test]
fn users_have_the_same_permissions_as_in_redis() {
    let Some(pair) = Pair::start() else { return };
    let templates: Vec<&'static Template> = FAMILIES
        .iter()
        .filter(|family| !NO_DATA.contains(&family.0))
        .flat_map(|family| family.1)
        // A threshold that is changed would stay so.
        .filter(|template| !template.1.starts_with("CONFIG"))
        .collect();
    let first = setting("REDWHEEL_DIFF_SEED", 1);
    for seed in first..first + setting("REDWHEEL_DIFF_USERS", 40) {
        let proto = 2 + seed % 2;
        let mut admins = pair.fresh(proto);
        let commands = shared_commands(&mut admins);
        let categories = names(&mut admins[0], "ACL CAT");
        for line in ["ACL DELUSER u", "ACL LOG RESET"] {
            admins.iter_mut().for_each(|admin| drop(admin.run(line)));
        }
        let default = if seed % 3 == 0 {
            "allchannels"
        } else {
            "resetchannels"
        };
        let line = format!("CONFIG SET acl-pubsub-default {default}");
        admins.iter_mut().for_each(|admin| drop(admin.run(&line)));
        let mut round = Round {
            rng: Rng::new(seed),
            generator: Generator::new(seed),
            templates: templates.clone(),
            commands,
            categories,
            admins,
            pair: &pair,
            said: vec![format!("seed {seed}, {default}")],
        };
        for _ in 0..STEPS {
            round.change();
            round.dry_run();
            round.run(proto);
        }
        round.log();
    }
}

#[test]
fn categories_hold_the_same_commands_as_in_redis() {
    let Some(pair) = Pair::start() else { return };
    let mut admins = pair.fresh(2);
    let [ours, real] = admins.each_mut().map(|admin| names(admin, "ACL CAT"));
    assert_eq!(ours, real);
    let known = shared_commands(&mut admins);
    for category in ours {
        let [mut ours, mut real] = admins.each_mut().map(|admin| {
            let all = names(admin, &format!("ACL CAT {category}"));
            all.into_iter()
                .filter(|name| known.contains(name))
                .collect::<Vec<_>>()
        });
        ours.sort();
        real.sort();
        assert_eq!(ours, real, "@{category}");
    }
}
