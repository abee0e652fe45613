//! `SpoolReader` and `check_spool`: a spool, read without the GIL.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use fastgate_engine::spool::{self, Problem};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

const BATCH_BYTES: usize = 1 << 20;

type FlatProblem = (String, u64, u64, String, bool);

/// An iterator over batches of a spool's records.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct SpoolReader(Mutex<spool::SpoolReader>);

#[pymethods]
impl SpoolReader {
    #[new]
    #[pyo3(signature = (directory, *, since_unix_s = None))]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands paths over")]
    fn new(py: Python<'_>, directory: PathBuf, since_unix_s: Option<u64>) -> PyResult<Self> {
        let since = since_unix_s.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        Ok(Self(Mutex::new(py.detach(|| spool::SpoolReader::open(&directory, since))?)))
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyList>, Vec<FlatProblem>)>> {
        let Some(batch) = py.detach(|| self.0.lock().next_batch(BATCH_BYTES)) else { return Ok(None) };
        let records = PyList::new(py, batch.records().map(|payload| PyBytes::new(py, payload)).collect::<Vec<_>>())?;
        Ok(Some((records, batch.problems.into_iter().map(flat).collect())))
    }
}

/// What a spool holds, and what is wrong with it.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands paths over")]
pub fn check_spool(py: Python<'_>, directory: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let found = py.detach(|| spool::check(&directory))?;
    let report = PyDict::new(py);
    report.set_item("segments", found.segments)?;
    report.set_item("records", found.records)?;
    report.set_item("payload_bytes", found.payload_bytes)?;
    report.set_item("duplicates", found.duplicates)?;
    report.set_item("duplicate_ids", found.duplicate_ids)?;
    report.set_item("without_id", found.without_id)?;
    report.set_item("problems", found.problems.into_iter().map(flat).collect::<Vec<_>>())?;
    Ok(report)
}

fn flat(problem: Problem) -> FlatProblem {
    (problem.segment, problem.offset, problem.length, problem.fault, problem.is_torn)
}
