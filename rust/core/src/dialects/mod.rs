//! Wire formats, one module each with the same functions:
//!
//! `read_request` finds what the gateway needs in a body, `splice` changes a field in place, `StreamReader`
//! classifies events and knows when a stream is complete, `error_body` and `error_event` write an error as the
//! format's own SDK expects it, `models_body` lists models. Same format in and out means the bytes pass unread but for
//! these.

pub mod openai_chat;
pub mod openai_usage;
pub mod splice;

/// What an event of a stream means; everything downstream hangs on this.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventClass {
    /// A role, a ping, a prompt filter: nothing a user would miss.
    Preamble,
    /// Text, reasoning, a tool call or a refusal.
    Content,
    /// Token counts alone.
    Usage,
    /// The format's own end mark.
    End,
    /// The provider reports a failure, or the event is not what the format knows.
    Error,
}

/// Whether a stream may stop where it stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completeness {
    /// Every choice has its finish reason and the end mark was seen.
    Complete,
    /// Only the end mark is missing; it may be added.
    EndMarkMissing,
    /// Something is missing: the stream must end as an error.
    Cut,
    /// The provider itself reported an error within the stream.
    Failed,
}
