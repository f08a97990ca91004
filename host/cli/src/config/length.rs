//! Lengths of time, such as `500ms`, `2s`, `90d`.

use super::mistake::{Mistake, shown};
use super::read::{Item, Reader};

/// Each unit and its length, the one that is the end of another first.
const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a length of at most `max_ms`, in milliseconds.
pub(super) fn read(reader: &mut Reader, item: &Item<'_>, what: &str, max_ms: i64) -> Option<i64> {
    let text = reader.text(item, what)?;
    let length_ms = parse(text.get_ref()).filter(|length_ms| *length_ms <= max_ms);
    if length_ms.is_none() {
        let mistake = Mistake::new(&text.span(), format!("{} does not fit {what}", shown(text.get_ref())));
        let mend = format!("write a number and ms, s, m, h or d, such as \"2s\" or \"90d\", up to {}", show(max_ms));
        reader.wrong(mistake.mend(mend));
    }
    length_ms
}

fn parse(text: &str) -> Option<i64> {
    let (unit, unit_ms) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: u32 = text.strip_suffix(unit)?.trim().parse().ok()?;
    i64::from(number).checked_mul(unit_ms)
}

fn show(length_ms: i64) -> String {
    let whole = UNITS.into_iter().rev().find(|(_, unit_ms)| length_ms % unit_ms == 0);
    whole.map_or_else(String::new, |(unit, unit_ms)| format!("{}{unit}", length_ms / unit_ms))
}

#[cfg(test)]
mod tests {
    use super::{parse, show};

    #[test]
    fn a_length_is_read_and_shown() {
        for (text, length_ms, shown) in
            [("500ms", 500, "500ms"), ("2s", 2_000, "2s"), ("120m", 7_200_000, "2h"), ("90d", 7_776_000_000, "90d")]
        {
            assert_eq!(parse(text), Some(length_ms), "{text}");
            assert_eq!(show(length_ms), shown);
        }
        for text in ["", "s", "5", "-1s", "1.5h", "5 weeks", "99999999999s", "5\u{e9}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
