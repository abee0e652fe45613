//! What the mock received and what became of it: a bounded ring of records, and counters.
//!
//! Records are bounded twice, by number and by the bytes of their bodies; the oldest go first. A record stays alive
//! while its exchange runs, so an outcome is never written to another's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use hyper::HeaderMap;
use parking_lot::Mutex;

const MAX_RECORDS: usize = 10_000;
const MAX_BODY_BYTES: usize = 64 << 20;

/// How an exchange ended, seen from the mock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Still being answered, or stalled.
    InFlight,
    /// Everything was written.
    Answered,
    /// The client closed the connection first.
    ClientClosed,
    /// A scripted RST.
    Reset,
    /// A scripted FIN in mid-answer.
    Cut,
}

impl Outcome {
    /// The name that inspection shows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Answered => "answered",
            Self::ClientClosed => "client_closed",
            Self::Reset => "reset",
            Self::Cut => "cut",
        }
    }
}

/// One request as it came.
#[derive(Debug)]
pub struct Record {
    /// From 1, over the life of the mock.
    pub id: u64,
    /// Which accepted connection it came over, from 1.
    pub connection: u64,
    /// The request's method.
    pub method: String,
    /// The request's path with its query.
    pub path: String,
    /// The request's headers, names in lower case.
    pub headers: HeaderMap,
    /// The request's body, its chunk framing taken off.
    pub body: Bytes,
    /// When its head had been read.
    pub at: SystemTime,
    started: Instant,
    end: Mutex<(Outcome, Option<f64>)>,
}

impl Record {
    pub(super) fn new(id: u64, connection: u64, parts: http::request::Parts, body: Bytes, started: Instant) -> Self {
        Self {
            id,
            connection,
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            headers: parts.headers,
            body,
            at: SystemTime::now() - started.elapsed(),
            started,
            end: Mutex::new((Outcome::InFlight, None)),
        }
    }

    /// How it ended, and milliseconds from the request's head to that end.
    #[must_use]
    pub fn end(&self) -> (Outcome, Option<f64>) {
        *self.end.lock()
    }

    pub(super) fn finish(&self, outcome: Outcome) {
        *self.end.lock() = (outcome, Some(self.started.elapsed().as_secs_f64() * 1000.0));
    }
}

#[derive(Debug, Default)]
pub(super) struct Records(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<Arc<Record>>,
    body_bytes: usize,
}

impl Records {
    pub(super) fn push(&self, record: Arc<Record>) {
        let mut ring = self.0.lock();
        ring.body_bytes += record.body.len();
        ring.records.push_back(record);
        while ring.records.len() > MAX_RECORDS || (ring.body_bytes > MAX_BODY_BYTES && ring.records.len() > 1) {
            let freed = ring.records.pop_front().map_or(0, |oldest| oldest.body.len());
            ring.body_bytes -= freed;
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Record>> {
        self.0.lock().records.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        *self.0.lock() = Ring::default();
    }
}

/// A number that goes up and down and remembers its height.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    now: AtomicU64,
    highest: AtomicU64,
}

impl Gauge {
    pub(super) fn enter(self: &Arc<Self>) -> Entered {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        if now > self.highest.load(Relaxed) {
            self.highest.fetch_max(now, Relaxed);
        }
        Entered(Arc::clone(self))
    }
}

/// Counted until dropped.
#[derive(Debug)]
pub(super) struct Entered(Arc<Gauge>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Relaxed);
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) client_closed: AtomicU64,
    pub(super) in_flight: Arc<Gauge>,
    pub(super) connections: Arc<Gauge>,
}

impl Counts {
    pub(super) fn all(&self) -> [(&'static str, u64); 7] {
        [
            ("requests", self.requests.load(Relaxed)),
            ("in_flight", self.in_flight.now.load(Relaxed)),
            ("in_flight_max", self.in_flight.highest.load(Relaxed)),
            ("client_closed", self.client_closed.load(Relaxed)),
            ("connections_accepted", self.accepted.load(Relaxed)),
            ("connections_open", self.connections.now.load(Relaxed)),
            ("connections_max", self.connections.highest.load(Relaxed)),
        ]
    }

    pub(super) fn reached(&self, requests: u64, in_flight: u64) -> bool {
        self.requests.load(Relaxed) >= requests && self.in_flight.now.load(Relaxed) <= in_flight
    }

    /// Sums go to zero; what is open now stays counted.
    pub(super) fn reset(&self) {
        for sum in [&self.requests, &self.accepted, &self.client_closed] {
            sum.store(0, Relaxed);
        }
        for gauge in [&self.in_flight, &self.connections] {
            gauge.highest.store(gauge.now.load(Relaxed), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u64, bytes: usize) -> Arc<Record> {
        let (parts, ()) = http::Request::new(()).into_parts();
        Arc::new(Record::new(id, 1, parts, vec![0; bytes].into(), Instant::now()))
    }

    #[test]
    fn the_ring_is_bounded_by_number_and_by_bytes() {
        let records = Records::default();
        (0..MAX_RECORDS as u64 + 5).for_each(|id| records.push(record(id, 10)));
        assert_eq!((records.all().len(), records.all()[0].id), (MAX_RECORDS, 5));
        (0..3).for_each(|id| records.push(record(id, MAX_BODY_BYTES / 2)));
        assert_eq!(records.all().len(), 2);
    }

    #[test]
    fn a_gauge_remembers_its_height() {
        let counts = Counts::default();
        let first = counts.in_flight.enter();
        drop(counts.in_flight.enter());
        assert_eq!((counts.all()[1].1, counts.all()[2].1), (1, 2));
        counts.reset();
        assert_eq!(counts.all()[2].1, 1);
        drop(first);
        assert_eq!(counts.all()[1].1, 0);
    }
}
