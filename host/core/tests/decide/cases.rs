//! The cases of `tests/cases/*.txt`.
//!
//! Before the line of dashes stands what there is, after it what is decided. Left out: fields are mapped both ways, the
//! newer side wins and in doubt the left, both records are there. `name=` is a blank, a field that is not named is
//! unknown. Why each field is written, and what is agreed, is compared where a case says it.

use std::collections::BTreeMap;

use syncline_core::{
    Answer, ChangeKind, Conflict, ConflictPolicy, Decided, Decision, DeletePolicy, Direction, EditDelete, Exclusion,
    Fate, Field, FieldName, FieldType, InclusionList, Index, KeyField, KeyForm, KeyTuple, Leave, ListId, Mapping,
    MappingRule, MergeForm, OnInvalid, PairState, ParsedFilter, RecordId, Round, Ruling, RunId, Schema, Scope, Side,
    SideTimes, Step, Taken, TargetDrift, Times, TransformUse, Value, Why, Writable,
};

use crate::support::{Standing, World, mapping, rules, text};

#[test]
fn every_case_is_decided_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of cases is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    let mut count = 0;
    let mut wrong = String::new();
    for file in files {
        let content = std::fs::read_to_string(&file).expect("a case file is text");
        for case in content.split("\n# ").map(|case| case.trim_start_matches("# ")) {
            if case.trim().is_empty() {
                continue;
            }
            count += 1;
            let (title, body) = case.split_once('\n').unwrap_or((case, ""));
            if let Err(difference) = check(body) {
                wrong += &format!("\n{}: # {title}\n{difference}\n", file.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 80, "only {count} cases were found");
}

fn check(body: &str) -> Result<(), String> {
    let (given, expected) = body.split_once("----").expect("a case has a line of dashes");
    let world = read(given);
    let expected: Vec<String> = lines(expected).map(|words| words.join(" ")).collect();
    let says = |word: &str| expected.iter().any(|line| line.split(' ').next() == Some(word));
    let whys = expected.iter().any(|line| line.contains(':'));
    let decided: Vec<String> = tell(&world.decide(), whys, says("agree"));
    match decided == expected {
        true => Ok(()),
        false => Err(format!("  expected\n    {}\n  decided\n    {}", expected.join("\n    "), decided.join("\n    "))),
    }
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|words| !words.is_empty())
}

fn read(given: &str) -> World {
    let world = World::new(rules(Vec::new()), here(&[]), here(&[]));
    let mut case = Case { world, named: Vec::new(), answers: Vec::new(), renewed: Vec::new(), rounds: Vec::new() };
    for words in lines(given) {
        let (word, rest) = (words[0], &words[1..]);
        let is_known =
            case.rule(word, rest) || case.scope(word, rest) || case.sides(word, rest) || case.past(word, rest);
        assert!(is_known, "no line begins with {word}");
    }
    case.into_world()
}

/// What the lines of a case say so far.
struct Case<'a> {
    world: World,
    /// The fields that have a value somewhere; they are mapped both ways unless a line says otherwise.
    named: Vec<&'a str>,
    answers: Vec<(&'a str, &'a str)>,
    renewed: Vec<&'a str>,
    rounds: Vec<(&'a str, Round)>,
}

impl<'a> Case<'a> {
    fn rule(&mut self, word: &str, rest: &[&'a str]) -> bool {
        let rules = &mut self.world.rules;
        match word {
            "map" => rules.mappings.push(read_mapping(rest)),
            "direction" => rules.direction = read_direction(rest[0]),
            "looked-up" => *word_side(rest[0]).pick(&mut rules.left_index, &mut rules.right_index) = Index::Scoped,
            "conflict" => rules.conflict = read_policy(rest),
            "deletes" => {
                rules.deletes_to_left = read_deletes(rest[0]);
                rules.deletes_to_right = read_deletes(rest[0]);
            }
            "edit-delete" => rules.edit_delete = read_edit_delete(rest[0]),
            "record-atomic" => rules.record_atomic = true,
            "key" => rules.matching.tuples.push(read_key(rest)),
            "leave" => rules.leave = read_leave(rest[0]),
            _ => return false,
        }
        true
    }

    fn scope(&mut self, word: &str, rest: &[&'a str]) -> bool {
        match word {
            "filter" => set_filter(&mut self.world.rules.scope, rest),
            // What the last run went by; `filter-before` alone: no filter.
            "filter-before" => {
                let before = self.world.scope_before.get_or_insert_default();
                if !rest.is_empty() {
                    set_filter(before, rest);
                }
            }
            "list" => {
                self.world.rules.scope.list = Some(InclusionList {
                    side: word_side(rest[0]),
                    id: ListId::from(rest[1]),
                    creates_key_only: rest.get(2) != Some(&"no-creates"),
                });
            }
            // Of a list that no line names it is not known.
            "member" => {
                let members = &mut self.world.members[word_side(rest[0]).pick(0, 1)];
                members.0.insert(ListId::from(rest[1]), rest[2] == "yes");
            }
            _ => return false,
        }
        true
    }

    /// The records as they are.
    fn sides(&mut self, word: &str, rest: &[&'a str]) -> bool {
        match word {
            "left" | "right" => {
                self.world.sides[word_side(word).pick(0, 1)] = match rest {
                    ["gone"] => Standing::Gone(Fate::Deleted),
                    ["never"] => Standing::Never,
                    fields => here(fields),
                };
                self.named.extend(pairs(rest).map(|(field, _)| field));
            }
            "at" => {
                for (name, at) in pairs(rest) {
                    let at: i64 = at.parse().expect("a time is a number");
                    match name.split_once('.') {
                        None => self.world.modified_at[word_side(name).pick(0, 1)] = Some(at),
                        Some((side, field)) => {
                            let times: &mut SideTimes = &mut self.world.times[word_side(side).pick(0, 1)];
                            times.insert(FieldName::from(field), at);
                        }
                    }
                }
            }
            "offset" => self.world.clock_offset_ms = rest[0].parse().expect("an offset is a number of milliseconds"),
            _ => return false,
        }
        true
    }

    /// What was before: bases, the pair, answers of transforms. Bases of cases are of run 1.
    fn past(&mut self, word: &str, rest: &[&'a str]) -> bool {
        match word {
            "base" | "base-left" | "base-right" => {
                for side in Side::BOTH.into_iter().filter(|side| word == "base" || word[5..] == side.to_string()) {
                    for (field, value) in fields(rest) {
                        self.world.agree(side, field, value);
                    }
                }
                self.named.extend(pairs(rest).map(|(field, _)| field));
            }
            "state" => self.world.pair.state = read_state(rest),
            "answer" => self.answers.extend(pairs(rest)),
            "renewed" => self.renewed.extend(rest),
            // `round left name`: the left has it from the right, which holds it yet, or holds something else `since`;
            // it came by way of others, or `direct`.
            "round" => {
                let round = Round {
                    side: word_side(rest[0]),
                    holds: !rest.contains(&"since"),
                    is_detour: !rest.contains(&"direct"),
                };
                self.rounds.push((rest[1], round));
            }
            "taken" => {
                let comes_back = rest == ["restorable"];
                self.world.taken = Some(Taken { record: RecordId::from("r"), raw: Some("raw".to_owned()), comes_back });
            }
            _ => return false,
        }
        true
    }

    fn into_world(self) -> World {
        let Self { mut world, named, answers, renewed, rounds } = self;
        for field in named {
            if !world.rules.mappings.iter().any(|mapping| mapping.left.as_str() == field) {
                world.rules.mappings.push(mapping(field, MappingRule::TwoWay));
            }
        }
        for (index, mapping) in world.rules.mappings.iter().enumerate() {
            let own = answers.iter().filter(|(field, _)| *field == mapping.left.as_str());
            world.answers.extend(own.map(|(_, answer)| (index, read_answer(answer))));
            let own = rounds.iter().filter(|(field, _)| *field == mapping.left.as_str());
            world.rounds.extend(own.map(|(_, round)| (index, *round)));
        }
        let is_renewed = |mapping: &Mapping| renewed.contains(&mapping.left.as_str());
        world.since =
            world.rules.mappings.iter().map(|mapping| RunId(if is_renewed(mapping) { 2 } else { 0 })).collect();
        for side in Side::BOTH {
            if *world.side(side) == Standing::Never {
                world.pair.set_id(side, None);
                if world.pair.state == PairState::Linked {
                    world.pair.state = PairState::Single;
                }
            }
        }
        world
    }
}

fn set_filter(scope: &mut Scope, words: &[&str]) {
    let parsed = ParsedFilter::parse(&words[1..].join(" ")).expect("a filter of a case can be read");
    let filter = parsed.typed(&schema()).expect("its fields are those of the cases");
    *word_side(words[0]).pick(&mut scope.left, &mut scope.right) = Some(filter);
}

/// Fields that filters of cases may name; all are texts.
fn schema() -> Schema {
    let field = |name: &str| Field::new(name, FieldType::Text);
    Schema { fields: ["name", "city", "owner", "email"].map(field).into(), fingerprint: String::new() }
}

fn read_key(words: &[&str]) -> KeyTuple {
    let fields: Vec<KeyField> =
        words.iter().map(|word| KeyField { field: FieldName::from(*word), form: KeyForm::Text }).collect();
    KeyTuple { left: fields.clone(), right: fields }
}

fn read_leave(word: &str) -> Leave {
    match word {
        "freeze" => Leave::Freeze,
        "final-update" => Leave::FinalUpdate,
        "tag" => Leave::Tag,
        "unpair" => Leave::Unpair,
        other => panic!("{other} is no policy for leaving"),
    }
}

fn here(words: &[&str]) -> Standing {
    Standing::Here(fields(words))
}

fn pairs<'a>(words: &[&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    words.iter().filter_map(|word| word.split_once('='))
}

fn fields(words: &[&str]) -> BTreeMap<FieldName, Value> {
    pairs(words).map(|(field, value)| (FieldName::from(field), value_of(value))).collect()
}

/// A text; `@code` is an option, `[a,b]` several options, `(b,a)` several texts in order.
fn value_of(word: &str) -> Value {
    let list = |inner: &str| inner.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let inside = |open, close| word.strip_prefix(open).and_then(|word: &str| word.strip_suffix(close));
    let value = match (word.strip_prefix('@'), inside('[', ']'), inside('(', ')')) {
        (Some(code), _, _) => Value::Choice(code.to_owned()),
        (_, Some(codes), _) => Value::Choices(list(codes)),
        (_, _, Some(texts)) => Value::Texts(list(texts)),
        _ => return text(word),
    };
    value.canonical().expect("a case has values")
}

fn word_side(word: &str) -> Side {
    match word {
        "left" => Side::Left,
        "right" => Side::Right,
        other => panic!("{other} is no side"),
    }
}

fn read_direction(word: &str) -> Direction {
    match word {
        "both" => Direction::Both,
        "to-left" => Direction::ToLeft,
        "to-right" => Direction::ToRight,
        other => panic!("{other} is no direction"),
    }
}

fn read_deletes(word: &str) -> DeletePolicy {
    match word {
        "ignore" => DeletePolicy::Ignore,
        "tag" => DeletePolicy::Tag,
        "archive" => DeletePolicy::Archive,
        "delete" => DeletePolicy::Delete,
        other => panic!("{other} is no policy for deletes"),
    }
}

fn read_policy(words: &[&str]) -> ConflictPolicy {
    match words {
        ["manual"] => ConflictPolicy::Manual,
        ["resolver"] => ConflictPolicy::Resolver(TransformUse { name: "referee".to_owned(), options: String::new() }),
        ["newest", side] => ConflictPolicy::Newest { in_doubt: word_side(side), times: Times::FieldElseRecord },
        ["newest-field", side] => ConflictPolicy::Newest { in_doubt: word_side(side), times: Times::Field },
        [side] => ConflictPolicy::Prefer(word_side(side)),
        other => panic!("{other:?} is no conflict policy"),
    }
}

fn read_edit_delete(word: &str) -> EditDelete {
    match word {
        "hold" => EditDelete::Hold,
        "edit-wins" => EditDelete::EditWins,
        "delete-wins" => EditDelete::DeleteWins,
        other => panic!("{other} is no policy for edits against deletes"),
    }
}

/// `left`, `right`, `hold`, or a value: `LEFT|RIGHT`, or one for both.
fn read_answer(word: &str) -> Answer {
    match word {
        "left" | "right" => Answer::Take(word_side(word)),
        "hold" => Answer::Hold(Some("it cannot tell".to_owned())),
        value => {
            let (left, right) = value.split_once('|').unwrap_or((value, value));
            Answer::Value { left: text(left), right: text(right) }
        }
    }
}

fn read_mapping(words: &[&str]) -> Mapping {
    let rule = match words[1] {
        "two-way" => MappingRule::TwoWay,
        "to-right" => MappingRule::ToRight,
        "to-left" => MappingRule::ToLeft,
        "fill-right" => MappingRule::FillBlankToRight,
        "fill-left" => MappingRule::FillBlankToLeft,
        "prefer-left" => MappingRule::PreferLeftUnlessBlank,
        "prefer-right" => MappingRule::PreferRightUnlessBlank,
        "off" => MappingRule::Off,
        other => panic!("{other} is no rule"),
    };
    let mut mapping = mapping(words[0], rule);
    for (name, value) in pairs(&words[2..]) {
        let transform = || {
            let steps = value.split('+').map(|name| TransformUse { name: name.to_owned(), options: String::new() });
            steps.map(Step::Transform).collect::<Vec<_>>()
        };
        match name {
            "group" => mapping.group = Some(value.to_owned()),
            "compare" if value == "email" => mapping.compare = Some(syncline_core::KeyForm::Email),
            "conflict" => mapping.conflict = Some(read_policy(&value.split('-').collect::<Vec<_>>())),
            "read-only" => {
                *word_side(value).pick(&mut mapping.left_writable, &mut mapping.right_writable) = Writable::Never
            }
            "create-only" => {
                *word_side(value).pick(&mut mapping.left_writable, &mut mapping.right_writable) = Writable::AtCreate;
            }
            "drift" => mapping.target_drift = read_drift(value),
            "invalid" if value == "drop" => mapping.on_invalid = OnInvalid::DropField,
            "left-max" => mapping.left_values_max = value.parse().ok(),
            "right-max" => mapping.right_values_max = value.parse().ok(),
            "merge" if value == "replace" => mapping.merge = MergeForm::Replace,
            "options" => (mapping.to_right, mapping.to_left) = read_options(value),
            "to-right" => mapping.to_right = transform(),
            "to-left" => mapping.to_left = transform(),
            other => panic!("a mapping has no {other}"),
        }
    }
    mapping
}

fn read_drift(word: &str) -> TargetDrift {
    match word {
        "ignore" => TargetDrift::Ignore,
        "revert" => TargetDrift::Revert,
        "error" => TargetDrift::Error,
        other => panic!("{other} is no policy for drift"),
    }
}

/// Options as `a:x,b:y`, from the left to the right.
fn read_options(word: &str) -> (Vec<Step>, Vec<Step>) {
    let pairs = || word.split(',').map(|pair| pair.split_once(':').expect("left:right"));
    let map = |pairs: Vec<(&str, &str)>| {
        vec![Step::Options(pairs.into_iter().map(|(one, other)| (one.to_owned(), other.to_owned())).collect())]
    };
    (map(pairs().collect()), map(pairs().map(|(left, right)| (right, left)).collect()))
}

fn read_state(words: &[&str]) -> PairState {
    let gone = |word: &str| (word != "both").then(|| word_side(word));
    match words {
        ["single"] => PairState::Single,
        ["no-key"] => PairState::NoKey,
        ["ambiguous"] => PairState::Ambiguous { same_side: Vec::new(), other_side: Vec::new() },
        ["creating"] => creating(),
        ["tombstone", side] => PairState::Tombstone { gone: gone(side), undone: false },
        ["undone", side] => PairState::Tombstone { gone: gone(side), undone: true },
        ["out-of-scope"] => PairState::OutOfScope { why: Exclusion::Filter },
        ["not-in-list"] => PairState::OutOfScope { why: Exclusion::List },
        ["scope-unknown"] => PairState::OutOfScope { why: Exclusion::Unknown },
        ["edit-delete", side] => PairState::EditDelete { gone: word_side(side) },
        ["delete-waits", side] => {
            PairState::DeleteWaits { gone: word_side(side), item: [0; 16], ruling: Ruling::Waiting }
        }
        ["collision", side] => PairState::PairCollision { side: word_side(side), into: RecordId::from("x") },
        other => panic!("{other:?} is no state"),
    }
}

fn creating() -> PairState {
    PairState::Creating { run: RunId(1), number: 0 }
}

/// Tells a decision in the words of the cases.
fn tell(decision: &Decision, whys: bool, agreed: bool) -> Vec<String> {
    let mut told = Vec::new();
    for change in &decision.changes {
        let fields = change.fields.iter().map(|field| match whys {
            true => format!("{}={}:{}", field.field, plain(&field.after), why(field.why)),
            false => format!("{}={}", field.field, plain(&field.after)),
        });
        let fields: Vec<String> = match change.kind {
            ChangeKind::Create | ChangeKind::Update => fields.collect(),
            _ => Vec::new(),
        };
        let verb = if change.kind == ChangeKind::Update { "set" } else { change.kind.verb() };
        told.push(format!("{} {verb} {}", change.side, fields.join(" ")).trim_end().to_owned());
    }
    told.extend(decision.conflicts.iter().map(conflict));
    told.extend(
        decision.conflicts.iter().filter_map(|conflict| Some(format!("because {}", conflict.detail.as_ref()?))),
    );
    for left_out in &decision.left_out {
        let field = left_out.field.as_ref().map_or("", |field| field.as_str());
        told.push(format!("left-out {} {} {field}", left_out.side, left_out.reason));
    }
    if agreed {
        let names: Vec<&str> = decision.agreed.iter().map(|agreed| agreed.left.as_str()).collect();
        told.push(format!("agree {}", names.join(" ")).trim_end().to_owned());
    }
    if decision.forget {
        told.push("forget".to_owned());
    }
    if let Some(blocked) = &decision.blocked {
        let field = blocked.field.as_ref().map_or("", |field| field.as_str());
        told.push(format!("blocked {} {} {field}", blocked.side, blocked.reason).trim_end().to_owned());
    }
    match &decision.then {
        PairState::Linked => {}
        PairState::Tombstone { gone, undone } => {
            let gone = gone.map_or("both".to_owned(), |side| side.to_string());
            told.push(format!("{} {gone}", if *undone { "undone" } else { "tombstone" }));
        }
        PairState::EditDelete { gone } => told.push(format!("edit-delete {gone}")),
        PairState::DeleteWaits { gone, .. } => told.push(format!("delete-waits {gone}")),
        PairState::Single => told.push("single".to_owned()),
        PairState::NoKey => told.push("no-key".to_owned()),
        PairState::Ambiguous { .. } => told.push("ambiguous".to_owned()),
        PairState::OutOfScope { why } => told.push(why.reason().code().to_owned()),
        PairState::Creating { .. } => told.push("creating".to_owned()),
        PairState::PairCollision { side, .. } => told.push(format!("collision {side}")),
    }
    told
}

fn plain(value: &Value) -> String {
    match value {
        Value::Clear => String::new(),
        Value::Choice(code) => format!("@{code}"),
        Value::Choices(codes) => format!("[{}]", codes.join(",")),
        Value::Texts(texts) => format!("({})", texts.join(",")),
        other => other.to_string(),
    }
}

fn why(why: Why) -> &'static str {
    match why {
        Why::Changed => "changed",
        Why::FillBlank => "fill",
        Why::Rule => "rule",
        Why::New => "new",
        Why::Mapping => "mapping",
        Why::Drift => "drift",
        Why::ConflictWon => "won",
        Why::Merged => "merged",
        Why::Resolved => "resolved",
        Why::Undo => "undo",
    }
}

fn conflict(conflict: &Conflict) -> String {
    let decided = match conflict.decided {
        Decided::Newer(side) => format!("newer {side}"),
        Decided::InDoubt(side) => format!("in-doubt {side}"),
        Decided::Preferred(side) => format!("preferred {side}"),
        Decided::ByResolver(side) => format!("resolver {side}"),
        Decided::Merged => "merged".to_owned(),
        Decided::Open => "open".to_owned(),
        Decided::Quarantined => "quarantined".to_owned(),
        Decided::ByPerson(side) => format!("by-person {side}"),
    };
    let fields = conflict
        .fields
        .iter()
        .map(|field| format!("{}={}|{}", field.left_field, plain(&field.left), plain(&field.right)));
    format!("conflict {} {decided}", fields.collect::<Vec<_>>().join(" "))
}
