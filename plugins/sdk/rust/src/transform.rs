//! What a transform implements.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::transform::exports::syncline::transform::rows;
use crate::panic;
use crate::value::Value;

/// A pure function on rows: the same row and options give the same answer, always.
pub trait Transform {
    /// What the user may set, as the manifest's settings schema says.
    type Options: DeserializeOwned;

    /// Changes one row, or says in one sentence why it cannot be changed.
    fn apply_row(options: &Self::Options, columns: &[String], row: Vec<Value>) -> Result<Vec<Value>, String>;
}

/// Applies `T` to each row on its own, as the host does; options that do not fit refuse every row.
pub fn apply<T: Transform>(
    options: &str,
    columns: &[String],
    rows: Vec<Vec<Value>>,
) -> Vec<Result<Vec<Value>, String>> {
    let options = if options.trim().is_empty() { "{}" } else { options };
    match serde_json::from_str::<T::Options>(options) {
        Ok(options) => rows.into_iter().map(|row| T::apply_row(&options, columns, row)).collect(),
        Err(error) => rows.iter().map(|_| Err(format!("the transform's options do not fit: {error}"))).collect(),
    }
}

/// Carries the generated trait for the transform `T`.
#[doc(hidden)]
#[derive(Debug)]
pub struct TransformExport<T>(PhantomData<T>);

impl<T: Transform> rows::Guest for TransformExport<T> {
    fn apply(options: String, columns: Vec<String>, rows: Vec<Vec<Value>>) -> Vec<Result<Vec<Value>, String>> {
        panic::report_once();
        apply::<T>(&options, &columns, rows)
    }
}

/// Exports a type that implements [`Transform`] as this crate's component.
#[macro_export]
macro_rules! transform {
    ($transform:ty) => {
        // Outside wasm nothing is exported: two transforms in one native test would define the same symbols.
        const _: fn() = $crate::transform::must_be_a_transform::<$transform>;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Export = $crate::transform::TransformExport<$transform>;
    $crate::bindings::transform::export_transform!(Export with_types_in $crate::bindings::transform);
        };
    };
}

#[doc(hidden)]
pub fn must_be_a_transform<T: Transform>() {}
