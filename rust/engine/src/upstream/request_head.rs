//! The head of a request to a provider, as either protocol writes it.

use fastgate_core::tables::{Credential, Provider, ProviderDialect};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

use super::Origin;
use crate::upload::UpstreamBody;

/// What a request says for itself, whatever the configuration says.
const OF_THE_REQUEST: [&str; 4] = ["accept", "content-type", "traceparent", "tracestate"];

const ANTHROPIC_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Where a request goes at a provider.
#[derive(Clone, Debug)]
pub(crate) struct Address(Uri);

/// The headers of requests made with one credential.
pub(crate) struct CredentialHead {
    headers: HeaderMap,
    /// The same as HTTP/1.1 writes them: most of a request's head is copied in one piece.
    lines: Vec<u8>,
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a Method,
    pub(crate) address: &'a Address,
    pub(crate) credential: &'a CredentialHead,
    /// What is accepted as an answer.
    pub(crate) accept: &'static str,
    /// What the body is; `None` where there is none.
    pub(crate) content_type: Option<&'a HeaderValue>,
    /// Headers of the trace that it is part of, and those of the client that this provider understands.
    pub(crate) fields: &'a [(HeaderName, Option<HeaderValue>)],
}

impl Address {
    /// # Errors
    /// A path that can't be part of an address.
    pub(crate) fn new(origin: &Origin, path: &str) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self(format!("{}://{}{path}", origin.scheme(), origin.authority()).parse()?))
    }

    fn path_and_query(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl std::fmt::Debug for CredentialHead {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CredentialHead").finish_non_exhaustive()
    }
}

impl CredentialHead {
    /// # Errors
    /// Which setting has what no header may carry.
    pub(crate) fn prepare(provider: &Provider, origin: &Origin, credential: &Credential) -> Result<Self, String> {
        let mut headers = HeaderMap::with_capacity(16);
        let host = HeaderValue::from_str(origin.authority()).map_err(|_| "base_url: not a valid host")?;
        headers.insert(header::HOST, host);
        if !credential.secret.is_empty() {
            let (name, text) = match provider.dialect {
                ProviderDialect::Openai => (header::AUTHORIZATION, format!("Bearer {}", credential.secret)),
                ProviderDialect::Anthropic => (ANTHROPIC_KEY, credential.secret.clone()),
                ProviderDialect::Gemini => (GOOGLE_KEY, credential.secret.clone()),
            };
            let value = HeaderValue::from_str(&text);
            let mut value = value.map_err(|_| "api_key: has characters that no header may carry")?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        if provider.dialect == ProviderDialect::Anthropic {
            headers.insert(ANTHROPIC_VERSION, HeaderValue::from_static("2023-06-01"));
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("fastgate/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in &provider.headers {
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = parsed.ok_or_else(|| format!("headers.{name}: not a valid header"))?;
            if !OF_THE_REQUEST.contains(&name.as_str()) {
                headers.insert(name, value);
            }
        }
        let mut lines = Vec::new();
        headers.iter().for_each(|(name, value)| write_line(&mut lines, name.as_str(), value.as_bytes()));
        Ok(Self { headers, lines })
    }
}

impl RequestHead<'_> {
    /// Writes it as HTTP/1.1 has it. `length_bytes` is the body's; `None` announces chunks.
    pub(crate) fn write(&self, written: &mut Vec<u8>, length_bytes: Option<u64>) {
        written.extend_from_slice(self.method.as_str().as_bytes());
        written.push(b' ');
        written.extend_from_slice(self.address.path_and_query().as_bytes());
        written.extend_from_slice(b" HTTP/1.1\r\n");
        written.extend_from_slice(&self.credential.lines);
        write_line(written, "accept", self.accept.as_bytes());
        for (name, value) in self.own_fields() {
            write_line(written, name.as_str(), value.as_bytes());
        }
        match length_bytes {
            // A method that has no meaning for a body says nothing of one.
            Some(0) if !matches!(*self.method, Method::POST | Method::PUT | Method::PATCH) => {}
            Some(bytes) => write_line(written, "content-length", itoa::Buffer::new().format(bytes).as_bytes()),
            None => write_line(written, "transfer-encoding", b"chunked"),
        }
        written.extend_from_slice(b"\r\n");
    }

    /// The whole request as HTTP/2 has it.
    pub(crate) fn http2(&self, body: UpstreamBody) -> Request<UpstreamBody> {
        let mut request = Request::new(body);
        *request.version_mut() = Version::HTTP_2;
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.address.0.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.credential.headers);
        headers.remove(header::HOST);
        headers.insert(header::ACCEPT, HeaderValue::from_static(self.accept));
        headers.extend(self.own_fields().map(|(name, value)| (name.clone(), value.clone())));
        request
    }

    fn own_fields(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let fields = self.fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        fields.chain(self.content_type.map(|value| (&header::CONTENT_TYPE, value)))
    }
}

fn write_line(written: &mut Vec<u8>, name: &str, value: &[u8]) {
    written.extend_from_slice(name.as_bytes());
    written.extend_from_slice(b": ");
    written.extend_from_slice(value);
    written.extend_from_slice(b"\r\n");
}
