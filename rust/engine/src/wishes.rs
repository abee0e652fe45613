//! What a client wishes for this request beside its model: how long it waits, where it may be served, how the route is
//! chosen. All of it narrows what its key and tenant allow; nothing widens it.

use std::time::Duration;

use fastgate_core::failure::Failure;
use fastgate_core::routing::{Preferences, read_latency};
use fastgate_core::tables::Latency;
use http::{HeaderMap, HeaderName, HeaderValue};

const OWN_PREFIX: &str = "x-fastgate-";

const BUDGET_MS: &str = "x-fastgate-budget-ms";
const REGION: &str = "x-fastgate-region";
const LATENCY: &str = "x-fastgate-latency";
const COST_CLASS: &str = "x-fastgate-cost-class";
const ROUTE: &str = "x-fastgate-route";

/// Time-outs that SDKs and other gateways' clients tell: an answer that comes later is read by nobody.
const CLIENT_TIMEOUTS: [(HeaderName, Unit); 3] = [
    (HeaderName::from_static("x-stainless-timeout"), Unit::Seconds),
    (HeaderName::from_static("x-litellm-timeout"), Unit::Seconds),
    (HeaderName::from_static("x-portkey-request-timeout"), Unit::Milliseconds),
];

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// Longest budget a header may ask for; beyond it, it is none.
const BUDGET_LIMIT_MS: u64 = 24 * 3_600_000;

/// What the headers of a request say.
#[derive(Debug, Default)]
pub(crate) struct Wishes<'a> {
    /// How long the client waits for the first byte.
    pub(crate) budget: Option<Duration>,
    pub(crate) region: Option<&'a str>,
    pub(crate) latency: Option<Latency>,
    pub(crate) cost_class: Option<&'a str>,
    pub(crate) preferences: Preferences<'a>,
}

impl<'a> Wishes<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// A header that can't be read, by its name.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Self, Failure> {
        let client = CLIENT_TIMEOUTS.iter().filter_map(|(name, unit)| client_timeout(headers.get(name)?, *unit)).min();
        // One pass over a few headers is cheaper than looking for each of these names.
        if !headers.keys().any(|name| name.as_str().starts_with(OWN_PREFIX)) {
            return Ok(Self { budget: client, ..Self::default() });
        }
        let own = text(headers, BUDGET_MS)?.map(budget).transpose()?;
        let latency = text(headers, LATENCY)?.map(|word| read_latency(word).map_err(|error| invalid(LATENCY, &error)));
        let preferences =
            text(headers, ROUTE)?.map(|wish| Preferences::parse(wish).map_err(|error| invalid(ROUTE, &error)));
        Ok(Self {
            budget: own.into_iter().chain(client).min(),
            region: text(headers, REGION)?,
            latency: latency.transpose()?,
            cost_class: text(headers, COST_CLASS)?,
            preferences: preferences.transpose()?.unwrap_or_default(),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Failure> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| invalid(name, "must be visible ASCII"))?.trim();
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn budget(text: &str) -> Result<Duration, Failure> {
    let budget_ms = text.parse().ok().filter(|budget_ms| (1..=BUDGET_LIMIT_MS).contains(budget_ms));
    budget_ms
        .map(Duration::from_millis)
        .ok_or_else(|| invalid(BUDGET_MS, "must be whole milliseconds, from 1 to a day"))
}

/// What is left of a client's time-out once the answer's way back is taken off. SDKs write words for "none" here, so what
/// can't be read is no error.
fn client_timeout(value: &HeaderValue, unit: Unit) -> Option<Duration> {
    let number: f64 = value.to_str().ok()?.trim().parse().ok()?;
    let seconds = match unit {
        Unit::Seconds => number,
        Unit::Milliseconds => number / 1000.0,
    };
    let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| !timeout.is_zero())?;
    Some(timeout.saturating_sub((timeout / 20).min(Duration::from_secs(1))))
}

fn invalid(name: &str, what: &str) -> Failure {
    Failure::invalid_request(format!("the header {name}: {what}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> Result<Option<Duration>, Failure> {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Wishes::read(&headers).map(|wishes| wishes.budget)
    }

    #[test]
    fn the_shortest_patience_counts() {
        let ms = |number| Ok(Some(Duration::from_millis(number)));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("x-fastgate-budget-ms", "1500")]), ms(1500));
        assert_eq!(read(&[("x-stainless-timeout", "600")]), ms(599_000));
        assert_eq!(read(&[("x-stainless-timeout", "0.5")]), ms(475));
        assert_eq!(read(&[("x-stainless-timeout", "2"), ("x-fastgate-budget-ms", "9000")]), ms(1900));
        assert_eq!(read(&[("x-portkey-request-timeout", "2000"), ("x-fastgate-budget-ms", "9000")]), ms(1900));
    }

    #[test]
    fn other_clients_words_are_no_error_and_own_ones_are() {
        for word in ["NOT_GIVEN", "None", "-1", "0", "nan", "inf", "1e300", ""] {
            assert_eq!(read(&[("x-stainless-timeout", word)]), Ok(None), "{word}");
        }
        for word in ["0", "-1", "1.5", "soon", "99999999999999999999", "86400001"] {
            assert!(read(&[("x-fastgate-budget-ms", word)]).is_err(), "{word}");
        }
        assert!(read(&[("x-fastgate-latency", "fast")]).is_err());
        assert!(read(&[("x-fastgate-latency", "batch")]).is_ok());
    }
}
