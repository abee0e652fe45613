//! Dialects to and from the neutral form, a folder each with the same files: requests, answers and streams, read and
//! written. Beside them what is no conversation: token counts and embeddings.

pub mod anthropic;
pub mod embeddings;
pub mod foreign;
pub mod gemini;
pub mod openai_chat;
pub mod openai_responses;
mod stream_translator;
pub mod token_counts;
mod web_citation;

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod every_pair_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod mutated;

pub use stream_translator::StreamTranslator;

use crate::dialects;
use crate::failure::Failure;
use crate::json_view::View;
use crate::neutral::{Answer, Event, Format, Place, Request, Target};

/// What shapes an answer beside what the provider said.
#[derive(Clone, Copy, Debug)]
pub struct Replying<'a> {
    /// An id for an answer whose provider gave none; a word.
    pub fallback_id: &'a str,
    /// The model's name where the provider does not say it.
    pub fallback_model: &'a str,
    /// Now, in seconds since 1970.
    pub now_unix_s: u64,
    /// The client wants token counts in a chat stream (`stream_options.include_usage`).
    pub includes_usage: bool,
    /// The client takes a Gemini stream as a JSON array, not as events.
    pub is_json_array: bool,
    /// The client's own request, for dialects that repeat it in their answers.
    pub request: Option<View<'a>>,
}

/// What tests of several dialects reply with.
#[cfg(test)]
const REPLYING: Replying<'_> = Replying {
    fallback_id: "fg1",
    fallback_model: "some-model",
    now_unix_s: 1_700_000_000,
    includes_usage: true,
    is_json_array: false,
    request: None,
};

/// A client's request, ready to be read. What its format writes in a way of its own is written in everybody's, into `room`.
pub fn normal_request<'text>(format: Format, body: View<'text>, room: &'text mut Option<Vec<u8>>) -> View<'text> {
    *room = if format == Format::Gemini { gemini::normalise_request(body) } else { None };
    room.as_deref().and_then(View::known).unwrap_or(body)
}

/// The same of a provider's answer, or an event of its stream.
pub fn normal_answer<'text>(format: Format, body: View<'text>, room: &'text mut Option<Vec<u8>>) -> View<'text> {
    *room = if format == Format::Gemini { gemini::normalise_answer(body) } else { None };
    room.as_deref().and_then(View::known).unwrap_or(body)
}

/// Reads a client's request, normalised.
///
/// # Errors
/// A [`Failure`] that names the field which can't be understood.
pub fn read_request(format: Format, body: View<'_>) -> Result<Request<'_>, Failure> {
    let request = match format {
        Format::OpenaiChat => openai_chat::read_request(body),
        Format::OpenaiResponses => openai_responses::read_request(body),
        Format::Anthropic => anthropic::read_request(body),
        Format::Gemini => gemini::read_request(body),
    };
    Ok(Request { format: Some(format), ..request? })
}

/// Writes a request for a provider, after [`check`](crate::neutral::check) has said what is lost.
///
/// # Errors
/// A [`Failure`] that names what can't be said there, as the client calls it.
pub fn write_request(format: Format, request: &Request<'_>, target: &Target<'_>) -> Result<Vec<u8>, Failure> {
    let written = match format {
        Format::OpenaiChat => openai_chat::write_request(request, target),
        Format::OpenaiResponses => openai_responses::write_request(request, target),
        Format::Anthropic => anthropic::write_request(request, target),
        Format::Gemini => gemini::write_request(request, target),
    };
    written.map_err(|failure| match request.format {
        Some(client) => Place::rename(failure, client),
        None => failure,
    })
}

/// Reads a provider's answer, normalised; `None` if it is none of this format.
#[must_use]
pub fn read_answer(format: Format, body: View<'_>) -> Option<Answer<'_>> {
    match format {
        Format::OpenaiChat => openai_chat::read_answer(body),
        Format::OpenaiResponses => openai_responses::read_answer(body),
        Format::Anthropic => anthropic::read_answer(body),
        Format::Gemini => gemini::read_answer(body),
    }
}

/// Writes an answer for a client.
#[must_use]
pub fn write_answer(format: Format, answer: &Answer<'_>, replying: &Replying<'_>) -> Vec<u8> {
    match format {
        Format::OpenaiChat => openai_chat::write_answer(answer, replying),
        Format::OpenaiResponses => openai_responses::write_answer(answer, replying),
        Format::Anthropic => anthropic::write_answer(answer, replying),
        Format::Gemini => gemini::write_answer(answer, replying),
    }
}

/// Reads a provider's stream, event by event.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the reader of the format it is named after")]
pub enum StreamReader {
    OpenaiChat(openai_chat::StreamReader),
    OpenaiResponses(openai_responses::StreamReader),
    Anthropic(anthropic::StreamReader),
    Gemini(gemini::StreamReader),
}

impl StreamReader {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(format: Format) -> Self {
        match format {
            Format::OpenaiChat => Self::OpenaiChat(openai_chat::StreamReader::default()),
            Format::OpenaiResponses => Self::OpenaiResponses(openai_responses::StreamReader::default()),
            Format::Anthropic => Self::Anthropic(anthropic::StreamReader::default()),
            Format::Gemini => Self::Gemini(gemini::StreamReader::default()),
        }
    }

    /// Takes in the data of one event, normalised, and adds what happens.
    pub fn read<'text>(&mut self, data: View<'text>, events: &mut Vec<Event<'text>>) {
        match self {
            Self::OpenaiChat(reader) => reader.read(data, events),
            Self::OpenaiResponses(reader) => reader.read(data, events),
            Self::Anthropic(reader) => reader.read(data, events),
            Self::Gemini(reader) => reader.read(data, events),
        }
    }

    /// The stream is at its proper end.
    pub fn end(&mut self, events: &mut Vec<Event<'static>>) {
        match self {
            Self::OpenaiChat(reader) => reader.end(events),
            Self::OpenaiResponses(reader) => reader.end(events),
            Self::Anthropic(reader) => reader.end(events),
            Self::Gemini(reader) => reader.end(events),
        }
    }
}

/// Writes a client's stream, event by event.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the writer of the format it is named after")]
pub enum StreamWriter {
    OpenaiChat(openai_chat::StreamWriter),
    OpenaiResponses(Box<openai_responses::StreamWriter>),
    Anthropic(anthropic::StreamWriter),
    Gemini(gemini::StreamWriter),
}

impl StreamWriter {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(format: Format, replying: &Replying<'_>) -> Self {
        match format {
            Format::OpenaiChat => Self::OpenaiChat(openai_chat::StreamWriter::new(replying)),
            Format::OpenaiResponses => Self::OpenaiResponses(Box::new(openai_responses::StreamWriter::new(replying))),
            Format::Anthropic => Self::Anthropic(anthropic::StreamWriter::new(replying)),
            Format::Gemini => Self::Gemini(gemini::StreamWriter::new(replying)),
        }
    }

    /// Writes what happens, as whole frames.
    pub fn write(&mut self, event: &Event<'_>, written: &mut Vec<u8>) {
        match self {
            Self::OpenaiChat(writer) => writer.write(event, written),
            Self::OpenaiResponses(writer) => writer.write(event, written),
            Self::Anthropic(writer) => writer.write(event, written),
            Self::Gemini(writer) => writer.write(event, written),
        }
    }

    /// The stream broke: writes an error as its last event.
    pub fn fail(&mut self, failure: &Failure, request_id: &str, written: &mut Vec<u8>) {
        let event = match self {
            Self::OpenaiChat(_) => dialects::openai_chat::error_event(failure, request_id),
            Self::OpenaiResponses(writer) => {
                dialects::openai::typed_error_event(failure, request_id, writer.next_sequence_number())
            }
            Self::Anthropic(_) => dialects::anthropic::error_event(failure, request_id),
            Self::Gemini(writer) => return writer.fail(failure, request_id, written),
        };
        written.extend_from_slice(&event);
    }
}
