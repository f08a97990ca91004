//! The connection's budget, what the server says about it, and quick repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use syncline_core::Caller;
use syncline_net::{Limits, NotSentCause, OutletConfig, RateLimit, RateScope, SendError};
use tokio::net::TcpListener;

use crate::support::{Server, answer, get, open, with};

#[tokio::test]
async fn retry_after_holds_the_next_call_of_the_connection() {
    let server = Server::start(|_| answer(429, &[("retry-after", "120")], b"slow down")).await;
    let outlet = server.outlet();
    let response = outlet.send(get("/")).await.expect("the answer is passed on");
    assert_eq!(response.status, 429);
    let held = outlet.clone().send(with("POST", "/", &[])).await.expect_err("the connection is held");
    assert!(matches!(held, SendError::RetryLater { after_ms: 110_000..=120_001 }), "{held:?}");
    assert!(!held.may_have_reached_server());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_used_up_budget_is_given_back_when_the_wait_is_long() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let rates = vec![RateLimit::new(3, 86_400_000)];
    let outlet =
        open(OutletConfig { limits: Limits { rates, share_percent: 100, ..Limits::default() }, ..server.config() });
    let answers = outlet.send_all((0..5).map(|_| get("/")).collect()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    assert_eq!(server.count(), 3);
    assert!(answers.iter().any(|answer| matches!(answer, Err(SendError::RetryLater { after_ms: 86_000_000.. }))));
}

#[tokio::test]
async fn a_limit_on_a_path_counts_from_the_base() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let scope = RateScope::new(Some("POST"), Some("/objects/*/search"));
    let rates = vec![RateLimit { scope, ..RateLimit::new(1, 86_400_000) }];
    let mut config =
        OutletConfig { limits: Limits { rates, share_percent: 100, ..Limits::default() }, ..server.config() };
    config.base_url = config.base_url.join("/api/v3").expect("a url");
    let outlet = open(config);
    let search = || outlet.send(with("POST", "/api/v3/objects/contacts/search", &[]));
    assert!(search().await.is_ok());
    assert!(matches!(search().await, Err(SendError::RetryLater { after_ms: 86_000_000.. })));
    assert!(outlet.send(with("POST", "/api/v3/objects/contacts", &[])).await.is_ok());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn one_errand_has_its_own_limit() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let limits = Limits { calls_per_errand_max: 2, ..Limits::default() };
    let outlet = open(OutletConfig { limits, ..server.config() });
    let errand = outlet.errand(Caller::default());
    let answers = errand.send_all((0..3).map(|_| get("/")).collect()).await;
    assert_eq!(answers[2], Err(SendError::RetryLater { after_ms: 0 }));
    assert!(answers[0].is_ok() && answers[1].is_ok());
    assert!(outlet.errand(Caller::default()).send(get("/")).await.is_ok());
}

#[tokio::test]
async fn no_more_than_eight_are_under_way() {
    let barrier = Arc::new(std::sync::Mutex::new((0usize, 0usize)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (seen, all_here) = (barrier.clone(), Arc::new(tokio::sync::Barrier::new(8)));
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let (seen, all_here) = (seen.clone(), all_here.clone());
            tokio::spawn(async move {
                let mut buffer = [0; 2048];
                // No test request is larger than one read, and none is answered before eight are here.
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    let now = |change: isize| {
                        let mut state = seen.lock().expect("the numbers");
                        state.0 = state.0.saturating_add_signed(change);
                        state.1 = state.1.max(state.0);
                    };
                    now(1);
                    all_here.wait().await;
                    now(-1);
                    let _ = stream.write_all(&answer(200, &[], b"")).await;
                }
            });
        }
    });
    let base = format!("http://{address}/").parse().expect("a url");
    let config = OutletConfig::new("crm", base).expect("a configuration");
    let outlet = open(OutletConfig { allow_private_network: true, ..config });
    let answers = outlet.send_all((0..32).map(|_| get("/")).collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(barrier.lock().expect("the numbers").1, 8);
}

/// Fails the first `failures` requests with `fail`, and answers 200 from then on.
async fn failing(failures: usize, fail: Vec<u8>) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        number if number < failures => fail.clone(),
        _ => answer(200, &[], b""),
    })
    .await
}

#[tokio::test]
async fn a_safe_request_is_repeated_twice_and_a_write_never() {
    for fail in [answer(503, &[], b""), answer(502, &[], b""), Vec::new()] {
        let server = failing(2, fail.clone()).await;
        let outlet = server.outlet();
        assert_eq!(outlet.send(get("/")).await.expect("an answer").status, 200);
        assert_eq!((server.count(), outlet.counters().repeats), (3, 2));

        let server = failing(2, fail.clone()).await;
        let answer = server.outlet().send(with("POST", "/", &[])).await;
        assert_eq!(server.count(), 1);
        match answer {
            Ok(answer) => assert!(answer.status >= 502),
            Err(error) => assert!(matches!(error, SendError::Interrupted { .. }), "{error:?}"),
        }

        let server = failing(9, fail).await;
        let _ = server.outlet().send(with("PROPFIND", "/", &[])).await;
        assert_eq!(server.count(), 3);
    }
    let server = failing(9, answer(503, &[("retry-after", "60")], b"")).await;
    assert_eq!(server.outlet().send(get("/")).await.expect("an answer").status, 503);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_was_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let config =
        OutletConfig::new("crm", format!("http://{address}/").parse().expect("a url")).expect("a configuration");
    let outlet = open(OutletConfig { allow_private_network: true, ..config });
    let error = outlet.send(with("POST", "/", &[])).await.expect_err("nobody listens");
    assert!(matches!(error, SendError::NotSent { cause: NotSentCause::Connect, .. }), "{error:?}");
    assert!(error.to_string().contains("refused") && error.to_string().contains("is the server up"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_interrupted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let config =
        OutletConfig::new("crm", format!("http://{address}/").parse().expect("a url")).expect("a configuration");
    let outlet = open(OutletConfig { allow_private_network: true, ..config });
    for timeout_ms in [0, 40] {
        let request = syncline_net::Request { timeout_ms: Some(timeout_ms), ..with("POST", "/", &[]) };
        let error = outlet.send(request).await.expect_err("no answer");
        assert!(
            matches!(&error, SendError::Interrupted { reason } if reason.contains("no complete answer")),
            "{error:?}"
        );
    }
}
