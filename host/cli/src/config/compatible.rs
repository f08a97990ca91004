//! Which types of fields can be joined (E2.6): those of one type. Between others only a transform carries values.

use syncline_core::FieldType;

/// Says whether values of `from` can be carried as they are into a field of type `to`.
pub fn fits(from: FieldType, to: FieldType) -> bool {
    from == to
}

#[cfg(test)]
mod tests {
    use super::fits;
    use syncline_core::FieldType::{Boolean, Choice, Date, Decimal, Integer, Moment, Text, Texts};

    #[test]
    fn e2_6_nothing_is_carried_that_nobody_converts() {
        let pairs = [(Integer, Decimal), (Date, Moment), (Boolean, Text), (Choice, Text), (Text, Texts)];
        for (a, b) in pairs {
            assert!(!fits(a, b) && !fits(b, a), "{a:?} and {b:?}");
            assert!(fits(a, a) && fits(b, b));
        }
    }
}
