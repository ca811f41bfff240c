//! Lua 5.1 behind a safe face: a VM that owns its memory, and a stack that cannot be misused.
//!
//! Lua reports errors by `longjmp`, which must not cross a Rust frame that has something to drop.
//! So the rules of this file are:
//!
//! ```text
//!   Rust function  ── returns Err(Raise) ──>  trampoline  ── lua_error ──>  lua_pcall
//!                     (all is dropped)         (nothing left to drop)
//! ```
//!
//! * A Rust function never raises: it returns what the trampoline raises when its frame is gone.
//! * Only calls that raise nothing are offered: raw access, no metamethods, keys are checked.
//! * The one error that any call could raise is "not enough memory". While Rust code runs the
//!   allocator gives what is asked for, beyond the limit if need be (`Ground::in_rust`); the limit
//!   holds in the VM itself, where the next allocation then fails.
//!
//! Arguments of a function stay where they are until it returns (`pop` stops above them), so their
//! bytes can be borrowed for as long as it runs.
#![allow(unsafe_code)]

use super::Host;
use super::desk::Desk;
use mlua::ffi;
use std::alloc::Layout;
use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

pub const REGISTRY: i32 = ffi::LUA_REGISTRYINDEX;
pub const GLOBALS: i32 = ffi::LUA_GLOBALSINDEX;

/// The most elements that Rust code puts into one table: more would raise an error in Lua.
pub const TABLE_MAX: i32 = 1 << 26;

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

/// What a function raises.
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

/// How many of the topmost values a function returns, or what it raises.
pub type Outcome = Result<i32, Raise>;

/// Why a protected call failed. The error value is on top of the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    Raised,
    Memory,
}

/// A value kept in the registry.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Kept(c_int);

/// What a VM stands on: its memory, who it works for, and the state of the libraries.
pub(super) struct Ground {
    used: Cell<usize>,
    limit: Cell<usize>,
    in_rust: Cell<bool>,
    host: Cell<Option<NonNull<dyn Host>>>,
    /// Where the stack of the machine stood when the host came.
    native_base: Cell<usize>,
    desk: UnsafeCell<Desk>,
}

/// A VM.
pub struct Lua {
    raw: NonNull<ffi::lua_State>,
    // Boxed: the VM holds its address. Read through `ground()`.
    ground: NonNull<Ground>,
}

/// Allocates for a VM, and counts.
// SAFETY: for Lua to call, with a live state.
unsafe extern "C" fn allocate(
    ground: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `ground` is what `Lua::new` gave to `lua_newstate`: it outlives the VM.
    let ground = unsafe { &*ground.cast::<Ground>() };
    let layout = |size| Layout::from_size_align(size, 16).ok();
    let used = ground.used.get();
    let old = if block.is_null() { 0 } else { old };
    if new == 0 {
        if let (false, Some(layout)) = (block.is_null(), layout(old)) {
            // SAFETY: the block is one of ours, and Lua says truly how large it is.
            unsafe { std::alloc::dealloc(block.cast(), layout) };
            ground.used.set(used - old);
        }
        return std::ptr::null_mut();
    }
    let must = ground.in_rust.get();
    let after = (used - old).saturating_add(new);
    let (Some(wanted), Some(had)) = (layout(new), layout(old)) else {
        return std::ptr::null_mut();
    };
    if after > ground.limit.get() && new > old && !must {
        return std::ptr::null_mut();
    }
    // SAFETY: `wanted` is not empty; an old block is as large as `had` says.
    let got = unsafe {
        if old == 0 {
            std::alloc::alloc(wanted)
        } else {
            std::alloc::realloc(block.cast(), had, new)
        }
    };
    if got.is_null() {
        if must {
            std::alloc::handle_alloc_error(wanted);
        }
        return std::ptr::null_mut();
    }
    ground.used.set(after);
    got.cast()
}

/// Runs every so many instructions: lets the host look up, which may end the script.
// SAFETY: for Lua to call, with a live state.
unsafe extern "C-unwind" fn on_count(raw: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls its hook with a live state of a VM made here; the error is raised when
    // nothing is left to drop.
    unsafe {
        let ground = ground_of(raw);
        ground.as_ref().in_rust.set(true);
        let kill = guard_panic(|| {
            let mut stack = Stack::at(raw, ground, 0);
            let (desk, host) = stack.desk_and_host();
            desk.killed = desk.killed || host.is_some_and(|host| host.on_count());
            desk.killed
        });
        ground.as_ref().in_rust.set(false);
        if kill {
            // Again at every instruction: a script cannot hide in pcall.
            ffi::lua_sethook(
                raw,
                Some(on_count),
                ffi::LUA_MASKCOUNT | ffi::LUA_MASKLINE,
                1,
            );
            let text = (*ground.as_ref().desk.get()).kill_text;
            ffi::lua_pushstring_(raw, text.as_ptr());
            ffi::lua_error(raw);
        }
    }
}

/// What a script dies with, once somebody ended it.
// SAFETY: for callers within the VM, with a live state.
pub(super) unsafe fn death(raw: *mut ffi::lua_State) -> Option<&'static CStr> {
    // SAFETY: the state is alive; nobody writes to the desk while the VM runs C.
    unsafe {
        let desk = ground_of(raw).as_ref().desk.get();
        (*desk).killed.then_some((*desk).kill_text)
    }
}

/// Instructions between two looks up, as in Redis.
const COUNT: c_int = 100_000;

/// What a VM was made with.
// SAFETY: the caller's: a live state of one of our VMs.
unsafe fn ground_of(raw: *mut ffi::lua_State) -> NonNull<Ground> {
    let mut ground = std::ptr::null_mut();
    // SAFETY: the state is alive; every VM here was made with a ground.
    unsafe {
        ffi::lua_getallocf(raw, &mut ground);
        NonNull::new_unchecked(ground.cast())
    }
}

/// A panic must not unwind into C.
fn guard_panic<T>(run: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(value) => value,
        // The panic hook has told about it.
        Err(_) => std::process::abort(),
    }
}

/// The C function that runs a Rust function.
// SAFETY: for Lua to call, with a live state.
unsafe extern "C-unwind" fn trampoline<F>(raw: *mut ffi::lua_State) -> c_int
where
    F: Fn(&mut Stack) -> Outcome + Copy + 'static,
{
    const { assert!(size_of::<F>() == 0, "functions without captures only") };
    // SAFETY: Lua calls with a live state. `F` has no size and was seen by `push_function`, so one
    // can be had from nothing. What the function left is dropped before `lua_error`.
    unsafe {
        let function = NonNull::<F>::dangling().as_ref();
        let ground = ground_of(raw);
        ground.as_ref().in_rust.set(true);
        let returns = guard_panic(|| {
            let args = ffi::lua_gettop(raw);
            let mut stack = Stack::at(raw, ground, args);
            match function(&mut stack) {
                Ok(returns) => returns,
                Err(raise) => {
                    stack.push_raise(raise);
                    -1
                }
            }
        });
        ground.as_ref().in_rust.set(false);
        if returns < 0 {
            ffi::lua_error(raw);
        }
        returns
    }
}

impl Lua {
    /// A VM with the plain libraries of Lua in its globals, which must not take more than `limit`
    /// bytes.
    pub fn new(limit: usize) -> Lua {
        let host: Option<NonNull<dyn Host>> = None;
        let ground = Box::leak(Box::new(Ground {
            used: Cell::new(0),
            limit: Cell::new(limit),
            in_rust: Cell::new(true),
            host: Cell::new(host),
            native_base: Cell::new(0),
            desk: UnsafeCell::new(Desk::default()),
        }));
        let ground = NonNull::from(ground);
        // SAFETY: the allocator and its ground outlive the VM; see `drop`.
        let raw = unsafe { ffi::lua_newstate(allocate, ground.as_ptr().cast()) };
        let raw = NonNull::new(raw).expect("memory is given while Rust runs");
        let libraries: [ffi::lua_CFunction; 5] = [
            ffi::luaopen_base,
            ffi::luaopen_table,
            ffi::luaopen_string,
            ffi::luaopen_math,
            ffi::luaopen_os,
        ];
        for open in libraries {
            // SAFETY: opening libraries only fails without memory, and that is given.
            unsafe {
                ffi::lua_pushcclosure(raw.as_ptr(), open, 0);
                ffi::lua_pcall(raw.as_ptr(), 0, 0, 0);
            }
        }
        let lua = Lua { raw, ground };
        lua.rearm();
        lua
    }

    /// Sets the hook and the collector as they are at the start of every script.
    pub fn rearm(&self) {
        // SAFETY: the state is alive.
        unsafe {
            let raw = self.raw.as_ptr();
            ffi::lua_sethook(raw, Some(on_count), ffi::LUA_MASKCOUNT, COUNT);
        }
    }

    /// The state of the libraries.
    pub fn desk(&mut self) -> &mut Desk {
        // SAFETY: no stack exists while the VM is borrowed here.
        unsafe { &mut *self.ground.as_ref().desk.get() }
    }

    /// The stack, from outside of any function.
    pub fn stack(&mut self) -> Stack<'_> {
        // SAFETY: the state is alive while `self` is borrowed.
        unsafe { Stack::at(self.raw.as_ptr(), self.ground, 0) }
    }

    /// Lets `host` answer what scripts ask for while `run` runs.
    pub fn serve<T>(&mut self, host: &mut dyn Host, run: impl FnOnce(&mut Stack) -> T) -> T {
        let host: NonNull<dyn Host + '_> = NonNull::from(host);
        // SAFETY: the host is forgotten before its borrow ends.
        let host: NonNull<dyn Host + 'static> = unsafe { std::mem::transmute(host) };
        // SAFETY: the ground lives as long as the VM.
        let ground = unsafe { self.ground.as_ref() };
        ground.host.set(Some(host));
        ground.native_base.set(native_stack());
        let result = run(&mut self.stack());
        ground.host.set(None);
        result
    }

    /// Bytes the VM holds.
    pub fn used_bytes(&self) -> usize {
        // SAFETY: the ground lives as long as the VM.
        unsafe { self.ground.as_ref() }.used.get()
    }

    /// Collects garbage: a slice of it, or all. What scripts did to the collector is undone.
    pub fn collect(&mut self, all: bool) {
        // SAFETY: the state is alive; there are no finalizers that could raise.
        unsafe {
            let raw = self.raw.as_ptr();
            ffi::lua_gc(raw, ffi::LUA_GCSETPAUSE, 200);
            ffi::lua_gc(raw, ffi::LUA_GCSETSTEPMUL, 200);
            ffi::lua_gc(raw, ffi::LUA_GCRESTART, 0);
            let what = if all {
                ffi::LUA_GCCOLLECT
            } else {
                ffi::LUA_GCSTEP
            };
            ffi::lua_gc(raw, what, COLLECT_STEP);
        }
    }
}

/// How deep Rust code may recurse for a script, in bytes of the machine's stack.
const NATIVE_MAX: usize = 1 << 20;

/// Where the stack of the machine stands. It grows downwards wherever we run.
#[inline(never)]
fn native_stack() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here) as usize
}

/// The size of one slice of collecting, in KiB.
const COLLECT_STEP: c_int = 50;

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: nothing borrows the VM any more; the ground goes after it.
        unsafe {
            ffi::lua_close(self.raw.as_ptr());
            drop(Box::from_raw(self.ground.as_ptr()));
        }
    }
}

// SAFETY: a VM is owned and touched by one thread at a time, and holds nothing bound to a thread;
// the host is only set within `serve`, which borrows the VM.
unsafe impl Send for Lua {}

/// See the head of this file.
pub struct Stack<'l> {
    raw: *mut ffi::lua_State,
    ground: NonNull<Ground>,
    /// So many values at the bottom are arguments.
    args: i32,
    lua: PhantomData<&'l mut Lua>,
}

impl<'l> Stack<'l> {
    // SAFETY: for callers within the VM, with a live state.
    unsafe fn at(raw: *mut ffi::lua_State, ground: NonNull<Ground>, args: i32) -> Stack<'l> {
        Stack {
            raw,
            ground,
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

    /// Sees to it that there is room for so many more values; false if there cannot be.
    #[must_use]
    pub fn room(&mut self, count: i32) -> bool {
        // Who asks may be recursive: the stack of the machine is finite, too.
        // SAFETY: the ground lives as long as the VM.
        let base = unsafe { self.ground.as_ref() }.native_base.get();
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
    pub(super) fn push_raw_function(&mut self, function: ffi::lua_CFunction, captured: i32) {
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

    pub fn get_named(&mut self, table: i32, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.get(table);
    }

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

    /// Makes the topmost table the environment of a function.
    pub fn set_environment(&mut self, function: i32) {
        self.check_table(-1);
        assert!(self.kind(function) == Kind::Function);
        // SAFETY: a table is on top, and the index is that of a function.
        unsafe { ffi::lua_setfenv(self.raw, function) };
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
        // SAFETY: as far as it runs, the ground lives.
        let ground = unsafe { self.ground.as_ref() };
        ground.in_rust.set(false);
        // SAFETY: the function and its arguments are there; errors do not leave `lua_pcall`.
        let status = unsafe { ffi::lua_pcall(self.raw, args, returns, handler) };
        ground.in_rust.set(true);
        failure(status)
    }

    /// The state of the libraries.
    #[inline(always)]
    pub fn desk(&mut self) -> &mut Desk {
        // SAFETY: the desk is only reached through a stack, and of the stacks that exist only the
        // innermost is in use: `call` borrows the one it was called on.
        unsafe { &mut *self.ground.as_ref().desk.get() }
    }

    /// The state of the libraries, and who the script works for, if it does.
    #[inline(always)]
    pub fn desk_and_host(&mut self) -> (&mut Desk, Option<&mut dyn Host>) {
        // SAFETY: as above; the host is another object, lent for the time of `serve`.
        unsafe {
            let ground = self.ground.as_ref();
            let host = ground.host.get();
            (
                &mut *ground.desk.get(),
                host.map(|host| &mut *host.as_ptr()),
            )
        }
    }

    /// Where the running code stands: `level` 0 is the function that runs.
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

    /// `chunk:line: ` of who called the function that runs.
    fn caller(&mut self) -> Vec<u8> {
        match self.place(1) {
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

    fn push_raise(&mut self, raise: Raise) {
        let text = match raise {
            Raise::Top => return,
            Raise::Text(text) => text,
            Raise::Here(text) => [self.caller(), text].concat(),
            Raise::Argument(number, text) => {
                let what = self.argument_error(number, &text);
                [self.caller(), what].concat()
            }
        };
        if self.room(1) {
            self.push_bytes(&text);
        }
    }

    /// The words of Lua for a wrong argument.
    fn argument_error(&mut self, number: i32, text: &[u8]) -> Vec<u8> {
        let place = self.place(0);
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
}

/// What `Stack::place` tells.
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
