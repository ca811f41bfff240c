//! The filters of CLIENT KILL and CLIENT LIST. Redis knows few of them, and for CLIENT LIST only one
//! at a time; the others are those of Valkey.

use crate::algo::number::parse_i64;
use crate::command::{Args, CmdError};
use crate::server::Server;
use crate::server::clients::describe::{self, Kind, Seen};
use crate::server::clients::session::ClientId;

/// The letters that `flags` may hold, here or in Valkey.
const FLAGS: &[u8] = b"bcdeirtuxABEIMNOPRSTU";
/// The letters of what clients can be capable of (CLIENT CAPA). No client here has any.
const CAPABILITIES: &[u8] = b"r";

const WRONG_ID: CmdError = CmdError::Fixed("ERR client-id should be greater than 0");

/// The properties that a client must have, or must not have.
#[derive(Default)]
struct Properties<'a> {
    ids: Option<Vec<i64>>,
    kind: Option<Kind>,
    user: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    own_address: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    flags: Option<&'a [u8]>,
    lib_name: Option<&'a [u8]>,
    lib_version: Option<&'a [u8]>,
    db: Option<u32>,
    capabilities: Option<&'a [u8]>,
    ip: Option<&'a [u8]>,
}

/// A selection of clients.
#[derive(Default)]
pub(super) struct Filter<'a> {
    wanted: Properties<'a>,
    unwanted: Properties<'a>,
    min_age_s: Option<u64>,
    min_idle_s: Option<u64>,
    spares_caller: bool,
}

impl<'a> Properties<'a> {
    /// Whether each of the properties that are given satisfies `test`, called with whether a client
    /// has it.
    fn all(&self, server: &Server, seen: &Seen, test: fn(bool) -> bool) -> bool {
        let s = seen.session;
        let is = |wanted: Option<&[u8]>, value: &[u8]| {
            wanted.is_none_or(|wanted| test(!value.is_empty() && wanted == value))
        };
        let has_flags = |wanted: &[u8]| {
            let flags = describe::flags(server, s);
            wanted.iter().all(|flag| flags.as_bytes().contains(flag))
        };
        is(self.user, &s.user)
            && is(self.address, s.addresses.0.as_bytes())
            && is(self.own_address, s.addresses.1.as_bytes())
            && is(self.name, &s.name)
            && is(self.lib_name, &s.lib_name)
            && is(self.lib_version, &s.lib_ver)
            && is(self.ip, ip_of(s.addresses.0.as_bytes()))
            && self.kind.is_none_or(|kind| test(seen.kind() == kind))
            && self.db.is_none_or(|db| test(s.db.0 == db))
            && self.flags.is_none_or(|flags| test(has_flags(flags)))
            && self.capabilities.is_none_or(|_| test(false))
            && self
                .ids
                .as_ref()
                .is_none_or(|ids| test(ids.iter().any(|&id| ClientId(id as u64) == s.id)))
    }

    /// Takes the value of a property. `is_negative` if it stands for those that must not be had.
    /// Returns whether it is one.
    fn take(
        &mut self,
        server: &Server,
        name: &[u8],
        value: &'a [u8],
        is_negative: bool,
    ) -> Result<bool, CmdError> {
        match name {
            b"TYPE" => self.kind = Some(Kind::parse(value).ok_or_else(|| unknown_type(value))?),
            b"ADDR" => self.address = Some(value),
            b"LADDR" => self.own_address = Some(value),
            b"USER" if server.acl.user(value).is_none() => {
                let no_user = "ERR No such user '";
                return Err(CmdError::quoting(no_user, value, usize::MAX, "'"));
            }
            b"USER" => self.user = Some(value),
            b"NAME" => self.name = Some(value),
            b"LIB-NAME" => self.lib_name = Some(value),
            b"LIB-VER" => self.lib_version = Some(value),
            b"IP" => self.ip = Some(value),
            b"DB" => self.db = Some(database(server, value, is_negative)?),
            b"FLAGS" => self.flags = Some(letters(value, FLAGS, "flags", is_negative)?),
            b"CAPA" => {
                self.capabilities = Some(letters(value, CAPABILITIES, "capa", is_negative)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'a> Filter<'a> {
    /// All clients but the caller.
    pub(super) fn of_others() -> Filter<'a> {
        Filter {
            spares_caller: true,
            ..Filter::default()
        }
    }

    /// The clients of one address.
    pub(super) fn of_address(address: &'a [u8]) -> Filter<'a> {
        let mut filter = Filter::default();
        filter.wanted.address = Some(address);
        filter
    }

    /// The clients with these IDs.
    pub(super) fn of_ids(ids: Vec<i64>) -> Filter<'a> {
        let mut filter = Filter::default();
        filter.wanted.ids = Some(ids);
        filter
    }

    /// Whether a client is selected. `caller` is the one that asks.
    pub(super) fn takes(&self, server: &Server, seen: &Seen, caller: ClientId) -> bool {
        let s = seen.session;
        let seconds_since = |ms: u64| server.clock.mono_ms().saturating_sub(ms) / 1000;
        self.wanted.all(server, seen, |has| has)
            && self.unwanted.all(server, seen, |has| !has)
            && self
                .min_age_s
                .is_none_or(|min| seconds_since(s.created_ms) >= min)
            && self
                .min_idle_s
                .is_none_or(|min| seconds_since(s.last_active_ms) >= min)
            && !(self.spares_caller && s.id == caller)
    }

    /// Reads all options. Of several of the same name the last one counts; of IDs all, if
    /// `collects_ids`.
    pub(super) fn parse(
        mut self,
        server: &Server,
        args: &mut Args<'a>,
        collects_ids: bool,
    ) -> Result<Filter<'a>, CmdError> {
        while let Some(word) = args.option() {
            let word = word.to_ascii_uppercase();
            let name = word.strip_prefix(b"NOT-").unwrap_or(&word);
            let is_negative = name.len() < word.len();
            let properties = match is_negative {
                true => &mut self.unwanted,
                false => &mut self.wanted,
            };
            if name == b"ID" {
                let ids = properties.ids.get_or_insert_default();
                if !collects_ids {
                    ids.clear();
                }
                // As in Redis where it knows the option.
                let not_a_number = match collects_ids || is_negative {
                    true => CmdError::Syntax,
                    false => WRONG_ID,
                };
                take_ids(args, ids, not_a_number)?;
                continue;
            }
            let value = args.option().ok_or(CmdError::Syntax)?;
            if properties.take(server, name, value, is_negative)? {
                continue;
            }
            match word.as_slice() {
                b"MAXAGE" => self.min_age_s = Some(seconds(value, "maxage")?),
                b"IDLE" => self.min_idle_s = Some(seconds(value, "idle")?),
                b"SKIPME" if value.eq_ignore_ascii_case(b"yes") => self.spares_caller = true,
                b"SKIPME" if value.eq_ignore_ascii_case(b"no") => self.spares_caller = false,
                _ => return Err(CmdError::Syntax),
            }
        }
        Ok(self)
    }
}

/// The error for an unknown client type.
pub(super) fn unknown_type(word: &[u8]) -> CmdError {
    CmdError::quoting("ERR Unknown client type '", word, usize::MAX, "'")
}

/// Whether a word, in capitals or not, is the name of a filter.
pub(super) fn is_name(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 15] = [
        b"TYPE",
        b"ID",
        b"ADDR",
        b"LADDR",
        b"USER",
        b"NAME",
        b"FLAGS",
        b"LIB-NAME",
        b"LIB-VER",
        b"DB",
        b"CAPA",
        b"IP",
        b"MAXAGE",
        b"IDLE",
        b"SKIPME",
    ];
    let word = word.to_ascii_uppercase();
    let name = word.strip_prefix(b"NOT-").unwrap_or(&word);
    NAMES.contains(&name)
}

/// An address without its port.
fn ip_of(address: &[u8]) -> &[u8] {
    let port = address.iter().rposition(|&byte| byte == b':');
    let ip = &address[..port.unwrap_or(address.len())];
    ip.strip_prefix(b"[")
        .and_then(|ip| ip.strip_suffix(b"]"))
        .unwrap_or(ip)
}

/// Takes the numbers that follow an option: one, or several as in Valkey.
fn take_ids(args: &mut Args, ids: &mut Vec<i64>, not_a_number: CmdError) -> Result<(), CmdError> {
    let first = args.option().ok_or(CmdError::Syntax)?;
    let first = parse_i64(first).ok_or(not_a_number)?;
    let mut next = Some(first);
    while let Some(id) = next {
        if id <= 0 {
            return Err(WRONG_ID);
        }
        ids.push(id);
        let rest = args.rest();
        next = (!rest.is_empty()).then(|| parse_i64(rest.at(0))).flatten();
        if next.is_some() {
            args.bytes();
        }
    }
    Ok(())
}

/// A positive number of seconds.
fn seconds(value: &[u8], name: &str) -> Result<u64, CmdError> {
    match parse_i64(value) {
        Some(seconds @ 1..) => Ok(seconds as u64),
        Some(_) => Err(CmdError::Text(format!(
            "ERR {name} should be greater than 0"
        ))),
        None => Err(CmdError::Text(format!(
            "ERR {name} is not an integer or out of range"
        ))),
    }
}

fn database(server: &Server, value: &[u8], is_negative: bool) -> Result<u32, CmdError> {
    let name = if is_negative { "NOT-DB" } else { "DB" };
    let Some(number) = parse_i64(value) else {
        return Err(CmdError::Text(format!(
            "ERR {name} is not an integer or out of range"
        )));
    };
    let last = server.config.databases as i64 - 1;
    match u32::try_from(number) {
        Ok(db) if number <= last => Ok(db),
        _ => Err(CmdError::Text(format!(
            "ERR {name} number should be between 0 and {last}"
        ))),
    }
}

/// Checks that a value is made of known letters.
fn letters<'a>(
    value: &'a [u8],
    known: &[u8],
    what: &str,
    is_negative: bool,
) -> Result<&'a [u8], CmdError> {
    if value.iter().all(|letter| known.contains(letter)) {
        return Ok(value);
    }
    let filter = match is_negative {
        true => format!("NOT-{} filter", what.to_uppercase()),
        false => "provided filter".to_owned(),
    };
    let before = format!("ERR Unknown {what} found in the {filter}: ");
    Err(CmdError::quoting(&before, value, usize::MAX, ""))
}
