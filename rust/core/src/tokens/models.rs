//! Which vocabulary a model's name stands for. Source: tiktoken's `model.py`; the longest prefix wins.

use super::Encoding;

use Encoding::{Cl100kBase, O200kBase};

/// A name, or one with more behind a `-`, `.`, `:` or `@`; the rest of a name has no say.
const MODELS: [(&str, Encoding); 19] = [
    ("gpt-5", O200kBase),
    ("gpt-4o", O200kBase),
    ("gpt-4.1", O200kBase),
    ("gpt-4.5", O200kBase),
    ("chatgpt-4o", O200kBase),
    ("gpt-oss", O200kBase),
    ("o1", O200kBase),
    ("o3", O200kBase),
    ("o4", O200kBase),
    ("codex-mini", O200kBase),
    ("gpt-4", Cl100kBase),
    ("gpt-3.5", Cl100kBase),
    ("gpt-35-turbo", Cl100kBase),
    ("text-embedding-ada-002", Cl100kBase),
    ("text-embedding-3-small", Cl100kBase),
    ("text-embedding-3-large", Cl100kBase),
    ("davinci-002", Cl100kBase),
    ("babbage-002", Cl100kBase),
    ("gpt-realtime", O200kBase),
];

/// The encoding of an OpenAI model, also fine-tuned (`ft:…`) or with a vendor before a slash; `None` for others, whose
/// vocabularies are not public.
#[must_use]
pub fn encoding_of_model(model: &str) -> Option<Encoding> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let (name, is_tuned) = name.strip_prefix("ft:").map_or((name, false), |name| (name, true));
    MODELS
        .iter()
        .filter(|(prefix, _)| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| is_tuned || rest.is_empty() || rest.starts_with(['-', '.', ':', '@']))
        })
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, encoding)| *encoding)
}
