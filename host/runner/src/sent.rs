//! What became of a change that was sent.

use syncline_core::{FieldName, Instant, Reason, RecordId, Tombstone, Value};

use crate::{Row, Table};

/// A record as it is stored, under the columns of the answer that it came with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) columns: Vec<FieldName>,
    pub(crate) row: Row,
}

impl Stored {
    pub(crate) fn of(table: &Table, index: usize) -> Option<Self> {
        Some(Self { columns: table.columns.clone(), row: table.rows.get(index)?.clone() })
    }

    /// Returns the value of `field`, if it is known.
    pub(crate) fn get(&self, field: &FieldName) -> Option<&Value> {
        let position = self.columns.iter().position(|column| column == field)?;
        self.row.cells.get(position)?.as_ref()
    }

    /// Returns every field of which the value is known.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&FieldName, &Value)> {
        self.columns.iter().zip(&self.row.cells).filter_map(|(field, cell)| Some((field, cell.as_ref()?)))
    }
}

/// A write that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) id: RecordId,
    pub(crate) stored: Option<Stored>,
    pub(crate) raw: Option<String>,
    /// Found by a look-up: what is stored may be what somebody made of it since.
    pub(crate) looked_up: bool,
}

/// What became of one change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sent {
    /// Nothing is known of it: not sent yet, or the run ended before anybody could look.
    Not,
    /// Done.
    Done(Done),
    /// Not done; what is known now is kept, and the pair is planned anew right away.
    Anew {
        reason: Reason,
        detail: String,
        /// It may have been done, and somebody changed the record after that.
        doubtful: bool,
        /// A record to look at.
        ask: Option<RecordId>,
        learned: Vec<Stored>,
        gone: Vec<Tombstone>,
    },
    /// Not done; tried again at this time, or after a growing pause.
    Later { reason: Reason, detail: String, at: Option<Instant> },
    /// Not done, and not tried again until something changes.
    Refused { reason: Reason, field: Option<FieldName>, detail: String },
    /// May or may not have been done; looked up below, and held if that does not tell.
    Unknown(String),
}

impl Sent {
    /// True unless it is certain that nothing was written.
    pub(crate) fn may_be_done(&self) -> bool {
        match self {
            Sent::Done(_) | Sent::Unknown(_) => true,
            Sent::Anew { doubtful, .. } => *doubtful,
            Sent::Not | Sent::Later { .. } | Sent::Refused { .. } => false,
        }
    }

    pub(crate) fn anew(reason: Reason, detail: impl Into<String>) -> Self {
        Sent::Anew { reason, detail: detail.into(), doubtful: false, ask: None, learned: Vec::new(), gone: Vec::new() }
    }
}
