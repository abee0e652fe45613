//! Pieces of content: what a turn or an answer is made of, in order.

use crate::json_view::{Text, View};

/// A piece of content.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'text> {
    /// What it is.
    pub kind: PartKind<'text>,
    /// A mark that everything up to here is to be kept in the provider's prompt cache: Anthropic's `cache_control`, as it
    /// was written.
    pub cache_control: Option<View<'text>>,
    /// A provider's proof of the thought behind it, to be sent back unread: Gemini's `thoughtSignature` of any part,
    /// Anthropic's `signature` of thinking.
    pub signature: Option<Text<'text>>,
}

/// What a piece of content is.
#[derive(Clone, Debug, PartialEq)]
pub enum PartKind<'text> {
    /// Words. `citations`: where they are from, as its own dialect writes it.
    Text {
        /// The words.
        text: Text<'text>,
        /// Where they are from.
        citations: Option<View<'text>>,
    },
    /// A picture.
    Image {
        /// The picture.
        source: Source<'text>,
        /// `low`, `high`, `auto`: how closely to look.
        detail: Option<Text<'text>>,
    },
    /// Sound.
    Audio(Source<'text>),
    /// A document, such as a PDF.
    Document {
        /// The document.
        source: Source<'text>,
        /// Its name, or title.
        name: Option<Text<'text>>,
    },
    /// A film.
    Video(Source<'text>),
    /// The model wants a tool called.
    ToolCall {
        /// What its result refers to; empty where the dialect has none.
        id: Text<'text>,
        /// The tool.
        name: Text<'text>,
        /// What to call it with.
        arguments: Arguments<'text>,
    },
    /// What a tool came to.
    ToolResult {
        /// The call.
        id: Text<'text>,
        /// The tool's name, where the dialect says it.
        name: Option<Text<'text>>,
        /// It failed.
        is_error: bool,
        /// What it said: texts, images, documents.
        content: Vec<Part<'text>>,
    },
    /// What the model thought, or a summary of it.
    Thinking(Text<'text>),
    /// What the model thought, encrypted.
    RedactedThinking(Text<'text>),
    /// Why the model does not answer.
    Refusal(Text<'text>),
}

/// Where data is.
#[derive(Clone, Debug, PartialEq)]
pub enum Source<'text> {
    /// In the message itself.
    Base64 {
        /// `image/png` and its kind.
        media_type: Text<'text>,
        /// Base64, without a `data:` in front.
        data: Text<'text>,
    },
    /// At an address that the provider fetches.
    Url {
        /// The address.
        url: Text<'text>,
        /// What is there, where that is said.
        media_type: Option<Text<'text>>,
    },
    /// In the provider's own store of files.
    File(Text<'text>),
    /// Plain text in place of a document.
    Plain(Text<'text>),
}

impl Source<'_> {
    /// A word that can be a media type, such as `image/png`.
    #[must_use]
    pub fn media_type(word: Text<'_>) -> Option<Text<'_>> {
        let is_type = word.decoded().is_some_and(|word| word.contains('/') && !word.contains([',', '"', '\\', ' ']));
        is_type.then_some(word)
    }
}

/// What a tool is called with: a JSON object, as an object or within a string. Both are kept as the model wrote them.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments<'text> {
    /// JSON in a string, escapes and all (OpenAI). It need not be valid: models err.
    Text(Text<'text>),
    /// An object (Anthropic, Gemini).
    Object(View<'text>),
}

impl<'text> Part<'text> {
    /// A part without marks.
    #[must_use]
    pub fn new(kind: PartKind<'text>) -> Self {
        Self { kind, cache_control: None, signature: None }
    }

    /// What a tool that failed said, where a dialect has no other place for that than the words: they begin with it.
    #[must_use]
    pub fn failed(content: &[Self]) -> Vec<Self> {
        let mut content = content.to_vec();
        let words = content.iter_mut().find_map(|part| match &mut part.kind {
            PartKind::Text { text, .. } => Some(text),
            _ => None,
        });
        match words {
            Some(text) if says_error(text) => {}
            Some(text) if text.is_empty() => *text = Text::of("Error"),
            Some(text) => *text = text.after("Error: "),
            None => content.insert(0, Self::text(Text::of("Error"))),
        }
        content
    }

    /// The words of a document in plain text, behind its title, for dialects whose documents have none.
    #[must_use]
    pub fn titled(name: Option<&Text<'_>>, text: &Text<'text>) -> Text<'text> {
        match name.filter(|name| !name.is_empty()) {
            Some(name) => name.joined("\n\n", text),
            None => text.clone(),
        }
    }

    /// Words.
    #[must_use]
    pub fn text(text: Text<'text>) -> Self {
        Self::new(PartKind::Text { text, citations: None })
    }
}

impl Arguments<'_> {
    /// Writes them as a string that has JSON in it: readers parse what they get, so none are an empty object.
    pub fn write_text(&self, written: &mut Vec<u8>) {
        match self {
            Self::Text(text) if text.is_empty() => written.extend_from_slice(b"\"{}\""),
            Self::Text(text) => text.write(written),
            Self::Object(view) => Text::of(view.raw()).write(written),
        }
    }

    /// Writes them as an object; empty ones as `{}`.
    ///
    /// # Errors
    /// What the string has in it is no JSON object: the model made a mistake, and no dialect with objects can say it.
    pub fn write_object(&self, written: &mut Vec<u8>) -> Result<(), NotAnObject> {
        match self {
            Self::Object(view) => written.extend_from_slice(view.raw().as_bytes()),
            Self::Text(text) if text.is_empty() => written.extend_from_slice(b"{}"),
            Self::Text(text) => {
                let decoded = text.decoded().ok_or(NotAnObject)?;
                let view = View::read_answer(decoded.as_bytes(), DEPTH_LIMIT).map_err(|_| NotAnObject)?;
                written.extend_from_slice(view.raw().as_bytes());
            }
        }
        Ok(())
    }
}

fn says_error(text: &Text<'_>) -> bool {
    text.escaped().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"))
}

/// Deeper arguments are no mistake of a model but an attack.
const DEPTH_LIMIT: usize = 128;

/// A tool call whose arguments are no JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAnObject;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_failed_says_so() {
        let said = |text: &str| Part::text(Text::of(text));
        for (text, expected) in [("no such\ncity", "Error: no such\ncity"), ("Error 7", "Error 7"), ("", "Error")] {
            assert_eq!(Part::failed(&[said(text)]), [said(expected)]);
        }
        let image = || Part::new(PartKind::Image { source: Source::File(Text::of("f")), detail: None });
        assert_eq!(Part::failed(&[image(), said("x")]), [image(), said("Error: x")]);
        assert_eq!(Part::failed(&[image()]), [said("Error"), image()]);
    }

    #[test]
    fn arguments_are_the_same_to_the_byte() {
        let object = r#"{"b": 1.0, "a" : "\u00e9\n"}"#;
        let view = View::read(object.as_bytes(), 8).expect("an object");
        let (mut text, mut back) = (Vec::new(), Vec::new());
        Arguments::Object(view).write_text(&mut text);
        assert_eq!(serde_json::from_slice::<String>(&text).expect("a string"), object);
        let quoted = format!("{{\"a\":{}}}", String::from_utf8(text).expect("UTF-8"));
        let quoted =
            View::read(quoted.as_bytes(), 8).expect("an object").get("a").and_then(View::text).expect("a text");
        assert_eq!(Arguments::Text(quoted).write_object(&mut back), Ok(()));
        assert_eq!(back, object.as_bytes());
        let mut none = Vec::new();
        Arguments::Text(Text::default()).write_text(&mut none);
        assert_eq!(none, b"\"{}\"");
        for wrong in ["{\"a\":", "[1]", "7"] {
            assert_eq!(Arguments::Text(Text::of(wrong)).write_object(&mut Vec::new()), Err(NotAnObject), "{wrong}");
        }
    }
}
