use super::*;

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

fn judge(status: u16, body: &str) -> Classified {
    let facts = Facts { status, body: body.as_bytes(), headers: &NoHeaders, now_unix_ms: NOW_MS };
    classify(ErrorDialect::Openai, &facts)
}

/// Whoever may send requests could otherwise bench the gateway's keys one by one.
#[test]
fn what_a_client_wrote_does_not_disable_a_key_or_spend_a_quota() {
    let quoted = [
        "Incorrect API key provided: x",
        "API key not valid. Please pass a valid API key.",
        "invalid_api_key",
        "Your credit balance is too low to access the Anthropic API",
        "You have reached your specified API usage limits",
        "used all available credits",
        "insufficient_quota",
        "perday",
        "limit: 0,",
    ];
    for words in quoted {
        let bodies = [
            format!(
                r#"{{"error":{{"message":"Invalid value: '{words}'. Supported values are: 'low'","code":"invalid_value"}}}}"#
            ),
            format!(
                r#"{{"detail":[{{"type":"missing","msg":"Field required","input":{{"error":{{"message":"{words}","code":"{words}"}}}}}}]}}"#
            ),
            format!(
                r#"{{"error":{{"message":"Failed to call a function.","code":"invalid","failed_generation":"{words}"}}}}"#
            ),
            format!("Failed to deserialize the JSON body: unknown variant `{words}`"),
        ];
        for body in &bodies {
            for status in [400, 404, 413, 422, 500] {
                let verdict = judge(status, body).verdict;
                let is_harmless = verdict.action != Action::DisableKey
                    && !matches!(verdict.reason, Reason::QuotaSpent | Reason::CredentialsRefused);
                assert!(is_harmless, "{status} {body}: {verdict:?}");
            }
        }
    }
}

#[test]
fn an_error_with_200_is_judged_by_what_it_names() {
    for (body, action, reason) in [
        (r#"{"error":{"code":429,"message":"x"}}"#, Action::Wait, Reason::RateLimited),
        (r#"{"error":{"code":"401","message":"x"}}"#, Action::DisableKey, Reason::CredentialsRefused),
        (r#"{"error":{"type":"invalid_request_error","message":"x"}}"#, Action::Stop, Reason::BadRequest),
        (r#"{"error":{"message":"x"}}"#, Action::Wait, Reason::ServerError),
        (r#"{"error":null,"choices":[]}"#, Action::Wait, Reason::Garbage),
        ("<html></html>", Action::Wait, Reason::Garbage),
        ("", Action::Wait, Reason::Garbage),
    ] {
        let verdict = judge(200, body).verdict;
        assert_eq!((verdict.action, verdict.reason), (action, reason), "{body}");
    }
    // A status of 400 and above is not overruled by the body's.
    assert_eq!(judge(500, r#"{"error":{"code":401}}"#).verdict.reason, Reason::ServerError);
}

#[test]
fn a_request_at_fault_has_no_pause() {
    let verdict = judge(400, r#"{"error":{"message":"Bad. Please try again in 5s."}}"#).verdict;
    assert_eq!(verdict, Verdict { action: Action::Stop, reason: Reason::BadRequest, pause_ns: None });
    let verdict = judge(500, r#"{"error":{"message":"Bad. Please try again in 5s."}}"#).verdict;
    assert_eq!(verdict.pause_ns, Some(5_000_000_000));
}

#[test]
fn an_event_has_no_head_to_lack_anything() {
    let event = br#"{"type":"error","error":{"type":"rate_limit_error","message":"Rate limited"}}"#;
    let judged = classify_event(ErrorDialect::Anthropic, event, NOW_MS);
    assert_eq!((judged.verdict.action, judged.verdict.reason), (Action::Wait, Reason::RateLimited));
    let facts = Facts { status: 429, body: event, headers: &NoHeaders, now_unix_ms: NOW_MS };
    assert_eq!(classify(ErrorDialect::Anthropic, &facts).verdict.action, Action::Move);
}

#[test]
fn html_is_known_by_its_type_too() {
    struct Html;
    impl Headers for Html {
        fn get(&self, name: &str) -> Option<&[u8]> {
            (name == "content-type").then_some(b"Text/HTML; charset=utf-8")
        }
    }
    let facts = Facts { status: 403, body: b"Access denied", headers: &Html, now_unix_ms: NOW_MS };
    assert_eq!(classify(ErrorDialect::Openai, &facts).verdict.reason, Reason::Garbage);
    assert_eq!(judge(403, "Access denied").verdict.reason, Reason::CredentialsRefused);
}

#[test]
fn every_status_has_a_row_whatever_the_dialect() {
    use ErrorDialect::{Cohere, Openai};

    struct RetryAtOnce;
    impl Headers for RetryAtOnce {
        fn get(&self, name: &str) -> Option<&[u8]> {
            (name == "retry-after").then_some(b"0")
        }
    }
    for dialect in ErrorDialect::ALL {
        for status in 0..=1000 {
            let facts = Facts { status, body: b"{}", headers: &RetryAtOnce, now_unix_ms: NOW_MS };
            let judged = classify(dialect, &facts);
            let expected = match status {
                401 => Action::DisableKey,
                498 if dialect == Cohere => Action::DisableKey,
                402 | 403 | 407 | 410 | 413 | 501 | 505 | 511 => Action::Move,
                412 if dialect == Openai => Action::Move,
                0 | 200..300 | 408 | 409 | 423..=425 | 429 | 498 | 499 | 500..600 => Action::Wait,
                400..500 => Action::Stop,
                _ => Action::Move,
            };
            assert_eq!(judged.verdict.action, expected, "{dialect:?} {status}: {}", TABLE[judged.row].what);
        }
    }
}
