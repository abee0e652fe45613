//! The form between dialects: what a request, an answer or an event of a stream says, in whichever format it came.
//!
//! A dialect reads its own format into this and writes it from this, so four dialects need eight translators, not twelve.
//! Texts, numbers and schemas stay as they were written (`json_view`): prompts are never decoded, and tool arguments are
//! the same to the byte. What one side says and another can't is a [`Feature`], and [`features`] says what becomes of it.

mod answer;
mod event;
mod features;
mod part;
mod parts_in_order;
mod place;
mod request;
pub(crate) mod signed_by;

use serde::Deserialize;

pub use answer::{Answer, Choice, Finish};
pub use event::{Begun, Event};
pub use features::{Class, Feature, FeatureSet, Format, Loss, Row, TABLE, check};
pub use part::{Arguments, NotAnObject, Part, PartKind, Source};
pub use parts_in_order::PartsInOrder;
pub use place::Place;
pub use request::{Effort, OutputFormat, Reasoning, Request, Role, Sampling, Tool, ToolChoice, Turn, Unexpressed};

/// Whom a request is written for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The model's name there.
    pub model: &'a str,
    /// The largest answer that it gives, where that is known.
    pub output_tokens: Option<u64>,
    /// How it is asked to think, where that is known.
    pub reasoning: Option<ReasoningUnit>,
}

/// How a model is asked to think.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningUnit {
    /// In words: an effort or a level.
    Words,
    /// In tokens: a budget.
    Tokens,
}
