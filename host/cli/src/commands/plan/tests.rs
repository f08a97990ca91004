use syncline_core::{Change, FieldChange, FieldName, Lasting, PairId, PairState, PlanItem, Side, Value, Why};

use super::{ChangeKind, Counts};

fn update(pair: PairId, whys: &[Why]) -> PlanItem {
    let fields = whys.iter().map(|why| FieldChange {
        field: FieldName::from("note"),
        before: None,
        after: Value::Text("new".to_owned()),
        why: *why,
    });
    let change =
        Change { side: Side::Right, kind: ChangeKind::Update, record: None, version: None, fields: fields.collect() };
    PlanItem {
        pair,
        left: None,
        right: None,
        chosen: None,
        changes: vec![change],
        agreed: Vec::new(),
        seen: Vec::new(),
        conflicts: Vec::new(),
        decides: Vec::new(),
        left_out: Vec::new(),
        passages: Vec::new(),
        then: PairState::Linked,
    }
}

#[test]
fn e2_9_retroactive_writes_are_counted_apart() {
    let counted = |items: &[&[Why]]| {
        let mut counts = Counts::default();
        items.iter().for_each(|whys| counts.add(&update(PairId(1), whys), &|_| None));
        counts.text()
    };
    assert_eq!(counted(&[&[Why::Changed], &[Why::Drift]]), "  right: 2 to update\n");
    assert_eq!(
        counted(&[&[Why::Changed], &[Why::Mapping, Why::Changed], &[Why::Mapping, Why::Mapping]]),
        "  right: 3 to update\n  because a mapping is new or was changed: 2 records\n"
    );
}

#[test]
fn e9_6_what_cannot_be_undone_is_counted_by_side() {
    let mut counts = Counts::default();
    for _ in 0..2 {
        counts.add(&update(PairId(1), &[Why::Changed]), &|_| Some(Lasting::NewRecord));
    }
    counts.add(&update(PairId(2), &[Why::Changed]), &|_| None);
    let text = counts.text();
    assert!(
        text.contains("  2 on the right cannot be undone as it was: the application brings nothing back"),
        "{text}"
    );
}
