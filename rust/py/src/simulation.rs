//! The simulation of an outage, for `bench.simulate_resilience`.

use fastgate_core::resilience::simulation::simulate_json;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Runs a scenario, JSON in and JSON out; raises `ValueError` for one that is wrong.
#[pyfunction]
pub fn simulate_resilience<'py>(py: Python<'py>, scenario_json: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let report = py.detach(|| simulate_json(scenario_json)).map_err(PyValueError::new_err)?;
    Ok(PyBytes::new(py, &report))
}
