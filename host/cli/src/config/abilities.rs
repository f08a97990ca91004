//! What the applications can do to the objects of a sync: is it asked of them what they cannot?

use syncline_core::{Abilities, DeletePolicy, Object, Side};

use super::Sync;
use super::deletes::WORDS;
use super::mistake::{Mistake, listed, shown};
use super::scope;

/// Returns what `sync` asks of its two objects that they cannot do.
pub fn validate(sync: &Sync, left: &Object, right: &Object) -> Vec<Mistake> {
    let sides = Side::BOTH.into_iter().filter(|side| sync.direction.writes(*side));
    let beyond = sides.flat_map(|side| {
        let abilities = side.pick(left, right).abilities;
        [writes(sync, side, abilities), deletes(sync, side, abilities)]
    });
    beyond.flatten().chain(scope::validate_abilities(sync, left, right)).collect()
}

fn writes(sync: &Sync, side: Side, abilities: Abilities) -> Option<Mistake> {
    if abilities.create || abilities.update {
        return None;
    }
    let message = format!("{} can only be read, and this sync writes the {side}", sync.endpoint(side));
    let place = &side.pick(&sync.left, &sync.right).object_place;
    let mend = format!("set `direction = \"to-{}\"`", side.other());
    Some(Mistake::new(place, message).mend(mend))
}

fn deletes(sync: &Sync, side: Side, abilities: Abilities) -> Option<Mistake> {
    let policy = sync.deletes.to(side);
    let can = |policy: DeletePolicy| match policy {
        DeletePolicy::Ignore => true,
        DeletePolicy::Tag => abilities.tag,
        DeletePolicy::Archive => abilities.archive,
        DeletePolicy::Delete => abilities.delete,
    };
    if can(*policy.get_ref()) {
        return None;
    }
    let word = WORDS.iter().find(|(_, known)| known == policy.get_ref()).map_or("", |(word, _)| word);
    let message = format!("{} cannot {word} a record", sync.endpoint(side));
    let able = WORDS.iter().filter(|(_, policy)| can(*policy)).map(|(word, _)| *word);
    let mend = format!("it can do {}; {} leaves the record as it is", listed(able), shown("ignore"));
    Some(Mistake::new(&policy.span(), message).mend(mend))
}
