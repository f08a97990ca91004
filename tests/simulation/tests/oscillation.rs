//! Two automations that argue, and writes that come too often (E6.4).

use syncline_core::{
    Caps, Decided, DeletePolicy, EditDelete, MappingRule, Reason, RecordId, Rules, Side, Standing, TargetDrift, Value,
};
use syncline_runner::{RunReport, report};
use syncline_simulation::steps::{plain, values, wait};
use syncline_simulation::{Automation, Simulation, SyncWrite, Trick, check, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;
const HOUR_MS: i64 = 60 * 60 * 1000;

fn run_after(simulation: &Simulation, pause_ms: i64) -> RunReport {
    simulation.stage.lock().now += pause_ms;
    simulation.run().expect("nothing goes wrong in this run")
}

/// A pair of a new record on the left and what was created for it on the right.
fn pair(simulation: &Simulation) -> (RecordId, RecordId) {
    let left = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "ada")]);
    run_after(simulation, 1_000);
    let right = simulation.pair_of(LEFT, &left).and_then(|pair| pair.right).expect("it has a counterpart");
    (left, right)
}

fn argue(simulation: &Simulation, sides: &[Side], fresh: bool) {
    let automation = |side: &Side| Automation { side: *side, field: "name".into(), fresh };
    simulation.stage.lock().automations = sides.iter().map(automation).collect();
}

/// Somebody gives a record five names within seconds, each of which the sync sees.
fn rename_often(simulation: &Simulation, left: &RecordId) {
    for number in 0..5 {
        simulation.stage.lock().person_edits(LEFT, left, "name", &format!("name {number}"));
        run_after(simulation, 1_000);
    }
}

fn writes_of(simulation: &Simulation, side: Side, field: &str) -> usize {
    let state = simulation.stage.lock();
    state.writes.iter().filter(|write| write.side == side && write.fields.iter().any(|it| it.as_str() == field)).count()
}

fn resolve(simulation: &Simulation, keep: Side) -> Result<(), String> {
    let numbers = [simulation.conflicts().last().expect("there is a conflict").number];
    let resolved = wait(syncline_runner::resolve(&simulation.context, &simulation.setup, &numbers, keep));
    resolved.map(|_| ()).map_err(|failure| failure.to_string())
}

/// Lets everything settle and holds it against every promise.
fn rest(simulation: &Simulation) {
    simulation.stage.lock().automations.clear();
    assert!(simulation.settle().is_some(), "it does not come to rest");
    assert_eq!(check(simulation), Vec::<String>::new());
}

#[test]
fn e6_4_a_tug_of_war_ends_in_quarantine_and_a_person_releases_it() {
    let simulation = plain(default_rules());
    let (left, right) = pair(&simulation);
    argue(&simulation, &[LEFT, RIGHT], false);
    for _ in 0..10 {
        run_after(&simulation, 600_000);
    }
    let before = simulation.stage.lock().writes.len();
    // The create, one decided conflict, and three times back and forth.
    assert!(before <= 5, "{before} writes");
    for _ in 0..80 {
        assert_eq!(run_after(&simulation, HOUR_MS).record.tally.writes(), 0, "also days later nothing moves");
    }
    let held = simulation.pair_of(LEFT, &left).expect("they are paired");
    assert_eq!((held.standing(), held.reason()), (Standing::InSync, Some(Reason::Quarantined)));
    let open: Vec<_> = simulation.conflicts().into_iter().filter(|kept| kept.conflict.decided.waits()).collect();
    let [open] = open.as_slice() else { panic!("one conflict waits: {open:?}") };
    assert_eq!(open.conflict.decided, Decided::Quarantined);
    let field = &open.conflict.fields[0];
    assert_eq!([&field.left, &field.right], [&text("auto-left"), &text("auto-right")], "both values are shown");

    simulation.stage.lock().person_edits(LEFT, &left, "phone", "2");
    run_after(&simulation, 600_000);
    assert_eq!(values(&simulation, &left, &right, "phone"), [Some(text("2")), Some(text("2"))], "other fields go on");
    let shown = report::conflicts(simulation.store.as_ref(), &simulation.setup.name, false, None, 10);
    let shown = wait(shown).expect("the store is up");
    assert_eq!((shown.conflicts.len(), shown.conflicts[0].rule), (1, "quarantined"));

    simulation.stage.lock().automations.clear();
    resolve(&simulation, RIGHT).expect("both sides are as they were found");
    assert_eq!(values(&simulation, &left, &right, "name"), [Some(text("auto-right")), Some(text("auto-right"))]);
    assert_eq!(simulation.pair_of(LEFT, &left).and_then(|pair| pair.reason()), None);
    simulation.stage.lock().person_edits(LEFT, &left, "name", "ada");
    run_after(&simulation, 600_000);
    assert_eq!(values(&simulation, &left, &right, "name"), [Some(text("ada")), Some(text("ada"))], "it is released");
    rest(&simulation);
}

#[test]
fn e6_4_a_quarantine_goes_when_the_sides_agree_by_themselves() {
    let simulation = plain(default_rules());
    let (left, right) = pair(&simulation);
    argue(&simulation, &[LEFT, RIGHT], false);
    for _ in 0..8 {
        run_after(&simulation, 600_000);
    }
    assert_eq!(simulation.pair_of(LEFT, &left).and_then(|pair| pair.reason()), Some(Reason::Quarantined));
    {
        let mut state = simulation.stage.lock();
        state.automations.clear();
        state.person_edits(LEFT, &left, "name", "peace");
        state.person_edits(RIGHT, &right, "name", "peace");
    }
    run_after(&simulation, 600_000);
    let pair = simulation.pair_of(LEFT, &left).expect("they are paired");
    assert_eq!((pair.reason(), pair.quarantined.len(), pair.open_conflicts.len()), (None, 0, 0));
    rest(&simulation);
}

#[test]
fn e6_4_an_automation_that_undoes_each_revert_is_quarantined_too() {
    let mut rules = default_rules();
    let name = rules.mappings.iter_mut().find(|mapping| mapping.left.as_str() == "name").expect("it is mapped");
    (name.rule, name.target_drift) = (MappingRule::ToRight, TargetDrift::Revert);
    let simulation = plain(rules);
    let (left, _) = pair(&simulation);
    argue(&simulation, &[RIGHT], false);
    for _ in 0..10 {
        run_after(&simulation, 600_000);
    }
    assert_eq!(writes_of(&simulation, RIGHT, "name"), 1 + 3, "the create and three reverts");
    assert_eq!(simulation.pair_of(LEFT, &left).and_then(|pair| pair.reason()), Some(Reason::Quarantined));
    let refused = resolve(&simulation, RIGHT).expect_err("the sync never writes the left name");
    assert!(refused.contains("take the left value"), "{refused}");
    simulation.stage.lock().automations.clear();
    resolve(&simulation, LEFT).expect("the right side may be written");
    rest(&simulation);
}

#[test]
fn e6_4_caps_make_writes_wait_with_the_time_and_drop_nothing() {
    let simulation = plain(default_rules());
    let (left, right) = pair(&simulation);
    argue(&simulation, &[LEFT, RIGHT], true);
    for _ in 0..30 {
        run_after(&simulation, 60_000);
    }
    for side in Side::BOTH {
        let writes = writes_of(&simulation, side, "name");
        assert!(writes <= 6, "{writes} in half an hour on the {side}");
    }
    let held = simulation.pair_of(LEFT, &left).expect("they are paired");
    let trouble = held.trouble.clone().expect("it waits");
    assert_eq!(held.standing(), Standing::Held(Reason::Quarantined), "waiting is no failure");
    let now = simulation.stage.lock().now;
    let wait_ms = trouble.next_at.expect("with its time") - now;
    assert!((0..=HOUR_MS).contains(&wait_ms), "{wait_ms}");

    simulation.stage.lock().automations.clear();
    simulation.stage.lock().person_edits(LEFT, &left, "phone", "2");
    run_after(&simulation, 1_000);
    assert_eq!(values(&simulation, &left, &right, "phone"), [Some(text("2")), Some(text("2"))], "other fields go on");
    run_after(&simulation, HOUR_MS);
    let [one, other] = values(&simulation, &left, &right, "name");
    assert_eq!(one, other, "it had its turn");
    rest(&simulation);
}

#[test]
fn e6_4_what_was_written_to_a_record_counts_also_when_another_pair_has_it() {
    let caps = Caps { field_per_hour: Some(3), record_per_day: None, alternations: None };
    let simulation = plain(Rules { caps, deletes_to_right: DeletePolicy::Ignore, ..default_rules() });
    let (left, right) = pair(&simulation);
    simulation.stage.lock().person_deletes(LEFT, &left);
    run_after(&simulation, 1_000);
    // Somebody enters the same person again, who gets the record that was left.
    let again = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "ada")]);
    run_after(&simulation, 1_000);
    assert_eq!(simulation.pair_of(LEFT, &again).and_then(|pair| pair.right), Some(right));
    rename_often(&simulation, &again);
    assert_eq!(writes_of(&simulation, RIGHT, "name"), 3, "its creation and two updates");
    rest(&simulation);
}

#[test]
fn e6_4_a_create_of_unknown_outcome_counts_for_the_record_that_it_may_have_made() {
    let caps = Caps { field_per_hour: Some(3), record_per_day: None, alternations: None };
    let simulation = plain(Rules { caps, ..default_rules() });
    let left = {
        let mut state = simulation.stage.lock();
        state.tricks.push((RIGHT, Trick::LoseAnswer));
        state.blind = true;
        state.person_creates(LEFT, &[("email", "ada@x"), ("name", "ada")])
    };
    run_after(&simulation, 1_000);
    let right = simulation.stage.lock().ids(RIGHT)[0].clone();
    simulation.stage.lock().person_deletes(LEFT, &left);
    let again = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "ada")]);
    run_after(&simulation, 1_000);
    simulation.stage.lock().blind = false;
    run_after(&simulation, 1_000);
    assert_eq!(simulation.pair_of(LEFT, &again).and_then(|pair| pair.right), Some(right));
    rename_often(&simulation, &again);
    assert_eq!(writes_of(&simulation, RIGHT, "name"), 3, "its creation and two updates");
    rest(&simulation);
}

#[test]
fn e6_4_what_was_written_to_a_record_counts_also_when_its_pair_went_on_without_it() {
    let caps = Caps { field_per_hour: Some(3), record_per_day: None, alternations: None };
    let policies =
        Rules { deletes_to_left: DeletePolicy::Delete, edit_delete: EditDelete::EditWins, ..default_rules() };
    let simulation = plain(Rules { caps, ..policies });
    let (ada, right) = pair(&simulation);
    simulation.stage.lock().person_edits(LEFT, &ada, "name", "ada 1");
    run_after(&simulation, 1_000);
    // The edit is newer than the delete, so that a new record is made, and then the old one comes back.
    simulation.stage.lock().person_deletes(RIGHT, &right);
    simulation.stage.lock().person_edits(LEFT, &ada, "name", "ada 2");
    run_after(&simulation, 1_000);
    assert_ne!(simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right), Some(right.clone()));
    simulation.stage.lock().person_restores(RIGHT, &right);
    simulation.stage.lock().person_edits(RIGHT, &right, "email", "countess@x");
    let countess = simulation.stage.lock().person_creates(LEFT, &[("email", "countess@x"), ("name", "ada 1")]);
    run_after(&simulation, 1_000);
    assert_eq!(simulation.pair_of(LEFT, &countess).and_then(|pair| pair.right), Some(right.clone()));
    rename_often(&simulation, &countess);
    let state = simulation.stage.lock();
    let is_name = |write: &&SyncWrite| write.id == right && write.fields.iter().any(|field| field.as_str() == "name");
    assert_eq!(state.writes.iter().filter(is_name).count(), 3, "its creation and two updates");
    drop(state);
    rest(&simulation);
}

#[test]
fn e6_4_a_record_has_its_cap_too_and_caps_are_for_the_user_to_set() {
    let caps = Caps { field_per_hour: None, record_per_day: Some(4), alternations: None };
    let simulation = plain(Rules { caps, ..default_rules() });
    let (left, right) = pair(&simulation);
    for number in 0..6 {
        simulation.stage.lock().person_edits(LEFT, &left, "phone", &number.to_string());
        run_after(&simulation, 60_000);
    }
    assert_eq!(writes_of(&simulation, RIGHT, "phone"), 3, "beside the create");
    simulation.stage.lock().person_edits(LEFT, &left, "city", "Paris");
    run_after(&simulation, 60_000);
    assert_eq!(values(&simulation, &left, &right, "city")[1], Some(Value::Clear), "the record waits as a whole");
    run_after(&simulation, 24 * HOUR_MS);
    assert_eq!(values(&simulation, &left, &right, "phone"), [Some(text("5")), Some(text("5"))]);
    assert_eq!(values(&simulation, &left, &right, "city")[1], Some(text("Paris")));
    rest(&simulation);

    let simulation = plain(Rules { caps: Caps { record_per_day: None, ..caps }, ..default_rules() });
    pair(&simulation);
    argue(&simulation, &[LEFT, RIGHT], false);
    for _ in 0..40 {
        run_after(&simulation, 60_000);
    }
    let moved: usize = Side::BOTH.iter().map(|side| writes_of(&simulation, *side, "name")).sum();
    assert!(moved >= 40, "without caps it goes on for ever: {moved}");
}
