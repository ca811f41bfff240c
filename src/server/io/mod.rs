//! Output of clients: replies in chunks, shared messages, and the limits on both.

pub mod buffers;
pub mod invalidate;
pub mod limits;
pub mod output;
pub mod publish;
pub mod reply_buffer;
