//! The extension `fastgate._core`: conversion only.

use pyo3::prelude::*;

mod config_text;

#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::config_text::{check_tables, read_toml};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
