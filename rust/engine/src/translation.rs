//! Requests, answers and streams on their way between two dialects.
//!
//! Core knows the dialects; this holds what an exchange has to remember between its pieces.

use bytes::Bytes;
use fastgate_core::dialects::gemini_stream::ArrayWriter;
use fastgate_core::dialects::{ANSWER_DEPTH_LIMIT, ProviderError};
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::json_view::View;
use fastgate_core::neutral::{Format, Loss, Target, check};
use fastgate_core::translators::{self, Replying, StreamReader, StreamWriter};

use crate::crossing::Pair;

/// A request in the provider's dialect.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) body: Bytes,
    /// What it lacks, by the client's names.
    pub(crate) losses: Vec<Loss>,
}

/// Writes a client's request for a provider. `stream`: the answer is to come in events, wherever that is said.
///
/// # Errors
/// A [`Failure`] that names the field which can't be said there.
pub(crate) fn request(body: &[u8], pair: Pair, stream: bool, target: &Target<'_>) -> Result<Translated, Failure> {
    // It was read when it came, strictly.
    let known = View::known(body).ok_or_else(|| Failure::invalid_request("the request body is no text", None))?;
    let mut room = None;
    let view = translators::normal_request(pair.client, known, &mut room);
    let mut request = translators::read_request(pair.client, view)?;
    request.stream = stream;
    let losses = check(&request, pair.client, pair.provider)?;
    let body = translators::write_request(pair.provider, &request, target)?.into();
    Ok(Translated { body, losses })
}

/// Writes a provider's answer for the client; `None` if it is none.
pub(crate) fn answer(body: &[u8], pair: Pair, replying: &Replying<'_>) -> Option<Bytes> {
    let view = View::read_answer(body, ANSWER_DEPTH_LIMIT).ok()?;
    let mut room = None;
    let view = translators::normal_answer(pair.provider, view, &mut room);
    let answer = translators::read_answer(pair.provider, view)?;
    Some(translators::write_answer(pair.client, &answer, replying).into())
}

/// A stream that is translated event by event.
#[derive(Debug)]
pub(crate) struct Stream {
    way: Way,
    /// What the provider writes.
    format: Format,
    written: Vec<u8>,
    /// What the provider's error event said.
    error: ProviderError,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a stream has one, and that is boxed")]
enum Way {
    Neutral {
        reader: StreamReader,
        writer: StreamWriter,
    },
    /// Gemini's own events, framed as elements of a JSON array.
    Array(ArrayWriter),
}

impl Stream {
    /// Into another dialect.
    pub(crate) fn new(pair: Pair, replying: &Replying<'_>) -> Self {
        let writer = StreamWriter::new(pair.client, replying);
        Self::on(Way::Neutral { reader: StreamReader::new(pair.provider), writer }, pair.provider)
    }

    /// Into Gemini's other framing.
    pub(crate) fn array() -> Self {
        Self::on(Way::Array(ArrayWriter::default()), Format::Gemini)
    }

    fn on(way: Way, format: Format) -> Self {
        Self { way, format, written: Vec::new(), error: ProviderError::default() }
    }

    /// Takes in the data of one event.
    pub(crate) fn read(&mut self, data: &[u8]) {
        // End marks, and what is none of the dialect's events, say nothing that could be translated.
        let Ok(view) = View::read_answer(data, ANSWER_DEPTH_LIMIT) else { return };
        match &mut self.way {
            Way::Neutral { reader, writer } => {
                let mut room = None;
                let view = translators::normal_answer(self.format, view, &mut room);
                let mut events = Vec::new();
                reader.read(view, &mut events);
                for event in &events {
                    writer.write(event, &mut self.written);
                }
            }
            Way::Array(writer) => {
                writer.begin_element(&mut self.written);
                self.written.extend_from_slice(view.raw().as_bytes());
            }
        }
    }

    /// Takes in the data of an event that reports a failure.
    pub(crate) fn read_error(&mut self, data: &[u8]) {
        self.error = ProviderError::read(data);
    }

    /// What came of it since last asked.
    pub(crate) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.written).into()
    }

    /// The stream is whole: what the client's format ends with.
    pub(crate) fn end(&mut self) -> Bytes {
        match &mut self.way {
            Way::Neutral { reader, writer } => {
                let mut events = Vec::new();
                reader.end(&mut events);
                for event in &events {
                    writer.write(event, &mut self.written);
                }
            }
            Way::Array(writer) => writer.end(&mut self.written),
        }
        self.take()
    }

    /// The stream broke: the failure as an event of the client's format. `None`: what the provider reported.
    pub(crate) fn fail(&mut self, failure: Option<&Failure>, request_id: &str) -> Bytes {
        let reported = || {
            let message = self.error.message.as_deref().unwrap_or("the provider reported an error within its stream");
            let code = self.error.code.clone().or_else(|| self.error.kind.clone());
            Failure { provider_code: code, ..Failure::new(Cause::ProviderFailed, message) }
        };
        let failure = failure.cloned().unwrap_or_else(reported);
        match &mut self.way {
            Way::Neutral { writer, .. } => writer.fail(&failure, request_id, &mut self.written),
            Way::Array(writer) => writer.error(&failure, request_id, &mut self.written),
        }
        self.take()
    }
}
