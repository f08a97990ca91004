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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Settings {
        url: String,
    }

    #[test]
    fn settings_that_do_not_fit_are_misconfigured_and_no_panic() {
        let host = |settings| TestHost::offline().settings(&settings);
        let fits = host(serde_json::json!({ "url": "/a" })).run(settings::<Settings>);
        assert_eq!(fits, Ok(Settings { url: "/a".to_owned() }));
        for wrong in [serde_json::json!({}), serde_json::json!({ "url": 7 }), serde_json::json!([])] {
            assert!(matches!(host(wrong).run(settings::<Settings>), Err(Fault::Misconfigured(_))));
        }
    }
}
