//! What judging a failure costs: `cargo bench -p fastgate-core --bench classify`.
//!
//! Bodies of about 1 KB (only the error itself is shorter): one that the first rows decide, one that a message decides
//! after many searches, one that no row but its status knows, one whose numbers are read.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fastgate_core::resilience::classify::{ErrorDialect, Facts, Headers, classify};

struct Fields(&'static [(&'static str, &'static str)]);

impl Headers for Fields {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_bytes())
    }
}

fn classify_failures(criterion: &mut Criterion) {
    let long = "Something that a provider has to say about this request. ".repeat(16);
    let error = |message: &str, code: &str| {
        format!(
            r#"{{"error":{{"message":"{message} {long}","type":"invalid_request_error","param":null,"code":"{code}"}}}}"#
        )
    };
    let short = r#"{"error":{"message":"Rate limit reached. Please try again in 1.6s.","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let cases = [
        ("rate limit, 120 B", 429, short.to_owned()),
        ("rate limit, 1 KB", 429, error("Rate limit reached.", "rate_limit_exceeded")),
        ("bad request, 1 KB", 400, error("No.", "invalid_value")),
        ("context, 1 KB", 400, error("This model's maximum context length is 8192 tokens.", "context_length_exceeded")),
        ("html, 1 KB", 502, format!("<html>{long}</html>")),
        ("plain text, 1 KB", 503, long.clone()),
    ];
    let headers = Fields(&[("content-type", "application/json"), ("x-ratelimit-remaining-tokens", "0")]);
    let mut group = criterion.benchmark_group("classify");
    for (name, status, body) in &cases {
        let facts = Facts { status: *status, body: body.as_bytes(), headers: &headers, now_unix_ms: 1_767_225_600_000 };
        group.bench_function(*name, |bencher| bencher.iter(|| classify(ErrorDialect::Openai, black_box(&facts))));
    }
    group.finish();
}

criterion_group!(benches, classify_failures);
criterion_main!(benches);
