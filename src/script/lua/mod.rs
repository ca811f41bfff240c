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
//!   allocator gives what is asked for, beyond the limit if need be (`VmContext::in_rust`); the limit
//!   holds in the VM itself, where the next allocation then fails.
//!
//! Arguments of a function stay where they are until it returns (`pop` stops above them), so their
//! bytes can be borrowed for as long as it runs.
//!
//! Here is the VM itself; `stack` is what goes in and out of it, `hook` what it is interrupted by,
//! `raise` what is raised in it.
#![allow(unsafe_code)]

mod hook;
mod raise;
mod stack;

use super::Host;
use super::vm_state::VmState;
pub(super) use hook::death;
use mlua::ffi;
pub use raise::{Outcome, Raise};
pub use stack::{Failure, Kept, Kind, Stack};
use std::alloc::Layout;
use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

pub const REGISTRY: i32 = ffi::LUA_REGISTRYINDEX;
pub const GLOBALS: i32 = ffi::LUA_GLOBALSINDEX;

/// The most elements that Rust code puts into one table: more would raise an error in Lua.
pub const TABLE_MAX: i32 = 1 << 26;

/// The Rust side of a VM: its memory, its host, and the state of the libraries.
pub(super) struct VmContext {
    used: Cell<usize>,
    limit: Cell<usize>,
    in_rust: Cell<bool>,
    host: Cell<Option<NonNull<dyn Host>>>,
    /// The position of the machine's stack when the host was set.
    native_base: Cell<usize>,
    /// The time limit of code running apart, in monotonic milliseconds.
    until_ms: Cell<u64>,
    vm_state: UnsafeCell<VmState>,
}

/// A VM.
pub struct Lua {
    raw: NonNull<ffi::lua_State>,
    // Boxed: the VM holds its address. Read through `context()`.
    context: NonNull<VmContext>,
}

/// Allocates for a VM, and counts.
// SAFETY: for Lua to call, with a live state.
unsafe extern "C" fn allocate(
    context: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `context` is what `Lua::new` gave to `lua_newstate`: it outlives the VM.
    let context = unsafe { &*context.cast::<VmContext>() };
    let layout = |size| Layout::from_size_align(size, 16).ok();
    let used = context.used.get();
    let old = if block.is_null() { 0 } else { old };
    if new == 0 {
        if let (false, Some(layout)) = (block.is_null(), layout(old)) {
            // SAFETY: the block is one of ours, and Lua passes its correct size.
            unsafe { std::alloc::dealloc(block.cast(), layout) };
            context.used.set(used - old);
        }
        return std::ptr::null_mut();
    }
    let must = context.in_rust.get();
    let after = (used - old).saturating_add(new);
    let (Some(wanted), Some(had)) = (layout(new), layout(old)) else {
        return std::ptr::null_mut();
    };
    if after > context.limit.get() && new > old && !must {
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
    context.used.set(after);
    got.cast()
}

/// The Rust side of a running VM.
// SAFETY: the caller's: a live state of one of our VMs.
unsafe fn context_of(raw: *mut ffi::lua_State) -> NonNull<VmContext> {
    let mut context = std::ptr::null_mut();
    // SAFETY: the state is alive; every VM here was made with a context.
    unsafe {
        ffi::lua_getallocf(raw, &mut context);
        NonNull::new_unchecked(context.cast())
    }
}

/// A panic must not unwind into C.
fn guard_panic<T>(run: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(value) => value,
        // The panic hook has reported it.
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
        let context = context_of(raw);
        context.as_ref().in_rust.set(true);
        let returns = guard_panic(|| {
            let args = ffi::lua_gettop(raw);
            let mut stack = Stack::at(raw, context, args);
            match function(&mut stack) {
                Ok(returns) => returns,
                Err(raise) => {
                    raise::push(&mut stack, raise);
                    -1
                }
            }
        });
        context.as_ref().in_rust.set(false);
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
        let context = Box::leak(Box::new(VmContext {
            used: Cell::new(0),
            limit: Cell::new(limit),
            in_rust: Cell::new(true),
            host: Cell::new(host),
            native_base: Cell::new(0),
            until_ms: Cell::new(0),
            vm_state: UnsafeCell::new(VmState::default()),
        }));
        let context = NonNull::from(context);
        // SAFETY: the allocator and its context outlive the VM; see `drop`.
        let raw = unsafe { ffi::lua_newstate(allocate, context.as_ptr().cast()) };
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
        let mut lua = Lua { raw, context };
        lua.rearm();
        lua
    }

    /// Sets the hook as it is at the start of a script.
    pub fn rearm(&mut self) {
        let raw = self.raw.as_ptr();
        let (hook, mask): (ffi::lua_Hook, _) = match self.vm_state().debugger {
            None => (hook::on_count, ffi::LUA_MASKCOUNT),
            Some(_) => (hook::on_line, ffi::LUA_MASKCOUNT | ffi::LUA_MASKLINE),
        };
        // SAFETY: the state is alive.
        unsafe { ffi::lua_sethook(raw, Some(hook), mask, hook::COUNT) };
    }

    /// The state of the libraries.
    pub fn vm_state(&mut self) -> &mut VmState {
        // SAFETY: no stack exists while the VM is borrowed here.
        unsafe { &mut *self.context.as_ref().vm_state.get() }
    }

    /// The stack, from outside of any function.
    pub fn stack(&mut self) -> Stack<'_> {
        // SAFETY: the state is alive while `self` is borrowed.
        unsafe { Stack::at(self.raw.as_ptr(), self.context, 0) }
    }

    /// Makes `host` available to scripts while `run` runs.
    pub fn serve<T>(&mut self, host: &mut dyn Host, run: impl FnOnce(&mut Stack) -> T) -> T {
        let host: NonNull<dyn Host + '_> = NonNull::from(host);
        // SAFETY: the host is forgotten before its borrow ends.
        let host: NonNull<dyn Host + 'static> = unsafe { std::mem::transmute(host) };
        // SAFETY: the context lives as long as the VM.
        let context = unsafe { self.context.as_ref() };
        context.host.set(Some(host));
        context.native_base.set(native_stack());
        let result = run(&mut self.stack());
        context.host.set(None);
        result
    }

    /// Bytes the VM holds.
    pub fn used_bytes(&self) -> usize {
        // SAFETY: the context lives as long as the VM.
        unsafe { self.context.as_ref() }.used.get()
    }

    /// Stops the garbage collector until `resume_collecting`.
    pub fn pause_collecting(&mut self) {
        // SAFETY: the state is alive.
        unsafe { ffi::lua_gc(self.raw.as_ptr(), ffi::LUA_GCSTOP, 0) };
    }

    pub fn resume_collecting(&mut self) {
        // SAFETY: the state is alive.
        unsafe { ffi::lua_gc(self.raw.as_ptr(), ffi::LUA_GCRESTART, 0) };
    }

    /// Collects a slice of the garbage. What scripts did to the collector is undone.
    pub fn collect(&mut self) {
        // SAFETY: the state is alive; there are no finalizers that could raise.
        unsafe {
            let raw = self.raw.as_ptr();
            ffi::lua_gc(raw, ffi::LUA_GCSETPAUSE, 200);
            ffi::lua_gc(raw, ffi::LUA_GCSETSTEPMUL, 200);
            ffi::lua_gc(raw, ffi::LUA_GCRESTART, 0);
            ffi::lua_gc(raw, ffi::LUA_GCSTEP, COLLECT_STEP);
        }
    }
}

/// The position of the machine's stack, which grows downwards on all supported systems.
#[inline(never)]
fn native_stack() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here) as usize
}

/// The size of one slice of collecting, in KiB.
const COLLECT_STEP: c_int = 50;

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: nothing borrows the VM any more; the context goes after it.
        unsafe {
            ffi::lua_close(self.raw.as_ptr());
            drop(Box::from_raw(self.context.as_ptr()));
        }
    }
}

// SAFETY: a VM is owned and touched by one thread at a time, and holds nothing bound to a thread;
// the host is only set within `serve`, which borrows the VM.
unsafe impl Send for Lua {}
