//! The life of the process: start, configuration, listeners, periodic jobs and shutdown.

pub mod boot;
pub mod configure;
pub mod cron;
pub mod listen;
pub mod memory;
pub mod reload;
pub mod secure;
pub mod shutdown;
