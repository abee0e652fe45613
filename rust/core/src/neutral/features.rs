//! What not every dialect can say, as one table: what each calls it, and what becomes of it there.
//!
//! *Expressed*: the writer of that dialect says it, perhaps in other words. *Ignorable*: the answer is as good without it,
//! so it is left out, and the client is told in a header. *Refused*: the answer would not be the one that was asked for, so
//! the client gets a 400 that names its own field, or another deployment is asked.

use std::borrow::Cow;

use super::part::Part;
use super::{OutputFormat, PartKind, Request, Role, Source, ToolChoice, signed_by};
use crate::failure::Failure;
use crate::json_view::Text;

/// A format that requests and answers are translated between.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is named after its API")]
pub enum Format {
    OpenaiChat,
    OpenaiResponses,
    Anthropic,
    Gemini,
}

/// What becomes of a feature in a dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the module says what they mean")]
pub enum Class {
    Expressed,
    Ignorable,
    Refused,
}

/// What a request may use that not every dialect has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "TABLE says what each is called")]
pub enum Feature {
    TopK,
    Seed,
    PresencePenalty,
    FrequencyPenalty,
    LogitBias,
    SeveralChoices,
    Logprobs,
    StopSequences,
    JsonObject,
    JsonSchema,
    StrictTools,
    SequentialToolCalls,
    ToolChoiceAmong,
    Reasoning,
    ThoughtsInAnswer,
    ThoughtsInHistory,
    ImageByUrl,
    AudioInput,
    Document,
    DocumentByUrl,
    Video,
    StoredFile,
    CacheControl,
    User,
    Metadata,
    ServiceTier,
    TurnName,
    Citations,
    AudioByUrl,
    FailedToolResult,
    TopPBesideTemperature,
}

/// One row of the table; the arrays are in the order of [`Format`].
#[derive(Debug)]
pub struct Row {
    /// The feature.
    pub feature: Feature,
    /// What it is, for people.
    pub name: &'static str,
    /// What each dialect calls it; empty where it has nothing of the kind.
    pub fields: [&'static str; 4],
    /// What becomes of it there.
    pub classes: [Class; 4],
}

const E: Class = Class::Expressed;
const I: Class = Class::Ignorable;
const R: Class = Class::Refused;

const fn row(feature: Feature, name: &'static str, fields: [&'static str; 4], classes: [Class; 4]) -> Row {
    Row { feature, name, fields, classes }
}

/// Every feature, in the order of [`Feature`].
pub const TABLE: [Row; 31] = [
    row(Feature::TopK, "top-k sampling", ["top_k", "", "top_k", "generationConfig.topK"], [I, I, E, E]),
    row(Feature::Seed, "a seed", ["seed", "", "", "generationConfig.seed"], [E, I, I, E]),
    row(
        Feature::PresencePenalty,
        "a penalty for presence",
        ["presence_penalty", "", "", "generationConfig.presencePenalty"],
        [E, I, I, E],
    ),
    row(
        Feature::FrequencyPenalty,
        "a penalty for frequency",
        ["frequency_penalty", "", "", "generationConfig.frequencyPenalty"],
        [E, I, I, E],
    ),
    row(Feature::LogitBias, "a bias per token", ["logit_bias", "", "", ""], [E, R, R, R]),
    row(Feature::SeveralChoices, "several answers", ["n", "", "", "generationConfig.candidateCount"], [E, R, R, E]),
    row(
        Feature::Logprobs,
        "log probabilities",
        ["logprobs", "top_logprobs", "", "generationConfig.responseLogprobs"],
        [E, E, R, E],
    ),
    row(
        Feature::StopSequences,
        "stop sequences",
        ["stop", "", "stop_sequences", "generationConfig.stopSequences"],
        [E, R, E, E],
    ),
    row(
        Feature::JsonObject,
        "some JSON object as the answer",
        ["response_format", "text.format", "", "generationConfig.responseMimeType"],
        [E, E, R, E],
    ),
    row(
        Feature::JsonSchema,
        "JSON that fits a schema as the answer",
        ["response_format", "text.format", "output_config.format", "generationConfig.responseJsonSchema"],
        [E, E, E, E],
    ),
    row(
        Feature::StrictTools,
        "strict arguments of tools",
        ["tools.function.strict", "tools.strict", "tools.strict", ""],
        [E, E, E, I],
    ),
    row(
        Feature::SequentialToolCalls,
        "one tool call at a time",
        ["parallel_tool_calls", "parallel_tool_calls", "tool_choice.disable_parallel_tool_use", ""],
        [E, E, E, R],
    ),
    row(
        Feature::ToolChoiceAmong,
        "a choice among some tools",
        ["tool_choice", "tool_choice", "", "toolConfig.functionCallingConfig.allowedFunctionNames"],
        [E, E, R, E],
    ),
    row(
        Feature::Reasoning,
        "reasoning, by effort or budget",
        ["reasoning_effort", "reasoning.effort", "thinking", "generationConfig.thinkingConfig"],
        [E, E, E, E],
    ),
    row(
        Feature::ThoughtsInAnswer,
        "thoughts in the answer",
        [
            "reasoning.exclude",
            "reasoning.summary",
            "thinking.display",
            "generationConfig.thinkingConfig.includeThoughts",
        ],
        [I, E, E, E],
    ),
    row(
        Feature::ThoughtsInHistory,
        "thoughts in the history, other than the vendor's own",
        ["messages.reasoning_content", "input", "messages.content", "contents.parts"],
        [I, I, I, I],
    ),
    row(
        Feature::ImageByUrl,
        "an image by its address",
        ["messages.content", "input", "messages.content", "contents.parts.fileData"],
        [E, E, E, E],
    ),
    row(Feature::AudioInput, "sound", ["messages.content", "input", "", "contents.parts.inlineData"], [E, R, R, E]),
    row(
        Feature::Document,
        "a document",
        ["messages.content", "input", "messages.content", "contents.parts.inlineData"],
        [E, E, E, E],
    ),
    row(
        Feature::DocumentByUrl,
        "a document by its address",
        ["messages.content", "input", "messages.content", "contents.parts.fileData"],
        [R, E, E, E],
    ),
    row(Feature::Video, "a film", ["messages.content", "", "", "contents.parts"], [R, R, R, E]),
    row(
        Feature::StoredFile,
        "a file in another vendor's store",
        ["messages.content", "input", "messages.content", "contents.parts.fileData"],
        [R, R, R, R],
    ),
    row(Feature::CacheControl, "marks for the prompt cache", ["cache_control", "", "cache_control", ""], [I, I, E, I]),
    row(Feature::User, "the client's name for its user", ["user", "user", "metadata.user_id", ""], [E, E, E, I]),
    row(Feature::Metadata, "metadata", ["metadata", "metadata", "", ""], [E, E, I, I]),
    row(Feature::ServiceTier, "a service tier", ["service_tier", "service_tier", "service_tier", ""], [E, E, I, I]),
    row(Feature::TurnName, "names of those who speak", ["messages.name", "", "", ""], [E, I, I, I]),
    row(
        Feature::Citations,
        "citations in the history",
        ["messages.annotations", "input", "messages.content.citations", ""],
        [I, I, I, I],
    ),
    row(Feature::AudioByUrl, "sound by its address", ["", "", "", "contents.parts.fileData"], [R, R, R, E]),
    row(
        Feature::FailedToolResult,
        "a tool's result that says it failed",
        [
            "messages.content",
            "input.output",
            "messages.content.is_error",
            "contents.parts.functionResponse.response.error",
        ],
        [E, E, E, E],
    ),
    row(
        Feature::TopPBesideTemperature,
        "a share of likely tokens beside a temperature",
        ["top_p", "top_p", "top_p", "generationConfig.topP"],
        [E, E, I, E],
    ),
];

impl Feature {
    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// What becomes of it in a dialect.
    #[must_use]
    pub fn class_in(self, format: Format) -> Class {
        self.row().classes[format as usize]
    }

    /// What a dialect calls it.
    #[must_use]
    pub fn field_in(self, format: Format) -> &'static str {
        self.row().fields[format as usize]
    }
}

/// A set of features, one bit each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FeatureSet(u32);

impl FeatureSet {
    /// What a request uses.
    pub(super) fn of(request: &Request<'_>) -> Self {
        let mut set = Self::default();
        let sampling = &request.sampling;
        let reasoning = request.reasoning.as_ref();
        for (feature, is_used) in [
            (Feature::TopK, sampling.top_k.is_some()),
            (Feature::Seed, sampling.seed.is_some()),
            (Feature::PresencePenalty, sampling.presence_penalty.is_some_and(|value| !is_zero(value))),
            (Feature::FrequencyPenalty, sampling.frequency_penalty.is_some_and(|value| !is_zero(value))),
            (
                Feature::TopPBesideTemperature,
                [sampling.temperature, sampling.top_p].iter().all(|value| value.is_some_and(is_below_one)),
            ),
            (Feature::LogitBias, sampling.logit_bias.is_some_and(|bias| !bias.members().is_empty())),
            (Feature::SeveralChoices, request.choices.is_some_and(|choices| choices != 1)),
            (Feature::Logprobs, request.logprobs.is_some()),
            (Feature::StopSequences, !request.stop.is_empty()),
            (Feature::JsonObject, request.output_format == Some(OutputFormat::Json)),
            (Feature::JsonSchema, matches!(request.output_format, Some(OutputFormat::Schema { .. }))),
            (Feature::StrictTools, request.tools.iter().any(|tool| tool.strict == Some(true))),
            (Feature::SequentialToolCalls, request.parallel_tool_calls == Some(false) && !request.tools.is_empty()),
            (Feature::ToolChoiceAmong, matches!(request.tool_choice, Some(ToolChoice::Among { .. }))),
            (Feature::Reasoning, reasoning.is_some_and(|one| one.effort.is_some() || one.budget_tokens.is_some())),
            (Feature::ThoughtsInAnswer, reasoning.is_some_and(|one| one.includes_thoughts == Some(true))),
            (Feature::User, request.user.is_some()),
            (Feature::Metadata, request.metadata.is_some()),
            (Feature::ServiceTier, request.service_tier.is_some()),
            (Feature::TurnName, request.turns.iter().any(|turn| turn.name.is_some() && turn.role != Role::System)),
            (Feature::CacheControl, request.tools.iter().any(|tool| tool.cache_control.is_some())),
        ] {
            set.add_if(feature, is_used);
        }
        let turns = request.turns.iter().flat_map(|turn| &turn.parts);
        request.instructions.iter().chain(turns).for_each(|part| set.add_part(part));
        set
    }

    fn add_part(&mut self, part: &Part<'_>) {
        self.add_if(Feature::CacheControl, part.cache_control.is_some());
        let mut add_source = |source: &Source<'_>, by_url: Option<Feature>| match source {
            Source::File(_) => self.add(Feature::StoredFile),
            Source::Url { .. } => by_url.into_iter().for_each(|feature| self.add(feature)),
            Source::Base64 { .. } | Source::Plain(_) => {}
        };
        match &part.kind {
            PartKind::Image { source, .. } => add_source(source, Some(Feature::ImageByUrl)),
            PartKind::Audio(source) => {
                add_source(source, Some(Feature::AudioByUrl));
                self.add_if(Feature::AudioInput, !matches!(source, Source::Url { .. }));
            }
            PartKind::Document { source, .. } => {
                add_source(source, Some(Feature::DocumentByUrl));
                self.add(Feature::Document);
            }
            PartKind::Video(source) => {
                add_source(source, None);
                self.add(Feature::Video);
            }
            PartKind::ToolResult { content, is_error, .. } => {
                self.add_if(Feature::FailedToolResult, *is_error);
                for part in content {
                    self.add_part(part);
                }
            }
            PartKind::Thinking(_) | PartKind::RedactedThinking(_) => self.add(Feature::ThoughtsInHistory),
            PartKind::Text { citations, .. } => self.add_if(Feature::Citations, citations.is_some()),
            PartKind::ToolCall { .. } | PartKind::Refusal(_) => {}
        }
    }

    fn add_if(&mut self, feature: Feature, is_used: bool) {
        self.0 |= u32::from(is_used) << feature as u32;
    }

    fn add(&mut self, feature: Feature) {
        self.add_if(feature, true);
    }

    /// Whether a feature is in it.
    #[must_use]
    pub fn contains(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u32) != 0
    }

    /// Its features, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        TABLE.iter().map(|row| row.feature).filter(move |feature| self.contains(*feature))
    }
}

/// A field that was left out, by the client's name of it.
pub type Loss = Cow<'static, str>;

/// What is lost when a request in one dialect is written in another.
///
/// # Errors
/// A [`Failure`] that names the field which can't be said and can't be left out.
pub fn check(request: &Request<'_>, from: Format, to: Format) -> Result<Vec<Loss>, Failure> {
    let mut losses = Vec::new();
    for feature in request.features().iter() {
        let field = feature.field_in(from);
        match feature.class_in(to) {
            Class::Expressed => {}
            Class::Ignorable if feature == Feature::ThoughtsInHistory && keeps_thoughts(request, to) => {}
            Class::Ignorable => losses.push(Cow::Borrowed(field)),
            Class::Refused => {
                let message = format!("{field} can't be said to the provider that would answer");
                return Err(Failure::invalid_request(message, Some(field)));
            }
        }
    }
    for field in &request.unexpressed {
        if field.is_essential {
            let message = format!("{} can't be said to the provider that would answer", field.name);
            return Err(Failure::invalid_request(message, None));
        }
        losses.push(Cow::Owned(field.name.to_string()));
    }
    Ok(losses)
}

/// Whether all thoughts in the history go back to whom they came from.
fn keeps_thoughts(request: &Request<'_>, to: Format) -> bool {
    let is_own = |proof: &Text<'_>| proof.escaped().starts_with(signed_by::mark_of(to));
    request.turns.iter().flat_map(|turn| &turn.parts).all(|part| match &part.kind {
        PartKind::Thinking(_) => part.signature.as_ref().is_some_and(is_own),
        PartKind::RedactedThinking(data) => is_own(data),
        _ => true,
    })
}

fn is_below_one(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(|value| value < 1.0)
}

/// A penalty of nothing, however it is written.
fn is_zero(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(|value| value == 0.0)
}

#[cfg(test)]
#[path = "features_tests.rs"]
mod tests;
