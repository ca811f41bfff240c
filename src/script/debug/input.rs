//! Input from the user of the debugger: one command at a time, an array of bulk strings.

/// The most that is collected while a command is incomplete.
const MOST: usize = 1 << 20;
/// The most arguments of a command, and the most bytes of one.
const ARGUMENTS: i32 = 1024;

/// Received bytes that are no complete command yet.
#[derive(Default)]
pub struct Input(Vec<u8>);

/// Malformed input, with the text of its error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

const PROTOCOL: Malformed = Malformed("protocol error");

/// The number at the start of a text, as C reads it: 0 if there is none.
pub fn leading_number(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit());
    let digits = &digits[..end.unwrap_or(digits.len())];
    let value = digits.iter().fold(0i32, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i32::from(digit - b'0'))
    });
    sign * value
}

/// The text up to a line end, and what is behind it.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.windows(2).position(|two| two == b"\r\n")?;
    Some((&text[..end], &text[end + 2..]))
}

impl Input {
    /// Takes what was received.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.0.extend_from_slice(bytes);
        match self.0.len() > MOST {
            true => Err(Malformed("max client buffer reached")),
            false => Ok(()),
        }
    }

    /// The received command, if it is complete. Bytes behind it are dropped: a user waits for the
    /// reply.
    pub fn take(&mut self) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
        let command = parse(&self.0)?;
        if command.is_some() {
            self.0.clear();
        }
        Ok(command)
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    // As Redis does, what is in front of the array is not looked at.
    let start = bytes.iter().position(|&byte| byte == b'*');
    let start = start.ok_or(PROTOCOL)?;
    let Some((count, mut rest)) = line(&bytes[start + 1..]) else {
        return Ok(None);
    };
    let count = leading_number(count);
    if !(1..=ARGUMENTS).contains(&count) {
        return Err(PROTOCOL);
    }
    let mut arguments = Vec::new();
    for _ in 0..count {
        match rest.first() {
            None => return Ok(None),
            Some(b'$') => {}
            Some(_) => return Err(PROTOCOL),
        }
        let Some((len, body)) = line(&rest[1..]) else {
            return Ok(None);
        };
        let len = leading_number(len);
        if !(1..=ARGUMENTS).contains(&len) {
            return Err(PROTOCOL);
        }
        let len = len as usize;
        let Some(end) = body.get(len..len + 2) else {
            return Ok(None);
        };
        if end != b"\r\n" {
            return Err(PROTOCOL);
        }
        arguments.push(body[..len].to_vec());
        rest = &body[len + 2..];
    }
    Ok(Some(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_whole_or_waited_for() {
        let whole = b"*2\r\n$1\r\nb\r\n$2\r\n-3\r\n";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), Ok(None), "{end} bytes");
        }
        let command = Some(vec![b"b".to_vec(), b"-3".to_vec()]);
        assert_eq!(parse(whole), Ok(command));
        for wrong in [
            b"ping\r\n".as_slice(),
            b"*0\r\n",
            b"*1025\r\n",
            b"*1\r\n$0\r\n\r\n",
            b"*1\r\n$1025\r\n",
            b"*1\r\n:1\r\n",
            b"*1\r\n$1\r\nabc",
        ] {
            assert_eq!(parse(wrong), Err(PROTOCOL), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        let read =
            ["12", " -3x", "+7", "x", "", "99999999999"].map(|n| leading_number(n.as_bytes()));
        assert_eq!(read, [12, -3, 7, 0, 0, i32::MAX]);
    }
}
