//! Providers and what is deployed at them.

use foldhash::HashMap;
use serde::Deserialize;

use super::limits::Capacity;
use crate::deviations::Deviations;
use crate::tokens::Encoding;

/// An account at a vendor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Name in the configuration.
    pub id: String,
    /// The wire format it speaks.
    pub dialect: ProviderDialect,
    /// Exactly what the vendor's own SDK takes, without a trailing slash.
    pub base_url: String,
    /// Keys of the account with their weights; empty when the provider needs none.
    pub credentials: Vec<Credential>,
    /// It takes `stream_options.include_usage`.
    pub stream_usage: bool,
    /// Of OpenAI's dialect: it has `/responses` beside chat completions.
    #[serde(default = "yes")]
    pub responses: bool,
    /// Part off the list price that the account gets, in millionths.
    #[serde(default)]
    pub discount_millionths: u32,
    /// Extra request headers, lower-case names.
    pub headers: Vec<(String, String)>,
    /// `http://host:port` of a CONNECT proxy, in place of the environment's.
    pub proxy: Option<String>,
    /// PEM bundle that replaces the system's roots for this provider.
    pub ca_file: Option<String>,
}

/// Wire formats a provider may speak.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ProviderDialect {
    /// OpenAI and everything compatible with it.
    Openai,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini API.
    Gemini,
}

/// One key of a provider's account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The key itself. Never logged: `Debug` hides it.
    pub secret: String,
    /// Share of traffic relative to its siblings.
    pub weight: u32,
    /// What the provider lets it do.
    #[serde(default)]
    pub limits: Capacity,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credential").field("weight", &self.weight).finish_non_exhaustive()
    }
}

/// One model at one provider in one region.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Name in the configuration; `x-fastgate-deployment` shows it.
    pub id: String,
    /// Index into `providers`.
    pub provider: usize,
    /// The name the provider knows the model by. `None`: whatever the client sent (open providers).
    pub model: Option<String>,
    /// Where it runs, for residency.
    pub region: Option<String>,
    /// A free label, for conditions and requests that ask for a class.
    pub cost_class: Option<String>,
    /// The slowest class of requests it is good for; a request of a faster class never goes there.
    #[serde(default)]
    pub latency: Latency,
    /// What it can do. `None`: nobody said, so it is taken to be able.
    pub capabilities: Option<Vec<Capability>>,
    /// Its context window, input and output together. `None`: nobody said.
    pub context_tokens: Option<u64>,
    /// The largest `max_tokens` it takes. `None`: nobody said.
    pub output_tokens: Option<u64>,
    /// Where it departs from its dialect.
    #[serde(default)]
    pub deviations: Deviations,
    /// What is known of models that it serves by whatever name the client sent.
    #[serde(default)]
    pub models: KnownModels,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// How often a failed call is repeated on it before the next one is tried.
    #[serde(default)]
    pub retries: u32,
    /// What counts its tokens exactly. `None`: they are estimated.
    pub tokenizer: Option<Tokenizer>,
    /// What the provider lets it do.
    #[serde(default)]
    pub limits: Capacity,
}

/// Facts about models, by names in lower case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModels {
    /// Whole names; they count first.
    pub names: HashMap<String, ModelFacts>,
    /// Beginnings of names, the first that fits.
    pub starts_with: Vec<(String, ModelFacts)>,
}

/// What is known of a model of an open provider.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFacts {
    /// As [`Deployment::output_tokens`].
    pub output_tokens: Option<u64>,
    /// As [`Deployment::deviations`].
    pub deviations: Deviations,
}

fn yes() -> bool {
    true
}

impl Deployment {
    /// The largest answer of a model, and where it departs from its dialect. `model`: by the provider's name, where the
    /// deployment has none of its own.
    #[must_use]
    pub fn facts_of(&self, model: &str) -> (Option<u64>, &Deviations) {
        match self.models.find(model) {
            Some(known) => (self.output_tokens.or(known.output_tokens), &known.deviations),
            None => (self.output_tokens, &self.deviations),
        }
    }
}

impl KnownModels {
    fn find(&self, model: &str) -> Option<&ModelFacts> {
        if self.names.is_empty() && self.starts_with.is_empty() {
            return None;
        }
        let name = model.to_ascii_lowercase();
        let by_start = || self.starts_with.iter().find(|(start, _)| name.starts_with(start)).map(|(_, facts)| facts);
        self.names.get(&name).or_else(by_start)
    }
}

/// How long a client is ready to wait, fastest first: interactive below 2 s (p95), background below 30 s, batch as it
/// comes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the type says it")]
pub enum Latency {
    #[default]
    Interactive,
    Background,
    Batch,
}

/// What a request may need of a deployment beside text in and text out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Calls tools.
    Tools,
    /// Answers by a JSON schema.
    JsonSchema,
    /// Reasons, with an effort or a budget.
    Reasoning,
    /// Sees images.
    ImageInput,
    /// Hears sound.
    AudioInput,
    /// Reads files (PDF).
    FileInput,
    /// Answers in sound.
    AudioOutput,
}

/// Every capability, in the order of their bits in a [`crate::routing`] set.
pub const CAPABILITIES: [(Capability, &str); 7] = [
    (Capability::Tools, "tools"),
    (Capability::JsonSchema, "json_schema"),
    (Capability::Reasoning, "reasoning"),
    (Capability::ImageInput, "image_input"),
    (Capability::AudioInput, "audio_input"),
    (Capability::FileInput, "file_input"),
    (Capability::AudioOutput, "audio_output"),
];

/// Where a deployment's vocabulary comes from.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// It is shipped.
    Encoding(Encoding),
    /// A `tokenizer.json` as Hugging Face's `tokenizers` reads it.
    File(String),
}

/// How long an attempt may take, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// TCP and TLS set-up.
    pub connect_ms: u64,
    /// To the first content of a stream, or to the whole of a JSON answer.
    pub first_content_ms: u64,
    /// Between two chunks of a stream.
    pub gap_ms: u64,
    /// From the attempt's start to the answer's end.
    pub total_ms: u64,
}
