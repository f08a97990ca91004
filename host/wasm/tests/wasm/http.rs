//! The way out: what is counted, what is refused, and whose time waiting is.

use std::time::{Duration, Instant};

use syncline_net::RateLimit;
use syncline_runner::{Connector, Fault, Outcome};
use syncline_wasm::Limits;

use crate::hostile::two_updates;
use crate::support::{component_fault, connector, connector_to, hostile, outlet, read, server};

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_slow_server_is_not_computing() {
    let base = server(60).await;
    let plugin = hostile(Limits { cpu_ms: 200, ..Limits::default() }).await;
    let slow = connector_to(&plugin, "{\"do\":\"slow\",\"count\":12}", outlet(&base, Vec::new()));
    let started = Instant::now();
    read(&slow).await.expect("a page, however slow");
    assert!(started.elapsed() >= Duration::from_millis(720), "it did wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_nothing_is_computing() {
    let plugin = hostile(Limits { cpu_ms: 200, ..Limits::default() }).await;
    let text = component_fault(read(&connector(&plugin, "ask")).await);
    assert!(text.contains("`cpu_ms = "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_ends_at_the_wall() {
    let base = server(60_000).await;
    let plugin = hostile(Limits { wall_ms: 300, ..Limits::default() }).await;
    let slow = connector_to(&plugin, "{\"do\":\"slow\"}", outlet(&base, Vec::new()));
    let text = component_fault(read(&slow).await);
    assert!(text.contains("it gave no answer within the limit of 300 ms") && text.contains("`wall_ms = "), "{text}");
    for _ in 0..3 {
        component_fault(read(&slow).await);
    }
    assert!(!plugin.quarantined(), "a slow server is no fault of the plugin");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_budget_is_not_the_plugins_time() {
    let base = server(0).await;
    let plugin = hostile(Limits { wall_ms: 500, ..Limits::default() }).await;
    let rates = vec![RateLimit::new(1, 900)];
    let slow = connector_to(&plugin, "{\"do\":\"slow\",\"count\":2}", outlet(&base, rates));
    let started = Instant::now();
    read(&slow).await.expect("a page, after the budget");
    assert!(started.elapsed() >= Duration::from_millis(800), "it did wait: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_call_are_counted() {
    let base = server(0).await;
    let plugin = hostile(Limits { http_calls: 4, ..Limits::default() }).await;
    let deed = |deed: &str| connector_to(&plugin, deed, outlet(&base, Vec::new()));
    let answer = read(&deed("{\"do\":\"many\",\"count\":7}")).await;
    assert_eq!(answer, Err(Fault::Other("3 of 7 refused".to_owned())));
    let text = component_fault(read(&deed("{\"do\":\"insist\"}")).await);
    assert!(
        text.contains("it went on after the limit of 4 HTTP requests") && text.contains("`http_calls = "),
        "{text}"
    );
    read(&deed("{\"do\":\"slow\"}")).await.expect("the next call has its own count");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_is_refused_as_a_value() {
    let base = server(0).await;
    let plugin = hostile(Limits::default()).await;
    let answer = read(&connector_to(&plugin, "{\"do\":\"foreign\"}", outlet(&base, Vec::new()))).await;
    let text = answer.expect_err("a fault").to_string();
    assert!(text.contains("169.254.169.254") && text.contains("crm"), "{text}");
    assert!(!plugin.quarantined());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_text_comes_as_text_when_asked_for() {
    let base = server(0).await;
    let plugin = hostile(Limits::default()).await;
    let answer = read(&connector_to(&plugin, "{\"do\":\"binary\"}", outlet(&base, Vec::new()))).await;
    assert_eq!(answer, Err(Fault::Other("a\u{fffd}\u{fffd}b".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn e7_a_wait_that_the_plugin_read_out_of_an_answer_is_part_of_the_budget() {
    let base = server(0).await;
    let plugin = hostile(Limits::default()).await;
    let way = outlet(&base, Vec::new());
    let answer = read(&connector_to(&plugin, "{\"do\":\"wait\"}", way.clone())).await;
    assert!(matches!(answer, Err(Fault::RetryLater { after_ms: 3_600_000, .. })), "{answer:?}");
    assert!((3_590_000..=3_600_000).contains(&way.budget().held_ms), "{:?}", way.budget());
    read(&connector_to(&plugin, "{\"do\":\"slow\"}", way)).await.expect_err("nothing is sent before");

    let way = outlet(&base, Vec::new());
    let answer = connector_to(&plugin, "{\"do\":\"quota\"}", way.clone()).write(two_updates()).await;
    assert!(matches!(answer.expect("an answer").outcomes[0], Outcome::Quota { .. }));
    assert!((3_590_000..=3_600_000).contains(&way.budget().held_ms), "{:?}", way.budget());
}

#[tokio::test(flavor = "multi_thread")]
async fn e7_a_wait_for_our_own_budget_that_the_plugin_passes_on_holds_nothing() {
    let base = server(0).await;
    let plugin = hostile(Limits::default()).await;
    let way = outlet(&base, vec![RateLimit::new(1, 86_400_000)]);
    let answer = read(&connector_to(&plugin, "{\"do\":\"slow\",\"count\":2}", way.clone())).await;
    assert!(matches!(answer, Err(Fault::RetryLater { after_ms: 86_000_000.., .. })), "{answer:?}");
    assert_eq!(way.budget().held_ms, 0, "a limit that is raised is not waited for as if the server had said it");
}
