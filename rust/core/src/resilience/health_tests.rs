use super::*;
use crate::resilience::testing::{MS, SECOND, SETTINGS};

fn verdict(reason: Reason, pause_ns: Option<u64>) -> Verdict {
    Verdict { action: Action::Wait, reason, pause_ns }
}

#[test]
fn failures_open_the_breaker_and_a_trials_first_content_closes_it() {
    let mut health = DeploymentHealth::new(SETTINGS, true);
    for _ in 0..5 {
        assert!(health.is_available(0) && health.begin(0));
        health.fail(&verdict(Reason::ServerError, None), 0, 0);
    }
    assert!(!health.is_available(0));
    assert_eq!(health.available_from_ns(), 2 * SECOND);
    assert!(!health.begin(SECOND), "a last resort passes, but it is no trial");
    health.abandon(SECOND);
    assert!(health.is_available(2 * SECOND) && health.begin(2 * SECOND));
    assert!(!health.is_available(2 * SECOND), "one at a time");
    health.note_content(2 * SECOND);
    assert!(health.is_available(2 * SECOND));
    assert_eq!(health.in_flight(), 1, "the stream goes on");
}

#[test]
fn clients_that_leave_and_faults_of_requests_open_nothing() {
    let mut health = DeploymentHealth::new(SETTINGS, true);
    for now_ns in 0..1000 {
        health.begin(now_ns);
        health.abandon(now_ns);
        health.begin(now_ns);
        health.fail(&verdict(Reason::BadRequest, None), now_ns, now_ns);
        health.begin(now_ns);
        health.fail(&verdict(Reason::CredentialsRefused, None), now_ns, now_ns);
    }
    assert!(health.is_available(1000));
    assert_eq!((health.in_flight(), health.snapshot(1000).consecutive_failures), (0, 0));
}

#[test]
fn a_client_that_leaves_a_trial_makes_room_for_the_next() {
    let mut health = DeploymentHealth::new(SETTINGS, true);
    for _ in 0..5 {
        health.begin(0);
        health.fail(&verdict(Reason::Unreachable, None), 0, 0);
    }
    assert!(health.begin(3 * SECOND) && !health.is_available(3 * SECOND));
    health.abandon(3 * SECOND);
    assert!(health.is_available(3 * SECOND));
    assert!(health.begin(4 * SECOND) && !health.is_available(4 * SECOND));
    health.fail(&verdict(Reason::BadRequest, None), 4 * SECOND, 5 * SECOND);
    assert!(health.is_available(5 * SECOND), "nor does a client's mistake say whether it is back");
}

#[test]
fn a_hint_pauses_for_two_minutes_at_most() {
    let mut health = DeploymentHealth::new(SETTINGS, false);
    health.begin(0);
    health.fail(&verdict(Reason::RateLimited, Some(3 * SECOND)), 0, SECOND);
    assert!(!health.is_available(4 * SECOND - 1) && health.is_available(4 * SECOND));
    health.begin(SECOND);
    health.fail(&verdict(Reason::RateLimited, Some(SECOND)), SECOND, SECOND);
    assert_eq!(health.available_from_ns(), 4 * SECOND, "the longest counts");
    health.begin(SECOND);
    health.fail(&verdict(Reason::Overloaded, Some(3600 * SECOND)), SECOND, SECOND);
    assert_eq!(health.available_from_ns(), 121 * SECOND);
    health.begin(SECOND);
    health.fail(&verdict(Reason::QuotaSpent, Some(3600 * SECOND)), SECOND, SECOND);
    assert_eq!(health.available_from_ns(), 121 * SECOND, "that is the credential's");
}

#[test]
fn overload_limits_the_calls_under_way() {
    let mut health = DeploymentHealth::new(SETTINGS, true);
    for _ in 0..10 {
        health.begin(0);
    }
    health.fail(&verdict(Reason::RateLimited, None), 0, 1);
    assert_eq!(health.snapshot(1).concurrency_limit, Some(7));
    assert!(!health.is_available(1), "nine are under way");
    assert_eq!(health.available_from_ns(), 0);
    for _ in 0..3 {
        health.succeed(2, 1, 0, 2);
    }
    assert!(health.is_available(2));
    health.set_settings(SETTINGS, false);
    assert_eq!(health.snapshot(2).concurrency_limit, None);
    health.fail(&verdict(Reason::RateLimited, None), 3, 4);
    assert_eq!(health.snapshot(4).concurrency_limit, None, "switched off");
}

#[test]
fn slow_first_content_limits_the_calls_under_way() {
    let mut health = DeploymentHealth::new(SETTINGS, true);
    for call in 0..2000 {
        health.begin(call);
        health.succeed(call + 200 * MS, 200 * MS, 10, 200 * MS);
    }
    for _ in 0..100 {
        health.begin(SECOND);
    }
    for _ in 0..50 {
        health.succeed(3 * SECOND, 2 * SECOND, 10, 2 * SECOND);
    }
    assert!(health.snapshot(3 * SECOND).concurrency_limit.is_some_and(|limit| limit < 70));
}

#[test]
fn a_snapshot_tells_what_is_known() {
    let mut health = DeploymentHealth::new(SETTINGS, true);
    health.begin(0);
    health.begin(0);
    health.begin(0);
    health.succeed(3 * SECOND, SECOND, 100, 3 * SECOND);
    health.fail(&verdict(Reason::ServerError, None), 0, 3 * SECOND);
    let expected = HealthSnapshot {
        state: "closed",
        available_from_ns: 0,
        pause_until_ns: 0,
        success_permille: 500,
        consecutive_failures: 1,
        first_content_p50_ns: Some(SECOND),
        first_content_ns: Some(SECOND),
        output_token_ns: Some(20 * MS),
        in_flight: 1,
        concurrency_limit: None,
    };
    assert_eq!(health.snapshot(3 * SECOND), expected);
}

#[test]
fn a_credential_is_left_alone_for_as_long_as_its_failure_means() {
    let pause_ns = |action, reason, hint_ns| {
        let mut credential = CredentialHealth::default();
        assert!(credential.is_available(0));
        credential.fail(&Verdict { action, reason, pause_ns: hint_ns }, 300 * SECOND, 5);
        let until_ns = credential.available_from_ns();
        assert!(credential.is_available(until_ns) && (until_ns == 0 || !credential.is_available(until_ns - 1)));
        until_ns.saturating_sub(5) / SECOND
    };
    assert_eq!(pause_ns(Action::DisableKey, Reason::CredentialsRefused, None), 300);
    assert_eq!(pause_ns(Action::Wait, Reason::RateLimited, Some(7 * SECOND)), 7);
    assert_eq!(pause_ns(Action::Wait, Reason::RateLimited, None), 0);
    assert_eq!(pause_ns(Action::Move, Reason::QuotaSpent, Some(7 * SECOND)), 7);
    assert_eq!(pause_ns(Action::Move, Reason::QuotaSpent, None), 60);
    assert_eq!(pause_ns(Action::Move, Reason::QuotaSpent, Some(u64::MAX)), 24 * 3600);
    assert_eq!(pause_ns(Action::Wait, Reason::ServerError, None), 0);
}
