//! Records as rows under common columns: built and read by name.
//!
//! Invariant: a row has one cell for each column, and a cell that nobody set is `absent`.

use std::collections::HashMap;

use crate::value::{Instant, Value};

pub use crate::bindings::connector::syncline::connector::records::{Cells as Row_, *};
