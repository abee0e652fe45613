//! Whole events of a stream, taken apart as WHATWG HTML says (section 9.2.6, "Interpreting an event stream").

use super::Splitter;

/// One event with data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its type; empty where the stream names none, which means `message`.
    pub event: Vec<u8>,
    /// Its data, lines joined by LF.
    pub data: Vec<u8>,
    /// The last id that the stream gave, with this event or before.
    pub id: Vec<u8>,
    /// The time to wait before connecting again, where it came with this event.
    pub retry_ms: Option<u64>,
}

/// An event is longer than the reader takes; nothing more is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EventTooLarge {
    /// What the reader takes.
    pub limit_bytes: usize,
}

/// Reads events from a stream that arrives in chunks. Keeps an unfinished event, and the last id.
#[derive(Clone, Debug)]
pub struct EventReader {
    splitter: Splitter,
    pending: Vec<u8>,
    limit_bytes: usize,
    is_first: bool,
    is_broken: bool,
    id: Vec<u8>,
}

impl EventReader {
    /// Events of up to `limit_bytes`, line ends and comments included.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            splitter: Splitter::default(),
            pending: Vec::new(),
            limit_bytes,
            is_first: true,
            is_broken: false,
            id: Vec::new(),
        }
    }

    /// Takes in a chunk and hands each event that it completes to `take`. Events without data (pings) are left out.
    ///
    /// # Errors
    /// [`EventTooLarge`], from the event on that is; the events before it were handed over.
    pub fn feed(&mut self, mut chunk: &[u8], mut take: impl FnMut(Event)) -> Result<(), EventTooLarge> {
        let too_large = EventTooLarge { limit_bytes: self.limit_bytes };
        if self.is_broken {
            return Err(too_large);
        }
        loop {
            let border = self.splitter.next_border(chunk);
            let (here, rest) = chunk.split_at(border.unwrap_or(chunk.len()));
            if self.pending.len() + here.len() > self.limit_bytes {
                self.is_broken = true;
                self.pending = Vec::new();
                return Err(too_large);
            }
            if border.is_none() {
                self.pending.extend_from_slice(here);
                return Ok(());
            }
            let event = if self.pending.is_empty() {
                self.interpret(here)
            } else {
                self.pending.extend_from_slice(here);
                let whole = std::mem::take(&mut self.pending);
                let event = self.interpret(&whole);
                self.pending = whole;
                self.pending.clear();
                event
            };
            event.into_iter().for_each(&mut take);
            chunk = rest;
        }
    }

    /// Bytes of an event that is not whole yet. At the end of a stream they are dropped, says the standard.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    fn interpret(&mut self, text: &[u8]) -> Option<Event> {
        let text = if std::mem::take(&mut self.is_first) {
            text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
        } else {
            text
        };
        let (mut event, mut data, mut retry_ms) = (&b""[..], None::<Vec<u8>>, None);
        // A CRLF gives an empty line between CR and LF, which carries no field.
        for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let colon = memchr::memchr(b':', line).unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            let value = value.strip_prefix(b":").unwrap_or(value);
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match name {
                b"event" => event = value,
                b"data" => match &mut data {
                    None => data = Some(value.to_vec()),
                    Some(data) => {
                        data.push(b'\n');
                        data.extend_from_slice(value);
                    }
                },
                b"id" if !value.contains(&0) => self.id = value.to_vec(),
                b"retry" if value.iter().all(u8::is_ascii_digit) => {
                    retry_ms = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).or(retry_ms);
                }
                _ => {}
            }
        }
        Some(Event { event: event.to_vec(), data: data?, id: self.id.clone(), retry_ms })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<Event> {
        let (mut reader, mut events) = (EventReader::new(1024), Vec::new());
        for chunk in chunks {
            reader.feed(chunk, |event| events.push(event)).unwrap();
        }
        events
    }

    #[test]
    fn reads_every_field_as_the_standard_says() {
        let text = "\u{feff}: hi\nid: 1\nevent: add\r\ndata: a\rdata:b\r\rid\nretry: 20\ndata\n\nevent: none\n\ndata:  x\n\n\u{feff}data: y\n\nretry: 1x\nid: a\0b\ndata: z";
        let event = |event: &str, data: &str, id: &str, retry_ms| Event {
            event: event.into(),
            data: data.into(),
            id: id.into(),
            retry_ms,
        };
        let expected = [event("add", "a\nb", "1", None), event("", "", "", Some(20)), event("", " x", "", None)];
        assert_eq!(read(&[text.as_bytes()]), expected);
    }

    #[test]
    fn an_event_has_a_limit() {
        let mut reader = EventReader::new(10);
        let mut events = Vec::new();
        assert_eq!(reader.feed(b"data: 12\n\ndata: 12345", |event| events.push(event)).unwrap_err().limit_bytes, 10);
        assert_eq!(events.len(), 1);
        assert!(reader.feed(b"\n", |_| ()).is_err());
        let mut reader = EventReader::new(10);
        assert!(reader.feed(b"data:", |_| ()).is_ok() && reader.feed(b" 1234\n", |_| ()).is_err());
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            text in "((data: ?[aé☃{}]{0,4}|: ?x|event: e|id: ?[0-9]|retry:[0-9]|)(\n|\r\n|\r)){0,12}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            borders.extend([0, bytes.len()]);
            borders.sort_unstable();
            let chunks: Vec<&[u8]> = borders.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&chunks), read(&[bytes]));
        }
    }
}
