//! Functions of Lua's base library that must not be had as they are: thin shells around them.
//!
//! Lua 5.1 knows no read-only tables. A protected table is an empty one whose metatable leads to the
//! real one and refuses writes (`sandbox`); the functions that look at tables without asking
//! metatables are taught here to see through it, or to refuse. The others keep scripts from what is
//! known to be broken in Lua 5.1: compiled code, a chunk name that is collected while it is needed,
//! and `unpack` with a range that overflows.
//!
//! They run as part of the VM: nothing in them has anything to drop, so that errors may pass, and
//! the function behind is called within the same frame, so that its own errors read as ever.
#![allow(unsafe_code)]

use super::lua::Stack;
use mlua::ffi;
use std::ffi::{c_char, c_int};

/// The error of a write to a protected table.
pub const READ_ONLY: &std::ffi::CStr = c"Attempt to modify a readonly table";

/// The longest text that is compiled: delimiters of long strings must not overflow a counter.
const CHUNK_MAX: usize = 1 << 30;

/// Repetitions in a pattern that fit on the stack of the machine many times over.
const REPETITIONS: usize = 2_000;

/// Its address is the key under which the metatable of a protected table holds the real one.
static REAL: u8 = 0;

fn real_key() -> usize {
    (&raw const REAL).addr()
}

/// Makes the empty table on top stand for the real one under it, with the metatable at `meta`.
pub fn mark(stack: &mut Stack, meta: i32, real: i32) {
    stack.push_copy(real);
    stack.push_light(real_key());
    stack.sink(1);
    let _ = stack.set(meta);
}

/// If the value at `index` stands for a protected table, pushes the real one.
// SAFETY: for callers within the VM, with a live state.
unsafe fn push_real(raw: *mut ffi::lua_State, index: c_int) -> bool {
    // SAFETY: a function has room for `LUA_MINSTACK` values beside its arguments.
    unsafe {
        if ffi::lua_type(raw, index) != ffi::LUA_TTABLE || ffi::lua_getmetatable(raw, index) == 0 {
            return false;
        }
        ffi::lua_pushlightuserdata(raw, std::ptr::without_provenance_mut(real_key()));
        ffi::lua_rawget_(raw, -2);
        ffi::lua_remove(raw, -2);
        if ffi::lua_type(raw, -1) == ffi::LUA_TTABLE {
            return true;
        }
        ffi::lua_pop(raw, 1);
        false
    }
}

/// The same from outside of the VM.
pub fn push_real_of(stack: &mut Stack, index: i32) -> bool {
    if !stack.push_metatable(index) {
        return false;
    }
    stack.push_light(real_key());
    stack.get(-2);
    stack.drop_under();
    if stack.kind(-1) == super::lua::Kind::Table {
        return true;
    }
    stack.pop(1);
    false
}

/// Replaces a protected table on top by the real one, for reading.
pub fn show_real(stack: &mut Stack) {
    if push_real_of(stack, -1) {
        stack.drop_under();
    }
}

/// Calls the function behind a shell, which it captured, in the frame of the shell.
// SAFETY: for callers within the VM, with a live state.
unsafe fn pass_on(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: every shell is made with the function it stands before.
    unsafe {
        match ffi::lua_tocfunction(raw, ffi::lua_upvalueindex(1)) {
            Some(function) => function(raw),
            None => 0,
        }
    }
}

// SAFETY: the caller's: a live state, and a text that ends with a zero.
unsafe fn raise(raw: *mut ffi::lua_State, text: *const c_char, here: bool) -> c_int {
    // SAFETY: raises in a frame without anything to drop.
    unsafe {
        if here {
            ffi::luaL_where(raw, 1);
        } else {
            ffi::lua_pushstring_(raw, c"".as_ptr());
        }
        ffi::lua_pushstring_(raw, text);
        ffi::lua_concat(raw, 2);
        ffi::lua_error(raw)
    }
}

/// For functions that change their first argument.
// SAFETY: for Lua to call, with a live state.
pub unsafe extern "C-unwind" fn refuse_protected(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        if push_real(raw, 1) {
            return raise(raw, READ_ONLY.as_ptr(), false);
        }
        pass_on(raw)
    }
}

/// For functions that look at their first argument.
pub unsafe extern "C-unwind" fn see_through(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        if push_real(raw, 1) {
            ffi::lua_replace(raw, 1);
        }
        pass_on(raw)
    }
}

/// pairs(table). Captures the `next` of Lua, for plain tables, and ours.
pub unsafe extern "C-unwind" fn pairs(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        ffi::luaL_checktype(raw, 1, ffi::LUA_TTABLE);
        let next = if push_real(raw, 1) { 2 } else { 1 };
        ffi::lua_settop(raw, 1);
        ffi::lua_pushvalue(raw, ffi::lua_upvalueindex(next));
        ffi::lua_insert(raw, 1);
        ffi::lua_pushnil(raw);
        3
    }
}

/// `__newindex` of protected tables.
// SAFETY: for Lua to call, with a live state.
pub unsafe extern "C-unwind" fn refuse_write(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe { raise(raw, READ_ONLY.as_ptr(), true) }
}

/// pcall(function, …): as in Lua, but of an error table only the text is returned, as in Redis.
pub unsafe extern "C-unwind" fn pcall(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        ffi::luaL_checkany(raw, 1);
        let args = ffi::lua_gettop(raw) - 1;
        // The place of the first result, while there is surely room for it.
        ffi::lua_pushboolean(raw, 1);
        ffi::lua_insert(raw, 1);
        if ffi::lua_pcall(raw, args, ffi::LUA_MULTRET, 0) != ffi::LUA_OK {
            die(raw);
            ffi::lua_remove(raw, 1);
            if ffi::lua_type(raw, -1) == ffi::LUA_TTABLE {
                ffi::lua_pushstring_(raw, c"err".as_ptr());
                ffi::lua_rawget_(raw, -2);
                if ffi::lua_isstring(raw, -1) != 0 {
                    ffi::lua_replace(raw, -2);
                } else {
                    ffi::lua_pop(raw, 1);
                }
            }
            ffi::lua_pushboolean(raw, 0);
            ffi::lua_insert(raw, 1);
        }
        ffi::lua_gettop(raw)
    }
}

/// Ends a killed script, even if it catches errors.
// SAFETY: for callers within the VM, with a live state.
unsafe fn die(raw: *mut ffi::lua_State) {
    // SAFETY: as at the head of this file.
    unsafe {
        if let Some(text) = super::lua::death(raw) {
            ffi::lua_settop(raw, 0);
            ffi::lua_pushstring_(raw, text.as_ptr());
            ffi::lua_error(raw);
        }
    }
}

/// xpcall(function, handler): as in Lua, but a handler cannot catch the error that kills a script.
// SAFETY: for Lua to call, with a live state.
pub unsafe extern "C-unwind" fn xpcall(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        ffi::luaL_checkany(raw, 2);
        ffi::lua_settop(raw, 2);
        ffi::lua_pushcclosure(raw, handle, 1);
        ffi::lua_insert(raw, 1);
        let status = ffi::lua_pcall(raw, 0, ffi::LUA_MULTRET, 1);
        if status != ffi::LUA_OK {
            die(raw);
        }
        ffi::lua_pushboolean(raw, (status == ffi::LUA_OK) as c_int);
        ffi::lua_replace(raw, 1);
        ffi::lua_gettop(raw)
    }
}

/// Calls the handler that was given to `xpcall`, unless the script was killed.
// SAFETY: for Lua to call, with a live state.
unsafe extern "C-unwind" fn handle(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        if super::lua::death(raw).is_some() {
            return 1;
        }
        ffi::lua_settop(raw, 1);
        ffi::lua_pushvalue(raw, ffi::lua_upvalueindex(1));
        ffi::lua_insert(raw, 1);
        ffi::lua_call(raw, 1, 1);
        1
    }
}

/// coroutine.resume(coroutine, …): a killed script does not outlive its coroutines.
// SAFETY: for Lua to call, with a live state.
pub unsafe extern "C-unwind" fn resume(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        let returns = pass_on(raw);
        die(raw);
        returns
    }
}

/// unpack(list, from, to). A range that no stack can hold is refused before Lua counts it.
pub unsafe extern "C-unwind" fn unpack(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        ffi::luaL_checktype(raw, 1, ffi::LUA_TTABLE);
        let bound = |index, default: i64| match ffi::lua_type(raw, index) {
            ffi::LUA_TNIL | ffi::LUA_TNONE => default,
            _ => i64::from(ffi::luaL_checkinteger(raw, index) as c_int),
        };
        let from = bound(2, 1);
        let to = bound(3, ffi::lua_objlen(raw, 1) as i64);
        if to - from >= i64::from(c_int::MAX) {
            return raise(raw, c"too many results to unpack".as_ptr(), true);
        }
        pass_on(raw)
    }
}

/// For functions that match a pattern, their second argument: Lua matches by recursion, a level for
/// every repetition in it.
// SAFETY: for Lua to call, with a live state.
pub unsafe extern "C-unwind" fn limit_pattern(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file; the pattern is read while it is an argument.
    unsafe {
        let is_plain = ffi::lua_gettop(raw) >= 4 && ffi::lua_toboolean(raw, 4) != 0;
        if !is_plain && ffi::lua_type(raw, 2) == ffi::LUA_TSTRING {
            let mut len = 0;
            let text = ffi::lua_tolstring(raw, 2, &mut len).cast::<u8>();
            let pattern = std::slice::from_raw_parts(text, len);
            let repeats = |byte: &&u8| matches!(byte, b'*' | b'+' | b'?' | b'-');
            if len > REPETITIONS && pattern.iter().filter(repeats).count() > REPETITIONS {
                return raise(raw, c"pattern too complex".as_ptr(), true);
            }
        }
        pass_on(raw)
    }
}

/// Whether a string on the stack starts as compiled code does.
// SAFETY: for callers within the VM, with a live state.
unsafe fn is_compiled(raw: *mut ffi::lua_State, index: c_int) -> bool {
    // SAFETY: the index is that of a string.
    unsafe {
        let mut len = 0;
        let text = ffi::lua_tolstring(raw, index, &mut len).cast::<u8>();
        !text.is_null() && len > 0 && *text == ffi::LUA_SIGNATURE[0]
    }
}

/// Puts a space in front of the string at `index`: compiled code becomes a wrong text.
// SAFETY: the caller's: a live state with a value at `index`.
unsafe fn spoil(raw: *mut ffi::lua_State, index: c_int) {
    // SAFETY: the index is positive, and a string stands there.
    unsafe {
        ffi::lua_pushstring_(raw, c" ".as_ptr());
        ffi::lua_pushvalue(raw, index);
        ffi::lua_concat(raw, 2);
        ffi::lua_replace(raw, index);
    }
}

/// Makes the name of a chunk a value of its own, up to its first zero byte: the parser does not
/// anchor it.
// SAFETY: for callers within the VM, with a live state.
unsafe fn anchor_name(raw: *mut ffi::lua_State) {
    // SAFETY: argument 2 is a string, which lives until the function returns.
    unsafe {
        let name = ffi::lua_tolstring(raw, 2, std::ptr::null_mut());
        ffi::lua_pushstring_(raw, name);
        ffi::lua_replace(raw, 2);
    }
}

/// loadstring(text, name)
pub unsafe extern "C-unwind" fn loadstring(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        let mut len = 0;
        ffi::luaL_checklstring(raw, 1, &mut len);
        if len > CHUNK_MAX {
            return raise(raw, c"chunk has too many characters".as_ptr(), true);
        }
        if ffi::lua_type(raw, 2) <= ffi::LUA_TNIL {
            ffi::lua_settop(raw, 1);
            ffi::lua_pushvalue(raw, 1);
        }
        ffi::luaL_checklstring(raw, 2, std::ptr::null_mut());
        anchor_name(raw);
        if is_compiled(raw, 1) {
            spoil(raw, 1);
        }
        pass_on(raw)
    }
}

/// load(function, name)
// SAFETY: for Lua to call, with a live state.
pub unsafe extern "C-unwind" fn load(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file.
    unsafe {
        ffi::luaL_checktype(raw, 1, ffi::LUA_TFUNCTION);
        if ffi::lua_type(raw, 2) <= ffi::LUA_TNIL {
            ffi::lua_settop(raw, 1);
            ffi::lua_pushstring_(raw, c"=(load)".as_ptr());
        }
        ffi::luaL_checklstring(raw, 2, std::ptr::null_mut());
        anchor_name(raw);
        ffi::lua_settop(raw, 2);
        // The reader, and how many bytes it has read.
        ffi::lua_pushvalue(raw, 1);
        ffi::lua_pushnumber(raw, 0.0);
        ffi::lua_pushcclosure(raw, read_piece, 2);
        ffi::lua_replace(raw, 1);
        pass_on(raw)
    }
}

/// The reader of `load`: checks the first piece, and counts.
// SAFETY: for Lua to call, with a live state.
unsafe extern "C-unwind" fn read_piece(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as at the head of this file; the two captured values are those of `load`.
    unsafe {
        let counter = ffi::lua_upvalueindex(2);
        ffi::lua_settop(raw, 0);
        ffi::lua_pushvalue(raw, ffi::lua_upvalueindex(1));
        ffi::lua_call(raw, 0, 1);
        if ffi::lua_type(raw, 1) != ffi::LUA_TSTRING {
            return 1;
        }
        let before = ffi::lua_tonumber(raw, counter);
        let read = before + ffi::lua_objlen(raw, 1) as f64;
        if read > CHUNK_MAX as f64 {
            return raise(raw, c"chunk has too many characters".as_ptr(), true);
        }
        if before == 0.0 && is_compiled(raw, 1) {
            spoil(raw, 1);
        }
        ffi::lua_pushnumber(raw, read);
        ffi::lua_replace(raw, counter);
        1
    }
}
