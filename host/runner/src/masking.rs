//! Keeps what sensitive fields hold out of sentences that people read.
//!
//! Not here: values by themselves, which `report` masks where it gives them out.

use syncline_core::{Change, FieldName, Schema, Value};

/// Stands for a sentence that would tell what a sensitive field holds.
pub(crate) const HIDDEN: &str = "(not shown: it is about a sensitive field)";

/// Takes what sensitive fields hold out of a sentence; all of it is hidden where a value is too short to be told apart.
pub(crate) fn without(text: &str, secrets: &[String]) -> String {
    let mut left = text.to_owned();
    for secret in secrets.iter().filter(|secret| text.contains(secret.as_str())) {
        if secret.chars().count() < 3 {
            return HIDDEN.to_owned();
        }
        left = left.replace(secret.as_str(), "(not shown)");
    }
    left
}

/// True if the application calls the field sensitive.
pub(crate) fn is_sensitive(schema: &Schema, field: &FieldName) -> bool {
    schema.field(field).is_some_and(|field| field.traits.sensitive)
}

/// Returns values as a sentence about them might repeat them.
pub(crate) fn spoken<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<String> {
    values.filter(|value| !value.is_blank()).map(ToString::to_string).collect()
}

/// Returns the values of a write that are in fields for which `is_sensitive` holds.
pub(crate) fn secrets_of(change: &Change, is_sensitive: impl Fn(&FieldName) -> bool) -> Vec<String> {
    let sensitive = change.fields.iter().filter(|field| is_sensitive(&field.field));
    spoken(sensitive.flat_map(|field| field.before.iter().chain([&field.after])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_do_not_tell_what_sensitive_fields_hold() {
        let cases = [
            ("pin: 4711 is no pin", vec!["4711"], "pin: (not shown) is no pin"),
            ("pin: 7 is no pin", vec!["7"], HIDDEN),
            ("tel: 7 is no number", vec!["4711"], "tel: 7 is no number"),
        ];
        for (text, secrets, expected) in cases {
            let secrets: Vec<String> = secrets.into_iter().map(str::to_owned).collect();
            assert_eq!(without(text, &secrets), expected);
        }
    }
}
