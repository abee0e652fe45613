//! New connections: name, TCP (happy eyeballs), tunnel, TLS, protocol.

use std::sync::Arc;

use http::uri::Authority;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::counts::OpenConnection;
use super::{Connection, Origin, reason, tunnel};
use crate::gather::Gather;

/// Opens a connection. Names are looked up on the runtime's blocking threads.
///
/// # Errors
/// For people: which step failed and how, without addresses or credentials.
pub(crate) async fn connect(origin: &Arc<Origin>) -> Result<Connection, String> {
    let tcp = open_tcp(origin).await?;
    let open = OpenConnection::new(&origin.connections);
    // Small frames must not wait for the peer's acknowledgement (Nagle).
    tcp.set_nodelay(true).map_err(|error| reason::of_transport(&error))?;
    let Some(tls) = &origin.tls else {
        return Ok(Connection::http1(Box::new(Gather::new(tcp)), open));
    };
    let stream = TlsConnector::from(Arc::clone(&tls.config))
        .connect(tls.server_name.clone(), tcp)
        .await
        .map_err(|error| format!("TLS: {}", reason::of_tls(&error)))?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        Connection::http2(Box::new(stream), open).await
    } else {
        Ok(Connection::http1(Box::new(stream), open))
    }
}

async fn open_tcp(origin: &Origin) -> Result<TcpStream, String> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    let Some(proxy) = &origin.proxy else {
        let connected = connector.call(origin.address.clone()).await;
        return connected.map(TokioIo::into_inner).map_err(|error| reason::of_connecting(&error).to_owned());
    };
    let connected = connector.call(proxy.address.clone()).await;
    let mut stream =
        connected.map(TokioIo::into_inner).map_err(|error| format!("proxy: {}", reason::of_connecting(&error)))?;
    let destination = origin.address.authority().map(Authority::as_str).unwrap_or_default();
    tunnel::open(&mut stream, destination, proxy.authorization.as_ref()).await?;
    Ok(stream)
}
