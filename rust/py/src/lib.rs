//! The extension `fastgate._core`: conversion only.

mod admin;
mod bridge;
mod cache_key;
mod config_text;
mod engine;
mod limiter;
mod mock;
mod prices;
mod routes;
mod simulation;
mod spool;
mod sse;
mod tokens;

#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::admin::AdminRequest;
    #[pymodule_export]
    use crate::bridge::Bridge;
    #[pymodule_export]
    use crate::cache_key::cache_key;
    #[pymodule_export]
    use crate::config_text::{check_tables, read_toml};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::limiter::{Denied, Limiter, Reservation};
    #[pymodule_export]
    use crate::mock::MockProvider;
    #[pymodule_export]
    use crate::prices::{Price, price, rates};
    #[pymodule_export]
    use crate::routes::{check_routes, explain_route};
    #[pymodule_export]
    use crate::simulation::simulate_resilience;
    #[pymodule_export]
    use crate::spool::{SpoolReader, check_spool};
    #[pymodule_export]
    use crate::sse::{SseEvent, SseReader};
    #[pymodule_export]
    use crate::tokens::{count_chat_tokens, count_tokens};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let ignored = pyo3::types::PyTuple::new(module.py(), fastgate_core::cache::key::IGNORED_FIELDS)?;
        module.add("IGNORED_FIELDS", ignored)?;
        // Only the profile that tests use checks its assumptions.
        module.add("__profile__", if cfg!(debug_assertions) { "dev" } else { "release" })?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
