//! Certificates: which are accepted, and what a person reads about those that are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use syncline_net::{NotSentCause, Outlet, OutletConfig, SendError};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{Arrived, Names, answer, get, open_with, serve, with};

const HOST: &str = "dav.example.org";

/// A certificate and its key, as a server presents it and as a user would add it.
struct Identity {
    der: rustls::pki_types::CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Identity { der: certificate.der().clone(), key }
    }

    fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], key)
            .expect("a certificate and its key");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    async fn serve(&self) -> u16 {
        let acceptor = self.acceptor(&[]);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, Arrived::default(), Arc::new(|_: &str| answer(200, &[], b"safe"))).await;
                    }
                });
            }
        });
        port
    }
}

/// A self-signed certificate, and the text a user adds for it.
fn home() -> (Identity, String) {
    let params = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    (Identity { der: certificate.der().clone(), key }, certificate.pem())
}

fn outlet(host: &str, port: u16, extra_roots_pem: Option<String>) -> Outlet {
    let base = format!("https://{host}:{port}/").parse().expect("a url");
    let config = OutletConfig::new("book", base).expect("a configuration");
    let names = Names(vec![(HOST, vec!["127.0.0.1"]), ("other.example.org", vec!["127.0.0.1"])]);
    open_with(names, OutletConfig { allow_private_network: true, extra_roots_pem, ..config })
}

async fn refusal(host: &str, identity: &Identity, extra: Option<String>) -> String {
    let port = identity.serve().await;
    match outlet(host, port, extra).send(get("/")).await {
        Err(SendError::NotSent { cause: NotSentCause::Certificate, reason }) => reason,
        other => panic!("not refused for its certificate: {other:?}"),
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused_until_it_is_added() {
    let (identity, pem) = home();
    let reason = refusal(HOST, &identity, None).await;
    assert!(reason.contains("`dav.example.org` is not trusted: it is self-signed"), "{reason}");
    assert!(reason.contains("add its root certificate"), "{reason}");
    let port = identity.serve().await;
    let response = outlet(HOST, port, Some(pem)).send(get("/")).await.expect("an answer");
    assert_eq!(response.body.as_bytes(), b"safe");
}

#[tokio::test]
async fn an_authority_of_ones_own_is_accepted_when_it_is_added() {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "home");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    let identity = Identity { der: leaf.signed_by(&key, &authority).expect("a certificate").der().clone(), key };
    let port = identity.serve().await;
    assert!(outlet(HOST, port, Some(authority.pem())).send(get("/")).await.is_ok());
    let reason = refusal("other.example.org", &identity, Some(authority.pem())).await;
    assert!(reason.contains("`other.example.org` is for another name") && reason.contains(HOST), "{reason}");
}

#[tokio::test]
async fn an_old_certificate_says_that_it_is_old() {
    let pem = |identity: &Identity| {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(&identity.der);
        Some(format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))
    };
    let old = Identity::self_signed(|params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let reason = refusal(HOST, &old, pem(&old)).await;
    assert!(reason.contains("has expired"), "{reason}");
    let authority = Identity::self_signed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let reason = refusal(HOST, &authority, pem(&authority)).await;
    assert!(reason.contains("one of an authority"), "{reason}");
}

#[tokio::test]
async fn a_server_without_tls_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // As web servers do: whatever came was no request.
            let _ = stream.write_all(&answer(400, &[], b"")).await;
        }
    });
    let error = outlet(HOST, port, None).send(get("/")).await.expect_err("no tls");
    assert!(matches!(error, SendError::NotSent { cause: NotSentCause::Tls, .. }), "{error:?}");
    assert!(error.to_string().contains("does it speak https on this port?"), "{error}");
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_does_over_one_connection() {
    let (identity, pem) = home();
    let acceptor = identity.acceptor(&["h2", "http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let stream = acceptor.accept(stream).await.expect("a handshake");
            tokio::spawn(answer_over_http_2(stream));
        }
    });
    let outlet = outlet(HOST, port, Some(pem));
    assert_eq!(outlet.send(get("/first")).await.expect("an answer").body.as_bytes(), b"/first");
    let answers = outlet.send_all((0..20).map(|number| get(format!("/{number}"))).collect()).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.expect("an answer").body.as_bytes(), format!("/{number}").as_bytes());
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let error = outlet.send(with("POST", "/reset", &[])).await.expect_err("the stream was reset");
    assert!(matches!(error, SendError::Interrupted { .. }), "{error:?}");
}

async fn answer_over_http_2(stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
    let mut connection = h2::server::handshake(stream).await.expect("http 2");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let path = request.uri().path().to_owned();
        if path == "/reset" {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            continue;
        }
        let mut body = respond.send_response(http::Response::new(()), false).expect("an open stream");
        body.send_data(path.into(), true).expect("an open stream");
    }
}
