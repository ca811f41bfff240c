//! DEBUG subcommands with replies of every type, for authors of client libraries.

use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::resp::encode::Resp;
use crate::server::Server;
use crate::server::clients::session::Session;

/// DEBUG ERROR text.
pub(super) fn error(_: &mut Server, _: &mut Session, args: &mut Args, _: &mut Reply) -> CmdResult {
    Err(CmdError::Bytes(args.bytes().to_vec()))
}

/// DEBUG PROTOCOL type.
// Unrelated to the constant pi.
#[allow(clippy::approx_constant)]
pub(super) fn protocol(
    _: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let name = args.bytes().to_ascii_lowercase();
    match name.as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"bignum" => big_number(reply, b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3)?;
            (0..3).try_for_each(|n| reply.int(n))
        }
        b"set" => {
            reply.set(3)?;
            (0..3).try_for_each(|n| reply.int(n))
        }
        b"map" => {
            reply.map(3)?;
            (0..3).try_for_each(|n| {
                reply.int(n)?;
                reply.boolean(n == 1)
            })
        }
        b"attrib" => attribute(reply),
        b"push" => push(reply),
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => Err(CmdError::Fixed(
            "ERR Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
        )),
    }
}

fn big_number(reply: &mut Reply, digits: &[u8]) -> CmdResult {
    match reply.resp {
        Resp::V2 => reply.bulk(digits),
        Resp::V3 => {
            reply.raw(b"(")?;
            reply.raw(digits)?;
            reply.raw(b"\r\n")
        }
    }
}

/// Writes a reply preceded by an attribute; in RESP2 only the reply.
fn attribute(reply: &mut Reply) -> CmdResult {
    if reply.resp == Resp::V3 {
        reply.raw(b"|1\r\n")?;
        reply.bulk(b"key-popularity")?;
        reply.array(2)?;
        reply.bulk(b"key:123")?;
        reply.int(90)?;
    }
    reply.bulk(b"Some real reply following the attribute")
}

/// Writes a reply followed by an unrelated push.
fn push(reply: &mut Reply) -> CmdResult {
    if reply.resp == Resp::V2 {
        return Err(CmdError::Fixed(
            "ERR RESP2 is not supported by this command",
        ));
    }
    reply.bulk(b"Some real reply following the push reply")?;
    reply.push(2)?;
    reply.bulk(b"server-cpu-usage")?;
    reply.int(42)
}
