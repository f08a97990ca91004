//! Which types of fields can be joined (E2.6): both ways only if nothing is lost either way.

use syncline_core::FieldType;

/// Says whether values of `from` can be carried into a field of type `to`, with nobody carrying them back.
pub fn one_way(from: FieldType, to: FieldType) -> bool {
    use FieldType::{Choice, Choices, Json, References, Text, Texts};
    both_ways(from, to)
        || match (from, to) {
            (References | Json, Text) => false,
            (_, Text) => true,
            (Text, Texts) | (Choice, Choices) => true,
            _ => false,
        }
}

/// Says whether values can go from one type to the other and back.
pub fn both_ways(a: FieldType, b: FieldType) -> bool {
    use FieldType::{Date, Decimal, Integer, Moment};
    a == b || matches!((a, b), (Integer, Decimal) | (Decimal, Integer) | (Date, Moment) | (Moment, Date))
}

#[cfg(test)]
mod tests {
    use super::{both_ways, one_way};
    use syncline_core::FieldType::{Boolean, Choice, Date, Decimal, Integer, Json, Moment, References, Text, Texts};

    #[test]
    fn e2_6_lossy_pairs_are_one_way_only() {
        for (from, to, both, one) in [
            (Text, Text, true, true),
            (Integer, Decimal, true, true),
            (Moment, Date, true, true),
            (Boolean, Text, false, true),
            (Text, Boolean, false, false),
            (Choice, Text, false, true),
            (Text, Choice, false, false),
            (Texts, Text, false, true),
            (Text, Texts, false, true),
            (References, Text, false, false),
            (Json, Text, false, false),
        ] {
            assert_eq!((both_ways(from, to), one_way(from, to)), (both, one), "{from:?} to {to:?}");
        }
    }
}
