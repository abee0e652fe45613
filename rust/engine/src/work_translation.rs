//! Token counts and embeddings on their way between two dialects.

use bytes::Bytes;
use fastgate_core::deviations::Deviations;
use fastgate_core::failure::Failure;
use fastgate_core::json_view::View;
use fastgate_core::neutral::{Format, Target};
use fastgate_core::tokens::Factor;
use fastgate_core::translators::embeddings::{self, Shape, Telling};
use fastgate_core::translators::{self, Replying, token_counts};

use crate::crossing::{Pair, Work};
use crate::translation::{self, Translated};

/// Writes a client's request for a provider.
///
/// # Errors
/// A [`Failure`] that names the field which can't be said there.
pub(crate) fn request(
    body: View<'_>,
    pair: Pair,
    (target, deviations): (&Target<'_>, &Deviations),
) -> Result<Translated, Failure> {
    if let Work::Embeddings(shape) = pair.work {
        let request = embeddings::read_request(shape, body)?;
        let body = embeddings::write_request(provider_shape(pair), &request, target.model).into();
        return Ok(Translated { body, losses: request.losses });
    }
    let mut room = None;
    let view = translators::normal_request(pair.client, token_counts::counted(pair.client, body), &mut room);
    let mut request = translators::read_request(pair.client, view)?;
    token_counts::keep_prompt(&mut request);
    let losses = translation::narrow(&mut request, pair, deviations)?;
    let body = token_counts::write_request(pair.provider, &request, target)?.into();
    Ok(Translated { body, losses })
}

/// Writes a provider's answer for the client; `None` if it is none.
pub(crate) fn answer(body: View<'_>, pair: Pair, replying: &Replying<'_>) -> Option<Bytes> {
    let Work::Embeddings(shape) = pair.work else {
        let tokens = token_counts::read_answer(pair.provider, body)?;
        return Some(token_counts::write_answer(pair.client, tokens).into());
    };
    let asked = replying.request?;
    let request = embeddings::read_request(shape, asked).ok()?;
    let answer = embeddings::read_answer(provider_shape(pair), body, request.inputs.len())?;
    let telling = Telling {
        encoding: request.encoding,
        fallback_model: replying.fallback_model,
        // What is booked where a provider does not say.
        estimated_tokens: Factor::default().estimate(asked.raw().len() as u64),
    };
    embeddings::write_answer(shape, &answer, &telling).map(Bytes::from)
}

fn provider_shape(pair: Pair) -> Shape {
    if pair.provider == Format::Gemini { Shape::GeminiBatch } else { Shape::Openai }
}
