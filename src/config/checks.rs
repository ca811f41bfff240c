//! The checks of single strings: file names, host names, addresses, the title template.

use std::net::{Ipv4Addr, Ipv6Addr};

/// As Redis's NET_HOST_STR_LEN: a host name with its end fits in 256 bytes.
const HOSTNAME_MAX: usize = 256;

const TITLE_VARIABLES: [&[u8]; 7] = [
    b"title",
    b"listen-addr",
    b"server-mode",
    b"port",
    b"tls-port",
    b"unixsocket",
    b"config-file",
];

fn ensure(fine: bool, reason: &'static str) -> Result<(), &'static str> {
    if fine { Ok(()) } else { Err(reason) }
}

fn is_plain_name(text: &[u8]) -> bool {
    !text.contains(&b'/') && !text.contains(&b'\\')
}

pub fn dbfilename(text: &[u8]) -> Result<(), &'static str> {
    ensure(
        is_plain_name(text),
        "dbfilename can't be a path, just a filename",
    )
}

pub fn appendfilename(text: &[u8]) -> Result<(), &'static str> {
    ensure(!text.is_empty(), "appendfilename can't be empty")?;
    ensure(
        is_plain_name(text),
        "appendfilename can't be a path, just a filename",
    )
}

pub fn appenddirname(text: &[u8]) -> Result<(), &'static str> {
    ensure(!text.is_empty(), "appenddirname can't be empty")?;
    ensure(
        is_plain_name(text),
        "appenddirname can't be a path, just a dirname",
    )
}

pub fn backupdirname(text: &[u8]) -> Result<(), &'static str> {
    ensure(!text.is_empty(), "backupdirname can't be empty")?;
    ensure(
        is_plain_name(text),
        "backupdirname can't be a path, just a dirname",
    )
}

/// The names of `tls-expected-peer-name`: with blanks between them.
pub fn peer_names(text: &[u8]) -> Result<(), &'static str> {
    let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | 11 | 12 | b'\r');
    ensure(
        !text.iter().any(is_space),
        "tls-expected-peer-name must not contain whitespace other than spaces separating names; use \
         an empty string to disable it",
    )?;
    ensure(
        text.is_empty() || text.iter().any(|&byte| byte != b' '),
        "tls-expected-peer-name contains no usable name; use an empty string to disable it",
    )
}

pub fn hostname(text: &[u8]) -> Result<(), &'static str> {
    ensure(
        text.len() < HOSTNAME_MAX,
        "Hostnames must be less than 256 characters",
    )?;
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    ensure(
        text.iter().all(fine),
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    )
}

/// An address or a host name that other nodes are told.
pub fn announced_address(text: &[u8]) -> Result<(), &'static str> {
    /// As Redis's NET_IP_STR_LEN.
    const ADDRESS_MAX: usize = 46;
    ensure(
        text.len() < ADDRESS_MAX,
        "Hostnames for cluster-announce-ip must be less than 46 characters",
    )?;
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.:".contains(byte);
    ensure(
        text.iter().all(fine),
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    )
}

/// Whether a text can be shown as an address between commas without being taken for more.
pub fn is_address(text: &[u8]) -> bool {
    text.iter()
        .all(|&byte| byte > b' ' && byte != 127 && byte != b',')
}

pub fn human_nodename(text: &[u8]) -> Result<(), &'static str> {
    let barred = |byte: &u8| b" !#$%&()*+,:;<>?@[]^{|}~".contains(byte);
    ensure(
        !text.iter().any(barred),
        "Announced human node name contained invalid character",
    )
}

pub fn ipv4(text: &[u8]) -> Result<(), &'static str> {
    let address = std::str::from_utf8(text).unwrap_or("?");
    ensure(
        text.is_empty() || address.parse::<Ipv4Addr>().is_ok(),
        "Invalid IPv4 address",
    )
}

pub fn ipv6(text: &[u8]) -> Result<(), &'static str> {
    let address = std::str::from_utf8(text).unwrap_or("?");
    ensure(
        text.is_empty() || address.parse::<Ipv6Addr>().is_ok(),
        "Invalid IPv6 address",
    )
}

/// Every `{` opens a known variable, and something is left: as Redis does, a check expands the
/// title itself to nothing.
pub fn proc_title_template(text: &[u8]) -> Result<(), &'static str> {
    const REASON: &str = "template format is invalid or contains unknown variables";
    let mut shown = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.iter().position(|&byte| byte == b'{') {
        shown.extend_from_slice(&rest[..open]);
        rest = &rest[open + 1..];
        let close = rest.iter().position(|&byte| byte == b'}').ok_or(REASON)?;
        let variable = &rest[..close];
        ensure(TITLE_VARIABLES.contains(&variable), REASON)?;
        if variable != b"title" {
            shown.extend_from_slice(variable);
        }
        rest = &rest[close + 1..];
    }
    shown.extend_from_slice(rest);
    ensure(!shown.trim_ascii().is_empty(), REASON)
}
