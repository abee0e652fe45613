//! CONNECT: a way through a proxy, which learns the destination's name and nothing else.
//!
//! hyper-util's `Tunnel` does the same but does not say with which status a proxy refused.

use std::io;

use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reason;

/// Largest answer of a proxy.
const HEAD_LIMIT_BYTES: usize = 8 * 1024;
const HEADERS_LIMIT: usize = 64;

/// Makes `stream`, which leads to a proxy, lead to `destination` (`host:port`).
///
/// # Errors
/// For people, without the proxy's address, its words or its credentials.
pub(crate) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    destination: &str,
    authorization: Option<&HeaderValue>,
) -> Result<(), String> {
    let mut request = format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let broken = |error: io::Error| format!("proxy: {}", reason::of_transport(&error));
    stream.write_all(&request).await.map_err(broken)?;
    let mut head = Vec::with_capacity(512);
    while head.len() < HEAD_LIMIT_BYTES {
        if stream.read_buf(&mut head).await.map_err(broken)? == 0 {
            return Err("proxy: it closed the connection instead of opening a tunnel".into());
        }
        if let Some((status, length)) = read_head(&head)? {
            return match status {
                // Whoever is behind the tunnel speaks second.
                status if status.is_success() && length == head.len() => Ok(()),
                status if status.is_success() => Err("proxy: it sent more than an answer".into()),
                status => Err(format!("proxy: it refused to open a tunnel ({status})")),
            };
        }
    }
    Err("proxy: its answer is too large".into())
}

/// Status and length of an answer's head, once that is whole.
fn read_head(bytes: &[u8]) -> Result<Option<(StatusCode, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut answer = httparse::Response::new(&mut headers);
    let invalid = || "proxy: it does not speak HTTP".to_owned();
    match answer.parse(bytes).map_err(|_| invalid())? {
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(length) => {
            let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(invalid)?;
            Ok(Some((status, length)))
        }
    }
}
