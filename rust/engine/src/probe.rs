//! Asking a provider that is left alone whether it is back, where the operator wants that: its models, which cost nothing.
//!
//! An answer only ends the time that the deployment is left alone for; whether it serves is for the next request to find
//! out.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use crate::snapshot::Snapshot;
use crate::upload::UpstreamBody;
use crate::upstream::{RequestHead, connect};
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
    let head = RequestHead {
        method: &Method::GET,
        address: &target.probe,
        credential: &target.heads[credential],
        accept: "application/json",
        content_type: None,
        fields: &[],
    };
    let answer = connection.send(&head, UpstreamBody::Whole(Bytes::new())).await;
    answer.is_ok_and(|answer| !answer.head.status.is_server_error() && answer.head.status.as_u16() != 429)
}
