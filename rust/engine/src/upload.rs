//! Request bodies on their way to a provider: at hand, or passed on while they arrive.
//!
//! A form is read up to its field `model`, at most 64 KB, and streams from there. What is still to come is counted
//! against the limit and looked through for a second `model`; either ends the upload, so the provider never sees a
//! whole request.

use std::cell::OnceCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use fastgate_core::failure::Failure;
use fastgate_core::multipart::{FormError, FormReader, Model};
use http_body::{Body, Frame, SizeHint};

use crate::arriving::Arriving;
use crate::body::{RequestBody, too_large};

/// Where the field `model` must lie.
const PREFIX_LIMIT_BYTES: usize = 64 * 1024;

/// The body of a request to a provider.
#[derive(Debug)]
pub(crate) enum UpstreamBody {
    /// At hand; can be sent again.
    Whole(Bytes),
    /// Can be sent once.
    Streamed(Box<Streamed>),
}

/// A body of which the first bytes are at hand.
#[derive(Debug)]
pub(crate) struct Streamed {
    first: Bytes,
    /// The same as the client sent them.
    original: Bytes,
    rest: Option<Arriving>,
    form: FormReader,
    /// The only name that a field `model` still to come may have.
    model: Option<String>,
    left_bytes: usize,
    limit_bytes: usize,
    refusal: Refusal,
}

/// Why an upload was ended, for whoever sees the attempt fail.
pub(crate) type Refusal = Rc<OnceCell<Failure>>;

/// A form whose first bytes were read.
#[derive(Debug)]
pub(crate) struct Form {
    first: Bytes,
    rest: Option<Arriving>,
    /// `None` once the form is on its way and can't be sent again.
    reader: Option<FormReader>,
    limit_bytes: usize,
}

impl Form {
    /// Reads a form up to its field `model`, or 64 KB of it.
    ///
    /// # Errors
    /// [`Cause::BodyTooLarge`] beyond `limit_bytes`, before reading where the length is known;
    /// [`Cause::RequestTimeout`] when it comes too slowly; [`Cause::InvalidRequest`] when the transfer breaks or the form
    /// can't be read.
    pub(crate) async fn begin(body: RequestBody, boundary: &str, limit_bytes: usize) -> Result<Self, Failure> {
        let mut reader = FormReader::new(boundary);
        let mut arriving = match body {
            RequestBody::Whole(first) if first.len() > limit_bytes => return Err(too_large(limit_bytes)),
            RequestBody::Whole(first) => {
                reader.push(&first).map_err(refused)?;
                return Ok(Self { first, rest: None, reader: Some(reader), limit_bytes });
            }
            RequestBody::TooLarge => return Err(too_large(limit_bytes)),
            RequestBody::Arriving(arriving) => arriving,
        };
        if arriving.size_hint().lower() > limit_bytes as u64 {
            return Err(too_large(limit_bytes));
        }
        let mut first = BytesMut::new();
        while reader.model().is_none() && first.len() < PREFIX_LIMIT_BYTES {
            let Some(data) = std::future::poll_fn(|context| arriving.poll_data(context)).await else {
                return Ok(Self { first: first.freeze(), rest: None, reader: Some(reader), limit_bytes });
            };
            let data = data?;
            if first.len() + data.len() > limit_bytes {
                return Err(too_large(limit_bytes));
            }
            reader.push(&data).map_err(refused)?;
            first.extend_from_slice(&data);
        }
        Ok(Self { first: first.freeze(), rest: Some(arriving), reader: Some(reader), limit_bytes })
    }

    /// Bytes, as far as the client has said how many.
    pub(crate) fn length(&self) -> u64 {
        self.first.len() as u64 + self.rest.as_ref().map_or(0, |rest| rest.size_hint().lower())
    }

    /// The field `model`, where it lies within the first 64 KB.
    pub(crate) fn model(&self) -> Option<&Model> {
        self.any_model().filter(|model| model.span.end <= PREFIX_LIMIT_BYTES as u64)
    }

    fn any_model(&self) -> Option<&Model> {
        self.reader.as_ref().and_then(FormReader::model)
    }

    /// It is still arriving, so it can be sent once.
    pub(crate) fn is_once(&self) -> bool {
        self.rest.is_some()
    }

    /// It is on its way to a provider, and can't be sent again.
    pub(crate) fn is_gone(&self) -> bool {
        self.reader.is_none()
    }

    /// The body for a provider that knows the model by `name`; `None` leaves the form as it is. A form that is still
    /// arriving is gone then.
    ///
    /// # Errors
    /// [`Cause::InvalidRequest`] if the form names another model where it can't be replaced.
    pub(crate) fn body(&mut self, name: Option<&str>) -> Result<(UpstreamBody, Refusal), Failure> {
        let mut first = self.first.clone();
        if let (Some(name), Some(model)) = (name, self.any_model())
            && model.name != name
        {
            let early = self.model().ok_or_else(other_name)?;
            let end = usize::try_from(early.span.end).unwrap_or(PREFIX_LIMIT_BYTES);
            let mut spliced = BytesMut::with_capacity(first.len() + name.len());
            spliced.extend_from_slice(&first[..end - model.name.len()]);
            spliced.extend_from_slice(name.as_bytes());
            spliced.extend_from_slice(&first[end..]);
            first = spliced.freeze();
        }
        let refusal = Refusal::default();
        let Some(rest) = self.rest.take() else { return Ok((UpstreamBody::Whole(first), refusal)) };
        // Only a form that is gone already has no reader, and such a one is not asked for a body.
        let Some(form) = self.reader.take() else { return Ok((UpstreamBody::Whole(first), refusal)) };
        let left_bytes = self.limit_bytes.saturating_sub(first.len());
        let streamed = Streamed {
            first,
            original: self.first.clone(),
            rest: Some(rest),
            form,
            model: name.map(str::to_owned),
            left_bytes,
            limit_bytes: self.limit_bytes,
            refusal: Rc::clone(&refusal),
        };
        Ok((UpstreamBody::Streamed(Box::new(streamed)), refusal))
    }

    /// Takes back a body of which nothing was sent.
    pub(crate) fn restore(&mut self, unsent: UpstreamBody) {
        if let UpstreamBody::Streamed(streamed) = unsent {
            let Streamed { original, rest, form, .. } = *streamed;
            (self.first, self.rest, self.reader) = (original, rest, Some(form));
        }
    }
}

impl UpstreamBody {
    /// The same once more, if that is possible.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Streamed(_) => None,
        }
    }
}

impl Streamed {
    /// Looks through what arrived.
    fn pass(&mut self, data: Bytes) -> Result<Bytes, Failure> {
        self.left_bytes = self.left_bytes.checked_sub(data.len()).ok_or_else(|| too_large(self.limit_bytes))?;
        let was_known = self.form.model().is_some();
        self.form.push(&data).map_err(refused)?;
        match (self.form.model(), &self.model) {
            (Some(late), Some(name)) if !was_known && late.name != *name => Err(other_name()),
            _ => Ok(data),
        }
    }

    fn refuse(&mut self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, UploadEnded>>> {
        self.rest = None;
        let _ = self.refusal.set(failure);
        Poll::Ready(Some(Err(UploadEnded)))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UploadEnded;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadEnded>>> {
        let streamed = match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Self::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(streamed) => streamed,
        };
        if !streamed.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut streamed.first)))));
        }
        let Some(rest) = &mut streamed.rest else { return Poll::Ready(None) };
        let passed = match rest.poll_data(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(data)) => data.and_then(|data| streamed.pass(data)),
        };
        match passed {
            Ok(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Err(failure) => streamed.refuse(failure),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(streamed) => {
                streamed.first.is_empty() && streamed.rest.as_ref().is_none_or(Arriving::is_end)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(streamed) => {
                let first = streamed.first.len() as u64;
                let rest = streamed.rest.as_ref().map(Arriving::size_hint).unwrap_or_default();
                rest.exact().map_or_else(SizeHint::default, |rest| SizeHint::with_exact(first + rest))
            }
        }
    }
}

/// The upload was ended by the client or the gateway; its [`Refusal`] says why.
#[derive(Debug)]
pub(crate) struct UploadEnded;

impl std::fmt::Display for UploadEnded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the request body ended early")
    }
}

impl std::error::Error for UploadEnded {}

fn other_name() -> Failure {
    let message = "the form's field model comes behind its first 64 KB and is not the name that the provider knows";
    Failure::invalid_request(message, Some("model"))
}

fn refused(error: FormError) -> Failure {
    Failure::invalid_request(format!("could not read the request body: {error}"), None)
}
