//! `AdminRequest`: what an operator asks for, and the way back.

use std::net::SocketAddr;

use bytes::Bytes;
use fastgate_engine::doors::admin_bridge::{AdminCall, AdminReply};
use http::{HeaderName, HeaderValue, Response, header, request};
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// A request of the admin listener.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct AdminRequest {
    head: request::Parts,
    body: Bytes,
    client: SocketAddr,
    reply: Mutex<Option<AdminReply>>,
}

impl AdminRequest {
    pub(crate) fn new(call: AdminCall) -> Self {
        Self { head: call.head, body: call.body, client: call.client, reply: Mutex::new(Some(call.reply)) }
    }
}

#[pymethods]
impl AdminRequest {
    #[getter]
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    #[getter]
    fn path(&self) -> &[u8] {
        self.head.uri.path().as_bytes()
    }

    #[getter]
    fn query(&self) -> &[u8] {
        self.head.uri.query().unwrap_or_default().as_bytes()
    }

    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let pairs = self.head.headers.iter();
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes()))
        };
        PyList::new(py, pairs.map(pair).collect::<Vec<_>>())
    }

    #[getter]
    fn body(&self) -> &[u8] {
        &self.body
    }

    #[getter]
    fn client(&self) -> (String, u16) {
        (self.client.ip().to_string(), self.client.port())
    }

    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands lists over")]
    fn respond(&self, status: u16, headers: Vec<(Vec<u8>, Vec<u8>)>, body: &[u8]) -> PyResult<()> {
        let mut answer = Response::builder().status(status);
        for (name, value) in &headers {
            // How the answer is framed is the listener's to say.
            let is_framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION]
                .iter()
                .any(|framing| name.eq_ignore_ascii_case(framing.as_str().as_bytes()));
            if !is_framing {
                answer = answer.header(name.as_slice(), value.as_slice());
            }
        }
        let answer = answer
            .body(Bytes::copy_from_slice(body))
            .map_err(|error| PyValueError::new_err(format!("no such answer can be sent: {error}")))?;
        let reply = self.reply.lock().take();
        reply.ok_or_else(|| PyRuntimeError::new_err("this request has been answered"))?.send(answer);
        Ok(())
    }
}
