//! Requests for embeddings and the answers to them, between OpenAI's shape and Gemini's.
//!
//! Sources: OpenAI API reference, "Create embeddings"; Gemini API reference, "Embeddings". Texts and numbers are copied as
//! they were written, unless one side packs a vector and the other doesn't.

mod gemini;
mod openai;
mod vector;

pub use self::vector::Vector;

use crate::failure::Failure;
use crate::json_view::{Text, View};
use crate::neutral::Loss;

/// A shape of requests and answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// `/embeddings`.
    Openai,
    /// `batchEmbedContents`.
    GeminiBatch,
    /// `embedContent`: one text.
    GeminiOne,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// As lists of numbers.
    #[default]
    Numbers,
    /// As base64 of 32-bit floating-point numbers, least significant byte first.
    Base64,
}

/// A request for embeddings.
#[derive(Debug, Default)]
pub struct Request<'text> {
    /// One vector is made of each.
    pub inputs: Vec<Text<'text>>,
    /// Numbers in a vector; as many as the model has if absent.
    pub dimensions: Option<u64>,
    /// How the client wants them.
    pub encoding: Encoding,
    /// Fields that only its own dialect has, by the client's names.
    pub losses: Vec<Loss>,
}

/// An answer with embeddings.
#[derive(Debug)]
pub struct Answer<'text> {
    /// In the order of the inputs.
    pub vectors: Vec<Vector<'text>>,
    /// The model, where the provider says it.
    pub model: Option<Text<'text>>,
    /// Tokens of the input, where the provider says it.
    pub input_tokens: Option<u64>,
}

/// What an answer is told beside the provider's words.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// How the client wants vectors.
    pub encoding: Encoding,
    /// The model's name where the provider does not say it.
    pub fallback_model: &'a str,
    /// Tokens of the input where the provider does not say it.
    pub estimated_tokens: u64,
}

/// Reads a client's request.
///
/// # Errors
/// A [`Failure`] that names the field: of the wrong kind, or one that others can't be told.
pub fn read_request(shape: Shape, body: View<'_>) -> Result<Request<'_>, Failure> {
    match shape {
        Shape::Openai => openai::read_request(body),
        Shape::GeminiBatch => gemini::read_batch(body),
        Shape::GeminiOne => gemini::read_one(body),
    }
}

/// Writes a request for a provider that knows the model by this name. Gemini's is always a batch.
#[must_use]
pub fn write_request(shape: Shape, request: &Request<'_>, model: &str) -> Vec<u8> {
    match shape {
        Shape::Openai => openai::write_request(request, model),
        Shape::GeminiBatch | Shape::GeminiOne => gemini::write_request(request, model),
    }
}

/// Reads a provider's answer to so many inputs; `None` if it is none, or not one of so many.
#[must_use]
pub fn read_answer(shape: Shape, body: View<'_>, inputs: usize) -> Option<Answer<'_>> {
    let answer = match shape {
        Shape::Openai => openai::read_answer(body),
        Shape::GeminiBatch | Shape::GeminiOne => gemini::read_answer(body),
    }?;
    (answer.vectors.len() == inputs).then_some(answer)
}

/// Writes an answer for a client; `None` if a vector is none.
#[must_use]
pub fn write_answer(shape: Shape, answer: &Answer<'_>, telling: &Telling<'_>) -> Option<Vec<u8>> {
    match shape {
        Shape::Openai => openai::write_answer(answer, telling),
        Shape::GeminiBatch => gemini::write_batch(answer),
        Shape::GeminiOne => gemini::write_one(answer),
    }
}

fn wrong(field: &'static str, kind: &str) -> Failure {
    Failure::invalid_request(format!("{field} must be {kind}"), Some(field))
}

#[cfg(test)]
mod tests;
