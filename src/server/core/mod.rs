//! The core: the command table, admission, the execution path of every command, and the handling of
//! its effects (events, propagation, unblocking).
//!
//! A request passes `input`, `admit`, `call`, `unit` and `propagate`, in this order.

pub mod admit;
pub mod after_command;
pub mod call;
pub mod checks;
pub mod evict;
pub mod flush_wait;
pub mod frame;
pub mod input;
pub mod pause;
pub mod permissions;
pub mod propagate;
pub mod stats;
pub mod table;
pub mod unblock;
pub mod undelivered;
pub mod unit;
