//! Mappings at work: new and changed ones, drift, options, chains and lists, over several runs.

use std::sync::Arc;

use syncline_core::{
    FieldName, Mapping, MappingRule, OnInvalid, PlanItem, Reason, RecordId, Rules, Side, Standing, Step, TargetDrift,
    TransformUse, Value, Why,
};
use syncline_runner::{BoxFuture, Fault, Transform, TransformedRow, planned_items};
use syncline_simulation::steps::{edit, partner, plain, run, value, wait};
use syncline_simulation::{Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn create(simulation: &Simulation, side: Side, fields: &[(&str, &str)]) -> RecordId {
    simulation.stage.lock().person_creates(side, fields)
}

fn standing(simulation: &Simulation, left: &RecordId) -> Standing {
    simulation.pair_of(LEFT, left).expect("it has a pair").standing()
}

fn mapping<'a>(rules: &'a mut Rules, field: &str) -> &'a mut Mapping {
    let found = rules.mappings.iter_mut().find(|mapping| mapping.left == FieldName::from(field));
    found.expect("the field is mapped")
}

fn planned(simulation: &Simulation) -> Vec<PlanItem> {
    simulation.stage.lock().now += 600_000;
    simulation.plan();
    let page = wait(planned_items(&simulation.context, &simulation.setup, 0)).expect("the plan is there");
    page.into_iter().map(|(_, item)| item).collect()
}

fn whys(items: &[PlanItem]) -> Vec<Why> {
    items.iter().flat_map(|item| &item.changes).flat_map(|change| &change.fields).map(|field| field.why).collect()
}

#[test]
fn e2_9_a_new_mapping_is_planned_for_every_pair_and_told_apart() {
    let mut simulation = plain(default_rules());
    mapping(&mut simulation.setup.rules, "phone").rule = MappingRule::Off;
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "Ada"), ("phone", "1")]);
    run(&simulation);
    let right = partner(&simulation, &ada);
    assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(Value::Clear));
    mapping(&mut simulation.setup.rules, "phone").rule = MappingRule::TwoWay;
    let items = planned(&simulation);
    assert_eq!(whys(&items), [Why::Mapping]);
    assert!(items.iter().all(PlanItem::is_retroactive));
    run(&simulation);
    assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(text("1")));
    edit(&simulation, LEFT, &ada, "phone", "2");
    assert_eq!(whys(&planned(&simulation)), [Why::Changed], "it is not new any more");
}

/// Adds a sign to the end.
struct Adds(&'static str);

impl Transform for Adds {
    fn apply(
        &self,
        _options: String,
        _columns: Vec<FieldName>,
        rows: Vec<Vec<Option<Value>>>,
    ) -> BoxFuture<'_, Result<Vec<TransformedRow>, Fault>> {
        let add = |cell: Option<Value>| match cell {
            Some(Value::Text(word)) if word == "bad" => Err("it is bad".to_owned()),
            cell => Ok(cell.map(|value| text(&format!("{value}{}", self.0)))),
        };
        let rows = rows.into_iter().map(|row| row.into_iter().map(add).collect()).collect();
        Box::pin(async move { Ok(rows) })
    }
}

fn chained(simulation: &mut Simulation, names: &[&'static str]) {
    let uses: Vec<TransformUse> =
        names.iter().map(|name| TransformUse { name: (*name).to_owned(), options: String::new() }).collect();
    for (used, name) in uses.iter().zip(names) {
        simulation.setup.transforms.insert(used.clone(), Arc::new(Adds(name)));
    }
    mapping(&mut simulation.setup.rules, "note").to_right = uses.into_iter().map(Step::Transform).collect();
}

#[test]
fn e2_9_a_changed_chain_of_transforms_is_applied_to_what_is_there() {
    let mut simulation = plain(default_rules());
    chained(&mut simulation, &["a", "b", "a"]);
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "Ada"), ("note", "n")]);
    run(&simulation);
    let right = partner(&simulation, &ada);
    assert_eq!(value(&simulation, RIGHT, &right, "note"), Some(text("naba")));
    assert_eq!(whys(&planned(&simulation)), []);
    chained(&mut simulation, &["b", "a"]);
    assert_eq!(whys(&planned(&simulation)), [Why::Mapping]);
    run(&simulation);
    assert_eq!(value(&simulation, RIGHT, &right, "note"), Some(text("nba")));
    assert_eq!(run(&simulation).record.tally.writes(), 0);
}

#[test]
fn e8_1_a_field_that_is_left_out_is_told_while_the_others_go_on() {
    let mut simulation = plain(default_rules());
    chained(&mut simulation, &["a"]);
    mapping(&mut simulation.setup.rules, "note").on_invalid = OnInvalid::DropField;
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "Ada"), ("note", "bad")]);
    let report = run(&simulation);
    assert_eq!(report.record.tally.rejected, 1, "{:?}", report.record);
    let right = partner(&simulation, &ada);
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Ada")));
    assert_eq!(standing(&simulation, &ada), Standing::Rejected(Reason::Validation));
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    assert_eq!(standing(&simulation, &ada), Standing::Rejected(Reason::Validation));
    edit(&simulation, LEFT, &ada, "note", "good");
    run(&simulation);
    assert_eq!(value(&simulation, RIGHT, &right, "note"), Some(text("gooda")));
    assert_eq!(standing(&simulation, &ada), Standing::InSync);
}

#[test]
fn e2_3_drift_is_left_reverted_or_told() {
    for policy in [TargetDrift::Ignore, TargetDrift::Revert, TargetDrift::Error] {
        let mut simulation = plain(default_rules());
        mapping(&mut simulation.setup.rules, "note").target_drift = policy;
        let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "Ada"), ("note", "n")]);
        run(&simulation);
        let right = partner(&simulation, &ada);
        edit(&simulation, RIGHT, &right, "note", "other");
        run(&simulation);
        let (note, stands) = (value(&simulation, RIGHT, &right, "note"), standing(&simulation, &ada));
        let expected = match policy {
            TargetDrift::Ignore => (text("other"), Standing::InSync),
            TargetDrift::Revert => (text("n"), Standing::InSync),
            TargetDrift::Error => (text("other"), Standing::Rejected(Reason::TargetDrift)),
        };
        assert_eq!((note, stands), (Some(expected.0), expected.1), "{policy:?}");
        assert_eq!(run(&simulation).record.tally.writes(), 0, "{policy:?}");
        // The source counts again as soon as it changes.
        edit(&simulation, LEFT, &ada, "note", "new");
        run(&simulation);
        assert_eq!(value(&simulation, RIGHT, &right, "note"), Some(text("new")), "{policy:?}");
        assert_eq!(standing(&simulation, &ada), Standing::InSync, "{policy:?}");
    }
}
