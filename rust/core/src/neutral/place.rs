//! Where in a request something stands that can't be said to a provider, as the client's dialect calls it.
//!
//! The table of features says what a dialect has no words for; this is for what only a writer finds: arguments that are no
//! object, data of a type that nobody takes.

use super::Format;
use crate::failure::Failure;

/// A place in a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// What a tool was called with.
    ToolArguments,
    /// The call that a tool's result is of.
    ToolResultId,
    /// A picture.
    Image,
    /// A document.
    Document,
    /// Sound.
    Audio,
    /// A film.
    Video,
    /// A text that ends the answer.
    Stop,
}

/// Each place's names, in the order of [`Place`] and of [`Format`]. Empty: that dialect has none.
const NAMES: [[&str; 4]; 7] = [
    [
        "messages.tool_calls.function.arguments",
        "input.arguments",
        "messages.content.input",
        "contents.parts.functionCall.args",
    ],
    ["messages.tool_call_id", "input.call_id", "messages.content.tool_use_id", "contents.parts.functionResponse.id"],
    ["messages.content.image_url", "input.content.image_url", "messages.content.source", "contents.parts.inlineData"],
    ["messages.content.file", "input.content.file_data", "messages.content.source", "contents.parts.inlineData"],
    ["messages.content.input_audio", "input.content.input_audio", "", "contents.parts.inlineData"],
    ["messages.content.video_url", "", "", "contents.parts.inlineData"],
    ["stop", "", "stop_sequences", "generationConfig.stopSequences"],
];

impl Place {
    /// What stands there can't be said. The failure calls the place as chat completions do, until [`Place::rename`].
    pub fn failure(self, message: impl Into<String>) -> Failure {
        Failure::invalid_request(message, Some(NAMES[self as usize][0]))
    }

    /// Names the field at fault as the client's dialect does, in the message too: not every dialect's errors have a
    /// place for it.
    #[must_use]
    pub fn rename(failure: Failure, client: Format) -> Failure {
        let row = NAMES.iter().find(|row| failure.param == Some(row[0]));
        match row.map(|row| row[client as usize]).filter(|field| !field.is_empty()) {
            Some(field) => Failure { param: Some(field), message: format!("{field}: {}", failure.message), ..failure },
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_called_as_the_client_does() {
        let failure = Place::ToolArguments.failure("no object");
        let renamed = Place::rename(failure.clone(), Format::Anthropic);
        assert_eq!(renamed.param, Some("messages.content.input"));
        assert_eq!(renamed.message, "messages.content.input: no object");
        assert_eq!(Place::rename(Place::Video.failure("x"), Format::Anthropic).message, "x");
        let other = Failure::invalid_request("x", Some("elsewhere"));
        assert_eq!(Place::rename(other.clone(), Format::Gemini), other);
        assert_eq!(Place::Stop as usize + 1, NAMES.len());
    }
}
