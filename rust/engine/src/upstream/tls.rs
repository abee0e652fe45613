//! Trust: the system's roots, bundled ones where the system has none, or a provider's own `ca_file`.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The roots for providers without a `ca_file`, read once when the first of them is prepared.
#[derive(Debug, Default)]
pub(crate) struct TlsRoots(OnceLock<Arc<ClientConfig>>);

impl TlsRoots {
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        if let Some(config) = self.0.get() {
            return Arc::clone(config);
        }
        let mut roots = RootCertStore::empty();
        // The system's store may hold certificates that rustls can't read: the others still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::clone(self.0.get_or_init(|| config(roots)))
    }
}

pub(crate) fn config_with_ca_file(path: &str) -> Result<Arc<ClientConfig>, String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| format!("ca_file {path}: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("ca_file {path}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("ca_file {path}: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("ca_file {path}: holds no certificate"));
    }
    Ok(config(roots))
}

fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    #[expect(clippy::expect_used, reason = "ring supports the default versions; this can't depend on input")]
    let builder = builder.with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}
