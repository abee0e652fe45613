//! Asking a provider that is left alone whether it is back, where the operator wants that: its models, which cost nothing.
//!
//! An answer only ends the time that the deployment is left alone for; whether it serves is for the next request to find
//! out.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use tokio::time::Instant;

use crate::snapshot::Snapshot;
use crate::upload::UpstreamBody;
use crate::upstream::connect;
use crate::worker::Worker;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks for those that are due, each in a task of its own.
pub(crate) fn start_due(worker: &Rc<Worker>) {
    let snapshot = worker.snapshot();
    let Some(interval_ms) = snapshot.tables.resilience.probe_interval_ms else { return };
    let now = Instant::now();
    for deployment in snapshot.fleet.take_due_probes(Duration::from_millis(interval_ms), now) {
        let (snapshot, random) = (Arc::clone(&snapshot), worker.random());
        tokio::task::spawn_local(async move {
            if tokio::time::timeout(TIMEOUT, is_back(&snapshot, deployment, random)).await == Ok(true) {
                snapshot.fleet.end_open_time(deployment, Instant::now());
            }
        });
    }
}

/// Whether the provider answers, with anything but a failure of its own.
async fn is_back(snapshot: &Snapshot, deployment: usize, random: u64) -> bool {
    let target = snapshot.target(&snapshot.tables.deployments[deployment]);
    let credential = snapshot.fleet.credential(deployment, random, Instant::now());
    let Ok(mut connection) = connect(&target.origin).await else { return false };
    let mut request = Request::new(UpstreamBody::Whole(Bytes::new()));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = target.probe.on(&connection);
    *request.headers_mut() = target.heads[credential].headers.clone();
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let answer = connection.send(request).await;
    answer.is_ok_and(|answer| !answer.status().is_server_error() && answer.status().as_u16() != 429)
}
