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

use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::{admin, tls};
use crate::body::RequestBody;
use crate::entry;
use crate::gateway::{ConnectionCount, Shared};
use crate::gather::Gather;
use crate::guard::Peer;
use crate::local::{LocalExecutor, run_core};
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
enum Phase {
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

/// What a client gets to begin: with a TLS handshake, or the first bytes of a request.
const OPENING_TIMEOUT: Duration = Duration::from_secs(30);

/// A running native door.
#[derive(Debug)]
pub struct NativeDoor {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    threads: Mutex<Vec<JoinHandle<()>>>,
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
    /// Binds, then starts the threads.
    ///
    /// # Errors
    /// A port that is taken, a certificate that can't be read, a thread that can't be started.
    pub fn start(shared: Arc<Shared>, options: &Options) -> io::Result<Self> {
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
        shared.set_cores(cores.iter().map(|core| Arc::clone(&core.connections)).collect());
        let mut accepting = Some(Accepting { listener, admin_listener, cores });
        let mut threads = Vec::new();
        for (index, (inbox, connections)) in inboxes.into_iter().enumerate() {
            let seat =
                Seat { phase: phase_seen.clone(), tls: tls.clone(), connections, inbox, accepting: accepting.take() };
            let shared = Arc::clone(&shared);
            let run = move || run_core(shared, |worker| seat.serve(worker));
            threads.push(std::thread::Builder::new().name(format!("fastgate-{index}")).spawn(run)?);
        }
        Ok(Self { shared, phase, threads: Mutex::new(threads), listen, admin })
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
        for thread in self.threads.lock().drain(..) {
            // A thread that panicked has already been counted by the exchanges it dropped.
            let _ = thread.join();
        }
        self.shared.telemetry.flush(LOG_GRACE);
        all_finished
    }
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    // Lets a restarted gateway bind while old connections linger; it does not let two listen at once.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket
        .bind(&address.into())
        .and_then(|()| socket.listen(4096))
        .map_err(|error| io::Error::new(error.kind(), format!("can't listen on {address}: {error}")))?;
    Ok(socket.into())
}

/// A connection on its way to its core. It counts as open already, so that a stop waits for it.
type Handed = (std::net::TcpStream, ConnectionCount);

struct Accepting {
    listener: std::net::TcpListener,
    admin_listener: Option<std::net::TcpListener>,
    cores: Vec<Core>,
}

/// What one thread needs.
struct Seat {
    phase: watch::Receiver<Phase>,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicUsize>,
    inbox: mpsc::UnboundedReceiver<Handed>,
    accepting: Option<Accepting>,
}

impl Seat {
    async fn serve(mut self, worker: Rc<Worker>) {
        let core = Rc::new(ServingCore {
            worker,
            phase: self.phase.clone(),
            tls: self.tls.take(),
            connections: Arc::clone(&self.connections),
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
        if let Some(listener) = self.admin_listener {
            let core = Rc::clone(core);
            tokio::task::spawn_local(accept(listener, core.phase.clone(), Phase::Aborting, move |stream| {
                tokio::task::spawn_local(admin::serve(Rc::clone(&core.worker), stream));
            }));
        }
        let own = Rc::clone(core);
        let cores = self.cores;
        tokio::task::spawn_local(accept(self.listener, core.phase.clone(), Phase::Draining, move |stream| {
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

/// Accepts until the phase is reached, then takes what the kernel has completed already: closing the listener would
/// reset it.
async fn accept(
    listener: std::net::TcpListener,
    mut phase: watch::Receiver<Phase>,
    until: Phase,
    mut hand_over: impl FnMut(TcpStream),
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= until) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => hand_over(stream),
                // Out of descriptors, most likely: give connections time to close instead of spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
    // Straight from the kernel: the runtime would only know of those that came before its last look.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, _)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            hand_over(stream);
        }
    }
}

/// What the connections of one core share.
struct ServingCore {
    worker: Rc<Worker>,
    phase: watch::Receiver<Phase>,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicUsize>,
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
            tokio::select! {
                biased;
                () = core.serve(stream) => {}
                _ = phase.wait_for(|phase| *phase >= Phase::Aborting) => {}
            }
            drop(counted);
        });
    }

    async fn serve(&self, stream: TcpStream) {
        // Small frames must not wait for the peer's acknowledgement (Nagle).
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Ok(address) = stream.peer_addr() else { return };
        let peer = Peer { is_loopback: address.ip().to_canonical().is_loopback() };
        let Some(tls) = &self.tls else {
            match self.opening(speaks_http2(&stream)).await {
                Some(true) => self.serve_http2(stream, peer).await,
                Some(false) => self.serve_http1(Gather(stream), peer).await,
                None => {}
            }
            return;
        };
        let Some(stream) = self.opening(tls.accept(stream)).await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.serve_http2(stream, peer).await;
        } else {
            self.serve_http1(stream, peer).await;
        }
    }

    /// Waits for how a client begins. `None` for one that fails to, or has not when idle connections are closed.
    async fn opening<T>(&self, beginning: impl Future<Output = io::Result<T>>) -> Option<T> {
        let mut phase = self.phase.clone();
        tokio::select! {
            biased;
            begun = tokio::time::timeout(OPENING_TIMEOUT, beginning) => begun.ok()?.ok(),
            _ = phase.wait_for(|phase| *phase >= Phase::ClosingIdle) => None,
        }
    }

    async fn serve_http1(&self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: Peer) {
        let service = service_fn(|request: Request<Incoming>| async move {
            let mut response = entry::answer(&self.worker, request.map(RequestBody::Incoming), peer).await;
            if self.worker.shared.is_draining() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .half_close(false)
            .serve_connection(TokioIo::new(stream), service);
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

    async fn serve_http2(&self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: Peer) {
        let worker = Rc::clone(&self.worker);
        let service = service_fn(move |request: Request<Incoming>| {
            let worker = Rc::clone(&worker);
            async move { Ok::<_, Infallible>(entry::answer(&worker, request.map(RequestBody::Incoming), peer).await) }
        });
        let connection = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(256)
            .keep_alive_interval(Duration::from_secs(30))
            .serve_connection(TokioIo::new(stream), service);
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
