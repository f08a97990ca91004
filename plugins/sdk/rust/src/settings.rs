//! The settings that the user gave to this connection.

use serde::de::DeserializeOwned;

use crate::host;
use crate::value::{Fault, Violation};

/// Returns the settings as `T`; what does not fit is a `misconfigured` fault.
pub fn settings<T: DeserializeOwned>() -> Result<T, Fault> {
    let text = host::settings();
    let text = if text.trim().is_empty() { "{}" } else { &text };
    serde_json::from_str(text)
        .map_err(|error| Fault::Misconfigured(vec![Violation::of_record("invalid-settings", error.to_string())]))
}
