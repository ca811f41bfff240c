//! The flags that a script or function declares in its first line.

use crate::algo::quoting::split_args;

/// The flags of a script or function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScriptFlags(pub u8);

impl ScriptFlags {
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1);
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(2);
    pub const ALLOW_STALE: ScriptFlags = ScriptFlags(4);
    pub const NO_CLUSTER: ScriptFlags = ScriptFlags(8);
    pub const ALLOW_CROSS_SLOT_KEYS: ScriptFlags = ScriptFlags(16);
    /// Without such a first line: the rules before Redis 7 apply.
    pub const COMPATIBLE: ScriptFlags = ScriptFlags(32);

    /// Names in the order FUNCTION LIST prints them.
    pub const NAMES: [(ScriptFlags, &str); 5] = [
        (ScriptFlags::NO_WRITES, "no-writes"),
        (ScriptFlags::ALLOW_OOM, "allow-oom"),
        (ScriptFlags::ALLOW_STALE, "allow-stale"),
        (ScriptFlags::NO_CLUSTER, "no-cluster"),
        (ScriptFlags::ALLOW_CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
    ];

    pub fn has(self, other: ScriptFlags) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn add(&mut self, other: ScriptFlags) {
        self.0 |= other.0;
    }

    pub fn named(name: &[u8]) -> Option<ScriptFlags> {
        let found = ScriptFlags::NAMES
            .iter()
            .find(|(_, known)| known.as_bytes() == name);
        found.map(|(flag, _)| *flag)
    }
}

/// The flags of a script of EVAL and the code without its first line, if that is a shebang. `Err` is
/// the text of the error.
pub fn of_script(body: &[u8]) -> Result<(ScriptFlags, &[u8]), Vec<u8>> {
    if !body.starts_with(b"#!") {
        return Ok((ScriptFlags::COMPATIBLE, body));
    }
    let Some(end) = first_line(body) else {
        return Err(b"ERR Invalid script shebang".to_vec());
    };
    let Some(words) = split_args(&body[..end]) else {
        return Err(b"ERR Invalid engine in script shebang".to_vec());
    };
    let mut words = words.iter();
    let engine = words.next().map_or(&b""[..], Vec::as_slice);
    if engine != b"#!lua" {
        return Err([b"ERR Unexpected engine in script shebang: ", engine].concat());
    }
    let mut flags = ScriptFlags::default();
    for word in words {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err([b"ERR Unknown lua shebang option: ", word.as_slice()].concat());
        };
        if list.is_empty() {
            continue;
        }
        for name in list.split(|&byte| byte == b',') {
            match ScriptFlags::named(name) {
                Some(flag) => flags.add(flag),
                None => return Err([b"ERR Unexpected flag in script shebang: ", name].concat()),
            }
        }
    }
    // The line end stays, so that lines keep their numbers.
    Ok((flags, &body[end..]))
}

/// The end of the first line. As Redis does, a zero byte before that is the end of the code.
fn first_line(code: &[u8]) -> Option<usize> {
    let end = memchr::memchr2(b'\n', 0, code)?;
    (code[end] == b'\n').then_some(end)
}

/// The name of a library and its code without the first line. `Err` is the text of the error.
pub fn of_library(code: &[u8]) -> Result<(Vec<u8>, &[u8]), Vec<u8>> {
    if !code.starts_with(b"#!") {
        return Err(b"ERR Missing library metadata".to_vec());
    }
    let Some(end) = first_line(code) else {
        return Err(b"ERR Invalid library metadata".to_vec());
    };
    let Some(words) = split_args(&code[..end]) else {
        return Err(b"ERR Invalid library metadata".to_vec());
    };
    let mut words = words.iter();
    let engine = words
        .next()
        .map_or(&b""[..], |word| word.get(2..).unwrap_or_default());
    let mut name = None;
    for word in words {
        let given = word
            .get(5..)
            .filter(|_| word[..5].eq_ignore_ascii_case(b"name="));
        match given {
            Some(given) if name.is_none() => name = Some(given.to_vec()),
            Some(_) => {
                let text = b"ERR Invalid metadata value, name argument was given multiple times";
                return Err(text.to_vec());
            }
            None => return Err([b"ERR Invalid metadata value given: ", word.as_slice()].concat()),
        }
    }
    let Some(name) = name else {
        return Err(b"ERR Library name was not given".to_vec());
    };
    if !is_name(&name) {
        let text = "ERR Library names can only contain letters, numbers, or underscores(_) and must \
                    be at least one character long";
        return Err(text.into());
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err([b"ERR Engine '", engine, b"' not found"].concat());
    }
    Ok((name, &code[end..]))
}

/// Whether a library or a function may be called this.
pub fn is_name(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    !name.is_empty() && name.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let error =
            |body: &str| String::from_utf8(of_script(body.as_bytes()).unwrap_err()).unwrap();
        assert_eq!(of_script(b"return 1").unwrap().0, ScriptFlags::COMPATIBLE);
        let (flags, code) = of_script(b"#!lua flags=no-writes,allow-oom\nreturn 1").unwrap();
        assert!(flags.has(ScriptFlags::NO_WRITES) && flags.has(ScriptFlags::ALLOW_OOM));
        assert_eq!(code, b"\nreturn 1");
        assert_eq!(error("#!lua"), "ERR Invalid script shebang");
        assert_eq!(
            error("#!lua flags=a\n"),
            "ERR Unexpected flag in script shebang: a"
        );
        assert_eq!(
            error("#!lua flags=no-writes,\n"),
            "ERR Unexpected flag in script shebang: "
        );
        assert_eq!(error("#!lua x=y\n"), "ERR Unknown lua shebang option: x=y");
        // The line ends and quotes of configuration files are fine here, too.
        for line in ["#!lua flags=no-writes\r\n", "#!lua 'flags=no-writes'\n"] {
            let (flags, _) = of_script(line.as_bytes()).unwrap();
            assert_eq!(flags, ScriptFlags::NO_WRITES);
        }
        let unclosed = "ERR Invalid engine in script shebang";
        assert_eq!(error("#!lua \"flags=no-writes\n"), unclosed);
        assert_eq!(error("#!lua\0\n"), "ERR Invalid script shebang");
        assert_eq!(
            error("#!foo\n"),
            "ERR Unexpected engine in script shebang: #!foo"
        );
    }
}
