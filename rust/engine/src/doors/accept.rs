//! Connections as they come in: the listening socket, taking from it, and turning away what is too many.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderName, Response, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::native::Phase;
use crate::body::ResponseBody;

/// A client that is turned away may finish what it was sending for this long; reset at once, it could lose the answer.
const TURNING_AWAY: Duration = Duration::from_secs(1);
/// So many at once get an answer; in a flood the others are closed without.
const TURNED_AWAY: usize = 256;

pub(super) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
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

/// Accepts until the phase is reached, then takes what the kernel has completed already: closing the listener would
/// reset it.
pub(super) async fn accept(
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

/// Answers and closes, on a task of its own. `count` is held by those under way.
pub(super) fn turn_away(mut stream: TcpStream, answer: Response<ResponseBody>, count: &Rc<()>) {
    if Rc::strong_count(count) > TURNED_AWAY {
        return;
    }
    let counted = Rc::clone(count);
    let text = as_http1(answer);
    tokio::task::spawn_local(tokio::time::timeout(TURNING_AWAY, async move {
        stream.write_all(&text).await?;
        stream.shutdown().await?;
        let mut dropped = [0; 1024];
        while stream.read(&mut dropped).await? > 0 {}
        drop(counted);
        io::Result::Ok(())
    }));
}

/// A whole answer as HTTP/1.1, which ends its connection.
fn as_http1(answer: Response<ResponseBody>) -> Vec<u8> {
    let (head, body) = answer.into_parts();
    let body = match body {
        ResponseBody::Whole(body) => body,
        ResponseBody::Relay(_) | ResponseBody::Shared(_) => bytes::Bytes::new(),
    };
    let mut text = format!("HTTP/1.1 {}\r\nconnection: close\r\n", head.status).into_bytes();
    let mut line = |name: &HeaderName, value: &[u8]| {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    };
    for (name, value) in &head.headers {
        line(name, value.as_bytes());
    }
    line(&header::CONTENT_LENGTH, body.len().to_string().as_bytes());
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&body);
    text
}
