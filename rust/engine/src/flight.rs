//! A Flight: the upstream half of an exchange, one call to one deployment and its answer.
//!
//! A lone client drives it inline: polling the flight polls the provider's connection. Dropping it before the answer
//! is whole closes an HTTP/1.1 connection and resets an HTTP/2 stream, which is how a leaving client stops the
//! provider.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::tables::{Deployment, Timeouts};
use http::response;
use tokio::time::Instant;

use crate::joined::Joined;
use crate::lazy_timer::LazyTimer;
use crate::resilience::Call;
use crate::snapshot::Target;
use crate::upload::UpstreamBody;
use crate::upstream::{Answer, AnswerBody, Connection, Origin, RequestHead, connect};
use crate::worker::Worker;

/// What a flight needs to take off.
pub(crate) struct Plan<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) target: &'a Target,
    pub(crate) head: RequestHead<'a>,
    /// Now.
    pub(crate) started: Instant,
    /// When its first content (or the whole of a JSON answer) must be there.
    pub(crate) first_content_by: Instant,
    /// What is learned of the deployment goes here.
    pub(crate) call: Call,
    pub(crate) idle_connections: usize,
    /// Larger answers break off.
    pub(crate) answer_limit_bytes: u64,
}

/// An answer under way.
pub(crate) struct Flight {
    worker: Rc<Worker>,
    origin: Arc<Origin>,
    connection: Option<Connection>,
    /// Status and headers.
    pub(crate) head: response::Parts,
    body: AnswerBody,
    patience: Patience,
    deployment: String,
    idle_connections: usize,
    /// How much of the answer may still come.
    allowance_bytes: u64,
    /// What becomes of this call, for the deployment's health.
    pub(crate) call: Call,
    /// A kept connection died under the request, which may have gone up twice.
    pub(crate) is_replaced: bool,
}

impl std::fmt::Debug for Flight {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Flight").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

impl Flight {
    /// Sends the request and waits for the head of the answer. A failure gives the call back, and the body where nothing
    /// of it was sent.
    ///
    /// A pooled connection that turns out dead before any byte of an answer is replaced once, silently, unless part of a
    /// body that can't be sent again went up.
    ///
    /// # Errors
    /// [`Cause::ProviderUnreachable`], [`Cause::ProviderFailed`] or [`Cause::ProviderTimeout`].
    pub(crate) async fn launch(worker: &Rc<Worker>, plan: Plan<'_>, body: UpstreamBody) -> Result<Self, Grounded> {
        let started = plan.started;
        let patience = Patience::new(started, plan.deployment.timeouts, plan.first_content_by);
        let (mut unsent, mut sending) = (Some(body), Sending::default());
        let called = call(worker, &plan, &mut unsent, &mut sending);
        let called = tokio::time::timeout_at(patience.deadline(), called).await;
        let called = called.unwrap_or_else(|_| {
            let what = format!("sent no answer within {} ms", started.elapsed().as_millis());
            Err(timed_out(&plan.deployment.id, &what))
        });
        let Sending { is_replaced, is_begun: is_sent } = sending;
        let (connection, answer) = match called {
            Ok(called) => called,
            Err(failure) => return Err(Grounded { failure, call: plan.call, unsent, is_sent, is_replaced }),
        };
        let Answer { head, body } = answer;
        if is_coded(&head) {
            let message = format!("{}: the provider compressed its answer, which nobody asked for", plan.deployment.id);
            let failure = Failure::new(Cause::ProviderFailed, message);
            return Err(Grounded { failure, call: plan.call, unsent: None, is_sent, is_replaced });
        }
        Ok(Self {
            worker: Rc::clone(worker),
            origin: Arc::clone(&plan.target.origin),
            connection: Some(connection),
            head,
            body,
            patience,
            deployment: plan.deployment.id.clone(),
            idle_connections: plan.idle_connections,
            allowance_bytes: plan.answer_limit_bytes,
            call: plan.call,
            is_replaced,
        })
    }

    /// The next piece of the body; `None` at its proper end.
    pub(crate) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
        match connection.poll_body(&mut self.body, context) {
            Poll::Ready(Some(Ok(data))) => {
                let Some(rest) = self.allowance_bytes.checked_sub(data.len() as u64) else {
                    self.connection = None;
                    let message = format!("{}: the provider's answer is larger than what is accepted", self.deployment);
                    return Poll::Ready(Some(Err(Failure::new(Cause::ProviderFailed, message))));
                };
                self.allowance_bytes = rest;
                self.patience.note_progress();
                Poll::Ready(Some(Ok(data)))
            }
            Poll::Ready(Some(Err(_))) => {
                self.connection = None;
                let message = format!("{}: the connection broke off in the middle of the answer", self.deployment);
                Poll::Ready(Some(Err(Failure::new(Cause::ProviderFailed, message))))
            }
            Poll::Ready(None) => {
                self.land();
                Poll::Ready(None)
            }
            Poll::Pending => match self.patience.poll_over(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(what) => {
                    self.connection = None;
                    Poll::Ready(Some(Err(timed_out(&self.deployment, &what))))
                }
            },
        }
    }

    /// Its head goes out before its first content: the client's budget is met, the deployment's own time-out holds.
    pub(crate) fn commit(&mut self) {
        let patience = &mut self.patience;
        patience.first_content_by = patience.started + Duration::from_millis(patience.timeouts.first_content_ms);
    }

    /// From here on a silence is a gap between chunks, no longer the wait for the first content.
    pub(crate) fn note_content(&mut self) {
        if !self.patience.content_seen {
            self.patience.content_seen = true;
            self.call.note_first_content(self.patience.last_progress);
        }
    }

    /// Reads up to `limit_bytes` of the body. The flag tells whether that was all of it.
    pub(crate) async fn read(&mut self, limit_bytes: usize) -> Result<(Bytes, bool), Failure> {
        let mut joined = Joined::default();
        while let Some(chunk) = std::future::poll_fn(|context| self.poll_chunk(context)).await {
            joined.push(chunk?);
            if joined.len() > limit_bytes {
                return Ok((joined.take().unwrap_or_default(), false));
            }
        }
        Ok((joined.take().unwrap_or_default(), true))
    }

    /// The body has ended properly: the connection may serve another exchange.
    fn land(&mut self) {
        if let Some(connection @ Connection::Http1(_)) = self.connection.take() {
            let now = self.patience.last_progress.into_std();
            self.worker.pool.borrow_mut().keep(&self.origin, connection, self.idle_connections, now);
        }
    }
}

/// Whether a body is in a coding that the client would have to undo, and did not say that it can.
fn is_coded(head: &response::Parts) -> bool {
    let codings = head.headers.get_all(http::header::CONTENT_ENCODING);
    codings.iter().any(|coding| !coding.is_empty() && !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// A flight that got no answer.
pub(crate) struct Grounded {
    pub(crate) failure: Failure,
    pub(crate) call: Call,
    /// The body, where nothing of it was sent.
    pub(crate) unsent: Option<UpstreamBody>,
    /// The request, or part of it, may have reached the provider.
    pub(crate) is_sent: bool,
    /// As [`Flight::is_replaced`].
    pub(crate) is_replaced: bool,
}

/// How far a request got.
#[derive(Clone, Copy, Default)]
struct Sending {
    is_begun: bool,
    is_replaced: bool,
}

async fn call(
    worker: &Rc<Worker>,
    plan: &Plan<'_>,
    body: &mut Option<UpstreamBody>,
    sending: &mut Sending,
) -> Result<(Connection, Answer), Failure> {
    let origin = &plan.target.origin;
    let mut pooled = worker.pool.borrow_mut().take(origin, plan.started.into_std());
    loop {
        let is_pooled = pooled.is_some();
        let mut connection = match pooled.take() {
            Some(connection) => connection,
            // Boxed: the rare state of a TLS handshake would be moved with every exchange, pooled or not.
            None => Box::pin(fresh_connection(plan)).await?,
        };
        if let (false, Some(shared)) = (is_pooled, connection.share()) {
            let now = std::time::Instant::now();
            worker.pool.borrow_mut().keep(origin, shared, plan.idle_connections, now);
        }
        let Some(now) = body.take() else { return Err(failed(plan, "its connection closed during the upload")) };
        *body = now.again();
        sending.is_begun = true;
        match connection.send(&plan.head, now).await {
            Ok(answer) => return Ok((connection, answer)),
            Err(error) if is_pooled && error.is_connection_closed => {
                sending.is_replaced |= error.unsent.is_none();
                sending.is_begun = sending.is_replaced;
                *body = error.unsent.or_else(|| body.take());
            }
            Err(error) => return Err(failed(plan, &error.reason)),
        }
    }
}

async fn fresh_connection(plan: &Plan<'_>) -> Result<Connection, Failure> {
    let connect_for = Duration::from_millis(plan.deployment.timeouts.connect_ms);
    tokio::time::timeout(connect_for, connect(&plan.target.origin))
        .await
        .map_err(|_| {
            let what = format!("could not be connected to within {} ms", connect_for.as_millis());
            timed_out(&plan.deployment.id, &what)
        })?
        .map_err(|reason| {
            let message = format!("{}: the provider can't be reached: {reason}", plan.deployment.id);
            Failure::new(Cause::ProviderUnreachable, message)
        })
}

fn failed(plan: &Plan<'_>, reason: &str) -> Failure {
    Failure::new(
        Cause::ProviderFailed,
        format!("{}: the provider failed before its answer: {reason}", plan.deployment.id),
    )
}

fn timed_out(deployment: &str, what: &str) -> Failure {
    Failure::new(Cause::ProviderTimeout, format!("{deployment}: the provider {what}"))
}

/// How long a flight may stay silent. Only the first content can bring the deadline nearer.
struct Patience {
    started: Instant,
    timeouts: Timeouts,
    first_content_by: Instant,
    last_progress: Instant,
    content_seen: bool,
    timer: LazyTimer,
}

impl Patience {
    fn new(started: Instant, timeouts: Timeouts, first_content_by: Instant) -> Self {
        Self {
            started,
            timeouts,
            first_content_by,
            last_progress: started,
            content_seen: false,
            timer: LazyTimer::default(),
        }
    }

    fn note_progress(&mut self) {
        self.last_progress = Instant::now();
    }

    fn deadline(&self) -> Instant {
        let total = self.started + Duration::from_millis(self.timeouts.total_ms);
        let silence = if self.content_seen {
            self.last_progress + Duration::from_millis(self.timeouts.gap_ms)
        } else {
            self.first_content_by
        };
        total.min(silence)
    }

    /// Ready with what the provider failed to do once the wait is too long.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<String> {
        let now = ready!(self.timer.poll_until(self.deadline(), context));
        Poll::Ready(self.describe(now))
    }

    fn describe(&self, now: Instant) -> String {
        let so_far = (now - self.started).as_millis();
        if so_far >= u128::from(self.timeouts.total_ms) {
            format!("had not finished its answer after {so_far} ms")
        } else if self.content_seen {
            format!("sent nothing for {} ms", (now - self.last_progress).as_millis())
        } else {
            format!("sent no content within {so_far} ms")
        }
    }
}
