//! `Limiter`: one rate with reservations, shared by threads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastgate_core::limits::gcra::{self, Rate, UNITS_MAX};
use fastgate_core::limits::limiter;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Limiters made so far, so that a reservation knows its own.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// One rate.
// Decisions take nanoseconds, so the lock is held with the GIL and never for longer than one of them.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct Limiter {
    inner: Mutex<limiter::Limiter>,
    rate: Rate,
    serial: u64,
}

/// Capacity held.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct Reservation {
    limiter: u64,
    #[pyo3(get)]
    id: u64,
    #[pyo3(get)]
    cost: u64,
}

/// No capacity.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct Denied(gcra::Denied);

#[pymethods]
impl Limiter {
    #[new]
    #[pyo3(signature = (rate_per_minute, burst = None, *, hold_s = 600.0))]
    fn new(rate_per_minute: u64, burst: Option<u64>, hold_s: f64) -> PyResult<Self> {
        let rate = match burst {
            Some(burst) => Rate::new(rate_per_minute, 60_000_000_000, burst),
            None => Rate::per_minute(rate_per_minute),
        };
        let rate = rate.ok_or_else(|| {
            PyValueError::new_err(format!("rate_per_minute and burst must be between 1 and {UNITS_MAX}"))
        })?;
        let hold = Duration::try_from_secs_f64(hold_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let hold = u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Ok(Self { inner: Mutex::new(limiter::Limiter::new(rate, hold)), rate, serial })
    }

    #[getter]
    fn rate_per_minute(&self) -> u64 {
        self.rate.units()
    }

    #[getter]
    fn burst(&self) -> u64 {
        self.rate.burst()
    }

    #[pyo3(signature = (cost = 1, *, now_ns = None))]
    fn try_acquire(&self, cost: u64, now_ns: Option<u64>) -> bool {
        self.inner.lock().acquire(cost, now_ns.unwrap_or_else(monotonic_ns)).is_ok()
    }

    #[pyo3(signature = (cost = 1, *, now_ns = None))]
    fn reserve(&self, py: Python<'_>, cost: u64, now_ns: Option<u64>) -> PyResult<Py<PyAny>> {
        let reserved = self.inner.lock().reserve(cost, now_ns.unwrap_or_else(monotonic_ns));
        Ok(match reserved {
            Ok(id) => Py::new(py, Reservation { limiter: self.serial, id, cost })?.into_any(),
            Err(denied) => Py::new(py, Denied(denied))?.into_any(),
        })
    }

    #[pyo3(signature = (reservation, actual, *, now_ns = None))]
    fn reconcile(&self, reservation: &Reservation, actual: u64, now_ns: Option<u64>) -> PyResult<bool> {
        if reservation.limiter != self.serial {
            return Err(PyValueError::new_err("this reservation is another limiter's"));
        }
        Ok(self.inner.lock().settle(reservation.id, actual, now_ns.unwrap_or_else(monotonic_ns)))
    }

    #[pyo3(signature = (reservation, *, now_ns = None))]
    fn refund(&self, reservation: &Reservation, now_ns: Option<u64>) -> PyResult<bool> {
        self.reconcile(reservation, 0, now_ns)
    }

    #[pyo3(signature = (*, now_ns = None))]
    fn available(&self, now_ns: Option<u64>) -> u64 {
        self.inner.lock().available(now_ns.unwrap_or_else(monotonic_ns))
    }
}

#[pymethods]
impl Reservation {
    fn __repr__(&self) -> String {
        format!("Reservation(id={}, cost={})", self.id, self.cost)
    }
}

#[pymethods]
impl Denied {
    #[getter]
    fn retry_after_ns(&self) -> Option<u64> {
        self.0.retry_after_ns
    }

    #[expect(clippy::unused_self, reason = "Python passes it")]
    fn __bool__(&self) -> bool {
        false
    }

    fn __repr__(&self) -> String {
        self.0
            .retry_after_ns
            .map_or_else(|| "Denied(retry_after_ns=None)".into(), |wait_ns| format!("Denied(retry_after_ns={wait_ns})"))
    }
}

/// Nanoseconds since the process first asked.
fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}
