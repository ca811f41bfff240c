//! The positions of a command's keys among its arguments, and the access to them.
//!
//! The notation is that of Redis's key specifications: where a group of keys begins (an index, or
//! behind a keyword) and how the rest of it is found (a range, or a count that comes first).

use super::spec::Spec;
use crate::resp::request::Argv;

/// The access of a command to a key; names as COMMAND INFO and GETKEYSANDFLAGS print them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyFlags(pub u16);

macro_rules! key_flags {
    ($($constant:ident = $bit:literal, $name:literal;)*) => {
        $(pub const $constant: KeyFlags = KeyFlags(1 << $bit);)*
        impl KeyFlags {
            /// Every flag with its name, in the order COMMAND INFO prints them.
            pub const NAMES: &[(KeyFlags, &str)] = &[$(($constant, $name),)*];
        }
    };
}

key_flags! {
    RO = 0, "RO";
    RW = 1, "RW";
    OW = 2, "OW";
    RM = 3, "RM";
    ACCESS = 4, "access";
    UPDATE = 5, "update";
    INSERT = 6, "insert";
    DELETE = 7, "delete";
    NOT_KEY = 8, "not_key";
    INCOMPLETE = 9, "incomplete";
    VARIABLE_FLAGS = 10, "variable_flags";
}

impl KeyFlags {
    pub const fn has(self, other: KeyFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// All these flags together, in a constant.
pub const fn key_flags(flags: &[KeyFlags]) -> KeyFlags {
    let mut sum = 0;
    let mut i = 0;
    while i < flags.len() {
        sum |= flags[i].0;
        i += 1;
    }
    KeyFlags(sum)
}

/// The start of a group of keys.
#[derive(Clone, Copy)]
pub enum Begin {
    Index(usize),
    /// Behind this word, looked for from `from` on; backwards from the end if that is negative.
    Keyword {
        word: &'static str,
        from: i32,
    },
    Unknown,
}

/// The way in which the keys of a group are found.
#[derive(Clone, Copy)]
pub enum Find {
    /// Up to `last`, counted from the first key (negative: from the end), every `step`th; only the
    /// first 1/`limit` of what is left if `limit` is over 1.
    Range {
        last: i32,
        step: usize,
        limit: usize,
    },
    /// At `count` behind the beginning stands how many follow from `first` on.
    Count {
        count: usize,
        first: usize,
        step: usize,
    },
    Unknown,
}

/// The arguments do not fit the specification, so that the keys are not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidKeys;

/// Appends the keys that a command uses with these arguments, and what it does with each. It reads
/// the options as the command does. `Err` if the command will refuse them: then all that is known
/// is what the key specifications say.
pub type FindKeys = fn(&Argv, &mut Vec<(usize, KeyFlags)>) -> Result<(), InvalidKeys>;

/// The keys of a command, found when they are first needed: the ACL rules of several selectors ask
/// for them.
#[derive(Debug, Default)]
pub struct FoundKeys {
    /// Indexes of arguments, and the access to each. The list is used again for the next command.
    list: Vec<(usize, KeyFlags)>,
    is_found: bool,
}

impl FoundKeys {
    /// Another command is next.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.is_found = false;
    }

    /// The keys of a command; always the same one until `forget`. Invalid arguments name no keys:
    /// the command itself will return the error.
    pub fn of(&mut self, spec: &Spec, argv: &Argv) -> &[(usize, KeyFlags)] {
        if !self.is_found {
            self.is_found = true;
            self.list.clear();
            if spec.find_keys_into(argv, &mut self.list).is_err() {
                self.list.clear();
            }
        }
        &self.list
    }
}

/// One group of keys.
#[derive(Clone, Copy)]
pub struct KeySpec {
    pub flags: KeyFlags,
    pub begin: Begin,
    pub find: Find,
    pub notes: &'static str,
}

impl KeySpec {
    /// The single key at `index`.
    pub const fn at(index: usize, flags: &[KeyFlags]) -> KeySpec {
        KeySpec::range(index, 0, 1, flags)
    }

    /// Keys from `index` on; `last` as in `Find::Range`.
    pub const fn range(index: usize, last: i32, step: usize, flags: &[KeyFlags]) -> KeySpec {
        KeySpec {
            flags: key_flags(flags),
            begin: Begin::Index(index),
            find: Find::Range {
                last,
                step,
                limit: 0,
            },
            notes: "",
        }
    }

    /// A count at `index`, then that many keys.
    pub const fn counted(index: usize, flags: &[KeyFlags]) -> KeySpec {
        KeySpec {
            flags: key_flags(flags),
            begin: Begin::Index(index),
            find: Find::Count {
                count: 0,
                first: 1,
                step: 1,
            },
            notes: "",
        }
    }

    /// A count at `index`, then that many pairs of a key and something else.
    pub const fn pairs(index: usize, flags: &[KeyFlags]) -> KeySpec {
        KeySpec {
            find: Find::Count {
                count: 0,
                first: 1,
                step: 2,
            },
            ..KeySpec::counted(index, flags)
        }
    }

    /// Keys behind a word, which is looked for from `from` on; negative numbers count from the end.
    pub const fn keyword(word: &'static str, from: i32, flags: &[KeyFlags]) -> KeySpec {
        KeySpec {
            flags: key_flags(flags),
            begin: Begin::Keyword { word, from },
            find: Find::Range {
                last: -1,
                step: 1,
                limit: 0,
            },
            notes: "",
        }
    }

    /// Keys that cannot be found in the arguments.
    pub const fn unknown(flags: &[KeyFlags]) -> KeySpec {
        KeySpec {
            flags: key_flags(flags),
            begin: Begin::Unknown,
            find: Find::Unknown,
            notes: "",
        }
    }

    pub const fn noting(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }

    fn first(&self, argv: &Argv) -> Option<usize> {
        match self.begin {
            Begin::Index(index) => Some(index),
            Begin::Keyword { word, from } if from >= 0 => (from as usize..argv.len())
                .find(|&i| argv.at(i).eq_ignore_ascii_case(word.as_bytes()))
                .map(|i| i + 1),
            Begin::Keyword { word, from } => {
                let start = argv.len().checked_sub(from.unsigned_abs() as usize)?;
                (1..=start)
                    .rev()
                    .find(|&i| argv.at(i).eq_ignore_ascii_case(word.as_bytes()))
                    .map(|i| i + 1)
            }
            Begin::Unknown => None,
        }
    }

    /// The indexes of this group's keys in `argv`; `Err` if the arguments cannot be right.
    fn positions(&self, argv: &Argv, out: &mut Vec<(usize, KeyFlags)>) -> Result<(), InvalidKeys> {
        let Some(first) = self.first(argv) else {
            return Ok(());
        };
        if first >= argv.len() {
            // As many as there are can be none, where the arity allows it: PFMERGE of a destination.
            return match self.find {
                Find::Range { last: -1, .. } => Ok(()),
                Find::Range { .. } if matches!(self.begin, Begin::Keyword { .. }) => Ok(()),
                _ => Err(InvalidKeys),
            };
        }
        let (first, last, step) = match self.find {
            Find::Range { last, step, limit } => {
                let end = argv.len() - 1;
                let last = match last {
                    0.. => first + last as usize,
                    _ if limit > 1 => first + (end + 1 - first) / limit - 1,
                    _ => (end + 1)
                        .checked_sub(last.unsigned_abs() as usize)
                        .ok_or(InvalidKeys)?,
                };
                (first, last, step)
            }
            Find::Count {
                count,
                first: skip,
                step,
            } => {
                let number =
                    crate::algo::number::parse_i64(argv.at(first + count)).ok_or(InvalidKeys)?;
                if number < 1 || number > argv.len() as i64 {
                    return Err(InvalidKeys);
                }
                (
                    first + skip,
                    first + skip + (number as usize - 1) * step,
                    step,
                )
            }
            Find::Unknown => return Ok(()),
        };
        if last >= argv.len() || last < first {
            return Err(InvalidKeys);
        }
        out.extend((first..=last).step_by(step).map(|i| (i, self.flags)));
        Ok(())
    }
}

/// The keys of a command with these arguments, and what is done to each. `Err` if the arguments do
/// not fit the specification.
fn find_keys(
    specs: &[KeySpec],
    argv: &Argv,
    out: &mut Vec<(usize, KeyFlags)>,
) -> Result<(), InvalidKeys> {
    let mut specs = specs.iter().filter(|spec| !spec.flags.has(NOT_KEY));
    specs.try_for_each(|spec| spec.positions(argv, out))
}

/// (first, last, step) as the oldest form of COMMAND INFO has it; zeros where no range describes
/// the keys from the start of the arguments.
///
/// Ranges with a fixed beginning are joined as long as each begins right behind the one before.
pub fn legacy_range(specs: &[KeySpec]) -> (i64, i64, i64) {
    let mut joined: Option<(i64, i64, i64)> = None;
    for spec in specs {
        let (Begin::Index(index), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            continue;
        };
        let (first, step) = (index as i64, step as i64);
        let last = if last >= 0 {
            first + last as i64
        } else {
            last as i64
        };
        match &mut joined {
            None => joined = Some((first, last, step)),
            Some((_, end, one)) if first == *end + 1 && step == *one => *end = last,
            Some(_) => {}
        }
    }
    joined.unwrap_or((0, 0, 0))
}

impl Spec {
    /// The keys of this command with these arguments, and what happens to each.
    pub fn find_keys(&self, argv: &Argv) -> Result<Vec<(usize, KeyFlags)>, InvalidKeys> {
        let mut found = Vec::new();
        self.find_keys_into(argv, &mut found)?;
        Ok(found)
    }

    /// The same into a list that can be used again; it is empty before.
    pub fn find_keys_into(
        &self,
        argv: &Argv,
        found: &mut Vec<(usize, KeyFlags)>,
    ) -> Result<(), InvalidKeys> {
        if let Some(find) = self.find {
            match find(argv, found) {
                Ok(()) => return Ok(()),
                // A description that is incomplete does not know better.
                Err(InvalidKeys) if self.keys.iter().any(|keys| keys.flags.has(INCOMPLETE)) => {
                    return Err(InvalidKeys);
                }
                Err(InvalidKeys) => found.clear(),
            }
        }
        if find_keys(self.keys, argv, found).is_err() {
            found.clear();
            return find_loosely(self.keys, argv, found);
        }
        Ok(())
    }

    /// The keys whose values a client may cache after this command. As in Redis, a command whose
    /// options determine its keys has none unless they are valid.
    pub fn read_keys(&self, argv: &Argv) -> Result<Vec<usize>, InvalidKeys> {
        let mut found = Vec::new();
        match self.find {
            Some(find) => find(argv, &mut found)?,
            None => self.find_keys_into(argv, &mut found)?,
        }
        Ok(found.into_iter().map(|(index, _)| index).collect())
    }
}

/// The keys of a command whose key count is not a valid number: as Redis does, the count is read
/// from its leading digits, and the keys have no flags. The command itself will return an error.
fn find_loosely(
    specs: &[KeySpec],
    argv: &Argv,
    found: &mut Vec<(usize, KeyFlags)>,
) -> Result<(), InvalidKeys> {
    let counted = specs.iter().find_map(|spec| match (spec.begin, spec.find) {
        (Begin::Index(index), Find::Count { count, first, step }) => {
            Some((index + count, index + first, step))
        }
        _ => None,
    });
    let (count, first, step) = counted.ok_or(InvalidKeys)?;
    let number = usize::try_from(leading_number(argv.at(count))).unwrap_or(0);
    if number < 1 || number > argv.len().saturating_sub(first) / step {
        return Err(InvalidKeys);
    }
    let ahead = specs.iter().filter_map(|spec| match spec.begin {
        Begin::Index(index) if index < count => Some(index),
        _ => None,
    });
    let counted = (0..number).map(|n| first + n * step);
    found.extend(counted.chain(ahead).map(|at| (at, KeyFlags(0))));
    Ok(())
}

/// The number that a word begins with, as C's `atoi` reads it: a number that does not fit 64 bits is
/// cut to the nearest that does, and of the result the lower 32 bits count.
fn leading_number(word: &[u8]) -> i32 {
    let word = word.trim_ascii_start();
    let (sign, digits) = match word {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0, |sum: i64, digit| {
        sum.saturating_mul(10)
            .saturating_add(sign * i64::from(digit - b'0'))
    });
    number as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::spec::NO_MANDATORY_KEYS;
    use crate::resp::request::OwnedArgv;

    const READ: &[KeyFlags] = &[RO, ACCESS];

    fn found(spec: &Spec, line: &str) -> Option<String> {
        let argv: OwnedArgv = line.split(' ').collect();
        let keys = spec.find_keys(&argv.as_argv()).ok()?;
        let keys: Vec<_> = keys
            .iter()
            .map(|(at, _)| String::from_utf8_lossy(argv.as_argv().at(*at)).into_owned())
            .collect();
        Some(keys.join(" "))
    }

    #[test]
    fn ranges_counts_and_keywords() {
        const MSET: Spec = Spec {
            keys: &[KeySpec::range(1, -1, 2, READ)],
            ..Spec::BASE
        };
        assert_eq!(found(&MSET, "MSET a 1 b 2").as_deref(), Some("a b"));
        assert_eq!(found(&MSET, "MSET a 1 b").as_deref(), Some("a b"));
        const STORE: Spec = Spec {
            keys: &[KeySpec::at(1, &[OW, UPDATE]), KeySpec::counted(2, READ)],
            ..Spec::BASE
        };
        assert_eq!(
            found(&STORE, "ZUNIONSTORE d 2 a b W").as_deref(),
            Some("d a b")
        );
        assert_eq!(found(&STORE, "ZUNIONSTORE d 5 a b"), None);
        assert_eq!(
            found(&STORE, "ZUNIONSTORE d 1.0 a b").as_deref(),
            Some("a d")
        );
        // As in Redis, the lower 32 bits of a number that is too large count.
        assert_eq!(
            found(&STORE, "ZUNIONSTORE d 4294967297 a b").as_deref(),
            Some("a d")
        );
        assert_eq!(
            found(&STORE, "ZUNIONSTORE d 99999999999999999999 a b"),
            None
        );
        const EVAL: Spec = Spec {
            flags: NO_MANDATORY_KEYS,
            keys: &[KeySpec::counted(2, READ)],
            ..Spec::BASE
        };
        assert_eq!(found(&EVAL, "EVAL s 0"), None);
        const MERGE: Spec = Spec {
            keys: &[KeySpec::at(1, READ), KeySpec::range(2, -1, 1, READ)],
            ..Spec::BASE
        };
        assert_eq!(found(&MERGE, "PFMERGE d").as_deref(), Some("d"));
        assert_eq!(found(&MERGE, "PFMERGE d a b").as_deref(), Some("d a b"));
        const XREAD: Spec = Spec {
            keys: &[KeySpec {
                begin: Begin::Keyword {
                    word: "STREAMS",
                    from: 1,
                },
                find: Find::Range {
                    last: -1,
                    step: 1,
                    limit: 2,
                },
                ..KeySpec::at(1, READ)
            }],
            ..Spec::BASE
        };
        assert_eq!(
            found(&XREAD, "XREAD COUNT 1 streams a b 0 0").as_deref(),
            Some("a b")
        );
        assert_eq!(found(&XREAD, "XREAD streams a 0").as_deref(), Some("a"));
    }

    #[test]
    fn the_oldest_form_joins_neighbours() {
        let one = KeySpec::at(1, READ);
        assert_eq!(legacy_range(&[]), (0, 0, 0));
        assert_eq!(legacy_range(&[one]), (1, 1, 1));
        assert_eq!(legacy_range(&[one, KeySpec::at(2, READ)]), (1, 2, 1));
        assert_eq!(
            legacy_range(&[one, KeySpec::range(2, -1, 1, READ)]),
            (1, -1, 1)
        );
        assert_eq!(legacy_range(&[one, KeySpec::counted(2, READ)]), (1, 1, 1));
        assert_eq!(legacy_range(&[KeySpec::counted(1, READ)]), (0, 0, 0));
    }
}
