//! Why a connection could not be made, in a closed set of words: what libraries say names addresses, certificates and
//! numbers of the operating system, which clients have no business knowing.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::CertificateError;

/// What stands in a chain of errors of a connector.
pub(super) fn of_connecting(error: &(dyn Error + 'static)) -> &'static str {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && let Some(reason) = of_kind(error.kind())
        {
            return reason;
        }
        // hyper-util's connector has no type for this.
        if error.to_string().starts_with("dns error") {
            return "its name can't be resolved";
        }
        next = error.source();
    }
    "the connection failed"
}

/// What went wrong with a transport.
pub(super) fn of_transport(error: &io::Error) -> &'static str {
    of_kind(error.kind()).unwrap_or("the connection failed")
}

/// What went wrong in a TLS handshake.
pub(super) fn of_tls(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::UnknownIssuer => "its certificate is signed by nobody who is trusted",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            _ => "its certificate is not acceptable",
        },
        Some(_) => "it does not speak TLS as it should",
        None => of_transport(error),
    }
}

fn of_kind(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => "connection reset",
        ErrorKind::UnexpectedEof => "it closed the connection",
        ErrorKind::TimedOut => "the connection timed out",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "there is no route to it",
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => "no local address is left",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_happened_and_nothing_else() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(of_connecting(&refused), "connection refused");
        assert_eq!(of_connecting(&io::Error::other("10.1.2.3:443 said no")), "the connection failed");
        let name = CertificateError::NotValidForNameContext {
            expected: rustls::pki_types::ServerName::try_from("provider.example").expect("valid"),
            presented: vec!["internal.example".into()],
        };
        let tls = io::Error::new(ErrorKind::InvalidData, rustls::Error::InvalidCertificate(name));
        assert_eq!(of_tls(&tls), "its certificate is for another name");
        assert_eq!(of_tls(&io::Error::from(ErrorKind::ConnectionReset)), "connection reset");
    }
}
