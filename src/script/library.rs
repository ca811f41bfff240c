//! Libraries of functions: what a library registers while it loads, and all that are loaded.
//!
//! Loading is all or nothing: the code runs against an empty `Loading`, and only if it ended
//! without an error its registrations replace the old ones. A snapshot saves `codes`; loading one
//! passes each code to `Script::load_library`.

use super::api::push_error;
use super::flags::{ScriptFlags, is_name};
use super::guards::push_real_of;
use super::lua::{Kept, Kind, Outcome, Raise, Stack};
use std::collections::BTreeMap;
use std::collections::HashMap;

/// A function that a library registered.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
    pub kept: Kept,
}

/// The registrations of a library so far.
#[derive(Default, Debug)]
pub struct Loading {
    pub functions: Vec<Function>,
}

/// What FUNCTION RESTORE does with the libraries that exist.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Flush,
    Append,
    Replace,
}

/// A library.
#[derive(Clone, Debug)]
pub struct Library {
    pub code: Vec<u8>,
    pub functions: Vec<Function>,
}

/// All libraries.
#[derive(Default, Debug)]
pub struct Libraries {
    by_name: BTreeMap<Vec<u8>, Library>,
    /// The library each function is in. As Redis does, the case of their names does not matter.
    functions: HashMap<Vec<u8>, Vec<u8>>,
}

impl Libraries {
    pub fn get(&self, name: &[u8]) -> Option<&Library> {
        self.by_name.get(name)
    }

    pub fn function(&self, name: &[u8]) -> Option<&Function> {
        let library = self.by_name.get(self.owner(name)?)?;
        let mut functions = library.functions.iter();
        functions.find(|function| function.name.eq_ignore_ascii_case(name))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Library)> {
        self.by_name.iter()
    }

    /// The library that a function is in.
    pub fn owner(&self, function: &[u8]) -> Option<&[u8]> {
        self.functions
            .get(&function.to_ascii_lowercase())
            .map(Vec::as_slice)
    }

    pub fn into_libraries(self) -> Vec<Library> {
        self.by_name.into_values().collect()
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn function_count(&self) -> usize {
        let of = |library: &Library| library.functions.len();
        self.by_name.values().map(of).sum()
    }

    /// Bytes of codes and names.
    pub fn bytes(&self) -> usize {
        let library = |(name, library): (&Vec<u8>, &Library)| {
            let functions = library.functions.iter().map(|f| 2 * f.name.len() + 96);
            library.code.len() + name.len() + 96 + functions.sum::<usize>()
        };
        self.by_name.iter().map(library).sum()
    }

    /// The code of every library, for snapshots.
    pub fn codes(&self) -> impl Iterator<Item = &[u8]> {
        self.by_name.values().map(|library| library.code.as_slice())
    }

    /// The conflict of these functions with existing ones, except those of the library they replace.
    pub fn conflict(&self, name: &[u8], functions: &[Function]) -> Option<Vec<u8>> {
        let taken = functions.iter().find(|function| {
            let owner = self.owner(&function.name);
            owner.is_some_and(|owner| owner != name)
        })?;
        Some([b"ERR Function ", taken.name.as_slice(), b" already exists"].concat())
    }

    pub fn insert(&mut self, name: Vec<u8>, library: Library) -> Option<Library> {
        let old = self.remove(&name);
        for function in &library.functions {
            self.functions
                .insert(function.name.to_ascii_lowercase(), name.clone());
        }
        self.by_name.insert(name, library);
        old
    }

    pub fn remove(&mut self, name: &[u8]) -> Option<Library> {
        let library = self.by_name.remove(name)?;
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        Some(library)
    }
}

fn fail(stack: &mut Stack, text: &str) -> Outcome {
    push_error(stack, text.as_bytes());
    Err(Raise::Top)
}

/// redis.register_function(name, callback) or redis.register_function{…}
pub fn register_function(stack: &mut Stack) -> Outcome {
    if stack.vm_state().loading.is_none() {
        let text = "redis.register_function can only be called on FUNCTION LOAD command";
        return fail(stack, text);
    }
    let read = match stack.args() {
        1 => read_named(stack),
        2 => read_pair(stack),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    // The callback is on top.
    let (name, description, flags) = match read {
        Ok(read) => read,
        Err(text) => return fail(stack, text),
    };
    if !is_name(&name) {
        let text = "Library names can only contain letters, numbers, or underscores(_) and must be \
                    at least one character long";
        return fail(stack, text);
    }
    let loading = stack.vm_state().loading.as_ref();
    if loading.is_some_and(|loading| loading.functions.iter().any(|f| f.name == name)) {
        return fail(stack, "Function already exists in the library");
    }
    let kept = stack.keep();
    if let Some(loading) = &mut stack.vm_state().loading {
        loading.functions.push(Function {
            name,
            description,
            flags,
            kept,
        });
    }
    Ok(0)
}

type Read = Result<(Vec<u8>, Option<Vec<u8>>, ScriptFlags), &'static str>;

fn read_pair(stack: &mut Stack) -> Read {
    let Some(name) = stack.arg_text(1) else {
        return Err("first argument to redis.register_function must be a string");
    };
    if stack.kind(2) != Kind::Function {
        return Err("second argument to redis.register_function must be a function");
    }
    stack.push_copy(2);
    Ok((name.to_vec(), None, ScriptFlags::default()))
}

fn read_named(stack: &mut Stack) -> Read {
    if stack.kind(1) != Kind::Table {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table \
             (representing named arguments).",
        );
    }
    let (mut name, mut description, mut flags) = (None, None, ScriptFlags::default());
    let (mut callback, mut table) = (None, 1);
    if push_real_of(stack, 1) {
        table = stack.top();
    }
    stack.push_nil();
    while stack.next(table) {
        let key = stack.bytes(-2).map(<[u8]>::to_vec);
        // As Redis does, the case of the words does not matter.
        match key.as_ref().map(|key| key.to_ascii_lowercase()).as_deref() {
            None if stack.kind(-2) == Kind::Number => {
                return Err("unknown argument given to redis.register_function");
            }
            None => {
                return Err("named argument key given to redis.register_function is not a string");
            }
            Some(b"function_name") => {
                let Some(text) = stack.text(-1) else {
                    return Err(
                        "function_name argument given to redis.register_function must be a string",
                    );
                };
                name = Some(text);
            }
            Some(b"description") => {
                let Some(text) = stack.text(-1) else {
                    return Err(
                        "description argument given to redis.register_function must be a string",
                    );
                };
                description = Some(text);
            }
            Some(b"callback") => {
                if stack.kind(-1) != Kind::Function {
                    return Err(
                        "callback argument given to redis.register_function must be a function",
                    );
                }
                callback = key;
            }
            Some(b"flags") => flags = read_flags(stack)?,
            Some(_) => return Err("unknown argument given to redis.register_function"),
        }
        stack.pop(1);
    }
    let Some(name) = name else {
        return Err("redis.register_function must get a function name argument");
    };
    let Some(callback) = callback else {
        return Err("redis.register_function must get a callback argument");
    };
    stack.get_named(table, &callback);
    Ok((name, description, flags))
}

fn read_flags(stack: &mut Stack) -> Result<ScriptFlags, &'static str> {
    if stack.kind(-1) != Kind::Table {
        return Err(
            "flags argument to redis.register_function must be a table representing function flags",
        );
    }
    let mut flags = ScriptFlags::default();
    for place in 1..i32::MAX {
        stack.get_at(-1, place);
        if stack.is_nil(-1) {
            stack.pop(1);
            break;
        }
        let flag = stack.bytes(-1).and_then(ScriptFlags::named);
        stack.pop(1);
        flags.add(flag.ok_or("unknown flag given")?);
    }
    Ok(flags)
}
