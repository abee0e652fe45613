//! Headers whose values share one piece of memory: an answer has a dozen of them, and each would be allocated alone.

use std::ops::Range;

use bytes::Bytes;
use fastgate_core::telemetry::access_line::{write_time, write_usd};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

/// Enough for what describes an exchange as a rule.
const BYTES: usize = 512;

/// Headers to be set.
#[derive(Debug)]
pub(crate) struct HeaderTexts {
    written: Vec<u8>,
    headers: SmallVec<[(HeaderName, Range<usize>); 16]>,
}

impl HeaderTexts {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { written: Vec::with_capacity(BYTES), headers: SmallVec::new() }
    }

    /// A value as it is.
    pub(crate) fn text(&mut self, name: HeaderName, value: &[u8]) {
        self.write(name, |written| written.0.extend_from_slice(value));
    }

    /// A number.
    pub(crate) fn number(&mut self, name: HeaderName, value: impl itoa::Integer) {
        self.write(name, |text| {
            text.number(value);
        });
    }

    /// An amount of money, of picodollars in dollars.
    pub(crate) fn usd(&mut self, name: HeaderName, pusd: i128) {
        self.write(name, |value| write_usd(value.0, pusd));
    }

    /// A time in whole seconds since 1970, as RFC 3339 writes it in UTC.
    pub(crate) fn time(&mut self, name: HeaderName, unix_s: u64) {
        const FRACTION: &[u8] = b".000Z";
        self.write(name, |value| {
            write_time(value.0, unix_s.saturating_mul(1000));
            if value.0.ends_with(FRACTION) {
                value.0.truncate(value.0.len() - FRACTION.len());
                value.0.push(b'Z');
            }
        });
    }

    /// A value that is written in pieces.
    pub(crate) fn write(&mut self, name: HeaderName, write: impl FnOnce(&mut ValueText<'_>)) {
        let start = self.written.len();
        write(&mut ValueText(&mut self.written));
        self.headers.push((name, start..self.written.len()));
    }

    /// Sets them all, in place of those of the same names. Values that no header may have are left out.
    pub(crate) fn insert_into(&mut self, headers: &mut HeaderMap) {
        let written = Bytes::from(std::mem::take(&mut self.written));
        for (name, range) in self.headers.drain(..) {
            if let Ok(value) = HeaderValue::from_maybe_shared(written.slice(range)) {
                headers.insert(name, value);
            }
        }
    }
}

/// A value that is being written; half as long as by way of `format!`.
#[derive(Debug)]
pub(crate) struct ValueText<'a>(&'a mut Vec<u8>);

impl ValueText<'_> {
    /// A text as it is.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A number.
    pub(crate) fn number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.text(itoa::Buffer::new().format(number))
    }

    /// A text as a string of RFC 9651, which is ASCII.
    pub(crate) fn quoted(&mut self, text: &str) -> &mut Self {
        self.0.push(b'"');
        let plain_bytes =
            text.bytes().take_while(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte)).count();
        let (plain, rest) = text.split_at(plain_bytes);
        self.text(plain);
        for character in rest.chars() {
            match character {
                '"' => self.text("\\\""),
                '\\' => self.text("\\\\"),
                ' '..='~' => self.text(character.encode_utf8(&mut [0; 4])),
                _ => self.text("?"),
            };
        }
        self.0.push(b'"');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: HeaderName = HeaderName::from_static("first");
    const SECOND: HeaderName = HeaderName::from_static("second");

    #[test]
    fn values_are_as_written_and_replace_those_there() {
        let mut headers = HeaderMap::new();
        headers.append(FIRST, HeaderValue::from_static("old"));
        headers.append(FIRST, HeaderValue::from_static("older"));
        let mut texts = HeaderTexts::new();
        texts.number(FIRST, u64::MAX);
        texts.write(SECOND, |value| {
            value.number(7).text("s");
        });
        texts.text(HeaderName::from_static("third"), &[b'x'; 2 * BYTES]);
        texts.time(HeaderName::from_static("fourth"), 1_709_164_799);
        texts.insert_into(&mut headers);
        assert_eq!(headers.get_all(FIRST).iter().collect::<Vec<_>>(), ["18446744073709551615"]);
        assert_eq!(headers[SECOND], "7s");
        assert_eq!(headers["third"].len(), 2 * BYTES);
        assert_eq!(headers["fourth"], "2024-02-28T23:59:59Z");
    }

    #[test]
    fn what_is_no_value_is_left_out_alone() {
        let mut headers = HeaderMap::new();
        let mut texts = HeaderTexts::new();
        texts.text(FIRST, b"a\nb");
        texts.text(SECOND, b"c");
        texts.insert_into(&mut headers);
        assert_eq!((headers.len(), &headers[SECOND]), (1, &HeaderValue::from_static("c")));
    }

    #[test]
    fn strings_are_of_ascii() {
        let mut written = Vec::new();
        ValueText(&mut written).quoted(r#"tenant "a\b": über"#);
        assert_eq!(written, br#""tenant \"a\\b\": ?ber""#);
    }
}
