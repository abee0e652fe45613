//! Carries a program out on a socket, watching for the client to leave while it waits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::program::{Action, Program};
use super::record::Outcome;

/// What a client may send ahead while an answer runs; beyond it, reading (and seeing it leave) stops.
const MAX_EARLY_BYTES: usize = 64 << 10;
/// Far enough to mean "never" to a timer.
const NEVER: Duration = Duration::from_secs(30 * 86_400);

/// Carries out `program`. What the client sends meanwhile is kept in `early` for the next request.
///
/// The caller drops the stream for every outcome but [`Outcome::Answered`]; after [`Outcome::Reset`] that sends RST.
pub(super) async fn carry_out(program: &Program, stream: &mut TcpStream, early: &mut BytesMut) -> Outcome {
    // A comment before the head would be no comment.
    let mut ping = None;
    let mut due = Instant::now();
    for action in &program.actions {
        let carried_out = match action {
            Action::Write(bytes) => {
                ping = program.ping.as_ref();
                stream.write_all(bytes).await.is_ok()
            }
            Action::Wait(wait) => {
                // On a schedule: timers are a little late each, and a stream of a thousand gaps must not add that up.
                due = (due + (*wait).min(NEVER)).max(Instant::now());
                stays(stream, early, due, ping).await
            }
            Action::Stall(wait) => {
                due = Instant::now() + wait.unwrap_or(NEVER).min(NEVER);
                stays(stream, early, due, ping).await
            }
            Action::Reset => {
                let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
                return Outcome::Reset;
            }
            Action::Cut => return Outcome::Cut,
        };
        if !carried_out {
            return Outcome::ClientClosed;
        }
    }
    Outcome::Answered
}

/// Waits until `end`; false as soon as the client has closed or reset its side.
async fn stays(stream: &mut TcpStream, early: &mut BytesMut, end: Instant, ping: Option<&(Duration, Bytes)>) -> bool {
    let mut next = ping.map(|(gap, _)| Instant::now() + *gap);
    loop {
        let turn = next.map_or(end, |next| next.min(end));
        tokio::select! {
            biased;
            read = stream.read_buf(early), if early.len() < MAX_EARLY_BYTES => {
                if !matches!(read, Ok(1..)) {
                    return false;
                }
            }
            () = sleep_until(turn) => {
                if turn == end {
                    return true;
                }
                if let Some((gap, comment)) = ping {
                    if stream.write_all(comment).await.is_err() {
                        return false;
                    }
                    next = Some(turn + *gap);
                }
            }
        }
    }
}

/// A stream that gives back first what was read from it too early.
#[derive(Debug)]
pub(super) struct Rewound {
    pub(super) early: BytesMut,
    pub(super) stream: TcpStream,
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..count]);
        self.early.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
