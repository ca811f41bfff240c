//! What a replica knows of its primary.

/// Whom we follow.
#[derive(Debug)]
pub struct Primary {
    pub host: String,
    pub port: u16,
}
