//! `zone`: the time zone in which the days of a sync begin (E2.8).

use super::mistake::{Mistake, shown};
use super::read::{Item, Reader};

/// Days begin at midnight UTC unless the user says otherwise.
pub const DEFAULT: &str = "UTC";

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<String> {
    let name = reader.text(item, "`zone`")?;
    if !syncline_core::is_zone(name.get_ref()) {
        let mistake = Mistake::new(&name.span(), format!("there is no time zone {}", shown(name.get_ref())));
        reader.wrong(mistake.mend("write its IANA name, as in zone = \"Europe/Paris\""));
        return None;
    }
    Some(name.into_inner())
}
