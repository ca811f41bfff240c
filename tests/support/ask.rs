//! Questions that many tests ask of a server, and the replies in the form that they compare.

use super::client::{Client, Value, encode};
use super::wait::wait_until;

/// The text of a command's reply.
pub fn text(client: &mut Client, line: &str) -> String {
    client.run(line).text()
}

/// The number in a command's reply.
pub fn number(client: &mut Client, line: &str) -> i64 {
    let reply = client.run(line);
    reply
        .as_int()
        .unwrap_or_else(|| panic!("{line} replies with a number, not {reply:?}"))
}

/// The id of a client.
pub fn id(client: &mut Client) -> i64 {
    number(client, "CLIENT ID")
}

/// The value of `name=` in a line of CLIENT LIST.
pub fn field(line: &str, name: &str) -> String {
    let start = format!("{name}=");
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(&start))
        .unwrap_or_else(|| panic!("no {name} in {line}"))
        .to_owned()
}

/// The value of a field of INFO, if it is there.
pub fn info_field(client: &mut Client, name: &str) -> Option<String> {
    let all = text(client, "INFO everything");
    let mut values = all
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().map(|value| value.trim_end().to_owned())
}

/// A number of INFO.
pub fn info(client: &mut Client, name: &str) -> u64 {
    info_field(client, name)
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("INFO has the number {name}"))
}

/// Waits until a field of INFO has this value.
pub fn await_info(client: &mut Client, name: &str, value: impl ToString) {
    let value = value.to_string();
    wait_until(&format!("INFO has {name}:{value}"), || {
        info_field(client, name).as_ref() == Some(&value)
    });
}

/// Whether the server has closed the connection.
pub fn is_closed(client: &mut Client) -> bool {
    client.send_raw(b"PING\r\n").is_err() || client.reply_raw().is_err()
}

/// The same command any number of times, as one pipeline.
pub fn pipeline(args: &[&str], times: usize) -> Vec<u8> {
    encode(args).repeat(times)
}

/// A bulk reply.
pub fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

/// An array of bulk replies.
pub fn bulks(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|text| bulk(text)).collect())
}

/// The texts of the elements of a reply.
pub fn texts(value: &Value) -> Vec<String> {
    value.items().iter().map(Value::text).collect()
}

/// Lets time pass for a server that was started with `--enable-debug-command yes`: its clock is
/// moved forward. A server without such a clock, a real Redis, is waited for.
pub fn pass_ms(client: &mut Client, ms: u64) {
    if client.run(&format!("DEBUG CLOCK ADVANCE {ms}")).is_error() {
        std::thread::sleep(std::time::Duration::from_millis(ms));
    }
}
