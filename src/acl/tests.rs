//! Users, rules and checks together, over a few made-up commands and over random words.

use super::*;
use crate::command::keys::FoundKeys;
use crate::command::keys::{ACCESS, KeySpec, OW, RO, UPDATE};
use crate::command::spec::{Channels, NO_AUTH, READONLY, Spec, WRITE};
use crate::resp::request::OwnedArgv;
use proptest::prelude::*;

const GET: Spec = Spec {
    name: "get",
    flags: READONLY,
    keys: &[KeySpec::at(1, &[RO, ACCESS])],
    ..Spec::BASE
};
const COPY: Spec = Spec {
    name: "copy",
    flags: WRITE,
    keys: &[KeySpec::at(1, &[RO, ACCESS]), KeySpec::at(2, &[OW, UPDATE])],
    ..Spec::BASE
};
const PUBLISH: Spec = Spec {
    channels: Some(Channels::First),
    name: "publish",
    ..Spec::BASE
};
const PSUBSCRIBE: Spec = Spec {
    channels: Some(Channels::Patterns),
    name: "psubscribe",
    ..Spec::BASE
};
const AUTH: Spec = Spec {
    name: "auth",
    flags: NO_AUTH,
    ..Spec::BASE
};
const SELECT: Spec = Spec {
    name: "select",
    ..Spec::BASE
};
const CONFIG: Spec = Spec {
    name: "config",
    ..Spec::BASE
};
const CONFIG_GET: Spec = Spec {
    name: "get",
    ..Spec::BASE
};
const SPECS: [&Spec; 8] = [
    &GET,
    &COPY,
    &PUBLISH,
    &PSUBSCRIBE,
    &AUTH,
    &SELECT,
    &CONFIG,
    &CONFIG_GET,
];

fn acl() -> Acl {
    let known = |spec: &Spec| CommandInfo {
        full_name: spec.name.to_owned(),
        categories: CommandIndex::category(if spec.flags.has(WRITE) {
            b"write"
        } else {
            b"read"
        })
        .expect("a category"),
        ..CommandInfo::default()
    };
    let mut commands: Vec<CommandInfo> = SPECS.iter().map(|spec| known(spec)).collect();
    commands[6].subcommands.push(7);
    commands[7].is_subcommand = true;
    commands[7].full_name = "config|get".to_owned();
    let mut acl = Acl::new(CommandIndex::new(commands));
    acl.configure(false, 128);
    acl
}

fn set(acl: &mut Acl, user: &str, rules: &str) -> Result<Remaining, String> {
    let words: Vec<&[u8]> = rules.split_whitespace().map(str::as_bytes).collect();
    acl.set_user(user.as_bytes(), &words)
        .map_err(|error| String::from_utf8_lossy(&error).into_owned())
}

fn shown(acl: &Acl, user: &str) -> String {
    let user = acl.user(user.as_bytes()).expect("it was set");
    String::from_utf8_lossy(&user.describe()).into_owned()
}

fn check(acl: &mut Acl, user: &str, number: u16, line: &str) -> Result<(), Denial> {
    let argv: OwnedArgv = line.split(' ').collect();
    let request = Request {
        number,
        spec: SPECS[usize::from(number)],
        argv: argv.as_argv(),
        db: 0,
        dbs: 16,
    };
    acl.check(user.as_bytes(), &request, &mut FoundKeys::default())
}

#[test]
fn rules_name_databases() {
    let mut acl = acl();
    let flags = "user u on sanitize-payload ~* resetchannels";
    for (rules, described) in [
        ("on ~* +@all", "+@all"),
        ("db=3,1,3,2", "db=1,2,3 +@all"),
        ("db=2147483647", "db=2147483647 +@all"),
        ("resetdbs", "resetdbs +@all"),
        ("DB=01", "db=1 +@all"),
        (
            "(db=0 -@all +get ~*)",
            "db=1 +@all (~* resetchannels db=0 -@all +get)",
        ),
        ("clearselectors AllDbs", "+@all"),
    ] {
        set(&mut acl, "u", rules).expect("fine rules");
        let line = acl.lines().last().expect("a user");
        let line = String::from_utf8_lossy(&line).into_owned();
        assert_eq!(line, format!("{flags} {described}"), "{rules}");
        let restricted = acl.is_restricted(b"u");
        assert!(restricted, "its channels are restricted");
    }
    let syntax = "Syntax error";
    let range = "The provided database ID is out of range";
    for (rule, error) in [
        ("db=", syntax),
        ("db=x", syntax),
        ("db=1,", syntax),
        ("db=1,,2", syntax),
        ("db=0x1", syntax),
        ("db=-1", range),
        ("db=2147483648", range),
        ("db=99999999999999999999", range),
    ] {
        let refused = set(&mut acl, "u", rule).expect_err("a bad rule");
        assert!(refused.ends_with(error), "{rule}: {refused}");
    }
    set(&mut acl, "u", "allchannels alldbs").expect("fine rules");
    assert!(!acl.is_restricted(b"u"));
    set(&mut acl, "u", "db=0").expect("fine rules");
    assert!(acl.is_restricted(b"u"));
}

#[test]
fn only_the_right_password_opens() {
    let mut acl = acl();
    assert!(acl.admits_strangers() && acl.authenticate(b"default", b"anything"));
    acl.set_default_password(b"secret");
    assert!(!acl.admits_strangers() && !acl.is_open());
    assert!(acl.authenticate(b"default", b"secret"));
    assert!(!acl.authenticate(b"default", b"secreT") && !acl.authenticate(b"eve", b"secret"));
    set(&mut acl, "eve", "on >a >b").expect("fine rules");
    assert!(acl.authenticate(b"eve", b"a") && acl.authenticate(b"eve", b"b"));
    set(&mut acl, "eve", "<a").expect("fine rules");
    assert!(!acl.authenticate(b"eve", b"a") && acl.authenticate(b"eve", b"b"));
    set(&mut acl, "eve", "off").expect("fine rules");
    assert!(!acl.authenticate(b"eve", b"b"));
    set(&mut acl, "default", "off nopass").expect("fine rules");
    assert!(acl.is_open() && !acl.admits_strangers());
}

#[test]
fn rules_are_shown_in_their_shortest_form() {
    let mut acl = acl();
    for (rules, line) in [
        ("", "off sanitize-payload resetchannels -@all"),
        (
            "+get -GET +get",
            "off sanitize-payload resetchannels -@all +get",
        ),
        (
            "on +@all -config|get -config +Select|0",
            "on sanitize-payload resetchannels +@all -config +select|0",
        ),
        (
            "allkeys allchannels allcommands skip-sanitize-payload",
            "on skip-sanitize-payload ~* &* +@all",
        ),
        (
            "reset %R~a %W~a %W~b ~c &x &y +@read (%RW~d +get)",
            "off sanitize-payload ~a %W~b ~c resetchannels &x &y -@all +@read (~d resetchannels \
             -@all +get)",
        ),
        (
            "clearselectors resetkeys resetchannels nocommands nopass",
            "off nopass sanitize-payload resetchannels -@all",
        ),
    ] {
        set(&mut acl, "u", rules).expect("fine rules");
        assert_eq!(shown(&acl, "u"), line, "after {rules}");
    }
}

#[test]
fn invalid_rules_change_nothing() {
    let mut acl = acl();
    set(&mut acl, "u", "on ~* &* +get").expect("fine rules");
    let before = shown(&acl, "u");
    for (rules, why) in [
        (
            "off +nosuch",
            "'+nosuch': Unknown command or category name in ACL",
        ),
        (
            "off -select|0",
            "'-select|0': Unknown command or category name in ACL",
        ),
        (
            "off +@nosuch",
            "'+@nosuch': Unknown command or category name in ACL",
        ),
        ("off nonsense", "'nonsense': Syntax error"),
        ("off +select|", "'+select|': Syntax error"),
        ("resetkeys %X~a", "'%X~a': Syntax error"),
        ("resetkeys %RR~a", "'%RR~a': Syntax error"),
        (
            "off +config|get|x",
            "first-arg of a subcommand is not supported",
        ),
        (
            "off ~a",
            "Try 'resetkeys' to start with an empty list of patterns",
        ),
        (
            "off &a",
            "Try 'resetchannels' to start with an empty list of channels",
        ),
        (
            "off <nosuch",
            "trying to remove from the user does not exist",
        ),
        ("off #abc", "must be exactly 64 characters"),
        (
            "off (+get ~a",
            "Unmatched parenthesis in acl selector starting at '(+get'.",
        ),
    ] {
        let error = set(&mut acl, "u", rules).expect_err(rules);
        assert!(error.contains(why), "{rules}: {error}");
        assert_eq!(shown(&acl, "u"), before, "{rules}");
    }
}

#[test]
fn one_selector_has_to_allow_all_of_a_command() {
    let mut acl = acl();
    set(&mut acl, "u", "on +get ~a* (+copy %R~from* %W~to*) &news.*").expect("fine rules");
    let mut ask = |number, line| check(&mut acl, "u", number, line);
    assert_eq!(ask(0, "get a1"), Ok(()));
    assert_eq!(ask(0, "get from1"), Err(Denial::Key(1)));
    assert_eq!(ask(1, "copy from1 to1"), Ok(()));
    assert_eq!(ask(1, "copy from1 from2"), Err(Denial::Key(2)));
    assert_eq!(ask(1, "copy to1 from2"), Err(Denial::Key(1)));
    assert_eq!(ask(2, "publish news.x hi"), Err(Denial::Command));
    // What needs no permission still may not touch any key, but it names none.
    assert_eq!(ask(4, "auth u p"), Ok(()));
    assert_eq!(
        check(&mut acl, "missing", 0, "get a1"),
        Err(Denial::Command)
    );
}

#[test]
fn channels_fit_and_patterns_are_equal() {
    let mut acl = acl();
    set(&mut acl, "u", "on +publish +psubscribe &news.*").expect("fine rules");
    let mut ask = |number, line| check(&mut acl, "u", number, line);
    assert_eq!(ask(2, "publish news.x other"), Ok(()));
    assert_eq!(ask(2, "publish other news.x"), Err(Denial::Channel(1)));
    assert_eq!(ask(3, "psubscribe news.*"), Ok(()));
    assert_eq!(ask(3, "psubscribe news.* news.x"), Err(Denial::Channel(2)));
}

#[test]
fn first_arguments_and_subcommands() {
    let mut acl = acl();
    set(&mut acl, "u", "on +select|0 +config -config|get").expect("fine rules");
    let mut ask = |number, line| check(&mut acl, "u", number, line);
    assert_eq!(ask(5, "select 0"), Ok(()));
    assert_eq!(ask(5, "select 1"), Err(Denial::Command));
    assert_eq!(ask(6, "config"), Ok(()));
    assert_eq!(ask(7, "config get x"), Err(Denial::Command));
    set(&mut acl, "u", "-select").expect("fine rules");
    assert_eq!(check(&mut acl, "u", 5, "select 0"), Err(Denial::Command));
}

#[test]
fn only_unlimited_users_are_never_checked() {
    let mut acl = acl();
    for (rules, restricted) in [
        ("on ~* &* +@all", false),
        ("-get", true),
        ("+get", true),
        ("(~* &* +@all)", false),
        ("reset", true),
    ] {
        set(&mut acl, "u", rules).expect("fine rules");
        assert_eq!(acl.is_restricted(b"u"), restricted, "after {rules}");
    }
    assert!(acl.is_restricted(b"missing") && !acl.is_restricted(b"default"));
}

#[test]
fn a_change_reports_the_channels_taken_away() {
    let mut acl = acl();
    let mut change = |rules| set(&mut acl, "u", rules).expect("fine rules");
    assert_eq!(change("on &a &b"), None);
    assert_eq!(change("&c"), None);
    assert_eq!(change("resetchannels &a &b &c &d"), None);
    assert_eq!(change("resetchannels &a"), Some(vec![b"a".to_vec()]));
    assert_eq!(change("allchannels"), None);
    assert_eq!(change("resetchannels"), Some(Vec::new()));
}

#[test]
fn a_file_is_taken_whole_or_not_at_all() {
    let mut acl = acl();
    set(&mut acl, "gone", "on").expect("fine rules");
    let text = b"\nuser alice on nopass +@all ~* &*\n  user bob (+get ~b) \r\n";
    let before = acl.load(text, "users.acl").expect("a fine file");
    assert!(before.contains_key(b"gone".as_slice()));
    let names: Vec<_> = acl.users().keys().cloned().collect();
    assert_eq!(
        names,
        [b"alice".to_vec(), b"bob".to_vec(), b"default".to_vec()]
    );
    let written = acl.file_text();
    acl.load(&written, "users.acl").expect("what was written");
    assert_eq!(acl.file_text(), written);
    let bad = b"user a +nosuch x y\nnouser\nuser a\nuser c (";
    let why = acl.load(bad, "f").expect_err("a bad file");
    assert_eq!(
        String::from_utf8_lossy(&why),
        "f:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. f:1: \
         Syntax error. f:2 should start with user keyword followed by the username. WARNING: \
         Duplicate user 'a' found on line 3. f:4: Unmatched parenthesis in selector \
         definition.WARNING: ACL errors detected, no change to the previously active ACL rules was \
         performed"
    );
    assert_eq!(acl.file_text(), written);
}

#[test]
fn the_log_groups_similar_denials() {
    let event = |object: &str| Event {
        reason: Reason::Key,
        context: Context::Toplevel,
        object: object.into(),
        user: b"u".to_vec(),
        client: String::new(),
    };
    let mut acl = acl();
    acl.configure(false, 3);
    let log = &mut acl.log;
    log.add(event("a"), 0);
    log.add(event("b"), 1);
    log.add(event("a"), 60_000);
    let seen = |log: &AclLog| -> Vec<(u64, u64)> {
        log.newest(10)
            .map(|entry| (entry.id, entry.count))
            .collect()
    };
    assert_eq!(seen(log), [(0, 2), (1, 1)]);
    log.add(event("b"), 60_002);
    assert_eq!(seen(log), [(2, 1), (0, 2), (1, 1)]);
    log.add(event("c"), 60_003);
    assert_eq!(seen(log), [(3, 1), (2, 1), (0, 2)]);
    log.max = 0;
    log.add(event("d"), 60_004);
    assert_eq!(seen(log), []);
}

/// Words that mean something, and some that do not.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(vec![
        "on",
        "off",
        "nopass",
        "resetpass",
        "reset",
        "allkeys",
        "resetkeys",
        "allchannels",
        "resetchannels",
        "allcommands",
        "nocommands",
        "alldbs",
        "resetdbs",
        "db=0,2",
        "db=1",
        "clearselectors",
        "+@all",
        "-@all",
        "+@read",
        "-@write",
        "+get",
        "-get",
        "+config",
        "-config|get",
        "+config|get",
        "+select|1",
        "+SELECT|b",
        "~a*",
        "%R~a*",
        "%W~b",
        "%rw~c",
        "~",
        "&x",
        "&y*",
        ">p",
        "<p",
        "(+get",
        "~k)",
        "(+@all -get)",
        "()",
        "(",
        ")",
        "sanitize-payload",
        "skip-sanitize-payload",
    ]);
    prop_oneof![
        9 => known.prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    /// Random rules break nothing, and the rules shown make the same user again.
    #[test]
    fn the_rules_shown_make_the_same_user(
        sentences in proptest::collection::vec(proptest::collection::vec(word(), 0..6), 1..12),
    ) {
        let mut acl = acl();
        for words in &sentences {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            // Some are wrong, and change nothing.
            let _ = acl.set_user(b"u", &words);
        }
        let Some(user) = acl.user(b"u").cloned() else { return Ok(()) };
        let text = acl.file_text();
        acl.load(&text, "f").expect("what was written");
        let again = acl.user(b"u").expect("it was written");
        prop_assert_eq!(again.describe(), user.describe());
        for (number, line) in [
            (0, "get a1"), (0, "get b"), (1, "copy a1 b"), (1, "copy c k"), (2, "publish x m"),
            (3, "psubscribe y*"), (4, "auth p"), (5, "select 1"), (6, "config"), (7, "config get x"),
        ] {
            let argv: OwnedArgv = line.split(' ').collect();
            let spec = SPECS[usize::from(number)];
            let request = || Request { number, spec, argv: argv.as_argv(), db: 0, dbs: 16 };
            let mut keys = FoundKeys::default();
            let before = user.check(&request(), &mut keys);
            let now = again.check(&request(), &mut keys);
            prop_assert_eq!(before, now, "{}", line);
            if !user.is_restricted() {
                prop_assert_eq!(now, Ok(()));
            }
        }
    }
}
