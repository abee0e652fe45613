//! The admin listener: liveness, readiness, metrics.

use std::convert::Infallible;
use std::rc::Rc;

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::body::ResponseBody;
use crate::entry;
use crate::telemetry::exposition::{Format, expose};
use crate::worker::Worker;

/// Serves one connection of the admin listener.
pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(&worker, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    // A broken admin connection concerns nobody but its client.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(worker: &Worker, request: &Request<Incoming>) -> Response<ResponseBody> {
    match request.uri().path() {
        "/livez" => entry::health(true),
        "/readyz" => entry::health(!worker.shared.is_draining()),
        "/metrics" => {
            let format = Format::accepted(request.headers().get(header::ACCEPT).map(HeaderValue::as_bytes));
            let mut response = Response::new(ResponseBody::Whole(expose(&worker.shared, format).into()));
            let kind = HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        _ => {
            let mut response = Response::new(ResponseBody::Whole("not found\n".into()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}
