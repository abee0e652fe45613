//! Every metric that `/metrics` shows, as one table; `docs/telemetry.md` is the same one.

/// What the numbers of a metric mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations by size.
    Histogram,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help }
}

const WHOSE: &[&str] = &["tenant", "model", "deployment"];
const DEPLOYMENT: &[&str] = &["deployment"];
const PROVIDER: &[&str] = &["provider"];
const TIER: &[&str] = &["tier"];

pub(crate) const STARTED: Metric = counter("fastgate_exchanges_started_total", &[], "Exchanges begun.");
pub(crate) const IN_FLIGHT: Metric = gauge("fastgate_exchanges_in_flight", &[], "Exchanges begun and not yet settled.");
pub(crate) const SETTLED: Metric = counter(
    "fastgate_exchanges_settled_total",
    &["outcome", "fault"],
    "Exchanges settled, by outcome and whose fault it was.",
);
pub(crate) const EXCHANGES: Metric = counter(
    "fastgate_exchanges_total",
    &["tenant", "model", "deployment", "fault"],
    "Exchanges settled, by whom they were for and whose fault their end was.",
);
pub(crate) const TOKENS: Metric = counter(
    "fastgate_tokens_total",
    &["tenant", "model", "deployment", "class"],
    "Tokens by class; the classes are disjoint.",
);
pub(crate) const COST: Metric = counter(
    "fastgate_cost_usd_total",
    WHOSE,
    "What exchanges cost, all attempts that were billed together, where the price is known.",
);
pub(crate) const COST_UNKNOWN: Metric =
    counter("fastgate_cost_unknown_total", WHOSE, "Exchanges with an attempt of unknown price.");
pub(crate) const USAGE_MISSING: Metric =
    counter("fastgate_usage_missing_total", WHOSE, "Answers without any count of tokens.");
pub(crate) const USAGE_ESTIMATED: Metric =
    counter("fastgate_usage_estimated_total", WHOSE, "Exchanges whose tokens the gateway estimated.");
pub(crate) const REQUEST_BYTES: Metric = counter("fastgate_request_bytes_total", WHOSE, "Bodies of requests.");
pub(crate) const CONTENT_BYTES: Metric = counter("fastgate_content_bytes_total", WHOSE, "Content of answers.");
pub(crate) const POLICY: Metric =
    histogram("fastgate_policy_microseconds", &[], "All policy stages of an exchange together, without any waiting.");
pub(crate) const OVERHEAD: Metric = histogram(
    "fastgate_overhead_microseconds",
    &["component"],
    "The gateway's own time up to the response's head, by stage.",
);
pub(crate) const DURATION: Metric =
    histogram("fastgate_request_duration_seconds", DEPLOYMENT, "From receipt to the end of the answer.");
pub(crate) const UPSTREAM: Metric = histogram(
    "fastgate_upstream_duration_seconds",
    DEPLOYMENT,
    "Waiting for the provider: to the head of a stream, or to the end of an answer that is read whole.",
);
pub(crate) const FIRST_CONTENT: Metric =
    histogram("fastgate_first_content_seconds", DEPLOYMENT, "From receipt to the first content of a stream.");
pub(crate) const PER_OUTPUT_TOKEN: Metric =
    histogram("fastgate_time_per_output_token_seconds", DEPLOYMENT, "Per token of a stream after the first.");
pub(crate) const CLIENT_CONNECTIONS: Metric =
    gauge("fastgate_client_connections", &["core"], "Open client connections.");
pub(crate) const UPSTREAM_OPEN: Metric =
    gauge("fastgate_upstream_connections_open", PROVIDER, "Open connections to the provider.");
pub(crate) const UPSTREAM_IDLE: Metric = gauge(
    "fastgate_upstream_connections_idle",
    PROVIDER,
    "Connections to the provider that are kept for later, as of the last second.",
);
pub(crate) const CALLS: Metric =
    counter("fastgate_deployment_calls_total", DEPLOYMENT, "Calls to a deployment, repeats and trials included.");
pub(crate) const FAILURES: Metric = counter(
    "fastgate_deployment_failures_total",
    &["deployment", "reason"],
    "Calls to a deployment that failed, by reason.",
);
pub(crate) const STATE: Metric = gauge(
    "fastgate_deployment_state",
    DEPLOYMENT,
    "0 in use, 1 paused by its provider's wish, 2 on trial, 3 left alone after failures.",
);
pub(crate) const CALLS_IN_FLIGHT: Metric =
    gauge("fastgate_deployment_in_flight", DEPLOYMENT, "Calls to a deployment under way.");
pub(crate) const CALLS_LIMIT: Metric = gauge(
    "fastgate_deployment_concurrency_limit",
    DEPLOYMENT,
    "How many may be under way; absent while nothing limits them.",
);
pub(crate) const CREDENTIALS_PAUSED: Metric =
    gauge("fastgate_provider_credentials_paused", PROVIDER, "Keys of a provider that are left alone for now.");
pub(crate) const QUEUE_WAITING: Metric =
    gauge("fastgate_queue_waiting", TIER, "Requests that wait for a provider's capacity; `tier` is empty without one.");
pub(crate) const QUEUE_SERVED: Metric =
    counter("fastgate_queue_served_total", TIER, "Requests that waited and got their turn.");
pub(crate) const QUEUE_WAIT: Metric =
    counter("fastgate_queue_wait_seconds_total", TIER, "How long those waited, together.");
pub(crate) const QUEUE_REFUSED: Metric = counter(
    "fastgate_queue_refused_total",
    &["tier", "reason"],
    "Requests that did not get their turn: `full`, `late`, or `left` by themselves.",
);
pub(crate) const LIMIT_IDENTITIES: Metric =
    gauge("fastgate_limit_identities", &[], "Counts of limits in memory, each of one identity.");
pub(crate) const LIMIT_SHARED: Metric = counter(
    "fastgate_limit_shared_identities_total",
    &[],
    "How often a request was counted with others, for lack of room for a count of its own.",
);
pub(crate) const LOG_DROPPED: Metric =
    counter("fastgate_access_log_dropped_total", &[], "Lines of the access log that could not be written.");
pub(crate) const SPOOL_RECORDS: Metric = counter("fastgate_spool_records_total", &[], "Records appended to the spool.");
pub(crate) const SPOOL_FAILURES: Metric =
    counter("fastgate_spool_write_failures_total", &[], "Records that could not be written to the spool.");
pub(crate) const SPOOL_BYTES: Metric =
    gauge("fastgate_spool_bytes", &[], "All segments of the spool, as of the last seconds.");
pub(crate) const SPOOL_FREE: Metric =
    gauge("fastgate_spool_free_bytes", &[], "What the spool's disk has left, as of the last seconds.");
pub(crate) const SPOOL_ALARM: Metric = gauge("fastgate_spool_alarm", &[], "1 while the spool is alarmed, else 0.");
pub(crate) const CONFIG_GENERATION: Metric =
    gauge("fastgate_config_generation", &[], "Configurations put in force since the start.");
pub(crate) const CONFIG_LOADED: Metric =
    gauge("fastgate_config_loaded_timestamp_seconds", &[], "When the configuration in force was read, Unix time.");
pub(crate) const BUILD: Metric = gauge("fastgate_build_info", &["version"], "Always 1.");
pub(crate) const CPU: Metric =
    counter("process_cpu_seconds_total", &[], "User and system time of the process (Linux).");
pub(crate) const RESIDENT: Metric =
    gauge("process_resident_memory_bytes", &[], "Resident memory of the process (Linux).");
pub(crate) const OPEN_FDS: Metric = gauge("process_open_fds", &[], "Open file descriptors (Linux).");
pub(crate) const MAX_FDS: Metric = gauge("process_max_fds", &[], "File descriptors that may be open (Linux).");

#[cfg(test)]
pub(super) const METRICS: [&Metric; 45] = [
    &STARTED,
    &IN_FLIGHT,
    &SETTLED,
    &EXCHANGES,
    &TOKENS,
    &COST,
    &COST_UNKNOWN,
    &USAGE_MISSING,
    &USAGE_ESTIMATED,
    &REQUEST_BYTES,
    &CONTENT_BYTES,
    &POLICY,
    &OVERHEAD,
    &DURATION,
    &UPSTREAM,
    &FIRST_CONTENT,
    &PER_OUTPUT_TOKEN,
    &CLIENT_CONNECTIONS,
    &UPSTREAM_OPEN,
    &UPSTREAM_IDLE,
    &CALLS,
    &FAILURES,
    &STATE,
    &CALLS_IN_FLIGHT,
    &CALLS_LIMIT,
    &CREDENTIALS_PAUSED,
    &QUEUE_WAITING,
    &QUEUE_SERVED,
    &QUEUE_WAIT,
    &QUEUE_REFUSED,
    &LIMIT_IDENTITIES,
    &LIMIT_SHARED,
    &LOG_DROPPED,
    &SPOOL_RECORDS,
    &SPOOL_FAILURES,
    &SPOOL_BYTES,
    &SPOOL_FREE,
    &SPOOL_ALARM,
    &CONFIG_GENERATION,
    &CONFIG_LOADED,
    &BUILD,
    &CPU,
    &RESIDENT,
    &OPEN_FDS,
    &MAX_FDS,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual's table is this one, row by row.
    #[test]
    fn the_manual_lists_every_metric() {
        let manual = include_str!("../../../../docs/telemetry.md");
        for Metric { name, kind, labels, help } in METRICS {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(" ") };
            let line = format!("| `{name}` | {} | {labels} | {help} |", kind.name());
            assert!(manual.contains(&line), "docs/telemetry.md lacks: {line}");
        }
        let listed = manual.lines().filter(|line| line.starts_with("| `fastgate_") || line.starts_with("| `process_"));
        assert_eq!(listed.count(), METRICS.len(), "docs/telemetry.md lists metrics that do not exist");
    }

    #[test]
    fn names_follow_prometheus() {
        for Metric { name, kind, .. } in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        }
    }
}
