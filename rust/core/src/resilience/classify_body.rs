//! What the body of an error says, whatever its shape: `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, lists of
//! them, an event of a stream, plain text.
//!
//! One pass that keeps codes and messages and skips the rest: a member that this does not name may hold what a client
//! wrote, and must not decide. What was read before a body breaks off or is no JSON any more, counts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// No more of a body is looked at.
const BODY_BYTES: usize = 64 * 1024;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Codes, types, status words and reasons, in lower case.
    pub(super) codes: Vec<String>,
    /// Messages in lower case, each with a line's end.
    pub(super) text: String,
    /// The same of a provider behind the provider.
    pub(super) passed_on: String,
    /// A status the body names.
    pub(super) status: Option<u16>,
    /// Whether it speaks of an error at all.
    pub(super) is_error: bool,
    /// Whether it is JSON, at least to where it was cut.
    pub(super) is_json: bool,
    /// Whether it is HTML or XML.
    pub(super) is_markup: bool,
    /// `RetryInfo`'s delay.
    pub(super) retry_delay: Option<String>,
    /// A reset passed on from a provider behind the provider.
    pub(super) reset: Option<String>,
    /// The model's limit and the request's need in fields of their own.
    pub(super) context_tokens: Option<u64>,
    pub(super) needed_tokens: Option<u64>,
    /// The code that names the error best, as it is written, and how well it does.
    code: Option<(Rank, String)>,
}

/// How well a code names an error, the best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Rank {
    Code,
    Status,
    Type,
    Detail,
}

impl Said {
    pub(super) fn read(body: &[u8]) -> Self {
        let mut said = Self::default();
        let text = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES)]);
        let text = data_of_event(text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']));
        if text.starts_with('<') {
            said.is_markup = true;
        } else if text.starts_with(['{', '[', '"']) {
            let value = Value { said: &mut said, meaning: Meaning::Object(Place::Top) };
            let whole = value.deserialize(&mut serde_json::Deserializer::from_str(text));
            said.is_json = whole.is_ok() || body.len() > BODY_BYTES || !said.codes.is_empty() || !said.text.is_empty();
        } else {
            add_line(&mut said.text, text);
        }
        said
    }

    /// A code from elsewhere than the body.
    pub(super) fn code_from_header(&mut self, value: &[u8]) {
        if let Ok(value) = std::str::from_utf8(value) {
            self.add_code(Rank::Code, value);
        }
    }

    /// The code that names the error best, if it is a plain word of at most 64 characters.
    pub(super) fn best_code(&self) -> Option<String> {
        self.code.as_ref().map(|(_, code)| code.clone())
    }

    /// AWS writes `namespace#Type:address`.
    fn add_code(&mut self, rank: Rank, value: &str) {
        let word = value.rsplit_once('#').map_or(value, |(_, word)| word);
        let word = word.split_once(':').map_or(word, |(word, _)| word);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(1..=64).contains(&word.len()) || !word.bytes().all(is_plain) || word == "error" {
            return;
        }
        if let Some(status) = status(word.parse().ok()) {
            self.status.get_or_insert(status);
            return;
        }
        self.codes.push(word.to_ascii_lowercase());
        if self.code.as_ref().is_none_or(|(best, _)| rank < *best) {
            self.code = Some((rank, word.to_owned()));
        }
    }
}

fn add_line(text: &mut String, message: &str) {
    if !message.is_empty() {
        text.push_str(&message.to_lowercase());
        text.push('\n');
    }
}

/// What could be the status of an error.
fn status(number: Option<u64>) -> Option<u16> {
    let number = number.and_then(|number| u16::try_from(number).ok())?;
    (400..600).contains(&number).then_some(number)
}

/// The data of the first event, if this is a stream of them; otherwise the text as it is.
fn data_of_event(text: &str) -> &str {
    if !text.starts_with("event:") && !text.starts_with("data:") {
        return text;
    }
    text.lines().find_map(|line| line.strip_prefix("data:")).map_or(text, str::trim_start)
}

/// Where a member stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Top,
    /// Members that hold errors without being one: `response`, `choices`, `candidates`.
    Around,
    Error,
    /// `google.rpc.Status.details`, Anthropic's `details`, Azure's `innererror`, `OpenRouter`'s `metadata`.
    Details,
    /// `FastAPI`'s list of faults.
    Faults,
}

/// What a member says.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// Look into it.
    Object(Place),
    Code(Rank),
    Message,
    /// A message of a provider behind the provider.
    PassedOn,
    Status,
    /// Whether it is an error: `"object": "error"`.
    Kind,
    RetryDelay,
    Reset,
    ContextTokens,
    NeededTokens,
    Nothing,
}

impl Place {
    /// What the member of this name says here.
    fn member(self, name: &str) -> Meaning {
        use Meaning::{
            Code, ContextTokens, Kind, Message, NeededTokens, Nothing, Object, PassedOn, Reset, RetryDelay, Status,
        };
        match self {
            Self::Top => match name {
                "error" | "errors" => Object(Self::Error),
                "response" | "choices" | "candidates" | "promptFeedback" => Object(Self::Around),
                "detail" => Object(Self::Faults),
                // A union's member, as Bedrock's streams have it.
                name if name.ends_with("Exception") => Object(Self::Error),
                "message" | "Message" | "msg" => Message,
                "code" | "error_code" | "__type" => Code(Rank::Code),
                "type" | "error_type" => Code(Rank::Type),
                "status" | "statusCode" | "status_code" | "raw_status_code" => Status,
                "object" => Kind,
                _ => Nothing,
            },
            Self::Around => match name {
                "error" => Object(Self::Error),
                "finishReason" | "blockReason" => Code(Rank::Detail),
                _ => Nothing,
            },
            Self::Error => match name {
                "error" | "errors" => Object(Self::Error),
                "details" | "innererror" | "metadata" => Object(Self::Details),
                "message" | "Message" | "msg" | "detail" => Message,
                "code" | "error_code" | "__type" => Code(Rank::Code),
                "status" => Code(Rank::Status),
                "type" | "error_type" => Code(Rank::Type),
                "n_ctx" => ContextTokens,
                "n_prompt_tokens" => NeededTokens,
                _ => Nothing,
            },
            Self::Details => match name {
                "violations" | "headers" => Object(Self::Details),
                "reason" | "error_code" | "code" | "limit_source" | "error_type" => Code(Rank::Detail),
                "quotaId" => Message,
                "raw" => PassedOn,
                "retryDelay" => RetryDelay,
                "X-RateLimit-Reset" | "x-ratelimit-reset" => Reset,
                _ => Nothing,
            },
            Self::Faults => match name {
                "error" | "errors" => Object(Self::Error),
                "message" | "msg" => Message,
                _ => Nothing,
            },
        }
    }
}

/// Reads a value for what it says.
struct Value<'a> {
    said: &'a mut Said,
    meaning: Meaning,
}

/// Reads a member's name.
struct Name<'a> {
    said: &'a mut Said,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Meaning;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Meaning, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Meaning;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Meaning, E> {
        match (self.place, name) {
            (Place::Top, name) if name.ends_with("Exception") => {
                self.said.add_code(Rank::Code, name);
                self.said.is_error = true;
            }
            // What was flagged stands in it; that something was, is enough.
            (Place::Details, "flagged_input") => self.said.add_code(Rank::Detail, name),
            _ => {}
        }
        Ok(self.place.member(name))
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.meaning {
            Meaning::Nothing => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let said = self.said;
        match self.meaning {
            Meaning::Code(rank) => {
                said.is_error |= text == "error";
                said.add_code(rank, text);
            }
            Meaning::Kind => said.is_error |= text == "error",
            Meaning::Message | Meaning::Object(Place::Top | Place::Faults) => add_line(&mut said.text, text),
            Meaning::Object(Place::Error) => {
                said.is_error |= !text.is_empty();
                said.add_code(Rank::Type, text);
                add_line(&mut said.text, text);
            }
            Meaning::PassedOn => add_line(&mut said.passed_on, text),
            Meaning::Status => said.status = status(text.parse().ok()).or(said.status),
            Meaning::RetryDelay => said.retry_delay = Some(text.to_owned()),
            Meaning::Reset => said.reset = Some(text.to_owned()),
            Meaning::Object(_) | Meaning::ContextTokens | Meaning::NeededTokens | Meaning::Nothing => {}
        }
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        let said = self.said;
        match self.meaning {
            Meaning::Status | Meaning::Code(_) => said.status = said.status.or(status(Some(number))),
            Meaning::ContextTokens => said.context_tokens = Some(number),
            Meaning::NeededTokens => said.needed_tokens = Some(number),
            Meaning::Object(Place::Error) => {
                said.is_error = true;
                said.status = said.status.or(status(Some(number)));
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, is_set: bool) -> Result<(), E> {
        self.said.is_error |= is_set && matches!(self.meaning, Meaning::Object(Place::Error));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { said, meaning } = self;
        while elements.next_element_seed(Value { said: &mut *said, meaning })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { said, meaning } = self;
        let Meaning::Object(place) = meaning else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        said.is_error |= matches!(place, Place::Error);
        while let Some(meaning) = members.next_key_seed(Name { said: &mut *said, place })? {
            members.next_value_seed(Value { said: &mut *said, meaning })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "classify_body_tests.rs"]
mod tests;
