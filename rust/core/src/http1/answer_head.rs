//! The head of an answer: status, headers, and what delimits its body (RFC 9112, section 6.3).

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{ParserConfig, Response, Status};

/// Headers that one answer may have.
const HEADERS_MAX: usize = 128;

/// What delimits a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// So many bytes; 0 where there is no body.
    Length(u64),
    /// Chunks, the last one empty.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// What the head of an answer says to whoever reads on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnswerHead {
    /// From 100 to 999.
    pub status: u16,
    /// What delimits the body.
    pub framing: Framing,
    /// Another request may be sent on the connection after this answer.
    pub is_persistent: bool,
    /// Bytes of the head.
    pub length: usize,
}

/// Why a head can't be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeadError {
    /// It is not HTTP.
    Malformed,
    /// More than 128 headers.
    TooManyHeaders,
    /// `Content-Length` is no number, or two of them differ.
    ContentLength,
    /// A coding other than `chunked`, or any in HTTP/1.0.
    TransferCoding,
}

impl std::fmt::Display for HeadError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "its answer is not HTTP",
            Self::TooManyHeaders => "its answer has more than 128 headers",
            Self::ContentLength => "the Content-Length of its answer is not a number, or not one",
            Self::TransferCoding => "its answer has a transfer coding that nobody asked for",
        })
    }
}

impl AnswerHead {
    /// Reads the head at the beginning of `bytes`; `None` while its end is missing. `header` is told every header in order:
    /// its name as it came, and where in `bytes` its value is.
    ///
    /// # Errors
    /// What is wrong with it. Headers may have been told by then.
    pub fn read(bytes: &[u8], mut header: impl FnMut(&str, Range<usize>)) -> Result<Option<Self>, HeadError> {
        let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut head = Response::new(&mut []);
        let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut room);
        let length = match parsed {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
            Err(_) => return Err(HeadError::Malformed),
        };
        let status = head.code.filter(|code| (100..1000).contains(code)).ok_or(HeadError::Malformed)?;
        let is_http_1_0 = head.version == Some(0);
        let mut connection = Persistence::default();
        let (mut content_length, mut is_chunked) = (None, false);
        for one in head.headers.iter() {
            let start = one.value.as_ptr().addr() - bytes.as_ptr().addr();
            header(one.name, start..start + one.value.len());
            if one.name.eq_ignore_ascii_case("content-length") {
                let read = read_length(one.value).ok_or(HeadError::ContentLength)?;
                if content_length.replace(read).is_some_and(|before| before != read) {
                    return Err(HeadError::ContentLength);
                }
            } else if one.name.eq_ignore_ascii_case("transfer-encoding") {
                if is_http_1_0 || is_chunked || !one.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(HeadError::TransferCoding);
                }
                is_chunked = true;
            } else if one.name.eq_ignore_ascii_case("connection") {
                connection.read(one.value);
            }
        }
        let has_no_body = matches!(status, 100..200 | 204 | 304);
        let framing = match content_length {
            _ if has_no_body => Framing::Length(0),
            _ if is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        };
        let keeps = if is_http_1_0 { connection.is_kept && !connection.is_closed } else { !connection.is_closed };
        // A length beside chunks is how answers are smuggled: this one is read by its chunks, and nothing after it.
        let is_persistent = keeps && framing != Framing::UntilClose && !(is_chunked && content_length.is_some());
        Ok(Some(Self { status, framing, is_persistent, length }))
    }
}

#[derive(Default)]
struct Persistence {
    is_closed: bool,
    is_kept: bool,
}

impl Persistence {
    fn read(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            self.is_closed |= option.trim_ascii().eq_ignore_ascii_case(b"close");
            self.is_kept |= option.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

/// A list of the same number is one number.
fn read_length(value: &[u8]) -> Option<u64> {
    let mut numbers = value.split(|byte| *byte == b',').map(|number| {
        let digits = number.trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| std::str::from_utf8(digits).ok()?.parse::<u64>().ok()).flatten()
    });
    let first = numbers.next()??;
    numbers.all(|number| number == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Option<AnswerHead>, HeadError> {
        AnswerHead::read(text.as_bytes(), |_, _| {})
    }

    fn framing(headers: &str) -> Result<(Framing, bool), HeadError> {
        let head = read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"))?.expect("it is whole");
        Ok((head.framing, head.is_persistent))
    }

    #[test]
    fn what_delimits_a_body() {
        for (headers, expected) in [
            ("", Ok((Framing::UntilClose, false))),
            ("content-length: 12\r\n", Ok((Framing::Length(12), true))),
            ("Content-Length: 12, 12\r\ncontent-length: 12\r\n", Ok((Framing::Length(12), true))),
            ("content-length: 12\r\nconnection: x, Close\r\n", Ok((Framing::Length(12), false))),
            ("transfer-encoding: Chunked\r\n", Ok((Framing::Chunked, true))),
            ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", Ok((Framing::Chunked, false))),
            ("content-length: 12\r\ncontent-length: 13\r\n", Err(HeadError::ContentLength)),
            ("content-length: 12, 13\r\n", Err(HeadError::ContentLength)),
            ("content-length: -1\r\n", Err(HeadError::ContentLength)),
            ("content-length: +1\r\n", Err(HeadError::ContentLength)),
            ("content-length:\r\n", Err(HeadError::ContentLength)),
            ("content-length: 18446744073709551616\r\n", Err(HeadError::ContentLength)),
            ("transfer-encoding: gzip, chunked\r\n", Err(HeadError::TransferCoding)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Err(HeadError::TransferCoding)),
            ("transfer-encoding: identity\r\n", Err(HeadError::TransferCoding)),
            ("no colon\r\n", Err(HeadError::Malformed)),
            ("folded: a\r\n b\r\n", Err(HeadError::Malformed)),
        ] {
            assert_eq!(framing(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn answers_that_have_no_body() {
        for status in ["100 Continue", "103 Early Hints", "204 No Content", "304 Not Modified"] {
            let head =
                read(&format!("HTTP/1.1 {status}\r\ncontent-length: 7\r\n\r\n")).expect("a head").expect("whole");
            assert_eq!((head.framing, head.is_persistent), (Framing::Length(0), true), "{status}");
        }
    }

    #[test]
    fn older_versions_keep_a_connection_only_where_they_say_so() {
        let persistent = |head: &str| read(head).map(|head| head.expect("whole").is_persistent);
        assert_eq!(persistent("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n"), Ok(false));
        assert_eq!(persistent("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: Keep-Alive\r\n\r\n"), Ok(true));
        assert_eq!(
            read("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
            Err(HeadError::TransferCoding),
            "chunks came later"
        );
    }

    #[test]
    fn what_is_no_head() {
        assert_eq!(read("SSH-2.0-OpenSSH_9.6\r\n"), Err(HeadError::Malformed));
        assert_eq!(read("HTTP/1.1 42 What\r\n\r\n"), Err(HeadError::Malformed));
        assert_eq!(framing(&"h: v\r\n".repeat(129)), Err(HeadError::TooManyHeaders));
    }

    proptest! {
        #[test]
        fn headers_are_told_as_they_are(
            headers in prop::collection::vec(("[A-Za-z][A-Za-z0-9-]{0,12}", "[!-~]([ -~]{0,20}[!-~])?"), 0..20),
            rest in "[ -~]{0,8}",
        ) {
            let headers: Vec<_> = headers.into_iter().map(|(name, value)| (format!("x{name}"), value)).collect();
            let mut text = "HTTP/1.1 200 \r\n".to_owned();
            text.extend(headers.iter().map(|(name, value)| format!("{name}:  {value} \r\n")));
            text += "\r\n";
            for cut in 0..text.len() {
                prop_assert_eq!(read(&text[..cut]), Ok(None));
            }
            let length = text.len();
            text += &rest;
            let mut told = Vec::new();
            let head = AnswerHead::read(text.as_bytes(), |name, value| told.push((name.to_owned(), text[value].to_owned())));
            prop_assert_eq!(head.map(|head| head.map(|head| head.length)), Ok(Some(length)));
            prop_assert_eq!(told, headers);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = AnswerHead::read(&bytes, |_, value| assert!(bytes.get(value).is_some()));
            let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
            head.extend(&bytes);
            let _ = AnswerHead::read(&head, |_, value| assert!(head.get(value).is_some()));
        }
    }
}
