//! `Bridge`: exchanges for an event loop in Python. Few crossings, flat values; the engine's threads never see Python.

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use bytes::Bytes;
use fastgate_core::failure::Failure;
use fastgate_engine::body::RequestBody;
use fastgate_engine::doors::mailbox::Event;
use fastgate_engine::doors::queue::{Options, QueueDoor, read_request};
use fastgate_engine::guard::Peer;
use http::{HeaderMap, Request, header};
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::engine::Engine;

/// One event loop's way into the engine.
#[pyclass(frozen, module = "fastgate._core")]
pub(crate) struct Bridge {
    door: QueueDoor,
    is_text: bool,
    taken: Mutex<Vec<Event>>,
}

#[pymethods]
impl Bridge {
    #[new]
    #[pyo3(signature = (engine, *, threads = 1, text_headers = false))]
    fn new(engine: &Engine, threads: usize, text_headers: bool) -> PyResult<Self> {
        let door = QueueDoor::start(&engine.shared, Options { threads })
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { door, is_text: text_headers, taken: Mutex::default() })
    }

    fn fileno(&self) -> i32 {
        self.door.mailbox.ear().as_raw_fd()
    }

    #[getter]
    fn body_limit_bytes(&self) -> usize {
        self.door.bounds().request_body_bytes
    }

    #[getter]
    fn form_limit_bytes(&self) -> usize {
        self.door.bounds().multipart_body_bytes
    }

    #[pyo3(signature = (method, path, query, headers, body, client, authority = None))]
    #[expect(clippy::too_many_arguments, reason = "flat values are what makes the crossing cheap")]
    fn submit(
        &self,
        method: &str,
        path: &Bound<'_, PyAny>,
        query: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyList>,
        body: Option<&[u8]>,
        client: Option<&str>,
        authority: Option<&str>,
    ) -> PyResult<u64> {
        let peer = Peer { is_loopback: client.is_some_and(is_loopback) };
        let request = read(method, path, query, headers, body, authority)?;
        self.door.submit(request, peer).ok_or_else(|| PyRuntimeError::new_err("the gateway has stopped"))
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut taken = self.taken.lock();
        self.door.mailbox.take(&mut taken);
        let events = PyList::empty(py);
        for event in taken.drain(..) {
            events.append(self.convert(py, &event)?)?;
        }
        Ok(events)
    }

    fn flush(&self) {
        self.door.flush();
    }

    fn acknowledge(&self, exchange: u64, length: usize) {
        self.door.acknowledge(exchange, length);
    }

    fn cancel(&self, exchange: u64) {
        self.door.cancel(exchange);
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.door.close());
    }
}

impl Bridge {
    /// `(exchange, status, headers, body, state)`; status 0 where no head comes with the event.
    fn convert<'py>(&self, py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyTuple>> {
        let (status, headers) = match &event.head {
            Some((status, headers)) => (status.as_u16(), Some(self.headers(py, headers)?)),
            None => (0, None),
        };
        let body = PyBytes::new_with(py, event.body.len(), |into| {
            let mut rest = into;
            for chunk in event.body.iter() {
                let (here, after) = rest.split_at_mut(chunk.len());
                here.copy_from_slice(chunk);
                rest = after;
            }
            Ok(())
        })?;
        (event.exchange, status, headers, body, event.state as u8).into_pyobject(py)
    }

    fn headers<'py>(&self, py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (name, value) in headers {
            if self.is_text {
                // Latin-1 is how HTTP servers read what is not ASCII.
                let value: String = value.as_bytes().iter().copied().map(char::from).collect();
                list.append((name.as_str(), value))?;
            } else {
                list.append((PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
            }
        }
        Ok(list)
    }
}

fn read(
    method: &str,
    path: &Bound<'_, PyAny>,
    query: &Bound<'_, PyAny>,
    headers: &Bound<'_, PyList>,
    body: Option<&[u8]>,
    authority: Option<&str>,
) -> PyResult<Result<Request<RequestBody>, Failure>> {
    let pairs = headers.iter().map(|pair| Ok((pair.get_item(0)?, pair.get_item(1)?))).collect::<PyResult<Vec<_>>>()?;
    let mut borrowed = Vec::with_capacity(pairs.len() + 1);
    for (name, value) in &pairs {
        borrowed.push((octets(name)?, octets(value)?));
    }
    if let Some(authority) = authority
        && !borrowed.iter().any(|(name, _)| name.eq_ignore_ascii_case(header::HOST.as_str().as_bytes()))
    {
        borrowed.push((header::HOST.as_str().as_bytes(), authority.as_bytes()));
    }
    let decoded;
    let path = if let Ok(text) = path.cast::<PyString>() {
        decoded = percent_encoded(text.to_str()?);
        decoded.as_bytes()
    } else {
        // Some servers leave the query in `raw_path`.
        octets(path)?.split(|byte| *byte == b'?').next().unwrap_or_default()
    };
    let body = body.map_or(RequestBody::TooLarge, |body| RequestBody::Whole(Bytes::copy_from_slice(body)));
    Ok(read_request(method, path, octets(query)?, borrowed.into_iter(), body))
}

/// The bytes of `bytes` or `str`.
fn octets<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    match value.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.as_bytes()),
        Err(_) => Ok(value.cast::<PyString>()?.to_str()?.as_bytes()),
    }
}

/// A decoded path as it may stand in a request line.
fn percent_encoded(path: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    encoded
}

fn is_loopback(client: &str) -> bool {
    client.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
