//! The stack of Lua: how values go in and out. `lua/mod.rs` says what makes it safe.
#![allow(unsafe_code)]

use super::raise::Outcome;
use super::{GLOBALS, Lua, REGISTRY, VmContext, hook, native_stack, trampoline};
use crate::algo::number::write_g;
use crate::script::Host;
use crate::script::vm_state::VmState;
use crate::sys::clock;
use mlua::ffi;
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// The limit on recursion of Rust code for a script, in bytes of the machine's stack.
const NATIVE_MAX: usize = 1 << 20;

/// The significant digits of a number as a text: Lua 5.1's `%.14g`.
const NUMBER_DIGITS: usize = 14;

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    None,
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::LightUserdata | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
        }
    }
}

/// The kind of failure of a protected call. The error value is on top of the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    Raised,
    Memory,
}

/// A value kept in the registry.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Kept(c_int);

/// The stack of a Lua state. Its safety is explained in the module `lua`.
pub struct Stack<'l> {
    raw: *mut ffi::lua_State,
    context: NonNull<VmContext>,
    /// The number of values at the bottom that are arguments.
    args: i32,
    lua: PhantomData<&'l mut Lua>,
}

impl<'l> Stack<'l> {
    // SAFETY: for callers within the VM, with a live state.
    pub(super) unsafe fn at(
        raw: *mut ffi::lua_State,
        context: NonNull<VmContext>,
        args: i32,
    ) -> Stack<'l> {
        Stack {
            raw,
            context,
            args,
            lua: PhantomData,
        }
    }

    /// The number of arguments.
    pub fn args(&self) -> i32 {
        self.args
    }

    pub fn top(&self) -> i32 {
        // SAFETY: as for all that follows: the state is alive while a stack is.
        unsafe { ffi::lua_gettop(self.raw) }
    }

    /// Forgets the topmost values.
    pub fn pop(&mut self, count: i32) {
        let top = self.top() - count;
        assert!(count >= 0 && top >= self.args, "arguments stay");
        // SAFETY: the new top is within the stack.
        unsafe { ffi::lua_settop(self.raw, top) }
    }

    /// Makes room for this many more values. Returns false if Lua has no more room.
    #[must_use]
    pub fn room(&mut self, count: i32) -> bool {
        // The caller may be recursive: the machine's stack is finite, too.
        // SAFETY: the context lives as long as the VM.
        let base = unsafe { self.context.as_ref() }.native_base.get();
        if base.saturating_sub(native_stack()) > NATIVE_MAX {
            return false;
        }
        // SAFETY: raises nothing but a lack of memory.
        unsafe { ffi::lua_checkstack(self.raw, count) != 0 }
    }

    /// Whether `index` names a value or a place that can be asked.
    fn check(&self, index: i32) {
        if cfg!(debug_assertions) {
            let top = self.top();
            let fine = index > 0 || (index < 0 && -index <= top) || index <= REGISTRY;
            assert!(fine, "index {index} of {top}");
        }
    }

    #[inline(always)]
    pub fn kind(&self, index: i32) -> Kind {
        self.check(index);
        // SAFETY: the index is acceptable.
        match unsafe { ffi::lua_type(self.raw, index) } {
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            _ => Kind::None,
        }
    }

    pub fn is_nil(&self, index: i32) -> bool {
        matches!(self.kind(index), Kind::Nil | Kind::None)
    }

    /// Whether a value counts as true.
    pub fn truth(&self, index: i32) -> bool {
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_toboolean(self.raw, index) != 0 }
    }

    /// A number, also one written as a string.
    pub fn number(&self, index: i32) -> Option<f64> {
        self.check(index);
        // SAFETY: the index is acceptable; nothing is converted in place.
        unsafe {
            (ffi::lua_isnumber(self.raw, index) != 0).then(|| ffi::lua_tonumber(self.raw, index))
        }
    }

    /// The bytes of a string; not of a number.
    #[inline(always)]
    pub fn bytes(&self, index: i32) -> Option<&[u8]> {
        // SAFETY: the slice is borrowed from the stack, which keeps the string alive.
        unsafe { self.string(index) }
    }

    /// The bytes of an argument that is a string.
    #[inline(always)]
    pub fn arg_bytes(&self, index: i32) -> Option<&'l [u8]> {
        assert!(index > 0 && index <= self.args, "an argument");
        // SAFETY: arguments stay until the function returns.
        unsafe { self.string(index) }
    }

    #[inline(always)]
    unsafe fn string<'a>(&self, index: i32) -> Option<&'a [u8]> {
        if self.kind(index) != Kind::String {
            return None;
        }
        let mut len = 0;
        // SAFETY: it is a string, so nothing is converted; the caller bounds the borrow.
        unsafe {
            let text = ffi::lua_tolstring(self.raw, index, &mut len);
            Some(std::slice::from_raw_parts(text.cast(), len))
        }
    }

    /// The bytes of an argument that is a string, or a number, which becomes one.
    pub fn arg_text(&mut self, index: i32) -> Option<&'l [u8]> {
        if index > self.args {
            return None;
        }
        if self.kind(index) == Kind::Number {
            // SAFETY: converts in place, at worst for want of memory, which is given.
            unsafe { ffi::lua_tolstring(self.raw, index, std::ptr::null_mut()) };
        }
        self.arg_bytes(index)
    }

    /// The text of a string, or of a number as Lua writes it.
    pub fn text(&self, index: i32) -> Option<Vec<u8>> {
        if self.kind(index) != Kind::Number {
            return self.bytes(index).map(<[u8]>::to_vec);
        }
        let mut text = Vec::new();
        write_g(&mut text, self.number(index)?, NUMBER_DIGITS);
        Some(text)
    }

    /// An address that stands for a value's identity.
    pub fn identity(&self, index: i32) -> usize {
        self.check(index);
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_topointer(self.raw, index) as usize }
    }

    /// Whether a value is the null of cjson.
    pub fn is_null(&self, index: i32) -> bool {
        // SAFETY: the index is acceptable.
        self.kind(index) == Kind::LightUserdata
            && unsafe { ffi::lua_touserdata(self.raw, index) }.is_null()
    }

    pub fn push_nil(&mut self) {
        // SAFETY: `room` is the caller's duty beyond LUA_MINSTACK; the stack has slack for that.
        unsafe { ffi::lua_pushnil(self.raw) }
    }

    pub fn push_bool(&mut self, value: bool) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushboolean(self.raw, value as c_int) }
    }

    pub fn push_number(&mut self, value: f64) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushnumber(self.raw, value) }
    }

    #[inline(always)]
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: the string is copied.
        unsafe { ffi::lua_pushlstring_(self.raw, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// The null of cjson.
    pub fn push_null(&mut self) {
        // SAFETY: the pointer is never followed.
        unsafe { ffi::lua_pushlightuserdata(self.raw, std::ptr::null_mut()) }
    }

    /// An address as a value: a key that no script can make.
    pub fn push_light(&mut self, address: usize) {
        // SAFETY: the pointer is never followed.
        unsafe { ffi::lua_pushlightuserdata(self.raw, std::ptr::without_provenance_mut(address)) }
    }

    /// A copy of a value.
    pub fn push_copy(&mut self, index: i32) {
        self.check(index);
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_pushvalue(self.raw, index) }
    }

    /// Moves the topmost value below the `count` under it.
    pub fn sink(&mut self, count: i32) {
        assert!(self.top() - count > self.args, "arguments stay");
        // SAFETY: the index is within the stack.
        unsafe { ffi::lua_insert(self.raw, -1 - count) }
    }

    /// Removes the value under the topmost.
    pub fn drop_under(&mut self) {
        assert!(self.top() - 2 >= self.args, "arguments stay");
        // SAFETY: there are two values.
        unsafe { ffi::lua_remove(self.raw, -2) }
    }

    /// A Rust function, with the topmost `captured` values as its own.
    pub fn push_function<F>(&mut self, _: F, captured: i32)
    where
        F: Fn(&mut Stack) -> Outcome + Copy + 'static,
    {
        assert!(self.top() - captured >= self.args, "arguments stay");
        // SAFETY: there are so many values; the trampoline checks the function.
        unsafe { ffi::lua_pushcclosure(self.raw, trampoline::<F>, captured) }
    }

    /// A function of the VM's own kind (`super::guards`).
    pub(in crate::script) fn push_raw_function(
        &mut self,
        function: ffi::lua_CFunction,
        captured: i32,
    ) {
        assert!(self.top() - captured >= self.args, "arguments stay");
        // SAFETY: there are so many values.
        unsafe { ffi::lua_pushcclosure(self.raw, function, captured) }
    }

    /// The index of what a function captured, from 1 on.
    pub fn captured(&self, number: i32) -> i32 {
        ffi::lua_upvalueindex(number)
    }

    pub fn push_table(&mut self, array: usize, record: usize) {
        // SAFETY: room is only reserved, and not much.
        unsafe { ffi::lua_createtable(self.raw, clamp(array), clamp(record)) }
    }

    /// Makes an index that counts from the top one that stays true.
    fn absolute(&self, index: i32) -> i32 {
        if index > 0 || index <= REGISTRY {
            index
        } else {
            self.top() + index + 1
        }
    }

    fn check_table(&self, index: i32) {
        assert!(self.kind(index) == Kind::Table, "a table");
    }

    /// Pushes the element of a table under the topmost value, which it replaces.
    pub fn get(&mut self, table: i32) {
        self.check_table(table);
        // SAFETY: it is a table; raw access asks no metamethod.
        unsafe { ffi::lua_rawget_(self.raw, table) }
    }

    /// Pushes the field `name` of the table at `table`.
    pub fn get_named(&mut self, table: i32, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.get(table);
    }

    /// Pushes the element `place` of the table at `table`.
    pub fn get_at(&mut self, table: i32, place: i32) {
        self.check_table(table);
        // SAFETY: as above.
        unsafe { ffi::lua_rawgeti_(self.raw, table, place) }
    }

    /// Sets an element of a table: the key and the value are on top. False, and nothing is done, if
    /// no table can have this key.
    #[must_use]
    pub fn set(&mut self, table: i32) -> bool {
        self.check_table(table);
        let fine = match self.kind(-2) {
            Kind::Nil | Kind::None => false,
            Kind::Number => self.number(-2).is_some_and(|n| !n.is_nan()),
            _ => true,
        };
        if fine {
            // SAFETY: it is a table, and the key is one.
            unsafe { ffi::lua_rawset(self.raw, table) }
        }
        fine
    }

    pub fn set_named(&mut self, table: i32, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        // SAFETY: the value and the key change places.
        unsafe { ffi::lua_insert(self.raw, -2) }
        let _ = self.set(table);
    }

    #[inline(always)]
    pub fn set_at(&mut self, table: i32, place: i32) {
        self.check_table(table);
        // SAFETY: it is a table.
        unsafe { ffi::lua_rawseti_(self.raw, table, place) }
    }

    /// Replaces the key on top by the next key and its value; by nothing behind the last. Between
    /// two steps the table must not be changed.
    pub fn next(&mut self, table: i32) -> bool {
        self.check_table(table);
        // SAFETY: it is a table, and the key was got from it.
        unsafe { ffi::lua_next(self.raw, table) != 0 }
    }

    /// The length of a table without asking metamethods.
    pub fn len(&self, table: i32) -> usize {
        self.check(table);
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_objlen(self.raw, table) }
    }

    /// Pushes the metatable of a value, if it has one.
    pub fn push_metatable(&mut self, index: i32) -> bool {
        self.check(index);
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_getmetatable(self.raw, index) != 0 }
    }

    /// Makes the topmost table the metatable of a value.
    pub fn set_metatable(&mut self, index: i32) {
        self.check_table(-1);
        // SAFETY: the index is acceptable, and a table is on top.
        unsafe { ffi::lua_setmetatable(self.raw, index) };
    }

    /// Makes the topmost table the globals of this VM.
    pub fn replace_globals(&mut self) {
        self.check_table(-1);
        // SAFETY: a table is on top.
        unsafe { ffi::lua_replace(self.raw, GLOBALS) }
    }

    /// Takes the topmost value into the registry.
    pub fn keep(&mut self) -> Kept {
        // SAFETY: a value is on top.
        Kept(unsafe { ffi::luaL_ref(self.raw, REGISTRY) })
    }

    pub fn push_kept(&mut self, kept: Kept) {
        // SAFETY: the registry is a table.
        unsafe { ffi::lua_rawgeti_(self.raw, REGISTRY, kept.0) }
    }

    pub fn forget(&mut self, kept: Kept) {
        // SAFETY: the registry is a table.
        unsafe { ffi::luaL_unref(self.raw, REGISTRY, kept.0) }
    }

    /// Compiles a text; pushes the function, or the message if that fails.
    pub fn compile(&mut self, text: &[u8], name: &CStr) -> Result<(), Failure> {
        // The parser holds the name without anchoring it: it must be known elsewhere.
        self.push_bytes(name.to_bytes());
        // Compiled code is not accepted, and a space in front makes it a wrong text.
        let compiled = text.first() == Some(&ffi::LUA_SIGNATURE[0]);
        let spaced;
        let text = if compiled {
            spaced = [b" ", text].concat();
            &spaced
        } else {
            text
        };
        // SAFETY: errors do not leave `luaL_loadbuffer`; the text is only read.
        let status = unsafe {
            let text_at = text.as_ptr().cast();
            let status = ffi::luaL_loadbuffer(self.raw, text_at, text.len(), name.as_ptr());
            ffi::lua_remove(self.raw, -2);
            status
        };
        failure(status)
    }

    /// Calls the function that lies under `args` arguments, and leaves what it returns, or the
    /// error, in their place. `handler` is the index of an error handler, 0 for none.
    pub fn call(&mut self, args: i32, returns: i32, handler: i32) -> Result<(), Failure> {
        assert!(self.top() - args > self.args, "arguments stay");
        // SAFETY: as far as it runs, the context lives.
        let context = unsafe { self.context.as_ref() };
        context.in_rust.set(false);
        // SAFETY: the function and its arguments are there; errors do not leave `lua_pcall`.
        let status = unsafe { ffi::lua_pcall(self.raw, args, returns, handler) };
        context.in_rust.set(true);
        failure(status)
    }

    /// Calls the function on top, apart from what runs, and leaves what it returns, or the error, in
    /// its place. It runs in a thread of its own: while a hook runs Lua calls no other in the same
    /// one, and without a hook nothing would end it when its time is up.
    pub fn call_apart(&mut self, limit_ms: u64) -> Result<(), Failure> {
        assert!(self.top() > self.args, "arguments stay");
        if !self.room(3) {
            self.pop(1);
            self.push_bytes(b"max lua stack reached");
            return Err(Failure::Raised);
        }
        // SAFETY: as far as it runs, the context lives.
        let context = unsafe { self.context.as_ref() };
        context.until_ms.set(clock::mono_ms() + limit_ms);
        // SAFETY: there is room; the thread lies on the stack while it is used, and has room for the
        // function and what comes of it; errors do not leave `lua_pcall`.
        let status = unsafe {
            let apart = ffi::lua_newthread(self.raw);
            let hook: ffi::lua_Hook = hook::on_count_apart;
            ffi::lua_sethook(apart, Some(hook), ffi::LUA_MASKCOUNT, hook::COUNT);
            ffi::lua_pushvalue(self.raw, -2);
            ffi::lua_xmove(self.raw, apart, 1);
            context.in_rust.set(false);
            let status = ffi::lua_pcall(apart, 0, 1, 0);
            context.in_rust.set(true);
            ffi::lua_xmove(apart, self.raw, 1);
            ffi::lua_replace(self.raw, -3);
            ffi::lua_settop(self.raw, -2);
            status
        };
        failure(status)
    }

    /// The state of the libraries.
    #[inline(always)]
    pub fn vm_state(&mut self) -> &mut VmState {
        // SAFETY: the state is only reached through a stack, and of the stacks that exist only the
        // innermost is in use: `call` borrows the one it was called on.
        unsafe { &mut *self.context.as_ref().vm_state.get() }
    }

    /// The state of the libraries, and the host, if a script is running.
    #[inline(always)]
    pub fn vm_state_and_host(&mut self) -> (&mut VmState, Option<&mut dyn Host>) {
        // SAFETY: as above; the host is another object, lent for the time of `serve`.
        unsafe {
            let context = self.context.as_ref();
            let host = context.host.get();
            (
                &mut *context.vm_state.get(),
                host.map(|host| &mut *host.as_ptr()),
            )
        }
    }

    /// Pushes a local variable of the function at `level`; its name comes back. Variables are
    /// numbered from 1 on.
    pub fn push_local(&mut self, level: i32, number: i32) -> Option<Vec<u8>> {
        // SAFETY: the record is filled by Lua before it is used; the name is a C string.
        unsafe {
            let mut record = std::mem::zeroed::<ffi::lua_Debug>();
            if ffi::lua_getstack(self.raw, level, &mut record) == 0 {
                return None;
            }
            let name = ffi::lua_getlocal(self.raw, &record, number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
        }
    }

    /// The place of the running code: `level` 0 is the function that runs.
    pub fn place(&mut self, level: i32) -> Option<Place> {
        // SAFETY: the record is filled by Lua before it is read; its texts are C strings.
        unsafe {
            let mut record = std::mem::zeroed::<ffi::lua_Debug>();
            if ffi::lua_getstack(self.raw, level, &mut record) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.raw, c"nSl".as_ptr(), &mut record);
            let text = |at: *const std::ffi::c_char| match at.is_null() {
                true => Vec::new(),
                false => CStr::from_ptr(at).to_bytes().to_vec(),
            };
            Some(Place {
                is_native: text(record.what) == b"C",
                source: text(record.source),
                short: text(record.short_src.as_ptr()),
                line: record.currentline,
                name: (!record.name.is_null()).then(|| text(record.name)),
                is_method: text(record.namewhat) == b"method",
            })
        }
    }
}

/// The result of `Stack::place`.
pub struct Place {
    pub is_native: bool,
    pub source: Vec<u8>,
    pub short: Vec<u8>,
    pub line: i32,
    pub name: Option<Vec<u8>>,
    pub is_method: bool,
}

fn failure(status: c_int) -> Result<(), Failure> {
    match status {
        ffi::LUA_OK => Ok(()),
        ffi::LUA_ERRMEM => Err(Failure::Memory),
        _ => Err(Failure::Raised),
    }
}

/// Room to reserve: what is larger than this grows as it is filled.
fn clamp(count: usize) -> c_int {
    count.min(1 << 20) as c_int
}
