//! A connection to a provider, in the protocol that it speaks.
//!
//! An HTTP/1.1 connection is polled inline by its exchange. HTTP/2 connections are shared, so hyper drives each in a task.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::counts::OpenConnection;
use super::http1::{HEAD_LIMIT_BYTES, Http1};
use super::request_head::RequestHead;
use crate::local::LocalExecutor;
use crate::upload::UpstreamBody;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection in one of its protocols.
pub(crate) enum Connection {
    /// Exclusive to one exchange at a time.
    Http1(Box<Http1>),
    /// Shared by many.
    Http2(http2::SendRequest<UpstreamBody>),
}

/// An answer whose body is still on its connection.
pub(crate) struct Answer {
    /// Status and headers.
    pub(crate) head: response::Parts,
    pub(crate) body: AnswerBody,
}

/// Where the body of an answer comes from.
pub(crate) enum AnswerBody {
    /// The connection itself.
    Http1,
    /// A stream of its own.
    Http2(Incoming),
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) struct SendError {
    /// For people.
    pub(crate) reason: String,
    /// The connection closed without a byte of an answer.
    pub(crate) is_connection_closed: bool,
    /// The body, if nothing of the request was sent.
    pub(crate) unsent: Option<UpstreamBody>,
}

/// An answer's body broke off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BrokenBody;

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Http1(_) => "Http1",
            Self::Http2(_) => "Http2",
        })
    }
}

impl Connection {
    pub(crate) fn http1(stream: Box<dyn Stream>, open: OpenConnection) -> Self {
        Self::Http1(Box::new(Http1::new(stream, open)))
    }

    /// # Errors
    /// For people: how the handshake failed.
    pub(crate) async fn http2(stream: Box<dyn Stream>, open: OpenConnection) -> Result<Self, String> {
        let mut builder = http2::Builder::new(LocalExecutor);
        #[expect(clippy::cast_possible_truncation, reason = "64 KB")]
        builder.timer(TokioTimer::new()).adaptive_window(true).max_header_list_size(HEAD_LIMIT_BYTES as u32);
        let (sender, driver) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error: hyper::Error| error.to_string())?;
        tokio::task::spawn_local(async move {
            // The exchanges on it see its failure themselves.
            let _ = driver.await;
            drop(open);
        });
        Ok(Self::Http2(sender))
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// Why there is none. The connection is of no more use then.
    pub(crate) async fn send(&mut self, head: &RequestHead<'_>, body: UpstreamBody) -> Result<Answer, SendError> {
        match self {
            Self::Http1(http1) => Ok(Answer { head: http1.send(head, body).await?, body: AnswerBody::Http1 }),
            Self::Http2(sender) => {
                let answer = Box::pin(sender.try_send_request(head.http2(body))).await.map_err(SendError::of_http2)?;
                let (head, body) = answer.into_parts();
                Ok(Answer { head, body: AnswerBody::Http2(body) })
            }
        }
    }

    /// The next piece of an answer's body; `None` at its proper end.
    pub(crate) fn poll_body(
        &mut self,
        body: &mut AnswerBody,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenBody>>> {
        match (self, body) {
            (Self::Http1(http1), AnswerBody::Http1) => http1.poll_body(context),
            (_, AnswerBody::Http2(incoming)) => poll_data(incoming, context),
            // An answer is read from the connection that it came on.
            (Self::Http2(_), AnswerBody::Http1) => Poll::Ready(Some(Err(BrokenBody))),
        }
    }

    /// Whether another request may be sent now. Notices a peer that has closed meanwhile.
    pub(crate) fn is_usable(&mut self) -> bool {
        match self {
            Self::Http1(http1) => http1.is_usable(),
            Self::Http2(sender) => sender.is_ready(),
        }
    }

    /// A second handle on a connection that several exchanges may use at once.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }
}

fn poll_data(incoming: &mut Incoming, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenBody>>> {
    loop {
        match ready!(Pin::new(&mut *incoming).poll_frame(context)).map(|frame| frame.map(http_body::Frame::into_data)) {
            None => return Poll::Ready(None),
            Some(Err(_)) => return Poll::Ready(Some(Err(BrokenBody))),
            Some(Ok(Ok(data))) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
            // Trailers carry nothing a client of these APIs reads.
            Some(Ok(_)) => {}
        }
    }
}

impl SendError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_connection_closed: false, unsent: None }
    }

    fn of_http2(mut error: TrySendError<Request<UpstreamBody>>) -> Self {
        let unsent = error.take_message().map(Request::into_body);
        let cause = error.error();
        let is_connection_closed =
            unsent.is_some() || cause.is_incomplete_message() || cause.is_canceled() || cause.is_closed();
        Self { reason: cause.to_string(), is_connection_closed, unsent }
    }
}
