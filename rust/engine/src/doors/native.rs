//! The native door: hyper on one current-thread runtime per core.
//!
//! One listening socket, so the kernel refuses a second gateway on the port. The first core accepts and hands each
//! connection to the core with the fewest: SO_REUSEPORT would spread by hash, and long streams would make that matter.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastgate_core::dialects::Dialect;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::tables::Bounds;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::accept::{accept, bind, turn_away};
use super::admin::Admin;
use super::admin_bridge::AdminBridge;
use super::held::Held;
use super::seats::Seats;
use super::tls;
use super::watch::{Watch, Watched};
use crate::arriving::Arriving;
use crate::body::{RequestBody, ResponseBody};
use crate::entry;
use crate::gateway::{ConnectionCount, Shared};
use crate::gather::Gather;
use crate::guard::Peer;
use crate::local::{BoundedExecutor, run_core};
use crate::operation;
use crate::telemetry::LOG_GRACE;
use crate::worker::Worker;

/// How a native door is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub admin: Option<SocketAddr>,
    /// Cores to use; at least 1.
    pub threads: usize,
    /// Paths of a certificate chain and its key.
    pub tls: Option<(String, String)>,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
pub(super) enum Phase {
    Serving,
    /// Nothing new is accepted; every answer asks its client to close.
    Draining,
    /// Idle connections are closed, busy ones after their answer.
    ClosingIdle,
    /// The grace is over.
    Aborting,
}

/// Idle clients get this long to send what they were about to send, before their connection is closed: a request
/// that crosses the closing on the wire would be lost.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// Requests that one HTTP/2 connection may have under way.
const HTTP2_STREAMS: u32 = 256;

/// Streams that an HTTP/2 client has opened and reset before they were looked at: beyond these it floods ("rapid
/// reset", CVE-2023-44487), and so it does beyond as many that it made the gateway reset.
const HTTP2_RESETS: usize = 20;
const HTTP2_LOCAL_RESETS: usize = 256;

/// What is buffered for one HTTP/2 stream whose client takes its time.
const HTTP2_SEND_BYTES: usize = 128 * 1024;

/// What comes beside target and fields in a head, and in HTTP/2 what each field counts on top (RFC 9113, 6.5.2).
const HEAD_REST_BYTES: usize = 256;
const FIELD_OVERHEAD_BYTES: usize = 32;

/// A running native door.
#[derive(Debug)]
pub struct NativeDoor {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    admin_bridge: Arc<AdminBridge>,
    /// Where clients connect, with the port that was bound.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub admin: Option<SocketAddr>,
}

/// A core as the accepting one sees it.
struct Core {
    inbox: mpsc::UnboundedSender<Handed>,
    connections: Arc<AtomicUsize>,
}

impl NativeDoor {
    /// Binds, then starts the threads. What operators ask for beyond health and metrics goes through `admin_bridge`.
    ///
    /// # Errors
    /// A port that is taken, a certificate that can't be read, a thread that can't be started.
    pub fn start(shared: Arc<Shared>, options: &Options, admin_bridge: Arc<AdminBridge>) -> io::Result<Self> {
        let listener = bind(options.listen)?;
        let admin_listener = options.admin.map(bind).transpose()?;
        let listen = listener.local_addr()?;
        let admin = admin_listener.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        let tls = options.tls.as_ref().map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
        shared.start_serving(listen);
        let (phase, phase_seen) = watch::channel(Phase::Serving);
        let (cores, inboxes): (Vec<_>, Vec<_>) = (0..options.threads.max(1))
            .map(|_| {
                let (inbox, received) = mpsc::unbounded_channel();
                let connections = Arc::new(AtomicUsize::new(0));
                (Core { inbox, connections: Arc::clone(&connections) }, (received, connections))
            })
            .unzip();
        let seats = Seats::default();
        shared.set_cores(cores.iter().map(|core| Arc::clone(&core.connections)).collect());
        admin_bridge.open();
        let admin_listener = admin_listener.map(|listener| (listener, Arc::clone(&admin_bridge)));
        let mut accepting = Some(Accepting { listener, admin_listener, cores });
        let mut threads = Vec::new();
        for (index, (inbox, connections)) in inboxes.into_iter().enumerate() {
            let post = Post {
                phase: phase_seen.clone(),
                tls: tls.clone(),
                connections,
                inbox,
                accepting: accepting.take(),
                seats: seats.clone(),
            };
            let shared = Arc::clone(&shared);
            let run = move || run_core(shared, |worker| post.serve(worker));
            threads.push(std::thread::Builder::new().name(format!("fastgate-{index}")).spawn(run)?);
        }
        Ok(Self { shared, phase, threads: Mutex::new(threads), admin_bridge, listen, admin })
    }

    /// Stops: nothing new is accepted, what is under way may finish within `grace`. Returns whether all of it did.
    pub fn stop(&self, grace: Duration) -> bool {
        let started = Instant::now();
        self.shared.start_draining();
        self.phase.send_replace(Phase::Draining);
        self.shared.wait_for_connections_to_close(started + IDLE_GRACE.min(grace));
        self.phase.send_replace(Phase::ClosingIdle);
        let all_finished = self.shared.wait_for_connections_to_close(started + grace);
        self.phase.send_replace(Phase::Aborting);
        self.admin_bridge.close();
        for thread in self.threads.lock().drain(..) {
            // A thread that panicked has already been counted by the exchanges it dropped.
            let _ = thread.join();
        }
        self.shared.telemetry.flush(LOG_GRACE);
        all_finished
    }
}

/// A connection on its way to its core. It counts as open already, so that a stop waits for it.
type Handed = (std::net::TcpStream, ConnectionCount);

struct Accepting {
    listener: std::net::TcpListener,
    admin_listener: Option<(std::net::TcpListener, Arc<AdminBridge>)>,
    cores: Vec<Core>,
}

/// What one thread needs.
struct Post {
    phase: watch::Receiver<Phase>,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicUsize>,
    inbox: mpsc::UnboundedReceiver<Handed>,
    accepting: Option<Accepting>,
    seats: Seats,
}

impl Post {
    async fn serve(mut self, worker: Rc<Worker>) {
        let core = Rc::new(ServingCore {
            worker,
            phase: self.phase.clone(),
            tls: self.tls.take(),
            connections: Arc::clone(&self.connections),
            seats: self.seats.clone(),
        });
        if let Some(accepting) = self.accepting.take() {
            accepting.spawn(&core);
        }
        loop {
            tokio::select! {
                Some((stream, count)) = self.inbox.recv() => {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        core.spawn(stream, count);
                    }
                }
                _ = self.phase.wait_for(|phase| *phase >= Phase::Aborting) => return,
            }
        }
    }
}

impl Accepting {
    fn spawn(self, core: &Rc<ServingCore>) {
        if let Some((listener, bridge)) = self.admin_listener {
            let admin = Admin::new(Rc::clone(&core.worker), bridge);
            let phase = core.phase.clone();
            tokio::task::spawn_local(accept(listener, phase, Phase::Aborting, move |stream| admin.spawn(stream)));
        }
        let own = Rc::clone(core);
        let cores = self.cores;
        let turned_away = Rc::default();
        tokio::task::spawn_local(accept(self.listener, core.phase.clone(), Phase::Draining, move |stream| {
            let limit = own.worker.shared.snapshot.load().tables.bounds.connections;
            if own.worker.shared.connections() >= limit {
                own.shed(stream, limit, &turned_away);
                return;
            }
            let count = ConnectionCount::new(&own.worker.shared);
            let fewest = cores.iter().min_by_key(|core| core.connections.load(Ordering::Relaxed));
            match fewest {
                Some(other) if !Arc::ptr_eq(&other.connections, &own.connections) => {
                    // Counted here, so that a burst spreads before the other core has woken up.
                    if let Ok(stream) = stream.into_std() {
                        other.connections.fetch_add(1, Ordering::Relaxed);
                        if other.inbox.send((stream, count)).is_err() {
                            other.connections.fetch_sub(1, Ordering::Relaxed);
                        }
                    }
                }
                _ => {
                    own.connections.fetch_add(1, Ordering::Relaxed);
                    own.spawn(stream, count);
                }
            }
        }));
    }
}

/// What the connections of one core share.
struct ServingCore {
    worker: Rc<Worker>,
    phase: watch::Receiver<Phase>,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicUsize>,
    seats: Seats,
}

/// One connection less when it goes.
struct CoreCount(Arc<AtomicUsize>);

impl Drop for CoreCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServingCore {
    fn spawn(self: &Rc<Self>, stream: TcpStream, count: ConnectionCount) {
        let counted = (CoreCount(Arc::clone(&self.connections)), count);
        let core = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let mut phase = core.phase.clone();
            // Within the future: by the time a branch is taken, `select!` has dropped the others.
            let aborting = async {
                let _ = phase.wait_for(|phase| *phase >= Phase::Aborting).await;
                core.worker.end();
            };
            tokio::select! {
                biased;
                () = core.serve(stream) => {}
                () = aborting => {}
            }
            drop(counted);
        });
    }

    /// Answers a connection beyond the bound, without reading from it.
    fn shed(&self, stream: TcpStream, limit: usize, turned_away: &Rc<()>) {
        let failure = Failure::new(Cause::Overloaded, format!("the gateway has {limit} connections already"));
        if self.tls.is_none() {
            turn_away(stream, entry::refused(&self.worker, &failure, Dialect::OpenaiChat), turned_away);
        }
    }

    async fn serve(self: &Rc<Self>, stream: TcpStream) {
        // Small frames must not wait for the peer's acknowledgement (Nagle).
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Ok(address) = stream.peer_addr() else { return };
        let peer = Peer { is_loopback: address.ip().to_canonical().is_loopback() };
        let bounds = self.worker.shared.snapshot.load().tables.bounds;
        let opening_for = Duration::from_millis(bounds.clients.head_ms);
        let Some(tls) = &self.tls else {
            match self.opening(opening_for, speaks_http2(&stream)).await {
                Some(true) => self.serve_http2(stream, peer, &bounds).await,
                Some(false) => self.serve_http1(Gather::new(stream), peer, &bounds).await,
                None => {}
            }
            return;
        };
        let Some(stream) = self.opening(opening_for, tls.accept(stream)).await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.serve_http2(stream, peer, &bounds).await;
        } else {
            self.serve_http1(stream, peer, &bounds).await;
        }
    }

    /// Waits for how a client begins. `None` for one that fails to, or has not when idle connections are closed.
    async fn opening<T>(&self, time: Duration, beginning: impl Future<Output = io::Result<T>>) -> Option<T> {
        let mut phase = self.phase.clone();
        tokio::select! {
            biased;
            begun = tokio::time::timeout(time, beginning) => begun.ok()?.ok(),
            _ = phase.wait_for(|phase| *phase >= Phase::ClosingIdle) => None,
        }
    }

    /// One request, within the bounds of the configuration it arrives under.
    async fn answer(&self, request: Request<Incoming>, peer: Peer, watch: &Rc<Watch>) -> Response<Held> {
        let busy = watch.begin(!http_body::Body::is_end_stream(request.body()));
        let bounds = self.worker.shared.snapshot.load().tables.bounds;
        let is_http1 = request.version() < Version::HTTP_2;
        let seat =
            if entry::is_health(request.uri().path()) { Ok(None) } else { self.seats.take(bounds.in_flight).map(Some) };
        let (mut response, seat): (Response<ResponseBody>, _) = match seat {
            Ok(seat) => {
                let unread = Arc::clone(&watch.unread);
                let request = request.map(|body| RequestBody::Arriving(Arriving::new(body, bounds.clients, unread)));
                (entry::answer(&self.worker, request, peer).await, seat)
            }
            Err(failure) => {
                let dialect = operation::dialect_at(request.uri().path());
                (entry::refused(&self.worker, &failure, dialect), None)
            }
        };
        // What is left of a request would have to be read before the next one.
        if is_http1 && (watch.unread.load(Ordering::Relaxed) || self.worker.shared.is_draining()) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| Held::new(body, busy, seat))
    }

    async fn serve_http1(&self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: Peer, bounds: &Bounds) {
        let watch = Watch::new(bounds.clients, true);
        let service = service_fn(|request: Request<Incoming>| {
            let watch = &watch;
            async move { Ok::<_, Infallible>(self.answer(request, peer, watch).await) }
        });
        let connection = http1::Builder::new()
            // `Watched` times heads too.
            .header_read_timeout(None)
            .max_header_size(bounds.request_headers_bytes + bounds.request_target_bytes + HEAD_REST_BYTES)
            .half_close(false)
            .serve_connection(TokioIo::new(Watched::new(stream, Rc::clone(&watch))), service);
        let mut connection = pin!(connection);
        let mut phase = self.phase.clone();
        tokio::select! {
            biased;
            // What went wrong was settled by the exchange; the client is gone.
            _ = connection.as_mut() => return,
            _ = phase.wait_for(|phase| *phase >= Phase::ClosingIdle) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn serve_http2(
        self: &Rc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: Peer,
        bounds: &Bounds,
    ) {
        let watch = Watch::new(bounds.clients, false);
        let core = Rc::clone(self);
        let seen = Rc::clone(&watch);
        let service = service_fn(move |request: Request<Incoming>| {
            let (core, watch) = (Rc::clone(&core), Rc::clone(&seen));
            async move { Ok::<_, Infallible>(core.answer(request, peer, &watch).await) }
        });
        let header_list_bytes = bounds.request_headers_bytes
            + bounds.request_target_bytes
            + HEAD_REST_BYTES
            + FIELD_OVERHEAD_BYTES * bounds.request_header_fields;
        let connection = http2::Builder::new(BoundedExecutor(Duration::from_millis(bounds.clients.exchange_ms)))
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS)
            .max_pending_accept_reset_streams(HTTP2_RESETS)
            .max_local_error_reset_streams(HTTP2_LOCAL_RESETS)
            .max_header_list_size(u32::try_from(header_list_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(HTTP2_SEND_BYTES)
            .keep_alive_interval(Duration::from_secs(30))
            .serve_connection(TokioIo::new(Watched::new(stream, watch)), service);
        let mut connection = pin!(connection);
        let mut phase = self.phase.clone();
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            // HTTP/2 can say goodbye without losing a request, so it does at once.
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

/// Whether a client without TLS begins with HTTP/2's preface ("prior knowledge").
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 4];
    Ok(stream.peek(&mut first).await? == first.len() && &first == b"PRI ")
}
