//! What a request costs inside the core: `cargo bench -p fastgate-core`.

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
use fastgate_core::prices::{Catalogue, price, price_in};
use fastgate_core::routing::pick;
use fastgate_core::spool::{Step, frame, read};
use fastgate_core::sse::{Splitter, event_data};
use fastgate_core::tables::{JwtIssuer, Key, Member};
use fastgate_core::telemetry::access_line::AccessLine;
use fastgate_core::telemetry::recorder::{Exchange, LabelSets, Metrics, Recorder};
use fastgate_core::telemetry::series::{Cost, TokenCount};
use fastgate_core::tokens::chat::Parts;
use fastgate_core::tokens::{Encoding, Vocabulary};
use fastgate_core::usage::Usage;
use ring::signature::{Ed25519KeyPair, KeyPair};
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
        Key { digest, tenant: 0, user: None, feature: None, models: None, expires_unix_s: None }
    };
    let ring = KeyRing::new((0..10_000).map(key).collect());
    criterion.bench_function("key/10000", |bencher| bencher.iter(|| ring.find(black_box(b"fg_key_number_77"), 0)));
    let members: Vec<Member> = (0..8).map(|deployment| Member { deployment, weight: 3 }).collect();
    criterion.bench_function("pick/8", |bencher| bencher.iter(|| pick(black_box(&members), 1 << 63, |_| true)));
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

criterion_group!(kernels, requests, streams, decisions, limits, client_tokens, records, costs, telemetry, tokens);
criterion_main!(kernels);
