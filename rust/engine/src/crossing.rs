//! Where a client's dialect meets a provider's: what passes as it is, what is translated, what can't be served.

use fastgate_core::dialects::Dialect;
use fastgate_core::neutral::Format;
use fastgate_core::tables::{Provider, ProviderDialect};
use fastgate_core::translators::embeddings::Shape;

use crate::operation::{self, Call, Goes, Operation};

/// How a request reaches a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Crossing {
    /// The two speak the same: bytes stay bytes.
    Same,
    /// Through the neutral form.
    Translated(Pair),
}

/// The client's format and the provider's, and what goes between them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pair {
    pub(crate) client: Format,
    pub(crate) provider: Format,
    pub(crate) work: Work,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    Conversation,
    TokenCount,
    /// A vector of each text, in the client's shape.
    Embeddings(Shape),
}

impl Crossing {
    /// `None`: a provider of this dialect can't do what is asked for.
    pub(crate) fn find(operation: &Operation, provider: &Provider) -> Option<Self> {
        let speaks = match operation.dialect {
            Dialect::Anthropic => ProviderDialect::Anthropic,
            Dialect::Gemini { .. } | Dialect::GeminiPlain => ProviderDialect::Gemini,
            _ => ProviderDialect::Openai,
        };
        let is_spoken = provider.responses || operation.dialect != Dialect::OpenaiResponses;
        if speaks == provider.dialect && is_spoken {
            return Some(Self::Same);
        }
        let (client, work) = work_of(operation)?;
        let provider = match provider.dialect {
            ProviderDialect::Openai => Format::OpenaiChat,
            ProviderDialect::Anthropic if matches!(work, Work::Embeddings(_)) => return None,
            ProviderDialect::Anthropic => Format::Anthropic,
            ProviderDialect::Gemini => Format::Gemini,
        };
        Some(Self::Translated(Pair { client, provider, work }))
    }

    /// The pair of what the gateway answers itself, since the provider has no such call.
    pub(crate) fn own(self) -> Option<Pair> {
        match self {
            Self::Translated(pair) if pair.work == Work::TokenCount && pair.provider == Format::OpenaiChat => {
                Some(pair)
            }
            _ => None,
        }
    }

    /// The format that the provider answers in, to a client that asked for events or not.
    pub(crate) fn answers_in(self, operation: &Operation, stream: bool) -> Dialect {
        match self {
            Self::Same => operation.dialect,
            Self::Translated(Pair { provider, work, .. }) => match (provider, work) {
                (Format::OpenaiChat, Work::Embeddings(_)) => Dialect::OpenaiPlain { default_model: None },
                (Format::OpenaiChat, _) => Dialect::OpenaiChat,
                (Format::OpenaiResponses, _) => Dialect::OpenaiResponses,
                (Format::Anthropic, _) => Dialect::Anthropic,
                (Format::Gemini, Work::Conversation) => Dialect::Gemini { stream },
                (Format::Gemini, _) => Dialect::GeminiPlain,
            },
        }
    }

    /// What is called at the provider.
    pub(crate) fn call(self, call: Call<'_>, stream: bool) -> Call<'_> {
        let index = match self {
            Self::Same => return call,
            Self::Translated(Pair { provider, work, .. }) => match (provider, work) {
                (Format::OpenaiChat | Format::OpenaiResponses, Work::Embeddings(_)) => operation::EMBEDDINGS,
                (Format::OpenaiChat | Format::OpenaiResponses, _) => operation::CHAT,
                (Format::Anthropic, Work::TokenCount) => operation::MESSAGES_COUNT_TOKENS,
                (Format::Anthropic, _) => operation::MESSAGES,
                (Format::Gemini, Work::TokenCount) => operation::COUNT_TOKENS,
                (Format::Gemini, Work::Embeddings(_)) => operation::BATCH_EMBED_CONTENTS,
                (Format::Gemini, Work::Conversation) if stream => operation::STREAM_GENERATE_CONTENT,
                (Format::Gemini, Work::Conversation) => operation::GENERATE_CONTENT,
            },
        };
        Call { index, id: None }
    }
}

/// The format of an operation that is about a conversation: to go on with it, or to count it.
pub(crate) fn format_of(operation: &Operation) -> Option<Format> {
    match work_of(operation)? {
        (format, Work::Conversation | Work::TokenCount) => Some(format),
        (_, Work::Embeddings(_)) => None,
    }
}

/// What can be translated, and from which format.
fn work_of(operation: &Operation) -> Option<(Format, Work)> {
    if operation.goes != Goes::ByModel {
        return None;
    }
    Some(match operation.name {
        "chat" => (Format::OpenaiChat, Work::Conversation),
        "responses" => (Format::OpenaiResponses, Work::Conversation),
        "messages" => (Format::Anthropic, Work::Conversation),
        "generate_content" | "stream_generate_content" => (Format::Gemini, Work::Conversation),
        "messages_count_tokens" => (Format::Anthropic, Work::TokenCount),
        "count_tokens" => (Format::Gemini, Work::TokenCount),
        "embeddings" => (Format::OpenaiChat, Work::Embeddings(Shape::Openai)),
        "batch_embed_contents" => (Format::Gemini, Work::Embeddings(Shape::GeminiBatch)),
        "embed_content" => (Format::Gemini, Work::Embeddings(Shape::GeminiOne)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operation::OPERATIONS;

    fn providers() -> [Provider; 3] {
        ["openai", "anthropic", "gemini"].map(|dialect| provider(dialect, true))
    }

    fn provider(dialect: &str, responses: bool) -> Provider {
        let provider = json!({
            "id": "p", "dialect": dialect, "base_url": "http://p", "credentials": [], "stream_usage": true,
            "responses": responses, "headers": [], "proxy": null, "ca_file": null,
        });
        serde_json::from_value(provider).expect("a provider")
    }

    #[test]
    fn who_serves_what() {
        for operation in &OPERATIONS {
            let providers = providers();
            let served: Vec<_> = providers.iter().filter_map(|provider| Crossing::find(operation, provider)).collect();
            let same = served.iter().filter(|crossing| **crossing == Crossing::Same).count();
            assert_eq!(same, 1, "{}", operation.name);
            let vendors = match work_of(operation) {
                None => 1,
                // Anthropic has no vectors.
                Some((_, Work::Embeddings(_))) => 2,
                Some(_) => 3,
            };
            assert_eq!(served.len(), vendors, "{}", operation.name);
        }
    }

    #[test]
    fn responses_are_asked_of_those_who_have_them() {
        let without = provider("openai", false);
        for operation in OPERATIONS.iter().filter(|operation| operation.dialect == Dialect::OpenaiResponses) {
            let (client, provider, work) = (Format::OpenaiResponses, Format::OpenaiChat, Work::Conversation);
            let pair = Pair { client, provider, work };
            let expected = (operation.name == "responses").then_some(Crossing::Translated(pair));
            assert_eq!(Crossing::find(operation, &without), expected, "{}", operation.name);
        }
        let chat = OPERATIONS.iter().find(|operation| operation.name == "chat").expect("chat");
        assert_eq!(Crossing::find(chat, &without), Some(Crossing::Same));
    }

    #[test]
    fn what_is_called_fits_what_answers() {
        for operation in &OPERATIONS {
            for provider in providers().iter().chain([&provider("openai", false)]) {
                let Some(crossing @ Crossing::Translated(_)) = Crossing::find(operation, provider) else { continue };
                for stream in [false, true] {
                    let called = crossing.call(Call { index: 0, id: None }, stream).operation();
                    assert_eq!(called.dialect, crossing.answers_in(operation, stream), "{}", operation.name);
                    assert_eq!(
                        called.path.contains("ountTokens") || called.path.contains("count_tokens"),
                        operation.name.contains("count_tokens") && crossing.own().is_none(),
                        "{}",
                        operation.name
                    );
                }
            }
        }
    }
}
