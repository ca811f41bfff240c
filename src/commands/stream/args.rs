//! Ids, ranges and trimming options as the stream commands write them.

use crate::command::{Args, CmdError, Cx};
use crate::keyspace::Tuning;
use crate::types::stream::{Bound, NodeLimits, References, StreamId, Trim, parse_part};

pub const INVALID_ID: CmdError =
    CmdError::Fixed("ERR Invalid stream ID specified as stream command argument");

/// The default maximum of entries that trimming by `~` removes at once.
const LIMIT_MAX: u64 = 1_000_000;
/// The same where nodes have no limit on their entries.
const LIMIT_UNBOUNDED: u64 = 10_000;

/// An id in digits; without a sequence number it means `missing`.
pub fn strict_id(text: &[u8], missing: u64) -> Result<StreamId, CmdError> {
    StreamId::parse(text, missing).ok_or(INVALID_ID)
}

/// An id, where `-` and `+` stand for the least and the greatest.
pub fn id(text: &[u8], missing: u64) -> Result<StreamId, CmdError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => strict_id(text, missing),
    }
}

/// The first id of an interval; behind `(` the one that follows it.
pub fn interval_start(text: &[u8]) -> Result<StreamId, CmdError> {
    match text.strip_prefix(b"(") {
        None => id(text, 0),
        Some(text) => strict_id(text, 0)?
            .next()
            .ok_or(CmdError::Fixed("ERR invalid start ID for the interval")),
    }
}

/// The last id of an interval; behind `(` the one before it.
pub fn interval_end(text: &[u8]) -> Result<StreamId, CmdError> {
    match text.strip_prefix(b"(") {
        None => id(text, u64::MAX),
        Some(text) => strict_id(text, u64::MAX)?
            .prev()
            .ok_or(CmdError::Fixed("ERR invalid end ID for the interval")),
    }
}

/// The form of the id argument of XADD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    At(u64),
    Exact(StreamId),
}

fn new_id(text: &[u8]) -> Result<NewId, CmdError> {
    match text {
        b"*" => Ok(NewId::Auto),
        _ => match text.strip_suffix(b"-*") {
            Some(ms) => parse_part(ms).map(NewId::At).ok_or(INVALID_ID),
            None => strict_id(text, 0).map(NewId::Exact),
        },
    }
}

/// The options of XADD and XTRIM.
pub struct AddOrTrim {
    pub trim: Option<Trim>,
    /// The index of the threshold, and whether `=` or `~` stands before it.
    pub threshold_at: usize,
    pub has_operator: bool,
    pub references: References,
    pub make: bool,
    /// XADD only.
    pub id: Option<NewId>,
    /// XADD only.
    pub producer: Option<Producer>,
}

/// An idempotent producer: where its name stands, and the id that it gives the entry; without one
/// the content of the entry is its id.
#[derive(Clone, Copy, Debug)]
pub struct Producer {
    pub name_at: usize,
    pub iid_at: Option<usize>,
}

/// The meaning of a keyword about references.
pub fn references(word: &[u8]) -> Option<References> {
    if word.eq_ignore_ascii_case(b"keepref") {
        Some(References::Keep)
    } else if word.eq_ignore_ascii_case(b"delref") {
        Some(References::Delete)
    } else if word.eq_ignore_ascii_case(b"acked") {
        Some(References::Acknowledged)
    } else {
        None
    }
}

/// Which of the two commands reads its options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Add,
    Trim,
}

/// Reads the options of XADD up to the id, or all of XTRIM.
pub fn add_or_trim(cx: &Cx, args: &mut Args, form: Form) -> Result<AddOrTrim, CmdError> {
    let mut out = AddOrTrim {
        trim: None,
        threshold_at: 0,
        has_operator: false,
        references: References::Keep,
        make: true,
        id: None,
        producer: None,
    };
    let (mut limit, mut told_references) = (None, false);
    while let Some(word) = args.option() {
        let more = args.left() > 0;
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if form == Form::Add && word == b"*" {
            out.id = Some(NewId::Auto);
            break;
        } else if (is("maxlen") || is("minid")) && more {
            let before = out.trim.is_some();
            if before {
                return Err(CmdError::Fixed(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                ));
            }
            trim_bound(args, is("maxlen"), &mut out)?;
        } else if is("limit") && more {
            let count = args.int()?;
            limit = Some(
                u64::try_from(count)
                    .map_err(|_| CmdError::Fixed("ERR The LIMIT argument must be >= 0."))?,
            );
        } else if form == Form::Add && is("nomkstream") {
            out.make = false;
        } else if form == Form::Add && is("idmpauto") && more {
            producer(args, false, &mut out)?;
        } else if form == Form::Add && is("idmp") && args.left() > 1 {
            producer(args, true, &mut out)?;
        } else if let Some(told) = references(word).filter(|_| !told_references) {
            told_references = true;
            out.references = told;
        } else if form == Form::Add {
            out.id = Some(new_id(word)?);
            break;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let decides = !matches!(out.id, None | Some(NewId::Auto)) && !cx.caller.must_obey;
    if out.producer.is_some() && decides {
        return Err(CmdError::Fixed(
            "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
        ));
    }
    finish_limit(cx, form, limit, &mut out)?;
    Ok(out)
}

/// The words behind IDMP (`with_iid`) or IDMPAUTO.
fn producer(args: &mut Args, with_iid: bool, out: &mut AddOrTrim) -> Result<(), CmdError> {
    if out.producer.is_some() {
        return Err(CmdError::Fixed(
            "ERR syntax error, IDMP/IDMPAUTO specified multiple times",
        ));
    }
    let name_at = args.position();
    if args.bytes().is_empty() {
        return Err(CmdError::Fixed(if with_iid {
            "ERR syntax error, IDMP requires a non-empty producer ID"
        } else {
            "ERR syntax error, IDMPAUTO requires a non-empty producer ID"
        }));
    }
    let iid_at = with_iid.then_some(args.position());
    if with_iid && args.bytes().is_empty() {
        return Err(CmdError::Fixed(
            "ERR syntax error, IDMP requires a non-empty idempotent ID",
        ));
    }
    out.producer = Some(Producer { name_at, iid_at });
    Ok(())
}

/// The operator and the threshold behind MAXLEN or MINID.
fn trim_bound(args: &mut Args, by_len: bool, out: &mut AddOrTrim) -> Result<(), CmdError> {
    let mut approximate = false;
    if args.left() >= 2 {
        approximate = args.word("~");
        out.has_operator = approximate || args.word("=");
    }
    out.threshold_at = args.position();
    let bound = if by_len {
        Bound::MaxLen(
            u64::try_from(args.int()?)
                .map_err(|_| CmdError::Fixed("ERR The MAXLEN argument must be >= 0."))?,
        )
    } else {
        Bound::MinId(strict_id(args.bytes(), 0)?)
    };
    out.trim = Some(Trim {
        bound,
        approximate,
        limit: 0,
    });
    Ok(())
}

/// Settles how much trimming may remove.
fn finish_limit(
    cx: &Cx,
    form: Form,
    limit: Option<u64>,
    out: &mut AddOrTrim,
) -> Result<(), CmdError> {
    const NEEDS_TILDE: CmdError =
        CmdError::Fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");
    let Some(trim) = &mut out.trim else {
        return match (limit, form) {
            (Some(1..), _) => Err(CmdError::Fixed(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            )),
            (_, Form::Trim) => Err(CmdError::Fixed(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            )),
            (Some(0), _) if !cx.caller.must_obey => Err(NEEDS_TILDE),
            _ => Ok(()),
        };
    };
    if cx.caller.must_obey {
        trim.limit = 0;
    } else if let Some(limit) = limit {
        if !trim.approximate {
            return Err(NEEDS_TILDE);
        }
        trim.limit = limit;
    } else if trim.approximate {
        trim.limit = match cx.tuning.stream_node_max_entries.saturating_mul(100) {
            0 => LIMIT_UNBOUNDED,
            limit => limit.min(LIMIT_MAX),
        };
    }
    Ok(())
}

/// The limits at which nodes are cut.
pub fn node_limits(tuning: &Tuning) -> NodeLimits {
    NodeLimits {
        bytes: tuning.stream_node_max_bytes,
        entries: tuning.stream_node_max_entries,
    }
}
