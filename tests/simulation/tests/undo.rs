//! Small histories about taking back (E9.6): whole runs of any size, one record, one field, and an undo itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use syncline_core::{FieldName, PairState, Reason, RecordId, RunId, Side, Standing, Value};
use syncline_runner::{
    Batch, BoxFuture, Committed, Key, Space, Stats, Store, StoreError, StoreTable, Undo, Verified, plan_undo,
    planned_items,
};
use syncline_simulation::steps::{edit, left_by_undo, partner, plain, rest, run, take_back, value, wait};
use syncline_simulation::{Manner, Simulation, Trick, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn create(simulation: &Simulation, name: &str) -> RecordId {
    let email = format!("{name}@x");
    simulation.stage.lock().person_creates(LEFT, &[("email", &email), ("name", name)])
}

/// Counts the rows that one call hands over at the most.
struct Counting {
    store: Arc<dyn Store>,
    rows_max: AtomicUsize,
}

impl Counting {
    fn saw(&self, rows: usize) {
        self.rows_max.fetch_max(rows, Ordering::Relaxed);
    }
}

impl Store for Counting {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        self.saw(batch.writes.len());
        self.store.commit(batch)
    }

    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.saw(keys.len());
        self.store.get(keys)
    }

    fn scan(
        &self,
        space: Space,
        table: StoreTable,
        after: Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        Box::pin(async move {
            let rows = self.store.scan(space, table, after, limit).await?;
            self.saw(rows.len());
            Ok(rows)
        })
    }

    fn table_after(
        &self,
        after: Option<(Space, StoreTable)>,
    ) -> BoxFuture<'_, Result<Option<(Space, StoreTable)>, StoreError>> {
        self.store.table_after(after)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        self.store.stats()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.close()
    }
}

#[test]
fn e9_6_a_run_of_thousands_is_taken_back_page_by_page() {
    const RECORDS: usize = 3_000;
    let mut simulation = plain(default_rules());
    let ids: Vec<RecordId> = (0..RECORDS).map(|number| create(&simulation, &format!("n{number}"))).collect();
    let first = run(&simulation).record.id;
    // Half of them are filled in by people, and stay.
    assert_eq!(ids.len(), RECORDS);
    let rights = simulation.stage.lock().ids(RIGHT);
    for right in rights.iter().step_by(2) {
        simulation.stage.lock().person_edits(RIGHT, right, "phone", "1");
    }
    let counting = Arc::new(Counting { store: simulation.context.store.clone(), rows_max: AtomicUsize::new(0) });
    simulation.context.store = counting.clone();
    let report = take_back(&simulation, &Undo::run(first));
    assert_eq!((report.plan.items, report.plan.skipped), (RECORDS as u64 / 2, RECORDS as u64 / 2));
    assert_eq!(report.verified, Verified { held: RECORDS as u64 / 2, differing: 0 });
    assert_eq!(simulation.stage.lock().ids(RIGHT).len(), RECORDS / 2);
    let rows_max = counting.rows_max.load(Ordering::Relaxed);
    assert!(rows_max < 2_500, "{rows_max} rows at once for {RECORDS} records");
}

#[test]
fn e9_6_one_record_and_one_field_are_taken_back() {
    let simulation = plain(default_rules());
    let (ada, eda) = (create(&simulation, "ada"), create(&simulation, "eda"));
    run(&simulation);
    let (right, other) = (partner(&simulation, &ada), partner(&simulation, &eda));
    for (id, name) in [(&ada, "Ada"), (&eda, "Eda")] {
        edit(&simulation, LEFT, id, "name", name);
        edit(&simulation, LEFT, id, "phone", "1");
    }
    let second = run(&simulation).record.id;
    let of = |record: &RecordId, field: Option<&str>| Undo {
        run: second,
        record: Some(record.clone()),
        field: field.map(FieldName::from),
    };
    // By the id on the side that was not written.
    let report = take_back(&simulation, &of(&ada, Some("phone")));
    assert_eq!((report.plan.changes, report.verified), (1, Verified { held: 1, differing: 0 }));
    assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(Value::Clear));
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Ada")), "the other field stays");
    assert_eq!(value(&simulation, RIGHT, &other, "phone"), Some(text("1")), "the other record stays");
    assert_eq!(run(&simulation).record.tally.writes(), 0, "the next run does not do it again");
    let report = take_back(&simulation, &of(&other, None));
    assert_eq!(report.plan.changes, 1);
    assert_eq!(value(&simulation, RIGHT, &other, "name"), Some(text("eda")));
    // What is taken back already is left alone, with the reason.
    take_back(&simulation, &of(&ada, Some("phone")));
    let reasons: Vec<String> = left_by_undo(&simulation).into_iter().map(|thing| thing.reason).collect();
    assert_eq!(reasons, ["it was edited since"]);
    for nothing in [of(&ada, Some("city")), Undo { run: RunId(1), ..of(&ada, Some("city")) }] {
        let refused = wait(plan_undo(&simulation.context, &simulation.setup, &nothing));
        assert!(refused.is_err() || left_by_undo(&simulation).len() == 1, "{nothing:?}: {refused:?}");
    }
}

#[test]
fn e9_6_an_undo_of_an_undo_brings_it_back() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, "ada");
    let created = run(&simulation).record.id;
    let undone = take_back(&simulation, &Undo::run(created)).record.id;
    assert_eq!(simulation.stage.lock().ids(RIGHT), []);
    let pair = simulation.pair_of(LEFT, &ada).expect("it has a pair");
    assert_eq!(pair.state, PairState::Tombstone { gone: Some(RIGHT), undone: true });
    assert_eq!(pair.standing(), Standing::Excluded(Reason::Undone));
    assert_eq!(run(&simulation).record.tally.writes(), 0, "it is not made again");
    let again = take_back(&simulation, &Undo::run(undone));
    assert_eq!(again.verified, Verified { held: 1, differing: 0 });
    let right = partner(&simulation, &ada);
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("ada")));
    assert_eq!(simulation.pair_of(LEFT, &ada).expect("it has a pair").state, PairState::Linked);
    rest(&simulation);
    edit(&simulation, RIGHT, &right, "name", "Ada");
    run(&simulation);
    assert_eq!(value(&simulation, LEFT, &ada, "name"), Some(text("Ada")), "the pair goes on");
}

#[test]
fn e9_6_an_edit_that_no_run_has_carried_outlives_the_undo_of_its_field() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    edit(&simulation, LEFT, &ada, "name", "Ada King");
    let carried = run(&simulation).record.id;
    edit(&simulation, LEFT, &ada, "name", "Ada Lovelace");
    // It is read, and not carried over.
    simulation.plan();
    take_back(&simulation, &Undo::run(carried));
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Ada")));
    run(&simulation);
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Ada Lovelace")));
    rest(&simulation);
}

#[test]
fn e9_6_a_plan_of_an_undo_writes_nothing() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, "ada");
    let created = run(&simulation).record.id;
    let plan = wait(plan_undo(&simulation.context, &simulation.setup, &Undo::run(created))).expect("it can be planned");
    assert_eq!((plan.items, plan.changes, plan.skipped), (1, 1, 0));
    let items = wait(planned_items(&simulation.context, &simulation.setup, 0)).expect("the store is up");
    assert_eq!(items[0].1.changes[0].record, Some(partner(&simulation, &ada)));
    assert_eq!(simulation.stage.lock().ids(RIGHT).len(), 1);
    assert_eq!(run(&simulation).record.tally.writes(), 0, "nor does the next run");
    rest(&simulation);
}

#[test]
fn e9_6_a_created_record_that_was_filled_in_before_its_run_ended_is_kept() {
    let one_by_one = Manner { batch_max: 1, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, one_by_one, default_rules());
    create(&simulation, "ada");
    create(&simulation, "eve");
    {
        let mut stage = simulation.stage.lock();
        // Before it is known what became of the first create, somebody fills the record in. The second create fails and
        // is tried again, so the run plans once more, and carries that too.
        stage.tricks.extend([(RIGHT, Trick::LoseAnswer), (RIGHT, Trick::Fail)]);
        stage.meanwhile = Some(|state| {
            let made = state.ids(RIGHT).pop();
            made.iter().for_each(|id| state.person_edits(RIGHT, id, "street", "Dorset Street"));
            made.is_some()
        });
    }
    let report = run(&simulation);
    let right = RecordId::from("R1");
    let made_for = simulation.pair_of(RIGHT, &right).and_then(|pair| pair.left).expect("it was made for somebody");
    assert_eq!(value(&simulation, LEFT, &made_for, "street"), Some(text("Dorset Street")));
    let undone = take_back(&simulation, &Undo::run(report.record.id));
    let reasons: Vec<String> = left_by_undo(&simulation).into_iter().map(|thing| thing.reason).collect();
    assert!(reasons.contains(&"it holds what it was not created with".to_owned()), "{undone:?} {reasons:?}");
    assert_eq!(value(&simulation, RIGHT, &right, "street"), Some(text("Dorset Street")));
    rest(&simulation);
}

#[test]
fn e9_6_a_created_record_is_kept_for_what_people_filled_in_beside_the_mapped_fields() {
    let mut rules = default_rules();
    rules.mappings.retain(|mapping| mapping.right.as_str() != "phone");
    let mut simulation = plain(rules);
    // As where another sync of the same records maps it.
    simulation.setup.right.fields.push("phone".into());
    let (ada, eve) = (create(&simulation, "ada"), create(&simulation, "eve"));
    let made = run(&simulation).record.id;
    let right = partner(&simulation, &ada);
    edit(&simulation, RIGHT, &right, "phone", "1");
    let gone = partner(&simulation, &eve);
    take_back(&simulation, &Undo::run(made));
    assert_eq!(simulation.stage.lock().ids(RIGHT), std::slice::from_ref(&right), "{gone} had nothing else");
    let [left] = &left_by_undo(&simulation)[..] else { panic!("one record is left alone") };
    assert_eq!((left.record.as_ref(), left.field.as_ref()), (Some(&right), Some(&"phone".into())));
    rest(&simulation);
}

#[test]
fn e9_6_what_was_taken_back_on_one_side_differs_also_after_a_merge() {
    let simulation = plain(default_rules());
    let (ada, eve) = (create(&simulation, "ada"), create(&simulation, "eve"));
    run(&simulation);
    let right = partner(&simulation, &ada);
    edit(&simulation, LEFT, &ada, "street", "Dorset Street");
    let report = run(&simulation);
    take_back(&simulation, &Undo::run(report.record.id));
    assert_eq!(value(&simulation, RIGHT, &right, "street"), Some(Value::Clear));
    let into = partner(&simulation, &eve);
    simulation.stage.lock().person_deletes(LEFT, &eve);
    simulation.stage.lock().person_merges(RIGHT, &right, &into);
    rest(&simulation);
    assert_eq!(value(&simulation, LEFT, &ada, "street"), Some(text("Dorset Street")));
}
