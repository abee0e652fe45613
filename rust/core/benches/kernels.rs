//! What a request costs inside the core: `cargo bench -p fastgate-core`.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastgate_core::cache::key::{IGNORED_FIELDS, cache_key};
use fastgate_core::dialects::openai_chat::{StreamReader, read_request};
use fastgate_core::dialects::splice::{Splice, splice};
use fastgate_core::json::Object;
use fastgate_core::jwt::{KeySet, KeySets, VerifiedTokens};
use fastgate_core::keys::KeyRing;
use fastgate_core::limits::gcra::{Bucket, Rate};
use fastgate_core::limits::limiter::Limiter;
use fastgate_core::limits::{Meter, Now, Periods, RecentAskers, Rules, Who};
use fastgate_core::prices::{Catalogue, price, price_in};
use fastgate_core::prompt_hash::prompt_hash;
use fastgate_core::resilience::Reason;
use fastgate_core::resilience::attempts::{self, Attempts, Limits};
use fastgate_core::resilience::breaker::Breaker;
use fastgate_core::resilience::health::DeploymentHealth;
use fastgate_core::resilience::latency::Latency;
use fastgate_core::resilience::retry_budget::RetryBudget;
use fastgate_core::routing::{Asking, Conditions, Needs, Policy, draw, explain, route};
use fastgate_core::spool::{Step, frame, read};
use fastgate_core::sse::{Splitter, event_data};
use fastgate_core::tables::limits::Period;
use fastgate_core::tables::{BreakerSettings, JwtIssuer, Key, Tables};
use fastgate_core::telemetry::access_line::AccessLine;
use fastgate_core::telemetry::recorder::{Exchange, LabelSets, Metrics, Recorder};
use fastgate_core::telemetry::series::{Cost, TokenCount};
use fastgate_core::tokens::chat::Parts;
use fastgate_core::tokens::{Encoding, Vocabulary};
use fastgate_core::usage::Usage;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn body(prompt_bytes: usize) -> Vec<u8> {
    let prompt = "Weigh the harbour against the river. ".repeat(prompt_bytes / 37 + 1);
    format!(
        r#"{{"model":"chat","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{}"}}],"temperature":0.2,"stream":true}}"#,
        &prompt[..prompt_bytes]
    )
    .into_bytes()
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for (name, bytes) in [("1KB", 900), ("100KB", 100_000)] {
        let body = body(bytes);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("json/{name}"), |bencher| bencher.iter(|| Object::read(black_box(&body), 128)));
        group.bench_function(format!("read/{name}"), |bencher| bencher.iter(|| read_request(black_box(&body), 128)));
        group.bench_function(format!("splice/{name}"), |bencher| {
            bencher.iter(|| splice(black_box(&body), &mut [Splice::text(9..15, "gpt-4o-2024-08-06")]));
        });
        group.bench_function(format!("prompt_hash/{name}"), |bencher| bencher.iter(|| prompt_hash(black_box(&body))));
        group.bench_function(format!("cache_key/{name}"), |bencher| {
            bencher.iter(|| cache_key(black_box(&body), b"acme", None, &IGNORED_FIELDS, 128));
        });
    }
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    let event = br#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1754688908,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":" capital"},"logprobs":null,"finish_reason":null}],"usage":null}

"#;
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Bytes(event.len() as u64));
    let mut splitter = Splitter::default();
    group.bench_function("border", |bencher| bencher.iter(|| splitter.next_border(black_box(event))));
    let mut reader = StreamReader::new(1);
    group.bench_function("classify", |bencher| {
        bencher.iter(|| event_data(black_box(event)).map(|data| reader.read(&data)));
    });
    group.finish();
}

fn decisions(criterion: &mut Criterion) {
    let key = |index: u32| {
        let digest = Sha256::digest(format!("fg_key_number_{index}"));
        let digest = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Key { digest, tenant: 0, user: None, feature: None, models: None, deployments: None, expires_unix_s: None }
    };
    let ring = KeyRing::new((0..10_000).map(key).collect());
    criterion.bench_function("key/10000", |bencher| bencher.iter(|| ring.find(black_box(b"fg_key_number_77"), 0)));
    criterion.bench_function("draw/8", |bencher| bencher.iter(|| draw(black_box([3; 8]).into_iter(), 1 << 63)));
}

/// All is well, and drawing costs what it does in the engine.
struct Calm(Cell<u64>);

impl Conditions for Calm {
    fn is_available(&self, _: usize) -> bool {
        true
    }

    fn is_priced(&self, _: usize, _: &str) -> bool {
        true
    }

    fn price_pusd(&self, deployment: usize, _: &str, input_tokens: u64, _: u64) -> Option<i64> {
        i64::try_from((deployment as u64 * 7 % 11) * input_tokens).ok()
    }

    fn rates_pusd(&self, _: usize, _: &str, _: u64) -> Option<(i64, i64)> {
        None
    }

    fn latency_ns(&self, deployment: usize) -> Option<(u64, u64)> {
        Some((deployment as u64 * 7 % 11, 3))
    }

    fn in_flight(&self, deployment: usize) -> u32 {
        u32::try_from(deployment).unwrap_or_default() * 7 % 11
    }

    fn random(&self) -> u64 {
        let state = self.0.get().wrapping_add(0xa076_1d64_78bd_642f);
        self.0.set(state);
        let wide = u128::from(state) * u128::from(state ^ 0xe703_7ed1_a0b4_28db);
        #[expect(clippy::cast_possible_truncation, reason = "folding both halves is the algorithm")]
        let folded = (wide >> 64) as u64 ^ wide as u64;
        folded
    }
}

/// `rows` rows of which only the last matches; its chain has `steps` steps of `members` deployments.
#[expect(clippy::expect_used, reason = "a bench without its inputs is none")]
fn policy_tables(rows: usize, steps: usize, members: usize, pick: &str) -> Tables {
    let timeouts = json!({"connect_ms": 1, "first_content_ms": 1, "gap_ms": 1, "total_ms": 1});
    let mut tables: Value = serde_json::from_str(include_str!("../tests/tables.json")).expect("JSON");
    tables["providers"] = json!([{"id": "openai", "dialect": "openai", "base_url": "http://a", "credentials": [],
        "stream_usage": true, "headers": [], "proxy": null, "ca_file": null}]);
    tables["deployments"] = (0..steps * members)
        .map(|index| {
            json!({"id": format!("deployment-{index}"), "provider": 0, "model": "gpt-4o", "region": "eu",
                "capabilities": ["tools", "json_schema", "image_input"], "context_tokens": 128_000, "timeouts": timeouts})
        })
        .collect();
    tables["tiers"] = json!([{"id": "free", "weight": 1}, {"id": "paid", "weight": 10}]);
    tables["tenants"] =
        (0..100).map(|index| json!({"id": format!("tenant-{index}"), "tier": index % 2, "region": "eu"})).collect();
    let chain = |steps: usize, members: usize| -> Value {
        let member = |deployment: usize| json!({"deployment": deployment, "weight": 1 + deployment % 3});
        (0..steps)
            .map(|step| {
                let members: Vec<Value> = (step * members..(step + 1) * members).map(member).collect();
                json!({"group": "g", "pick": pick, "sticky_by": "session", "members": members})
            })
            .collect()
    };
    let when = |row: usize| match row % 5 {
        _ if row == rows - 1 => json!({}),
        0 => json!({"tenant": [1 + row % 99], "feature": ["search"]}),
        1 => json!({"user": [format!("user-{row}")], "region": ["eu"]}),
        2 => json!({"tier": [1], "capability": ["reasoning"], "context_over": 1000 * row}),
        3 => json!({"region": ["us"], "latency": ["batch"], "hours": 0xff}),
        _ => json!({"cost_class": ["premium"], "load_permille": 900}),
    };
    let rows: Vec<Value> = (0..rows)
        .map(|row| {
            let chain = if row == rows - 1 { chain(steps, members) } else { chain(1, 1) };
            json!({"when": when(row), "chain": chain})
        })
        .collect();
    tables["models"] = json!({"chat": {"budget_ms": 12_000, "listed": true, "rows": rows}});
    Tables::from_json(tables.to_string().as_bytes()).expect("valid")
}

#[expect(clippy::expect_used, reason = "a bench without its inputs is none")]
fn routes(criterion: &mut Criterion) {
    let request =
        br#"{"model":"chat","tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"max_tokens":500}"#;
    let needs = Needs::read(request, 128, |_| 812).expect("JSON");
    let asking = Asking {
        model: "chat",
        user: Some("user-1234"),
        feature: Some("chat"),
        session: Some("0d5a7f0c-51c1-4d8a-9d5f-0e3f5d6f2c11"),
        needs,
        hour: 11,
        load_permille: 120,
        ..Asking::default()
    };
    let mut group = criterion.benchmark_group("route");
    for (name, rows, steps, members, pick) in [
        ("1 row, 1 deployment", 1, 1, 1, "weighted"),
        ("1 row, 1 group of 3", 1, 1, 3, "weighted"),
        ("100 rows, 1 deployment", 100, 1, 1, "weighted"),
        ("100 rows, 10 groups of 5", 100, 10, 5, "weighted"),
        ("100 rows, 5 groups of 10", 100, 5, 10, "weighted"),
        ("100 rows, 1 group of 50", 100, 1, 50, "weighted"),
        ("100 rows, 5 groups of 10, fastest", 100, 5, 10, "fastest"),
        ("100 rows, 5 groups of 10, cheapest", 100, 5, 10, "cheapest"),
        ("100 rows, 5 groups of 10, least_busy", 100, 5, 10, "least_busy"),
        ("100 rows, 5 groups of 10, sticky", 100, 5, 10, "sticky"),
    ] {
        let tables = policy_tables(rows, steps, members, pick);
        let policy = Policy::prepare(&tables);
        let conditions = Calm(Cell::new(1));
        assert_eq!(route(&tables, &policy, &asking, &conditions).expect("a route").candidates.len(), steps * members);
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| route(&tables, &policy, black_box(&asking), &conditions).map(|chain| chain.candidates.len()));
        });
    }
    let tables = policy_tables(100, 5, 10, "weighted");
    let policy = Policy::prepare(&tables);
    group.bench_function("explain", |bencher| {
        bencher.iter(|| explain(&tables, &policy, black_box(&asking), &Calm(Cell::new(1))));
    });
    group.bench_function("prepare", |bencher| bencher.iter(|| Policy::prepare(black_box(&tables))));
    for (name, bytes) in [("1KB", 900), ("100KB", 100_000)] {
        let body = body(bytes);
        group.bench_function(format!("needs/{name}"), |bencher| {
            bencher.iter(|| Needs::read(black_box(&body), 128, |bytes| bytes / 4));
        });
    }
    group.finish();
}

#[expect(clippy::expect_used, reason = "a bench without its inputs is none")]
fn limits(criterion: &mut Criterion) {
    let rate = Rate::per_minute(60_000_000_000).expect("a rate");
    let mut now_ns = 0;
    let mut bucket = Bucket::new(rate);
    criterion.bench_function("bucket", |bencher| {
        bencher.iter(|| {
            now_ns += 7;
            let fits = bucket.check(black_box(5), now_ns).is_ok();
            if fits {
                bucket.charge(5, now_ns);
            }
            fits
        });
    });
    for held in [0, 1000] {
        let mut limiter = Limiter::new(rate, u64::MAX);
        for _ in 0..held {
            limiter.reserve(1, 0).expect("room");
        }
        // Each settles the reservation before it, as an exchange does among others that last.
        let mut before = limiter.reserve(5, 0).expect("room");
        let mut now_ns = 0;
        criterion.bench_function(&format!("reserve_settle/{held}"), |bencher| {
            bencher.iter(|| {
                now_ns += 7;
                let settled = limiter.settle(before, black_box(3), now_ns);
                before = limiter.reserve(black_box(5), now_ns).unwrap_or(before);
                settled
            });
        });
    }
}

/// 100 rules of which 8 apply: the four that everybody has, per user and per tenant, key or feature.
#[expect(clippy::expect_used, reason = "a bench without its inputs is none")]
fn limit_rules() -> Rules {
    let month = json!({"calendar": {"period": "month", "time_zone": "Europe/Berlin"}});
    let minute = json!({"rate": {"period_ms": 60_000, "burst": 1_000_000_000}});
    let hour = json!({"sliding": {"window_ms": 3_600_000}});
    let limit = |index: usize, per: &[&str], when: &Value, resource: &str, window: &Value| {
        let mut conditions =
            json!({"tenant": null, "tier": null, "key": null, "user": null, "feature": null, "model": null});
        for (name, values) in when.as_object().expect("an object") {
            conditions[name] = values.clone();
        }
        json!({"name": format!("limit {index}"), "per": per, "when": conditions, "resource": resource,
            "amount": 1_000_000_000_000_u64, "key_amounts": {}, "window": window, "is_hard": true,
            "warn_permille": null, "downgrade": null})
    };
    let applying = [
        limit(0, &["tenant", "user"], &json!({}), "tokens", &hour),
        limit(1, &["tenant"], &json!({}), "tokens", &json!({"calendar": {"period": "day", "time_zone": "UTC"}})),
        limit(2, &["tenant", "user"], &json!({}), "concurrent", &json!("none")),
        limit(3, &["tenant", "user"], &json!({}), "usd", &month),
        limit(4, &["key"], &json!({}), "requests", &minute),
        limit(5, &["tenant"], &json!({"tier": [0]}), "usd", &month),
        limit(6, &["tenant", "feature"], &json!({"feature": ["search"]}), "tokens", &minute),
        limit(7, &["tenant", "user"], &json!({}), "requests", &minute),
    ];
    let others = (8..100).map(|index| match index % 4 {
        0 => limit(index, &["key"], &json!({"key": [format!("{index:012x}")]}), "requests", &minute),
        1 => limit(index, &["tenant", "user"], &json!({"user": [format!("user-{index}")]}), "usd", &month),
        2 => limit(index, &["tenant"], &json!({"tenant": [1 + index % 99]}), "tokens", &hour),
        _ => limit(index, &["tenant", "session"], &json!({"model": ["chat"]}), "tokens", &hour),
    });
    let mut tables: Value = serde_json::from_str(include_str!("../tests/tables.json")).expect("JSON");
    tables["tiers"] = json!([{"id": "paid", "weight": 1}]);
    tables["tenants"] =
        (0..100).map(|index| json!({"id": format!("tenant-{index}"), "tier": 0, "region": null})).collect();
    tables["keys"] = json!([{"digest": "0123456789ab".repeat(6)[..64], "tenant": 0, "user": null, "feature": null,
        "models": null, "deployments": null, "expires_unix_s": null}]);
    tables["limits"] = applying.into_iter().chain(others).collect();
    Rules::prepare(&Tables::from_json(tables.to_string().as_bytes()).expect("valid")).expect("rules")
}

#[expect(clippy::expect_used, reason = "a bench without its inputs is none")]
fn meters(criterion: &mut Criterion) {
    let rules = limit_rules();
    let who = Who {
        tenant: 0,
        tier: Some(0),
        key: Some("0123456789ab"),
        user: Some("someone@example.com"),
        feature: Some("search"),
        session: None,
        model: Some("chat"),
    };
    let mut group = criterion.benchmark_group("limits");
    assert_eq!(rules.applied(&who).len(), 8);
    group.bench_function("applied/8 of 100", |bencher| bencher.iter(|| rules.applied(black_box(&who))));
    let mut recent = RecentAskers::default();
    group.bench_function("applied/8 of 100, asked before", |bencher| {
        bencher.iter(|| recent.applied(&rules, black_box(&who)));
    });
    let mut now = Now { steady_ns: 1_800_000_000_000_000_000, unix_s: 1_800_000_000 };
    let applied = rules.applied(&who);
    let mut meters: Vec<_> =
        applied.iter().map(|one| (*one, Meter::new(&rules.specs()[one.rule], one.allowance, now))).collect();
    let mut decide = |criterion: &mut Criterion, name: &str, range: std::ops::Range<usize>| {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                now.steady_ns += 1_000_000;
                let meters = &mut meters[range.clone()];
                let fits = meters.iter_mut().all(|(one, meter)| meter.check(5, one.allowance, now).is_ok());
                let held: [_; 8] = std::array::from_fn(|index| Some(meters.get_mut(index)?.1.hold(5, now)));
                for ((_, meter), id) in meters.iter_mut().zip(held) {
                    meter.settle(id.expect("held"), Some(black_box(3)), now);
                }
                fits
            });
        });
    };
    drop(group);
    decide(criterion, "limits/reserve and settle/8 meters", 0..8);
    decide(criterion, "limits/reserve and settle/sliding", 0..1);
    decide(criterion, "limits/reserve and settle/calendar", 1..2);
    decide(criterion, "limits/reserve and settle/concurrent", 2..3);
    decide(criterion, "limits/reserve and settle/rate", 4..5);
    let periods = Periods::prepare(Period::Month, "Europe/Berlin").expect("a time zone");
    criterion.bench_function("limits/period/same", |bencher| bencher.iter(|| periods.bounds(black_box(1_800_000_000))));
    let mut unix_s = 1_800_000_000;
    criterion.bench_function("limits/period/other", |bencher| {
        bencher.iter(|| {
            unix_s = (unix_s + 40 * 86_400) % 4_000_000_000;
            periods.bounds(unix_s)
        });
    });
    criterion.bench_function("limits/prepare/100 rules", |bencher| bencher.iter(limit_rules));
}

/// Candidates that are as healthy as most are.
struct Healthy([DeploymentHealth; 3]);

impl attempts::Conditions for Healthy {
    fn retries(&self, _: usize) -> u32 {
        2
    }
    fn is_available(&self, candidate: usize, now_ns: u64) -> bool {
        self.0[candidate].is_available(now_ns)
    }
    fn available_from_ns(&self, candidate: usize) -> u64 {
        self.0[candidate].available_from_ns()
    }
    fn first_content_p50_ns(&self, candidate: usize) -> Option<u64> {
        self.0[candidate].latency().first_content_p50_ns(NOW_NS)
    }
    fn first_content_limit_ns(&self, _: usize) -> u64 {
        30_000_000_000
    }
    fn can_cure(&self, _: usize, _: usize, _: Reason) -> bool {
        true
    }
    fn take_retry(&self, _: usize, _: u64) -> bool {
        true
    }
}

const NOW_NS: u64 = 1_000_000_000_000;

/// What every call costs while nothing fails.
fn resilience(criterion: &mut Criterion) {
    let settings = BreakerSettings {
        consecutive_failures: 5,
        success_permille: 500,
        minimum_calls: 20,
        open_ms: 2_000,
        open_max_ms: 20_000,
    };
    let mut now_ns = NOW_NS;
    let mut tick = || {
        now_ns += 1_000_000;
        (now_ns, 200_000_000 + now_ns % 7_777_777)
    };
    let mut breaker = Breaker::new(settings);
    criterion.bench_function("breaker/success", |bencher| {
        bencher.iter(|| {
            let (now_ns, _) = tick();
            let acquired = breaker.try_acquire(now_ns);
            breaker.record(black_box(true), now_ns, now_ns);
            acquired
        });
    });
    let mut latency = Latency::default();
    criterion.bench_function("latency/update", |bencher| {
        bencher.iter(|| {
            let (now_ns, first_content_ns) = tick();
            latency.update(black_box(first_content_ns), 190, 2_000_000_000, now_ns);
        });
    });
    let mut health = DeploymentHealth::new(settings, true);
    criterion.bench_function("health/success", |bencher| {
        bencher.iter(|| {
            let (now_ns, first_content_ns) = tick();
            let begun = health.begin(now_ns);
            health.succeed(now_ns + 2_000_000_000, black_box(first_content_ns), 190, 2_000_000_000);
            begun
        });
    });
    let budget = RetryBudget::new(100, 1);
    criterion.bench_function("retry_budget/deposit", |bencher| bencher.iter(|| budget.deposit()));
    let limits = Limits { backoff_ns: 250_000_000, backoff_max_ns: 2_000_000_000, wait_max_ns: 5_000_000_000 };
    let mut healthy = Healthy(std::array::from_fn(|_| DeploymentHealth::new(settings, true)));
    for health in &mut healthy.0 {
        health.begin(NOW_NS - 1_000_000_000);
        health.succeed(NOW_NS, 200_000_000, 190, 1_000_000_000);
    }
    for (name, candidates) in [("first", 1), ("first of 3", 3)] {
        criterion.bench_function(&format!("attempts/{name}"), |bencher| {
            bencher.iter(|| {
                let mut attempts = Attempts::new(black_box(candidates), Some(NOW_NS + 12_000_000_000), limits);
                attempts.next(&healthy, NOW_NS, 7)
            });
        });
    }
}

fn records(criterion: &mut Criterion) {
    let payload = body(500);
    let mut framed = Vec::new();
    let mut group = criterion.benchmark_group("spool");
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("frame/600B", |bencher| {
        bencher.iter(|| {
            framed.clear();
            frame(black_box(&payload), &mut framed)
        });
    });
    group.bench_function("read/600B", |bencher| {
        bencher.iter(|| matches!(read(black_box(&framed)), Step::Record { .. }));
    });
    group.finish();
}

fn costs(criterion: &mut Criterion) {
    const NOW: i64 = 1_780_315_200;
    let catalogue = Catalogue::bundled();
    let rates = |provider, model| catalogue.find(Some(provider), model).map(|listing| listing.rates);
    let mut group = criterion.benchmark_group("price");
    let chat = Usage { input_tokens: 812, output_tokens: 190, ..Usage::default() };
    let every_class = Usage {
        input_tokens: 812,
        cache_read_tokens: 200_000,
        cache_write_5m_tokens: 31,
        cache_write_1h_tokens: 77,
        cache_write_other_tokens: 5,
        input_audio_tokens: 9,
        input_image_tokens: 8,
        output_tokens: 190,
        reasoning_tokens: 400,
        output_audio_tokens: 3,
        cache_read_audio_tokens: 2,
        cache_read_image_tokens: 1,
        output_image_tokens: 6,
    };
    if let (Some(plain), Some(tiered), Some(dated)) =
        (rates("openai", "gpt-4o"), rates("anthropic", "claude-sonnet-4-5"), rates("deepseek", "deepseek-v4-pro"))
    {
        group.bench_function("chat", |bencher| bencher.iter(|| price(&plain, black_box(&chat), NOW)));
        group.bench_function("every class, tiers", |bencher| {
            bencher.iter(|| price(&tiered, black_box(&every_class), NOW));
        });
        group.bench_function("every class, hours", |bencher| {
            bencher.iter(|| price(&dated, black_box(&every_class), NOW));
        });
        group.bench_function("every class, batch", |bencher| {
            bencher.iter(|| price_in(&tiered, black_box(&every_class), 1_800_000_000, &[("processing", "batch")]));
        });
    }
    group.bench_function("find/openrouter", |bencher| {
        bencher.iter(|| catalogue.find(Some("openrouter"), black_box("z-ai/glm-4.5")));
    });
    group.finish();
}

fn telemetry(criterion: &mut Criterion) {
    let tokens = TokenCount::Reported([812, 1_024, 0, 0, 0, 0, 0, 0, 0, 96, 64, 0, 0]);
    let exchange = Exchange {
        tenant: Some("acme"),
        model: Some("gpt-4o-mini"),
        deployment: Some("gpt-4o-mini-us"),
        fault: "none",
        tokens,
        cost: Cost::Known(312_000_000),
        request_bytes: 1_024,
        content_bytes: 600,
        policy_ns: 2_600,
        components_ns: &[900, 0, 1_200, 500, 0, 0, 700],
        duration_ns: 812_000_000,
        upstream_ns: Some(800_000_000),
        first_content_ns: Some(212_000_000),
    };
    let mut recorder = Recorder::new(Metrics::new(7), &LabelSets::new(100));
    for index in 0..1_000 {
        recorder.observe(&Exchange { model: Some(&format!("model-{index}")), ..exchange });
    }
    let line = AccessLine {
        unix_ms: 1_790_000_000_123,
        request_id: "fgr_0123456789abcdef01234567",
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        tenant: exchange.tenant,
        user: Some("user-1234"),
        feature: Some("search"),
        key_id: Some("1f0c2b7a"),
        model: exchange.model,
        deployment: exchange.deployment,
        status: Some(200),
        outcome: "answered",
        tokens,
        cost: exchange.cost,
        duration_ns: exchange.duration_ns,
        overhead_ns: 3_300,
        upstream_ns: exchange.upstream_ns,
        first_content_ns: exchange.first_content_ns,
    };
    let mut buffer = Vec::new();
    let mut group = criterion.benchmark_group("telemetry");
    group.bench_function("observe", |bencher| bencher.iter(|| recorder.observe(black_box(&exchange))));
    group.bench_function("access_line", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            black_box(&line).write(&mut buffer);
        });
    });
    group.finish();
}

/// A token that was verified before, and one that was not.
#[expect(clippy::expect_used, reason = "a bench without its inputs is none")]
fn client_tokens(criterion: &mut Criterion) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any 32 bytes are a seed");
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}]}}"#);
    let keys = Arc::new(KeySet::read(jwks.as_bytes()).expect("one key"));
    let key_sets = KeySets::default().with("https://id.example.com", &keys, |_| true);
    let issuers: [JwtIssuer; 1] = [serde_json::from_str(
        r#"{"issuer":"https://id.example.com","audiences":["gateway"],"algorithms":["EdDSA"],"leeway_s":30,
            "required":[],"tenant_claim":"org","tenants":{"acme":0},"default_tenant":null,"user_claim":"sub",
            "feature_claim":null,"models_claim":null}"#,
    )
    .expect("an issuer")];
    let claims = format!(
        r#"{{"iss":"https://id.example.com","aud":"gateway","sub":"u","org":"acme","exp":1000,"more":"{}"}}"#,
        "x".repeat(400)
    );
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(r#"{"alg":"EdDSA","kid":"k"}"#), encode(&claims));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())));
    let mut seen = VerifiedTokens::default();
    let mut group = criterion.benchmark_group(format!("token/{}B", token.len()));
    group.bench_function("seen", |bencher| {
        bencher.iter(|| seen.authenticate(black_box(token.as_bytes()), &issuers, &key_sets, 0));
    });
    group.bench_function("new", |bencher| {
        bencher.iter(|| VerifiedTokens::default().authenticate(black_box(token.as_bytes()), &issuers, &key_sets, 0));
    });
    group.finish();
}

fn tokens(criterion: &mut Criterion) {
    let english = include_str!("../data/README.md").repeat(40);
    let code = include_str!("kernels.rs").repeat(20);
    let chinese = "\u{65b0}\u{805e}\u{3092}\u{6bce}\u{671d}\u{8aad}\u{307f}\u{307e}\u{3059}\u{3002}".repeat(4_000);
    let letters = "a".repeat(100_000);
    let mut group = criterion.benchmark_group("tokens");
    for encoding in Encoding::ALL {
        let name = encoding.name();
        group.bench_function(format!("{name}/build"), |bencher| bencher.iter(|| Vocabulary::build(encoding)));
        let vocabulary = Vocabulary::build(encoding);
        for (kind, text) in [("english", &english), ("code", &code), ("chinese", &chinese), ("letters", &letters)] {
            for bytes in [1_000, 100_000] {
                let text = &text[..(bytes - 3..=bytes).rfind(|end| text.is_char_boundary(*end)).unwrap_or(0)];
                group.throughput(Throughput::Bytes(text.len() as u64));
                group.bench_function(format!("{name}/{kind}/{bytes}B"), |bencher| {
                    bencher.iter(|| vocabulary.count(black_box(text)));
                });
            }
        }
    }
    let vocabulary = Vocabulary::build(Encoding::O200kBase);
    let body = body(900);
    group.bench_function("chat/1KB", |bencher| {
        bencher.iter(|| Parts::read(black_box(&body)).map(|parts| parts.tokens(&|text| vocabulary.count(text))));
    });
    group.finish();
}

criterion_group!(
    kernels,
    requests,
    streams,
    decisions,
    routes,
    limits,
    meters,
    resilience,
    client_tokens,
    records,
    costs,
    telemetry,
    tokens
);
criterion_main!(kernels);
