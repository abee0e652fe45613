//! Where the events of a server-sent event stream end, whatever the chunks they arrive in.
//!
//! Lines end in LF, CR or CRLF; an empty line ends an event (WHATWG HTML, "Server-sent events"). The splitter only finds
//! borders: the bytes are never changed. An LF whose CR ended the chunk before belongs to the start of what follows,
//! which readers skip.

use std::borrow::Cow;

mod reader;

pub use reader::{Event, EventReader, EventTooLarge};

/// Finds event borders in a stream that arrives in chunks.
#[derive(Clone, Copy, Debug)]
pub struct Splitter {
    line_is_empty: bool,
    after_carriage_return: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { line_is_empty: true, after_carriage_return: false }
    }
}

impl Splitter {
    /// The offset just behind the first event that ends in `bytes`, which continue the stream where the last call
    /// left it. `None`: no event ends here, and all of `bytes` were taken in. Call again with the rest after a border.
    pub fn next_border(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if self.after_carriage_return && bytes.first() == Some(&b'\n') {
            self.after_carriage_return = false;
            at = 1;
        }
        while at < bytes.len() {
            self.after_carriage_return = false;
            let Some(length) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) else {
                self.line_is_empty = false;
                return None;
            };
            let line_is_empty = self.line_is_empty && length == 0;
            let is_carriage_return = bytes[at + length] == b'\r';
            at += length + 1;
            if is_carriage_return {
                match bytes.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_carriage_return = true,
                }
            }
            self.line_is_empty = true;
            if line_is_empty {
                return Some(at);
            }
        }
        None
    }
}

/// The `data` of one event, lines joined by LF; `None` when it has none (a comment, a ping, an empty event).
#[must_use]
pub fn event_data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    // Nearly every event is one `data: ` line and an empty one; a search is quicker than taking lines apart.
    if let Some(value) = event.strip_prefix(b"data: ") {
        let value = value.strip_suffix(b"\n\n").or_else(|| value.strip_suffix(b"\r\n\r\n"));
        if let Some(value) = value.filter(|value| memchr::memchr2(b'\n', b'\r', value).is_none()) {
            return Some(Cow::Borrowed(value));
        }
    }
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in lines(event) {
        let Some(rest) = line.strip_prefix(b"data") else { continue };
        let value = match rest {
            [] => rest,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            _ => continue,
        };
        match &mut data {
            None => data = Some(Cow::Borrowed(value)),
            Some(joined) => {
                let joined = joined.to_mut();
                joined.push(b'\n');
                joined.extend_from_slice(value);
            }
        }
    }
    data
}

fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let event = event.strip_prefix("\u{feff}".as_bytes()).unwrap_or(event);
    let event = event.strip_prefix(b"\n").unwrap_or(event);
    // A CRLF gives an empty line between CR and LF, which carries no field.
    event.split(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut splitter, mut pending, mut found) = (Splitter::default(), Vec::new(), Vec::new());
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some(border) = splitter.next_border(rest) {
                pending.extend_from_slice(&rest[..border]);
                found.push(std::mem::take(&mut pending));
                rest = &rest[border..];
            }
            pending.extend_from_slice(rest);
        }
        found.push(pending);
        found
    }

    fn payloads(events: &[Vec<u8>]) -> Vec<Vec<u8>> {
        events.iter().filter_map(|event| event_data(event).map(Cow::into_owned)).collect()
    }

    #[test]
    fn knows_every_line_end_and_joins_data_lines() {
        for text in
            ["data: a\ndata: b\n\n: ping\n\ndata:c\n\n", "data: a\r\ndata: b\r\n\r\n: ping\r\n\r\ndata:c\r\n\r\n"]
        {
            let found = events(&[text.as_bytes()]);
            assert_eq!(found.len(), 4, "three events and an empty tail");
            assert_eq!(payloads(&found), [b"a\nb".to_vec(), b"c".to_vec()]);
        }
        assert_eq!(payloads(&events(&[b"\xef\xbb\xbfdata: x\r\rdata\n\n"])), [b"x".to_vec(), b"".to_vec()]);
        assert_eq!(event_data(b"event: ping\nid: 1\ndatax: no\n\n"), None);
    }

    proptest! {
        /// However the network cuts the stream, no byte is lost and every event says the same.
        #[test]
        fn any_split_gives_the_same_events(
            text in "((data: ?[aé☃{}]{0,4}|: ?x|event: e|)(\n|\r\n|\r)){0,12}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            let whole = events(&[bytes]);
            let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            borders.sort_unstable();
            let mut chunks = Vec::new();
            let mut start = 0;
            for border in borders {
                chunks.push(&bytes[start..border]);
                start = border;
            }
            chunks.push(&bytes[start..]);
            let split = events(&chunks);
            prop_assert_eq!(split.concat(), bytes);
            prop_assert_eq!(payloads(&split), payloads(&whole));
        }
    }
}
