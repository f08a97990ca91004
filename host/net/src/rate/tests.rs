use super::{Gate, RateLimit, UsageHeaders};
use crate::error::SendError;
use crate::outlet::Limits;
use crate::scope::RateScope;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use syncline_core::{Caller, Lane};
use tokio::time::{Instant, advance};

const DAY_MS: u64 = 86_400_000;

/// Limits of which all is used.
fn limits(rates: &[RateLimit], at_once_max: usize) -> Limits {
    Limits { rates: rates.to_vec(), at_once_max, share_percent: 100, ..Limits::default() }
}

fn gate(rates: &[RateLimit], at_once_max: usize) -> Arc<Gate> {
    Arc::new(Gate::new(&limits(rates, at_once_max)))
}

#[tokio::test(start_paused = true)]
async fn no_window_ever_holds_more_than_its_calls() {
    let gate = gate(&[RateLimit::new(3, 10_000)], 8);
    let start = Instant::now();
    let mut sent = Vec::new();
    for _ in 0..9 {
        let pass = gate.admit("GET", "/", Caller::default()).await.expect("a wait within the limit");
        sent.push(start.elapsed().as_secs());
        advance(Duration::from_secs(1)).await;
        drop(pass);
    }
    assert_eq!(sent, [0, 1, 2, 11, 12, 13, 22, 23, 24]);
}

#[tokio::test(start_paused = true)]
async fn the_narrowest_of_two_limits_counts_and_a_long_wait_is_given_back() {
    let limits = [RateLimit::new(2, 1_000), RateLimit::new(4, 86_400_000)];
    let gate = self::gate(&limits, 8);
    let start = Instant::now();
    for _ in 0..4 {
        gate.admit("GET", "/", Caller::default()).await.expect("a wait within the limit");
    }
    assert_eq!(start.elapsed().as_secs(), 1);
    let refused = gate.admit("GET", "/", Caller::default()).await.expect_err("a day is too long to wait");
    assert!(matches!(refused, SendError::RetryLater { after_ms } if after_ms > 86_000_000), "{refused:?}");
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_held_connection_waits_as_long_as_the_server_said() {
    let gate = gate(&[], 8);
    let start = Instant::now();
    gate.hold(Duration::from_secs(7));
    gate.hold(Duration::from_secs(2));
    gate.admit("GET", "/", Caller::default()).await.expect("a wait within the limit");
    assert_eq!(start.elapsed().as_secs(), 7);
    gate.hold(Duration::from_secs(31));
    let refused = gate.admit("GET", "/", Caller::default()).await.expect_err("31 s are too long to wait");
    assert!(matches!(refused, SendError::RetryLater { after_ms: 31_000..=31_001 }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_window_of_running_calls_waits_for_an_answer() {
    let gate = gate(&[RateLimit::new(1, 1_000)], 8);
    let start = Instant::now();
    let first = gate.admit("GET", "/", Caller::default()).await.expect("a free place");
    let (second, ()) = tokio::join!(gate.admit("GET", "/", Caller::default()), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(first);
    });
    second.expect("a place after the answer");
    assert_eq!(start.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_place_ends() {
    let gate = gate(&[], 1);
    let start = Instant::now();
    let first = gate.admit("GET", "/", Caller::default()).await.expect("a free place");
    let refused = gate.admit("GET", "/", Caller::default()).await.expect_err("the place is not given back");
    assert!(matches!(refused, SendError::RetryLater { after_ms: 1_000 }), "{refused:?}");
    assert_eq!(start.elapsed(), super::WAIT_MAX);
    drop(first);
    gate.admit("GET", "/", Caller::default()).await.expect("a free place");
}

#[tokio::test(start_paused = true)]
async fn a_restart_gives_no_budget_back() {
    let limits = [RateLimit::new(3, 86_400_000)];
    let before = self::gate(&limits, 8);
    drop(before.admit("GET", "/", Caller::default()).await.expect("a free place"));
    let _running = before.admit("GET", "/", Caller::default()).await.expect("a free place");
    before.hold(Duration::from_secs(9));
    let after = self::gate(&limits, 8);
    after.take_over(&before.spending());
    let start = Instant::now();
    after.admit("GET", "/", Caller::default()).await.expect("one place is left");
    assert!((8..=9).contains(&start.elapsed().as_secs()), "{:?}", before.spending());
    let refused = after.admit("GET", "/", Caller::default()).await.expect_err("the day's calls are used up");
    assert!(matches!(refused, SendError::RetryLater { after_ms: 86_000_000.. }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_searches_counts_searches_alone_and_stays_over_a_restart() {
    let mut searches = RateLimit::new(2, 86_400_000);
    searches.scope = RateScope::new(Some("POST"), Some("/objects/*/search"));
    let limits = [searches, RateLimit::new(100, 86_400_000)];
    let mut gate = self::gate(&limits, 8);
    gate.admit("POST", "/objects/contacts/search", Caller::default()).await.expect("a free place");
    for (method, path) in [("GET", "/objects/contacts/search"), ("POST", "/objects/contacts"), ("POST", "/search")] {
        gate.admit(method, path, Caller::default()).await.expect("no search");
    }
    gate.admit("POST", "/objects/contacts/search", Caller::default()).await.expect("a free place");
    for _ in 0..2 {
        let refused =
            gate.admit("POST", "/objects/contacts/search", Caller::default()).await.expect_err("two were made");
        assert!(matches!(refused, SendError::RetryLater { after_ms: 86_000_000.. }), "{refused:?}");
        gate.admit("GET", "/objects/contacts", Caller::default()).await.expect("no search");
        let before = gate.spending();
        gate = self::gate(&limits, 8);
        gate.take_over(&before);
    }
}

#[tokio::test(start_paused = true)]
async fn e7_a_hold_ends_when_the_limits_are_changed_and_what_was_used_stays() {
    let before = gate(&[RateLimit::new(3, DAY_MS)], 8);
    drop(before.admit("GET", "/", Caller::default()).await.expect("a free place"));
    before.hold(Duration::from_secs(20 * 3600));
    let same = gate(&[RateLimit::new(3, DAY_MS)], 8);
    same.take_over(&before.spending());
    let refused = same.admit("GET", "/", Caller::default()).await.expect_err("the server asked for it");
    assert!(matches!(refused, SendError::RetryLater { after_ms: 71_990_000.. }), "{refused:?}");
    let raised = gate(&[RateLimit::new(4, DAY_MS)], 8);
    raised.take_over(&before.spending());
    for _ in 0..3 {
        drop(raised.admit("GET", "/", Caller::default()).await.expect("somebody knows more than the server's answer"));
    }
    raised.admit("GET", "/", Caller::default()).await.expect_err("all four are used");
}

#[tokio::test(start_paused = true)]
async fn e7_connections_of_one_account_share_what_is_left() {
    let (one, other) = (gate(&[RateLimit::new(4, DAY_MS)], 8), gate(&[RateLimit::new(3, DAY_MS)], 2));
    drop(one.admit("GET", "/", Caller::default()).await.expect("a free place"));
    drop(other.admit("GET", "/", Caller::default()).await.expect("a free place"));
    one.take_in(&other);
    drop(one.admit("GET", "/", Caller::default()).await.expect("the third of the lower limit"));
    one.admit("GET", "/", Caller::default()).await.expect_err("both have used three together");
}

#[tokio::test(start_paused = true)]
async fn e7_a_person_goes_before_a_backfill_that_waited_longer() {
    let gate = gate(&[], 1);
    let first = gate.admit("GET", "/", Caller::default()).await.expect("a free place");
    let order = std::sync::Mutex::new(Vec::new());
    let wait = async |lane| {
        let pass = gate.admit("GET", "/", Caller { lane, is_retry: false }).await.expect("a place in time");
        order.lock().expect("the order").push(lane);
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(pass);
    };
    tokio::join!(wait(Lane::Backfill), wait(Lane::Incremental), wait(Lane::Interactive), wait(Lane::Webhook), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
    });
    let order = order.into_inner().expect("the order");
    assert_eq!(order, [Lane::Interactive, Lane::Webhook, Lane::Incremental, Lane::Backfill]);
}

#[tokio::test(start_paused = true)]
async fn e7_headers_correct_a_limit_and_never_raise_what_the_user_set() {
    let said = |limit: &'static str, left: &'static str| {
        let pairs = [("x-day", limit), ("x-day-left", left)];
        let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        HeaderMap::from_iter(pairs.map(header))
    };
    let usage = |is_capped| {
        let name = |name: &str| Some(name.to_owned());
        [UsageHeaders { per_ms: DAY_MS, limit: name("x-day"), left: name("x-day-left"), is_capped }]
    };
    // The limit that was set, whether by the user, what an answer says, and how many more pass then.
    for (set, is_capped, limit, left, passing) in [
        (5, false, "9", "9", 9),
        (5, true, "9", "9", 5),
        (5, true, "9", "2", 0),
        (5, true, "9", "6", 2),
        (9, true, "5", "4", 4),
        (9, false, "5", "0", 0),
        (5, false, "nonsense", "", 5),
    ] {
        let gate = gate(&[RateLimit::new(set, DAY_MS)], 99);
        gate.learn(&usage(is_capped), &said(limit, left));
        let mut passed = 0;
        while passed < 20 && gate.admit("GET", "/", Caller::default()).await.is_ok() {
            passed += 1;
        }
        assert_eq!(passed, passing, "{set} {is_capped} {limit} {left}");
        let after = self::gate(&[RateLimit::new(set, DAY_MS)], 99);
        after.take_over(&gate.spending());
        after.admit("GET", "/", Caller::default()).await.expect_err("a restart knows it too");
    }
}
