//! Follows the framing of HTTP/1.1 requests as their bytes come in, and finds what hyper would let pass: two answers to
//! the question where a body ends, line ends that only some parsers accept, no host or two.
//!
//! Not here: parsing; everything else that may be wrong with a head is found by hyper.

use memchr::memchr_iter;

/// Where in the stream of requests the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before or in a request line.
    Line,
    /// In the headers.
    Fields,
    /// In a body; so many bytes are left.
    Body(u64),
    /// In a chunked body, which is the last thing on its connection.
    Rest,
}

/// A request that must not be answered by the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// How many of the bytes given last belong to requests before it.
    pub(super) keep: usize,
    /// What is wrong with it.
    pub(super) why: &'static str,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scanner {
    place: Place,
    /// The beginning of a line of which the end was not there yet.
    carried: Vec<u8>,
    needs_host: bool,
    host: bool,
    length: Option<u64>,
    chunked: bool,
    heads: u32,
}

impl Scanner {
    /// At the start of a connection.
    pub(super) fn new() -> Self {
        Self {
            place: Place::Line,
            carried: Vec::new(),
            needs_host: false,
            host: false,
            length: None,
            chunked: false,
            heads: 0,
        }
    }

    /// The number, from 1, of the head that has begun and not ended; 0 if there is none.
    pub(super) fn unfinished(&self) -> u32 {
        match self.place {
            Place::Line if self.carried.is_empty() => 0,
            Place::Line | Place::Fields => self.heads.wrapping_add(1).max(1),
            Place::Body(_) | Place::Rest => 0,
        }
    }

    /// Whether a head has begun of which not even the request line has ended.
    pub(super) fn in_request_line(&self) -> bool {
        self.place == Place::Line && !self.carried.is_empty()
    }

    /// Takes the next bytes of the connection.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        let mut keep = 0;
        loop {
            let rest = &bytes[at..];
            match self.place {
                Place::Rest => return Ok(()),
                Place::Body(left) => {
                    let step = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    at += step;
                    match left - step as u64 {
                        0 => self.place = Place::Line,
                        left => {
                            self.place = Place::Body(left);
                            return Ok(());
                        }
                    }
                    keep = at;
                }
                Place::Line | Place::Fields => match self
                    .lines(rest)
                    .map_err(|(before, why)| Fault { keep: before.map_or(keep, |before| at + before), why })?
                {
                    None => return Ok(()),
                    Some(taken) => {
                        at += taken;
                        keep = at;
                    }
                },
            }
        }
    }

    /// Takes lines until one ends a head that has a body: how many bytes that were; none, if it took all. If it fails,
    /// it says where the last head before the fault ended.
    fn lines(&mut self, bytes: &[u8]) -> Result<Option<usize>, (Option<usize>, &'static str)> {
        let mut start = 0;
        let mut ended = None;
        for end in memchr_iter(b'\n', bytes) {
            let line = &bytes[start..end];
            start = end + 1;
            // What most lines are: a whole header that is none of ours.
            if let [first, .., b'\r'] = line
                && self.place == Place::Fields
                && !matches!(first | 0x20, b'h' | b'c' | b't')
                && self.carried.is_empty()
            {
                continue;
            }
            self.any_line(line).map_err(|why| (ended, why))?;
            match self.place {
                Place::Fields => {}
                Place::Line => ended = Some(start),
                Place::Body(_) | Place::Rest => return Ok(Some(start)),
            }
        }
        self.carried.extend_from_slice(&bytes[start..]);
        Ok(None)
    }

    fn any_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if self.carried.is_empty() {
            return self.line(line);
        }
        let mut whole = std::mem::take(&mut self.carried);
        whole.extend_from_slice(line);
        self.line(&whole)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let Some((b'\r', line)) = line.split_last() else {
            return Err("a line of the head does not end in CR LF");
        };
        match (self.place, line) {
            // Empty lines before a request are ignored, as RFC 9112 has it.
            (Place::Line, []) => Ok(()),
            (Place::Line, _) => {
                self.place = Place::Fields;
                self.needs_host = line.last() == Some(&b'1');
                (self.host, self.length, self.chunked) = (false, None, false);
                Ok(())
            }
            (_, []) => self.end_of_head(),
            _ => self.field(line),
        }
    }

    fn end_of_head(&mut self) -> Result<(), &'static str> {
        if self.needs_host && !self.host {
            return Err("the Host header is missing");
        }
        self.heads = self.heads.wrapping_add(1);
        self.place = match self.length {
            _ if self.chunked => Place::Rest,
            Some(length) if length > 0 => Place::Body(length),
            _ => Place::Line,
        };
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), &'static str> {
        match line[0] {
            b'H' | b'h' => {
                if let Some(host) = value(line, b"host:") {
                    if self.host {
                        return Err("the Host header is given twice");
                    }
                    if !host.iter().all(|byte| IN_HOST[usize::from(*byte)]) {
                        return Err("the Host header is not a host with or without a port");
                    }
                    self.host = true;
                }
            }
            b'C' | b'c' => {
                if let Some(digits) = value(line, b"content-length:") {
                    if self.chunked {
                        return Err("both Transfer-Encoding and Content-Length are given");
                    }
                    if self.length.is_some() {
                        return Err("the Content-Length header is given twice");
                    }
                    self.length = Some(number(digits).ok_or("the Content-Length header is not a number")?);
                }
            }
            b'T' | b't' => {
                if let Some(coding) = value(line, b"transfer-encoding:") {
                    if self.length.is_some() {
                        return Err("both Transfer-Encoding and Content-Length are given");
                    }
                    if self.chunked || !coding.eq_ignore_ascii_case(b"chunked") {
                        return Err("the only transfer coding is chunked");
                    }
                    self.chunked = true;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Bytes of a host and its port: names, percent signs, addresses in brackets. Source: RFC 3986, 3.2.2.
const IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        byte += 1;
    }
    table
};

/// The value of a header of this name, which is given in lower case and with its colon.
fn value<'line>(line: &'line [u8], name: &[u8]) -> Option<&'line [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn scan(bytes: &[u8]) -> Result<Scanner, Fault> {
        let mut scanner = Scanner::new();
        scanner.scan(bytes).map(|()| scanner)
    }

    #[test]
    fn a_request_after_a_body_is_a_head_again() {
        let two = [b"POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\n\n\n\n".as_slice(), PLAIN].concat();
        assert_eq!(scan(&two).map(|scanner| (scanner.heads, scanner.unfinished())), Ok((2, 0)));
    }

    #[test]
    fn the_requests_before_a_fault_are_kept() {
        let two = [PLAIN, b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(scan(&two).map(drop), Err(Fault { keep: PLAIN.len(), why: "the Host header is missing" }));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        let with = |host: &str| scan(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).map(drop);
        for good in ["", "a", "api.example:8080", "[2001:db8::1]:80", "xn--bcher-kva.example", "a%20b"] {
            assert_eq!(with(good), Ok(()), "{good}");
        }
        for bad in ["a b", "a/b", "me@a", "a?b", "a\tb", "b\u{fc}cher", "<a>", "a\\b"] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_cuts_between_reads_do_not_matter() {
        let good = [PLAIN, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\n\n", PLAIN].concat();
        let bad = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n";
        for cut in 0..good.len() {
            let mut scanner = Scanner::new();
            assert!(scanner.scan(&good[..cut]).and_then(|()| scanner.scan(&good[cut..])).is_ok(), "cut at {cut}");
            assert_eq!(scanner.heads, 3, "cut at {cut}");
        }
        for cut in 0..bad.len() {
            let mut scanner = Scanner::new();
            assert!(scanner.scan(&bad[..cut]).and_then(|()| scanner.scan(&bad[cut..])).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_head_is_unfinished_from_its_first_byte_to_its_last() {
        for cut in 1..PLAIN.len() {
            assert_eq!(scan(&PLAIN[..cut]).map(|scanner| scanner.unfinished()), Ok(1), "cut at {cut}");
        }
        assert_eq!(scan(PLAIN).map(|scanner| scanner.unfinished()), Ok(0));
    }
}
