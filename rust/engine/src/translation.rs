//! Requests, answers and streams on their way between two dialects.
//!
//! Core knows the dialects; this holds what an exchange has to remember between its pieces.

use std::borrow::Cow;

use bytes::Bytes;
use fastgate_core::deviations::Deviations;
use fastgate_core::dialects::gemini_stream::ArrayWriter;
use fastgate_core::dialects::{ANSWER_DEPTH_LIMIT, ProviderError};
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::json_view::View;
use fastgate_core::neutral::{Feature, Format, Loss, Request, Sampling, TABLE, Target, check};
use fastgate_core::translators::{self, Replying, StreamTranslator};

use crate::crossing::{Pair, Work};
use crate::work_translation;

/// A request in the provider's dialect.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) body: Bytes,
    /// What it lacks, by the client's names.
    pub(crate) losses: Vec<Loss>,
}

/// Writes a client's request for a provider. `stream`: the answer is to come in events, wherever that is said.
///
/// # Errors
/// A [`Failure`] that names the field which can't be said there.
pub(crate) fn request(
    body: &[u8],
    pair: Pair,
    stream: bool,
    (target, deviations): (&Target<'_>, &Deviations),
) -> Result<Translated, Failure> {
    // It was read when it came, strictly.
    let known = View::known(body).ok_or_else(|| Failure::invalid_request("the request body is no text", None))?;
    if pair.work != Work::Conversation {
        return work_translation::request(known, pair, (target, deviations));
    }
    let mut room = None;
    let view = translators::normal_request(pair.client, known, &mut room);
    let mut request = translators::read_request(pair.client, view)?;
    request.stream = stream;
    let mut losses = narrow(&mut request, pair, deviations)?;
    let body = translators::write_request(pair.provider, &request, target)?;
    let mut lost = unsaid(&request, &body, pair.provider);
    let (fitted, dropped) = deviations.fit(&body);
    lost.extend(dropped);
    for loss in lost.into_iter().filter_map(|field| client_name(field, pair)) {
        if !losses.contains(&loss) {
            losses.push(loss);
        }
    }
    Ok(Translated { body: fitted.unwrap_or(body).into(), losses })
}

/// Leaves a request what the provider and its model can be asked for; what else it said, by the client's names.
///
/// # Errors
/// A [`Failure`] that names the field which can't be said there.
pub(crate) fn narrow(request: &mut Request<'_>, pair: Pair, deviations: &Deviations) -> Result<Vec<Loss>, Failure> {
    let mut losses = check(request, pair.client, pair.provider)?;
    if !deviations.narrow(request, pair.provider) {
        losses.push(Cow::Borrowed(Feature::Reasoning.field_in(pair.client)));
    }
    Ok(losses)
}

/// Fields of sampling that are left out for models that think, which take none.
fn unsaid(request: &Request<'_>, body: &[u8], provider: Format) -> Vec<&'static str> {
    let Sampling { temperature, top_p, top_k, .. } = request.sampling;
    let asked = [("temperature", temperature), ("top_p", top_p), ("top_k", top_k)];
    let mut lost: Vec<_> = asked.into_iter().filter_map(|(name, number)| number.map(|_| name)).collect();
    if provider != Format::Anthropic || request.reasoning.is_none() || lost.is_empty() {
        return Vec::new();
    }
    for (name, _) in View::known(body).map(View::members).unwrap_or_default() {
        lost.retain(|asked| *asked != name);
    }
    lost
}

/// What the client calls a field that its request lost in the provider's dialect.
fn client_name(field: &str, pair: Pair) -> Option<Loss> {
    const IN_GEMINI: [(&str, &str); 2] =
        [("temperature", "generationConfig.temperature"), ("top_p", "generationConfig.topP")];
    let by_feature = TABLE.iter().find(|row| row.fields[pair.provider as usize] == field);
    if let Some(row) = by_feature {
        // What has no name there was added by the writer.
        let name = row.fields[pair.client as usize];
        return (!name.is_empty()).then_some(Cow::Borrowed(name));
    }
    match (pair.client, field) {
        (_, "stream_options") => None,
        (Format::Gemini, _) => IN_GEMINI.iter().find(|(own, _)| *own == field).map(|(_, name)| Cow::Borrowed(*name)),
        _ => Some(Cow::Owned(field.to_owned())),
    }
}

/// Writes a provider's answer for the client; `None` if it is none.
pub(crate) fn answer(body: &[u8], pair: Pair, replying: &Replying<'_>) -> Option<Bytes> {
    let view = View::read_answer(body, ANSWER_DEPTH_LIMIT).ok()?;
    if pair.work != Work::Conversation {
        return work_translation::answer(view, pair, replying);
    }
    let mut room = None;
    let view = translators::normal_answer(pair.provider, view, &mut room);
    let answer = translators::read_answer(pair.provider, view)?;
    Some(translators::write_answer(pair.client, &answer, replying).into())
}

/// A stream that is translated event by event.
#[derive(Debug)]
pub(crate) struct Stream {
    way: Way,
    written: Vec<u8>,
    /// What the provider's error event said.
    error: ProviderError,
    /// An event could not be read, so that words may be missing.
    is_broken: bool,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a stream has one, and that is boxed")]
enum Way {
    Neutral(StreamTranslator),
    /// Gemini's own events, framed as elements of a JSON array.
    Array(ArrayWriter),
}

impl Stream {
    /// Into another dialect.
    pub(crate) fn new(pair: Pair, replying: &Replying<'_>) -> Self {
        Self::on(Way::Neutral(StreamTranslator::new(pair.provider, pair.client, replying)))
    }

    /// Into Gemini's other framing.
    pub(crate) fn array() -> Self {
        Self::on(Way::Array(ArrayWriter::default()))
    }

    fn on(way: Way) -> Self {
        Self { way, written: Vec::new(), error: ProviderError::default(), is_broken: false }
    }

    /// Takes in the data of one event.
    pub(crate) fn read(&mut self, data: &[u8]) {
        let Ok(view) = View::read_answer(data, ANSWER_DEPTH_LIMIT) else {
            // An end mark says nothing that could be translated.
            self.is_broken |= data.trim_ascii() != b"[DONE]" && !data.trim_ascii().is_empty();
            return;
        };
        match &mut self.way {
            Way::Neutral(translator) => translator.read(view, &mut self.written),
            Way::Array(writer) => {
                writer.begin_element(&mut self.written);
                self.written.extend_from_slice(view.raw().as_bytes());
            }
        }
    }

    /// Takes in the data of an event that reports a failure.
    pub(crate) fn read_error(&mut self, data: &[u8]) {
        self.is_broken |= View::read_answer(data, ANSWER_DEPTH_LIMIT).is_err();
        self.error = ProviderError::read(data);
    }

    /// Whether words may be missing.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// A sign of life.
    pub(crate) fn ping(&mut self) -> Bytes {
        match &mut self.way {
            Way::Neutral(translator) => translator.ping(&mut self.written),
            Way::Array(writer) => writer.ping(&mut self.written),
        }
        self.take()
    }

    /// What came of it since last asked.
    pub(crate) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.written).into()
    }

    /// The stream is whole: what the client's format ends with.
    pub(crate) fn end(&mut self) -> Bytes {
        match &mut self.way {
            Way::Neutral(translator) => translator.end(&mut self.written),
            Way::Array(writer) => writer.end(&mut self.written),
        }
        self.take()
    }

    /// The stream broke: the failure as an event of the client's format. `None`: what the provider reported.
    pub(crate) fn fail(&mut self, failure: Option<&Failure>, request_id: &str) -> Bytes {
        let reported = || {
            let message = self.error.message.as_deref().unwrap_or("the provider reported an error within its stream");
            let code = self.error.code.clone().or_else(|| self.error.kind.clone());
            Failure { provider_code: code, ..Failure::new(Cause::ProviderFailed, message) }
        };
        let failure = failure.cloned().unwrap_or_else(reported);
        match &mut self.way {
            Way::Neutral(translator) => translator.fail(&failure, request_id, &mut self.written),
            Way::Array(writer) => writer.error(&failure, request_id, &mut self.written),
        }
        self.take()
    }
}
