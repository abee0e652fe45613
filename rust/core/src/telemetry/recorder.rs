//! One core's telemetry: an exchange goes in, counters go up. No lock and no allocation but for labels never seen before.

use std::sync::Arc;

use parking_lot::Mutex;

use super::histogram::{Histogram, OVERHEAD_NS};
use super::labels::{BoundedSet, Known, OTHER, OTHER_NAME};
use super::series::{Cost, Labels, Latencies, Series, TokenCount};

/// The label of an exchange that has no such thing: it was refused before.
pub const NONE_NAME: &str = "none";

/// A longer value is `other`: labels go out at every scrape.
const LABEL_BYTES_MAX: usize = 128;

/// Combinations of labels kept for each value that a single label may have.
const SERIES_PER_VALUE: usize = 10;

/// What is counted of one exchange, at its end.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Who pays; `None` if that was not found out.
    pub tenant: Option<&'a str>,
    /// The name the client asked for; `None` if it leads nowhere, so that wrong names take no label.
    pub model: Option<&'a str>,
    /// Where it was sent.
    pub deployment: Option<&'a str>,
    /// Whose fault its end was: a word of [`FAULTS`](super::series::FAULTS).
    pub fault: &'a str,
    /// Tokens by class.
    pub tokens: TokenCount,
    /// What they cost.
    pub cost: Cost,
    /// The request's body.
    pub request_bytes: u64,
    /// Content in the answer.
    pub content_bytes: u64,
    /// All policy stages together, without any waiting.
    pub policy_ns: u64,
    /// The gateway's own time by component; 0 where it had no part.
    pub components_ns: &'a [u64],
    /// From receipt to the end of the answer.
    pub duration_ns: u64,
    /// Waiting for the provider.
    pub upstream_ns: Option<u64>,
    /// From receipt to the first content of a stream.
    pub first_content_ns: Option<u64>,
}

/// The bounded sets of label values of all cores.
#[derive(Debug)]
pub struct LabelSets {
    tenants: Arc<BoundedSet<String>>,
    models: Arc<BoundedSet<String>>,
    deployments: Arc<BoundedSet<String>>,
    series: Arc<BoundedSet<(u32, u32, u32)>>,
}

impl LabelSets {
    /// Up to `values` of each label, and ten times as many combinations.
    #[must_use]
    pub fn new(values: usize) -> Self {
        Self {
            tenants: BoundedSet::new(values),
            models: BoundedSet::new(values),
            deployments: BoundedSet::new(values),
            series: BoundedSet::new(values.saturating_mul(SERIES_PER_VALUE)),
        }
    }
}

/// What one core has counted, for whoever reads it.
#[derive(Debug)]
pub struct Metrics {
    /// All policy stages together.
    pub policy: Histogram<18>,
    /// The gateway's own time, by component.
    pub components: Vec<Histogram<18>>,
    series: Mutex<Vec<Arc<Series>>>,
    latencies: Mutex<Vec<Arc<Latencies>>>,
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(components: usize) -> Arc<Self> {
        Arc::new(Self {
            policy: Histogram::new(&OVERHEAD_NS),
            components: (0..components).map(|_| Histogram::new(&OVERHEAD_NS)).collect(),
            series: Mutex::default(),
            latencies: Mutex::default(),
        })
    }

    /// Counters by labels.
    pub fn series(&self) -> Vec<Arc<Series>> {
        self.series.lock().clone()
    }

    /// Latencies by deployment.
    pub fn latencies(&self) -> Vec<Arc<Latencies>> {
        self.latencies.lock().clone()
    }
}

/// The writing end of one core's [`Metrics`].
#[derive(Debug)]
pub struct Recorder {
    metrics: Arc<Metrics>,
    tenants: Known<String>,
    models: Known<String>,
    deployments: Known<String>,
    combinations: Known<(u32, u32, u32)>,
    /// By the combination's id.
    series: Vec<Option<Arc<Series>>>,
    /// By the deployment's id.
    latencies: Vec<Option<Arc<Latencies>>>,
}

impl Recorder {
    /// Writes to `metrics`; its labels are bounded together with those of the other cores.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, labels: &LabelSets) -> Self {
        Self {
            metrics,
            tenants: Known::new(Arc::clone(&labels.tenants)),
            models: Known::new(Arc::clone(&labels.models)),
            deployments: Known::new(Arc::clone(&labels.deployments)),
            combinations: Known::new(Arc::clone(&labels.series)),
            series: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// Counts one exchange.
    pub fn observe(&mut self, exchange: &Exchange<'_>) {
        self.metrics.policy.observe(exchange.policy_ns);
        for (histogram, time_ns) in self.metrics.components.iter().zip(exchange.components_ns) {
            if *time_ns > 0 {
                histogram.observe(*time_ns);
            }
        }
        let tenant = label(&mut self.tenants, exchange.tenant);
        let model = label(&mut self.models, exchange.model);
        let deployment = label(&mut self.deployments, exchange.deployment);
        let combination = self.combinations.id(&(tenant.0, model.0, deployment.0));
        let series = slot(&mut self.series, combination, &self.metrics.series, || {
            let name = |label: &str| if combination == OTHER { OTHER_NAME.to_owned() } else { label.to_owned() };
            Series::new(Labels { tenant: name(tenant.1), model: name(model.1), deployment: name(deployment.1) })
        });
        series.count_exchange(exchange.fault);
        series.count_tokens(exchange.tokens);
        series.count_cost(exchange.cost);
        series.request_bytes.add(exchange.request_bytes);
        series.content_bytes.add(exchange.content_bytes);
        let latencies = slot(&mut self.latencies, deployment.0, &self.metrics.latencies, || {
            Latencies::new(deployment.1.to_owned())
        });
        latencies.duration.observe(exchange.duration_ns);
        if let Some(upstream_ns) = exchange.upstream_ns {
            latencies.upstream.observe(upstream_ns);
        }
        if let Some(first_content_ns) = exchange.first_content_ns {
            latencies.first_content.observe(first_content_ns);
            let further_tokens = exchange.tokens.generated().saturating_sub(1);
            if let Some(per_token_ns) =
                exchange.duration_ns.saturating_sub(first_content_ns).checked_div(further_tokens)
            {
                latencies.per_output_token.observe(per_token_ns);
            }
        }
    }
}

/// A label's id and name.
fn label<'a>(known: &mut Known<String>, value: Option<&'a str>) -> (u32, &'a str) {
    let name = value.unwrap_or(NONE_NAME);
    let id = if name.len() > LABEL_BYTES_MAX { OTHER } else { known.id(name) };
    (id, if id == OTHER { OTHER_NAME } else { name })
}

/// What is kept under an id; made, and shown to readers, when it is first asked for.
fn slot<'a, T>(
    slots: &'a mut Vec<Option<Arc<T>>>,
    id: u32,
    shown: &Mutex<Vec<Arc<T>>>,
    make: impl FnOnce() -> T,
) -> &'a T {
    let index = id as usize;
    if slots.len() <= index {
        slots.resize(index + 1, None);
    }
    slots[index].get_or_insert_with(|| {
        let new = Arc::new(make());
        shown.lock().push(Arc::clone(&new));
        new
    })
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
