//! Log probabilities, in Gemini's form (chosen candidates beside lists of the best) and in OpenAI's (the best within
//! each chosen one).

use super::fields::Fields;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Kind, View};

/// Writes a `logprobsResult` in OpenAI's form; `false` where it is none, or in that form already.
pub(super) fn write_openai(own: View<'_>, written: &mut Vec<u8>) -> bool {
    let fields = Fields::of(own);
    let Some(chosen) = fields.get("chosenCandidates").filter(|it| it.kind() == Kind::Array) else { return false };
    let best = fields.get("topCandidates").map(View::elements).unwrap_or_default();
    let chosen = chosen.elements();
    let mut object = JsonObject::begin(written);
    object.value("content", |into| {
        write_list(into, chosen.into_iter().enumerate(), |(index, token), into| {
            let best = best.get(index).and_then(|best| Fields::of(*best).get("candidates"));
            let best = best.map(View::elements).unwrap_or_default();
            let mut entry = JsonObject::begin(into);
            write_token(token, "logProbability", "logprob", &mut entry);
            write_bytes(token, &mut entry);
            entry.value("top_logprobs", |into| {
                write_list(into, best, |token, into| {
                    let mut entry = JsonObject::begin(into);
                    write_token(token, "logProbability", "logprob", &mut entry);
                    write_bytes(token, &mut entry);
                    entry.end();
                });
            });
            entry.end();
        });
    });
    object.end();
    true
}

/// Writes log probabilities in OpenAI's form as a `logprobsResult`.
pub(super) fn write_own(openai: View<'_>, written: &mut Vec<u8>) {
    let content = openai.get("content").unwrap_or(openai).elements();
    let has_best = content.iter().any(|token| !best(token).is_empty());
    let mut object = JsonObject::begin(written);
    object.value("chosenCandidates", |into| {
        write_list(into, &content, |token, into| write_candidate(*token, into));
    });
    if has_best {
        object.value("topCandidates", |into| {
            write_list(into, &content, |token, into| {
                let mut entry = JsonObject::begin(into);
                entry.value("candidates", |into| write_list(into, best(token), write_candidate));
                entry.end();
            });
        });
    }
    object.end();
}

fn write_candidate(token: View<'_>, written: &mut Vec<u8>) {
    let mut entry = JsonObject::begin(written);
    write_token(token, "logprob", "logProbability", &mut entry);
    entry.end();
}

fn best<'text>(token: &View<'text>) -> Vec<View<'text>> {
    token.get("top_logprobs").map(View::elements).unwrap_or_default()
}

/// OpenAI's clients take the bytes of a token for granted.
fn write_bytes(token: View<'_>, entry: &mut JsonObject<'_>) {
    let text = Fields::of(token).get("token").and_then(View::decoded);
    entry.value("bytes", |into| {
        write_list(into, text.as_deref().unwrap_or_default().bytes(), |byte, into| {
            into.extend_from_slice(byte.to_string().as_bytes());
        });
    });
}

/// Gemini leaves out what is zero or empty.
fn write_token(token: View<'_>, read_as: &str, write_as: &str, entry: &mut JsonObject<'_>) {
    let fields = Fields::of(token);
    let text = fields.get("token").filter(|token| token.kind() == Kind::Text);
    entry.literal("token", text.map_or("\"\"", View::raw).as_bytes());
    let logprob = fields.get(read_as).and_then(View::number);
    entry.literal(write_as, logprob.unwrap_or("0").as_bytes());
}
