//! Gemini's streams: what their events mean, and the JSON array that `streamGenerateContent` is without `alt=sse`.

use super::{Completeness, EventClass, gemini, gemini_usage};
use crate::failure::Failure;
use crate::json::{Reader, walk};
use crate::service_tier::ServiceTier;
use crate::usage::Usage;

/// Candidates tracked per stream; the API allows 8.
const CANDIDATE_LIMIT: usize = 1024;

/// Follows a stream event by event. Each is an answer with what was added; there is no end mark.
#[derive(Clone, Debug)]
pub struct StreamReader {
    choices_asked: u64,
    /// One entry per candidate seen, and whether it has its finish reason.
    candidates: Vec<(u64, bool)>,
    usage: Option<Usage>,
    service_tier: Option<ServiceTier>,
    content_bytes: u64,
    is_truncated: bool,
    is_blocked: bool,
    saw_error: bool,
}

/// What one event says.
#[derive(Default)]
struct Said {
    has_error: bool,
    has_counts: bool,
    content_bytes: u64,
    has_finish: bool,
}

impl StreamReader {
    /// A reader for the answer to a request for `choices` candidates.
    #[must_use]
    pub fn new(choices: u64) -> Self {
        Self {
            choices_asked: choices,
            candidates: Vec::new(),
            usage: None,
            service_tier: None,
            content_bytes: 0,
            is_truncated: false,
            is_blocked: false,
            saw_error: false,
        }
    }

    /// Takes in the data of one event, or one element of the array.
    pub fn read(&mut self, data: &[u8]) -> EventClass {
        let mut said = Said::default();
        let read = walk(data, super::ANSWER_DEPTH_LIMIT, |reader, key| {
            match key {
                b"error" => said.has_error |= reader.raw()? != b"null",
                b"usageMetadata" => {
                    let usage = reader.raw()?;
                    self.service_tier = gemini::service_tier(usage).or(self.service_tier);
                    let usage = gemini_usage::read(usage);
                    said.has_counts = usage.is_some();
                    self.usage = usage.or(self.usage);
                }
                b"promptFeedback" => self.is_blocked |= gemini::is_blocked(reader.raw()?),
                b"candidates" => {
                    let mut position = 0;
                    reader.array(|reader| {
                        self.read_candidate(position, reader, &mut said)?;
                        position += 1;
                        Ok(())
                    })?;
                }
                _ => drop(reader.raw()?),
            }
            Ok(())
        });
        self.content_bytes = self.content_bytes.saturating_add(said.content_bytes);
        if said.has_error {
            self.saw_error = true;
        }
        match read {
            _ if said.has_error => EventClass::Error,
            Err(_) => EventClass::Error,
            Ok(()) if said.content_bytes > 0 || said.has_finish || self.is_blocked => EventClass::Content,
            Ok(()) if said.has_counts => EventClass::Usage,
            Ok(()) => EventClass::Preamble,
        }
    }

    fn read_candidate(
        &mut self,
        position: u64,
        reader: &mut Reader<'_>,
        said: &mut Said,
    ) -> Result<(), crate::json::JsonError> {
        let (mut index, mut is_finished, mut is_candidate) = (position, false, false);
        reader.object(|reader, key| {
            is_candidate = true;
            match key {
                b"index" => index = gemini::whole(reader.raw()?).unwrap_or(position),
                b"finishReason" => {
                    let reason = reader.raw()?;
                    is_finished = reason != b"null";
                    self.is_truncated |= reason == gemini::MAX_TOKENS;
                }
                b"content" => reader.object(|reader, key| {
                    if key != b"parts" {
                        return reader.raw().map(drop);
                    }
                    reader.array(|reader| {
                        said.content_bytes = said.content_bytes.saturating_add(gemini::content_bytes(reader)?);
                        Ok(())
                    })
                })?,
                _ => drop(reader.raw()?),
            }
            Ok(())
        })?;
        said.has_finish |= is_finished;
        if let Some((_, known)) = self.candidates.iter_mut().find(|(seen, _)| *seen == index) {
            *known |= is_finished;
        } else if is_candidate && self.candidates.len() < CANDIDATE_LIMIT {
            self.candidates.push((index, is_finished));
        }
        Ok(())
    }

    /// Whether the stream may end here: every candidate that was asked for has its finish reason, or the prompt was
    /// refused.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let all_finished = !self.candidates.is_empty() && self.candidates.iter().all(|(_, is_finished)| *is_finished);
        if self.saw_error {
            Completeness::Failed
        } else if self.is_blocked || all_finished && self.candidates.len() as u64 >= self.choices_asked {
            Completeness::Complete
        } else {
            Completeness::Cut
        }
    }

    /// The token counts reported last.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// What it costs in picodollars: Gemini does not tell.
    #[must_use]
    pub fn reported_cost_pusd(&self) -> Option<i64> {
        None
    }

    /// Whether a candidate ended at the limit of output tokens.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// The service tier told last.
    #[must_use]
    pub fn service_tier(&self) -> Option<ServiceTier> {
        self.service_tier
    }

    /// Bytes of content so far, as written in JSON.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// An error as the last event of a stream.
    #[must_use]
    pub fn error_event(&self, failure: &Failure, request_id: &str) -> Vec<u8> {
        let mut written = b"data: ".to_vec();
        written.extend_from_slice(&gemini::error_body(failure, request_id));
        written.extend_from_slice(b"\r\n\r\n");
        written
    }
}

/// An element of a JSON array is longer than the splitter takes, or what comes is no such array; nothing more is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArrayError {
    /// Longer than this.
    TooLarge {
        /// What the splitter takes.
        limit_bytes: usize,
    },
    /// No array of objects.
    NotAnArray,
}

/// Finds the objects of a JSON array that arrives in chunks. Keeps an unfinished one.
#[derive(Clone, Debug)]
pub struct ArraySplitter {
    state: State,
    pending: Vec<u8>,
    limit_bytes: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Before the bracket.
    Start,
    /// Between objects.
    Between,
    Within {
        depth: usize,
        in_text: bool,
        is_escaped: bool,
    },
    Ended,
    Broken(ArrayError),
}

impl ArraySplitter {
    /// Objects of up to `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { state: State::Start, pending: Vec::new(), limit_bytes }
    }

    /// Takes in a chunk and hands each object that it completes to `take`, byte for byte.
    ///
    /// # Errors
    /// [`ArrayError`], now and from then on; the objects before were handed over.
    pub fn feed(&mut self, chunk: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), ArrayError> {
        // Where the object that is open begins in this chunk.
        let mut start = 0;
        for (at, byte) in chunk.iter().copied().enumerate() {
            self.state = match (self.state, byte) {
                (State::Broken(error), _) => return Err(error),
                (State::Within { depth, in_text: true, is_escaped }, byte) => State::Within {
                    depth,
                    in_text: byte != b'"' || is_escaped,
                    is_escaped: byte == b'\\' && !is_escaped,
                },
                (State::Within { depth, .. }, b'"') => State::Within { depth, in_text: true, is_escaped: false },
                (State::Within { depth, .. }, b'{' | b'[') => within(depth + 1),
                (State::Within { depth: 1, .. }, b'}' | b']') => {
                    self.keep(&chunk[start..=at])?;
                    take(&self.pending);
                    self.pending.clear();
                    State::Between
                }
                (State::Within { depth, .. }, b'}' | b']') => within(depth - 1),
                (within @ State::Within { .. }, _) => within,
                (before, byte) if byte.is_ascii_whitespace() => before,
                (State::Start, b'[') | (State::Between, b',') => State::Between,
                (State::Between, b'{') => {
                    start = at;
                    within(1)
                }
                (State::Between, b']') => State::Ended,
                _ => return self.fail(ArrayError::NotAnArray),
            };
        }
        if matches!(self.state, State::Within { .. }) {
            self.keep(&chunk[start..])?;
        }
        match self.state {
            State::Broken(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the closing bracket came.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), ArrayError> {
        if self.pending.len() + bytes.len() > self.limit_bytes {
            return self.fail(ArrayError::TooLarge { limit_bytes: self.limit_bytes });
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn fail(&mut self, error: ArrayError) -> Result<(), ArrayError> {
        (self.state, self.pending) = (State::Broken(error), Vec::new());
        Err(error)
    }
}

fn within(depth: usize) -> State {
    State::Within { depth, in_text: false, is_escaped: false }
}

/// Writes what stands between the objects of a JSON array, as Google does.
#[derive(Clone, Copy, Debug, Default)]
pub struct ArrayWriter {
    has_begun: bool,
}

impl ArrayWriter {
    /// Before an object.
    pub fn begin_element(&mut self, written: &mut Vec<u8>) {
        written.extend_from_slice(if std::mem::replace(&mut self.has_begun, true) { b",\r\n" } else { b"[" });
    }

    /// Space, which stands anywhere between objects, to keep the connection open.
    pub fn ping(&mut self, written: &mut Vec<u8>) {
        written.push(b'\n');
    }

    /// Behind the last object.
    pub fn end(&mut self, written: &mut Vec<u8>) {
        written.extend_from_slice(if std::mem::replace(&mut self.has_begun, true) { b"\r\n]" } else { b"[]" });
    }

    /// An error as the last element.
    pub fn error(&mut self, failure: &Failure, request_id: &str, written: &mut Vec<u8>) {
        self.begin_element(written);
        written.extend_from_slice(&gemini::error_body(failure, request_id));
        self.end(written);
    }
}

#[cfg(test)]
#[path = "gemini_stream_tests.rs"]
mod tests;
