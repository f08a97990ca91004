//! One pair with its rules, and what the runner does with a decision about it.

use std::collections::BTreeMap;

use syncline_core::{
    Agreed, Answers, Base, Caps, ChangeKind, Columns, ConflictPolicy, Decision, DeletePolicy, Direction, EditDelete,
    Fate, FieldName, Image, Images, Index, Lately, Leave, Mapping, MappingRule, Matching, Members, Pair, PairState,
    Presence, Record, RecordId, Rounds, Rules, RunId, Scope, Side, SideTimes, Situation, Step, Taken, Times,
    TransformUse, Unfit, Value, Version, decide, diff,
};

/// One side of the pair under test.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    Here(BTreeMap<FieldName, Value>),
    Gone(Fate),
    Never,
}

/// A pair, its records and its rules.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) pair: Pair,
    pub(crate) sides: [Standing; 2],
    pub(crate) modified_at: [Option<i64>; 2],
    pub(crate) times: [SideTimes; 2],
    pub(crate) clock_offset_ms: u64,
    pub(crate) answers: Answers,
    pub(crate) rounds: Rounds,
    pub(crate) lately: Lately,
    pub(crate) taken: Option<Taken>,
    /// Since which run the mappings are what they are.
    pub(crate) since: Vec<RunId>,
    pub(crate) members: [Members; 2],
    pub(crate) scope_before: Option<Scope>,
    /// What each side had when they agreed, by field.
    agreed: [BTreeMap<FieldName, Value>; 2],
}

pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.to_owned()).canonical().expect("text is always a value")
}

pub(crate) fn mapping(field: &str, rule: MappingRule) -> Mapping {
    Mapping::new(FieldName::from(field), FieldName::from(field), rule)
}

pub(crate) fn rules(mappings: Vec<Mapping>) -> Rules {
    Rules {
        direction: Direction::Both,
        matching: Matching::default(),
        left_index: Index::Full,
        right_index: Index::Full,
        mappings,
        conflict: ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord },
        deletes_to_left: DeletePolicy::Ignore,
        deletes_to_right: DeletePolicy::Ignore,
        edit_delete: EditDelete::Hold,
        record_atomic: false,
        scope: Scope::default(),
        leave: Leave::Freeze,
        skew_tolerance_ms: Rules::SKEW_TOLERANCE_MS,
        caps: Caps::default(),
    }
}

/// The transforms that cases may name.
fn transform(used: &TransformUse, value: &Value) -> Result<Value, Unfit> {
    match used.name.as_str() {
        "lower" => Ok(text(&value.to_string().to_lowercase())),
        "star" => Ok(text(&format!("{value}*"))),
        "blank" => Ok(Value::Clear),
        "fail" => Err(Unfit::invalid("no such option")),
        other => panic!("no transform is named {other}"),
    }
}

/// Takes every step, as the runner does.
fn carry(steps: &[Step], value: &Value) -> Result<Value, Unfit> {
    let mut value = value.clone();
    for step in steps {
        value = match step {
            _ if value.is_blank() => return Ok(value),
            Step::Transform(used) => transform(used, &value)?,
            step => step.apply(value).expect("the host takes it")?,
        };
    }
    Ok(value)
}

impl World {
    pub(crate) fn new(rules: Rules, left: Standing, right: Standing) -> Self {
        let here = |standing: &Standing, id: &str| (*standing != Standing::Never).then(|| RecordId::from(id));
        let mut pair = Pair::linked(RecordId::from("l"), RecordId::from("r"));
        pair.left = here(&left, "l");
        pair.right = here(&right, "r");
        if pair.left.is_none() || pair.right.is_none() {
            pair.state = PairState::Single;
        }
        Self {
            rules,
            pair,
            sides: [left, right],
            modified_at: [None, None],
            times: Default::default(),
            clock_offset_ms: 0,
            answers: Answers::new(),
            rounds: Rounds::new(),
            lately: Lately::default(),
            taken: None,
            since: Vec::new(),
            members: Default::default(),
            scope_before: None,
            agreed: Default::default(),
        }
    }

    pub(crate) fn base(mut self, side: Side, field: &str, value: Value) -> Self {
        self.agree(side, FieldName::from(field), value);
        self
    }

    /// Notes what one side had when they agreed; both had fields of the same name.
    pub(crate) fn agree(&mut self, side: Side, field: FieldName, value: Value) {
        self.agreed[side.pick(0, 1)].insert(field.clone(), value);
        let [left, right] = self.agreed.each_ref().map(|agreed| agreed.get(&field).cloned());
        if let (Some(left), Some(right)) = (left, right) {
            self.pair.base.agree(Agreed::on(field.clone(), field).cell([left, right], RunId(1)));
        }
    }

    pub(crate) fn side(&self, side: Side) -> &Standing {
        side.pick(&self.sides[0], &self.sides[1])
    }

    pub(crate) fn value(&self, side: Side, field: &FieldName) -> Option<&Value> {
        match self.side(side) {
            Standing::Here(fields) => fields.get(field),
            Standing::Gone(_) | Standing::Never => None,
        }
    }

    fn record(&self, side: Side) -> Option<Record> {
        let Standing::Here(fields) = self.side(side) else { return None };
        let names = self.rules.fields(side);
        let columns = Columns::new(names.into_iter().chain(fields.keys().cloned()));
        let cells = columns.names().iter().map(|name| fields.get(name).cloned()).collect();
        Some(Record {
            id: RecordId::from(side.pick("l", "r")),
            version: Some(Version::from("1")),
            created_at: None,
            modified_at: side.pick(self.modified_at[0], self.modified_at[1]),
            columns,
            cells,
        })
    }

    /// Makes the images as the runner does: only where something changed and values may flow.
    fn images(&self, records: &[Option<Record>; 2]) -> Images {
        let touched = match records {
            [Some(left), Some(right)] => Some(diff(&self.rules, &self.since, &self.pair, left, right)),
            _ => None,
        };
        let image = |index: usize, mapping: &Mapping, target: Side| -> Image {
            let wanted = touched.as_ref().is_none_or(|touched| touched[index].any());
            if !wanted || !self.rules.flows_to(mapping, target) {
                return None;
            }
            let source = target.other();
            Some(carry(mapping.steps_to(target), self.value(source, mapping.field(source))?))
        };
        let all = |target| self.rules.mappings.iter().enumerate().map(|(index, it)| image(index, it, target)).collect();
        Images { to_right: all(Side::Right), to_left: all(Side::Left), links: BTreeMap::new() }
    }

    pub(crate) fn decide(&self) -> Decision {
        let records = Side::BOTH.map(|side| self.record(side));
        let images = self.images(&records);
        let presence = |side: Side| match (self.side(side), side.pick(&records[0], &records[1])) {
            (_, Some(record)) => Presence::Here(record),
            (Standing::Gone(fate), None) => Presence::Gone(fate),
            _ => Presence::Never,
        };
        decide(&Situation {
            rules: &self.rules,
            pair: &self.pair,
            left: presence(Side::Left),
            right: presence(Side::Right),
            images: &images,
            since: &self.since,
            left_times: &self.times[0],
            right_times: &self.times[1],
            clock_offset_ms: self.clock_offset_ms,
            answers: &self.answers,
            rounds: &self.rounds,
            lately: &self.lately,
            taken: self.taken.as_ref(),
            left_members: &self.members[0],
            right_members: &self.members[1],
            scope_before: self.scope_before.as_ref(),
        })
    }

    /// Pretends that every change of `decision` worked, as the runner would take it over.
    pub(crate) fn carry_out(&mut self, decision: &Decision) {
        if decision.blocked.is_some() {
            return;
        }
        for change in &decision.changes {
            let target = change.side.pick(0, 1);
            match &change.kind {
                ChangeKind::Create => {
                    let mapped = self.rules.mappings.iter().map(|mapping| mapping.field(change.side).clone());
                    let mut fields: BTreeMap<FieldName, Value> = mapped.map(|field| (field, Value::Clear)).collect();
                    fields.extend(change.fields.iter().map(|field| (field.field.clone(), field.after.clone())));
                    self.sides[target] = Standing::Here(fields);
                    self.pair.set_id(change.side, Some(RecordId::from(change.side.pick("l", "r"))));
                }
                ChangeKind::Update => {
                    if let Standing::Here(fields) = &mut self.sides[target] {
                        fields.extend(change.fields.iter().map(|field| (field.field.clone(), field.after.clone())));
                    }
                }
                ChangeKind::Delete => self.sides[target] = Standing::Gone(Fate::Deleted),
                ChangeKind::Archive => self.sides[target] = Standing::Gone(Fate::Archived),
                ChangeKind::Tag | ChangeKind::Restore { .. } => {}
            }
        }
        for agreed in &decision.agreed {
            let value = |side: Side| self.value(side, agreed.field(side)).cloned();
            if let (Some(left), Some(right)) = (value(Side::Left), value(Side::Right)) {
                self.pair.base.agree(agreed.cell([left, right], RunId(2)));
            }
        }
        if decision.forget {
            self.pair.base = Base::default();
        }
        self.pair.state = decision.then.clone();
    }

    pub(crate) fn based(&self) -> &Base {
        &self.pair.base
    }
}
