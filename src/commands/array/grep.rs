//! ARGREP: the values of a range that fit.

use super::args::{Range, index, limit};
use super::expression;
use super::{reply_cell, reply_index};
use crate::algo::glob::{self, Case};
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::array::CellText;
use memchr::memmem;
use regex::bytes::Regex;
use std::ops::ControlFlow;

/// The most predicates of a command.
const PREDICATES_MAX: usize = 250;

pub(super) const ARGREP: DataCommand = Spec {
    name: "argrep",
    usage: "key:key start:string end:string predicate(exact{exact=EXACT string:string}|match{match=MATCH string:string}|glob{glob=GLOB pattern:string}|re{re=RE pattern:string})... [options(and=AND|or=OR|limit:integer@LIMIT|withvalues=WITHVALUES|nocase=NOCASE)...]",
    since: "8.8.0",
    summary: "The indexes of the values of a range that fit.",
    complexity: "O(P * C) for the P cells of the slices that are touched and the cost C of the predicates on a value",
    ..Spec::reading(Group::Array)
}
.runs(argrep);

fn argrep(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let (start, end) = (bound(args.bytes())?, bound(args.bytes())?);
    let query = Query::parse(args)?;
    let mut matchers = query.matchers()?;
    let mut db = cx.db();
    let Some(array) = db.array(key)? else {
        return reply.array(0);
    };
    let greatest = array.len().saturating_sub(1);
    let range = Range::of(start.unwrap_or(greatest), end.unwrap_or(greatest));
    let head = reply.deferred();
    let (mut shown, mut room) = (0, CellText::default());
    let failed = array.walk(range.low, range.high, range.order, |index, cell| {
        let text = cell.as_bytes(&mut room);
        let fits = match query.needs_all {
            true => matchers.iter_mut().all(|matcher| matcher.fits(text)),
            false => matchers.iter_mut().any(|matcher| matcher.fits(text)),
        };
        if !fits {
            return ControlFlow::Continue(());
        }
        let written = match query.with_values {
            true => reply
                .array(2)
                .and_then(|()| reply_index(reply, index))
                .and_then(|()| reply_cell(reply, &cell)),
            false => reply_index(reply, index),
        };
        shown += 1;
        match written {
            Ok(()) if shown < query.most => ControlFlow::Continue(()),
            done => ControlFlow::Break(done),
        }
    });
    failed.break_value().unwrap_or(Ok(()))?;
    reply.close_array(head, shown as usize)
}

/// An end of the range: an index, `-` for the least, or `+` for the greatest in use, which is none
/// until the array is known.
fn bound(text: &[u8]) -> Result<Option<u64>, CmdError> {
    match text {
        b"-" => Ok(Some(0)),
        b"+" => Ok(None),
        text => index(text).map(Some),
    }
}

#[derive(Clone, Copy)]
enum Predicate<'a> {
    Exact(&'a [u8]),
    Match(&'a [u8]),
    Glob(&'a [u8]),
    Expression(&'a [u8]),
}

/// The predicates and options of a command.
struct Query<'a> {
    predicates: Vec<Predicate<'a>>,
    needs_all: bool,
    most: u64,
    with_values: bool,
    ignores_case: bool,
}

impl<'a> Query<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Query<'a>, CmdError> {
        let mut query = Query {
            predicates: Vec::new(),
            needs_all: false,
            most: u64::MAX,
            with_values: false,
            ignores_case: false,
        };
        while let Some(word) = args.option() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let predicate: fn(&'a [u8]) -> Predicate<'a> = if is("exact") {
                Predicate::Exact
            } else if is("match") {
                Predicate::Match
            } else if is("glob") {
                Predicate::Glob
            } else if is("re") {
                Predicate::Expression
            } else {
                query.option(word, args)?;
                continue;
            };
            let text = args.option().ok_or(CmdError::Syntax)?;
            if query.predicates.len() == PREDICATES_MAX {
                return Err(CmdError::Fixed("ERR too many predicates, maximum is 250"));
            }
            query.predicates.push(predicate(text));
        }
        match query.predicates.is_empty() {
            true => Err(CmdError::Syntax),
            false => Ok(query),
        }
    }

    fn option(&mut self, word: &[u8], args: &mut Args) -> Result<(), CmdError> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("and") {
            self.needs_all = true;
        } else if is("or") {
            self.needs_all = false;
        } else if is("withvalues") {
            self.with_values = true;
        } else if is("nocase") {
            self.ignores_case = true;
        } else if is("limit") && args.left() > 0 {
            self.most = limit(args)?;
        } else {
            return Err(CmdError::Syntax);
        }
        Ok(())
    }

    fn matchers(&self) -> Result<Vec<Matcher<'a>>, CmdError> {
        let matcher = |predicate: &Predicate<'a>| {
            let case = match self.ignores_case {
                true => Case::Insensitive,
                false => Case::Sensitive,
            };
            Ok(match *predicate {
                Predicate::Exact(text) => Matcher::Exact(text, case),
                Predicate::Match(text) if self.ignores_case => {
                    let folded = text.to_ascii_lowercase();
                    Matcher::Folded(memmem::Finder::new(&folded).into_owned(), Vec::new())
                }
                Predicate::Match(text) => Matcher::Within(memmem::Finder::new(text)),
                Predicate::Glob(pattern) => Matcher::Glob(pattern, case),
                Predicate::Expression(text) => {
                    Matcher::Expression(expression::compile(text, self.ignores_case)?)
                }
            })
        };
        self.predicates.iter().map(matcher).collect()
    }
}

/// A predicate, prepared for many texts.
enum Matcher<'a> {
    Exact(&'a [u8], Case),
    Within(memmem::Finder<'a>),
    /// The same in lower case, and room for a text in lower case.
    Folded(memmem::Finder<'static>, Vec<u8>),
    Glob(&'a [u8], Case),
    Expression(Regex),
}

impl Matcher<'_> {
    #[inline]
    fn fits(&mut self, text: &[u8]) -> bool {
        match self {
            Matcher::Exact(wanted, Case::Sensitive) => text == *wanted,
            Matcher::Exact(wanted, Case::Insensitive) => text.eq_ignore_ascii_case(wanted),
            Matcher::Within(finder) => finder.find(text).is_some(),
            Matcher::Folded(finder, folded) => {
                folded.clear();
                folded.extend(text.iter().map(u8::to_ascii_lowercase));
                finder.find(folded).is_some()
            }
            Matcher::Glob(pattern, case) => glob::matches(pattern, text, *case),
            Matcher::Expression(regex) => regex.is_match(text),
        }
    }
}
