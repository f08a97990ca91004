//! What the runner needs of a connector and of a transform: the functions of `wit/`, in our own types.

use syncline_core::{
    ContainerId, FieldName, Instant, ListId, Object, ObjectName, RecordId, Schema, Tombstone, Value, Version,
};

use crate::BoxFuture;

/// An object of one connection, and the container in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The object.
    pub object: ObjectName,
    /// The folder, calendar or address book.
    pub container: Option<ContainerId>,
}

/// One record on its way in or out: cells in the order of the table's columns, `None` for unknown.
///
/// Invariant: values that come from a connector are canonical; the backend sees to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: RecordId,
    /// Its version.
    pub version: Option<Version>,
    /// When it was created.
    pub created_at: Option<Instant>,
    /// When it was last changed.
    pub modified_at: Option<Instant>,
    /// One cell a column.
    pub cells: Vec<Option<Value>>,
}

/// Rows under common columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of the cells.
    pub columns: Vec<FieldName>,
    /// The records.
    pub rows: Vec<Row>,
}

/// Which records to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// What changed since the cursor.
    Changes,
    /// Everything.
    Full,
    /// Every id.
    Ids,
}

/// Asks for one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Where to read.
    pub target: Target,
    /// The fields to read.
    pub fields: Vec<FieldName>,
    /// Which records.
    pub mode: ReadMode,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Records at the most.
    pub limit: u32,
}

/// Where a page leaves the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more.
    More(String),
    /// Nothing more now; the next read of changes starts here.
    Done(String),
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its id.
    pub id: RecordId,
    /// Why.
    pub reason: String,
}

/// One page of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Table,
    /// Confirmed signs that records are gone.
    pub tombstones: Vec<Tombstone>,
    /// Records that could not be read.
    pub skipped: Vec<Skipped>,
    /// Where to go on.
    pub next: Progress,
    /// On the last page: nothing was left out.
    pub complete: bool,
    /// How many records the read will give, if known.
    pub total: Option<u64>,
}

/// What a look-up by id found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There: row number of the answer's table.
    At(usize),
    /// Confirmed gone.
    Gone(Tombstone),
    /// There under another id.
    Moved {
        /// The id it has now.
        id: RecordId,
        /// Row number of the answer's table.
        row: usize,
    },
    /// Cannot tell.
    Unclear(String),
}

/// The answer to a look-up by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetAnswer {
    /// The records.
    pub records: Table,
    /// One for each id, in the order asked.
    pub found: Vec<Found>,
}

/// What a write does to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes a record, under this create key.
    Create(String),
    /// Changes a record.
    Update(RecordId),
    /// Takes a record away.
    Delete(RecordId),
    /// Puts a record away.
    Archive(RecordId),
    /// Brings a record back.
    Restore(RecordId),
    /// Adds a tag to a record.
    Tag(RecordId, String),
}

/// One operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What to do.
    pub action: Action,
    /// The version the change was planned on.
    pub expected_version: Option<Version>,
    /// Values in the order of the request's columns; `None` stays as it is.
    pub cells: Vec<Option<Value>>,
    /// What an earlier delete returned, for a restore.
    pub raw: Option<String>,
}

/// A batch of writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// Where to write.
    pub target: Target,
    /// The names of the cells.
    pub columns: Vec<FieldName>,
    /// What to do.
    pub operations: Vec<Operation>,
    /// The fields of the stored records in the answer.
    pub returning: Vec<FieldName>,
}

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field or setting.
    pub field: Option<String>,
    /// A short stable word.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// What became of one operation.
///
/// One `match` without `_` in the runner says what each leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Written {
        /// The record's id.
        id: RecordId,
        /// Row number of the answer's table with the record as it is stored now.
        stored: Option<usize>,
        /// The raw record before a delete.
        raw: Option<String>,
    },
    /// Not done: wait, then send again.
    RetryLater {
        /// How long to wait.
        after_ms: u64,
        /// Why.
        reason: String,
    },
    /// Not done: the record has changed; its current row, if known.
    VersionConflict(Option<usize>),
    /// Not done: no such record.
    NotFound,
    /// Not done: the record lives under this id.
    MergedInto(RecordId),
    /// Not done: values were refused.
    Invalid(Vec<Violation>),
    /// Not done: another record has the unique value.
    DuplicateOf(Option<RecordId>),
    /// Not done: not allowed.
    Permission(String),
    /// Not done: the application's budget is used up.
    Quota {
        /// How long to wait.
        after_ms: u64,
        /// Why.
        reason: String,
    },
    /// Not done: the connector cannot.
    Unsupported(String),
    /// May or may not have been done.
    Unknown(String),
}

/// The answer to a batch of writes.
///
/// Invariant: as many outcomes as operations; the backend fills in `Unknown` for missing ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteAnswer {
    /// The records that outcomes point to.
    pub records: Table,
    /// One for each operation.
    pub outcomes: Vec<Outcome>,
}

/// What became of creates with an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The records found.
    pub records: Table,
    /// One for each key.
    pub made: Vec<Made>,
}

/// What a look-up tells of one create key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// The record in this row.
    At(usize),
    /// No record.
    Nothing,
    /// It cannot tell.
    Unclear(String),
}

/// Who is signed in where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's stable id.
    pub id: String,
    /// What people call it.
    pub label: String,
}

/// How a named check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Fine.
    Pass,
    /// Not fine.
    Fail,
    /// Cannot tell.
    CannotTell,
}

/// One named condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckItem {
    /// Its name.
    pub name: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
}

/// What a check of a connection found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Who is signed in.
    pub account: Account,
    /// The conditions.
    pub items: Vec<CheckItem>,
}

/// A folder, calendar or address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// What people call it.
    pub label: String,
    /// False: a source only.
    pub writable: bool,
}

/// How records come into a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// By a rule of the application.
    Dynamic,
    /// By hand.
    Fixed,
}

/// A list of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberList {
    /// Its id.
    pub id: ListId,
    /// What people call it.
    pub label: String,
    /// How records come into it.
    pub kind: ListKind,
}

/// Why a whole call failed (E8.1). The texts are for people; the variant says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The settings do not fit.
    #[error("the settings do not fit: {}", violations(.0))]
    Misconfigured(Vec<Violation>),
    /// The credential was refused.
    #[error("the credential was refused: {0}")]
    Auth(String),
    /// Not allowed.
    #[error("not allowed: {0}")]
    Permission(String),
    /// No such object or container.
    #[error("not found: {0}")]
    NotFound(String),
    /// The cursor cannot be continued from.
    #[error("the cursor has expired: {0}")]
    CursorExpired(String),
    /// Wait.
    #[error("asked to wait {} s: {reason}", after_ms.div_ceil(1000))]
    RetryLater {
        /// How long.
        after_ms: u64,
        /// Why.
        reason: String,
    },
    /// A passing failure.
    #[error("a passing failure: {0}")]
    Transient(String),
    /// The call may or may not have had its effect.
    #[error("the outcome is unknown: {0}")]
    Interrupted(String),
    /// An unknown field or option.
    #[error("the schema has changed: {0}")]
    Schema(String),
    /// The answer was not what the contract promises.
    #[error("an answer that the connector does not understand: {0}")]
    Protocol(String),
    /// The plugin cannot.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The component trapped, ran out of a limit or returned nonsense.
    #[error("the plugin failed: {0}")]
    Component(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn violations(list: &[Violation]) -> String {
    let parts: Vec<String> = list
        .iter()
        .map(|violation| match &violation.field {
            Some(field) => format!("{field}: {}", violation.message),
            None => violation.message.clone(),
        })
        .collect();
    parts.join("; ")
}

/// One connection, as the runner sees it.
pub trait Connector: Send + Sync {
    /// Tries settings, credential and rights.
    fn check(&self) -> BoxFuture<'_, Result<CheckReport, Fault>>;
    /// Lists the objects.
    fn objects(&self) -> BoxFuture<'_, Result<Vec<Object>, Fault>>;
    /// Lists the containers of an object.
    fn containers(&self, object: ObjectName) -> BoxFuture<'_, Result<Vec<Container>, Fault>>;
    /// Names the lists of an object.
    fn lists(&self, target: Target) -> BoxFuture<'_, Result<Vec<MemberList>, Fault>>;
    /// Describes the fields.
    fn describe(&self, target: Target) -> BoxFuture<'_, Result<Schema, Fault>>;
    /// Reads one page.
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<Page, Fault>>;
    /// Reads records by id.
    fn get(
        &self,
        target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<GetAnswer, Fault>>;
    /// Finds records by the value of a field.
    fn find(
        &self,
        target: Target,
        key: FieldName,
        values: Vec<Value>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Table, Fault>>;
    /// Lists the ids in a list.
    fn members(
        &self,
        target: Target,
        members_of: String,
        cursor: Option<String>,
    ) -> BoxFuture<'_, Result<(Vec<RecordId>, Progress), Fault>>;
    /// Tells when fields last changed: one list a record, one entry a field.
    fn field_times(
        &self,
        target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Vec<Vec<Option<Instant>>>, Fault>>;
    /// Sets up the create promise.
    fn prepare(&self, target: Target) -> BoxFuture<'_, Result<(), Fault>>;
    /// Writes a batch.
    fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<WriteAnswer, Fault>>;
    /// Finds what became of creates with an unknown outcome; `hints` are the cells that were sent.
    fn find_created(
        &self,
        target: Target,
        keys: Vec<String>,
        columns: Vec<FieldName>,
        hints: Vec<Vec<Option<Value>>>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Created, Fault>>;
}

/// What a transform made of one row, or why it could not.
pub type TransformedRow = Result<Vec<Option<Value>>, String>;

/// One transform, as the runner sees it.
pub trait Transform: Send + Sync {
    /// Applies the transform to each row; as many answers as rows.
    fn apply(
        &self,
        options: String,
        columns: Vec<FieldName>,
        rows: Vec<Vec<Option<Value>>>,
    ) -> BoxFuture<'_, Result<Vec<TransformedRow>, Fault>>;
}
