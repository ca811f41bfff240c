//! Every error a client can see, with its exact text.

/// What a command function returns: an answer was written, or this error is the answer.
pub type CmdResult = Result<(), CmdError>;

/// The text is what goes over the wire behind the `-`.
#[derive(Debug, thiserror::Error)]
pub enum CmdError {
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    #[error("ERR value is not a valid float")]
    NotFloat,
    #[error("ERR value is out of range")]
    OutOfRange,
    #[error("ERR value is out of range, must be positive")]
    NotPositive,
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    #[error("ERR increment would produce NaN or Infinity")]
    NotFinite,
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    TooLong,
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    #[error("ERR DB index is out of range")]
    DbRange,
    #[error("ERR invalid DB index")]
    DbIndex,
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(String),
    #[error(
        "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try {container} HELP."
    )]
    SubcommandSyntax {
        container: &'static str,
        sub: String,
    },
    #[error("ERR unknown subcommand '{sub}'. Try {container} HELP.")]
    UnknownSubcommand { container: String, sub: String },
    #[error("{0}")]
    Fixed(&'static str),
    #[error("{0}")]
    Text(String),
}

impl CmdError {
    pub fn arity(name: &str) -> CmdError {
        CmdError::Arity(name.to_owned())
    }
}

impl From<crate::keyspace::WrongKind> for CmdError {
    fn from(_: crate::keyspace::WrongKind) -> Self {
        CmdError::WrongType
    }
}
