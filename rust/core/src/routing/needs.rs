//! What a request needs of a deployment, read from its body: capabilities and room for tokens.
//!
//! Chat Completions and Responses alike, since no field means one thing in the one and another in the other. Only fields
//! in their places count, never words in texts. Source: OpenAI API reference, "Create chat completion" and "Create a
//! model response".

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::json::{JsonError, Reader, walk};
use crate::tables::{CAPABILITIES, Capability};

/// What all names have in them that tell of more than text, and what could hide them.
static SIGNS: LazyLock<[Finder<'static>; 5]> =
    LazyLock::new(|| ["image", "audio", "file", "computer_call", "\\u"].map(Finder::new));

/// A set of capabilities, one bit each in the order of [`CAPABILITIES`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CapabilitySet(u8);

impl CapabilitySet {
    /// No capability.
    pub const NONE: Self = Self(0);
    /// Every capability.
    pub const ALL: Self = Self((1 << CAPABILITIES.len()) - 1);
    /// How many different sets there are.
    pub(super) const COUNT: usize = 1 << CAPABILITIES.len();

    /// Adds one.
    pub fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u8;
    }

    /// Whether it is in.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }

    /// Whether none is in.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether some capability is in both.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every capability of `other` is in this set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The first capability that is in this set and not in `other`.
    #[must_use]
    pub fn first_missing_in(self, other: Self) -> Option<Capability> {
        let missing = self.0 & !other.0;
        CAPABILITIES.iter().map(|(capability, _)| *capability).find(|one| missing & (1 << *one as u8) != 0)
    }

    /// Its members, in order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        CAPABILITIES.iter().map(|(capability, _)| *capability).filter(move |one| self.contains(*one))
    }

    pub(super) const fn bits(self) -> usize {
        self.0 as usize
    }

    /// The set with these bits; those beyond the last capability are dropped.
    pub(super) const fn from_bits(bits: usize) -> Self {
        Self(bits.to_le_bytes()[0] & Self::ALL.0)
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let mut set = Self::NONE;
        capabilities.into_iter().for_each(|capability| set.insert(capability));
        set
    }
}

/// The name of a capability in configuration, headers and messages.
#[must_use]
pub const fn capability_name(capability: Capability) -> &'static str {
    CAPABILITIES[capability as usize].1
}

/// What a request needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// What has to be understood beside text.
    pub capabilities: CapabilitySet,
    /// Estimated tokens of the input.
    pub input_tokens: u64,
    /// The largest answer it asks for. `None`: it does not say.
    pub output_tokens: Option<u64>,
}

impl Needs {
    /// Reads what a request's body says of capabilities and output; its input is for others to estimate.
    ///
    /// # Errors
    /// [`JsonError`]: the body is not one JSON object, or is nested deeper than `depth_limit`.
    pub fn read(body: &[u8], depth_limit: usize) -> Result<Self, JsonError> {
        let mut needs = Self::default();
        walk(body, depth_limit, |reader, field| needs.read_field(reader, field))?;
        Ok(needs)
    }

    /// Whether a body can be seen to hold nothing but text without reading it: no picture, sound or file, neither there
    /// nor asked for. `false` says nothing. A tenth of what reading takes.
    #[must_use]
    pub fn is_text_alone(body: &[u8]) -> bool {
        SIGNS.iter().all(|sign| sign.find(body).is_none())
    }

    fn read_field(&mut self, reader: &mut Reader<'_>, field: &[u8]) -> Result<(), JsonError> {
        match field {
            b"messages" | b"input" => reader.array(|reader| self.read_message(reader)),
            b"tools" | b"functions" => reader.array(|reader| {
                self.capabilities.insert(Capability::Tools);
                reader.raw().map(|_| ())
            }),
            b"response_format" => self.read_format(reader),
            b"text" => reader.object(|reader, key| match key {
                b"format" => self.read_format(reader),
                _ => reader.raw().map(|_| ()),
            }),
            b"reasoning_effort" => {
                if asks_for_effort(reader.raw()?) {
                    self.capabilities.insert(Capability::Reasoning);
                }
                Ok(())
            }
            b"reasoning" => self.read_reasoning(reader),
            b"modalities" => reader.array(|reader| {
                if reader.text()?.as_ref() == b"audio" {
                    self.capabilities.insert(Capability::AudioOutput);
                }
                Ok(())
            }),
            b"audio" => {
                if reader.raw()? != b"null" {
                    self.capabilities.insert(Capability::AudioOutput);
                }
                Ok(())
            }
            b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => {
                let asked = std::str::from_utf8(reader.raw()?).ok().and_then(|text| text.parse().ok());
                // Of several, the largest: which of them counts is up to the provider.
                self.output_tokens = self.output_tokens.max(asked);
                Ok(())
            }
            _ => reader.raw().map(|_| ()),
        }
    }

    /// A message, or an item of a Responses request, which may also be a part itself or a tool's output with parts.
    fn read_message(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| match key {
            b"content" | b"output" => reader.array(|reader| {
                reader.object(|reader, key| match key {
                    b"type" => self.read_part_type(reader),
                    _ => reader.raw().map(|_| ()),
                })
            }),
            b"type" => self.read_part_type(reader),
            _ => reader.raw().map(|_| ()),
        })
    }

    fn read_part_type(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let capability = match reader.text()?.as_ref() {
            b"image_url" | b"input_image" | b"computer_call_output" => Capability::ImageInput,
            b"input_audio" => Capability::AudioInput,
            b"file" | b"input_file" => Capability::FileInput,
            _ => return Ok(()),
        };
        self.capabilities.insert(capability);
        Ok(())
    }

    fn read_format(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| {
            if key != b"type" {
                return reader.raw().map(|_| ());
            }
            if reader.text()?.as_ref() == b"json_schema" {
                self.capabilities.insert(Capability::JsonSchema);
            }
            Ok(())
        })
    }

    /// Anything asked of reasoning asks for it, except that there be none.
    fn read_reasoning(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let (mut is_asked, mut is_declined) = (false, false);
        reader.object(|reader, key| {
            let value = reader.raw()?;
            is_asked |= value != b"null";
            is_declined |= key == b"effort" && value != b"null" && !asks_for_effort(value);
            Ok(())
        })?;
        if is_asked && !is_declined {
            self.capabilities.insert(Capability::Reasoning);
        }
        Ok(())
    }

    /// Tokens that have to fit into a context window.
    #[must_use]
    pub fn context_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens.unwrap_or(0))
    }
}

fn asks_for_effort(raw: &[u8]) -> bool {
    raw != b"null" && raw != b"\"none\""
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
