use super::*;

const SECOND_NS: u64 = 1_000_000_000;
/// 2026-03-01T12:00:00Z.
const NOON_UNIX_MS: u64 = 1_772_366_400_000;

struct Fields(Vec<(&'static str, &'static str)>);

impl Headers for Fields {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
    }
}

fn of(fields: &[(&'static str, &'static str)]) -> ProviderLimits {
    read(&Fields(fields.to_vec()), NOON_UNIX_MS)
}

#[expect(clippy::unnecessary_wraps, reason = "as it is compared")]
fn said(limit: Option<u64>, remaining: u64, reset_ns: Option<u64>, refills_evenly: bool) -> Option<Remainder> {
    Some(Remainder { limit, remaining: Some(remaining), reset_ns, refills_evenly })
}

#[test]
fn reads_openai() {
    let limits = of(&[
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ]);
    assert_eq!(limits.requests, said(Some(60), 59, Some(SECOND_NS), true));
    assert_eq!(limits.tokens, said(Some(150_000), 149_984, Some(360 * SECOND_NS), true));
    assert_eq!((limits.input_tokens, limits.output_tokens), (None, None));
}

#[test]
fn reads_anthropic() {
    let limits = of(&[
        ("anthropic-ratelimit-input-tokens-limit", "10000"),
        ("anthropic-ratelimit-input-tokens-remaining", "7000"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-03-01T12:00:18Z"),
        ("anthropic-ratelimit-output-tokens-limit", "4000"),
        ("anthropic-ratelimit-output-tokens-remaining", "4000"),
        ("anthropic-ratelimit-output-tokens-reset", "2026-03-01T11:59:59Z"),
        ("anthropic-ratelimit-requests-remaining", "3"),
    ]);
    assert_eq!(limits.input_tokens, said(Some(10_000), 7000, Some(18 * SECOND_NS), true));
    assert_eq!(limits.output_tokens, said(Some(4000), 4000, Some(0), true));
    assert_eq!(limits.requests, said(None, 3, None, true));
}

#[test]
fn reads_cerebras_and_the_names_without_a_resource() {
    let limits = of(&[
        ("x-ratelimit-limit-tokens-minute", "60000"),
        ("x-ratelimit-remaining-tokens-minute", "59000.5"),
        ("x-ratelimit-reset-tokens-minute", "11.3"),
        ("x-ratelimit-remaining", "-2"),
        ("x-ratelimit-reset", "1772366430"),
    ]);
    assert_eq!(limits.tokens, said(Some(60_000), 59_000, Some(11 * SECOND_NS + 3 * SECOND_NS / 10), false));
    assert_eq!(limits.requests, said(None, 0, Some(30 * SECOND_NS), false));
}

#[test]
fn reads_every_draft() {
    let third = of(&[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "50"), ("ratelimit-reset", "5")]);
    let seventh = of(&[("ratelimit", "limit=100, remaining=50, reset=5")]);
    let tenth = of(&[
        ("ratelimit-policy", r#""day";q=9000;w=86400, "burst";q=100;w=60, "size";q=7;qu="content-bytes""#),
        ("ratelimit", r#""day";r=8000;t=100, "burst";r=50;t=5, "size";r=1;t=1"#),
    ]);
    for limits in [third, seventh, tenth] {
        assert_eq!(limits.requests, said(Some(100), 50, Some(5 * SECOND_NS), false));
    }
    let unended = of(&[("ratelimit-policy", r#""a";q=10;w=60"#), ("ratelimit", r#""a";r=0"#)]);
    assert_eq!(unended.requests, said(Some(10), 0, Some(60 * SECOND_NS), false), "a whole window at most");
}

#[test]
fn the_tighter_of_two_counts() {
    let limits = of(&[
        ("x-ratelimit-remaining-requests", "10"),
        ("x-ratelimit-remaining-requests-day", "4"),
        ("ratelimit-remaining", "7"),
    ]);
    assert_eq!(limits.requests.and_then(|said| said.remaining), Some(4));
}

#[test]
fn what_is_not_a_limit_is_not_said() {
    for text in ["", "many", "1e3", "0x10", "1.", "--", "99999999999999999999", "\u{7f}"] {
        assert!(of(&[("x-ratelimit-remaining-tokens", text)]).is_empty(), "{text:?}");
        assert!(of(&[("ratelimit", text)]).is_empty(), "{text:?}");
    }
    let limits = of(&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "soon")]);
    assert_eq!(limits.tokens, said(None, 5, None, true));
}
