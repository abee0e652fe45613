//! A request for an answer.

use std::borrow::Cow;

use serde::Deserialize;

use super::Part;
use super::features::{Feature, FeatureSet, Format};
use crate::json_view::{Text, View};

/// A request for an answer, as any dialect says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request<'text> {
    /// The format in which the client wrote it, where that is known: what errors call a field.
    pub format: Option<Format>,
    /// The model's name, as the client wrote it. Writers are told another.
    pub model: Text<'text>,
    /// Instructions before the first turn: `system`, `developer`, `instructions`, `systemInstruction`.
    pub instructions: Vec<Part<'text>>,
    /// The conversation, oldest first.
    pub turns: Vec<Turn<'text>>,
    /// Tools that may be called.
    pub tools: Vec<Tool<'text>>,
    /// Which of them must be.
    pub tool_choice: Option<ToolChoice<'text>>,
    /// Whether several may be called at once; what the provider does by itself if nobody says.
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer; free text if absent.
    pub output_format: Option<OutputFormat<'text>>,
    /// Largest answer, thoughts included where the provider counts them in.
    pub max_output_tokens: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling<'text>,
    /// Texts that end the answer.
    pub stop: Vec<Text<'text>>,
    /// Whether and how long to think first.
    pub reasoning: Option<Reasoning<'text>>,
    /// How many answers to give; one if absent.
    pub choices: Option<u64>,
    /// Log probabilities are wanted, of so many candidates each.
    pub logprobs: Option<u64>,
    /// The answer is to come in events.
    pub stream: bool,
    /// The client's name for its user.
    pub user: Option<Text<'text>>,
    /// What the client wants to find again with the answer.
    pub metadata: Option<View<'text>>,
    /// `auto`, `default`, `flex`, `priority` and their kind, in the words of its own dialect.
    pub service_tier: Option<Text<'text>>,
    /// Fields that only the client's own dialect has, in order.
    pub unexpressed: Vec<Unexpressed<'text>>,
}

/// A field without a counterpart in other dialects.
#[derive(Clone, Debug, PartialEq)]
pub struct Unexpressed<'text> {
    /// Its name.
    pub name: Cow<'text, str>,
    /// An answer without it would not be the one that was asked for.
    pub is_essential: bool,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The client's side; results of tools too.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of a conversation.
    System,
}

/// What one side says at once. Results of tools are parts of the user's turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn<'text> {
    /// Who.
    pub role: Role,
    /// Which of several of that role.
    pub name: Option<Text<'text>>,
    /// What, in order.
    pub parts: Vec<Part<'text>>,
}

/// A function that the client offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool<'text> {
    /// Its name.
    pub name: Text<'text>,
    /// What it is for.
    pub description: Option<Text<'text>>,
    /// JSON Schema of its arguments; none if it takes none.
    pub parameters: Option<View<'text>>,
    /// Arguments must fit the schema.
    pub strict: Option<bool>,
    /// As [`Part::cache_control`].
    pub cache_control: Option<View<'text>>,
}

/// Which tools are called.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice<'text> {
    /// As the model sees fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Tool(Text<'text>),
    /// At least one of these, or as the model sees fit.
    Among {
        /// Their names.
        names: Vec<Text<'text>>,
        /// One must be.
        is_required: bool,
    },
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputFormat<'text> {
    /// Free text.
    Text,
    /// Some JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        /// The schema's name, where one is said.
        name: Option<Text<'text>>,
        /// What it is for.
        description: Option<Text<'text>>,
        /// JSON Schema.
        schema: View<'text>,
        /// The answer must fit.
        strict: Option<bool>,
    },
}

/// How tokens are drawn: numbers as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "every dialect calls them so")]
pub struct Sampling<'text> {
    pub temperature: Option<&'text str>,
    pub top_p: Option<&'text str>,
    pub top_k: Option<&'text str>,
    pub seed: Option<&'text str>,
    pub presence_penalty: Option<&'text str>,
    pub frequency_penalty: Option<&'text str>,
    pub logit_bias: Option<View<'text>>,
}

/// Whether and how long to think.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasoning<'text> {
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens. 0: not at all; -1: as the model sees fit.
    pub budget_tokens: Option<i64>,
    /// Whether thoughts, or a summary, are wanted in the answer.
    pub includes_thoughts: Option<bool>,
    /// OpenAI's word for how much of a summary: `auto`, `concise`, `detailed`.
    pub summary: Option<Text<'text>>,
}

/// How hard to think, in words.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the vendors' own words")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    #[serde(rename = "xhigh")]
    ExtraHigh,
    Max,
}

impl Effort {
    /// Vendors' words and what they mean here.
    const WORDS: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("minimal", Self::Minimal),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("xhigh", Self::ExtraHigh),
        ("max", Self::Max),
    ];

    /// What a vendor's word means, in whichever case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(own, _)| own.eq_ignore_ascii_case(word)).map(|(_, effort)| *effort)
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }

    /// A budget of thought in tokens that stands for it where a dialect knows nothing else.
    #[must_use]
    pub fn budget_tokens(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Minimal => 1_024,
            Self::Low => 4_096,
            Self::Medium => 8_192,
            Self::High => 16_384,
            Self::ExtraHigh => 24_576,
            Self::Max => 32_768,
        }
    }

    /// The word for a budget in tokens: the smallest whose budget covers it. `None` for "as the model sees fit".
    #[must_use]
    pub fn of_budget(tokens: i64) -> Option<Self> {
        let words = Self::WORDS.iter().map(|(_, effort)| *effort);
        let covering = words.clone().find(|effort| effort.budget_tokens() >= tokens);
        (tokens >= 0).then(|| covering.unwrap_or(Self::Max))
    }
}

impl Request<'_> {
    /// What it uses that not every dialect has.
    #[must_use]
    pub fn features(&self) -> FeatureSet {
        FeatureSet::of(self)
    }

    /// Whether it uses this.
    #[must_use]
    pub fn uses(&self, feature: Feature) -> bool {
        self.features().contains(feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_in_words_and_tokens() {
        for (word, effort) in Effort::WORDS {
            assert_eq!((Effort::parse(word), effort.word()), (Some(effort), word));
            assert_eq!(Effort::of_budget(effort.budget_tokens()), Some(effort));
        }
        assert_eq!(Effort::parse("HIGH"), Some(Effort::High));
        assert_eq!(
            (Effort::of_budget(-1), Effort::of_budget(5_000), Effort::of_budget(i64::MAX)),
            (None, Some(Effort::Medium), Some(Effort::Max))
        );
    }
}
