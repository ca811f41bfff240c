//! Every error a client can see, with its exact text.
//!
//! The text is bytes: what a client sent can be part of it, and need not be UTF-8.

use crate::resp::request::Argv;
use std::borrow::Cow;

/// Bytes of a word from a client that an error shows.
pub const SHOWN: usize = 128;

/// The part of a client's word that an error shows. As Redis does, it ends at a zero byte.
pub fn shown_part(bytes: &[u8], most: usize) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(most)];
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The result of a command function: a reply was written, or this error is the reply.
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
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(String),
    /// No error: the client is to be blocked (`command::blocking`). It never reaches a client.
    #[error("waiting")]
    Wait(Box<super::blocking::Wait>),
    /// The reply was written already, and it is an error.
    #[error("replied")]
    Replied,
    #[error("{0}")]
    Fixed(&'static str),
    #[error("{0}")]
    Text(String),
    /// A text with bytes of the client in it.
    #[error("{}", String::from_utf8_lossy(.0))]
    Bytes(Vec<u8>),
}

impl CmdError {
    /// The error for a wrong number of arguments.
    pub fn arity(name: &str) -> CmdError {
        CmdError::Arity(name.to_owned())
    }

    /// A text around bytes of the client, of which at most `shown` appear.
    pub fn quoting(before: &str, bytes: &[u8], shown: usize, after: &str) -> CmdError {
        CmdError::Bytes(
            [
                before.as_bytes(),
                shown_part(bytes, shown),
                after.as_bytes(),
            ]
            .concat(),
        )
    }

    /// A text in which every second part is a client's word, shown up to a zero byte as Redis does.
    pub fn naming(parts: &[&[u8]]) -> CmdError {
        let shown = |(i, part): (usize, &&[u8])| match i % 2 {
            0 => part.to_vec(),
            _ => shown_part(part, usize::MAX).to_vec(),
        };
        CmdError::Bytes(parts.iter().enumerate().flat_map(shown).collect())
    }

    /// No command has the name `argv[0]`. The text shows the arguments up to a limit.
    #[cold]
    pub fn unknown_command(argv: &Argv) -> CmdError {
        let mut args = Vec::new();
        for arg in argv.from(1).iter() {
            let Some(room) = SHOWN.checked_sub(args.len()).filter(|&room| room > 0) else {
                break;
            };
            args.push(b'\'');
            args.extend_from_slice(shown_part(arg, room));
            args.extend_from_slice(b"' ");
        }
        let name = shown_part(argv.at(0), SHOWN);
        let middle: &[u8] = match args.is_empty() {
            true => b"'",
            false => b"', with args beginning with: ",
        };
        CmdError::Bytes([b"ERR unknown command '", name, middle, &args].concat())
    }

    /// The command `argv[0]` has no subcommand `argv[1]`.
    pub fn unknown_subcommand(argv: &Argv) -> CmdError {
        CmdError::see_help(b"ERR unknown subcommand '", argv)
    }

    /// The subcommand in `argv` is unknown, or its arguments are too many.
    pub fn wrong_form(argv: &Argv) -> CmdError {
        let before = b"ERR unknown subcommand or wrong number of arguments for '";
        CmdError::see_help(before, argv)
    }

    /// The text around the subcommand in `argv`. It names the container as the client did, since
    /// the declared name is unknown where the command was renamed.
    fn see_help(before: &[u8], argv: &Argv) -> CmdError {
        let container = argv.at(0).to_ascii_uppercase();
        let sub = shown_part(argv.at(1), SHOWN);
        let name = shown_part(&container, usize::MAX);
        CmdError::Bytes([before, sub, b"'. Try ", name, b" HELP."].concat())
    }

    /// The text of the error reply behind the `-`.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            CmdError::Bytes(bytes) => Cow::Borrowed(bytes),
            CmdError::Fixed(text) => Cow::Borrowed(text.as_bytes()),
            other => Cow::Owned(other.to_string().into_bytes()),
        }
    }
}

impl From<crate::keyspace::WrongKind> for CmdError {
    fn from(_: crate::keyspace::WrongKind) -> Self {
        CmdError::WrongType
    }
}
