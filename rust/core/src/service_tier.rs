//! The service tier that an answer says it was billed at: other rates hold for it.
//!
//! Source: OpenAI API reference, `service_tier` of chat completions and responses. What a request asks for does not
//! count: a provider may serve it at another tier, and bills that one.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::prices::Context;

/// A tier with rates of its own, in the catalogue's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceTier {
    /// Standard rates.
    Default,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// The same, by its younger name.
    Fast,
}

impl ServiceTier {
    /// Reads the field `service_tier` of an answer. `None` for a word without rates of its own (`auto`, `scale`, a
    /// vendor's own) and for anything that is no word: an answer is never worse for it.
    pub(crate) fn from_json(value: &[u8]) -> Option<Self> {
        match value {
            br#""default""# => Some(Self::Default),
            br#""flex""# => Some(Self::Flex),
            br#""priority""# => Some(Self::Priority),
            br#""fast""# => Some(Self::Fast),
            _ => None,
        }
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Fast => "fast",
        }
    }

    /// What its rates are found by.
    #[must_use]
    pub fn context(self) -> Context<'static> {
        match self {
            Self::Default => &[("service_tier", "default")],
            Self::Flex => &[("service_tier", "flex")],
            Self::Priority => &[("service_tier", "priority")],
            Self::Fast => &[("service_tier", "fast")],
        }
    }
}

/// Reads the field `service_tier` of an event.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ServiceTier>, D::Error> {
    Ok(ServiceTier::from_json(<&RawValue>::deserialize(deserializer)?.get().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::{Answer, Dialect, Flaw};

    const TIERS: [ServiceTier; 4] = [ServiceTier::Default, ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Fast];

    /// Values of the field, and what they mean.
    fn fields() -> impl Iterator<Item = (String, Option<ServiceTier>)> {
        let known = TIERS.map(|tier| (format!(r#""{}""#, tier.name()), Some(tier)));
        let others =
            [r#""auto""#, r#""scale""#, r#""Flex""#, r#""""#, "null", "7", "true", "[\"flex\"]", "{\"a\":[1]}"];
        known.into_iter().chain(others.map(|other| (other.to_owned(), None)))
    }

    #[test]
    fn the_catalogue_has_no_other_tier() {
        let catalogue = include_str!("../data/prices.json");
        for part in catalogue.split(r#""service_tier":"#).skip(1) {
            let name = part.trim_start().split('"').nth(1).expect("a name");
            assert!(TIERS.iter().any(|tier| tier.name() == name), "{name}");
        }
        for tier in TIERS {
            assert_eq!(tier.context(), [("service_tier", tier.name())]);
        }
    }

    #[test]
    fn an_answer_tells_its_tier() {
        for (field, tier) in fields() {
            let body = format!(r#"{{"id":"a","service_tier":{field},"usage":{{"prompt_tokens":3}}}}"#);
            for dialect in [Dialect::OpenaiChat, Dialect::OpenaiCompletions, Dialect::OpenaiResponses] {
                let answer = dialect.read_answer(body.as_bytes()).expect(&body);
                assert_eq!(answer.service_tier, tier, "{body}");
            }
            let chat = Dialect::OpenaiChat.read_answer(body.as_bytes()).and_then(|answer| answer.usage);
            assert_eq!(chat.map(|usage| usage.input_tokens), Some(3), "{body}");
        }
        let nothing = Answer { flaw: Some(Flaw::NoChoices), ..Answer::default() };
        assert_eq!(Dialect::OpenaiChat.read_answer(b"{}"), Some(nothing));
    }

    #[test]
    fn the_last_event_that_names_a_tier_decides() {
        for (field, tier) in fields() {
            let mut chat = Dialect::OpenaiChat.stream_reader(1);
            let chunk = |tier: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"a"}}}}]{tier}}}"#);
            chat.read(chunk("").as_bytes());
            assert_eq!(chat.service_tier(), None);
            chat.read(chunk(r#","service_tier":"default""#).as_bytes());
            let content = chat.read(chunk(&format!(r#","service_tier":{field}"#)).as_bytes());
            assert_eq!(content.class, crate::dialects::EventClass::Content, "{field}");
            chat.read(br#"{"choices":[],"usage":{"prompt_tokens":3}}"#);
            assert_eq!(chat.service_tier(), tier.or(Some(ServiceTier::Default)), "{field}");

            let mut responses = Dialect::OpenaiResponses.stream_reader(1);
            responses.read(br#"{"type":"response.created","response":{"id":"r","service_tier":"auto"}}"#);
            assert_eq!(responses.service_tier(), None);
            let done = format!(r#"{{"type":"response.completed","response":{{"id":"r","service_tier":{field}}}}}"#);
            responses.read(done.as_bytes());
            assert_eq!(responses.service_tier(), tier, "{field}");
        }
    }
}
