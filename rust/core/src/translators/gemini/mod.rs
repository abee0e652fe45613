//! Gemini's `generateContent` and `streamGenerateContent` (v1beta), to and from the neutral form.
//!
//! Source: Gemini API reference, "Generating content", "Function calling", "Thinking", "Thought signatures". Every name
//! may be written in camel case or in snake case. The model and whether it streams are in the path, so a request that was
//! read has neither; the caller puts them in. Neutral values are slices of the body, so what has to be spelled in
//! another way for others (schema types, log probabilities, citations) is rewritten before the body is read: see
//! [`normalise_request`] and [`normalise_answer`].

mod answer_reader;
mod answer_writer;
#[cfg(test)]
mod arbitrary;
mod content_reader;
mod content_writer;
mod fields;
mod finish;
mod grounding;
mod logprobs;
mod media;
mod normalise;
#[cfg(test)]
mod recorded_tests;
mod request_reader;
mod request_writer;
mod schema;
mod signature;
mod stream_reader;
mod stream_writer;

pub use answer_reader::read_answer;
pub use answer_writer::write_answer;
pub use normalise::{normalise_answer, normalise_request};
pub use request_reader::read_request;
pub use request_writer::write_request;
pub(super) use signature::{OF_ANOTHER_MODEL, is_foreign};
pub use stream_reader::StreamReader;
pub use stream_writer::StreamWriter;
