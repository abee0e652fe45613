//! Prices of token counts, for Python.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use fastgate_core::prices::{self, Catalogue, DatedRates};
use fastgate_core::usage::Usage;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// What an exchange costs, in picodollars.
#[pyclass(frozen, eq, get_all, module = "fastgate._core")]
#[derive(PartialEq)]
#[expect(clippy::struct_field_names, reason = "the unit ends each name")]
pub struct Price {
    /// Input, output, and a fee per request where there is one.
    total_pusd: i64,
    /// Tokens in.
    input_pusd: i64,
    /// Tokens out.
    output_pusd: i64,
}

#[pymethods]
impl Price {
    fn __repr__(&self) -> String {
        format!(
            "Price(total_pusd={}, input_pusd={}, output_pusd={})",
            self.total_pusd, self.input_pusd, self.output_pusd
        )
    }
}

/// Prices token counts by the bundled catalogue; None where the cost is unknown.
#[pyfunction]
#[pyo3(signature = (
    model, *, input_tokens = 0, cache_read_tokens = 0, cache_write_5m_tokens = 0, cache_write_1h_tokens = 0,
    cache_write_other_tokens = 0, input_audio_tokens = 0, input_image_tokens = 0, output_tokens = 0,
    reasoning_tokens = 0, output_audio_tokens = 0, cache_read_audio_tokens = 0, cache_read_image_tokens = 0,
    output_image_tokens = 0, provider = None, at = None, context = None
))]
#[expect(clippy::too_many_arguments, clippy::similar_names, reason = "keywords: one per token class")]
pub fn price(
    model: &str,
    input_tokens: u64,
    cache_read_tokens: u64,
    cache_write_5m_tokens: u64,
    cache_write_1h_tokens: u64,
    cache_write_other_tokens: u64,
    input_audio_tokens: u64,
    input_image_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    output_audio_tokens: u64,
    cache_read_audio_tokens: u64,
    cache_read_image_tokens: u64,
    output_image_tokens: u64,
    provider: Option<&str>,
    at: Option<i64>,
    context: Option<BTreeMap<String, String>>,
) -> Option<Price> {
    let usage = Usage {
        input_tokens,
        cache_read_tokens,
        cache_write_5m_tokens,
        cache_write_1h_tokens,
        cache_write_other_tokens,
        input_audio_tokens,
        input_image_tokens,
        output_tokens,
        reasoning_tokens,
        output_audio_tokens,
        cache_read_audio_tokens,
        cache_read_image_tokens,
        output_image_tokens,
    };
    let now_unix_s = at.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    });
    let context = context.unwrap_or_default();
    let context: Vec<(&str, &str)> = context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let rates = Catalogue::bundled().find(provider, model)?.rates;
    let price = prices::price_in(&rates, &usage, now_unix_s, &context)?;
    let prices::Price { total_pusd, input_pusd, output_pusd } = price;
    Some(Price { total_pusd, input_pusd, output_pusd })
}

/// What the bundled catalogue says about a model; None if it is not in it.
#[pyfunction]
#[pyo3(signature = (model, *, provider = None, base_url = None))]
pub fn rates<'py>(
    py: Python<'py>,
    model: &str,
    provider: Option<&str>,
    base_url: Option<&str>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let catalogue = Catalogue::bundled();
    let found = match base_url {
        Some(base_url) => catalogue.find_at(base_url, provider.unwrap_or_default(), model),
        None => catalogue.find(provider, model),
    };
    let Some(found) = found else { return Ok(None) };
    let listing = PyDict::new(py);
    listing.set_item("source", format!("{} {}", catalogue.package, catalogue.version))?;
    listing.set_item("provider", found.provider)?;
    listing.set_item("model", found.model)?;
    listing.set_item("prices", list(py, &found.rates.standard)?)?;
    listing.set_item("variants", list(py, &found.rates.variants)?)?;
    Ok(Some(listing))
}

fn list<'py>(py: Python<'py>, prices: &[DatedRates]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for dated in prices {
        let entry = PyDict::new(py);
        let when: BTreeMap<&str, &str> = dated.when.iter().map(|(key, value)| (&**key, &**value)).collect();
        entry.set_item("when", when)?;
        entry.set_item("from_unix_s", dated.from_unix_s)?;
        entry.set_item("daily_s", dated.daily_s)?;
        let rates = PyDict::new(py);
        for (meter, rate) in dated.rates.iter() {
            rates.set_item(meter.name(), rate.steps().collect::<Vec<_>>())?;
        }
        entry.set_item("rates", rates)?;
        entry.set_item("other", dated.other.iter().map(|name| &**name).collect::<Vec<&str>>())?;
        list.append(entry)?;
    }
    Ok(list)
}
