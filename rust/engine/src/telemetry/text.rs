//! Prometheus' text format 0.0.4 and `OpenMetrics` 1.0: the same lines but for three differences.
//!
//! Numbers are written from integers: times and money never pass through a float.

use std::fmt::{Display, Write};

use fastgate_core::telemetry::access_line::write_fraction;
use fastgate_core::telemetry::histogram::Distribution;

use super::metrics::{Kind, Metric};

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// `text/plain; version=0.0.4`.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// What a scraper asks for. Prometheus names the formats it takes in order of preference.
    pub(crate) fn accepted(accept: Option<&[u8]>) -> Self {
        let asks = accept.is_some_and(|accept| memchr::memmem::find(accept, b"application/openmetrics-text").is_some());
        if asks { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page being written.
pub(super) struct Page {
    format: Format,
    text: String,
}

/// Labels of one sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(16 * 1024) }
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    /// Begins a metric; its samples follow.
    pub(super) fn begin(&mut self, metric: &Metric) {
        let name = match self.format {
            Format::OpenMetrics => metric.name.trim_end_matches("_total"),
            Format::Prometheus => metric.name,
        };
        let Metric { kind, help, .. } = metric;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.name()));
    }

    /// One sample.
    pub(super) fn sample(&mut self, metric: &Metric, labels: Labels<'_>, value: impl Display) {
        debug_assert!(labels.iter().map(|(name, _)| name).eq(metric.labels), "{}", metric.name);
        self.number(metric, "", labels, value);
    }

    /// A metric that has one sample.
    pub(super) fn single(&mut self, metric: &Metric, value: impl Display) {
        self.begin(metric);
        self.sample(metric, &[], value);
    }

    /// The samples of a histogram. `unit_ns`: what its name counts in.
    pub(super) fn histogram(&mut self, metric: &Metric, labels: Labels<'_>, distribution: &Distribution, unit_ns: u32) {
        debug_assert_eq!(metric.kind, Kind::Histogram);
        let mut total = 0;
        for (index, count) in distribution.counts.iter().enumerate() {
            total += count;
            let bound = distribution.bounds_ns.get(index).map_or_else(
                || "+Inf".to_owned(),
                |bound_ns| {
                    let text = decimal(u128::from(*bound_ns), unit_ns);
                    // OpenMetrics wants every bound to be recognisable as a float.
                    if text.contains('.') { text } else { text + ".0" }
                },
            );
            let with_bound = [labels, &[("le", bound.as_str())]].concat();
            self.number(metric, "_bucket", &with_bound, total);
        }
        self.number(metric, "_sum", labels, decimal(distribution.sum_ns, unit_ns));
        self.number(metric, "_count", labels, total);
    }

    fn number(&mut self, metric: &Metric, suffix: &str, labels: Labels<'_>, value: impl Display) {
        self.text.push_str(metric.name);
        self.text.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    _ => self.text.push(character),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// A count of ns in a unit of `unit_ns`, exactly; a power of ten.
pub(super) fn decimal(count_ns: u128, unit_ns: u32) -> String {
    let unit = u128::from(unit_ns);
    let mut text = (count_ns / unit).to_string().into_bytes();
    write_fraction(&mut text, u64::try_from(count_ns % unit).unwrap_or(0), unit_ns.ilog10());
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{CONFIG_GENERATION, SETTLED};
    use super::*;

    #[test]
    fn writes_decimals_exactly() {
        assert_eq!(decimal(500, 1_000), "0.5");
        assert_eq!(decimal(10_000_000, 1_000_000_000), "0.01");
        assert_eq!(decimal(81_920_000_000, 1_000_000_000), "81.92");
        assert_eq!(decimal(u128::from(u64::MAX) * 3, 1_000), "55340232221128654.845");
        assert_eq!(decimal(0, 1_000), "0");
    }

    #[test]
    fn the_formats_differ_where_they_should() {
        let page = |format| {
            let mut page = Page::new(format);
            page.begin(&SETTLED);
            page.sample(&SETTLED, &[("outcome", "a\\b\"c\nd"), ("fault", "none")], 3);
            page.single(&CONFIG_GENERATION, 1);
            page.end()
        };
        let prometheus = page(Format::Prometheus);
        assert!(prometheus.contains("# TYPE fastgate_exchanges_settled_total counter\n"));
        assert!(prometheus.contains("_total{outcome=\"a\\\\b\\\"c\\nd\",fault=\"none\"} 3\n"));
        assert!(!prometheus.contains("# EOF"));
        let open_metrics = page(Format::OpenMetrics);
        assert!(open_metrics.contains("# TYPE fastgate_exchanges_settled counter\n"));
        assert!(open_metrics.ends_with("\nfastgate_config_generation 1\n# EOF\n"));
    }
}
