//! The globals of scripts: read-only, without the parts of Lua that reach outside.
//!
//! ```text
//!   globals  ──>  {} ──metatable──>  __index ──>  real globals ──metatable──>  __index: an error
//!   (of every     (empty)            __newindex: an error                      for unknown names
//!    function)
//!   string, redis, …: each a protected table of the same kind
//! ```
//! Lua 5.1 has no read-only tables; an empty one in front of the real one is as good, since those
//! functions that look past metatables are wrapped (`guards`).

use super::lua::{GLOBALS, Kept, Outcome, Raise, Stack};
use super::{api, guards, lib, random};
use crate::version::Series;

/// The kind of code that the globals are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Scripts,
    Functions,
}

/// The parts needed later.
pub struct Sandbox {
    /// The metatable of the globals that functions see.
    meta: Kept,
    /// The globals while code runs.
    pub real: Kept,
    /// The globals while a library loads.
    load: Kept,
}

/// Of the base library, what is not for scripts.
const REMOVED: [&[u8]; 7] = [
    b"dofile",
    b"loadfile",
    b"print",
    b"newproxy",
    b"setfenv",
    b"getfenv",
    b"require",
];

/// Raises the error of an unknown global.
fn unknown_global(stack: &mut Stack) -> Outcome {
    let name = stack.arg_text(2).unwrap_or_default();
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let before = b"Script attempted to access nonexistent global variable '".as_slice();
    Err(Raise::here([before, name, b"'"].concat()))
}

/// getmetatable(value): protected tables show what the real ones have.
fn getmetatable(stack: &mut Stack) -> Outcome {
    if stack.args() == 0 {
        return Err(Raise::argument(1, "value expected"));
    }
    if stack.kind(1) == super::lua::Kind::String {
        let shown = stack.captured(1);
        stack.push_copy(shown);
        return Ok(1);
    }
    let is_protected = guards::push_real_of(stack, 1);
    if !stack.push_metatable(1) {
        stack.push_nil();
        return Ok(1);
    }
    if is_protected {
        // Only the globals have a metatable that may be seen.
        stack.get_named(-1, SHOWN);
        return Ok(1);
    }
    stack.get_named(-1, b"__metatable");
    if stack.is_nil(-1) {
        stack.pop(1);
    }
    Ok(1)
}

/// Under this name the metatable of a protected table holds what `getmetatable` shows in its place.
const SHOWN: &[u8] = b"shown";

/// Replaces the table on top by a protected one in front of it.
pub fn protect(stack: &mut Stack) {
    let real = stack.top();
    stack.push_table(0, 0);
    push_meta(stack, real);
    stack.set_metatable(-2);
    stack.drop_under();
}

/// Pushes the metatable that leads from an empty table to the one at `real`.
fn push_meta(stack: &mut Stack, real: i32) {
    stack.push_table(0, 3);
    let meta = stack.top();
    stack.push_copy(real);
    stack.set_named(meta, b"__index");
    stack.push_raw_function(guards::refuse_write, 0);
    stack.set_named(meta, b"__newindex");
    guards::mark(stack, meta, real);
}

/// Wraps the function `name` of the table on top.
fn wrap(stack: &mut Stack, name: &[u8], shell: mlua::lua_CFunction) {
    wrap_at(stack, -1, name, shell);
}

/// Wraps the function `name` of the table at `table`, counted from the top.
fn wrap_at(stack: &mut Stack, table: i32, name: &[u8], shell: mlua::lua_CFunction) {
    stack.get_named(table, name);
    stack.push_raw_function(shell, 1);
    stack.set_named(table - 1, name);
}

/// Wraps and removes what the base library must not offer; the globals are on top.
fn tame_base(stack: &mut Stack) {
    for name in REMOVED {
        stack.push_nil();
        stack.set_named(-2, name);
    }
    stack.get_named(-1, b"next");
    wrap_at(stack, -2, b"next", guards::see_through);
    stack.get_named(-2, b"next");
    stack.push_raw_function(guards::pairs, 2);
    stack.set_named(-2, b"pairs");
    wrap(stack, b"rawget", guards::see_through);
    wrap(stack, b"rawset", guards::refuse_protected);
    wrap(stack, b"setmetatable", guards::refuse_protected);
    wrap(stack, b"unpack", guards::unpack);
    wrap(stack, b"load", guards::load);
    wrap(stack, b"loadstring", guards::loadstring);
    stack.push_raw_function(guards::pcall, 0);
    stack.set_named(-2, b"pcall");
    stack.push_raw_function(guards::xpcall, 0);
    stack.set_named(-2, b"xpcall");
    // What getmetatable shows of strings: a copy, so that the real one is out of reach.
    stack.push_table(0, 1);
    stack.get_named(-2, b"string");
    stack.set_named(-2, b"__index");
    protect(stack);
    stack.push_function(getmetatable, 1);
    stack.set_named(-2, b"getmetatable");
}

/// Puts the library that `open` fills, protected, among the globals on top.
fn add(stack: &mut Stack, name: &[u8], open: impl FnOnce(&mut Stack)) {
    stack.push_table(0, 0);
    open(stack);
    protect(stack);
    stack.set_named(-2, name);
}

/// Protects the libraries of Lua itself.
fn tame_libraries(stack: &mut Stack) {
    stack.get_named(-1, b"math");
    stack.push_function(random::random, 0);
    stack.set_named(-2, b"random");
    stack.push_function(random::randomseed, 0);
    stack.set_named(-2, b"randomseed");
    stack.pop(1);
    stack.get_named(-1, b"string");
    for name in [b"find".as_slice(), b"match", b"gmatch", b"gfind", b"gsub"] {
        wrap(stack, name, guards::limit_pattern);
    }
    stack.pop(1);
    stack.get_named(-1, b"table");
    wrap(stack, b"insert", guards::refuse_protected);
    stack.pop(1);
    stack.get_named(-1, b"coroutine");
    wrap(stack, b"resume", guards::resume);
    stack.pop(1);
    // Of os, only the clock.
    stack.get_named(-1, b"os");
    stack.get_named(-1, b"clock");
    stack.push_table(0, 1);
    stack.push_copy(-2);
    stack.set_named(-2, b"clock");
    stack.set_named(-4, b"os");
    stack.pop(2);
    let libraries: [&[u8]; 5] = [b"string", b"table", b"math", b"os", b"coroutine"];
    for name in libraries {
        stack.get_named(-1, name);
        protect(stack);
        stack.set_named(-2, name);
    }
}

/// Turns the plain globals of a fresh VM into those of a sandbox.
pub fn build(stack: &mut Stack, role: Role, series: Series) -> Sandbox {
    stack.push_copy(GLOBALS);
    tame_libraries(stack);
    tame_base(stack);
    add(stack, b"cjson", |stack| lib::json::open(stack, series));
    add(stack, b"cmsgpack", lib::msgpack::open);
    add(stack, b"struct", lib::structs::open);
    add(stack, b"bit", lib::bit::open);
    stack.push_table(0, 0);
    api::open(stack, series);
    if role == Role::Scripts {
        api::open_eval(stack);
    }
    protect(stack);
    stack.push_copy(-1);
    stack.set_named(-3, b"redis");
    stack.set_named(-2, b"server");
    let real = stack.top();
    refuse_unknown(stack);
    // What functions see as their globals.
    stack.push_table(0, 0);
    push_meta(stack, real);
    if stack.push_metatable(real) {
        protect(stack);
        stack.set_named(-2, SHOWN);
    }
    stack.push_copy(-1);
    let meta = stack.keep();
    stack.set_metatable(-2);
    stack.push_copy(-1);
    stack.set_named(real, b"_G");
    stack.replace_globals();
    let real = stack.keep();
    push_load_globals(stack, series);
    let load = stack.keep();
    Sandbox { meta, real, load }
}

/// Makes an unknown name of the globals on top an error.
fn refuse_unknown(stack: &mut Stack) {
    stack.push_table(0, 1);
    stack.push_function(unknown_global, 0);
    stack.set_named(-2, b"__index");
    stack.set_metatable(-2);
}

/// The globals of a library that loads: it can do little but register functions.
fn push_load_globals(stack: &mut Stack, series: Series) {
    stack.push_table(0, 0);
    stack.push_table(0, 0);
    api::open_load(stack, series);
    refuse_unknown(stack);
    protect(stack);
    stack.push_copy(-1);
    stack.set_named(-3, b"redis");
    stack.set_named(-2, b"server");
    refuse_unknown(stack);
}

impl Sandbox {
    /// Gives code the globals of a library that loads, or takes them back.
    pub fn set_loading(&self, stack: &mut Stack, loading: bool) {
        stack.push_kept(self.meta);
        stack.push_kept(if loading { self.load } else { self.real });
        stack.set_named(-2, b"__index");
        stack.pop(1);
    }
}
