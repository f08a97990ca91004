//! Merges what came round in a circle of syncs (E6.5): a value that one side got from the other, by whatever way.
//!
//! Invariant: by itself it changes nothing where it came from, neither as an edit nor, where it came by a third
//! application, by a rule. It loses nothing either: where it came from it was replaced by an edit, or in a conflict that is
//! kept, or it still stands there.
//! Not here: a merge group in which the same side has an edit too; that is a conflict as a whole (E2.5).

use super::{Take, Touched};
use crate::{Round, Side};

/// Takes the value that came round for no change; what replaced it where it came from is one.
pub(super) fn take_into_account(touched: &mut Touched, round: Round) {
    if !touched.any() {
        return;
    }
    let (own, other) = match round.side {
        Side::Left => (&mut touched.left, &mut touched.right),
        Side::Right => (&mut touched.right, &mut touched.left),
    };
    *own = false;
    *other = *other || !round.holds;
    // Which of the two is the older one is known also without a base: a blank was made one.
    touched.based = true;
    touched.round = Some(round);
}

/// Drops what would return the value to where it came from.
pub(super) fn without_return(take: Take, round: Round) -> Take {
    let origin = round.side.other();
    match take {
        Take::Nothing => {}
        Take::Write(side, _) | Take::Drifted(side) if side == origin && round.is_detour => {}
        Take::Agree | Take::Write(..) | Take::Drifted(_) | Take::Conflict => return take,
    }
    match round.holds {
        // The two forms of one value are equal from now on, as what was written and what was stored (E6.3).
        true => Take::Agree,
        // What stands there now is on its way round itself.
        false => Take::Nothing,
    }
}
