use super::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

/// A number from 0 to 1, of a fixed row.
fn draw(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    f64::from(u32::try_from(*state >> 32).unwrap()) / f64::from(u32::MAX)
}

/// Times whose logarithm is about normal, with this median.
fn sample(median_ns: f64, state: &mut u64) -> u64 {
    let normal = (0..12).map(|_| draw(state)).sum::<f64>() - 6.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's numbers")]
    let sample_ns = (median_ns * (0.5 * normal).exp()) as u64;
    sample_ns
}

#[test]
fn the_peak_is_followed_at_once_and_forgotten_with_time() {
    let mut ewma = PeakEwma::default();
    assert_eq!(ewma.read(0), None);
    ewma.update(100 * MS, 0);
    assert_eq!(ewma.read(0), Some(100 * MS));
    ewma.update(SECOND, MS);
    assert_eq!(ewma.read(MS), Some(SECOND));
    ewma.update(100 * MS, MS);
    assert_eq!(ewma.read(MS), Some(SECOND), "no time has passed");
    ewma.update(100 * MS, MS + 10 * SECOND);
    let after_ns = ewma.read(MS + 10 * SECOND).unwrap();
    assert!(after_ns.abs_diff(431 * MS) < MS, "1/e of the way is left: {after_ns}");
    assert!(ewma.read(100 * SECOND).unwrap() < MS, "whom nobody asks is asked again");
}

#[test]
fn the_median_is_close_to_the_true_one() {
    let mut state = 1;
    let mut latency = Latency::default();
    let mut estimates = Vec::new();
    for call in 0..5000 {
        let sample_ns = sample(4e8, &mut state);
        latency.update(sample_ns, 0, sample_ns, call);
        if call > 50 {
            estimates.push(latency.first_content_p50_ns(call).unwrap());
        }
    }
    estimates.sort_unstable();
    let at = |share: usize| estimates[estimates.len() * share / 100];
    assert!((380 * MS..420 * MS).contains(&at(50)), "{}", at(50));
    assert!(at(5) > 300 * MS && at(95) < 530 * MS, "{} to {}", at(5), at(95));
    assert!(!latency.is_congested());
}

#[test]
fn the_median_follows_a_change_and_expires() {
    let mut latency = Latency::default();
    for call in 0..100 {
        latency.update(300 * MS, 0, 300 * MS, call);
    }
    assert_eq!(latency.first_content_p50_ns(100), Some(300 * MS), "the same every time");
    for call in 100..170 {
        latency.update(2 * SECOND, 0, 2 * SECOND, call);
    }
    assert!(latency.first_content_p50_ns(170).unwrap() > 1900 * MS);
    assert_eq!(latency.first_content_p50_ns(170 + 20 * SECOND), None);
}

#[test]
fn congestion_is_far_above_what_was_usual_and_for_more_than_one_call() {
    let mut latency = Latency::default();
    for call in 0..2000 {
        latency.update(300 * MS, 0, 300 * MS, call);
    }
    latency.update(20 * SECOND, 0, 20 * SECOND, 2000);
    assert!(!latency.is_congested(), "one long prompt");
    let calls = (0..100).take_while(|_| {
        latency.update(2 * SECOND, 0, 2 * SECOND, 2001);
        !latency.is_congested()
    });
    assert!((10..60).contains(&calls.count()));
    let mut quick = Latency::default();
    for call in 0..2000 {
        quick.update(10 * MS, 0, 10 * MS, call);
    }
    for call in 0..200 {
        quick.update(400 * MS, 0, 400 * MS, call);
    }
    assert!(!quick.is_congested(), "half a second is never too slow");
}

#[test]
fn time_per_token_leaves_out_the_first_content() {
    let mut latency = Latency::default();
    latency.update(SECOND, 100, 3 * SECOND, 0);
    assert_eq!((latency.first_content_ns(0), latency.output_token_ns(0)), (Some(SECOND), Some(20 * MS)));
    let mut whole = Latency::default();
    whole.update(SECOND, 100, SECOND, 0);
    whole.update(SECOND, 0, 3 * SECOND, 0);
    assert_eq!(whole.output_token_ns(0), None);
}
