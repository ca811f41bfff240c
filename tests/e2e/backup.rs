//! BACKUP: its states, the files it makes, and what goes wrong.

use super::{Client, Server, text};
use std::path::Path;
use std::time::Duration;

fn state(client: &mut Client) -> String {
    let status = client.run("BACKUP STATUS");
    status
        .field("state")
        .map(|it| it.text())
        .unwrap_or_default()
}

/// Waits for a state.
fn wait_for(client: &mut Client, wanted: &str) {
    for _ in 0..400 {
        if state(client) == wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{} instead of {wanted}", client.run("BACKUP STATUS").text());
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn with_log(on: bool) -> Server {
    Server::ours()
        .with(&["--appendonly", if on { "yes" } else { "no" }, "--save", ""])
        .with(&["--enable-debug-command", "yes"])
        .start()
}

/// The keys in a server whose log is the backup of another.
fn restored(server: &Server) -> String {
    let mut other = Server::ours().with(&["--appendonly", "yes"]).start();
    let to = other.path().join("appendonlydir");
    other.kill();
    std::fs::remove_dir_all(&to).expect("the log of the new server");
    std::fs::create_dir(&to).expect("a new directory");
    let from = server.path().join("backupdir");
    for name in names(&from) {
        std::fs::copy(from.join(&name), to.join(&name)).expect("a copy");
    }
    other.restart();
    let mut client = other.client();
    let mut keys: Vec<_> = client
        .run("KEYS *")
        .items()
        .iter()
        .map(|k| k.text())
        .collect();
    keys.sort();
    keys.join(" ")
}

#[test]
fn a_backup_holds_what_was_written_up_to_its_seal() {
    for on in [true, false] {
        let server = with_log(on);
        let mut client = server.client();
        let directory = server.path().join("backupdir");
        assert_eq!(state(&mut client), "idle");
        client.run("SET before 1");
        assert_eq!(text(&mut client, "BACKUP START"), "OK");
        wait_for(&mut client, "incrementing");
        assert_eq!(names(&directory).len(), 1);
        assert_eq!(client.run("BACKUP LIST").items().len(), 1);
        let persistence = client.run("INFO persistence").text();
        assert!(persistence.contains("backup_in_progress:1"));
        assert!(persistence.contains("aof_enabled:1"));
        client.run("SET during 1");
        // The base of the backup has to stay that of the log.
        assert_eq!(
            text(&mut client, "BGREWRITEAOF"),
            "Background append only file rewriting scheduled"
        );
        assert_eq!(text(&mut client, "BACKUP SEAL"), "OK");
        client.run("SET after 1");
        assert_eq!(state(&mut client), "sealed");
        let listed = client.run("BACKUP LIST").items();
        assert_eq!(listed.len(), 3);
        for file in &listed {
            assert!(Path::new(&file.text()).is_file(), "{}", file.text());
        }
        let manifest = std::fs::read_to_string(directory.join("appendonly.aof.manifest"));
        let manifest = manifest.expect("a manifest");
        assert_eq!(manifest.lines().count(), 2, "{manifest}");
        assert!(manifest.contains(" type i startoffset "), "{manifest}");
        assert!(manifest.contains(" endoffset "), "{manifest}");
        assert_eq!(restored(&server), "before during");
        let persistence = client.run("INFO persistence").text();
        assert!(persistence.contains(&format!("aof_enabled:{}", on as u8)));
        if !on {
            assert!(names(&server.path().join("appendonlydir")).is_empty());
        }
        assert_eq!(
            text(&mut client, "BACKUP START"),
            "ERR A sealed backup exists, CLEANUP it first"
        );
        assert_eq!(text(&mut client, "BACKUP CLEANUP"), "OK");
        assert_eq!(state(&mut client), "idle");
        assert!(names(&directory).is_empty());
    }
}

#[test]
fn a_backup_that_is_not_sealed_leaves_nothing() {
    let server = with_log(true);
    let mut client = server.client();
    for (line, refused) in [
        (
            "BACKUP SEAL",
            "ERR No backup ready to seal (must be in the incrementing state)",
        ),
        ("BACKUP ABORT", "ERR No backup in progress"),
        (
            "BACKUP",
            "ERR wrong number of arguments for 'backup' command",
        ),
    ] {
        assert_eq!(text(&mut client, line), refused);
    }
    client.run("BACKUP START");
    assert_eq!(
        text(&mut client, "BACKUP START"),
        "ERR A backup is already in progress, ABORT it first"
    );
    assert_eq!(
        text(&mut client, "BACKUP CLEANUP"),
        "ERR Backup is in progress"
    );
    wait_for(&mut client, "incrementing");
    assert_eq!(text(&mut client, "BACKUP ABORT"), "OK");
    let status = client.run("BACKUP STATUS");
    let word = |name| status.field(name).map(|it| it.text()).unwrap_or_default();
    assert_eq!(
        (word("state"), word("end_time")),
        ("failed".into(), "0".into())
    );
    assert_eq!(word("error"), "aborted by user");
    assert!(names(&server.path().join("backupdir")).is_empty());
    // A failed one makes room for the next.
    client.run("BACKUP START");
    wait_for(&mut client, "incrementing");
    client.run("CONFIG SET appendonly no");
    let status = client.run("BACKUP STATUS");
    let error = status.field("error").map(|it| it.text());
    assert_eq!(error.as_deref(), Some("appendonly is stopped"));
}

#[test]
fn a_backup_waits_for_transactions_and_for_snapshots() {
    let server = with_log(true);
    let mut client = server.client();
    client.run("MULTI");
    client.run("BACKUP START");
    client.run("SET within 1");
    client.run("BACKUP STATUS");
    let replies = client.run("EXEC").items();
    let state = replies[2].field("state").map(|it| it.text());
    assert_eq!(state.as_deref(), Some("pending"));
    wait_for(&mut client, "incrementing");
    client.run("BACKUP ABORT");
    client.run("DEBUG POPULATE 1000");
    client.run("CONFIG SET rdb-key-save-delay 1000");
    client.run("BGSAVE");
    assert_eq!(text(&mut client, "BACKUP START"), "OK");
    wait_for(&mut client, "pending");
    client.run("CONFIG SET rdb-key-save-delay 0");
    wait_for(&mut client, "incrementing");
    assert_eq!(text(&mut client, "BACKUP SEAL"), "OK");
    let reply = client.call(&["EVAL", "return redis.call('BACKUP', 'START')", "0"]);
    assert!(reply.text().contains("not allowed from script"));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let server = with_log(false);
    let mut client = server.client();
    let directory = server.path().join("backupdir");
    std::fs::write(&directory, "").expect("written");
    assert_eq!(
        text(&mut client, "BACKUP START"),
        "ERR Can't create backup directory backupdir: Not a directory"
    );
    std::fs::remove_file(&directory).expect("it was there");
    std::fs::create_dir(&directory).expect("made");
    std::fs::write(directory.join("notes"), "").expect("written");
    assert_eq!(
        text(&mut client, "BACKUP START"),
        "ERR Backup directory backupdir is not empty, CLEANUP it first"
    );
    // Only files of a log are removed.
    assert_eq!(text(&mut client, "BACKUP CLEANUP"), "OK");
    assert_eq!(names(&directory), ["notes"]);
    assert_eq!(state(&mut client), "idle");
}

#[test]
fn a_log_that_is_wanted_meanwhile_stays() {
    let mut server = with_log(false);
    let mut client = server.client();
    client.run("BACKUP START");
    wait_for(&mut client, "incrementing");
    client.run("CONFIG SET appendonly yes");
    client.run("SET kept 1");
    client.run("BACKUP ABORT");
    client.run("SET also 1");
    let persistence = client.run("INFO persistence").text();
    assert!(persistence.contains("aof_enabled:1"));
    server.kill();
    let log = names(&server.path().join("appendonlydir"));
    assert_eq!(log.len(), 3, "{log:?}");
}

#[test]
fn a_sealed_backup_is_removed_after_its_time() {
    let server = with_log(true);
    let mut client = server.client();
    client.run("BACKUP START");
    wait_for(&mut client, "incrementing");
    client.run("BACKUP SEAL");
    client.run("CONFIG SET backup-sealed-ttl 1");
    wait_for(&mut client, "idle");
    assert!(names(&server.path().join("backupdir")).is_empty());
    server.wait_for_log("BACKUP: auto cleaning sealed backup after 1 seconds");
}
