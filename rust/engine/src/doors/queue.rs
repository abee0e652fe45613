//! The queue door: exchanges handed over by a thread with an event loop of its own, which owns the client's socket
//! (an ASGI or RSGI server).
//!
//! Jobs come in through a channel, events go back through a [`Mailbox`]. The engine's threads never call back: who
//! watches the mailbox converts on its own thread, in batches. Cancelling drops the exchange's task, which settles it
//! and closes the provider's connection.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use bytes::Bytes;
use fastgate_core::dialects::Dialect;
use fastgate_core::failure::Failure;
use fastgate_core::tables::Bounds;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::mailbox::{Chunks, Event, Mailbox, Place, State};
use super::seats::{Seat, Seats};
use crate::body::{RequestBody, ResponseBody};
use crate::entry;
use crate::gateway::Shared;
use crate::guard::Peer;
use crate::local::run_core;
use crate::telemetry::LOG_GRACE;
use crate::worker::Worker;

/// Bytes of one answer that may be on their way to a client that has not acknowledged them.
const WINDOW_BYTES: usize = 256 * 1024;

/// What has arrived is joined up to here.
const JOIN_LIMIT_BYTES: usize = 64 * 1024;

/// Jobs taken from the channel at once.
const BATCH: usize = 64;

/// How a queue door is set up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Engine threads; at least 1.
    pub threads: usize,
}

/// A running queue door.
#[derive(Debug)]
pub struct QueueDoor {
    /// Where events come back.
    pub mailbox: Arc<Mailbox>,
    shared: Arc<Shared>,
    cores: Vec<mpsc::UnboundedSender<Message>>,
    next: AtomicU64,
    /// Submitted and not yet handed over.
    waiting: Mutex<Vec<Job>>,
    seats: Seats,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most messages are the large one; a box would cost an allocation each")]
enum Message {
    Begin(Job),
    Cancel(u64),
    Acknowledge(u64, usize),
    Stop,
}

#[derive(Debug)]
struct Job {
    id: u64,
    request: Result<Request<RequestBody>, Failure>,
    peer: Peer,
    seat: Option<Seat>,
}

impl QueueDoor {
    /// Starts the threads.
    ///
    /// # Errors
    /// No descriptors or threads are left.
    pub fn start(shared: &Arc<Shared>, options: Options) -> io::Result<Self> {
        let mailbox = Arc::new(Mailbox::new()?);
        let mut cores = Vec::new();
        let mut threads = Vec::new();
        for index in 0..options.threads.max(1) {
            let (inbox, received) = mpsc::unbounded_channel();
            let (shared, mailbox) = (Arc::clone(shared), Arc::clone(&mailbox));
            let run = move || run_core(shared, |worker| Core::new(worker, mailbox).serve(received));
            threads.push(std::thread::Builder::new().name(format!("fastgate-q{index}")).spawn(run)?);
            cores.push(inbox);
        }
        Ok(Self {
            mailbox,
            shared: Arc::clone(shared),
            cores,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
            seats: Seats::default(),
            threads: Mutex::new(threads),
        })
    }

    /// Takes a request, hands it over at the next [`Self::flush`], and returns the exchange's id. A request that could
    /// not be read is answered with its failure. `None` once the door is closed.
    pub fn submit(&self, request: Result<Request<RequestBody>, Failure>, peer: Peer) -> Option<u64> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (request, seat) = match request {
            Ok(request) if !entry::is_health(request.uri().path()) => match self.seats.take(self.bounds().in_flight) {
                Ok(seat) => (Ok(request), Some(seat)),
                Err(failure) => (Err(failure), None),
            },
            other => (other, None),
        };
        if self.cores.iter().any(mpsc::UnboundedSender::is_closed) {
            return None;
        }
        self.waiting.lock().push(Job { id, request, peer, seat });
        Some(id)
    }

    /// Hands over what was submitted: an engine thread is woken once for all of it.
    pub fn flush(&self) {
        for job in std::mem::take(&mut *self.waiting.lock()) {
            self.send(job.id, Message::Begin(job));
        }
    }

    /// Ends an exchange whose client has left. Nothing happens if it is over.
    pub fn cancel(&self, exchange: u64) {
        self.flush();
        self.send(exchange, Message::Cancel(exchange));
    }

    /// The client's side has taken `bytes` of an answer; as many more may follow.
    pub fn acknowledge(&self, exchange: u64, bytes: usize) {
        self.send(exchange, Message::Acknowledge(exchange, bytes));
    }

    /// What a request may occupy now.
    pub fn bounds(&self) -> Bounds {
        self.shared.snapshot.load().tables.bounds
    }

    /// Drops every exchange that is not over and ends the threads.
    pub fn close(&self) {
        self.flush();
        for core in &self.cores {
            let _ = core.send(Message::Stop);
        }
        for thread in self.threads.lock().drain(..) {
            // A thread that panicked has already been counted by the exchanges it dropped.
            let _ = thread.join();
        }
        self.shared.telemetry.flush(LOG_GRACE);
        self.mailbox.ring();
    }

    fn send(&self, exchange: u64, message: Message) {
        let core = usize::try_from(exchange).unwrap_or(0) % self.cores.len();
        // Fails only once the door is closed, when nobody waits any more.
        let _ = self.cores[core].send(message);
    }
}

impl Drop for QueueDoor {
    fn drop(&mut self) {
        for core in &self.cores {
            let _ = core.send(Message::Stop);
        }
    }
}

/// A request as servers pass it: a path still percent-encoded, and headers as they came.
///
/// # Errors
/// [`Cause::InvalidRequest`] naming the part that HTTP does not allow.
pub fn read_request<'a>(
    method: &str,
    path: &[u8],
    query: &[u8],
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: RequestBody,
) -> Result<Request<RequestBody>, Failure> {
    let invalid = |what: &str| Failure::invalid_request(format!("the request's {what} is not valid HTTP"), None);
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| invalid("method"))?;
    let mut target = Vec::with_capacity(path.len() + query.len() + 1);
    target.extend_from_slice(path);
    if !query.is_empty() {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    if target.first() != Some(&b'/') {
        return Err(invalid("path"));
    }
    *request.uri_mut() = Uri::from_maybe_shared(Bytes::from(target)).map_err(|_| invalid("path"))?;
    let into = request.headers_mut();
    into.reserve(16);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name).map_err(|_| invalid("header name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| invalid("header value"))?;
        into.try_append(name, value).map_err(|_| invalid("number of headers"))?;
    }
    Ok(request)
}

/// What the exchanges of one thread share.
struct Core {
    worker: Rc<Worker>,
    mailbox: Arc<Mailbox>,
    posted: Notify,
    running: RefCell<HashMap<u64, Running>>,
}

/// An exchange as messages about it find it.
struct Running {
    task: AbortHandle,
    window: Rc<Window>,
}

impl Core {
    fn new(worker: Rc<Worker>, mailbox: Arc<Mailbox>) -> Rc<Self> {
        Rc::new(Self { worker, mailbox, posted: Notify::new(), running: RefCell::default() })
    }

    async fn serve(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Message>) {
        tokio::task::spawn_local(Rc::clone(&self).ring());
        let mut messages = Vec::with_capacity(BATCH);
        while inbox.recv_many(&mut messages, BATCH).await > 0 {
            for message in messages.drain(..) {
                match message {
                    Message::Begin(job) => self.begin(job),
                    Message::Cancel(id) => {
                        let cancelled = self.running.borrow_mut().remove(&id);
                        if let Some(running) = cancelled {
                            running.task.abort();
                        }
                    }
                    Message::Acknowledge(id, bytes) => {
                        if let Some(running) = self.running.borrow().get(&id) {
                            running.window.open(bytes);
                        }
                    }
                    Message::Stop => return,
                }
            }
        }
    }

    /// Wakes the loop after everything that is ready now has been polled: the answers that came in one read of the
    /// sockets cost one wake-up.
    async fn ring(self: Rc<Self>) {
        loop {
            self.posted.notified().await;
            self.mailbox.ring();
        }
    }

    fn begin(self: &Rc<Self>, job: Job) {
        let id = job.id;
        let window = Rc::new(Window::default());
        let delivery = Delivery { id, core: Rc::clone(self), place: Place::default(), is_over: false, _seat: job.seat };
        let carried = carry(Rc::clone(&self.worker), job.request, job.peer, delivery, Rc::clone(&window));
        let task = tokio::task::spawn_local(carried).abort_handle();
        self.running.borrow_mut().insert(id, Running { task, window });
    }
}

async fn carry(
    worker: Rc<Worker>,
    request: Result<Request<RequestBody>, Failure>,
    peer: Peer,
    mut delivery: Delivery,
    window: Rc<Window>,
) {
    let response = match request {
        Ok(request) => entry::answer(&worker, request, peer).await,
        Err(failure) => entry::refused(&worker, &failure, Dialect::OpenaiChat),
    };
    let (mut parts, body) = response.into_parts();
    match body {
        ResponseBody::Whole(body) => {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            delivery.post(Some((parts.status, parts.headers)), body.into(), State::Ended);
        }
        mut body => {
            let mut head = Some((parts.status, parts.headers));
            let mut state = State::More;
            while state == State::More {
                window.wait().await;
                let chunks;
                (chunks, state) = gather(&mut body, head.is_some()).await;
                window.fill(chunks.len());
                delivery.post(head.take(), chunks, state);
            }
        }
    }
}

/// What the provider has sent already; waits only while that is nothing, and not even then if a head is to go out.
async fn gather(body: &mut ResponseBody, has_head: bool) -> (Chunks, State) {
    let mut chunks = Chunks::default();
    let state = std::future::poll_fn(|context| {
        loop {
            match body.poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => {
                    chunks.push(chunk);
                    if chunks.len() >= JOIN_LIMIT_BYTES {
                        return Poll::Ready(State::More);
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(State::Broken),
                Poll::Ready(None) => return Poll::Ready(State::Ended),
                Poll::Pending if has_head || !chunks.is_empty() => return Poll::Ready(State::More),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    (chunks, state)
}

/// The duty to tell how an exchange ended, whatever becomes of its task.
struct Delivery {
    id: u64,
    core: Rc<Core>,
    place: Place,
    is_over: bool,
    _seat: Option<Seat>,
}

impl Delivery {
    fn post(&mut self, head: Option<(http::StatusCode, http::HeaderMap)>, body: Chunks, state: State) {
        self.is_over = state != State::More;
        self.core.mailbox.post(&mut self.place, Event { exchange: self.id, head, body, state });
        self.core.posted.notify_one();
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.core.running.borrow_mut().remove(&self.id);
        if !self.is_over {
            self.post(None, Chunks::default(), State::Broken);
        }
    }
}

/// How much of an answer is on its way.
#[derive(Default)]
struct Window {
    outstanding_bytes: Cell<usize>,
    waiting: Cell<Option<Waker>>,
}

impl Window {
    fn fill(&self, bytes: usize) {
        self.outstanding_bytes.set(self.outstanding_bytes.get() + bytes);
    }

    fn open(&self, bytes: usize) {
        self.outstanding_bytes.set(self.outstanding_bytes.get().saturating_sub(bytes));
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    async fn wait(&self) {
        std::future::poll_fn(|context| {
            if self.outstanding_bytes.get() < WINDOW_BYTES {
                return Poll::Ready(());
            }
            self.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &[u8], headers: &[(&[u8], &[u8])]) -> Result<Request<RequestBody>, Failure> {
        read_request("POST", path, b"a=1", headers.iter().copied(), RequestBody::TooLarge)
    }

    #[test]
    fn reads_requests() {
        let request = read(b"/v1/models/a%2Fb", &[(b"Host", b"localhost"), (b"x-a", b"\xff")]).expect("valid");
        assert_eq!(request.uri(), "/v1/models/a%2Fb?a=1");
        assert_eq!(request.headers()["host"], "localhost");
    }

    #[test]
    fn refuses_what_is_not_http() {
        assert!(read(b"/a b", &[]).is_err() && read(b"", &[]).is_err() && read(b"http://x/", &[]).is_err());
        assert!(read(b"/", &[(b"a b", b"")]).is_err() && read(b"/", &[(b"a", b"x\r\ny: z")]).is_err());
        assert!(read_request("PO ST", b"/", b"", std::iter::empty(), RequestBody::TooLarge).is_err());
    }
}
