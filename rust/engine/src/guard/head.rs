//! The head of a request: how large it may be, that it names one host, that its body comes as it is.
//!
//! The native door's parser has looked for smuggling already (two lengths, a length beside chunks); what another server
//! has parsed is looked at again as far as it still shows.

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::tables::Bounds;
use http::uri::Authority;
use http::{HeaderValue, Request, Version, header};

/// `": "` and the line's end.
const LINE_BYTES: usize = 4;

/// Checks a request's head, in one pass over its headers.
///
/// # Errors
/// [`Cause::TargetTooLong`], [`Cause::HeadersTooLarge`], or [`Cause::InvalidRequest`] that says which rule.
pub(crate) fn check_head<B>(bounds: &Bounds, request: &Request<B>) -> Result<(), Failure> {
    let uri = request.uri();
    let target_bytes = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if target_bytes > bounds.request_target_bytes {
        let limit = bounds.request_target_bytes;
        return Err(Failure::new(Cause::TargetTooLong, format!("the request's path is longer than {limit} bytes")));
    }
    let mut bytes = 0;
    let mut host = None;
    let mut is_coded = false;
    for (name, value) in request.headers() {
        bytes += name.as_str().len() + value.len() + LINE_BYTES;
        if name == header::HOST && host.replace(value).is_some() {
            return Err(invalid("the request has two Host headers"));
        }
        if name == header::CONTENT_ENCODING && !value.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(invalid("compressed request bodies are not accepted"));
        }
        if name == header::TRANSFER_ENCODING {
            let is_chunked = request.version() != Version::HTTP_10 && value.as_bytes().eq_ignore_ascii_case(b"chunked");
            if !is_chunked || std::mem::replace(&mut is_coded, true) {
                return Err(invalid("the only Transfer-Encoding accepted is chunked, once"));
            }
        }
    }
    let fields = request.headers().len();
    if fields > bounds.request_header_fields || bytes > bounds.request_headers_bytes {
        let message = format!(
            "the request has {fields} header lines of {bytes} bytes; {} of {} bytes are accepted",
            bounds.request_header_fields, bounds.request_headers_bytes
        );
        return Err(Failure::new(Cause::HeadersTooLarge, message));
    }
    check_host(request.version(), uri.authority(), host)
}

/// RFC 9112, 3.2: HTTP/1.1 names exactly one host, and one in the request line is the same.
fn check_host(version: Version, authority: Option<&Authority>, host: Option<&HeaderValue>) -> Result<(), Failure> {
    let Some(host) = host else {
        return if version == Version::HTTP_11 { Err(invalid("the request has no Host header")) } else { Ok(()) };
    };
    let is_valid = Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'));
    if !is_valid {
        return Err(invalid("the request's Host header is not a host"));
    }
    if authority.is_some_and(|authority| !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())) {
        return Err(invalid("the request's target and its Host header name different hosts"));
    }
    Ok(())
}

fn invalid(message: &str) -> Failure {
    Failure::invalid_request(message, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, headers: &[(&str, &str)]) -> Result<(), Cause> {
        let bounds = Bounds {
            request_headers_bytes: 60,
            request_header_fields: 3,
            request_target_bytes: 20,
            ..crate::testing::tables(&serde_json::json!({})).bounds
        };
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check_head(&bounds, &request.body(()).expect("valid")).map_err(|failure| failure.cause)
    }

    #[test]
    fn bounds_count_every_byte() {
        let host = ("host", "h");
        let exactly = "x".repeat(60 - "hosth".len() - "name".len() - 2 * LINE_BYTES);
        assert_eq!(check("/", &[host, ("name", &exactly)]), Ok(()));
        assert_eq!(check("/", &[host, ("name", &(exactly + "x"))]), Err(Cause::HeadersTooLarge));
        assert_eq!(check("/", &[host, ("a", ""), ("b", "")]), Ok(()));
        assert_eq!(check("/", &[host, ("a", ""), ("a", ""), ("a", "")]), Err(Cause::HeadersTooLarge));
        assert_eq!(check("/234567890?234567890", &[host]), Ok(()));
        assert_eq!(check("/234567890?2345678901", &[host]), Err(Cause::TargetTooLong));
    }

    #[test]
    fn one_host_and_a_plain_body() {
        for headers in [
            &[][..],
            &[("host", "a"), ("host", "a")],
            &[("host", "")],
            &[("host", "user@a")],
            &[("host", "a b")],
            &[("host", "a"), ("content-encoding", "identity"), ("content-encoding", "gzip")],
            &[("host", "a"), ("content-encoding", "gzip, identity")],
            &[("host", "a"), ("transfer-encoding", "gzip, chunked")],
            &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(check("/", headers), Err(Cause::InvalidRequest), "{headers:?}");
        }
        assert_eq!(check("http://b/", &[("host", "a")]), Err(Cause::InvalidRequest));
        assert_eq!(check("http://A:1/", &[("host", "a:1")]), Ok(()));
        assert_eq!(check("/", &[("host", "a"), ("transfer-encoding", "Chunked")]), Ok(()));
    }
}
