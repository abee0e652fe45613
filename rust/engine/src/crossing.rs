//! Where a client's dialect meets a provider's: what passes as it is, what is translated, what can't be served.

use fastgate_core::dialects::Dialect;
use fastgate_core::neutral::Format;
use fastgate_core::tables::{Provider, ProviderDialect};

use crate::operation::{self, Call, Goes, Operation};

/// How a request reaches a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Crossing {
    /// The two speak the same: bytes stay bytes.
    Same,
    /// Through the neutral form.
    Translated(Pair),
}

/// The client's format and the provider's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pair {
    pub(crate) client: Format,
    pub(crate) provider: Format,
}

impl Crossing {
    /// `None`: a provider of this dialect can't do what is asked for.
    pub(crate) fn find(operation: &Operation, provider: &Provider) -> Option<Self> {
        let speaks = match operation.dialect {
            Dialect::Anthropic => ProviderDialect::Anthropic,
            Dialect::Gemini { .. } => ProviderDialect::Gemini,
            _ => ProviderDialect::Openai,
        };
        let is_spoken = provider.responses || operation.dialect != Dialect::OpenaiResponses;
        if speaks == provider.dialect && is_spoken {
            return Some(Self::Same);
        }
        let client = format_of(operation)?;
        let provider = match provider.dialect {
            ProviderDialect::Openai => Format::OpenaiChat,
            ProviderDialect::Anthropic => Format::Anthropic,
            ProviderDialect::Gemini => Format::Gemini,
        };
        Some(Self::Translated(Pair { client, provider }))
    }

    /// The format that the provider answers in, to a client that asked for events or not.
    pub(crate) fn answers_in(self, operation: &Operation, stream: bool) -> Dialect {
        match self {
            Self::Same => operation.dialect,
            Self::Translated(pair) => match pair.provider {
                Format::OpenaiChat => Dialect::OpenaiChat,
                Format::OpenaiResponses => Dialect::OpenaiResponses,
                Format::Anthropic => Dialect::Anthropic,
                Format::Gemini => Dialect::Gemini { stream },
            },
        }
    }

    /// What is called at the provider.
    pub(crate) fn call(self, call: Call<'_>, stream: bool) -> Call<'_> {
        let index = match self {
            Self::Same => return call,
            Self::Translated(pair) => match (pair.provider, stream) {
                (Format::OpenaiChat | Format::OpenaiResponses, _) => operation::CHAT,
                (Format::Anthropic, _) => operation::MESSAGES,
                (Format::Gemini, false) => operation::GENERATE_CONTENT,
                (Format::Gemini, true) => operation::STREAM_GENERATE_CONTENT,
            },
        };
        Call { index, id: None }
    }
}

/// The format of an operation whose requests and answers can be translated.
pub(crate) fn format_of(operation: &Operation) -> Option<Format> {
    let is_conversation =
        matches!(operation.name, "chat" | "responses" | "messages" | "generate_content" | "stream_generate_content");
    match operation.dialect {
        _ if !is_conversation || operation.goes != Goes::ByModel => None,
        Dialect::OpenaiChat => Some(Format::OpenaiChat),
        Dialect::OpenaiResponses => Some(Format::OpenaiResponses),
        Dialect::Anthropic => Some(Format::Anthropic),
        Dialect::Gemini { .. } => Some(Format::Gemini),
        Dialect::OpenaiCompletions | Dialect::OpenaiPlain { .. } => None,
    }
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
    fn what_is_not_a_conversation_stays_with_its_vendor() {
        for operation in &OPERATIONS {
            let providers = providers();
            let served: Vec<_> = providers.iter().filter_map(|provider| Crossing::find(operation, provider)).collect();
            let same = served.iter().filter(|crossing| **crossing == Crossing::Same).count();
            assert_eq!(same, 1, "{}", operation.name);
            assert_eq!(served.len(), if format_of(operation).is_some() { 3 } else { 1 }, "{}", operation.name);
        }
    }

    #[test]
    fn responses_are_asked_of_those_who_have_them() {
        let without = provider("openai", false);
        for operation in OPERATIONS.iter().filter(|operation| operation.dialect == Dialect::OpenaiResponses) {
            let pair = Pair { client: Format::OpenaiResponses, provider: Format::OpenaiChat };
            let expected = (operation.name == "responses").then_some(Crossing::Translated(pair));
            assert_eq!(Crossing::find(operation, &without), expected, "{}", operation.name);
        }
        let chat = OPERATIONS.iter().find(|operation| operation.name == "chat").expect("chat");
        assert_eq!(Crossing::find(chat, &without), Some(Crossing::Same));
    }

    #[test]
    fn what_is_called_fits_what_answers() {
        for operation in OPERATIONS.iter().filter(|operation| format_of(operation).is_some()) {
            for provider in providers().iter().chain([&provider("openai", false)]) {
                let crossing = Crossing::find(operation, provider).expect("a conversation");
                for stream in [false, true] {
                    let Crossing::Translated(_) = crossing else { continue };
                    let called = crossing.call(Call { index: 0, id: None }, stream).operation();
                    assert_eq!(called.dialect, crossing.answers_in(operation, stream), "{}", operation.name);
                }
            }
        }
    }
}
