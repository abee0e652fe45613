//! A connection to a provider, driven by the task that uses it.
//!
//! An HTTP/1.1 connection is polled inline by its exchange: no task of its own, no wake-up between tasks. Whatever
//! resolves as a consequence of driving the connection is polled with a no-op waker, since the drive itself was woken
//! by the socket. HTTP/2 connections are shared, so they have a task.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::counts::OpenConnection;
use crate::local::LocalExecutor;
use crate::upload::UpstreamBody;

/// Largest head of an answer.
const HEAD_LIMIT_BYTES: u32 = 64 * 1024;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

type Transport = TokioIo<Box<dyn Stream>>;

/// A connection in one of its protocols.
pub(crate) enum Connection {
    /// Exclusive to one exchange at a time.
    Http1(Box<Http1>),
    /// Shared by many.
    Http2(http2::SendRequest<UpstreamBody>),
}

pub(crate) struct Http1 {
    sender: http1::SendRequest<UpstreamBody>,
    driver: http1::Connection<Transport, UpstreamBody>,
    is_closed: bool,
    _open: OpenConnection,
}

/// Why a request got no answer.
pub(crate) struct SendError {
    /// For people.
    pub(crate) reason: String,
    /// The connection closed without a byte of an answer.
    pub(crate) is_connection_closed: bool,
    /// The request, if nothing of it was sent.
    pub(crate) unsent: Option<Request<UpstreamBody>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Http1(_) => "Http1",
            Self::Http2(_) => "Http2",
        })
    }
}

impl Connection {
    pub(crate) async fn http1(stream: Box<dyn Stream>, open: OpenConnection) -> Result<Self, String> {
        let handshake =
            http1::Builder::new().max_header_size(HEAD_LIMIT_BYTES as usize).handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|error| error.to_string())?;
        Ok(Self::Http1(Box::new(Http1 { sender, driver, is_closed: false, _open: open })))
    }

    pub(crate) async fn http2(stream: Box<dyn Stream>, open: OpenConnection) -> Result<Self, String> {
        let mut builder = http2::Builder::new(LocalExecutor);
        builder.timer(TokioTimer::new()).adaptive_window(true).max_header_list_size(HEAD_LIMIT_BYTES);
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
    pub(crate) async fn send(&mut self, mut request: Request<UpstreamBody>) -> Result<Response<Incoming>, SendError> {
        match self {
            Self::Http1(http1) => http1.send(request).await,
            Self::Http2(sender) => {
                *request.version_mut() = Version::HTTP_2;
                request.headers_mut().remove(http::header::HOST);
                Box::pin(sender.try_send_request(request)).await.map_err(SendError::new)
            }
        }
    }

    /// The next frame of an answer's body.
    pub(crate) fn poll_body(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            let frame = match self {
                Self::Http1(http1) => http1.poll_frame(body, context),
                Self::Http2(_) => Pin::new(&mut *body).poll_frame(context),
            };
            let data = match frame {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => frame.into_data(),
            };
            match data {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(data))),
                // Trailers carry nothing a client of these APIs reads.
                Err(_) => {}
            }
        }
    }

    /// Whether another request may be sent now. Notices a peer that has closed meanwhile.
    pub(crate) fn is_usable(&mut self) -> bool {
        match self {
            Self::Http1(http1) => {
                http1.drive(&mut Context::from_waker(Waker::noop()));
                !http1.is_closed && http1.sender.is_ready()
            }
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

impl Http1 {
    fn drive(&mut self, context: &mut Context<'_>) {
        if !self.is_closed && Pin::new(&mut self.driver).poll(context).is_ready() {
            self.is_closed = true;
        }
    }

    async fn send(&mut self, request: Request<UpstreamBody>) -> Result<Response<Incoming>, SendError> {
        let mut answer = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|context| {
            self.drive(context);
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
        .map_err(SendError::new)
    }

    fn poll_frame(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, hyper::Error>>> {
        let mut idle = Context::from_waker(Waker::noop());
        let frame = Pin::new(&mut *body).poll_frame(&mut idle);
        if frame.is_ready() {
            return frame;
        }
        self.drive(context);
        Pin::new(body).poll_frame(&mut idle)
    }
}

impl SendError {
    fn new(mut error: TrySendError<Request<UpstreamBody>>) -> Self {
        let unsent = error.take_message();
        let cause = error.error();
        let is_connection_closed = unsent.is_some()
            || cause.is_incomplete_message()
            || cause.is_canceled()
            || cause.is_closed()
            || is_reset(cause);
        Self { reason: cause.to_string(), is_connection_closed, unsent }
    }
}

/// A request that crosses the provider's closing on the wire is answered with a reset: which of the two is read first
/// is chance.
fn is_reset(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
}
