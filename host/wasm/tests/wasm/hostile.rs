//! A component that loops, eats memory, crashes or returns nonsense costs one call and gives one clear message.

use std::time::{Duration, Instant};

use syncline_core::{RecordId, Value};
use syncline_runner::{Action, Connector, Fault, Found, Operation, Outcome, WriteRequest};
use syncline_wasm::Limits;

use crate::support::{component_fault, connector, hostile, notes, read};

/// Short, so that the tests are.
fn tight() -> Limits {
    Limits { cpu_ms: 200, memory_mib: 16, ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_harm_has_one_message_and_the_next_call_works() {
    let cases = [
        (
            "loop",
            "it computed for longer than the limit of 200 ms and was stopped; if it needs more, set `cpu_ms = 400` under `[connections.crm.limits]` in syncline.toml",
        ),
        (
            "memory",
            "the limit is 16; if it needs more, set `memory_mib = 32` under `[connections.crm.limits]` in syncline.toml",
        ),
        ("trap", "it crashed (wasm trap: wasm `unreachable` instruction executed)"),
        ("panic", "it crashed: panicked at hostile/src/lib.rs:"),
        ("panic", "the vendor said \"no\"\\u{1b}[31m"),
        ("recurse", "it recursed too deeply and was stopped; this is a mistake in the plugin"),
        ("utf8", "it returned nonsense: invalid utf-8 sequence of 1 bytes from index 1"),
        ("cells", "it returned nonsense: record `n0` has 1 cells for 2 columns"),
        ("longer", "it returned nonsense: record `n0` has 3 cells for 2 columns"),
        ("twice", "it returned nonsense: the record `n0` twice"),
        ("columns", "it returned nonsense: the column `title` twice"),
        ("id", "it returned nonsense: an empty record id"),
        ("cursor", "it returned nonsense: a cursor of 100000 bytes, the limit is 65536: `cccc"),
    ];
    for (deed, message) in cases {
        let plugin = hostile(tight()).await;
        let text = component_fault(read(&connector(&plugin, deed)).await);
        assert!(text.contains(message), "{deed}: {text}");
        let page = read(&connector(&plugin, "well")).await.expect("the next call works");
        assert_eq!(page.records.rows.len(), 2, "{deed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_is_not_taken() {
    let plugin = hostile(Limits { memory_mib: 256, ..Limits::default() }).await;
    let text = component_fault(read(&connector(&plugin, "huge")).await);
    assert!(text.contains("more than the limit of 32 MiB at once") && !text.contains("raise"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_takes_room_is_not_taken() {
    for (deed, message) in [
        ("empty", "it returned nonsense: a page of 200000 records where at most 100 were asked for"),
        ("far", "it returned nonsense: a cursor of 10485760 bytes, the limit is 65536: `\\u{0}"),
    ] {
        let plugin = hostile(Limits { memory_mib: 256, ..Limits::default() }).await;
        let text = component_fault(read(&connector(&plugin, deed)).await);
        assert!(text.contains(message) && text.len() < 1_000, "{deed}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_larger_than_asked_is_nonsense() {
    let plugin = hostile(tight()).await;
    let many = crate::support::connector_to(
        &plugin,
        "{\"count\":101}",
        crate::support::outlet("http://127.0.0.1:9", Vec::new()),
    );
    let text = component_fault(read(&many).await);
    assert!(text.contains("a page of 101 records where at most 100 were asked for"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_none_skips_its_record_only() {
    let plugin = hostile(Limits { memory_mib: 256, ..Limits::default() }).await;
    for (deed, reason) in [
        ("value", "field `title`: \"{\" is not a JSON text"),
        ("deep", "field `title`: \"[[[["),
        ("decimal", "field `title`: \"NaN\" is not a decimal number"),
        ("exponent", "field `title`: \"1e999999\" is not a decimal number"),
        ("day", "field `title`: \"2026-02-30\" is not a date"),
        ("hour", "field `title`: \"2026-01-01T25:00:00\" is not a local time"),
        ("zone", "field `title`: \"Mars/Olympus\\u{1b}[31m\" is not a time zone that is known here"),
        ("nul", "field `title`: a value of 10485760 bytes, more than the limit of 8388608"),
        ("instant", "field `title`: 9223372036854775807 ms is no point in time"),
        ("large", "field `title`: a value of 9437184 bytes, more than the limit"),
    ] {
        let page = read(&connector(&plugin, deed)).await.expect("a page");
        assert_eq!(page.records.rows.len(), 1, "{deed}");
        assert_eq!(page.records.rows[0].id, RecordId::from("n1"));
        assert_eq!(page.records.rows[0].created_at, None, "an instant out of range is unknown");
        assert_eq!(page.skipped.len(), 1, "{deed}");
        let skipped = &page.skipped[0];
        assert_eq!(skipped.id, RecordId::from("n0"), "{deed}");
        assert!(skipped.reason.contains(reason) && skipped.reason.len() < 1_000, "{deed}: {}", skipped.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_point_at_rows_that_exist() {
    let plugin = hostile(tight()).await;
    let get = async |deed: &str| {
        let ids = vec![RecordId::from("n0"), RecordId::from("n1")];
        connector(&plugin, deed).get(notes(), ids, vec!["title".into()]).await
    };
    let answer = get("well").await.expect("an answer");
    assert_eq!(answer.found, [Found::At(0), Found::At(1)]);
    assert!(component_fault(get("index").await).contains("it points to row 2 of 2"));
    assert!(component_fault(get("fewer").await).contains("0 answers for 2 ids"));
    let answer = get("value").await.expect("an answer");
    assert!(matches!(&answer.found[0], Found::Unclear(reason) if reason.contains("is not a date")), "{answer:?}");
    assert_eq!(answer.found[1], Found::At(0), "indices count the rows that are left");
    assert_eq!(answer.records.rows[0].id, RecordId::from("n1"));

    let connector = connector(&plugin, "well");
    let found = connector.find(notes(), "title".into(), vec![Value::Integer(1)], vec!["title".into()]).await;
    let text = component_fault(found);
    assert!(text.contains("record `n0`: field `title`: \"1e9\" is not a decimal number"), "{text}");
}

pub(crate) fn two_updates() -> WriteRequest {
    let operation = |id: &str| Operation {
        action: Action::Update(id.into()),
        expected_version: None,
        cells: vec![Some(Value::Text("new".to_owned()))],
        raw: None,
    };
    WriteRequest {
        target: notes(),
        columns: vec!["title".into()],
        operations: vec![operation("n0"), operation("n1")],
        returning: vec!["title".into()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_write_does_not_say_is_unknown() {
    let plugin = hostile(tight()).await;
    let write = async |deed: &str| connector(&plugin, deed).write(two_updates()).await;
    let answer = write("missing").await.expect("an answer");
    assert!(matches!(&answer.outcomes[..], [Outcome::Written { .. }, Outcome::Unknown(_)]), "{answer:?}");
    let answer = write("delay").await.expect("an answer");
    assert!(matches!(answer.outcomes[0], Outcome::RetryLater { after_ms: 1..=2_678_400_000, .. }), "{answer:?}");
    // What came back is nonsense, but that it was written is not: the record is read again.
    let answer = write("stored").await.expect("an answer");
    assert!(matches!(&answer.outcomes[..], [Outcome::Written { stored: None, .. }, _]), "{answer:?}");
    assert!(answer.records.rows.is_empty(), "{answer:?}");
    // Each of these makes every operation unknown.
    assert!(component_fault(write("surplus").await).contains("3 outcomes for 2 operations"));
    assert!(component_fault(write("index").await).contains("it points to row 7 of 0"));
    assert!(component_fault(write("panic").await).contains("the vendor said"));
    assert!(component_fault(write("loop").await).contains("cpu_ms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_are_checked() {
    let plugin = hostile(tight()).await;
    let connector = connector(&plugin, "well");
    assert!(component_fault(connector.describe(notes()).await).contains("the field `title` twice"));
    let objects = connector.objects().await.expect("objects");
    assert_eq!(objects[0].read_page_max, 1, "a page of none would never end");
    assert!(objects[0].visibility_window_ms < 1 << 40);
    assert!(objects[0].abilities.get && objects[0].abilities.update && !objects[0].abilities.delete);
    assert_eq!(connector.check().await.expect("a report").account.label, "Me");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_crashes_disable_it_e8_1() {
    let plugin = hostile(tight()).await;
    for _ in 0..3 {
        assert!(!plugin.quarantined());
        // Nonsense is not a crash.
        component_fault(read(&connector(&plugin, "twice")).await);
        component_fault(read(&connector(&plugin, "trap")).await);
    }
    assert!(plugin.quarantined());
    let answer = connector(&plugin, "well").write(two_updates()).await;
    assert!(matches!(&answer, Err(Fault::Other(text)) if text.contains("crashed three times")), "{answer:?}");
}

#[tokio::test]
async fn a_looping_call_holds_nobody_up_and_can_be_dropped() {
    let plugin = hostile(Limits { cpu_ms: 60_000, ..Limits::default() }).await;
    let looping = connector(&plugin, "loop");
    let started = Instant::now();
    // One thread for both: the loop yields, so that the well-behaved call comes through.
    let dropped = tokio::time::timeout(Duration::from_millis(500), async {
        tokio::join!(read(&looping), async {
            read(&connector(&plugin, "well")).await.expect("a page beside the loop");
        })
    });
    assert!(dropped.await.is_err(), "the loop does not end");
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(read(&connector(&plugin, "well")).await.expect("a page").records.rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_memory_stays_bounded() {
    let plugin = hostile(Limits { memory_mib: 64, ..Limits::default() }).await;
    read(&connector(&plugin, "well")).await.expect("a page");
    let before_mib = resident_peak_mib();
    for _ in 0..8 {
        // A fresh plugin each time: three crashes would disable it.
        let plugin = hostile(Limits { memory_mib: 64, ..Limits::default() }).await;
        component_fault(read(&connector(&plugin, "memory")).await);
    }
    let grown_mib = resident_peak_mib() - before_mib;
    // Other tests of this process run beside this one; without a limit it would be gigabytes.
    assert!(grown_mib < 600, "{grown_mib} MiB more");
}

fn resident_peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}
