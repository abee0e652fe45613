//! What goes in is counted once, in bounded series.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::histogram::{Counter, Distribution};
use super::super::series::TOKEN_CLASSES;
use super::*;

const QUIET: Exchange<'_> = Exchange {
    tenant: Some("acme"),
    model: Some("chat"),
    deployment: Some("alpha"),
    fault: "none",
    tokens: TokenCount::NotApplicable,
    cost: Cost::NotApplicable,
    request_bytes: 0,
    content_bytes: 0,
    policy_ns: 1,
    components_ns: &[],
    duration_ns: 1,
    upstream_ns: None,
    first_content_ns: None,
};

fn exchanges(metrics: &Metrics) -> u64 {
    metrics.series().iter().flat_map(|series| &series.exchanges).map(Counter::get).sum()
}

#[test]
fn ten_thousand_names_keep_to_the_bound_and_the_rest_is_other() {
    let labels = LabelSets::new(100);
    let cores = [Metrics::new(0), Metrics::new(0)];
    let mut recorders = cores.clone().map(|metrics| Recorder::new(metrics, &labels));
    for index in 0..10_000 {
        let (tenant, model) = (format!("tenant-{}", index % 5_000), format!("model-{index}"));
        let exchange = Exchange { tenant: Some(&tenant), model: Some(&model), ..QUIET };
        recorders[index % 2].observe(&exchange);
    }
    let all: HashSet<Labels> =
        cores.iter().flat_map(|core| core.series()).map(|series| series.labels.clone()).collect();
    let tenants: HashSet<_> = all.iter().map(|labels| &labels.tenant).collect();
    let models: HashSet<_> = all.iter().map(|labels| &labels.model).collect();
    assert_eq!((tenants.len(), models.len()), (101, 101));
    assert!(all.len() <= 1_001 && all.iter().any(|labels| labels.model == OTHER_NAME));
    assert_eq!(cores.iter().map(|core| exchanges(core)).sum::<u64>(), 10_000);
}

#[test]
fn combinations_are_bounded_too() {
    let metrics = Metrics::new(0);
    let mut recorder = Recorder::new(Arc::clone(&metrics), &LabelSets::new(20));
    for index in 0..400 {
        let (tenant, model) = (format!("t{}", index / 20), format!("m{}", index % 20));
        recorder.observe(&Exchange { tenant: Some(&tenant), model: Some(&model), ..QUIET });
    }
    let all = metrics.series();
    assert_eq!(all.len(), 201);
    let other = all.iter().find(|series| series.labels.tenant == OTHER_NAME).expect("other");
    assert_eq!((other.exchanges[0].get(), other.labels.deployment.as_str()), (200, OTHER_NAME));
}

#[test]
fn long_and_missing_names_take_no_label() {
    let metrics = Metrics::new(0);
    let mut recorder = Recorder::new(Arc::clone(&metrics), &LabelSets::new(5));
    recorder.observe(&Exchange { model: Some(&"m".repeat(129)), deployment: None, ..QUIET });
    let labels = metrics.series()[0].labels.clone();
    assert_eq!((labels.model.as_str(), labels.deployment.as_str()), (OTHER_NAME, NONE_NAME));
}

proptest! {
    #[test]
    fn everything_is_counted_once(
        observed in prop::collection::vec((0_u64..100, 0_i64..1_000_000, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let labels = LabelSets::new(3);
        let cores = [Metrics::new(2), Metrics::new(2)];
        let mut recorders = cores.clone().map(|metrics| Recorder::new(metrics, &labels));
        let (mut tokens_sum, mut cost_sum, mut unknown_sum) = (0, 0, 0);
        for (index, (tokens, pusd, has_price, is_second)) in observed.iter().enumerate() {
            let model = format!("m{}", index % 7);
            let counts: [u64; TOKEN_CLASSES.len()] = std::array::from_fn(|class| tokens * (class as u64 + 1));
            let cost = if *has_price { Cost::Known(*pusd) } else { Cost::Unknown };
            recorders[usize::from(*is_second)].observe(&Exchange {
                model: Some(&model),
                tokens: TokenCount::Reported(counts),
                cost,
                components_ns: &[5, 0],
                ..QUIET
            });
            tokens_sum += counts.iter().sum::<u64>();
            cost_sum += if *has_price { u64::try_from(*pusd).expect("positive") } else { 0 };
            unknown_sum += u64::from(!has_price);
        }
        let all: Vec<_> = cores.iter().flat_map(|core| core.series()).collect();
        let sum = |read: &dyn Fn(&Series) -> u64| all.iter().map(|series| read(series)).sum::<u64>();
        prop_assert_eq!(sum(&|series| series.tokens.iter().map(Counter::get).sum()), tokens_sum);
        prop_assert_eq!(sum(&|series| series.cost_pusd.get()), cost_sum);
        prop_assert_eq!(sum(&|series| series.cost_unknown.get()), unknown_sum);
        let mut components = [Distribution::default(), Distribution::default()];
        for core in &cores {
            core.components.iter().zip(&mut components).for_each(|(histogram, total)| histogram.merge_into(total));
        }
        prop_assert_eq!(components.map(|total| total.count()), [observed.len() as u64, 0]);
    }
}

#[test]
fn time_per_token_starts_behind_the_first() {
    let metrics = Metrics::new(0);
    let mut recorder = Recorder::new(Arc::clone(&metrics), &LabelSets::new(5));
    let mut tokens = [0; TOKEN_CLASSES.len()];
    (tokens[0], tokens[9], tokens[10]) = (1_000, 6, 5);
    let stream = Exchange {
        tokens: TokenCount::Estimated(tokens),
        duration_ns: 2_000_000_000,
        first_content_ns: Some(500_000_000),
        ..QUIET
    };
    recorder.observe(&stream);
    recorder.observe(&Exchange { tokens: TokenCount::Missing, ..stream });
    let mut total = Distribution::default();
    metrics.latencies()[0].per_output_token.merge_into(&mut total);
    assert_eq!((total.count(), total.sum_ns), (1, 150_000_000));
    let series = &metrics.series()[0];
    assert_eq!((series.usage_estimated.get(), series.usage_missing.get()), (1, 1));
}
