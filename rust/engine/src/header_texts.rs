//! Headers whose values share one piece of memory: an answer has a dozen of them, and each would be allocated alone.

use std::fmt;
use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
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

    /// A value that is formatted.
    pub(crate) fn format(&mut self, name: HeaderName, value: fmt::Arguments<'_>) {
        // Into memory: nothing here can fail.
        self.put(name, |written| drop(written.write_fmt(value)));
    }

    /// A value as it is.
    pub(crate) fn text(&mut self, name: HeaderName, value: &[u8]) {
        self.put(name, |written| written.extend_from_slice(value));
    }

    /// A number.
    pub(crate) fn number(&mut self, name: HeaderName, value: impl itoa::Integer) {
        self.text(name, itoa::Buffer::new().format(value).as_bytes());
    }

    /// A value that is written behind what is there.
    pub(crate) fn put(&mut self, name: HeaderName, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.written.len();
        write(&mut self.written);
        self.headers.push((name, start..self.written.len()));
    }

    /// Sets them all, in place of those of the same names. Values that no header may have are left out.
    pub(crate) fn insert_into(self, headers: &mut HeaderMap) {
        let written = Bytes::from(self.written);
        for (name, range) in self.headers {
            if let Ok(value) = HeaderValue::from_maybe_shared(written.slice(range)) {
                headers.insert(name, value);
            }
        }
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
        texts.format(SECOND, format_args!("{}s", 7));
        texts.text(HeaderName::from_static("third"), &[b'x'; 2 * BYTES]);
        texts.insert_into(&mut headers);
        assert_eq!(headers.get_all(FIRST).iter().collect::<Vec<_>>(), ["18446744073709551615"]);
        assert_eq!(headers[SECOND], "7s");
        assert_eq!(headers["third"].len(), 2 * BYTES);
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
}
