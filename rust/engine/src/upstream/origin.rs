//! Where connections to a provider lead.

use std::net::IpAddr;
use std::sync::Arc;

use fastgate_core::tables::Provider;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::counts::ConnectionCounts;
use crate::snapshot::Environment;

/// One address of a provider, with everything a new connection needs. Equal keys may share connections.
#[derive(Debug)]
pub(crate) struct Origin {
    key: String,
    authority: String,
    /// `scheme://host:port`, as connectors take it.
    pub(crate) address: Uri,
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy: Option<Proxy>,
    /// Connections there are to it, for metrics.
    pub(crate) connections: Arc<ConnectionCounts>,
}

/// What TLS to an origin needs.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

/// A proxy that opens tunnels with CONNECT.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) address: Uri,
    pub(crate) authorization: Option<HeaderValue>,
}

/// `HTTPS_PROXY` and `NO_PROXY`.
pub(crate) struct ProxyMatcher(Matcher);

impl std::fmt::Debug for ProxyMatcher {
    // A proxy's address may carry a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ProxyMatcher")
    }
}

impl ProxyMatcher {
    pub(crate) fn from_environment() -> Self {
        Self(Matcher::from_env())
    }

    #[cfg(test)]
    pub(crate) fn new(https: &str, no: &str) -> Self {
        Self(Matcher::builder().https(https).no(no).build())
    }

    /// The proxy for an address. Loopback is always direct, and plain HTTP too: an API key must not cross a proxy
    /// unencrypted.
    fn find(&self, address: &Uri) -> Option<Proxy> {
        if is_loopback(address) || address.scheme_str() != Some("https") {
            return None;
        }
        let intercept = self.0.intercept(address)?;
        Some(Proxy { address: intercept.uri().clone(), authorization: intercept.basic_auth().cloned() })
    }
}

impl Origin {
    pub(crate) fn prepare(base: &Uri, provider: &Provider, environment: &Environment) -> Result<Arc<Self>, String> {
        let scheme = base.scheme_str().ok_or("base_url: needs http:// or https://")?;
        let authority = base.authority().ok_or("base_url: needs a host")?;
        if authority.as_str().contains('@') {
            return Err("base_url: must not carry a user name or password".into());
        }
        let port = match (authority.port_u16(), scheme) {
            (Some(port), "http" | "https") => port,
            (None, "http") => 80,
            (None, "https") => 443,
            _ => return Err(format!("base_url: scheme {scheme} is not http or https")),
        };
        let address: Uri =
            format!("{scheme}://{}:{port}", authority.host()).parse().map_err(|error| format!("base_url: {error}"))?;
        let tls = (scheme == "https").then(|| Tls::prepare(authority.host(), provider, environment)).transpose()?;
        let proxy = match &provider.proxy {
            _ if is_loopback(&address) => None,
            Some(proxy) => {
                // The matcher also splits credentials off; without a list of exceptions it takes every destination.
                let matcher = Matcher::builder().all(proxy.as_str()).build();
                let intercept = matcher.intercept(&address).ok_or("proxy: not an address")?;
                Some(Proxy { address: intercept.uri().clone(), authorization: intercept.basic_auth().cloned() })
            }
            None => environment.proxies.find(&address),
        };
        if proxy.as_ref().is_some_and(|proxy| proxy.address.scheme_str() != Some("http")) {
            return Err("proxy, or HTTPS_PROXY: only http:// proxies can be used".into());
        }
        let via = proxy.as_ref().map(|proxy| proxy.address.to_string()).unwrap_or_default();
        let key = format!("{address} {via} {}", provider.ca_file.as_deref().unwrap_or_default());
        let connections = environment.connections.of(&key);
        Ok(Arc::new(Self { key, authority: authority.as_str().to_owned(), address, tls, proxy, connections }))
    }

    pub(crate) fn scheme(&self) -> &str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Host and port as the base URL has them, for `Host`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Connections of equal keys are interchangeable.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl Tls {
    fn prepare(host: &str, provider: &Provider, environment: &Environment) -> Result<Self, String> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let server_name = ServerName::try_from(bare.to_owned()).map_err(|_| "base_url: not a valid host name")?;
        let config = match &provider.ca_file {
            Some(path) => super::tls::config_with_ca_file(path)?,
            None => environment.roots.config(),
        };
        Ok(Self { config, server_name })
    }
}

fn is_loopback(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_no_proxy_are_direct() {
        let matcher = ProxyMatcher::new("http://user:secret@proxy.example:3128", "internal.example");
        let find = |address: &'static str| matcher.find(&Uri::from_static(address));
        let proxy = find("https://api.openai.com:443").expect("proxied");
        assert_eq!(proxy.address.host(), Some("proxy.example"));
        assert!(proxy.authorization.is_some());
        for direct in [
            "https://internal.example:443",
            "https://127.0.0.1:443",
            "https://localhost:8443",
            "https://[::1]:8443",
            "http://api.example:80",
        ] {
            assert!(find(direct).is_none(), "{direct}");
        }
        assert!(!format!("{matcher:?}").contains("secret"));
    }
}
