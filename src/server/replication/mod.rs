//! Replication at work: the state machines are in `crate::replication`; here the server passes them
//! events and executes their actions.
//!
//! Of a primary: `feed` (the stream), `sync` (partial and full synchronization), `replicas` (timeouts
//! and acknowledgements), `failover`. Of a replica: `link`.

pub mod failover;
pub mod feed;
pub mod link;
pub mod replicas;
pub mod sync;
