//! The options of commands on fields with deadlines: they stand before or after
//! `FIELDS numfields field [value] ...`, in any order.

use super::expire::Unit;
use crate::command::{Args, CmdError};
use crate::resp::request::Argv;

const MISSING_TIME: CmdError = CmdError::Fixed("ERR missing expire time");
const LIST_TWICE: CmdError = CmdError::Fixed("ERR FIELDS keyword specified multiple times");
const TOO_FEW: CmdError = CmdError::Fixed("ERR wrong number of arguments");
pub(super) const INVALID_COUNT: &str = "ERR invalid number of fields";

/// The options that give a deadline, and their units.
pub(super) const UNITS: [(&str, Unit); 4] = [
    ("EX", Unit::EX),
    ("PX", Unit::PX),
    ("EXAT", Unit::EXAT),
    ("PXAT", Unit::PXAT),
];

/// What a command takes in its list.
pub(super) struct ListRules {
    /// The arguments per field: 1, or 2 with its value.
    pub per_field: usize,
    /// The fewest arguments after FIELDS, and the error for fewer.
    pub least: (usize, &'static str),
    /// The error for a number of fields below 1, above 2^31 - 1, or not a number.
    pub bad_count: &'static str,
    /// The error where the list is missing.
    pub no_list: &'static str,
}

/// The arguments counted by FIELDS.
pub(super) struct FieldList<'a> {
    /// The fields, each with its value where the command takes values.
    pub fields: Argv<'a>,
    /// The index of the number of fields among all arguments.
    pub count_at: usize,
}

/// Parses all arguments left: the list, and options, each taken by `option`, which returns false for
/// a word that is none.
pub(super) fn parse<'a>(
    args: &mut Args<'a>,
    rules: &ListRules,
    mut option: impl FnMut(&mut Args<'a>) -> Result<bool, CmdError>,
) -> Result<FieldList<'a>, CmdError> {
    let mut list = None;
    while let Some(word) = args.peek() {
        if args.word("FIELDS") {
            if list.is_some() {
                return Err(LIST_TWICE);
            }
            list = Some(take_list(args, rules)?);
        } else if !option(args)? {
            return Err(CmdError::quoting(
                "ERR unknown argument: ",
                word,
                usize::MAX,
                "",
            ));
        }
    }
    list.ok_or(CmdError::Fixed(rules.no_list))
}

fn take_list<'a>(args: &mut Args<'a>, rules: &ListRules) -> Result<FieldList<'a>, CmdError> {
    let (least, error) = rules.least;
    if args.left() < least {
        return Err(CmdError::Fixed(error));
    }
    let count_at = args.position();
    let count = args.int().ok();
    let count = count.filter(|n| (1..=i32::MAX as i64).contains(n));
    let words = count.ok_or(CmdError::Fixed(rules.bad_count))? as usize * rules.per_field;
    if words > args.left() {
        return Err(TOO_FEW);
    }
    let fields = args.rest().until(words);
    args.skip(words);
    Ok(FieldList { fields, count_at })
}

/// Takes an option with a deadline, if the next word is one, and returns it in Unix milliseconds.
/// `given` tells whether there was such an option before, which `twice` refuses.
pub(super) fn deadline(
    args: &mut Args,
    now_ms: i64,
    command: &'static str,
    (given, twice): (bool, CmdError),
) -> Result<Option<i64>, CmdError> {
    let Some((_, unit)) = UNITS.iter().find(|(word, _)| args.word(word)) else {
        return Ok(None);
    };
    if given {
        return Err(twice);
    }
    if args.left() == 0 {
        return Err(MISSING_TIME);
    }
    unit.deadline_ms(args, now_ms, command).map(Some)
}
