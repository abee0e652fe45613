use super::*;
use crate::tables::Tables;

fn scenario(variant: Variant, failure: Failure, failing_permille: u32, seed: u64) -> Scenario {
    let tables = Tables::from_json(include_bytes!("../../tests/tables.json")).unwrap();
    Scenario {
        variant,
        seed,
        requests_per_second: 300,
        before_s: 5,
        outage_s: 40,
        after_s: 40,
        failing_permille,
        failure,
        error_ms: 50,
        first_content_ms: [400, 600],
        first_content_limit_ms: 5000,
        budget_ms: Some(12_000),
        resilience: tables.resilience,
    }
}

fn run(variant: Variant, failure: Failure, failing_permille: u32) -> Report {
    simulate(&scenario(variant, failure, failing_permille, 1))
}

#[test]
fn a_run_repeats_to_the_byte() {
    let document = |seed| {
        let report = simulate(&scenario(Variant::Fastgate, Failure::Error, 300, seed));
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(document(7), document(7));
    assert_ne!(document(7), document(8));
}

#[test]
fn an_outage_is_nobodys_problem() {
    for failure in [Failure::Error, Failure::Hang] {
        for failing_permille in [50, 300, 1000] {
            for seed in 0..3 {
                let report = simulate(&scenario(Variant::Fastgate, failure, failing_permille, seed));
                assert_eq!(report.answered, report.requests, "{report:?}");
                assert!(report.outage_retries <= report.outage_retries_allowed, "{report:?}");
                assert!(report.returned_after_ms.is_some_and(|after_ms| after_ms <= 30_000), "{report:?}");
            }
        }
    }
}

#[test]
fn a_provider_that_is_down_is_left_and_asked_now_and_then() {
    let report = run(Variant::Fastgate, Failure::Error, 1000);
    assert!(report.left_after_ms.is_some_and(|after_ms| after_ms <= 500), "{report:?}");
    let calls: u32 = report.primary_calls[6..45].iter().sum();
    assert!((3..20).contains(&calls), "{calls} trials");
    let report = run(Variant::Fastgate, Failure::Hang, 1000);
    assert!(report.left_after_ms.is_some_and(|after_ms| after_ms <= 6000), "{report:?}");
}

#[test]
fn a_few_failures_are_no_reason_to_leave() {
    let report = run(Variant::Fastgate, Failure::Error, 50);
    assert_eq!((report.left_after_ms, report.returned_after_ms), (None, Some(0)));
}

#[test]
fn without_a_breaker_the_law_still_holds_but_nobody_leaves() {
    let report = run(Variant::NoBreaker, Failure::Error, 1000);
    assert_eq!((report.answered, report.left_after_ms), (report.requests, None));
    assert!(report.outage_retries <= report.outage_retries_allowed, "{report:?}");
    assert!(report.outage_retries * 10 >= report.outage_retries_allowed * 9, "the law is what bounds it: {report:?}");
}

#[test]
fn plain_retries_triple_the_load_and_answer_nobody() {
    let report = run(Variant::PlainRetries, Failure::Error, 1000);
    assert!(report.outage_answered * 20 < report.outage_requests, "{report:?}");
    assert!(report.outage_retries > 5 * report.outage_retries_allowed, "{report:?}");
}

#[test]
fn everything_is_healthy_before_and_after() {
    let report = run(Variant::PlainRetries, Failure::Error, 1000);
    assert!(report.unanswered[..4].iter().chain(&report.unanswered[46..]).all(|count| *count == 0));
    let healthy = run(Variant::Fastgate, Failure::Error, 0);
    let calls: u64 = healthy.primary_calls.iter().map(|count| u64::from(*count)).sum();
    assert_eq!((healthy.answered, calls), (healthy.requests, healthy.requests));
    let expected = 300 * 85;
    assert!(healthy.requests.abs_diff(expected) < expected / 20, "{}", healthy.requests);
}

#[test]
fn a_scenario_is_checked() {
    let mut document: serde_json::Value = serde_json::from_str(include_str!("../../tests/tables.json")).unwrap();
    let resilience = document["resilience"].take();
    let scenario = |requests_per_second: u32, limit_ms: u64, outage_s: u32| {
        serde_json::json!({
            "variant": "fastgate", "seed": 1, "requests_per_second": requests_per_second, "before_s": 1,
            "outage_s": outage_s, "after_s": 1, "failing_permille": 1000, "failure": "hang", "error_ms": 50,
            "first_content_ms": [400, 600], "first_content_limit_ms": limit_ms, "budget_ms": null,
            "resilience": resilience,
        })
        .to_string()
    };
    let report = simulate_json(scenario(10, 5000, 1).as_bytes()).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&report).unwrap()["requests"].as_u64().unwrap() > 10);
    for wrong in [scenario(0, 5000, 1), scenario(10, u64::MAX, 1), scenario(10, 5000, u32::MAX), "{}".into()] {
        assert!(simulate_json(wrong.as_bytes()).is_err());
    }
}
