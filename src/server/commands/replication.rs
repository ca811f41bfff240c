//! Commands between replica and primary: SYNC, PSYNC and REPLCONF; and those of clients: FAILOVER,
//! WAIT and WAITAOF.

use crate::algo::number::parse_i64;
use crate::algo::quoting::in_line;
use crate::algo::quoting::split_args;
use crate::command::blocking::{Nothing, TimeoutMs, Unit, Wait, parse_timeout};
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::config::checks::is_address;
use crate::replication::replica::{Announced, Filter, RDB_VERSION_CAPA};
use crate::resp::request::Argv;
use crate::server::clients::describe;
use crate::server::clients::session::{Peer, Session};
use crate::server::replication::failover;
use crate::server::replication::link;
use crate::server::replication::replicas;
use crate::server::replication::sync;
use crate::server::{Server, ServerCommand};
use crate::types::value::Kind;

/// The limit on the length of an announced address, in bytes.
const ADDRESS_MAX: usize = 256;

pub static TABLE: &[ServerCommand] = &[SYNC, PSYNC, REPLCONF, FAILOVER, WAIT, WAITAOF];

/// Checks that a client may become a replica now.
///
/// # Errors
/// The reply with the reason.
fn check_can_sync(server: &Server, session: &Session, reply: &Reply) -> Result<(), CmdError> {
    if server.replication.failover().is_some() {
        return Err(CmdError::Fixed(
            "NOMASTERLINK Can't SYNC while failing over",
        ));
    }
    if server.replication.is_link_down() {
        return Err(CmdError::Fixed(
            "NOMASTERLINK Can't SYNC while not connected with my master",
        ));
    }
    if reply.written() > 0 || session.wire.output > 0 {
        return Err(CmdError::Fixed(
            "ERR SYNC and PSYNC are invalid with pending output",
        ));
    }
    let announced = session.announced.as_deref();
    if announced.is_some_and(|one| one.filter.is_partial() && !one.reads_marked) {
        return Err(CmdError::Fixed(
            "ERR Filtered replica requires EOF capability",
        ));
    }
    let name = sync::replica_name(session);
    log::info!("Replica {name} asks for synchronization");
    Ok(())
}

const SYNC: ServerCommand = Spec {
    name: "sync",
    flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI]),
    since: "1.0.0",
    summary: "A replica asks for everything, in the old way.",
    ..Spec::of(Group::Server)
}
.runs(sync);

fn sync(server: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    if is_replica_or_monitor(session) {
        return Ok(());
    }
    check_can_sync(server, session, reply)?;
    sync::start_full(server, session, true, reply);
    Ok(())
}

const PSYNC: ServerCommand = Spec {
    name: "psync",
    arity: -3,
    flags: all(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI]),
    usage: "replicationid:string offset:integer",
    since: "2.8.0",
    summary: "A replica asks for the stream from a byte on, or for everything.",
    ..Spec::of(Group::Server)
}
.runs(psync);

fn psync(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if is_replica_or_monitor(session) {
        return Ok(());
    }
    let (id, offset) = (args.bytes(), args.bytes());
    if args.word("failover") {
        take_over(server, session, id, &args.argv())?;
    }
    check_can_sync(server, session, reply)?;
    let Some(next) = parse_i64(offset) else {
        log::warn!(
            "Replica {} asks for synchronization but with a wrong offset",
            sync::replica_name(session)
        );
        return Err(CmdError::NotInteger);
    };
    if sync::try_partial(server, session, (id, next), reply) {
        server.stats.sync_partial_ok += 1;
        return Ok(());
    }
    if id.first() != Some(&b'?') {
        server.stats.sync_partial_err += 1;
    }
    if !sync::offer_channel(server, session, reply) {
        sync::start_full(server, session, false, reply);
    }
    Ok(())
}

/// PSYNC id offset FAILOVER, from our primary: the roles are exchanged.
fn take_over(
    server: &mut Server,
    session: &Session,
    id: &[u8],
    argv: &Argv,
) -> Result<(), CmdError> {
    log::info!("Failover request received for replid {}.", in_line(id));
    if !server.replication.is_replica() {
        return Err(CmdError::Fixed(
            "ERR PSYNC FAILOVER can't be sent to a master.",
        ));
    }
    if !id.eq_ignore_ascii_case(server.replication.history().id.as_bytes()) {
        return Err(CmdError::Fixed(
            "ERR PSYNC FAILOVER replid must match my replid.",
        ));
    }
    link::unset_primary(server);
    let line = describe::caller_line(server, session, argv);
    log::info!("MASTER MODE enabled (failover request from '{line}')");
    Ok(())
}

const FAILOVER: ServerCommand = Spec {
    name: "failover",
    flags: all(&[ADMIN, NOSCRIPT, STALE]),
    usage: "[target{host:string port:integer [force=FORCE]}@TO] [abort=ABORT] \
    [milliseconds:integer@TIMEOUT]",
    since: "6.2.0",
    summary: "Hands over to a replica.",
    complexity: "O(1)",
    ..Spec::of(Group::Server)
}
.runs(failover);

fn failover(server: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let fixed = |text| Err(CmdError::Fixed(text));
    if args.left() == 1 && args.word("abort") {
        if server.replication.failover().is_none() {
            return fixed("ERR No failover in progress.");
        }
        failover::abort(server, "Failover manually aborted");
        return reply.ok();
    }
    let (mut limit_ms, mut target, mut force) = (None, None, false);
    while args.left() > 0 {
        if limit_ms.is_none() && args.left() > 1 && args.word("timeout") {
            let ms = parse_i64(args.bytes()).ok_or(CmdError::NotInteger)?;
            match u64::try_from(ms) {
                Ok(ms) if ms > 0 => limit_ms = Some(ms),
                _ => return fixed("ERR FAILOVER timeout must be greater than 0"),
            }
        } else if target.is_none() && args.left() > 2 && args.word("to") {
            let (host, port) = (args.bytes(), args.bytes());
            let port = parse_i64(port).ok_or(CmdError::NotInteger)?;
            target = Some((String::from_utf8_lossy(host).into_owned(), port));
        } else if !force && args.word("force") {
            force = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if server.replication.failover().is_some() {
        return fixed("ERR FAILOVER already in progress.");
    }
    if server.replication.is_replica() {
        return fixed("ERR FAILOVER is not valid when server is a replica.");
    }
    if server.replication.replicas().is_empty() {
        return fixed("ERR FAILOVER requires connected replicas.");
    }
    if force && (limit_ms.is_none() || target.is_none()) {
        return fixed(
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        );
    }
    if let Some((host, port)) = &target {
        match server.replication.replicas().find(host, *port) {
            None => return fixed("ERR FAILOVER target HOST and PORT is not a replica."),
            Some(replica) if !replica.is_online() => {
                return fixed("ERR FAILOVER target replica is not online.");
            }
            Some(_) => {}
        }
    }
    let target = target.map(|(host, port)| (host, port as i32));
    failover::begin(server, target, limit_ms, force);
    reply.ok()
}

/// Returns true for a replica or a monitor; neither gets a reply.
fn is_replica_or_monitor(session: &Session) -> bool {
    session.peer == Peer::Replica || session.monitor
}

const REPLCONF: ServerCommand = Spec {
    name: "replconf",
    arity: -1,
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE, ALLOW_BUSY]),
    since: "3.0.0",
    summary: "What replica and primary tell each other.",
    complexity: "O(1)",
    internal: true,
    ..Spec::of(Group::Server)
}
.runs(replconf);

fn replconf(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() % 2 == 1 {
        return Err(CmdError::Syntax);
    }
    while args.left() > 0 {
        let (option, value) = (args.bytes(), args.bytes());
        if option.eq_ignore_ascii_case(b"ack") {
            let words: Vec<&[u8]> = args.argv().iter().collect();
            acknowledge(server, session, value, &words);
            return Ok(());
        }
        // From our primary, which gets the reply at the end of the command.
        if option.eq_ignore_ascii_case(b"getack") {
            if let Some(primary) = server.replication.primary_mut() {
                primary.note_getack(session.id.0);
            }
            return Ok(());
        }
        let announced = session.announced.get_or_insert_default();
        if option.eq_ignore_ascii_case(b"main-ch-client-id") {
            announced.main_channel = Some(main_channel(server, value)?);
            continue;
        }
        announce(announced, option, value)?;
    }
    reply.ok()
}

/// Parses the number of the client that is the main channel of the caller.
fn main_channel(server: &Server, value: &[u8]) -> Result<u64, CmdError> {
    let id = parse_i64(value).ok_or(CmdError::NotInteger)?;
    let replicas = server.replication.replicas();
    let known = u64::try_from(id).ok();
    known
        .filter(|&id| replicas.awaits_channel(id))
        .ok_or_else(|| CmdError::Text(format!("ERR Unrecognized RDB client id: {id}")))
}

/// Stores a property that a replica announces.
fn announce(announced: &mut Announced, option: &[u8], value: &[u8]) -> Result<(), CmdError> {
    match option.to_ascii_lowercase().as_slice() {
        b"listening-port" => {
            let port = parse_i64(value).ok_or(CmdError::NotInteger)?;
            announced.port = port as i32;
        }
        b"ip-address" if !is_address(value) => {
            return Err(CmdError::Fixed(
                "ERR REPLCONF ip-address provided by replica instance is invalid",
            ));
        }
        b"ip-address" if value.len() < ADDRESS_MAX => {
            announced.ip = String::from_utf8_lossy(value).into_owned();
        }
        b"ip-address" => {
            return Err(CmdError::Text(format!(
                "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                value.len()
            )));
        }
        b"capa" => match value.to_ascii_lowercase().as_slice() {
            b"eof" => announced.reads_marked = true,
            b"psync2" => announced.takes_id = true,
            b"rdb-channel-repl" => announced.takes_rdb_channel = true,
            // Our own. Unknown capabilities are ignored.
            other => {
                if let Some(version) = other.strip_prefix(RDB_VERSION_CAPA.as_bytes()) {
                    let version = parse_i64(version).and_then(|n| u32::try_from(n).ok());
                    announced.reads_rdb = version;
                }
            }
        },
        // Only Valkey sends it.
        b"version" => {
            let major = value.split(|&byte| byte == b'.').next();
            let major = major
                .and_then(parse_i64)
                .and_then(|n| u32::try_from(n).ok());
            announced.valkey = Some(major.unwrap_or(0));
        }
        b"rdb-only" => announced.only_snapshot = zero_or_one(value)?,
        b"rdb-channel" => announced.is_rdb_channel = zero_or_one(value)?,
        b"rdb-filter-only" => announced.filter = filter(value)?,
        _ => {
            return Err(CmdError::quoting(
                "ERR Unrecognized REPLCONF option: ",
                option,
                usize::MAX,
                "",
            ));
        }
    }
    Ok(())
}

/// REPLCONF ACK offset [FACK offset], which gets no reply.
fn acknowledge(server: &mut Server, session: &Session, offset: &[u8], words: &[&[u8]]) {
    let Some(offset) = parse_i64(offset).filter(|_| session.peer == Peer::Replica) else {
        return;
    };
    let at = words
        .iter()
        .position(|word| word.eq_ignore_ascii_case(b"fack"));
    let logged = at.and_then(|at| words.get(at + 1));
    let logged = logged.and_then(|word| parse_i64(word));
    let now_s = server.clock.now_s();
    let replicas = server.replication.replicas_mut();
    let actions = replicas.acknowledge(session.id.0, offset, logged, now_s);
    replicas::execute(server, actions);
}

fn zero_or_one(value: &[u8]) -> Result<bool, CmdError> {
    match parse_i64(value).ok_or(CmdError::NotInteger)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CmdError::Fixed(
            "ERR value is out of range, value must between 0 and 1",
        )),
    }
}

/// Parses `rdb-filter-only`: the parts that it does not name are left out of the snapshot.
fn filter(value: &[u8]) -> Result<Filter, CmdError> {
    let words = split_args(value).ok_or(CmdError::Fixed("ERR Missing rdb-filter-only values"))?;
    let mut filter = Filter {
        no_keys: true,
        no_functions: true,
    };
    for word in words {
        if !word.eq_ignore_ascii_case(b"functions") {
            let head = "ERR Unsupported rdb-filter-only option: ";
            return Err(CmdError::quoting(head, &word, usize::MAX, ""));
        }
        filter.no_functions = false;
    }
    Ok(filter)
}

/// Parses a timeout; the clock must be able to represent its deadline.
fn parse_patience(server: &Server, text: &[u8]) -> Result<TimeoutMs, CmdError> {
    let timeout_ms = parse_timeout(text, Unit::Milliseconds)?;
    let end_ms = server
        .keyspace
        .now_ms()
        .checked_add_unsigned(timeout_ms.unwrap_or(0));
    match end_ms {
        Some(_) => Ok(timeout_ms),
        None => Err(CmdError::Fixed("ERR timeout is out of range")),
    }
}

const WAIT: ServerCommand = Spec {
    name: "wait",
    flags: all(&[BLOCKING]),
    acl: &["connection", "-keyspace"],
    usage: "numreplicas:integer timeout:integer",
    since: "3.0.0",
    summary: "Waits until replicas have what this connection wrote.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Spec::of(Group::Generic)
}
.runs(wait);

fn wait(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if server.replication.is_replica() {
        return Err(CmdError::Fixed(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 \
             if a replica is configured to be writable (which is not the default) writes to \
             replicas are just local and are not propagated.",
        ));
    }
    let wanted = parse_i64(args.bytes()).ok_or(CmdError::NotInteger)?;
    let timeout_ms = parse_patience(server, args.bytes())?;
    let acked = server
        .replication
        .replicas()
        .count_acked(session.written_to);
    if acked as i64 >= wanted || !server.frame.may_block(session) {
        return reply.int(acked as i64);
    }
    replicas::wait_for_acks(server, session.id);
    Err(CmdError::Wait(Box::new(Wait {
        nothing: Nothing::Again,
        ..Wait::new(Kind::String, [], timeout_ms)
    })))
}

const WAITAOF: ServerCommand = Spec {
    name: "waitaof",
    flags: all(&[BLOCKING]),
    acl: &["connection", "-keyspace"],
    usage: "numlocal:integer numreplicas:integer timeout:integer",
    since: "7.2.0",
    summary: "Waits until what this connection wrote is safe in logs, ours or replicas'.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Spec::of(Group::Generic)
}
.runs(waitaof);

fn waitaof(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let local = zero_or_one(args.bytes())?;
    let wanted = parse_i64(args.bytes()).ok_or(CmdError::NotInteger)?;
    if wanted < 0 {
        return Err(CmdError::Fixed(
            "ERR value is out of range, must be positive",
        ));
    }
    let timeout_ms = parse_patience(server, args.bytes())?;
    if server.replication.is_replica() {
        return Err(CmdError::Fixed(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to \
             replicas are just local and are not propagated.",
        ));
    }
    if local && !server.persist.aof.is_on() {
        return Err(CmdError::Fixed(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    let logged = server
        .replication
        .replicas()
        .count_logged(session.written_to);
    let is_here = server.persist.aof.synced_offset() >= Some(session.written_to);
    if logged as i64 >= wanted && (is_here || !local) || !server.frame.may_block(session) {
        reply.array(2)?;
        reply.int(is_here as i64)?;
        return reply.int(logged as i64);
    }
    replicas::wait_for_acks(server, session.id);
    Err(CmdError::Wait(Box::new(Wait {
        nothing: Nothing::Again,
        ..Wait::new(Kind::String, [], timeout_ms)
    })))
}
