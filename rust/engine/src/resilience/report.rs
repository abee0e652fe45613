//! The health of everything in one JSON document, for the admin listener; never a secret.

use fastgate_core::resilience::REASONS;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::fleet::Report;
use crate::snapshot::Snapshot;

const MILLISECOND_NS: u64 = 1_000_000;

/// `{providers: [{id, dialect, base_url, credentials: [{index, state, paused_ms}], deployments: [{id, model, region,
/// state, …}]}]}`. Times are milliseconds, `null` where nothing is known.
pub(crate) fn report(snapshot: &Snapshot, now: Instant) -> Vec<u8> {
    let tables = &snapshot.tables;
    let providers: Vec<Value> = tables
        .providers
        .iter()
        .enumerate()
        .map(|(index, provider)| {
            let deployments = tables.deployments.iter().enumerate();
            let own = deployments.filter(|(_, deployment)| deployment.provider == index);
            let deployments: Vec<Value> = own
                .map(|(deployment, described)| {
                    let mut shown = health(&snapshot.fleet.report(deployment, now));
                    shown.insert("id".into(), described.id.as_str().into());
                    shown.insert("model".into(), described.model.as_deref().into());
                    shown.insert("region".into(), described.region.as_deref().into());
                    Value::Object(shown)
                })
                .collect();
            let credentials: Vec<Value> = snapshot
                .fleet
                .credential_pauses_ns(index, now)
                .into_iter()
                .enumerate()
                .map(|(index, pause_ns)| {
                    let state = if pause_ns == 0 { "in_use" } else { "paused" };
                    json!({"index": index, "state": state, "paused_ms": pause_ns / MILLISECOND_NS})
                })
                .collect();
            json!({
                "id": provider.id,
                "base_url": provider.base_url,
                "retries_left": snapshot.fleet.retries_left(index),
                "credentials": credentials,
                "deployments": deployments,
            })
        })
        .collect();
    json!({ "providers": providers }).to_string().into_bytes()
}

fn health(report: &Report) -> Map<String, Value> {
    let health = &report.health;
    let ms = |ns: Option<u64>| ns.map(|ns| ns / MILLISECOND_NS);
    let failures: Map<String, Value> = REASONS
        .iter()
        .zip(report.failures)
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.name().to_owned(), count.into()))
        .collect();
    let shown = json!({
        "state": report.state(),
        "success_permille": health.success_permille,
        "consecutive_failures": health.consecutive_failures,
        "available_in_ms": report.available_in_ns.div_ceil(MILLISECOND_NS),
        "first_content_p50_ms": ms(health.first_content_p50_ns),
        "first_content_ewma_ms": ms(health.first_content_ns),
        "output_token_us": health.output_token_ns.map(|ns| ns / 1000),
        "in_flight": health.in_flight,
        "concurrency_limit": health.concurrency_limit,
        "calls": report.calls,
        "failures": failures,
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}
