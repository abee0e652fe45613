//! The mock's threads and connections.
//!
//! Each thread runs a single-threaded runtime and accepts from a listener that all share, so a port stays ours alone
//! and a request never changes threads.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::BytesMut;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Shared;
use super::exchange::{Slot, Takeover, answer};
use super::record::Outcome;
use super::wire::{Rewound, carry_out};

const BACKLOG: i32 = 4096;
/// What to wait when accepting fails, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

pub(super) fn spawn(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    index: usize,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    std::thread::Builder::new().name(format!("mock-{index}")).spawn(move || {
        runtime.block_on(accept(listener, shared, stop));
    })
}

/// Accepts until told to stop; the runtime's end then drops, and so closes, every connection.
async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One connection: hyper until a takeover, the bare socket until its end, then hyper again.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let number = shared.counts.accepted.fetch_add(1, Relaxed) + 1;
    let _open = shared.counts.connections.enter();
    let _ = stream.set_nodelay(true);
    let mut early = BytesMut::new();
    loop {
        let slot = Slot::default();
        let exchange = service_fn(|request| answer(Arc::clone(&shared), Arc::clone(&slot), number, request));
        let io = TokioIo::new(Rewound { early, stream });
        let mut connection = http1::Builder::new().header_read_timeout(None).serve_connection(io, exchange);
        let takeover = std::future::poll_fn(|context| {
            let polled = Pin::new(&mut connection).poll(context);
            match slot.lock().take() {
                Some(takeover) => Poll::Ready(Some(takeover)),
                None => polled.map(|_| None),
            }
        });
        let Some(Takeover { program, record, in_flight }) = takeover.await else {
            return;
        };
        let parts = connection.into_parts();
        let rewound = parts.io.into_inner();
        stream = rewound.stream;
        early = BytesMut::from(&parts.read_buf[..]);
        early.extend_from_slice(&rewound.early);
        let outcome = carry_out(&program, &mut stream, &mut early).await;
        if outcome == Outcome::ClientClosed {
            shared.counts.client_closed.fetch_add(1, Relaxed);
        }
        if let Some(record) = record {
            record.finish(outcome);
        }
        drop(in_flight);
        if outcome != Outcome::Answered || !program.keep_alive {
            return;
        }
    }
}
