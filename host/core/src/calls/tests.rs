use super::*;

const DAY: u64 = 24 * 60 * 60 * 1000;
/// Noon, so that a midnight is half a day away.
const NOON: Instant = 12 * 60 * 60 * 1000;
const MIDNIGHT: Instant = 2 * NOON;

fn caller(word: &str) -> Caller {
    let (lane, is_retry) = match word.split_once(' ') {
        Some((lane, _)) => (lane, true),
        None => (word, false),
    };
    let lane = match lane {
        "interactive" => Lane::Interactive,
        "webhook" => Lane::Webhook,
        "incremental" => Lane::Incremental,
        "backfill" => Lane::Backfill,
        other => panic!("no lane is called {other}"),
    };
    Caller { lane, is_retry }
}

/// A window in which `used` calls were answered at noon, and of which the application said that `left` are left.
fn window(calls: u32, per_ms: u64, share: u32, used: u32, left: Option<u32>) -> CallWindow {
    let mut window = CallWindow::new(calls, per_ms, share);
    for _ in 0..used {
        window.send();
        window.answer(NOON);
    }
    window.learn(None, left, NOON);
    window
}

#[test]
fn e7_who_may_send_at_which_use_of_a_days_limit() {
    // Who, how much of the day's 1000 is used by us, what the application says is left to all, and what comes of it.
    let table = [
        ("incremental", 799, None, MaySend::Send),
        ("incremental", 800, None, MaySend::At(NOON + DAY as i64)),
        ("interactive", 800, None, MaySend::At(NOON + DAY as i64)),
        ("backfill", 749, None, MaySend::Send),
        ("backfill", 750, None, MaySend::At(NOON + DAY as i64)),
        ("incremental again", 749, None, MaySend::Send),
        ("incremental again", 750, None, MaySend::At(NOON + DAY as i64)),
        ("interactive again", 750, None, MaySend::At(NOON + DAY as i64)),
        // Others use the account too: what can wait stops at 75 % of all, the rest when nothing is left.
        ("backfill", 10, Some(251), MaySend::Send),
        ("backfill", 10, Some(250), MaySend::At(MIDNIGHT)),
        ("incremental again", 10, Some(250), MaySend::At(MIDNIGHT)),
        ("webhook", 10, Some(250), MaySend::Send),
        ("webhook", 10, Some(1), MaySend::Send),
        ("webhook", 10, Some(0), MaySend::At(MIDNIGHT)),
        ("interactive", 10, Some(0), MaySend::At(MIDNIGHT)),
    ];
    for (who, used, left, expected) in table {
        let budget = CallBudget::new(vec![window(1000, DAY, SHARE_PERCENT, used, left)], 8);
        assert_eq!(budget.may_send(&[true], caller(who), NOON), expected, "{who}, {used} used, {left:?} left");
        assert_eq!(budget.may_send(&[false], caller(who), NOON), MaySend::Send, "it counts elsewhere");
    }
}

#[test]
fn e7_the_engines_share_of_a_days_limit_is_what_the_user_says_and_bursts_are_used_whole() {
    for (share, per_ms, who, expected) in [
        (80, DAY, "incremental", 800),
        (80, DAY, "backfill", 750),
        (50, DAY, "incremental", 500),
        (50, DAY, "backfill", 500),
        (100, DAY, "incremental", 1000),
        (100, DAY, "backfill", 750),
        (80, 10_000, "incremental", 1000),
        (80, 10_000, "backfill", 1000),
        (80, 10_000, "backfill again", 1000),
    ] {
        assert_eq!(CallWindow::new(1000, per_ms, share).ceiling(caller(who)), expected, "{share} % {who} in {per_ms}");
    }
    assert_eq!(CallWindow::new(1, DAY, 80).ceiling(caller("backfill")), 1, "a share of nothing would never work");
}

#[test]
fn e7_the_latest_of_all_waits_counts_and_what_is_full_of_calls_under_way_waits_for_one() {
    let burst = || window(10, 10_000, 100, 10, None);
    let day = || window(1000, DAY, 80, 800, None);
    let verdict = |budget: &CallBudget| budget.may_send(&[true, true], Caller::default(), NOON);
    assert_eq!(verdict(&CallBudget::new(vec![burst(), day()], 8)), MaySend::At(NOON + DAY as i64));
    let mut held = CallBudget::new(vec![burst()], 8);
    assert_eq!(verdict(&held), MaySend::At(NOON + 10_000));
    held.hold(NOON + 60_000);
    held.hold(NOON + 5);
    assert_eq!(verdict(&held), MaySend::At(NOON + 60_000));
    assert_eq!(held.may_send(&[true, true], Caller::default(), NOON + 60_000), MaySend::Send);

    let mut running = CallBudget::new(vec![CallWindow::new(1, 10_000, 100)], 8);
    running.send(&[true]);
    assert_eq!(verdict(&running), MaySend::AfterAnother);
    running.answer(&[true], NOON + 3);
    assert_eq!(verdict(&running), MaySend::At(NOON + 10_003));
    let mut full = CallBudget::new(Vec::new(), 1);
    full.send(&[]);
    assert_eq!(full.may_send(&[], Caller::default(), NOON), MaySend::AfterAnother);
}

#[test]
fn e7_the_less_urgent_lets_go_first() {
    let mut budget = CallBudget::new(Vec::new(), 8);
    let sends = |budget: &CallBudget, who| budget.may_send(&[], caller(who), NOON) == MaySend::Send;
    budget.wait(Lane::Webhook);
    let lanes = ["interactive", "webhook", "incremental", "backfill"];
    assert_eq!(lanes.map(|lane| sends(&budget, lane)), [true, true, false, false]);
    budget.waited(Lane::Webhook);
    assert_eq!(lanes.map(|lane| sends(&budget, lane)), [true; 4]);
}

#[test]
fn e7_an_answer_corrects_the_limit_and_what_it_said_lapses_at_midnight() {
    let mut window = window(250_000, DAY, 80, 3, Some(0));
    assert_eq!(window.may_send(Caller::default(), NOON), MaySend::At(MIDNIGHT));
    assert_eq!(window.may_send(Caller::default(), MIDNIGHT), MaySend::Send);
    window.learn(Some(500_000), Some(400_000), NOON);
    assert_eq!((window.calls(), window.ceiling(Caller::default())), (500_000, 400_000));
    assert_eq!(window.may_send(Caller::default(), NOON), MaySend::Send);
    window.learn(Some(0), None, NOON);
    assert_eq!(window.calls(), 500_000, "a limit of nothing is none");
}

#[test]
fn e7_what_was_counted_is_taken_over_and_ages_meanwhile() {
    let before = window(4, DAY, 100, 3, Some(1)).counted(NOON);
    let mut after = CallWindow::new(4, DAY, 100);
    after.take_over(&before, 1_000, NOON);
    assert_eq!((after.used(NOON), after.may_send(Caller::default(), NOON)), (3, MaySend::Send));
    after.send();
    assert_eq!(after.may_send(Caller::default(), NOON), MaySend::At(MIDNIGHT - 1_000), "the last one is under way");
    let mut later = CallWindow::new(4, DAY, 100);
    later.take_over(&before, DAY, NOON);
    assert_eq!(later.used(NOON), 0);
}

#[test]
fn e7_the_finishing_time_goes_by_what_is_left_of_every_window() {
    let at = |window: CallWindow, calls| {
        CallBudget::new(vec![window], 8).last_of(calls, &[true], Caller::default(), NOON) - NOON
    };
    let burst = |used| window(100, 10_000, 100, used, None);
    assert_eq!([0, 1, 100].map(|calls| at(burst(0), calls)), [0; 3]);
    assert_eq!([101, 200, 201, 1000].map(|calls| at(burst(0), calls)), [10_000, 10_000, 20_000, 90_000]);
    assert_eq!([60, 61, 100, 161].map(|calls| at(burst(40), calls)), [0, 10_000, 10_000, 20_000]);
    let day = |used| window(1000, DAY, 80, used, None);
    assert_eq!([at(day(0), 800), at(day(0), 801)], [0, DAY as i64]);
    assert_eq!([at(day(700), 100), at(day(700), 101)], [0, DAY as i64]);
    assert_eq!(at(window(1000, DAY, 80, 0, Some(5)), 6), MIDNIGHT - NOON);
}

#[test]
fn e7_an_application_that_wants_to_be_left_alone_holds_every_call() {
    let mut budget = CallBudget::new(Vec::new(), 8);
    assert_eq!(budget.held_until(NOON), None);
    budget.hold(NOON + 5_000);
    budget.hold(NOON + 1_000);
    assert_eq!(budget.held_until(NOON), Some(NOON + 5_000), "the longer one counts");
    assert_eq!(budget.held_until(NOON + 5_000), None);
    let last = |calls, now| budget.last_of(calls, &[], Caller::default(), now);
    assert_eq!([last(0, NOON), last(1, NOON), last(1, NOON + 9_000)], [NOON, NOON + 5_000, NOON + 9_000]);
}

#[test]
fn e7_calls_of_one_step_of_a_window_are_kept_as_one() {
    let step_ms = (DAY / STEPS_PER_WINDOW) as i64;
    let mut window = window(1000, DAY, SHARE_PERCENT, 300, None);
    for at in [NOON + step_ms - 1, NOON + step_ms] {
        window.send();
        window.answer(at);
    }
    let day = DAY as i64;
    assert_eq!(window.counted(NOON).spent, [((day + step_ms - 1) as u64, 301), ((day + step_ms) as u64, 1)]);
    assert_eq!(window.used(NOON + day + step_ms - 1), 1, "all of a step are freed with its last");
}
