//! Replication at work: the state is in `crate::replication`, here the server acts on it.
//!
//! Of a primary: `feed` (the stream), `sync` (how a replica gets to it), `replicas` (timeouts and
//! acknowledgements), `failover`. Of a replica: `link`. `status` describes both.

pub mod failover;
pub mod feed;
pub mod link;
pub mod replicas;
pub mod status;
pub mod sync;
