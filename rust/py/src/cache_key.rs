//! `cache_key`: when two requests are the same question.

use std::fmt::Write;

use fastgate_core::cache::key;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Nesting that a request may have.
const DEPTH_LIMIT: usize = 128;

/// Bodies up to here take a few microseconds: less than giving the GIL away and waiting for it costs.
const QUICK_BYTES: usize = 8 * 1024;

/// Raises `ValueError` on a body that is no JSON object or has a key twice.
#[pyfunction]
#[pyo3(signature = (request_body, *, tenant, model = None, ignore = None))]
#[expect(clippy::needless_pass_by_value, reason = "names are taken out of a Python sequence")]
pub(crate) fn cache_key(
    py: Python<'_>,
    request_body: &[u8],
    tenant: &str,
    model: Option<&str>,
    ignore: Option<Vec<String>>,
) -> PyResult<String> {
    let named: Vec<&str> = ignore.iter().flatten().map(String::as_str).collect();
    let ignored = if ignore.is_some() { named.as_slice() } else { &key::IGNORED_FIELDS };
    let compute = || key::cache_key(request_body, tenant.as_bytes(), model, ignored, DEPTH_LIMIT);
    let digest = if request_body.len() > QUICK_BYTES { py.detach(compute) } else { compute() };
    let digest = digest.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
