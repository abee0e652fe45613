//! `Engine`: the data path, started, reloaded and stopped from Python.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fastgate_core::tables::Tables;
use fastgate_engine::doors::admin;
use fastgate_engine::doors::admin_bridge::AdminBridge;
use fastgate_engine::doors::native::{NativeDoor, Options};
use fastgate_engine::gateway::Shared;
use fastgate_engine::snapshot::Environment;
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::admin::AdminRequest;

/// The data path of one gateway.
#[pyclass(frozen, module = "fastgate._core")]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    door: Mutex<Option<NativeDoor>>,
    admin: Arc<AdminBridge>,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (tables, *, state_dir = None))]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands paths over")]
    fn new(py: Python<'_>, tables: &[u8], state_dir: Option<PathBuf>) -> PyResult<Self> {
        let shared = py
            .detach(|| Shared::new(Tables::from_json(tables)?, Environment::from_process(), state_dir.as_deref()))
            .map_err(PyValueError::new_err)?;
        Ok(Self { shared, door: Mutex::default(), admin: Arc::default() })
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
            let started = NativeDoor::start(Arc::clone(&self.shared), &options, Arc::clone(&self.admin))
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

    fn take_admin_request(&self, py: Python<'_>, timeout_s: f64) -> PyResult<Option<AdminRequest>> {
        let timeout =
            Duration::try_from_secs_f64(timeout_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(py.detach(|| self.admin.take(timeout)).map(AdminRequest::new))
    }

    #[pyo3(signature = (accept = None))]
    fn metrics(&self, py: Python<'_>, accept: Option<&[u8]>) -> (&'static str, String) {
        py.detach(|| admin::metrics(&self.shared, accept))
    }

    fn take_notices(&self) -> Vec<(bool, String)> {
        let notices = self.shared.spool.as_ref().map(|spool| spool.take_notices()).unwrap_or_default();
        notices.into_iter().map(|notice| (notice.is_warning, notice.text)).collect()
    }

    fn spool_status<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(spool) = &self.shared.spool else { return Ok(None) };
        let now = spool.status();
        let status = PyDict::new(py);
        status.set_item("records", now.records)?;
        status.set_item("write_failures", now.write_failures)?;
        status.set_item("spool_bytes", now.spool_bytes)?;
        status.set_item("free_bytes", now.free_bytes)?;
        status.set_item("damaged", now.damaged)?;
        status.set_item("is_alarmed", now.is_alarmed)?;
        Ok(Some(status))
    }

    fn set_jwks(&self, py: Python<'_>, issuer: &str, document: &[u8]) -> PyResult<usize> {
        py.detach(|| self.shared.set_jwks(issuer, document)).map_err(PyValueError::new_err)
    }

    fn unknown_token_keys(&self) -> u64 {
        self.shared.unknown_token_keys()
    }

    fn health(&self, py: Python<'_>) -> Vec<u8> {
        py.detach(|| self.shared.health())
    }

    fn explain(&self, py: Python<'_>, asking: &[u8]) -> PyResult<Vec<u8>> {
        py.detach(|| self.shared.explain(asking)).map_err(PyValueError::new_err)
    }

    fn set_drills(&self, py: Python<'_>, drills: &[u8]) -> PyResult<()> {
        py.detach(|| self.shared.set_drills(drills)).map_err(PyValueError::new_err)
    }

    fn drill_counts(&self, py: Python<'_>) -> Vec<u8> {
        py.detach(|| self.shared.drill_counts())
    }

    fn limit_standings(&self, py: Python<'_>, query: &[u8]) -> PyResult<Vec<u8>> {
        py.detach(|| self.shared.limit_standings(query)).map_err(PyValueError::new_err)
    }

    fn set_raises(&self, py: Python<'_>, raises: &[u8]) -> PyResult<()> {
        py.detach(|| self.shared.set_raises(raises)).map_err(PyValueError::new_err)
    }

    fn take_limit_events(&self, py: Python<'_>) -> Vec<u8> {
        py.detach(|| self.shared.take_limit_events())
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
