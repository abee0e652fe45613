//! Requests of the admin listener on their way to the control plane, and its answers on their way back.
//!
//! One thread of the control plane waits here and is woken by a request; the engine's cores never wait for it. A
//! request whose client has left is not handed over, and one that is dropped unanswered is answered with an error.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastgate_core::failure::Failure;
use http::{Response, request};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::seats::{Seat, Seats};

/// Requests under way at once: those that wait, and those that the control plane is answering.
const REQUESTS: usize = 64;

/// Where requests wait for the control plane.
#[derive(Debug, Default)]
pub struct AdminBridge {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    seats: Seats,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: VecDeque<AdminCall>,
    /// Somebody has asked for requests, so there is somebody to answer them.
    is_attended: bool,
    is_closed: bool,
}

/// A request for the control plane.
#[derive(Debug)]
pub struct AdminCall {
    /// Method, target, headers.
    pub head: request::Parts,
    /// The whole body.
    pub body: Bytes,
    /// Who asks; an IPv4 address is never written as IPv6.
    pub client: SocketAddr,
    /// Where the answer goes.
    pub reply: AdminReply,
}

/// The way back to the client; dropping it answers with an error.
#[derive(Debug)]
pub struct AdminReply(oneshot::Sender<Response<Bytes>>);

impl AdminReply {
    /// Answers. A client that has left misses it.
    pub fn send(self, answer: Response<Bytes>) {
        let _ = self.0.send(answer);
    }
}

impl AdminBridge {
    /// Whether there is a control plane to answer.
    pub(super) fn is_attended(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.is_attended && !waiting.is_closed
    }

    /// A place for a request, taken before its body is read.
    ///
    /// # Errors
    /// [`fastgate_core::failure::Cause::Overloaded`] when all are taken.
    pub(super) fn seat(&self) -> Result<Seat, Failure> {
        self.seats.take(REQUESTS)
    }

    /// Hands a request over. The answer comes through the receiver, which fails if there will be none.
    pub(super) fn submit(
        &self,
        head: request::Parts,
        body: Bytes,
        client: SocketAddr,
    ) -> oneshot::Receiver<Response<Bytes>> {
        let (reply, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return answer;
        }
        // Clients that came and left while nobody took requests hold no seat any more.
        if waiting.calls.len() >= REQUESTS {
            waiting.calls.retain(AdminCall::is_awaited);
        }
        waiting.calls.push_back(AdminCall { head, body, client, reply: AdminReply(reply) });
        drop(waiting);
        self.arrived.notify_one();
        answer
    }

    /// The next request, waited for. `None` when none comes in time, and at once while the door is closed.
    pub fn take(&self, timeout: Duration) -> Option<AdminCall> {
        // Too far away to be told is never.
        let deadline = Instant::now().checked_add(timeout);
        let mut waiting = self.waiting.lock();
        waiting.is_attended = true;
        loop {
            if waiting.is_closed {
                return None;
            }
            while let Some(call) = waiting.calls.pop_front() {
                if call.is_awaited() {
                    return Some(call);
                }
            }
            match deadline {
                Some(deadline) if Instant::now() >= deadline => return None,
                Some(deadline) => {
                    self.arrived.wait_until(&mut waiting, deadline);
                }
                None => self.arrived.wait(&mut waiting),
            }
        }
    }

    /// Requests are taken from now on.
    pub(super) fn open(&self) {
        self.waiting.lock().is_closed = false;
    }

    /// Drops what waits, and lets go whoever waits for it.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_closed = true;
        waiting.calls.clear();
        drop(waiting);
        self.arrived.notify_all();
    }
}

impl AdminCall {
    fn is_awaited(&self) -> bool {
        !self.reply.0.is_closed()
    }
}

#[cfg(test)]
#[path = "admin_bridge_tests.rs"]
mod tests;
