//! What the reading commands say about a few real runs of two small applications: `reading/NAME.txt` for people and
//! `reading/NAME.json` for programs.
//!
//! `SYNCLINE_BLESS=1 cargo test -p syncline-cli --test reading` writes them anew; read them before you commit.

#[path = "reading/application.rs"]
mod application;
#[path = "reading/linked.rs"]
mod linked;
#[path = "reading/stage.rs"]
mod stage;

use std::fs;

use application::{BAD_NUMBER, TORN};
use clap::Parser;
use linked::{Linked, linked};
use stage::{CONFIG, NOW, Stage, parse, story};
use syncline_cli::args::{Args, Command};
use syncline_cli::commands::reading::read;
use syncline_cli::commands::{CommandError, errors};
use syncline_cli::output::Output;
use syncline_cli::render::View;
use syncline_core::{RunId, Side};
use syncline_runner::{Store, StoreTable, Undo, report};

const MINUTE_MS: i64 = 60_000;

fn view(json: bool) -> View {
    View { colour: false, json, now: NOW + 10 * MINUTE_MS, serving: false }
}

fn command(line: &str) -> Command {
    let words = std::iter::once("syncline").chain(line.split_whitespace());
    Args::try_parse_from(words).expect("the command line").command
}

async fn say(stage: &Stage, line: &str, view: View) -> Result<Output, CommandError> {
    let store: &dyn Store = stage.store.as_ref();
    read(&command(line), store, &stage.config, view).await.expect("a command that reads")
}

/// Compares with the file, or writes it.
fn compare(file: &str, found: &str, wrong: &mut Vec<String>) {
    let path = format!("tests/reading/{file}");
    if std::env::var_os("SYNCLINE_BLESS").is_some() {
        fs::write(&path, found).expect("writes");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        wrong.push(format!("{path}\n--- expected\n{expected}\n--- found\n{found}"));
    }
}

#[tokio::test]
async fn every_command_says_what_it_should() {
    let stage = story().await;
    let cases = [
        ("status", "status"),
        ("records", "records people"),
        ("records-rejected", "records people --state rejected"),
        ("conflicts", "conflicts people"),
        ("history", "history"),
        ("show-1", "show 1"),
        ("show-2", "show 2"),
        ("errors", "errors 1"),
        ("explain", "explain people left-1"),
        ("explain-field", "explain people right-1 tel"),
        ("explain-ambiguous", "explain people left-3"),
    ];
    let mut wrong = Vec::new();
    for (name, line) in cases {
        let people = say(&stage, line, view(false)).await.expect(line);
        let programs = say(&stage, line, view(true)).await.expect(line);
        compare(&format!("{name}.txt"), &people.text, &mut wrong);
        compare(&format!("{name}.json"), &format!("{:#}\n", programs.json), &mut wrong);
        for text in [&people.text, &programs.json.to_string()] {
            assert!(!text.contains("4711"), "a sensitive value is shown by `{line}`: {text}");
            assert!(!text.contains('\u{1b}'), "`{line}` steers the terminal: {text}");
        }
    }
    let csv =
        errors::report(stage.store.as_ref(), RunId(1), errors::Form::Csv, view(false)).await.expect("an error log");
    compare("errors.csv", &csv.text, &mut wrong);
    let lines = errors::report(stage.store.as_ref(), RunId(1), errors::Form::Lines, view(false)).await.expect("a log");
    compare("errors.jsonl", &lines.text, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn e10_1_references_are_shown_by_the_names_of_the_records_that_they_lead_to() {
    let Linked { people, companies, archive } = linked().await;
    let cases = [
        ("linked-conflicts", "conflicts people"),
        ("linked-explain", "explain people left-1 company"),
        ("linked-waiting", "explain people left-2 company"),
        ("linked-show", "show 2"),
    ];
    let mut wrong = Vec::new();
    for (name, line) in cases {
        let shown = say(&people, line, view(false)).await.expect(line);
        let programs = say(&people, line, view(true)).await.expect(line);
        compare(&format!("{name}.txt"), &shown.text, &mut wrong);
        compare(&format!("{name}.json"), &format!("{:#}\n", programs.json), &mut wrong);
        for text in [&shown.text, &programs.json.to_string()] {
            assert!(!text.contains("Umbrella"), "the name of what a sensitive field refers to is shown: {text}");
            assert!(!text.contains('\u{1b}'), "`{line}` steers the terminal: {text}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let (context, setup) = (people.context(), people.setup());
    syncline_runner::plan_undo(&context, &setup, &Undo::run(RunId(2))).await.expect("a plan");
    let items = syncline_runner::planned_items(&context, &setup, 0).await.expect("a plan");
    let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
    let shown = report::planned(context.store.as_ref(), &setup.name, &items, |_| None).await.expect("a plan");
    let shown = serde_json::to_string(&shown).expect("it serializes");
    assert!(shown.contains(r#"{"target":"companies","id":"r-1","name":"Acme"}"#), "{shown}");

    let explained = async || say(&people, "explain people left-2 company", view(false)).await.expect("a text").text;
    assert!(explained().await.contains("  left   Acme (l-1), l-9"), "{}", explained().await);
    // Another of the same id: nobody knows which of them is meant.
    archive.left.add(&[("name", "Acme of old"), ("domain", "old")]);
    archive.run().await.expect("a run");
    assert!(explained().await.contains("  left   l-1, l-9"), "{}", explained().await);
    archive.left.edit("l-1", "name", "Acme");
    archive.run().await.expect("a run");
    assert!(explained().await.contains("  left   Acme (l-1), l-9"), "{}", explained().await);
    // What is gone has no name.
    archive.left.delete("l-1");
    archive.run().await.expect("a run");
    companies.left.delete("l-1");
    companies.run().await.expect("a run");
    assert!(explained().await.contains("  left   l-1, l-9"), "{}", explained().await);
}

/// A number that was carried by a rule and a transform that have changed since, and then decided upon.
async fn a_long_story() -> Stage {
    let one_way = "rule = \"to-right\"\ntransform = { to_right = \"signed\" }";
    let mut stage = Stage::with(&CONFIG.replace("conflict = \"manual\"", one_way));
    stage.left.add(&[("email", "ada@example.org"), ("firstname", "Ada"), ("phone", "1")]);
    stage.run().await.expect("a run");
    stage.plugins.transforms[0].version = Some("2.1.0".to_owned());
    stage.set_time(NOW + MINUTE_MS);
    stage.left.edit("left-1", "phone", "2");
    stage.run().await.expect("a run");
    stage.config = parse(&CONFIG.replace("conflict = \"manual\"", "conflict = { policy = \"right\" }"));
    stage.set_time(NOW + 2 * MINUTE_MS);
    stage.left.edit("left-1", "phone", "3");
    stage.right.edit("right-1", "tel", "4");
    stage.run().await.expect("a run");
    stage
}

#[tokio::test]
async fn explain_tells_every_write_with_the_rule_and_the_versions_it_went_by() {
    let stage = a_long_story().await;
    let mut wrong = Vec::new();
    let people = say(&stage, "explain people left-1 tel", view(false)).await.expect("an explanation");
    let programs = say(&stage, "explain people left-1 tel", view(true)).await.expect("an explanation");
    compare("explain-writes.txt", &people.text, &mut wrong);
    compare("explain-writes.json", &format!("{:#}\n", programs.json), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every value that a sensitive field has in the story below.
const PINS: [&str; 4] = ["4711", "5822", "6933", "7044"];

fn tells_no_pin(what: &str, told: &str) {
    assert!(PINS.iter().all(|pin| !told.contains(pin)), "a sensitive value is shown by {what}: {told}");
}

#[tokio::test]
async fn plans_undos_and_decisions_tell_nothing_that_a_sensitive_field_holds() {
    let stage = Stage::new();
    let (context, setup) = (stage.context(), stage.setup());
    // The application refuses to be given this name, and repeats the number in what it says.
    stage.left.add(&[("email", "ada@example.org"), ("firstname", BAD_NUMBER), ("pin", PINS[0])]);
    stage.right.add(&[("email", "ada@example.org"), ("given", BAD_NUMBER), ("pin", PINS[0])]);
    stage.run().await.expect("a run");
    stage.left.edit("left-1", "firstname", "Ada");
    stage.left.edit("left-1", "pin", PINS[1]);
    let planned = async |what: &str| {
        let items = syncline_runner::planned_items(&context, &setup, 0).await.expect("a plan");
        let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
        let shown = report::planned(context.store.as_ref(), &setup.name, &items, |_| None).await.expect("a plan");
        let shown = serde_json::to_string(&shown).expect("it serializes");
        assert!(shown.contains("\"masked\":true"), "{what}: {shown}");
        tells_no_pin(what, &shown);
    };
    syncline_runner::plan(&context, &setup).await.expect("a plan");
    planned("a plan").await;
    let second = stage.run().await.expect("a run").record.id;
    let undo = Undo::run(second);
    syncline_runner::plan_undo(&context, &setup, &undo).await.expect("a plan");
    planned("the plan of an undo").await;
    syncline_runner::undo(&context, &setup, &undo).await.expect("an undo");
    let left = syncline_runner::left_alone(&context, &setup, 0).await.expect("what it left");
    assert!(left[0].1.reason.starts_with("it was not done: ") && left[0].1.reason.ends_with("(pin (not shown))"));
    tells_no_pin("what an undo left", &format!("{left:?}"));
    for line in ["explain people left-1", "errors 3", "show 3", "records people"] {
        for json in [false, true] {
            let told = say(&stage, line, view(json)).await.expect(line);
            tells_no_pin(line, &format!("{}{}", told.text, told.json));
        }
    }
    stage.left.edit("left-1", "pin", PINS[2]);
    stage.set_time(NOW + MINUTE_MS);
    stage.right.edit("right-1", "pin", PINS[3]);
    stage.run().await.expect("a run");
    stage.left.edit("left-1", "pin", PINS[0]);
    let refused = syncline_runner::resolve(&context, &setup, &[1], Side::Left).await.expect_err("it has changed");
    let refused = refused.to_string();
    assert!(refused.contains("pin on the left side has changed since"), "{refused}");
    tells_no_pin("a decision that is refused", &refused);
}

/// The schema that says what is sensitive is forgotten with the rest, and what a run did is kept.
#[tokio::test]
async fn a_side_that_was_forgotten_tells_nothing_that_a_sensitive_field_held() {
    let stage = Stage::new();
    stage.left.add(&[("email", "ada@example.org"), ("firstname", "Ada"), ("pin", PINS[0])]);
    stage.run().await.expect("a run");
    stage.left.edit("left-1", "pin", PINS[1]);
    stage.left.edit("left-1", "firstname", "Augusta");
    stage.run().await.expect("a run");
    let told = async |line: &str, json: bool| {
        let told = say(&stage, line, view(json)).await;
        told.map_or_else(|refused| refused.to_string(), |told| format!("{}{}", told.text, told.json))
    };
    assert!(told("show 2", false).await.contains("Augusta"), "{}", told("show 2", false).await);
    let setup = stage.setup();
    let endpoints = [&setup.left.endpoint, &setup.right.endpoint];
    // First by the reset of another sync of the same endpoints, then by its own.
    for name in [&"another".into(), &setup.name] {
        syncline_runner::forget(stage.store.as_ref(), name, endpoints).await.expect("it is forgotten");
        for line in ["show 1", "show 2", "history", "status", "errors 2", "records people", "explain people left-1"] {
            for json in [false, true] {
                tells_no_pin(line, &told(line, json).await);
            }
        }
        let shown = told("show 2", false).await;
        assert!(shown.contains("given  (not shown) -> (not shown)") && !shown.contains("Augusta"), "{shown}");
    }
}

#[tokio::test]
async fn explain_tells_the_newest_writes_and_that_there_are_more() {
    let stage = a_long_story().await;
    for number in 0..6 {
        stage.set_time(NOW + (3 + number) * 24 * 60 * MINUTE_MS);
        stage.left.edit("left-1", "phone", &format!("10{number}"));
        stage.run().await.expect("a run");
    }
    let told = async |line: &str| {
        let told = say(&stage, line, view(true)).await.expect(line).json;
        let fields = told["pairs"][0]["fields"].as_array().expect("fields").clone();
        let tel = fields.into_iter().find(|field| field["right_field"] == "tel").expect("the number");
        let runs: Vec<u64> =
            tel["written"].as_array().expect("writes").iter().filter_map(|write| write["run"].as_u64()).collect();
        (runs, tel["written_more"] == true)
    };
    assert_eq!(told("explain people left-1").await, (vec![9, 8, 7, 6], true));
    assert_eq!(told("explain people left-1 tel").await, (vec![9, 8, 7, 6, 5, 4, 3, 2, 1], false));
    let text = say(&stage, "explain people left-1", view(false)).await.expect("a text").text;
    assert!(text.contains("`syncline explain people '#0' 'phone'` tells more of them"), "{text}");
}

#[tokio::test]
async fn the_error_log_of_a_run_names_what_it_could_not_read_e8_6() {
    let stage = Stage::new();
    for number in 0..3 {
        let mail = format!("{number}@example.org");
        stage.left.add(&[("email", &mail), ("firstname", "Ada")]);
    }
    stage.run().await.expect("a run");
    stage.left.edit("left-2", "firstname", TORN);
    stage.left.add(&[("email", "new@example.org"), ("firstname", TORN)]);
    let report = stage.run().await.expect("a run");
    assert_eq!(report.skipped.len(), 2);
    stage.run().await.expect("a run that reads nothing new");
    let errors = async |run: u64| {
        let log = errors::report(stage.store.as_ref(), RunId(run), errors::Form::Csv, view(false)).await;
        log.expect("an error log").text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((errors(1).await, errors(3).await), (Vec::new(), Vec::new()));
    let row = |id: &str, pair: &str| {
        format!(
            "2026-01-31T08:00:00Z,people,2,left,crm.contacts,{id},{pair},read,,validation,validation,it is torn,,\
             read again when the record changes"
        )
    };
    assert_eq!(errors(2).await, [row("left-2", "1"), row("left-4", "")]);
}

#[tokio::test]
async fn what_is_not_there_is_said_with_the_next_step() {
    let stage = story().await;
    let cases = [
        ("status poeple", "there is no sync `poeple`; did you mean `people`?"),
        ("records people --state hold", "there is no state `hold`; did you mean `held`?"),
        ("records people --reason nokey", "there is no reason `nokey`; did you mean `no-key`?"),
        ("explain people nobody", "the sync people knows no record `nobody`; `syncline records people` lists them"),
        ("explain people left-1 shoe", "the sync people maps no field `shoe`"),
        ("show 99", "there is no run 99; `syncline history` lists them"),
        ("errors 99", "there is no run 99; `syncline history` lists them"),
    ];
    for (line, expected) in cases {
        let error = say(&stage, line, view(false)).await.expect_err(line).to_string();
        assert!(error.starts_with(expected), "`{line}`: {error}");
    }
}

#[tokio::test]
async fn a_pair_is_found_by_its_sign_and_an_id_before_a_merge() {
    let stage = story().await;
    let by_id = say(&stage, "explain people left-1", view(true)).await.expect("by id").json;
    let sign = format!("explain people #{}", by_id["pairs"][0]["pair"]);
    let by_sign = say(&stage, &sign, view(true)).await.expect("by sign").json;
    assert_eq!(by_id["pairs"][0]["left"], "left-1");
    assert_eq!(by_sign["pairs"][0]["left"], "left-1");
    stage.left.merge("left-1", "left-9");
    stage.run().await.expect("a run");
    let merged = say(&stage, "explain people left-1", view(true)).await.expect("by its old id").json;
    assert_eq!((&merged["pairs"][0]["alias"], &merged["pairs"][0]["left"]), (&true.into(), &"left-9".into()));
}

#[tokio::test]
async fn reading_writes_nothing_and_works_on_an_empty_store() {
    let stage = Stage::new();
    for line in ["status", "records people", "conflicts", "history"] {
        let people = say(&stage, line, view(false)).await.expect(line);
        assert!(!people.text.is_empty(), "{line}");
    }
    let store: &dyn Store = stage.store.as_ref();
    assert_eq!(store.stats().await.expect("stats").last_commit, 0, "a reading command has written");
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    use syncline_runner::report::{Class, ConflictPage, Filter, conflicts, history, records, show};
    let stage = story().await;
    let (store, sync) = (stage.store.as_ref(), "people".into());
    let all = records(store, &sync, Filter::default(), None, usize::MAX).await.expect("records");
    assert_eq!(all.next, None);
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = records(store, &sync, Filter::default(), after, 2).await.expect("a page");
        assert!(page.records.len() <= 2);
        paged.extend(page.records);
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(paged, all.records);
    let pending = Filter { standing: Some(Class::Pending), reason: None };
    assert_eq!(records(store, &sync, pending, None, 2).await.expect("none").records, []);

    let newest = history(store, None, None, 1).await.expect("history");
    let older = history(store, Some(&sync), newest.next, 10).await.expect("history");
    assert_eq!((newest.runs[0].run, older.runs[0].run, older.next), (RunId(2), RunId(1), None));

    let first = show(store, RunId(1), None, 1).await.expect("show").expect("run 1");
    let rest = show(store, RunId(1), first.next, usize::MAX).await.expect("show").expect("run 1");
    let whole = show(store, RunId(1), None, usize::MAX).await.expect("show").expect("run 1");
    assert_eq!([first.changes, rest.changes].concat(), whole.changes);

    let open = conflicts(store, &sync, false, None, 1).await.expect("conflicts");
    let everything = conflicts(store, &sync, true, None, usize::MAX).await.expect("conflicts");
    assert!(open.conflicts.len() < everything.conflicts.len(), "decided ones are listed with all");
    let mut paged = conflicts(store, &sync, true, None, 1).await.expect("the newest");
    while let Some(next) = paged.next {
        let older = conflicts(store, &sync, true, Some(next), 1).await.expect("an older one");
        paged = ConflictPage { conflicts: [paged.conflicts, older.conflicts].concat(), next: older.next };
    }
    assert_eq!(paged, everything);
    assert!(everything.conflicts.is_sorted_by(|newer, older| newer.number > older.number), "the newest first");
}

#[tokio::test]
async fn counts_are_those_of_the_pairs() {
    let stage = story().await;
    let status = say(&stage, "status people", view(true)).await.expect("status").json;
    let counted: u64 = status["syncs"][0]["counts"]
        .as_array()
        .expect("counts")
        .iter()
        .filter_map(|count| count["pairs"].as_u64())
        .sum();
    let space = syncline_runner::sync_space(stage.store.as_ref(), &"people".into()).await.expect("a space");
    let pairs = stage.store.scan(space, StoreTable::Pair, Vec::new(), 100).await.expect("pairs").len() as u64;
    assert_eq!((counted, status["syncs"][0]["pairs"].as_u64()), (pairs, Some(pairs)));
}

#[tokio::test]
async fn a_run_that_failed_is_told() {
    let stage = story().await;
    stage.right.break_down();
    stage.run().await.expect_err("the right side is down");
    let text = say(&stage, "status", view(false)).await.expect("status").text;
    assert!(text.contains("run 3: failed (") && text.contains("the key is not\\u{1b}[2J valid"), "{text}");
    assert!(text.contains("run 3 ended early; the next run takes up what it left"), "{text}");
    let json = say(&stage, "status", view(true)).await.expect("status").json;
    assert_eq!(json["syncs"][0]["open_run"]["run"], 3);
}
