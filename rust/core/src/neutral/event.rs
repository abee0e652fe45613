//! What happens in a stream.
//!
//! Parts of a choice are numbered from 0 in the order in which they begin. Between a part's `Begin` and its `End` come its
//! `Piece`s; a whole stream is `Start`, parts, one `Finish` for each choice, `Usage`, `Done`. Usage may come several times,
//! each time with all that is known: the field-wise maximum is what was used.

use super::Finish;
use crate::json_view::{Text, View};
use crate::usage::Usage;

/// One thing that happens in a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'text> {
    /// The answer has begun.
    Start {
        /// The provider's id of it.
        id: Option<Text<'text>>,
        /// The model that gives it.
        model: Option<Text<'text>>,
    },
    /// A part begins.
    Begin {
        /// Of this choice.
        choice: u32,
        /// Its number.
        part: u32,
        /// What it is.
        kind: Begun<'text>,
    },
    /// More of a part: words, or JSON of a tool's arguments, escaped as it stood in the provider's string.
    Piece {
        /// Of this choice.
        choice: u32,
        /// Of this part.
        part: u32,
        /// What is added.
        text: Text<'text>,
    },
    /// The proof of the thought behind a part. That of a tool call comes before its first piece: chat clients get it with
    /// the call's id.
    Signature {
        /// Of this choice.
        choice: u32,
        /// Of this part.
        part: u32,
        /// To be sent back unread.
        signature: Text<'text>,
    },
    /// Where words are from, as its own dialect writes it.
    Citation {
        /// Of this choice.
        choice: u32,
        /// Of this part.
        part: u32,
        /// As it was written.
        citation: View<'text>,
    },
    /// A part is whole.
    End {
        /// Of this choice.
        choice: u32,
        /// Its number.
        part: u32,
    },
    /// A choice is whole.
    Finish {
        /// Which.
        choice: u32,
        /// Why it ended there.
        reason: Finish,
        /// The text that ended it.
        stop_sequence: Option<Text<'text>>,
    },
    /// Log probabilities of what came last, in OpenAI's form.
    Logprobs {
        /// Of this choice.
        choice: u32,
        /// As they were written.
        logprobs: View<'text>,
    },
    /// What was used so far.
    Usage(Usage),
    /// Nothing, to keep the connection open.
    Ping,
    /// The stream is at its proper end.
    Done,
}

/// A part that begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun<'text> {
    /// Words.
    Text,
    /// Why the model does not answer.
    Refusal,
    /// Thoughts.
    Thinking,
    /// Thoughts that are encrypted, whole.
    RedactedThinking(Text<'text>),
    /// A tool is to be called; its arguments follow as pieces.
    ToolCall {
        /// What its result refers to.
        id: Text<'text>,
        /// The tool.
        name: Text<'text>,
    },
}
