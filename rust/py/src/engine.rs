//! `Engine`: the data path, started, reloaded and stopped from Python.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use fastgate_core::tables::Tables;
use fastgate_engine::doors::native::{NativeDoor, Options};
use fastgate_engine::gateway::Shared;
use fastgate_engine::snapshot::Environment;
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The data path of one gateway.
#[pyclass(frozen, module = "fastgate._core")]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    door: Mutex<Option<NativeDoor>>,
}

#[pymethods]
impl Engine {
    #[new]
    fn new(py: Python<'_>, tables: &[u8]) -> PyResult<Self> {
        let shared = py
            .detach(|| Shared::new(Tables::from_json(tables)?, Environment::from_process()))
            .map_err(PyValueError::new_err)?;
        Ok(Self { shared, door: Mutex::default() })
    }

    fn reload(&self, py: Python<'_>, tables: &[u8]) -> PyResult<()> {
        py.detach(|| self.shared.reload(Tables::from_json(tables)?)).map_err(PyValueError::new_err)
    }

    #[pyo3(signature = (*, listen, admin, threads, tls_certificate = None, tls_key = None))]
    fn serve(
        &self,
        py: Python<'_>,
        listen: &str,
        admin: Option<&str>,
        threads: usize,
        tls_certificate: Option<String>,
        tls_key: Option<String>,
    ) -> PyResult<(String, Option<String>)> {
        let options = Options {
            listen: resolve(listen)?,
            admin: admin.map(resolve).transpose()?,
            threads,
            tls: tls_certificate.zip(tls_key),
        };
        // The lock is only waited for without the GIL: its holder may need the GIL to go on.
        py.detach(|| {
            let mut door = self.door.lock();
            if door.is_some() {
                return Err(PyRuntimeError::new_err("the engine is serving already"));
            }
            let started = NativeDoor::start(Arc::clone(&self.shared), &options)
                .map_err(|error| PyOSError::new_err(error.to_string()))?;
            let addresses = (started.listen.to_string(), started.admin.map(|address| address.to_string()));
            *door = Some(started);
            Ok(addresses)
        })
    }

    fn stop(&self, py: Python<'_>, grace_s: f64) -> PyResult<bool> {
        let grace = Duration::try_from_secs_f64(grace_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(py.detach(|| {
            let door = self.door.lock().take();
            door.is_none_or(|door| door.stop(grace))
        }))
    }

    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (started, settled) = self.shared.totals();
        let statistics = PyDict::new(py);
        statistics.set_item("started", started)?;
        statistics.set_item("in_flight", started.saturating_sub(settled.iter().map(|(_, _, count)| count).sum()))?;
        statistics.set_item("connections", self.shared.connections())?;
        for (outcome, _, count) in settled {
            statistics.set_item(outcome, count)?;
        }
        Ok(statistics)
    }
}

fn resolve(address: &str) -> PyResult<SocketAddr> {
    let invalid = |reason: String| PyOSError::new_err(format!("can't listen on {address}: {reason}"));
    let mut found = address.to_socket_addrs().map_err(|error| invalid(error.to_string()))?;
    found.next().ok_or_else(|| invalid("the name has no address".into()))
}
