//! `SseReader`: events out of the chunks of a stream.

use fastgate_core::sse;
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Chunks up to here take a few microseconds.
const QUICK_BYTES: usize = 16 * 1024;

/// Reads one stream.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct SseReader(Mutex<sse::EventReader>);

/// One event with data.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct SseEvent(sse::Event);

#[pymethods]
impl SseReader {
    // Far more than any event of a model's answer; images come in events of a few megabytes.
    #[new]
    #[pyo3(signature = (*, event_limit_bytes = 16_777_216))]
    fn new(event_limit_bytes: usize) -> Self {
        Self(Mutex::new(sse::EventReader::new(event_limit_bytes)))
    }

    fn feed(&self, py: Python<'_>, chunk: &[u8]) -> PyResult<Vec<SseEvent>> {
        let feed = || {
            let mut events = Vec::new();
            let fed = self.0.lock().feed(chunk, |event| events.push(SseEvent(event)));
            (events, fed)
        };
        // Another thread's large chunk holds the lock without the GIL: it is not waited for with it.
        let is_quick = chunk.len() <= QUICK_BYTES && !self.0.is_locked();
        let (events, outcome) = if is_quick { feed() } else { py.detach(feed) };
        match outcome {
            // The next call raises.
            Err(error) if events.is_empty() => {
                Err(PyValueError::new_err(format!("an event of the stream is longer than {} bytes", error.limit_bytes)))
            }
            _ => Ok(events),
        }
    }

    #[getter]
    fn pending_bytes(&self, py: Python<'_>) -> usize {
        py.detach(|| self.0.lock().pending_bytes())
    }
}

#[pymethods]
impl SseEvent {
    #[getter]
    fn event(&self) -> String {
        if self.0.event.is_empty() { "message".into() } else { String::from_utf8_lossy(&self.0.event).into_owned() }
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data)
    }

    #[getter]
    fn id(&self) -> String {
        String::from_utf8_lossy(&self.0.id).into_owned()
    }

    #[getter]
    fn retry_ms(&self) -> Option<u64> {
        self.0.retry_ms
    }

    fn __repr__(&self) -> String {
        format!("SseEvent(event={:?}, {} bytes of data)", self.event(), self.0.data.len())
    }
}
