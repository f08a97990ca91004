//! `guards`: which plans are not carried out unseen (E4.5, E4.6).

use syncline_core::{Guards, Share};

use super::read::{Item, Reader, Section};

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Guards {
    let mut guards = Guards::default();
    let Some(mut section) = reader.section(item, "`guards`") else { return guards };
    for (key, place) in [("empty_side", &mut guards.empty_side), ("auto_approve", &mut guards.auto_approve)] {
        if let Some(entry) = section.take(key)
            && let Some(value) = reader.boolean(entry.value, &format!("`{key}`"))
        {
            *place = value;
        }
    }
    let breakers = [
        ("shrink", &mut guards.shrink),
        ("deletes", &mut guards.deletes),
        ("creates", &mut guards.creates),
        ("blanks", &mut guards.blanks),
    ];
    for (key, place) in breakers {
        let Some(entry) = section.take(key) else { continue };
        if entry.value.get_ref().is_str() {
            *place = reader.word(entry.value, "guard", &[("off", None)]).unwrap_or(*place);
        } else if let Some(share) = place {
            read_share(reader, entry.value, key, share);
        }
    }
    if let Some(entry) = section.take("approval") {
        read_share(reader, entry.value, "approval", &mut guards.approval);
    }
    section.finish(reader, &[]);
    guards
}

/// Reads `{ percent = 5, above = 10 }`; what is left out stays as it is.
fn read_share(reader: &mut Reader, item: &Item<'_>, key: &'static str, share: &mut Share) {
    let Some(mut section) = reader.section(item, &format!("`{key}`")) else { return };
    number(reader, &mut section, "percent", &mut share.percent);
    number(reader, &mut section, "above", &mut share.above);
    section.finish(reader, &[]);
}

fn number(reader: &mut Reader, section: &mut Section<'_>, key: &'static str, place: &mut u64) {
    if let Some(entry) = section.take(key)
        && let Some(value) = reader.whole(entry.value, &format!("`{key}`"))
    {
        *place = value;
    }
}
