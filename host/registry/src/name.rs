//! The name of a plugin: short, and safe as a file name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters in a name at the most.
const NAME_LENGTH_MAX: usize = 40;

/// A plugin's name.
///
/// Invariant: a small letter, then at most 39 small letters, digits and hyphens; so never a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

/// A text that cannot name a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a plugin: a small letter, then at most 39 small letters, digits and hyphens")]
pub struct InvalidName(String);

impl PluginName {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let goes_on_well = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if starts_well && goes_on_well && text.len() <= NAME_LENGTH_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(text.chars().take(60).collect()))
        }
    }
}

impl TryFrom<String> for PluginName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> String {
        name.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::PluginName;

    #[test]
    fn a_name_is_never_a_path() {
        for good in ["a", "hubspot", "normalize-phone", "a1", &"a".repeat(40)] {
            assert!(good.parse::<PluginName>().is_ok(), "{good}");
        }
        for bad in ["", "A", "1a", "-a", "a_b", "a.b", "../a", "a/b", "a\\b", "a\0", "é", "a b", "a\n", &"a".repeat(41)]
        {
            assert!(bad.parse::<PluginName>().is_err(), "{bad:?}");
        }
    }
}
