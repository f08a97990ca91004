//! Which writes cannot be taken back as if they had not been, by what an application can do (E9.6).

use serde::{Deserialize, Serialize};

use crate::{Abilities, ChangeKind};

/// Why an undo cannot bring everything back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasting {
    /// The application brings nothing back: an undo makes a new record with what is known of the old one.
    NewRecord,
    /// It brings nothing back and takes no new records.
    Gone,
    /// It lets nothing be taken away.
    Stays,
}

impl Lasting {
    /// Returns a sentence for people.
    pub fn describe(self) -> &'static str {
        match self {
            Lasting::NewRecord => {
                "cannot be undone as it was: the application brings nothing back, so an undo makes a new record"
            }
            Lasting::Gone => "cannot be undone: the application brings nothing back and takes no new records",
            Lasting::Stays => "cannot be undone: the application lets no record be taken away",
        }
    }
}

impl Abilities {
    /// Says what of a write outlasts an undo; none if nothing does.
    pub fn lasting(&self, kind: &ChangeKind) -> Option<Lasting> {
        match kind {
            ChangeKind::Delete | ChangeKind::Archive if self.restore => None,
            ChangeKind::Delete | ChangeKind::Archive if self.create => Some(Lasting::NewRecord),
            ChangeKind::Delete | ChangeKind::Archive => Some(Lasting::Gone),
            ChangeKind::Create | ChangeKind::Restore { .. } if !self.delete && !self.archive => Some(Lasting::Stays),
            ChangeKind::Create | ChangeKind::Restore { .. } | ChangeKind::Update | ChangeKind::Tag => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e9_6_what_lasts_follows_from_what_the_application_can_do() {
        let restores = Abilities { create: true, delete: true, restore: true, ..Abilities::default() };
        let makes = Abilities { create: true, archive: true, ..Abilities::default() };
        let takes = Abilities { delete: true, ..Abilities::default() };
        let keeps = Abilities { create: true, ..Abilities::default() };
        for (abilities, create, delete) in [
            (restores, None, None),
            (makes, None, Some(Lasting::NewRecord)),
            (takes, None, Some(Lasting::Gone)),
            (keeps, Some(Lasting::Stays), Some(Lasting::NewRecord)),
        ] {
            assert_eq!(abilities.lasting(&ChangeKind::Create), create, "{abilities:?}");
            assert_eq!(abilities.lasting(&ChangeKind::Restore { raw: None }), create, "{abilities:?}");
            for kind in [ChangeKind::Delete, ChangeKind::Archive] {
                assert_eq!(abilities.lasting(&kind), delete, "{abilities:?}");
            }
            assert_eq!(abilities.lasting(&ChangeKind::Update), None);
        }
    }
}
