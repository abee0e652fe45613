use proptest::prelude::*;

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

struct Fields(Vec<(String, Vec<u8>)>);

impl Headers for Fields {
    fn get(&self, name: &str) -> Option<&[u8]> {
        assert!(HEADERS.contains(&name), "{name} is not among the headers that are kept");
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_slice())
    }
}

fn pause_ms(headers: &[(&str, &str)], body: BodyHints<'_>) -> Option<f64> {
    let fields = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    pause_ns(&Fields(fields.collect()), body, NOW_MS).map(|ns| std::time::Duration::from_nanos(ns).as_secs_f64() * 1e3)
}

fn text(text: &str) -> BodyHints<'_> {
    BodyHints { text, ..BodyHints::default() }
}

#[test]
fn the_first_source_that_says_something_decides() {
    let body = BodyHints { retry_delay: Some("3s"), reset: Some("1767225605000"), text: "try again in 4s" };
    let mut headers = vec![
        ("retry-after-ms", "1500"),
        ("retry-after", "2"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6s"),
    ];
    assert_eq!(pause_ms(&headers, body), Some(1500.0));
    headers.remove(0);
    assert_eq!(pause_ms(&headers, body), Some(2000.0));
    headers.remove(0);
    assert_eq!(pause_ms(&headers, body), Some(3000.0));
    let body = BodyHints { retry_delay: None, ..body };
    assert_eq!(pause_ms(&headers, body), Some(4000.0));
    let body = BodyHints { text: "", ..body };
    assert_eq!(pause_ms(&headers, body), Some(5000.0));
    let body = BodyHints { reset: None, ..body };
    assert_eq!(pause_ms(&headers, body), Some(6000.0));
    assert_eq!(pause_ms(&[], body), None);
}

#[test]
fn what_cannot_be_meant_is_passed_over() {
    let next = ("x-ratelimit-remaining", "0");
    for nonsense in ["-1", "soon", "", "99999999999999", "NaN", "\u{7f}", "Fri, 99 Foo 2026 00:00:00 GMT"] {
        let headers = [("retry-after-ms", nonsense), ("retry-after", nonsense), next, ("x-ratelimit-reset", "7")];
        assert_eq!(pause_ms(&headers, BodyHints::default()), Some(7000.0), "{nonsense}");
    }
    let fields = Fields(vec![("retry-after".into(), vec![0xff, 0xfe])]);
    assert_eq!(pause_ns(&fields, BodyHints::default(), NOW_MS), None);
}

#[test]
fn retry_after_in_every_form() {
    for (value, pause) in [
        ("16", 16_000.0),
        ("0", 0.0),
        ("1.25", 1250.0),
        ("17ms", 17.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30_000.0),
        ("Wed, 31 Dec 2025 00:00:30 GMT", 0.0),
        ("2026-01-01T00:01:00Z", 60_000.0),
    ] {
        assert_eq!(pause_ms(&[("retry-after", value)], BodyHints::default()), Some(pause), "{value}");
    }
}

#[test]
fn only_what_is_used_up_counts_and_of_that_the_latest() {
    let headers = [
        ("anthropic-ratelimit-requests-remaining", "12"),
        ("anthropic-ratelimit-requests-reset", "2026-01-01T01:00:00Z"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:20Z"),
        ("anthropic-ratelimit-tokens-remaining", "0"),
        ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:10Z"),
    ];
    assert_eq!(pause_ms(&headers, BodyHints::default()), Some(20_000.0));
    let groq = [("x-ratelimit-remaining-tokens", "-12"), ("x-ratelimit-reset-tokens", "1m2.5s")];
    assert_eq!(pause_ms(&groq, BodyHints::default()), Some(62_500.0));
    let left = [("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "6m0s")];
    assert_eq!(pause_ms(&left, BodyHints::default()), None);
    assert_eq!(pause_ms(&[("x-ratelimit-reset-requests", "6m0s")], BodyHints::default()), None);
}

#[test]
fn messages() {
    for (message, pause) in [
        ("limit 30000, used 24805. please try again in 1.6s.", Some(1600.0)),
        ("please try again in 6m0s. visit", Some(360_000.0)),
        ("please try again in 20ms.", Some(20.0)),
        ("please retry after 16 seconds.", Some(16_000.0)),
        ("please retry in 36.429760048s.", Some(36_429.760_048)),
        ("rate limit is exceeded. try again in 26 seconds.", Some(26_000.0)),
        ("try again after 2 minutes", Some(120_000.0)),
        ("out of call volume quota. quota will be replenished in 00:20:30.", Some(1_230_000.0)),
        ("you will regain access on 2026-01-02 at 00:00 utc.", Some(86_400_000.0)),
        ("please try again later.", None),
        ("try again in a moment. retry in ", None),
        ("try again in 40 days", None),
    ] {
        assert_eq!(pause_ms(&[], text(message)), pause, "{message}");
    }
}

#[test]
fn every_limit_is_among_the_headers_that_are_kept() {
    for (remaining, reset) in LIMITS {
        assert!(HEADERS.contains(&remaining) && HEADERS.contains(&reset), "{remaining}");
        assert_eq!(remaining.replace("remaining", "reset"), reset);
    }
}

proptest! {
    #[test]
    fn nothing_panics(
        values in proptest::collection::vec("\\PC{0,24}|[-0-9.smhTZ:]{0,24}", HEADERS.len()), now in any::<u64>(), message in "\\PC*",
    ) {
        let fields = HEADERS.iter().zip(&values).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let body = BodyHints { retry_delay: Some(&values[0]), reset: Some(&values[1]), text: &message };
        let pause = pause_ns(&Fields(fields.collect()), body, now);
        prop_assert!(pause.is_none_or(|ns| ns <= hints_time::LONGEST_NS));
    }
}
