//! The hooks of a running script: the host's periodic check, which may kill it; and the debugger,
//! at every line.
#![allow(unsafe_code)]

use super::stack::Stack;
use super::{context_of, guard_panic, raise};
use crate::script::debug;
use crate::sys::clock;
use mlua::ffi;
use std::ffi::{CStr, c_int};

/// Runs every so many instructions: calls the host's check, which may kill the script.
// SAFETY: for Lua to call, with a live state.
pub(super) unsafe extern "C-unwind" fn on_count(raw: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls its hook with a live state of a VM made here; the error is raised when
    // nothing is left to drop.
    unsafe {
        let context = context_of(raw);
        context.as_ref().in_rust.set(true);
        let kill = guard_panic(|| {
            let mut stack = Stack::at(raw, context, 0);
            let (vm_state, host) = stack.vm_state_and_host();
            vm_state.killed = vm_state.killed || host.is_some_and(|host| host.on_count());
            vm_state.killed
        });
        context.as_ref().in_rust.set(false);
        if kill {
            // Again at every instruction: a script cannot hide in pcall.
            ffi::lua_sethook(
                raw,
                Some(on_count),
                ffi::LUA_MASKCOUNT | ffi::LUA_MASKLINE,
                1,
            );
            let text = (*context.as_ref().vm_state.get()).kill_text;
            ffi::lua_pushstring_(raw, text.as_ptr());
            ffi::lua_error(raw);
        }
    }
}

/// Runs every so many instructions of what runs apart, which ends when its time is up.
// SAFETY: for Lua to call, with a live state.
pub(super) unsafe extern "C-unwind" fn on_count_apart(
    raw: *mut ffi::lua_State,
    _: *mut ffi::lua_Debug,
) {
    // SAFETY: as above; nothing here needs to be dropped.
    unsafe {
        if clock::mono_ms() < context_of(raw).as_ref().until_ms.get() {
            return;
        }
        // Again at every instruction, as above.
        ffi::lua_sethook(
            raw,
            Some(on_count_apart),
            ffi::LUA_MASKCOUNT | ffi::LUA_MASKLINE,
            1,
        );
        ffi::lua_pushstring_(raw, c"timeout reached, infinite loop?".as_ptr());
        ffi::lua_error(raw);
    }
}

/// Raises the error of a killed script.
// SAFETY: for callers within the VM, with a live state.
pub(in crate::script) unsafe fn death(raw: *mut ffi::lua_State) -> Option<&'static CStr> {
    // SAFETY: the state is alive; the VM's state is not written while the VM runs C.
    unsafe {
        let vm_state = context_of(raw).as_ref().vm_state.get();
        (*vm_state).killed.then_some((*vm_state).kill_text)
    }
}

/// Instructions between two looks up, as in Redis.
pub(super) const COUNT: c_int = 100_000;

/// Runs at every line of a script that is debugged, and besides every so many instructions.
// SAFETY: for Lua to call, with a live state.
pub(super) unsafe extern "C-unwind" fn on_line(
    raw: *mut ffi::lua_State,
    record: *mut ffi::lua_Debug,
) {
    // SAFETY: Lua calls its hook with a live state of a VM made here and a record it has filled; the
    // error is raised when nothing is left to drop.
    unsafe {
        let context = context_of(raw);
        context.as_ref().in_rust.set(true);
        let counted = (*record).event == ffi::LUA_HOOKCOUNT;
        let failed = guard_panic(|| {
            let mut stack = Stack::at(raw, context, ffi::lua_gettop(raw));
            match debug::at_line(&mut stack, counted) {
                Ok(_) => false,
                Err(error) => {
                    raise::push(&mut stack, error);
                    true
                }
            }
        });
        context.as_ref().in_rust.set(false);
        if failed {
            ffi::lua_error(raw);
        }
    }
}
