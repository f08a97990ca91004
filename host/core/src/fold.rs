//! Text as it is compared where capitals do not matter (E1.4, E5.1).

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use unicode_normalization::UnicodeNormalization;

/// Folds by Unicode's full table, in no language: not only lower case, `ß` and `SS` are one too.
const MAPPER: CaseMapperBorrowed<'static> = CaseMapper::new();

/// Returns `text` with all differences of case taken out, in one normal form.
pub(crate) fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Folding may take letters and their marks apart, so the normal form comes last; it comes first, too, since what is
    // written in parts folds otherwise.
    let normal: String = text.nfc().collect();
    MAPPER.fold_string(&normal).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_4_e5_1_case_is_folded_in_full() {
        for (one, other) in [
            ("stra\u{df}e", "STRASSE"),
            ("stra\u{df}e", "Stra\u{1e9e}e"),
            ("\u{3a3}\u{3a4}\u{39f}\u{3a3}", "\u{3c3}\u{3c4}\u{3bf}\u{3c2}"),
            ("\u{3c3}\u{3c4}\u{3bf}\u{3c3}", "\u{3c3}\u{3c4}\u{3bf}\u{3c2}"),
            ("o\u{fb03}ce", "OFFICE"),
            ("\u{130}zmir", "i\u{307}zmir"),
            ("E\u{301}cole", "\u{e9}COLE"),
            ("\u{1c4}", "\u{1c6}"),
            ("\u{212a}elvin", "kelvin"),
            ("\u{1f80}", "\u{1f88}"),
            ("ADA", "ada"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} and {other}");
            assert_eq!(folded(&folded(one)), folded(one), "{one} twice");
        }
        for (one, other) in [("\u{130}zmir", "izmir"), ("\u{131}zmir", "izmir"), ("\u{e9}cole", "ecole")] {
            assert_ne!(folded(one), folded(other), "{one} and {other} are two");
        }
    }
}
