//! Puts into other dialects' words, before a body is read, what neutral values can only be slices of.

use memchr::memmem;

use super::fields::Fields;
use super::schema::{replace, rewrite};
use super::{grounding, logprobs};
use crate::dialects::splice::{Splice, splice};
use crate::json_view::{Kind, View};

/// A request whose schemas are in JSON Schema's words. `None`: it stays as it is.
#[must_use]
pub fn normalise_request(body: View<'_>) -> Option<Vec<u8>> {
    let mut changes = Vec::new();
    let fields = Fields::of(body);
    for tool in fields.get("tools").map(elements_or_self).unwrap_or_default() {
        let declarations = Fields::of(tool).get("functionDeclarations").map(elements_or_self).unwrap_or_default();
        for declaration in declarations {
            let declaration = Fields::of(declaration);
            for name in ["parameters", "parametersJsonSchema"] {
                declaration.get(name).into_iter().for_each(|schema| rewrite(schema, body, &mut changes));
            }
        }
    }
    if let Some(generation) = fields.get("generationConfig").map(Fields::of) {
        for name in ["responseSchema", "responseJsonSchema"] {
            generation.get(name).into_iter().for_each(|schema| rewrite(schema, body, &mut changes));
        }
    }
    apply(body, changes)
}

/// What an answer has that is rewritten, in both spellings.
const NAMES_OF_CHANGED: [&[u8]; 4] =
    [b"logprobsResult", b"logprobs_result", b"groundingMetadata", b"grounding_metadata"];

/// An answer, or an event of a stream, whose log probabilities and citations are in OpenAI's form. `None`: it stays as it is.
#[must_use]
pub fn normalise_answer(body: View<'_>) -> Option<Vec<u8>> {
    let raw = body.raw().as_bytes();
    NAMES_OF_CHANGED.iter().find_map(|name| memmem::find(raw, name))?;
    let mut changes = Vec::new();
    for candidate in Fields::of(body).get("candidates").map(View::elements).unwrap_or_default() {
        let candidate = Fields::of(candidate);
        if let Some(own) = candidate.get("groundingMetadata") {
            changes.push(replace(own, body, grounding::as_citations(own)));
        }
        if let Some(own) = candidate.get("logprobsResult") {
            let mut written = Vec::new();
            if logprobs::write_openai(own, &mut written) {
                changes.push(replace(own, body, String::from_utf8(written).unwrap_or_default()));
            }
        }
    }
    apply(body, changes)
}

fn apply(body: View<'_>, mut changes: Vec<Splice>) -> Option<Vec<u8>> {
    (!changes.is_empty()).then(|| splice(body.raw().as_bytes(), &mut changes))
}

fn elements_or_self(value: View<'_>) -> Vec<View<'_>> {
    if value.kind() == Kind::Array { value.elements() } else { vec![value] }
}

#[cfg(test)]
#[path = "normalise_tests.rs"]
mod tests;
