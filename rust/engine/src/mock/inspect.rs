//! The mock's own endpoints under `/_mock/`: what it received, its counters, its script. They are not counted.

use std::time::UNIX_EPOCH;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use serde_json::{Value, json};

use super::Shared;
use super::record::Record;

pub(super) const PREFIX: &str = "/_mock/";

pub(super) fn answer(shared: &Shared, parts: &Parts, body: &Bytes) -> Response<Full<Bytes>> {
    let text = || std::str::from_utf8(body).map_err(|error| error.to_string());
    let done = |result: Result<(), String>| match result {
        Ok(()) => (StatusCode::OK, json!({"ok": true})),
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error})),
    };
    let (status, value) = match (&parts.method, &parts.uri.path()[PREFIX.len()..]) {
        (&Method::GET, "requests") => {
            let records = shared.records();
            (StatusCode::OK, records.iter().map(|record| record_json(record)).collect())
        }
        (&Method::GET, "counts") => {
            let counts = shared.counts.all().into_iter().map(|(name, count)| (name.to_owned(), count.into()));
            (StatusCode::OK, Value::Object(counts.collect()))
        }
        (&Method::POST | &Method::PUT, "reset") => {
            shared.reset();
            done(Ok(()))
        }
        (&Method::PUT, "script") => done(text().and_then(|text| shared.set_script(text))),
        (&Method::POST, "script") => done(text().and_then(|text| shared.append_script(text))),
        _ => (StatusCode::NOT_FOUND, json!({"error": "GET requests, counts; POST reset; PUT or POST script"})),
    };
    let mut response = Response::new(Full::new(value.to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(super::answer::JSON));
    response
}

fn record_json(record: &Record) -> Value {
    let (outcome, ended_after_ms) = record.end();
    let headers = record.headers.iter();
    let headers = headers.map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
    let mut value = json!({
        "id": record.id,
        "connection": record.connection,
        "method": record.method,
        "path": record.path,
        "headers": headers.collect::<Value>(),
        "at": record.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        "outcome": outcome.name(),
        "ended_after_ms": ended_after_ms,
    });
    match std::str::from_utf8(&record.body) {
        Ok(text) => value["body"] = text.into(),
        Err(_) => value["body_base64"] = STANDARD.encode(&record.body).into(),
    }
    value
}
