//! `caps`: how often a field and a record may be written, and a field go back and forth (E6.4).

use syncline_core::Caps;

use super::mistake::Mistake;
use super::read::{Item, Reader};

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Caps {
    let mut caps = Caps::default();
    let Some(mut section) = reader.section(item, "`caps`") else { return caps };
    let keys = [
        ("field_per_hour", &mut caps.field_per_hour),
        ("record_per_day", &mut caps.record_per_day),
        ("alternations", &mut caps.alternations),
    ];
    for (key, place) in keys {
        let Some(entry) = section.take(key) else { continue };
        if entry.value.get_ref().is_str() {
            *place = reader.word(entry.value, "cap", &[("off", None)]).unwrap_or(*place);
        } else if let Some(number) = reader.whole(entry.value, &format!("`{key}`")) {
            match u32::try_from(number).ok().filter(|number| *number > 0) {
                Some(number) => *place = Some(number),
                None => {
                    let mistake = Mistake::new(&entry.value.span(), format!("`{key}` cannot be {number}"));
                    reader.wrong(mistake.mend("write 1 or more, or \"off\"; `direction` says which side is written"));
                }
            }
        }
    }
    section.finish(reader, &[]);
    caps
}
