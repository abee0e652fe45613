//! What a request carries: read as far as the gateway must, then made into the body of a request to a provider.

use bytes::Bytes;
use fastgate_core::deviations::Deviations;
use fastgate_core::dialects::Dialect;
use fastgate_core::dialects::openai::{self, Request};
use fastgate_core::dialects::splice::{Splice, splice};
use fastgate_core::failure::Failure;
use fastgate_core::multipart::boundary;
use fastgate_core::neutral::{Format, Loss, Target};
use fastgate_core::tables::Bounds;
use fastgate_core::translators::foreign;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::body::RequestBody;
use crate::crossing::Pair;
use crate::operation::{Call, Goes, Takes};
use crate::translation::{self, Translated};
use crate::upload::{Form, Refusal, UpstreamBody};

/// What a request without a payload may carry all the same.
const IDLE_BODY_LIMIT_BYTES: usize = 64 * 1024;

const MODEL_HEADER: HeaderName = HeaderName::from_static("x-fastgate-model");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request's payload, read as far as the gateway must.
#[derive(Debug)]
pub(crate) enum Payload {
    Nothing,
    /// JSON that names a model.
    Asking {
        body: Bytes,
        request: Request,
        /// Bounds the answer where the client does not.
        output: Option<Splice>,
    },
    /// JSON about a file.
    About {
        body: Bytes,
        file: Option<String>,
    },
    Form {
        form: Form,
        model: Option<String>,
        content_type: HeaderValue,
    },
}

/// A payload on its way to a provider.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) body: UpstreamBody,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) refusal: Option<Refusal>,
}

impl Payload {
    /// Reads the payload of an operation.
    ///
    /// # Errors
    /// A [`Failure`] that names the field at fault, or the limit.
    pub(crate) async fn read(
        call: Call<'_>,
        headers: &HeaderMap,
        body: RequestBody,
        bounds: &Bounds,
    ) -> Result<Self, Failure> {
        let operation = call.operation();
        if operation.takes == Takes::Nothing {
            body.read(IDLE_BODY_LIMIT_BYTES).await?;
            return Ok(Self::Nothing);
        }
        if operation.takes == Takes::Form
            && let Some(content_type) = headers.get(header::CONTENT_TYPE)
            && let Some(boundary) = content_type.to_str().ok().and_then(boundary)
        {
            let form = Form::begin(body, boundary, bounds.multipart_body_bytes).await?;
            let named = headers.get(MODEL_HEADER).and_then(|name| name.to_str().ok()).map(str::to_owned);
            let model = named.or_else(|| form.model().map(|model| model.name.clone()));
            return Ok(Self::Form { form, model, content_type: content_type.clone() });
        }
        let body = body.read(bounds.request_body_bytes).await?;
        if operation.goes == Goes::ByModel {
            let request = operation.dialect.read_request(&body, bounds.json_depth, call.model().as_deref())?;
            return Ok(Self::Asking { body, request, output: None });
        }
        let object = openai::read_object(&body, bounds.json_depth)?;
        let file = openai::given(&object, "input_file_id").and_then(|id| id.as_text());
        Ok(Self::About { body, file })
    }

    /// The model that is asked for.
    ///
    /// # Errors
    /// None is named.
    pub(crate) fn model(&self) -> Result<&str, Failure> {
        let model = match self {
            Self::Asking { request, .. } => Some(request.model.as_str()),
            Self::Form { model, .. } => model.as_deref().filter(|model| !model.is_empty()),
            Self::Nothing | Self::About { .. } => None,
        };
        model.ok_or_else(|| {
            let message =
                "name the model in the form's first 64 KB, before its files, or in the header x-fastgate-model";
            Failure::invalid_request(message, Some("model"))
        })
    }

    /// The request within, where it is JSON that names a model.
    pub(crate) fn request(&self) -> Option<&Request> {
        match self {
            Self::Asking { request, .. } => Some(request),
            _ => None,
        }
    }

    /// The JSON that names a model.
    pub(crate) fn json(&self) -> Option<&[u8]> {
        match self {
            Self::Asking { body, .. } => Some(body),
            _ => None,
        }
    }

    /// The same, shared.
    pub(crate) fn body(&self) -> Option<Bytes> {
        match self {
            Self::Asking { body, .. } => Some(body.clone()),
            _ => None,
        }
    }

    /// The file that JSON is about.
    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Self::About { file, .. } => file.as_deref(),
            _ => None,
        }
    }

    /// Bytes, as far as the client has said how many.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Asking { body, .. } | Self::About { body, .. } => body.len() as u64,
            Self::Form { form, .. } => form.length(),
        }
    }

    /// The payload for a provider that knows the model by `name`, asked for the token counts of a stream or not, and what it
    /// lacks. `fitting`: it is a conversation in this format, whose model departs from it so.
    ///
    /// # Errors
    /// A form that can't be changed as it would have to be.
    pub(crate) fn upstream(
        &mut self,
        name: Option<&str>,
        asks_for_usage: bool,
        fitting: Option<(Format, &Deviations)>,
    ) -> Result<(Upstream, Vec<Loss>), Failure> {
        let mut upstream = self.passed_on(name, asks_for_usage)?;
        let (Some((format, deviations)), UpstreamBody::Whole(body)) = (fitting, &mut upstream.body) else {
            return Ok((upstream, Vec::new()));
        };
        let mut changes = foreign::changes(format, body);
        if !changes.is_empty() {
            *body = splice(body, &mut changes).into();
        }
        let (fitted, dropped) = deviations.fit(body);
        let losses = dropped.into_iter().map(|field| Loss::Owned(field.to_owned())).collect();
        if let Some(fitted) = fitted {
            *body = fitted.into();
        }
        Ok((upstream, losses))
    }

    fn passed_on(&mut self, name: Option<&str>, asks_for_usage: bool) -> Result<Upstream, Failure> {
        match self {
            Self::Nothing => {
                Ok(Upstream { body: UpstreamBody::Whole(Bytes::new()), content_type: None, refusal: None })
            }
            Self::About { body, .. } => Ok(Upstream::json(body.clone())),
            Self::Asking { body, request, output } => {
                let name = name.filter(|name| *name != request.model);
                let rename = name.map(|name| request.rename(name));
                let repeats = name.into_iter().flat_map(|name| request.rename_resources(name));
                let usage_splice = request.usage_splice.clone().filter(|_| asks_for_usage);
                let mut changes: Vec<Splice> =
                    rename.into_iter().chain(repeats).chain(usage_splice).chain(output.clone()).collect();
                Ok(Upstream::json(if changes.is_empty() { body.clone() } else { splice(body, &mut changes).into() }))
            }
            Self::Form { form, content_type, .. } => {
                let (body, refusal) = form.body(name)?;
                Ok(Upstream { body, content_type: Some(content_type.clone()), refusal: Some(refusal) })
            }
        }
    }

    /// The payload for a provider of another dialect, and what it lacks.
    ///
    /// # Errors
    /// A [`Failure`] that names the field which can't be said there.
    pub(crate) fn translated(
        &self,
        pair: Pair,
        stream: bool,
        (target, deviations): (&Target<'_>, &Deviations),
    ) -> Result<(Upstream, Vec<Loss>), Failure> {
        let Self::Asking { body, output, .. } = self else {
            return Err(untranslatable());
        };
        let mut changes: Vec<Splice> = output.iter().cloned().collect();
        let bounded = if changes.is_empty() { body.clone() } else { splice(body, &mut changes).into() };
        let Translated { body, losses } = translation::request(&bounded, pair, stream, (target, deviations))?;
        Ok((Upstream::json(body), losses))
    }

    /// Output tokens that the request lets all answers together have; `None`: it does not say.
    pub(crate) fn output_tokens_max(&self) -> Option<u64> {
        let request = self.request()?;
        Some(request.output_tokens?.saturating_mul(request.billed_choices))
    }

    /// Asks for no longer an answer than this, per choice, where the request does not say.
    pub(crate) fn ask_for_output(&mut self, dialect: Dialect, tokens: u64) {
        if let Self::Asking { body, output, .. } = self {
            *output = dialect.bound_output(body, tokens);
        }
    }

    /// It can be sent once, while it arrives.
    pub(crate) fn is_once(&self) -> bool {
        matches!(self, Self::Form { form, .. } if form.is_once())
    }

    /// Part of it went up to a provider, and the client will not send it again.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Form { form, .. } if form.is_gone())
    }

    /// Takes back a body of which nothing was sent.
    pub(crate) fn restore(&mut self, unsent: Option<UpstreamBody>) {
        if let (Self::Form { form, .. }, Some(unsent)) = (self, unsent) {
            form.restore(unsent);
        }
    }
}

/// Of what is no JSON that names a model.
pub(crate) fn untranslatable() -> Failure {
    Failure::invalid_request("only JSON that names a model can be translated", None)
}

impl Upstream {
    fn json(body: Bytes) -> Self {
        Self { body: UpstreamBody::Whole(body), content_type: Some(JSON), refusal: None }
    }
}
