//! Histories in which something was lost once: each shows one gap that is closed, named by the rule that it broke.

use std::sync::Arc;

use syncline_core::{
    ConflictPolicy, CreatePromise, Decided, DeletePolicy, FieldName, PairState, RecordId, Rules, RunId, Side, Step,
    TransformUse, Value,
};
use syncline_runner::{
    BoxFuture, Dispute, Fault, RunOutcome, Store, Transform, TransformedRow, Undo, find_conflicts,
    report::{self, ErrorsFrom},
};
use syncline_simulation::steps::{create, edit, left_by_undo, partner, plain, rest, run, take_back, value, wait};
use syncline_simulation::{Manner, Simulation, Trick, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

#[test]
fn e9_6_a_created_record_that_people_filled_in_is_not_undone() {
    for synced in [false, true] {
        let simulation = plain(default_rules());
        let ada = create(&simulation, LEFT, "ada@x", "Ada");
        let eda = create(&simulation, LEFT, "eda@x", "Eda");
        let first = run(&simulation).record.id;
        let (right, other) = (partner(&simulation, &ada), partner(&simulation, &eda));
        edit(&simulation, RIGHT, &right, "phone", "123");
        if synced {
            run(&simulation);
        }
        take_back(&simulation, &Undo::run(first));
        let left = left_by_undo(&simulation);
        let skipped: Vec<_> = left.into_iter().map(|skip| (skip.record, skip.field)).collect();
        assert_eq!(skipped, [(Some(right.clone()), Some("phone".into()))], "synced {synced}");
        assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(text("123")), "synced {synced}");
        assert_eq!(simulation.stage.lock().ids(RIGHT), [right], "what nobody touched is taken back: {other}");
    }
}

#[test]
fn e1_8_an_unknown_create_is_looked_up_after_the_rules_changed() {
    let manner = Manner { promise: CreatePromise::Lookup, lag_ms: 1_200_000, findable_email: false, ..Manner::PLAIN };
    let mut rules = default_rules();
    // Without keys only the look-up can find the record again.
    rules.matching.tuples.clear();
    let mut simulation = Simulation::new(1, Manner::PLAIN, manner, rules);
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    simulation.stage.lock().tricks.push((RIGHT, Trick::LoseAnswer));
    simulation.run().expect("an unknown outcome is no failure");
    let state = simulation.pair_of(LEFT, &ada).expect("it has a pair").state;
    assert!(matches!(state, PairState::Creating { .. }), "{state:?}");
    simulation.setup.rules.deletes_to_right = DeletePolicy::Archive;
    simulation.run().expect("an unknown outcome is no failure");
    rest(&simulation);
    assert_eq!(simulation.stage.lock().ids(RIGHT), [partner(&simulation, &ada)]);
}

#[test]
fn e8_4_what_another_sync_read_after_a_power_failure_still_travels() {
    let mut unknown = 0;
    for commits in 0..12 {
        for applied in [false, true] {
            let simulation = plain(default_rules());
            let ada = create(&simulation, LEFT, "ada@x", "Ada");
            run(&simulation);
            let right = partner(&simulation, &ada);
            edit(&simulation, LEFT, &ada, "phone", "2");
            edit(&simulation, LEFT, &ada, "city", "Rome");
            simulation.store.stop_at(commits, applied);
            simulation.stage.lock().now += 600_000;
            let _ = simulation.run();
            simulation.store.start_again();
            let sent = value(&simulation, RIGHT, &right, "phone") == Some(text("2"));
            edit(&simulation, LEFT, &ada, "phone", "3");
            // As another sync does that shares the endpoint: it reads, and takes nothing up.
            wait(syncline_runner::read(&simulation.context, &simulation.setup)).expect("the store is up");
            run(&simulation);
            unknown += u32::from(sent);
            assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(text("3")), "commit {commits} {applied}");
            assert_eq!(value(&simulation, LEFT, &ada, "phone"), Some(text("3")), "commit {commits} {applied}");
            assert_eq!(simulation.conflicts().len(), 0, "commit {commits} {applied}");
            rest(&simulation);
        }
    }
    assert!(unknown >= 3, "the power failed after the write only {unknown} times");
}

#[test]
fn e1_10_the_other_record_of_a_pair_that_was_taken_from_gets_a_pair_again() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    simulation.stage.lock().person_deletes(LEFT, &ada);
    run(&simulation);
    let again = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    assert_eq!(partner(&simulation, &again), right, "the survivor is taken");
    simulation.stage.lock().person_restores(LEFT, &ada);
    edit(&simulation, LEFT, &ada, "email", "first@x");
    run(&simulation);
    let other = partner(&simulation, &ada);
    assert_eq!(value(&simulation, RIGHT, &other, "email"), Some(text("first@x")));
    rest(&simulation);
}

fn by_people() -> Rules {
    Rules { conflict: ConflictPolicy::Manual, ..default_rules() }
}

/// Makes a pair with open conflicts about the city and the phone.
fn disputed(rules: Rules) -> (Simulation, RecordId, RecordId) {
    let simulation = plain(rules);
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    for field in ["city", "phone"] {
        edit(&simulation, LEFT, &ada, field, "left");
        edit(&simulation, RIGHT, &right, field, "right");
    }
    run(&simulation);
    assert_eq!(open_fields(&simulation, &ada), ["city", "phone"]);
    (simulation, ada, right)
}

/// Returns what the open conflicts of a record are about.
fn open_fields(simulation: &Simulation, left: &RecordId) -> Vec<String> {
    let pair = simulation.pair_of(LEFT, left).expect("it has a pair");
    let conflicts = simulation.conflicts();
    let about = |number: &u64| {
        let kept = conflicts.iter().find(|kept| kept.number == *number).expect("it is kept");
        assert_eq!(kept.conflict.decided, Decided::Open);
        kept.conflict.fields[0].left_field.to_string()
    };
    pair.open_conflicts.iter().map(about).collect()
}

fn resolve(simulation: &Simulation, record: &RecordId, field: Option<&str>) {
    let store: &dyn Store = simulation.store.as_ref();
    let field = field.map(FieldName::from);
    let found = wait(find_conflicts(store, &simulation.setup.name, record, field.as_ref(), Dispute::Open));
    let numbers: Vec<u64> = found.expect("there is one").iter().map(|kept| kept.number).collect();
    let record = wait(syncline_runner::resolve(&simulation.context, &simulation.setup, &numbers, LEFT));
    assert_eq!(record.expect("nothing goes wrong").outcome, Some(RunOutcome::Ok));
}

#[test]
fn e3_4_a_decision_closes_its_own_conflict_only() {
    let (simulation, ada, right) = disputed(by_people());
    resolve(&simulation, &ada, Some("phone"));
    assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(text("left")));
    assert_eq!(open_fields(&simulation, &ada), ["city"]);
    let decided: Vec<Decided> = simulation.conflicts().iter().map(|kept| kept.conflict.decided.clone()).collect();
    assert_eq!(decided, [Decided::Open, Decided::ByPerson(LEFT)]);
    run(&simulation);
    assert_eq!(open_fields(&simulation, &ada), ["city"]);
    rest(&simulation);
}

#[test]
fn e3_4_without_a_field_every_open_conflict_of_a_record_is_decided() {
    let (simulation, ada, right) = disputed(by_people());
    resolve(&simulation, &ada, None);
    for field in ["city", "phone"] {
        assert_eq!(value(&simulation, RIGHT, &right, field), Some(text("left")));
    }
    assert_eq!(open_fields(&simulation, &ada), [""; 0]);
    rest(&simulation);
}

#[test]
fn e9_6_an_undo_hides_no_conflict() {
    let (simulation, ada, right) = disputed(by_people());
    edit(&simulation, LEFT, &ada, "name", "Eda");
    let renamed = run(&simulation).record.id;
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Eda")));
    take_back(&simulation, &Undo::run(renamed));
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Ada")));
    assert_eq!(open_fields(&simulation, &ada), ["city", "phone"]);
}

#[test]
fn e3_4_an_open_conflict_keeps_its_number_when_another_goes_away() {
    let (simulation, ada, right) = disputed(by_people());
    let numbers = simulation.pair_of(LEFT, &ada).expect("it has a pair").open_conflicts;
    edit(&simulation, RIGHT, &right, "city", "left");
    run(&simulation);
    let left = simulation.pair_of(LEFT, &ada).expect("it has a pair").open_conflicts;
    assert_eq!((left.as_slice(), open_fields(&simulation, &ada)), (&numbers[1..], vec!["phone".to_owned()]));
    edit(&simulation, RIGHT, &right, "city", "right again");
    edit(&simulation, LEFT, &ada, "city", "left again");
    run(&simulation);
    assert_eq!(open_fields(&simulation, &ada), ["city", "phone"]);
    rest(&simulation);
}

/// Takes everything but `bad`.
struct Picky;

impl Transform for Picky {
    fn apply(
        &self,
        _options: String,
        _columns: Vec<FieldName>,
        rows: Vec<Vec<Option<Value>>>,
    ) -> BoxFuture<'_, Result<Vec<TransformedRow>, Fault>> {
        let is_bad = |row: &Vec<Option<Value>>| row.contains(&Some(text("bad")));
        let rows = rows.into_iter().map(|row| if is_bad(&row) { Err("it is bad".to_owned()) } else { Ok(row) });
        let rows = rows.collect();
        Box::pin(async move { Ok(rows) })
    }
}

#[test]
fn e3_4_open_conflicts_stay_while_a_merge_is_blocked() {
    let used = TransformUse { name: "picky".to_owned(), options: String::new() };
    let mut rules = by_people();
    for mapping in rules.mappings.iter_mut().filter(|mapping| mapping.left == FieldName::from("name")) {
        mapping.to_right = vec![Step::Transform(used.clone())];
    }
    let mut simulation = plain(rules);
    simulation.setup.transforms.insert(used, Arc::new(Picky));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    edit(&simulation, LEFT, &ada, "phone", "left");
    edit(&simulation, RIGHT, &right, "phone", "right");
    run(&simulation);
    let numbers = simulation.pair_of(LEFT, &ada).expect("it has a pair").open_conflicts;
    edit(&simulation, LEFT, &ada, "name", "bad");
    run(&simulation);
    let pair = simulation.pair_of(LEFT, &ada).expect("it has a pair");
    assert!(pair.trouble.is_some(), "the merge is blocked");
    assert_eq!((numbers.len(), pair.open_conflicts), (1, numbers));
}

#[test]
fn e8_4_a_resumed_read_of_everything_is_followed_by_a_sweep() {
    let manner = Manner { feed_deletes: false, page_max: 10, ..Manner::PLAIN };
    let rules = Rules { deletes_to_right: DeletePolicy::Delete, ..default_rules() };
    for commits in 0..12 {
        let mut simulation = Simulation::new(1, manner.clone(), Manner::PLAIN, rules.clone());
        let fields = simulation.setup.left.fields.clone();
        simulation.setup.left.fields.retain(|field| *field != FieldName::from("note"));
        let ids: Vec<RecordId> =
            (0..600).map(|number| create(&simulation, LEFT, &format!("{number}@x"), "Ada")).collect();
        run(&simulation);
        simulation.stage.lock().person_deletes(LEFT, &ids[300]);
        // With another field everything is read again, and the power fails in the midst of it.
        simulation.setup.left.fields = fields;
        simulation.store.stop_at(commits, true);
        simulation.stage.lock().now += 600_000;
        let _ = simulation.run();
        simulation.store.start_again();
        run(&simulation);
        run(&simulation);
        assert_eq!(simulation.stage.lock().ids(RIGHT).len(), 599, "commit {commits}");
    }
}

#[test]
fn e8_4_a_sweep_comes_as_often_as_the_sync_says() {
    let manner = Manner { feed_deletes: false, ..Manner::PLAIN };
    let rules = Rules { deletes_to_right: DeletePolicy::Delete, ..default_rules() };
    for (sweep_every_ms, left_over) in [(Some(3_600_000), 99), (None, 100)] {
        let mut simulation = Simulation::new(1, manner.clone(), Manner::PLAIN, rules.clone());
        simulation.setup.left.sweep_every_ms = sweep_every_ms;
        let ids: Vec<RecordId> =
            (0..100).map(|number| create(&simulation, LEFT, &format!("{number}@x"), "Ada")).collect();
        run(&simulation);
        simulation.stage.lock().person_deletes(LEFT, &ids[50]);
        run(&simulation);
        assert_eq!(simulation.stage.lock().ids(RIGHT).len(), 100, "no sweep is due");
        simulation.stage.lock().now += 3_600_000;
        run(&simulation);
        assert_eq!(simulation.stage.lock().ids(RIGHT).len(), left_over, "{sweep_every_ms:?}");
    }
}

fn numeric_phones(simulation: &Simulation, side: Side, given: bool, said: bool) {
    let mut state = simulation.stage.lock();
    let manner = &mut state.app_mut(side).manner;
    (manner.numeric_phones, manner.says_numeric_phones) = (given, said);
}

#[test]
fn e8_6_what_could_not_be_read_is_kept_together_with_its_page() {
    let at_commits = (0..12).flat_map(|commits| [(commits, false), (commits, true)]);
    for (commits, applied) in at_commits {
        let simulation = plain(default_rules());
        let ada = create(&simulation, LEFT, "ada@x", "Ada");
        run(&simulation);
        numeric_phones(&simulation, LEFT, true, false);
        edit(&simulation, LEFT, &ada, "phone", "2");
        simulation.store.stop_at(commits, applied);
        // The power may fail in this run, wherever that is.
        let _ = simulation.run();
        simulation.store.start_again();
        run(&simulation);
        let errors = |run: RunId| {
            let page = report::errors(simulation.store.as_ref(), run, ErrorsFrom::START);
            wait(page).expect("the store is up").expect("the run is known").rows
        };
        let logs: Vec<_> = simulation.runs().iter().flat_map(|run| errors(run.run)).collect();
        assert!(logs.iter().any(|row| row.remote_id.as_ref() == Some(&ada)), "{commits} {applied}: {logs:?}");
    }
}

#[test]
fn e8_1_a_value_of_another_type_than_its_field_skips_its_record_only() {
    let simulation = plain(default_rules());
    let [ada, eda] = ["ada@x", "eda@x"].map(|email| create(&simulation, LEFT, email, "Ada"));
    run(&simulation);
    let [right, other] = [&ada, &eda].map(|id| partner(&simulation, id));
    numeric_phones(&simulation, LEFT, true, false);
    edit(&simulation, LEFT, &ada, "phone", "2");
    edit(&simulation, LEFT, &ada, "name", "Ida");
    edit(&simulation, LEFT, &eda, "name", "Ida");
    let skipped: Vec<_> =
        run(&simulation).skipped.into_iter().map(|(side, skipped)| (side, skipped.id, skipped.reason)).collect();
    let reason = "field `phone`: its value is of type integer, where the schema says text";
    assert_eq!(skipped, [(LEFT, ada.clone(), reason.to_owned())]);
    let [name, other_name] = [&right, &other].map(|id| value(&simulation, RIGHT, id, "name"));
    assert_eq!([name, other_name], [Some(text("Ada")), Some(text("Ida"))]);
    numeric_phones(&simulation, LEFT, false, false);
    edit(&simulation, LEFT, &ada, "name", "Oda");
    assert!(run(&simulation).skipped.is_empty());
    assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(text("2")));
    rest(&simulation);
}

#[test]
fn e8_1_an_answer_to_a_write_with_a_value_of_another_type_is_not_kept() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    numeric_phones(&simulation, RIGHT, true, false);
    edit(&simulation, LEFT, &ada, "phone", "2");
    assert_eq!(run(&simulation).record.tally.writes(), 1, "it was written, whatever the answer says");
    let report = run(&simulation);
    assert_eq!((report.record.tally.writes(), report.skipped.len()), (0, 1), "{report:?}");
    numeric_phones(&simulation, RIGHT, false, false);
    edit(&simulation, RIGHT, &right, "name", "Ida");
    run(&simulation);
    rest(&simulation);
}

#[test]
fn e10_4_a_field_that_changed_its_type_is_read_by_the_schema_as_it_is_now() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    for side in Side::BOTH {
        numeric_phones(&simulation, side, true, true);
    }
    for phone in ["2", "3"] {
        edit(&simulation, LEFT, &ada, "phone", phone);
        assert!(run(&simulation).skipped.is_empty());
        assert_eq!(value(&simulation, RIGHT, &right, "phone"), phone.parse().ok().map(Value::Integer));
    }
}

#[test]
fn e8_1_what_is_tried_again_after_a_while_is_planned_from_what_it_is_by_then() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    edit(&simulation, LEFT, &ada, "name", "Ada King");
    // Somebody works on the right record: at once with each of the first calls, and every few seconds from then on.
    simulation.stage.lock().meanwhile = Some(|state| {
        let Some(id) = state.ids(RIGHT).pop() else { return false };
        let mut notes = state.edits.iter().filter(|edit| edit.side == RIGHT && edit.field.as_str() == "phone");
        let (count, last) = (notes.clone().count(), notes.next_back().map_or(0, |edit| edit.at));
        if count < 14 || state.now - last > 500 {
            state.person_edits(RIGHT, &id, "phone", &format!("{count}"));
        }
        false
    });
    let report = run(&simulation);
    simulation.stage.lock().meanwhile = None;
    let right = partner(&simulation, &ada);
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Ada King")), "{:?}", report.record);
    let waited = simulation.stage.lock().now - report.record.started_at;
    assert!(waited > 1_000, "it was refused until the run waited: {waited} ms");
    rest(&simulation);
}
