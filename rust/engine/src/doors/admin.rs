//! The admin listener: liveness, readiness, metrics.

use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::body::ResponseBody;
use crate::entry;
use crate::gateway::Shared;
use crate::worker::Worker;

/// Serves one connection of the admin listener.
pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(&worker, request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    // A broken admin connection concerns nobody but its client.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

fn answer(worker: &Worker, path: &str) -> Response<ResponseBody> {
    match path {
        "/livez" => entry::health(true),
        "/readyz" => entry::health(!worker.shared.is_draining()),
        "/metrics" => {
            let mut response = Response::new(ResponseBody::Whole(metrics(&worker.shared).into()));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
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

/// Prometheus' text format, version 0.0.4.
fn metrics(shared: &Shared) -> String {
    let (started, settled) = shared.totals();
    let open = started.saturating_sub(settled.iter().map(|(_, _, count)| count).sum());
    let mut text = format!(
        "# HELP fastgate_exchanges_started_total Exchanges begun.\n\
         # TYPE fastgate_exchanges_started_total counter\n\
         fastgate_exchanges_started_total {started}\n\
         # HELP fastgate_exchanges_in_flight Exchanges begun and not yet settled.\n\
         # TYPE fastgate_exchanges_in_flight gauge\n\
         fastgate_exchanges_in_flight {open}\n\
         # HELP fastgate_exchanges_settled_total Exchanges settled, by outcome and whose fault it was.\n\
         # TYPE fastgate_exchanges_settled_total counter\n"
    );
    for (outcome, fault, count) in settled {
        // Writing to a string can't fail.
        let _ = writeln!(text, "fastgate_exchanges_settled_total{{outcome=\"{outcome}\",fault=\"{fault}\"}} {count}");
    }
    text.push_str(
        "# HELP fastgate_client_connections Open client connections, by core.\n\
         # TYPE fastgate_client_connections gauge\n",
    );
    for (core, connections) in shared.connections_by_core().into_iter().enumerate() {
        let _ = writeln!(text, "fastgate_client_connections{{core=\"{core}\"}} {connections}");
    }
    text
}
