//! Errors raised by functions for Lua, in Lua's own words: `bad argument #1 to 'f' (…)`, with the
//! place in the script in front.

use super::stack::Stack;

/// An error raised by a function.
#[derive(Debug)]
pub enum Raise {
    /// The value on top of the stack.
    Top,
    /// A text as it stands.
    Text(Vec<u8>),
    /// A text behind the place in the script that called.
    Here(Vec<u8>),
    /// An argument is wrong: its number, and what is the matter.
    Argument(i32, Vec<u8>),
}

impl Raise {
    pub fn here(text: impl Into<Vec<u8>>) -> Raise {
        Raise::Here(text.into())
    }

    pub fn argument(number: i32, text: impl Into<Vec<u8>>) -> Raise {
        Raise::Argument(number, text.into())
    }
}

/// The number of values on top that a function returns, or the error that it raises.
pub type Outcome = Result<i32, Raise>;

/// `chunk:line: ` of the caller of the running function.
fn caller(stack: &mut Stack) -> Vec<u8> {
    match stack.place(1) {
        Some(place) if place.line > 0 => [
            &place.short,
            b":".as_slice(),
            place.line.to_string().as_bytes(),
            b": ",
        ]
        .concat(),
        _ => Vec::new(),
    }
}

/// Pushes what is to be raised.
pub(super) fn push(stack: &mut Stack, raise: Raise) {
    let text = match raise {
        Raise::Top => return,
        Raise::Text(text) => text,
        Raise::Here(text) => [caller(stack), text].concat(),
        Raise::Argument(number, text) => {
            let what = argument_error(stack, number, &text);
            [caller(stack), what].concat()
        }
    };
    if stack.room(1) {
        stack.push_bytes(&text);
    }
}

/// The words of Lua for a wrong argument.
fn argument_error(stack: &mut Stack, number: i32, text: &[u8]) -> Vec<u8> {
    let place = stack.place(0);
    let (name, is_method) = match place {
        Some(place) => (place.name, place.is_method),
        None => (None, false),
    };
    let name = name.unwrap_or_else(|| b"?".to_vec());
    let number = number - is_method as i32;
    if number == 0 && is_method {
        return [
            b"calling '",
            name.as_slice(),
            b"' on bad self (",
            text,
            b")",
        ]
        .concat();
    }
    let head = format!("bad argument #{number} to '").into_bytes();
    [&head, name.as_slice(), b"' (", text, b")"].concat()
}
