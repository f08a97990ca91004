//! A transform of the simulation: texts without blanks around them, in lower case, as a rewriting application has them.

use std::sync::Arc;

use syncline_core::{FieldName, Step, TransformUse, Value};
use syncline_runner::{BoxFuture, Fault, SyncSetup, Transform, TransformedRow};

use crate::application::loosely;

struct Tidy;

impl Transform for Tidy {
    fn apply(
        &self,
        _options: String,
        _columns: Vec<FieldName>,
        rows: Vec<Vec<Option<Value>>>,
    ) -> BoxFuture<'_, Result<Vec<TransformedRow>, Fault>> {
        let tidy = |row: Vec<Option<Value>>| Ok(row.iter().map(|cell| cell.as_ref().map(loosely)).collect());
        let rows = rows.into_iter().map(tidy).collect();
        Box::pin(std::future::ready(Ok(rows)))
    }
}

/// The step that a mapping names.
pub(crate) fn step() -> Step {
    Step::Transform(tidy())
}

fn tidy() -> TransformUse {
    TransformUse { name: "tidy".to_owned(), options: String::new() }
}

/// Gives a sync the transform.
pub(crate) fn install(setup: &mut SyncSetup) {
    setup.transforms.insert(tidy(), Arc::new(Tidy));
}
