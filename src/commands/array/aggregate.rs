//! AROP: one result out of the values of a range.
//!
//! SUM, MIN and MAX are about the values that are numbers, counted as C's `long double`. AND, OR and
//! XOR are about those that are integers of 64 bits once what stands behind the point is left out.

use super::args::Range;
use super::{reply_index, wrong_arity};
use crate::algo::long_double::LongDouble;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::types::array::{Array, Cell, CellText};
use std::ops::ControlFlow;

pub(super) const AROP: DataCommand = Spec {
    name: "arop",
    usage: "key:key start:integer end:integer operation(sum=SUM|min=MIN|max=MAX|and=AND|or=OR|xor=XOR|match{match=MATCH value:string}|used=USED)",
    since: "8.8.0",
    summary: "A sum, an extreme, a combination of bits or a count of the values of a range of indexes.",
    complexity: "O(N) for the N cells of the slices that are touched, empty ones included",
    ..Spec::reading(Group::Array)
}
.runs(arop);

fn arop(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let range = Range::next(args)?;
    let operation = operation(args)?;
    let mut db = cx.db();
    let array = db.array(key)?;
    let Some(array) = array else {
        return match operation {
            Operation::Count(_) => reply.int(0),
            Operation::Number(_) | Operation::Bits(_) => reply.null(),
        };
    };
    match operation {
        Operation::Count(text) => {
            let (mut count, mut room) = (0, CellText::default());
            each(array, range, |cell| {
                let is_counted = text.is_none_or(|text| cell.as_bytes(&mut room) == text);
                count += u64::from(is_counted);
            });
            reply_index(reply, count)
        }
        Operation::Number(operation) => {
            let mut result = Total::None;
            each(array, range, |cell| result.add(operation, cell));
            match result.number() {
                Some(number) => reply.bulk(&number.to_general_text()),
                None => reply.null(),
            }
        }
        Operation::Bits(combine) => {
            let mut result = None;
            each(array, range, |cell| {
                if let Some(n) = integer(cell) {
                    result = Some(result.map_or(n, |so_far| combine(so_far, n)));
                }
            });
            match result {
                Some(bits) => reply.int(bits),
                None => reply.null(),
            }
        }
    }
}

/// Visits the values of a range.
#[inline(always)]
fn each(array: &Array, range: Range, mut visit: impl FnMut(Cell)) {
    let _: ControlFlow<()> = array.walk(range.low, range.high, range.order, |_, cell| {
        visit(cell);
        ControlFlow::Continue(())
    });
}

enum Operation<'a> {
    /// Of the values that are this text, or of all.
    Count(Option<&'a [u8]>),
    Number(Numeric),
    Bits(fn(i64, i64) -> i64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Numeric {
    Sum,
    Min,
    Max,
}

fn operation<'a>(args: &mut Args<'a>) -> Result<Operation<'a>, CmdError> {
    let word = args.bytes();
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("match") {
        return match args.left() {
            1 => Ok(Operation::Count(Some(args.bytes()))),
            _ => Err(CmdError::Fixed("ERR MATCH requires a value argument")),
        };
    }
    let operation = if is("sum") {
        Operation::Number(Numeric::Sum)
    } else if is("min") {
        Operation::Number(Numeric::Min)
    } else if is("max") {
        Operation::Number(Numeric::Max)
    } else if is("and") {
        Operation::Bits(|a, b| a & b)
    } else if is("or") {
        Operation::Bits(|a, b| a | b)
    } else if is("xor") {
        Operation::Bits(|a, b| a ^ b)
    } else if is("used") {
        Operation::Count(None)
    } else {
        return Err(CmdError::Fixed("ERR unknown operation"));
    };
    match args.left() {
        0 => Ok(operation),
        _ => Err(wrong_arity(args)),
    }
}

/// The integer that takes part in a combination of bits.
fn integer(cell: Cell) -> Option<i64> {
    match cell {
        Cell::Int(n) => Some(n),
        other => number(other)?.to_i64(),
    }
}

fn number(cell: Cell) -> Option<LongDouble> {
    match cell {
        Cell::Int(n) => Some(LongDouble::from(n)),
        Cell::Double(value) => Some(LongDouble::from(value)),
        Cell::Short(bytes, len) => parse(&bytes[..usize::from(len)]),
        Cell::Text(text) => parse(text),
    }
}

/// The number that a text is.
fn parse(text: &[u8]) -> Option<LongDouble> {
    // Most texts are none, and that is seen at once.
    match text.first()? {
        b'0'..=b'9' | b'-' | b'+' | b'.' | b'i' | b'I' => LongDouble::parse(text),
        _ => None,
    }
}

/// A sum or an extreme that grows.
#[derive(Clone, Copy)]
enum Total {
    None,
    /// Of integers, as long as it is one itself.
    Whole(i64),
    Number(LongDouble),
}

impl Total {
    fn number(self) -> Option<LongDouble> {
        match self {
            Total::None => None,
            Total::Whole(n) => Some(LongDouble::from(n)),
            Total::Number(number) => Some(number),
        }
    }

    #[inline(always)]
    fn add(&mut self, operation: Numeric, cell: Cell) {
        if let (Total::Whole(so_far), Cell::Int(n)) = (&mut *self, cell) {
            match operation {
                Numeric::Sum => {
                    if let Some(sum) = so_far.checked_add(n) {
                        return *so_far = sum;
                    }
                }
                Numeric::Min => return *so_far = n.min(*so_far),
                Numeric::Max => return *so_far = n.max(*so_far),
            }
        }
        self.add_number(operation, cell);
    }

    fn add_number(&mut self, operation: Numeric, cell: Cell) {
        match (self.number(), cell) {
            (None, Cell::Int(n)) => *self = Total::Whole(n),
            (None, cell) => {
                if let Some(first) = number(cell) {
                    *self = Total::Number(first);
                }
            }
            (Some(so_far), cell) => {
                let Some(next) = number(cell) else { return };
                let is_better = match operation {
                    Numeric::Sum => return *self = Total::Number(so_far + next),
                    Numeric::Min => next < so_far,
                    Numeric::Max => next > so_far,
                };
                if is_better {
                    *self = Total::Number(next);
                }
            }
        }
    }
}
