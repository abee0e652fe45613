//! The admin listener: liveness, readiness and metrics from here, everything else from the control plane.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::json_object::JsonObject;
use fastgate_core::tables::ClientTimes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::admin_bridge::AdminBridge;
use super::held::Held;
use super::watch::{Watch, Watched};
use crate::arriving::Arriving;
use crate::body::{RequestBody, ResponseBody};
use crate::entry;
use crate::gateway::Shared;
use crate::telemetry::exposition::{Format, expose};
use crate::worker::Worker;

/// Connections open at once; further ones are closed unread.
const CONNECTIONS: usize = 256;
/// Largest head, and largest body.
const HEAD_BYTES: usize = 32 * 1024;
const BODY_BYTES: usize = 1_000_000;
/// How long it may take, once the listener is open, until there is a control plane to answer.
const ATTENDANCE_TIME: Duration = Duration::from_secs(1);
/// How long the control plane may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long clients may take. `exchange_ms` holds what all the others, and the control plane, may add up to.
const TIMES: ClientTimes = ClientTimes {
    head_ms: 10_000,
    body_gap_ms: 10_000,
    body_ms: 10_000,
    write_gap_ms: 30_000,
    keep_alive_ms: 75_000,
    exchange_ms: 120_000,
};

/// What the admin listener's connections share.
#[derive(Debug)]
pub(super) struct Admin {
    worker: Rc<Worker>,
    bridge: Arc<AdminBridge>,
    /// Held by every connection.
    open: Rc<()>,
}

impl Admin {
    pub(super) fn new(worker: Rc<Worker>, bridge: Arc<AdminBridge>) -> Rc<Self> {
        Rc::new(Self { worker, bridge, open: Rc::default() })
    }

    /// Serves a connection on a task of its own.
    pub(super) fn spawn(self: &Rc<Self>, stream: TcpStream) {
        let Ok(client) = stream.peer_addr() else { return };
        let count = Rc::clone(&self.open);
        if Rc::strong_count(&self.open) - 1 > CONNECTIONS {
            return;
        }
        let admin = Rc::clone(self);
        tokio::task::spawn_local(async move {
            admin.serve(stream, SocketAddr::new(client.ip().to_canonical(), client.port())).await;
            drop(count);
        });
    }

    async fn serve(&self, stream: TcpStream, client: SocketAddr) {
        let watch = Watch::new(TIMES, true);
        let service = service_fn(|request: Request<Incoming>| {
            let watch = &watch;
            async move { Ok::<_, Infallible>(self.answer(request, client, watch).await) }
        });
        // A broken admin connection concerns nobody but its client.
        let _ = http1::Builder::new()
            // `Watched` times heads too.
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES)
            .half_close(false)
            .serve_connection(TokioIo::new(Watched::new(stream, Rc::clone(&watch))), service)
            .await;
    }

    async fn answer(&self, request: Request<Incoming>, client: SocketAddr, watch: &Rc<Watch>) -> Response<Held> {
        let busy = watch.begin(!http_body::Body::is_end_stream(request.body()));
        let shared = &self.worker.shared;
        let mut response = match request.uri().path() {
            "/livez" => entry::health(true),
            "/readyz" => entry::health(!shared.is_draining()),
            // From elsewhere it takes a token, which is the control plane's to check.
            "/metrics" if client.ip().is_loopback() => metrics_response(shared, request.headers().get(header::ACCEPT)),
            _ => self.ask(request, client, watch).await.unwrap_or_else(|refusal| refusal),
        };
        // What is left of a request would have to be read before the next one.
        if watch.unread.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| Held::new(body, busy, None))
    }

    /// The control plane's answer, or why there is none.
    async fn ask(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        watch: &Rc<Watch>,
    ) -> Result<Response<ResponseBody>, Response<ResponseBody>> {
        let _seat = self.bridge.seat().map_err(|failure| refused(&failure))?;
        let (head, body) = request.into_parts();
        let body = RequestBody::Arriving(Arriving::new(body, TIMES, Arc::clone(&watch.unread)));
        let body = body.read(BODY_BYTES).await.map_err(|failure| refused(&failure))?;
        Ok(answered(&self.bridge, self.bridge.submit(head, body, client)).await)
    }
}

/// The control plane's answer, or an error if it has none in time.
async fn answered(bridge: &AdminBridge, mut answer: oneshot::Receiver<Response<Bytes>>) -> Response<ResponseBody> {
    let mut waited = if bridge.is_attended() { None } else { timeout(ATTENDANCE_TIME, &mut answer).await.ok() };
    if waited.is_none() {
        if !bridge.is_attended() {
            return refusal(StatusCode::NOT_FOUND, "not_found", "there is nothing here");
        }
        waited = timeout(ANSWER_TIME, answer).await.ok();
    }
    match waited {
        Some(Ok(answer)) => answer.map(ResponseBody::Whole),
        Some(Err(_)) => {
            let message = "the control plane failed at this request; the gateway's log says how";
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
        }
        None => {
            let message = format!("the control plane has not answered within {} s", ANSWER_TIME.as_secs());
            refusal(StatusCode::GATEWAY_TIMEOUT, "admin_timeout", &message)
        }
    }
}

/// Type and text of the metrics page, in the format that a scraper's `Accept` asks for.
pub fn metrics(shared: &Shared, accept: Option<&[u8]>) -> (&'static str, String) {
    let format = Format::accepted(accept);
    (format.content_type(), expose(shared, format))
}

fn metrics_response(shared: &Shared, accept: Option<&HeaderValue>) -> Response<ResponseBody> {
    let (kind, page) = metrics(shared, accept.map(HeaderValue::as_bytes));
    let mut response = Response::new(ResponseBody::Whole(page.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn refused(failure: &Failure) -> Response<ResponseBody> {
    let row = failure.cause.row();
    let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = refusal(status, row.code, &failure.message);
    if failure.cause == Cause::Overloaded {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// An error in the shape of the admin API's own.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response<ResponseBody> {
    let mut body = Vec::new();
    let mut object = JsonObject::begin(&mut body);
    object.object("error", |error| {
        error.text("message", message);
        error.text("code", code);
    });
    object.end();
    let mut response = Response::new(ResponseBody::Whole(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn text(response: Response<ResponseBody>) -> String {
        let ResponseBody::Whole(body) = response.into_body() else { panic!("a whole body") };
        String::from_utf8(body.to_vec()).expect("text")
    }

    fn attended() -> AdminBridge {
        let bridge = AdminBridge::default();
        assert!(bridge.take(Duration::ZERO).is_none());
        bridge
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_control_plane_comes_there_is_nothing() {
        let (reply, answer) = oneshot::channel();
        let started = Instant::now();
        let response = answered(&AdminBridge::default(), answer).await;
        assert_eq!((response.status(), started.elapsed()), (StatusCode::NOT_FOUND, ATTENDANCE_TIME));
        drop(reply);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_late_has_its_time() {
        let bridge = AdminBridge::default();
        let (reply, answer) = oneshot::channel();
        let late = async {
            assert!(bridge.take(Duration::ZERO).is_none());
            tokio::time::sleep(ANSWER_TIME).await;
            let _ = reply.send(Response::new(Bytes::from_static(b"late")));
        };
        let (response, ()) = tokio::join!(answered(&bridge, answer), late);
        assert_eq!((response.status(), text(response)), (StatusCode::OK, "late".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_control_plane_that_hangs_is_given_up() {
        let (reply, answer) = oneshot::channel();
        let started = Instant::now();
        let response = answered(&attended(), answer).await;
        assert_eq!((response.status(), started.elapsed()), (StatusCode::GATEWAY_TIMEOUT, ANSWER_TIME));
        assert!(text(response).contains(r#""code":"admin_timeout""#));
        drop(reply);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_is_an_error_at_once() {
        let (reply, answer) = oneshot::channel::<Response<Bytes>>();
        drop(reply);
        let started = Instant::now();
        let response = answered(&attended(), answer).await;
        assert_eq!((response.status(), started.elapsed()), (StatusCode::INTERNAL_SERVER_ERROR, Duration::ZERO));
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    }

    #[test]
    fn a_refusal_quotes_nothing_unescaped() {
        let response = refusal(StatusCode::BAD_REQUEST, "code", "a \"quote\"");
        assert_eq!(text(response), r#"{"error":{"message":"a \"quote\"","code":"code"}}"#);
    }
}
