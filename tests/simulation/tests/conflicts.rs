//! Small histories about who wins: resolvers, edits against deletes, what is kept and for how long, named by their rule.

use std::sync::Arc;

use syncline_core::{
    ConflictPolicy, Decided, DeletePolicy, EditDelete, FieldName, KeyForm, PairState, Reason, RecordId, Rules, Side,
    Standing, TransformUse, Value,
};
use syncline_runner::{BoxFuture, Fault, Transform, TransformedRow};
use syncline_simulation::steps::{edit, plain, rest, run, take_back, values, wait};
use syncline_simulation::{Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A pair of a new record on the left and what was created for it on the right.
fn pair(simulation: &Simulation, name: &str) -> (RecordId, RecordId) {
    let email = format!("{name}@x");
    let left = simulation.stage.lock().person_creates(LEFT, &[("email", &email), ("name", name)]);
    run(simulation);
    let right = simulation.pair_of(LEFT, &left).and_then(|pair| pair.right).expect("it has a counterpart");
    (left, right)
}

fn both(value: &str) -> [Option<Value>; 2] {
    [Some(text(value)), Some(text(value))]
}

/// Takes the longer value; of values of one length it makes one of both; `?` it leaves to people, and `!` it fails on.
struct Longer;

impl Transform for Longer {
    fn apply(
        &self,
        _options: String,
        columns: Vec<FieldName>,
        rows: Vec<Vec<Option<Value>>>,
    ) -> BoxFuture<'_, Result<Vec<TransformedRow>, Fault>> {
        let cell = |row: &[Option<Value>], name: &str| {
            let at = columns.iter().position(|column| column.as_str() == name);
            at.and_then(|at| row[at].as_ref()).map(ToString::to_string).unwrap_or_default()
        };
        let answers = rows.iter().map(|row| {
            let (left, right) = (cell(row, "left"), cell(row, "right"));
            let word = |word: &str| Ok(vec![Some(Value::Text(word.to_owned()))]);
            match left.chars().count().cmp(&right.chars().count()) {
                _ if left.contains('!') => Err("it cannot read that".to_owned()),
                _ if left.contains('?') => word("hold"),
                std::cmp::Ordering::Greater => word("left"),
                std::cmp::Ordering::Less => word("right"),
                std::cmp::Ordering::Equal => {
                    let value = format!("{left}+{right} was {}", cell(row, "left_base"));
                    Ok(vec![Some(Value::Text("value".to_owned())), Some(Value::Text(value))])
                }
            }
        });
        let answers = answers.collect();
        Box::pin(async move { Ok(answers) })
    }
}

fn resolved() -> Simulation {
    let used = TransformUse { name: "longer".to_owned(), options: String::new() };
    let mut simulation = plain(Rules { conflict: ConflictPolicy::Resolver(used.clone()), ..default_rules() });
    simulation.setup.transforms.insert(used, Arc::new(Longer));
    simulation
}

#[test]
fn e3_1_a_resolver_decides_and_what_it_does_not_waits_for_a_person() {
    let cases = [
        ("Augusta", "Ida", both("Augusta"), Decided::ByResolver(LEFT)),
        ("Ada", "Idalia", both("Idalia"), Decided::ByResolver(RIGHT)),
        ("Eda", "Ida", both("Eda+Ida was ada"), Decided::Merged),
        ("Eda?", "Ida", [Some(text("Eda?")), Some(text("Ida"))], Decided::Open),
        ("Eda!", "Ida", [Some(text("Eda!")), Some(text("Ida"))], Decided::Open),
    ];
    for (ours, theirs, then, decided) in cases {
        let simulation = resolved();
        let (left, right) = pair(&simulation, "ada");
        edit(&simulation, LEFT, &left, "name", ours);
        edit(&simulation, RIGHT, &right, "name", theirs);
        edit(&simulation, RIGHT, &right, "phone", "1");
        run(&simulation);
        assert_eq!(values(&simulation, &left, &right, "name"), then, "{ours} {theirs}");
        assert_eq!(values(&simulation, &left, &right, "phone"), both("1"), "the other fields go on (E3.5)");
        let kept = simulation.conflicts().remove(0).conflict;
        assert_eq!(
            (&kept.decided, &kept.fields[0].left, &kept.fields[0].right),
            (&decided, &text(ours), &text(theirs))
        );
        assert_eq!(kept.detail.is_some(), ours.contains('!'), "{:?}", kept.detail);
        let pair = simulation.pair_of(LEFT, &left).expect("it has a pair");
        assert_eq!(pair.standing(), Standing::InSync);
        assert_eq!(pair.reason(), (decided == Decided::Open).then_some(Reason::Conflict), "E3.5");
        rest(&simulation);
    }
}

#[test]
fn e3_1_a_resolver_that_is_not_there_holds() {
    let mut simulation = resolved();
    simulation.setup.transforms.clear();
    let (left, right) = pair(&simulation, "ada");
    edit(&simulation, LEFT, &left, "name", "Eda");
    edit(&simulation, RIGHT, &right, "name", "Idalia");
    run(&simulation);
    let kept = simulation.conflicts().remove(0).conflict;
    assert_eq!((kept.decided, kept.detail.as_deref()), (Decided::Open, Some("the resolver longer: it is not loaded")));
}

fn deleting(edit_delete: EditDelete) -> Rules {
    Rules {
        deletes_to_left: DeletePolicy::Delete,
        deletes_to_right: DeletePolicy::Delete,
        edit_delete,
        ..default_rules()
    }
}

#[test]
fn e3_6_edit_wins_makes_the_record_again_and_the_old_one_may_come_back() {
    let simulation = plain(deleting(EditDelete::EditWins));
    let (left, right) = pair(&simulation, "ada");
    edit(&simulation, LEFT, &left, "name", "Eda");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    run(&simulation);
    let again = simulation.pair_of(LEFT, &left).and_then(|pair| pair.right).expect("it has a counterpart");
    assert_ne!(again, right);
    assert_eq!(values(&simulation, &left, &again, "name"), both("Eda"));
    rest(&simulation);
    simulation.stage.lock().person_restores(RIGHT, &right);
    rest(&simulation);
    assert_ne!(simulation.pair_of(RIGHT, &right).expect("it has a pair of its own").left, Some(left));
}

#[test]
fn e3_6_delete_wins_and_the_edit_is_in_the_journal() {
    let simulation = plain(deleting(EditDelete::DeleteWins));
    let (left, right) = pair(&simulation, "ada");
    edit(&simulation, LEFT, &left, "name", "Eda");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    let report = run(&simulation);
    assert_eq!(report.record.tally.left.deleted, 1);
    rest(&simulation);
    take_back(&simulation, &syncline_runner::Undo::run(report.record.id));
    assert_eq!(simulation.stage.lock().value(LEFT, &left, "name"), Some(text("Eda")));
}

#[test]
fn e4_4_what_the_sync_took_away_comes_back_with_its_counterpart() {
    for policy in [DeletePolicy::Delete, DeletePolicy::Archive] {
        let simulation = plain(Rules { deletes_to_left: policy, ..default_rules() });
        let (left, right) = pair(&simulation, "ada");
        simulation.stage.lock().person_deletes(RIGHT, &right);
        assert_eq!(run(&simulation).record.tally.left.deleted, 1);
        simulation.stage.lock().person_restores(RIGHT, &right);
        edit(&simulation, RIGHT, &right, "name", "Eda");
        run(&simulation);
        let pair = simulation.pair_of(RIGHT, &right).expect("it has a pair");
        assert_eq!((pair.left.as_ref(), pair.state), (Some(&left), PairState::Linked), "the same record, not another");
        assert_eq!(values(&simulation, &left, &right, "name"), both("Eda"), "merged from the kept base");
        assert_eq!(simulation.stage.lock().ids(LEFT), [left]);
        rest(&simulation);
    }
}

#[test]
fn e4_4_what_people_deleted_on_both_sides_is_not_made_again_where_one_comes_back() {
    let simulation = plain(default_rules());
    let (left, right) = pair(&simulation, "ada");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    run(&simulation);
    simulation.stage.lock().person_deletes(LEFT, &left);
    run(&simulation);
    simulation.stage.lock().person_restores(LEFT, &left);
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    let standing = simulation.pair_of(LEFT, &left).expect("it has a pair").standing();
    assert_eq!(standing, Standing::Excluded(Reason::CounterpartDeleted));
    simulation.stage.lock().person_restores(RIGHT, &right);
    rest(&simulation);
    assert_eq!(simulation.pair_of(LEFT, &left).expect("it has a pair").state, PairState::Linked);
}

#[test]
fn e3_4_decided_conflicts_are_kept_for_their_time_and_open_ones_until_they_are_decided() {
    let by_hand = FieldName::from("phone");
    let mut rules = default_rules();
    for mapping in rules.mappings.iter_mut().filter(|mapping| mapping.left == by_hand) {
        mapping.conflict = Some(ConflictPolicy::Manual);
    }
    let simulation = plain(rules);
    let (left, right) = pair(&simulation, "ada");
    for field in ["name", "phone"] {
        edit(&simulation, LEFT, &left, field, "1");
        edit(&simulation, RIGHT, &right, field, "2");
    }
    run(&simulation);
    simulation.stage.lock().now += 89 * DAY_MS;
    run(&simulation);
    assert_eq!(simulation.conflicts().len(), 2);
    simulation.stage.lock().now += 2 * DAY_MS;
    run(&simulation);
    let open: Vec<Decided> = simulation.conflicts().into_iter().map(|kept| kept.conflict.decided).collect();
    assert_eq!(open, [Decided::Open]);
    // Once the sides agree by themselves nobody waits for it any more.
    edit(&simulation, LEFT, &left, "phone", "2");
    run(&simulation);
    simulation.stage.lock().now += 91 * DAY_MS;
    run(&simulation);
    assert_eq!(simulation.conflicts(), []);
}

#[test]
fn e3_4_a_side_is_taken_against_a_decision_unless_the_group_has_moved_on() {
    for moved in [None, Some("name"), Some("street"), Some("city")] {
        let used = TransformUse { name: "longer".to_owned(), options: String::new() };
        let mut rules = default_rules();
        for mapping in rules.mappings.iter_mut().filter(|mapping| mapping.group.is_some()) {
            mapping.conflict = Some(ConflictPolicy::Resolver(used.clone()));
        }
        let mut simulation = plain(rules);
        simulation.setup.transforms.insert(used, Arc::new(Longer));
        let (left, right) = pair(&simulation, "ada");
        edit(&simulation, LEFT, &left, "street", "one");
        edit(&simulation, RIGHT, &right, "street", "two");
        run(&simulation);
        assert_eq!(values(&simulation, &left, &right, "street"), both("one+two was (blank)"), "made of both");
        if let Some(field) = moved {
            edit(&simulation, RIGHT, &right, field, "later");
            run(&simulation);
        }
        let numbers = [simulation.conflicts()[0].number];
        let resolved = wait(syncline_runner::resolve(&simulation.context, &simulation.setup, &numbers, RIGHT));
        let is_beside = moved == Some("name");
        assert_eq!(resolved.is_ok(), moved.is_none() || is_beside, "{moved:?}: {resolved:?}");
        if resolved.is_ok() {
            assert_eq!(values(&simulation, &left, &right, "street"), both("two"), "{moved:?}");
            rest(&simulation);
        }
    }
}

#[test]
fn e3_4_an_edit_that_a_dry_run_took_in_is_one_since_the_decision() {
    let mut rules = default_rules();
    for mapping in rules.mappings.iter_mut().filter(|mapping| mapping.left.as_str() == "name") {
        mapping.compare = Some(KeyForm::Text);
    }
    let simulation = plain(rules);
    let (left, right) = pair(&simulation, "ada");
    edit(&simulation, LEFT, &left, "name", "Ada Byron");
    edit(&simulation, RIGHT, &right, "name", "Ada King");
    run(&simulation);
    assert_eq!(values(&simulation, &left, &right, "name"), both("Ada King"), "the later one");
    // The same in other letters is carried nowhere, and is an edit nevertheless.
    edit(&simulation, LEFT, &left, "name", "ADA KING");
    simulation.plan();
    let numbers = [simulation.conflicts()[0].number];
    let resolved = wait(syncline_runner::resolve(&simulation.context, &simulation.setup, &numbers, LEFT));
    assert!(resolved.is_err(), "{resolved:?}");
    assert_eq!(values(&simulation, &left, &right, "name"), [Some(text("ADA KING")), Some(text("Ada King"))]);
    rest(&simulation);
}
