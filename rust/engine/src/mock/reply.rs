//! A behaviour made ready to answer: all its text cut into pieces and escaped once, not per request.

use super::behaviour::Behaviour;
use super::pieces::{Pieces, boundary, escaped};

/// Sized so that a whole JSON answer is about 600 bytes.
const WORDS: &str = "The mock provider says the same to all, always.";
const MULTI_BYTE_WORDS: &str = "Grüße, 世界! Ça va? Ελλάδα, Москва, नमस्ते, 안녕 🌍👩‍🚀, naïve café.";
/// Base64 of no meaning, as long as short signatures are.
const SIGNATURE: &str =
    "EpcBCkgIBhABGAIqQG1vY2sgc2lnbmF0dXJlOiB3aGF0ZXZlciBpcyBzZW50IGJhY2sgbXVzdCBlcXVhbCB0aGlzLCBieXRlIGZvciBieXRl";
const ARGUMENT_PIECE_CHARACTERS: usize = 5;

/// One behaviour with everything in it that does not depend on the request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) behaviour: Behaviour,
    /// Whether the answer has to be written byte by byte.
    pub(super) on_the_wire: bool,
    pub(super) content: Pieces,
    pub(super) reasoning: Option<Pieces>,
    pub(super) refusal: Option<Pieces>,
    pub(super) calls: Vec<Call>,
    /// The inside of a JSON string.
    pub(super) signature: String,
}

/// A tool call in every form that a dialect writes.
#[derive(Debug)]
pub(super) struct Call {
    /// The inside of a JSON string.
    pub(super) name: String,
    /// The arguments' text, as streams write it.
    pub(super) arguments: Pieces,
    /// The arguments as a JSON value: their text, or, where that is no JSON, a string of it.
    pub(super) value: String,
}

impl Reply {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let content = content(&behaviour);
        let calls = behaviour.tool_calls.iter().map(|call| Call {
            name: escaped(&call.name),
            arguments: Pieces::of_characters(&call.arguments, ARGUMENT_PIECE_CHARACTERS),
            value: match serde_json::from_str::<serde::de::IgnoredAny>(&call.arguments) {
                Ok(_) => call.arguments.clone(),
                Err(_) => format!("\"{}\"", escaped(&call.arguments)),
            },
        });
        Self {
            on_the_wire: behaviour.touches_the_wire(),
            content: match behaviour.chunks {
                Some(count) => Pieces::parts(&content, count),
                None => Pieces::words(&content),
            },
            reasoning: behaviour.reasoning.as_deref().map(Pieces::words),
            refusal: behaviour.refusal.as_deref().map(Pieces::words),
            calls: calls.collect(),
            signature: escaped(behaviour.signature.as_deref().unwrap_or(SIGNATURE)),
            behaviour,
        }
    }
}

fn content(behaviour: &Behaviour) -> String {
    let words = if behaviour.multi_byte { MULTI_BYTE_WORDS } else { WORDS };
    let text = behaviour.content.as_deref().unwrap_or(words);
    let Some(size) = behaviour.content_bytes else {
        return text.to_owned();
    };
    let mut content = String::with_capacity(size + text.len() + 1);
    while content.len() < size {
        content.push_str(if text.is_empty() { "." } else { text });
        content.push(' ');
    }
    content.truncate(boundary(&content, size));
    while content.len() < size {
        content.push('.');
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_the_size_asked_for() {
        for size in [0, 1, 3, 100, 70_001] {
            let behaviour = Behaviour { content_bytes: Some(size), multi_byte: true, ..Behaviour::default() };
            assert_eq!(content(&behaviour).len(), size);
        }
    }

    #[test]
    fn arguments_that_are_no_json_become_a_string() {
        let behaviour = |arguments: &str| {
            let fields = serde_json::json!({"tool_calls": [{"name": "a", "arguments": arguments}]});
            Behaviour::from_fields(fields.as_object().expect("an object")).expect("reads")
        };
        assert_eq!(Reply::new(behaviour("{\"a\": 1}")).calls[0].value, "{\"a\": 1}");
        assert_eq!(Reply::new(behaviour("{\"a\"")).calls[0].value, "\"{\\\"a\\\"\"");
    }
}
