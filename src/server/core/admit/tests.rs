//! Each gate once, closed for a command of a client, of a transaction queued before, and of a script.
//! The expected replies are those of Redis 8.2.3.

use crate::reactor::testing::{Bench, FIRST, Far};
use crate::server::gates::Gates;
use crate::server::storage::jobs;

/// The gate, the command that it rejects, and the replies: to a client, to EXEC, to a script
/// without a shebang line, and to one with it.
struct Case {
    close: fn(&mut Bench),
    command: &'static str,
    client: &'static str,
    exec: &'static str,
    script: &'static str,
    shebang: &'static str,
}

impl Case {
    /// Checks that the command runs while the gate is open, and its four rejections afterwards.
    fn check(&self, mut bench: Bench) {
        let command = self.command;
        let queued = bench.connect();
        bench.ask(queued, &format!("MULTI\n{command}"));
        let open = bench.run(command);
        assert!(!open.starts_with('-'), "{command}: {open}");
        (self.close)(&mut bench);
        assert_eq!(bench.run(command), self.client, "{command} of a client");
        assert_eq!(bench.ask(queued, "EXEC"), self.exec, "{command} of EXEC");
        assert_eq!(script(&mut bench, FIRST, command), self.script, "{command}");
        assert_eq!(shebang(&mut bench, FIRST, command), self.shebang);
    }
}

/// Runs a command in a script; returns the reply without the name of the script.
fn script(bench: &mut Bench, far: Far, command: &str) -> String {
    run_script(bench, far, "return redis.call(unpack(ARGV))", command)
}

/// Runs a command in a script with a shebang line.
fn shebang(bench: &mut Bench, far: Far, command: &str) -> String {
    let text = "#!lua\\nreturn redis.call(unpack(ARGV))";
    run_script(bench, far, text, command)
}

fn run_script(bench: &mut Bench, far: Far, text: &str, command: &str) -> String {
    let reply = bench.ask(far, &format!("EVAL \"{text}\" 0 {command}"));
    let end = reply.rfind(" script: ").unwrap_or(reply.len());
    reply[..end].to_owned()
}

/// Becomes a replica of a primary that does not exist.
fn follow(bench: &mut Bench) {
    assert_eq!(bench.run("REPLICAOF 127.0.0.1 1"), "+OK");
}

#[test]
fn memory_limit() {
    Case {
        close: |bench| drop(bench.run("CONFIG SET maxmemory 1")),
        command: "SET a 1",
        client: "-OOM command not allowed when used memory > 'maxmemory'.",
        exec: "-EXECABORT Transaction discarded because of: OOM command not allowed when used \
               memory > 'maxmemory'.",
        script: "-OOM command not allowed when used memory > 'maxmemory'.",
        // The real server rejects it before the script begins, with the text for commands.
        shebang: "-OOM command not allowed when used memory > 'maxmemory'.",
    }
    .check(Bench::new());
}

#[test]
fn too_few_replicas() {
    Case {
        close: |bench| drop(bench.run("CONFIG SET min-replicas-to-write 1")),
        command: "SET a 1",
        client: "-NOREPLICAS Not enough good replicas to write.",
        exec: "-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to \
               write.",
        script: "-NOREPLICAS Not enough good replicas to write.",
        shebang: "-NOREPLICAS Not enough good replicas to write.",
    }
    .check(Bench::new());
}

#[test]
fn read_only_replica() {
    Case {
        close: follow,
        command: "SET a 1",
        client: "-READONLY You can't write against a read only replica.",
        exec: "-EXECABORT Transaction discarded because of: READONLY You can't write against a \
               read only replica.",
        script: "-READONLY You can't write against a read only replica.",
        shebang: "-READONLY You can't write against a read only replica.",
    }
    .check(Bench::new());
}

#[test]
fn stale_data() {
    Case {
        close: |bench| {
            follow(bench);
            bench.run("CONFIG SET replica-serve-stale-data no");
        },
        command: "GET a",
        client: "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        exec: "-EXECABORT Transaction discarded because of: MASTERDOWN Link with MASTER is down \
               and replica-serve-stale-data is set to 'no'.",
        script: "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        shebang: "-READONLY You can't write against a read only replica.",
    }
    .check(Bench::new());
}

#[test]
fn loading() {
    Case {
        close: |bench| bench.gates.set(Gates::LOADING, true),
        command: "GET a",
        client: "-LOADING Redis is loading the dataset in memory",
        exec: "-EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset \
               in memory",
        script: "-LOADING Redis is loading the dataset in memory",
        shebang: "-LOADING Redis is loading the dataset in memory",
    }
    .check(Bench::new());
}

#[test]
fn disk_error() {
    let misconf = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                   persist to disk. Commands that may modify the data set are disabled, because \
                   this instance is configured to report errors during writes if RDB snapshotting \
                   fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
                   details about the RDB error.";
    let mut bench = Bench::new();
    let queued = bench.connect();
    assert_eq!(bench.ask(queued, "MULTI\nSET a 1"), "+OK +QUEUED");
    bench.run("CONFIG SET save \"1 1000000\"");
    bench.persist.saves.failed();
    jobs::refresh_disk_gate(&mut bench);
    for command in ["SET a 1", "PING"] {
        assert_eq!(bench.run(command), format!("-{misconf}"));
    }
    assert_eq!(
        bench.ask(queued, "EXEC"),
        format!("-EXECABORT Transaction discarded because of: {misconf}")
    );
    let replies = [script, shebang].map(|run| run(&mut bench, FIRST, "SET a 1"));
    assert_eq!(replies, [format!("-{misconf}"), format!("-{misconf}")]);
    assert_eq!(bench.run("GET a"), "$-1");
    bench.run("CONFIG SET stop-writes-on-bgsave-error no");
    assert_eq!(bench.run("SET a 1\nPING"), "+OK +PONG");
}

#[test]
fn rules_of_the_user() {
    let mut bench = Bench::new();
    bench.run("ACL SETUSER ada on >secret +@all ~*");
    let (client, queued) = (bench.connect(), bench.connect());
    bench.ask(client, "AUTH ada secret");
    bench.ask(queued, "AUTH ada secret\nMULTI\nSET a 1");
    assert_eq!(bench.ask(client, "SET a 1"), "+OK");
    bench.run("ACL SETUSER ada -set");
    assert_eq!(
        bench.ask(client, "SET a 1"),
        "-NOPERM User ada has no permissions to run the 'set' command"
    );
    assert_eq!(
        bench.ask(queued, "EXEC"),
        "*1 -NOPERM ACLs rules changed between the moment the transaction was accumulated and the \
         EXEC call. This command is no longer allowed for the following reason: no permission to \
         execute the command or subcommand"
    );
    for run in [script, shebang] {
        assert_eq!(
            run(&mut bench, client, "SET a 1"),
            "-ERR ACL failure in script: User ada has no permissions to run the 'set' command"
        );
    }
}

#[test]
fn protected_commands() {
    let refused = "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \
                   \"local\", you can run it from a local connection, otherwise you need to set \
                   this option in the configuration file, and then restart the server.";
    let mut bench = Bench::new();
    assert_eq!(bench.run("DEBUG SLEEP 0"), refused);
    let aborted = "-EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(
        bench.run("MULTI\nDEBUG SLEEP 0\nEXEC"),
        format!("+OK {refused} {aborted}")
    );
    for run in [script, shebang] {
        assert_eq!(
            run(&mut bench, FIRST, "DEBUG SLEEP 0"),
            "-ERR This Redis command is not allowed from script"
        );
    }
    let mut bench = Bench::with(|config| {
        config.enable_debug_command = crate::config::Allowed::Local;
    });
    assert_eq!(bench.run("DEBUG SLEEP 0"), "+OK");
}

#[test]
fn authentication() {
    let mut bench = Bench::new();
    bench.run("CONFIG SET requirepass secret");
    let stranger = bench.connect();
    let refused = "-NOAUTH Authentication required.";
    for command in ["GET a", "MULTI", "EVAL \"return 1\" 0"] {
        assert_eq!(bench.ask(stranger, command), refused, "{command}");
    }
    assert_eq!(bench.ask(stranger, "AUTH secret\nGET a"), "+OK $-1");
    // A client that was connected before stays authenticated.
    assert_eq!(bench.run("GET a"), "$-1");
}

#[test]
fn commands_outside_of_transactions() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.run("MULTI\nSAVE\nEXEC"),
        "+OK -ERR Command not allowed inside a transaction -EXECABORT Transaction discarded \
         because of previous errors."
    );
    assert_eq!(
        script(&mut bench, FIRST, "SAVE"),
        "-ERR This Redis command is not allowed from script"
    );
}

#[test]
fn subscribers_and_monitors() {
    let mut bench = Bench::new();
    let subscriber = bench.connect();
    let refused = "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT \
                   / RESET are allowed in this context";
    bench.ask(subscriber, "MULTI\nSUBSCRIBE news\nGET a\nEXEC");
    assert_eq!(bench.ask(subscriber, "GET a"), refused);
    // RESP3 tells messages from replies.
    let other = bench.connect();
    bench.ask(other, "HELLO 3");
    assert!(bench.ask(other, "SUBSCRIBE news\nGET a").ends_with('_'));
    let monitor = bench.connect();
    assert_eq!(bench.ask(monitor, "MONITOR"), "+OK");
    assert_eq!(
        bench.ask(monitor, "GET a"),
        "-ERR Replica can't interact with the keyspace"
    );
}

#[test]
fn a_pause_holds_commands_back() {
    let mut bench = Bench::new();
    let (client, queued) = (bench.connect(), bench.connect());
    bench.ask(queued, "MULTI\nSET b 1");
    bench.run("CLIENT PAUSE 1000 WRITE");
    let held = [
        "SET a 1\nGET a",
        "EXEC",
        "EVAL \"return redis.call('SET', 'c', '1')\" 0",
    ];
    let third = bench.connect();
    for (far, lines) in [client, queued, third].into_iter().zip(held) {
        assert_eq!(bench.ask(far, lines), "", "{lines}");
    }
    assert_eq!(bench.run("EXISTS a b c"), ":0");
    bench.advance_ms(1001);
    assert_eq!(bench.received(client), "+OK $1 1");
    assert_eq!(bench.received(queued), "*1 +OK");
    assert_eq!(bench.received(third), "+OK");
    assert_eq!(bench.run("EXISTS a b c"), ":3");
}

#[test]
fn a_busy_script() {
    let mut bench = Bench::with(|config| config.busy_reply_threshold = 1);
    let (other, killer) = (bench.connect(), bench.connect());
    bench.send(FIRST, "EVAL \"while true do end\" 0");
    bench.send(other, "GET a\nMULTI");
    bench.send(killer, "SCRIPT KILL");
    bench.settle_all();
    let busy = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN \
                NOSAVE.";
    assert_eq!(bench.received(other), format!("{busy} +OK"));
    assert_eq!(bench.received(killer), "+OK");
    let killed = bench.received(FIRST);
    assert!(killed.starts_with("-ERR Script killed by user"), "{killed}");
    assert_eq!(bench.ask(other, "GET a\nEXEC"), "+QUEUED *1 $-1");
}

#[test]
fn what_a_primary_sends_passes_every_gate() {
    let mut bench = Bench::new();
    bench.run("CONFIG SET maxmemory 1");
    bench.run("CONFIG SET min-replicas-to-write 1");
    let far = FIRST;
    let id = bench.id(far);
    let slot = bench.clients.slot_of(id).expect("it is connected");
    let client = bench.clients.get_mut(slot).expect("no command runs");
    client.session.must_obey = true;
    assert_eq!(bench.run("SET a 1"), "+OK");
    assert_eq!(bench.run("MULTI\nSET b 1\nEXEC"), "+OK +QUEUED *1 +OK");
}
