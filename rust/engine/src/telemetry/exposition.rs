//! What `/metrics` shows: the counters of all cores added up, and the state of the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastgate_core::resilience::REASONS;
use fastgate_core::telemetry::access_line::write_usd;
use fastgate_core::telemetry::histogram::{Counter, Distribution};
use fastgate_core::telemetry::recorder::Metrics;
use fastgate_core::telemetry::series::{FAULTS, Labels, Latencies, Series, TOKEN_CLASSES};

use super::metrics::{self, Metric};
use super::process::Process;
pub(crate) use super::text::Format;
use super::text::{Page, decimal};
use crate::gateway::Shared;
use crate::record::STAGES;
use crate::resilience::Report;
use crate::spool::Status;

/// States of a deployment by the number that shows them.
const STATES: [&str; 4] = ["closed", "paused", "half_open", "open"];
const MICROSECOND_NS: u32 = 1_000;
const SECOND_NS: u32 = 1_000_000_000;

/// The page as it is now.
pub(crate) fn expose(shared: &Shared, format: Format) -> String {
    let mut page = Page::new(format);
    let cores = shared.telemetry.cores.lock().clone();
    exchanges(&mut page, shared);
    series(&mut page, cores.iter().flat_map(|core| core.series()));
    overhead(&mut page, &cores);
    latencies(&mut page, cores.iter().flat_map(|core| core.latencies()));
    connections(&mut page, shared);
    health(&mut page, shared);
    super::limits::expose(&mut page, shared);
    page.single(&metrics::LOG_DROPPED, shared.telemetry.access_log.dropped());
    spool(&mut page, shared.spool.as_ref().map(|spool| spool.status()));
    let snapshot = shared.snapshot.load();
    page.single(&metrics::CONFIG_GENERATION, shared.generation());
    page.single(&metrics::CONFIG_LOADED, snapshot.prepared_unix_s);
    page.begin(&metrics::BUILD);
    page.sample(&metrics::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    if let Some(process) = Process::read() {
        page.single(&metrics::CPU, decimal(u128::from(process.cpu_ns), SECOND_NS));
        page.single(&metrics::RESIDENT, process.resident_bytes);
        page.single(&metrics::OPEN_FDS, process.open_fds);
        page.begin(&metrics::MAX_FDS);
        match process.max_fds {
            Some(count) => page.sample(&metrics::MAX_FDS, &[], count),
            None => page.sample(&metrics::MAX_FDS, &[], "+Inf"),
        }
    }
    page.end()
}

fn exchanges(page: &mut Page, shared: &Shared) {
    let (started, settled) = shared.totals();
    let settled_sum = settled.iter().map(|(_, _, count)| count).sum();
    page.single(&metrics::STARTED, started);
    page.single(&metrics::IN_FLIGHT, started.saturating_sub(settled_sum));
    page.begin(&metrics::SETTLED);
    for (outcome, fault, count) in settled {
        page.sample(&metrics::SETTLED, &[("outcome", outcome), ("fault", fault)], count);
    }
}

/// A series of all cores.
#[derive(Default)]
struct Totals {
    exchanges: [u64; FAULTS.len()],
    tokens: [u64; TOKEN_CLASSES.len()],
    cost_pusd: i128,
    counts: [u64; COUNTS.len()],
}

type CounterOf = fn(&Series) -> &Counter;

/// Counters that are shown as they are, one per series.
const COUNTS: [(&Metric, CounterOf); 5] = [
    (&metrics::COST_UNKNOWN, |series| &series.cost_unknown),
    (&metrics::USAGE_MISSING, |series| &series.usage_missing),
    (&metrics::USAGE_ESTIMATED, |series| &series.usage_estimated),
    (&metrics::REQUEST_BYTES, |series| &series.request_bytes),
    (&metrics::CONTENT_BYTES, |series| &series.content_bytes),
];

impl Totals {
    fn add(&mut self, series: &Series) {
        let add = |totals: &mut [u64], counters: &[Counter]| {
            for (total, counter) in totals.iter_mut().zip(counters) {
                *total += counter.get();
            }
        };
        add(&mut self.exchanges, &series.exchanges);
        add(&mut self.tokens, &series.tokens);
        self.cost_pusd += i128::from(series.cost_pusd.get());
        for (total, (_, counter)) in self.counts.iter_mut().zip(COUNTS) {
            *total += counter(series).get();
        }
    }
}

fn series(page: &mut Page, all: impl Iterator<Item = Arc<Series>>) {
    let mut merged: BTreeMap<Labels, Totals> = BTreeMap::new();
    for series in all {
        merged.entry(series.labels.clone()).or_default().add(&series);
    }
    classes(page, &metrics::EXCHANGES, &FAULTS, &merged, |totals| &totals.exchanges);
    classes(page, &metrics::TOKENS, &TOKEN_CLASSES, &merged, |totals| &totals.tokens);
    page.begin(&metrics::COST);
    for (labels, totals) in &merged {
        let mut usd = Vec::new();
        write_usd(&mut usd, totals.cost_pusd);
        page.sample(&metrics::COST, &pairs(labels), String::from_utf8_lossy(&usd));
    }
    for (index, (metric, _)) in COUNTS.iter().enumerate() {
        page.begin(metric);
        for (labels, totals) in &merged {
            page.sample(metric, &pairs(labels), totals.counts[index]);
        }
    }
}

/// A metric with one sample per series and class; classes that never occurred are left out.
fn classes(
    page: &mut Page,
    metric: &Metric,
    names: &[&str],
    merged: &BTreeMap<Labels, Totals>,
    counts: impl Fn(&Totals) -> &[u64],
) {
    page.begin(metric);
    for (labels, totals) in merged {
        for (name, count) in names.iter().zip(counts(totals)).filter(|(_, count)| **count > 0) {
            let [tenant, model, deployment] = pairs(labels);
            page.sample(metric, &[tenant, model, deployment, (metric.labels[3], name)], count);
        }
    }
}

fn pairs(labels: &Labels) -> [(&str, &str); 3] {
    [("tenant", &labels.tenant), ("model", &labels.model), ("deployment", &labels.deployment)]
}

fn overhead(page: &mut Page, cores: &[Arc<Metrics>]) {
    let mut policy = Distribution::default();
    let mut components = vec![Distribution::default(); STAGES.len()];
    for core in cores {
        core.policy.merge_into(&mut policy);
        for (histogram, total) in core.components.iter().zip(&mut components) {
            histogram.merge_into(total);
        }
    }
    page.begin(&metrics::POLICY);
    page.histogram(&metrics::POLICY, &[], &policy, MICROSECOND_NS);
    page.begin(&metrics::OVERHEAD);
    for ((_, name, is_wait), total) in STAGES.iter().zip(&components) {
        if !is_wait {
            page.histogram(&metrics::OVERHEAD, &[("component", name)], total, MICROSECOND_NS);
        }
    }
}

fn latencies(page: &mut Page, all: impl Iterator<Item = Arc<Latencies>>) {
    let mut merged: BTreeMap<String, [Distribution; 4]> = BTreeMap::new();
    for latencies in all {
        let [duration, upstream, first_content, per_output_token] =
            merged.entry(latencies.deployment.clone()).or_default();
        latencies.duration.merge_into(duration);
        latencies.upstream.merge_into(upstream);
        latencies.first_content.merge_into(first_content);
        latencies.per_output_token.merge_into(per_output_token);
    }
    let shown = [&metrics::DURATION, &metrics::UPSTREAM, &metrics::FIRST_CONTENT, &metrics::PER_OUTPUT_TOKEN];
    for (index, metric) in shown.into_iter().enumerate() {
        page.begin(metric);
        for (deployment, totals) in merged.iter().filter(|(_, totals)| totals[index].count() > 0) {
            page.histogram(metric, &[("deployment", deployment)], &totals[index], SECOND_NS);
        }
    }
}

/// Without a spool the metrics are named and have no sample: a 0 would say that all is well.
fn spool(page: &mut Page, status: Option<Status>) {
    let mut show = |metric: &Metric, value: fn(&Status) -> u64| {
        page.begin(metric);
        if let Some(status) = &status {
            page.sample(metric, &[], value(status));
        }
    };
    show(&metrics::SPOOL_RECORDS, |status| status.records);
    show(&metrics::SPOOL_FAILURES, |status| status.write_failures);
    show(&metrics::SPOOL_BYTES, |status| status.spool_bytes);
    show(&metrics::SPOOL_FREE, |status| status.free_bytes);
    show(&metrics::SPOOL_ALARM, |status| u64::from(status.is_alarmed));
}

fn health(page: &mut Page, shared: &Shared) {
    let snapshot = shared.snapshot.load();
    let now = tokio::time::Instant::now();
    let deployments = snapshot.tables.deployments.iter().enumerate();
    let reports: Vec<_> =
        deployments.map(|(index, deployment)| (deployment.id.as_str(), snapshot.fleet.report(index, now))).collect();
    by_deployment(page, &metrics::CALLS, &reports, |report| Some(report.calls));
    page.begin(&metrics::FAILURES);
    for (id, report) in &reports {
        for (reason, count) in REASONS.iter().zip(report.failures).filter(|(_, count)| *count > 0) {
            page.sample(&metrics::FAILURES, &[("deployment", id), ("reason", reason.name())], count);
        }
    }
    by_deployment(page, &metrics::STATE, &reports, |report| {
        STATES.iter().position(|state| *state == report.state()).map(|place| place as u64)
    });
    by_deployment(page, &metrics::CALLS_IN_FLIGHT, &reports, |report| Some(report.health.in_flight.into()));
    by_deployment(page, &metrics::CALLS_LIMIT, &reports, |report| report.health.concurrency_limit.map(u64::from));
    page.begin(&metrics::CREDENTIALS_PAUSED);
    for (index, provider) in snapshot.tables.providers.iter().enumerate() {
        let left_ns = snapshot.fleet.credential_pauses_ns(index, now);
        let paused = left_ns.iter().filter(|left_ns| **left_ns > 0).count();
        page.sample(&metrics::CREDENTIALS_PAUSED, &[("provider", &provider.id)], paused);
    }
}

/// A metric with one sample per deployment that has one.
fn by_deployment(page: &mut Page, metric: &Metric, reports: &[(&str, Report)], value: impl Fn(&Report) -> Option<u64>) {
    page.begin(metric);
    for (id, report) in reports {
        if let Some(value) = value(report) {
            page.sample(metric, &[("deployment", id)], value);
        }
    }
}

fn connections(page: &mut Page, shared: &Shared) {
    page.begin(&metrics::CLIENT_CONNECTIONS);
    for (core, connections) in shared.connections_by_core().into_iter().enumerate() {
        page.sample(&metrics::CLIENT_CONNECTIONS, &[("core", &core.to_string())], connections);
    }
    let snapshot = shared.snapshot.load();
    let by_provider = || snapshot.tables.providers.iter().zip(&snapshot.targets);
    page.begin(&metrics::UPSTREAM_OPEN);
    for (provider, target) in by_provider() {
        page.sample(&metrics::UPSTREAM_OPEN, &[("provider", &provider.id)], target.origin.connections.open());
    }
    page.begin(&metrics::UPSTREAM_IDLE);
    for (provider, target) in by_provider() {
        page.sample(&metrics::UPSTREAM_IDLE, &[("provider", &provider.id)], target.origin.connections.idle());
    }
}
