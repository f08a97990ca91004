//! Decides. Values in, values out: records, schemas, mappings, matching, merging, policies, the plan and the rules of
//! the journal.
//!
//! Invariant: nothing here does I/O, waits, reads a clock or draws a random number. The same arguments give the same
//! answer, to the byte; whatever is needed from outside comes in as a value.
//!
//! Not here: in which order a run happens (`syncline-runner`), how anything is kept, sent or shown.

mod calls;
mod carry;
mod compatible;
mod decide;
mod doubles;
mod filter;
mod fold;
mod groups;
mod guard;
mod ids;
mod journal;
mod lasting;
mod links;
mod matching;
mod merge;
mod oscillation;
mod pair;
mod plan;
mod policy;
mod provenance;
mod reason;
mod record;
mod rules;
mod schema;
mod scope;
mod sets;
mod tasks;
mod value;

pub use calls::{CallBudget, CallWindow, Caller, Counted, Lane, MaySend, SHARE_PERCENT};
pub use carry::{Conversion, Step, Unfit, carried, is_zone};
pub use compatible::{Carry, carry, goes_both_ways, option_map, steps};
pub use decide::{Decision, Presence, Situation, Taken, create, decide, take_away};
pub use doubles::{Candidate, Chosen, Claim, Doubles};
pub use filter::{
    FILTER_BYTES_MAX, FILTER_DEPTH_MAX, Filter, FilterError, FilterFault, Members, Operator, ParsedFilter, Test, Truth,
};
pub use groups::standard_group;
pub use guard::{Asked, Breaker, Guards, PlanCount, PlanDigest, Ruling, Share, Surroundings, asked, is_far, tripped};
pub use ids::{
    ConnectionName, ContainerId, Endpoint, FieldName, Instant, ListId, ObjectName, RecordId, Side, SyncName, Version,
};
pub use journal::{EntryId, EntryState, JournalEntry, Settled};
pub use lasting::Lasting;
pub use links::{Joined, Linked, Links, Route, Way, references, too_many};
pub use matching::{AskedKey, KeyDigest, Verdict, judge, key_digest, key_to_ask, normal_form};
pub use merge::{Image, Images, SideTimes, Touched, diff};
pub use oscillation::{Caps, LATELY_MS, LateField, LateWrite, Lately};
pub use pair::{Base, BaseCell, Pair, PairId, PairState, RunId, Standing, Trouble};
pub use plan::{Agreed, Blocked, Change, ChangeKind, Conflict, ConflictField, Decided, FieldChange, PlanItem, Why};
pub use policy::{Answer, Answers, ConflictPolicy, EditDelete, Question, Times};
pub use provenance::{Holder, Origin, Passage, Provenance, Round, Rounds, round};
pub use reason::Reason;
pub use record::{Columns, Fate, Record, Tombstone};
pub use rules::{
    DeletePolicy, Direction, Index, KeyField, KeyForm, KeyTuple, Mapping, MappingRule, Matching, MergeForm,
    OUT_OF_SCOPE_TAG, OnInvalid, Rules, TRASH_TAG, TargetDrift, TransformUse, WithoutKey, Writable,
};
pub use schema::{Abilities, ChoiceOption, CreatePromise, Field, FieldType, Object, Schema, Traits};
pub use scope::{Exclusion, InclusionList, Leave, Scope, Scoped, Seen};
pub use sets::taken_back;
pub use tasks::{LimitChange, Period, TaskBudget, TaskCount, TaskNotice};
pub use value::{InvalidValue, Reference, Value};
