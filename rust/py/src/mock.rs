//! `fastgate._core.MockProvider`: the mock provider, started and inspected from Python.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use fastgate_engine::mock::{self, MockError, Options, Record};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

fn raised(error: MockError) -> PyErr {
    match error {
        MockError::Script(_) => PyValueError::new_err(error.to_string()),
        MockError::Listen(_) => PyOSError::new_err(error.to_string()),
    }
}

/// A scriptable provider on a port of its own, served without the GIL.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct MockProvider(mock::MockProvider);

#[pymethods]
impl MockProvider {
    #[new]
    #[pyo3(signature = (*, listen = "127.0.0.1:0", threads = 1, record = true, seed = 0, script = None, **behaviour))]
    fn new(
        py: Python<'_>,
        listen: &str,
        threads: usize,
        record: bool,
        seed: u64,
        script: Option<String>,
        behaviour: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let address: SocketAddr =
            listen.parse().map_err(|_| PyValueError::new_err(format!("listen: want ADDRESS:PORT, got {listen:?}")))?;
        let defaults = match behaviour {
            Some(fields) => Some(py.import("json")?.call_method1("dumps", (fields,))?.extract()?),
            None => None,
        };
        let options = Options { listen: address, threads, record, seed, script, defaults };
        py.detach(|| mock::MockProvider::start(&options)).map(Self).map_err(raised)
    }

    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let records = py.detach(|| self.0.requests());
        let list = PyList::empty(py);
        for record in &records {
            list.append(record_dict(py, record)?)?;
        }
        Ok(list)
    }

    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for (name, count) in self.0.counts() {
            counts.set_item(name, count)?;
        }
        Ok(counts)
    }

    fn set_script(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        py.detach(|| self.0.set_script(text)).map_err(raised)
    }

    fn append_script(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        py.detach(|| self.0.append_script(text)).map_err(raised)
    }

    fn reset(&self, py: Python<'_>) {
        py.detach(|| self.0.reset());
    }

    #[pyo3(signature = (*, requests = 0, in_flight = 0, timeout_s = 5.0))]
    fn wait(&self, py: Python<'_>, requests: u64, in_flight: u64, timeout_s: f64) -> PyResult<bool> {
        let timeout =
            Duration::try_from_secs_f64(timeout_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(py.detach(|| self.0.wait(requests, in_flight, timeout)))
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }

    fn __repr__(&self) -> String {
        format!("MockProvider({:?})", self.address())
    }
}

fn record_dict<'py>(py: Python<'py>, record: &Record) -> PyResult<Bound<'py, PyDict>> {
    let headers = PyList::empty(py);
    for (name, value) in &record.headers {
        headers.append((name.as_str(), String::from_utf8_lossy(value.as_bytes())))?;
    }
    let (outcome, ended_after_ms) = record.end();
    let dict = PyDict::new(py);
    dict.set_item("id", record.id)?;
    dict.set_item("connection", record.connection)?;
    dict.set_item("method", &record.method)?;
    dict.set_item("path", &record.path)?;
    dict.set_item("headers", headers)?;
    dict.set_item("body", PyBytes::new(py, &record.body))?;
    dict.set_item("at", record.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()))?;
    dict.set_item("outcome", outcome.name())?;
    dict.set_item("ended_after_ms", ended_after_ms)?;
    Ok(dict)
}
