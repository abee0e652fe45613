//! Configuration text and compiled tables, for the control plane.

use fastgate_core::config_text::{self, Located, Value};
use fastgate_core::tables::Tables;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// Reads TOML into plain values and a map from each value's path to its line; decimals become `decimal.Decimal`.
/// Raises `ValueError(message, line, column)`.
#[pyfunction]
pub fn read_toml<'py>(py: Python<'py>, text: &str) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
    let document = config_text::read_toml(text)
        .map_err(|error| PyValueError::new_err((error.message, error.line, error.column)))?;
    let lines = PyDict::new(py);
    let value = convert(py, &document, &PyTuple::empty(py), &lines)?;
    Ok((value, lines))
}

/// Raises `ValueError` if the engine would refuse this compiled configuration.
#[pyfunction]
pub fn check_tables(document: &[u8]) -> PyResult<()> {
    Tables::from_json(document).map(drop).map_err(PyValueError::new_err)
}

fn convert<'py>(
    py: Python<'py>,
    located: &Located,
    path: &Bound<'py, PyTuple>,
    lines: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    lines.set_item(path, located.line)?;
    Ok(match &located.value {
        Value::Boolean(boolean) => boolean.into_pyobject(py)?.to_owned().into_any(),
        Value::Integer(integer) => integer.into_pyobject(py)?.into_any(),
        Value::Text(text) => text.into_pyobject(py)?.into_any(),
        Value::Decimal(text) => py.import("decimal")?.getattr("Decimal")?.call1((text,))?,
        Value::List(elements) => {
            let list = PyList::empty(py);
            for (index, element) in elements.iter().enumerate() {
                list.append(convert(py, element, &extend(path, index)?, lines)?)?;
            }
            list.into_any()
        }
        Value::Table(entries) => {
            let table = PyDict::new(py);
            for (name, entry) in entries {
                table.set_item(name, convert(py, entry, &extend(path, name)?, lines)?)?;
            }
            table.into_any()
        }
    })
}

fn extend<'py>(path: &Bound<'py, PyTuple>, step: impl IntoPyObject<'py>) -> PyResult<Bound<'py, PyTuple>> {
    let step = PyTuple::new(path.py(), [step])?;
    Ok(path.as_sequence().concat(step.as_sequence())?.cast_into::<PyTuple>()?)
}
