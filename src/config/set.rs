//! CONFIG GET and CONFIG SET over the table.
//!
//! A SET is all or nothing: every pair is validated and stored, or none. What has to happen in the
//! server is returned, and if that fails the server rolls the whole SET back with the `Undo` it got.

use super::directive::{Apply, Directive, Kind, Place, Source};
use super::fields::Config;
use super::file::Host;
use super::table::{self, Named};
use super::value;
use crate::algo::glob::{Case, matches};

/// The error of a CONFIG SET; the text is the whole error reply without its `-`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("{UNKNOWN}{}'", String::from_utf8_lossy(.0))]
    Unknown(Vec<u8>),
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Failed { name: String, reason: String },
}

/// The text before an unknown name.
const UNKNOWN: &str = "ERR Unknown option or number of arguments for CONFIG SET - '";

impl SetError {
    /// The text with the name as it came, which need not be text.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            SetError::Unknown(name) => [UNKNOWN.as_bytes(), name, b"'"].concat(),
            other => other.to_string().into_bytes(),
        }
    }

    fn failed(name: &str, reason: &str) -> SetError {
        SetError::Failed {
            name: name.into(),
            reason: reason.into(),
        }
    }
}

/// The configuration as it was before a SET.
#[derive(Debug)]
pub struct Undo(Box<Config>);

/// The result of a SET.
#[derive(Debug)]
pub struct Changes {
    /// The actions required now, once each, in the order of the arguments, with the directive to
    /// blame if one fails. Empty when nothing changed.
    pub applies: Vec<(Apply, &'static str)>,
    pub undo: Undo,
}

impl Config {
    /// The text of a directive's value, as CONFIG GET returns it.
    pub fn text(&self, row: &Directive) -> Vec<u8> {
        match (row.kind, row.place) {
            (Kind::Special(special), _) => (special.get)(self),
            (kind, Place::Field { load, .. }) => value::print(&kind, &load(self)),
            (kind, Place::Kept) => value::print(&kind, &self.kept[row.name]),
        }
    }

    /// The first directive whose value asks for a part that does not exist yet.
    pub fn unsupported(&self) -> Option<&'static str> {
        let asks = |row: &&Directive| row.is_unsupported.is_some_and(|asks| asks(self));
        table::all().find(asks).map(|row| row.name)
    }

    /// CONFIG GET. A pattern finds every name it matches, aliases too, save hidden ones; a plain
    /// word finds its directive and is returned in the caller's spelling.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], row: &Directive| {
            if !found
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                found.push((name.to_vec(), self.text(row)));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some(named) = table::find(pattern) {
                    add(pattern, named.row);
                }
                continue;
            }
            for named in table::names().filter(|named| !named.row.hidden) {
                if matches(pattern, named.name.as_bytes(), Case::Insensitive) {
                    add(named.name.as_bytes(), named.row);
                }
            }
        }
        found
    }

    /// CONFIG SET. `protected_allowed` says whether this caller may change protected directives.
    /// The caller has already refused an odd number of words as a syntax error.
    pub fn set(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        protected_allowed: bool,
        host: &mut dyn Host,
    ) -> Result<Changes, SetError> {
        let targets = admit(pairs, protected_allowed)?;
        let undo = Undo(Box::new(self.clone()));
        for (target, (_, text)) in targets.iter().zip(pairs) {
            if let Err(reason) = self.set_one(target.row, text, host) {
                self.rollback(undo, host);
                return Err(SetError::failed(target.name, &reason));
            }
        }
        self.settle();
        let mut applies: Vec<(Apply, &'static str)> = Vec::new();
        for target in &targets {
            let apply = target.row.apply;
            let known = applies.iter().any(|(other, _)| *other == apply);
            if apply != Apply::Nothing && !known && self.text(target.row) != undo.0.text(target.row)
            {
                applies.push((apply, target.name));
            }
        }
        Ok(Changes { applies, undo })
    }

    /// Takes a SET back.
    pub fn rollback(&mut self, undo: Undo, host: &mut dyn Host) {
        if self.dir != undo.0.dir
            && let Err(reason) = host.chdir(&undo.0.dir)
        {
            log::warn!("Can't go back to the directory before CONFIG SET: {reason}");
        }
        *self = *undo.0;
    }

    fn set_one(&mut self, row: &Directive, text: &[u8], host: &mut dyn Host) -> Result<(), String> {
        let args: Vec<&[u8]> = match row.multi {
            true if text.is_empty() => Vec::new(),
            true => text.split(|&byte| byte == b' ').collect(),
            false => vec![text],
        };
        self.assign(row, &args, Source::Set, host)?;
        if let Some(correct) = row.correct {
            correct(self);
        }
        Ok(())
    }
}

/// Whether a value of this name must stay out of logs (slow log, MONITOR).
pub fn is_sensitive(name: &[u8]) -> bool {
    table::find(name).is_some_and(|named| named.row.sensitive)
}

/// The rows of all names, or the first reason why one may not be set.
fn admit(pairs: &[(&[u8], &[u8])], protected_allowed: bool) -> Result<Vec<Named>, SetError> {
    let mut targets: Vec<Named> = Vec::new();
    for (name, _) in pairs {
        let given = String::from_utf8_lossy(name);
        let Some(named) = table::find(name) else {
            return Err(SetError::Unknown(name.to_vec()));
        };
        let reason = if named.row.immutable {
            "can't set immutable config"
        } else if named.row.protected && !protected_allowed {
            "can't set protected config"
        } else if targets.iter().any(|other| other.name == named.name) {
            "duplicate parameter"
        } else {
            targets.push(named);
            continue;
        };
        return Err(SetError::failed(&given, reason));
    }
    Ok(targets)
}
