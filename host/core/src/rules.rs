//! The rules of one sync, as values that `decide` reads.

use serde::{Deserialize, Serialize};

use crate::{Caps, ConflictPolicy, Doubles, EditDelete, FieldName, Filter, Leave, Route, Scope, Side, Step};

/// Which side a sync may write (B04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both sides.
    Both,
    /// Only the left side.
    ToLeft,
    /// Only the right side.
    ToRight,
}

impl Direction {
    /// True if the sync may write `side`.
    pub fn writes(self, side: Side) -> bool {
        match self {
            Direction::Both => true,
            Direction::ToLeft => side == Side::Left,
            Direction::ToRight => side == Side::Right,
        }
    }
}

/// What of a side's records is kept to find counterparts among (E1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Index {
    /// All of them.
    #[default]
    Full,
    /// Those that are paired and those that look-ups by key brought; whatever else is there is never created elsewhere.
    Scoped,
}

/// What one mapping may do (E2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MappingRule {
    /// Changes go both ways.
    TwoWay,
    /// Left is the source.
    ToRight,
    /// Right is the source.
    ToLeft,
    /// Left fills right where right is blank.
    FillBlankToRight,
    /// Right fills left where left is blank.
    FillBlankToLeft,
    /// Left wins wherever it has a value, else right.
    PreferLeftUnlessBlank,
    /// Right wins wherever it has a value, else left.
    PreferRightUnlessBlank,
    /// Nothing.
    Off,
}

/// When a mapped field can be written, as its schema says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writable {
    /// Whenever its record can.
    Always,
    /// Only when its record is created.
    AtCreate,
    /// Never.
    Never,
}

/// A transform component in use, with its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TransformUse {
    /// The plugin's name.
    pub name: String,
    /// A JSON object.
    pub options: String,
}

/// Joins one field of the left with one of the right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The left field.
    pub left: FieldName,
    /// The right field.
    pub right: FieldName,
    /// What it may do.
    pub rule: MappingRule,
    /// Whether the left field can be written.
    pub left_writable: Writable,
    /// Whether the right field can be written.
    pub right_writable: Writable,
    /// Make a right value of a left one, in this order.
    pub to_right: Vec<Step>,
    /// Make a left value of a right one.
    pub to_left: Vec<Step>,
    /// Mappings of one group are merged as one (E2.5).
    pub group: Option<String>,
    /// The form in which values that differ may still say the same: e-mail addresses in other capitals.
    pub compare: Option<KeyForm>,
    /// Its own conflict policy.
    pub conflict: Option<ConflictPolicy>,
    /// What an edit on the side that is only written leads to.
    pub target_drift: TargetDrift,
    /// How several values are merged.
    pub merge: MergeForm,
    /// What a value that cannot be carried over leads to.
    pub on_invalid: OnInvalid,
    /// How references become those of the other side; none for a mapping of other values.
    pub routes: Vec<Route>,
    /// How many values the left field holds at the most.
    pub left_values_max: Option<u32>,
    /// How many values the right field holds at the most.
    pub right_values_max: Option<u32>,
    /// True for a default mapping, which can only be switched off (B07).
    pub default: bool,
}

impl Mapping {
    /// Joins two fields by `rule`, with nothing else said.
    pub fn new(left: FieldName, right: FieldName, rule: MappingRule) -> Self {
        Self {
            left,
            right,
            rule,
            left_writable: Writable::Always,
            right_writable: Writable::Always,
            to_right: Vec::new(),
            to_left: Vec::new(),
            group: None,
            compare: None,
            conflict: None,
            target_drift: TargetDrift::Ignore,
            merge: MergeForm::Set,
            on_invalid: OnInvalid::RejectRecord,
            routes: Vec::new(),
            left_values_max: None,
            right_values_max: None,
            default: false,
        }
    }

    /// Returns the field on `side`.
    pub fn field(&self, side: Side) -> &FieldName {
        side.pick(&self.left, &self.right)
    }

    /// Returns whether the field on `side` can be written.
    pub fn writable(&self, side: Side) -> Writable {
        side.pick(self.left_writable, self.right_writable)
    }

    /// Returns the steps that make values for `side`.
    pub fn steps_to(&self, side: Side) -> &[Step] {
        side.pick(&self.to_left, &self.to_right)
    }

    /// True if values get to `side` as they are.
    pub fn is_plain_to(&self, side: Side) -> bool {
        self.steps_to(side).is_empty() && !self.joins_references()
    }

    /// True if its values are references, which mean nothing on the other side until they are translated (E10.1).
    pub fn joins_references(&self) -> bool {
        !self.routes.is_empty()
    }

    /// Returns how many values the field on `side` holds at the most, where there is a limit.
    pub fn values_max(&self, side: Side) -> Option<u32> {
        side.pick(self.left_values_max, self.right_values_max)
    }

    /// Returns the components that make values for `side`, in order.
    pub fn transforms_to(&self, side: Side) -> impl Iterator<Item = &TransformUse> {
        self.steps_to(side).iter().filter_map(|step| match step {
            Step::Transform(used) => Some(used),
            Step::Convert(_) | Step::Options(_) => None,
        })
    }

    /// Returns a digest of what decides which value stands on which side: when it changes, every pair is compared anew
    /// (E2.9).
    pub fn form(&self) -> [u8; 16] {
        let text = serde_json::to_vec(&(self.rule, &self.to_right, &self.to_left, self.compare, &self.routes));
        let mut digest = [0; 16];
        let whole = blake3::hash(&text.expect("a mapping has no odd map keys"));
        digest.copy_from_slice(&whole.as_bytes()[..16]);
        digest
    }

    /// True if the rule lets values flow to `side`.
    pub fn flows_to(&self, side: Side) -> bool {
        match self.rule {
            MappingRule::TwoWay | MappingRule::PreferLeftUnlessBlank | MappingRule::PreferRightUnlessBlank => true,
            MappingRule::ToRight | MappingRule::FillBlankToRight => side == Side::Right,
            MappingRule::ToLeft | MappingRule::FillBlankToLeft => side == Side::Left,
            MappingRule::Off => false,
        }
    }
}

/// What an edit of the target of a one-way field leads to (E2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetDrift {
    /// Nothing, until the source changes.
    Ignore,
    /// The source's value is written again.
    Revert,
    /// The field is told as rejected, with reason target-drift.
    Error,
}

/// How a field of several values is merged (E2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeForm {
    /// What each side added and took away.
    Set,
    /// As one value.
    Replace,
}

/// What a value that breaks a rule on its way leads to (E8.1, F12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnInvalid {
    /// Nothing of the record is written.
    RejectRecord,
    /// Only this field is left out.
    DropField,
}

/// What a confirmed delete on one side does to the other (E4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletePolicy {
    /// Nothing; the survivor stays as it is.
    Ignore,
    /// The survivor gets a tag.
    Tag,
    /// The survivor is put away.
    Archive,
    /// The survivor is deleted.
    Delete,
}

/// The normal form of a key field (E1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyForm {
    /// Whole address, lower case.
    Email,
    /// Lower case, no `www.`.
    Domain,
    /// Digits with country.
    Phone,
    /// Inner spaces collapsed, case folded.
    Text,
}

/// One field of a key tuple, on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyField {
    /// The field.
    pub field: FieldName,
    /// How its values are compared.
    pub form: KeyForm,
}

/// Fields that together tell that two records are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTuple {
    /// The fields on the left.
    pub left: Vec<KeyField>,
    /// The fields on the right, in the same order.
    pub right: Vec<KeyField>,
}

impl KeyTuple {
    /// Returns the fields on `side`.
    pub fn fields(&self, side: Side) -> &[KeyField] {
        side.pick(&self.left, &self.right)
    }
}

/// How records find each other (E1.3). Without tuples nothing is matched (mode `none`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matching {
    /// Tried in order; a later tuple only for records that the earlier ones left unpaired.
    pub tuples: Vec<KeyTuple>,
    /// What is done about several records with one key (E1.5).
    pub doubles: Doubles,
    /// What is done about a record that has none of the keys (E1.6).
    pub without_key: WithoutKey,
}

/// What is done about a record without counterpart that has nothing to be matched by (E1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutKey {
    /// It is left alone.
    #[default]
    Exclude,
    /// It is created on the other side, as any other; whether it is there already nobody can tell.
    Create,
}

/// The tag that a delete on the other side leaves under [`DeletePolicy::Tag`].
pub const TRASH_TAG: &str = "Syncline trash";

/// The tag that a pair leaves behind under [`Leave::Tag`].
pub const OUT_OF_SCOPE_TAG: &str = "Syncline out of scope";

/// The rules of a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Which side may be written.
    pub direction: Direction,
    /// How records find each other.
    pub matching: Matching,
    /// What is kept of the left side.
    pub left_index: Index,
    /// What is kept of the right side.
    pub right_index: Index,
    /// Which fields go together. At most one active mapping writes a field.
    pub mappings: Vec<Mapping>,
    /// Who wins.
    pub conflict: ConflictPolicy,
    /// What a delete on the right does to the left.
    pub deletes_to_left: DeletePolicy,
    /// What a delete on the left does to the right.
    pub deletes_to_right: DeletePolicy,
    /// Who wins where one side deleted and the other edited.
    pub edit_delete: EditDelete,
    /// True: all fields that go both ways are merged as one group (E2.5).
    pub record_atomic: bool,
    /// Which records it is about.
    pub scope: Scope,
    /// What becomes of a pair that is no longer among them.
    pub leave: Leave,
    /// Times closer than this are no reason to prefer one (E3.2), in milliseconds.
    pub skew_tolerance_ms: i64,
    /// How often fields may be written, and go back and forth (E6.4).
    pub caps: Caps,
}

impl Rules {
    /// The skew tolerance unless the user sets one (E3.2).
    pub const SKEW_TOLERANCE_MS: i64 = 2_000;

    /// Returns what a delete on the other side does to `side`.
    pub fn deletes_to(&self, side: Side) -> DeletePolicy {
        side.pick(self.deletes_to_left, self.deletes_to_right)
    }

    /// Returns what is kept of `side`.
    pub fn index(&self, side: Side) -> Index {
        side.pick(self.left_index, self.right_index)
    }

    /// True if records of `side` that have no counterpart may get one.
    pub fn creates_from(&self, side: Side) -> bool {
        self.direction.writes(side.other()) && self.index(side) == Index::Full
    }

    /// True if values may be written to `side` through `mapping`, leaving aside what the schema allows.
    pub fn flows_to(&self, mapping: &Mapping, side: Side) -> bool {
        self.direction.writes(side) && mapping.flows_to(side)
    }

    /// True if what each side adds to a field of several values and takes away goes to the other (E2.7).
    pub fn merges_sets(&self, mapping: &Mapping) -> bool {
        let both_ways = |side| self.flows_to(mapping, side) && mapping.writable(side) == Writable::Always;
        mapping.merge == MergeForm::Set
            && mapping.rule == MappingRule::TwoWay
            && Side::BOTH.into_iter().all(|side| both_ways(side) && mapping.transforms_to(side).next().is_none())
    }

    /// Returns the components that the rules name: transforms, then resolvers.
    pub fn components(&self) -> impl Iterator<Item = &TransformUse> {
        let transforms = self.mappings.iter().flat_map(|mapping| Side::BOTH.map(|side| mapping.transforms_to(side)));
        let own = self.mappings.iter().filter_map(|mapping| mapping.conflict.as_ref());
        let resolvers = std::iter::once(&self.conflict).chain(own).filter_map(ConflictPolicy::resolver);
        transforms.flatten().chain(resolvers)
    }

    /// Returns a digest that changes whenever the rules do.
    pub fn digest(&self) -> [u8; 32] {
        let text = serde_json::to_vec(self).expect("rules have no maps with odd keys and no foreign types");
        *blake3::hash(&text).as_bytes()
    }

    /// Returns the fields of `side` that the rules read.
    pub fn fields(&self, side: Side) -> Vec<FieldName> {
        let mapped = self.mappings.iter().map(|mapping| mapping.field(side).clone());
        let keys = self.matching.tuples.iter().flat_map(|tuple| tuple.fields(side)).map(|key| key.field.clone());
        let filtered = self.scope.filter(side).into_iter().flat_map(Filter::fields);
        let mut fields: Vec<FieldName> = mapped.chain(keys).chain(filtered).collect();
        fields.sort();
        fields.dedup();
        fields
    }
}
