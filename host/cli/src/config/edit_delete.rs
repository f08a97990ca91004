//! `edit_delete`: who wins where one side deleted and the other edited (E3.6).

use syncline_core::{DeletePolicy, EditDelete, Side};

use super::deletes::Deletes;
use super::mistake::Mistake;
use super::read::{Entry, Reader};

const WORDS: [(&str, EditDelete); 3] =
    [("hold", EditDelete::Hold), ("edit-wins", EditDelete::EditWins), ("delete-wins", EditDelete::DeleteWins)];

/// Reads the policy, which means something only where deletes are carried over.
pub(super) fn read(reader: &mut Reader, entry: Option<Entry<'_>>, deletes: &Deletes) -> EditDelete {
    let Some(entry) = entry else { return EditDelete::default() };
    let policy = reader.word(entry.value, "policy for an edit against a delete", &WORDS).unwrap_or_default();
    let carried_over = Side::BOTH.into_iter().any(|side| *deletes.to(side).get_ref() != DeletePolicy::Ignore);
    if policy != EditDelete::Hold && !carried_over {
        let message = "`edit_delete` can never matter: this sync carries no deletes over";
        let mistake = Mistake::new(&entry.value.span(), message);
        reader.wrong(mistake.mend("set `deletes`, such as { to_right = \"delete\" }, or take `edit_delete` out"));
    }
    policy
}
