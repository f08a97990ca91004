//! Names and ids as types, so that a left id is never taken for a field or a version.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_newtype {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps `text`.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

text_newtype! {
    /// The name of a connection in the configuration.
    ConnectionName;
    /// The name of a sync in the configuration; it is the sync's identity.
    SyncName;
    /// The name of an object: `contacts`.
    ObjectName;
    /// The id of a folder, calendar or address book.
    ContainerId;
    /// The id of a list of records in its application.
    ListId;
    /// The id of a record in its application.
    RecordId;
    /// The name of a field of an object.
    FieldName;
    /// A record's version in its application, compared for equality.
    Version;
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Instant = i64;

/// Where records live: a connection, an object, and a container where the object has such.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The connection.
    pub connection: ConnectionName,
    /// The object.
    pub object: ObjectName,
    /// The folder, calendar or address book.
    pub container: Option<ContainerId>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.connection, self.object)?;
        match &self.container {
            Some(container) => write!(f, "[{container}]"),
            None => Ok(()),
        }
    }
}

/// One of the two sides of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The side named `left` in the configuration.
    Left,
    /// The side named `right` in the configuration.
    Right,
}

impl Side {
    /// Both sides, left first.
    pub const BOTH: [Side; 2] = [Side::Left, Side::Right];

    /// Returns the other side.
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }

    /// Picks `left` or `right`.
    pub fn pick<T>(self, left: T, right: T) -> T {
        match self {
            Side::Left => left,
            Side::Right => right,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pick("left", "right"))
    }
}
