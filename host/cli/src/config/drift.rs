//! `target_drift`: what an edit on the side that a field is only written to leads to (E2.3).

use syncline_core::TargetDrift;

use super::read::{Item, Reader};

const WORDS: [(&str, TargetDrift); 3] =
    [("ignore", TargetDrift::Ignore), ("revert", TargetDrift::Revert), ("error", TargetDrift::Error)];

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<TargetDrift> {
    reader.word(item, "policy for drift", &WORDS)
}
