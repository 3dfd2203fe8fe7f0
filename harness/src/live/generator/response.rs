//! The head of an HTTP/1.1 answer: as much as the generator needs.
//!
//! Not here: bodies, which are skipped by their length. Answers without a length are not understood.

/// Longest head that is read.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of head and body together.
    pub(super) length: usize,
    pub(super) status: u16,
    /// `r` of the `RateLimit` header: what is left of the quota.
    pub(super) left: Option<u64>,
    /// Whether the server closes the connection after it.
    pub(super) closes: bool,
}

/// What is no answer, or none that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads a head; `None` if it is not whole yet.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(end) = end_of_head(bytes) else {
        return if bytes.len() > HEAD_BYTES_MAX { Err(Malformed) } else { Ok(None) };
    };
    let mut lines = bytes[..end].split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = status(lines.next().ok_or(Malformed)?).ok_or(Malformed)?;
    let (mut body, mut left, mut closes) = (None, None, false);
    for line in lines {
        // Most headers are told apart by their length and first letter.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') if let Some(value) = value(line, b"content-length") => {
                body = Some(number(value).ok_or(Malformed)?)
            }
            Some(b'c') if let Some(value) = value(line, b"connection") => closes = value.eq_ignore_ascii_case(b"close"),
            Some(b'r') if let Some(value) = value(line, b"ratelimit") => left = remaining(value),
            _ => {}
        }
    }
    let body = match (body, status) {
        (Some(body), _) => body as usize,
        (None, 204 | 304) => 0,
        (None, _) => return Err(Malformed),
    };
    Ok(Some(Head { length: end + body, status, left, closes }))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5)?;
    number(digits).and_then(|status| u16::try_from(status).ok()).filter(|status| (100..=599).contains(status))
}

fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let is_named = line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name);
    is_named.then(|| line[name.len() + 1..].trim_ascii())
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut sum: u64 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum = sum.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (!digits.is_empty()).then_some(sum)
}

/// `r` of `"day";r=1499;t=18717`.
fn remaining(value: &[u8]) -> Option<u64> {
    value.split(|&byte| byte == b';').find_map(|part| part.trim_ascii().strip_prefix(b"r=")).and_then(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nRateLimit: \"day\";r=1499;t=7\r\ncontent-length: 3\r\n\r\n{}\n";

    #[test]
    fn an_answer_is_understood_as_soon_as_its_head_is_whole() {
        let whole = ANSWER.len();
        for cut in 0..whole - 3 {
            assert_eq!(read(&ANSWER[..cut]), Ok(None), "{cut}");
        }
        let head = Head { length: whole, status: 200, left: Some(1_499), closes: false };
        assert_eq!(read(&ANSWER[..whole - 3]), Ok(Some(head)));
        assert_eq!(read(ANSWER), Ok(Some(head)));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 9xx\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Err(Malformed), "{text}");
        }
        assert_eq!(read(&[b'x'; HEAD_BYTES_MAX + 1]), Err(Malformed));
    }

    #[test]
    fn a_server_that_closes_says_so() {
        let head =
            read(b"HTTP/1.1 503 x\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n").expect("fine").expect("whole");
        assert!(head.closes && head.status == 503 && head.left.is_none());
        assert_eq!(read(b"HTTP/1.1 204 x\r\n\r\n").map(|h| h.map(|h| h.length)), Ok(Some(18)));
    }
}
