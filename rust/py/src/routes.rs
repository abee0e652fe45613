//! Routes of a compiled configuration, for the command line.

use fastgate_core::routing::{tenants_without_route, unreachable_rows};
use fastgate_core::tables::Tables;
use fastgate_engine::gateway::Shared;
use fastgate_engine::snapshot::Environment;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What the author of a compiled configuration should hear about: pairs of a path and a sentence.
#[pyfunction]
pub fn check_routes(py: Python<'_>, tables: &[u8]) -> PyResult<Vec<(String, String)>> {
    py.detach(|| {
        let tables = Tables::from_json(tables)?;
        let rows = unreachable_rows(&tables).into_iter().map(|found| {
            (format!("models.{}.rows[{}]", found.model, found.row), format!("never matches: it {}", found.reason))
        });
        let tenants = tenants_without_route(&tables).into_iter().map(|found| {
            (format!("models.{}", found.model), format!("no deployment may serve tenant {}", found.tenant))
        });
        Ok(rows.chain(tenants).collect())
    })
    .map_err(PyValueError::new_err::<String>)
}

/// Where a request would go under a compiled configuration of which nothing has failed yet.
#[pyfunction]
pub fn explain_route(py: Python<'_>, tables: &[u8], asking: &[u8]) -> PyResult<Vec<u8>> {
    py.detach(|| Shared::new(Tables::from_json(tables)?, Environment::from_process(), None)?.explain(asking))
        .map_err(PyValueError::new_err)
}
