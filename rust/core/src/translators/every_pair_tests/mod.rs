//! Every recorded exchange, from its own format into each of the others, and read again by that format's own reader.
//!
//! A body is compared with itself in the neutral form, before and after. What may differ stands in lists
//! ([`requests::DIFFERENCES`], [`answers::DIFFERENCES`]), each with its reason, and a row that makes no difference to any
//! recording fails. How much was translated and refused is pinned. The recordings lie in a folder `shared` beside the
//! clone; without it the tests say so and pass.

mod answers;
mod form;
mod histories;
mod mutations;
mod recordings;
mod refusals;
mod request_form;
mod requests;
mod streams;

use crate::neutral::Format;
use crate::translators::REPLYING;

const FORMATS: [Format; 4] = [Format::OpenaiChat, Format::OpenaiResponses, Format::Anthropic, Format::Gemini];

const DEPTH_LIMIT: usize = 512;

/// Every pair of two formats.
fn pairs() -> impl Iterator<Item = (Format, Format)> {
    FORMATS.into_iter().flat_map(|from| FORMATS.into_iter().filter(move |to| *to != from).map(move |to| (from, to)))
}
