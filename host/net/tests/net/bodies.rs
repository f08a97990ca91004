//! Answers that are too large, cut off, packed or strange.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use syncline_core::Caller;
use syncline_net::{Body, Limits, OutletConfig, Request, SendError};

use crate::support::{Server, answer, get, open, with};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn limited(server: &Server, response_bytes_max: u64) -> OutletConfig {
    OutletConfig { limits: Limits { response_bytes_max, ..Limits::default() }, ..server.config() }
}

#[tokio::test]
async fn gzip_is_unpacked() {
    let server = Server::start(|_| answer(200, &[("content-encoding", "gzip")], &gzip(b"unpacked"))).await;
    let response = server.outlet().send(get("/")).await.expect("an answer");
    assert_eq!(response.body, Body::Text("unpacked".to_owned()));
    assert!(!response.headers.iter().any(|(name, _)| name == "content-encoding"));
}

#[tokio::test]
async fn a_bomb_is_stopped_while_it_unpacks() {
    let packed = gzip(&vec![0; 64 * 1024 * 1024]);
    assert!(packed.len() < 100_000);
    let server = Server::start(move |_| answer(200, &[("content-encoding", "gzip")], &packed)).await;
    let outlet = server.outlet();
    let error = outlet.send(get("/")).await.expect_err("a bomb");
    assert_eq!(error, SendError::TooLarge { limit: 16 * 1024 * 1024 });
    assert!(error.may_have_reached_server());
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let server =
        Server::start(|request| answer(200, &[], &vec![b'x'; if request.contains("/8") { 8 } else { 9 }])).await;
    let outlet = open(limited(&server, 8));
    assert!(outlet.send(get("/8")).await.is_ok());
    assert_eq!(outlet.send(get("/9")).await, Err(SendError::TooLarge { limit: 8 }));
}

#[tokio::test]
async fn the_answers_of_one_errand_together_are_bounded() {
    let server = Server::start(|_| answer(200, &[], &[b'x'; 8])).await;
    for (errand_bytes_max, fitting) in [(None, 4), (Some(20), 2)] {
        let limits = Limits { response_bytes_max: 8, errand_bytes_max, ..Limits::default() };
        let outlet = open(OutletConfig { limits, ..server.config() });
        let limit = errand_bytes_max.unwrap_or(32);
        let errand = outlet.errand(Caller::default());
        let answers = errand.send_all((0..40).map(|_| get("/")).collect()).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), fitting, "{limit}");
        let others: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
        assert_eq!(others, vec![SendError::TooLarge { limit }; 40 - fitting]);
        assert_eq!(errand.send(get("/")).await, Err(SendError::TooLarge { limit }));
        assert!(outlet.errand(Caller::default()).send(get("/")).await.is_ok(), "the next call starts afresh");
    }
}

#[tokio::test]
async fn a_cut_body_is_interrupted() {
    let packed = gzip(&(0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let server = Server::start(move |request| {
        let half = &packed[..packed.len() / 2];
        match request.split(' ').nth(1) {
            Some("/length") => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf".to_vec(),
            Some("/chunked") => {
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\nhalf".to_vec()
            }
            _ => [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n".as_slice(), half].concat(),
        }
    })
    .await;
    for path in ["/length", "/chunked", "/gzip"] {
        let error = server.outlet().send(get(path)).await.expect_err(path);
        assert!(matches!(&error, SendError::Interrupted { reason } if reason.contains("cut off")), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn text_and_bytes_come_as_they_were_asked_for() {
    let server = Server::start(|request| match request.split(' ').nth(1) {
        Some("/latin") => answer(200, &[("content-type", "text/plain; charset=ISO-8859-1")], b"gr\xfcn"),
        _ => answer(200, &[], b"gr\xfcn"),
    })
    .await;
    let outlet = server.outlet();
    let bytes = Request { answer_as_bytes: true, ..get("/") };
    assert_eq!(outlet.send(bytes).await.expect("an answer").body, Body::Bytes(b"gr\xfcn".to_vec()));
    assert_eq!(outlet.send(get("/")).await.expect("an answer").body, Body::Text("gr\u{fffd}n".to_owned()));
    assert_eq!(outlet.send(get("/latin")).await.expect("an answer").body, Body::Text("grün".to_owned()));
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let server = Server::start(|request| {
        let (count, length) = if request.contains("/many") { (400, 1) } else { (40, 3_000) };
        let headers: String = (0..count).map(|number| format!("x-{number}: {}\r\n", "y".repeat(length))).collect();
        format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{headers}\r\n").into_bytes()
    })
    .await;
    for path in ["/many", "/large"] {
        let error = server.outlet().send(with("POST", path, &[])).await.expect_err(path);
        assert!(error.may_have_reached_server(), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_is_whole_although_it_names_an_encoding() {
    let server = Server::start(|request| {
        let status = if request.starts_with("HEAD") { 200 } else { 304 };
        format!("HTTP/1.1 {status} Status\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n\r\n").into_bytes()
    })
    .await;
    for method in ["HEAD", "GET"] {
        let response = server.outlet().send(with(method, "/", &[])).await.expect(method);
        assert_eq!(response.body, Body::Text(String::new()), "{method}");
    }
}
