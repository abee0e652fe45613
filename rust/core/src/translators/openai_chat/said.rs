//! What an answer's or a delta's content says: a text, or at some vendors a list of texts and thoughts.
//!
//! Source: OpenAI API reference; Mistral API reference, "Reasoning" (`thinking` chunks in a message's content).

use crate::json_view::{Kind, Text, View};
use crate::neutral::signed_by::CHAT_REASONING;
use crate::neutral::{Part, PartKind};

/// A piece of content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said<'text> {
    Words(Text<'text>),
    Thought(Text<'text>),
}

/// What is said, in order; no empty texts.
pub(super) fn read(content: View<'_>) -> Vec<Said<'_>> {
    let mut said = Vec::new();
    match content.kind() {
        Kind::Text => said.extend(content.text().map(Said::Words)),
        Kind::Array => {
            for element in content.elements() {
                if let Some(thought) = element.get("thinking") {
                    said.extend(thoughts(thought).into_iter().map(Said::Thought));
                } else {
                    said.extend(element.get("text").and_then(View::text).map(Said::Words));
                }
            }
        }
        _ => {}
    }
    said.retain(|one| !matches!(one, Said::Words(text) | Said::Thought(text) if text.is_empty()));
    said
}

/// The texts of a `thinking` chunk.
pub(super) fn thoughts(thinking: View<'_>) -> Vec<Text<'_>> {
    match thinking.text() {
        Some(text) => vec![text],
        None => thinking.elements().into_iter().filter_map(|one| one.get("text").and_then(View::text)).collect(),
    }
}

/// The thoughts beside the content, by whichever name; where both are there they are the same. With what stands for
/// their proof: vendors that write `reasoning_content` may want it back.
pub(super) fn reasoning<'text>(
    content: Option<View<'text>>,
    plain: Option<View<'text>>,
) -> Option<(Text<'text>, Option<&'static str>)> {
    let text = |view: Option<View<'text>>| view.and_then(View::text).filter(|text| !text.is_empty());
    match text(content) {
        Some(own) => Some((own, Some(CHAT_REASONING))),
        None => text(plain).map(|own| (own, None)),
    }
}

/// The same as a part.
pub(super) fn thought<'text>((text, proof): (Text<'text>, Option<&'static str>)) -> Part<'text> {
    Part { signature: proof.map(Text::of), ..Part::new(PartKind::Thinking(text)) }
}

/// Log probabilities with something in them.
pub(super) fn logprobs(logprobs: View<'_>) -> Option<View<'_>> {
    logprobs.members().iter().any(|(_, value)| !value.is_null()).then_some(logprobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_a_text_or_a_list() {
        let object = br#"{"a":"x","b":"","c":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"y"}],"d":7}"#;
        let view = View::read(object, 8).expect("an object");
        let read = |name| view.get(name).map(read).unwrap_or_default();
        assert_eq!(read("a"), [Said::Words(Text::of("x"))]);
        assert_eq!(read("c"), [Said::Thought(Text::of("t")), Said::Words(Text::of("y"))]);
        assert_eq!((read("b"), read("d")), (Vec::new(), Vec::new()));
    }
}
