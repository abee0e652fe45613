//! Wire formats, one module each with the same functions, and one table that finds them.
//!
//! `read_request` finds what the gateway needs in a body, `StreamReader` classifies events, knows when a stream is
//! complete and writes an error as the format's own SDK expects it. What formats of one vendor share is in a module of
//! the vendor's name. Same format in and out means the bytes pass unread but for these.

pub mod anthropic;
pub mod anthropic_usage;
pub mod gemini;
pub mod gemini_plain;
pub mod gemini_stream;
pub mod gemini_usage;
mod model_lists;
pub mod openai;
pub mod openai_chat;
pub mod openai_plain;
pub mod openai_reported_cost;
pub mod openai_responses;
pub mod openai_token_usage;
pub mod openai_usage;
mod provider_error;
pub mod splice;

pub use provider_error::ProviderError;

use std::ops::Range;

use openai::Request;
use splice::Splice;

use crate::failure::Failure;
use crate::service_tier::ServiceTier;
use crate::usage::Usage;

/// An answer nested deeper is not read.
pub const ANSWER_DEPTH_LIMIT: usize = 512;

/// A wire format of requests and answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// OpenAI Chat Completions.
    OpenaiChat,
    /// OpenAI Completions, their predecessor.
    OpenaiCompletions,
    /// OpenAI Responses.
    OpenaiResponses,
    /// OpenAI's calls with a model and an answer in one piece, or in typed events.
    OpenaiPlain {
        /// What the vendor takes when no model is named.
        default_model: Option<&'static str>,
    },
    /// Anthropic Messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini {
        /// It is `streamGenerateContent`.
        stream: bool,
    },
    /// Gemini's token counts and embeddings.
    GeminiPlain,
}

impl Dialect {
    /// Reads a JSON request body. `model_in_path`: the model's name, in formats that have it in the path.
    ///
    /// # Errors
    /// A [`Failure`] that names the field at fault.
    pub fn read_request(
        self,
        body: &[u8],
        depth_limit: usize,
        model_in_path: Option<&str>,
    ) -> Result<Request, Failure> {
        match self {
            Self::OpenaiChat => openai_chat::read_request(body, depth_limit),
            Self::OpenaiCompletions => openai_chat::read_completions_request(body, depth_limit),
            Self::OpenaiResponses => openai_responses::read_request(body, depth_limit),
            Self::OpenaiPlain { default_model } => openai_plain::read_request(body, depth_limit, default_model),
            Self::Anthropic => anthropic::read_request(body, depth_limit),
            Self::Gemini { stream } => {
                gemini::read_request(body, depth_limit, model_in_path.unwrap_or_default(), stream)
            }
            Self::GeminiPlain => gemini_plain::read_request(body, depth_limit, model_in_path.unwrap_or_default()),
        }
    }

    /// What to change in a request that says nothing of the answer's length, so that it asks for so many tokens at most.
    /// `None`: answers in this format have no such bound.
    #[must_use]
    pub fn bound_output(self, body: &[u8], tokens: u64) -> Option<Splice> {
        let field = match self {
            Self::OpenaiChat => "max_completion_tokens",
            Self::OpenaiCompletions | Self::Anthropic => "max_tokens",
            Self::OpenaiResponses => "max_output_tokens",
            Self::Gemini { .. } => return gemini::bound_output(body, tokens),
            Self::OpenaiPlain { .. } | Self::GeminiPlain => return None,
        };
        openai::set_field(body, field, &tokens.to_string())
    }

    /// What a JSON answer says of itself. `None`: it is no JSON object.
    #[must_use]
    pub fn read_answer(self, body: &[u8]) -> Option<Answer> {
        match self {
            Self::OpenaiChat | Self::OpenaiCompletions => openai_chat::read_answer(body),
            Self::OpenaiResponses => openai_responses::read_answer(body),
            Self::OpenaiPlain { .. } => openai_plain::read_answer(body),
            Self::Anthropic => anthropic::read_answer(body),
            Self::Gemini { .. } => gemini::read_answer(body),
            Self::GeminiPlain => gemini_plain::read_answer(body),
        }
    }

    /// A reader for the answer to a request for `choices` choices.
    #[must_use]
    pub fn stream_reader(self, choices: u64) -> StreamReader {
        match self {
            Self::OpenaiChat | Self::OpenaiCompletions => {
                StreamReader::OpenaiChat(openai_chat::StreamReader::new(choices))
            }
            Self::OpenaiResponses => StreamReader::OpenaiResponses(openai_responses::StreamReader::default()),
            Self::OpenaiPlain { .. } => StreamReader::OpenaiPlain(openai_plain::StreamReader::new(choices)),
            Self::Anthropic => StreamReader::Anthropic(anthropic::StreamReader::default()),
            Self::Gemini { .. } | Self::GeminiPlain => StreamReader::Gemini(gemini_stream::StreamReader::new(choices)),
        }
    }

    /// The gateway's own error, as a body.
    #[must_use]
    pub fn error_body(self, failure: &Failure, request_id: &str) -> Vec<u8> {
        match self {
            Self::Anthropic => anthropic::error_body(failure, request_id),
            Self::Gemini { .. } | Self::GeminiPlain => gemini::error_body(failure, request_id),
            _ => openai::error_body(failure, request_id),
        }
    }

    /// A provider's error for a client of this format.
    #[must_use]
    pub fn error_of_provider(self, status: u16, error: &ProviderError, request_id: &str) -> Vec<u8> {
        match self {
            Self::Anthropic => anthropic::error_of_provider(status, error, request_id),
            Self::Gemini { .. } | Self::GeminiPlain => gemini::error_of_provider(status, error, request_id),
            _ => openai::error_of_provider(status, error, request_id),
        }
    }
}

/// What an answer says of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// The provider's token counts, where it tells them.
    pub usage: Option<Usage>,
    /// What it was billed at, where it tells that.
    pub service_tier: Option<ServiceTier>,
    /// What it costs in picodollars, where the provider says so.
    pub reported_cost_pusd: Option<i64>,
    /// A choice ended at the limit of output tokens.
    pub is_truncated: bool,
    /// Why it is no answer, though it looks like one.
    pub flaw: Option<Flaw>,
}

/// What makes an answer none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// It has an error in it.
    Error,
    /// It has a list of choices, and none in it.
    NoChoices,
}

/// Follows a stream event by event, in whichever format it is.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the reader of the format it is named after")]
pub enum StreamReader {
    OpenaiChat(openai_chat::StreamReader),
    OpenaiResponses(openai_responses::StreamReader),
    OpenaiPlain(openai_plain::StreamReader),
    Anthropic(anthropic::StreamReader),
    Gemini(gemini_stream::StreamReader),
}

impl StreamReader {
    /// Takes in the data of one event.
    pub fn read(&mut self, data: &[u8]) -> Reading {
        match self {
            Self::OpenaiChat(reader) => reader.read(data),
            Self::OpenaiResponses(reader) => reader.read(data).into(),
            Self::OpenaiPlain(reader) => reader.read(data).into(),
            Self::Anthropic(reader) => reader.read(data).into(),
            Self::Gemini(reader) => reader.read(data).into(),
        }
    }

    /// The token counts reported last.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::OpenaiChat(reader) => reader.usage(),
            Self::OpenaiResponses(reader) => reader.usage(),
            Self::OpenaiPlain(reader) => reader.usage(),
            Self::Anthropic(reader) => reader.usage(),
            Self::Gemini(reader) => reader.usage(),
        }
    }

    /// What it costs in picodollars, as the provider told last.
    #[must_use]
    pub fn reported_cost_pusd(&self) -> Option<i64> {
        match self {
            Self::OpenaiChat(reader) => reader.reported_cost_pusd(),
            Self::OpenaiResponses(reader) => reader.reported_cost_pusd(),
            Self::OpenaiPlain(reader) => reader.reported_cost_pusd(),
            Self::Anthropic(reader) => reader.reported_cost_pusd(),
            Self::Gemini(reader) => reader.reported_cost_pusd(),
        }
    }

    /// Whether it ended, or a choice of it, at the limit of output tokens.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        match self {
            Self::OpenaiChat(reader) => reader.is_truncated(),
            Self::OpenaiResponses(reader) => reader.is_truncated(),
            Self::Anthropic(reader) => reader.is_truncated(),
            Self::Gemini(reader) => reader.is_truncated(),
            // Images and audio are whole or not there.
            Self::OpenaiPlain(_) => false,
        }
    }

    /// The service tier told last.
    #[must_use]
    pub fn service_tier(&self) -> Option<ServiceTier> {
        match self {
            Self::OpenaiChat(reader) => reader.service_tier(),
            Self::OpenaiResponses(reader) => reader.service_tier(),
            Self::Anthropic(reader) => reader.service_tier(),
            Self::Gemini(reader) => reader.service_tier(),
            // Images and audio have one tier.
            Self::OpenaiPlain(_) => None,
        }
    }

    /// Bytes of content so far, as written in JSON: what an estimate goes by where no counts came.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        match self {
            Self::OpenaiChat(reader) => reader.content_bytes(),
            Self::OpenaiResponses(reader) => reader.content_bytes(),
            Self::Anthropic(reader) => reader.content_bytes(),
            Self::Gemini(reader) => reader.content_bytes(),
            // Sound and images have no bytes per token.
            Self::OpenaiPlain(_) => 0,
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        match self {
            Self::OpenaiChat(reader) => reader.completeness(),
            Self::OpenaiResponses(reader) => reader.completeness(),
            Self::OpenaiPlain(reader) => reader.completeness(),
            Self::Anthropic(reader) => reader.completeness(),
            Self::Gemini(reader) => reader.completeness(),
        }
    }

    /// The id of what the stream is making, where others may refer to it later.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::OpenaiResponses(reader) => reader.id(),
            Self::OpenaiChat(_) | Self::OpenaiPlain(_) | Self::Anthropic(_) | Self::Gemini(_) => None,
        }
    }

    /// An error as the last event of this stream.
    #[must_use]
    pub fn error_event(&self, failure: &Failure, request_id: &str) -> Vec<u8> {
        match self {
            Self::OpenaiChat(_) => openai_chat::error_event(failure, request_id),
            Self::OpenaiResponses(reader) => reader.error_event(failure, request_id),
            Self::OpenaiPlain(reader) => reader.error_event(failure, request_id),
            Self::Anthropic(reader) => reader.error_event(failure, request_id),
            Self::Gemini(reader) => reader.error_event(failure, request_id),
        }
    }

    /// What ends a stream of this format, where only that is missing.
    #[must_use]
    pub fn end_event(&self) -> &'static [u8] {
        match self {
            Self::Anthropic(_) => anthropic::end_event(),
            _ => openai_chat::END_EVENT,
        }
    }
}

/// What an event of a stream means; everything downstream hangs on this.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventClass {
    /// A role, a ping, a prompt filter: nothing a user would miss.
    Preamble,
    /// Text, reasoning, a tool call or a refusal.
    Content,
    /// Token counts alone, or with all that was content before.
    Usage,
    /// The format's own end mark.
    End,
    /// The provider reports a failure, or the event is not what the format knows.
    Error,
}

/// What one event says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// What it means.
    pub class: EventClass,
    /// Where its member `"usage":null` lies in the data, with the comma that goes with it.
    pub null_usage: Option<Range<usize>>,
}

impl From<EventClass> for Reading {
    fn from(class: EventClass) -> Self {
        Self { class, null_usage: None }
    }
}

/// Whether a stream may stop where it stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completeness {
    /// Everything that was asked for is finished and the end mark, if there is one, was seen.
    Complete,
    /// Only the end mark is missing; it may be added.
    EndMarkMissing,
    /// Something is missing: the stream must end as an error.
    Cut,
    /// The provider itself reported an error within the stream.
    Failed,
}
