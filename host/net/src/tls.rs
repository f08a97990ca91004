//! Secure connections: whose certificates are trusted, and what to tell a person when one is not.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::error::NetError;

/// The roots that the operating system trusts.
pub(crate) fn native_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    if added == 0 {
        tracing::warn!(
            ignored,
            errors = loaded.errors.len(),
            "the system has no root certificates; no https server will be trusted"
        );
    }
    roots
}

/// The roots with those of `pem` added.
pub(crate) fn with_extra_roots(mut roots: RootCertStore, pem: &str) -> Result<RootCertStore, String> {
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate =
            certificate.map_err(|error| format!("the extra root certificates cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("an extra root certificate cannot be used: {error}"))?;
        added += 1;
    }
    match added {
        0 => Err("the extra root certificates contain no certificate in PEM form".to_owned()),
        _ => Ok(roots),
    }
}

/// A client's settings over `roots`.
pub(crate) fn client_config(roots: RootCertStore) -> Result<ClientConfig, NetError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| NetError::Client(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// What to tell a person about a certificate that was not accepted by us.
pub(crate) fn certificate_text(host: &str, error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => format!(
            "the certificate of `{host}` is not trusted: it is self-signed or signed by an unknown authority; \
             if it is yours, add its root certificate to the connection: `root_certificate = \"FILE.pem\"`"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!(
                "the certificate of `{host}` has expired; the server's operator must renew it (or this machine's clock is wrong)"
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of `{host}` is not valid yet; check this machine's clock")
        }
        CertificateError::NotValidForName => {
            format!("the certificate of `{host}` is for another name; check the host in the url")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!(
                "the certificate of `{host}` is for another name ({}); check the host in the url",
                presented.join(", ")
            )
        }
        CertificateError::Revoked => {
            format!("the certificate of `{host}` has been revoked; the server's operator must replace it")
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
            "the certificate of `{host}` is one of an authority, which a server may not use for itself; \
             make a server certificate (basicConstraints CA:FALSE) and add its root to the connection as `root_certificate`"
        ),
        other => format!("the certificate of `{host}` is not accepted: {other}"),
    }
}
