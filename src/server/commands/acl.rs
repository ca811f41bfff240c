//! ACL: users and their permissions.
//!
//! The rules themselves are in `acl`; the effects of a change on connections are in
//! `server::core::permissions`.

use super::container;
use crate::acl::{AclLog, CommandIndex, Entry as Refusal, Request, Selector, is_user_name};
use crate::algo::number::parse_i64;
use crate::command::keys::FoundKeys;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::config::os_reason;
use crate::server::clients::session::Session;
use crate::server::core::permissions;
use crate::server::{Server, ServerCommand};
use std::io::Write;
use std::path::Path;

/// The default number of entries of ACL LOG.
const DEFAULT_ENTRIES: i64 = 10;
/// The maximum length of a password of ACL GENPASS, in bits, and the default.
const PASSWORD_BITS_MAX: i64 = 4096;
const PASSWORD_BITS: i64 = 256;
/// The number of bytes of an unknown category that an error shows.
const CATEGORY_SHOWN: usize = 128;

const ACL_SPEC: Spec = Spec {
    flags: all(&[ADMIN, NOSCRIPT, LOADING, STALE]),
    since: "6.0.0",
    complexity: "O(N). Where N is the number of configured users.",
    ..Spec::of(Group::Server)
};
/// The flags of subcommands that every user may call.
const FREE: Flags = all(&[NOSCRIPT, LOADING, STALE]);
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub static TABLE: &[ServerCommand] = &[ACL];

const ACL: ServerCommand = Spec {
    name: "acl",
    since: "6.0.0",
    summary: "About users and what they may do.",
    ..Spec::of(Group::Server)
}
.contains(
    &[
        ACL_CAT,
        ACL_DELUSER,
        ACL_DRYRUN,
        ACL_GENPASS,
        ACL_GETUSER,
        ACL_HELP,
        ACL_LIST,
        ACL_LOAD,
        ACL_LOG,
        ACL_SAVE,
        ACL_SETUSER,
        ACL_USERS,
        ACL_WHOAMI,
    ],
    container,
);

/// Returns the error for too many arguments of a subcommand.
fn too_many(args: &Args) -> CmdError {
    CmdError::wrong_form(&args.argv())
}

const ACL_CAT: ServerCommand = Spec {
    name: "cat",
    flags: FREE,
    usage: "[category:string]",
    summary: "The categories of commands, or the commands of one.",
    complexity: "O(1) since the categories and commands are a fixed set.",
    ..ACL_SPEC
}
.subcommand(acl_cat);

fn acl_cat(server: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let Some(name) = args.option() else {
        reply.array(CATEGORIES.len())?;
        let mut categories = CATEGORIES.iter();
        return categories.try_for_each(|category| reply.bulk(category.as_bytes()));
    };
    if args.left() > 0 {
        return Err(too_many(args));
    }
    let Some(category) = CommandIndex::category(name) else {
        return Err(CmdError::quoting(
            "ERR Unknown category '",
            name,
            CATEGORY_SHOWN,
            "'",
        ));
    };
    let command_index = server.acl.command_index();
    reply.array(command_index.in_category(category).count())?;
    let mut numbers = command_index.in_category(category);
    numbers.try_for_each(|number| reply.bulk(command_index.get(number).full_name.as_bytes()))
}

const ACL_DELUSER: ServerCommand = Spec {
    name: "deluser",
    usage: "username:string...",
    secrets: Some(|_, index| index > 1),
    summary: "Removes users and ends their connections.",
    complexity: "O(1) amortized time considering the typical user.",
    tips: EVERYWHERE,
    ..ACL_SPEC
}
.subcommand(acl_deluser);

fn acl_deluser(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let names = args.rest();
    if names.iter().any(|name| name == crate::acl::DEFAULT_USER) {
        return Err(CmdError::Fixed("ERR The 'default' user cannot be removed"));
    }
    let mut deleted = 0;
    for name in names.iter() {
        if server.acl.delete_user(name) {
            server.user_deleted(session, name);
            deleted += 1;
        }
    }
    reply.int(deleted)
}

const ACL_DRYRUN: ServerCommand = Spec {
    name: "dryrun",
    usage: "username:string command:string [arg:string...]",
    since: "7.0.0",
    summary: "Tells whether a user could run a command.",
    complexity: "O(1).",
    ..ACL_SPEC
}
.subcommand(acl_dryrun);

fn acl_dryrun(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let name = args.bytes();
    let argv = args.rest();
    if server.acl.user(name).is_none() {
        return Err(CmdError::naming(&[b"ERR User '", name, b"' not found"]));
    }
    let mut found = server.table.lookup(argv.at(0));
    if let Some(number) = found
        && !server.table[number].subcommands.is_empty()
        && argv.len() > 1
    {
        found = server.table.subcommand(number, argv.at(1));
    }
    let Some(number) = found else {
        let command = argv.at(0);
        return Err(CmdError::naming(&[
            b"ERR Command '",
            command,
            b"' not found",
        ]));
    };
    let slot = &server.table[number];
    if !slot.spec.accepts(argv.len()) {
        return Err(CmdError::Arity(slot.full_name.clone()));
    }
    let spec = slot.spec;
    let request = Request {
        number,
        spec,
        argv,
        db: session.db.0,
        dbs: server.config.databases,
    };
    match server.acl.check(name, &request, &mut FoundKeys::default()) {
        Ok(()) => reply.ok(),
        Err(denial) => {
            let argument = denial.argument(&argv).unwrap_or(argv.at(0));
            let command = &server.table[number].full_name;
            reply.bulk(&denial.verbose_text(name, command, argument))
        }
    }
}

const ACL_GENPASS: ServerCommand = Spec {
    name: "genpass",
    flags: FREE,
    usage: "[bits:integer]",
    summary: "Makes a random password.",
    complexity: "O(1)",
    ..ACL_SPEC
}
.subcommand(acl_genpass);

fn acl_genpass(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if args.left() > 1 {
        return Err(too_many(args));
    }
    let bits = match args.left() {
        0 => PASSWORD_BITS,
        _ => args.int()?,
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(CmdError::Text(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a \
             positive number up to {PASSWORD_BITS_MAX}"
        )));
    }
    // A secret comes from the system, not from the seedable generator.
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut random = [0u8; PASSWORD_BITS_MAX as usize / 8];
    let mut hex = [0u8; PASSWORD_BITS_MAX as usize / 4];
    let random = &mut random[..(bits as usize).div_ceil(8)];
    let filled = server.acl.fill_secret(random);
    filled
        .map_err(|_| CmdError::Fixed("ERR The system has no randomness to make a password of"))?;
    for (pair, byte) in hex.chunks_exact_mut(2).zip(random) {
        pair[0] = DIGITS[usize::from(*byte >> 4)];
        pair[1] = DIGITS[usize::from(*byte & 15)];
    }
    reply.bulk(&hex[..(bits as usize).div_ceil(4)])
}

const ACL_GETUSER: ServerCommand = Spec {
    name: "getuser",
    usage: "username:string",
    secrets: Some(|_, index| index > 1),
    summary: "The rules of a user.",
    complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
    history: &[
        ("6.2.0", "Shows patterns of Pub/Sub channels."),
        (
            "7.0.0",
            "Shows selectors; patterns come as the rules that set them.",
        ),
    ],
    ..ACL_SPEC
}
.subcommand(acl_getuser);

fn acl_getuser(
    server: &mut Server,
    _: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let Some(user) = server.acl.user(args.bytes()) else {
        return reply.null();
    };
    // As in Redis, unless a rule of Valkey was used.
    let with_databases = user.has_database_rules();
    reply.map(6 + with_databases as usize)?;
    reply.bulk(b"flags")?;
    let flags = user.flags();
    reply.set(flags.len())?;
    flags
        .iter()
        .try_for_each(|flag| reply.bulk(flag.as_bytes()))?;
    reply.bulk(b"passwords")?;
    reply.array(user.passwords().len())?;
    user.passwords().try_for_each(|hash| reply.bulk(hash))?;
    describe(user.root(), with_databases, reply)?;
    reply.bulk(b"selectors")?;
    reply.array(user.selectors().len())?;
    user.selectors().iter().try_for_each(|selector| {
        reply.map(3 + with_databases as usize)?;
        describe(selector, with_databases, reply)
    })
}

/// Writes the fields of a selector: three, or four with its databases.
fn describe(selector: &Selector, with_databases: bool, reply: &mut Reply) -> CmdResult {
    for (name, rules) in [
        ("commands", selector.show_commands()),
        ("keys", selector.show_keys()),
        ("channels", selector.show_channels()),
    ] {
        reply.bulk(name.as_bytes())?;
        reply.bulk(&rules)?;
    }
    if with_databases {
        reply.bulk(b"databases")?;
        reply.bulk(&selector.show_databases())?;
    }
    Ok(())
}

const ACL_LIST: ServerCommand = Spec {
    name: "list",
    summary: "All users in the form of a file.",
    ..ACL_SPEC
}
.subcommand(acl_list);

fn acl_list(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut lines = server.acl.lines();
    reply.array(lines.len())?;
    lines.try_for_each(|line| reply.bulk(&line))
}

const ACL_USERS: ServerCommand = Spec {
    name: "users",
    summary: "The names of all users.",
    ..ACL_SPEC
}
.subcommand(acl_users);

fn acl_users(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    let users = server.acl.users();
    reply.array(users.len())?;
    users.keys().try_for_each(|name| reply.bulk(name))
}

const ACL_WHOAMI: ServerCommand = Spec {
    name: "whoami",
    flags: FREE,
    summary: "The user of this connection.",
    complexity: "O(1)",
    ..ACL_SPEC
}
.subcommand(acl_whoami);

fn acl_whoami(_: &mut Server, session: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.bulk(&session.user)
}

const NO_FILE: CmdError = CmdError::Fixed(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users \
     via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis \
     configuration file set) in order to store users in the Redis configuration.",
);

const ACL_LOAD: ServerCommand = Spec {
    name: "load",
    summary: "Reads the users from their file.",
    ..ACL_SPEC
}
.subcommand(acl_load);

fn acl_load(
    server: &mut Server,
    session: &mut Session,
    _: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    if server.config.aclfile.is_empty() {
        return Err(NO_FILE);
    }
    let before = permissions::load_users(&mut server.acl, &server.config)
        .map_err(|why| CmdError::Bytes([b"ERR ".as_slice(), &why].concat()))?;
    server.users_replaced(session, &before);
    reply.ok()
}

const ACL_SAVE: ServerCommand = Spec {
    name: "save",
    summary: "Writes the users to their file.",
    tips: EVERYWHERE,
    ..ACL_SPEC
}
.subcommand(acl_save);

fn acl_save(server: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    use std::os::unix::ffi::OsStrExt;
    if server.config.aclfile.is_empty() {
        return Err(NO_FILE);
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(&server.config.aclfile));
    let mut name = path.as_os_str().to_owned();
    name.push(format!(
        ".tmp-{}-{}",
        std::process::id(),
        server.clock.now_ms()
    ));
    let temporary = Path::new(&name);
    if let Err((step, error)) = save(path, temporary, &server.acl.file_text()) {
        log::warn!("{step} for ACL SAVE: {}", os_reason(&error));
        // It may not exist, and a failure has no consequence.
        let _ = std::fs::remove_file(temporary);
        return Err(CmdError::Fixed(
            "ERR There was an error trying to save the ACLs. Please check the server logs for \
             more information",
        ));
    }
    reply.ok()
}

/// Writes a file atomically: a crash leaves the old one or the new one. The error names the step.
fn save(path: &Path, temporary: &Path, text: &[u8]) -> Result<(), (&'static str, std::io::Error)> {
    let at = |step| move |error| (step, error);
    let mut file = std::fs::File::create(temporary).map_err(at("Opening temp ACL file"))?;
    file.write_all(text).map_err(at("Writing ACL file"))?;
    file.sync_all().map_err(at("Syncing ACL file"))?;
    std::fs::rename(temporary, path).map_err(at("Renaming ACL file"))?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = std::fs::File::open(parent.unwrap_or(Path::new(".")));
    let synced = parent.and_then(|parent| parent.sync_all());
    synced.map_err(at("Syncing ACL directory"))
}

const ACL_LOG: ServerCommand = Spec {
    name: "log",
    usage: "[operation(count:integer|reset=RESET)]",
    summary: "What was refused lately.",
    complexity: "O(N) with N being the number of entries shown.",
    history: &[(
        "7.2.0",
        "Entries have a number and two times: made, and last changed.",
    )],
    ..ACL_SPEC
}
.subcommand(acl_log);

fn acl_log(server: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut count = DEFAULT_ENTRIES;
    if args.left() > 1 {
        return Err(too_many(args));
    }
    if args.left() == 1 {
        if args.word("reset") {
            server.acl.log.clear();
            return reply.ok();
        }
        count = parse_i64(args.bytes()).ok_or(CmdError::NotInteger)?;
    }
    let log: &AclLog = &server.acl.log;
    let mut entries = log.newest(usize::try_from(count).unwrap_or(0));
    let now_ms = server.clock.now_ms();
    reply.array(entries.len())?;
    entries.try_for_each(|entry| tell(entry, now_ms, reply))
}

/// Writes the ten fields of an entry of the log.
fn tell(entry: &Refusal, now_ms: i64, reply: &mut Reply) -> CmdResult {
    let event = &entry.event;
    reply.map(10)?;
    reply.bulk(b"count")?;
    reply.int(entry.count as i64)?;
    for (name, value) in [
        ("reason", event.reason.name().as_bytes()),
        ("context", event.context.name().as_bytes()),
        ("object", &event.object),
        ("username", &event.user),
    ] {
        reply.bulk(name.as_bytes())?;
        reply.bulk(value)?;
    }
    reply.bulk(b"age-seconds")?;
    reply.double((now_ms - entry.updated_ms) as f64 / 1000.0)?;
    reply.bulk(b"client-info")?;
    reply.bulk(event.client.as_bytes())?;
    for (name, value) in [
        ("entry-id", entry.id as i64),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ] {
        reply.bulk(name.as_bytes())?;
        reply.int(value)?;
    }
    Ok(())
}

const ACL_SETUSER: ServerCommand = Spec {
    name: "setuser",
    usage: "username:string [rule:string...]",
    secrets: Some(|_, index| index > 1),
    summary: "Changes or creates a user.",
    complexity: "O(N). Where N is the number of rules provided.",
    tips: EVERYWHERE,
    history: &[
        ("6.2.0", "Takes patterns of Pub/Sub channels."),
        ("7.0.0", "Takes selectors, and permissions by key."),
    ],
    ..ACL_SPEC
}
.subcommand(acl_setuser);

fn acl_setuser(
    server: &mut Server,
    session: &mut Session,
    args: &mut Args,
    reply: &mut Reply,
) -> CmdResult {
    let name = args.bytes();
    if !is_user_name(name) {
        return Err(CmdError::Fixed(
            "ERR Usernames can't contain spaces or null characters",
        ));
    }
    let rules: Vec<&[u8]> = args.rest().iter().collect();
    let remaining = server
        .acl
        .set_user(name, &rules)
        .map_err(|why| CmdError::Bytes([b"ERR ".as_slice(), &why].concat()))?;
    server.user_changed(session, name, remaining);
    reply.ok()
}

const ACL_HELP: ServerCommand = Spec {
    name: "help",
    flags: all(&[LOADING, STALE]),
    summary: "What ACL can do.",
    complexity: "O(1)",
    ..ACL_SPEC
}
.subcommand(acl_help);

fn acl_help(_: &mut Server, _: &mut Session, _: &mut Args, reply: &mut Reply) -> CmdResult {
    reply.help(&[
        "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CAT [<category>]",
        "    The commands of a category, or all categories.",
        "DELUSER <username> [<username> ...]",
        "    Remove users. Their connections are closed.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Say whether the user may run this, without running it.",
        "GETUSER <username>",
        "    What a user may do, and how it logs in.",
        "GENPASS [<bits>]",
        "    Make up a password of so many bits (default: 256).",
        "LIST",
        "    All users, as lines of the configuration.",
        "LOAD",
        "    Take the users of the ACL file.",
        "LOG [<count> | RESET]",
        "    What was denied lately, and to whom.",
        "SAVE",
        "    Write the users to the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Make a user, or change what it may do.",
        "USERS",
        "    The names of all users.",
        "WHOAMI",
        "    The user of this connection.",
        "HELP",
        "    Print this help.",
    ])
}
