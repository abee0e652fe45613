//! The extension `fastgate._core`: conversion only.

mod bridge;
mod config_text;
mod engine;
mod mock;
mod prices;
mod spool;
mod tokens;

#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::bridge::Bridge;
    #[pymodule_export]
    use crate::config_text::{check_tables, read_toml};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::mock::MockProvider;
    #[pymodule_export]
    use crate::prices::{Price, price, rates};
    #[pymodule_export]
    use crate::spool::{SpoolReader, check_spool};
    #[pymodule_export]
    use crate::tokens::{count_chat_tokens, count_tokens};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Only the profile that tests use checks its assumptions.
        module.add("__profile__", if cfg!(debug_assertions) { "dev" } else { "release" })?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
