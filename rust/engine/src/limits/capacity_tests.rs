use std::time::{Duration, SystemTime};

use fastgate_core::limits::capacity::Need;
use fastgate_core::limits::reported::{ProviderLimits, Remainder};
use fastgate_core::tables::Tables;
use fastgate_core::usage::Usage;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::limits::registry::CapacityRegistry;

/// Deployments `a`, `b`, … with these limits, at one provider with these credentials.
pub(in crate::limits) fn tables(limits: &[Value], credentials: &[(&str, Value)], queue_length: usize) -> Tables {
    let timeouts = json!({"connect_ms": 1, "first_content_ms": 1, "gap_ms": 1, "total_ms": 1});
    let deployments = limits.iter().zip('a'..).map(|(limits, id)| {
        json!({"id": id, "provider": 0, "model": id, "region": null, "timeouts": timeouts, "limits": capacity(limits)})
    });
    let credentials =
        credentials.iter().map(|(secret, limits)| json!({"secret": secret, "weight": 1, "limits": capacity(limits)}));
    crate::testing::tables(&json!({
        "providers": [{"id": "p", "dialect": "openai", "base_url": "http://p",
            "credentials": credentials.collect::<Vec<_>>(), "stream_usage": true, "headers": [], "proxy": null,
            "ca_file": null}],
        "deployments": deployments.collect::<Vec<_>>(),
        "tiers": [{"id": "free", "weight": 1}, {"id": "paid", "weight": 10}],
        "tenants": [{"id": "default", "tier": null, "region": null}, {"id": "acme", "tier": 1, "region": null}],
        "limiting": {"queue_length": queue_length},
    }))
}

fn capacity(members: &Value) -> Value {
    let weights = json!({"cache_read_permille": 1000, "output_permille": 1000, "reserves_max_tokens": false});
    let mut capacity = json!({"weights": weights});
    for (name, value) in members.as_object().expect("an object") {
        capacity[name] = value.clone();
    }
    capacity
}

pub(in crate::limits) struct Gateway {
    pub(in crate::limits) registry: CapacityRegistry,
}

/// So many credentials of the one provider, all of them well.
#[derive(Debug)]
struct Well(usize);

impl Credentials for Well {
    fn credential(&self, _deployment: usize, random: u64, _now: Instant) -> usize {
        usize::try_from(random).unwrap() % self.0.max(1)
    }

    fn credential_pauses_ns(&self, _provider: usize, _now: Instant) -> Vec<u64> {
        vec![0; self.0]
    }
}

impl Gateway {
    pub(in crate::limits) fn new() -> Self {
        Self { registry: CapacityRegistry::new(Instant::now(), SystemTime::UNIX_EPOCH) }
    }

    pub(in crate::limits) fn capacities(&self, tables: &Tables) -> Arc<Capacities> {
        self.registry.capacities(tables, Arc::new(Well(tables.providers[0].credentials.len())), Instant::now())
    }
}

fn need(input_tokens: u64) -> Need {
    Need { input_tokens, output_tokens: 0, max_output_tokens: None }
}

fn used(input_tokens: u64) -> Usage {
    Usage { input_tokens, ..Usage::default() }
}

#[tokio::test(start_paused = true)]
async fn a_call_settles_once_whichever_way_it_ends() {
    let gateway = Gateway::new();
    let capacities = gateway.capacities(&tables(&[json!({"tokens_per_minute": 100, "concurrent": 1})], &[], 10));
    let now = Instant::now();
    let take = |tokens| capacities.try_take_any(0, 0, &need(tokens), now);
    let taken = take(100).unwrap();
    assert_eq!((taken.deployment(), taken.credential()), (0, 0));
    assert_eq!(take(1).unwrap_err().free_at_ns, None, "one call at a time");
    taken.settle(Some(&used(30)), now);
    take(70).unwrap().give_back(now);
    drop(take(70).unwrap());
    let blocked = take(1).unwrap_err();
    assert_eq!(
        blocked.free_at_ns.map(|free_at_ns| capacities.clock.at(free_at_ns)),
        Some(now + Duration::from_millis(600))
    );
}

#[tokio::test(start_paused = true)]
async fn all_of_a_calls_meters_have_to_have_room_or_none_is_taken_from() {
    let gateway = Gateway::new();
    let limits = [json!({"requests_per_minute": 10}), json!({"requests_per_minute": 10})];
    let capacities = gateway.capacities(&tables(&limits, &[("key", json!({"concurrent": 1}))], 10));
    let now = Instant::now();
    let first = capacities.try_take_any(0, 0, &need(1), now).unwrap();
    // The credential is in use, whichever deployment asks.
    for _ in 0..20 {
        assert!(capacities.try_take_any(1, 0, &need(1), now).is_err());
    }
    first.settle(None, now);
    for _ in 0..10 {
        capacities.try_take_any(1, 0, &need(1), now).unwrap().settle(None, now);
    }
    assert!(capacities.try_take_any(1, 0, &need(1), now).is_err());
}

#[tokio::test(start_paused = true)]
async fn another_credential_is_used_where_the_drawn_one_has_no_room() {
    let gateway = Gateway::new();
    let one = json!({"concurrent": 1});
    let capacities = gateway.capacities(&tables(&[json!({})], &[("x", one.clone()), ("y", one)], 10));
    let now = Instant::now();
    let first = capacities.try_take_any(0, 0, &need(1), now).unwrap();
    let second = capacities.try_take_any(0, 0, &need(1), now).unwrap();
    assert_ne!(first.credential(), second.credential());
    assert!(capacities.try_take_any(0, 0, &need(1), now).is_err());
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_configured_nobody_waits_whatever_the_provider_says() {
    let gateway = Gateway::new();
    let capacities = gateway.capacities(&tables(&[json!({})], &[], 10));
    let now = Instant::now();
    let spent =
        Remainder { limit: Some(10), remaining: Some(0), reset_ns: Some(30_000_000_000), refills_evenly: false };
    let taken = capacities.try_take_any(0, 0, &need(1), now).unwrap();
    taken.note_headers(&ProviderLimits { requests: Some(spent), ..ProviderLimits::default() }, now);
    assert!(capacities.has_room(0, &need(1), now) && capacities.try_take_any(0, 0, &need(1), now).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_says_is_about_one_key_at_one_model() {
    let gateway = Gateway::new();
    let many = json!({"requests_per_minute": 1000});
    let capacities = gateway.capacities(&tables(&[many.clone(), many], &[("x", json!({})), ("y", json!({}))], 10));
    let now = Instant::now();
    let spent =
        Remainder { limit: Some(10), remaining: Some(0), reset_ns: Some(30_000_000_000), refills_evenly: false };
    let said = ProviderLimits { requests: Some(spent), ..ProviderLimits::default() };
    let taken = capacities.take(0, 0, &need(1), now).unwrap();
    taken.note_headers(&said, now);
    taken.settle(None, now);
    assert!(capacities.take(0, 0, &need(1), now).is_err());
    let other_key = capacities.take(0, 1, &need(1), now).unwrap();
    drop(capacities.try_take_any(1, 0, &need(1), now).unwrap());
    other_key.note_limited(5_000_000_000, now);
    let blocked = capacities.try_take_any(0, 0, &need(1), now).unwrap_err();
    assert_eq!(
        blocked.free_at_ns.map(|free_at_ns| capacities.clock.at(free_at_ns)),
        Some(now + Duration::from_secs(5)),
        "the earlier of both"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_forgets_nothing_that_was_used_and_everything_that_is_gone() {
    let gateway = Gateway::new();
    let now = Instant::now();
    let old = gateway.capacities(&tables(&[json!({"tokens_per_minute": 100})], &[], 10));
    let held = old.try_take_any(0, 0, &need(90), now).unwrap();
    let new =
        gateway.capacities(&tables(&[json!({"tokens_per_minute": 200, "concurrent": 1})], &[("k", json!({}))], 10));
    assert_eq!(new.try_take_any(0, 0, &need(1), now).unwrap_err().free_at_ns, None);
    held.settle(None, now);
    drop(new.try_take_any(0, 0, &need(110), now).unwrap());
    assert!(new.try_take_any(0, 0, &need(1), now).is_err());
    drop((old, new));
    gateway.capacities(&tables(&[], &[], 10));
    let again = gateway.capacities(&tables(&[json!({"tokens_per_minute": 100})], &[], 10));
    drop(again.try_take_any(0, 0, &need(100), now).unwrap());
}
