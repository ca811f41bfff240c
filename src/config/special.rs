//! The directives with a grammar of their own: save, bind, client-output-buffer-limit and friends.
//!
//! Each is a `Special`: how its arguments change the configuration, how CONFIG GET shows it, which
//! lines a rewritten file has. A special either takes all its arguments or changes nothing.

use super::directive::{Line, Source, Special};
use super::fields::Config;
use super::value::{find_word, parse_int, print_memory};
use crate::algo::quoting::{has_control, needs_repr, quote};
use crate::algo::units::parse_memory;

/// Save when `changes` changes happened and `seconds` passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u32,
}

/// The limits on a client's pending output; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_seconds: u32,
}

/// The way in which a signal shuts the server down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    pub save: bool,
    pub nosave: bool,
    pub now: bool,
    pub force: bool,
}

/// The classes of keyspace events, a bit for each letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(pub u32);

impl NotifyFlags {
    pub const KEYSPACE: u32 = 1 << 0;
    pub const KEYEVENT: u32 = 1 << 1;
    pub const GENERIC: u32 = 1 << 2;
    pub const STRING: u32 = 1 << 3;
    pub const LIST: u32 = 1 << 4;
    pub const SET: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const ZSET: u32 = 1 << 7;
    pub const EXPIRED: u32 = 1 << 8;
    pub const EVICTED: u32 = 1 << 9;
    pub const STREAM: u32 = 1 << 10;
    pub const KEY_MISS: u32 = 1 << 11;
    pub const MODULE: u32 = 1 << 13;
    pub const NEW: u32 = 1 << 14;
    pub const OVERWRITTEN: u32 = 1 << 15;
    pub const TYPE_CHANGED: u32 = 1 << 16;
    pub const ARRAY: u32 = 1 << 17;
    /// The classes that `A` stands for.
    pub const ALL: u32 = 0b111_1111_1100 | NotifyFlags::MODULE | NotifyFlags::ARRAY;

    /// The letters in the order Redis prints them; K, E and m follow even after `A`.
    const LETTERS: [(u8, u32); 17] = [
        (b'g', NotifyFlags::GENERIC),
        (b'$', NotifyFlags::STRING),
        (b'l', NotifyFlags::LIST),
        (b's', NotifyFlags::SET),
        (b'h', NotifyFlags::HASH),
        (b'z', NotifyFlags::ZSET),
        (b'x', NotifyFlags::EXPIRED),
        (b'e', NotifyFlags::EVICTED),
        (b't', NotifyFlags::STREAM),
        (b'd', NotifyFlags::MODULE),
        (b'a', NotifyFlags::ARRAY),
        (b'n', NotifyFlags::NEW),
        (b'o', NotifyFlags::OVERWRITTEN),
        (b'c', NotifyFlags::TYPE_CHANGED),
        (b'K', NotifyFlags::KEYSPACE),
        (b'E', NotifyFlags::KEYEVENT),
        (b'm', NotifyFlags::KEY_MISS),
    ];

    /// The index of K in `LETTERS`.
    const AFTER_ALL: usize = 14;

    /// Whether events of the class with this letter are notified.
    pub fn has_class(self, letter: u8) -> bool {
        let bit = NotifyFlags::LETTERS
            .iter()
            .find(|(known, _)| *known == letter);
        bit.is_some_and(|(_, bit)| self.0 & bit != 0)
    }

    pub fn parse(text: &[u8]) -> Option<NotifyFlags> {
        let mut flags = 0;
        for &letter in text {
            flags |= match letter {
                b'A' => NotifyFlags::ALL,
                _ => {
                    NotifyFlags::LETTERS
                        .iter()
                        .find(|(known, _)| *known == letter)?
                        .1
                }
            };
        }
        Some(NotifyFlags(flags))
    }

    /// As Redis does, `n`, `o` and `c` are swallowed by an `A`.
    pub fn print(self) -> Vec<u8> {
        let all = self.0 & NotifyFlags::ALL == NotifyFlags::ALL;
        let mut text = if all { vec![b'A'] } else { Vec::new() };
        let shown = if all {
            &NotifyFlags::LETTERS[NotifyFlags::AFTER_ALL..]
        } else {
            &NotifyFlags::LETTERS[..]
        };
        text.extend(
            shown
                .iter()
                .filter(|(_, bit)| self.0 & bit != 0)
                .map(|(letter, _)| *letter),
        );
        text
    }
}

/// As `bind` lists at most this many addresses in Redis.
const BIND_MAX: usize = 16;

fn joined(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

fn line(text: impl Into<Vec<u8>>, forced: bool) -> Line {
    Line {
        text: text.into(),
        forced,
    }
}

fn utf8(word: &[u8]) -> &str {
    std::str::from_utf8(word).unwrap_or("")
}

/// A number as strtoll reads one that uses up its whole word: blanks and a sign may lead, and what
/// does not fit is cut to the nearest that does. Nothing at all is zero.
fn loose_int(word: &[u8]) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    let word = utf8(word).trim_start();
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let clamped = if word.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(word.parse().unwrap_or(clamped))
}

const DEFAULT_SAVE: [(u64, u32); 3] = [(3600, 1), (300, 100), (60, 10_000)];

pub static SAVE: Special = Special {
    init: |config| {
        config.save = DEFAULT_SAVE
            .map(|(seconds, changes)| SavePoint { seconds, changes })
            .to_vec();
    },
    set: |config, args, source| {
        let args = if args == [b"".as_slice()] { &[] } else { args };
        if args.len() % 2 != 0 {
            return Err("Invalid save parameters".into());
        }
        let mut points = Vec::new();
        for pair in args.chunks(2) {
            let (seconds, changes) = (loose_int(pair[0]), loose_int(pair[1]));
            let (Some(seconds @ 1..), Some(changes @ 0..)) = (seconds, changes) else {
                return Err("Invalid save parameters".into());
            };
            // As Redis does, a count beyond 32 bits keeps only its low half.
            points.push(SavePoint {
                seconds: seconds as u64,
                changes: changes as u32,
            });
        }
        // The first rule of a file takes the place of the defaults.
        if source == Source::Set || !config.save_seen || args.is_empty() {
            config.save.clear();
        }
        config.save_seen |= source == Source::File;
        config.save.extend(points);
        Ok(())
    },
    get: |config| {
        joined(
            config
                .save
                .iter()
                .map(|p| format!("{} {}", p.seconds, p.changes)),
        )
        .into()
    },
    lines: |config| match config.save.as_slice() {
        [] => vec![line("\"\"", true)],
        points => {
            let text = |p: &SavePoint| format!("{} {}", p.seconds, p.changes);
            points.iter().map(|point| line(text(point), true)).collect()
        }
    },
};

/// A word as a line can hold it: quoted where it would not read back as it is.
fn word(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() || needs_repr(bytes) || bytes.contains(&b'\'') {
        return quote(bytes);
    }
    bytes.to_vec()
}

pub static BIND: Special = Special {
    init: |config| config.bind = vec![b"*".to_vec(), b"-::*".to_vec()],
    set: |config, args, _| {
        if args.len() > BIND_MAX {
            return Err("Too many bind addresses specified.".into());
        }
        let args = if args == [b"".as_slice()] { &[] } else { args };
        config.bind = args.iter().map(|address| address.to_vec()).collect();
        Ok(())
    },
    get: |config| config.bind.join(&b' '),
    lines: |config| {
        let addresses = match config.bind.as_slice() {
            [] => b"\"\"".to_vec(),
            some => some.iter().map(|a| word(a)).collect::<Vec<_>>().join(&b' '),
        };
        let default = config.bind == [b"*".as_slice(), b"-::*"];
        vec![line(addresses, !default)]
    },
};

/// Redis's defaults: normal clients without limit, 256 MB (64 MB for 60 s) for replicas, 32 MB
/// (8 MB for 60 s) for subscribers.
const OUTPUT_LIMITS: [OutputLimit; 3] = [
    OutputLimit {
        hard_bytes: 0,
        soft_bytes: 0,
        soft_seconds: 0,
    },
    OutputLimit {
        hard_bytes: 256 << 20,
        soft_bytes: 64 << 20,
        soft_seconds: 60,
    },
    OutputLimit {
        hard_bytes: 32 << 20,
        soft_bytes: 8 << 20,
        soft_seconds: 60,
    },
];

fn output_class(word: &[u8]) -> Option<usize> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Some(0),
        b"slave" | b"replica" => Some(1),
        b"pubsub" => Some(2),
        _ => None,
    }
}

fn output_limit(words: &[&[u8]]) -> Option<OutputLimit> {
    let seconds = loose_int(words[2]).filter(|&n| n >= 0)?;
    Some(OutputLimit {
        hard_bytes: parse_memory(words[0])?,
        soft_bytes: parse_memory(words[1])?,
        // As Redis does: only the low half is kept.
        soft_seconds: seconds as u32,
    })
}

pub static CLIENT_OUTPUT_BUFFER_LIMIT: Special = Special {
    init: |config| config.client_output_buffer_limit = OUTPUT_LIMITS,
    set: |config, args, _| {
        if args.len() % 4 != 0 {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = config.client_output_buffer_limit;
        for class in args.chunks(4) {
            let index = output_class(class[0])
                .ok_or("Invalid client class specified in buffer limit configuration.")?;
            limits[index] = output_limit(&class[1..]).ok_or(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            )?;
        }
        config.client_output_buffer_limit = limits;
        Ok(())
    },
    get: |config| {
        let classes = ["normal", "slave", "pubsub"]
            .iter()
            .zip(&config.client_output_buffer_limit);
        let text = |(name, l): (&&str, &OutputLimit)| {
            format!(
                "{name} {} {} {}",
                l.hard_bytes, l.soft_bytes, l.soft_seconds
            )
        };
        joined(classes.map(text)).into()
    },
    lines: |config| {
        let names = ["normal", "replica", "pubsub"];
        let text = |i: usize, l: &OutputLimit| {
            let (hard, soft) = (l.hard_bytes as i64, l.soft_bytes as i64);
            let (hard, soft) = (print_memory(hard), print_memory(soft));
            format!("{} {hard} {soft} {}", names[i], l.soft_seconds)
        };
        let limits = config.client_output_buffer_limit.iter().enumerate();
        limits
            .map(|(i, limit)| line(text(i, limit), *limit != OUTPUT_LIMITS[i]))
            .collect()
    },
};

const SHUTDOWN_WORDS: [&str; 5] = ["default", "save", "nosave", "now", "force"];

fn parse_shutdown(args: &[&[u8]]) -> Result<ShutdownFlags, String> {
    let mut flags = ShutdownFlags::default();
    if args.is_empty() {
        find_word(&SHUTDOWN_WORDS, b"")?;
    }
    for word in args {
        match find_word(&SHUTDOWN_WORDS, word)? {
            1 => flags.save = true,
            2 => flags.nosave = true,
            3 => flags.now = true,
            4 => flags.force = true,
            _ => {}
        }
    }
    if flags.save && flags.nosave {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(flags)
}

fn print_shutdown(flags: ShutdownFlags) -> String {
    let set = [false, flags.save, flags.nosave, flags.now, flags.force];
    let words = SHUTDOWN_WORDS.iter().zip(set).filter(|(_, set)| *set);
    let text = joined(words.map(|(word, _)| word.to_string()));
    if text.is_empty() {
        "default".into()
    } else {
        text
    }
}

fn shutdown_lines(flags: ShutdownFlags) -> Vec<Line> {
    let forced = flags != ShutdownFlags::default();
    vec![line(print_shutdown(flags), forced)]
}

pub static SHUTDOWN_ON_SIGINT: Special = Special {
    init: |_| {},
    set: |config, args, _| parse_shutdown(args).map(|flags| config.shutdown_on_sigint = flags),
    get: |config| print_shutdown(config.shutdown_on_sigint).into(),
    lines: |config| shutdown_lines(config.shutdown_on_sigint),
};

pub static SHUTDOWN_ON_SIGTERM: Special = Special {
    init: |_| {},
    set: |config, args, _| parse_shutdown(args).map(|flags| config.shutdown_on_sigterm = flags),
    get: |config| print_shutdown(config.shutdown_on_sigterm).into(),
    lines: |config| shutdown_lines(config.shutdown_on_sigterm),
};

const OOM_SCORES: [i32; 3] = [0, 200, 800];

/// A process may raise its score; to lower it again takes a privilege.
pub const OOM_SCORES_FALL: &str = "The oom-score-adj-values configuration may not work for \
    non-privileged processes! Please consult the documentation.";

pub static OOM_SCORE_ADJ_VALUES: Special = Special {
    init: |config| config.oom_score_adj_values = OOM_SCORES,
    set: |config, args, source| {
        let [primary, replica, child] = args else {
            return Err("wrong number of arguments".into());
        };
        let mut values = [0; 3];
        for (value, word) in values.iter_mut().zip([primary, replica, child]) {
            *value = loose_int(word)
                .filter(|n| (-2000..=2000).contains(n))
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?
                as i32;
        }
        config.oom_score_adj_values = values;
        // A file is read before there is a log; the start warns of it.
        if source != Source::File && !values.is_sorted() {
            log::warn!("{OOM_SCORES_FALL}");
        }
        Ok(())
    },
    get: |config| joined(config.oom_score_adj_values.map(|n| n.to_string())).into(),
    lines: |config| {
        let values = config.oom_score_adj_values;
        let text = joined(values.map(|n| n.to_string()));
        vec![line(text, values != OOM_SCORES)]
    },
};

fn print_percentiles(config: &Config) -> String {
    let text = |p: &f64| {
        let digits = format!("{p:.6}");
        digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_string()
    };
    joined(config.latency_tracking_info_percentiles.iter().map(text))
}

pub static LATENCY_TRACKING_INFO_PERCENTILES: Special = Special {
    init: |config| config.latency_tracking_info_percentiles = vec![50.0, 99.0, 99.9],
    set: |config, args, _| {
        let args = if args == [b"".as_slice()] { &[] } else { args };
        let mut percentiles = Vec::new();
        for word in args {
            let number = utf8(word).parse::<f64>().ok().filter(|p| !p.is_nan());
            let p = number.ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&p) {
                let range = "parameters should sit between [0.0,100.0]";
                return Err(format!("latency-tracking-info-percentiles {range}"));
            }
            percentiles.push(p);
        }
        config.latency_tracking_info_percentiles = percentiles;
        Ok(())
    },
    get: |config| print_percentiles(config).into(),
    lines: |config| {
        let text = print_percentiles(config);
        let text = if text.is_empty() { "\"\"" } else { &text };
        vec![line(text, true)]
    },
};

pub static NOTIFY_KEYSPACE_EVENTS: Special = Special {
    init: |_| {},
    set: |config, args, _| {
        let [letters] = args else {
            return Err("wrong number of arguments".into());
        };
        config.notify_keyspace_events = NotifyFlags::parse(letters)
            .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        Ok(())
    },
    get: |config| config.notify_keyspace_events.print(),
    lines: |config| {
        let letters = config.notify_keyspace_events.print();
        vec![line(quote(&letters), !letters.is_empty())]
    },
};

pub static REPLICAOF: Special = Special {
    init: |_| {},
    set: |config, args, _| {
        let [host, port] = args else {
            return Err("wrong number of arguments".into());
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            config.replicaof = None;
            return Ok(());
        }
        if has_control(host) {
            return Err("Invalid master host".into());
        }
        let port = parse_int(port).and_then(|n| u16::try_from(n).ok());
        config.replicaof = Some((host.to_vec(), port.ok_or("Invalid master port")?));
        Ok(())
    },
    get: |config| match &config.replicaof {
        Some((host, port)) => [host, format!(" {port}").as_bytes()].concat(),
        None => Vec::new(),
    },
    lines: |config| match &config.replicaof {
        Some((host, port)) => {
            vec![line(
                [host.as_slice(), format!(" {port}").as_bytes()].concat(),
                true,
            )]
        }
        None => Vec::new(),
    },
};

/// `dir` itself: the callers that set it (`file.rs`, `set.rs`) have already changed the directory
/// through the host.
pub static DIR: Special = Special {
    init: |config| {
        let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
        config.dir = here.into_os_string().into_encoded_bytes();
    },
    set: |config, args, _| {
        let [dir] = args else {
            return Err("wrong number of arguments".into());
        };
        config.dir = dir.to_vec();
        Ok(())
    },
    get: |config| config.dir.clone(),
    lines: |config| vec![line(quote(&config.dir), true)],
};
